"""How well classes are told apart: each measure against its definition, spelled out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.evaluate import classes, report
from scanner.evaluate.classes import Told
from scanner.evaluate.run import NETWORK, Evaluation


def drawn(seed: int, windows: int = 60, kinds: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, kinds, windows)
    scores = rng.normal(size=(windows, kinds)).round(1) + 1.5 * np.eye(kinds)[truth]
    return truth, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), kinds=st.integers(2, 5))
def test_measures_are_their_definitions(seed: int, kinds: int) -> None:
    truth, probabilities = drawn(seed, 40, kinds)
    found = classes.measure(truth, probabilities)
    told = [int(np.argmax(row)) for row in probabilities]
    right = [a == b for a, b in zip(told, truth.tolist(), strict=True)]
    assert found["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)
    surprise = [-math.log(row[at]) for row, at in zip(probabilities.tolist(), truth.tolist(), strict=True)]
    assert found["cross_entropy"] == pytest.approx(np.mean(surprise), rel=1e-3)
    none = [at for at, kind in enumerate(truth.tolist()) if kind == 0]
    rest = [at for at, kind in enumerate(truth.tolist()) if kind != 0]
    if none:
        assert found["false"] == pytest.approx(np.mean([told[at] != 0 for at in none]), abs=1e-4)
        wins = [
            0.5 if probabilities[a, 0] == probabilities[b, 0] else float(probabilities[a, 0] > probabilities[b, 0])
            for a in none
            for b in rest
        ]
        assert found["auc"] == pytest.approx(np.mean(wins), abs=1e-4)
    counts = classes.confusion(truth, probabilities)
    assert counts.sum(axis=1).tolist() == [truth.tolist().count(kind) for kind in range(kinds)]
    assert np.trace(counts) == sum(right)
    gap = 0.0
    for low in range(classes.BINS):
        inside = [at for at, row in enumerate(probabilities) if min(int(row.max() * classes.BINS), 14) == low]
        gap += abs(sum(probabilities[at].max() - right[at] for at in inside)) / len(truth)
    assert found["calibration_error"] == pytest.approx(gap, abs=1e-4)


def test_what_is_not_defined_is_nothing() -> None:
    truth, probabilities = np.array([1, 2]), np.full((2, 3), 1 / 3)
    found = classes.measure(truth, probabilities)
    assert (found["false"], found["auc"]) == (None, None)
    assert classes.measure(np.array([0, 0]), probabilities)["auc"] is None


def test_calibrated_probabilities_come_true() -> None:
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet([1, 1, 1], size=40_000)
    truth = (rng.random((40_000, 1)) > probabilities.cumsum(axis=1)[:, :2]).sum(axis=1)
    assert classes.calibration_error(truth, probabilities) < 0.01
    mean, share = classes.reliability(truth, probabilities)
    assert mean.shape == (10, 3)
    assert np.nanmax(np.abs(mean - share)) < 0.05
    assert classes.calibration_error((truth + 1) % 3, probabilities) > 0.2


@pytest.mark.parametrize("windows", [300, 3000])
def test_chance_alone_gives_an_error_of_calibration(windows: int) -> None:
    """Labels drawn from the probabilities themselves, again and again."""
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet([1, 1, 0.3], size=windows)
    bounds = probabilities.cumsum(axis=1)[:, :2]
    errors = [
        classes.calibration_error((rng.random((windows, 1)) > bounds).sum(axis=1), probabilities) for _ in range(300)
    ]
    assert classes.calibration_by_chance(probabilities) == pytest.approx(np.mean(errors), rel=0.05)
    found = classes.measure(np.zeros(windows, np.int64), probabilities)
    assert found["calibration_by_chance"] == pytest.approx(np.mean(errors), rel=0.05)


def test_the_report_shows_every_estimate_class_and_stratum() -> None:
    truth, probabilities = drawn(1, 300)
    told = Told(
        ("sweep_neutral", "sweep_hard", "sweep_soft"), truth, {NETWORK: probabilities, "boosting": probabilities}
    )
    facts = {"alpha": np.linspace(50, 5000, 300), "history": np.repeat([0.0, 1.0], 150), "length": np.ones(300)}
    metrics = {"simulations": 300, "seed": 2, "trained_on": 10, **classes.report(told, facts)}
    assert set(metrics["strata"]) == {"alpha", "history"}
    assert [row[NETWORK]["windows"] for row in metrics["strata"]["history"]] == [150, 150]
    text = report.table(metrics)
    for words in ("cross-entropy", "network: % told (columns) of true (rows)", "sweep_soft", "accuracy by 2Ns"):
        assert words in text
    lines = report.predictions(Evaluation(metrics, (), facts, told)).splitlines()
    assert lines[0].split("\t")[:5] == [
        "truth", "network_sweep_neutral", "network_sweep_hard", "network_sweep_soft", "boosting_sweep_neutral",
    ]  # fmt: skip
    assert len(lines) == 301
