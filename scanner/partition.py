"""Cutting a scan's windows into parts of about equal work, from what the file's index knows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.bgzf import ContigIndex
from scanner.errors import UsageError
from scanner.regions import Region
from scanner.windows import Windows, sliding

Int = NDArray[np.int64]
Float = NDArray[np.float64]

PART_RECORDS = (10_000, 50_000)
"""Fewest and most records that a part aims at; between them, a 64th of the file."""
PART_BYTES = 96_000_000
"""Most memory that the haplotypes of a part aim at."""
CORE_WINDOWS = (8, 20)
"""Lengths of overlapping windows that a part's core has at least: always, and while it has fewer than the most records.

Records where two parts meet are read by both: of 20 windows a twentieth.
"""
BYTES_PER_RECORD = 40
"""Compressed bytes of a record, where an old index does not count the records."""
CELL = 1 << 14
"""Resolution in bp at which the records' density is known."""


@dataclass(frozen=True)
class Part:
    """A run of consecutive windows that is computed and kept together.

    Parameters
    ----------
    index
        Number of the part.
    segment
        Number of the scanned region that it belongs to.
    region
        What is read: everything that its windows cover, and its core where ``cut`` was told to.
    core
        bp, 0-based half-open: the records that belong to this part and to no other.
    windows
        Its windows.
    records
        Number of records expected.
    """

    index: int
    segment: int
    region: Region
    core: tuple[int, int]
    windows: Windows
    records: int


def cut(
    regions: Sequence[Region],
    laid: Sequence[Windows],
    entries: Mapping[str, ContigIndex],
    lengths: Mapping[str, int],
    haplotypes: int,
    *,
    read_core: bool = True,
) -> tuple[Part, ...]:
    """Cut every region's windows into parts.

    The number of workers has no say: the same input and options give the same parts.

    Parameters
    ----------
    regions, laid
        The scanned regions and, for each, its windows.
    entries, lengths
        For every contig what the index knows, and its length in bp.
    haplotypes
        Haplotypes a record, for the memory of a part.
    read_core
        Read what lies between windows too.

    Returns
    -------
    Parts in order; the cores of a region's parts tile it. A region without windows has parts without windows where it
    is read, none where not.
    """
    density = {region.contig: _cumulative(entries[region.contig], lengths[region.contig]) for region in regions}
    target, most = part_records(sum(float(before[-1]) for _, before in density.values()), haplotypes), _most(haplotypes)
    parts: list[Part] = []
    for segment, (region, windows) in enumerate(zip(regions, laid, strict=True)):
        grid = windows if len(windows) or not read_core else sliding(region, CELL, CELL)
        before = _records_before(density[region.contig], grid.start)
        for first, last in _runs(grid, before, target, most):
            run = windows[first:last]
            low = region.start if first == 0 else int(grid.start[first])
            high = region.end if last == len(grid) else int(grid.start[last])
            reach = int(run.end.max()) if len(run) else high
            start, end = (low, max(high, reach)) if read_core else (int(run.start[0]), reach)
            ends = _records_before(density[region.contig], np.array([low, high]))
            read = Region(region.contig, start, end)
            parts.append(Part(len(parts), segment, read, (low, high), run, int(np.diff(ends)[0])))
    return tuple(parts)


def part_records(total: float, haplotypes: int) -> int:
    """Choose how many records a part aims at.

    Parameters
    ----------
    total
        Records of the scan.
    haplotypes
        Haplotypes a record.

    Examples
    --------
    >>> part_records(1e6, 200), part_records(1e8, 200), part_records(1e6, 100_000)
    (15625, 50000, 2558)
    """
    return int(max(1, min(max(PART_RECORDS[0], total / 64), _most(haplotypes))))


def _most(haplotypes: int) -> int:
    """Give the most records that a part aims at, by `PART_RECORDS` and by the memory that their haplotypes take."""
    return min(PART_RECORDS[1], PART_BYTES // (3 * haplotypes // 8 + 24))


def _runs(windows: Windows, before: Float, target: int, most: int) -> list[tuple[int, int]]:
    """Group consecutive windows.

    A run goes on until it has ``target`` records and, where windows overlap, is `CORE_WINDOWS` long: the longer one
    only while it has fewer than ``most`` records.
    """
    if len(windows) == 0:
        return []
    short, long = (count * int(np.median(windows.end - windows.start)) for count in CORE_WINDOWS)
    overlapping = bool((windows.start[1:] < windows.end[:-1]).any())
    runs, first = [], 0
    while first < len(windows):
        begin, seen = windows.start[first], before[first]
        last = np.searchsorted(before, seen + target)  # never between windows that start together
        if overlapping:
            longer = min(np.searchsorted(windows.start, begin + long), np.searchsorted(before, seen + most))
            last = max(last, longer, np.searchsorted(windows.start, begin + short))
        runs.append((first, int(last)))
        first = int(last)
    return runs


def _cumulative(entry: ContigIndex, length: int) -> tuple[Int, Float]:
    """Give the cell bounds of a contig, and an estimate of the number of records before each."""
    cells = -(-length // CELL)
    slope = np.zeros(cells + 1)
    for start, width, share in entry.bins:
        low, high = start // CELL, min(cells, max(start // CELL + 1, (start + width) // CELL))
        if low < high:
            slope[low] += share / (high - low)
            slope[high] -= share / (high - low)
    shares = np.concatenate([[0.0], np.cumsum(np.maximum(np.cumsum(slope[:-1]), 0))])
    records = entry.records if entry.records is not None else ((entry.last - entry.first) >> 16) // BYTES_PER_RECORD + 1
    bounds = np.minimum(np.arange(cells + 1, dtype=np.int64) * CELL, length)
    return bounds, np.asarray(shares / max(shares[-1], 1e-12) * records)


def _records_before(density: tuple[Int, Float], positions: Int) -> Float:
    """Estimate the number of records before positions in bp."""
    return np.interp(positions, *density)


def spelled(numbers: Sequence[int]) -> str:
    """Write rising numbers of parts with runs drawn together, as Slurm's ``--array`` and ``--part`` take them.

    Examples
    --------
    >>> spelled([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def numbered(text: str, count: int) -> list[int]:
    """Read numbers of parts as `spelled` writes them.

    Parameters
    ----------
    text
        ``7``, ``0-9`` or ``0-9,12``.
    count
        Number of parts; they count from 0.

    Raises
    ------
    UsageError
        Where the text is none, or names a part that there is not.

    Examples
    --------
    >>> numbered("0-2,5", 6)
    [0, 1, 2, 5]
    """
    found: set[int] = set()
    for piece in text.split(","):
        first, dash, last = (word.strip() for word in piece.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise UsageError(f"--part {text}: give the number of a part, or several as 0-9,12")
        if int(last) >= count:
            raise UsageError(f"--part {text}: the parts of this scan are 0 to {count - 1}")
        found.update(range(int(first), int(last) + 1))
    return sorted(found)
