"""JBrowse 2: a configuration with every track, to be opened by its address in any JBrowse of version 3 or later.

The slots are those of JBrowse's configuration guide (https://jbrowse.org/jb2/docs/config_guide). Every address in it is
relative to the configuration itself, so the folder can be moved and served as a whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scanner.browser.drawn import Colour, DrawnTrack
from scanner.browser.igv import CALLS_HEIGHT
from scanner.files import write_text
from scanner.regions import Region
from scanner.result import Result

CONFIG = "jbrowse_config.json"
ROW_HEIGHT = 60
"""Pixels of each population in a track that shows several."""

BED9 = ("chrom", "chromStart", "chromEnd", "name", "score", "strand", "thickStart", "thickEnd", "itemRgb")
"""Columns of the calls; JBrowse would guess only the first six, and not find the colour."""

Entry = dict[str, Any]


def write_jbrowse(result: Result, tracks: Sequence[DrawnTrack], locus: Region, chrom_sizes: str) -> list[Path]:
    """Write a configuration of JBrowse 2.

    Parameters
    ----------
    result
        The result folder; its FASTA becomes the reference sequence where it lies in the folder too, with its index.
    tracks
        From top to bottom. Those that are shown make the session that opens first; populations of one score can also be
        had in one track.
    locus
        What is shown at first.
    chrom_sizes
        File of contig lengths, relative to the folder: the assembly where there is no such FASTA.

    Returns
    -------
    The file.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    name = _assembly_name(result)
    config = {
        "assemblies": [_assembly(name, _sequence(result, chrom_sizes))],
        "tracks": [entry | {"assemblyNames": [name]} for entry in _entries(result.directory, tracks)],
        "defaultSession": _session(name, locus, tracks),
    }
    path = result.directory / CONFIG
    write_text(path, json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    return [path]


def uris(entry: object) -> Iterator[str]:
    """Find every address in a configuration.

    Examples
    --------
    >>> list(uris({"tracks": [{"adapter": {"bigWigLocation": {"uri": "tracks/pi.bw"}}}]}))
    ['tracks/pi.bw']
    """
    if isinstance(entry, Mapping):
        if isinstance(entry.get("uri"), str):
            yield entry["uri"]
        entry = list(entry.values())
    for item in entry if isinstance(entry, list) else ():
        yield from uris(item)


def _assembly_name(result: Result) -> str:
    """Name the assembly as the user did, a FASTA without its folder and endings."""
    genome = result.run.genome
    if genome is None:
        return "genome"
    name = Path(genome).name.removesuffix(".gz")
    return name.rpartition(".")[0] or name if (result.directory / genome).is_file() else genome


def _assembly(name: str, adapter: Entry) -> Entry:
    """Describe the genome."""
    sequence = {"type": "ReferenceSequenceTrack", "trackId": f"{name}-reference", "adapter": adapter}
    return {"name": name, "sequence": sequence}


def _sequence(result: Result, chrom_sizes: str) -> Entry:
    """Choose what the assembly is read from; a browser reaches only what is served with the folder."""
    fasta = _own_fasta(result)
    if fasta is None:
        return {"type": "ChromSizesAdapter", "chromSizesLocation": _location(chrom_sizes)}
    entry = {"fastaLocation": _location(fasta), "faiLocation": _location(f"{fasta}.fai")}
    if fasta.endswith(".gz"):
        return {"type": "BgzipFastaAdapter", **entry, "gziLocation": _location(f"{fasta}.gzi")}
    return {"type": "IndexedFastaAdapter", **entry}


def _own_fasta(result: Result) -> str | None:
    """Find the FASTA of the run inside the result folder, with all its indexes and with every contig of the scan."""
    if result.run.genome is None:
        return None
    path = (result.directory / result.run.genome).resolve()
    relative = os.path.relpath(path, result.directory.resolve())
    suffixes = ("", ".fai", ".gzi") if path.name.endswith(".gz") else ("", ".fai")
    if relative.startswith("..") or not all(Path(f"{path}{suffix}").is_file() for suffix in suffixes):
        return None
    lines = Path(f"{path}.fai").read_text(encoding="utf-8", errors="replace").splitlines()
    known = {line.split("\t")[0] for line in lines}
    return Path(relative).as_posix() if known >= set(result.run.contigs) else None


def _entries(directory: Path, tracks: Sequence[DrawnTrack]) -> Iterator[Entry]:
    """Describe scores, calls and, last, the scores of several populations side by side."""
    for track in tracks:
        yield _scores(track)
        if track.calls is not None:
            yield _calls(directory, track, track.calls)
    by_score: dict[str, list[DrawnTrack]] = {}
    for track in tracks:
        by_score.setdefault(track.score, []).append(track)
    yield from (_side_by_side(group) for group in by_score.values() if len(group) > 1)


def _scores(track: DrawnTrack) -> Entry:
    """Describe a bigWig."""
    entry = _track("QuantitativeTrack", f"scores-{track.column}", track.name, track, track.group)
    entry["adapter"] = {"type": "BigWigAdapter", "bigWigLocation": _location(track.bigwig)}
    entry["displays"] = [_display(entry, "LinearWiggleDisplay", track, "xyplot", "XYPlotRenderer", track.height)]
    return entry


def _side_by_side(group: Sequence[DrawnTrack]) -> Entry:
    """Describe one score of several populations, a row each on one axis."""
    first = group[0]
    label = first.name.removesuffix(f" {'/'.join(first.populations)}")
    entry = _track("MultiQuantitativeTrack", f"all-{first.score}", f"{label}, all", first, first.group)
    entry["adapter"] = {
        "type": "MultiWiggleAdapter",
        "subadapters": [
            {
                "type": "BigWigAdapter",
                "source": "/".join(track.populations),
                "color": _rgb(track.colour),
                "bigWigLocation": _location(track.bigwig),
            }
            for track in group
        ],
    }
    height = ROW_HEIGHT * len(group)
    entry["displays"] = [
        _display(entry, "MultiLinearWiggleDisplay", first, "multirowxy", "MultiRowXYPlotRenderer", height)
    ]
    return entry


def _calls(directory: Path, track: DrawnTrack, calls: str) -> Entry:
    """Describe a BED of calls, each in its own colour."""
    suffix = ".tbi" if (directory / f"{calls}.tbi").is_file() else ".csi"
    entry = _track("FeatureTrack", f"calls-{track.column}", f"{track.name} calls", track, "calls")
    entry["adapter"] = {
        "type": "BedTabixAdapter",
        "bedGzLocation": _location(calls),
        "index": {"indexType": suffix[1:].upper(), "location": _location(f"{calls}{suffix}")},
        "columnNames": list(BED9),
    }
    colour = "jexl:'rgb('+get(feature,'itemRgb')+')'"
    entry["displays"] = [
        {
            "type": "LinearBasicDisplay",
            "displayId": f"{entry['trackId']}-LinearBasicDisplay",
            "height": 3 * CALLS_HEIGHT,
            "renderer": {"type": "SvgFeatureRenderer", "color1": colour},
        }
    ]
    return entry


def _track(kind: str, identifier: str, name: str, track: DrawnTrack, category: str) -> Entry:
    """Begin a track of any kind."""
    described = f"{track.title} ({track.unit})" if track.unit else track.title
    return {"type": kind, "trackId": identifier, "name": name, "description": described, "category": [category]}


def _display(entry: Entry, kind: str, track: DrawnTrack, rendering: str, renderer: str, height: int) -> Entry:
    """Describe how numbers are drawn: both bounds, for JBrowse would choose its own for each screen."""
    return {
        "type": kind,
        "displayId": f"{entry['trackId']}-{kind}",
        "height": height,
        "minScore": track.minimum,
        "maxScore": track.maximum,
        "defaultRendering": rendering,
        "renderers": {
            renderer: {
                "type": renderer,
                "posColor": _rgb(track.colour),
                "negColor": _rgb(track.colour_negative),
                "bicolorPivot": "numeric",
                "bicolorPivotValue": track.baseline,
                "summaryScoreMode": "avg",
            }
        },
    }


def _session(assembly: str, locus: Region, tracks: Sequence[DrawnTrack]) -> Entry:
    """Describe what opens first."""
    shown = []
    for track in tracks:
        if track.shown:
            shown += [f"scores-{track.column}", *([f"calls-{track.column}"] if track.calls is not None else [])]
    start = {"assembly": assembly, "loc": str(locus), "tracks": shown}
    return {"name": "popscan", "views": [{"id": "popscan", "type": "LinearGenomeView", "init": start}]}


def _location(path: str) -> Entry:
    """Address a file of the folder."""
    return {"uri": quote(path), "locationType": "UriLocation"}


def _rgb(colour: Colour) -> str:
    """Write a colour as CSS."""
    return f"rgb({','.join(str(part) for part in colour)})"
