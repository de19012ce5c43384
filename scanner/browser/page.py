"""One page that shows a whole result from disk, without network: plots, a genome browser, and tables.

All that the page needs is inside it: igv.js (from the package ``igv-notebook``, read when the page is made), the tracks
as data URIs, and its own scripts and styles from ``page_parts/``. The same input gives the same bytes.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from scanner import __version__
from scanner.browser import page_html
from scanner.browser.bigwig import Tiling
from scanner.browser.drawn import DrawnTrack
from scanner.browser.page_numbers import POINTS, RANKED, Overview, evenly, pack, spearman
from scanner.browser.page_tracks import (
    EMBEDDED,
    Embedded,
    calls_uri,
    contig_sizes,
    embed_tracks,
    genes_uri,
    regions_uri,
)
from scanner.candidates import Candidate, write_candidates
from scanner.catalogue import tracks as catalogue
from scanner.discovery import recorded
from scanner.files import write_text
from scanner.genes import Genes
from scanner.result import Result

PAGE = "index.html"
CANDIDATES = "candidates.tsv"
PARTS = Path(__file__).resolve().parent / "page_parts"
SCRIPTS = ("base.js", "overview.js", "browser.js", "table.js", "agreement.js")
AT_FIRST = 10
"""Tracks of scores that the browser of the page opens with."""
COMPARED = 40
"""Scores that can be plotted against each other."""
MARKED = 500
"""Candidate regions that the overview marks."""
REGION_COLOUR = (90, 90, 90)
_VERSION = re.compile(r'function [\w$]+\(\)\{return"(\d+\.\d+\.\d+)"\}')
"""Where igv.js says its own version: other numbers in it are those of its parts."""
_WITHOUT = (
    "no index.html: igv.js is missing; install it with 'pip install igv-notebook', then run popscan publish again"
)


@dataclass(frozen=True)
class Page:
    """What was made.

    Parameters
    ----------
    files
        The page, where there is one, and the table of candidate regions.
    note
        A sentence on what is missing, None where nothing is.
    """

    files: tuple[Path, ...]
    note: str | None = None


@dataclass(frozen=True)
class Igv:
    """igv.js: its source, its version and its licence, the last two empty where they cannot be told."""

    source: str
    version: str
    licence: str


def find_igv(package: str = "igv_notebook") -> Igv | None:
    """Read igv.js from the installed package that brings it, without importing that; None where it is not there."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "js" / "igv.min.js"
        if path.is_file():
            source = path.read_text(encoding="utf-8")
            version = _VERSION.search(source)
            return Igv(source, version[1] if version else "", _licence(package))
    return None


def _licence(package: str) -> str:
    """Read the licence that came with igv.js: whoever passes the page on passes igv.js on too."""
    try:
        files = importlib.metadata.files(package.replace("_", "-")) or []
        return next((file.read_text() for file in files if file.name.upper().startswith("LICENSE")), "")
    except (importlib.metadata.PackageNotFoundError, OSError):
        return ""


def write_page(
    result: Result,
    tracks: Sequence[DrawnTrack],
    tiling: Tiling,
    candidates: Sequence[Candidate],
    genes: Genes | None = None,
) -> Page:
    """Write ``index.html`` and ``candidates.tsv``.

    Parameters
    ----------
    result
        The result; its tracks and calls are written already.
    tracks
        All drawn columns, in the order of the catalogue.
    tiling
        Where the windows are drawn.
    candidates
        Candidate regions, the best first.
    genes
        The annotation that names the genes of these, if any.

    Raises
    ------
    OutputError
        Where a file cannot be written.
    """
    listed = result.directory / CANDIDATES
    write_candidates(listed, result.table, candidates)
    igv = find_igv()
    if igv is None:
        (result.directory / PAGE).unlink(missing_ok=True)  # one of an earlier run would not fit this result
        return Page((listed,), _WITHOUT)
    chosen = [track for track in tracks if track.shown][:EMBEDDED]
    embedded = embed_tracks(result, tiling, chosen, candidates)
    data = page_data(result, tracks, tiling, candidates, embedded)
    data["regions"] = regions_uri(candidates, REGION_COLOUR)
    data["genes"] = genes_uri(genes)
    write_text(result.directory / PAGE, fill(result, tracks, candidates, data, igv))
    return Page((listed, result.directory / PAGE))


def page_data(
    result: Result,
    tracks: Sequence[DrawnTrack],
    tiling: Tiling,
    candidates: Sequence[Candidate],
    embedded: Embedded,
) -> dict[str, Any]:
    """Gather all that the page's scripts work with."""
    table, overview = result.table, Overview(tiling)
    columns = [_column(result, track, overview, embedded) for track in tracks]
    first = table.contig == 0
    return {
        "name": page_html.title_of(result.run),
        "sizes": contig_sizes(result.run.contigs),
        "contigs": list(table.contigs),
        "stretches": [[item.contig, item.start, item.end, item.bins] for item in overview.stretches],
        "omitted": overview.omitted,
        "columns": columns,
        "calls": _calls(result, tracks),
        "candidates": [
            [int(table.contig[item.peak]), item.region.start, item.region.end, len(item.scores)]
            for item in candidates[:MARKED]
        ],
        "first": _first(tracks),
        "bin": embedded.bin,
        "margin": int(np.median(table.end - table.start)) * 3,
        "start": [0, int(table.start[first].min()), int(table.end[first].max())],
        "agreement": _agreement(result, tracks),
    }


def _column(result: Result, track: DrawnTrack, overview: Overview, embedded: Embedded) -> dict[str, Any]:
    """Describe a column to the scripts."""
    spec = catalogue()[track.score]
    values = result.table.columns[track.column]
    return {
        "column": track.column,
        "score": track.score,
        "label": spec.label,
        "name": track.name,
        "title": track.title,
        "unit": track.unit,
        "populations": list(track.populations),
        "colour": list(track.colour),
        "negative": list(track.colour_negative),
        "axis": [track.minimum, track.maximum, track.baseline],
        "height": track.height,
        "bins": pack(overview.bins(values)),
        "limits": _limits(values, track, result.run.record),
        "uri": embedded.uris.get(track.column),
        "url": track.bigwig,
    }


def _limits(
    values: np.ndarray[Any, np.dtype[np.float64]], track: DrawnTrack, record: Mapping[str, Any]
) -> list[float | None]:
    """Give the values below and above which windows are called, None where that end is not."""
    tail = catalogue()[track.score].outliers
    known = values[np.isfinite(values)]
    if tail is None or track.calls is None or len(known) == 0:
        return [None, None]
    if tail.tail == "probable":
        return [None, recorded(record)[track.column].threshold]
    low, high = (float(bound) for bound in np.quantile(known, [tail.share, 1 - tail.share]))
    return [None if tail.tail == "high" else low, None if tail.tail == "low" else high]


def _calls(result: Result, tracks: Sequence[DrawnTrack]) -> list[dict[str, Any]]:
    """Give the calls of each score, all populations together."""
    found = []
    for score in dict.fromkeys(track.score for track in tracks):
        columns = [track for track in tracks if track.score == score]
        uri = calls_uri(result.directory, columns)
        if uri is not None:
            found.append({"score": score, "name": f"{catalogue()[score].label} calls", "uri": uri})
    return found


def _first(tracks: Sequence[DrawnTrack]) -> list[str]:
    """Choose the scores that the browser opens with: as many as fit, each with all its populations."""
    chosen: list[str] = []
    number = 0
    for score in dict.fromkeys(track.score for track in tracks if track.shown):
        size = sum(track.score == score for track in tracks)
        if not chosen or number + size <= AT_FIRST:
            chosen.append(score)
            number += size
    return chosen


def _agreement(result: Result, tracks: Sequence[DrawnTrack]) -> dict[str, Any]:
    """Give the points of the scatter plot, and rank correlations of all pairs of scores."""
    chosen = [track for track in tracks if track.shown][:COMPARED]
    table = result.table
    ranked, points = evenly(len(table), RANKED), evenly(len(table), POINTS)
    matrix = spearman([table.columns[track.column][ranked] for track in chosen])
    return {
        "columns": [track.column for track in chosen],
        "windows": len(table),
        "ranked": len(ranked),
        "rho": [[round(float(value), 3) for value in row] for row in matrix],
        "points": [pack(table.columns[track.column][points]) for track in chosen],
        "places": [
            [int(table.contig[row]), int(table.start[row]), int(table.end[row])] for row in points
        ],
    }  # fmt: skip


def fill(
    result: Result, tracks: Sequence[DrawnTrack], candidates: Sequence[Candidate], data: dict[str, Any], igv: Igv
) -> str:
    """Put everything into the template."""
    accounts = page_html.read_accounting(result.directory / "accounting.tsv")
    records, windows = accounts["records"], accounts["windows"]
    used = sum(counts["sites"] for counts in records.values()) if records else None
    scores = [(score, catalogue()[score].label) for score in dict.fromkeys(track.score for track in tracks)]
    columns = data["agreement"]["columns"]
    names = {track.column: track.name for track in tracks}
    parts = {
        "title": escape(page_html.title_of(result.run)),
        "version": escape(__version__),
        "contact": _contact(result.run.email),
        "facts": page_html.facts(result, used),
        "statistics": page_html.options(scores),
        "second": page_html.options([("", "nothing else"), *scores]),
        "compared": page_html.options([(column, names[column]) for column in columns]),
        "count": f"{len(candidates):,}",
        "listed": f"{min(len(candidates), page_html.LISTED):,}",
        "head": page_html.candidate_head(tracks, genes=result.run.genes is not None),
        "rows": page_html.candidate_rows(result, tracks, candidates),
        "records": page_html.records_table(records) if records else "",
        "windows": page_html.windows_table(result.run, windows) if windows else "",
        "opening": page_html.opening(result.directory),
        "igv_version": escape(igv.version),
        "igv_licence": escape(igv.licence.strip()),
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "igv": for_script(igv.source),
        "script": for_script("\n".join((PARTS / name).read_text(encoding="utf-8") for name in SCRIPTS)),
        "data": for_json(data),
    }
    return Template((PARTS / "page.html").read_text(encoding="utf-8")).substitute(parts)


def _contact(email: str | None) -> str:
    """Write whom to ask, where somebody is named."""
    return "" if email is None else f' · <a href="mailto:{escape(email)}">{escape(email)}</a>'


def for_script(source: str) -> str:
    r"""Keep a script from ending, or beginning, an element of HTML; in its strings the backslash means nothing.

    Examples
    --------
    >>> for_script("s = '</script><!--'")
    "s = '<\\/script><\\!--'"
    """
    return re.sub(r"<(/script|!--)", r"<\\\1", source, flags=re.IGNORECASE)


def for_json(data: object) -> str:
    """Write JSON that may stand inside a script element, whatever names it holds."""
    text = json.dumps(page_html.plain(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
