"""Publishing: from a table and its run.json to tracks, calls and a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyBigWig
import pysam
import pytest

from scanner import publish as module
from scanner.browser.axis import axis
from scanner.catalogue import track
from scanner.errors import InputError
from scanner.publish import Published, publish
from scanner.regions import Region
from scanner.result import read_run
from scanner.table import TableWriter
from scanner.windows import sliding

NAN = float("nan")
CONTIGS = {"20": 400_000, "3": 150_000}
POPULATIONS = {"GBR": 182, "TSI": 214}


def score(name: str, *populations: str) -> dict[str, object]:
    """Describe a column as run.json does."""
    return {"column": ".".join([name, *populations]), "name": name, "populations": list(populations)}


SCORES = [
    score("pi", "GBR"),
    score("callable_bp"),
    score("pi", "TSI"),
    score("tajimas_d", "GBR"),
    score("tajimas_d", "TSI"),
    score("theta_h", "GBR"),
    score("fst", "GBR", "TSI"),
]


def cells(column: str, rows: int) -> np.ndarray:
    """Make up values; those of theta_h are all missing, every 9th of the others is."""
    rng = np.random.default_rng(sum(column.encode()))
    values = rng.normal(0, 1, rows) if column.startswith("tajima") else rng.uniform(0.0005, 0.0015, rows)
    values[::9] = NAN
    return np.full(rows, NAN) if column.startswith("theta_h") else values


def make_result(folder: Path, scores: Sequence[dict[str, object]] = SCORES, **changes: object) -> Path:
    """Write a result with windows of 50 kb every 10 kb, and a run.json with some fields changed."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [str(item["column"]) for item in scores]
    with TableWriter(folder / "windows.tsv.gz", columns) as writer:
        for contig, length in CONTIGS.items():
            windows = sliding(Region(contig, 0, length), 50_000, 10_000)
            values = np.column_stack([cells(column, len(windows)) for column in columns])
            writer.write(contig, windows.start, windows.end, values, ["."] * len(windows))
    entry: dict[str, object] = {
        "popscan": "0.1.0",
        "contigs": CONTIGS,
        "windows": {"kind": "bp", "window": 50_000, "step": 10_000},
        "populations": POPULATIONS,
        "scores": list(scores),
        "genome": None,
    }
    (folder / "run.json").write_text(json.dumps(entry))
    return change_run(folder, changes)


def change_run(folder: Path, changes: dict[str, object]) -> Path:
    """Change fields of run.json."""
    entry = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(entry | changes))
    return folder


def names_below(folder: Path) -> list[str]:
    """List all files of a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Published]:
    """A published result with pi and Tajima's D of two populations, Fst, and theta_h without any value."""
    folder = make_result(tmp_path_factory.mktemp("result"))
    return folder, publish(folder)


def test_the_files_of_a_result(result: tuple[Path, Published]):
    folder, published = result
    columns = ["tajimas_d.GBR", "tajimas_d.TSI", "pi.GBR", "pi.TSI", "fst.GBR.TSI"]
    expected = [f"tracks/{column}.bw" for column in columns] + [f"calls/{column}.bed.gz" for column in columns]
    written = [path.relative_to(folder).as_posix() for path in published.files]
    expected += [f"calls/{column}.bb" for column in columns]
    whole = ["candidates.tsv", "igv_session.xml", "index.html", "jbrowse_config.json", "tracks/genome.chrom.sizes"]
    assert sorted(written) == sorted([*expected, *whole])  # no hub, for no genome has contigs of these lengths
    indexes = [f"calls/{column}.bed.gz.tbi" for column in columns]
    inputs = ["run.json", "windows.tsv.gz", "windows.tsv.gz.tbi"]
    assert names_below(folder) == sorted([*written, *indexes, *inputs])
    assert published.session == published.files[-1] == folder / "igv_session.xml"
    assert (published.without_data, published.without_calls, published.not_shown) == (("theta_h.GBR",), (), ())


def test_a_track_shows_each_window_by_its_middle(result: tuple[Path, Published]):
    windows = sliding(Region("3", 0, CONTIGS["3"]), 50_000, 10_000)
    values = cells("pi.TSI", len(windows)).astype(np.float32)
    with pyBigWig.open(str(result[0] / "tracks" / "pi.TSI.bw")) as file:
        assert list(file.chroms().items()) == [("20", 400_000), ("3", 150_000)]
        shown = file.intervals("3")
    expected = [
        (start + 20_000, start + 30_000, value)
        for start, value in zip(windows.start.tolist(), values.tolist(), strict=True)
        if value == value
    ]
    assert list(shown) == expected


def test_calls_are_the_tail_of_the_whole_genome(result: tuple[Path, Published]):
    per_contig = [sliding(Region(name, 0, length), 50_000, 10_000) for name, length in CONTIGS.items()]
    lowest = min(float(np.nanmin(cells("tajimas_d.GBR", len(windows)))) for windows in per_contig)
    with pysam.TabixFile(str(result[0] / "calls" / "tajimas_d.GBR.bed.gz")) as file:
        rows = [row.split("\t") for name in file.contigs for row in file.fetch(name)]
    assert len(rows) == 2  # 45 windows: one at each end
    low, high = sorted(rows, key=lambda row: float(row[3].split()[-1]))
    assert low[3] == f"Tajima's D {lowest:.3g}"
    assert (low[4], low[8]) == ("1000", "213,94,0")
    assert high[8] == "0,114,178"
    assert int(low[2]) - int(low[1]) == 50_000


def test_the_session_shows_populations_side_by_side_on_one_axis(result: tuple[Path, Published]):
    root = ElementTree.parse(result[1].session).getroot()
    assert root.attrib == {
        "genome": "tracks/genome.chrom.sizes",
        "locus": "20:10001-400000",
        "version": "8",
    }  # where values begin
    scores = [item for item in root.iter("Track") if str(item.get("clazz")).endswith("DataSourceTrack")]
    assert [item.get("name") for item in scores] == [
        "Tajima's D GBR", "Tajima's D TSI", "pi GBR [0 to 0.0015]", "pi TSI [0 to 0.0015]",
        "Fst GBR/TSI [0 to 0.0015]",
    ]  # fmt: skip
    axes = [
        tuple(float(next(item.iter("DataRange")).get(end, "")) for end in ("minimum", "maximum")) for item in scores
    ]
    assert axes[0] == axes[1]
    assert axes[0][0] == -axes[0][1] < -1
    assert axes[2:] == [(0.0, 0.0015)] * 3
    for item in root.iter("Resource"):
        assert (result[0] / str(item.get("path"))).is_file()
        assert ".." not in str(item.get("path"))
    assert (result[0] / "tracks" / "genome.chrom.sizes").read_text() == "20\t400000\n3\t150000\n"


def test_publishing_again_changes_nothing_and_touches_nothing_else(tmp_path: Path):
    folder = make_result(tmp_path)
    publish(folder)
    (folder / "tracks" / "mine.bw").write_text("mine")
    before = {name: (folder / name).read_bytes() for name in names_below(folder)}
    publish(folder)
    assert {name: (folder / name).read_bytes() for name in names_below(folder)} == before


def test_a_moved_result_has_the_same_session(tmp_path: Path, result: tuple[Path, Published]):
    folder = make_result(tmp_path / "elsewhere")
    assert publish(folder).session.read_text() == result[1].session.read_text()


def test_other_processes_make_the_same_files(tmp_path: Path, result: tuple[Path, Published]):
    folder = make_result(tmp_path)
    with ProcessPoolExecutor(1) as pool:
        publish(folder, mapper=pool.map)
    for name in names_below(folder):
        assert (folder / name).read_bytes() == (result[0] / name).read_bytes()


def test_progress_counts_the_columns_that_have_a_track(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    publish(make_result(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize("genome", ["hg19", "/data/genome.fa"])
def test_a_genome_that_the_run_names(tmp_path: Path, genome: str):
    folder = make_result(tmp_path, genome=genome)
    published = publish(folder)
    assert ElementTree.parse(published.session).getroot().get("genome") == genome
    assert (folder / "tracks" / "genome.chrom.sizes").read_text() == "20\t400000\n3\t150000\n"  # JBrowse needs it


def test_many_columns_show_those_that_are_visible_by_default(tmp_path: Path):
    names = ["P" + letter for letter in "ABCDEFGHIJK"]
    scores = [score(one, name) for one in ("pi", "theta_w") for name in names]
    assert len(scores) > module.SHOW_ALL
    folder = make_result(tmp_path, scores)
    published = publish(folder)
    assert published.not_shown == tuple(f"theta_w.{name}" for name in names)
    text = published.session.read_text()
    assert "tracks/pi.PK.bw" in text
    assert "theta_w" not in text
    assert (folder / "tracks" / "theta_w.PK.bw").is_file()


def test_many_columns_none_of_them_visible_by_default(tmp_path: Path):
    scores = [score("theta_w", f"P{number}") for number in range(25)]
    published = publish(make_result(tmp_path, scores))
    assert published.not_shown == tuple(f"theta_w.P{number}" for number in range(20, 25))


@pytest.mark.parametrize("kind", ["sites", "bed"])
def test_windows_of_other_kinds_are_cut_where_they_overlap(tmp_path: Path, kind: str):
    size = None if kind == "bed" else 50
    folder = make_result(tmp_path, windows={"kind": kind, "window": size, "step": size})
    with TableWriter(folder / "windows.tsv.gz", [str(item["column"]) for item in SCORES]) as writer:
        writer.write("3", [0, 60, 200], [100, 160, 290], np.arange(21.0).reshape(3, 7), ["."] * 3)
    published = publish(folder)
    with pyBigWig.open(str(folder / "tracks" / "pi.GBR.bw")) as file:
        assert file.intervals("3") == ((0, 80, 0.0), (80, 160, 7.0), (200, 290, 14.0))
    assert published.without_calls == ("tajimas_d.GBR", "tajimas_d.TSI", "pi.GBR", "pi.TSI", "fst.GBR.TSI")


def test_folders_that_hold_no_result(tmp_path: Path):
    with pytest.raises(InputError, match=r"is not a popscan result, for it has no run\.json"):
        publish(tmp_path)
    with pytest.raises(InputError, match="is not a popscan result"):
        publish(tmp_path / "absent")
    (make_result(tmp_path) / "windows.tsv.gz").unlink()
    with pytest.raises(InputError, match=r"windows\.tsv\.gz is missing"):
        publish(tmp_path)


def test_a_result_without_windows(tmp_path: Path):
    folder = make_result(tmp_path)
    with TableWriter(folder / "windows.tsv.gz", ["pi"]):
        pass
    with pytest.raises(InputError, match="has no windows"):
        publish(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"contigs": None},
        {"contigs": {"20": "long"}},
        {"windows": {"kind": "bp", "window": 10}},
        {"windows": {"kind": "cM", "window": 10, "step": 1}},
        {"windows": "100kb"},
        {"scores": None},
        {"scores": [{"column": "pi", "name": "pi"}]},
        {"scores": [{"column": "../pi", "name": "pi", "populations": []}]},
        {"scores": [{"column": 3, "name": "pi", "populations": []}]},
    ],
)
def test_a_damaged_run_is_refused(tmp_path: Path, change: dict[str, object]):
    with pytest.raises(InputError, match=r"run\.json is damaged .*: run popscan scan again"):
        read_run(change_run(make_result(tmp_path), change))


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_a_run_that_cannot_be_read(tmp_path: Path, content: bytes):
    (make_result(tmp_path) / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        read_run(tmp_path)


def test_a_run_that_is_no_object(tmp_path: Path):
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="is damaged"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [*SCORES, score("h12", "GBR")]}, r"lacks the column h12\.GBR"),
        ({"contigs": {"20": 400_000}}, "has a window up to 3:150000"),
        ({"contigs": {"20": 399_999, "3": 150_000}}, "has a window up to 20:400000"),
    ],
)
def test_a_table_of_another_run_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, object], message: str
):
    folder = change_run(make_result(tmp_path), change)
    with pytest.raises(InputError, match=message):
        publish(folder)
    assert not (folder / "tracks").exists()


def around(low: float, high: float) -> Callable[[str], tuple[float, float]]:
    """Give the axis of a score whose values lie between two bounds."""
    return lambda name: axis(track(name), [np.array([low, NAN]), np.array([high])])


def test_axes():
    assert around(0.2, 0.7)("h2_h1") == (0.0, 1.0)  # fixed by the catalogue
    assert around(3, 1234)("sites") == (0.0, 1300.0)
    assert around(-0.0123, 0.31)("fst") == (-0.02, 0.31)  # negative values stay visible
    assert around(-0.4, 1.234)("tajimas_d") == (-1.3, 1.3)
    assert around(0.0, 0.0)("pi") == (0.0, 1.0)
    assert around(0.0, 0.0)("tajimas_d") == (-1.0, 1.0)
    assert around(NAN, NAN)("pi") == (0.0, 1.0)
    assert around(NAN, NAN)("tajimas_d") == (-1.0, 1.0)


def test_an_axis_leaves_out_single_extreme_values():
    values = np.concatenate([np.full(9_999, 0.5), [1000.0]])
    assert axis(track("mu"), [values]) == (0.0, 0.5)
