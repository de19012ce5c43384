"""What happens between a genome and the VCF: samples, errors, phase, missing genotypes, lost sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import Haplotypes, from_alleles
from scanner.simulate.coalescent import Simulation
from scanner.simulate.recipe import Observation

Alleles = NDArray[np.int8]
Bools = NDArray[np.bool_]
MAX_MISSING = 0.5
"""Sites with a larger share of missing genotypes are left out, as a scan leaves them out."""


@dataclass(frozen=True)
class Observed:
    """What is seen of a simulation.

    Parameters
    ----------
    positions
        (sites,) int64, strictly increasing, bp, 0-based.
    haplotypes
        The sample; samples are diploid where their number is even, else haploid.
    """

    positions: NDArray[np.int64]
    haplotypes: Haplotypes


def observe(simulation: Simulation, how: Observation, rng: np.random.Generator) -> Observed:
    """Look at a simulation as sequencing would.

    Haplotypes are drawn from those simulated; then alleles are misread, phase is switched, genotypes go missing, and
    sites are lost, in this order. Misreading does not make new sites.

    Parameters
    ----------
    simulation
        The truth.
    how
        What happens to it.
    rng
        Draws everything.
    """
    alleles = simulation.alleles
    size = alleles.shape[1] if how.haplotypes is None else min(alleles.shape[1], round(how.haplotypes.draw(rng)))
    if how.unphased:
        size -= size % 2  # where one is not known from the other, there are two
    if size < alleles.shape[1]:
        alleles = alleles[:, rng.permutation(alleles.shape[1])[:size]]
    kept = _segregating(alleles)
    alleles, positions = alleles[kept], simulation.positions[kept]
    ploidy = 2 if size % 2 == 0 else 1
    rates = {
        name: getattr(how, name).draw(rng) for name in ("error", "switch", "missing", "singletons_lost", "min_maf")
    }
    if rates["error"] > 0:
        alleles = alleles ^ (rng.random(alleles.shape) < rates["error"]).astype(np.int8)
    if ploidy == 2 and (rates["switch"] > 0 or how.unphased):
        alleles = _switched(alleles, 0.5 if how.unphased else rates["switch"], rng)
    if rates["missing"] > 0:
        alleles = _with_missing(alleles, rates["missing"], ploidy, rng)
    kept = _found(alleles, rates["singletons_lost"], rates["min_maf"], rng)
    unphased = np.full((int(kept.sum()), size // ploidy), how.unphased and ploidy == 2)
    return Observed(positions[kept], from_alleles("simulated", alleles[kept], unphased, ploidy))


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
