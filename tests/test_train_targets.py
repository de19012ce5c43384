"""What networks learn, and networks of several values from simulations to card."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_histories import parsed, recipe, simulate
from tiny_training import RECIPE, Told

from scanner.errors import InputError
from scanner.evaluate import report, run
from scanner.network.spec import TRANSFORMS
from scanner.simulate.coalescent import simulate_one
from scanner.simulate.recipe import TASKS, parse_recipe
from scanner.train.examples import Example, see
from scanner.train.options import training_options
from scanner.train.targets import TARGETS, target_name

SCORES = ["log_n0", "log_t1", "log_n1", "log_t2", "log_n2"]


def test_every_task_has_a_target() -> None:
    assert {target.task for target in TARGETS.values()} == set(TASKS)
    scores = [value.score for target in TARGETS.values() for value in target.values]
    assert len(set(scores)) == len(scores)
    assert {value.transform for target in TARGETS.values() for value in target.values} <= set(TRANSFORMS)


def test_the_first_target_of_a_task_is_its_own() -> None:
    assert target_name(parsed()) == "history"
    assert target_name(parse_recipe(RECIPE, "tiny.toml")) == "rate"
    assert [value.score for value in TARGETS["history"].values] == SCORES


def test_a_target_of_another_task_is_refused() -> None:
    with pytest.raises(InputError, match=r"network\.target 'rho' is not known: there is history"):
        target_name(replace(parsed(), network={"target": "rho"}))


@pytest.mark.parametrize(
    "history",
    ['kind = "constant"\nsize = 500', 'kind = "piecewise"\nsizes = [1, 2]\ntimes = [3]'],
    ids=["constant", "two sizes"],
)
def test_histories_without_three_sizes_are_refused(history: str) -> None:
    text = recipe()
    first, last = text.index('kind = "piecewise"'), text.index("[mutation]")
    other = parse_recipe(f"{text[:first]}{history}\n\n{text[last:]}", "quick.toml")
    with pytest.raises(InputError, match="history 1: a network that learns histories needs piecewise ones of 3 sizes"):
        training_options(other)


@pytest.mark.parametrize("index", range(6))
def test_the_truth_of_a_history_is_what_was_simulated(index: int) -> None:
    made = parsed()
    how = training_options(made).how
    simulation = simulate_one(made, index)
    sight = see(simulation, made, how, np.random.default_rng(index))
    assert sight is not None
    drawn = simulation.parameters
    times = sorted([drawn["times-1"], drawn["times-2"]])
    expected = [drawn["sizes-0"], times[0], drawn["sizes-1"], times[1], drawn["sizes-2"]]
    assert sight.targets.shape == (len(sight.start), 5)
    for row in sight.targets:
        assert (10.0**row).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("index", range(3))
def test_theta_is_that_of_the_simulation(index: int) -> None:
    made = parse_recipe(RECIPE.replace('task = "recombination"', 'task = "diversity"'), "tiny.toml")
    sight = see(simulate_one(made, index), made, training_options(made).how, np.random.default_rng(index))
    assert sight is not None
    assert np.exp(sight.targets).ravel().tolist() == pytest.approx([4 * 5000 * 3e-8] * len(sight.start))


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> run.Setting:
    """200 training simulations and 60 fresh ones."""
    folder = tmp_path_factory.mktemp("histories")
    training, fresh = simulate(folder / "training", 200), simulate(folder / "fresh", 60, seed=2)
    return run.Setting(fresh, training_options(fresh.recipe).how, training, ("boosting",))


SD = np.array([0.1, 0.2, 0.3, 0.4, 0.5])


def noisy(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A network whose errors are known: those of the first value are the smallest."""
    truth = np.concatenate([example.targets for example in examples])
    mean = truth + np.random.default_rng(1).normal(0, SD, truth.shape)
    return mean, mean - 1.645 * SD, mean + 1.645 * SD


@pytest.fixture(scope="module")
def evaluation(setting: run.Setting) -> run.Evaluation:
    """What came of it."""
    return run.evaluate(setting, noisy)


def test_every_value_is_measured_by_itself(evaluation: run.Evaluation) -> None:
    outputs = evaluation.metrics["outputs"]
    assert list(outputs) == SCORES
    errors = [outputs[score]["overall"]["network"]["ln_rmse"] for score in SCORES]
    assert errors == pytest.approx((SD * math.log(10)).tolist(), rel=0.25)
    for score in SCORES:
        assert list(outputs[score]["overall"])[2:] == ["boosting", "network and boosting"]
        assert 0.8 < outputs[score]["overall"]["network"]["coverage"] <= 1
        assert {"truth", "size"} <= set(outputs[score]["strata"])
    assert "overall" not in evaluation.metrics
    json.dumps(evaluation.metrics, allow_nan=False)


def test_baselines_learn_every_value(evaluation: run.Evaluation) -> None:
    found = {score: row["overall"]["boosting"]["r2_log"] for score, row in evaluation.metrics["outputs"].items()}
    assert found["log_n1"] > 0.2, found
    assert len(set(found.values())) == 5


def test_table_and_predictions_name_every_value(evaluation: run.Evaluation, tmp_path: Path) -> None:
    text = report.table(evaluation.metrics)
    for score in SCORES:
        assert f"\n{score}\n" in text
    report.write(evaluation, tmp_path)
    lines = gzip.decompress((tmp_path / report.PREDICTIONS).read_bytes()).decode().splitlines()
    names = lines[0].split("\t")
    assert {"truth_log_t1", "network_log_t1", "low_log_n2", "high_log_n2", "boosting_log_n0"} <= set(names)
    column = np.array([line.split("\t")[names.index("truth_log_t1")] for line in lines[1:]], float)
    np.testing.assert_allclose(10**column, np.exp(evaluation.outputs[1].truth), rtol=1e-4)


def test_a_network_of_several_values_from_recipe_to_folder(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    from scanner.network.store import check_golden, load
    from scanner.train.model import publish_model
    from scanner.train.run import train

    path = tmp_path / "recipe.toml"
    path.write_text(recipe())
    work = train(path, tmp_path / "work", lambda _tasks: nullcontext(map), Told())
    text = publish_model(
        work,
        tmp_path / "quick-history",
        lambda _tasks: nullcontext(map),
        Told(),
        options={"simulations": 300, "baselines": ()},
    )
    model = load(tmp_path / "quick-history")
    assert check_golden(model) < 1e-5
    assert [output.name for output in model.spec.outputs] == SCORES
    assert len({output.interval for output in model.spec.outputs}) == 5
    low, high = model.spec.ranges["log_n1"]
    assert math.log10(500) <= low < high <= math.log10(50000)
    metrics = json.loads((tmp_path / "quick-history" / "metrics.json").read_text())
    for score in SCORES:
        assert 0.8 < metrics["outputs"][score]["overall"]["network"]["coverage"] < 0.97
    assert metrics["outputs"]["log_n0"]["overall"]["network"]["r2_log"] > 0
    card = (tmp_path / "quick-history" / "README.md").read_text()
    assert text.rstrip() in card
    for score in SCORES:
        assert f"`{score}` (log10 " in card
    assert "`<name>_low`" in card
