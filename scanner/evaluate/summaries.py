"""Classical summaries of windows, for the baseline that networks are compared with: gradient boosting on these.

They are the statistics of a scan that need no ancestral allele, linkage by distance, and how pairs of haplotypes
differ. A summary that a window does not have is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import HaplotypeBlock, Haplotypes, Words, popcount
from scanner.regions import Region
from scanner.statistics import registry
from scanner.train.examples import Sight
from scanner.windows import Spans, Windows, spans

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Single = NDArray[np.float32]

STATISTICS = (
    "sites", "missing", "pi", "theta_w", "tajimas_d", "haplotypes", "h1", "h12", "h2_h1", "zns", "omega", "rmin",
)  # fmt: skip
"""Statistics of a scan that are summaries."""
EDGES = (0, 200, 500, 1000, 2000, 4000, 8000, 16000)
"""Where the bins of distance begin (bp); the last one has no end."""
COMMON = 0.1
"""Frequency from which the rarer allele of a site is common."""

_DERIVED = ("log_size", "log_length", "density", "rmin_per_bp", "rmin_per_site", "haplotype_share")
_PAIRS = ("differences_mean", "differences_variance")
_LINKAGE = tuple(f"{what}_{low}" for what in ("r2", "r2_common", "four_gametes") for low in EDGES)
NAMES = (*STATISTICS, *_DERIVED, *_PAIRS, *_LINKAGE)
"""Names of the summaries."""


def summaries(sight: Sight) -> Single:
    """Summarise windows of one population; see `own_summaries`."""
    return own_summaries(sight, sight.seen.haplotypes)


def own_summaries(sight: Sight, population: Haplotypes) -> Single:
    """Summarise windows of a population.

    ``r2_<bp>`` is the mean of r2 less what the sample size adds, (r2 - 1/n) / (1 - 1/n), over the pairs of sites from
    that distance on to the next edge, ``r2_common_<bp>`` the same where both sites are common, and
    ``four_gametes_<bp>`` the share of pairs with all four gametes among those in which either rarer allele is seen
    twice. ``differences_mean`` and ``differences_variance`` concern the sites at which two haplotypes differ, over
    all pairs. Haplotypes are taken as they stand in the file, and of a pair of sites, or of haplotypes, what is known
    of both.

    Parameters
    ----------
    sight
        What a VCF would hold of the windows of one simulation.
    population
        One of those that are seen.

    Returns
    -------
    (windows, `NAMES`) float32.

    References
    ----------
    Hudson 1987, 10.1017/S0016672300023776 (the variance of pairwise differences, as a measure of recombination);
    Hudson & Kaplan 1985, 10.1093/genetics/111.1.147.
    """
    positions = sight.seen.positions
    block = HaplotypeBlock(
        Region("simulated", 0, int(sight.end[-1])), positions, np.ones(len(positions), np.bool_), (population,)
    )
    covered = spans(Windows("simulated", sight.start, sight.end), positions)
    found = registry.compute_all(block, covered, STATISTICS, (), (), suffix=False)
    classical = np.stack([found[name].values for name in STATISTICS], axis=1)
    pairs = np.full((len(covered), len(_PAIRS)), np.nan)
    _differ(population.derived, population.known, population.size, covered.first, covered.last, pairs)
    blocks = [classical, _derived(classical, population, covered), pairs, _by_distance(population, positions, covered)]
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _derived(classical: Float, population: Haplotypes, covered: Spans) -> Float:
    """Set counts in proportion to what they were counted in."""
    length = (covered.end - covered.start).astype(np.float64)
    sites, kinds, rmin = (classical[:, STATISTICS.index(name)] for name in ("sites", "haplotypes", "rmin"))
    size = float(population.size)
    columns = [
        np.full(len(length), np.log(size)),
        np.log(length),
        sites / length,
        rmin / length,
        rmin / np.maximum(sites, 1),
        kinds / size,
    ]
    return np.stack(columns, axis=1)


class _Sites(NamedTuple):
    """Sites of a simulation: bits (sites, words), counts and positions (sites,)."""

    derived: Words
    known: Words
    carriers: Int
    calls: Int
    positions: Int


def _by_distance(population: Haplotypes, positions: Int, covered: Spans) -> Float:
    """Average linkage over bins of distance: (windows, 3 x bins), NaN for a bin without pairs."""
    sites = _Sites(
        population.derived,
        population.known,
        population.derived_count.astype(np.int64),
        population.known_count.astype(np.int64),
        positions,
    )
    sums = np.zeros((len(covered), 3, 2, len(EDGES)))
    for window, (first, last) in enumerate(zip(covered.first.tolist(), covered.last.tolist(), strict=True)):
        _link(sites, first, last, population.size, np.array(EDGES), sums[window])
    totals, counts = sums[:, :, 0], sums[:, :, 1]
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    return np.asarray(means.reshape(len(covered), -1))


@numba.njit(cache=True, nogil=True, inline="always")
def _both(one: Words, first: int, other: Words, second: int) -> np.int64:  # pragma: no cover - compiled
    """Count the bits set in a row of each of two tables."""
    total = np.int64(0)
    for word in range(one.shape[1]):
        total += np.int64(popcount(one[first, word] & other[second, word]))
    return total


@numba.njit(cache=True, nogil=True)
def _link(
    sites: _Sites, first: int, last: int, size: int, edges: Int, sums: Float
) -> None:  # pragma: no cover - compiled
    """Add up linkage and pairs of one window: (3 measures, total and count, bins)."""
    for j in range(first, last):
        step = 0
        for i in range(j - 1, first - 1, -1):
            while step + 1 < len(edges) and sites.positions[j] - sites.positions[i] >= edges[step + 1]:
                step += 1
            shared = _both(sites.derived, i, sites.derived, j)
            if sites.calls[i] == size and sites.calls[j] == size:
                a, b, n = sites.carriers[i], sites.carriers[j], np.int64(size)
            else:
                a = _both(sites.derived, i, sites.known, j)
                b = _both(sites.known, i, sites.derived, j)
                n = _both(sites.known, i, sites.known, j)
            rarer = min(min(a, n - a), min(b, n - b))
            if rarer < 1:
                continue
            excess = float(n * shared - a * b)
            r2 = excess * excess / (float(a * (n - a)) * float(b * (n - b)))
            r2 = (r2 * n - 1) / (n - 1)
            sums[0, 0, step] += r2
            sums[0, 1, step] += 1
            if rarer >= COMMON * n:
                sums[1, 0, step] += r2
                sums[1, 1, step] += 1
            if rarer > 1:
                sums[2, 0, step] += min(min(shared, a - shared), min(b - shared, n - a - b + shared)) > 0
                sums[2, 1, step] += 1


@numba.njit(cache=True, nogil=True)
def _differ(
    derived: Words, known: Words, size: int, first: Int, last: Int, found: Float
) -> None:  # pragma: no cover - compiled
    """Fill mean and variance of the differences between pairs of haplotypes of every window."""
    for window in range(len(first)):
        low, width = first[window], last[window] - first[window]
        bits = np.zeros((2, size, (width + 63) // 64), np.uint64)  # turned: one row a haplotype
        for site in range(width):
            word, place = site >> 6, np.uint64(site & 63)
            for haplotype in range(size):
                column, shift = haplotype >> 6, np.uint64(haplotype & 63)
                bits[0, haplotype, word] |= ((derived[low + site, column] >> shift) & np.uint64(1)) << place
                bits[1, haplotype, word] |= ((known[low + site, column] >> shift) & np.uint64(1)) << place
        total = squares = 0.0
        for one in range(size):
            for other in range(one):
                differences = np.int64(0)
                for word in range(bits.shape[2]):
                    apart = (bits[0, one, word] ^ bits[0, other, word]) & bits[1, one, word] & bits[1, other, word]
                    differences += np.int64(popcount(apart))
                total += differences
                squares += float(differences) * differences
        pairs = 0.5 * size * (size - 1)
        if pairs > 0:
            found[window, 0] = total / pairs
            found[window, 1] = squares / pairs - (total / pairs) ** 2
