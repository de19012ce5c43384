"""What happens between a genome and the VCF: samples, errors, phase, missing genotypes, lost sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import SIDES
from scanner.haplotypes import Haplotypes, from_alleles
from scanner.simulate.coalescent import Simulation
from scanner.simulate.observation import NOTHING, Observation

Alleles = NDArray[np.int8]
Bools = NDArray[np.bool_]
MAX_MISSING = 0.5
"""Sites with a larger share of missing genotypes are left out, as a scan leaves them out."""
_RATES = ("error", "switch", "missing", "singletons_lost", "min_maf")


@dataclass(frozen=True)
class Observed:
    """What is seen of a simulation.

    Parameters
    ----------
    positions
        (sites,) int64, strictly increasing, bp, 0-based.
    populations
        The sample of each; samples are diploid where there is an even number of haplotypes, else haploid.
    """

    positions: NDArray[np.int64]
    populations: tuple[Haplotypes, ...]

    @property
    def haplotypes(self) -> Haplotypes:
        """The sample, where there is one population."""
        (population,) = self.populations
        return population


def observe(simulation: Simulation, how: Observation, rng: np.random.Generator) -> Observed:
    """Look at a simulation as sequencing would.

    Haplotypes are drawn from those simulated; then alleles are misread, phase is switched, genotypes go missing, and
    sites are lost or masked, in this order. Misreading does not make new sites. Two populations are in one file, but
    each has its own rates of what befalls genotypes.

    Parameters
    ----------
    simulation
        The truth.
    how
        What happens to it.
    rng
        Draws everything.
    """
    unphased = [rng.random() < prior.draw(rng) for prior in how.unphased] or [False] * len(simulation.sizes)
    columns = np.split(np.arange(simulation.alleles.shape[1]), np.cumsum(simulation.sizes)[:-1])
    columns = [_drawn(own, how, loose, rng) for own, loose in zip(columns, unphased, strict=True)]
    alleles = simulation.alleles[:, np.concatenate(columns)]
    kept = _segregating(alleles)
    positions = simulation.positions[kept]
    samples = np.split(alleles[kept], np.cumsum([len(own) for own in columns])[:-1], axis=1)
    rates = [{name: getattr(how, name).draw(rng) for name in _RATES} for _ in samples]
    samples = [_sequenced(*each, rng) for each in zip(samples, rates, unphased, strict=True)]
    found = _found(np.concatenate(samples, axis=1), rates[0]["singletons_lost"], rates[0]["min_maf"], rng)
    if how.masked != NOTHING:
        found &= _callable(positions, simulation.length, how, rng)
    each = zip(SIDES[len(samples)], samples, unphased, strict=True)
    return Observed(
        positions[found], tuple(_population(f"simulated{side}", own[found], loose) for side, own, loose in each)
    )


def _drawn(columns: NDArray[np.int64], how: Observation, unphased: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the haplotypes of a population that are looked at."""
    size = len(columns) if how.haplotypes is None else min(len(columns), round(how.haplotypes.draw(rng)))
    if unphased:
        size -= size % 2  # where one is not known from the other, there are two
    return columns if size == len(columns) else rng.permutation(columns)[:size]


def _ploidy(alleles: Alleles) -> int:
    """Tell how many haplotypes a sample has."""
    return 2 if alleles.shape[1] % 2 == 0 else 1


def _sequenced(alleles: Alleles, rates: Mapping[str, float], unphased: bool, rng: np.random.Generator) -> Alleles:
    """Let happen to the genotypes of a population what happens to them."""
    if rates["error"] > 0:
        alleles = alleles ^ (rng.random(alleles.shape) < rates["error"]).astype(np.int8)
    if _ploidy(alleles) == 2 and (rates["switch"] > 0 or unphased):
        alleles = _switched(alleles, 0.5 if unphased else rates["switch"], rng)
    if rates["missing"] > 0:
        alleles = _with_missing(alleles, rates["missing"], _ploidy(alleles), rng)
    return alleles


def _population(name: str, alleles: Alleles, unphased: bool) -> Haplotypes:
    """Pack the sample of a population."""
    ploidy = _ploidy(alleles)
    loose = np.full((len(alleles), alleles.shape[1] // ploidy), unphased and ploidy == 2)
    return from_alleles(name, alleles, loose, ploidy)


def _segregating(alleles: Alleles) -> Bools:
    """Sites where both alleles are seen."""
    derived, known = (alleles == 1).sum(axis=1), (alleles >= 0).sum(axis=1)
    return np.asarray((derived > 0) & (derived < known))


def _switched(alleles: Alleles, rate: float, rng: np.random.Generator) -> Alleles:
    """Swap the two chromosomes of a sample from a switch on; switches happen at its heterozygous sites."""
    pairs = alleles.reshape(len(alleles), alleles.shape[1] // 2, 2)
    heterozygous = pairs[:, :, 0] != pairs[:, :, 1]
    swapped = (np.cumsum(heterozygous & (rng.random(heterozygous.shape) < rate), axis=0) % 2).astype(np.bool_)
    return np.where(swapped[:, :, None], pairs[:, :, ::-1], pairs).reshape(alleles.shape)


def _with_missing(alleles: Alleles, share: float, ploidy: int, rng: np.random.Generator) -> Alleles:
    """Remove genotypes; some sites lose many more than others."""
    by_site = np.minimum(share * rng.exponential(1.0, (len(alleles), 1)), 0.9)
    lost = rng.random((len(alleles), alleles.shape[1] // ploidy)) < by_site
    return np.where(np.repeat(lost, ploidy, axis=1), np.int8(-1), alleles)


def _found(alleles: Alleles, singletons_lost: float, min_maf: float, rng: np.random.Generator) -> Bools:
    """Sites that are in the file: they segregate, are called often enough, and were not overlooked."""
    known = (alleles >= 0).sum(axis=1)
    derived = (alleles == 1).sum(axis=1)
    minor = np.minimum(derived, known - derived)
    kept = (minor > 0) & (known >= (1 - MAX_MISSING) * alleles.shape[1])
    if min_maf > 0:
        kept &= minor >= min_maf * known
    if singletons_lost > 0:
        kept &= (minor > 1) | (rng.random(len(alleles)) >= singletons_lost)
    return np.asarray(kept)


def _callable(positions: NDArray[np.int64], length: int, how: Observation, rng: np.random.Generator) -> Bools:
    """Sites outside stretches that are drawn, wherever they fall, until they cover the share that is not callable."""
    left, kept = how.masked.draw(rng) * length, np.ones(len(positions), np.bool_)
    while left > 0:
        width = min(left, how.masked_length.draw(rng))
        start = rng.uniform(0, length - width)
        inside = (positions >= start) & (positions < start + width)
        left -= width
        kept &= ~inside
    return kept
