"""Panels: what the networks need of populations, bit-packed in a part's file for this part and its neighbours.

A panel holds the sites where the rarer allele is common enough for the network, of the chromosomes that it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import GroupEncoding, used_group_sites
from scanner.haplotypes import WORD, HaplotypeBlock, Haplotypes
from scanner.networks import Draw, Network, Networks
from scanner.scores import Reason
from scanner.statistics.diversity import MAX_MISSING, MIN_POLARISED
from scanner.statistics.phase import MAX_UNPHASED, count_bits
from scanner.windows import window_sums

Int = NDArray[np.int64]
Bools = NDArray[np.bool_]
Words = NDArray[np.uint64]
Counts = NDArray[np.int32]
Arrays = dict[str, NDArray[Any]]
Missing = tuple[Bools, Reason]

PREFIX = "net"
MAX_ABSENT = 0.05
"""Largest share of chromosomes that a window's samples may lack, as males lack a second X."""
_SITES = ("positions", "polarised")
_PLANES = ("derived", "known", "placed")
_COUNTS = ("calls", "present", "hets", "unphased")


@dataclass(frozen=True)
class Side:
    """One population of a panel.

    Parameters
    ----------
    size
        Haplotypes.
    derived, known, placed
        (sites, words) uint64: carriers of the derived allele, alleles that are known, and those of them that are
        placed on a chromosome. A network of one population looks at placed ones alone: to it no others are known.
    calls, present
        (sites,) int32: alleles that are known, placed or not, and chromosomes that are there.
    hets, unphased
        (sites,) int32: heterozygous genotypes of the whole population, and those of them without phase.
    """

    size: int
    derived: Words
    known: Words
    placed: Words
    calls: Counts
    present: Counts
    hets: Counts
    unphased: Counts

    def take(self, sites: slice | Int | Bools) -> Side:
        """Keep some of the sites."""
        derived, placed = self.derived[sites], self.placed[sites]
        known = placed if self.known is self.placed else self.known[sites]
        return Side(self.size, derived, known, placed, *(getattr(self, name)[sites] for name in _COUNTS))

    def haplotypes(self) -> Haplotypes:
        """Give the haplotypes as a network sees them."""
        derived, known = count_bits(self.derived), count_bits(self.known)
        none = np.zeros(len(derived), np.int32)
        planes = self.derived, self.known, self.placed
        return Haplotypes("", self.size, *planes, derived, known, self.present, none, none)


@dataclass(frozen=True)
class Panel:
    """Sites of one population, or of two, as one network may see them.

    Parameters
    ----------
    positions
        (sites,) int64 bp, 0-based, rising.
    polarised
        (sites,) bool: the ancestral allele is known.
    sides
        The populations.
    """

    positions: Int
    polarised: Bools
    sides: tuple[Side, ...]

    def __len__(self) -> int:
        """Count the sites."""
        return len(self.positions)

    @property
    def size(self) -> int:
        """Haplotypes in all."""
        return sum(side.size for side in self.sides)

    def take(self, sites: slice | Int | Bools) -> Panel:
        """Keep some of the sites."""
        return Panel(self.positions[sites], self.polarised[sites], tuple(side.take(sites) for side in self.sides))

    def used_sites(self, how: GroupEncoding) -> Int:
        """List the sites that an encoding uses: those where it is known of enough chromosomes who carries what."""
        return used_group_sites(self.haplotypes(), how, self.polarised)

    def used(self, how: GroupEncoding) -> Panel:
        """Keep the sites that an encoding uses."""
        return self.take(self.used_sites(how))

    def haplotypes(self) -> list[Haplotypes]:
        """Give the haplotypes of every population as a network sees them."""
        return [side.haplotypes() for side in self.sides]

    def unfit(self, network: Network, start: Int, end: Int) -> list[Missing]:
        """Say which windows lack what a network needs of the data.

        Parameters
        ----------
        network
            The network.
        start, end
            (windows,) bp, 0-based half-open.

        Returns
        -------
        Pairs of a (windows,) mask and the reason, for `scanner.scores.column`.
        """
        first, last = np.searchsorted(self.positions, start), np.searchsorted(self.positions, end)
        sites = (last - first).astype(np.int64)
        found: list[Missing] = []
        for side, phased in zip(self.sides, network.phased, strict=True):
            counts: Int = np.stack([getattr(side, name) for name in _COUNTS], axis=1).astype(np.int64)
            calls, present, hets, unphased = window_sums(counts, first, last).T
            poor = (calls < (1 - MAX_MISSING) * present) | (present < (1 - MAX_ABSENT) * side.size * sites)
            if phased:
                found.append((unphased > MAX_UNPHASED * hets, Reason.UNPHASED))
            found.append((poor, Reason.MISSING_DATA))
        if network.encoding.polarised:
            known = window_sums(self.polarised.astype(np.int64)[:, None], first, last)[:, 0].astype(np.int64)
            found.append((known < MIN_POLARISED * sites, Reason.UNPOLARISED))
        return found


def keep(block: HaplotypeBlock, core: slice, networks: Networks) -> Arrays:
    """Make the arrays of a part's panels.

    Parameters
    ----------
    block
        What was read.
    core
        The sites of the part's core.
    networks
        The networks of the scan.

    Returns
    -------
    Arrays by name, for `load`.
    """
    kept: Arrays = {}
    populations = {population.name: population for population in block.populations}
    positions, polarised = block.positions[core], block.polarised[core]
    for number, (network, groups) in enumerate(zip(networks.each, networks.groups, strict=True)):
        for at, group in enumerate(groups):
            drawn = zip(group.populations, group.draws, strict=True)
            sides = [_side(populations[name].take(core), draw) for name, draw in drawn]
            own = _panel(sides, positions, polarised, network.spec.min_count)
            kept |= {_key(number, at, name): getattr(own, name) for name in _SITES}
            for which, side in enumerate(own.sides):
                kept |= {_key(number, at, f"{name}_{which}"): getattr(side, name) for name in _held(side)}
    return kept


def _held(side: Side) -> tuple[str, ...]:
    """Name the arrays of a population that are worth keeping."""
    return (*(name for name in _PLANES if name != "known" or side.known is not side.placed), *_COUNTS)


def load(parts: Sequence[Arrays], network: int, group: int, sizes: Sequence[int]) -> Panel:
    """Join the panels that consecutive parts kept.

    Parameters
    ----------
    parts
        Arrays of the parts.
    network, group
        Their numbers.
    sizes
        Haplotypes of each population of the group.
    """

    def joined(name: str, instead: str = "") -> NDArray[Any]:
        keys = _key(network, group, name), _key(network, group, instead)
        return np.concatenate([part[keys[0]] if keys[0] in part else part[keys[1]] for part in parts])

    sides = []
    for which, size in enumerate(sizes):
        derived, placed = joined(f"derived_{which}"), joined(f"placed_{which}")
        loose = any(_key(network, group, f"known_{which}") in part for part in parts)
        known = joined(f"known_{which}", f"placed_{which}") if loose else placed
        sides.append(Side(size, derived, known, placed, *(joined(f"{name}_{which}") for name in _COUNTS)))
    return Panel(joined("positions"), joined("polarised"), tuple(sides))


def _key(network: int, group: int, name: str) -> str:
    """Name an array of a part's file."""
    return f"{PREFIX}_{network}_{group}_{name}"


def _panel(sides: Sequence[Side], positions: Int, polarised: Bools, min_count: int) -> Panel:
    """Make the panel of a part's core: of the sites where the rarer allele is common enough in all sides together."""
    counts, of = (sum(count_bits(getattr(side, name)) for side in sides) for name in ("derived", "known"))
    panel = Panel(positions, polarised, tuple(_placed(side) for side in sides) if len(sides) == 1 else tuple(sides))
    return panel.take(np.flatnonzero(np.minimum(counts, of - counts) >= min_count))


def _placed(side: Side) -> Side:
    """Leave only alleles that are placed: nothing else is known to a network of one population."""
    return replace(side, derived=side.derived & side.placed, known=side.placed)


def _side(population: Haplotypes, draw: Draw) -> Side:
    """Take a draw's chromosomes of a population."""
    pick = _picker(population, draw)
    derived, known = pick(population.derived), pick(population.known)
    placed = known if population.placed is population.known else pick(population.placed)
    calls = count_bits(known)
    # Nothing says which chromosomes are absent and which just not called: thinning leaves as large a share of them.
    scaled = np.minimum(np.rint(population.present_count * (draw.size / draw.out_of)), draw.size)
    present = np.maximum(scaled, calls).astype(np.int32)
    return Side(draw.size, derived, known, placed, calls, present, population.het_count, population.unphased_count)


def _picker(population: Haplotypes, draw: Draw) -> Callable[[Words], Words]:
    """Give a function that takes a draw's chromosomes out of a plane of bits."""
    if not draw.thinned and population.size == draw.out_of:
        return lambda words: words
    samples = draw.out_of // draw.ploidy
    columns = draw.columns(population.size // samples)

    def pick(words: Words) -> Words:
        found = np.zeros((len(words), -(-draw.size // WORD)), np.uint64)
        _pick(words, columns, found)
        return found

    return pick


@numba.njit(cache=True, nogil=True)
def _pick(words: Words, columns: Int, found: Words) -> None:  # pragma: no cover - compiled
    """Gather the bits of some columns."""
    one = np.uint64(1)
    for site in range(words.shape[0]):
        for at in range(len(columns)):
            column = columns[at]
            bit = (words[site, column >> 6] >> np.uint64(column & 63)) & one
            found[site, at >> 6] |= bit << np.uint64(at & 63)
