"""Candidate regions: the calls of all statistics, brought together and ranked.

Calls are the tails of genome-wide distributions, one score at a time. Here each call goes to exactly one region, so
that one reads a list of places instead of a list of calls.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scanner.browser.bed import Calls, find_calls
from scanner.browser.drawn import DrawnTrack
from scanner.catalogue import tracks as catalogue
from scanner.files import write_text
from scanner.genes import Genes, Near
from scanner.regions import Region
from scanner.table import Table

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Support:
    """What one column says of a region.

    Parameters
    ----------
    column, score
        Its name in the table, and the score without populations.
    value
        Its most extreme value in the region.
    low
        Whether it is extreme by being small.
    share
        Share of the genome's windows with a value that are at least as extreme, above 0 to 1.
    """

    column: str
    score: str
    value: float
    low: bool
    share: float

    @property
    def percentile(self) -> float:
        """Where the value stands among all windows: near 0 for the smallest, near 100 for the largest."""
        return 100 * (self.share if self.low else 1 - self.share)


@dataclass(frozen=True)
class Candidate:
    """A region that statistics call.

    Parameters
    ----------
    region
        The calls that hold its peak, together.
    peak
        Row of the table where most statistics agree.
    support
        Columns with a call in it, the most extreme first.
    near
        Genes there, None where no annotation is given.
    """

    region: Region
    peak: int
    support: tuple[Support, ...]
    near: Near | None = None

    @property
    def scores(self) -> tuple[str, ...]:
        """Name the statistics that agree, each once however many populations it is called in."""
        return tuple(dict.fromkeys(item.score for item in self.support))


@dataclass
class _Called:
    """All calls of all columns, as parallel arrays sorted by contig and peak.

    ``first`` and ``last`` are the rows of the table that lie inside a call; ``column`` indexes the tracks.
    """

    contig: Int
    start: Int
    end: Int
    peak_start: Int
    peak_end: Int
    value: Float
    strength: Int
    low: NDArray[np.bool_]
    share: Float
    column: Int
    first: Int = field(default_factory=lambda: np.empty(0, np.int64))
    last: Int = field(default_factory=lambda: np.empty(0, np.int64))


def find_candidates(
    table: Table,
    tracks: Sequence[DrawnTrack],
    genes: Genes | None = None,
    calls: Mapping[str, Calls] = MappingProxyType({}),
) -> list[Candidate]:
    """Bring the calls of all tracks together.

    The window that most statistics call is taken first; the calls that hold it, together, are its region, and all
    calls whose peaks overlap the region go to it. Then the same with the calls that are left.

    Parameters
    ----------
    table
        The windows.
    tracks
        The drawn columns; those without calls in the catalogue add nothing.
    genes
        An annotation, or None.
    calls
        Calls of some columns that are known already: those of the others are found, but for probabilities of classes.

    Returns
    -------
    Regions by the number of statistics that agree, then by how extreme these are together, then by place.
    """
    called = _gather(table, tracks, calls)
    groups = _Groups(table, tracks, called)
    found = [_describe(table, tracks, called, *group) for group in groups]
    strength = {id(item): -sum(_best(item.support).values()) for item in found}
    place = {name: at for at, name in enumerate(table.contigs)}
    found.sort(key=lambda c: (-len(c.scores), strength[id(c)], place[c.region.contig], c.region.start, c.region.end))
    if genes is None:
        return found
    return [Candidate(item.region, item.peak, item.support, genes.near(item.region)) for item in found]


def _best(support: Sequence[Support]) -> dict[str, float]:
    """Give the surprise of each statistic, -log10 of the share of windows at least as extreme."""
    best: dict[str, float] = {}
    for item in support:
        best[item.score] = max(best.get(item.score, 0.0), -float(np.log10(item.share)))
    return best


def _gather(table: Table, tracks: Sequence[DrawnTrack], found: Mapping[str, Calls]) -> _Called:
    """Bring together the calls of every column, as its BED file has them."""
    known, parts = catalogue(), list[list[NDArray[np.generic]]]()
    for at, track in enumerate(tracks):
        tail = known[track.score].outliers if track.score in known else None
        if tail is None:
            continue
        values = table.columns[track.column]
        calls = found.get(track.column)
        if calls is None and tail.tail == "probable":
            continue  # what is called of a class the whole scan decides
        if calls is None:
            calls = find_calls(table.contig, table.start, table.end, values, tail.tail, tail.share)
        ranked = np.sort(values[np.isfinite(values)])
        below = np.searchsorted(ranked, calls.value, side="right")
        above = len(ranked) - np.searchsorted(ranked, calls.value, side="left")
        share = np.where(calls.low, below, above) / max(1, len(ranked))
        parts.append([
            calls.contig.astype(np.int64), calls.start, calls.end, calls.peak_start, calls.peak_end, calls.value,
            calls.strength, calls.low, share, np.full(len(calls), at),
        ])  # fmt: skip
    if not parts:
        whole, real = np.empty(0, np.int64), np.empty(0)
        return _Called(whole, whole, whole, whole, whole, real, whole, np.empty(0, np.bool_), real, whole)
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.lexsort((joined[9], joined[3], joined[0]))
    called = _Called(*(array[order] for array in joined))
    called.first, called.last = _rows_inside(table, called)
    return called


def _rows_inside(table: Table, calls: _Called) -> tuple[Int, Int]:
    """Give the rows [first, last) between the first and the last window of each call."""
    shift = np.int64(1) << 40  # more than any contig has, so that all contigs lie on one line
    starts = table.start + table.contig * shift
    first = np.searchsorted(starts, calls.start + calls.contig * shift, side="left")
    last = np.searchsorted(starts, calls.end + calls.contig * shift, side="left")
    ends = table.end + table.contig * shift
    for at in range(len(first)):  # windows that begin in a call but reach over its end are not in it
        stop = calls.end[at] + calls.contig[at] * shift
        while last[at] > first[at] + 1 and ends[last[at] - 1] > stop:
            last[at] -= 1
    return first, last


class _Groups:
    """Takes calls together, the best place first; iterating gives (peak row, calls) until none is left."""

    def __init__(self, table: Table, tracks: Sequence[DrawnTrack], calls: _Called) -> None:
        self._table, self._calls = table, calls
        names = np.array([track.score for track in tracks] or [""])
        self._score = np.unique(names, return_inverse=True)[1][calls.column]
        self._free = np.ones(len(calls.start), np.bool_)
        self._width = int((table.end - table.start).max()) if len(table) else 0
        counts = calls.last - calls.first
        owner = np.repeat(np.arange(len(counts)), counts)
        row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(calls.first, counts)
        order = np.lexsort((owner, row))
        self._owner, row = owner[order], row[order]
        self._rows, begin = np.unique(row, return_index=True)
        self._begin = np.append(begin, len(row))

    def __iter__(self) -> _Groups:
        """Rank all windows."""
        self._now = self._ranks(0, len(self._rows))
        self._heap = [(*rank, at) for at, rank in enumerate(self._now)]
        heapq.heapify(self._heap)
        return self

    def __next__(self) -> tuple[int, Int]:
        """Give the best window and the calls that go with it."""
        while self._heap:
            agree, strength, at = heapq.heappop(self._heap)
            if agree and (agree, strength) == self._now[at]:
                return int(self._rows[at]), self._take(at)
        raise StopIteration

    def _ranks(self, low: int, high: int) -> list[tuple[int, int]]:
        """Rank the windows ``low:high`` by the calls still free: minus their statistics, minus the sum of strengths."""
        begin = self._begin[low : high + 1]
        owner, window = self._owner[begin[0] : begin[-1]], np.repeat(np.arange(high - low), np.diff(begin))
        free = self._free[owner]
        owner, window = owner[free], window[free]
        order = np.lexsort((self._score[owner], window))
        owner, window = owner[order], window[order]
        fresh = np.flatnonzero(np.diff(window, prepend=-1) | np.diff(self._score[owner], prepend=-1))
        best = np.maximum.reduceat(self._calls.strength[owner], fresh) if len(fresh) else fresh
        agree, strength = np.zeros((2, high - low), np.int64)
        np.add.at(agree, window[fresh], -1)
        np.add.at(strength, window[fresh], -np.maximum(best, 0))
        return list(zip(agree.tolist(), strength.tolist(), strict=True))

    def _rank_again(self, calls: Int) -> None:
        """Rank the windows anew that hold calls which are no longer free."""
        first, last = self._calls.first[calls].min(), self._calls.last[calls].max()
        low, high = np.searchsorted(self._rows, [first, last]).tolist()
        for at, rank in enumerate(self._ranks(low, high), low):
            if rank != self._now[at]:
                self._now[at] = rank
                heapq.heappush(self._heap, (*rank, at))

    def _take(self, at: int) -> Int:
        """Take the calls that hold a window, and those whose peaks overlap these."""
        calls, here = self._calls, self._owner[self._begin[at] : self._begin[at + 1]]
        here = here[self._free[here]]
        contig, start, end = int(calls.contig[here[0]]), int(calls.start[here].min()), int(calls.end[here].max())
        low, high = np.searchsorted(calls.contig, [contig, contig + 1])
        low += np.searchsorted(calls.peak_start[low:high], start - self._width)
        high = low + np.searchsorted(calls.peak_start[low:high], end)
        near = np.arange(low, high)
        near = near[self._free[near] & (calls.peak_end[near] > start)]
        taken = np.concatenate([here, near[~np.isin(near, here)]])
        self._free[taken] = False
        self._rank_again(taken)
        return taken


def _describe(table: Table, tracks: Sequence[DrawnTrack], calls: _Called, peak: int, group: Int) -> Candidate:
    """Turn a group of calls into a region; the calls that hold the peak make its bounds."""
    holds = group[(calls.first[group] <= peak) & (peak < calls.last[group])]
    region = Region(table.contigs[int(table.contig[peak])], int(calls.start[holds].min()), int(calls.end[holds].max()))
    best: dict[tuple[int, bool], Support] = {}
    for call in group:
        at = int(calls.column[call])
        item = Support(
            tracks[at].column, tracks[at].score, float(calls.value[call]), bool(calls.low[call]),
            float(calls.share[call]),
        )  # fmt: skip
        known = best.get((at, item.low))
        if known is None or item.share < known.share:
            best[at, item.low] = item
    support = sorted(best.items(), key=lambda entry: (entry[1].share, entry[0]))
    return Candidate(region, peak, tuple(item for _, item in support))


def write_candidates(path: Path, table: Table, candidates: Sequence[Candidate]) -> None:
    """Write all regions as a table: 0-based half-open, one row a region, the best first.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    header = ["rank", "contig", "start", "end", "peak_start", "peak_end", "statistics", "calls", "genes"]
    rows = ["\t".join(header)]
    for rank, item in enumerate(candidates, start=1):
        calls = ",".join(f"{s.column}={s.value:.6g}@{s.percentile:.4g}" for s in item.support)
        bounds = [item.region.start, item.region.end, table.start[item.peak], table.end[item.peak]]
        fields = [rank, item.region.contig, *bounds, len(item.scores), calls, gene_text(item.near) or "."]
        rows.append("\t".join(str(value) for value in fields))
    write_text(path, "\n".join(rows) + "\n")


def gene_text(near: Near | None, limit: int = 6) -> str:
    """Say which genes lie in a region, or how far off the next ones are.

    Examples
    --------
    >>> gene_text(Near(("LCT", "MCM6")))
    'LCT, MCM6'
    >>> gene_text(Near((), ("LCT", 12_400), ("DARS1", 900)))
    '12.4 kb from LCT; 900 bp from DARS1'
    """
    if near is None:
        return ""
    if near.inside:
        more = len(near.inside) - limit
        return ", ".join(near.inside[:limit]) + (f" and {more} more" if more > 0 else "")
    sides = [side for side in (near.left, near.right) if side is not None]
    return "; ".join(f"{distance(bp)} from {name}" for name, bp in sides)


def distance(bp: int) -> str:
    """Write a length with its unit.

    Examples
    --------
    >>> distance(900), distance(12_400), distance(3_000_000)
    ('900 bp', '12.4 kb', '3 Mb')
    """
    for unit, size in (("Mb", 1_000_000), ("kb", 1_000)):
        if bp >= size:
            return f"{bp / size:.3g} {unit}"
    return f"{bp} bp"
