"""One simulation: a genealogy, with or without a sweep, and mutations on it by msprime.

References
----------
Baumdicker et al. 2022, 10.1093/genetics/iyab229.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError, RunError, UsageError
from scanner.simulate.divergence import came_over, split_history
from scanner.simulate.forward import LostError, forward_sweep
from scanner.simulate.genealogy import Setting, neutral
from scanner.simulate.histories import draw_history, engine, one_line
from scanner.simulate.introgression import FIRST, SECOND, Flow, draw_introgression
from scanner.simulate.recipe import Hotspots, Recipe
from scanner.simulate.sweeps import Selected, Sweep, draw_again, draw_sweep

if TYPE_CHECKING:
    import tskit

Int = NDArray[np.int64]
Float = NDArray[np.float64]
MIN_LENGTH = 10_000.0
"""No sequence is cut shorter than this (bp) to keep 4 N r times its length small."""
DRAWS = 25
"""How many sweeps are drawn for one simulation before it is given up."""
_OF_FIRST = "haplotypes_first"


@dataclass(frozen=True)
class Simulation:
    """One simulated population sample.

    Parameters
    ----------
    length
        bp.
    positions
        (sites,) int64, strictly increasing, bp, 0-based.
    alleles
        (sites, haplotypes) int8: 0 ancestral, 1 derived; every site segregates.
    parameters
        What was drawn: ``size``, ``history``, ``mutation_rate``, ``recombination_rate`` (its mean) and more; for the
        task ``sweep`` also ``class`` (a place in `scanner.simulate.sweeps.CLASSES`) and, but for the neutral one,
        what `scanner.simulate.forward.forward_sweep` says of the sweep; for the task ``introgression`` no ``history``,
        but what `scanner.simulate.introgression.draw_introgression` says, ``haplotypes_first`` and, but for the class
        ``none``, ``introgressed``: the share of the receiver's sample that came over.
    map_start, map_rate
        The recombination map: rate per bp and generation from each start (bp) on.
    tracts
        (2, stretches) starts and ends in bp, rising and apart: where a haplotype of the one population came over from
        the other in a pulse of introgression.
    """

    length: int
    positions: Int
    alleles: NDArray[np.int8]
    parameters: Mapping[str, float]
    map_start: Float
    map_rate: Float
    tracts: Float = field(default_factory=lambda: np.zeros((2, 0)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Haplotypes of each population, in the order in which their columns stand."""
        size = self.alleles.shape[1]
        first = int(self.parameters.get(_OF_FIRST, size))
        return (size,) if first == size else (first, size - first)

    def recombination(self, start: Float, end: Float) -> Float:
        """Average the recombination rate over stretches.

        Parameters
        ----------
        start, end
            (windows,) bp, 0-based half-open.

        Returns
        -------
        (windows,) per bp and generation.
        """
        bounds = np.append(self.map_start, self.length)
        return _averages(start, end, bounds, np.cumsum(np.diff(bounds) * self.map_rate))

    def mirrored(self) -> Simulation:
        """Give the same simulation read from the other end, which is as likely."""
        ends = np.append(self.map_start[1:], self.length)
        return replace(
            self,
            positions=self.length - 1 - self.positions[::-1],
            alleles=self.alleles[::-1],
            map_start=self.length - ends[::-1],
            map_rate=self.map_rate[::-1],
            tracts=self.length - self.tracts[::-1, ::-1],
        )

    def introgressed(self, start: Float, end: Float) -> Float:
        """Measure how much of stretches any haplotype came over along.

        Parameters
        ----------
        start, end
            (windows,) bp, 0-based half-open.

        Returns
        -------
        (windows,) shares between 0 and 1.
        """
        bounds = np.concatenate([[0.0], self.tracts.T.ravel()])
        steps = (np.diff(self.tracts, axis=0) * [[0.0], [1.0]]).T.ravel()
        return _averages(start, end, bounds, np.cumsum(steps))


def _averages(start: Float, end: Float, bounds: Float, totals: Float) -> Float:
    """Average over stretches what adds up to ``totals`` from the first bound to each of the others."""
    at = np.interp([start, end], bounds, np.concatenate([[0.0], totals]))
    return np.asarray((at[1] - at[0]) / (np.asarray(end) - np.asarray(start)))


def simulate_one(recipe: Recipe, index: int) -> Simulation:
    """Run one simulation of a recipe.

    Parameters
    ----------
    recipe
        What to draw from.
    index
        Number of the simulation: with the recipe's seed it decides everything.

    Raises
    ------
    UsageError
        Where msprime is not installed.
    InputError
        Where msprime refuses what the recipe asks for.
    RunError
        Where a sweep does not come about.
    """
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, index]))
    drawn = _draw(recipe, rng)
    parameters, length = drawn.parameters, drawn.setting.length
    seeds = rng.integers(1, 2**31, size=2)
    try:
        trees, facts, tracts = _genealogy(recipe, drawn, int(seeds[0]), rng)
        found, alleles = _mutated(trees, parameters["mutation_rate"], recipe.discrete, int(seeds[1]))
    except UsageError:
        raise
    except RunError as error:
        raise RunError(f"recipe {recipe.name}: simulation {index}: {error}") from error
    except Exception as error:  # msprime's errors have no common base
        number = f", history {parameters['history'] + 1:.0f}" if "history" in parameters else ""
        raise InputError(
            f"recipe {recipe.name}: msprime refuses simulation {index}{number}: {one_line(error)}"
        ) from error
    count = alleles.sum(axis=1)
    kept = (count > 0) & (count < alleles.shape[1])
    if kept.sum() > length:
        raise InputError(
            f"recipe {recipe.name}: simulation {index} has {kept.sum():,} sites on {length:,} bp: sizes times "
            "mutation.rate are too large"
        )
    positions = whole_positions(found[kept], length)
    starts, rates = drawn.setting.map_start, drawn.setting.map_rate
    return Simulation(length, positions, alleles[kept], parameters | facts, starts, rates, tracts)


class _Drawn(NamedTuple):
    """What was drawn before anything is simulated: `Simulation` has the parameters."""

    setting: Setting
    flow: Flow | None
    parameters: dict[str, float]


def _draw(recipe: Recipe, rng: np.random.Generator) -> _Drawn:
    """Draw history, rates, length and samples."""
    flow: Flow | None = None
    if recipe.introgression is None:
        demography, population, parameters = draw_history(recipe.histories, rng)
    else:
        flow, parameters = draw_introgression(recipe.introgression, rng)
        demography, population = split_history(flow), FIRST
    mutation = recipe.mutation_rate.draw(rng)
    rate = recipe.recombination_rate.draw(rng)
    wanted = recipe.length.draw(rng)
    longest = max(MIN_LENGTH, recipe.max_rho / max(4 * parameters["size"] * rate, 1e-300))
    length = int(min(wanted, longest))
    starts, rates = _map(recipe.hotspots, rate, length, rng)
    haplotypes = round(recipe.haplotypes.draw(rng))
    others = {}
    if recipe.introgression is not None:
        others[SECOND] = round(recipe.introgression.second.draw(rng))
        parameters[_OF_FIRST] = float(haplotypes)
    setting = Setting(demography, population, haplotypes, length, starts, rates, recipe.discrete, others)
    return _Drawn(setting, flow, {**parameters, "mutation_rate": mutation, "recombination_rate": rate})


def _genealogy(
    recipe: Recipe, drawn: _Drawn, seed: int, rng: np.random.Generator
) -> tuple[tskit.TreeSequence, dict[str, float], Float]:
    """Simulate a genealogy; give also what is known of a sweep or of what went over, and where it did."""
    setting, flow = drawn.setting, drawn.flow
    known: dict[str, float] = {}
    tracts = np.zeros((2, 0))
    if recipe.sweep is not None:
        history = recipe.histories[int(drawn.parameters["history"])]
        selected, known = draw_sweep(recipe.sweep, setting.length, rng, neutral=not history.sweeps)
        if selected is not None:
            trees, facts = _swept(recipe.sweep, setting, selected, rng)
            return trees, known | facts, tracts
    trees = neutral(setting, seed)
    if flow is not None and flow.receiver is not None:
        known["introgressed"], tracts = came_over(trees, flow)
    return trees, known, tracts


def _swept(
    sweep: Sweep, setting: Setting, selected: Selected, rng: np.random.Generator
) -> tuple[tskit.TreeSequence, dict[str, float]]:
    """Simulate a sweep; where one is lost however often it is tried, another one is drawn."""
    for _ in range(DRAWS - 1):
        try:
            return forward_sweep(setting, selected, rng)
        except LostError:
            selected = draw_again(sweep, selected, rng)
    return forward_sweep(setting, selected, rng)


def _mutated(trees: tskit.TreeSequence, rate: float, discrete: bool, seed: int) -> tuple[Float, NDArray[np.int8]]:
    """Throw mutations on a genealogy; give the positions of sites, (sites,) bp, and alleles, (sites, haplotypes)."""
    msprime = engine()
    mutated = msprime.sim_mutations(
        trees,
        rate=rate,
        discrete_genome=discrete,
        model=msprime.BinaryMutationModel(),
        random_seed=seed,
        record_provenance=False,
    )
    return mutated.sites_position, mutated.genotype_matrix().astype(np.int8)


def whole_positions(positions: Float, length: int) -> Int:
    """Round positions down to bp; where two share one, the later ones move on.

    Parameters
    ----------
    positions
        (sites,) increasing, bp.
    length
        bp; no more sites than that.

    Examples
    --------
    >>> whole_positions(np.array([0.2, 0.7, 3.5, 9.9, 9.95]), 10).tolist()
    [0, 1, 3, 8, 9]
    """
    number = np.arange(len(positions))
    spread = np.maximum.accumulate(np.floor(positions).astype(np.int64) - number) + number
    return np.minimum(spread, length - len(positions) + number)


def _map(hotspots: Hotspots | None, rate: float, length: int, rng: np.random.Generator) -> tuple[Float, Float]:
    """Draw a recombination map of a given mean rate: starts of stretches, and the rate of each."""
    even = np.zeros(1), np.array([rate])
    if hotspots is None or rng.random() >= hotspots.share:
        return even
    count = int(rng.poisson(length / hotspots.spacing.draw(rng)))
    if count == 0:
        return even
    centres = rng.uniform(0, length, count)
    widths = np.array([hotspots.width.draw(rng) for _ in range(count)])
    factors = np.array([hotspots.intensity.draw(rng) for _ in range(count)])
    low, high = np.clip([centres - widths / 2, centres + widths / 2], 0, length)
    bounds = np.unique(np.concatenate([[0.0, float(length)], low, high]))
    middles = (bounds[1:] + bounds[:-1]) / 2
    inside = (low <= middles[:, None]) & (middles[:, None] < high)
    relative = np.maximum(1.0, np.where(inside, factors, 1.0).max(axis=1))
    return bounds[:-1], rate * relative / np.average(relative, weights=np.diff(bounds))
