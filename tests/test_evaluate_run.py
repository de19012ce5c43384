"""Evaluation of a network beside its baselines, from simulations to files, table and command."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_introgression
from small_simulations import recipe, simulate

import scanner.network
from scanner.channels.windows import EXTRAS
from scanner.cli import evaluate as command
from scanner.cli import main
from scanner.errors import UsageError
from scanner.evaluate import report, run, seen
from scanner.evaluate.measures import measure
from scanner.simulate.recipe import parse_recipe, read_recipe
from scanner.train.examples import Example, look, sights
from scanner.train.options import training_options

needs_keras = pytest.mark.skipif(
    find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS),
    reason="Keras or a backend is not installed",
)
quiet = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Bounds = tuple[np.ndarray, np.ndarray, np.ndarray]


def noisy(sd: float) -> Callable[[Sequence[Example]], Bounds]:
    """A network whose errors are known: normal, with a 90% interval."""

    def predict(examples: Sequence[Example]) -> Bounds:
        truth = np.concatenate([example.targets for example in examples])
        mean = truth + np.random.default_rng(1).normal(0, sd, truth.shape)
        return mean, mean - 1.645 * sd, mean + 1.645 * sd

    return predict


def backwards(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """A map that gives the last result first."""
    return iter([function(item) for item in items][::-1])


class Heard:
    """Progress that writes down what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done = 0

    def start(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self, amount: int) -> None:
        self.done += amount


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> run.Setting:
    """300 training simulations in two shards, and 80 fresh ones with another seed."""
    folder = tmp_path_factory.mktemp("evaluate")
    training, fresh = simulate(folder / "training", 300), simulate(folder / "fresh", 80, seed=2)
    return run.Setting(fresh, training_options(fresh.recipe).how, training, ("boosting",))


@pytest.fixture(scope="module")
def evaluation(setting: run.Setting) -> run.Evaluation:
    """What came of a network with errors of 0.2."""
    return run.evaluate(setting, noisy(0.2))


def test_everything_is_measured_on_the_same_windows(setting: run.Setting, evaluation: run.Evaluation) -> None:
    metrics = evaluation.metrics
    held = list(sights(setting.fresh, 0, setting.how, [2]))
    (rho,) = evaluation.outputs
    np.testing.assert_array_equal(rho.truth[:, None], np.concatenate([one.targets for one in held]))
    mean, low, high = (each[:, 0] for each in noisy(0.2)([look(one, setting.how) for one in held]))
    assert metrics["overall"]["network"] == measure(evaluation.outputs[0].truth, mean, (low, high))
    assert 0.15 < metrics["overall"]["network"]["ln_rmse"] < 0.25
    names = list(metrics["overall"])
    assert names[0] == "network"
    assert names[1].endswith(" alone")
    assert names[2:] == ["boosting", "network and boosting"]
    assert [metrics[name] for name in ("simulations", "seed", "trained_on", "windows")] == [80, 2, 300, len(held)]
    assert metrics["overall"]["boosting"]["r2_log"] > 0.4
    both = (mean + evaluation.outputs[0].estimates["boosting"]) / 2
    np.testing.assert_allclose(evaluation.outputs[0].estimates["network and boosting"], both)


def test_strata_hold_all_windows(evaluation: run.Evaluation) -> None:
    strata = evaluation.metrics["strata"]
    assert list(strata) == ["truth", "size", "sites"]
    for rows in strata.values():
        assert sum(row["network"]["windows"] for row in rows) == len(evaluation.outputs[0].truth)
    assert [row["stratum"] for row in strata["size"]] == ["10,000", "30,000"]
    larger = evaluation.facts["size"] == 30_000
    expected = measure(evaluation.outputs[0].truth[larger], evaluation.outputs[0].estimates["boosting"][larger])
    assert strata["size"][1]["boosting"] == expected
    assert "published CNN" not in evaluation.metrics["rho"][0]
    assert sum(row["windows"] for row in evaluation.metrics["rho"]) <= len(evaluation.outputs[0].truth)


def test_the_order_of_results_does_not_matter(setting: run.Setting, evaluation: run.Evaluation) -> None:
    heard = Heard()
    again = run.evaluate(setting, noisy(0.2), backwards, heard)
    assert again.metrics == evaluation.metrics
    assert heard.stages == [("looking", 300), ("training baselines", 1), ("looking", 80)]
    assert heard.done == 300 + 1 + 80


def test_fewer_simulations_train_the_baselines_where_that_is_asked(
    setting: run.Setting, evaluation: run.Evaluation
) -> None:
    heard = Heard()
    found = run.evaluate(replace(setting, limit=240), noisy(0.2), map, heard)
    assert found.metrics["trained_on"] == 250  # whole shards
    assert heard.stages[0] == ("looking", 250)
    assert found.metrics["overall"]["boosting"] != evaluation.metrics["overall"]["boosting"]


def test_a_network_may_stand_alone(setting: run.Setting) -> None:
    found = run.evaluate(replace(setting, baselines=(), training=None), noisy(1e-9))
    assert list(found.metrics["overall"]) == ["network"]
    assert found.metrics["overall"]["network"]["r2"] == 1.0
    assert found.metrics["trained_on"] == 0
    assert "boosting" not in report.table(found.metrics)


@needs_keras
@quiet
def test_the_alignment_network_is_a_baseline(setting: run.Setting) -> None:
    found = run.evaluate(replace(setting, baselines=("alignment",)), noisy(0.2)).metrics["overall"]
    assert list(found) == ["network", "alignment"]
    assert found["alignment"]["windows"] == found["network"]["windows"]
    assert 0.2 < found["alignment"]["ln_rmse"] < 2.5


def test_what_cannot_be_evaluated_is_refused(setting: run.Setting) -> None:
    with pytest.raises(UsageError, match="no baseline is called 'forest': there is none, boosting, alignment"):
        run.evaluate(replace(setting, baselines=("forest",)), noisy(0.2))
    with pytest.raises(UsageError, match="baselines need simulations"):
        run.evaluate(replace(setting, training=None), noisy(0.2))
    with pytest.raises(UsageError, match="no simulation has a window with sites enough"):
        run.evaluate(replace(setting, baselines=(), how=replace(setting.how, min_sites=10**6)), noisy(0.2))


def test_files_hold_it_all_and_are_the_same_each_time(evaluation: run.Evaluation, tmp_path: Path) -> None:
    for place in ("a", "b"):
        report.write(evaluation, tmp_path / place)
    for name in (report.METRICS, report.PREDICTIONS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a" / report.METRICS).read_text()) == evaluation.metrics
    lines = gzip.decompress((tmp_path / "a" / report.PREDICTIONS).read_bytes()).decode().splitlines()
    names = lines[0].split("\t")
    assert names[:2] == ["truth", "network"]
    assert {"boosting", "network_and_boosting", "low", "high", "size", "sites", "length"} <= set(names)
    columns = dict(zip(names, np.array([line.split("\t") for line in lines[1:]], float).T, strict=True))
    np.testing.assert_allclose(columns["truth"], np.exp(evaluation.outputs[0].truth), rtol=1e-5)
    np.testing.assert_allclose(columns["low"], np.exp(evaluation.outputs[0].estimates["low"]), rtol=1e-5)


def test_what_was_not_drawn_is_na(evaluation: run.Evaluation) -> None:
    scale = np.full(len(evaluation.outputs[0].truth), np.nan)
    scale[0] = 2
    lines = report.predictions(replace(evaluation, facts={"scale": scale})).splitlines()
    assert [line.split("\t")[-1] for line in lines[:3]] == ["scale", "2", "NA"]


def test_the_table_shows_every_estimate_and_stratum(evaluation: run.Evaluation) -> None:
    text = report.table(evaluation.metrics)
    overall = evaluation.metrics["overall"]
    for name, row in overall.items():
        assert any(line.startswith(name) and f"{row['ln_rmse']:.4g}" in line for line in text.splitlines())
    assert "80 fresh simulations, seed 2" in text
    assert "ln-RMSE of the network less that of boosting: " in text
    assert "ln-RMSE by population size" in text
    assert "RMSE of rho by true rho" in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_fewest_haplotypes_are_those_of_the_look(setting: run.Setting, tmp_path: Path) -> None:
    assert seen.fewest_haplotypes(setting.fresh) == (16,)
    plain = read_recipe(recipe(tmp_path, 10))
    plain = replace(plain, observation=replace(plain.observation, haplotypes=None))
    assert seen.fewest_haplotypes(replace(setting.fresh, recipe=plain)) == (20,)
    pair = parse_recipe(
        small_introgression.RECIPE.replace("haplotypes = [8, 6]", "haplotypes = [8, 7]"), "pair", tmp_path
    )
    assert seen.fewest_haplotypes(replace(setting.fresh, recipe=pair)) == (8, 6), "samples without phase have two each"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network in a folder, with the recipe of quick simulations."""
    import small_network

    from scanner.network import architecture, reference, store

    folder = tmp_path_factory.mktemp("model")
    path = recipe(folder, 500)
    options = training_options(read_recipe(path))
    network = architecture.ensemble([architecture.build(options.architecture, 1)])
    spec = small_network.spec((1,), encoding="polarised-2", min_count=1, parts=2, extras=EXTRAS)
    spec = replace(spec, outputs=(replace(spec.outputs[0], name="rho", transform="ln", mean=-7.0, scale=1.0),))
    size = options.architecture.channels + options.architecture.extras
    known = reference.fit(np.random.default_rng(1).normal(size=(200, size)))
    golden = small_network.inputs(arch=options.architecture)
    store.save(
        folder / "quick",
        spec,
        network,
        golden=golden,
        reference=known,
        texts={**small_network.TEXTS, "recipe.toml": path.read_text()},
    )
    return folder / "quick"


@needs_keras
@quiet
def test_the_command_prints_a_table_and_keeps_files(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--simulations", "30", "--baselines", "none", "--threads", "1", "--out"]
    assert main([*words, str(tmp_path / "a")]) == 0
    text = capfd.readouterr().out
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert text == report.table(metrics)
    assert (metrics["simulations"], metrics["seed"]) == (30, 2)
    assert 0 <= metrics["overall"]["network"]["coverage"] <= 1
    assert (tmp_path / "a" / "predictions.tsv.gz").is_file()
    assert main([*words, str(tmp_path / "a"), "--seed", "1"]) == 2
    assert "trained on the simulations of seed 1: give another --seed" in capfd.readouterr().err
    assert main([*words, str(tmp_path / "b"), "--seed", "9"]) == 0
    assert capfd.readouterr().out != text


@needs_keras
@quiet
def test_the_command_makes_training_simulations_or_takes_them(
    model: Path, setting: run.Setting, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "-n", "20", "--threads", "1", "-q"]
    assert main([*words, "--out", str(tmp_path / "made")]) == 0
    metrics = json.loads((tmp_path / "made" / "metrics.json").read_text())
    assert (metrics["trained_on"], metrics["seed"]) == (100, 2)
    assert setting.training is not None
    assert main([*words, "--training", str(setting.training.folder), "--out", str(tmp_path / "given")]) == 0
    assert json.loads((tmp_path / "given" / "metrics.json").read_text())["trained_on"] == 300
    assert main([*words, "--training", str(setting.fresh.folder), "--out", str(tmp_path / "same")]) == 2
    assert "has the seed of the fresh simulations, 2: give another --seed" in capfd.readouterr().err


@needs_keras
@quiet
def test_what_the_command_cannot_do_is_one_sentence(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--threads", "1", "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(model), "--baselines", "forest", *words]) == 2
    assert capfd.readouterr().err == (
        "popscan: no baseline is called 'forest': there is none, boosting, alignment, and the folder of a trained "
        "network that sees alignments\n"
    )
    assert main(["evaluate", f"{model},{model}", *words]) == 2
    assert "names 2 networks: evaluate one at a time" in capfd.readouterr().err
    assert main(["evaluate", str(tmp_path / "absent"), *words]) == 2
    assert "is no model" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_knows_what_the_library_does() -> None:
    assert (command.FRESH, command.TRAINING, command.BASELINES) == (run.FRESH, run.TRAINING, run.BASELINES)
