"""What the statistics of phased haplotypes share: is there enough phase, and which haplotypes can be used."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Bools, Counts, Haplotypes, Words, popcount
from scanner.windows import Spans, window_sums

MAX_UNPHASED = 0.05
"""Largest share of heterozygous genotypes without phase that a window may have."""


def unphased_windows(haplotypes: Haplotypes, spans: Spans) -> Bools:
    """Find the windows where too many heterozygous genotypes of the population have no phase.

    Parameters
    ----------
    haplotypes
        One population across the sites of the block.
    spans
        The windows and the sites they cover.

    Returns
    -------
    (windows,) bool: more than `MAX_UNPHASED` of the heterozygous genotypes are unphased.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> from scanner.windows import Windows, spans
    >>> alleles = np.array([[0, 1, 0, 1], [0, 1, 0, 0]], np.int8)
    >>> packed = from_alleles("A", alleles, np.array([[True, False], [False, False]]))
    >>> both = spans(Windows("1", np.array([0, 5]), np.array([5, 9])), np.array([1, 6]))
    >>> unphased_windows(packed, both).tolist()
    [True, False]
    """
    if not haplotypes.unphased_count.any():
        return np.zeros(len(spans), np.bool_)
    unphased = window_sums(haplotypes.unphased_count, spans.first, spans.last)
    hets = window_sums(haplotypes.het_count, spans.first, spans.last)
    return np.asarray(unphased.astype(np.float64) > MAX_UNPHASED * hets.astype(np.float64))


def placed_count(haplotypes: Haplotypes) -> Counts:
    """Count the haplotypes whose allele is placed.

    Parameters
    ----------
    haplotypes
        One population across the sites of the block.

    Returns
    -------
    (sites,) int32.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> placed_count(from_alleles("A", np.array([[0, 1, 0, -1]], np.int8), np.array([[True, False]]))).tolist()
    [1]
    """
    if haplotypes.placed is haplotypes.known:
        return haplotypes.known_count
    return count_bits(haplotypes.placed)


def carried_count(haplotypes: Haplotypes) -> Counts:
    """Count the haplotypes that are known to carry the derived allele.

    Parameters
    ----------
    haplotypes
        One population across the sites of the block.

    Returns
    -------
    (sites,) int32.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> carried_count(from_alleles("A", np.array([[0, 1, 1, 1]], np.int8), np.array([[True, False]]))).tolist()
    [2]
    """
    if haplotypes.placed is haplotypes.known:
        return haplotypes.derived_count
    return count_bits(haplotypes.derived & haplotypes.placed)


def count_bits(words: Words) -> Counts:
    """Count the set bits of every row.

    Parameters
    ----------
    words
        (rows, words) uint64.

    Returns
    -------
    (rows,) int32.

    Examples
    --------
    >>> count_bits(np.array([[7, 1], [0, 2]], np.uint64)).tolist()
    [4, 1]
    """
    counts = np.zeros(len(words), np.int32)
    _count_bits(words, counts)
    return counts


@numba.njit(cache=True, nogil=True)
def _count_bits(words: Words, counts: NDArray[np.int32]) -> None:  # pragma: no cover - compiled
    """Add up the bits of each row."""
    for row in range(words.shape[0]):
        total = np.uint64(0)
        for word in range(words.shape[1]):
            total += popcount(words[row, word])
        counts[row] = total
