"""Neutral genealogies by msprime, and parts of them.

References
----------
Baumdicker et al. 2022, 10.1093/genetics/iyab229.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanner.simulate.histories import engine, scaled

if TYPE_CHECKING:
    import msprime
    import tskit

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """Everything neutral that decides a genealogy.

    Parameters
    ----------
    demography, population
        History, and the population that is sampled.
    haplotypes
        Size of the sample.
    length
        bp.
    map_start, map_rate
        Recombination per bp and generation from each start (bp) on.
    discrete
        Crossovers fall between whole bp.
    others
        Further populations that are sampled, and how many haplotypes of each.
    """

    demography: msprime.Demography
    population: str
    haplotypes: int
    length: int
    map_start: Float
    map_rate: Float
    discrete: bool
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def bounds(self) -> Float:
        """Where the stretches of the recombination map begin and end, bp."""
        return np.append(self.map_start, self.length)

    def faster(self, factor: float) -> Setting:
        """Let time run so many times as fast: sizes and times are divided, and rates multiplied, by it."""
        demography = scaled(self.demography, 1 / factor)
        return replace(self, demography=demography, map_rate=self.map_rate * factor)

    def sizes(self, times: Float) -> Float:
        """Give the number of diploids of a history of one population.

        Parameters
        ----------
        times
            (times,) generations ago.
        """
        return np.asarray(self._debugger.population_size_trajectory(times)[:, 0], dtype=np.float64)

    def changes(self) -> Float:
        """Give when the size, or how it grows, changes: (epochs,) generations ago, the first 0."""
        return np.array([epoch.start_time for epoch in self._debugger.epochs])

    @functools.cached_property
    def _debugger(self) -> msprime.DemographyDebugger:
        return self.demography.debug()

    def is_constant(self) -> bool:
        """Tell whether there is one population of one size for ever."""
        (*more, only) = self.demography.populations
        return not more and not self.demography.events and only.growth_rate in (None, 0)


def neutral(
    setting: Setting, seed: int, *, haplotypes: int | None = None, time: float = 0.0, end: float | None = None
) -> tskit.TreeSequence:
    """Simulate a neutral genealogy, or a part of one.

    Parameters
    ----------
    setting
        History, sample and recombination.
    seed
        From 1 on.
    haplotypes
        Size of the sample where it is another.
    time
        Generations ago at which the sample lived.
    end
        Generations ago at which the genealogy stops, whatever has no common ancestor by then; None: it is whole.

    Returns
    -------
    The genealogy; with its migrations where several populations are sampled.
    """
    msprime = engine()
    count = setting.haplotypes if haplotypes is None else haplotypes
    samples = {setting.population: count, **setting.others}
    return msprime.sim_ancestry(
        [msprime.SampleSet(size, population=name, time=time, ploidy=1) for name, size in samples.items()],
        demography=setting.demography,
        recombination_rate=msprime.RateMap(position=setting.bounds, rate=setting.map_rate),
        discrete_genome=setting.discrete,
        random_seed=seed,
        record_provenance=False,
        end_time=end,
        record_migrations=bool(setting.others),
    )
