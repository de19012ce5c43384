"""From a table of scores to what a genome browser opens.

Publishing reads ``windows.tsv.gz`` and ``run.json`` of a result folder and nothing else, so it can be repeated at any
time. It writes ``tracks/<column>.bw``, ``calls/<column>.bed.gz`` and ``.bb``, ``hub/``, ``igv_session.xml`` and
``jbrowse_config.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.browser.assembly import Assembly, place
from scanner.browser.axis import axis
from scanner.browser.bed import Calls, write_calls
from scanner.browser.bigbed import bigbed_path, write_bigbed
from scanner.browser.bigwig import Tiling, cut_tiles, step_tiles, write_bigwig
from scanner.browser.drawn import DrawnTrack
from scanner.browser.hub import write_hub
from scanner.browser.hub_files import add_bigbed, add_bigwig
from scanner.browser.igv import write_chrom_sizes, write_session
from scanner.browser.jbrowse import write_jbrowse
from scanner.browser.page import write_page
from scanner.calls import Rule, rule
from scanner.candidates import Candidate, find_candidates, gene_text
from scanner.catalogue import Colour, Track, tracks
from scanner.errors import InputError
from scanner.files import write_text
from scanner.genes import read_genes
from scanner.provenance import as_json
from scanner.regions import Region, shortlist
from scanner.result import RUN, Result, Run, Score, load
from scanner.table import Table

Int = NDArray[np.int64]
Float = NDArray[np.float64]

SESSION = "igv_session.xml"
CHROM_SIZES = "tracks/genome.chrom.sizes"
REGIONS = 20
"""Candidate regions that IGV's Region Navigator lists, the best first."""
SHOW_ALL = 20
"""Number of tracks up to which a session shows all of them; of more, only those the catalogue calls visible."""


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
    rule: Rule | None
    colours: tuple[Colour, Colour]
    assembly: Assembly | None


@dataclass(frozen=True)
class Drawn:
    """Which files of a column exist: relative paths, None where there is nothing to show; and the calls themselves."""

    column: str
    bigwig: str | None
    calls: str | None
    found: Calls | None = None


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
    notes
        What could not be made, and why: one sentence each.
    regions
        Regions that are called, by column, of all columns that may be called.
    """

    session: Path
    files: tuple[Path, ...]
    without_data: tuple[str, ...]
    without_calls: tuple[str, ...]
    not_shown: tuple[str, ...]
    notes: tuple[str, ...] = ()
    regions: Mapping[str, int] = field(default_factory=dict)


Mapper = Callable[[Callable[[Job], Drawn], Iterable[Job]], Iterable[Drawn]]
Progress = Callable[[int, int], None]


def publish(
    directory: Path,
    *,
    genome: str | None = None,
    genes: Path | None = None,
    email: str | None = None,
    mapper: Mapper = map,
    progress: Progress | None = None,
) -> Published:
    """Write the browser files of a result.

    Auxiliary columns (sums, callable bases) have no track and stay in the table.

    Parameters
    ----------
    directory
        Folder with ``windows.tsv.gz`` and ``run.json``. Files of the same names are replaced; others stay.
    genome, genes, email
        Used instead of what ``run.json`` says, where given, and kept there.
    mapper
        How `draw` is applied to the jobs, in their order: the builtin ``map``, or one that uses more processes.
    progress
        Called with the number of columns done and of all columns.

    Raises
    ------
    UsageError
        Where there is no such annotation.
    InputError
        Where the folder holds no result, or a damaged one, or the annotation is of no use.
    OutputError
        Where a file cannot be written or does not hold what was meant.
    """
    result = load(directory, genome=genome, genes=genes, email=email)
    given = {"genome": genome, "genes": None if genes is None else str(genes.resolve()), "email": email}
    present(directory, result.run.record, {name: value for name, value in given.items() if value is not None})
    catalogue = tracks()
    scores = drawable(result.run)
    assembly, notes = _place(result)
    annotation = None if result.run.genes is None else read_genes(result.run.genes, result.run.contigs)
    drawn: list[Drawn] = []
    for item in mapper(draw, _jobs(result, scores, catalogue, assembly)):
        drawn.append(item)
        if progress is not None:
            progress(len(drawn), len(scores))
    shown = _tracks(result.table, scores, drawn, catalogue)
    files = [directory / path for item in drawn for path in (item.bigwig, item.calls) if path is not None]
    files += [directory / bigbed_path(item.calls) for item in drawn if item.calls is not None]
    files += write_hub(result, shown, assembly)
    calls = {item.column: item.found for item in drawn if item.found is not None}
    candidates = find_candidates(result.table, shown, annotation, calls)
    files += _write_session(result, shown, _regions(result, candidates, assembly))
    page = write_page(
        result, shown, tiling(result.run, result.table), candidates, annotation
    )  # says what else is there
    files[-1:-1] = page.files
    pairs = list(zip(scores, drawn, strict=True))
    return Published(
        session=files[-1],
        files=tuple(files),
        without_data=tuple(item.column for item in drawn if item.bigwig is None),
        without_calls=tuple(
            s.column for s, item in pairs if item.bigwig and not item.calls and catalogue[s.name].outliers
        ),
        not_shown=tuple(track.column for track in shown if not track.shown),
        notes=notes if page.note is None else (*notes, page.note),
        regions={column: len(found) for column, found in calls.items()},
    )


def present(directory: Path, record: Mapping[str, Any], wanted: Mapping[str, str | None]) -> None:
    """Keep in ``run.json`` how a result is to be shown: the scores stay what they are.

    Parameters
    ----------
    directory
        The result folder.
    record
        What ``run.json`` says.
    wanted
        ``genome``, ``genes`` and ``email``, those that change.
    """
    if any(record.get(name) != value for name, value in wanted.items()):
        write_text(directory / RUN, as_json({**record, **wanted}))


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


def drawable(run: Run) -> list[Score]:
    """List the columns that the catalogue has a track for, in its order.

    Parameters
    ----------
    run
        Gives the columns.
    """
    catalogue = tracks()
    return sorted((score for score in run.scores if score.name in catalogue), key=lambda s: catalogue[s.name].order)


def _place(result: Result) -> tuple[Assembly | None, tuple[str, ...]]:
    """Find the genome that the UCSC hub is for; without one, all other files are as useful."""
    try:
        assembly = place(result.run.genome, result.run.contigs)
    except InputError as error:
        return None, (f"no UCSC hub: {error}",)
    left_out = assembly.left_out(result.table.contigs)
    notes = (f"the UCSC hub leaves out {shortlist(left_out)}, which {assembly.name} does not have",) if left_out else ()
    return assembly, notes


def _jobs(
    result: Result, scores: Sequence[Score], catalogue: Mapping[str, Track], assembly: Assembly | None
) -> Iterable[Job]:
    """Prepare the columns one after the other."""
    table = result.table
    tiles = tiling(result.run, table)
    for score in scores:
        spec = catalogue[score.name]
        colours = call_colours(spec)
        values = table.columns[score.column]
        called = None if spec.outliers is None else rule(result.run.record, table, score, spec.outliers)
        yield Job(result.directory, score, spec.label, tiles, table.start, table.end, values, called, colours, assembly)


def call_colours(spec: Track) -> tuple[Colour, Colour]:
    """Give the colours of calls at the low and at the high end.

    Parameters
    ----------
    spec
        The score's track.

    Examples
    --------
    >>> from scanner.catalogue import track
    >>> call_colours(track("tajimas_d"))
    ((213, 94, 0), (0, 114, 178))
    """
    if spec.outliers is None:
        return spec.colour, spec.colour
    both = spec.outliers.tail == "both"
    return spec.colour_negative if both else spec.outliers.colour, spec.outliers.colour


def draw(job: Job) -> Drawn:
    """Write and verify the bigWig of one column and its calls, for the hub too."""
    column = job.score.column
    bigwig, calls = f"tracks/{column}.bw", f"calls/{column}.bed.gz"
    if not write_bigwig(job.directory / bigwig, job.tiling, job.values):
        return Drawn(column, None, None)
    if job.assembly is not None:
        add_bigwig(job.directory, column, job.assembly, job.tiling, job.values)
    if job.rule is None:
        return Drawn(column, bigwig, None)
    found = job.rule.find(job.tiling.contig, job.start, job.end, job.values)
    contigs = dict(job.tiling.contigs)
    written = write_calls(job.directory / calls, list(contigs), found, job.label, job.colours)
    write_bigbed(job.directory / bigbed_path(calls), contigs, found, job.label, job.colours)
    if job.assembly is not None:
        add_bigbed(job.directory, column, job.assembly, contigs, found, job.label, job.colours)
    return Drawn(column, bigwig, calls if written else None, found)


def _choose(scores: Sequence[Score], drawn: Sequence[Drawn], catalogue: Mapping[str, Track]) -> list[str]:
    """Choose the columns that the session shows: all, or of many those that are visible by default."""
    there = [score for score, item in zip(scores, drawn, strict=True) if item.bigwig is not None]
    visible = [score for score in there if catalogue[score.name].visible]
    chosen = there if len(there) <= SHOW_ALL else visible or there[:SHOW_ALL]
    return [score.column for score in chosen]


def _tracks(
    table: Table, scores: Sequence[Score], drawn: Sequence[Drawn], catalogue: Mapping[str, Track]
) -> list[DrawnTrack]:
    """Describe all columns that have a bigWig: populations of one score side by side, on one axis."""
    made = []
    shown = _choose(scores, drawn, catalogue)
    axes: dict[str, tuple[float, float]] = {}
    for score, item in zip(scores, drawn, strict=True):
        if item.bigwig is None:
            continue
        spec = catalogue[score.name]
        if score.name not in axes:
            axes[score.name] = axis(spec, [table.columns[one.column] for one in scores if one.name == score.name])
        made.append(
            DrawnTrack(
                column=score.column,
                score=score.name,
                populations=score.populations,
                name=spec.name(score.populations),
                title=spec.title,
                group=spec.group,
                unit=spec.unit,
                bigwig=item.bigwig,
                calls=item.calls,
                colour=spec.colour,
                colour_negative=spec.colour_negative,
                minimum=axes[score.name][0],
                maximum=axes[score.name][1],
                baseline=spec.baseline,
                height=spec.height,
                shown=score.column in shown,
                description=spec.description,
            )
        )
    return made


def _regions(result: Result, candidates: Sequence[Candidate], assembly: Assembly | None) -> list[tuple[Region, str]]:
    """Choose the regions of interest, and say which statistics agree there and what genes there are.

    Of a genome that IGV knows by its id, regions need its names of contigs, of which IGV does not know others.
    """
    known, genome = tracks(), result.run.genome
    names = {} if genome is None or assembly is None or Path(genome).is_file() else assembly.names
    found = []
    for item in candidates[:REGIONS]:
        region = replace(item.region, contig=names.get(item.region.contig, item.region.contig))
        text = ", ".join(known[name].label for name in item.scores)
        genes = gene_text(item.near)
        found.append((region, f"{text}; {genes}" if genes else text))
    return found


def opening(table: Table, shown: Sequence[DrawnTrack]) -> Region:
    """Choose where browsers open: on the first contig with values of the first track, from its first to its last.

    Parameters
    ----------
    table
        The windows.
    shown
        Drawn columns; where there are none, the first contig's windows count.
    """
    with_values = np.isfinite(table.columns[shown[0].column]) if shown else np.ones(len(table), np.bool_)
    here = with_values & (table.contig == table.contig[np.argmax(with_values)])
    contig = table.contigs[table.contig[np.argmax(here)]]
    return Region(contig, int(table.start[here].min()), int(table.end[here].max()))


def _write_session(result: Result, shown: Sequence[DrawnTrack], regions: Sequence[tuple[Region, str]]) -> list[Path]:
    """Write the session and JBrowse's configuration, which open where the data begin, and the contig lengths."""
    run, table, directory = result.run, result.table, result.directory
    write_chrom_sizes(directory / CHROM_SIZES, run.contigs)
    locus = opening(table, shown)
    written = [directory / CHROM_SIZES, *write_jbrowse(result, shown, locus, CHROM_SIZES)]
    genome = CHROM_SIZES if run.genome is None else run.genome
    write_session(directory / SESSION, genome, locus, [track for track in shown if track.shown], regions)
    return [*written, directory / SESSION]
