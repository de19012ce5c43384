"""Scores of single sites: iHS, nSL and XP-EHH of one part's core, from the common sites that the parts kept.

Haplotypes reach beyond a part, so a part's scores need its neighbours' sites up to `pbwt.MAX_EXTEND` away. These stand
in the neighbours' files, bit-packed, so that no record is read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.compute import Done, Job, part_name
from scanner.haplotypes import WORD, Alleles, unpack
from scanner.partition import Part
from scanner.statistics import ehh
from scanner.statistics.pbwt import MAX_EXTEND

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class SiteTask:
    """Site scores of one part.

    Parameters
    ----------
    job
        What all parts share.
    part
        The part whose core gets scores.
    around
        Numbers of the parts, in order, whose sites are within reach.
    at_start, at_end
        The first, the last of them is the first, the last of its region.
    """

    job: Job
    part: Part
    around: tuple[int, ...]
    at_start: bool
    at_end: bool

    @property
    def records(self) -> int:
        """Number of records of the part."""
        return self.part.records


def site_name(index: int) -> str:
    """Name the site scores of a part on disk."""
    return f"sites-{index:06d}"


def site_tasks(job: Job, parts: Sequence[Part]) -> list[SiteTask]:
    """List the parts with those around them that hold sites within reach."""
    found = []
    for part in parts:
        family = [other for other in parts if other.segment == part.segment]
        low, high = part.core[0] - MAX_EXTEND, part.core[1] + MAX_EXTEND
        around = [other.index for other in family if other.core[1] >= low and other.core[0] <= high]
        ends = around[0] == family[0].index, around[-1] == family[-1].index
        found.append(SiteTask(job, part, tuple(around), *ends))
    return found


def compute_sites(task: SiteTask) -> Done:
    """Compute and commit the unstandardised site scores of one part.

    The file holds ``positions`` (sites,), ``polarised`` (sites,), and for every column of `site_columns` its ``raw``
    scores and ``frequency``, both (columns, sites), NaN where the site has none.
    """
    job = task.job
    sites = _Sites.load(task)
    columns = site_columns(job)
    raw = np.full((len(columns), sites.core.stop - sites.core.start), np.nan)
    frequency = np.full_like(raw, np.nan)
    names = list(job.selection.populations)
    for number, name in enumerate(names):
        wanted = [at for at, (score, group) in enumerate(columns) if score != "xpehh" and group == (name,)]
        if wanted:
            used, focal = sites.choose(sites.alone[number])
            scores = ehh.ihs_nsl(
                sites.alleles(number, used),
                sites.positions[used],
                focal,
                at_start=task.at_start,
                at_end=task.at_end,
            )
            for at in wanted:
                raw[at, sites.within(used)] = getattr(scores, columns[at][0])
                frequency[at, sites.within(used)] = scores.frequency
    for number, pair in enumerate(job.pairs if "xpehh" in job.site_scores else ()):
        at = columns.index(("xpehh", pair))
        used, focal = sites.choose(sites.paired[number])
        first, second = (sites.alleles(names.index(name), used) for name in pair)
        made = ehh.xpehh(first, second, sites.positions[used], focal, at_start=task.at_start, at_end=task.at_end)
        raw[at, sites.within(used)] = made
        frequency[at, sites.within(used)] = _frequency(first, second)[slice(*focal)]
    arrays = {
        "positions": sites.positions[sites.core],
        "polarised": sites.polarised[sites.core],
        "raw": raw,
        "frequency": frequency,
    }
    job.store.save(site_name(task.part.index), arrays, {})
    return Done(task.part.index, task.part.records)


def site_columns(job: Job) -> list[tuple[str, tuple[str, ...]]]:
    """List score and populations of every column of site scores, in the table's order."""
    names = list(job.selection.populations)
    columns: list[tuple[str, tuple[str, ...]]] = []
    for score in job.site_scores:
        columns += [(score, group) for group in (job.pairs if score == "xpehh" else [(name,) for name in names])]
    return columns


@dataclass(frozen=True)
class _Sites:
    """The common sites within reach of a core."""

    positions: Int
    polarised: NDArray[np.bool_]
    alone: NDArray[np.bool_]
    paired: NDArray[np.bool_]
    words: list[tuple[NDArray[np.uint64], NDArray[np.uint64], int]]
    core: slice

    @classmethod
    def load(cls, task: SiteTask) -> _Sites:
        """Join the sites of the parts around; a population widens to its highest ploidy."""
        held = [task.job.store.load(part_name(index)) for index in task.around]
        positions = np.concatenate([part["site_positions"] for part in held])
        core = slice(*(int(at) for at in np.searchsorted(positions, task.part.core)))
        words = []
        for number, samples in enumerate(task.job.selection.sizes.values()):
            sizes = [int(part[f"size_{number}"]) for part in held]
            derived = _widened([part[f"derived_{number}"] for part in held], sizes, samples)
            placed = _widened([part[f"placed_{number}"] for part in held], sizes, samples)
            words.append((derived, placed, max(sizes)))
        return cls(
            positions,
            np.concatenate([part["site_polarised"] for part in held]),
            np.concatenate([part["site_alone"] for part in held], axis=1),
            np.concatenate([part["site_paired"] for part in held], axis=1),
            words,
            core,
        )

    def choose(self, mask: NDArray[np.bool_]) -> tuple[Int, tuple[int, int]]:
        """Give the indexes of the chosen sites, and which of them are focal: those of the core."""
        used = np.flatnonzero(mask)
        first, last = np.searchsorted(used, (self.core.start, self.core.stop))
        return used, (int(first), int(last))

    def within(self, used: Int) -> Int:
        """Give the places, in the core, of those of the used sites that lie in it."""
        inside = used[(used >= self.core.start) & (used < self.core.stop)]
        return np.asarray(inside - self.core.start, np.int64)

    def alleles(self, population: int, used: Int) -> Alleles:
        """Unpack to (sites, haplotypes) int8: 0, 1, -1 not placed."""
        derived, placed, size = self.words[population]
        known = unpack(placed[used], size)
        return np.where(known, unpack(derived[used], size).astype(np.int8), np.int8(-1))


def _widened(planes: list[NDArray[np.uint64]], sizes: list[int], samples: int) -> NDArray[np.uint64]:
    """Join bit planes over sites; where ploidy grew on the way, samples of the narrower ones get empty columns."""
    if len(set(sizes)) == 1:
        return np.concatenate(planes)
    ploidy, words = max(sizes) // samples, -(-max(sizes) // WORD)
    joined = []
    for plane, size in zip(planes, sizes, strict=True):
        bits = unpack(plane, size).reshape(len(plane), samples, size // samples)
        wide = np.pad(bits, ((0, 0), (0, 0), (0, ploidy - size // samples))).reshape(len(plane), -1)
        full = np.pad(wide, ((0, 0), (0, words * WORD - wide.shape[1])))
        packed: NDArray[np.uint64] = np.packbits(full, axis=1, bitorder="little").view(np.uint64)
        joined.append(packed)
    return np.concatenate(joined)


def _frequency(first: Alleles, second: Alleles) -> Float:
    """Give the derived frequency over two populations."""
    derived = (first == 1).sum(axis=1) + (second == 1).sum(axis=1)
    known = (first >= 0).sum(axis=1) + (second >= 0).sum(axis=1)
    return np.asarray(derived / np.maximum(known, 1), np.float64)
