"""RAiSD's mu: what a selective sweep does to diversity, to the frequency spectrum and to linkage, in one product.

References
----------
Alachiotis & Pavlidis 2018, 10.1038/s42003-018-0085-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import HaplotypeBlock, Haplotypes, Words
from scanner.scores import Column, Producer, Reason, column
from scanner.statistics.passes import ranks, window_maximum
from scanner.statistics.phase import unphased_windows
from scanner.windows import Float, Int, Spans

SNP_WINDOW = 50
"""Segregating sites in one SNP window; even, for it falls into two halves."""
FLOOR = 1e-10
"""What stands for a count of zero in mu_sfs and mu_ld, so that one factor alone never makes mu zero."""
NAMES = ("mu",)


def compute(
    block: HaplotypeBlock, spans: Spans, populations: Sequence[Haplotypes], wanted: frozenset[str]
) -> Mapping[str, Column]:
    """Score mu: in each window the largest of the SNP windows that lie wholly inside it.

    The values lack one factor, the contig's density of segregating sites, which is known only when the whole contig
    has been read: multiply by `density_factor`.

    Parameters
    ----------
    block
        The block, for the positions of its sites.
    spans
        The windows and the sites they cover.
    populations
        The one population.
    wanted
        Names of the scores to give, out of `NAMES`.

    References
    ----------
    Alachiotis & Pavlidis 2018, 10.1038/s42003-018-0085-8.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> from scanner.regions import Region
    >>> from scanner.windows import Windows, spans
    >>> one = from_alleles("A", np.eye(60, dtype=np.int8))  # all singletons, no two alike
    >>> block = HaplotypeBlock(Region("1", 0, 600), np.arange(60) * 10, np.ones(60, bool), (one,))
    >>> window = spans(Windows("1", np.array([0, 0]), np.array([490, 500])), block.positions)
    >>> compute(block, window, block.populations, frozenset(NAMES))["mu"].values.round(3).tolist()
    [nan, 91.399]
    """
    (population,) = populations
    segregating = population.segregating
    first, last = ranks(segregating, spans.first, spans.last)
    few = last - first < SNP_WINDOW
    values = np.zeros(0)
    if not few.all():
        values = snp_window_mu(block.positions[segregating], population.take(segregating))
    begin = np.where(few, 0, first)
    best = window_maximum(values, begin, np.where(few, 0, last - SNP_WINDOW + 1))
    made = column(best, (unphased_windows(population, spans), Reason.UNPHASED), (few, Reason.NO_VARIATION))
    return {name: made for name in NAMES if name in wanted}


def density_factor(segregating: int, length: int) -> float:
    """Give the factor of mu that a block cannot know.

    Parameters
    ----------
    segregating
        Segregating sites of the population on the whole contig (of what was scanned).
    length
        Length of the contig (of what was scanned) in bp.

    Returns
    -------
    Segregating sites per bp. It makes mu_var the number of bp of a SNP window relative to what its number of sites
    takes on average, and mu comparable between contigs and data sets.

    Examples
    --------
    >>> density_factor(2_000, 1_000_000)
    0.002
    """
    return segregating / length


def snp_window_mu(positions: Int, population: Haplotypes) -> Float:
    """Compute mu, without the density factor, of every run of `SNP_WINDOW` segregating sites.

    The product of three factors. mu_var is the distance in bp between the first and the last site over `SNP_WINDOW`.
    mu_sfs is the share of sites with one derived or one ancestral allele, each weighted by a = sum of 1 / i over
    1 <= i < n, n the site's own sample size. mu_ld is (x_l s_l + x_r s_r) / (p_l p_r): of the left and of the right
    half, p is the number of distinct site patterns, x of those that the other half lacks, and s the number of sites
    that have one of those. A pattern equals its complement. `FLOOR` stands for a count of zero.

    Parameters
    ----------
    positions
        (sites,) int64, bp, of segregating sites only.
    population
        One population across these sites.

    Returns
    -------
    (sites - SNP_WINDOW + 1,) float64, in bp; entry i begins at site i.

    References
    ----------
    Alachiotis & Pavlidis 2018, 10.1038/s42003-018-0085-8.
    """
    count, size = population.derived_count, population.known_count
    steps = np.arange(1, int(size.max(initial=1)))
    harmonic = np.concatenate([np.zeros(2), np.cumsum(1.0 / steps)])  # harmonic[n]: sum over 1 <= i < n
    edge = (count == 1) | (count == size - 1)
    mu = np.zeros(max(0, len(positions) - SNP_WINDOW + 1))
    _fill(positions, edge, harmonic[size], number_patterns(population), mu)
    return mu


def number_patterns(population: Haplotypes) -> Int:
    """Number the site patterns: equal where the same placed haplotypes differ, whichever allele they carry.

    Parameters
    ----------
    population
        One population across the sites of the block.

    Returns
    -------
    (sites,) int64 from 0 in order of appearance. Patterns are compared by a 64-bit hash.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> rows = [[0, 1, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, -1]]
    >>> number_patterns(from_alleles("A", np.array(rows, np.int8))).tolist()
    [0, 0, 1, 2]
    """
    sites = len(population.derived)
    numbers = np.zeros(sites, np.int64)
    _number(population.derived, population.placed, 1 << max(4, (2 * sites).bit_length()), numbers)
    return numbers


@numba.njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    """Spread every bit over the whole word (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _pattern(derived: Words, placed: Words) -> np.uint64:  # pragma: no cover - compiled
    """Hash one site's pattern, seen such that the first placed haplotype carries 0."""
    odd, value, flip, seen = np.uint64(0x9E3779B97F4A7C15), np.uint64(0), np.uint64(0), False
    for word in range(len(derived)):
        there = placed[word]
        if there and not seen:
            seen = True
            lowest = there & (~there + np.uint64(1))
            if derived[word] & lowest:
                flip = ~flip
        value = _mix((value ^ ((derived[word] ^ flip) & there)) + odd)
        value = _mix((value ^ there) + odd)
    return value


@numba.njit(cache=True, nogil=True)
def _number(
    derived: Words, placed: Words, places: int, numbers: NDArray[np.int64]
) -> None:  # pragma: no cover - compiled
    """Number patterns by an open-addressed hash table of ``places`` places, a power of 2."""
    keys, taken = np.zeros(places, np.uint64), np.full(places, -1)
    mask = np.uint64(places - 1)
    known = 0
    for site in range(len(numbers)):
        value = _pattern(derived[site], placed[site])
        place = value & mask
        while taken[place] >= 0 and keys[place] != value:
            place = (place + np.uint64(1)) & mask
        if taken[place] < 0:
            keys[place], taken[place] = value, known
            known += 1
        numbers[site] = taken[place]


@numba.njit(cache=True, nogil=True)
def _fill(
    positions: Int, edge: NDArray[np.bool_], weight: Float, pattern: Int, mu: Float
) -> None:  # pragma: no cover - compiled
    """Slide the SNP window by one site; each step moves three sites between the halves."""
    half = SNP_WINDOW // 2
    counts = np.zeros((len(pattern), 2), np.int64)  # sites of a pattern in the left and in the right half
    tally = np.zeros((3, 2), np.int64)  # distinct patterns, those only here, and the sites of those
    for site in range(min(SNP_WINDOW, len(pattern))):
        _move(counts[pattern[site]], tally, site // half, 1)
    for begin in range(len(mu)):
        end = begin + SNP_WINDOW
        mass = every = 0.0
        for site in range(begin, end):
            every += weight[site]
            if edge[site]:
                mass += weight[site]
        sfs = (mass if mass > 0.0 else FLOOR * every / SNP_WINDOW) / SNP_WINDOW
        alone = tally[1, 0] * tally[2, 0] + tally[1, 1] * tally[2, 1]
        linkage = alone / (tally[0, 0] * tally[0, 1]) if alone > 0 else FLOOR
        mu[begin] = (positions[end - 1] - positions[begin]) / SNP_WINDOW * sfs * linkage
        if end < len(pattern):
            middle = begin + half
            _move(counts[pattern[begin]], tally, 0, -1)
            _move(counts[pattern[middle]], tally, 1, -1)
            _move(counts[pattern[middle]], tally, 0, 1)
            _move(counts[pattern[end]], tally, 1, 1)


@numba.njit(cache=True, nogil=True)
def _move(counts: Int, tally: Int, side: int, change: int) -> None:  # pragma: no cover - compiled
    """Add a site to one half, or take it away, and keep the tally right."""
    _tell(counts, tally, -1)
    counts[side] += change
    _tell(counts, tally, 1)


@numba.njit(cache=True, nogil=True)
def _tell(counts: Int, tally: Int, sign: int) -> None:  # pragma: no cover - compiled
    """Add one pattern's share to the tally, or take it away."""
    for side in range(2):
        if counts[side] > 0:
            tally[0, side] += sign
            if counts[1 - side] == 0:
                tally[1, side] += sign
                tally[2, side] += sign * counts[side]


PRODUCERS = (Producer(names=NAMES, arity=1, compute=compute, needs_phase=True),)
