"""Tracks inside the page: bigWigs that fit into it, and features, as data URIs.

All windows are there where they fit. Else neighbouring windows are averaged, except around the best candidate
regions, which keep every window.
"""

from __future__ import annotations

import base64
import gzip
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner.browser.bigwig import Tiling, write_bigwig
from scanner.browser.drawn import DrawnTrack
from scanner.candidates import Candidate
from scanner.genes import Genes
from scanner.result import Result

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bools = NDArray[np.bool_]

INTERVALS = 800_000
"""Values of all embedded tracks together; each takes up to 13 bytes of the page."""
EMBEDDED = 48
"""Tracks that the page holds; of more, the first. A served page reaches them all."""
SHARP = 50
"""Candidate regions around which every window is kept ..."""
MARGIN = 30
"""... and how many windows on either side."""
_FACTORS = (2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000, 10_000, 100_000)


@dataclass(frozen=True)
class Embedded:
    """Tracks as they stand in the page.

    Parameters
    ----------
    uris
        Column to data URI of its bigWig.
    bin
        bp over which windows are averaged; 0: none are.
    """

    uris: dict[str, str]
    bin: int


@dataclass(frozen=True)
class _Rows:
    """Drawn rows in the order of their places: index into the table, bounds, and whether to keep each."""

    rows: Int
    contig: NDArray[np.int32]
    start: Int
    end: Int
    keep: Bools


def embed_tracks(
    result: Result, tiling: Tiling, tracks: Sequence[DrawnTrack], candidates: Sequence[Candidate]
) -> Embedded:
    """Make bigWigs of the page: the result's own where they are small enough, else coarser ones.

    Parameters
    ----------
    result, tiling
        The table, and where its windows are drawn.
    tracks
        Tracks to embed.
    candidates
        Regions that stay sharp, the best first.
    """
    placed = _place(result, tiling, candidates)
    columns = [result.table.columns[track.column] for track in tracks]
    size, bridge = _choose(placed, columns)
    if size == 0:
        files = {track.column: (result.directory / track.bigwig).read_bytes() for track in tracks}
    else:
        files = {}
        with tempfile.TemporaryDirectory(prefix="popscan-page-") as folder:
            path = Path(folder) / "track.bw"
            for track, values in zip(tracks, columns, strict=True):
                thin, means = _average(placed, values, size, bridge)
                write_bigwig(path, Tiling(tiling.contigs, thin.contig, thin.start, thin.end), means)
                files[track.column] = path.read_bytes()
    return Embedded({column: data_uri("application/octet-stream", data) for column, data in files.items()}, size)


def data_uri(kind: str, data: bytes) -> str:
    """Write bytes as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _place(result: Result, tiling: Tiling, candidates: Sequence[Candidate]) -> _Rows:
    """Sort the drawn rows by place and mark those near candidates."""
    rows = np.flatnonzero(tiling.end > tiling.start)
    rows = rows[np.lexsort((tiling.start[rows], tiling.contig[rows]))]
    contig, start, end = tiling.contig[rows], tiling.start[rows], tiling.end[rows]
    keep = np.zeros(len(rows), np.bool_)
    codes = {name: at for at, name in enumerate(result.table.contigs)}
    for item in candidates[:SHARP]:
        low, high = np.searchsorted(contig, [codes[item.region.contig], codes[item.region.contig] + 1])
        first = low + int(np.searchsorted(end[low:high], item.region.start, side="right"))
        last = low + int(np.searchsorted(start[low:high], item.region.end))
        keep[max(low, first - MARGIN) : min(high, last + MARGIN)] = True
    return _Rows(rows, contig, start, end, keep)


def _choose(placed: _Rows, columns: Sequence[Float]) -> tuple[int, bool]:
    """Choose the smallest bin with which all tracks fit, and whether it has to reach over gaps."""
    if sum(int(np.isfinite(values[placed.rows]).sum()) for values in columns) <= INTERVALS:
        return 0, False
    tile = float(np.median(placed.end - placed.start))
    size = 0
    for bridge in (False, True):
        for factor in _FACTORS:
            size = max(1, round(tile * factor))
            if sum(int(_breaks(placed, values, size, bridge)[1].sum()) for values in columns) <= INTERVALS:
                return size, bridge
    return size, True


def _breaks(placed: _Rows, values: Float, size: int, bridge: bool) -> tuple[Int, Bools]:
    """Give the places that have a value, and which of them begin a new interval."""
    known = np.flatnonzero(np.isfinite(values[placed.rows]))
    contig, start, end, keep = (array[known] for array in (placed.contig, placed.start, placed.end, placed.keep))
    fresh = np.ones(len(known), np.bool_)
    bins = start // size
    fresh[1:] = (np.diff(contig) != 0) | (np.diff(bins) != 0) | keep[1:] | keep[:-1]
    if not bridge:
        fresh[1:] |= start[1:] != end[:-1]
    return known, fresh


def _average(placed: _Rows, values: Float, size: int, bridge: bool) -> tuple[_Rows, Float]:
    """Average the windows of each bin, weighted by the bp they are drawn on; gaps stay gaps."""
    known, fresh = _breaks(placed, values, size, bridge)
    first = np.flatnonzero(fresh)
    if len(first) == 0:
        none = np.empty(0, np.int64)
        return _Rows(none, placed.contig[:0], none, none, placed.keep[:0]), np.empty(0)
    last = np.append(first[1:], len(known)) - 1
    weight = (placed.end - placed.start)[known].astype(np.float64)
    means = np.add.reduceat(values[placed.rows[known]] * weight, first) / np.add.reduceat(weight, first)
    at = known[first]
    return _Rows(placed.rows[at], placed.contig[at], placed.start[at], placed.end[known[last]], placed.keep[at]), means


def calls_uri(directory: Path, tracks: Sequence[DrawnTrack]) -> str | None:
    """Join the calls of all columns of a score to one BED, each named after its column.

    Returns
    -------
    A data URI; None where there are no calls.
    """
    rows = []
    for track in tracks:
        if track.calls is None:
            continue
        with gzip.open(directory / track.calls, "rt", encoding="utf-8") as file:
            for line in file:
                fields = line.rstrip("\n").split("\t")
                fields[3] = f"{track.name} {fields[3].rpartition(' ')[2]}"
                rows.append((fields[0].encode(), int(fields[1]), int(fields[2]), "\t".join(fields)))
    return bed_uri([row[-1] for row in sorted(rows)])


def regions_uri(candidates: Sequence[Candidate], colour: tuple[int, int, int]) -> str | None:
    """Write candidate regions as BED, stronger in colour where more statistics agree."""
    most = max((len(item.scores) for item in candidates), default=0)
    lines = []
    for rank, item in enumerate(candidates, start=1):
        shade = 0.35 + 0.65 * len(item.scores) / most
        rgb = ",".join(str(round(255 - (255 - part) * shade)) for part in colour)
        bounds = f"{item.region.contig}\t{item.region.start}\t{item.region.end}"
        thick = f"{item.region.start}\t{item.region.end}"
        lines.append(f"{bounds}\t#{rank} ({len(item.scores)})\t{round(1000 * shade)}\t.\t{thick}\t{rgb}")
    return bed_uri(lines)


def genes_uri(genes: Genes | None) -> str | None:
    """Write genes as BED."""
    if genes is None:
        return None
    lines = [
        f"{contig}\t{start}\t{end}\t{name}"
        for contig, placed in genes.contigs.items()
        for start, end, name in zip(placed.start, placed.end, placed.names, strict=True)
    ]
    return bed_uri(lines)


def bed_uri(lines: Sequence[str]) -> str | None:
    """Compress BED lines to a data URI; None where there is none."""
    if not lines:
        return None
    text = "".join(line + "\n" for line in lines).encode()
    return data_uri("application/gzip", gzip.compress(text, mtime=0))


def contig_sizes(lengths: Mapping[str, int]) -> str:
    """Write names and lengths of contigs as a chrom.sizes file."""
    return "".join(f"{name}\t{length}\n" for name, length in lengths.items())
