"""Every model of the catalogue: whole, loadable, the numbers of the machine it was trained on, honestly described."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from scanner import network
from scanner.catalogue import catalogue_folder, track
from scanner.channels.groups import NAMES, SIDES
from scanner.simulate.recipe import read_recipe
from scanner.train.options import training_options

pytest.importorskip("keras")

MODELS = network.names()
MAX_BYTES = 5_000_000
FEWEST = {
    "demography": 6_000,
    "demography-t5": 20_000,
    "introgression": 26_000,
    "introgression-t6": 12_250,
    "sweep": 30_000,
    "sweep-t7": 7_500,
    "theta-t1": 25_000,
}
"""Simulations that a network must have been trained on, where these are not 100,000."""


def measured(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what was measured of every value of a network."""
    return list(metrics.get("outputs", {"": metrics}).values())


def test_there_are_models() -> None:
    assert {"recombination", "recombination-t2"} <= set(MODELS)


@pytest.mark.parametrize("name", MODELS)
class TestModel:
    """What holds for every model."""

    def test_it_gives_the_numbers_that_it_gave(self, name: str) -> None:
        from scanner.network.store import check_golden, load

        for plain in (True, False):
            assert check_golden(load(catalogue_folder("models") / name, plain=plain)) < 1e-4

    def test_it_is_called_by_its_folder(self, name: str) -> None:
        from scanner.network.store import read_contract

        spec = read_contract(catalogue_folder("models") / name)
        assert spec.id == name
        assert spec.encoding in NAMES
        for side in SIDES[spec.populations]:
            low, high = spec.ranges[f"haplotypes{side}"]
            assert 2 <= low <= high

    def test_its_recipe_is_the_one_it_was_trained_by(self, name: str) -> None:
        from scanner.network.store import read_contract

        folder = catalogue_folder("models") / name
        recipe, spec = read_recipe(folder / "recipe.toml"), read_contract(folder)
        options = training_options(recipe)
        assert recipe.name == name
        assert recipe.simulations >= FEWEST.get(name, 100_000)
        assert options.how.encoding.name == spec.encoding
        assert options.how.encoding.min_count == spec.min_count
        assert options.seeds == len(spec.seeds) >= 3

    def test_it_is_small(self, name: str) -> None:
        assert sum(path.stat().st_size for path in (catalogue_folder("models") / name).iterdir()) < MAX_BYTES

    def test_it_was_measured_beside_its_baselines(self, name: str) -> None:
        metrics = json.loads((catalogue_folder("models") / name / "metrics.json").read_text())
        recipe = read_recipe(catalogue_folder("models") / name / "recipe.toml")
        assert metrics["simulations"] >= 2000
        assert metrics["seed"] != recipe.seed
        for one in measured(metrics):
            overall = one["overall"]
            assert {"network", "boosting"} <= set(overall)
            assert len(overall) >= 3  # the best single statistic too
            network, boosting = overall["network"], overall["boosting"]
            if "classes" in one:
                assert network["calibration_error"] < 0.03
                assert network["cross_entropy"] < boosting["cross_entropy"]
            else:
                assert 0.85 < network["coverage"] < 0.95
                assert network["ln_rmse"] < boosting["ln_rmse"]

    def test_its_card_says_so(self, name: str) -> None:
        folder = catalogue_folder("models") / name
        card, metrics = (folder / "README.md").read_text(), json.loads((folder / "metrics.json").read_text())
        assert card.startswith(f"# {name}\n")
        for one in measured(metrics):
            key = "cross_entropy" if "classes" in one else "ln_rmse"
            assert f"{one['overall']['network'][key]:.4g}" in card
        for figure in ("learning.svg", "accuracy.svg", "reliability.svg"):
            assert f"]({figure})" in card
            assert (folder / figure).read_text().lstrip().startswith("<?xml")

    def test_its_scores_are_drawn(self, name: str) -> None:
        from scanner.network.store import read_contract

        spec = read_contract(catalogue_folder("models") / name)
        for output in spec.outputs:
            for score in (output.name, f"{output.name}_low", f"{output.name}_high"):
                assert track(score).group == "network"
        for item in spec.classes:
            assert track(item.name).group == "network"
        assert track(f"{name}_out_of_range").limits == (0.0, 1.0)


def test_they_are_listed_without_keras() -> None:
    script = (
        "import sys; from scanner.cli import main; "
        "code = main(['models', '--json']); sys.exit(code or 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    assert set(listed) == set(MODELS)
    assert "phased" in listed["recombination"]["reads"]
    assert listed["recombination-t2"]["predicts"] == "rho (4 N r per bp)"
    assert listed["sweep"]["predicts"].startswith("probabilities of sweep_neutral, sweep_hard")
    assert listed["sweep"]["window"].endswith("in a context 11 times as long")


def test_the_published_setting_is_met_beside_ldhat() -> None:
    metrics = json.loads((catalogue_folder("models") / "recombination-t2" / "metrics.json").read_text())
    rows = [row for row in metrics["rho"] if row["LDhat"] is not None]
    assert len(rows) == 5
    for row in rows:
        assert row["network"] < row["LDhat"]
    assert np.isfinite([row["network"] for row in rows]).all()
    overall = metrics["overall"]["network"]
    assert overall["r2"] >= 0.975
    assert overall["ln_rmse"] <= 0.255


def test_the_published_setting_of_theta_is_met() -> None:
    """The root mean squared error over the 20 kb of the setting, where the published network has 5.99."""
    metrics = json.loads((catalogue_folder("models") / "theta-t1" / "metrics.json").read_text())
    assert metrics["overall"]["network"]["rmse"] * 20_000 < 5.7


def test_the_published_setting_of_introgression_is_met() -> None:
    metrics = json.loads((catalogue_folder("models") / "introgression-t6" / "metrics.json").read_text())
    overall = metrics["overall"]
    assert overall["network"]["accuracy"] > 0.91
    assert overall["network"]["accuracy"] > overall["boosting"]["accuracy"]
    assert overall["network"]["calibration_error"] < 0.02


def test_the_published_setting_of_sweeps_is_met() -> None:
    """Also that few neutral windows are told to hold a sweep where neutral ones are half as frequent again."""
    from scanner.network import null
    from scanner.network.predict import weighed
    from scanner.network.store import read_contract

    folder = catalogue_folder("models") / "sweep-t7"
    overall = json.loads((folder / "metrics.json").read_text())["overall"]
    assert overall["network"]["accuracy"] >= 0.62
    assert overall["network"]["accuracy"] > overall["boosting"]["accuracy"]
    spec = read_contract(folder)
    frequent = np.array([1.5, 1, 1, 1, 1])
    told = weighed(null.read(folder / "null.npz", spec), spec, frequent / frequent.sum()).argmax(axis=1)
    here = [number for number, item in enumerate(spec.classes) if item.name in ("sweep_hard", "sweep_soft")]
    assert np.isin(told, here).mean() <= 0.03


def test_hardly_a_neutral_window_is_a_sweep_where_few_are_expected() -> None:
    """Half of the neutral windows that the model carries went through a severe bottleneck."""
    from scanner.network import null
    from scanner.network.predict import weighed
    from scanner.network.store import read_contract

    folder = catalogue_folder("models") / "sweep"
    spec = read_contract(folder)
    told = weighed(null.read(folder / "null.npz", spec), spec, np.array([0.98, *[0.005] * 4])).argmax(axis=1)
    assert len(told) >= 9_000
    assert np.mean(told != 0) <= 0.001


def test_the_published_setting_of_demography_is_met() -> None:
    metrics = json.loads((catalogue_folder("models") / "demography-t5" / "metrics.json").read_text())
    found = {score: one["overall"]["network"]["r2_log"] for score, one in metrics["outputs"].items()}
    wanted = {"log_n0": 0.75, "log_t1": 0.60, "log_n1": 0.49, "log_t2": 0.66, "log_n2": 0.70}
    assert list(found) == list(wanted)
    for score, least in wanted.items():
        assert found[score] >= least, score
