"""Panels: what the networks need of a population, bit-packed in a part's file for this part and its neighbours.

A panel holds the sites where the rarer allele is common enough for the network, of the chromosomes that it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.channels.encoding import Encoding
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
_FIELDS = ("positions", "polarised", "derived", "placed", "known", "present", "hets", "unphased")


@dataclass(frozen=True)
class Panel:
    """Sites of one population as one network may see them.

    Parameters
    ----------
    size
        Haplotypes.
    positions
        (sites,) int64 bp, 0-based, rising.
    polarised
        (sites,) bool: the ancestral allele is known.
    derived, placed
        (sites, words) uint64: carriers of the derived allele, of those whose allele is known and placed on a
        chromosome.
    known, present
        (sites,) int32: alleles that are known, placed or not, and chromosomes that are there.
    hets, unphased
        (sites,) int32: heterozygous genotypes of the whole population, and those of them without phase.
    """

    size: int
    positions: Int
    polarised: Bools
    derived: Words
    placed: Words
    known: Counts
    present: Counts
    hets: Counts
    unphased: Counts

    def __len__(self) -> int:
        """Count the sites."""
        return len(self.positions)

    def take(self, sites: slice | Int | Bools) -> Panel:
        """Keep some of the sites."""
        return Panel(self.size, *(getattr(self, name)[sites] for name in _FIELDS))

    def used(self, how: Encoding) -> Panel:
        """Keep the sites that an encoding uses: those where it is known of enough chromosomes who carries what."""
        derived, placed = count_bits(self.derived), count_bits(self.placed)
        chosen = np.minimum(derived, placed - derived) >= how.min_count
        return self.take(chosen & self.polarised if how.polarised else chosen)

    def haplotypes(self) -> Haplotypes:
        """Give the haplotypes; alleles that are not placed count as not known."""
        derived, placed = count_bits(self.derived), count_bits(self.placed)
        none = np.zeros(len(self), np.int32)
        return Haplotypes(
            "", self.size, self.derived, self.placed, self.placed, derived, placed, self.present, none, none
        )

    def unfit(self, how: Encoding, start: Int, end: Int) -> tuple[Missing, ...]:
        """Say which windows lack what a network needs of the data.

        Parameters
        ----------
        how
            The encoding.
        start, end
            (windows,) bp, 0-based half-open.

        Returns
        -------
        Pairs of a (windows,) mask and the reason, for `scanner.scores.column`.
        """
        counts = np.stack([self.hets, self.unphased, self.present, self.known, self.polarised], axis=1)
        first, last = np.searchsorted(self.positions, start), np.searchsorted(self.positions, end)
        hets, unphased, present, known, polarised = window_sums(counts.astype(np.int64), first, last).T
        sites = last - first
        poor = (known < (1 - MAX_MISSING) * present) | (present < (1 - MAX_ABSENT) * self.size * sites)
        found = [(unphased > MAX_UNPHASED * hets, Reason.UNPHASED), (poor, Reason.MISSING_DATA)]
        if how.polarised:
            found.append((polarised < MIN_POLARISED * sites, Reason.UNPOLARISED))
        return tuple(found)


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
    for number, (network, draws) in enumerate(zip(networks.each, networks.draws, strict=True)):
        for at, (population, draw) in enumerate(zip(block.populations, draws, strict=True)):
            own = _panel(population.take(core), block.positions[core], block.polarised[core], draw, network)
            kept |= {_key(number, at, name): getattr(own, name) for name in _FIELDS}
    return kept


def load(parts: Sequence[Arrays], network: int, population: int, size: int) -> Panel:
    """Join the panels that consecutive parts kept.

    Parameters
    ----------
    parts
        Arrays of the parts.
    network, population
        Their numbers.
    size
        Haplotypes of the panel.
    """
    return Panel(size, *(np.concatenate([part[_key(network, population, name)] for part in parts]) for name in _FIELDS))


def _key(network: int, population: int, name: str) -> str:
    """Name an array of a part's file."""
    return f"{PREFIX}_{network}_{population}_{name}"


def _panel(population: Haplotypes, positions: Int, polarised: Bools, draw: Draw, network: Network) -> Panel:
    """Make the panel of one population's core."""
    pick = _picker(population, draw)
    derived, known = pick(population.derived), pick(population.known)
    counts, of = count_bits(derived), count_bits(known)
    sites = np.flatnonzero(np.minimum(counts, of - counts) >= network.spec.min_count)
    placed = known if population.placed is population.known else pick(population.placed)
    # Nothing says which chromosomes are absent and which just not called: thinning leaves as large a share of them.
    scaled = np.minimum(np.rint(population.present_count * (draw.size / draw.out_of)), draw.size)
    return Panel(
        draw.size,
        positions[sites],
        polarised[sites],
        (derived & placed)[sites],
        placed[sites],
        of[sites],
        np.maximum(scaled, of).astype(np.int32)[sites],
        population.het_count[sites],
        population.unphased_count[sites],
    )


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
