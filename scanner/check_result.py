"""Everything that is wrong with a result folder: each of its files is read again and compared with the scores.

Files that popscan does not write are passed over.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import numpy as np

from scanner import demography, publish
from scanner.bgzf import find_index, open_tabix
from scanner.browser.bed import call_lines
from scanner.browser.bigwig import crashing, first_difference
from scanner.browser.hub_files import HUB
from scanner.browser.jbrowse import CONFIG, uris
from scanner.browser.page import CANDIDATES, PAGE
from scanner.calls import rule
from scanner.catalogue import tracks
from scanner.check import Finding
from scanner.check_hub import check_hub, contents
from scanner.check_tables import check_accounts, check_tables
from scanner.errors import InputError, PopscanError
from scanner.regions import is_whole, match_contig, shortlist
from scanner.result import RUN, TABLE, Result, load

AGAIN, SCAN = "run popscan publish", "run popscan scan again"
Findings = Iterator[Finding]


def check_result(directory: Path) -> list[Finding]:
    """Read a result folder again, every file of it, and compare all with the scores.

    Parameters
    ----------
    directory
        The folder.

    Returns
    -------
    Findings, in the order in which they were made: ``error`` for what is missing, damaged or not what the scores say,
    ``warning`` for what has yet to be made.
    """
    try:
        result = load(directory)
    except PopscanError as error:
        return [Finding("error", str(error))]
    published, harmed = _is_published(directory), crashing(_binaries(directory))
    steps = [check_tables, check_accounts, _check_histories, *(_BROWSERS if published and not harmed else ())]
    found = [finding for step in steps for finding in _attempt(step, result)]
    found += [Finding("error", f"{path} is damaged: {AGAIN}, then check again") for path in harmed]
    if not published:
        found.append(Finding("warning", f"{directory} has no browser files yet: {AGAIN}"))
    return found


def _attempt(step: Callable[[Result], Findings], result: Result) -> Findings:
    """Take a step; where it cannot go on, that is a finding."""
    try:
        yield from step(result)
    except PopscanError as error:
        yield Finding("error", str(error))
    except OSError as error:
        yield Finding("error", f"{error.filename or result.directory} cannot be read: {error.strerror or error}")


def _binaries(directory: Path) -> list[Path]:
    """List all bigWigs and bigBeds."""
    return [path for name in ("tracks", "calls", HUB) for path in sorted((directory / name).rglob("*.b[wb]"))]


def _is_published(directory: Path) -> bool:
    """Tell whether any browser file is there."""
    return any((directory / name).exists() for name in ("tracks", "calls", publish.SESSION, CONFIG))


def _check_histories(result: Result) -> Findings:
    """Join the windows of every population anew, and compare the histories with the demes files."""
    found = demography.joined(result.run.record, result.table)
    known = {history.file for history in found}
    strange = sorted(path.name for path in result.directory.glob(demography.FILES) if path.name not in known)
    for name in strange:
        yield Finding("error", f"{result.directory / name} is the history of no population of {RUN}: {SCAN}")
    for history in found:
        path = result.directory / history.file
        if not path.is_file():
            yield Finding("error", f"{path} is missing: {SCAN}")
        elif path.read_text(encoding="utf-8", errors="replace") != history.as_demes():
            yield Finding("error", f"{path} is not the history that {TABLE} tells: {SCAN}")
        else:
            yield Finding("good", f"{history.file}: the history that {history.windows:,} windows tell")


def _check_tracks(result: Result) -> Findings:
    """Compare every bigWig with its column: values in all drawn windows, gaps in all others."""
    tiling, sound, faulty = publish.tiling(result.run, result.table), 0, 0
    for score in publish.drawable(result.run):
        path = result.directory / "tracks" / f"{score.column}.bw"
        values = result.table.columns[score.column]
        drawn = bool(np.isfinite(values.astype(np.float32)[tiling.end > tiling.start]).any())
        fault = _fault_of_file(path, drawn, partial(first_difference, path, tiling, values))
        if fault is not None:
            yield Finding("error", fault)
        faulty += fault is not None
        sound += drawn and fault is None
    if not faulty:
        yield Finding("good", f"tracks: {sound:,} bigWigs equal {TABLE} in every window, gaps included")


def _fault_of_file(path: Path, expected: bool, compare: Callable[[], str | None]) -> str | None:
    """Find what is wrong with a file that is expected, or not."""
    if not path.is_file():
        return f"{path} is missing: {AGAIN}" if expected else None
    if not expected:
        return f"{path} shows what {TABLE} does not hold: {AGAIN}"
    try:
        difference = compare()
    except PopscanError as error:
        return str(error)
    return None if difference is None else f"{path} differs from {TABLE}: {difference}; {AGAIN}"


def _check_calls(result: Result) -> Findings:
    """Compare every BED with the calls of its column, read directly and through its index."""
    tiling, table, catalogue = publish.tiling(result.run, result.table), result.table, tracks()
    sound, faulty = 0, 0
    for score in publish.drawable(result.run):
        spec = catalogue[score.name]
        if spec.outliers is None:
            continue
        values = table.columns[score.column]
        found = rule(result.run.record, table, score, spec.outliers).find(table.contig, table.start, table.end, values)
        names = [name for name, _ in tiling.contigs]
        lines = call_lines(names, found, spec.label, publish.call_colours(spec))
        path = result.directory / "calls" / f"{score.column}.bed.gz"
        fault = _fault_of_file(path, bool(lines), partial(_bed_difference, path, lines, result.run.contigs))
        if fault is not None:
            yield Finding("error", fault)
        faulty += fault is not None
        sound += bool(lines) and fault is None
    if not faulty:
        yield Finding("good", f"calls: {sound:,} BED files are the outliers of {TABLE}, sorted and indexed")


def _bed_difference(path: Path, wanted: list[str], lengths: dict[str, int]) -> str | None:
    """Say where a BED of calls differs first from what it shall hold."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
            lines = stream.read().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): {AGAIN}") from error
    fault = _bed_fault(lines, lengths)
    if fault is not None:
        return fault
    for number, (line, want) in enumerate(zip(lines, wanted, strict=False), 1):
        if line != want:
            return f"line {number} is '{_spelled(line)}', not '{_spelled(want)}'"
    if len(lines) != len(wanted):
        return f"it has {len(lines):,} calls, not {len(wanted):,}"
    if _through_index(path) != lines:
        return "its index gives other lines than the file has"
    return _bigbed_difference(path.with_name(path.name.removesuffix(".bed.gz") + ".bb"), lines)


def _bigbed_difference(path: Path, lines: list[str]) -> str | None:
    """Compare the bigBed beside a BED with it: the nine columns that both have."""
    if not path.is_file():
        return f"{path.name} beside it is missing"
    rows = [(name, *row) for name, rows in contents(path).items() for row in rows]
    found = ["\t".join([name, str(start), str(end), *rest.split("\t")[:6]]) for name, start, end, rest in rows]
    return None if sorted(found) == sorted(lines) else f"{path.name} beside it has other calls"


def _bed_fault(lines: list[str], lengths: dict[str, int]) -> str | None:
    """Find what no BED9 of calls may have: lines out of order, bounds outside the contig, scores above 1000."""
    last: tuple[bytes, int] | None = None
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) != 9 or not all(is_whole(fields[at]) for at in (1, 2, 4)):
            return f"line {number} is no BED9: '{_spelled(line)}'"
        start, end, place = int(fields[1]), int(fields[2]), (fields[0].encode(), int(fields[1]))
        if last is not None and place < last:
            return f"it is not sorted: line {number} belongs before line {number - 1}"
        if not start < end <= lengths.get(fields[0], 0):
            return f"line {number} lies outside the contig: '{_spelled(line)}'"
        if int(fields[4]) > 1000:
            return f"line {number} has the score {fields[4]}, above 1000"
        last = place
    return None


def _spelled(line: str) -> str:
    """Spell a line of tab-separated text on one line of the report."""
    return line.replace("\t", " ")


def _through_index(path: Path) -> list[str]:
    """Read a BED contig by contig through its index."""
    index = find_index(path)
    if index is None:
        raise InputError(f"{path} has no index (.tbi or .csi): {AGAIN}")
    try:
        with open_tabix(path, index) as file:
            return [line for name in sorted(file.contigs, key=str.encode) for line in file.fetch(name)]
    except (OSError, ValueError) as error:
        raise InputError(f"{index} is damaged ({error}): {AGAIN}") from error


def _check_session(result: Result) -> Findings:
    """Read IGV's session: every file that it names is there, every track has its file, regions lie in their contigs."""
    path = result.directory / publish.SESSION
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        yield Finding("error", f"{path} is missing: {AGAIN}")
        return
    except ElementTree.ParseError as error:
        yield Finding("error", f"{path} is no well-formed XML ({error}): {AGAIN}")
        return
    resources = [item.get("path", "") for item in root.iter("Resource")]
    drawn = [item.get("id", "") for item in root.iter("Track")]
    genome = root.get("genome", "")
    named = [*resources, genome] if "/" in genome else resources  # an id of IGV's is no path
    faults = [f"names {name}, which is not there" for name in named if not (result.directory / name).is_file()]
    faults += [f"has a track {name} without a file" for name in sorted(set(drawn) - set(resources))]
    faults += [f"loads {name} but draws no track of it" for name in sorted(set(resources) - set(drawn))]
    for item in root.iter("Region"):
        name, start, end = (item.get(field, "") for field in ("chromosome", "start", "end"))
        contig = match_contig(name, result.run.contigs)  # IGV may call it chr20 where the VCF says 20
        inside = is_whole(start) and is_whole(end) and contig is not None
        if not inside or not int(start) < int(end) <= result.run.contigs[contig or ""]:
            faults.append(f"has a region {name}:{start}-{end} outside the contigs")
    yield from (Finding("error", f"{path} {fault}: {AGAIN}") for fault in faults)
    if not faults:
        yield Finding("good", f"{publish.SESSION}: {len(drawn):,} tracks, each with its file")


def _check_jbrowse(result: Result) -> Findings:
    """Read JBrowse's configuration: files that it names are there, the session shows tracks that it has."""
    path = result.directory / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        known = [track["trackId"] for track in config["tracks"]]
        shown = [name for view in config["defaultSession"]["views"] for name in view["init"]["tracks"]]
    except FileNotFoundError:
        yield Finding("error", f"{path} is missing: {AGAIN}")
        return
    except (ValueError, KeyError, TypeError) as error:
        yield Finding("error", f"{path} is damaged ({type(error).__name__}: {error}): {AGAIN}")
        return
    local = [unquote(uri) for uri in uris(config) if not urlsplit(uri).scheme]
    absent = sorted({name for name in local if not (result.directory / name).is_file()})
    strange = sorted(set(shown) - set(known))
    if absent:
        yield Finding("error", f"{path} names files that are not there ({shortlist(absent)}): {AGAIN}")
    if strange or len(set(known)) != len(known):
        yield Finding("error", f"{path} shows tracks that it does not have, or has some twice: {AGAIN}")
    if not absent and not strange:
        yield Finding("good", f"{CONFIG}: {len(known):,} tracks, each with its files")


def _check_page(result: Result) -> Findings:
    """Read the table of candidate regions, and find the page whole."""
    path, page = result.directory / CANDIDATES, result.directory / PAGE
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        places = [(row[1], int(row[2]), int(row[3])) for row in rows]
    except FileNotFoundError:
        yield Finding("error", f"{path} is missing: {AGAIN}")
        return
    except (ValueError, IndexError) as error:
        yield Finding("error", f"{path} is damaged ({error}): {AGAIN}")
        return
    if any(not 0 <= start < end <= result.run.contigs.get(name, 0) for name, start, end in places):
        yield Finding("error", f"{path} has regions outside the contigs: {AGAIN}")
    elif not page.is_file():
        yield Finding("warning", f"{page} is missing: install igv-notebook, then {AGAIN}")
    elif not page.read_bytes().rstrip().endswith(b"</html>"):
        yield Finding("error", f"{page} is cut off: {AGAIN}")
    else:
        yield Finding("good", f"{PAGE}: there, with {len(places):,} candidate regions")


_BROWSERS: tuple[Callable[[Result], Findings], ...] = (
    _check_tracks,
    _check_calls,
    _check_session,
    check_hub,
    _check_jbrowse,
    _check_page,
)
