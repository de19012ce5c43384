"""Measures of estimates: against scipy, and against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from scanner.evaluate import measures

RNG = np.random.default_rng(5)
TRUTH = RNG.normal(-6, 1, 400)
ESTIMATE = TRUTH + RNG.normal(0.1, 0.3, 400)
SHORT = hnp.arrays(np.float64, st.integers(2, 30), elements=st.integers(-5, 5).map(float))


@given(SHORT)
def test_ranks_are_those_of_scipy(values: np.ndarray) -> None:
    assert measures.ranks(values).tolist() == stats.rankdata(values).tolist()


def test_correlations_are_those_of_scipy() -> None:
    tied = np.round(ESTIMATE)
    assert measures.spearman(TRUTH, tied) == pytest.approx(stats.spearmanr(TRUTH, tied).statistic, abs=1e-12)
    assert measures.correlation(TRUTH, tied) == pytest.approx(stats.pearsonr(TRUTH, tied).statistic, abs=1e-12)


def test_what_does_not_vary_has_no_correlation() -> None:
    assert math.isnan(measures.correlation(np.ones(3), np.arange(3.0)))
    assert math.isnan(measures.r2(np.ones(3), np.arange(3.0)))


def test_r2_of_a_fitted_line_is_the_squared_correlation() -> None:
    line = stats.linregress(ESTIMATE, TRUTH)
    fitted = line.slope * ESTIMATE + line.intercept
    assert measures.r2(TRUTH, fitted) == pytest.approx(line.rvalue**2, abs=1e-12)
    assert measures.r2(TRUTH, np.full(400, TRUTH.mean())) == pytest.approx(0, abs=1e-12)


def test_measure_puts_every_number_on_its_scale() -> None:
    found = measures.measure(TRUTH, ESTIMATE, (ESTIMATE - 0.5, ESTIMATE + 0.3))
    value, guess = np.exp(TRUTH), np.exp(ESTIMATE)
    error = ESTIMATE - TRUTH
    expected = {
        "windows": 400,
        "r2": 1 - np.mean((value - guess) ** 2) / np.var(value),
        "correlation2": np.corrcoef(value, guess)[0, 1] ** 2,
        "rmse": np.sqrt(np.mean((value - guess) ** 2)),
        "r2_log": 1 - np.mean(error**2) / np.var(TRUTH),
        "ln_rmse": np.sqrt(np.mean(error**2)),
        "spearman": stats.spearmanr(value, guess).statistic,
        "bias_log10": np.mean(np.log10(guess) - np.log10(value)),
        "coverage": np.mean((error <= 0.5) & (error >= -0.3)),
    }
    assert list(found) == list(expected)
    assert found == {name: pytest.approx(number, rel=1e-3) for name, number in expected.items()}


def test_no_windows_and_windows_alike_are_measured_without_a_number() -> None:
    assert measures.measure(np.empty(0), np.empty(0)) == {"windows": 0}
    found = measures.measure(np.zeros(2), np.array([0.0, 1.0]))
    assert found["r2"] is None
    assert found["spearman"] is None
    assert found["ln_rmse"] == 0.7071


def test_bounds_count_as_inside() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    assert measures.coverage(truth, (np.full(4, 2.0), np.full(4, 3.0))) == 0.5


def test_the_error_of_a_paired_difference_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(1500):
        shared = rng.normal(size=200)
        one, other = shared + 0.2 * rng.normal(size=200), shared + 0.4 * rng.normal(size=200)
        found.append(measures.paired(np.zeros(200), one, other))
    gaps, errors = np.array(found).T
    assert errors.mean() == pytest.approx(gaps.std(), rel=0.08)
    assert gaps.mean() == pytest.approx(math.sqrt(1.04) - math.sqrt(1.16), abs=3 * gaps.std() / math.sqrt(1500) + 1e-3)


@given(hnp.arrays(np.float64, st.integers(20, 60), elements=st.floats(0, 100, allow_nan=False, width=16)))
def test_strata_hold_every_window_once(values: np.ndarray) -> None:
    (found,) = measures.strata({"a": values}, ["a"]).values() or ([],)
    if found:
        assert (np.sum([stratum.inside for stratum in found], axis=0) == 1).all()


def test_strata_of_few_values_and_of_none() -> None:
    facts = {"size": np.array([5000.0, 1e4, 5000.0]), "same": np.ones(3), "unknown": np.full(3, np.nan)}
    found = measures.strata(facts, ["size", "same", "unknown", "absent"])
    assert list(found) == ["size"]
    assert [(stratum.name, stratum.inside.tolist()) for stratum in found["size"]] == [
        ("5,000", [True, False, True]),
        ("10,000", [False, True, False]),
    ]


def test_what_is_not_known_is_in_no_stratum() -> None:
    values = np.append(np.arange(20.0), np.nan)
    (found,) = measures.strata({"size": values}, ["size"]).values()
    assert [int(stratum.inside.sum()) for stratum in found] == [4, 4, 4, 4, 4]
    assert not any(stratum.inside[-1] for stratum in found)


def test_rho_stands_beside_what_was_published_in_that_setting_only() -> None:
    rho = np.array([50.0, 70.0, 600.0, 9999.0])
    facts = {"haplotypes": np.full(4, 50.0), "length": np.full(4, 20_000.0), "size": np.full(4, 5000.0)}
    found = measures.by_rho(rho, {"network": rho + np.array([10.0, -10.0, 5.0, 0.0])}, facts)
    assert found == [
        {"rho": "10 to 100", "windows": 2, "network": 10.0, "LDhat": 18.5, "published CNN": 32.9},
        {"rho": "500 to 1,000", "windows": 1, "network": 5.0, "LDhat": 186.0, "published CNN": 264.0},
    ]
    found = measures.by_rho(rho, {"network": rho}, {**facts, "haplotypes": np.full(4, 40.0)})
    assert [list(row) for row in found] == [["rho", "windows", "network"]] * 2
    assert not measures.published_setting({"haplotypes": np.full(4, 50.0)})
