"""bigBed files of calls, read back by pyBigWig and by struct, and compared with the BED beside them."""

from __future__ import annotations

import struct
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyBigWig
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.browser import bigbed
from scanner.browser.bed import Calls, find_calls, write_calls
from scanner.browser.bigbed import AUTOSQL, CLASS_AUTOSQL, column_counts, write_bigbed
from scanner.errors import OutputError

COLOURS = ((213, 94, 0), (0, 114, 178))
CONTIGS = {"2": 1000, "10": 2000, "X": 10}


def make_calls(rows: list[tuple[int, int, int, float, bool, int]]) -> Calls:
    """Make calls whose peak is their first 10 bp and whose strength is 700."""
    contig, start, end, value, low, windows = (np.array(part) for part in zip(*rows, strict=True))
    strength, sure, none = np.full(len(rows), 700), np.zeros(len(rows), np.bool_), np.full(len(rows), np.nan)
    return Calls(contig.astype(np.int32), start, end, start, start + 10, value, strength, low, windows, sure, none)


ROWS = [(0, 500, 600, -2.3149, True, 3), (1, 40, 90, 1.0, False, 1), (0, 20, 60, 2.5, False, 2)]


def test_calls_as_bigbed(tmp_path: Path):
    path = tmp_path / "calls" / "tajimas_d.bb"
    assert write_bigbed(path, CONTIGS, make_calls(ROWS), "Tajima's\tD", COLOURS)
    with pyBigWig.open(str(path)) as file:
        assert file.isBigBed()
        assert list(file.chroms().items()) == [("10", 2000), ("2", 1000)]  # byte order; X has no call
        assert file.entries("10", 0, 2000) == [(40, 90, "Tajima's D 1\t700\t.\t40\t50\t0,114,178\t1\thigh\t1")]
        assert file.entries("2", 0, 1000) == [
            (20, 60, "Tajima's D 2.5\t700\t.\t20\t30\t0,114,178\t2.5\thigh\t2"),
            (500, 600, "Tajima's D -2.31\t700\t.\t500\t510\t213,94,0\t-2.3149\tlow\t3"),
        ]
        assert file.SQL().decode() == AUTOSQL
    assert [file.name for file in path.parent.iterdir()] == ["tajimas_d.bb"]


def test_the_header_says_which_columns_are_beds(tmp_path: Path):
    path = tmp_path / "pi.bb"
    write_bigbed(path, CONTIGS, make_calls(ROWS), "pi", COLOURS)
    magic, version, _, _, _, _, total, bed = struct.unpack_from("<IHHQQQHH", path.read_bytes())
    assert (magic, version, total, bed) == (0x8789F2EB, 4, 12, 9)
    assert column_counts(path) == (12, 9)


def test_calls_of_a_class_have_their_size_and_rate(tmp_path: Path):
    path = tmp_path / "sweep_hard.bb"
    calls = replace(make_calls(ROWS), value=np.array([0.9, 0.987654321, 0.95]), false=np.array([0.041, 1.0, 0.0125]))
    assert write_bigbed(path, CONTIGS, calls, "Hard\tsweep", COLOURS)
    with pyBigWig.open(str(path)) as file:
        assert file.SQL().decode() == CLASS_AUTOSQL
        assert file.entries("10", 0, 2000) == [
            (40, 90, "Hard sweep 0.988\t700\t.\t40\t50\t0,114,178\tHard sweep\t0.987654321\t50\t1\t1")
        ]
        assert [entry[2].split("\t")[6:] for entry in file.entries("2", 0, 1000)] == [
            ["Hard sweep", "0.95", "40", "2", "0.0125"],
            ["Hard sweep", "0.9", "100", "3", "0.041"],
        ]
    assert column_counts(path) == (14, 9)


def test_the_autosql_names_every_column():
    lines = [line.strip() for line in AUTOSQL.splitlines()]
    assert lines[0].split()[1].isalnum()  # of other names, viewers lose the columns
    declared = [line.partition(";")[0].split()[-1] for line in lines if ";" in line]
    assert declared == [
        "chrom", "chromStart", "chromEnd", "name", "score", "strand", "thickStart", "thickEnd", "reserved", "value",
        "tail", "windows",
    ]  # fmt: skip


@given(seed=st.integers(0, 10_000), tail=st.sampled_from(["low", "high", "both"]))
def test_the_bed_and_the_bigbed_say_the_same(tmp_path_factory: pytest.TempPathFactory, seed: int, tail: str):
    draw, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("both")
    contig = np.repeat(np.arange(3, dtype=np.int32), 60)
    start = np.tile(np.arange(60) * 10, 3)
    values = np.round(draw.normal(size=180), 2)
    values[draw.random(180) < 0.1] = np.nan
    contigs = {"chr2": 5000, "chr10": 5000, "a-b.1": 5000}
    calls = find_calls(contig, start, start + 25, values, tail, 0.05)
    write_calls(folder / "a.bed.gz", list(contigs), calls, "a", COLOURS)
    write_bigbed(folder / "a.bb", contigs, calls, "a", COLOURS)
    with pysam.BGZFile(str(folder / "a.bed.gz"), "r") as stream:
        bed = [line.decode().split("\t") for line in stream]
    with pyBigWig.open(str(folder / "a.bb")) as file:
        names = sorted(file.chroms(), key=str.encode)
        found = [
            [name, str(a), str(b), *text.split("\t")] for name in names for a, b, text in file.entries(name, 0, 5000)
        ]
    assert [row[:9] for row in found] == bed
    assert sum(int(row[11]) for row in found) == calls.windows.sum() > 0
    assert [float(row[9]) for row in found] == pytest.approx([float(row[3].split()[1]) for row in found], rel=5e-3)


def test_no_calls_leave_no_file(tmp_path: Path):
    path, start = tmp_path / "pi.bb", np.arange(3)
    assert write_bigbed(path, CONTIGS, make_calls(ROWS), "pi", COLOURS)
    none = find_calls(np.zeros(3, np.int32), start, start + 1, np.full(3, np.nan), "both", 0.1)
    assert not write_bigbed(path, CONTIGS, none, "pi", COLOURS)
    assert list(tmp_path.iterdir()) == []


def test_calls_past_their_contig_get_no_name(tmp_path: Path):
    calls = make_calls([(0, 20, 30, 1.0, False, 1), (2, 5, 20, 1.0, False, 1)])  # X has 10 bp
    with pytest.raises(OutputError, match=r"pi\.bb: what was read back differs"):
        write_bigbed(tmp_path / "pi.bb", CONTIGS, calls, "pi", COLOURS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_short_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = bigbed._write

    def lose_a_row(path: Path, contigs: dict[str, int], rows: list[bigbed.Row], autosql: str) -> None:
        write(path, contigs, rows[:-1], autosql)

    monkeypatch.setattr(bigbed, "_write", lose_a_row)
    with pytest.raises(OutputError, match="differs from what was written"):
        write_bigbed(tmp_path / "pi.bb", CONTIGS, make_calls(ROWS), "pi", COLOURS)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "calls").touch()
    with pytest.raises(OutputError, match=r"cannot write .*pi\.bb"):
        write_bigbed(tmp_path / "calls" / "pi.bb", CONTIGS, make_calls(ROWS), "pi", COLOURS)


def test_another_process_writes_the_same_bytes(tmp_path: Path):
    arguments = (CONTIGS, make_calls(ROWS), "pi", COLOURS)
    write_bigbed(tmp_path / "here.bb", *arguments)
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(write_bigbed, tmp_path / "there.bb", *arguments).result()
    assert (tmp_path / "here.bb").read_bytes() == (tmp_path / "there.bb").read_bytes()
