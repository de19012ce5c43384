"""Site channels: one row of numbers for every segregating site of a population, the input of the networks.

Channels are exchangeable (they do not change when haplotypes are put in another order), corrected for sample size
where that can be done, and local: those of a site depend on the sites up to `REACH` away and on nothing else, hence
they are the same to the last bit however a contig was cut. Folded channels do not know which allele is called derived.

Examples
--------
>>> from scanner.haplotypes import from_alleles
>>> one = from_alleles("A", np.array([[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]], np.int8))
>>> folded = encoding("folded-2")
>>> found = encode(np.array([100, 150, 1100]), one, folded)
>>> found.sites.tolist(), found.values.shape == (2, len(folded.channels))
([0, 2], True)
>>> {name: found.values[0, at].item() for at, name in enumerate(folded.channels[:3])}
{'gap_next': 1.0, 'gap_previous': 0.0, 'frequency': 0.5}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.channels.linkage import (
    COMMON_LAGS,
    COMMON_MEASURES,
    COMMON_REACH,
    LAGS,
    SEARCH,
    Panel,
    fill_common,
    fill_lags,
    nearest_incompatible,
)
from scanner.channels.sharing import CARRIER_WIDTHS, WIDTHS, Carriers, fill_sharing
from scanner.haplotypes import Bools, Haplotypes, Words

Int = NDArray[np.int64]
Single = NDArray[np.float32]

REACH = max(*LAGS, SEARCH, COMMON_REACH, *(width // 2 for width in WIDTHS))
"""Used sites on each side that the channels of a site depend on."""
NAMES = ("folded-2", "polarised-2")
"""Encodings that exist."""
COMMON = 10
"""A site is common where at least one haplotype in so many has the rarer allele."""
MAX_GAP = 1_000_000
"""A longer stretch without used sites counts as this many bp."""
MAX_INCOMPATIBLE = 50_000
"""An incompatible site counts as no farther away than this (bp)."""

_SITE = ("gap_next", "gap_previous", "frequency", "heterozygosity", "log_minor_count", "missing", "log_size")
_SIDES = tuple(f"incompatible_{side}_{unit}" for side in ("left", "right") for unit in ("bp", "sites"))
_LINKAGE = len(_SITE) + len(_SIDES)
_COMMON = _LINKAGE + 2 * len(LAGS)
_SHARING = _COMMON + 1 + len(COMMON_MEASURES) * len(COMMON_LAGS)


@dataclass(frozen=True)
class Encoding:
    """How sites are chosen and turned into channels.

    Parameters
    ----------
    name
        Name and version in one: it changes whenever a channel does.
    polarised
        Alleles are told apart as ancestral and derived, at sites where that is known; else as major and minor.
    min_count
        Smallest count of the rarer allele of a site that is used; 1 for all segregating sites.
    """

    name: str
    polarised: bool
    min_count: int = 1
    populations: ClassVar[int] = 1
    reach: ClassVar[int] = REACH

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the columns."""
        alleles = ("ancestral", "derived") if self.polarised else ("major", "minor")
        pairs = tuple(f"{what}_{lag}" for what in ("r2", "four_gametes") for lag in LAGS)
        common = tuple(f"common_{what}_{lags[0]}" for what in COMMON_MEASURES for lags in COMMON_LAGS)
        shares = tuple(f"{what}_{width}" for width in WIDTHS for what in ("homozygosity", "top", "second"))
        own = tuple(f"{allele}_homozygosity_{width}" for width in CARRIER_WIDTHS for allele in alleles)
        return (*_SITE, *_SIDES, *pairs, "common", *common, *shares, *own)


@dataclass(frozen=True)
class Encoded:
    """The used sites of a block and what the network sees of them.

    Parameters
    ----------
    sites
        (used sites,) int64 indices into the sites of the block, rising.
    values
        (used sites, channels) float32.
    """

    sites: Int
    values: Single


def encoding(name: str, min_count: int = 1) -> Encoding:
    """Look up an encoding.

    Parameters
    ----------
    name
        One of `NAMES`.
    min_count
        Smallest count of the rarer allele of a site that is used.

    Raises
    ------
    ValueError
        There is no such encoding, or the count is not positive.

    Examples
    --------
    >>> encoding("polarised-2", min_count=2)
    Encoding(name='polarised-2', polarised=True, min_count=2)
    """
    check_encoding(name, min_count, NAMES, "sites")
    return Encoding(name, name.startswith("polarised"), min_count)


def check_encoding(name: str, min_count: int, names: Sequence[str], what: str) -> None:
    """Refuse an encoding that there is not among those of ``what``, and a count that no used site can have.

    Raises
    ------
    ValueError
        As said.
    """
    if name not in names:
        raise ValueError(f"no encoding of {what} is called {name!r}: choose one of {', '.join(names)}")
    if min_count < 1:
        raise ValueError(f"min_count is {min_count}, and a site that is used has both alleles: give 1 or more")


def used_sites(haplotypes: Haplotypes, how: Encoding, polarised: Bools | None = None) -> Int:
    """List the sites that an encoding uses: (used sites,) int64, rising.

    Parameters
    ----------
    haplotypes
        One population.
    how
        The encoding.
    polarised
        (sites,) bool: the ancestral allele is known; everywhere where None. Not used by folded encodings.
    """
    minor = np.minimum(haplotypes.derived_count, haplotypes.known_count - haplotypes.derived_count)
    used = minor >= how.min_count
    if how.polarised and polarised is not None:
        used &= polarised
    return np.flatnonzero(used).astype(np.int64)


def encode(positions: Int, haplotypes: Haplotypes, encoding: Encoding, polarised: Bools | None = None) -> Encoded:
    """Compute the channels of a population's segregating sites.

    Haplotypes are used as they stand: where genotypes have no phase, the caller must decide whether to come here. An
    allele that is not known is left out of frequencies and linkage. Where haplotypes are compared over windows it
    counts as the commoner allele of its site; where two alleles are equally common it is a third one, except that
    polarised encodings take it for the ancestral one.

    Parameters
    ----------
    positions
        (sites,) int64, bp, 0-based, strictly increasing.
    haplotypes
        One population at these sites.
    encoding
        Which sites and channels.
    polarised
        (sites,) bool: the ancestral allele is known; everywhere where None. Not used by folded encodings.

    References
    ----------
    Hudson & Kaplan 1985, 10.1093/genetics/111.1.147 (four gametes); Sabeti et al. 2002, 10.1038/nature01140
    (homozygosity among carriers).
    """
    sites = used_sites(haplotypes, encoding, polarised)
    values = np.zeros((len(sites), len(encoding.channels)), np.float32)
    if len(sites) == 0:
        return Encoded(sites, values)
    columns = _columns(haplotypes, sites)
    at = np.ascontiguousarray(positions[sites], np.int64)
    words = haplotypes.derived.shape[1]
    planes = _Planes(
        np.empty((words, len(sites)), np.uint64),
        np.empty((words, len(sites)), np.uint64),
        np.empty((len(sites), words), np.uint64),
        np.empty((0, words), np.uint64),
    )
    split, tied = np.full(len(sites), -1), np.zeros(len(sites), np.bool_)
    if not encoding.polarised:
        tied = 2 * columns.derived == columns.known
        apart = tied & (columns.known < haplotypes.size)
        split[apart] = np.arange(apart.sum())
        planes = planes._replace(third=~haplotypes.known[sites[apart]])
    _arrange(haplotypes.derived, haplotypes.known, columns, encoding.polarised, planes)
    fill_gaps(at, values)
    _fill_sites(columns, encoding.polarised, values)
    carriers = columns.derived if encoding.polarised else columns.minor
    panel = Panel(planes.second, planes.known, columns.known == haplotypes.size, carriers, haplotypes.size)
    _fill_sides(at, panel, columns.minor, values[:, len(_SITE) : _LINKAGE])
    fill_lags(panel, np.array(LAGS), values[:, _LINKAGE:_COMMON])
    common = COMMON * columns.minor >= columns.known
    values[:, _COMMON] = common
    fill_common(panel, at, np.flatnonzero(common), values[:, _COMMON + 1 : _SHARING])
    fill_sharing(Carriers(planes.carried, planes.third, split, tied, haplotypes.size), values[:, _SHARING:])
    return Encoded(sites, values)


class _Columns(NamedTuple):
    """Of every used site: index into the block, counts of alleles, chromosomes that are there; haplotypes."""

    sites: Int
    derived: Int
    known: Int
    minor: Int
    present: Int
    size: int


def allele_counts(haplotypes: Haplotypes, sites: Int) -> tuple[Int, Int, Int]:
    """Count, at some sites, derived alleles, known alleles and chromosomes that are there: (sites,) int64 each."""
    derived, known, present = (
        counts[sites].astype(np.int64)
        for counts in (haplotypes.derived_count, haplotypes.known_count, haplotypes.present_count)
    )
    return derived, known, present


def _columns(haplotypes: Haplotypes, sites: Int) -> _Columns:
    """Take the counts of the used sites."""
    derived, known, present = allele_counts(haplotypes, sites)
    return _Columns(sites, derived, known, np.minimum(derived, known - derived), present, haplotypes.size)


class _Planes(NamedTuple):
    """Bit planes of the used sites.

    ``second``, ``known`` (words, sites): carriers of the derived or else the minor allele, known alleles.
    ``carried`` (sites, words): the same carriers, and those not known where that allele is the commoner one.
    ``third`` (split sites, words): those not known at sites whose alleles are equally common.
    """

    second: Words
    known: Words
    carried: Words
    third: Words


@numba.njit(cache=True, nogil=True)
def _arrange(
    derived: Words, known: Words, columns: _Columns, polarised: bool, planes: _Planes
) -> None:  # pragma: no cover - compiled
    """Fill the planes but ``third``."""
    zero = np.uint64(0)
    for at in range(len(columns.sites)):
        site = columns.sites[at]
        common = 2 * columns.derived[at] > columns.known[at]
        flip = zero if polarised or not common else ~zero
        guess = ~zero if polarised and common else zero
        for word in range(derived.shape[1]):
            there = known[site, word]
            second = (derived[site, word] ^ flip) & there
            planes.second[word, at], planes.known[word, at] = second, there
            planes.carried[at, word] = second | (~there & guess)


@numba.njit(cache=True, nogil=True)
def fill_gaps(positions: Int, values: Single) -> None:  # pragma: no cover - compiled
    """Fill the first two columns with the distances to the next and to the previous site: log10 of bp, less 2.

    Parameters
    ----------
    positions
        (sites,) bp, rising.
    values
        (sites, 2 or more) float32; what has no neighbour keeps its value.
    """
    for at in range(len(positions) - 1):
        gap = min(max(positions[at + 1] - positions[at], 1), MAX_GAP)
        values[at, 0] = values[at + 1, 1] = np.float32(math.log10(gap) - 2.0)


@numba.njit(cache=True, nogil=True)
def _fill_sites(columns: _Columns, polarised: bool, values: Single) -> None:  # pragma: no cover - compiled
    """Fill the other channels of single sites."""
    for at in range(len(columns.sites)):
        row = values[at]
        derived, known, minor = columns.derived[at], columns.known[at], columns.minor[at]
        row[2] = np.float32((derived if polarised else minor) / known)
        row[3] = np.float32(2 * minor * (known - minor) / (known * (known - 1)))
        row[4] = np.float32(math.log2(minor) / 4.0)
        row[5] = np.float32((columns.present[at] - known) / columns.present[at])
        row[6] = np.float32(math.log2(columns.size) / 8.0)


def _fill_sides(positions: Int, panel: Panel, minor: Int, values: Single) -> None:
    """Fill the distances to the nearest incompatible site on each side, in bp and in sites."""
    ranks = np.flatnonzero(minor > 1).astype(np.int64)
    nearest = np.full((2, len(positions)), -1, np.int64)
    nearest_incompatible(panel, ranks, nearest)
    _measure_sides(positions, nearest, values)


@numba.njit(cache=True, nogil=True)
def _measure_sides(positions: Int, nearest: Int, values: Single) -> None:  # pragma: no cover - compiled
    """Turn the nearest incompatible sites into distances; where there is none, the farthest that can be."""
    counts = np.log2(np.arange(SEARCH + 1) + 1.0) / 3.0 - 1.0
    for side in range(2):
        for site in range(len(positions)):
            distance, count = MAX_INCOMPATIBLE, SEARCH
            other = nearest[side, site]
            if other >= 0:
                distance = min(max(abs(positions[other] - positions[site]), 1), MAX_INCOMPATIBLE)
                count = abs(other - site)
            values[site, 2 * side] = np.float32(math.log10(distance) - 3.0)
            values[site, 2 * side + 1] = np.float32(counts[count])
