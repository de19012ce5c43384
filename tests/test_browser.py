"""bigWig, BED and IGV files: read back by parsers of our own, and laid out as naive versions say."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.browser import bed, bigwig
from scanner.browser.bed import Calls, call_lines, extreme, find_calls, write_calls
from scanner.browser.bigwig import Tiling, cut_tiles, step_tiles, write_bigwig
from scanner.browser.drawn import DrawnTrack
from scanner.browser.igv import track_name, write_chrom_sizes, write_session
from scanner.errors import OutputError
from scanner.regions import Region
from scanner.windows import sliding

NAN = float("nan")
Interval = tuple[str, int, int, float]


def parse_bigwig(path: Path) -> tuple[list[tuple[str, int]], list[Interval], int]:
    """Read contigs, intervals in file order, and the number of zoom levels, straight from the bytes."""
    data = path.read_bytes()
    magic, _, zooms, tree, begin, end = struct.unpack_from("<IHHQQQ", data)
    assert magic == 0x888FFC26
    key_size = struct.unpack_from("<I", data, tree + 8)[0]
    leaf, _, count = struct.unpack_from("<BBH", data, tree + 32)
    assert leaf == 1
    contigs = []
    for item in range(count):
        at = tree + 36 + item * (key_size + 8)
        number, length = struct.unpack_from("<II", data, at + key_size)
        assert number == item
        contigs.append((data[at : at + key_size].rstrip(b"\0").decode(), length))
    intervals, rest = [], data[begin + 8 : end]
    while rest:
        stream = zlib.decompressobj()
        section = stream.decompress(rest)
        rest = stream.unused_data
        number, start, _, step, span, kind, _, items = struct.unpack_from("<IIIIIBBH", section)
        assert kind in (1, 3)  # every interval has a start and an end of its own, or all are equal and touch
        if kind == 1:
            rows = list(struct.iter_unpack("<IIf", section[24 : 24 + 12 * items]))
        else:
            found = struct.unpack(f"<{items}f", section[24 : 24 + 4 * items])
            rows = [(start + at * step, start + at * step + span, value) for at, value in enumerate(found)]
        intervals += [(contigs[number][0], first, last, value) for first, last, value in rows]
    return contigs, intervals, zooms


def paint(start: np.ndarray, end: np.ndarray, length: int) -> list[set[int]]:
    """List, for each base, the rows that cover it."""
    bases: list[set[int]] = [set() for _ in range(length)]
    for row, (first, last) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        for base in range(first, last):
            bases[base].add(row)
    return bases


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Region, int, int]:
    """Draw a region, a window and a step."""
    start = draw(st.integers(0, 60))
    window = draw(st.integers(1, 40))
    return Region("1", start, start + draw(st.integers(1, 90))), window, draw(st.integers(1, window))


@given(layouts())
def test_tiles_of_sliding_windows(layout: tuple[Region, int, int]):
    region, window, step = layout
    windows = sliding(region, window, step)
    first, last = step_tiles(windows.start, windows.end, window, step)
    assert np.all((windows.start <= first) & (first < last) & (last <= windows.end))
    assert max(map(len, paint(first, last, region.end))) <= 1
    for row in np.flatnonzero((windows.end - windows.start == window) & (windows.start % step == 0)):
        assert last[row] - first[row] == step
        margins = (first[row] - windows.start[row], windows.end[row] - last[row])
        assert margins[1] - margins[0] in (0, 1)  # the tile is in the middle, to the half base


def test_tiles_of_a_scan_leave_only_the_ends_of_the_contig_bare():
    windows = sliding(Region("1", 0, 1030), 100, 10)
    first, last = step_tiles(windows.start, windows.end, 100, 10)
    assert first[0] == 45
    assert np.array_equal(first[1:], last[:-1])
    assert last[-1] == 985
    alone = sliding(Region("1", 100, 110), 100, 50)
    assert [bound.tolist() for bound in step_tiles(alone.start, alone.end, 100, 50)] == [[100], [110]]


contig_windows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=12)


@given(contig_windows)
def test_cut_tiles_lie_in_their_windows_and_never_overlap(rows: list[tuple[int, int, int]]):
    rows.sort()
    contig = np.array([row[0] for row in rows], np.int32)
    start = np.array([row[1] for row in rows], np.int64)
    end = start + np.array([row[2] for row in rows])
    first, last = cut_tiles(contig, start, end)
    drawn = first < last
    assert np.all((start <= first)[drawn] & (last <= end)[drawn])
    assert np.all(first <= last)
    for code in np.unique(contig):
        mine = contig == code
        assert max(map(len, paint(first[mine], last[mine], 80))) <= 1


@given(st.lists(st.integers(0, 60), min_size=1, max_size=10, unique=True), st.integers(1, 30))
def test_cut_tiles_of_equal_windows_give_each_base_to_the_nearest_centre(starts: list[int], width: int):
    start = np.array(sorted(starts), np.int64)
    end = start + width
    first, last = cut_tiles(np.zeros(len(start), np.int32), start, end)
    windows, tiles = paint(start, end, 100), paint(first, last, 100)
    for base in range(100):
        distance = {row: abs(2 * base + 1 - int(start[row] + end[row])) for row in windows[base]}
        assert len(tiles[base]) == bool(windows[base])
        for row in tiles[base]:  # a midpoint between two bases is rounded down: half a base, 1 on this scale
            assert distance[row] <= min(distance.values()) + 1


def test_cut_tiles_of_windows_inside_each_other():
    first, last = cut_tiles(np.zeros(2, np.int32), np.array([0, 10]), np.array([100, 20]))
    assert (first.tolist(), last.tolist()) == ([20, 10], [100, 20])


@st.composite
def scans(draw: st.DrawFn) -> tuple[Tiling, np.ndarray]:
    """Draw disjoint tiles on contigs whose names sort differently as text and as numbers, with gaps."""
    names = draw(st.lists(st.sampled_from(["2", "10", "chrX", "b", "é"]), unique=True, min_size=1))
    contig, bounds, values = [], [], []
    for code in range(len(names)):
        cuts = sorted(draw(st.lists(st.integers(0, 10**6), unique=True, max_size=12)))
        for first, last in zip(cuts[::2], cuts[1::2], strict=False):
            contig.append(code)
            bounds.append((first, last))
            values.append(draw(st.one_of(st.floats(-1e6, 1e6), st.just(NAN), st.just(0.0), st.just(1e300))))
    start = np.array([first for first, _ in bounds], np.int64)
    end = np.array([last for _, last in bounds], np.int64)
    tiling = Tiling(tuple((name, 10**6 - 5) for name in names), np.array(contig, np.int32), start, end)
    return tiling, np.array(values, np.float64)


@given(scans())
def test_a_bigwig_holds_every_value_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[Tiling, np.ndarray]
):
    tiling, values = drawn
    keep = tiling.start < 10**6 - 5
    tiling = Tiling(tiling.contigs, tiling.contig[keep], tiling.start[keep], tiling.end[keep])
    values = values[keep]
    expected: list[Interval] = []
    for row, value in enumerate(values.tolist()):
        if abs(value) < 1e38:
            end = min(int(tiling.end[row]), 10**6 - 5)
            name = tiling.contigs[tiling.contig[row]][0]
            expected.append((name, int(tiling.start[row]), end, struct.unpack("<f", struct.pack("<f", value))[0]))
    expected.sort(key=lambda item: (item[0].encode(), item[1]))

    path = tmp_path_factory.mktemp("bigwig") / "pi.bw"
    assert write_bigwig(path, tiling, values) == bool(expected)
    assert [file.name for file in path.parent.iterdir()] == (["pi.bw"] if expected else [])
    if expected:
        contigs, found, zooms = parse_bigwig(path)
        assert contigs == [(name, 10**6 - 5) for name in dict.fromkeys(item[0] for item in expected)]
        assert found == expected
        assert zooms > 0


def small_tiling(rows: int) -> Tiling:
    """Lay rows of 10 bp side by side on one contig."""
    start = np.arange(rows, dtype=np.int64) * 10
    return Tiling((("1", rows * 10),), np.zeros(rows, np.int32), start, start + 10)


def test_a_large_bigwig(tmp_path: Path):
    values = np.random.default_rng(1).normal(size=50_000)
    values[::7] = NAN
    write_bigwig(tmp_path / "pi.bw", small_tiling(len(values)), values)
    _, found, zooms = parse_bigwig(tmp_path / "pi.bw")
    assert [item[1] for item in found] == (10 * np.flatnonzero(np.isfinite(values))).tolist()
    np.testing.assert_array_equal([item[3] for item in found], values[np.isfinite(values)].astype(np.float32))
    assert zooms >= 2


@pytest.mark.parametrize("hole", [None, 500, 5], ids=["one run", "long runs", "short runs"])
def test_every_bar_has_its_bounds_also_where_tiles_touch(tmp_path: Path, hole: int | None):
    """IGV desktop fails at blocks of fixed or variable steps, which would be smaller."""
    start, values = np.arange(2000) * 10 + 3, np.random.default_rng(2).normal(size=4000)
    contig, start = np.repeat(np.array([0, 1], np.int32), 2000), np.concatenate([start, start])
    end = start + 10
    end[[1999, 3999]] -= 4  # clipped
    if hole is not None:
        values[::hole] = NAN
    tiling = Tiling((("1", 20_003), ("é", 20_003)), contig, start, end)
    assert write_bigwig(tmp_path / "pi.bw", tiling, values)
    known = np.flatnonzero(np.isfinite(values))
    _, found, _ = parse_bigwig(tmp_path / "pi.bw")
    stored = values.astype(np.float32).astype(np.float64)
    assert found == [("1é"[contig[at]], int(start[at]), int(end[at]), float(stored[at])) for at in known]
    assert set(data_blocks(tmp_path / "pi.bw")) == {1}


def data_blocks(path: Path) -> Iterator[int]:
    """Yield the kind of every block: 1 with bounds for each bar, 3 for bars of equal length that touch."""
    data = path.read_bytes()
    begin, end = struct.unpack_from("<QQ", data, 16)
    rest = data[begin + 8 : end]
    while rest:
        stream = zlib.decompressobj()
        yield stream.decompress(rest)[20]
        rest = stream.unused_data


@pytest.mark.parametrize(("rows", "levels"), [(1, 1), (32_768, 1), (32_769, 2), (131_073, 3), (10**12, 10)])
def test_as_many_zoom_levels_as_make_anything_faster(tmp_path: Path, rows: int, levels: int):
    assert bigwig.zoom_levels(rows) == levels
    if rows < 10**6:
        write_bigwig(tmp_path / "pi.bw", small_tiling(rows), np.arange(float(rows)))
        assert parse_bigwig(tmp_path / "pi.bw")[2] == levels


def test_bigwigs_are_the_same_each_time(tmp_path: Path):
    for name in ("one.bw", "two.bw"):
        assert write_bigwig(tmp_path / "new" / name, small_tiling(50), np.arange(50.0))
    assert (tmp_path / "new" / "one.bw").read_bytes() == (tmp_path / "new" / "two.bw").read_bytes()


def test_a_score_that_lost_its_values_loses_its_file(tmp_path: Path):
    path = tmp_path / "pi.bw"
    assert write_bigwig(path, small_tiling(3), np.array([1.0, NAN, 2.0]))
    assert not write_bigwig(path, small_tiling(3), np.full(3, NAN))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [3, 300], ids=["with bounds", "runs"])
@pytest.mark.parametrize("fault", ["value", "interval", "place", "contig"])
def test_a_bigwig_that_differs_when_read_back_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, rows: int
):
    path = tmp_path / "pi.bw"
    write_bigwig(path, small_tiling(rows), np.arange(1.0, rows + 1))
    before = path.read_bytes()
    write = bigwig._write

    def write_wrongly(target: Path, parts: list[bigwig._Part]) -> None:
        part = parts[0]
        start, end, values = part.start.copy(), part.end.copy(), part.values.copy()
        if fault == "value":
            values[1] = np.nextafter(values[1], np.float32(9))
        if fault == "interval":
            start, end, values = start[:-1], end[:-1], values[:-1]
        if fault == "place":
            start, end = start - 1 * (start > 0), end - 1
        write(target, [bigwig._Part("2" if fault == "contig" else "1", part.length, start, end, values)])

    monkeypatch.setattr(bigwig, "_write", write_wrongly)
    with pytest.raises(OutputError, match="differs from what was written"):
        write_bigwig(path, small_tiling(rows), np.arange(4.0, rows + 4))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["pi.bw"]


def test_a_bigwig_in_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "tracks").touch()
    with pytest.raises(OutputError, match=r"cannot write .*pi\.bw"):
        write_bigwig(tmp_path / "tracks" / "pi.bw", small_tiling(1), np.ones(1))


def test_bounds_that_pybigwig_refuses_are_an_output_error(tmp_path: Path):
    overlapping = Tiling((("1", 100),), np.zeros(2, np.int32), np.array([0, 5]), np.array([10, 15]))
    with pytest.raises(OutputError, match=r"pi\.bw"):
        write_bigwig(tmp_path / "pi.bw", overlapping, np.ones(2))
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.one_of(st.integers(0, 8).map(float), st.just(NAN)), max_size=150), st.floats(0.001, 0.4))
def test_extreme_values(drawn: list[float], share: float):
    values = np.array(drawn, np.float64)
    found = extreme(values, share)
    known = sorted(value for value in drawn if value == value)
    if len(known) < 20:
        assert not found.any()
        return
    allowed = max(1, int(share * len(known)))
    marked = [value for value, mark in zip(drawn, found.tolist(), strict=True) if mark]
    assert len(marked) <= allowed
    # naive: take whole groups of equal values from the top, as long as they fit
    expected: list[float] = []
    for value in sorted(set(known), reverse=True):
        group = [other for other in known if other == value]
        if len(expected) + len(group) > allowed:
            break
        expected += group
    assert sorted(marked, reverse=True) == expected


def naive_regions(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Join windows that overlap or touch, one at a time."""
    joined: list[tuple[int, int, int]] = []
    for contig, start, end in rows:
        if joined and joined[-1][0] == contig and start <= joined[-1][2]:
            joined[-1] = (contig, joined[-1][1], max(end, joined[-1][2]))
        else:
            joined.append((contig, start, end))
    return joined


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 300), st.integers(1, 40)), min_size=20, max_size=80),
    st.integers(0, 1000),
    st.sampled_from(["low", "high"]),
)
def test_calls_are_the_joined_extreme_windows(rows, seed: int, tail: str):
    rows = sorted((contig, start, start + width) for contig, start, width in rows)
    contig, start, end = (np.array(part) for part in zip(*rows, strict=True))
    values = np.random.default_rng(seed).normal(size=len(rows)).round(1)  # with ties
    calls = find_calls(contig.astype(np.int32), start, end, values, tail, 0.2)
    sign = -1 if tail == "low" else 1
    marked = np.flatnonzero(extreme(sign * values, 0.2))
    expected = naive_regions([rows[row] for row in marked])
    assert list(zip(calls.contig.tolist(), calls.start.tolist(), calls.end.tolist(), strict=True)) == expected
    assert len(calls) == len(expected)
    for at, (code, first, last) in enumerate(expected):
        inside = [row for row in marked if rows[row][0] == code and first <= rows[row][1] and rows[row][2] <= last]
        best = max(inside, key=lambda row: sign * values[row])
        assert calls.value[at] == values[best]
        assert calls.windows[at] == len(inside)
        assert (calls.peak_start[at], calls.peak_end[at]) == rows[best][1:]
    if len(calls):
        assert calls.strength.max() == 1000
        assert calls.strength.min() > 0
        assert np.all(calls.low == (tail == "low"))


def test_calls_of_both_tails():
    start = np.arange(200) * 10
    values = np.arange(200.0) - 100
    calls = find_calls(np.zeros(200, np.int32), start, start + 20, values, "both", 0.01)
    assert calls.start.tolist() == [0, 1980]
    assert calls.end.tolist() == [30, 2010]
    assert calls.value.tolist() == [-100, 99]
    assert calls.low.tolist() == [True, False]


def test_too_few_windows_give_no_calls():
    start = np.arange(19) * 10
    calls = find_calls(np.zeros(19, np.int32), start, start + 10, np.arange(19.0), "both", 0.1)
    assert len(calls) == 0


def test_probable_windows_are_joined_and_doubtful_ones_are_grey(tmp_path: Path) -> None:
    start = np.arange(6) * 10
    values = np.array([0.1, 0.97, 0.99, 0.2, NAN, 0.96])
    unlike = np.array([False, True, False, False, False, True])
    calls = find_calls(np.zeros(6, np.int32), start, start + 10, values, "probable", 0.96, unlike)
    assert calls.start.tolist() == [10, 50]
    assert calls.strength.tolist() == [990, 960]
    assert calls.doubtful.tolist() == [False, True], "the peak decides"
    lines = call_lines(["1"], calls, "Hard sweep", ((1, 1, 1), (2, 2, 2)))
    assert [line.split("\t")[8] for line in lines] == ["2,2,2", "153,153,153"]
    none = find_calls(np.zeros(6, np.int32), start, start + 10, np.full(6, 0.5), "probable", np.inf)
    assert len(none) == 0
    assert not write_calls(tmp_path / "calls.bed.gz", ["1"], none, "x", ((1, 1, 1), (2, 2, 2)))


def make_calls(rows: list[tuple[int, int, int, float, bool]]) -> Calls:
    """Make calls whose peak is their first 10 bp and whose strength is 700."""
    contig, start, end, value, low = (np.array(part) for part in zip(*rows, strict=True))
    ones = np.ones(len(rows), np.int64)
    place = (contig.astype(np.int32), start, end, start, start + 10)
    return Calls(*place, value, 700 * ones, low, ones, ones == 0, ones * NAN)


ROWS = [(0, 500, 600, -2.3149, True), (1, 40, 90, 1.0, False), (0, 20, 60, 2.5, False), (0, 20, 50, 2.25, False)]


def test_calls_as_bed(tmp_path: Path):
    path = tmp_path / "calls" / "tajimas_d.bed.gz"
    assert write_calls(path, ["2", "10"], make_calls(ROWS), "Tajima's\tD", ((213, 94, 0), (0, 114, 178)))
    with pysam.BGZFile(str(path), "r") as stream:
        lines = [line.decode() for line in stream]
    assert lines == [
        "10\t40\t90\tTajima's D 1\t700\t.\t40\t50\t0,114,178",
        "2\t20\t50\tTajima's D 2.25\t700\t.\t20\t30\t0,114,178",
        "2\t20\t60\tTajima's D 2.5\t700\t.\t20\t30\t0,114,178",
        "2\t500\t600\tTajima's D -2.31\t700\t.\t500\t510\t213,94,0",
    ]
    with pysam.TabixFile(str(path)) as file:
        assert [row.split("\t")[2] for row in file.fetch("2", 55, 510)] == ["60", "600"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["tajimas_d.bed.gz", "tajimas_d.bed.gz.tbi"]


def test_calls_past_the_reach_of_tbi(tmp_path: Path):
    path = tmp_path / "pi.bed.gz"
    black = ((0, 0, 0), (0, 0, 0))
    write_calls(path, ["1"], make_calls([(0, 5, 20, 1.0, True)]), "pi", black)
    write_calls(path, ["1"], make_calls([(0, 2**29, 2**29 + 20, 1.0, True)]), "pi", black)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pi.bed.gz", "pi.bed.gz.csi"]


def test_no_calls_leave_no_file(tmp_path: Path):
    path = tmp_path / "pi.bed.gz"
    colours = ((0, 0, 0), (0, 0, 0))
    assert write_calls(path, ["2", "10"], make_calls(ROWS), "pi", colours)
    start = np.arange(3)
    none = find_calls(np.zeros(3, np.int32), start, start + 1, np.full(3, NAN), "both", 0.1)
    assert not write_calls(path, ["2", "10"], none, "pi", colours)
    assert list(tmp_path.iterdir()) == []


def test_calls_that_differ_when_read_back_get_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = bed.pysam.tabix_index

    def index_something_else(plain: str, **options: object) -> None:
        Path(plain).write_text("2\t20\t50\tanother\n")
        index(plain, **options)

    monkeypatch.setattr(bed.pysam, "tabix_index", index_something_else)
    with pytest.raises(OutputError, match="differs from what was written"):
        write_calls(tmp_path / "pi.bed.gz", ["2", "10"], make_calls(ROWS), "pi", ((0, 0, 0), (0, 0, 0)))
    assert list(tmp_path.iterdir()) == []


def test_calls_in_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "calls").touch()
    with pytest.raises(OutputError, match=r"cannot write .*pi\.bed\.gz"):
        write_calls(tmp_path / "calls" / "pi.bed.gz", ["2", "10"], make_calls(ROWS), "pi", ((0, 0, 0), (0, 0, 0)))


def drawn_track(bigwig: str, name: str, axis: tuple[float, float], **changes: Any) -> DrawnTrack:
    """Describe a track of which only what a session says matters."""
    low, high = axis
    fields = {"colour": (0, 114, 178), "colour_negative": (213, 94, 0), "baseline": 0.0, "height": 70, "calls": None}
    rest = {"column": "d", "score": "d", "populations": (), "title": "", "group": "", "unit": "", "shown": True}
    place = {"bigwig": bigwig, "name": name, "minimum": low, "maximum": high, "description": Path()}
    return DrawnTrack(**{**fields, **rest, **place, **changes})


SCORE = drawn_track("tracks/d.bw", 'D <"A&B">', (-2.4, 2.4), calls="calls/d.bed.gz")


def test_a_session(tmp_path: Path):
    path = tmp_path / "igv_session.xml"
    plain = drawn_track("tracks/pi.bw", "pi", (0.0, 0.5))
    write_session(path, "tracks/genome.chrom.sizes", Region("20", 0, 3000), [SCORE, plain])
    root = ElementTree.parse(path).getroot()
    assert root.attrib == {"genome": "tracks/genome.chrom.sizes", "locus": "20:1-3000", "version": "8"}
    resources = [(item.get("path"), item.get("type")) for item in root.iter("Resource")]
    assert resources == [("tracks/d.bw", "bw"), ("calls/d.bed.gz", "bed"), ("tracks/pi.bw", "bw")]
    drawn = list(root.iter("Track"))
    assert [item.get("id") for item in drawn] == [path for path, _ in resources]
    assert [item.get("name") for item in drawn] == ['D <"A&B">', 'D <"A&B"> calls', "pi"]
    assert (drawn[0].get("color"), drawn[0].get("altColor")) == ("0,114,178", "213,94,0")
    assert (drawn[0].get("height"), drawn[0].get("autoScale")) == ("70", "false")
    assert drawn[1].get("color") is None  # each call has its own
    assert drawn[1].get("featureVisibilityWindow") == "-1"
    axes = [(item.get("minimum"), item.get("maximum"), item.get("baseline")) for item in root.iter("DataRange")]
    assert axes == [("-2.4", "2.4", "0"), ("0", "0.5", "0")]


def test_tiny_axes_are_told_in_the_name():
    def named(low: float, high: float) -> str:
        return track_name(drawn_track("", "H", (low, high)))

    assert named(-0.0011, 0.0011) == "H [±0.0011]"
    assert named(-0.0001, 0.002) == "H [-0.0001 to 0.002]"
    assert named(0.0, 0.01) == "H"


def test_chrom_sizes(tmp_path: Path):
    path = tmp_path / "tracks" / "genome.chrom.sizes"
    write_chrom_sizes(path, {"20": 3000, "3": 8})
    assert path.read_text() == "20\t3000\n3\t8\n"
    assert [file.name for file in path.parent.iterdir()] == ["genome.chrom.sizes"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_chrom_sizes(path / "below", {"20": 3000})
