"""Introgression: alleles shared by populations that should not be each other's closest kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import HaplotypeBlock, Haplotypes, Words, popcount
from scanner.scores import Column, Producer, Reason, column
from scanner.statistics.differentiation import between, frequency, with_auxiliary
from scanner.statistics.diversity import ratio, unpolarised, unusable
from scanner.statistics.phase import count_bits, unphased_windows
from scanner.windows import Float, Int, Spans, window_sums

ROUNDING = 1e-10
"""Sums that float arithmetic cannot tell from zero: terms of opposite sign may cancel."""
FAR = 1 << 28
"""Differences of a pair that cannot be."""
Int32 = NDArray[np.int32]


def _patterns(populations: Sequence[Haplotypes]) -> list[Float]:
    """Compute each site's terms of the three statistics: one numerator and the denominators of D, f_d and f_dM."""
    p1, p2, p3 = (frequency(haplotypes) for haplotypes in populations)
    donor, other = np.maximum(p2, p3), np.maximum(p1, p3)
    towards_second = donor * (donor - p1)
    towards_first = other * (other - p2)
    return [
        (p2 - p1) * p3,
        (p1 + p2 - 2 * p1 * p2) * p3,
        towards_second,
        np.where(p2 >= p1, towards_second, towards_first),
    ]


def _abba_baba(
    block: HaplotypeBlock, spans: Spans, populations: Sequence[Haplotypes], wanted: frozenset[str]
) -> Mapping[str, Column]:
    """Compute D, f_d and f_dM, ratios of sums over polarised sites, with their sums.

    The populations are P1, P2 and P3 of the tree ``(((P1, P2), P3), O)``; the outgroup O is the ancestral allele, so
    that a derived frequency is that of the allele the outgroup lacks. With derived frequencies p1, p2, p3 the common
    numerator is ABBA - BABA, ``(p2 - p1) p3``; positive values say that P2 and P3 share more than P1 and P3.

    - ``abba_d`` divides by ABBA + BABA.
    - ``f_d`` divides by ``pD (pD - p1)``, pD the larger of p2 and p3: the sharing expected if P2 were wholly
      introgressed. It measures gene flow between P2 and P3 only, so it is undefined where D is negative.
    - ``f_dm`` uses ``pD (pD - p2)``, pD the larger of p1 and p3, where p1 exceeds p2, and is defined for
      either sign: negative where P1 and P3 share more.

    Windows are unpolarised where fewer than half of the sites that segregate among the three populations are.

    References
    ----------
    Green et al. 2010, 10.1126/science.1188021, and Durand et al. 2011, 10.1093/molbev/msr048 (D); Martin, Davey and
    Jiggins 2015, 10.1093/molbev/msu269 (f_d); Malinsky et al. 2015, 10.1126/science.aac9927 (f_dM).
    """
    seen = np.all([haplotypes.known_count > 0 for haplotypes in populations], axis=0)
    derived = np.sum([haplotypes.derived_count for haplotypes in populations], axis=0)
    known = np.sum([haplotypes.known_count for haplotypes in populations], axis=0)
    segregating = (derived > 0) & (derived < known)
    usable = seen & block.polarised
    terms = np.stack([term * usable for term in _patterns(populations)], axis=1)
    sums = window_sums(terms, spans.first, spans.last)
    above, *below = np.where(np.abs(sums) < ROUNDING, 0, sums).T
    counts = np.stack([segregating, segregating & block.polarised], axis=1)
    sites, polarised = window_sums(counts, spans.first, spans.last).T
    blank = (*unusable(spans, populations), (sites == 0, Reason.NO_VARIATION), unpolarised(sites, polarised))
    made = {}
    for name, denominator in zip(_AUXILIARY, below, strict=True):
        undefined = (above < 0) | (denominator <= 0) if name == "f_d" else denominator == 0
        made[name] = column(ratio(above, denominator), *blank, (undefined, Reason.UNDEFINED))
        made[f"{name}_num"], made[f"{name}_den"] = column(above, *blank), column(denominator, *blank)
    kept = with_auxiliary(wanted, _AUXILIARY)
    return {name: made[name] for name in made if name in kept}


def _relative_distance(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Compute RND_min: the closest pair of haplotypes of two populations, relative to their distance to a third.

    The smallest number of differences between a haplotype of the first and one of the second population, divided by
    the mean of both populations' dxy to the third, the outgroup. Small values mark recent gene flow; the division
    removes differences in mutation rate. The third population enters by its frequencies and needs no phase.

    With missing data every distance is per compared site: pairs are compared where both alleles are placed on their
    haplotypes, and pairs compared at fewer than half of the window's sites are left out.

    References
    ----------
    Rosenzweig et al. 2016, 10.1111/mec.13610.
    """
    first, second, outgroup = populations
    unphased = unphased_windows(first, spans) | unphased_windows(second, spans)
    far = np.zeros(len(spans))
    for haplotypes in (first, second):
        compared = (haplotypes.known_count > 0) & (outgroup.known_count > 0)
        differences = window_sums(between(haplotypes, outgroup), spans.first, spans.last)
        far += ratio(differences, window_sums(compared, spans.first, spans.last)) / 2
    near = closest_pair(first, second, spans) / np.maximum(spans.last - spans.first, 1)
    score = column(
        ratio(near, far),
        *unusable(spans, populations),
        (unphased, Reason.UNPHASED),
        (spans.first == spans.last, Reason.NO_VARIATION),
        (np.isnan(near) | np.isnan(far), Reason.MISSING_DATA),
        (far == 0, Reason.NO_VARIATION),
    )
    return {"rnd_min": score}


def closest_pair(one: Haplotypes, other: Haplotypes, spans: Spans) -> Float:
    """Find the smallest number of differences between a haplotype of one population and one of another.

    The differences of all pairs are kept while the window slides: sites that enter are added, sites that leave are
    subtracted, so that overlap costs nothing. Where a pair is compared at ``c`` of the window's ``s`` sites (both
    alleles placed), its differences count ``s / c``-fold; pairs with ``2 c < s`` are left out.

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
    rows, columns = sorted((one, other), key=lambda haplotypes: haplotypes.size)  # long rows vectorise better
    nearest = np.full(len(spans), np.nan)
    _slide(_bits(rows), _bits(columns), spans.first, spans.last, nearest)
    return nearest


class _Bits(NamedTuple):
    """Alleles of one population for the compiled code.

    ``live`` marks haplotypes with any allele at all; of each site, ``carried`` counts the placed derived alleles and
    ``holes`` the live haplotypes without a placed allele.
    """

    derived: Words
    placed: Words
    live: Words
    carried: Int32
    holes: Int32
    size: int


class _Tally(NamedTuple):
    """Running differences of all pairs: ``differences[i, j] + of_row[i] + of_column[j]``.

    Likewise ``lost[i, j] + lost_of_column[j]`` counts the sites at which a pair is not compared, and ``gaps[0]`` the
    sites where any live haplotype has no placed allele. The rest is scratch space.
    """

    differences: Int32
    of_row: Int32
    of_column: Int32
    lost: Int32
    lost_of_column: Int32
    gaps: Int32
    rows: Int32
    columns: Int32
    step: Int32


def _bits(haplotypes: Haplotypes) -> _Bits:
    """Take what the compiled code needs."""
    placed = haplotypes.placed
    live = np.bitwise_or.reduce(placed, axis=0)
    holes = count_bits(live[np.newaxis])[0] - count_bits(placed)
    carried = count_bits(haplotypes.derived & placed)
    return _Bits(haplotypes.derived, placed, live, carried, holes, haplotypes.size)


@numba.njit(cache=True, nogil=True)
def _members(among: Words, words: Words, flip: bool, members: Int32) -> int:  # pragma: no cover - compiled
    """List the bits of ``among`` that are set (not set, if flipped) in other words, and count them."""
    count = 0
    inverse = ~np.uint64(0) if flip else np.uint64(0)
    for word in range(len(words)):
        left = among[word] & (words[word] ^ inverse)
        while left:
            rest = left & (left - np.uint64(1))
            members[count] = word * 64 + np.int64(popcount((left ^ rest) - np.uint64(1)))
            count += 1
            left = rest
    return count


@numba.njit(cache=True, nogil=True)
def _shift(site: int, sign: int, rows: _Bits, columns: _Bits, tally: _Tally) -> None:  # pragma: no cover - compiled
    """Add (sign 1) or subtract (-1) the differences at one site.

    With alleles a and b a pair differs by ``b + a (1 - 2 b)``: the first term is the column's alone, the second needs
    only the rows that carry the allele. Swapping the alleles of both populations changes nothing, so the one that is
    rarer in the rows counts, or the one that the columns lack.
    """
    fixed = columns.carried[site] + columns.holes[site] == columns.size
    flip = columns.carried[site] > 0 and (fixed or 2 * rows.carried[site] > rows.size)
    carriers = _members(rows.placed[site], rows.derived[site], flip, tally.rows)
    others = _members(columns.placed[site], columns.derived[site], flip, tally.columns)
    for k in range(others):
        tally.of_column[tally.columns[k]] += sign
    if others == 0 and columns.holes[site] == 0:
        for k in range(carriers):
            tally.of_row[tally.rows[k]] += sign
    elif carriers > 0:
        tally.step[:] = sign
        if columns.holes[site] > 0:
            _placed_step(columns, site, sign, tally.step)
        for k in range(others):
            tally.step[tally.columns[k]] -= 2 * sign
        for k in range(carriers):
            _add(tally.differences[tally.rows[k]], tally.step)
    if rows.holes[site] + columns.holes[site] > 0:
        _shift_lost(site, sign, rows, columns, others, tally)


@numba.njit(cache=True, nogil=True)
def _shift_lost(
    site: int, sign: int, rows: _Bits, columns: _Bits, others: int, tally: _Tally
) -> None:  # pragma: no cover - compiled
    """Add or subtract a site with unplaced alleles: no difference there, and one site fewer that is compared."""
    tally.gaps[0] += sign
    holes = _members(rows.live, rows.placed[site], True, tally.rows)
    _placed_step(columns, site, sign, tally.step)
    for row in tally.rows[:holes]:
        for other in tally.columns[:others]:  # takes back what the column's own term adds to every row
            tally.differences[row, other] -= sign
        _add(tally.lost[row], tally.step)
    for k in range(columns.size):
        tally.lost_of_column[k] += sign - tally.step[k]


@numba.njit(cache=True, nogil=True)
def _placed_step(bits: _Bits, site: int, sign: int, step: Int32) -> None:  # pragma: no cover - compiled
    """Write ``sign`` for every haplotype that is placed at a site, else 0."""
    for j in range(bits.size):
        step[j] = sign * np.int32((bits.placed[site, j >> 6] >> np.uint64(j & 63)) & np.uint64(1))


@numba.njit(cache=True, nogil=True)
def _add(row: Int32, step: Int32) -> None:  # pragma: no cover - compiled
    """Add one vector to another."""
    for j in range(len(row)):
        row[j] += step[j]


@numba.njit(cache=True, nogil=True)
def _nearest(sites: int, live: Int32, tally: _Tally) -> float:  # pragma: no cover - compiled
    """Find the smallest number of differences of the current window, NaN where no pair is left.

    Where alleles are missing, scaling can only raise a pair's count: rows whose plain minimum is no smaller than the
    best so far are passed over.
    """
    best = np.inf
    for i in live:
        lowest = np.int32(FAR)
        row = tally.differences[i]
        for j in range(len(row)):
            lowest = min(lowest, np.int32(row[j] + tally.of_column[j]))
        if lowest >= FAR // 2 or np.int64(lowest) + tally.of_row[i] >= best:
            continue
        if tally.gaps[0] == 0:
            best = np.float64(lowest) + tally.of_row[i]
        else:
            for j in range(len(row)):
                compared = sites - np.int64(tally.lost[i, j]) - tally.lost_of_column[j]
                if 2 * compared >= sites:  # where an absent one passes, all present ones do, with less
                    count = np.int64(row[j]) + tally.of_column[j] + tally.of_row[i]
                    best = min(best, count * sites / compared)
    return best if best < np.inf else np.nan


@numba.njit(cache=True, nogil=True)
def _empty(rows: _Bits, columns: _Bits) -> _Tally:  # pragma: no cover - compiled
    """Start with no site: haplotypes without any allele are put out of reach."""
    shape = (rows.size, columns.size)
    of_column = np.full(columns.size, np.int32(FAR))
    members = np.empty(columns.size, np.int32)
    for k in range(_members(columns.live, columns.live, False, members)):
        of_column[members[k]] = 0
    return _Tally(
        np.zeros(shape, np.int32),
        np.zeros(rows.size, np.int32),
        of_column,
        np.zeros(shape, np.int32),
        np.zeros(columns.size, np.int32),
        np.zeros(1, np.int32),
        np.empty(rows.size, np.int32),
        members,
        np.empty(columns.size, np.int32),
    )


@numba.njit(cache=True, nogil=True)
def _slide(rows: _Bits, columns: _Bits, first: Int, last: Int, nearest: Float) -> None:  # pragma: no cover - compiled
    """Move over the windows; start afresh where that means fewer sites than moving on."""
    tally = _empty(rows, columns)
    live = np.empty(rows.size, np.int32)
    live = live[: _members(rows.live, rows.live, False, live)]
    left = right = 0
    for window in range(len(first)):
        start, stop = first[window], last[window]
        if start == stop:
            continue
        if start < left or start - left + abs(stop - right) > stop - start:
            tally = _empty(rows, columns)
            left = right = start
        for site in range(right, stop):
            _shift(site, 1, rows, columns, tally)
        for site in range(left, start):
            _shift(site, -1, rows, columns, tally)
        for site in range(stop, right):
            _shift(site, -1, rows, columns, tally)
        left, right = start, stop
        nearest[window] = _nearest(stop - start, live, tally)


_AUXILIARY = {name: (f"{name}_num", f"{name}_den") for name in ("abba_d", "f_d", "f_dm")}

PRODUCERS: tuple[Producer, ...] = (
    Producer(("abba_d", "f_d", "f_dm"), 3, _abba_baba, needs_polarity=True, auxiliary=_AUXILIARY),
    Producer(("rnd_min",), 3, _relative_distance, needs_phase=True),
)
