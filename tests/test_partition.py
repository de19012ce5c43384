"""Parts tile the scan, whatever the windows, and are of about equal work."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import partition
from scanner.bgzf import ContigIndex
from scanner.partition import PART_BYTES, PART_RECORDS, cut, part_records
from scanner.regions import Region
from scanner.windows import Windows, sliding

CELL = partition.CELL


def contig_index(weights, records, width=CELL):
    """Give what an index says of a contig with these amounts of data in bins of one width."""
    total = sum(weights)
    bins = tuple((at * width, width, weight / total) for at, weight in enumerate(weights) if weight)
    return ContigIndex(records, 0, 1 << 40, bins)


@st.composite
def scans(draw):
    """Give everything that `cut` takes: 1-3 contigs, 1-2 regions of each, any windows."""
    regions, laid, entries, lengths = [], [], {}, {}
    for contig in draw(st.sampled_from(["a", "ab", "abc"])):
        lengths[contig] = draw(st.integers(1, 40 * CELL))
        weights = draw(st.lists(st.integers(0, 50), min_size=1, max_size=45).filter(any))
        records = draw(st.one_of(st.none(), st.integers(1, 10**7)))
        entries[contig] = contig_index(weights, records)
        marks = sorted(draw(st.sets(st.integers(0, lengths[contig]), min_size=2, max_size=4)) | {0, lengths[contig]})
        for start, end in list(itertools.pairwise(marks))[::2]:
            regions.append(Region(contig, start, end))
            laid.append(draw(windows_in(regions[-1])))
    return regions, laid, entries, lengths, draw(st.sampled_from([2, 100, 10**4, 10**6]))


@st.composite
def windows_in(draw, region):
    """Give sliding windows, or any sorted ones (nested, repeated, none) inside a region."""
    if draw(st.booleans()):
        window = draw(st.integers(max(1, len(region) // 200), len(region)))
        return sliding(region, window, draw(st.integers(max(1, window // 10), window)))
    starts = draw(st.lists(st.integers(region.start, region.end - 1), max_size=30))
    rows = sorted((start, draw(st.integers(start + 1, region.end))) for start in starts)
    table = np.array(rows, np.int64).reshape(-1, 2)
    return Windows(region.contig, table[:, 0], table[:, 1])


def same(first, second):
    """Compare parts, whose windows are arrays."""
    keys = [
        [
            (p.index, p.segment, p.region, p.core, p.records, p.windows.start.tolist(), p.windows.end.tolist())
            for p in ps
        ]
        for ps in (first, second)
    ]
    return keys[0] == keys[1]


@given(scans(), st.booleans())
def test_cores_tile_the_regions_and_each_window_has_one_part(scan, read_core):
    regions, laid, *rest = scan
    parts = cut(regions, laid, *rest, read_core=read_core)
    assert [part.index for part in parts] == list(range(len(parts)))
    for segment, (region, windows) in enumerate(zip(regions, laid, strict=True)):
        own = [part for part in parts if part.segment == segment]
        if not own:
            assert len(windows) == 0
            assert not read_core
            continue
        assert own[0].core[0] == region.start
        assert own[-1].core[1] == region.end
        assert all(a.core[1] == b.core[0] for a, b in itertools.pairwise(own))
        assert all(part.core[0] < part.core[1] and part.region.contig == region.contig for part in own)
        assert np.concatenate([part.windows.start for part in own]).tolist() == windows.start.tolist()
        assert np.concatenate([part.windows.end for part in own]).tolist() == windows.end.tolist()


@given(scans(), st.booleans())
def test_what_is_read_covers_the_windows_and_no_more_than_the_region(scan, read_core):
    regions, laid, *rest = scan
    for part in cut(regions, laid, *rest, read_core=read_core):
        region = regions[part.segment]
        assert region.start <= part.region.start < part.region.end <= region.end
        assert (part.windows.start >= part.region.start).all()
        assert (part.windows.end <= part.region.end).all()
        assert len(part.windows) or read_core
        starts = part.windows.start
        assert ((part.core[0] <= starts) & (starts < part.core[1])).all()
        if read_core:
            assert part.region.start == part.core[0]
            assert part.region.end >= part.core[1]


@given(scans())
def test_the_same_arguments_give_the_same_parts(scan):
    assert same(cut(*scan), cut(*scan))


def test_a_region_without_windows_is_read_where_everything_is():
    region = Region("1", 0, 20 * CELL)
    nothing = Windows("1", np.empty(0, np.int64), np.empty(0, np.int64))
    arguments = [region], [nothing], {"1": contig_index([1] * 20, 400_000)}, {"1": 20 * CELL}, 100
    parts = cut(*arguments)
    assert [len(part.windows) for part in parts] == [0] * len(parts)
    assert (len(parts), parts[0].core[0], parts[-1].core[1]) == (20, 0, 20 * CELL)
    assert cut(*arguments, read_core=False) == ()


def expected_records(parts, weights, records):
    """Count the records of each part's core, of a contig whose density is even inside each cell."""
    edges = np.concatenate([[0], np.cumsum(weights)]) / sum(weights) * records
    return [float(np.diff(np.interp(np.array(part.core) / CELL, np.arange(len(edges)), edges))[0]) for part in parts]


DENSITIES = {
    "even": [1] * 1000,
    "all in a hundredth": [0] * 500 + [1] * 10 + [0] * 490,
    "slope": list(range(1, 1001)),
    "islands": ([50] * 5 + [0] * 95) * 10,
    "centromere": [3] * 450 + [0] * 100 + [3] * 450,
}


@pytest.mark.parametrize("name", DENSITIES)
def test_parts_are_near_their_target_where_density_is_uneven(name):
    weights, length, records = DENSITIES[name], 1000 * CELL, 2_000_000
    windows = sliding(Region("1", 0, length), 200, 200)
    parts = cut([Region("1", 0, length)], [windows], {"1": contig_index(weights, records)}, {"1": length}, 200)
    target = part_records(records, 200)
    sizes = expected_records(parts, weights, records)
    steepest = max(weights) / sum(weights) * records * 200 / CELL  # records of one window
    assert target == 2_000_000 // 64
    assert all(target - 1 <= size <= target + steepest + 1 for size in sizes[:-1])
    assert sizes[-1] <= target + steepest + 1
    assert [part.records for part in parts] == pytest.approx(sizes, abs=1)


def test_bins_of_any_width_add_up():
    """A wide bin spreads over its cells; together they give the same parts as narrow bins."""
    length = 64 * CELL
    windows = sliding(Region("1", 0, length), 1000, 1000)
    narrow = contig_index([1] * 64, 1_000_000)
    wide = ContigIndex(1_000_000, 0, 1, ((0, 64 * CELL, 0.5), (0, 8 * CELL, 0.0625), (8 * CELL, 56 * CELL, 0.4375)))
    found = [cut([Region("1", 0, length)], [windows], {"1": entry}, {"1": length}, 100) for entry in (narrow, wide)]
    assert len(found[0]) > 10
    assert same(*found)


def test_fine_bins_and_bins_past_the_end_count_too():
    length = 10 * CELL + 5  # the last cell has 5 bp
    fine = ContigIndex(1000, 0, 1, tuple((at * (CELL // 4), CELL // 4, 1 / 40) for at in range(40)))
    past = ContigIndex(1000, 0, 1, ((0, 512 * CELL, 0.9), (11 * CELL, CELL, 0.1)))
    for entry in (fine, past):
        (part,) = cut([Region("1", 0, length)], [sliding(Region("1", 0, length), 9, 9)], {"1": entry}, {"1": length}, 9)
        assert part.records == pytest.approx(1000, abs=1)


def test_without_counts_the_bytes_speak():
    length = 100 * CELL
    entry = ContigIndex(None, 0, 40_000_000 << 16, ((0, length, 1.0),))
    parts = cut([Region("1", 0, length)], [sliding(Region("1", 0, length), 99, 99)], {"1": entry}, {"1": length}, 99)
    assert sum(part.records for part in parts) == pytest.approx(1_000_000, rel=1e-3)


def test_a_part_is_much_longer_than_its_overlapping_windows():
    """So that what two neighbours both read stays small."""
    length, window = 1000 * CELL, 40 * CELL
    region = Region("1", 0, length)

    def cores(records, haplotypes, step=window // 4):
        """Give the cores of parts of 25 windows, in windows."""
        entry = contig_index([1] * 1000, records)
        parts = cut([region], [sliding(region, window, step)], {"1": entry}, {"1": length}, haplotypes)
        return {(part.core[1] - part.core[0]) / window for part in parts[:-1]}

    assert cores(60_000, 100) == {20}, "48,000 records"
    assert cores(87_500, 100) == {14.5}, "50,000 are 14.3 windows"
    assert cores(40_000, 10_000) == {16}, "memory holds 25,437 records"
    assert cores(1_000_000, 100) == {8}, "of 40,000 records each"
    assert cores(1_000_000, 100, window) == {1}


def test_many_haplotypes_make_small_parts():
    length, records = 1000 * CELL, 2_000_000
    region, entry = Region("1", 0, length), contig_index([1] * 1000, records)
    for haplotypes, most in ((10_000, 25_437), (200_000, 1_279)):
        parts = cut([region], [sliding(region, 200, 200)], {"1": entry}, {"1": length}, haplotypes)
        sizes = expected_records(parts, [1] * 1000, records)
        assert all(most - 1 <= size <= most + 200 * records / length + 1 for size in sizes[:-1])
        assert max(sizes) * 3 * haplotypes / 8 < 1.02 * PART_BYTES


def test_windows_that_start_together_stay_together():
    starts = np.repeat(np.arange(0, 100 * CELL, CELL), 3)
    windows = Windows("1", starts, starts + np.tile([5, 70, CELL], 100))
    region, entry = Region("1", 0, 100 * CELL), contig_index([1] * 100, 10_000_000)
    parts = cut([region], [windows], {"1": entry}, {"1": 100 * CELL}, 10)
    assert [len(part.windows) for part in parts] == [3] * 100


@pytest.mark.parametrize(
    ("total", "haplotypes", "records"),
    [
        (1, 2, PART_RECORDS[0]),
        (640_000, 2, 10_000),
        (1_280_000, 2, 20_000),
        (3_200_000, 2, 50_000),
        (10**9, 2, PART_RECORDS[1]),
        (10**9, 20_000, PART_BYTES // 7_524),
        (10**9, 10**9, 1),
    ],
)
def test_part_records(total, haplotypes, records):
    assert part_records(total, haplotypes) == records
