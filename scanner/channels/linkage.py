"""Linkage channels: r2 and four gametes at fixed lags and among common sites, and the nearest incompatible site.

Gametes are counted by AND and popcount of bit-packed haplotypes, word-major, so that a run of neighbouring sites is
worked on side by side. All counts are whole numbers and every pair of sites is judged by its own haplotypes, those
whose alleles are known at both: nothing depends on how a contig was cut or how alleles were called.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Bools, Words, popcount

Int = NDArray[np.int64]
Single = NDArray[np.float32]

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Sites from one to the other of a pair whose linkage is measured."""
SEARCH = 95
"""Sites on each side among which an incompatible one is looked for."""
COMMON_LAGS = (
    range(1, 2),
    range(2, 3),
    range(3, 5),
    range(5, 9),
    range(9, 17),
    range(18, 33, 2),
    range(36, 65, 4),
)
"""Common sites from one to the other of the pairs of common sites that are averaged, bin by bin."""
COMMON_REACH = 192
"""A pair of common sites has no more used sites than this from one to the other."""
COMMON_MEASURES = ("r2", "four_gametes", "distance", "pairs")
"""What is measured of the common sites in a bin."""
_COMMON_LAGS = np.array([[lags.start, lags.stop, lags.step] for lags in COMMON_LAGS])
_TILE = 128  # sites that one step works on: their channels stay in the processor's cache
_CHUNK = 16  # sites that the first step of a search looks at, and each further one at twice as many
_RARE = 16  # an allele with less than one carrier in so many is rare
_LANES = 8  # words that the processor works on at once


class Panel(NamedTuple):
    """Bit-packed sites, word-major.

    Parameters
    ----------
    minor, known
        (words, sites) uint64: one of the two alleles, the same for all haplotypes of a site; known alleles.
    complete
        (sites,) bool: every haplotype's allele is known.
    carriers
        (sites,) int64 haplotypes with the allele of ``minor``.
    size
        Number of haplotypes.
    """

    minor: Words
    known: Words
    complete: Bools
    carriers: Int
    size: int


class _Row(NamedTuple):
    """Room for a run of pairs of sites: carriers at both, at the first, at the second, and known at both."""

    shared: Int
    left: Int
    right: Int
    both: Int
    r2: Single
    flag: Single


@numba.njit(cache=True, nogil=True)
def fill_lags(panel: Panel, distances: Int, values: Single) -> None:  # pragma: no cover - compiled
    """Correlate every site with those at some lags to its right.

    Parameters
    ----------
    panel
        The sites.
    distances
        (lags,) int64 sites from one to the other of a pair, rising.
    values
        (sites, 2 x lags) float32, filled: corrected r2 at every lag, then whether all four gametes are seen. With m
        haplotypes known at both sites the correction is (r2 - 1/m) / (1 - 1/m); 0 where a site of the pair does not
        segregate among these or there is no such site.
    """
    sites = panel.minor.shape[1]
    counts = np.zeros((4, _TILE), np.int64)
    single = np.zeros((2, _TILE), np.float32)
    row = _Row(counts[0], counts[1], counts[2], counts[3], single[0], single[1])
    for begin in range(0, sites, _TILE):
        end = min(begin + _TILE, sites)
        complete = bool(panel.complete[begin : min(end + distances[-1], sites)].all())
        for column in range(len(distances)):
            lag = distances[column]
            width = max(min(end, sites - lag) - begin, 0)
            _gametes(panel, begin, begin + lag, width, complete, row)
            _correlate(width, row)
            for index in range(width):
                values[begin + index, column] = row.r2[index]
                values[begin + index, column + len(distances)] = row.flag[index]
            for site in range(begin + width, end):
                values[site, column] = values[site, column + len(distances)] = np.float32(0)


def fill_common(panel: Panel, positions: Int, sites: Int, values: Single) -> None:
    """Average the linkage of every common site with the common sites to its right, in the bins of `COMMON_LAGS`.

    Parameters
    ----------
    panel
        All used sites.
    positions
        (used sites,) bp.
    sites
        (common sites,) ranks of the common ones, rising.
    values
        (used sites, `COMMON_MEASURES` x bins) float32: filled for the common sites, and 0 for others. Means of
        corrected r2 and of the four-gamete flag as in `fill_lags`, log10 of the mean distance (bp) less 3, and the
        share of the bin's lags at which there is a common site, `COMMON_REACH` used sites away at most. All are 0
        where there is none.
    """
    chosen = Panel(
        np.ascontiguousarray(panel.minor[:, sites]),
        np.ascontiguousarray(panel.known[:, sites]),
        panel.complete[sites],
        panel.carriers[sites],
        panel.size,
    )
    values[:] = 0
    _average_bins(chosen, positions[sites], sites, values)


@numba.njit(cache=True, nogil=True)
def _average_bins(panel: Panel, positions: Int, ranks: Int, values: Single) -> None:  # pragma: no cover - compiled
    """Fill the rows ``ranks``."""
    sites, bins = len(ranks), len(_COMMON_LAGS)
    counts, single = np.zeros((4, _TILE), np.int64), np.zeros((2, _TILE), np.float32)
    row = _Row(counts[0], counts[1], counts[2], counts[3], single[0], single[1])
    sums = np.zeros((4, _TILE), np.float64)
    for begin in range(0, sites, _TILE):
        end = min(begin + _TILE, sites)
        complete = bool(panel.complete[begin : min(end + _COMMON_LAGS[-1, 1], sites)].all())
        for column in range(bins):
            sums[:] = 0
            first, stop, step = _COMMON_LAGS[column]
            for lag in range(first, stop, step):
                width = max(min(end, sites - lag) - begin, 0)
                _gametes(panel, begin, begin + lag, width, complete, row)
                _correlate(width, row)
                for index in range(width):
                    one, other = begin + index, begin + index + lag
                    if ranks[other] - ranks[one] <= COMMON_REACH:
                        sums[0, index] += row.r2[index]
                        sums[1, index] += row.flag[index]
                        sums[2, index] += max(positions[other] - positions[one], 1)
                        sums[3, index] += 1.0
            for index in range(end - begin):
                pairs = sums[3, index]
                if pairs > 0:
                    found = values[ranks[begin + index]]
                    found[column] = sums[0, index] / pairs
                    found[column + bins] = sums[1, index] / pairs
                    found[column + 2 * bins] = np.log10(sums[2, index] / pairs) - 3.0
                    found[column + 3 * bins] = pairs / ((stop - first + step - 1) // step)


@numba.njit(cache=True, nogil=True, inline="always")
def _overlap(
    one: Words, other: Words, first: int, second: int, width: int, counts: Int
) -> None:  # pragma: no cover - compiled
    """Count the haplotypes set in both of two sites, for a run of pairs."""
    one_at, other_at, length = np.uint64(first), np.uint64(second), np.uint64(width)
    for index in range(length):
        counts[index] = 0
    for word in range(one.shape[0]):
        for index in range(length):
            counts[index] += np.int64(popcount(one[word, one_at + index] & other[word, other_at + index]))


@numba.njit(cache=True, nogil=True)
def _gametes(
    panel: Panel, first: int, second: int, width: int, complete: bool, row: _Row
) -> None:  # pragma: no cover - compiled
    """Count gametes of the pairs ``first + k``, ``second + k``."""
    _overlap(panel.minor, panel.minor, first, second, width, row.shared)
    if complete:
        for index in range(width):
            row.left[index] = panel.carriers[first + index]
            row.right[index] = panel.carriers[second + index]
            row.both[index] = panel.size
    else:
        _overlap(panel.minor, panel.known, first, second, width, row.left)
        _overlap(panel.known, panel.minor, first, second, width, row.right)
        _overlap(panel.known, panel.known, first, second, width, row.both)


@numba.njit(cache=True, nogil=True)
def _correlate(width: int, row: _Row) -> None:  # pragma: no cover - compiled
    """Turn gamete counts into corrected r2 and four-gamete flags.

    Numerator and denominator do not change, to the last bit, when the alleles of a site are swapped.
    """
    for index in range(np.uint64(width)):
        n, both = float(row.both[index]), float(row.shared[index])
        i, j = float(row.left[index]), float(row.right[index])
        excess, spread = n * both - i * j, (i * (n - i)) * (j * (n - j))
        valid = spread > 0.0
        r2 = excess * excess / (spread if valid else 1.0)
        row.r2[index] = np.float32((r2 * n - 1.0) / (n - 1.0) if valid else 0.0)
        least = min(min(both, i - both), min(j - both, n - i - j + both))
        row.flag[index] = np.float32(1.0 if least > 0.0 else 0.0)


@numba.njit(cache=True, nogil=True)
def nearest_incompatible(panel: Panel, sites: Int, nearest: Int) -> None:  # pragma: no cover - compiled
    """Find the nearest site on each side that shows all four gametes with a site.

    Parameters
    ----------
    panel
        All used sites.
    sites
        Ranks of those that can be incompatible at all: at least two carriers of either allele. The search counts used
        sites, up to `SEARCH` away.
    nearest
        (2, used sites) int64: filled, at these ranks, with the rank of the nearest on the left and on the right;
        left alone where there is none.
    """
    minor, other = _take(panel, sites)
    mixed, words = np.zeros((2, SEARCH + _LANES), np.uint64), np.zeros(len(other), np.int64)
    low = high = 0
    for at in range(len(sites)):
        while sites[low] < sites[at] - SEARCH:
            low += 1
        while high < len(sites) and sites[high] <= sites[at] + SEARCH:
            high += 1
        pair = _Pair(minor, other, words[: _not_empty(minor, at, words)], mixed)
        # a rare allele is seldom parted: look at all sites at once
        rare = min(panel.carriers[sites[at]], panel.size - panel.carriers[sites[at]]) * _RARE < panel.size
        first_chunk = SEARCH if rare else _CHUNK
        end, chunk = at, first_chunk
        while end > low:
            begin = max(low, end - chunk)
            found = _look(pair, at, begin, end, True)
            if found >= 0:
                nearest[0, sites[at]] = sites[found]
                break
            end, chunk = begin, 2 * chunk
        begin, chunk = at + 1, first_chunk
        while begin < high:
            end = min(high, begin + chunk)
            found = _look(pair, at, begin, end, False)
            if found >= 0:
                nearest[1, sites[at]] = sites[found]
                break
            begin, chunk = end, 2 * chunk


class _Pair(NamedTuple):
    """Both alleles (words, sites), the words in which the site at hand has the first, and room for two gametes."""

    minor: Words
    other: Words
    words: Int
    mixed: Words


@numba.njit(cache=True, nogil=True)
def _take(panel: Panel, sites: Int) -> tuple[Words, Words]:  # pragma: no cover - compiled
    """Lay out both alleles of some sites, with empty sites at the end."""
    minor = np.zeros((len(panel.minor), len(sites) + _LANES), np.uint64)
    other = np.zeros_like(minor)
    for word in range(len(minor)):
        for at in range(len(sites)):
            bits = panel.minor[word, sites[at]]
            minor[word, at], other[word, at] = bits, panel.known[word, sites[at]] & ~bits
    return minor, other


@numba.njit(cache=True, nogil=True)
def _not_empty(plane: Words, at: int, words: Int) -> int:  # pragma: no cover - compiled
    """List the words of a site that are not empty; return how many there are."""
    found = 0
    for word in range(len(plane)):
        words[found] = word
        found += plane[word, at] != np.uint64(0)
    return found


@numba.njit(cache=True, nogil=True)
def _look(pair: _Pair, at: int, begin: int, end: int, last: bool) -> int:  # pragma: no cover - compiled
    """Find the first or last of ``begin:end`` that shows four gametes with a site, or -1.

    The two gametes with the site's rarer allele are looked for first, as few words hold it and most pairs lack one.
    """
    mixed, base, width, zero = pair.mixed, np.uint64(begin), np.uint64(end - begin), np.uint64(0)
    whole = (width + np.uint64(_LANES - 1)) & ~np.uint64(_LANES - 1)  # the processor does single sites slowly
    for index in range(whole):
        mixed[0, index] = mixed[1, index] = zero
    for word in pair.words:
        bits = pair.minor[word, at]
        for index in range(whole):
            mixed[0, index] |= bits & pair.minor[word, base + index]
            mixed[1, index] |= bits & pair.other[word, base + index]
    for index in range(width, whole):
        mixed[0, index] = zero
    candidates = 0
    for index in range(whole):
        candidates += int(mixed[0, index] != zero) & int(mixed[1, index] != zero)
    at_hand = end - 1 if last else begin
    while candidates > 0:
        if mixed[0, at_hand - begin] != zero and mixed[1, at_hand - begin] != zero:
            if _splits(pair, at, at_hand):
                return at_hand
            candidates -= 1
        at_hand += -1 if last else 1
    return -1


@numba.njit(cache=True, nogil=True)
def _splits(pair: _Pair, at: int, site: int) -> bool:  # pragma: no cover - compiled
    """Say whether haplotypes with the second allele of one site carry both alleles of another."""
    first = second = np.uint64(0)
    for word in range(len(pair.other)):
        bits = pair.other[word, at]
        first |= bits & pair.minor[word, site]
        second |= bits & pair.other[word, site]
        if first and second:
            return True
    return False
