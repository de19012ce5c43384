"""Simulations: diversity, sites and linkage as theory has them, maps as they were drawn, positions as they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes import recipe

from scanner.errors import InputError
from scanner.simulate.coalescent import MIN_LENGTH, Simulation, simulate_one, whole_positions

CONSTANT = (
    ("{ log_uniform = [500, 2000] }", "1000"),
    ("{ choice = [8, 11] }", "30"),
    ("{ log_uniform = [1e-8, 1e-6] }", "1e-6"),
    ("rate = 3e-7", "rate = 6e-7"),
)
SPOTS = "1e-6\nhotspots = { share = 1, spacing = 300, width = 40, intensity = 25 }\n"


@pytest.fixture(scope="module")
def many() -> list[Simulation]:
    """Give 80 simulations: N = 1000, 30 haplotypes, 3 kb, 4 N mu = 0.0024 and 4 N r = 0.004 per bp."""
    asked = recipe(*CONSTANT)
    return [simulate_one(asked, index) for index in range(80)]


def test_segregating_sites_are_as_many_as_theory_has_them(many: list[Simulation]) -> None:
    """Watterson 1975, 10.1016/0040-5809(75)90020-9; sites that are hit twice are a percent or so."""
    counts = [len(item.positions) for item in many]
    error = np.std(counts) / math.sqrt(len(counts))
    assert error < 0.06 * np.mean(counts)
    expected = 0.0024 * 3000 * sum(1 / i for i in range(1, 30))
    assert np.mean(counts) == pytest.approx(expected, abs=3.5 * error)


def test_diversity_is_as_theory_has_it(many: list[Simulation]) -> None:
    counts = [item.alleles.sum(axis=1).astype(float) for item in many]
    values = [(2 * count * (30 - count) / (30 * 29)).sum() for count in counts]
    error = np.std(values) / math.sqrt(len(values))
    assert error < 0.1 * np.mean(values)
    assert np.mean(values) == pytest.approx(0.0024 * 3000, abs=3.5 * error)


def test_linkage_decays_as_theory_has_it(many: list[Simulation]) -> None:
    """The ratio of mean D^2 to mean p (1 - p) q (1 - q) is (10 + R) / (22 + 13 R + R^2) for R = 4 N r d.

    Ohta and Kimura 1971, 10.1093/genetics/68.4.571; a finite sample adds about 1 / n.
    """
    squares, products = np.zeros(3), np.zeros(3)
    for item in many:
        values = item.alleles - item.alleles.mean(axis=1, keepdims=True)
        covariance = values @ values.T / 30
        variance = np.diag(covariance)
        apart = np.abs(item.positions[:, None] - item.positions)
        for place, (low, high) in enumerate([(100, 200), (600, 900), (1800, 2600)]):
            chosen = (apart >= low) & (apart < high)
            squares[place] += (covariance[chosen] ** 2).sum()
            products[place] += np.outer(variance, variance)[chosen].sum()
    scaled = np.array([0.6, 3.0, 8.8])
    expected = (10 + scaled) / (22 + 13 * scaled + scaled**2)
    np.testing.assert_allclose(squares / products - 1 / 30, expected, rtol=0.25)


def test_what_a_simulation_holds(many: list[Simulation]) -> None:
    for item in many:
        count = item.alleles.sum(axis=1)
        assert item.alleles.dtype == np.int8
        assert set(np.unique(item.alleles)) <= {0, 1}
        assert item.alleles.shape == (len(item.positions), 30)
        assert (count > 0).all()
        assert (count < 30).all()
        assert (np.diff(item.positions) > 0).all()
        assert item.positions.min() >= 0
        assert item.positions.max() < item.length == 3000
        assert item.parameters["size"] == 1000


def test_the_seed_and_the_number_decide_everything() -> None:
    one, same, other, reseeded = (
        simulate_one(recipe(("seed = 7", f"seed = {seed}")), index) for seed, index in [(7, 3), (7, 3), (7, 4), (8, 3)]
    )
    assert one.positions.tolist() == same.positions.tolist()
    assert (one.alleles == same.alleles).all()
    assert one.parameters == same.parameters
    for another in (other, reseeded):
        assert one.parameters["recombination_rate"] != another.parameters["recombination_rate"]
        assert one.positions.tolist() != another.positions.tolist()


def test_sites_between_bases() -> None:
    """With infinitely many sites, none is hit twice, however high the mutation rate; each gets a base of its own."""
    found = simulate_one(recipe(*CONSTANT, ("length =", "discrete = false\nlength ="), ("= 6e-7", "= 2e-5")), 1)
    assert len(found.positions) > 400
    assert (np.diff(found.positions) > 0).all()
    assert found.positions.max() < found.length


def test_more_sites_than_bases_are_refused() -> None:
    asked = recipe(*CONSTANT, ("length = 3000", "discrete = false\nlength = 100"), ("= 6e-7", "= 1e-3"))
    with pytest.raises(
        InputError, match=r"^recipe small: simulation 0 has [\d,]+ sites on 100 bp: sizes times mutation\.rate"
    ):
        simulate_one(asked, 0)


@given(st.lists(st.floats(0, 60, exclude_max=True), max_size=60, unique=True).map(sorted))
def test_positions_become_whole_and_stay_in_order(places: list[float]) -> None:
    found = whole_positions(np.array(places, dtype=np.float64), 60)
    floors = np.floor(places).astype(int)
    assert found.dtype == np.int64
    assert len(found) == len(places)
    assert (np.diff(found) > 0).all()
    assert ((found >= 0) & (found < 60)).all()
    if len(set(floors.tolist())) == len(floors):
        assert found.tolist() == floors.tolist()


def test_positions_that_are_taken_move_on() -> None:
    assert whole_positions(np.array([1.1, 1.2, 1.3, 2.5, 7.0]), 10).tolist() == [1, 2, 3, 4, 7]
    assert whole_positions(np.array([8.1, 9.2, 9.3]), 10).tolist() == [7, 8, 9]


def naive_rate(starts: list[int], rates: list[float], start: int, end: int) -> float:
    """Average over bases, one by one."""
    at = [rates[max(place for place, begin in enumerate(starts) if begin <= base)] for base in range(start, end)]
    return sum(at) / len(at)


@given(st.data())
def test_the_rate_of_windows_is_the_average_over_their_bases(data: st.DataObject) -> None:
    length = data.draw(st.integers(2, 80))
    starts = sorted({0, *data.draw(st.lists(st.integers(1, length - 1), max_size=6))})
    rates = data.draw(st.lists(st.floats(1e-10, 1e-5), min_size=len(starts), max_size=len(starts)))
    windows = [sorted(pair) for pair in data.draw(
        st.lists(st.lists(st.integers(0, length), min_size=2, max_size=2, unique=True), min_size=1, max_size=5)
    )]  # fmt: skip
    one = Simulation(
        length, np.zeros(0, np.int64), np.zeros((0, 4), np.int8), {}, np.array(starts, float), np.array(rates)
    )
    start, end = np.array(windows, float).T
    expected = [naive_rate(starts, rates, *window) for window in windows]
    np.testing.assert_allclose(one.recombination(start, end), expected, rtol=1e-9)


def test_hotspots_keep_the_mean_and_have_the_intensity_asked_for() -> None:
    found = [
        simulate_one(recipe(*CONSTANT[:2], ("{ log_uniform = [1e-8, 1e-6] }", SPOTS)), index) for index in range(40)
    ]
    counts = []
    for item in found:
        mean = item.recombination(np.array([0.0]), np.array([3000.0]))
        assert mean[0] == pytest.approx(item.parameters["recombination_rate"])
        assert (np.diff(item.map_start) > 0).all()
        assert item.map_start[0] == 0
        hot = item.map_rate > 1.5 * item.map_rate.min()
        counts.append(np.count_nonzero(np.diff(np.concatenate([[0], hot.astype(int)])) == 1))
        if hot.any():
            assert item.map_rate.max() / item.map_rate.min() == pytest.approx(25)
            assert np.diff(np.append(item.map_start, 3000))[hot].min() <= 40
    assert np.mean(counts) == pytest.approx(9, abs=1.5)  # 10, less those that overlap


def test_hotspots_are_had_by_the_share_asked_for() -> None:
    text = SPOTS.replace("share = 1", "share = 0.3")
    asked = recipe(*CONSTANT[:2], ("{ log_uniform = [1e-8, 1e-6] }", text), ("rate = 3e-7", "rate = 1e-9"))
    even = [len(simulate_one(asked, index).map_start) == 1 for index in range(120)]
    assert sum(even) == pytest.approx(84, abs=16)


def test_recombination_happens_in_hotspots() -> None:
    """Linkage across a hotspot in the middle breaks down, and not elsewhere."""
    from scanner.simulate import coalescent

    def middle(*_: object) -> tuple[np.ndarray, np.ndarray]:
        return np.array([0.0, 1400.0, 1600.0]), np.array([1e-12, 1e-4, 1e-12])

    asked = recipe(*CONSTANT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coalescent, "_map", middle)
        found = simulate_one(asked, 0)
    alleles, left, right = found.alleles.astype(int), found.positions < 1400, found.positions >= 1600

    def four_gametes(first: np.ndarray, second: np.ndarray) -> int:
        return sum(len({*zip(one.tolist(), two.tolist(), strict=True)}) == 4 for one in first for two in second)

    assert four_gametes(alleles[left], alleles[left]) == four_gametes(alleles[right], alleles[right]) == 0
    assert four_gametes(alleles[left], alleles[right]) > 0


def test_long_sequences_are_cut_where_they_would_take_for_ever() -> None:
    asked = recipe(("length = 3000", "length = { log_uniform = [20000, 400000] }\nmax_rho = 40"), ("3e-7", "1e-9"))
    cut = 0
    for index in range(30):
        found = simulate_one(asked, index)
        scaled = 4 * found.parameters["size"] * found.parameters["recombination_rate"] * found.length
        assert found.length >= MIN_LENGTH
        assert scaled <= 40 or found.length == MIN_LENGTH
        cut += scaled > 0.999 * 40
    assert 0 < cut < 30
