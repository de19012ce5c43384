"""The pages that explain a hub's tracks: what the catalogue says, and what is true of this run only."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import Any

from scanner.browser.drawn import DrawnTrack
from scanner.catalogue import tracks as catalogue
from scanner.discovery import Discovery, recorded
from scanner.regions import shortlist
from scanner.result import Result, Run

_BEFORE = "<h2>References</h2>"
_TAILS = {"low": "lowest", "high": "highest", "both": "lowest and highest"}
Rows = list[tuple[str, str]]


def windows_text(run: Run) -> str:
    """Tell the windows of a run.

    Examples
    --------
    >>> windows_text(Run({}, "bp", 50_000, 10_000, (), None)), windows_text(Run({}, "bed", None, None, (), None))
    ('windows of 50,000 bp every 10,000 bp', 'windows from a BED file')
    """
    if run.window is None or run.step is None:
        return "windows from a BED file"
    unit = "bp" if run.kind == "bp" else "SNPs"
    return f"windows of {run.window:,} {unit} every {run.step:,} {unit}"


def track_page(result: Result, track: DrawnTrack) -> str:
    """Explain the track of one score.

    Parameters
    ----------
    result
        Whose run it is.
    track
        The column drawn.

    Returns
    -------
    ASCII, an HTML fragment as UCSC puts into its own page.
    """
    text = track.description.read_text(encoding="utf-8")
    before, heading, after = text.partition(_BEFORE)
    rows = [("Track", track.name), *_populations(result.run, track.populations)]
    rows += [("Unit", track.unit)] if track.unit else []
    rows += [("Axis", f"{track.minimum:.6g} to {track.maximum:.6g}")]
    return _ascii(before + _run(result, rows) + _credits(result.run) + heading + after)


def calls_page(result: Result, track: DrawnTrack) -> str:
    """Explain the calls of one score."""
    outliers = catalogue()[track.score].outliers
    if outliers is not None and outliers.tail == "probable":
        return _ascii(_probable_text(track, recorded(result.run.record).get(track.column)) + _calls_end(result, track))
    which = "" if outliers is None else f": the {_TAILS[outliers.tail]} {outliers.share:.3g} of them"
    text = f"""<h2>Description</h2>
<p>Calls of {escape(track.name)} mark the windows whose value is extreme among those of the whole scan{which}. Windows
that overlap or touch are joined. A call is the tail of a distribution, not a test: some windows are always extreme.</p>

<h2>Display conventions</h2>
<p>Colours tell the low from the high end of the distribution, as in the track of the values. The thick part is the most
extreme window; the name tells its value; the score goes from 0 at the genome's median to 1000 at its most extreme
window. A click shows the end of the distribution and the number of windows joined.</p>

"""
    return _ascii(text + _calls_end(result, track))


def _probable_text(track: DrawnTrack, found: Discovery | None) -> str:
    """Explain calls of probabilities."""
    how = ""
    if found is not None and found.threshold is not None:
        how = (
            f" The level of this scan is {found.level:.3g}, at which windows are called from a probability of "
            f"{found.threshold:.6g} on: {found.called:,} of {found.windows:,} windows have it, and "
            f"{len(found.above):,} of {found.null:,} simulated ones."
        )
    return f"""<h2>Description</h2>
<p>Calls of {escape(track.name)} mark the most probable windows: as many as can be called at a false-discovery level, as
simulations where there is nothing to be found say how often windows are that probable.{how} Windows that overlap or
touch are joined to regions.</p>

<h2>Display conventions</h2>
<p>The thick part is the most probable window; the name tells its probability, and the score is 1000 times that. A click
shows the class, the probability, the size of the region and the smallest false-discovery rate at which its best window
is called. Grey calls are doubtful: the window with its surroundings is unlike the simulations that the network was
trained on.</p>

"""


def _calls_end(result: Result, track: DrawnTrack) -> str:
    """Say where a score is explained, and whose run it is."""
    text = f"""<h2>Methods</h2>
<p>{escape(track.title)}: see the page of the track {escape(track.name)} for the definition and its references.</p>
"""
    rows = [("Track", f"{track.name}, calls"), *_populations(result.run, track.populations)]
    return text + _run(result, rows) + _credits(result.run)


def container_page(result: Result, title: str, text: str, members: Sequence[DrawnTrack]) -> str:
    """Explain what several tracks have in common, and name them.

    Parameters
    ----------
    result
        Whose run it is.
    title, text
        What the container is called, and one sentence about it; plain text.
    members
        What it holds.
    """
    items = "".join(f"<li>{escape(track.name)}: {escape(track.title)}</li>\n" for track in members)
    body = f"<h2>Description</h2>\n<p>{escape(title)}. {escape(text)}</p>\n<ul>\n{items}</ul>\n"
    return _ascii(body + _run(result, []) + _credits(result.run))


def about_page(result: Result, genome: str, left_out: Sequence[str]) -> str:
    """Explain the hub."""
    rows = [("Genome", genome), *_populations(result.run, list(result.run.record.get("populations", {})))]
    if left_out:
        rows.append(("Contigs not shown, for the browser has none of such names", shortlist(left_out)))
    text = """<h2>Description</h2>
<p>Statistics of genetic variation in windows along the genome, by popscan. Each track has a page that explains its
score.</p>
"""
    return _ascii(text + _run(result, rows) + _credits(result.run))


def _run(result: Result, rows: Rows) -> str:
    """Tell the facts of the run as a table."""
    record, table = result.run.record, result.table
    facts = [*rows, ("Windows", f"{windows_text(result.run)}; {len(table):,} in all")]
    vcf = _entry(record, "inputs", "vcf", "path")
    if vcf is not None:
        facts.append(("Variants", PurePath(str(vcf)).name))
    if isinstance(record.get("command"), list):
        facts.append(("Command", " ".join(_without_folders(str(word)) for word in record["command"])))
    known = [(name, record.get(name.lower())) for name in ("Finished", "popscan")]
    facts += [(name, str(value)) for name, value in known if value is not None]
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>\n" for name, value in facts)
    return f"\n<h2>This run</h2>\n<table>\n{cells}</table>\n\n"


def _without_folders(word: str) -> str:
    """Keep from paths what concerns the reader of a public page."""
    option, equals, path = word.rpartition("=")
    return f"{option}{equals}{PurePath(path).name or path}" if "/" in path else word


def _credits(run: Run) -> str:
    """Say whom to ask."""
    if run.email is None:
        contact = "Whoever made these tracks gave no address."
    else:
        address = escape(" ".join(run.email.split()))
        contact = f'Questions about these tracks go to <a href="mailto:{address}">{address}</a>.'
    return f"<h2>Credits</h2>\n<p>Made with popscan. {contact}</p>\n\n"


def _populations(run: Run, names: Sequence[str]) -> Rows:
    """Tell the populations of a track and their sizes."""
    sizes = run.record.get("populations", {})
    counted = [f"{name} ({sizes[name]:,} haplotypes)" if name in sizes else name for name in names]
    return [("Population" if len(names) == 1 else "Populations", ", ".join(counted))] if counted else []


def _entry(record: dict[str, Any], *names: str) -> Any:
    """Look up a nested entry that need not be there."""
    found: Any = record
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _ascii(text: str) -> str:
    """Write other letters as references: UCSC does not ask in which encoding a page is."""
    return text.encode("ascii", "xmlcharrefreplace").decode()
