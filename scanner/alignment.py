"""Alignments: windows as the networks of Flagel et al. see them, the alleles of haplotypes site by site.

Unlike site channels an alignment holds a fixed number of haplotypes, and every window is encoded anew. An allele is 1
where it is derived and -1 where it is not; sites that are not there have a value of their own.

References
----------
Flagel, Brandvain & Schrider 2019, 10.1093/molbev/msy224.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Haplotypes, from_alleles, unpack

Int = NDArray[np.int64]
Single = NDArray[np.float32]

DERIVED, ANCESTRAL, ABSENT = 1, -1, 0
"""Alleles, and what stands where there is no site."""
NOWHERE = -1.0
"""Position where there is no site."""


class Aligned(NamedTuple):
    """One window.

    Parameters
    ----------
    alleles
        (sites, haplotypes) int8: `DERIVED` or `ANCESTRAL`; an allele that is not known counts as the more frequent.
    positions
        (sites,) float32 between 0 and 1: place in the window.
    """

    alleles: NDArray[np.int8]
    positions: Single


def similarity_order(alleles: NDArray[np.int8]) -> Int:
    """Order haplotypes by their distance to the one that is nearest to all others.

    Parameters
    ----------
    alleles
        (sites, haplotypes) int8 of -1 and 1.

    Returns
    -------
    (haplotypes,) int64; of equal distances the first comes first.

    Examples
    --------
    >>> similarity_order(np.array([[1, -1, -1, -1], [1, -1, 1, -1], [1, -1, 1, 1]], np.int8)).tolist()
    [2, 0, 3, 1]
    """
    values = alleles.astype(np.float32)  # whole numbers up to 2^24 are exact
    alike = values.T @ values
    return np.argsort(-alike[np.argmax(alike.sum(axis=1))], kind="stable")


def together(populations: Sequence[Haplotypes], sizes: Sequence[int] | None = None) -> Haplotypes:
    """Make one population of several, the haplotypes of the first before those of the second.

    Parameters
    ----------
    populations
        At the same sites.
    sizes
        Haplotypes of each that are taken, the first ones; all where None.

    Examples
    --------
    >>> one = from_alleles("A", np.array([[0, 1]], np.int8), ploidy=1)
    >>> other = from_alleles("B", np.array([[1, 1]], np.int8), ploidy=1)
    >>> together([one, other], [1, 2]).alleles().tolist()
    [[0, 1, 1]]
    """
    if len(populations) == 1 and sizes is None:
        return populations[0]
    taken = [each.size for each in populations] if sizes is None else sizes
    alleles = [each.alleles()[:, :size] for each, size in zip(populations, taken, strict=True)]
    return from_alleles("together", np.concatenate(alleles, axis=1), ploidy=1)


def align(
    positions: Int, haplotypes: Haplotypes, start: Int, end: Int, size: int | None = None, *, ordered: bool = True
) -> list[Aligned]:
    """Encode windows.

    Parameters
    ----------
    positions
        (sites,) int64, rising, bp, 0-based.
    haplotypes
        One population at these sites.
    start, end
        (windows,) bp, 0-based half-open.
    size
        Haplotypes that are taken, the first ones; all where None. Sites are used that segregate among them.
    ordered
        Sort them, in every window anew, by `similarity_order`; else they stand as they are given.

    Raises
    ------
    ValueError
        There are fewer haplotypes than that.
    """
    size = haplotypes.size if size is None else size
    if not 0 < size <= haplotypes.size:
        raise ValueError(f"{size} haplotypes are asked for, and there are {haplotypes.size}")
    first, last = np.searchsorted(positions, start), np.searchsorted(positions, end)
    derived, known = unpack(haplotypes.derived, size), unpack(haplotypes.known, size)
    carriers, calls = derived.sum(axis=1), known.sum(axis=1)
    segregating = (carriers > 0) & (carriers < calls)
    common = (2 * carriers > calls)[:, None]
    alleles = np.where(np.where(known, derived, common), np.int8(DERIVED), np.int8(ANCESTRAL))
    found = []
    for low, high, begin, stop in zip(first.tolist(), last.tolist(), start.tolist(), end.tolist(), strict=True):
        used = low + np.flatnonzero(segregating[low:high])
        window = alleles[used]
        placed = ((positions[used] - begin) / (stop - begin)).astype(np.float32)
        order = similarity_order(window) if ordered else slice(None)
        found.append(Aligned(np.ascontiguousarray(window[:, order]), placed))
    return found


def middle(window: Aligned, sites: int) -> Aligned:
    """Keep the sites in the middle of a window that has more than so many.

    Examples
    --------
    >>> middle(Aligned(np.zeros((4, 2), np.int8), np.array([0, 0.25, 0.5, 0.75], np.float32)), 2).positions.tolist()
    [0.25, 0.5]
    """
    spare = max(0, len(window.positions) - sites) // 2
    kept = slice(spare, spare + sites)
    return Aligned(window.alleles[kept], window.positions[kept])


def pad(windows: Sequence[Aligned], sites: int) -> tuple[Single, Single]:
    """Bring windows to one length; of a window with more sites the ones in its middle are kept.

    Parameters
    ----------
    windows
        With the same number of haplotypes.
    sites
        The length.

    Returns
    -------
    alleles
        (windows, sites, haplotypes) float32, `ABSENT` beyond the last site.
    positions
        (windows, sites) float32, `NOWHERE` beyond the last site.

    Examples
    --------
    >>> one = Aligned(np.array([[1, -1], [-1, 1]], np.int8), np.array([0.25, 0.75], np.float32))
    >>> alleles, positions = pad([one], 3)
    >>> alleles[0].tolist(), positions[0].tolist()
    ([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]], [0.25, 0.75, -1.0])
    """
    alleles = np.full((len(windows), sites, windows[0].alleles.shape[1]), ABSENT, np.float32)
    positions = np.full((len(windows), sites), NOWHERE, np.float32)
    for row, window in enumerate(windows):
        kept = middle(window, sites)
        count = len(kept.positions)
        alleles[row, :count], positions[row, :count] = kept.alleles, kept.positions
    return alleles, positions


def distances(positions: Single) -> Single:
    """Turn positions into distances between neighbouring sites.

    Parameters
    ----------
    positions
        (windows, sites) as `pad` gives them.

    Returns
    -------
    (windows, sites) float32: from the site before, of the first one from the start of the window, where 1 is the share
    of the window that a site would have if all rows were sites. In the row after the last site stands what is left of
    the window; beyond it `NOWHERE`.

    Examples
    --------
    >>> distances(np.array([[0.25, 0.5, NOWHERE, NOWHERE]], np.float32)).tolist()
    [[1.0, 1.0, 2.0, -1.0]]
    """
    sites = positions.shape[1]
    ends = np.where(positions == NOWHERE, np.float32(1), positions)
    between = np.diff(ends, axis=1, prepend=np.float32(0)) * np.float32(sites)
    beyond = np.arange(sites) > (positions != NOWHERE).sum(axis=1, keepdims=True)
    return np.where(beyond, np.float32(NOWHERE), between)
