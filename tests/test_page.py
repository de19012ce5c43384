"""The page: complete in itself, true to the table, safe with any name, small enough."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner import publish as publishing
from scanner.browser import page, page_html, page_tracks
from scanner.browser.bigwig import Tiling
from scanner.browser.page import Igv, find_igv, for_json, for_script
from scanner.browser.page_numbers import MISSING, Overview, evenly, pack, ranks, spearman, unpack
from scanner.decode import Kind
from scanner.publish import publish
from scanner.regions import Region
from scanner.scores import Reason
from scanner.table import TableWriter, read_table
from scanner.windows import sliding

CONTIGS = {"20": 3_000_000, "3": 800_000, "10": 90_000}
WINDOW, STEP = 50_000, 10_000
SCORES = [
    ("tajimas_d", "GBR"), ("tajimas_d", "TSI"), ("pi", "GBR"), ("pi", "TSI"), ("h12", "GBR"), ("fst", "GBR", "TSI"),
    ("theta_h", "GBR"), ("callable_bp",),
]  # fmt: skip
IGV = Igv("window.igv = '</script><!--';", "9.9.9", "A <licence> & more")
ACCOUNTS = """kind\tname\toutcome\tcount
records\t20\tsites\t600
records\t20\tindel\t300
records\t3\tsites\t100
windows\ttajimas_d.GBR\tvalue\t380
windows\ttajimas_d.GBR\tno_variation\t20
windows\tpi.GBR\tvalue\t400
windows\ttheta_h.GBR\tunpolarised\t400
"""


def values(rows: int, seed: int) -> np.ndarray:
    """Draw values with a gap, and a score that has none."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, len(SCORES)))
    matrix[rows // 3 : rows // 3 + rows // 10, :-1] = np.nan
    matrix[:, 6] = np.nan
    return matrix


def make_result(folder: Path, contigs: dict[str, int] = CONTIGS, **record: Any) -> Path:
    """Write a result; the contigs stand in this order."""
    folder.mkdir(parents=True)
    columns = [".".join(score) for score in SCORES]
    with TableWriter(folder / "windows.tsv.gz", columns) as writer:
        for seed, (contig, length) in enumerate(contigs.items()):
            windows = sliding(Region(contig, 0, length), WINDOW, STEP)
            writer.write(contig, windows.start, windows.end, values(len(windows), seed), ["."] * len(windows))
    entries = [{"column": ".".join(s), "name": s[0], "populations": list(s[1:])} for s in SCORES]
    entry = {"kind": "bp", "window": WINDOW, "step": STEP}
    run = {"popscan": "0", "contigs": contigs, "windows": entry, "scores": entries, **record}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "accounting.tsv").write_text(ACCOUNTS)
    return folder


class Reader(HTMLParser):
    """Reads the page as a browser would: elements, texts by element, addresses that would be loaded."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, str] = {}
        self.scripts: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.elements.append((tag, given))
        if tag == "script":
            self.scripts.append("")
        if tag not in self.VOID:
            self.open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            self.unbalanced.append(tag)
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "script":
            self.scripts[-1] += data
        for _, having in self.open:
            if "id" in having:
                self.texts[having["id"]] = self.texts.get(having["id"], "") + data

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.texts["data"])

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [given for name, given in self.elements if name == tag and wanted.items() <= given.items()]


@pytest.fixture
def own_igv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand something small in for igv.js, so that the tests do not depend on it."""
    monkeypatch.setattr(page, "find_igv", lambda: IGV)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a published result."""
    folder = make_result(tmp_path_factory.mktemp("page") / "result")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "find_igv", lambda: IGV)
        publish(folder)
    return folder


@pytest.fixture(scope="module")
def reader(result: Path) -> Reader:
    """Give the page, read."""
    return Reader((result / "index.html").read_text(encoding="utf-8"))


def test_the_page_is_well_formed_and_has_its_parts(reader: Reader):
    assert (reader.unbalanced, reader.open) == ([], [])
    sections = [given["id"] for given in reader.all("section")]
    assert sections == ["overview", "browser", "regions", "agreement", "accounting", "opening"]
    ids = [given["id"] for _, given in reader.elements if "id" in given]
    assert len(ids) == len(set(ids))
    labelled = {given["aria-labelledby"] for given in reader.all("section")}
    assert labelled <= set(ids)
    assert {given["href"][1:] for given in reader.all("a") if given["href"].startswith("#")} <= set(ids)


def test_the_page_loads_nothing(reader: Reader):
    for tag, having in reader.elements:
        assert not having.get("src", ""), tag
        assert tag != "link" or having["href"] == "data:,"
    assert reader.all("iframe") + reader.all("object") + reader.all("base") == []
    text = "".join((page.PARTS / name).read_text() for name in [*page.SCRIPTS, "page.html", "page.css"])
    assert re.findall(r"https?:|//\w+\.\w+|@import|url\((?!data:)", text) == []


def test_the_scripts_stay_scripts(reader: Reader):
    assert len(reader.scripts) == 3
    assert reader.scripts[1] == r"window.igv = '<\/script><\!--';"
    assert reader.scripts[2].strip().startswith('"use strict";')
    assert reader.scripts[2].strip().endswith("})();")


def test_igv_js_is_named_with_its_licence(result: Path):
    text = (result / "index.html").read_text()
    assert "igv.js 9.9.9" in text
    assert "A &lt;licence&gt; &amp; more" in text


def test_embedded_bigwigs_are_the_tables_values(reader: Reader, result: Path, tmp_path: Path):
    table = read_table(result / "windows.tsv.gz")
    shown = [column for column in reader.data["columns"] if column["uri"]]
    assert [column["column"] for column in shown] == [
        "tajimas_d.GBR", "tajimas_d.TSI", "pi.GBR", "pi.TSI", "h12.GBR", "fst.GBR.TSI"
    ]  # fmt: skip
    assert reader.data["bin"] == 0
    for column in shown:
        path = tmp_path / "track.bw"
        path.write_bytes(decode(column["uri"]))
        values = table.columns[column["column"]]
        with pyBigWig.open(str(path)) as file:
            assert file.chroms() == CONTIGS
            for code, name in enumerate(table.contigs):
                rows = np.flatnonzero((table.contig == code) & np.isfinite(values))
                found = np.array([value for *_, value in file.intervals(name)])
                assert np.array_equal(found, values[rows].astype(np.float32))


def decode(uri: str) -> bytes:
    kind, data = uri.split(",")
    assert re.fullmatch(r"data:application/(octet-stream|gzip);base64", kind)
    return base64.b64decode(data)


def test_a_score_without_values_is_not_listed(reader: Reader):
    assert "theta_h.GBR" not in [column["column"] for column in reader.data["columns"]]
    options = {given["value"] for given in reader.all("option")}
    assert {"tajimas_d", "pi", "h12", "fst", "tajimas_d.GBR"} <= options
    assert "theta_h" not in options


def test_calls_of_a_score_are_joined_and_named(reader: Reader, result: Path):
    calls = {item["score"]: gzip.decompress(decode(item["uri"])).decode().splitlines() for item in reader.data["calls"]}
    rows = [line.split("\t") for line in calls["tajimas_d"]]
    there = 0
    for population in ("GBR", "TSI"):
        with gzip.open(result / f"calls/tajimas_d.{population}.bed.gz", "rt") as file:
            there += sum(1 for _ in file)
    assert len(rows) == there > 2
    assert {len(row) for row in rows} == {9}
    assert {row[3].rpartition(" ")[0] for row in rows} == {"Tajima's D GBR", "Tajima's D TSI"}
    assert {row[8] for row in rows} == {"0,114,178", "213,94,0"}
    keys = [(row[0].encode(), int(row[1]), int(row[2])) for row in rows]
    assert keys == sorted(keys)


def test_the_overview_holds_each_value_at_its_place(reader: Reader, result: Path):
    table = read_table(result / "windows.tsv.gz")
    stretches = reader.data["stretches"]
    assert [item[0] for item in stretches] == [0, 1, 2]
    assert [item[2] for item in stretches] == [3_000_000 - 20_000, 800_000 - 20_000, 90_000 - 20_000]  # ends of tiles
    column = reader.data["columns"][0]
    mean, low, high = unpack(column["bins"]).reshape(3, -1)
    values, limit = table.columns["tajimas_d.GBR"], (column["bins"]["high"] - column["bins"]["low"]) / 60_000
    at = 0
    for contig, start, end, bins in stretches:
        rows = np.flatnonzero(table.contig == contig)
        edges = np.linspace(start, end, bins + 1)
        for number in range(bins):
            tiles = [
                row for row in rows
                if table.start[row] + 20_000 < edges[number + 1] and table.start[row] + 30_000 > edges[number]
            ]  # fmt: skip
            known = values[tiles][np.isfinite(values[tiles])]
            found = [mean[at + number], low[at + number], high[at + number]]
            if len(known) == 0:
                assert np.isnan(found).all()
            else:
                assert found == pytest.approx([known.mean(), known.min(), known.max()], abs=limit)
        at += bins
    assert at == len(mean)


def test_the_points_of_the_scatter_plot_are_windows(reader: Reader, result: Path):
    table, agreement = read_table(result / "windows.tsv.gz"), reader.data["agreement"]
    assert agreement["windows"] == len(table) == len(agreement["places"])
    for name, packed in zip(agreement["columns"], agreement["points"], strict=True):
        span = packed["high"] - packed["low"]
        assert np.allclose(unpack(packed), table.columns[name], atol=span / 130_000, equal_nan=True)
    assert agreement["places"][5] == [0, 50_000, 100_000]
    one, two = (table.columns[name] for name in agreement["columns"][:2])
    both = np.isfinite(one) & np.isfinite(two)
    place = [np.argsort(np.argsort(values[both])) for values in (one, two)]
    assert agreement["rho"][0][1] == pytest.approx(np.corrcoef(*place)[0, 1], abs=6e-4)


def test_regions_stand_as_rows_that_a_keyboard_reaches(reader: Reader, result: Path):
    rows = reader.all("tr", tabindex="0")
    listed = (result / "candidates.tsv").read_text().splitlines()[1:]
    assert len(rows) == min(len(listed), page_html.LISTED) > 3
    for row, line in zip(rows, listed, strict=False):
        fields = line.split("\t")
        assert [row["data-contig"], row["data-start"], row["data-end"]] == fields[1:4]
    assert f"{len(listed):,} regions" in " ".join(reader.texts["regions"].split())
    headings = [given for given in reader.all("button") if "data-d" in given]
    assert len(headings) == 7


def test_accounting_is_explained(reader: Reader):
    text = " ".join(reader.texts["accounting"].split())
    assert "sites70070%" in text
    assert "indel30030%insertions and deletions" in text
    assert "Tajima's D95%5%·" in text
    assert "theta H··100%" in text
    assert "fewer than half of the sites" in text
    assert "With a value in every window: pi." in text


def test_every_reason_has_an_explanation():
    assert set(page_html.WINDOW_REASONS) == {reason.name.lower() for reason in Reason} - {"value"}
    kinds = {kind.name.lower() for kind in Kind} - {"snp"}
    assert kinds <= set(page_html.RECORD_REASONS)
    source = (Path(page_html.__file__).parent.parent / "vcf.py").read_text()
    assert set(re.findall(r'reasons\[.*\] = "(\w+)"', source)) <= set(page_html.RECORD_REASONS)


@pytest.mark.usefixtures("own_igv")
def test_the_same_input_gives_the_same_bytes(result: Path, tmp_path: Path):
    other = shutil.copytree(result, tmp_path / "copy")
    before = (result / "index.html").read_bytes()
    publish(other)
    assert (other / "index.html").read_bytes() == before
    publish(other)
    assert (other / "index.html").read_bytes() == before


EVIL = "</script><b>&\"'"


@pytest.mark.usefixtures("own_igv")
def test_hostile_names_stay_text(tmp_path: Path):
    contigs = {f"{EVIL}<!--": 2_000_000, "a'&amp;b": 500_000}
    record = {
        "inputs": {"vcf": {"path": f"/x/{EVIL}.vcf", "sha256": EVIL}},
        "populations": {EVIL: 7},
        "regions": [EVIL],
        "versions": {EVIL: EVIL},
        "command": ["popscan", EVIL],
        "seed": EVIL,
        "email": f"{EVIL}@x.org",
    }
    folder = make_result(tmp_path / EVIL.replace("/", ""), contigs, **record)
    (folder / "accounting.tsv").write_text(f"kind\tname\toutcome\tcount\nrecords\t{EVIL}\t{EVIL}\t3\n")
    annotation = tmp_path / "genes.gff3"
    annotation.write_text(f"{EVIL}<!--\tx\tgene\t1\t2000000\t.\t+\t.\tID=1;Name={EVIL}\n")
    publish(folder, genes=annotation)
    text = (folder / "index.html").read_text(encoding="utf-8")
    found = Reader(text)
    assert (found.unbalanced, found.open) == ([], [])
    assert len(found.scripts) == 3
    assert EVIL not in text
    assert found.data["contigs"] == list(contigs)
    assert {row["data-contig"] for row in found.all("tr", tabindex="0")} <= set(contigs)
    assert EVIL in found.texts["candidates"]
    assert found.data["name"].endswith(".vcf")


@pytest.mark.usefixtures("own_igv")
def test_genes_are_named_beside_the_regions_and_drawn(tmp_path: Path):
    folder = make_result(tmp_path / "result")
    annotation = tmp_path / "genes.gff3"
    annotation.write_text("chr20\tx\tgene\t1\t2900000\t.\t+\t.\tID=1;Name=WIDE\nchr3\tx\tgene\t1\t9\t.\t+\t.\tID=2\n")
    publish(folder, genes=annotation)
    found = Reader((folder / "index.html").read_text())
    assert "WIDE" in found.texts["candidates"]
    assert "Genes" in found.texts["candidates"]
    assert gzip.decompress(decode(found.data["genes"])).decode() == "20\t0\t2900000\tWIDE\n3\t0\t9\t2\n"
    assert "kb from 2" in found.texts["candidates"]


def test_without_igv_js_there_is_a_sentence_and_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_result(tmp_path / "result")
    (folder / "index.html").write_text("of an earlier run")
    monkeypatch.setattr(page, "find_igv", lambda: None)
    published = publish(folder)
    assert any("pip install igv-notebook" in note for note in published.notes)
    assert not (folder / "index.html").exists()
    assert (folder / "candidates.tsv").exists()


def test_igv_js_is_found_in_its_package_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "some_igv"
    (package / "js").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not wanted')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_igv("some_igv") is None
    source = 'p.version="3.1.6";function Ay(){return"3.0.8"}'
    (package / "js" / "igv.min.js").write_text(source)
    assert find_igv("some_igv") == Igv(source, "3.0.8", "")
    assert find_igv("there_is_no_such_package") is None


def test_the_real_igv_js_is_there_and_fits_into_a_script():
    igv = find_igv()
    assert igv is not None, "igv-notebook is among popscan's dependencies"
    assert re.fullmatch(r"\d+\.\d+\.\d+", igv.version)
    assert "MIT" in igv.licence
    found = Reader(f"<script>{for_script(igv.source)}</script><p>")
    assert [name for name, _ in found.elements] == ["script", "p"]


@pytest.mark.usefixtures("own_igv")
def test_the_least_result_makes_a_page(tmp_path: Path):
    folder = tmp_path / "result"
    folder.mkdir()
    with TableWriter(folder / "windows.tsv.gz", ["pi"]) as writer:
        writer.write("1", [0], [100], [[0.5]], ["."])
    entry = {"kind": "bed"}
    scores = [{"column": "pi", "name": "pi", "populations": []}]
    (folder / "run.json").write_text(
        json.dumps({"popscan": "0", "contigs": {"1": 100}, "windows": entry, "scores": scores})
    )
    publish(folder)
    found = Reader((folder / "index.html").read_text())
    assert found.unbalanced == []
    assert found.data["candidates"] == []
    assert "Genome scan" in found.texts["data"]


@pytest.mark.usefixtures("own_igv")
def test_a_result_without_any_value_makes_a_page_without_tracks(tmp_path: Path):
    folder = make_result(tmp_path / "result")
    record = json.loads((folder / "run.json").read_text())
    record["scores"] = [score for score in record["scores"] if score["name"] == "theta_h"]
    (folder / "run.json").write_text(json.dumps(record))
    publish(folder)
    assert Reader((folder / "index.html").read_text()).data["columns"] == []


def test_what_can_be_opened_elsewhere_is_what_is_there(tmp_path: Path):
    assert "igv_session.xml" not in page_html.opening(tmp_path)
    (tmp_path / "igv_session.xml").touch()
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "hub.txt").touch()
    found = page_html.opening(tmp_path)
    assert "IGV desktop" in found
    assert "hub/hub.txt" in found


# ---- size: what does not fit is averaged --------------------------------------------------------------------------


def thinned(result: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Publish a copy with room for fewer values."""
    monkeypatch.setattr(page_tracks, "INTERVALS", limit)
    monkeypatch.setattr(page_tracks, "SHARP", 1)
    monkeypatch.setattr(page_tracks, "MARGIN", 3)
    publish(result)
    return Reader((result / "index.html").read_text())


@pytest.mark.usefixtures("own_igv")
def test_values_that_do_not_fit_are_averaged_except_around_the_best_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = make_result(tmp_path / "result")
    found = thinned(folder, 700, monkeypatch)
    size = found.data["bin"]
    assert size > STEP
    table = read_table(folder / "windows.tsv.gz")
    best = (folder / "candidates.tsv").read_text().splitlines()[1].split("\t")
    total = 0
    for column in found.data["columns"]:
        (tmp_path / "track.bw").write_bytes(decode(column["uri"]))
        values = table.columns[column["column"]]
        with pyBigWig.open(str(tmp_path / "track.bw")) as file:
            for code, name in enumerate(table.contigs):
                tile = table.start + 20_000
                known = np.isfinite(values) & (table.contig == code)
                drawn = set()
                for start, end, mean in file.intervals(name):
                    rows = np.flatnonzero(known & (tile >= start) & (tile < end))
                    assert mean == pytest.approx(values[rows].mean(), rel=1e-5, abs=1e-6)
                    assert tile[rows].tolist() == list(range(start, end, STEP))  # no gap is covered
                    drawn |= set(rows.tolist())
                    total += 1
                    if name == best[1] and start < int(best[3]) and int(best[2]) < end:
                        assert len(rows) == 1
                assert drawn == set(np.flatnonzero(known).tolist())
    assert total <= 700


@pytest.mark.usefixtures("own_igv")
def test_scattered_gaps_are_bridged_only_where_nothing_else_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_result(tmp_path / "result")
    found = thinned(folder, 60, monkeypatch)
    assert found.data["bin"] > STEP
    for column in found.data["columns"]:
        (tmp_path / "track.bw").write_bytes(decode(column["uri"]))
        with pyBigWig.open(str(tmp_path / "track.bw")) as file:
            assert sum(len(file.intervals(name)) for name in file.chroms()) < 60


@pytest.mark.usefixtures("own_igv")
def test_more_tracks_than_the_page_holds_are_left_to_the_served_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "EMBEDDED", 2)
    folder = make_result(tmp_path / "result")
    publish(folder)
    columns = Reader((folder / "index.html").read_text()).data["columns"]
    assert [bool(column["uri"]) for column in columns] == [True, True, False, False, False, False]
    assert all((folder / column["url"]).is_file() for column in columns)


@pytest.mark.usefixtures("own_igv")
def test_a_tenth_of_a_large_genome_takes_a_tenth_of_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Tenfold smaller than tests/benchmarks/bench_page.py, which has the real one: 24 contigs, 25 MB."""
    contigs = {f"chr{number}": 12_500_000 for number in range(1, 25)}
    monkeypatch.setattr(page_tracks, "INTERVALS", 80_000)
    seconds: list[float] = []

    def timed(write: Callable[..., page.Page]) -> Callable[..., page.Page]:
        import time

        def inner(*given: Any) -> page.Page:
            began = time.perf_counter()
            made = write(*given)
            seconds.append(time.perf_counter() - began)
            return made

        return inner

    monkeypatch.setattr(publishing, "write_page", timed(publishing.write_page))
    folder = make_result(tmp_path / "result", contigs)
    publish(folder)
    assert (folder / "index.html").stat().st_size < 2_500_000
    assert seconds[0] < 6


# ---- numbers --------------------------------------------------------------------------------------------------------

NUMBERS = hnp.arrays(np.float64, st.integers(0, 30), elements=st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))))


@given(NUMBERS)
def test_packed_numbers_come_back(values: np.ndarray):
    packed = pack(values)
    found = unpack(packed)
    assert np.array_equal(np.isnan(found), np.isnan(values))
    if np.isfinite(values).any():
        span = packed["high"] - packed["low"]
        assert np.allclose(found, values, atol=span / 131_000 + 1e-9, equal_nan=True)
        assert np.nanmax(np.frombuffer(base64.b64decode(packed["data"]), "<u2")) <= MISSING


@given(hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(-3, 3)))
def test_ranks_equal_counting(values: np.ndarray):
    counted = [1 + (values < value).sum() + ((values == value).sum() - 1) / 2 for value in values]
    assert ranks(values.astype(np.float64)).tolist() == counted


def test_histories_are_told_and_what_is_none_is_not():
    logs = {"log_n0": [4.0], "log_t1": [2.0], "log_n1": [3.0], "log_t2": [3.0], "log_n2": [3.5]}
    told = "10,000 diploids, 1,000 from 100 and 3,162 from 1,000 generations ago"
    entries = [{"population": "<b>A", **logs}, logs, {**logs, "log_t1": "old"}, {"log_n0": [1e9]}, 3]
    assert page_html._histories(entries) == f"&lt;b&gt;A: {told}<br>all samples: {told}"
    assert [page_html._histories(entry) for entry in (None, [], {}, [{}], [{**logs, "log_n2": [1e9]}])] == [""] * 5


def test_spearman_equals_scipys():
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    columns = [np.round(rng.normal(size=200), 1) for _ in range(4)]
    columns[1] += columns[0]
    columns[1][:50] = np.nan
    columns[2][30:90] = np.nan
    found = spearman([*columns, np.ones(200)])
    for one in range(4):
        for other in range(4):
            both = np.isfinite(columns[one]) & np.isfinite(columns[other])
            expected = scipy.spearmanr(columns[one][both], columns[other][both]).statistic
            assert found[one, other] == pytest.approx(expected, abs=1e-9)
    assert np.isnan(found[4]).all()


def test_spearman_needs_three_windows():
    assert np.isnan(spearman([np.array([1.0, 2.0]), np.array([1.0, 2.0])])).all()


@given(st.integers(0, 50), st.integers(2, 20))
def test_evenly_chosen_rows_reach_from_end_to_end(rows: int, most: int):
    chosen = evenly(rows, most)
    assert len(chosen) == min(rows, most)
    assert len(set(chosen.tolist())) == len(chosen)
    if rows:
        assert (chosen[0], chosen[-1]) == (0, rows - 1)


def test_an_overview_of_many_contigs_shows_the_longest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("scanner.browser.page_numbers.MOST_CONTIGS", 2)
    contig = np.array([0, 1, 1, 2, 2, 2], np.int32)
    start = np.array([0, 0, 10, 0, 10, 30])
    tiling = Tiling((("a", 10), ("b", 20), ("c", 40)), contig, start, start + 10)
    overview = Overview(tiling)
    assert overview.omitted == 1
    assert [(item.contig, item.start, item.end) for item in overview.stretches] == [(1, 0, 20), (2, 0, 40)]
    mean = overview.bins(np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0]))[0]
    assert mean[:500].tolist() == [1.0] * 250 + [2.0] * 250
    assert np.array_equal(mean[500:], np.repeat([3, 4, np.nan, 5], 250), equal_nan=True)


def test_numbers_in_words():
    words = [page_html.number(value) for value in (-1.5, 0.000012, 1234567, 0, -2.5e-9, 1e12)]
    assert words == ["−1.5", "1.2e−5", "1,230,000", "0", "−2.5e−9", "1e12"]


def test_json_for_a_script_element():
    text = for_json({"a": "</script>\u2028", "b": float("nan"), "c": [1.5, float("inf")], "d": (None, True)})
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"a": "</script>\u2028", "b": None, "c": [1.5, None], "d": [None, True]}


def test_a_track_of_both_signs_shows_its_negatives(reader: Reader):
    by_name = {column["column"]: column["axis"] for column in reader.data["columns"]}
    low, high, baseline = by_name["tajimas_d.GBR"]
    assert (low, baseline) == (-high, 0)
    assert low < -1


def test_damaged_accounting_is_passed_over(tmp_path: Path):
    path = tmp_path / "accounting.tsv"
    empty: dict[str, dict[str, Any]] = {"records": {}, "windows": {}}
    assert page_html.read_accounting(path) == empty
    path.write_text("kind\tname\toutcome\tcount\nrecords\t1\tsites\tmany\n")
    assert page_html.read_accounting(path) == empty


def test_pages_replace_pages_only_when_complete(result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = shutil.copytree(result, tmp_path / "copy")
    before = (other / "index.html").read_bytes()
    monkeypatch.setattr(page, "find_igv", lambda: replace(IGV, source="\udcff"))  # which UTF-8 cannot hold
    with pytest.raises(UnicodeEncodeError):
        publish(other)
    assert (other / "index.html").read_bytes() == before
    assert list(other.glob(".*partial*")) == []
