"""From a table of scores to what a genome browser opens.

Publishing reads ``windows.tsv.gz`` and ``run.json`` of a result folder and nothing else, so it can be repeated at any
time. It writes ``tracks/<column>.bw``, ``calls/<column>.bed.gz`` and ``igv_session.xml``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.browser.bed import find_calls, write_calls
from scanner.browser.bigwig import Tiling, cut_tiles, step_tiles, write_bigwig
from scanner.browser.igv import IgvTrack, write_chrom_sizes, write_session
from scanner.catalogue import Colour, Outliers, Track, tracks
from scanner.errors import InputError
from scanner.regions import Region
from scanner.table import Table, read_table

Int = NDArray[np.int64]
Float = NDArray[np.float64]

RUN = "run.json"
TABLE = "windows.tsv.gz"
SESSION = "igv_session.xml"
CHROM_SIZES = "tracks/genome.chrom.sizes"
SHOW_ALL = 20
"""Number of tracks up to which a session shows all of them; of more, only those the catalogue calls visible."""
TAIL = 0.001
"""Share of values at each end that may lie outside an axis made from the data."""


@dataclass(frozen=True)
class Score:
    """A column of the table: its name there, its score and the populations it concerns."""

    column: str
    name: str
    populations: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What ``run.json`` says about a table.

    Parameters
    ----------
    contigs
        Name to length in bp, in the table's order.
    window, step
        In bp for ``kind`` ``bp``, in sites for ``sites``; None for windows from a BED.
    kind
        ``bp``, ``sites`` or ``bed``.
    scores
        Columns of the table.
    genome
        Genome id of IGV or path of a FASTA; None: contig lengths will do.
    """

    contigs: dict[str, int]
    kind: str
    window: int | None
    step: int | None
    scores: tuple[Score, ...]
    genome: str | None


@dataclass(frozen=True)
class Job:
    """All that is needed to write the files of one column, in any process."""

    directory: Path
    score: Score
    label: str
    tiling: Tiling
    start: Int
    end: Int
    values: Float
    outliers: Outliers | None
    colours: tuple[Colour, Colour]


@dataclass(frozen=True)
class Drawn:
    """Which files of a column exist: relative paths, None where there is nothing to show."""

    column: str
    bigwig: str | None
    calls: str | None


@dataclass(frozen=True)
class Published:
    """What publishing made.

    Parameters
    ----------
    session
        What to open in IGV.
    files
        Everything written, the session last.
    without_data
        Columns without a single value: no track.
    without_calls
        Columns with a track whose tail holds no window: no calls.
    not_shown
        Columns whose tracks the session leaves out; their files are there.
    """

    session: Path
    files: tuple[Path, ...]
    without_data: tuple[str, ...]
    without_calls: tuple[str, ...]
    not_shown: tuple[str, ...]


Mapper = Callable[[Callable[[Job], Drawn], Iterable[Job]], Iterable[Drawn]]
Progress = Callable[[int, int], None]


def publish(directory: Path, *, mapper: Mapper = map, progress: Progress | None = None) -> Published:
    """Write the browser files of a result.

    Auxiliary columns (sums, callable bases) have no track and stay in the table.

    Parameters
    ----------
    directory
        Folder with ``windows.tsv.gz`` and ``run.json``. Files of the same names are replaced; others stay.
    mapper
        How `draw` is applied to the jobs, in their order: the builtin ``map``, or one that uses more processes.
    progress
        Called with the number of columns done and of all columns.

    Raises
    ------
    InputError
        Where the folder holds no result, or a damaged one.
    OutputError
        Where a file cannot be written or does not hold what was meant.
    """
    run = read_run(directory)
    table = read_table(directory / TABLE)
    check_table(directory, run, table)
    catalogue = tracks()
    scores = sorted((s for s in run.scores if s.name in catalogue), key=lambda s: catalogue[s.name].order)
    drawn: list[Drawn] = []
    for item in mapper(draw, _jobs(directory, run, table, scores, catalogue)):
        drawn.append(item)
        if progress is not None:
            progress(len(drawn), len(scores))
    shown = _choose(scores, drawn, catalogue)
    files = [directory / path for item in drawn for path in (item.bigwig, item.calls) if path is not None]
    files += _write_session(directory, run, table, _igv_tracks(scores, drawn, shown, table, catalogue))
    pairs = list(zip(scores, drawn, strict=True))
    return Published(
        session=files[-1],
        files=tuple(files),
        without_data=tuple(item.column for item in drawn if item.bigwig is None),
        without_calls=tuple(
            s.column for s, item in pairs if item.bigwig and not item.calls and catalogue[s.name].outliers
        ),
        not_shown=tuple(item.column for item in drawn if item.bigwig is not None and item.column not in shown),
    )


def read_run(directory: Path) -> Run:
    """Read ``run.json``.

    Raises
    ------
    InputError
        Where it is missing, or says nothing usable.
    """
    path = directory / RUN
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{directory} is not a popscan result, for it has no {RUN}: give the folder that popscan scan --out made"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): run popscan scan again") from error
    try:
        return _run(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error}): run popscan scan again") from error


def _run(entry: dict[str, Any]) -> Run:
    """Turn what the JSON holds into a `Run`, with any exception where it does not fit."""
    windows = entry["windows"]
    kind = windows["kind"]
    if kind not in ("bp", "sites", "bed"):
        raise ValueError(f"windows of kind {kind!r}")
    sizes = [None if kind == "bed" else int(windows[field]) for field in ("window", "step")]
    scores = tuple(Score(item["column"], item["name"], tuple(item["populations"])) for item in entry["scores"])
    for score in scores:
        if not re.fullmatch(r"\w[\w+.-]*", score.column, re.ASCII):  # it becomes the name of a file
            raise ValueError(f"column {score.column!r}")
    contigs = {str(name): int(length) for name, length in entry["contigs"].items()}
    genome = entry.get("genome")
    return Run(contigs, kind, sizes[0], sizes[1], scores, None if genome is None else str(genome))


def check_table(directory: Path, run: Run, table: Table) -> None:
    """Refuse a table that cannot be drawn or does not belong to its ``run.json``.

    Raises
    ------
    InputError
        Naming what does not fit.
    """
    path = directory / TABLE
    if len(table) == 0:
        raise InputError(f"{path} has no windows: there is nothing to draw")
    for score in run.scores:
        if score.column not in table.columns:
            raise InputError(f"{path} lacks the column {score.column} that {RUN} names: run popscan scan again")
    for code, name in enumerate(table.contigs):
        last = int(table.end[table.contig == code].max())
        if last > run.contigs.get(name, 0):
            raise InputError(f"{path} has a window up to {name}:{last}, past what {RUN} knows: run popscan scan again")


def tiling(run: Run, table: Table) -> Tiling:
    """Lay out the windows of a table so that none overlap.

    Parameters
    ----------
    run
        Gives the kind of windows: those of equal length in bp are shown by step-wide tiles around their centres, all
        others are cut midway between the centres of neighbours.
    table
        The windows.
    """
    if run.kind == "bp" and run.window is not None and run.step is not None:
        start, end = step_tiles(table.start, table.end, run.window, run.step)
    else:
        start, end = cut_tiles(table.contig, table.start, table.end)
    return Tiling(tuple((name, run.contigs[name]) for name in table.contigs), table.contig, start, end)


def _jobs(
    directory: Path, run: Run, table: Table, scores: Sequence[Score], catalogue: Mapping[str, Track]
) -> Iterable[Job]:
    """Prepare the columns one after the other."""
    tiles = tiling(run, table)
    for score in scores:
        spec = catalogue[score.name]
        colours = _call_colours(spec)
        values = table.columns[score.column]
        yield Job(directory, score, spec.label, tiles, table.start, table.end, values, spec.outliers, colours)


def _call_colours(spec: Track) -> tuple[Colour, Colour]:
    """Give the colours of calls at the low and at the high end."""
    if spec.outliers is None:
        return spec.colour, spec.colour
    both = spec.outliers.tail == "both"
    return spec.colour_negative if both else spec.outliers.colour, spec.outliers.colour


def draw(job: Job) -> Drawn:
    """Write and verify the bigWig of one column, and its calls."""
    column = job.score.column
    bigwig, calls = f"tracks/{column}.bw", f"calls/{column}.bed.gz"
    if not write_bigwig(job.directory / bigwig, job.tiling, job.values):
        return Drawn(column, None, None)
    if job.outliers is None:
        return Drawn(column, bigwig, None)
    tail = job.outliers
    found = find_calls(job.tiling.contig, job.start, job.end, job.values, tail.tail, tail.share)
    names = [name for name, _ in job.tiling.contigs]
    written = write_calls(job.directory / calls, names, found, job.label, job.colours)
    return Drawn(column, bigwig, calls if written else None)


def axis(spec: Track, columns: Sequence[Float]) -> tuple[float, float]:
    """Choose one axis for all columns of a score.

    Parameters
    ----------
    spec
        The score's track; where its limits come from the data, they hold the baseline and all values but `TAIL` at
        each end, rounded outwards to two digits.
    columns
        Values, NaN where missing.

    Examples
    --------
    >>> from scanner.catalogue import track
    >>> axis(track("pi"), [np.array([0.0011, 0.0032]), np.array([np.nan])])
    (0.0, 0.0032)
    >>> axis(track("tajimas_d"), [np.array([-2.31, 1.0])])
    (-2.4, 2.4)
    """
    if spec.limits is not None:
        return spec.limits
    known = np.concatenate([values[np.isfinite(values)] for values in columns])
    if len(known) == 0:
        return spec.baseline - spec.symmetric, spec.baseline + 1
    below, above = (float(bound) - spec.baseline for bound in np.quantile(known, [TAIL, 1 - TAIL]))
    below, above = min(below, 0.0), max(above, 0.0)
    if spec.symmetric:
        below, above = -max(-below, above), max(-below, above)
    if below == above:
        return spec.baseline - spec.symmetric, spec.baseline + 1
    unit = 10.0 ** (math.floor(math.log10(max(-below, above))) - 1)
    bounds = (spec.baseline + unit * math.floor(below / unit), spec.baseline + unit * math.ceil(above / unit))
    return float(f"{bounds[0]:.6g}"), float(f"{bounds[1]:.6g}")


def _choose(scores: Sequence[Score], drawn: Sequence[Drawn], catalogue: Mapping[str, Track]) -> list[str]:
    """Choose the columns that the session shows: all, or of many those that are visible by default."""
    there = [score for score, item in zip(scores, drawn, strict=True) if item.bigwig is not None]
    visible = [score for score in there if catalogue[score.name].visible]
    chosen = there if len(there) <= SHOW_ALL else visible or there[:SHOW_ALL]
    return [score.column for score in chosen]


def _igv_tracks(
    scores: Sequence[Score], drawn: Sequence[Drawn], shown: Sequence[str], table: Table, catalogue: Mapping[str, Track]
) -> list[IgvTrack]:
    """Describe the tracks to show: populations of one score side by side, on one axis."""
    made = []
    axes: dict[str, tuple[float, float]] = {}
    for score, item in zip(scores, drawn, strict=True):
        if item.bigwig is None or score.column not in shown:
            continue
        spec = catalogue[score.name]
        if score.name not in axes:
            axes[score.name] = axis(spec, [table.columns[one.column] for one in scores if one.name == score.name])
        low, high = axes[score.name]
        look = (spec.colour, spec.colour_negative, low, high, spec.baseline, spec.height)
        made.append(IgvTrack(item.bigwig, spec.name(score.populations), *look, item.calls))
    return made


def _write_session(directory: Path, run: Run, table: Table, shown: Sequence[IgvTrack]) -> list[Path]:
    """Write the session, and the contig lengths where no genome is named; it opens where the table begins."""
    written = []
    if run.genome is None:
        write_chrom_sizes(directory / CHROM_SIZES, run.contigs)
        written.append(directory / CHROM_SIZES)
    first = table.contig == 0
    locus = Region(table.contigs[0], int(table.start[first].min()), int(table.end[first].max()))
    write_session(directory / SESSION, CHROM_SIZES if run.genome is None else run.genome, locus, shown)
    return [*written, directory / SESSION]
