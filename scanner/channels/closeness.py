"""How close the haplotypes of two populations are, in windows of sites centred on every site.

The number of differences of every pair of haplotypes is kept in one table of bytes a width and carried along the
sites: a site that enters the window adds to it and one that leaves takes from it, many pairs at a time. The cost
grows with the square of the number of haplotypes, whatever the width.

A site counts as a difference where the alleles of both haplotypes are known and not the same. Counts are divided by
the sites at which a pair can be compared on average, which also holds where alleles are missing. Haplotypes that are
known at fewer than half of a window's sites are left out of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Single = NDArray[np.float32]
Bytes = NDArray[np.uint8]

WIDTHS = (5, 11, 21, 41, 81)
"""Sites of the windows, in rising order, centre included; none has more than 253."""
BOTH = ("closest", "between")
"""What is measured of the two populations together, a column a width."""
OWN = ("within", "nearest", "away", "farthest", "identical", "foreign")
"""What is measured of either population, a column a width."""
_WIDTHS = np.array(WIDTHS)
_LANES = 32  # haplotypes that the processor works on at once
_NOBODY = 255  # a difference from nobody, farther than any
_TIE = 1 + 1e-9  # what differs by less is rounding: equal distances
_APART, _WITHIN, _ACROSS, _INSIDE = 0, 1, 3, 4  # columns of the sums over a window


class Joint(NamedTuple):
    """The haplotypes of both populations.

    Parameters
    ----------
    alleles
        (sites, haplotypes) uint8, those of the first population before those of the second: 0 not known, 1 and 2 the
        two alleles.
    first
        Haplotypes of the first population.
    rates
        (sites, 6) float64, of every site: the probability that two haplotypes differ which are drawn from the two
        populations, both from the first, both from the second; and the share of such pairs in which both alleles are
        known.
    """

    alleles: Bytes
    first: int
    rates: Float


class _Near(NamedTuple):
    """Of every haplotype: differences from the nearest of the first population, of the second, and known sites."""

    of_first: Bytes
    of_second: Bytes
    known: Bytes


@numba.njit(cache=True, nogil=True)
def fill_closeness(joint: Joint, both: Single, first: Single, second: Single) -> None:  # pragma: no cover - compiled
    """Measure closeness around every site; windows are clipped where sites end.

    Distances are differences a site that can be compared. Where no two haplotypes can be, the mean stands in place of
    smallest and largest ones.

    Parameters
    ----------
    joint
        The haplotypes.
    both
        (sites, `BOTH` x widths) float32, filled: the smallest distance between a haplotype of the one population and
        one of the other, and the mean distance.
    first, second
        (sites, `OWN` x widths) float32, filled for either population: the mean distance within it, and the smallest;
        the distance of its haplotypes from the nearest one of the other population, on average and at most; the share
        of them from which a haplotype of the other does not differ at all, and the share that is closer to one of the
        other than to any other of its own.
    """
    haplotypes = joint.alleles.shape[1]
    padded = -(-haplotypes // _LANES) * _LANES
    table, changes = np.empty((haplotypes, padded), np.uint8), np.empty((9, padded), np.uint8)
    room = np.zeros((5, padded), np.uint8)
    near, entering, leaving, sums = _Near(room[0], room[1], room[2]), room[3], room[4], np.empty(6)
    sites, widths = len(joint.alleles), len(_WIDTHS)
    for level in range(widths):
        half = _WIDTHS[level] // 2
        table[:], near.known[:] = 0, 0
        for haplotype in range(haplotypes):
            table[haplotype, haplotype] = _NOBODY
        for step in range(sites + half):
            centre = step - half
            _take(joint.alleles, step, entering)
            _take(joint.alleles, centre - half - 1, leaving)
            width = min(step + 1, sites) - max(centre - half, 0)
            _weigh(entering, leaving, changes, near.known)
            _advance(joint, entering, leaving, changes, table, near, width)
            if centre >= 0:
                _sum(joint.rates[max(centre - half, 0) : min(step + 1, sites)], sums)
                both[centre, level] = _closest(joint, near, sums, width)
                both[centre, level + widths] = sums[_APART] / width
                for side, row in ((0, first[centre]), (1, second[centre])):
                    _measure(joint, near, sums, width, side, row[level::widths])


@numba.njit(cache=True, nogil=True)
def _take(alleles: Bytes, site: int, row: Bytes) -> None:  # pragma: no cover - compiled
    """Copy the alleles of a site; none are known where there is no such site."""
    there = 0 <= site < len(alleles)
    for haplotype in range(alleles.shape[1]):
        row[haplotype] = alleles[site, haplotype] if there else 0


@numba.njit(cache=True, nogil=True)
def _weigh(entering: Bytes, leaving: Bytes, changes: Bytes, known: Bytes) -> None:  # pragma: no cover - compiled
    """Count known alleles, and say how differences change for all alleles of a haplotype that enter and leave.

    Row ``3 x entering + leaving`` of ``changes`` is what is added to its differences from every haplotype.
    """
    for haplotype in range(len(known)):
        known[haplotype] += np.uint8(entering[haplotype] > 0) - np.uint8(leaving[haplotype] > 0)
    for new in range(3):
        for old in range(3):
            row = changes[3 * new + old]
            for haplotype in range(len(row)):
                more = np.uint8(new | entering[haplotype] == 3)
                row[haplotype] = more - np.uint8(old | leaving[haplotype] == 3)


@numba.njit(cache=True, nogil=True)
def _advance(
    joint: Joint, entering: Bytes, leaving: Bytes, changes: Bytes, table: Bytes, near: _Near, width: int
) -> None:  # pragma: no cover - compiled
    """Carry the table on by a site, and find the nearest of every haplotype in either population."""
    near.of_first[:], near.of_second[:] = _NOBODY, _NOBODY
    for haplotype in range(len(table)):
        row, change = table[haplotype], changes[3 * entering[haplotype] + leaving[haplotype]]
        for other in range(np.uint64(len(row))):
            row[other] += change[other]
        if 2 * near.known[haplotype] >= width:
            least = near.of_first if haplotype < joint.first else near.of_second
            for other in range(np.uint64(len(row))):
                least[other] = min(least[other], row[other])


@numba.njit(cache=True, nogil=True)
def _sum(rates: Float, sums: Float) -> None:  # pragma: no cover - compiled
    """Add up a window, always in the same order."""
    sums[:] = 0
    for row in rates:
        for column in range(len(sums)):
            sums[column] += row[column]


@numba.njit(cache=True, nogil=True)
def _closest(joint: Joint, near: _Near, sums: Float, width: int) -> float:  # pragma: no cover - compiled
    """Give the smallest distance between the populations."""
    least = _NOBODY
    for haplotype in range(joint.first):
        if 2 * near.known[haplotype] >= width:
            least = min(least, int(near.of_second[haplotype]))
    return float(sums[_APART] / width if least == _NOBODY or sums[_ACROSS] == 0 else least / sums[_ACROSS])


@numba.njit(cache=True, nogil=True)
def _measure(
    joint: Joint, near: _Near, sums: Float, width: int, side: int, found: Single
) -> None:  # pragma: no cover - compiled
    """Fill what is measured of one population, the first (0) or the second (1)."""
    low, high = (0, joint.first) if side == 0 else (joint.first, joint.alleles.shape[1])
    own, other = (near.of_first, near.of_second) if side == 0 else (near.of_second, near.of_first)
    inside, across = sums[_INSIDE + side], sums[_ACROSS]
    nearest, total, farthest = _NOBODY, 0, 0
    seen = identical = foreign = 0
    for haplotype in range(low, high):
        if 2 * near.known[haplotype] < width:
            continue
        here, there = int(own[haplotype]), int(other[haplotype])
        nearest = min(nearest, here)
        if there < _NOBODY and across > 0:
            seen += 1
            total += there
            farthest = max(farthest, there)
            identical += there == 0
            foreign += here < _NOBODY and inside > 0 and there * inside * _TIE < here * across
    mean, between = sums[_WITHIN + side] / width, sums[_APART] / width
    found[0] = mean
    found[1] = mean if nearest == _NOBODY or inside == 0 else nearest / inside
    found[2] = between if seen == 0 else total / (seen * across)
    found[3] = between if seen == 0 else farthest / across
    found[4], found[5] = identical / max(seen, 1), foreign / max(seen, 1)
