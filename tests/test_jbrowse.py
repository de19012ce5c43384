"""JBrowse's configuration: the documented structure, and what it says of tracks, genome and first session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest

from scanner.browser.drawn import DrawnTrack
from scanner.browser.jbrowse import CONFIG, uris, write_jbrowse
from scanner.errors import OutputError
from scanner.regions import Region
from scanner.result import Result, Run
from scanner.table import Table

SIZES = "tracks/genome.chrom.sizes"
LOCUS = Region("20", 1_000, 5_000)

# Slots by type, as JBrowse's configuration guide lists them (https://jbrowse.org/jb2/docs/config_guide): of these, the
# first are needed, the second may be left out.
SLOTS: dict[str, tuple[set[str], set[str]]] = {
    "ReferenceSequenceTrack": ({"trackId", "adapter"}, {"name", "displays"}),
    "ChromSizesAdapter": ({"chromSizesLocation"}, set()),
    "IndexedFastaAdapter": ({"fastaLocation", "faiLocation"}, {"metadataLocation"}),
    "BgzipFastaAdapter": ({"fastaLocation", "faiLocation", "gziLocation"}, {"metadataLocation"}),
    "QuantitativeTrack": ({"trackId", "name", "assemblyNames", "adapter"}, {"description", "category", "displays"}),
    "MultiQuantitativeTrack": (
        {"trackId", "name", "assemblyNames", "adapter"},
        {"description", "category", "displays"},
    ),
    "FeatureTrack": ({"trackId", "name", "assemblyNames", "adapter"}, {"description", "category", "displays"}),
    "BigWigAdapter": ({"bigWigLocation"}, {"source", "color", "group", "resolutionMultiplier"}),
    "MultiWiggleAdapter": ({"subadapters"}, {"bigWigs"}),
    "BedTabixAdapter": ({"bedGzLocation", "index"}, {"columnNames", "scoreColumn", "autoSql"}),
    "LinearWiggleDisplay": (
        {"displayId"},
        {"height", "minScore", "maxScore", "autoscale", "scaleType", "defaultRendering", "renderers"},
    ),
    "MultiLinearWiggleDisplay": (
        {"displayId"},
        {"height", "minScore", "maxScore", "autoscale", "scaleType", "defaultRendering", "renderers"},
    ),
    "LinearBasicDisplay": ({"displayId"}, {"height", "renderer", "mouseover"}),
    "LinearGenomeView": ({"id"}, {"init", "tracks", "displayedRegions", "bpPerPx", "offsetPx"}),
    "SvgFeatureRenderer": (set(), {"color1", "color2", "color3", "height"}),
} | dict.fromkeys(
    ["XYPlotRenderer", "MultiRowXYPlotRenderer"],
    (set(), {"posColor", "negColor", "clipColor", "bicolorPivot", "bicolorPivotValue", "summaryScoreMode", "filled"}),
)
CHOICES = {
    "bicolorPivot": {"numeric", "mean", "z_score", "none"},
    "summaryScoreMode": {"max", "min", "avg", "whiskers"},
    "indexType": {"TBI", "CSI"},
    "locationType": {"UriLocation"},
    "defaultRendering": {"xyplot", "density", "line", "multirowxy", "multirowdensity", "multiline", "multirowline"},
}


def objects(entry: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a configuration."""
    if isinstance(entry, dict):
        yield entry
    for item in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
        yield from objects(item)


def complaints(config: dict[str, Any]) -> list[str]:
    """Hold a configuration against the documented structure."""
    found = [f"no {name}" for name in ("assemblies", "tracks", "defaultSession") if name not in config]
    for item in objects(config):
        if "type" in item:
            needed, more = SLOTS.get(item["type"], (set(), set()))
            found += [f"{item['type']} lacks {name}" for name in needed - set(item)]
            found += [f"{item['type']} has no slot {name}" for name in set(item) - needed - more - {"type"}]
        found += [
            f"{name} cannot be {item[name]}" for name in CHOICES if name in item and item[name] not in CHOICES[name]
        ]
    for name in ("trackId", "displayId"):
        listed = [item[name] for item in objects(config) if name in item]
        found += [f"{one} twice" for one in set(listed) if listed.count(one) > 1]
    assemblies = {item["name"] for item in config["assemblies"]}
    found += [
        f"{t['trackId']} is of no assembly" for t in config["tracks"] if not set(t["assemblyNames"]) <= assemblies
    ]
    known = {track["trackId"] for track in config["tracks"]}
    for view in config["defaultSession"]["views"]:
        found += [f"shows {name}, no track" for name in view["init"]["tracks"] if name not in known]
        found += [] if view["init"]["assembly"] in assemblies else ["the view has no assembly"]
    return found


def track(column: str, **changes: Any) -> DrawnTrack:
    """Describe a column with calls, drawn between -2.5 and 3 around 0.5."""
    score, *populations = column.split(".")
    made = DrawnTrack(
        column=column, score=score, populations=tuple(populations),
        name=" ".join([score, "/".join(populations)]).strip(), title=f"All about {score}",
        group="spectrum", unit="", bigwig=f"tracks/{column}.bw",
        calls=f"calls/{column}.bed.gz", colour=(0, 114, 178), colour_negative=(213, 94, 0), minimum=-2.5, maximum=3.0,
        baseline=0.5, height=70, shown=True, description=Path("description.html"),
    )  # fmt: skip
    return replace(made, **changes)


TRACKS = [
    track("tajimas_d.GBR"),
    track("tajimas_d.TSI", calls=None),
    track("fst.GBR.TSI", unit="share"),
    track("pi.GBR", shown=False),
]


def result(folder: Path, genome: str | None = None) -> Result:
    """Describe a result folder of two contigs; the table plays no part."""
    none = np.empty(0, np.int64)
    run = Run({"20": 8_000, "3": 4_000}, "bp", 100, 100, (), genome)
    return Result(folder, run, Table((), none.astype(np.int32), none, none, {}))


def written(folder: Path, tracks: list[DrawnTrack] = TRACKS, genome: str | None = None) -> dict[str, Any]:
    """Write a configuration and read it again."""
    paths = write_jbrowse(result(folder, genome), tracks, LOCUS, SIZES)
    assert paths == [folder / CONFIG]
    return dict(json.loads(paths[0].read_text(encoding="utf-8")))


def by_id(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["trackId"]: entry for entry in config["tracks"]}


def fasta(path: Path, *, compressed: bool = False, contigs: tuple[str, ...] = ("20", "3", "X")) -> Path:
    """Write an indexed FASTA."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f">{name}\nACGT\n" for name in contigs))
    if compressed:
        pysam.tabix_compress(str(path), f"{path}.gz", force=True)
        path = Path(f"{path}.gz")
    pysam.faidx(str(path))
    return path


def test_the_structure_is_the_documented_one(tmp_path: Path):
    assert complaints(written(tmp_path)) == []


def test_a_wrong_structure_would_be_noticed(tmp_path: Path):
    config = written(tmp_path)
    config["tracks"][0]["adapter"]["url"] = config["tracks"][0]["adapter"].pop("bigWigLocation")
    config["tracks"][1]["trackId"] = "scores-fst.GBR.TSI"
    config["tracks"][0]["assemblyNames"] = ["hg19"]
    assert sorted(complaints(config)) == [
        "BigWigAdapter has no slot url",
        "BigWigAdapter lacks bigWigLocation",
        "scores-fst.GBR.TSI twice",
        "scores-tajimas_d.GBR is of no assembly",
        "shows calls-tajimas_d.GBR, no track",
    ]


def test_a_score_has_its_file_its_colours_and_its_axis(tmp_path: Path):
    entry = by_id(written(tmp_path))["scores-tajimas_d.GBR"]
    assert (entry["type"], entry["name"], entry["category"]) == ("QuantitativeTrack", "tajimas_d GBR", ["spectrum"])
    assert entry["adapter"]["bigWigLocation"] == {"uri": "tracks/tajimas_d.GBR.bw", "locationType": "UriLocation"}
    (display,) = entry["displays"]
    assert (display["minScore"], display["maxScore"], display["height"]) == (-2.5, 3.0, 70)
    drawn = display["renderers"]["XYPlotRenderer"]
    assert (drawn["posColor"], drawn["negColor"]) == ("rgb(0,114,178)", "rgb(213,94,0)")
    assert (drawn["bicolorPivot"], drawn["bicolorPivotValue"]) == ("numeric", 0.5)


def test_calls_have_their_index_and_their_own_colours(tmp_path: Path):
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "tajimas_d.GBR.bed.gz.tbi").touch()
    known = by_id(written(tmp_path))
    assert "calls-tajimas_d.TSI" not in known
    adapter = known["calls-tajimas_d.GBR"]["adapter"]
    assert adapter["bedGzLocation"]["uri"] == "calls/tajimas_d.GBR.bed.gz"
    assert adapter["index"]["location"]["uri"] == "calls/tajimas_d.GBR.bed.gz.tbi"
    assert adapter["index"]["indexType"] == "TBI"
    assert adapter["columnNames"].index("itemRgb") == 8  # from 0: the ninth column of a BED
    colour = known["calls-tajimas_d.GBR"]["displays"][0]["renderer"]["color1"]
    assert colour.startswith("jexl:")
    assert "get(feature,'itemRgb')" in colour
    index = known["calls-fst.GBR.TSI"]["adapter"]["index"]  # a contig past the reach of tabix
    assert (index["indexType"], index["location"]["uri"]) == ("CSI", "calls/fst.GBR.TSI.bed.gz.csi")


def test_populations_of_a_score_can_be_had_side_by_side(tmp_path: Path):
    known = by_id(written(tmp_path))
    assert [name for name in known if name.startswith("all-")] == ["all-tajimas_d"]
    entry = known["all-tajimas_d"]
    assert entry["name"] == "tajimas_d, all"
    assert [(item["source"], item["bigWigLocation"]["uri"]) for item in entry["adapter"]["subadapters"]] == [
        ("GBR", "tracks/tajimas_d.GBR.bw"),
        ("TSI", "tracks/tajimas_d.TSI.bw"),
    ]
    assert (entry["displays"][0]["minScore"], entry["displays"][0]["maxScore"]) == (-2.5, 3.0)


def test_the_session_opens_with_the_tracks_shown(tmp_path: Path):
    (view,) = written(tmp_path)["defaultSession"]["views"]
    shown = ["scores-tajimas_d.GBR", "calls-tajimas_d.GBR", "scores-tajimas_d.TSI", "scores-fst.GBR.TSI"]
    assert view["init"] == {"assembly": "genome", "loc": "20:1001-5000", "tracks": [*shown, "calls-fst.GBR.TSI"]}


def test_every_address_is_relative(tmp_path: Path):
    listed = list(uris(written(tmp_path)))
    assert len(listed) == 1 + 4 + 2 * 3 + 2  # the genome, the scores, the calls and their indexes, two side by side
    assert not [uri for uri in listed if uri.startswith(("/", "..")) or ":" in uri]


def test_the_unit_is_told(tmp_path: Path):
    known = by_id(written(tmp_path))
    assert known["scores-fst.GBR.TSI"]["description"] == "All about fst (share)"
    assert known["scores-pi.GBR"]["description"] == "All about pi"


@pytest.mark.parametrize("genome", [None, "hg19"])
def test_contig_lengths_make_a_genome(tmp_path: Path, genome: str | None):
    (assembly,) = written(tmp_path, genome=genome)["assemblies"]
    assert assembly["name"] == ("genome" if genome is None else "hg19")
    location = {"uri": SIZES, "locationType": "UriLocation"}
    assert assembly["sequence"]["adapter"] == {"type": "ChromSizesAdapter", "chromSizesLocation": location}


@pytest.mark.parametrize("compressed", [False, True])
def test_a_fasta_in_the_folder_is_the_genome(tmp_path: Path, compressed: bool):
    path = fasta(tmp_path / "my genome" / "ref#1.fa", compressed=compressed)
    config = written(tmp_path, genome=str(path))
    (assembly,) = config["assemblies"]
    adapter = assembly["sequence"]["adapter"]
    assert assembly["name"] == "ref#1"
    stem = "my%20genome/ref%231.fa" + (".gz" if compressed else "")
    assert adapter["type"] == ("BgzipFastaAdapter" if compressed else "IndexedFastaAdapter")
    assert [item["uri"] for item in adapter.values() if isinstance(item, dict)] == [
        stem + suffix for suffix in ["", ".fai", *([".gzi"] if compressed else [])]
    ]
    assert complaints(config) == []


def test_a_fasta_that_a_browser_cannot_reach_or_use_is_left_out(tmp_path: Path):
    folder = tmp_path / "result"
    outside = fasta(tmp_path / "outside.fa")
    other = fasta(folder / "other.fa", contigs=("chr20", "chr3"))
    unindexed = fasta(folder / "unindexed.fa")
    Path(f"{unindexed}.fai").unlink()
    for path in (outside, other, unindexed):
        (assembly,) = written(folder, genome=str(path))["assemblies"]
        assert assembly["name"] == path.stem
        assert assembly["sequence"]["adapter"]["type"] == "ChromSizesAdapter"


def test_one_population_has_nothing_beside_it(tmp_path: Path):
    config = written(tmp_path, [track("pi"), track("tajimas_d")])
    assert {entry["type"] for entry in config["tracks"]} == {"QuantitativeTrack", "FeatureTrack"}


def test_a_configuration_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / CONFIG).mkdir()
    with pytest.raises(OutputError, match=r"jbrowse_config\.json cannot be written"):
        write_jbrowse(result(tmp_path), TRACKS, LOCUS, SIZES)
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]
