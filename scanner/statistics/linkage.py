"""Linkage between the segregating sites of a window: ZnS, omega and the minimum number of recombinations.

Every pair of sites that shares a window is looked at once. Carriers in common come from AND and popcount of bit-packed
haplotypes, one site against the run of sites to its left. Two sums then serve all windows that overlap: for every
open window start the sum over all pairs so far, and for every site the sum over the sites to its right so far.

Used are the sites that segregate among the population's placed alleles; of a pair, the haplotypes placed at both. A
pair with a site that does not segregate among these is left out of sums and of pair counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import HaplotypeBlock, Haplotypes, Words, popcount
from scanner.scores import Column, Producer, Reason, column
from scanner.statistics.passes import Pass, plan, ranks
from scanner.statistics.phase import carried_count, count_bits, placed_count, unphased_windows
from scanner.windows import Float, Int, Spans

NAMES = ("zns", "omega", "rmin")
NO_LINKAGE = 1e-12
"""Share of a window's summed r2 below which the sum across a split is rounding error: such a split has no ratio."""
BLOCK = 64
"""Sites that one step of the search for an incompatible site looks at."""


def compute(
    block: HaplotypeBlock,
    spans: Spans,
    populations: Sequence[Haplotypes],
    wanted: frozenset[str],
) -> Mapping[str, Column]:
    """Score linkage.

    ``zns`` is the mean r2 of all pairs. ``omega`` is the mean r2 of the pairs on one side of a split (either side)
    over the mean r2 of the pairs across it, for the split where this is largest; both sides keep two sites, and
    splits without any linkage across have no ratio. ``rmin`` is the smallest number of recombinations that explains
    all pairs of sites with four gametes.

    Parameters
    ----------
    block
        Not used.
    spans
        The windows and the sites they cover.
    populations
        The one population.
    wanted
        Names of the scores to give, out of `NAMES`.

    References
    ----------
    Kelly 1997, 10.1093/genetics/146.3.1197; Kim & Nielsen 2004, 10.1534/genetics.103.025387; Hudson & Kaplan 1985,
    10.1093/genetics/111.1.147.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> from scanner.regions import Region
    >>> from scanner.windows import Windows, spans
    >>> one = from_alleles("A", np.array([[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 0, 1]], np.int8))
    >>> block = HaplotypeBlock(Region("1", 0, 9), np.array([2, 5, 6]), np.ones(3, bool), (one,))
    >>> window = spans(Windows("1", np.array([0]), np.array([9])), block.positions)
    >>> found = compute(block, window, block.populations, frozenset(["zns", "rmin"]))
    >>> found["zns"].values.tolist(), found["rmin"].values.tolist()
    ([0.3333333333333333], [1.0])
    """
    (population,) = populations
    carriers, placed = carried_count(population), placed_count(population)
    segregating = (carriers > 0) & (carriers < placed)
    first, last = ranks(segregating, spans.first, spans.last)
    unphased = (unphased_windows(population, spans), Reason.UNPHASED)
    found = {}
    if wanted & {"zns", "omega"}:
        windows = plan(first, last)
        scores = np.full((2, len(spans)), np.nan)
        _scan(make_panel(population, segregating), windows, _rows(windows), "omega" in wanted, scores)
        found["zns"] = column(scores[0], unphased, (last - first < 2, Reason.NO_VARIATION))
        found["omega"] = column(scores[1], unphased, (last - first < 4, Reason.NO_VARIATION))
    if "rmin" in wanted:
        counts = minimum_recombinations(population, np.minimum(carriers, placed - carriers) > 1, spans)
        found["rmin"] = column(counts, unphased, (spans.first == spans.last, Reason.NO_VARIATION))
    return {name: found[name] for name in NAMES if name in wanted}


def minimum_recombinations(population: Haplotypes, sites: NDArray[np.bool_], spans: Spans) -> Int:
    """Bound the number of recombinations in every window from below by the four-gamete test.

    Parameters
    ----------
    population
        One population across the sites of the block.
    sites
        (sites,) bool: sites to look at. A site with a single carrier of an allele is compatible with all others.
    spans
        The windows and the sites they cover.

    Returns
    -------
    (windows,) int64: most intervals between incompatible sites that do not overlap.
    """
    first, last = ranks(sites, spans.first, spans.last)
    panel = make_panel(population, sites)
    nearest = np.full(panel.derived.shape[1], -1, np.int64)
    _nearest_incompatible(panel, _lowest_partner(first, last, len(nearest)), nearest)
    counts = np.zeros(len(spans), np.int64)
    _count_intervals(nearest, first, last, counts)
    return counts


class Panel(NamedTuple):
    """Bit-packed sites, word-major, so that the same word of neighbouring sites stands side by side.

    Parameters
    ----------
    derived, placed
        (words, sites) uint64; ``derived`` is a subset of ``placed``.
    carriers
        (sites,) float64 derived alleles among the placed.
    scale
        (sites,) float64 1 / (carriers (size - carriers)), where ``complete``.
    size
        Haplotypes placed at all sites, where ``complete``.
    complete
        The same haplotypes are placed at every site.
    """

    derived: Words
    placed: Words
    carriers: Float
    scale: Float
    size: float
    complete: bool


def make_panel(population: Haplotypes, sites: NDArray[np.bool_]) -> Panel:
    """Pack the sites that segregate among placed alleles for comparisons between sites.

    Parameters
    ----------
    population
        One population across the sites of the block.
    sites
        (sites,) bool: which to take; each must segregate among the placed alleles.

    Examples
    --------
    >>> from scanner.haplotypes import from_alleles
    >>> panel = make_panel(from_alleles("A", np.array([[0, 1], [1, -1]], np.int8)), np.array([True, False]))
    >>> panel.derived.tolist(), panel.size, panel.complete
    ([[2]], 2.0, True)
    """
    placed = population.placed[sites]
    derived = population.derived[sites] & placed
    complete = bool((placed == placed[:1]).all())
    carriers = count_bits(derived).astype(np.float64)
    size = float(count_bits(placed[:1]).sum())
    scale = 1.0 / (carriers * (size - carriers)) if complete else np.zeros(len(carriers))
    return Panel(np.ascontiguousarray(derived.T), np.ascontiguousarray(placed.T), carriers, scale, size, complete)


def _rows(windows: Pass) -> Int:
    """Lay out one row of running sums a slot, as long as the longest window it serves: (slots + 1,) offsets."""
    length = np.zeros(windows.slots, np.int64)
    np.maximum.at(length, windows.start_slot, windows.close - windows.start)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])


def _lowest_partner(first: Int, last: Int, sites: int) -> Int:
    """Find for every site the first site of any window that holds it, or the site itself: (sites,)."""
    lowest = np.arange(sites)
    covering = last > first
    np.minimum.at(lowest, last[covering] - 1, first[covering])
    return np.minimum.accumulate(lowest[::-1])[::-1]


class _Row(NamedTuple):
    """Room for one site against the sites to its left: gamete counts, r2, and which pairs count.

    What works on a row is inlined: a call with so many arrays costs more than a short row itself.
    """

    shared: Int
    left: Int
    right: Int
    both: Int
    r2: Float
    valid: Float


@numba.njit(cache=True, nogil=True, inline="always")
def _overlap(
    one: Words, other: Words, site: int, low: int, high: int, counts: Int
) -> None:  # pragma: no cover - compiled
    """Count the haplotypes that ``one`` has at each of ``low:high`` and ``other`` has at ``site``."""
    base, width = np.uint64(low), np.uint64(high - low)  # unsigned: no test for negative indices in the loops
    for index in range(width):
        counts[index] = 0
    for word in range(one.shape[0]):
        bits = other[word, site]
        if bits:
            for index in range(width):
                counts[index] += np.int64(popcount(one[word, base + index] & bits))


@numba.njit(cache=True, nogil=True, inline="always")
def _gametes(panel: Panel, site: int, low: int, high: int, row: _Row) -> None:  # pragma: no cover - compiled
    """Count carriers of both derived alleles; where data are missing also the pairwise sample sizes."""
    _overlap(panel.derived, panel.derived, site, low, high, row.shared)
    if not panel.complete:
        _overlap(panel.derived, panel.placed, site, low, high, row.left)
        _overlap(panel.placed, panel.derived, site, low, high, row.right)
        _overlap(panel.placed, panel.placed, site, low, high, row.both)


@numba.njit(cache=True, nogil=True, inline="always")
def _correlate(panel: Panel, site: int, low: int, row: _Row) -> None:  # pragma: no cover - compiled
    """Turn gamete counts into r2; with missing data a pair that cannot be judged gets 0 and is not valid."""
    base, width, size = np.uint64(low), np.uint64(site - low), panel.size
    if panel.complete:
        own, factor = panel.carriers[site], panel.scale[site]
        for index in range(width):
            excess = size * row.shared[index] - panel.carriers[base + index] * own
            row.r2[index] = excess * excess * (panel.scale[base + index] * factor)
        return
    for index in range(width):
        n, i, j = float(row.both[index]), float(row.left[index]), float(row.right[index])
        excess = n * row.shared[index] - i * j
        spread = (i * (n - i)) * (j * (n - j))
        valid = spread > 0.0
        row.valid[index] = 1.0 if valid else 0.0
        row.r2[index] = excess * excess / (spread if valid else 1.0)


class _Sums(NamedTuple):
    """Sums over pairs of sites as far as the pass has come.

    ``within[offset + j - s]`` is the sum over all pairs of the sites s..j for an open start s, and ``beyond[i]`` the
    sum over the pairs of i with sites to its right.
    """

    within: Float
    beyond: Float


@numba.njit(cache=True, nogil=True, inline="always")
def _add_row(
    within: Float, beyond: Float, values: Float, site: int, opened: Int, held: int
) -> None:  # pragma: no cover - compiled
    """Add the pairs of a site with the sites to its left, back to the lowest open start."""
    low = opened[0, 0]
    base = np.uint64(low)
    for at in range(np.uint64(site - low)):
        beyond[base + at] += values[at]
    total, high = 0.0, np.uint64(site - low)
    for index in range(held - 1, -1, -1):
        start, offset = opened[index, 0], opened[index, 1]
        begin = np.uint64(start - low)
        a = b = c = d = 0.0  # four lanes, always the same: long runs need not wait for each addition
        while begin + np.uint64(4) <= high:
            high -= np.uint64(4)
            a += values[high]
            b += values[high + np.uint64(1)]
            c += values[high + np.uint64(2)]
            d += values[high + np.uint64(3)]
        while begin < high:
            high -= np.uint64(1)
            a += values[high]
        total += (a + b) + (c + d)
        place = offset + site - start
        within[place] = total + (within[place - 1] if site > start else 0.0)


@numba.njit(cache=True, nogil=True, inline="always")
def _omega(r2: _Sums, pairs: _Sums, offset: int, first: int, last: int) -> float:  # pragma: no cover - compiled
    """Maximise over the splits of one window; without ``pairs`` (missing data) all pairs count."""
    sites, best = last - first, np.nan
    total, within = r2.within[offset + sites - 1], r2.within[offset : offset + sites]
    counted = len(pairs.within) > 0
    right = judged = 0.0
    for left in range(sites - 1, 1, -1):
        right += r2.beyond[first + left]
        beside = sites - left
        inner, outer = 0.5 * (left * (left - 1.0) + beside * (beside - 1.0)), float(left) * beside
        if counted:
            judged += pairs.beyond[first + left]
            inner = judged + pairs.within[offset + left - 1]
            outer = pairs.within[offset + sites - 1] - inner
        same = right + within[left - 1]
        across = total - same
        if beside > 1 and inner > 0.0 and across > NO_LINKAGE * total:
            ratio = same * outer / (across * inner)
            if not ratio <= best:
                best = ratio
    return best


@numba.njit(cache=True, nogil=True)
def _scan(
    panel: Panel, windows: Pass, rows: Int, with_omega: bool, scores: Float
) -> None:  # pragma: no cover - compiled
    """Walk along the sites once; fill ZnS and omega of every window as it ends."""
    sites = panel.derived.shape[1]
    judged = 0 if panel.complete else 1
    counts = np.zeros((4, sites), np.int64)
    row = _Row(counts[0], counts[1], counts[2], counts[3], np.zeros(sites), np.zeros(sites))
    r2 = _Sums(np.zeros(rows[-1]), np.zeros(sites))
    pairs = _Sums(np.zeros(rows[-1] * judged), np.zeros(sites * judged))
    opened = np.zeros((windows.slots + 1, 3), np.int64)  # of the open starts: first site, offset of the row, end
    started = ended = held = 0
    for site in range(sites + 1):
        while ended < len(windows.order) and windows.last[windows.order[ended]] == site:
            window = windows.order[ended]
            ended += 1
            first, offset = windows.first[window], rows[windows.slot[window]]
            width = site - first
            count = pairs.within[offset + width - 1] if judged else 0.5 * width * (width - 1.0)
            if count > 0.0:
                scores[0, window] = r2.within[offset + width - 1] / count
            if with_omega:
                scores[1, window] = _omega(r2, pairs, offset, first, site)
        held = _keep_open(opened, held, site)
        if started < len(windows.start) and windows.start[started] == site:
            opened[held, 0], opened[held, 1] = site, rows[windows.start_slot[started]]
            opened[held, 2] = windows.close[started]
            started, held = started + 1, held + 1
        if site < sites and held > 0:
            low = opened[0, 0]
            _gametes(panel, site, low, site, row)
            _correlate(panel, site, low, row)
            _add_row(r2.within, r2.beyond, row.r2, site, opened, held)
            if judged:
                _add_row(pairs.within, pairs.beyond, row.valid, site, opened, held)


@numba.njit(cache=True, nogil=True, inline="always")
def _keep_open(opened: Int, held: int, site: int) -> int:  # pragma: no cover - compiled
    """Drop the starts whose last window has ended, in place; return how many stay."""
    kept = 0
    for index in range(held):
        if opened[index, 2] > site:
            for part in range(3):
                opened[kept, part] = opened[index, part]
            kept += 1
    return kept


@numba.njit(cache=True, nogil=True)
def _nearest_incompatible(panel: Panel, lowest: Int, nearest: Int) -> None:  # pragma: no cover - compiled
    """Find for every site the nearest site to its left that shows all four gametes with it."""
    counts, none = np.zeros((4, BLOCK), np.int64), np.zeros(0)
    row = _Row(counts[0], counts[1], counts[2], counts[3], none, none)
    size = np.int64(panel.size)
    for site in range(len(lowest)):
        high = site
        while high > lowest[site] and nearest[site] < 0:
            low = max(lowest[site], high - BLOCK)
            _gametes(panel, site, low, high, row)
            for index in range(high - low - 1, -1, -1):
                shared = row.shared[index]
                if panel.complete:
                    i, j, n = np.int64(panel.carriers[low + index]), np.int64(panel.carriers[site]), size
                else:
                    i, j, n = row.left[index], row.right[index], row.both[index]
                if shared > 0 and i > shared and j > shared and n - i - j + shared > 0:
                    nearest[site] = low + index
                    break
            high = low


@numba.njit(cache=True, nogil=True)
def _count_intervals(nearest: Int, first: Int, last: Int, counts: Int) -> None:  # pragma: no cover - compiled
    """Count disjoint intervals greedily: from each cut on, take the interval that ends first."""
    sites = len(nearest)
    end = np.full(sites + 1, sites)  # end[c]: where the first interval ends that begins at c or later
    for site in range(sites - 1, -1, -1):
        if nearest[site] >= 0:
            end[nearest[site]] = site
    for site in range(sites - 1, -1, -1):
        end[site] = min(end[site], end[site + 1])
    for window in range(len(first)):
        cut = end[first[window]]
        while cut < last[window]:
            counts[window] += 1
            cut = end[cut]


PRODUCERS = (Producer(names=NAMES, arity=1, compute=compute, needs_phase=True),)
