"""A UCSC track hub: one file of stanzas, a page for each track, and the tracks themselves.

The statistics of a population make a composite, and so do its calls; pairs and trios of populations have composites in
which one chooses by statistic and by populations. Overlays show the populations of one statistic in one graph. Settings
are those of https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from scanner.browser.assembly import Assembly, fasta_lengths, is_taken
from scanner.browser.drawn import Colour, DrawnTrack
from scanner.browser.hub_files import HUB, hub_file, hub_name
from scanner.browser.hub_layout import (
    PALETTE,
    Composite,
    Member,
    Overlay,
    choose,
    composites,
    find_overlays,
    first_overlays,
)
from scanner.browser.hub_pages import about_page, calls_page, container_page, track_page, windows_text
from scanner.browser.labels import Labels
from scanner.browser.stanza import Stanza, spell
from scanner.browser.twobit import write_twobit
from scanner.catalogue import tracks as catalogue
from scanner.files import write_text
from scanner.regions import Region
from scanner.result import Result

HUB_FILE = f"{HUB}/hub.txt"
NO_CONTACT = "no-contact-given@example.org"
"""UCSC opens no hub without an address: this one stands where the user gave none, and reaches nobody."""
GROUP = "popscan"
BIGBED = "bigBed 9 +"


def write_hub(result: Result, tracks: Sequence[DrawnTrack], assembly: Assembly | None) -> list[Path]:
    """Write a hub around the track files that `hub_files` has put there.

    Parameters
    ----------
    result
        The result folder.
    tracks
        All columns drawn, in the order in which browsers show them.
    assembly
        What the hub is for; None: there can be none, and an earlier one goes.

    Returns
    -------
    All files of the hub, ``hub.txt`` last; none where nothing can be shown on the contigs that it has.

    Raises
    ------
    OutputError
        Where a file cannot be written.
    InputError
        Where the sequence of an assembly hub cannot be read or is too long.
    """
    folder = result.directory / HUB
    if assembly is None:
        remove_others(folder, [])
        return []
    there = [track for track in tracks if (folder / hub_file(assembly, track.column, ".bw")).is_file()]
    hub = _Hub(result, assembly)
    hub.fill(there)
    written = [folder / url for url in hub.urls]
    if there and assembly.fasta is not None:
        written += _write_genome(folder, assembly, assembly.fasta)
    for name, page in hub.pages.items() if there else ():
        written.append(folder / name)
        write_text(written[-1], page)
    if there:
        written.append(folder / "hub.txt")
        write_text(written[-1], spell([hub.head(), hub.genome(), *hub.stanzas]))
    remove_others(folder, written)
    return written


def remove_others(folder: Path, written: Sequence[Path]) -> None:
    """Remove what an earlier hub left in its folder: a page or a track of it would be taken for one of this run."""
    keep = set(written)
    for path in [*sorted(folder.rglob("*"), reverse=True), folder] if folder.is_dir() else []:
        if path.is_file() and path not in keep and path.suffix in (".txt", ".html", ".bw", ".bb", ".2bit"):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _write_genome(folder: Path, assembly: Assembly, fasta: Path) -> list[Path]:
    """Write the sequence of an assembly hub, and the one group that its tracks stand in."""
    sequence, groups = folder / assembly.name / f"{assembly.name}.2bit", folder / "groups.txt"
    write_twobit(sequence, fasta, {name: length for name, length in fasta_lengths(fasta).items() if is_taken(name)})
    write_text(groups, spell([{"name": GROUP, "label": "popscan", "priority": "1", "defaultIsClosed": "0"}]))
    return [sequence, groups]


class _Hub:
    """Collects the stanzas of a hub, and the pages that they name."""

    def __init__(self, result: Result, assembly: Assembly) -> None:
        self.result, self.assembly = result, assembly
        self.labels = Labels()
        self.stanzas: list[Stanza] = []
        self.pages = {"about.html": about_page(result, assembly.name, assembly.left_out(result.table.contigs))}
        self.urls: list[str] = []

    def head(self) -> Stanza:
        """Say what the hub is and whom to ask."""
        vcf = (self.result.run.record.get("inputs") or {}).get("vcf") or {}
        name = PurePath(str(vcf.get("path", ""))).name.split(".")[0]
        return {
            "hub": "popscan",
            "shortLabel": Labels().short(f"popscan {name}"),
            "longLabel": Labels().long(f"popscan {name}: statistics in {windows_text(self.result.run)}"),
            "useOneFile": "on",
            "email": self.result.run.email or NO_CONTACT,
            "descriptionUrl": "about.html",
        }

    def genome(self) -> Stanza:
        """Name the genome, and of one that UCSC does not have all that it must know."""
        name, names, table = self.assembly.name, self.assembly.names, self.result.table
        if self.assembly.fasta is None:
            return {"genome": name}
        code = next(at for at, contig in enumerate(table.contigs) if contig in names)
        here = table.contig == code
        locus = Region(names[table.contigs[code]], int(table.start[here].min()), int(table.end[here].max()))
        return {
            "genome": name,
            "twoBitPath": f"{name}/{name}.2bit",
            "groups": "groups.txt",
            "description": self.assembly.fasta.name,
            "organism": name,
            "scientificName": name,  # what species it is, nobody has said
            "defaultPos": str(locus),
            "orderKey": "1",
            "htmlPath": "about.html",
        }

    def fill(self, tracks: Sequence[DrawnTrack]) -> None:
        """Add all tracks: overlays first, then the composites of values and of calls."""
        overlays = find_overlays(tracks)
        open_ones = first_overlays(overlays)
        if overlays:
            text = "Graphs that show several tracks at once"
            members = [track for overlay in overlays for track in overlay.tracks]
            settings = {"superTrack": "on show", **self._label("Overlays", text)}
            self._add("overlays", settings, container_page(self.result, "Overlays", text, members))
        for overlay in overlays:
            self._add_overlay(overlay, shown=overlay in open_ones)
        folder = self.result.directory / HUB
        called = [t for t in tracks if (folder / hub_file(self.assembly, t.column, ".bb")).is_file()]
        for composite in composites(choose(tracks, called, open_ones)):
            self._add_composite(composite)

    def _add(self, name: str, settings: Stanza, page: str | None) -> None:
        """Add a stanza and its page; tracks come in the order in which they are added."""
        stanza = {"track": name, **settings, "priority": str(len(self.stanzas) + 1)}
        if page is not None:
            self.pages[f"html/{name}.html"] = page
            stanza["html"] = f"html/{name}.html"
        if self.assembly.fasta is not None and "parent" not in settings:
            stanza["group"] = GROUP
        self.stanzas.append(stanza)

    def _label(self, short: str, long: str) -> Stanza:
        return {"shortLabel": self.labels.short(short), "longLabel": self.labels.long(long)}

    def _url(self, track: DrawnTrack, suffix: str) -> Stanza:
        url = hub_file(self.assembly, track.column, suffix)
        if url not in self.urls:
            self.urls.append(url)
        return {"bigDataUrl": url}

    def _add_overlay(self, overlay: Overlay, *, shown: bool) -> None:
        """Add a graph of several columns, on the axis that holds all of theirs."""
        low, high = min(t.minimum for t in overlay.tracks), max(t.maximum for t in overlay.tracks)
        first = overlay.tracks[0]
        settings = {
            "parent": "overlays", "container": "multiWig", "aggregate": "transparentOverlay",
            "showSubtrackColorOnUi": "on", "visibility": "full" if shown else "hide",
            **self._label(overlay.label, overlay.title), **_graph(low, high, first.baseline, first.height),
            "type": f"bigWig {low:.6g} {high:.6g}", "graphTypeDefault": "points",
        }  # fmt: skip
        page = container_page(self.result, overlay.title, "One colour each, on one axis", overlay.tracks)
        self._add(overlay.name, settings, page)
        for colour, track in zip(PALETTE, overlay.tracks, strict=False):
            where = "/".join(track.populations) or "all samples"
            label = {
                "shortLabel": self.labels.short(f"{where}: {catalogue()[track.score].label}"),
                "longLabel": self.labels.long(f"{track.name} in the overlay {overlay.label}"),
            }
            url = self._url(track, ".bw") | {"html": f"html/{hub_name(track.column)}.html"}
            child = {"parent": overlay.name, "type": self._type(track), **label, **url, "color": _rgb(colour)}
            self._add(f"{overlay.name}__{hub_name(track.column)}", child, None)

    def _type(self, track: DrawnTrack) -> str:
        """Give a bigWig's type with the range of its values."""
        values = self.result.table.columns[track.column].astype(np.float32)
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        if low >= high:
            low, high = track.minimum, track.maximum
        return f"bigWig {low:.6g} {high:.6g}"

    def _add_composite(self, composite: Composite) -> None:
        """Add a composite of values or of calls, and what it holds."""
        calls, tracks = composite.calls, [member.track for member in composite.members]
        title = f"{composite.title}: {'calls' if calls else 'statistics'} in {windows_text(self.result.run)}"
        opened = "dense" if calls else "full"
        settings = {
            "compositeTrack": "on", "type": BIGBED if calls else "bigWig",
            "shortLabel": self.labels.short(composite.label, (), "calls" * calls),
            "longLabel": self.labels.long(title), "allButtonPair": "on",
            "visibility": opened if any(member.shown for member in composite.members) else "hide",
            **composite.subgroups(),
        }  # fmt: skip
        text = "Windows that are extreme within the genome." if calls else "Each track has a page of its own."
        self._add(composite.name, settings, container_page(self.result, title, text, tracks))
        for member in composite.members:
            self._add_member(composite, member)

    def _add_member(self, composite: Composite, member: Member) -> None:
        """Add the values or the calls of one column."""
        track, spec = member.track, catalogue()[member.track.score]
        where = "/".join(track.populations) or "All samples"
        settings = {
            "parent": f"{composite.name} {'on' if member.shown else 'off'}",
            "shortLabel": self.labels.short(spec.label, track.populations, "calls" * member.calls),
            "longLabel": self.labels.long(f"{where}: {'calls of ' * member.calls}{track.title}"),
            "subGroups": composite.membership(track),
        }
        if member.calls:
            settings |= {"type": BIGBED, "itemRgb": "on", "noScoreFilter": "on", **self._url(track, ".bb")}
            self._add(member.name, settings, calls_page(self.result, track))
        else:
            colours = {"color": _rgb(track.colour), "altColor": _rgb(track.colour_negative)}
            graph = _graph(track.minimum, track.maximum, track.baseline, track.height)
            settings |= {"type": self._type(track), **self._url(track, ".bw"), **colours, **graph}
            self._add(member.name, settings, track_page(self.result, track))


def _graph(low: float, high: float, baseline: float, height: int) -> Stanza:
    """Give the settings of a graph."""
    line = {"yLineMark": f"{baseline:.6g}", "yLineOnOff": "on"} if low < baseline < high else {}
    limits = {"autoScale": "off", "viewLimits": f"{low:.6g}:{high:.6g}", "maxHeightPixels": f"128:{height}:16"}
    return {**limits, "windowingFunction": "mean", **line}


def _rgb(colour: Colour) -> str:
    return ",".join(map(str, colour))
