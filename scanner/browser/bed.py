"""BED calls: the windows whose score is extreme within the genome, or probable enough, joined where they touch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pysam
from numpy.typing import NDArray

from scanner.bgzf import index_suffix
from scanner.errors import OutputError

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bools = NDArray[np.bool_]
Colour = tuple[int, int, int]

GREY: Colour = (153, 153, 153)
"""Calls that are doubtful."""
TINY = 1e-300
"""Keeps a genome of equal values from dividing by nothing."""
FEWEST_WINDOWS = 20
"""Windows with a value below which nothing is called: their tail says nothing."""


@dataclass(frozen=True)
class Calls:
    """Stretches of extreme windows.

    Parameters
    ----------
    contig
        (calls,) contig index.
    start, end
        (calls,) bp, 0-based half-open.
    peak_start, peak_end
        (calls,) bounds of the most extreme window.
    value
        (calls,) score of that window.
    strength
        (calls,) 0 at the genome's median to 1000 at its most extreme window; of a probability, 1000 times that.
    low
        (calls,) whether the value is extreme by being small.
    windows
        (calls,) number of extreme windows joined.
    doubtful
        (calls,) whether the most extreme window is unlike all that the network that gave its value was trained on.
    false
        (calls,) of a probability, the smallest false-discovery rate at which that window is called; NaN of others.
    """

    contig: NDArray[np.int32]
    start: Int
    end: Int
    peak_start: Int
    peak_end: Int
    value: Float
    strength: Int
    low: Bools
    windows: Int
    doubtful: Bools
    false: Float

    def __len__(self) -> int:
        """Count the calls."""
        return len(self.start)

    @property
    def of_class(self) -> bool:
        """Whether they are of a class that a network tells."""
        return bool(np.isfinite(self.false).any())


def extreme(values: Float, share: float) -> Bools:
    """Mark the largest values.

    Parameters
    ----------
    values
        (rows,) float64, NaN where missing.
    share
        Share of the rows with a value that is marked, rounded down, but at least one row. Of equal values all or
        none are marked, never more than the share.

    Returns
    -------
    (rows,) bool; none where fewer than `FEWEST_WINDOWS` rows have a value.

    Examples
    --------
    >>> np.flatnonzero(extreme(np.arange(100.0), 0.02)).tolist()
    [98, 99]
    """
    known = np.sort(values[np.isfinite(values)])
    if len(known) < FEWEST_WINDOWS:
        return np.zeros(len(values), np.bool_)
    count = max(1, int(share * len(known)))
    return np.asarray(values > known[-count - 1], np.bool_)


def find_calls(
    contig: NDArray[np.int32],
    start: Int,
    end: Int,
    values: Float,
    tail: str,
    cut: float,
    unlike: Bools | None = None,
) -> Calls:
    """Call the extreme windows of a score, genome-wide, and join those that overlap or touch.

    Parameters
    ----------
    contig, start, end
        (rows,) contig index and window bounds, 0-based half-open, sorted by contig and start.
    values
        (rows,) float64, NaN where missing.
    tail
        ``low``, ``high`` or ``both``: which values are remarkable; ``probable``: values are probabilities.
    cut
        Share of windows marked at each end; of probabilities, the smallest that is marked.
    unlike
        (rows,) whether windows are unlike all that the network that gave the values was trained on; None: none is.

    Examples
    --------
    >>> begin = np.arange(100) * 10
    >>> calls = find_calls(np.zeros(100, np.int32), begin, begin + 20, np.arange(100.0), "high", 0.03)
    >>> calls.start.tolist(), calls.end.tolist(), calls.value.tolist(), calls.peak_start.tolist()
    ([970], [1010], [99.0], [990])
    """
    signs = {"low": (-1,), "high": (1,), "both": (-1, 1), "probable": (1,)}[tail]
    doubt = np.zeros(len(values), np.bool_) if unlike is None else unlike
    marks = [values >= cut if tail == "probable" else extreme(sign * values, cut) for sign in signs]
    place = (contig, start, end)
    found = [_one_tail(place, values, sign, mark, doubt) for sign, mark in zip(signs, marks, strict=True)]
    if tail == "probable":
        found = [replace(part, strength=np.rint(1000 * part.value).astype(np.int64)) for part in found]
    joined = [np.concatenate([getattr(part, field) for part in found]) for field in Calls.__dataclass_fields__]
    order = np.lexsort((joined[2], joined[1], joined[0]))
    return Calls(*(array[order] for array in joined))


def _one_tail(
    place: tuple[NDArray[np.int32], Int, Int], values: Float, sign: int, marked: Bools, unlike: Bools
) -> Calls:
    """Call one end of the distribution: the marked windows, the largest values times ``sign``."""
    (contig, start, end), size = place, sign * values
    rows = np.flatnonzero(marked)
    if len(rows) == 0:
        none, whole, bare = np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.bool_)
        return Calls(none, whole, whole, whole, whole, np.empty(0), whole, bare, whole, bare, np.empty(0))
    apart = np.ones(len(rows), np.bool_)
    reach = _reach(contig[rows], end[rows])
    apart[1:] = (np.diff(contig[rows]) != 0) | (start[rows][1:] > reach[:-1])
    first = np.flatnonzero(apart)
    group = np.cumsum(apart) - 1
    by_size = np.lexsort((-size[rows], group))  # the most extreme first; of equal ones, the first along the contig
    peak = rows[by_size[np.searchsorted(group[by_size], np.arange(len(first)))]]
    median = float(np.nanmedian(size))
    largest = float(np.nanmax(size))
    strength = np.rint(1000 * ((size[peak] - median) / max(largest - median, TINY))).astype(np.int64)
    return Calls(
        contig=contig[rows][first],
        start=start[rows][first],
        end=np.maximum.reduceat(end[rows], first),
        peak_start=start[peak],
        peak_end=end[peak],
        value=values[peak],
        strength=strength,
        low=np.full(len(first), sign < 0),
        windows=np.bincount(group),
        doubtful=unlike[peak],
        false=np.full(len(first), np.nan),
    )


def _reach(contig: NDArray[np.int32], end: Int) -> Int:
    """Give how far the windows so far reach, contig by contig."""
    shift = contig.astype(np.int64) << 40
    return np.asarray(np.maximum.accumulate(end + shift) - shift, np.int64)


def write_calls(path: Path, contigs: Sequence[str], calls: Calls, label: str, colours: tuple[Colour, Colour]) -> bool:
    """Write calls as BED9, compressed and indexed, and read them back.

    Parameters
    ----------
    path
        The file to make, ending in ``.bed.gz``; the index stands beside it.
    contigs
        Names that ``calls.contig`` points to.
    calls
        What to write; its strength becomes the BED score, its peak the thick part.
    label
        Name of the score; each call is called by it and its value.
    colours
        RGB at the low and at the high end.

    Returns
    -------
    False, and no file, where there is no call; files that stood there before are removed.

    Raises
    ------
    OutputError
        Where the files cannot be written or differ from what was meant.
    """
    indexes = {suffix: Path(f"{path}{suffix}") for suffix in (".tbi", ".csi")}
    lines = call_lines(contigs, calls, label, colours)
    suffix = index_suffix(int(max(calls.end, default=0)))
    plain = path.with_name(f".{path.name}.partial")
    made = Path(f"{plain}.gz")
    try:
        if lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            plain.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
            pysam.tabix_index(str(plain), preset="bed", force=True, csi=suffix == ".csi")  # compresses, too
            _verify(made, suffix, path, lines)
        for stale in indexes.values():
            stale.unlink(missing_ok=True)
        if lines:
            made.replace(path)
            Path(f"{made}{suffix}").replace(indexes[suffix])
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        for rest in (plain, made, Path(f"{made}{suffix}")):
            with contextlib.suppress(OSError):
                rest.unlink()
    return bool(lines)


def call_lines(contigs: Sequence[str], calls: Calls, label: str, colours: tuple[Colour, Colour]) -> list[str]:
    """Format calls as BED9, sorted by contig (in byte order), start and end.

    Parameters
    ----------
    contigs, calls, label, colours
        As for `write_calls`.

    Examples
    --------
    >>> begin = np.arange(100) * 10
    >>> calls = find_calls(np.zeros(100, np.int32), begin, begin + 20, np.arange(100.0), "high", 0.01)
    >>> call_lines(["20"], calls, "pi", ((0, 0, 255), (255, 0, 0)))
    ['20\\t990\\t1010\\tpi 99\\t1000\\t.\\t990\\t1010\\t255,0,0']
    """
    printable = " ".join(label.split())  # a tab or a line end would make another column or row
    rows = []
    for at in range(len(calls)):
        name = contigs[calls.contig[at]]
        colour = GREY if calls.doubtful[at] else colours[0 if calls.low[at] else 1]
        rgb = ",".join(map(str, colour))
        start, end = int(calls.start[at]), int(calls.end[at])
        columns = [name, start, end, f"{printable} {calls.value[at]:.3g}", calls.strength[at], ".",
                   calls.peak_start[at], calls.peak_end[at], rgb]  # fmt: skip
        rows.append((name.encode(), start, end, "\t".join(str(column) for column in columns)))
    return [row[-1] for row in sorted(rows)]


def _verify(path: Path, suffix: str, final: Path, lines: Sequence[str]) -> None:
    """Read all calls through the index and compare them with what was meant."""
    with pysam.TabixFile(str(path), index=f"{path}{suffix}") as file:
        found = [line for name in sorted(file.contigs, key=str.encode) for line in file.fetch(name)]
    if found != list(lines):
        raise OutputError(f"{final}: what was read back differs from what was written; is the disk full?")
