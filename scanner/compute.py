"""Computing one part: read its records once, give every window its scores, keep what site scores and networks need.

A part is computed from its task alone, on any machine that sees the files, and is committed before it is reported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner import panels, vcf
from scanner.haplotypes import HaplotypeBlock
from scanner.networks import NO_NETWORKS, Networks
from scanner.partition import Part
from scanner.parts import PartStore
from scanner.plan import Plan
from scanner.populations import Selection
from scanner.reference import Mask
from scanner.scores import Column, Reason
from scanner.statistics import ehh, registry
from scanner.windows import Spans, spans

Groups = tuple[tuple[str, ...], ...]
Bools = NDArray[np.bool_]

EXEMPT = ("callable_bp", "callable")
"""Scores that say how much of a window can be seen: they have a value everywhere."""


@dataclass(frozen=True)
class Job:
    """What all parts of a scan share.

    Parameters
    ----------
    source, selection, read
        The file, its samples by population, and how records become sites.
    statistics, pairs, trios, suffix
        What is computed; ``suffix`` tells whether columns name their populations.
    min_callable, min_sites
        Floors below which a window has no values.
    store
        Where parts are kept.
    networks
        The networks that are asked for.
    """

    source: vcf.Source
    selection: Selection
    read: vcf.ReadOptions
    statistics: tuple[str, ...]
    pairs: Groups
    trios: Groups
    suffix: bool
    min_callable: float
    min_sites: int
    store: PartStore
    networks: Networks = NO_NETWORKS

    @property
    def site_scores(self) -> tuple[str, ...]:
        """Statistics of single sites that are asked for and, for those of pairs, have a pair."""
        possible = {name for name, arity in registry.SITE_SCORES.items() if arity == 1 or self.pairs}
        return tuple(name for name in registry.SITE_SCORES if name in self.statistics and name in possible)


@dataclass(frozen=True)
class Task:
    """One part to compute."""

    job: Job
    part: Part
    mask: Mask | None

    @property
    def records(self) -> int:
        """Number of records expected."""
        return self.part.records


@dataclass(frozen=True)
class Done:
    """Word that a part is on disk.

    Parameters
    ----------
    index, records
        Number of the part, and the records that its core had.
    """

    index: int
    records: int


def tasks(plan: Plan, store: PartStore) -> list[Task]:
    """List the parts of a plan as tasks that travel light: a contig's index goes no further than the plan."""
    source = replace(plan.source, entries={})
    job = Job(
        source,
        plan.selection,
        plan.read_options(),
        plan.options.statistics,
        plan.pairs,
        plan.trios,
        plan.selection.named,
        plan.options.min_callable,
        plan.options.min_sites,
        store,
        plan.networks,
    )
    return [Task(job, part, plan.mask(part.region.contig)) for part in plan.parts]


def part_name(index: int) -> str:
    """Name a part on disk.

    Examples
    --------
    >>> part_name(7)
    'part-000007'
    """
    return f"part-{index:06d}"


def compute(task: Task) -> Done:
    """Compute and commit one part.

    The part holds ``values`` (windows, columns) float64 with NaN where missing, ``reasons`` of the same shape, and the
    windows' ``floors``; its facts hold the tally of records, the segregating sites of each population, and the span
    from the first to the last site of the core.

    Raises
    ------
    InputError, OutputError
        As reading and writing do.
    """
    job, part = task.job, task.part
    block, tally = vcf.read(job.source, job.selection, part.region, job.read, task.mask, part.core)
    callable_bp = None if task.mask is None else task.mask.callable_bp(part.windows.start, part.windows.end)
    covered = spans(part.windows, block.positions, callable_bp)
    made = registry.compute_all(block, covered, job.statistics, job.pairs, job.trios, suffix=job.suffix)
    floors = _floors(covered, job)
    arrays = {**_table(made, floors, len(covered)), "floors": floors}
    low, high = np.searchsorted(block.positions, part.core)
    if job.site_scores:
        arrays |= _flanking(block, slice(low, high), job)
    arrays |= panels.keep(block, slice(low, high), job.networks)
    facts = {
        "tally": dict(tally),
        "segregating": {p.name: int(p.segregating[low:high].sum()) for p in block.populations},
        "span": [int(block.positions[low]), int(block.positions[high - 1]) + 1] if low < high else None,
    }
    job.store.save(part_name(part.index), arrays, facts)
    return Done(part.index, tally.total())


def _floors(covered: Spans, job: Job) -> NDArray[np.uint8]:
    """Tell for every window whether it lies below a floor: (windows,) codes of `Reason`."""
    floors = np.zeros(len(covered), np.uint8)
    floors[covered.last - covered.first < job.min_sites] = Reason.FEW_SITES
    floors[covered.callable_bp < job.min_callable * (covered.end - covered.start)] = Reason.UNCALLABLE
    return floors


def _table(made: dict[str, Column], floors: NDArray[np.uint8], windows: int) -> dict[str, NDArray[Any]]:
    """Set the columns side by side; a window below a floor has no value but how much of it is callable."""
    values = np.full((windows, len(made)), np.nan)
    reasons = np.zeros((windows, len(made)), np.uint8)
    for at, (name, scores) in enumerate(made.items()):
        below = floors > 0 if name not in EXEMPT else np.zeros(windows, np.bool_)
        values[:, at] = np.where(below, np.nan, scores.values)
        reasons[:, at] = np.where(below, floors, scores.reasons)
    return {"values": values, "reasons": reasons}


def _flanking(block: HaplotypeBlock, core: slice, job: Job) -> dict[str, NDArray[Any]]:
    """Keep the common sites of the core, bit-packed: the site scores of this part and of its neighbours need them."""
    populations = [population.take(core) for population in block.populations]
    by_name = {population.name: population for population in populations}
    alone = [ehh.common_sites(population) for population in populations]
    paired = [ehh.common_in_pair(by_name[a], by_name[b]) for a, b in job.pairs] if "xpehh" in job.site_scores else []
    used = np.zeros(len(populations[0].derived_count), np.bool_)
    for sites in [*alone, *paired]:
        used |= sites
    kept: dict[str, NDArray[Any]] = {
        "site_positions": block.positions[core][used],
        "site_polarised": block.polarised[core][used],
        "site_alone": np.array([sites[used] for sites in alone], np.bool_).reshape(len(alone), -1),
        "site_paired": np.array([sites[used] for sites in paired], np.bool_).reshape(len(paired), int(used.sum())),
    }
    for number, population in enumerate(populations):
        kept[f"derived_{number}"] = population.derived[used]
        kept[f"placed_{number}"] = population.placed[used]
        kept[f"size_{number}"] = np.array(population.size)
    return kept
