"""Calls at a false-discovery level: against counting one threshold after the other, and on windows without anything."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.calls import Rule
from scanner.cli.report import call_lines
from scanner.discovery import EVIDENCE, Discovery, as_record, discover, least_posterior, recorded
from scanner.errors import InputError

NAN = math.nan
POSTERIORS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0])
ROWS = st.lists(st.tuples(POSTERIORS | st.just(NAN), st.booleans()), max_size=25)
NULL = st.lists(POSTERIORS, min_size=1, max_size=60)
LEVELS = st.sampled_from([0.011, 0.053, 0.211, 0.613])


def split(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    """Give posteriors, and whether windows are in range."""
    return np.array([value for value, _ in rows], float), np.array([usable for _, usable in rows], bool)


def naive_rate(at: float, rows: list[tuple[float, bool]], null: list[float]) -> float:
    """Count what is expected and what is called from a posterior on."""
    windows = called = false = 0
    for value, usable in rows:
        windows += value == value
        called += usable and value >= at
    for value in null:
        false += value >= at
    return (false + 1) / (len(null) + 1) * windows / called


def naive_threshold(rows: list[tuple[float, bool]], null: list[float], level: float) -> float | None:
    """Try every posterior that a window has."""
    fit = [value for value, usable in rows if usable and naive_sound(value, rows, null, level)]
    return min(fit, default=None)


def naive_sound(at: float, rows: list[tuple[float, bool]], null: list[float], level: float) -> bool:
    return at == at and naive_rate(at, rows, null) <= level


@settings(max_examples=300, deadline=None)
@given(ROWS, NULL, LEVELS)
def test_the_threshold_is_the_lowest_whose_estimate_is_within_the_level(
    rows: list[tuple[float, bool]], null: list[float], level: float
) -> None:
    values, usable = split(rows)
    found = discover("a", values, usable, np.array(null), level)
    assert found.threshold == naive_threshold(rows, null, level)
    assert found.windows == sum(value == value for value, _ in rows)
    assert found.leading == sum(fit and value > max(null) for value, fit in rows)
    assert found.null == len(null)
    if found.threshold is None:
        assert (found.called, found.above) == (0, ())
        return
    assert found.called == sum(fit and value >= found.threshold for value, fit in rows)
    assert list(found.above) == sorted(value for value in null if value >= found.threshold)
    assert (len(found.above) + 1) / (len(null) + 1) * found.windows / found.called <= level


@settings(max_examples=200, deadline=None)
@given(ROWS, NULL, LEVELS)
def test_a_window_has_the_smallest_rate_at_which_it_is_called(
    rows: list[tuple[float, bool]], null: list[float], level: float
) -> None:
    values, usable = split(rows)
    found = discover("a", values, usable, np.array(null), level)
    called = [value for value, fit in rows if found.threshold is not None and fit and value >= found.threshold]
    expected = [min(naive_rate(at, rows, null) for at, fit in rows if fit and at <= value) for value in called]
    rates = found.rates(np.array(called), values, usable)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    assert (rates <= level).all()


@settings(max_examples=200, deadline=None)
@given(ROWS, NULL, st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6))
def test_a_larger_level_calls_no_less(rows: list[tuple[float, bool]], null: list[float], levels: list[float]) -> None:
    values, usable = split(rows)
    found = [discover("a", values, usable, np.array(null), level) for level in sorted(levels)]
    cuts = [math.inf if item.threshold is None else item.threshold for item in found]
    assert cuts == sorted(cuts, reverse=True)
    assert [item.called for item in found] == sorted(item.called for item in found)


@settings(max_examples=200, deadline=None)
@given(ROWS.filter(lambda rows: any(value == value for value, _ in rows)), LEVELS)
def test_nothing_is_called_where_nothing_stands_out(rows: list[tuple[float, bool]], level: float) -> None:
    values, usable = split(rows)
    alike = np.tile(values[np.isfinite(values)], 3)  # every window thrice among the simulations, and no others
    found = discover("a", values, usable, alike, level)
    assert (found.threshold, found.called, found.leading) == (None, 0, 0)


@settings(max_examples=100, deadline=None)
@given(ROWS, NULL, LEVELS)
def test_what_is_found_is_read_back_from_json(rows: list[tuple[float, bool]], null: list[float], level: float) -> None:
    found = discover("a.B", *split(rows), np.array(null), level)
    record = json.loads(json.dumps({"calls": as_record([found])}, allow_nan=False))
    assert recorded(record) == {"a.B": found}
    assert record["calls"]["a.B"]["fewest"] == found.fewest


@pytest.mark.parametrize("calls", [3, [1], {"a": 3}, {"a": {}}, {"a": {"column": "a", "threshold": "x"}}])
def test_a_damaged_record_is_refused(calls: object) -> None:
    with pytest.raises(InputError, match=r"run\.json does not say what is called .*: run popscan scan again"):
        recorded({"calls": calls})
    assert recorded({}) == {}


def test_few_simulations_vouch_for_no_single_window() -> None:
    """One window of 100 stands out from all of 999 simulations; at 5% two would have to, and one at 10%."""
    null, usable = np.linspace(0, 0.8, 999), np.full(100, True)
    one, two = (np.append(np.full(100 - count, 0.1), np.full(count, 0.9)) for count in (1, 2))
    found = discover("a", one, usable, null, 0.05)
    assert (found.threshold, found.leading, found.fewest, found.unresolved) == (None, 1, 2, True)
    assert discover("a", two, usable, null, 0.05).threshold == 0.9
    assert discover("a", one, usable, null, 0.1).threshold == 0.9
    lines = call_lines([found], {"a": 0})
    assert lines[0] == "regions at a false-discovery level of 0.05: a none"
    assert lines[1].startswith(
        "note: a: 1 of 100 windows are above all 999 simulations without any, which vouch for no fewer than 2 at that "
    )
    hopeless = discover("a", np.full(100, 0.1), usable, null[:18], 0.05)
    assert hopeless.unresolved, "18 simulations can vouch for nothing at 5%"
    assert not discover("a", np.full(100, 0.1), usable, null[:19], 0.05).unresolved
    assert not discover("a", np.full(100, NAN), usable, null, 0.05).unresolved
    assert call_lines([], {}) == []


def test_windows_out_of_range_are_grey_and_support_nothing() -> None:
    start = np.arange(100) * 10
    values = np.append(np.full(96, 0.1), [0.9, 0.95, 0.9, 0.99])
    unlike = np.append(np.full(99, False), True)
    found = discover("a", values, ~unlike, np.linspace(0, 0.8, 999), 0.05)
    assert (found.threshold, found.called, found.windows) == (0.9, 3, 100)
    calls = Rule("probable", 0.9, unlike, found).find(np.zeros(100, np.int32), start, start + 10, values)
    assert (calls.start.tolist(), calls.end.tolist(), calls.windows.tolist()) == ([960], [1000], [4])
    assert (calls.doubtful.tolist(), calls.false.tolist(), calls.of_class) == ([True], [1.0], True)
    alone = discover("a", values, unlike, np.linspace(0, 0.8, 999), 0.05)
    assert (alone.threshold, alone.called) == (None, 0), "one window in range is too few"
    outliers = Rule("high", 0.02).find(np.zeros(100, np.int32), start, start + 10, values)
    assert not outliers.of_class


@pytest.mark.parametrize("copies", [1, 5], ids=["independent", "copies"])
def test_without_anything_to_find_few_scans_call_a_window(copies: int) -> None:
    """The share of false discoveries is then 1 in every scan with a call; neighbours may be copies of each other."""
    rng, scans, level = np.random.default_rng(11), 3000, 0.1
    calls = 0
    for _ in range(scans):
        values = np.repeat(rng.beta(0.5, 3, 200 // copies), copies)
        found = discover("a", values, np.full(200, True), rng.beta(0.5, 3, 4000), level)
        calls += found.called > 0
    assert calls / scans < level + 3 * math.sqrt(level / scans)
    assert calls > 0, "a test that never calls shows nothing"


@pytest.mark.parametrize(("level", "rare"), [(0.05, 0.05), (0.2, 0.05), (0.2, 0.3)])
def test_the_share_of_false_calls_is_within_the_level(level: float, rare: float) -> None:
    rng, scans, windows = np.random.default_rng(7), 400, 400
    shares, power = [], []
    for _ in range(scans):
        true = rng.random(windows) < rare
        values = np.where(true, rng.beta(6, 1, windows), rng.beta(0.5, 4, windows))
        found = discover("a", values, np.full(windows, True), rng.beta(0.5, 4, 5000), level)
        called = values >= (math.inf if found.threshold is None else found.threshold)
        shares.append(float((called & ~true).sum() / max(1, called.sum())))
        power.append(float(called[true].mean()) if true.any() else 1.0)
    error = float(np.std(shares)) / math.sqrt(scans)
    assert np.mean(shares) < level + 3 * error
    assert np.mean(shares) > (1 - rare) * level / 2, "it is not overcautious"
    assert np.mean(power) > 0.5


def test_the_summary_tells_the_regions_of_every_column() -> None:
    found = [
        Discovery("sweep_hard.A", 0.05, 999, 600, 14, 16, 0.9, (0.95,)),
        Discovery("sweep_soft.A", 0.05, 999, 600, 0, 0, None, ()),
    ]
    assert call_lines(found, {"sweep_hard.A": 1200}) == [
        "regions at a false-discovery level of 0.05: sweep_hard.A 1,200 (from 0.9), sweep_soft.A none"
    ]


@given(ROWS, NULL, LEVELS, POSTERIORS)
def test_weak_evidence_is_not_called(
    rows: list[tuple[float, bool]], null: list[float], level: float, least: float
) -> None:
    values, usable = split(rows)
    found = discover("x", values, usable, np.array(null), level, least)
    sound = [at for at, ok in rows if ok and at >= least and naive_sound(at, rows, null, level)]
    assert found.threshold == min(sound, default=None)


@given(st.floats(0.001, 0.9))
def test_the_least_posterior_has_the_odds_that_are_asked_for(prior: float) -> None:
    least = least_posterior(prior)
    assert least / (1 - least) == pytest.approx(EVIDENCE * prior / (1 - prior))


def test_a_genome_that_differs_a_little_everywhere_is_not_called() -> None:
    """All windows are above nearly all simulations, by next to nothing."""
    values, null = np.full(300, 0.016), np.append(np.full(980, 0.004), np.full(20, 0.02))
    everywhere = np.full(300, True)
    assert discover("x", values, everywhere, null, 0.05).called == 300
    assert discover("x", values, everywhere, null, 0.05, least_posterior(0.005)).threshold is None
