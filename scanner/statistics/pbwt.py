"""How far haplotypes stay identical: the engine under iHS, nSL and XP-EHH.

Walking along the sites, haplotypes are kept sorted by what they carry to the left, read backwards, together with the
site from which each one equals its neighbour in that order (the positional prefix and divergence arrays of Durbin
2014). Two haplotypes of one class then became identical at the latest of the starts between them, so that the pairs
are counted by merging neighbours, without ever looking at a pair: O(n log sites) a site, however far EHH extends.

All counts and lengths are whole numbers, hence sums are exact and results do not depend on where a contig was cut.

References
----------
Durbin 2014, 10.1093/bioinformatics/btu014.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Alleles

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Short = NDArray[np.uint32]

MIN_EHH = 0.05
"""EHH is integrated up to the first site where it is no larger than this."""
GAP_SCALE = 20_000
"""A longer stretch without sites counts as this many bp."""
MAX_GAP = 200_000
"""A curve that crosses a longer stretch without sites (bp) gives no value."""
MAX_EXTEND = 1_000_000
"""Nothing farther from the focal site than this (bp) is looked at."""

_BEYOND = 2**31 - 1


def ruler(positions: Int, at_edge: bool) -> Int:
    """Prepare what the scan asks of the positions, in the order in which it walks.

    Parameters
    ----------
    positions
        (sites,) strictly increasing, bp; negated and turned round for the scan from the contig's end.
    at_edge
        The contig has no site before the first of these.

    Returns
    -------
    (4, sites): scaled distance from the first site in bp; stretches longer than `MAX_GAP` since then; the first site
    within `MAX_EXTEND`; whether a curve that has not decayed by there is kept. It is where the stretch up to
    `MAX_EXTEND` is no gap and does not hold the contig's edge.

    Examples
    --------
    >>> ruler(np.array([0, 30_000, 300_000]), True)[:2].tolist()
    [[0, 20000, 40000], [0, 0, 1]]
    """
    gaps = np.diff(positions, prepend=positions[:1])
    within = np.searchsorted(positions, positions - MAX_EXTEND).astype(np.int64)
    unseen = MAX_EXTEND - (positions - positions[within])
    kept = (unseen <= MAX_GAP) & ~((within == 0) & at_edge)
    return np.stack([np.cumsum(np.minimum(gaps, GAP_SCALE)), np.cumsum(gaps > MAX_GAP), within, kept])


@numba.njit(cache=True, nogil=True)
def scan(
    alleles: Alleles, backward: bool, first: int, marks: Int, together: bool, ihh: Float, shared: Float
) -> None:  # pragma: no cover - compiled
    """Measure one side of every focal site.

    Parameters
    ----------
    alleles
        (sites, haplotypes) int8, C order: 0, 1, or -1 (in no class at a focal site, equal to nobody elsewhere).
    backward
        Walk from the last site to the first; sites are then counted from the last.
    first
        First focal site in walking order; ``ihh`` says how many follow.
    marks
        `ruler` of the sites in walking order.
    together
        One class of all haplotypes that have an allele, instead of one class an allele.
    ihh
        (classes, focal sites) filled with the integrated EHH in bp, NaN where undefined, in walking order.
    shared
        (classes, focal sites) filled with the mean number of sites that a pair shares, the focal one included.
    """
    sites, size = alleles.shape
    order = np.arange(size).astype(np.uint32)
    start = np.zeros(size, np.uint32)
    spare = np.empty((3, size), np.uint32)
    stack = np.empty((2, size + 1), np.int64)
    nodes = np.empty((2, size), np.int64)
    for step in range(first + ihh.shape[1]):
        row = alleles[sites - 1 - step] if backward else alleles[step]
        zeros, ones = _extend(row, order, start, step, spare)
        if step < first:
            continue
        floor = marks[2, step]
        count = _merge(start[:zeros], floor, stack, nodes, 0)
        if together:
            pairs = (zeros + ones) * (zeros + ones - 1) // 2
        else:
            pairs = zeros * (zeros - 1) // 2
            ihh[0, step - first] = _integrate(nodes[0, :count], nodes[1, :count], pairs, step, marks)
            shared[0, step - first] = _share(nodes[0, :count], nodes[1, :count], pairs, step)
            count, pairs = 0, ones * (ones - 1) // 2
        count = _merge(start[zeros : zeros + ones], floor, stack, nodes, count)
        ihh[-1, step - first] = _integrate(nodes[0, :count], nodes[1, :count], pairs, step, marks)
        shared[-1, step - first] = _share(nodes[0, :count], nodes[1, :count], pairs, step)


@numba.njit(cache=True, nogil=True)
def _extend(
    row: Alleles, order: Short, start: Short, step: int, spare: Short
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Sort the haplotypes by one more site, in place: those with 0, those with 1, those without; count the first two.

    ``start[j]`` becomes the first site from which ``order[j]`` equals ``order[j - 1]`` up to here. Every haplotype
    is written to all three places and only one of them advances: a branch would be a coin toss to the processor.
    Unsigned numbers spare it the test for negative indices.
    """
    one = np.uint32(1)
    zeros, ones, size = np.uint64(0), np.uint64(0), np.uint64(len(order))
    to_zero, to_one = np.uint32(step + 1), np.uint32(step + 1)
    for j in range(size):
        haplotype, since = order[j], start[j]
        allele = row[haplotype]
        to_zero, to_one = max(to_zero, since), max(to_one, since)
        order[zeros], start[zeros] = haplotype, to_zero
        spare[0, ones], spare[1, ones], spare[2, j - zeros - ones] = haplotype, to_one, haplotype
        is_zero, is_one = np.uint32(allele == 0), np.uint32(allele == 1)
        zeros += np.uint64(is_zero)
        ones += np.uint64(is_one)
        to_zero &= is_zero - one  # 0 where the allele is 0, else as it was
        to_one &= is_one - one
    placed = zeros + ones
    order[zeros:placed], start[zeros:placed] = spare[0, :ones], spare[1, :ones]
    order[placed:] = spare[2, : size - placed]
    start[placed:] = step + 1
    return int(np.int64(zeros)), int(np.int64(ones))


@numba.njit(cache=True, nogil=True)
def _merge(start: Short, floor: int, stack: Int, nodes: Int, count: int) -> int:  # pragma: no cover - compiled
    """Append (site, pairs) nodes: so many pairs of one class are identical exactly from that site on.

    Groups of haplotypes wait on a stack, parted by ever earlier sites; a later site than the topmost one ends the
    wait of the groups on both its sides, whose pairs are then known and which become one group.
    """
    one = np.uint64(1)
    values, weights, parted, waiting = nodes[0], nodes[1], stack[0], stack[1]
    top, node, group = np.uint64(0), np.uint64(count), np.int64(1)
    latest = parted[0] = np.int64(_BEYOND)
    for j in range(one, np.uint64(len(start))):
        since = max(np.int64(start[j]), np.int64(floor))
        while latest <= since:
            values[node], weights[node] = latest, waiting[top] * group
            group += waiting[top]
            node += one
            top -= one
            latest = parted[top]
        top += one
        parted[top], waiting[top] = since, group
        latest, group = since, np.int64(1)
    while top > 0:
        values[node], weights[node] = parted[top], waiting[top] * group
        group += waiting[top]
        node += one
        top -= one
    return int(np.int64(node))


@numba.njit(cache=True, nogil=True)
def _still(values: Int, weights: Int, site: int) -> int:  # pragma: no cover - compiled
    """Count the pairs that are identical from the given site, or an earlier one, up to the focal site."""
    total = 0
    for j in range(len(values)):
        total += weights[j] if values[j] <= site else 0
    return total


@numba.njit(cache=True, nogil=True)
def _integrate(values: Int, weights: Int, pairs: int, step: int, marks: Int) -> float:  # pragma: no cover - compiled
    """Integrate one EHH curve from the focal site up to its decay, by the trapezoid rule."""
    if pairs == 0:
        return np.nan
    stop, alive = marks[2, step], step
    if _still(values, weights, stop) / pairs > MIN_EHH:
        if marks[3, step] == 0:
            return np.nan
    else:
        while alive - stop > 1:
            middle = (stop + alive) // 2
            if _still(values, weights, middle) / pairs <= MIN_EHH:
                stop = middle
            else:
                alive = middle
    if marks[1, step] != marks[1, stop]:
        return np.nan
    scaled = marks[0]
    twice = 0
    for j in range(len(values)):
        since = values[j]
        # a pair that parts between two sites counts for half of the stretch between them
        past = scaled[since] + scaled[since - 1] if since > stop else 2 * scaled[stop]
        twice += weights[j] * (2 * scaled[step] - past)
    return twice / (2 * pairs)


@numba.njit(cache=True, nogil=True)
def _share(values: Int, weights: Int, pairs: int, step: int) -> float:  # pragma: no cover - compiled
    """Average the number of sites over which pairs are identical."""
    if pairs == 0:
        return np.nan
    total = 0
    for j in range(len(values)):
        total += weights[j] * (step + 1 - values[j])
    return total / pairs
