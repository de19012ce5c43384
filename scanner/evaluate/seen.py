"""What the network and its baselines see of simulations: examples, summaries and alignments of the same windows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import Aligned
from scanner.errors import UsageError
from scanner.evaluate import alignment, pair_summaries, summaries
from scanner.simulate.sets import SHARD, SimulationSet
from scanner.train.examples import Example, Sight, View, joined_facts, sights, views
from scanner.train.options import training_options
from scanner.train.run import Progress
from scanner.train.targets import TARGETS
from scanner.workers import Mapper

Float = NDArray[np.float64]
Single = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """Windows as baselines see them.

    Parameters
    ----------
    targets, facts, features
        Truth on the scales on which it is learned, what is known, and summaries, one row a window.
    aligned
        Alignments; none where they are not wanted.
    examples
        What the network sees; none where that is not wanted.
    """

    targets: Float
    facts: dict[str, Float]
    features: Single
    aligned: list[Aligned] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """One shard to look at: with how many haplotypes of each population aligned, none for no alignments, and whether
    for the network too.
    """

    simulations: SimulationSet
    how: View
    shard: int
    key: tuple[int, ...]
    alignments: tuple[int, ...]
    examples: bool

    @property
    def records(self) -> int:
        """Number of simulations."""
        return self.simulations.size(self.shard)


def look_at(task: Task) -> tuple[int, Seen]:
    """Look at one shard; give its number too."""
    held = list(sights(task.simulations, task.shard, task.how, list(task.key)))
    target, both = TARGETS[task.how.target], training_options(task.simulations.recipe).both_ends
    width = parts_of(task.how) * len(summary_names(task.how))
    return task.shard, Seen(
        np.concatenate([np.empty((0, target.columns)), *(sight.targets for sight in held)]),
        joined_facts([sight.facts for sight in held], [len(sight.targets) for sight in held]),
        np.concatenate([np.empty((0, width), np.float32), *(_summarise(sight, task.how) for sight in held)]),
        [one for sight in held for one in alignment.windows_of(sight, task.alignments)] if task.alignments else [],
        [one for sight in held for one in views(sight, task.how, both_ends=both)] if task.examples else [],
    )


def summary_names(how: View) -> tuple[str, ...]:
    """Name the summaries of a part of a window."""
    return summaries.NAMES if how.encoding.populations == 1 else pair_summaries.NAMES


def parts_of(how: View) -> int:
    """Count the parts of a window that are summarised each by itself: as the network pools them, or one."""
    return how.parts if TARGETS[how.target].whole else 1


def _summarise(sight: Sight, how: View) -> Single:
    """Summarise every one of the equal parts of windows: (windows, parts x summaries), part after part."""
    length, parts = (sight.end - sight.start)[:, None], parts_of(how)
    edges = sight.start[:, None] + (np.arange(parts + 1) * length + parts - 1) // parts
    every = replace(sight, start=edges[:, :-1].ravel(), end=edges[:, 1:].ravel())
    summarise = summaries.summaries if how.encoding.populations == 1 else pair_summaries.pair_summaries
    return summarise(every).reshape(len(sight.start), -1)


def tasks(
    simulations: SimulationSet, how: View, limit: int, *, key: tuple[int, ...], examples: bool, alignments: bool
) -> list[Task]:
    """List shards of at most ``limit`` simulations.

    Parameters
    ----------
    simulations, how
        What is looked at, and how.
    limit
        Simulations at most, but for the rest of the last shard.
    key
        Decides everything random.
    examples, alignments
        Whether the network is to see them, and whether they are to be aligned.
    """
    sizes = fewest_haplotypes(simulations) if alignments else ()
    shards = -(-records(simulations, limit) // SHARD)
    return [Task(simulations, how, shard, key, sizes, examples) for shard in range(shards)]


def records(simulations: SimulationSet, limit: int) -> int:
    """Count the simulations in the first whole shards that hold ``limit``."""
    return min(len(simulations), -(-limit // SHARD) * SHARD)


def fewest_haplotypes(simulations: SimulationSet) -> tuple[int, ...]:
    """Give the smallest number of haplotypes of each population that a look at a simulation may have."""
    recipe = simulations.recipe
    drawn, second = recipe.observation.haplotypes, [] if recipe.introgression is None else [recipe.introgression.second]
    fewest = [round(min(prior.range[0], (drawn or prior).range[0])) for prior in (recipe.haplotypes, *second)]
    paired = any(prior.range[1] > 0 for prior in recipe.observation.unphased)  # without phase a sample has two
    return tuple(size - size % 2 * paired for size in fewest)


def gather(tasks: list[Task], mapper: Mapper, progress: Progress | None) -> Seen:
    """Look at shards, in any order, and join them in theirs.

    Raises
    ------
    UsageError
        Where no window has sites enough.
    """
    if progress is not None:
        progress.start("looking", sum(task.records for task in tasks))
    parts = {}
    for shard, seen in mapper(look_at, tasks):
        if len(seen.targets):
            parts[shard] = seen
        if progress is not None:
            progress.advance(tasks[shard].records)
    found = [parts[shard] for shard in sorted(parts)]
    if not found:
        raise UsageError(f"{tasks[0].simulations.folder}: no simulation has a window with sites enough")
    return Seen(
        np.concatenate([part.targets for part in found]),
        joined_facts([part.facts for part in found], [len(part.targets) for part in found]),
        np.concatenate([part.features for part in found]),
        [one for part in found for one in part.aligned],
        [one for part in found for one in part.examples],
    )
