"""An IGV desktop session: every track with its colours, its axis and its place, by relative paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from scanner.browser.drawn import Colour, DrawnTrack
from scanner.files import write_text
from scanner.regions import Region

CALLS_HEIGHT = 14
"""Pixels of a track of calls: one row without names, which IGV gives on a click."""
SMALLEST_BOUND = 0.01
"""IGV prints two decimals beside the axis: where no bound reaches this, the track's name gives the axis."""


def write_chrom_sizes(path: Path, lengths: Mapping[str, int]) -> None:
    """Write contig names and lengths: all that IGV needs of a genome to draw tracks, and needs no network.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    write_text(path, "".join(f"{name}\t{length}\n" for name, length in lengths.items()))


def write_session(
    path: Path,
    genome: str,
    locus: Region,
    tracks: Sequence[DrawnTrack],
    regions: Sequence[tuple[Region, str]] = (),
) -> None:
    """Write a session for IGV desktop.

    Parameters
    ----------
    path
        Place of the session; paths of tracks are relative to its folder.
    genome
        A genome id of IGV (which IGV fetches from the network), or the path of a FASTA or of a ``.chrom.sizes`` file,
        relative to the session's folder or absolute.
    locus
        What is shown at first.
    tracks
        From top to bottom.
    regions
        Regions of interest and what to say of each, in the order in which IGV's Region Navigator lists them.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    root = ElementTree.Element("Session", genome=genome, locus=str(locus), version="8")
    resources = ElementTree.SubElement(root, "Resources")
    panel = ElementTree.SubElement(root, "Panel", name="DataPanel")
    for track in tracks:
        ElementTree.SubElement(resources, "Resource", path=track.bigwig, type="bw", name=track_name(track))
        _add_scores(panel, track)
        if track.calls is not None:
            name = f"{track.name} calls"
            # No index attribute: IGV takes it for a path of its own and finds the index beside the file without it.
            ElementTree.SubElement(resources, "Resource", path=track.calls, type="bed", name=name)
            # No colour either: it would replace those of the calls. -1: shown however far one zooms out.
            ElementTree.SubElement(
                panel, "Track", clazz="org.broad.igv.track.FeatureTrack", id=track.calls, name=name,
                displayMode="SQUISHED", featureVisibilityWindow="-1", fontSize="10", height=str(CALLS_HEIGHT),
                visible="true",
            )  # fmt: skip
    if regions:
        _add_regions(root, regions)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(path, f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{text}\n')


def _add_regions(root: ElementTree.Element, regions: Sequence[tuple[Region, str]]) -> None:
    """Add regions of interest, which IGV counts from 0 as a BED does."""
    listed = ElementTree.SubElement(root, "Regions")
    for region, text in regions:
        ElementTree.SubElement(
            listed, "Region", chromosome=region.contig, start=str(region.start), end=str(region.end), description=text
        )


def _add_scores(panel: ElementTree.Element, track: DrawnTrack) -> None:
    """Add a bigWig as a bar chart with a fixed axis."""
    item = ElementTree.SubElement(
        panel, "Track", clazz="org.broad.igv.track.DataSourceTrack", id=track.bigwig, name=track_name(track),
        color=_rgb(track.colour), altColor=_rgb(track.colour_negative), autoScale="false", fontSize="10",
        height=str(track.height), renderer="BAR_CHART", visible="true", windowFunction="mean",
    )  # fmt: skip
    ElementTree.SubElement(
        item, "DataRange", baseline=f"{track.baseline:.9g}", drawBaseline="true", flipAxis="false",
        minimum=f"{track.minimum:.9g}", maximum=f"{track.maximum:.9g}", type="LINEAR",
    )  # fmt: skip


def track_name(track: DrawnTrack) -> str:
    """Name a track, with its axis where IGV would print that as zero: ``pi [0 to 0.0016]``."""
    if max(abs(track.minimum), abs(track.maximum)) >= SMALLEST_BOUND:
        return track.name
    if track.minimum == -track.maximum:
        return f"{track.name} [±{track.maximum:.3g}]"
    return f"{track.name} [{track.minimum:.3g} to {track.maximum:.3g}]"


def _rgb(colour: Colour) -> str:
    """Write a colour as IGV reads it."""
    return ",".join(str(part) for part in colour)
