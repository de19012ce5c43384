"""The table of scores: what is written is what is read, and a damaged table is refused with its line."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import table as module
from scanner.errors import InputError, OutputError
from scanner.table import TableWriter, read_table

NAN = float("nan")
Row = tuple[str, int, int, list[float], str]


def write_rows(path: Path, columns: list[str], rows: list[Row], *, reasons: bool = True) -> Path:
    """Write rows, one contig at a time."""
    with TableWriter(path, columns, reasons=reasons) as writer:
        for contig in dict.fromkeys(row[0] for row in rows):
            part = [row for row in rows if row[0] == contig]
            words = [row[4] for row in part] if reasons else None
            writer.write(contig, [row[1] for row in part], [row[2] for row in part], [row[3] for row in part], words)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a table's text as it stands, BGZF-compressed."""
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write(text.encode())
    return path


def text_of(path: Path) -> str:
    """Decompress with the standard library."""
    return gzip.decompress(path.read_bytes()).decode()


def naive_cell(value: float) -> str:
    """Print a value as the format says, one at a time."""
    if math.isnan(value):
        return "NA"
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    return f"{value:.9g}"


ROWS: list[Row] = [
    ("2", 0, 100, [7.0, 0.25], "."),
    ("2", 50, 150, [0.0, NAN], "no_variation"),
    ("10", 0, 80, [NAN, NAN], "uncallable,few_sites"),
]
GOOD = "contig\tstart\tend\tsites\tpi\treasons\n2\t0\t100\t7\t0.25\t.\n2\t50\t150\t0\tNA\tfew_sites\n"

values = st.one_of(
    st.floats(-1e12, 1e12), st.integers(-(2**53) + 1, 2**53 - 1).map(float), st.just(NAN), st.sampled_from([-0.0, 1e9])
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[Row]]:
    """Draw sorted rows of up to three contigs, whose names and reasons look like missing values."""
    width = draw(st.integers(0, 4))
    rows = []
    for contig in draw(st.lists(st.sampled_from(["NA", "nan", "chr1", "1"]), unique=True, max_size=3)):
        for start in sorted(draw(st.lists(st.integers(0, 1000), max_size=5))):
            cells = draw(st.lists(values, min_size=width, max_size=width))
            word = draw(st.sampled_from([".", "nan", "NA,few_sites"]))
            rows.append((contig, start, start + draw(st.integers(1, 50)), cells, word))
    return [f"score{index}" for index in range(width)], rows


@given(tables())
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[str], list[Row]]):
    columns, rows = drawn
    path = write_rows(tmp_path_factory.mktemp("table") / "windows.tsv.gz", columns, rows)

    lines = text_of(path).split("\n")
    expected = ["\t".join(["contig", "start", "end", *columns, "reasons"])]
    expected += ["\t".join([c, str(s), str(e), *map(naive_cell, cells), word]) for c, s, e, cells, word in rows]
    assert lines == [*expected, ""]

    found = read_table(path)
    assert len(found) == len(rows)
    assert [found.contigs[code] for code in found.contig] == [row[0] for row in rows]
    assert found.start.tolist() == [row[1] for row in rows]
    assert found.end.tolist() == [row[2] for row in rows]
    assert found.reasons == tuple(row[4] for row in rows)
    assert list(found.columns) == columns
    for index, column in enumerate(columns):
        exact = [float(naive_cell(row[3][index]).replace("NA", "nan")) for row in rows]
        np.testing.assert_array_equal(found.columns[column], np.array(exact, np.float64))


def test_a_table_without_reasons(tmp_path: Path):
    path = write_rows(tmp_path / "sites.tsv.gz", ["sites", "pi"], ROWS, reasons=False)
    assert text_of(path).startswith("contig\tstart\tend\tsites\tpi\n2\t0\t100\t7\t0.25\n")
    found = read_table(path)
    assert found.reasons == ()
    np.testing.assert_array_equal(found.columns["pi"], [0.25, NAN, NAN])


def test_reading_in_chunks_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_rows(tmp_path / "windows.tsv.gz", ["sites", "pi"], ROWS)
    whole = read_table(path)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 1)
    pieces = read_table(path)
    assert pieces.contigs == whole.contigs == ("2", "10")
    assert pieces.contig.tolist() == [0, 0, 1]
    assert pieces.reasons == whole.reasons
    np.testing.assert_array_equal(pieces.columns["sites"], [7, 0, NAN])


def test_a_contig_without_windows_leaves_no_trace(tmp_path: Path):
    with TableWriter(tmp_path / "windows.tsv.gz", ["pi"]) as writer:
        writer.write("2", [], [], np.empty((0, 1)), [])
        writer.write("1", [5], [9], [[0.5]], ["."])
    assert read_table(tmp_path / "windows.tsv.gz").contigs == ("1",)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    one = write_rows(tmp_path / "one.tsv.gz", ["sites", "pi"], ROWS)
    other = write_rows(tmp_path / "other.tsv.gz", ["sites", "pi"], ROWS)
    with TableWriter(tmp_path / "by row.tsv.gz", ["sites", "pi"]) as writer:
        for contig, start, end, cells, word in ROWS:
            writer.write(contig, [start], [end], [cells], [word])
    assert one.read_bytes() == other.read_bytes() == (tmp_path / "by row.tsv.gz").read_bytes()
    assert Path(f"{one}.tbi").read_bytes() == Path(f"{other}.tbi").read_bytes()


def test_tabix_finds_the_windows_that_overlap(tmp_path: Path):
    path = write_rows(tmp_path / "windows.tsv.gz", ["sites", "pi"], ROWS)
    with pysam.TabixFile(str(path)) as file:
        assert file.contigs == ["2", "10"]
        assert [row.split("\t")[1] for row in file.fetch("2", 99, 100)] == ["0", "50"]
        assert [row.split("\t")[1] for row in file.fetch("2", 100, 101)] == ["50"]
        assert list(file.fetch("10", 80, 1000)) == []


def test_a_contig_past_the_reach_of_tbi_gets_a_csi(tmp_path: Path):
    path = write_rows(tmp_path / "windows.tsv.gz", ["sites", "pi"], ROWS)
    assert Path(f"{path}.tbi").exists()
    far = 2**29
    write_rows(path, ["pi"], [("1", 0, 5, [1.0], "."), ("1", far, far + 10, [0.5], ".")])
    assert not Path(f"{path}.tbi").exists()
    with pysam.TabixFile(str(path), index=f"{path}.csi") as file:
        assert [row.split("\t")[3] for row in file.fetch("1", far, far + 1)] == ["0.5"]


def test_a_table_appears_only_when_complete(tmp_path: Path):
    path = write_rows(tmp_path / "windows.tsv.gz", ["sites", "pi"], ROWS)
    before = path.read_bytes()

    def fail() -> None:
        with TableWriter(path, ["sites"]) as writer:
            writer.write("1", [0], [10], [[1.0]], ["."])
            assert path.read_bytes() == before
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["windows.tsv.gz", "windows.tsv.gz.tbi"]


@pytest.mark.parametrize(
    ("contig", "start", "end", "cells", "reasons"),
    [
        ("2", [0, 5], [10, 15], [[1.0], [2.0]], ["."]),
        ("2", [0], [10], [[1.0]], None),
        ("2", [0], [10, 20], [[1.0]], ["."]),
        ("2", [0], [10], [[1.0, 2.0]], ["."]),
        ("2", [5, 0], [10, 15], [[1.0], [2.0]], [".", "."]),
        ("2", [-1], [10], [[1.0]], ["."]),
        ("2", [10], [10], [[1.0]], ["."]),
        ("2", [0], [10], [[math.inf]], ["."]),
        ("1", [3], [10], [[1.0]], ["."]),
        ("0", [0], [10], [[1.0]], ["."]),
        ("a\tb", [0], [10], [[1.0]], ["."]),
        ("", [0], [10], [[1.0]], ["."]),
    ],
)
def test_rows_that_no_reader_could_use_are_refused(tmp_path: Path, contig, start, end, cells, reasons):
    writer = TableWriter(tmp_path / "windows.tsv.gz", ["pi"])
    writer.write("0", [0], [10], [[1.0]], ["."])
    writer.write("1", [4], [10], [[1.0]], ["."])
    with pytest.raises(ValueError, match=r"\w"):
        writer.write(contig, start, end, cells, reasons)
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("columns", [["pi", "pi"], ["start"], ["a\tb"], [""]])
def test_columns_without_a_proper_name_are_refused(tmp_path: Path, columns: list[str]):
    with pytest.raises(ValueError, match="columns must have different"):
        TableWriter(tmp_path / "windows.tsv.gz", columns)


def test_a_place_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(OutputError, match=r"cannot write .*absent"):
        TableWriter(tmp_path / "absent" / "windows.tsv.gz", ["pi"])


class FullDisk:
    """A stream whose every operation fails."""

    def write(self, *_: object) -> None:
        raise OSError("no space left")

    close = write


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write() -> None:
        with TableWriter(tmp_path / "windows.tsv.gz", ["pi"]) as writer:
            monkeypatch.setattr(writer, "_stream", FullDisk())
            writer.write("1", [0], [10], [[1.0]], ["."])

    with pytest.raises(OutputError, match="no space left"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    writer = TableWriter(tmp_path / "windows.tsv.gz", ["pi"])
    monkeypatch.setattr(writer, "_stream", FullDisk())
    with pytest.raises(OutputError, match="no space left"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no table of scores"),
        ("chrom\tstart\tend\tpi\n", "no table of scores"),
        ("contig\tstart\tend\tpi\tpi\n", "no table of scores"),
        (GOOD.replace("\tNA", ""), r":3: expected 6 tab-separated columns, found 5"),
        (GOOD.replace("0.25", "0.25\t3"), r":2: expected 6 tab-separated columns, found 7"),
        (GOOD.removesuffix("\n"), ":3: expected"),
        (GOOD.replace("0.25", "0,25"), r":2: '0,25' in column pi is no number"),
        (GOOD.replace("0.25", "1_0"), r":2: '1_0' in column pi is no number"),
        (GOOD.replace("0.25", "0.2٣"), r":2: '0.2٣' in column pi is no number"),
        (GOOD.replace("0.25", ""), r":2: '' in column pi is no number"),
        (GOOD.replace("0.25", "inf"), ":2: .* infinite"),
        (GOOD.replace("2\t50\t150", "2\t150\t150"), ":3: bounds"),
        (GOOD.replace("2\t0\t100", "2\t-1\t100"), ":2: bounds"),
        (GOOD.replace("2\t0\t100", "2\t0.5\t100"), ":2: bounds"),
        (GOOD.replace("2\t0\t100", "2\t60\t100"), ":3: .* not sorted"),
        (GOOD + "3\t0\t9\t1\t1\t.\n" + "2\t900\t950\t1\t1\t.\n", ":5: .* not sorted"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(InputError, match=message):
        read_table(write_text(tmp_path / "windows.tsv.gz", text))


def test_the_table_those_faults_were_made_from_is_sound(tmp_path: Path):
    found = read_table(write_text(tmp_path / "windows.tsv.gz", GOOD))
    np.testing.assert_array_equal(found.columns["pi"], [0.25, NAN])


def test_files_that_are_no_whole_bgzf(tmp_path: Path):
    path = tmp_path / "windows.tsv.gz"
    with pytest.raises(InputError, match="is missing"):
        read_table(path)
    whole = write_text(path, GOOD * 5000).read_bytes()
    path.write_bytes(whole[:-28])  # cut between two blocks: a decompressor would not notice
    with pytest.raises(InputError, match="cut off"):
        read_table(path)
    path.write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(InputError, match="not BGZF"):
        read_table(path)
    path.write_bytes(whole[:200] + bytes(50) + whole[250:])
    with pytest.raises(InputError, match="damaged"):
        read_table(path)
    write_text(path, "contig\tstart\tend\tpi\n")
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write(b"contig\tstart\tend\t\xff\n")
    with pytest.raises(InputError, match="damaged"):
        read_table(path)
