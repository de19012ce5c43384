"""Networks in a scan: tiles, overlapping windows, ensembles, and windows unlike those of the training."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

import scanner.network
from scanner.channels.windows import window_parts
from scanner.network import predict, reference
from scanner.network.pooling import pool
from scanner.network.spec import Class, Output

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network
from small_network import ARCH, CHANNELS

from scanner.network import backend
from scanner.network.backend import evaluate
from scanner.network.predict import Predictor
from scanner.network.store import Model, load

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

RNG = np.random.default_rng(8)


@pytest.mark.parametrize(
    ("free", "sites"),
    [("81000", 65536), ("1200\n81000", 65536), ("400", 16384), ("12", 2048), ("[N/A]", 65536), (None, 65536)],
)
def test_a_card_that_others_use_takes_fewer_sites_at_a_time(
    free: str | None, sites: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free MiB of the cards as the driver's tool says them, without it, and with half an answer."""
    if free is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\nprintf '{free}\\n'\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert backend.batch_sites("gpu", 9536) == sites
    assert backend.batch_sites("cpu", 9536) == 2048


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models") / "small-one"
    small_network.write(folder, 1, 2)
    return load(folder)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def pooled_slowly(features: np.ndarray, positions: np.ndarray, start: int, end: int, parts: int) -> np.ndarray:
    inside = (positions >= start) & (positions < end)
    part, rows, width = window_parts(positions[inside], start, end, parts), features[inside], features.shape[1]
    out = np.zeros((parts, 2 * width + 1))
    for number in range(parts):
        own = rows[part == number].astype(np.float64)
        if len(own):
            out[number, :width], out[number, width:-1] = own.mean(axis=0), own.max(axis=0)
        out[number, -1] = np.log(1 + len(own)) / 2 - 1
    return out


@settings(max_examples=60, deadline=None)
@given(
    positions=st.lists(st.integers(0, 200), unique=True).map(sorted),
    windows=st.lists(st.tuples(st.integers(0, 210), st.integers(1, 150)), min_size=1, max_size=6),
    parts=st.integers(1, 7),
)
def test_pooling_is_what_a_loop_gives(positions: list[int], windows: list[tuple[int, int]], parts: int) -> None:
    """Windows overlap as they like, reach beyond the sites, and may be shorter than they have parts."""
    at = np.array(positions, np.int64)
    features = (np.sin(np.arange(3 * len(at)) * 1.7).reshape(-1, 3) - 2).astype(np.float32)
    start = np.array([first for first, _ in windows])
    end = start + [length for _, length in windows]
    found = pool(features, at, start, end, parts)
    for window in range(len(windows)):
        slow = pooled_slowly(features, at, int(start[window]), int(end[window]), parts)
        assert np.abs(found[window] - slow).max() < 1e-6


def test_pooling_holds_sums_in_64_bits() -> None:
    features = np.full((200_000, 1), 0.1, np.float32)
    found = pool(features, np.arange(200_000), np.array([0]), np.array([200_000]), 1)
    assert found[0, 0, 0] == features[0, 0]


def test_windows_apart_are_what_the_whole_network_gives(model: Model) -> None:
    """A scan pools on the host what training pools by segments; windows that touch, and one without sites."""
    positions = np.sort(RNG.choice(10_000, 60, replace=False))
    start, end = np.array([500, 3000, 5000, 20_000]), np.array([3000, 4100, 9000, 30_000])
    ids = np.full(60, ARCH.windows * ARCH.parts, np.int32)
    for window in range(4):
        inside = (positions >= start[window]) & (positions < end[window])
        part = window_parts(positions[inside], int(start[window]), int(end[window]), ARCH.parts)
        ids[inside] = window * ARCH.parts + part
    values, extras = drawn(60, CHANNELS), drawn(4, ARCH.extras)
    batch = {"sites": values[None], "mask": np.ones((1, 60), np.float32), "ids": ids[None], "extras": extras[None]}
    predictor = Predictor(model)
    features = predictor.features(values)
    pooled = model.network.get_layer("pool")([features[None], ids[None]])[0]
    assert np.abs(pool(features, positions, start, end, ARCH.parts) - np.asarray(pooled)).max() < 1e-5
    found = predictor.windows(features, positions, start, end, extras)
    assert found.shape == (4, 2, 2)
    assert np.abs(found - evaluate(model.network, batch)[0]).max() < 1e-5


def test_windows_do_not_depend_on_each_other(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    features, positions = drawn(50, 16), np.arange(0, 5000, 100)
    start, extras = np.arange(0, 4000, 300), drawn(14, ARCH.extras)
    predictor = Predictor(model)
    once = predictor.windows(features, positions, start, start + 1000, extras)
    monkeypatch.setattr(predict, "BATCH_WINDOWS", 4)
    again = predictor.windows(features, positions, start, start + 1000, extras)
    assert np.abs(once - again).max() < 1e-5
    alone = predictor.windows(features, positions, start[5:6], start[5:6] + 1000, extras[5:6])
    assert np.abs(once[5] - alone[0]).max() < 1e-5
    assert np.abs(once[5] - once[6]).max() > 1e-3
    assert predictor.windows(features, positions, start[:0], start[:0], extras[:0]).shape == (0, 2, 2)


@pytest.mark.parametrize("sites", [0, 1, 6, 33, 100, 257])
def test_features_do_not_depend_on_tiles(model: Model, sites: int) -> None:
    values = drawn(sites, CHANNELS)
    whole = Predictor(model, 512).features(values)
    assert whole.shape == (sites, 2 * ARCH.width)
    if sites:
        direct = evaluate(model.network.get_layer("trunk"), [values[None], np.ones((1, sites, 1), np.float32)])
        assert np.abs(whole - direct[0]).max() < 1e-5
    for tile in (15, 32, 100):
        assert np.abs(Predictor(model, tile).features(values) - whole).max(initial=0) < 1e-5


def test_a_stretch_with_a_halo_has_the_features_of_the_whole(model: Model) -> None:
    values, predictor = drawn(120, CHANNELS), Predictor(model)
    part = predictor.features(values[40 - predictor.halo : 90 + predictor.halo])[predictor.halo : -predictor.halo]
    assert np.abs(part - predictor.features(values)[40:90]).max() < 1e-5


def test_a_tile_must_hold_the_halo(model: Model) -> None:
    with pytest.raises(ValueError, match="batch_sites is 14, and a halo of 7"):
        Predictor(model, 14)


def test_members_are_combined() -> None:
    """Means 1 and 3, variances 0.5 and 1.5: mean 2 and variance 1 + 1, times the scale of the target."""
    raw = np.array([[[1.0, np.log(0.5)], [3.0, np.log(1.5)]]])
    spec = small_network.spec()
    mean, sigma = predict.combine(raw, spec)
    assert mean == pytest.approx(np.array([[2 * 0.5 - 8]]))
    assert sigma == pytest.approx(np.array([[np.sqrt(2) * 0.5]]))
    value, low, high = predict.interval(mean, sigma, spec)
    reach = 1.7 * np.sqrt(2) * 0.5
    assert np.concatenate([value, low, high], axis=1)[0] == pytest.approx([1e-7, 10 ** (-7 - reach), 10 ** (reach - 7)])


def test_transforms_are_undone() -> None:
    outputs = tuple(Output(how, "", how, 0.0, 1.0, 2.0) for how in ("none", "ln", "log10"))
    spec = replace(small_network.spec(), outputs=outputs)
    mean, sigma = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 0.5, 0.5]])
    value, low, high = predict.interval(mean, sigma, spec)
    assert value[0] == pytest.approx([1, np.exp(2), 1000])
    assert low[0] == pytest.approx([-1, np.exp(1), 100])
    assert high[0] == pytest.approx([3, np.exp(3), 10_000])
    raw = np.array([[[1, 2, 3, 0, np.log(4), 0]]], np.float64)
    mean, sigma = predict.combine(raw, spec)
    assert (mean[0].tolist(), sigma[0]) == ([1, 2, 3], pytest.approx([1, 2, 1]))


def test_distances_are_mahalanobis() -> None:
    summaries = RNG.normal(size=(4000, 4)) @ RNG.normal(size=(4, 4)) * [1, 1e3, 1e-6, 1] + [0, 5, 1, -3]
    known = reference.fit(summaries)
    inverse = np.linalg.inv(np.cov(summaries.T, bias=True))
    expected = [mahalanobis(row, summaries.mean(axis=0), inverse) for row in summaries[:50]]
    assert reference.distance(known, summaries[:50]) == pytest.approx(expected, rel=0.02)


def test_the_score_is_the_share_of_training_windows_within() -> None:
    summaries = RNG.normal(size=(5000, 6)) * np.arange(1, 7)
    known = reference.fit(summaries)
    distances = reference.distance(known, summaries)
    shares = np.array([(distances < distance).mean() for distance in distances])
    assert np.abs(reference.score(known, summaries) - shares).max() < 2e-3
    assert reference.score(known, np.full((1, 6), 100.0)) == [1]
    fresh = RNG.normal(size=(5000, 6)) * np.arange(1, 7)
    assert (reference.score(known, fresh) > 0.95).mean() == pytest.approx(0.05, abs=0.015)


def test_what_never_varied_and_what_says_the_same_twice_do_no_harm() -> None:
    one = RNG.normal(size=(1000, 1))
    known = reference.fit(np.concatenate([one, 2 * one, np.full((1000, 1), 7.0)], axis=1))
    score = reference.score(known, np.array([[0.1, 0.2, 7.0], [0.1, 0.2, 8.0], [1.0, -2.0, 7.0], [0, 0, np.nan]]))
    assert score[0] < 0.2
    assert score[1:3].tolist() == [1, 1]
    assert np.isnan(score[3])


@pytest.mark.parametrize("summaries", [np.zeros((1, 2)), np.array([[1.0, np.nan], [1, 2], [2, 3]])])
def test_training_summaries_must_be_whole(summaries: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be finite, and of two windows at least"):
        reference.fit(summaries)


def test_probabilities_are_those_of_the_members_tempered_and_with_other_priors() -> None:
    classes = (Class("none", 0.5), Class("one", 0.3), Class("two", 0.2))
    spec = replace(small_network.spec(), outputs=(), classes=classes, temperature=1.7)
    raw = RNG.normal(scale=2, size=(6, 2, 3)).astype(np.float32)
    members = scipy.special.softmax(raw.astype(np.float64), axis=2)
    mean = members.mean(axis=1)
    assert np.allclose(np.exp(predict.log_probabilities(raw)), mean)
    tempered = mean ** (1 / 1.7) / (mean ** (1 / 1.7)).sum(axis=1, keepdims=True)
    assert np.allclose(predict.probabilities(raw, spec), tempered)
    assert np.allclose(predict.probabilities(raw, spec, np.array([0.5, 0.3, 0.2])), tempered)
    prior = np.array([0.97, 0.03, 0.0])
    weighed = tempered * prior / np.array([0.5, 0.3, 0.2])
    found = predict.probabilities(raw, spec, prior)
    assert np.allclose(found, weighed / weighed.sum(axis=1, keepdims=True))
    assert (found[:, 2] == 0).all()


def test_probabilities_of_certain_members_stay_numbers() -> None:
    spec = replace(small_network.spec(), outputs=(), classes=(Class("none", 0.5), Class("one", 0.5)), temperature=0.2)
    raw = np.array([[[900.0, -900.0]], [[0.0, 0.0]]], np.float32)
    assert np.allclose(predict.probabilities(raw, spec), [[1, 0], [0.5, 0.5]])
