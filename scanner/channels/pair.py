"""Site channels of two populations: one row of numbers for every site that segregates in the two together.

They are what networks of introgression see. Like those of one population (`scanner.channels.encoding`) they do not
change when haplotypes of a population change places, are corrected for sample size where that can be done, and depend
on the used sites up to `REACH` away and on nothing else. Exchanging the populations exchanges their channels.

What tells the direction of gene flow: where haplotypes of the second population came into the first, some of the first
are close to the second, closer than to any other of their own at times (``first_foreign``), and the rest is as far
away as ever (``first_away``, ``first_farthest``); of the second, all that are akin to those who came are close to the
first, and their diversity stays what it was (``second_within``). How many came and how long ago shows in how much is
close over how many sites (the widths).

Examples
--------
>>> from scanner.haplotypes import from_alleles
>>> one = from_alleles("A", np.array([[0, 0, 1, 1], [0, 0, 0, 0]], np.int8))
>>> other = from_alleles("B", np.array([[1, 1], [0, 0]], np.int8))
>>> how = pair_encoding("pair-folded-1")
>>> found = encode_pair(np.array([100, 150]), one, other, how)
>>> found.sites.tolist(), dict(zip(how.channels, found.values[0].tolist()))["difference"]
([0], 0.5)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.channels import closeness
from scanner.channels.closeness import WIDTHS, Joint, fill_closeness
from scanner.channels.encoding import Encoded, allele_counts, check_encoding, fill_gaps
from scanner.channels.linkage import Panel, fill_lags
from scanner.haplotypes import Bools, Haplotypes, unpack

Int = NDArray[np.int64]
Single = NDArray[np.float32]

LAGS = (1, 2, 4, 8, 16, 32)
"""Used sites from one to the other of a pair of sites whose linkage is measured in either population."""
REACH = max(*LAGS, *(width // 2 for width in WIDTHS))
"""Used sites on each side that the channels of a site depend on."""
NAMES = ("pair-folded-1", "pair-polarised-1")
"""Encodings of two populations that exist."""
SIDES = ("first", "second")
"""What the names of a population's own channels begin with."""
LEAST = 2
"""A used site has at least so many known alleles in either population, and a population so many haplotypes."""

_BOTH = ("gap_next", "gap_previous", "difference", "apart", "shared", "fixed")
_OWN = ("frequency", "heterozygosity", "log_minor_count", "private", "missing", "log_size")
_LINKED = len(_OWN) + 2 * len(LAGS)


@dataclass(frozen=True)
class PairEncoding:
    """How sites of two populations are chosen and turned into channels.

    Parameters
    ----------
    name
        Name and version in one: it changes whenever a channel does.
    polarised
        Frequencies are those of the derived allele, at sites where it is known; else of a population's rarer allele.
    min_count
        Smallest count of the rarer allele, in both populations together, of a site that is used.
    """

    name: str
    polarised: bool
    min_count: int = 1
    populations: ClassVar[int] = 2
    reach: ClassVar[int] = REACH

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the columns: of both populations, of the first, and the same of the second."""
        both = (*_BOTH, *(f"{what}_{width}" for what in closeness.BOTH for width in WIDTHS))
        lags = tuple(f"{what}_{lag}" for what in ("r2", "four_gametes") for lag in LAGS)
        own = (*_OWN, *lags, *(f"{what}_{width}" for what in closeness.OWN for width in WIDTHS))
        return (*both, *(f"{side}_{what}" for side in SIDES for what in own))


def pair_encoding(name: str, min_count: int = 1) -> PairEncoding:
    """Look up an encoding of two populations.

    Parameters
    ----------
    name
        One of `NAMES`.
    min_count
        Smallest count of the rarer allele, in both populations together, of a site that is used.

    Raises
    ------
    ValueError
        There is no such encoding, or the count is not positive.

    Examples
    --------
    >>> pair_encoding("pair-polarised-1", min_count=2)
    PairEncoding(name='pair-polarised-1', polarised=True, min_count=2)
    """
    check_encoding(name, min_count, NAMES, "two populations")
    return PairEncoding(name, name.startswith("pair-polarised"), min_count)


def used_pair_sites(a: Haplotypes, b: Haplotypes, how: PairEncoding, polarised: Bools | None = None) -> Int:
    """List the sites that an encoding of two populations uses: (used sites,) int64, rising.

    Parameters
    ----------
    a, b
        The two populations at the same sites.
    how
        The encoding.
    polarised
        (sites,) bool: the ancestral allele is known; everywhere where None. Not used by folded encodings.
    """
    derived, known = a.derived_count + b.derived_count, a.known_count + b.known_count
    used = np.minimum(derived, known - derived) >= how.min_count
    used &= np.minimum(a.known_count, b.known_count) >= LEAST
    if how.polarised and polarised is not None:
        used &= polarised
    return np.flatnonzero(used).astype(np.int64)


def encode_pair(
    positions: Int, a: Haplotypes, b: Haplotypes, how: PairEncoding, polarised: Bools | None = None
) -> Encoded:
    """Compute the channels of the sites that segregate in two populations together.

    An allele that is not known counts nowhere. One that is known but not which of a sample's chromosomes carries it
    counts in frequencies and in means of distances, and not where haplotypes are compared. The cost grows with the
    square of the number of haplotypes.

    Parameters
    ----------
    positions
        (sites,) int64, bp, 0-based, strictly increasing.
    a, b
        The first and the second population at these sites.
    how
        Which sites and channels.
    polarised
        (sites,) bool: the ancestral allele is known; everywhere where None. Not used by folded encodings.

    Raises
    ------
    ValueError
        A population has fewer than two haplotypes.

    References
    ----------
    Nei & Li 1979, 10.1073/pnas.76.10.5269 (means between and within populations); Joly, McLenachan & Lockhart 2009,
    10.1086/600082, and Geneva et al. 2015, 10.1371/journal.pone.0118621 (smallest distances and introgression);
    Schrider et al. 2018, 10.1371/journal.pgen.1007341 (which summaries tell its direction).
    """
    for population in (a, b):
        if population.size < LEAST:
            raise ValueError(f"population {population.name!r} has {population.size} haplotypes, and {LEAST} are needed")
    sites = used_pair_sites(a, b, how, polarised)
    values = np.zeros((len(sites), len(how.channels)), np.float32)
    one, other = _counts(a, sites), _counts(b, sites)
    middle, own = len(_BOTH) + len(closeness.BOTH) * len(WIDTHS), _LINKED + len(closeness.OWN) * len(WIDTHS)
    both, first, second = values[:, :middle], values[:, middle : middle + own], values[:, middle + own :]
    fill_gaps(np.ascontiguousarray(positions[sites], np.int64), both)
    _compare(one, other, both)
    for population, counts, mine in ((a, one, first), (b, other, second)):
        mine[:, _OWN.index("private")] = _segregates(counts)
        _fill_own(counts, how.polarised, mine)
        fill_lags(_panel(population, sites), np.array(LAGS), mine[:, len(_OWN) : _LINKED])
    for mine in (first, second):
        mine[:, _OWN.index("private")] *= 1 - both[:, _BOTH.index("shared")]
    joint = Joint(np.concatenate([_codes(a, sites), _codes(b, sites)], axis=1), a.size, _rates(one, other))
    fill_closeness(joint, both[:, len(_BOTH) :], first[:, _LINKED:], second[:, _LINKED:])
    return Encoded(sites, values)


class _Counts(NamedTuple):
    """Of every used site: derived, known and placed alleles, chromosomes that are there; haplotypes."""

    derived: Int
    known: Int
    placed: Int
    present: Int
    size: int


def _counts(population: Haplotypes, sites: Int) -> _Counts:
    """Take the counts of a population at the used sites."""
    derived, known, present = allele_counts(population, sites)
    phased = population.placed is population.known
    placed = known if phased else np.bitwise_count(population.placed[sites]).sum(axis=1, dtype=np.int64)
    return _Counts(derived, known, placed, present, population.size)


def _segregates(counts: _Counts) -> Bools:
    """Tell at which sites a population has both alleles."""
    return (counts.derived > 0) & (counts.derived < counts.known)


def _differing(one: _Counts, other: _Counts) -> tuple[Int, Int]:
    """Count the pairs of an allele of either population that differ, and all pairs."""
    differing = one.derived * (other.known - other.derived) + other.derived * (one.known - one.derived)
    return differing, one.known * other.known


def _compare(one: _Counts, other: _Counts, both: Single) -> None:
    """Fill what compares the two populations at single sites; whole numbers, so that alleles may be swapped."""
    across, pairs = _differing(one, other)
    both[:, 2] = np.abs(one.derived * other.known - other.derived * one.known) / pairs
    both[:, 3] = across / pairs
    both[:, 4] = _segregates(one) & _segregates(other)
    both[:, 5] = across == pairs


def _heterozygosity(counts: _Counts) -> NDArray[np.float64]:
    """Give the share of the pairs of a population's known alleles that differ."""
    return np.asarray(2 * counts.derived * (counts.known - counts.derived) / (counts.known * (counts.known - 1)))


@numba.njit(cache=True, nogil=True)
def _fill_logarithms(minor: Int, size: int, values: Single) -> None:  # pragma: no cover - compiled
    """Fill the logarithms of counts."""
    for at in range(len(minor)):
        values[at, 2] = np.float32(math.log2(1 + minor[at]) / 4.0)
        values[at, 5] = np.float32(math.log2(size) / 8.0)


def _fill_own(counts: _Counts, polarised: bool, values: Single) -> None:
    """Fill the channels of a population at single sites, but whether it alone segregates."""
    minor = np.minimum(counts.derived, counts.known - counts.derived)
    values[:, 0] = (counts.derived if polarised else minor) / counts.known
    values[:, 1] = _heterozygosity(counts)
    values[:, 4] = (counts.present - counts.known) / counts.present
    _fill_logarithms(minor, counts.size, values)


def _rates(one: _Counts, other: _Counts) -> NDArray[np.float64]:
    """Give what `Joint` wants to know of every site."""
    differing, pairs = _differing(one, other)
    across = one.placed * other.placed / (one.size * other.size)
    inside = (side.placed * (side.placed - 1) / (side.size * (side.size - 1)) for side in (one, other))
    return np.stack([differing / pairs, _heterozygosity(one), _heterozygosity(other), across, *inside], axis=1)


def _panel(population: Haplotypes, sites: Int) -> Panel:
    """Lay out a population for `fill_lags`."""
    placed = population.placed[sites]
    derived = population.derived[sites] & placed
    carriers, known = (np.bitwise_count(words).sum(axis=1, dtype=np.int64) for words in (derived, placed))
    by_word = np.ascontiguousarray(derived.T), np.ascontiguousarray(placed.T)
    return Panel(*by_word, known == population.size, carriers, population.size)


def _codes(population: Haplotypes, sites: Int) -> NDArray[np.uint8]:
    """Spread alleles into bytes: 0 not placed, 1 ancestral, 2 derived."""
    placed = population.placed[sites]
    known, derived = (unpack(words, population.size) for words in (placed, population.derived[sites] & placed))
    return known.astype(np.uint8) + derived
