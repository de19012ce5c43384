"""Candidate regions: where the calls of several statistics meet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.browser.bed import Calls, find_calls
from scanner.browser.drawn import DrawnTrack
from scanner.candidates import Candidate, find_candidates, gene_text, write_candidates
from scanner.catalogue import track
from scanner.genes import Genes, Near, Placed
from scanner.regions import Region
from scanner.table import Table

STEP, WINDOW = 10, 50


def drawn(score: str, *populations: str) -> DrawnTrack:
    """Describe a column as publishing does; only its names matter here."""
    spec, column = track(score), ".".join([score, *populations])
    return DrawnTrack(
        column, score, populations, spec.name(populations), spec.title, spec.group, spec.unit, f"tracks/{column}.bw",
        f"calls/{column}.bed.gz", spec.colour, spec.colour_negative, 0, 1, 0, 50, True, spec.description,
    )  # fmt: skip


def make_table(columns: dict[str, np.ndarray], contigs: Sequence[int]) -> Table:
    """Lay windows on contigs with these numbers of windows."""
    start = np.concatenate([np.arange(count) * STEP for count in contigs])
    contig = np.repeat(np.arange(len(contigs), dtype=np.int32), contigs)
    names = tuple(f"c{at}" for at in range(len(contigs)))
    return Table(names, contig, start, start + WINDOW, columns)


def flat(rows: int) -> np.ndarray:
    """Give values of which none is more extreme than all others: calls come from what is put in later."""
    return np.zeros(rows)


def test_calls_that_share_a_window_make_one_region():
    tajima, pi, h12 = flat(400), flat(400), flat(400)
    tajima[100:103] = [-1, -3, -2]
    pi[102:104] = [-0.5, -0.6]
    h12[300] = 0.9
    table = make_table({"tajimas_d.A": tajima, "pi.A": pi, "h12.A": h12}, [200, 200])
    first, second = find_candidates(table, [drawn("tajimas_d", "A"), drawn("pi", "A"), drawn("h12", "A")])
    assert first.region == Region("c0", 1000, 1080)  # windows 100 to 103
    assert first.scores == ("tajimas_d", "pi")
    assert [(s.column, s.value, s.low, s.share) for s in first.support] == [
        ("tajimas_d.A", -3, True, 1 / 400), ("pi.A", -0.6, True, 1 / 400)
    ]  # fmt: skip
    assert first.peak == 102  # the window that both call, and the strongest of these
    assert [s.percentile for s in first.support] == [0.25, 0.25]
    assert (second.region, second.scores, second.support[0].percentile) == (Region("c1", 1000, 1050), ("h12",), 99.75)


def test_populations_are_no_further_statistics():
    columns = {f"h12.{name}": flat(100) for name in "ABC"} | {"pi.A": flat(100), "mu.A": flat(100)}
    for name in "ABC":
        columns[f"h12.{name}"][10] = 1
    columns["pi.A"][60], columns["mu.A"][60] = -1, 1
    tracks = [drawn(*column.split(".")) for column in columns]
    found = find_candidates(make_table(columns, [100]), tracks)
    assert [(item.region.start, len(item.scores), len(item.support)) for item in found] == [(600, 2, 2), (100, 1, 3)]


def test_a_column_may_call_both_ends_in_one_region():
    values = flat(100)
    values[10], values[11] = 5, -5
    (found,) = find_candidates(make_table({"tajimas_d": values}, [100]), [drawn("tajimas_d")])
    assert {(s.value, s.low) for s in found.support} == {(5, False), (-5, True)}
    assert found.scores == ("tajimas_d",)


def test_what_has_no_calls_gives_no_region():
    table = make_table({"sites": np.arange(100.0), "pi": np.full(100, np.nan)}, [100])
    assert find_candidates(table, [drawn("sites"), drawn("pi")]) == []
    assert find_candidates(table, []) == []


def test_regions_are_told_their_genes():
    values = flat(100)
    values[10] = 1
    genes = Genes({"c0": Placed(np.array([120]), np.array([130]), ("LCT",))})
    (found,) = find_candidates(make_table({"h12": values}, [100]), [drawn("h12")], genes)
    assert found.near == Near(("LCT",))


SCORES = ("tajimas_d", "pi", "h12", "mu", "fst")


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw smooth or rough values on two contigs, with gaps."""
    seed, width, holes = draw(st.integers(0, 10_000)), draw(st.integers(1, 9)), draw(st.integers(0, 40))
    rng = np.random.default_rng(seed)
    counts = [draw(st.integers(0, 60)), draw(st.integers(30, 200))]
    rows = sum(counts)
    columns = {}
    for score in SCORES:
        values = np.convolve(rng.normal(size=rows + width - 1), np.ones(width), mode="valid")
        values[rng.integers(0, rows, holes)] = np.nan
        columns[score] = np.round(values, 1)  # so that there are ties
    return make_table(columns, counts)


@given(tables())
def test_every_call_is_in_a_region_and_nothing_else_is(table: Table):
    tracks = [drawn(score) for score in SCORES]
    found = find_candidates(table, tracks)
    peaks: list[tuple[str, int, int, str, bool]] = []
    for score in SCORES:
        tail = track(score).outliers
        assert tail is not None
        calls = find_calls(table.contig, table.start, table.end, table.columns[score], tail.tail, tail.share)
        for at in range(len(calls)):
            bounds = (table.contigs[calls.contig[at]], int(calls.peak_start[at]), int(calls.peak_end[at]))
            peaks.append((*bounds, score, bool(calls.low[at])))
            holds = [c for c in found if touches(c.region, *bounds) and any(s.score == score for s in c.support)]
            assert holds, (score, bounds)
            alike = [s.value for c in holds for s in c.support if s.score == score and s.low == calls.low[at]]
            assert min(alike) <= calls.value[at] <= max(alike)
    for item in found:
        for support in item.support:
            there = [p for p in peaks if touches(item.region, *p[:3]) and p[3:] == (support.score, support.low)]
            assert there, item
    assert sum(len(item.support) for item in found) <= len(peaks)


def touches(region: Region, contig: str, start: int, end: int) -> bool:
    return region.contig == contig and region.start < end and start < region.end


@given(tables())
def test_the_order_is_by_agreement_and_does_not_depend_on_that_of_the_tracks(table: Table):
    tracks = [drawn(score) for score in SCORES]
    found = find_candidates(table, tracks)
    agree = [len(item.scores) for item in found]
    assert agree == sorted(agree, reverse=True)
    turned = find_candidates(table, tracks[::-1])
    assert [item.region for item in turned] == [item.region for item in found]
    assert [set(item.scores) for item in turned] == [set(item.scores) for item in found]


@given(tables())
def test_regions_are_taken_as_a_naive_version_takes_them(table: Table):
    """Of all windows that free calls hold, the one of most statistics, then of most strength, then the first."""
    free = []
    for at, score in enumerate(SCORES):
        tail = track(score).outliers
        assert tail is not None
        calls = find_calls(table.contig, table.start, table.end, table.columns[score], tail.tail, tail.share)
        free += [Called(table, calls, one, at) for one in range(len(calls))]
    free.sort(key=lambda call: (call.contig, call.peak_start, call.column))
    expected = []
    while free:
        ranks = []
        for row in range(len(table)):
            best: dict[int, int] = {}
            for call in free:
                if call.holds(row):
                    best[call.column] = max(best.get(call.column, 0), call.strength)
            ranks.append((-len(best), -sum(best.values()), row))
        agree, _, row = min(ranks)
        if not agree:
            break
        here = [call for call in free if call.holds(row)]
        start, end, contig = min(c.start for c in here), max(c.end for c in here), here[0].contig
        near = [c for c in free if c.contig == contig and c.peak_start < end and start < c.peak_end]
        expected.append((row, contig, start, end, {c.column for c in [*here, *near]}))
        free = [c for c in free if c not in here and c not in near]
    found = [
        (c.peak, int(table.contig[c.peak]), c.region.start, c.region.end, {SCORES.index(s) for s in c.scores})
        for c in find_candidates(table, [drawn(score) for score in SCORES])
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)


class Called:
    """One call of one column."""

    def __init__(self, table: Table, calls: Calls, at: int, column: int) -> None:
        self.column, self.contig, self.strength = column, int(calls.contig[at]), int(calls.strength[at])
        self.start, self.end = int(calls.start[at]), int(calls.end[at])
        self.peak_start, self.peak_end = int(calls.peak_start[at]), int(calls.peak_end[at])
        inside = (table.contig == self.contig) & (table.start >= self.start) & (table.end <= self.end)
        self._rows = set(np.flatnonzero(inside).tolist())

    def holds(self, row: int) -> bool:
        return row in self._rows


@given(tables())
def test_the_peak_is_where_most_statistics_call_and_the_region_is_their_calls(table: Table):
    found = find_candidates(table, [drawn(score) for score in SCORES])
    if not found:
        return  # too few windows have a value
    item = found[0]
    covering: dict[int, dict[str, tuple[int, int]]] = {}
    for score in SCORES:
        tail = track(score).outliers
        assert tail is not None
        calls = find_calls(table.contig, table.start, table.end, table.columns[score], tail.tail, tail.share)
        for at in range(len(calls)):
            inside = (
                (table.contig == calls.contig[at]) & (table.start >= calls.start[at]) & (table.end <= calls.end[at])
            )
            for row in np.flatnonzero(inside):
                low, high = covering.setdefault(int(row), {}).get(score, (1 << 40, 0))
                covering[int(row)][score] = min(low, int(calls.start[at])), max(high, int(calls.end[at]))
    holding = covering[item.peak]
    if len(item.scores) == max(len(scores) for scores in covering.values()):
        assert item.region.start == min(low for low, _ in holding.values())
        assert item.region.end == max(high for _, high in holding.values())
    assert len(item.scores) >= len(holding)


def test_the_table_says_everything_in_bed_coordinates(tmp_path: Path):
    values = flat(100)
    values[10:12] = [0.9, 0.8]
    table = make_table({"h12.A": values, "pi.A": flat(100)}, [100])
    found = find_candidates(table, [drawn("h12", "A"), drawn("pi", "A")])
    write_candidates(tmp_path / "candidates.tsv", table, found)
    lines = (tmp_path / "candidates.tsv").read_text().splitlines()
    assert lines == [
        "rank\tcontig\tstart\tend\tpeak_start\tpeak_end\tstatistics\tcalls\tgenes",
        "1\tc0\t100\t150\t100\t150\t1\th12.A=0.9@99\t.",
    ]


@pytest.mark.parametrize(
    ("near", "text"),
    [
        (None, ""),
        (Near(()), ""),
        (Near(("A",)), "A"),
        (Near(tuple("ABCDEFGH")), "A, B, C, D, E, F and 2 more"),
        (Near((), ("A", 1_500_000), None), "1.5 Mb from A"),
        (Near((), ("A", 0), ("B", 999)), "0 bp from A; 999 bp from B"),
    ],
)
def test_genes_in_words(near: Near | None, text: str):
    assert gene_text(near) == text


def test_a_candidate_counts_each_statistic_once():
    item = Candidate(Region("1", 0, 1), 0, ())
    assert item.scores == ()
