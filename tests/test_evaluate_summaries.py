"""Classical summaries of windows, against slow versions of each, and gradient boosting on them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_simulations import simulate

import scanner.evaluate.boosting as boosting
from scanner.errors import UsageError
from scanner.evaluate.measures import r2, spearman
from scanner.evaluate.summaries import EDGES, NAMES, summaries
from scanner.haplotypes import from_alleles
from scanner.simulate.observe import Observed
from scanner.train.examples import Sight, sights
from scanner.train.options import training_options


def sight(positions: np.ndarray, alleles: np.ndarray, start: list[int], end: list[int]) -> Sight:
    observed = Observed(positions.astype(np.int64), (from_alleles("A", alleles.astype(np.int8), ploidy=1),))
    return Sight(observed, np.array(start), np.array(end), np.zeros(len(start)), {})


def linkage_slowly(positions: np.ndarray, alleles: np.ndarray) -> dict[str, float]:
    """Pair by pair, from tables of gametes; NaN for a bin without pairs."""
    held: dict[str, list[float]] = {name: [] for name in NAMES if name.startswith(("r2_", "four"))}
    for i, j in combinations(range(len(positions)), 2):
        both = (alleles[i] >= 0) & (alleles[j] >= 0)
        a, b = alleles[i][both], alleles[j][both]
        n = len(a)
        if n == 0 or a.min() == a.max() or b.min() == b.max():
            continue
        low = max(edge for edge in EDGES if edge <= positions[j] - positions[i])
        corrected = (np.corrcoef(a, b)[0, 1] ** 2 - 1 / n) / (1 - 1 / n)
        held[f"r2_{low}"].append(corrected)
        rarer = min(a.sum(), n - a.sum(), b.sum(), n - b.sum())
        if rarer >= 0.1 * n:
            held[f"r2_common_{low}"].append(corrected)
        if rarer > 1:
            held[f"four_gametes_{low}"].append(len(set(zip(a.tolist(), b.tolist(), strict=True))) == 4)
    return {name: float(np.mean(values)) if values else np.nan for name, values in held.items()}


def differences_slowly(alleles: np.ndarray) -> tuple[float, float]:
    apart = []
    for a, b in combinations(range(alleles.shape[1]), 2):
        known = (alleles[:, a] >= 0) & (alleles[:, b] >= 0)
        apart.append(int((alleles[known, a] != alleles[known, b]).sum()))
    return float(np.mean(apart)), float(np.var(apart))


@settings(max_examples=25)
@given(st.integers(2, 70), st.integers(1, 75), st.sampled_from([0.0, 0.1]), st.integers(0, 10**6))
def test_linkage_and_differences_are_those_of_slow_versions(
    haplotypes: int, sites: int, missing: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    alleles = (rng.random((sites, haplotypes)) < rng.uniform(0.02, 0.98, (sites, 1))).astype(np.int8)
    alleles[rng.random(alleles.shape) < missing] = -1
    positions = np.sort(rng.choice(40_000, sites, replace=False))
    windows = sight(positions, alleles, [0, 9_000], [9_000, 40_000])
    found = summaries(windows)
    assert found.shape == (2, len(NAMES))
    for row, low, high in zip(found, windows.start, windows.end, strict=True):
        inside = (positions >= low) & (positions < high)
        values = dict(zip(NAMES, row.tolist(), strict=True))
        expected = linkage_slowly(positions[inside], alleles[inside])
        mean, variance = differences_slowly(alleles[inside])
        expected |= {"differences_mean": mean, "differences_variance": variance}
        np.testing.assert_allclose([values[name] for name in expected], list(expected.values()), rtol=2e-5, atol=2e-5)


def test_counts_stand_in_proportion_too() -> None:
    alleles = np.array([[0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1]])
    (row,) = summaries(sight(np.array([10, 20, 30, 40]), alleles, [0], [100]))
    values = dict(zip(NAMES, row.tolist(), strict=True))
    expected = {
        "sites": 4, "haplotypes": 4, "rmin": 3, "density": 0.04, "rmin_per_bp": 0.03, "rmin_per_site": 0.75,
        "haplotype_share": 1, "log_size": np.log(4), "log_length": np.log(100), "pi": 4 * (2 / 3) / 100,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """Summaries and ln rho of 750 quick simulations."""
    folder: Path = tmp_path_factory.mktemp("quick")
    held = simulate(folder, 750)
    how = training_options(held.recipe).how
    found = [one for shard in range(held.shards) for one in sights(held, shard, how, [1, 0])]
    return np.concatenate([summaries(one) for one in found]), np.concatenate([one.targets[:, 0] for one in found])


def test_boosting_beats_the_best_single_summary(known: tuple[np.ndarray, np.ndarray]) -> None:
    features, targets = known
    train, test = slice(0, 600), slice(600, None)
    model = boosting.fit(features[train], targets[train], names=NAMES)
    score = r2(targets[test], model.predict(features[test]))
    assert score > 0.7
    follows = [abs(spearman(column[train].astype(float), targets[train])) for column in np.nan_to_num(features.T)]
    best = int(np.nanargmax(follows))
    alone = boosting.fit(features[train][:, [best]], targets[train])
    assert 0.3 < r2(targets[test], alone.predict(features[test][:, [best]])) < score - 0.03


def test_boosting_is_the_same_each_time(known: tuple[np.ndarray, np.ndarray]) -> None:
    features, targets = known
    one, two = (boosting.fit(features[:300], targets[:300]) for _ in range(2))
    assert one.rounds == two.rounds > 5
    np.testing.assert_array_equal(one.predict(features), two.predict(features))
    assert (boosting.fit(features[:300], targets[:300], seed=9).predict(features) != one.predict(features)).any()


def test_too_few_windows_and_no_lightgbm_are_refused(
    known: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, targets = known
    with pytest.raises(UsageError, match="99 windows are too few for gradient boosting: give 100 at least"):
        boosting.fit(features[:99], targets[:99])
    monkeypatch.setattr(boosting, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'popscan\[train\]'"):
        boosting.fit(features, targets)
