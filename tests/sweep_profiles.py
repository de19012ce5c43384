"""Profiles of simulated sweeps along a region, for comparing simulators."""

from __future__ import annotations

from collections.abc import Callable

import msprime
import numpy as np
import tskit

from scanner.simulate.genealogy import Setting, neutral
from scanner.simulate.joined import read_genealogy, simplified, stacked

PARTS = 11
SIZE, HAPLOTYPES, LENGTH = 1000, 20, 11_000
RATE = 3.75e-6
"""Crossovers: 4 N r times the length is 165."""


def setting(*, demography: msprime.Demography | None = None, length: int = LENGTH, rate: float = RATE) -> Setting:
    """Give 20 haplotypes of a population of 1,000 diploids, or of another history."""
    history = msprime.Demography.isolated_model([SIZE]) if demography is None else demography
    return Setting(history, "pop_0", HAPLOTYPES, length, np.zeros(1), np.array([rate]), True)


def msprime_sweep(how: Setting, seed: int, *, site: float, advantage: float, age: float = 0.0) -> tskit.TreeSequence:
    """Simulate a hard sweep in a population of one size by msprime, whose s is that of the homozygote.

    It is used as far as it is sound only. In msprime 1.4.4, a sweep that ends before the present comes out with less
    diversity to its left than to its right: so the sample's neutral past is joined to a sweep of whole haplotypes. And
    lineages that are still apart at the start frequency are neutral again: at one copy, that happens in a simulation of
    fifty with s = 0.1, so the allele starts from a hundredth of a copy.
    """
    end, size = max(age, 1e-6), how.demography.populations[0].initial_size
    recent = neutral(how, seed, end=end)
    lineages = recent.nodes_time == end
    sweep = msprime.SweepGenicSelection(
        position=site,
        start_frequency=0.005 / size,
        end_frequency=1 - 0.5 / size,
        s=2 * advantage,
        dt=1 / (100 * size),
    )
    ancient = msprime.sim_ancestry(
        [msprime.SampleSet(max(2, int(lineages.sum())), ploidy=1)],
        demography=how.demography,
        recombination_rate=how.map_rate[0],
        sequence_length=how.length,
        random_seed=seed,
        model=[sweep, msprime.StandardCoalescent()],
    )
    onto = np.full(recent.num_nodes, -1)
    onto[lineages] = np.arange(lineages.sum())
    whole, places = stacked(read_genealogy(recent), read_genealogy(ancient).later(end), onto)
    return simplified(whole, places[: how.haplotypes])[0]


def profile(trees: tskit.TreeSequence, seed: int) -> np.ndarray:
    """Give (4, parts): diversity, singletons and nearly fixed alleles per bp by branch lengths, haplotype homozygosity.

    The first three are in units of their neutral expectation for diversity; the last is that of mutated haplotypes,
    with 4 N mu = 5 a part.
    """
    bounds = np.linspace(0, trees.sequence_length, PARTS + 1)
    diversity = trees.diversity(windows=bounds, mode="branch")
    spectrum = trees.allele_frequency_spectrum(windows=bounds, mode="branch", polarised=True)
    per_part = 5 / (trees.sequence_length / PARTS) / (4 * SIZE)
    mutated = msprime.sim_mutations(trees, rate=per_part, random_seed=seed, discrete_genome=False)
    alleles, part = mutated.genotype_matrix(), np.searchsorted(bounds, mutated.sites_position, side="right") - 1
    shares = [np.unique(alleles[part == k], axis=1, return_counts=True)[1] / HAPLOTYPES for k in range(PARTS)]
    homozygosity = [float((share**2).sum()) for share in shares]
    scaled = np.array([diversity, spectrum[:, 1], spectrum[:, 3 * HAPLOTYPES // 4 : HAPLOTYPES].sum(axis=1)])
    return np.vstack([scaled / (4 * SIZE), homozygosity])


def profiles(simulate: Callable[[np.random.Generator], tskit.TreeSequence], count: int, seed: int) -> np.ndarray:
    """Give (count, 4, parts) from as many simulations."""
    return np.array([profile(simulate(np.random.default_rng([seed, k])), k + 1) for k in range(count)])


def unlike(one: np.ndarray, other: np.ndarray) -> float:
    """Give the mean of the squared differences of two sets of profiles, in standard errors: about 1 for equal ones."""
    error = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))
    return float((((one.mean(axis=0) - other.mean(axis=0)) / error) ** 2).mean())
