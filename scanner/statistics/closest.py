"""The closest pair of haplotypes of two populations, in windows that may overlap.

Few pairs can be the closest, and these are found without looking at all of them. Windows that cover almost the same
sites are taken together. Differences in their *core*, the sites that all of them cover, are a bound from below for
each window; those of any one pair in their *hull*, all sites that any of them covers, are one from above for the
smallest. A pair whose core has as many differences as the best hull is out, and the rest is counted window by window.

Sites where only one of the populations varies differ by a haplotype's own count. Haplotypes are taken in the order of
these counts, which alone put most pairs out. Where both vary, alleles are bit-packed along the sites, and pairs differ
by XOR and popcount.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Haplotypes, Words, popcount
from scanner.statistics.phase import carried_count, count_bits, placed_count
from scanner.windows import Float, Int, Spans

ALIKE = 6
"""Windows whose first and last sites lie no further apart than this part of their length, together, share a core."""
Bools = NDArray[np.bool_]


def closest_pair(one: Haplotypes, other: Haplotypes, spans: Spans) -> Float:
    """Find the smallest number of differences between a haplotype of one population and one of another.

    Where a pair is compared at ``c`` of the window's ``s`` sites (both alleles placed), its differences count
    ``s / c``-fold; pairs with ``2 c < s`` are left out.

    Returns
    -------
    (windows,) float64, NaN where no pair is left.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> one = from_alleles("A", np.array([[0, 1], [0, 1], [1, 1]], np.int8))
    >>> other = from_alleles("B", np.array([[1, 1], [0, 0], [0, 0]], np.int8))
    >>> whole = Spans(np.array([0]), np.array([9]), np.array([0]), np.array([3]), np.array([9.0]))
    >>> closest_pair(one, other, whole).tolist()
    [2.0]
    """
    nearest = np.full(len(spans), np.nan)
    covering = np.flatnonzero(spans.last > spans.first)
    pair = _pair(one, other)
    if len(covering) and len(pair.rows.live) and len(pair.columns.live):
        found = np.empty(len(covering))
        _search(pair, spans.first[covering], spans.last[covering], found)
        nearest[covering] = found
    return nearest


class _Side(NamedTuple):
    """One population, bit-packed along the sites: (words, haplotypes) uint64.

    Parameters
    ----------
    own
        Differences from the other population at the sites where all of that have one allele.
    before
        (sites + 1,) int64: how many such sites come before each site.
    shared, placed
        Derived and placed alleles at all other sites; ``placed`` has no words where all are placed.
    live
        Haplotypes with any allele at all.
    """

    own: Words
    before: Int
    shared: Words
    placed: Words
    live: Int


class _Pair(NamedTuple):
    """Both populations; ``before`` counts the sites before each site whose alleles have to be compared."""

    rows: _Side
    columns: _Side
    before: Int


def _pair(one: Haplotypes, other: Haplotypes) -> _Pair:
    """Sort the sites out by who varies there."""
    both = (one, other)
    lives = [np.bitwise_or.reduce(each.placed, axis=0) for each in both]
    sizes = [int(count_bits(live[np.newaxis])[0]) for live in lives]
    whole = np.logical_and(*(placed_count(each) == size for each, size in zip(both, sizes, strict=True)))
    carried = [carried_count(each) for each in both]
    fixed = [whole & (count == size) for count, size in zip(carried, sizes, strict=True)]
    single = [whole & (count == 0) | full for count, full in zip(carried, fixed, strict=True)]
    own = (single[1] & ~(single[0] & (fixed[0] == fixed[1])), single[0] & ~single[1])
    shared = ~(single[0] | single[1])
    rows, columns = (
        _Side(
            turn(each.derived[mine] ^ np.where(flip[mine], ~np.uint64(0), np.uint64(0))[:, np.newaxis]),
            _before(mine),
            turn(each.derived[shared] & each.placed[shared]),
            turn(each.placed[shared][: 0 if whole.all() else None]),
            np.flatnonzero(np.unpackbits(live.view(np.uint8), bitorder="little")),
        )
        for each, mine, flip, live in zip(both, own, fixed[::-1], lives, strict=True)
    )
    return _Pair(rows, columns, _before(shared))


def _before(chosen: Bools) -> Int:
    """Count the chosen sites before each site, and before the end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen)])


def turn(words: Words) -> Words:
    """Pack along the first axis what is packed along the second.

    Parameters
    ----------
    words
        (sites, words) uint64: bit ``h % 64`` of word ``h // 64`` is that of haplotype h.

    Returns
    -------
    (ceil(sites / 64), 64 x words) uint64: bit ``s % 64`` of word ``s // 64`` is that of site s.

    Examples
    --------
    >>> turn(np.array([[1], [3], [2]], np.uint64))[:, :3].tolist()
    [[3, 6, 0]]
    """
    turned = np.zeros((-(-words.shape[0] // 64), 64 * words.shape[1]), np.uint64)
    _turn(words, turned)
    return turned


@numba.njit(cache=True, nogil=True)
def _turn(words: Words, turned: Words) -> None:  # pragma: no cover - compiled
    """Swap ever smaller halves of squares of 64 x 64 bits."""
    square = np.empty(64, np.uint64)
    for tall in range(turned.shape[0]):
        for wide in range(words.shape[1]):
            for line in range(64):
                site = tall * 64 + line
                square[line] = words[site, wide] if site < words.shape[0] else np.uint64(0)
            half, mask = 32, np.uint64(0xFFFFFFFF)
            while half:
                for line in range(64):
                    if not line & half:
                        swap = ((square[line] >> np.uint64(half)) ^ square[line + half]) & mask
                        square[line] ^= swap << np.uint64(half)
                        square[line + half] ^= swap
                half >>= 1
                mask ^= mask << np.uint64(half)
            turned[tall, wide * 64 : wide * 64 + 64] = square


class _Group(NamedTuple):
    """Windows that are taken together: ``core`` and ``hull`` as ranges of sites, and the fewest sites of a window."""

    core: tuple[int, int]
    hull: tuple[int, int]
    fewest: int


class _Left(NamedTuple):
    """Pairs that may be the closest of some window of a group: haplotypes, and differences in the core."""

    row: NDArray[np.int32]
    column: NDArray[np.int32]
    differences: NDArray[np.int32]


@numba.njit(cache=True, nogil=True)
def _bits(word: np.uint64) -> int:  # pragma: no cover - compiled
    """Count the set bits, as a signed number: compiled code makes floats of sums of both kinds."""
    return int(np.int64(popcount(word)))


@numba.njit(cache=True, nogil=True)
def _range_mask(word: int, low: int, high: int) -> np.uint64:  # pragma: no cover - compiled
    """Mark the bits of a word that lie in a range of the whole line."""
    mask = ~np.uint64(0)
    if word == low >> 6:
        mask <<= np.uint64(low & 63)
    if word == high >> 6:
        mask &= (np.uint64(1) << np.uint64(high & 63)) - np.uint64(1)
    return mask


@numba.njit(cache=True, nogil=True)
def _own(side: _Side, haplotype: int, start: int, stop: int) -> int:  # pragma: no cover - compiled
    """Count a haplotype's own differences at the sites ``start:stop``."""
    low, high, count = side.before[start], side.before[stop], 0
    for word in range(low >> 6, (high + 63) >> 6):
        count += _bits(side.own[word, haplotype] & _range_mask(word, low, high))
    return count


@numba.njit(cache=True, nogil=True)
def _differences(pair: _Pair, row: int, column: int, start: int, stop: int) -> int:  # pragma: no cover - compiled
    """Count the differences of a pair at the sites ``start:stop``."""
    count = _own(pair.rows, row, start, stop) + _own(pair.columns, column, start, stop)
    low, high = pair.before[start], pair.before[stop]
    for word in range(low >> 6, (high + 63) >> 6):
        unlike = (pair.rows.shared[word, row] ^ pair.columns.shared[word, column]) & _range_mask(word, low, high)
        if len(pair.rows.placed):
            unlike &= pair.rows.placed[word, row] & pair.columns.placed[word, column]
        count += _bits(unlike)
    return count


@numba.njit(cache=True, nogil=True)
def _scaled(
    pair: _Pair, row: int, column: int, differences: int, sites: int, looked_at: tuple[int, int]
) -> float:  # pragma: no cover - compiled
    """Scale differences to all of a window's sites; infinity where the pair is compared at fewer than half of them."""
    if len(pair.rows.placed) == 0:
        return float(differences)
    low, high = pair.before[looked_at[0]], pair.before[looked_at[1]]
    compared = sites
    for word in range(low >> 6, (high + 63) >> 6):
        both = pair.rows.placed[word, row] & pair.columns.placed[word, column]
        compared -= _bits(~both & _range_mask(word, low, high))
    return differences * sites / compared if compared > 0 and 2 * compared >= sites else np.inf


@numba.njit(cache=True, nogil=True)
def _at_most(pair: _Pair, row: int, column: int, group: _Group) -> float:  # pragma: no cover - compiled
    """Bound what a pair has in any window of a group, by what it has in the hull."""
    count = _differences(pair, row, column, group.hull[0], group.hull[1])
    return _scaled(pair, row, column, count, group.fewest, group.hull)


@numba.njit(cache=True, nogil=True)
def _ascending(values: NDArray[np.int32], order: NDArray[np.int32]) -> None:  # pragma: no cover - compiled
    """Order small whole numbers by counting them."""
    place = np.zeros(values.max() + 2 if len(values) else 1, np.int64)
    for value in values:
        place[value + 1] += 1
    for value in range(1, len(place)):
        place[value] += place[value - 1]
    for at in range(len(values)):
        order[place[values[at]]] = at
        place[values[at]] += 1


@numba.njit(cache=True, nogil=True)
def _sorted_by_own(
    side: _Side, core: tuple[int, int], limit: float
) -> tuple[Int, NDArray[np.int32]]:  # pragma: no cover - compiled
    """List the live haplotypes with few enough own differences in the core, in their order: haplotypes, differences."""
    low, high = side.before[core[0]], side.before[core[1]]
    counts = np.zeros(side.own.shape[1], np.uint64)
    for word in range(low >> 6, (high + 63) >> 6):
        mask, line = _range_mask(word, low, high), side.own[word]
        for at in range(len(line)):
            counts[at] += popcount(line[at] & mask)
    few = side.live[counts[side.live] < limit]
    own, order = counts[few].astype(np.int32), np.empty(len(few), np.int32)
    _ascending(own, order)
    return few[order], own[order]


@numba.njit(cache=True, nogil=True)
def _aligned(words: Words, haplotypes: Int, low: int, high: int) -> Words:  # pragma: no cover - compiled
    """Copy the bits ``low:high`` of some haplotypes, so that the first stands at the beginning of a word."""
    count = (high - low + 63) >> 6 if len(words) else 0
    copied = np.empty((count, len(haplotypes)), np.uint64)
    for word in range(count):
        start = low + 64 * word
        line, shift = start >> 6, np.uint64(start & 63)
        mask = _range_mask(word, 0, high - low)
        for at in range(len(haplotypes)):
            bits = words[line, haplotypes[at]] >> shift
            if shift and line + 1 < len(words):
                bits |= words[line + 1, haplotypes[at]] << (np.uint64(64) - shift)
            copied[word, at] = bits & mask
    return copied


@numba.njit(cache=True, nogil=True)
def _select(pair: _Pair, group: _Group, best: Int, left: _Left) -> int:  # pragma: no cover - compiled
    """List the pairs that may be closer in some window than the pair ``best``, which gives way to better ones."""
    low, high = pair.before[group.core[0]], pair.before[group.core[1]]
    limit = _at_most(pair, best[0], best[1], group)
    rows, of_row = _sorted_by_own(pair.rows, group.core, limit)
    columns, of_column = _sorted_by_own(pair.columns, group.core, limit)
    across, down = _aligned(pair.rows.shared, rows, low, high), _aligned(pair.columns.shared, columns, low, high)
    placed = _aligned(pair.rows.placed, rows, low, high), _aligned(pair.columns.placed, columns, low, high)
    differences = np.empty(len(columns), np.uint64)
    count, width = 0, len(columns)
    for i in range(len(rows)):
        while width > 0 and of_row[i] + of_column[width - 1] >= limit:
            width -= 1
        for j in range(width):
            differences[j] = np.uint64(of_row[i] + of_column[j])
        for word in range(len(down)):
            _compare(across[word, i], down[word], differences[:width], placed, word, i)
        least = np.uint64(1) << np.uint64(40)
        for j in range(width):
            least = min(least, differences[j])
        if least >= limit:
            continue
        for j in range(width):
            if differences[j] == least:
                bound = _at_most(pair, rows[i], columns[j], group)
                if bound < limit:
                    limit, best[0], best[1] = bound, rows[i], columns[j]
                break
        for j in range(width):
            if differences[j] < limit:
                left.row[count], left.column[count] = rows[i], columns[j]
                left.differences[count] = differences[j]
                count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _compare(
    bits: np.uint64, line: Words, differences: Words, placed: tuple[Words, Words], word: int, row: int
) -> None:  # pragma: no cover - compiled
    """Add the differences of one haplotype from many at the sites of one word."""
    if len(placed[0]):
        here, there = placed[0][word, row], placed[1][word]
        for j in range(len(differences)):
            differences[j] += popcount((bits ^ line[j]) & here & there[j])
    else:
        for j in range(len(differences)):
            differences[j] += popcount(bits ^ line[j])


@numba.njit(cache=True, nogil=True)
def _smallest(
    pair: _Pair, group: _Group, start: int, stop: int, best: tuple[int, int], left: _Left
) -> tuple[float, int]:  # pragma: no cover - compiled
    """Find the smallest number of differences of one window, and the pair's number; -1 stands for ``best``."""
    low, high = group.core
    count = _differences(pair, best[0], best[1], start, stop)
    smallest, found = _scaled(pair, best[0], best[1], count, stop - start, (start, stop)), -1
    for at in range(len(left.row)):
        if left.differences[at] >= smallest:
            break
        row, column = left.row[at], left.column[at]
        count = left.differences[at] + _differences(pair, row, column, start, low)
        count += _differences(pair, row, column, high, stop)
        value = _scaled(pair, row, column, count, stop - start, (start, stop))
        if value < smallest:
            smallest, found = value, at
    return smallest, found


@numba.njit(cache=True, nogil=True)
def _grouped(first: Int, last: Int, begin: int) -> tuple[int, _Group]:  # pragma: no cover - compiled
    """Take the windows that cover nearly the same sites as the first of them; give the next one, too."""
    low, high = first[begin], last[begin]
    start, stop, fewest, end = low, high, high - low, begin + 1
    inner = (low, high)
    while end < len(first):
        if ALIKE * (abs(first[end] - first[begin]) + abs(last[end] - last[begin])) > last[begin] - first[begin]:
            break
        inner = max(inner[0], first[end]), min(inner[1], last[end])
        start, stop = min(start, first[end]), max(stop, last[end])
        fewest = min(fewest, last[end] - first[end])
        end += 1
    return end, _Group(inner, (start, stop), fewest)


@numba.njit(cache=True, nogil=True)
def _search(pair: _Pair, first: Int, last: Int, nearest: Float) -> None:  # pragma: no cover - compiled
    """Go through the windows, group by group."""
    room = len(pair.rows.live) * len(pair.columns.live)  # memory that is not used costs nothing
    left = _Left(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32))
    order, best = np.empty(room, np.int32), np.array([pair.rows.live[0], pair.columns.live[0]])
    begin = 0
    while begin < len(first):
        end, group = _grouped(first, last, begin)
        count = _select(pair, group, best, left)
        _ascending(left.differences[:count], order[:count])
        chosen = order[:count]
        ranked = _Left(left.row[chosen], left.column[chosen], left.differences[chosen])
        found = -1
        for window in range(begin, end):
            smallest, found = _smallest(pair, group, first[window], last[window], (best[0], best[1]), ranked)
            nearest[window] = smallest if smallest < np.inf else np.nan
        if found >= 0:
            best[0], best[1] = ranked.row[found], ranked.column[found]
        begin = end
