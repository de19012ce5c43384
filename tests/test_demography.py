"""Histories for a genome: windows averaged with honest intervals, demes files that simulate, and where they stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scanning import popscan

from scanner import demography
from scanner.catalogue import track
from scanner.demography import BLOCK, Estimate, History, average, blocks_of
from scanner.result import HISTORY as SCORES
from scanner.simulate.histories import draw_history
from scanner.simulate.recipe import read_recipe
from scanner.table import Table
from scanner.train.targets import TARGETS

NUMBERS = {
    name: Estimate(value, value - 0.2, value + 0.2) for name, value in zip(SCORES, (4, 2.5, 3, 3.5, 3.8), strict=True)
}
HISTORY = History("CEU", "demography", 120, 24, 0.05, NUMBERS)


def looks(rng: np.random.Generator, windows: int, per_block: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of one history's windows: .3 shared by all, .4 by the windows of a block, .2 by none, and their blocks."""
    block = np.arange(windows) // per_block
    errors = (
        0.3 * rng.standard_normal() + 0.4 * rng.standard_normal(windows)[block] + 0.2 * rng.standard_normal(windows)
    )
    return errors, block


@pytest.mark.parametrize("per_block", [1, 3, 8])
def test_intervals_of_averages_hold_nine_of_ten(per_block: int) -> None:
    rng = np.random.default_rng(per_block)
    half = np.full(100 * per_block, 1.645 * np.sqrt(0.3**2 + 0.4**2 + 0.2**2))
    found = []
    for _ in range(2000):
        errors, block = looks(rng, 100 * per_block, per_block)
        found.append(average(3.5 + errors, half, block, 1.645))
    covered = np.mean([one.low <= 3.5 <= one.high for one in found])
    assert covered == pytest.approx(0.9, abs=0.025)
    assert np.mean([one.high - one.low for one in found]) < 0.75 * 2 * half[0]


def test_what_is_wrong_everywhere_does_not_average_away() -> None:
    half = np.full(500, 0.5)
    found = average(np.full(500, 4.0), half, np.arange(500), 1.5)
    assert (found.value, found.high - found.low) == pytest.approx((4.0, 1.0))


def test_one_block_is_as_good_as_one_window() -> None:
    values = np.array([3.0, 3.4, 3.2])
    found = average(values, np.array([0.3, 0.4, 0.5]), np.zeros(3, np.int64), 1.5)
    assert found.value == pytest.approx(3.2)
    assert found.high - found.value == pytest.approx(np.sqrt((0.09 + 0.16 + 0.25) / 3))


def table(contig: list[int], start: list[int], length: int) -> Table:
    begin = np.array(start, np.int64)
    return Table(("1", "2"), np.array(contig, np.int32), begin, begin + length, {})


def test_blocks_end_with_chromosomes_and_have_no_gaps() -> None:
    made = table([0, 0, 0, 1, 1], [0, 100_000, 3 * BLOCK, 0, 9 * BLOCK], 200_000)
    assert blocks_of(made, np.ones(5, np.bool_)).tolist() == [0, 0, 1, 2, 3]
    assert blocks_of(made, np.array([True, False, True, True, False])).tolist() == [0, 1, 2]


def test_blocks_are_as_long_as_the_longest_window() -> None:
    made = table([0, 0, 0], [0, BLOCK, 3 * BLOCK], 3 * BLOCK)
    assert blocks_of(made, np.ones(3, np.bool_)).tolist() == [0, 0, 1]


def recipe_for(history: History, folder: Path) -> Path:
    """Write the demes file, and a recipe that simulates it."""
    (folder / history.file).write_text(history.as_demes())
    text = f"""
name = "again"
task = "recombination"
seed = 1
simulations = 2
sequence.length = 20000
sample.haplotypes = 6
mutation.rate = 1e-8
recombination.rate = 1e-8

[[history]]
kind = "demes"
file = "{history.file}"
population = "{history.deme}"
"""
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_the_demes_file_simulates_the_history_that_was_found(tmp_path: Path) -> None:
    found, population, drawn = draw_history(
        read_recipe(recipe_for(HISTORY, tmp_path)).histories, np.random.default_rng(1)
    )
    assert (population, drawn["size"]) == ("CEU", 10_000)
    times = np.array([0, 300, 330, 3000, 3300, 1e5])
    sizes = found.debug().population_size_trajectory(times)[:, 0]
    assert sizes.tolist() == pytest.approx([1e4, 1e4, 1e3, 1e3, 10**3.8, 10**3.8], rel=1e-5)
    assert popscan("simulate", tmp_path / "recipe.toml", "--out", tmp_path / "set", "--threads", 1, "-q").code == 0


@pytest.mark.parametrize("population", ["", "1000G-CEU", "A+B"])
def test_demes_files_are_read_whatever_the_population_is_called(population: str) -> None:
    demes = pytest.importorskip("demes")
    history = replace(HISTORY, population=population)
    graph = demes.loads(history.as_demes())
    assert [deme.name for deme in graph.demes] == [history.deme]
    assert graph.metadata["popscan"]["log_t1"] == [2.5, 2.3, 2.7]
    assert graph.metadata["popscan"]["population"] == population


def test_times_that_are_the_wrong_way_round_are_put_in_order() -> None:
    demes = pytest.importorskip("demes")
    for t1, t2 in ((3.5, 2.5), (3.0, 3.0)):
        numbers = {**NUMBERS, "log_t1": Estimate(t1, t1, t1), "log_t2": Estimate(t2, t2, t2)}
        old, recent, _ = demes.loads(replace(HISTORY, numbers=numbers).as_demes()).demes[0].epochs
        assert recent.end_time == pytest.approx(10 ** min(t1, t2), rel=1e-5)
        assert old.end_time > recent.end_time


@pytest.mark.parametrize("models", [{"recombination": {"task": "recombination"}}, {"one": 3}, None, [1]])
def test_a_scan_without_such_a_network_has_no_histories(models: object) -> None:
    assert demography.joined({"models": models, "scores": []}, table([], [], 1)) == []


def test_a_population_without_all_columns_has_no_history() -> None:
    scales = dict.fromkeys(SCORES, 1.6)
    entry = {"task": "demography", "intervals": scales}
    record = {"models": {"d": entry}, "scores": [{"name": "log_n0", "populations": ["A"]}]}
    ends = [name + end for name in SCORES for end in ("", "_low", "_high")]
    columns = {f"{name}.A": np.full(3, 4.0) for name in (*ends, "d_out_of_range")}
    made = table([0, 0, 1], [0, 1000, 0], 1000)
    (found,) = demography.joined(record, replace(made, columns=columns))
    assert (found.population, found.windows, found.blocks) == ("A", 3, 2)
    for other in ({}, {**scales, "log_t1": "1"}, {**scales, "log_n2": 0.0}, 3):
        bad = {**record, "models": {"d": {**entry, "intervals": other}}}
        assert demography.joined(bad, replace(made, columns=columns)) == []
    for name in columns:
        fewer = {other: values for other, values in columns.items() if other != name}
        assert demography.joined(record, replace(made, columns=fewer)) == []


@pytest.mark.parametrize("score", SCORES)
def test_every_number_is_drawn_with_its_bounds_on_one_axis(score: str) -> None:
    drawn = [track(score + end) for end in ("", "_low", "_high")]
    assert {item.unit for item in drawn} == {"log10 generations" if "_t" in score else "log10 diploids"}
    assert {item.limits for item in drawn} == {(1.0, 6.0) if "_t" in score else (2.0, 6.0)}
    assert [value.score for value in TARGETS["history"].values] == list(SCORES)
