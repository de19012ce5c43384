"""Haplotype sharing channels: how alike the haplotypes are in windows of sites centred on every site.

Walking along the sites, haplotypes are kept sorted by what they carry to the left, read backwards, together with the
site from which each one equals its neighbour in that order (the positional prefix and divergence arrays of Durbin
2014). In the windows that end at the present site, haplotypes alike stand side by side and a later start parts two
classes, so one look at the order serves windows of all lengths, without hashing or comparing haplotypes.

References
----------
Durbin 2014, 10.1093/bioinformatics/btu014.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import WORD, Words

Int = NDArray[np.int64]
Bits = NDArray[np.uint8]
Short = NDArray[np.uint32]
Single = NDArray[np.float32]

WIDTHS = (5, 11, 21, 41)
"""Sites of the windows, in rising order, centre included."""
CARRIER_WIDTHS = (11, 41)
"""Windows in which the carriers of either allele are also looked at by themselves."""
_FEW = 8  # fewer than one haplotype in so many are few
_HALVES = np.array(WIDTHS) // 2
_OWN = np.array([CARRIER_WIDTHS.index(width) if width in CARRIER_WIDTHS else -1 for width in WIDTHS])


class Carriers(NamedTuple):
    """Who carries what, for telling haplotypes apart.

    Parameters
    ----------
    allele
        (sites, words) uint64: the haplotype carries the second of the two alleles.
    third
        (split sites, words) uint64: haplotypes that are set apart from the carriers of both.
    split
        (sites,) int64: row of ``third``, or -1 where there is none.
    tied
        (sites,) bool: the two alleles have no order, hence the more alike carriers come first.
    size
        Number of haplotypes.
    """

    allele: Words
    third: Words
    split: Int
    tied: NDArray[np.bool_]
    size: int


class _Sorted(NamedTuple):
    """Haplotypes sorted by what they carry to the left, read backwards.

    ``start[j]`` is the first site from which ``order[j]`` equals ``order[j - 1]`` up to here.
    """

    order: Short
    start: Short


@numba.njit(cache=True, nogil=True)
def fill_sharing(carriers: Carriers, values: Single) -> None:  # pragma: no cover - compiled
    """Measure sharing around every site; windows are clipped where sites end.

    Parameters
    ----------
    carriers
        The sites.
    values
        (sites, 3 x widths + 2 x carrier widths) float32, filled: for every width the share of pairs of haplotypes
        that are alike, the share of the commonest haplotype and of the second; for every carrier width the share of
        alike pairs among carriers of the first and of the second allele, 0 where there are fewer than two.
    """
    sites, size = len(values), carriers.size
    order, start = np.arange(size).astype(np.uint32), np.zeros(size, np.uint32)
    next_order, next_start = np.empty(size, np.uint32), np.empty(size, np.uint32)
    bits = np.empty(carriers.allele.shape[1] * WORD, np.uint8)
    edges = np.empty(size + 1, np.uint32)
    for step in range(sites + _HALVES[-1] if sites > 0 else 0):
        if step < sites:
            _unpack(carriers.allele[step], bits)
            _extend(bits[:size], step, _Sorted(order, start), _Sorted(next_order, next_start))
            order, start, next_order, next_start = next_order, next_start, order, start
            if carriers.split[step] >= 0:
                _unpack(carriers.third[carriers.split[step]], bits)
                _extend(bits[:size], step, _Sorted(order, start), _Sorted(next_order, next_start))
                order, start, next_order, next_start = next_order, next_start, order, start
        classes = _part(start, max(step - 2 * _HALVES[-1], 0), edges)
        for level in range(len(_HALVES) - 1, -1, -1):
            if level < len(_HALVES) - 1:
                classes = _join(edges, classes, start, max(step - 2 * _HALVES[level], 0))
            centre = step - _HALVES[level]
            if 0 <= centre < sites:
                _count(edges[: classes + 1], size, values[centre], 3 * level)
                if _OWN[level] >= 0:
                    column = 3 * len(_HALVES) + 2 * _OWN[level]
                    _count_own(carriers, centre, order, edges[: classes + 1], values[centre, column : column + 2])


@numba.njit(cache=True, nogil=True)
def _unpack(row: Words, bits: Bits) -> None:  # pragma: no cover - compiled
    """Spread the words of one site."""
    at = np.uint64(0)
    for word in row:
        for bit in range(np.uint64(WORD)):
            bits[at + bit] = (word >> bit) & np.uint64(1)
        at += np.uint64(WORD)


@numba.njit(cache=True, nogil=True)
def _extend(bits: Bits, step: int, now: _Sorted, then: _Sorted) -> None:  # pragma: no cover - compiled
    """Sort the haplotypes by one more site: those whose bit is not set, then those whose is."""
    ones, size = np.uint64(0), np.uint64(len(bits))
    for j in range(size):
        ones += np.uint64(bits[j])
    if ones * np.uint64(_FEW) < size:
        _extend_rare(bits, step, now, then, size - ones)
    else:
        _extend_common(bits, step, now, then, size - ones)


@numba.njit(cache=True, nogil=True)
def _extend_common(
    bits: Bits, step: int, now: _Sorted, then: _Sorted, one_at: np.uint64
) -> None:  # pragma: no cover - compiled
    """Sort by one more site, choosing by arithmetic where to go: a branch would be a coin toss to the processor."""
    zero_at = np.uint64(0)
    to_zero, to_one = np.uint32(step + 1), np.uint32(step + 1)
    for j in range(np.uint64(len(bits))):
        haplotype, since = now.order[j], now.start[j]
        bit = bits[haplotype]
        to_zero, to_one = max(to_zero, since), max(to_one, since)
        place = one_at if bit else zero_at
        then.order[place], then.start[place] = haplotype, to_one if bit else to_zero
        one_at += np.uint64(bit)
        zero_at += np.uint64(1) - np.uint64(bit)
        to_zero = to_zero if bit else np.uint32(0)
        to_one = np.uint32(0) if bit else to_one


@numba.njit(cache=True, nogil=True)
def _extend_rare(
    bits: Bits, step: int, now: _Sorted, then: _Sorted, one_at: np.uint64
) -> None:  # pragma: no cover - compiled
    """Sort by one more site that few carry, moving the runs between them as they stand."""
    one, size = np.uint64(1), np.uint64(len(bits))
    begin = zero_at = np.uint64(0)
    to_zero, to_one = np.uint32(step + 1), np.uint32(step + 1)
    while begin < size:
        end = begin
        while end < size and bits[now.order[end]] == 0:
            end += one
        for j in range(end - begin):
            then.order[zero_at + j] = now.order[begin + j]
        for j in range(end - begin):
            then.start[zero_at + j] = now.start[begin + j]
        for j in range(begin, end):
            to_one = max(to_one, now.start[j])
        if end > begin:
            then.start[zero_at] = max(now.start[begin], to_zero)
            zero_at += end - begin
            to_zero = np.uint32(0)
        if end < size:
            to_zero, to_one = max(to_zero, now.start[end]), max(to_one, now.start[end])
            then.order[one_at], then.start[one_at] = now.order[end], to_one
            one_at += one
            to_one = np.uint32(0)
        begin = end + one


@numba.njit(cache=True, nogil=True)
def _part(start: Short, first: int, edges: Short) -> int:  # pragma: no cover - compiled
    """List where the classes begin that are alike from a site on, and the end; return how many there are.

    The first class begins with a haplotype that has nobody before it, whose start lies beyond every window.
    """
    found, limit, size = np.uint64(0), np.uint32(first), np.uint64(len(start))
    for j in range(size):
        edges[found] = j
        found += np.uint64(start[j] > limit)
    edges[found] = size
    return int(np.int64(found))


@numba.njit(cache=True, nogil=True)
def _join(edges: Short, classes: int, start: Short, first: int) -> int:  # pragma: no cover - compiled
    """Join neighbouring classes that are alike from an earlier window's later first site on, in place."""
    found, limit = np.uint64(0), np.uint32(first)
    for index in range(np.uint64(classes)):
        place = edges[index]
        edges[found] = place
        found += np.uint64(start[place] > limit)
    edges[found] = len(start)
    return int(np.int64(found))


@numba.njit(cache=True, nogil=True)
def _count(edges: Short, size: int, row: Single, column: int) -> None:  # pragma: no cover - compiled
    """Write the share of alike pairs, and the shares of the two commonest haplotypes."""
    squares = top = second = 0
    for index in range(np.uint64(len(edges) - 1)):
        members = int(np.int64(edges[index + np.uint64(1)]) - np.int64(edges[index]))
        squares += members * members
        second = max(second, min(top, members))
        top = max(top, members)
    row[column] = (squares - size) / (size * (size - 1))
    row[column + 1] = top / size
    row[column + 2] = second / size


@numba.njit(cache=True, nogil=True)
def _count_own(
    carriers: Carriers, site: int, order: Short, edges: Short, pair: Single
) -> None:  # pragma: no cover - compiled
    """Write the share of alike pairs among the carriers of either allele of a site.

    The haplotypes of a class have the same allele: that of any of them is looked up.
    """
    row, apart = carriers.allele[site], carriers.split[site]
    total = squares = ones = one_squares = 0
    for index in range(np.uint64(len(edges) - 1)):
        haplotype = order[edges[index]]
        members = int(np.int64(edges[index + np.uint64(1)]) - np.int64(edges[index]))
        if apart >= 0 and _bit(carriers.third[apart], haplotype) == 1:
            continue
        second = members * _bit(row, haplotype)
        total += members
        squares += members * members
        ones += second
        one_squares += second * members
    zeros = total - ones
    first = (squares - one_squares - zeros) / max(zeros * (zeros - 1), 1)
    other = (one_squares - ones) / max(ones * (ones - 1), 1)
    swap = carriers.tied[site] and other > first
    pair[0], pair[1] = (other, first) if swap else (first, other)


@numba.njit(cache=True, nogil=True, inline="always")
def _bit(row: Words, haplotype: np.uint32) -> int:  # pragma: no cover - compiled
    """Look up one haplotype."""
    return int(np.int64((row[haplotype >> np.uint32(6)] >> np.uint64(haplotype & np.uint32(63))) & np.uint64(1)))
