"""bigWig: one value for each base, gaps where a score is missing.

A bigWig cannot hold overlapping intervals, so a scan whose windows overlap is drawn as tiles: each window is shown by
its middle. The true bounds of windows stand in the table.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from scanner.browser.bigwig_bars import read_bars
from scanner.errors import InputError, OutputError
from scanner.regions import Region, shortlist

Int = NDArray[np.int64]
Float = NDArray[np.float64]
_APART = 1 << 40
"""More bp than any contig has: keeps the contigs apart on one common line."""
FEW = 8192
"""Bars that any viewer draws at once: a zoom level of fewer makes nothing faster ..."""
MOST_ZOOMS = 10
"""... and most levels that pyBigWig writes."""

_READ_ALL = """
import contextlib, os, sys
import pyBigWig

for name in sys.stdin.buffer.read().split(b"\\0"):
    print(flush=True)
    with contextlib.suppress(Exception), pyBigWig.open(os.fsdecode(name)) as file:
        read = file.intervals if file.isBigWig() else file.entries
        for contig, length in file.chroms().items():
            read(contig, 0, length)
"""


@dataclass(frozen=True)
class Tiling:
    """Where the windows of a scan are drawn.

    Parameters
    ----------
    contigs
        Names and lengths in bp.
    contig
        (rows,) index into ``contigs``.
    start, end
        (rows,) int64, bp, 0-based half-open; tiles of one contig do not overlap, and an empty one is not drawn.
    """

    contigs: tuple[tuple[str, int], ...]
    contig: NDArray[np.int32]
    start: Int
    end: Int


def step_tiles(start: Int, end: Int, window: int, step: int) -> tuple[Int, Int]:
    """Show windows of equal length by the ``step`` bp around their centres.

    Windows start at multiples of ``step``; one that was clipped keeps the tile that it had in full, as far as that
    lies inside it. A window without any of its tile, which stands alone in a short region, is shown as it is.

    Parameters
    ----------
    start, end
        (rows,) bounds in bp, clipped to contig and region.
    window, step
        Length and distance in bp.

    Examples
    --------
    >>> first, last = step_tiles(np.array([0, 50, 100]), np.array([100, 150, 180]), 100, 50)
    >>> list(zip(first.tolist(), last.tolist()))
    [(25, 75), (75, 125), (125, 175)]
    """
    first = start // step * step + (window - step) // 2
    low, high = np.maximum(first, start), np.minimum(first + step, end)
    whole = low >= high
    return np.where(whole, start, low), np.where(whole, end, high)


def cut_tiles(contig: NDArray[np.int32], start: Int, end: Int) -> tuple[Int, Int]:
    """Cut windows of any length where they overlap, midway between the centres of neighbours.

    A window whose share comes to nothing, as of two with the same bounds, gets an empty tile.

    Parameters
    ----------
    contig, start, end
        (rows,) contig index and bounds in bp.

    Examples
    --------
    >>> first, last = cut_tiles(np.zeros(3, np.int32), np.array([0, 10, 60]), np.array([30, 40, 90]))
    >>> list(zip(first.tolist(), last.tolist()))
    [(0, 20), (20, 40), (60, 90)]
    """
    order = np.lexsort((end, start + end, contig))
    shift = contig[order].astype(np.int64) * _APART
    low, high = start[order] + shift, end[order] + shift
    cut = np.clip((low[:-1] + high[:-1] + low[1:] + high[1:]) // 4, low[1:], np.maximum(low[1:], high[:-1]))
    overlap = low[1:] < high[:-1]
    high[:-1] = np.where(overlap, cut, high[:-1])
    low[1:] = np.where(overlap, cut, low[1:])
    low, high = _separate(low, high)
    first, last = np.empty_like(start), np.empty_like(end)
    first[order], last[order] = low - shift, high - shift
    return first, last


def _separate(low: Int, high: Int) -> tuple[Int, Int]:
    """Let no tile begin before all earlier ones have ended: windows may lie inside each other."""
    reached = np.maximum.accumulate(high)
    low = low.copy()
    low[1:] = np.maximum(low[1:], reached[:-1])
    return low, np.maximum(low, high)


def write_bigwig(path: Path, tiling: Tiling, values: Float) -> bool:
    """Write one score, read it back, and give it its name only if every value is there.

    Parameters
    ----------
    path
        The file to make.
    tiling
        Where each row is drawn.
    values
        (rows,) float64, NaN where missing; stored as float32.

    Returns
    -------
    False, and no file, where nothing can be drawn; a file that stood there before is removed.

    Raises
    ------
    OutputError
        Where the file cannot be written or differs from what was meant.
    """
    parts = list(_parts(tiling, values))
    if not parts:
        path.unlink(missing_ok=True)
        return False
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, parts)
        _verify(temporary, path, parts)
        temporary.replace(path)
    except (OSError, RuntimeError, ValueError) as error:  # pyBigWig raises RuntimeError for all that goes wrong
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


@dataclass(frozen=True)
class _Part:
    """What one contig gets: (tiles,) bounds and float32 values, sorted."""

    name: str
    length: int
    start: Int
    end: Int
    values: NDArray[np.float32]


def _parts(tiling: Tiling, values: Float) -> Iterator[_Part]:
    """Sort what can be drawn by contig (in byte order, as viewers expect) and place."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and a gap
        stored = values.astype(np.float32)
    drawn = np.flatnonzero(np.isfinite(stored) & (tiling.end > tiling.start))
    drawn = drawn[np.lexsort((tiling.start[drawn], tiling.contig[drawn]))]
    starts = np.flatnonzero(np.diff(tiling.contig[drawn])) + 1
    blocks = [rows for rows in np.split(drawn, starts) if len(rows)]
    named = [(*tiling.contigs[tiling.contig[rows[0]]], rows) for rows in blocks]
    for name, length, rows in sorted(named, key=lambda item: item[0].encode()):
        end = np.minimum(tiling.end[rows], length)  # pyBigWig would take a tile past the contig's end
        yield _Part(name, length, tiling.start[rows], end, stored[rows])


def _write(path: Path, parts: Sequence[_Part]) -> None:
    """Write all contigs, with as many zoom levels as are of use."""
    with pyBigWig.open(str(path), "w") as file:
        levels = zoom_levels(sum(len(part.start) for part in parts))
        file.addHeader([(part.name, part.length) for part in parts], maxZooms=levels)
        for part in parts:
            names = [part.name] * len(part.start)  # a list, for pyBigWig reads arrays of names as ASCII only
            # bars with a start and an end each: IGV desktop reads no fixed and no variable steps
            file.addEntries(names, part.start, ends=part.end, values=part.values.astype(np.float64))


def zoom_levels(bars: int) -> int:
    """Tell after how many zoom levels, each a quarter of the one before, a whole track is drawn from few bars.

    Examples
    --------
    >>> zoom_levels(10), zoom_levels(20_000), zoom_levels(3_000_000)
    (1, 1, 5)
    """
    levels = 1
    while bars > FEW * 4**levels and levels < MOST_ZOOMS:
        levels += 1
    return levels


def _verify(path: Path, final: Path, parts: Sequence[_Part]) -> None:
    """Compare the file with what was meant."""
    if _difference(path, parts) is not None:
        raise OutputError(f"{final}: what was read back differs from what was written; is the disk full?")


def first_difference(path: Path, tiling: Tiling, values: Float) -> str | None:
    """Compare a bigWig with the scores that it shall show.

    Parameters
    ----------
    path
        The file.
    tiling, values
        As for `write_bigwig`.

    Returns
    -------
    Where they differ first, in words, or None where every tile, value and gap is as it shall be.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    try:
        return _difference(path, list(_parts(tiling, values)))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a bigWig: {error}") from error


def crashing(paths: Sequence[Path]) -> list[Path]:
    """Name the bigWigs and bigBeds so damaged that the library that reads them crashes: another process tries.

    Parameters
    ----------
    paths
        The files.
    """
    found, left = list[Path](), list(paths)
    while left:
        call, names = [sys.executable, "-P", "-c", _READ_ALL], b"\0".join(os.fsencode(path) for path in left)
        done = subprocess.run(call, input=names, capture_output=True, check=False)
        reached = done.stdout.count(b"\n")
        if done.returncode >= 0 or not reached:
            break
        found.append(left[reached - 1])
        left = left[reached:]
    return found


def _difference(path: Path, parts: Sequence[_Part]) -> str | None:
    """Compare contigs, zoom levels, tiles and values with what is meant."""
    with pyBigWig.open(str(path)) as file:
        if file.chroms() != {part.name: part.length for part in parts}:
            return f"its contigs are {shortlist(file.chroms())}, not {shortlist(part.name for part in parts)}"
        if file.header()["nLevels"] == 0:
            return "it has no zoom levels"
    bars = read_bars(path)
    for part in parts:
        found, meant = bars.get(part.name, np.empty((0, 3))), np.column_stack([part.start, part.end, part.values])
        if not np.array_equal(found, meant):
            return _first_row(part.name, found, meant)
    return None


def _first_row(contig: str, found: Float, meant: Float) -> str:
    """Say where two sorted lists of start, end and value differ first."""
    rows = min(len(found), len(meant))
    unlike = np.flatnonzero((found[:rows] != meant[:rows]).any(axis=1))
    at = int(unlike[0]) if len(unlike) else rows
    there, wanted = (
        f"{row[at, 2]:.9g} at {Region(contig, int(row[at, 0]), int(row[at, 1]))}" if at < len(row) else "nothing more"
        for row in (found, meant)
    )
    return f"it has {there}, not {wanted}"
