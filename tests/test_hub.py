"""UCSC hubs: read by a strict parser of our own, their files by pyBigWig and py2bit, and broken in every way."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import py2bit
import pyBigWig
import pytest
from hub_results import CONTIGS, HG19_20, HG38_20, POPULATIONS, SCORES, column, make_result, write_fasta
from hypothesis import given
from hypothesis import strategies as st

from scanner.browser import twobit
from scanner.browser.assembly import KNOWN, fasta_lengths, place, recognise
from scanner.browser.drawn import DrawnTrack
from scanner.browser.hub import NO_CONTACT
from scanner.browser.hub_files import hub_name
from scanner.browser.hub_layout import PALETTE, choose, composites, find_overlays, first_overlays
from scanner.browser.hub_lint import lint
from scanner.browser.labels import Labels
from scanner.catalogue import tracks
from scanner.errors import InputError, OutputError
from scanner.publish import Published, publish

Hub = tuple[Path, Published]


def read_hub(path: Path) -> list[dict[str, str]]:
    """Read stanzas: blocks parted by one empty line, each of ``setting value`` lines with no spaces around."""
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    stanzas = []
    for block in text.removesuffix("\n").split("\n\n"):
        pairs = [re.fullmatch(r"([A-Za-z0-9]+) (\S(?:.*\S)?)", line) for line in block.split("\n")]
        assert all(pairs), block
        stanza = {pair[1]: pair[2] for pair in pairs if pair}
        assert len(stanza) == len(pairs), block
        stanzas.append(stanza)
    return stanzas


def tracks_of(folder: Path) -> dict[str, dict[str, str]]:
    """Read the tracks of a result's hub by name."""
    found = [stanza for stanza in read_hub(folder / "hub" / "hub.txt") if "track" in stanza]
    assert len({stanza["track"] for stanza in found}) == len(found)
    return {stanza["track"]: stanza for stanza in found}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A published result of contig 20 of hg19, its mitochondrion and a contig that UCSC calls otherwise."""
    folder = make_result(tmp_path_factory.mktemp("result"))
    return folder, publish(folder)


@pytest.fixture
def copy(hub: Hub, tmp_path: Path) -> Path:
    """The hub's own ``hub.txt``, to be broken."""
    shutil.copytree(hub[0] / "hub", tmp_path / "hub")
    return tmp_path / "hub" / "hub.txt"


def test_the_head_of_a_hub(hub: Hub):
    head, genome, *rest = read_hub(hub[0] / "hub" / "hub.txt")
    assert head == {
        "hub": "popscan",
        "shortLabel": "popscan chr20",
        "longLabel": "popscan chr20: statistics in windows of 5,000 bp every 1,000 bp",
        "useOneFile": "on",
        "email": "someone@example.org",
        "descriptionUrl": "about.html",
    }
    assert genome == {"genome": "hg19"}
    assert all(next(iter(stanza)) == "track" for stanza in rest)


def test_every_file_is_told_and_every_file_told_is_there(hub: Hub):
    folder, published = hub
    there = sorted(path for path in (folder / "hub").rglob("*") if path.is_file())
    assert there == sorted(path for path in published.files if (folder / "hub") in path.parents)
    assert folder / "hub" / "hub.txt" in there
    urls = {stanza["bigDataUrl"] for stanza in tracks_of(folder).values() if "bigDataUrl" in stanza}
    pages = {stanza["html"] for stanza in tracks_of(folder).values()}
    assert {path.relative_to(folder / "hub").as_posix() for path in there} == urls | pages | {"hub.txt", "about.html"}
    drawn = [score for score in SCORES if score[0] != "theta_h"]
    called = [score for score in drawn if tracks()[score[0]].outliers is not None]
    assert len([url for url in urls if url.endswith(".bw")]) == len(drawn)
    assert len([url for url in urls if url.endswith(".bb")]) == len(called)


def test_what_popscan_writes_passes_its_own_lint(hub: Hub):
    assert lint(hub[0] / "hub" / "hub.txt") == []


def test_composites_hold_what_belongs_together(hub: Hub):
    found = tracks_of(hub[0])
    children: dict[str, list[str]] = {}
    for name, stanza in found.items():
        children.setdefault(stanza.get("parent", "").split(" ")[0], []).append(name)
    assert children["population__GBR_values"] == ["tajimas_d__GBR", "pi__GBR", "sites__GBR"]
    assert children["population__FIN_calls"] == ["tajimas_d__FIN_calls", "pi__FIN_calls"]
    assert children["pair_values"] == ["fst__GBR__FIN", "fst__GBR__IBS", "fst__FIN__IBS"]
    assert children["trio_calls"] == ["pbs__GBR__FIN__IBS_calls"]
    assert children["samples_values"] == ["callable"]
    assert children["overlays"] == ["overlay_tajimas_d_1", "overlay_pi_1"]
    assert children["overlay_pi_1"] == [f"overlay_pi_1__pi__{name}" for name in POPULATIONS]
    pairs = found["pair_values"]
    assert pairs["subGroup1"] == "statistic Statistic fst=Fst"
    assert pairs["subGroup2"] == "pair Pair p__GBR__FIN=GBR/FIN p__GBR__IBS=GBR/IBS p__FIN__IBS=FIN/IBS"
    assert pairs["dimensions"] == "dimX=pair dimY=statistic"
    assert found["fst__GBR__IBS"]["subGroups"] == "statistic=fst pair=p__GBR__IBS"
    families = "family Family spectrum=Spectrum diversity=Diversity data=Data"
    assert found["population__GBR_values"]["subGroup1"] == families
    assert found["pi__GBR"]["subGroups"] == "family=diversity"


def test_a_graph_has_limits_from_the_data_and_negative_values(hub: Hub):
    found = tracks_of(hub[0])
    stanza = found["tajimas_d__GBR"]
    values = np.concatenate([cells_drawn(hub[0], "tajimas_d.GBR", contig) for contig in ("20", "MT", "GL000192.1")])
    word, low, high = stanza["type"].split()
    assert word == "bigWig"
    assert (float(low), float(high)) == pytest.approx((values.min(), values.max()), rel=1e-5)
    low, high = map(float, stanza["viewLimits"].split(":"))
    assert low == -high < -1
    assert (stanza["yLineMark"], stanza["yLineOnOff"], stanza["autoScale"]) == ("0", "on", "off")
    assert (stanza["color"], stanza["altColor"]) == ("0,114,178", "213,94,0")
    assert (stanza["windowingFunction"], stanza["maxHeightPixels"]) == ("mean", "128:70:16")
    assert "yLineMark" not in found["pi__GBR"]
    assert found["pi__GBR"]["viewLimits"].startswith("0:")
    calls = found["tajimas_d__GBR_calls"]
    assert (calls["type"], calls["itemRgb"]) == ("bigBed 9 +", "on")


def cells_drawn(folder: Path, name: str, contig: str) -> np.ndarray:
    """Read the values of a track of the result, which has the scan's own names of contigs."""
    with pyBigWig.open(str(folder / "tracks" / f"{name}.bw")) as file:
        return np.array([value for _, _, value in file.intervals(contig)])


def test_overlays_have_a_colour_for_each_population(hub: Hub):
    found = tracks_of(hub[0])
    overlay = found["overlay_tajimas_d_1"]
    assert (overlay["container"], overlay["parent"], overlay["visibility"]) == ("multiWig", "overlays", "full")
    assert overlay["viewLimits"] == found["tajimas_d__GBR"]["viewLimits"]
    colours = [found[f"overlay_tajimas_d_1__tajimas_d__{name}"]["color"] for name in POPULATIONS]
    assert colours == ["0,114,178", "213,94,0", "0,158,115"]
    assert found["overlay_pi_1"]["visibility"] == "hide"
    assert found["overlay_tajimas_d_1__tajimas_d__FIN"]["bigDataUrl"] == found["tajimas_d__FIN"]["bigDataUrl"]


def shown_first(found: dict[str, dict[str, str]]) -> list[str]:
    """Name the tracks that a browser shows at first."""
    shown = []
    for name, stanza in found.items():
        parent, _, state = stanza.get("parent", "").partition(" ")
        row = stanza if "container" in stanza else found[parent] if state == "on" else {}
        if row.get("visibility", "hide") != "hide":
            shown.append(name)
    return shown


def test_ten_tracks_are_shown_at_first(hub: Hub):
    assert shown_first(tracks_of(hub[0])) == [
        "overlay_tajimas_d_1", "pi__GBR", "tajimas_d__GBR_calls", "pi__GBR_calls", "tajimas_d__FIN_calls",
        "tajimas_d__IBS_calls", "fst__GBR__FIN", "fst__GBR__FIN_calls", "pbs__GBR__FIN__IBS",
        "pbs__GBR__FIN__IBS_calls",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "there"), [("20", "chr20"), ("MT", "chrMT")])
def test_tracks_have_ucscs_names_of_contigs(hub: Hub, name: str, there: str):
    folder = hub[0]
    for score in SCORES:
        if score[0] == "theta_h":
            continue
        with (
            pyBigWig.open(str(folder / "tracks" / f"{column(*score)}.bw")) as own,
            pyBigWig.open(str(folder / "hub" / "hg19" / f"{hub_name(column(*score))}.bw")) as renamed,
        ):
            assert set(renamed.chroms()) == {"chr20", "chrMT"}
            assert renamed.chroms()[there] == CONTIGS[name]
            assert renamed.intervals(there) == own.intervals(name)


def test_calls_have_ucscs_names_of_contigs(hub: Hub):
    folder, kept = hub[0], 0
    for name in ("tajimas_d.GBR", "fst.GBR.FIN"):
        own = pyBigWig.open(str(folder / "calls" / f"{name}.bb"))
        renamed = pyBigWig.open(str(folder / "hub" / "hg19" / f"{hub_name(name)}.bb"))
        assert set(renamed.chroms()) <= {"chr20", "chrMT"}
        for contig, length in renamed.chroms().items():
            source = {"chr20": "20", "chrMT": "MT"}[contig]
            assert renamed.entries(contig, 0, length) == own.entries(source, 0, length)
            kept += 1
        assert renamed.SQL() == own.SQL()
    assert kept


def test_contigs_without_a_name_at_ucsc_are_told(hub: Hub):
    note = "the UCSC hub leaves out GL000192.1, which hg19 does not have"
    assert hub[1].notes == (note,)
    assert "GL000192.1" in (hub[0] / "hub" / "about.html").read_text()


def test_where_no_name_differs_the_files_are_links(tmp_path: Path):
    folder = make_result(tmp_path, {"chr20": HG38_20})
    assert publish(folder).notes == ()
    assert read_hub(folder / "hub" / "hub.txt")[1] == {"genome": "hg38"}
    for own, linked in (("tracks/pi.GBR.bw", "pi__GBR.bw"), ("calls/pi.GBR.bb", "pi__GBR.bb")):
        assert (folder / own).samefile(folder / "hub" / "hg38" / linked)
    assert lint(folder / "hub" / "hub.txt") == []


def test_without_hard_links_there_are_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    folder = make_result(tmp_path, {"chr20": HG38_20})
    publish(folder)
    own, copied = folder / "tracks" / "pi.GBR.bw", folder / "hub" / "hg38" / "pi__GBR.bw"
    assert not own.samefile(copied)
    assert own.read_bytes() == copied.read_bytes()


def test_a_hub_that_cannot_be_written(tmp_path: Path):
    folder = make_result(tmp_path, {"chr20": HG38_20})
    (folder / "hub").touch()
    with pytest.raises(OutputError, match=r"cannot write .*hub"):
        publish(folder)


def test_publishing_again_changes_nothing_and_another_genome_leaves_nothing(tmp_path: Path):
    folder = make_result(tmp_path)
    publish(folder)
    before = {path: path.read_bytes() for path in (folder / "hub").rglob("*") if path.is_file()}
    publish(folder)
    assert {path: path.read_bytes() for path in (folder / "hub").rglob("*") if path.is_file()} == before
    (folder / "hub" / "html" / "old.html").write_text("of another run")
    (folder / "hub" / "notes.md").write_text("mine")
    publish(folder, genome="susScr11")
    names = {path.name for path in (folder / "hub").iterdir()}
    assert names == {"about.html", "hub.txt", "html", "notes.md", "susScr11"}
    assert not (folder / "hub" / "html" / "old.html").exists()


def test_a_page_tells_method_run_and_contact(hub: Hub):
    page = (hub[0] / "hub" / "html" / "tajimas_d__GBR.html").read_text()
    for text in (
        "10.1093/genetics/123.3.585", "windows of 5,000 bp every 1,000 bp", "GBR (182 haplotypes)", "chr20.vcf.gz",
        'href="mailto:someone@example.org"', "popscan scan chr20.vcf.gz --out=&lt;b&gt;x", "2026-01-02T03:04:05",
    ):  # fmt: skip
        assert text in page
    assert "/home/someone" not in page
    order = [page.index(f"<h2>{title}") for title in ("Description", "Display", "Methods", "This run", "Cred", "Ref")]
    assert order == sorted(order)
    calls = (hub[0] / "hub" / "html" / "tajimas_d__GBR_calls.html").read_text()
    assert "the lowest and highest 0.01 of them" in calls


def test_names_and_addresses_are_escaped(tmp_path: Path):
    folder = make_result(tmp_path, {"chr20": HG38_20}, [("tajimas_d", ("A",)), ("tajimas_d", ("B",))])
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"populations": ["A"]', '"populations": ["Ö<b>&"]'))
    publish(folder, email='<script>"@example.org\nemail other@example.org')
    for page in (folder / "hub").rglob("*.html"):
        text = page.read_bytes().decode("ascii")
        assert "<script>" not in text
        assert "<b>" not in text
    assert "&#214;&lt;b&gt;&amp;" in (folder / "hub" / "html" / "tajimas_d__A.html").read_text()
    head = (folder / "hub" / "hub.txt").read_text().split("\n\n")[0]
    assert 'email <script>"@example.org email other@example.org' in head


def test_without_an_address_there_is_one_that_reaches_nobody(tmp_path: Path):
    folder = make_result(tmp_path, {"chr20": HG38_20}, email=None)
    publish(folder)
    assert read_hub(folder / "hub" / "hub.txt")[0]["email"] == NO_CONTACT
    assert "mailto" not in (folder / "hub" / "html" / "pi__GBR.html").read_text()


def test_long_names_and_many_populations(tmp_path: Path):
    names = [f"A_population_with_a_very_long_name_{number}" for number in range(17)]
    scores = [(score, (name,)) for score in ("tajimas_d", "pi") for name in names]
    scores += [("fst", (one, other)) for one, other in itertools.pairwise(names)]
    folder = make_result(tmp_path, {"chr20": HG38_20}, scores, populations=dict.fromkeys(names, 10))
    publish(folder)
    found = tracks_of(folder)
    assert lint(folder / "hub" / "hub.txt") == []  # labels, among all else
    overlays = [name for name, stanza in found.items() if "container" in stanza]
    assert overlays == [f"overlay_{score}_{number}" for score in ("tajimas_d", "pi") for number in (1, 2, 3)]
    held = [sum(stanza.get("parent") == name for stanza in found.values()) for name in overlays]
    assert held == [6, 6, 5] * 2
    assert len(shown_first(found)) == 10


def test_a_run_of_one_population(tmp_path: Path):
    folder = make_result(tmp_path, {"chr20": HG38_20}, [("pi", ()), ("tajimas_d", ())], populations={})
    publish(folder)
    assert lint(folder / "hub" / "hub.txt") == []
    assert list(tracks_of(folder)) == [
        "samples_values", "tajimas_d", "pi", "samples_calls", "tajimas_d_calls", "pi_calls",
    ]  # fmt: skip


def drawn(score: str, populations: tuple[str, ...], **changes: object) -> DrawnTrack:
    """Describe a track of which only its place matters."""
    fields = {"title": "", "unit": "", "bigwig": "", "calls": None, "colour": (0, 0, 0), "colour_negative": (0, 0, 0)}
    rest = {"minimum": 0.0, "maximum": 1.0, "baseline": 0.0, "height": 50, "shown": True, "description": Path()}
    name = {"column": column(score, populations), "score": score, "populations": populations, "name": score}
    return DrawnTrack(**{**fields, **rest, **name, "group": "spectrum", **changes})  # type: ignore[arg-type]


def test_networks_stand_beside_tajimas_d():
    d = [drawn("tajimas_d", (name,), minimum=-2.0, maximum=2.0) for name in "AB"]
    hard = [drawn("sweep_hard", (name,), group="network") for name in "AB"]
    rate = drawn("recombination_rate", ("A",), group="network", maximum=1e-8)  # no probability: on another scale
    found = [overlay for overlay in find_overlays([*d, rate]) if "network" in overlay.name]
    assert found == []
    found = [overlay for overlay in find_overlays([*d, hard[0], rate]) if "network" in overlay.name]
    assert [overlay.tracks for overlay in found] == [(d[0], hard[0])]
    overlays = find_overlays([*d, hard[0], rate])
    assert [overlay.name for overlay in first_overlays(overlays)] == ["overlay_tajimas_d_1", found[0].name]


def test_what_is_shown_first():
    shown = [drawn(score, (name,)) for score in ("pi", "h12", "sites") for name in "ABCDEF"]
    shown = [replace(track, group="data") if track.score == "sites" else track for track in shown]
    members = choose(shown, shown[:1], [])
    names = [member.name for member in members if member.shown]
    assert sorted(names) == sorted(["pi__A", "pi__A_calls", "h12__A", "pi__B", "h12__B", "pi__C", "h12__C", "pi__D",
                                    "h12__D", "pi__E"])  # fmt: skip
    assert [(c.kind, c.population, c.calls) for c in composites(members)][:3] == [
        ("population", "A", False), ("population", "A", True), ("population", "B", False)]  # fmt: skip
    assert len(set(PALETTE)) == 7


population = st.text(st.sampled_from("AB_+-1"), min_size=1, max_size=3)


@given(columns=st.sets(st.lists(population, min_size=1, max_size=3).map(lambda names: column("pi", tuple(names)))))
def test_names_in_a_hub_are_safe_and_different(columns: set[str]):
    names = {hub_name(name) for name in columns}
    assert len(names) == len(columns)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names)


@given(parts=st.lists(st.tuples(st.sampled_from([t.label for t in tracks().values()]), st.lists(population | st.text(
    st.characters(categories=["L", "N"]), min_size=1, max_size=90), max_size=3), st.sampled_from(["", "calls"])),
    max_size=40))  # fmt: skip
def test_labels_are_short_and_different(parts: list[tuple[str, list[str], str]]):
    labels = Labels()
    given_out = [labels.short(label, names, suffix) for label, names, suffix in parts]
    assert len(set(given_out)) == len(given_out)
    assert all(0 < len(label) <= 17 for label in given_out)
    for text, (label, names, suffix) in zip(given_out, parts, strict=True):
        whole = " ".join(part for part in (label, "/".join(names), suffix) if part)
        assert text == whole or len(whole) > 17 or "~" in text
    assert len(Labels().long("word " * 40)) <= 75


def test_assemblies_are_told_by_their_lengths():
    for name, lengths in KNOWN.items():
        assert recognise(lengths) == name
        assert recognise({f"chr{contig}": length for contig, length in lengths.items()}) == name
        for contig, length in lengths.items():
            assert recognise({contig: length}) == name, (name, contig)  # one chromosome will do
    assert recognise({"20": HG19_20, "21": 46_709_983}) is None  # of two builds
    assert recognise({"MT": 16_569}) is None
    assert recognise({}) is None
    assert sum(KNOWN["hg19"].values()) == 3_095_677_412
    assert sum(KNOWN["hg38"].values()) == 3_088_269_832


@pytest.mark.parametrize(
    ("genome", "contigs", "expected"),
    [
        (None, {"20": HG19_20, "MT": 16_569, "hs37d5": 35_477_943}, ("hg19", {"20": "chr20", "MT": "chrMT"})),
        (None, {"chr20": HG19_20, "chrM": 16_571}, ("hg19", {"chr20": "chr20", "chrM": "chrM"})),
        (None, {"20": HG38_20, "MT": 16_569}, ("hg38", {"20": "chr20", "MT": "chrM"})),
        ("b37", {"20": HG19_20}, ("hg19", {"20": "chr20"})),  # IGV's own id
        ("hg38", {"NC_000020.11": HG38_20}, ("hg38", {"NC_000020.11": "chr20"})),
        ("hg38", {"chr1_KI270706v1_random": 9}, ("hg38", {"chr1_KI270706v1_random": "chr1_KI270706v1_random"})),
        ("hg38", {"chr20": HG38_20, "20": HG38_20, "HLA-A*01:01": 9, "chrEBV": 171_823}, ("hg38", {"chr20": "chr20"})),
        ("sacCer3", {"IV": 1_531_933, "Mito": 85_779}, ("sacCer3", {"IV": "chrIV", "Mito": "chrMito"})),
        ("GCF_000002035.6", {"NC_007112.7": 59_578_282}, ("GCF_000002035.6", {"NC_007112.7": "NC_007112.7"})),
    ],
)
def test_contigs_get_the_names_of_the_assembly(genome: str | None, contigs: dict[str, int], expected: tuple):
    found = place(genome, contigs)
    assert (found.name, found.names, found.fasta) == (*expected, None)


def test_a_whole_genome_named_by_accessions_is_recognised():
    contigs = {f"NC_{at:06}.11": length for at, length in enumerate(KNOWN["hg38"].values(), start=1)}
    assert place(None, contigs).names["NC_000020.11"] == "chr20"


@pytest.mark.parametrize(
    ("genome", "contigs", "message"),
    [
        (
            None,
            {"1": 20_000},
            "no UCSC hub: no genome is named and none is recognised by the lengths of 1: name",
        ),
        ("tair10", {"1": 20_000}, "no UCSC hub: UCSC has no genome 'tair10', and none is recognised .* with --genome"),
        ("hg38", {"20": HG19_20}, "20 has 63,025,520 bp in the scan and 64,444,167 in hg38: another genome build"),
        ("hg38", {"HLA-A*01:01": 20_000}, r"hg38 of UCSC has no contig of such names as HLA-A\*01:01"),
        ("/nowhere/apple.fa", {"1": 20_000}, "no UCSC hub: /nowhere/apple.fa: no such file"),
    ],
)
def test_a_genome_that_can_have_no_hub(tmp_path: Path, genome: str | None, contigs: dict[str, int], message: str):
    folder = make_result(tmp_path, contigs, [("pi", ())], genome=genome)
    published = publish(folder)
    assert len(published.notes) == 1
    assert re.search(message, published.notes[0])
    assert not (folder / "hub").exists()
    assert (folder / "tracks" / "pi.bw").exists()


def test_no_window_on_a_contig_of_the_hub(tmp_path: Path):
    folder = make_result(tmp_path, {"GL000192.1": 547_496})
    contigs = {"20": HG19_20, "GL000192.1": 547_496}
    (folder / "run.json").write_text(json.dumps(json.loads((folder / "run.json").read_text()) | {"contigs": contigs}))
    assert publish(folder).notes[0] == "the UCSC hub leaves out GL000192.1, which hg19 does not have"
    assert not (folder / "hub").exists()


def test_the_hub_goes_where_there_can_be_none_any_more(tmp_path: Path):
    folder = make_result(tmp_path)
    publish(folder)
    assert publish(folder, genome="/nowhere.fa").notes
    assert not (folder / "hub").exists()


@pytest.mark.parametrize(
    ("fasta", "message"),
    [
        ({"s1": 30_000}, "s1 has 30,000 bp, the scan's s1 20,000: another genome build"),
        ({"t1": 20_000}, "has t1, and none of the scan's contigs"),
        (None, "cannot be read as an indexed FASTA: run 'samtools faidx"),
    ],
)
def test_a_fasta_of_another_genome(tmp_path: Path, fasta: dict[str, int] | None, message: str):
    path = tmp_path / "apple.fa"
    if fasta is None:
        path.write_text("no sequence")
    else:
        write_fasta(path, fasta)
    with pytest.raises(InputError, match=message):
        place(str(path), {"s1": 20_000})


def test_contig_names_that_ucsc_refuses(tmp_path: Path):
    write_fasta(tmp_path / "a.fa", {"gi|12|s1": 20_000})
    with pytest.raises(InputError, match=r"UCSC takes no contig names such as gi\|12\|s1: letters, digits"):
        place(str(tmp_path / "a.fa"), {"gi|12|s1": 20_000})


def test_a_fasta_of_a_known_assembly_needs_no_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(KNOWN, "tst1", {"1": 300, "2": 400, "X": 50})
    write_fasta(tmp_path / "a.fa", {"chr1": 300, "chr2": 400, "chrX": 50})
    found = place(str(tmp_path / "a.fa"), {"1": 300})
    assert (found.name, found.names, found.fasta) == ("tst1", {"1": "chr1"}, None)


@pytest.fixture(scope="module")
def assembly_hub(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], Published]:
    """A hub of a genome that UCSC does not have, with a contig whose name it refuses; the FASTA has ``chr`` names."""
    folder = tmp_path_factory.mktemp("assembly")
    sequences = write_fasta(folder / "my apple-v1.fa", {"chr1": 60_001, "chr2": 9_998, "u:1": 500})
    made = make_result(folder / "out", {"u:1": 500, "2": 9_998, "1": 60_001}, genome=str(folder / "my apple-v1.fa"))
    return made, sequences, publish(made)


def test_an_assembly_hub(assembly_hub: tuple[Path, dict[str, str], Published]):
    folder, sequences, published = assembly_hub
    assert published.notes == ("the UCSC hub leaves out u:1, which my_apple_v1 does not have",)
    assert read_hub(folder / "hub" / "hub.txt")[1] == {
        "genome": "my_apple_v1",
        "twoBitPath": "my_apple_v1/my_apple_v1.2bit",
        "groups": "groups.txt",
        "description": "my apple-v1.fa",
        "organism": "my_apple_v1",
        "scientificName": "my_apple_v1",
        "defaultPos": "chr2:1-9998",
        "orderKey": "1",
        "htmlPath": "about.html",
    }
    groups = read_hub(folder / "hub" / "groups.txt")
    assert groups == [{"name": "popscan", "label": "popscan", "priority": "1", "defaultIsClosed": "0"}]
    for stanza in tracks_of(folder).values():
        assert stanza.get("group") == (None if "parent" in stanza else "popscan")
    genome = py2bit.open(str(folder / "hub" / "my_apple_v1" / "my_apple_v1.2bit"), True)
    assert genome.chroms() == {"chr1": 60_001, "chr2": 9_998}
    assert genome.sequence("chr1") == sequences["chr1"]
    with pyBigWig.open(str(folder / "hub" / "my_apple_v1" / "pi__GBR.bw")) as file:
        assert file.chroms() == {"chr1": 60_001, "chr2": 9_998}
    assert lint(folder / "hub" / "hub.txt") == []
    assert fasta_lengths(folder.parent / "my apple-v1.fa")["u:1"] == 500


@given(
    sequences=st.lists(st.text(st.sampled_from("ACGTNacgtnRy-"), min_size=1, max_size=70), min_size=1, max_size=4),
    chunk=st.sampled_from([4, 8, 1 << 24]),
)
def test_sequences_come_back(tmp_path_factory: pytest.TempPathFactory, sequences: list[str], chunk: int):
    folder = tmp_path_factory.mktemp("twobit")
    (folder / "a.fa").write_text("".join(f">s{at}\n{text}\n" for at, text in enumerate(sequences)))
    lengths = fasta_lengths(folder / "a.fa")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twobit, "_CHUNK", chunk)
        twobit.write_twobit(folder / "a.2bit", folder / "a.fa", lengths)
    genome = py2bit.open(str(folder / "a.2bit"), True)
    for at, text in enumerate(sequences):  # py2bit shows every unknown base as N
        assert genome.sequence(f"s{at}") == re.sub("[^ACGTacgt]", "N", text)
        lower = [match.span() for match in re.finditer("[a-z]+", text)]
        assert genome.softMaskedBlocks(f"s{at}") == lower
    assert twobit.read_lengths(folder / "a.2bit") == {f"s{at}": len(text) for at, text in enumerate(sequences)}


def test_a_sequence_is_not_written_again(tmp_path: Path):
    write_fasta(tmp_path / "a.fa", {"s": 100})
    path, lengths = tmp_path / "a.2bit", {"s": 100}
    twobit.write_twobit(path, tmp_path / "a.fa", lengths)
    number = path.stat().st_ino
    twobit.write_twobit(path, tmp_path / "a.fa", lengths)
    assert path.stat().st_ino == number


@pytest.mark.parametrize("age", [-3600, 3600], ids=["younger", "older"])
def test_another_fasta_replaces_the_sequence(tmp_path: Path, age: int):
    """Older too, as a copy that kept its date."""
    fasta, path, lengths = tmp_path / "a.fa", tmp_path / "a.2bit", {"s": 8}
    for letters in ("ACGTACGT", "TTTTGGGG"):
        fasta.write_text(f">s\n{letters}\n")
        if letters == "TTTTGGGG":
            os.utime(fasta, (path.stat().st_mtime - age,) * 2)
        twobit.write_twobit(path, fasta, lengths)
        assert py2bit.open(str(path)).sequence("s") == letters


def test_a_damaged_sequence_is_written_again(tmp_path: Path):
    write_fasta(tmp_path / "a.fa", {"s": 100})
    path = tmp_path / "a.2bit"
    path.write_bytes(b"no twoBit")
    changed = (tmp_path / "a.fa").stat().st_mtime_ns
    os.utime(path, ns=(changed, changed))
    twobit.write_twobit(path, tmp_path / "a.fa", {"s": 100})
    assert twobit.read_lengths(path) == {"s": 100}


def test_a_sequence_cut_short_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_fasta(tmp_path / "a.fa", {"s": 100})
    monkeypatch.setattr(twobit, "read_lengths", lambda _: {"s": 99})
    with pytest.raises(OutputError, match=r"a\.2bit: what was read back differs"):
        twobit.write_twobit(tmp_path / "a.2bit", tmp_path / "a.fa", {"s": 100})
    assert [path.name for path in tmp_path.glob("*2bit*")] == []


def test_sequences_that_cannot_be_written(tmp_path: Path):
    write_fasta(tmp_path / "a.fa", {"s": 100})
    with pytest.raises(InputError, match="more than a twoBit file of UCSC can hold"):
        twobit.write_twobit(tmp_path / "a.2bit", tmp_path / "a.fa", {"s": 20_000_000_000})
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*a\.2bit"):
        twobit.write_twobit(tmp_path / "file" / "a.2bit", tmp_path / "a.fa", {"s": 100})
    with pytest.raises(InputError, match="is no twoBit file"):
        twobit.read_lengths(tmp_path / "a.fa")
    with pytest.raises(InputError, match="cannot be read as twoBit"):
        twobit.read_lengths(tmp_path / "file")


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("hub popscan\n", "", "it does not begin with the setting hub"),
        ("genome hg19\n\n", "", "the second stanza does not begin with genome"),
        ("useOneFile on", "useOneFile off", "useOneFile is not on"),
        ("email someone@example.org\n", "", "hub: email is missing"),
        ("email someone@example.org", "email nobody", "hub: email nobody is no address"),
        ("descriptionUrl about.html", "descriptionUrl gone.html", "hub: descriptionUrl gone.html: no such file"),
        ("genome hg19", "genome mm10", "contigs that the genome has not: chr20"),
        ("track pi__GBR\n", "track fst__GBR__FIN\n", "fst__GBR__FIN: there are two tracks of this name"),
        ("track pi__GBR\n", "track pi.GBR\n", "pi.GBR: its name holds more than letters, digits and _"),
        ("track pi__GBR\n", "view pi__GBR\n", "a stanza begins with view, not with track"),
        ("shortLabel pi GBR\n", "", "pi__GBR: shortLabel is missing"),
        ("shortLabel pi GBR\n", "shortLabel pi of the Britons here\n", "has 22 characters, at most 17 are shown"),
        ("shortLabel pi GBR\n", "shortLabel pi FIN\n", "shortLabel 'pi FIN' is that of 2 tracks"),
        ("shortLabel pi GBR\n", "shortLabel\n", "the setting shortLabel has no value"),
        ("shortLabel pi GBR\n", "shortLabel a\nshortLabel b\n", "shortLabel is set twice"),
        ("color 0,158,115\naltColor", "color #00ff00\naltColor", "color #00ff00 is no colour"),
        ("color 0,158,115\naltColor", "color 0,158,256\naltColor", "color 0,158,256 is no colour"),
        ("visibility full", "visibility open", "visibility open is unknown"),
        ("viewLimits 0:", "viewLimits 9:", "viewLimits: 9 is not below"),
        ("viewLimits 0:", "viewLimits 0:1:", "is no minimum and maximum"),
        ("parent pair_values", "parent pears", "its parent pears does not exist"),
        ("parent pair_values", "parent pi__GBR", "its parent pi__GBR is no container"),
        ("subGroups family=diversity\n", "", "subGroups: family=None is not what its parent declares"),
        ("subGroups family=diversity", "subGroups family=fruit", "family=fruit is not what its parent declares"),
        ("compositeTrack on\n", "compositeTrack on\nbigDataUrl hg19/pi__GBR.bw\n", "a container and has a bigDataUrl"),
        ("bigDataUrl hg19/pi__GBR.bw\ncolor 0,158", "color 0,158", "pi__GBR: bigDataUrl is missing"),
        ("bigDataUrl hg19/pi__GBR.bw", "bigDataUrl hg19/gone.bw", "bigDataUrl hg19/gone.bw: no such file"),
        ("bigDataUrl hg19/pi__GBR.bw", "bigDataUrl ../hg19/pi__GBR.bw", "is no plain path below the hub's folder"),
        ("bigDataUrl hg19/pi__GBR.bw", "bigDataUrl hg19/pi__GBR.bb", "pi__GBR.bb is a bigBed, its type bigWig"),
        ("bigDataUrl hg19/pi__GBR.bw", "bigDataUrl about.html", "about.html cannot be read"),
        ("type bigBed 9 +\nitemRgb", "type bigBed 12\nitemRgb", "has 9 columns of BED out of 12, its type is"),
        ("type bigBed 9 +\nitemRgb", "type bigWig 0 1\nitemRgb", "its type bigWig 0 1 is not that of its parent"),
        ("html html/pi__GBR.html\n", "", "it has no page: html is missing"),
    ],
)
def test_lint_sees_what_is_wrong(copy: Path, before: str, after: str, complaint: str):
    text = copy.read_text()
    assert before in text
    copy.write_text(text.replace(before, after))
    assert any(complaint in line for line in lint(copy)), lint(copy)


def test_lint_counts_what_is_shown(copy: Path):
    text = copy.read_text()
    copy.write_text(text.replace("_values off", "_values on").replace("visibility hide", "visibility full"))
    assert lint(copy) == ["22 tracks are shown at first, where 1 to 10 are useful"]
    copy.write_text(re.sub("visibility (full|dense)", "visibility hide", text))
    assert lint(copy) == ["0 tracks are shown at first, where 1 to 10 are useful"]


def test_lint_wants_two_tracks_in_an_overlay(copy: Path):
    gone = "overlay_pi_1__pi__(FIN|IBS)"
    copy.write_text("\n\n".join(part for part in copy.read_text().split("\n\n") if not re.match(f"track {gone}", part)))
    assert lint(copy) == ["overlay_pi_1: it is a container of 1 tracks, at least 2 are needed"]


def test_lint_wants_parents_first(copy: Path):
    head, genome, *rest = copy.read_text().removesuffix("\n").split("\n\n")
    copy.write_text("\n\n".join([head, genome, *rest[::-1]]) + "\n")
    assert "pi__GBR: its parent population__GBR_values comes after it" in lint(copy)


def test_lint_of_what_is_no_hub(tmp_path: Path):
    assert lint(tmp_path / "hub.txt") == [f"{tmp_path / 'hub.txt'}: there is no such file"]
    (tmp_path / "hub.txt").write_text("")
    assert lint(tmp_path / "hub.txt") == [f"{tmp_path / 'hub.txt'}: it does not begin with the setting hub"]
    (tmp_path / "hub.txt").write_bytes(b"hub \xff")
    assert "cannot be read as text" in lint(tmp_path / "hub.txt")[0]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("organism my_apple_v1\n", "", "genome: organism is missing"),
        ("groups groups.txt", "groups gone.txt", "genome: groups gone.txt: no such file"),
        ("my_apple_v1.2bit", "other.2bit", "genome: twoBitPath my_apple_v1/other.2bit: no such file"),
    ],
)
def test_lint_of_an_assembly_hub(
    assembly_hub: tuple[Path, dict[str, str], Published], tmp_path: Path, before: str, after: str, complaint: str
):
    shutil.copytree(assembly_hub[0] / "hub", tmp_path / "hub")
    path = tmp_path / "hub" / "hub.txt"
    path.write_text(path.read_text().replace(before, after))
    assert complaint in lint(path)
