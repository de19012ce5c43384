"""Sweeps by forward simulation (fwdpy11): from new or standing variation, under any history of one population.

Only the sweep itself is simulated forwards, with all individuals. What came before and after is neutral, and comes
from msprime: the genealogy of the population in which the sweep begins, and that of the sample back to the moment at
which the allele reached its final frequency. The three are joined.

Time runs faster than it does, as `scanner.simulate.pace` has it. An allele with a scaled advantage S multiplies the
fitness of its carrier by e^S a copy, so that its odds grow as they would by weak selection in as many more generations.

msprime's own sweeps (1.4.4) are not used: after a sweep that ended before the present, diversity is lower to the left
of the site than to the right; and where the allele is strong, several lineages survive the origin of a new mutation.
References
----------
Thornton 2014, 10.1534/genetics.114.165019; Kelleher et al. 2018, 10.1371/journal.pcbi.1006581.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import RunError, UsageError
from scanner.simulate.genealogy import Setting, neutral
from scanner.simulate.joined import Genealogy, read_genealogy, simplified, stacked
from scanner.simulate.pace import Plan, diploids, make_plan, with_strength
from scanner.simulate.standing import standing
from scanner.simulate.sweeps import Selected

if TYPE_CHECKING:
    import tskit

Int = NDArray[np.int64]
Float = NDArray[np.float64]
ATTEMPTS = 400
"""How often a sweep is tried before it is given up."""

HAIR = 1e-6
"""A time that is no time, in scaled generations."""


class LostError(RunError):
    """A sweep that does not come about, however often it is tried: such as a weak one through a bottleneck."""


def forward_engine() -> ModuleType:
    """Load fwdpy11.

    Raises
    ------
    UsageError
        Where it is not installed.
    """
    try:
        import fwdpy11
    except ImportError as error:
        raise UsageError(
            "sweeps need fwdpy11, which a plain install leaves out: pip install 'popscan[train]' (on Linux, x86_64)"
        ) from error
    found: ModuleType = fwdpy11
    return found


@dataclass
class _Watch:
    """Counts carriers in every generation, and stops where there are none or enough."""

    goal: float
    count: int = 0
    size: int = 1
    counts: list[int] = field(default_factory=list)

    def __call__(self, population: Any, _sampler: Any) -> None:
        self.count, self.size = int(np.sum(population.mcounts)), 2 * population.N
        self.counts.append(self.count)

    def done(self, _population: Any, _simplified: bool) -> bool:
        """Tell whether to stop."""
        return bool(self.counts) and (self.count == 0 or self.count >= self.goal * self.size)

    @property
    def reached(self) -> bool:
        """Tell whether the allele has its final frequency."""
        return self.count >= self.goal * self.size


def forward_sweep(
    setting: Setting, selected: Selected, rng: np.random.Generator
) -> tuple[tskit.TreeSequence, dict[str, float]]:
    """Simulate the genealogy of a sample after a sweep.

    What was drawn of the sweep stays; only its course is drawn anew until it succeeds, which is what conditioning on
    success means: the allele is neither lost nor, under a history of several sizes, too late for the present.

    Under such a history the sweep is set off as long ago as sweeps of its strength take. It takes more or less, so that
    its age is not quite that which was drawn (by some 2 / s generations); the age it came to is given. Where the age is
    shorter than that, sweeps that are late are lost, and the ages are higher than they were drawn.

    Parameters
    ----------
    setting
        Sample, recombination and history, of one population.
    selected
        The sweep.
    rng
        Draws everything.

    Returns
    -------
    Genealogy, times in generations, and what came out: ``alpha``, ``s``, ``age``, ``site`` (bp), ``start_frequency``,
    ``final_frequency``, ``duration`` (generations from onset to final frequency) and the number of ``attempts``.

    Raises
    ------
    LostError
        Where no neutral allele has the frequency, or none reaches its final one, in `ATTEMPTS` attempts.
    """
    selected = with_strength(setting, selected)
    plan = make_plan(setting, selected)
    fast = setting.faster(plan.factor)
    size = int(diploids(fast, np.array([plan.onset - HAIR]))[0])
    ancient, carriers, site = _beginning(fast, selected, size, float(plan.onset), rng)
    evolved, watch, attempts = _until_reached(fast, plan, (size, carriers, site), selected.final, rng)
    age = plan.age if plan.fixed else float(plan.onset - len(watch.counts))
    trees = _sampled(fast, evolved, ancient, float(plan.onset), age, rng)
    facts = {
        "alpha": selected.alpha or 0.0,
        "s": selected.s or 0.0,
        "age": selected.age if plan.fixed else age * plan.factor,
        "site": site,
        "start_frequency": len(carriers) / (2 * size) / (plan.factor if selected.start is None else 1),
        "duration": len(watch.counts) * plan.factor,
        "final_frequency": watch.count / watch.size,
        "attempts": float(attempts),
    }
    return _slower(trees, plan.factor), facts


def _beginning(
    fast: Setting, selected: Selected, size: int, onset: float, rng: np.random.Generator
) -> tuple[tskit.TreeSequence | None, Int, float]:
    """Choose the first carriers and their site; standing variation needs the genealogy of everybody too."""
    if selected.start is None:
        return None, np.zeros(1, np.int64), float(rng.uniform(selected.low, selected.high))
    for _ in range(ATTEMPTS):
        ancient = neutral(fast, _seed(rng), haplotypes=2 * size, time=onset)
        found = standing(ancient, selected, rng)
        if found is not None:
            return ancient, *found
    raise LostError(f"no neutral allele of frequency {selected.start:.3g} came up: change sweep.start_frequency")


def _until_reached(
    fast: Setting, plan: Plan, founders: tuple[int, Int, float], final: float, rng: np.random.Generator
) -> tuple[Any, _Watch, int]:
    """Let populations evolve until the allele of one reaches its final frequency."""
    founded, parameters = found_population(fast, plan.advantage, *founders), _parameters(fast, plan)
    for attempt in range(1, ATTEMPTS + 1):
        population, watch = copy.deepcopy(founded), _Watch(final)
        evolve(population, parameters, watch, _seed(rng))
        if watch.reached:
            return population, watch, attempt
    raise LostError(
        f"an allele with s = {plan.advantage / plan.factor:.3g} did not reach its final frequency in {ATTEMPTS} "
        "attempts: make it stronger"
    )


def found_population(fast: Setting, advantage: float, size: int, carriers: Int, site: float) -> Any:
    """Make a population without ancestry, some of whose haplotypes carry the allele.

    Parameters
    ----------
    fast
        The setting, scaled.
    advantage
        Of one copy.
    size
        Diploids.
    carriers
        (carriers,) their haplotypes, out of twice as many. Each has a mutation of its own, of the same effect
        and at the same place but for a hair: as fitness is multiplicative, they are as good as one allele.
    site
        bp.
    """
    import tskit

    fwdpy11, fitness = forward_engine(), math.exp(advantage)
    tables = tskit.TableCollection(fast.length)
    tables.time_units = "generations"
    tables.populations.add_row()
    tables.nodes.set_columns(
        flags=np.full(2 * size, tskit.NODE_IS_SAMPLE, np.uint32),
        time=np.zeros(2 * size),
        population=np.zeros(2 * size, np.int32),
    )
    tables.mutations.metadata_schema = fwdpy11.tskit_tools.metadata_schema.MutationMetadata
    effect = {"s": fitness**2 - 1, "h": 1 / (fitness + 1), "origin": 0, "neutral": 0, "label": 0}
    for key, node in enumerate(carriers.tolist()):
        place = tables.sites.add_row(site + key * 1e-7, "0")
        tables.mutations.add_row(place, node, derived_state="1", time=0, metadata={**effect, "key": key})
    return fwdpy11.DiploidPopulation.create_from_tskit(tables.tree_sequence(), import_mutations=True)


def evolve(population: Any, parameters: Any, watch: _Watch, seed: int) -> None:
    """Let a population evolve until the watch says stop, or its time is over."""
    fwdpy11 = forward_engine()
    fwdpy11.evolvets(
        fwdpy11.GSLrng(seed),
        population,
        parameters,
        100,
        recorder=watch,
        stopping_criterion=watch.done,
        track_mutation_counts=True,
        suppress_table_indexing=True,
        preserve_first_generation=True,
    )


def _parameters(fast: Setting, plan: Plan) -> Any:
    """Say what evolves how."""
    fwdpy11, bounds = forward_engine(), fast.bounds
    stretches = zip(bounds[:-1].tolist(), bounds[1:].tolist(), fast.map_rate.tolist(), strict=True)
    return fwdpy11.ModelParams(
        rates=(0, 0, None),
        gvalue=fwdpy11.Multiplicative(scaling=1.0),
        recregions=[fwdpy11.PoissonInterval(low, high, (high - low) * rate) for low, high, rate in stretches],
        demography=_sizes_in_time(fast, plan),
        simlen=plan.longest,
        prune_selected=False,
    )


def _sizes_in_time(fast: Setting, plan: Plan) -> Any:
    """Give fwdpy11 the sizes from the onset of the sweep on."""
    import demes

    changes = [] if plan.fixed else [time for time in fast.changes()[::-1].tolist() if 0 < time < plan.onset]
    times = np.array([plan.onset, *changes, 0.0])
    starts, ends = diploids(fast, times[:-1] - HAIR), diploids(fast, times[1:] + HAIR)
    epochs = [{"start_size": int(starts[0]), "end_time": plan.onset}]
    for start, end, time in zip(starts.tolist(), ends.tolist(), np.round(times[1:]).tolist(), strict=True):
        if time < epochs[-1]["end_time"]:
            epochs.append({"start_size": start, "end_size": end, "end_time": int(time)})
    builder = demes.Builder()
    builder.add_deme("population", epochs=epochs)
    burn_in = plan.longest if plan.fixed else 0
    return forward_engine().ForwardDemesGraph.from_demes(builder.resolve(), burn_in, burnin_is_exact=True)


def _sampled(
    fast: Setting, evolved: Any, ancient: tskit.TreeSequence | None, onset: float, age: float, rng: np.random.Generator
) -> tskit.TreeSequence:
    """Join what came after the sweep, the sweep, and what came before it.

    Parameters
    ----------
    fast
        The setting, scaled.
    evolved
        The population at the end of the sweep; its founders are preserved.
    ancient
        Genealogy of all its founders, who lived at ``onset``; None: none is known of them, and theirs is drawn.
    onset, age
        Generations ago when the sweep was to begin, and when it ended.
    rng
        Draws everything.
    """
    end = max(age, HAIR)
    recent = neutral(fast, _seed(rng), end=end)
    lineages, living = recent.nodes_time == end, evolved.alive_nodes
    onto = np.full(recent.num_nodes, -1)
    onto[lineages] = rng.choice(living, lineages.sum(), replace=lineages.sum() > len(living))
    late, places = stacked(read_genealogy(recent), _pedigree(evolved).later(end), onto)
    trees, kept = simplified(late, places[: fast.haplotypes], roots=True)
    founders = kept[evolved.preserved_nodes]
    onto = np.full(trees.num_nodes, -1)
    if ancient is None:
        ancient = neutral(fast, _seed(rng), haplotypes=max(2, int((founders >= 0).sum())), time=onset)
        onto[founders[founders >= 0]] = np.arange((founders >= 0).sum())
    else:
        onto[founders[founders >= 0]] = np.flatnonzero(founders >= 0)
    shift = end + evolved.generation - onset
    whole, places = stacked(read_genealogy(trees), read_genealogy(ancient).later(shift), onto)
    return simplified(whole, places[: fast.haplotypes])[0]


def _pedigree(evolved: Any) -> Genealogy:
    """Take the genealogy of a population from fwdpy11; its living have the time 0."""
    nodes, edges = np.array(evolved.tables.nodes), np.array(evolved.tables.edges)
    columns = (edges[name] for name in ("left", "right", "parent", "child"))
    return Genealogy(evolved.tables.genome_length, evolved.generation - nodes["time"], *columns)


def _slower(trees: tskit.TreeSequence, factor: float) -> tskit.TreeSequence:
    """Give times in generations."""
    tables = trees.dump_tables()
    tables.nodes.time = tables.nodes.time * factor
    return tables.tree_sequence()


def _seed(rng: np.random.Generator) -> int:
    """Draw a seed that all simulators take."""
    return int(rng.integers(1, 2**31))
