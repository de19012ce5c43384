"""Training from a recipe to a model folder that a scan can use."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_training import RECIPE, Told, trained

from scanner.errors import InputError, RunError
from scanner.network import fit as fitting
from scanner.network.fit import Epoch, Schedule, fit, rate_at
from scanner.network.predict import combine
from scanner.network.store import check_golden, load
from scanner.train import card, seeds
from scanner.train.assemble import INTERVAL, Predicted, assemble, held_out, interval_scale, tell
from scanner.train.examples import look, sights
from scanner.train.figures import learning_curves
from scanner.train.run import _check_learned, histories, train
from scanner.train.seeds import Seed, Work

pytest.importorskip("keras")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Two networks, trained on 250 simulations."""
    return trained(tmp_path_factory.mktemp("training"))


def test_the_networks_learn(work: Work) -> None:
    made = assemble(work)
    error = np.sqrt(np.mean((made.held_out.mean - made.held_out.targets) ** 2))
    assert error < 0.7 * made.held_out.targets.std()
    assert [len(history) for history in histories(work)] == [6, 6]


def test_from_both_ends_every_member_speaks_twice(work: Work) -> None:
    """Of the same windows, in the same order: those of an example stand the other way round where they are read so."""
    recipe = work.simulations.recipe
    both = Work(
        replace(work.simulations, recipe=replace(recipe, network={**recipe.network, "both_ends": True})), work.folder
    )
    once, twice = assemble(work), assemble(both)
    assert (once.spec.reads, twice.spec.reads) == ("one population, phased", "one population, phased, from both ends")
    alone, joined = (tell(once.network, each, held_out(each)) for each in (work, both))
    np.testing.assert_array_equal(joined.targets, alone.targets)
    assert {name: values.tolist() for name, values in joined.facts.items()} == {
        name: values.tolist() for name, values in alone.facts.items()
    }
    assert joined.raw.shape == (len(alone.raw), 4, 2)
    np.testing.assert_allclose(joined.raw[:, :2], alone.raw, atol=0.05)  # examples on disk have half precision
    errors = alone.raw[:, :, 0].mean(axis=1) - joined.raw[:, 2:, 0].mean(axis=1)
    assert 0 < np.abs(errors).mean() < 0.3 * joined.raw[:, 2:, 0].std()
    backwards = (
        one.mirrored()
        for look in work.validation_looks()
        for one in sights(work.simulations, look.shard, look.how, [1, 0])
    )
    told = tell(once.network, work, (look(sight, work.options.how) for sight in backwards))
    sizes = np.cumsum([len(example.first) for example in held_out(work)])[:-1]
    expected = np.concatenate([part[::-1] for part in np.split(told.raw, sizes)])
    np.testing.assert_allclose(joined.raw[:, 2:], expected, atol=1e-5)
    mean, _ = combine(joined.raw, twice.spec)
    np.testing.assert_allclose(twice.held_out.mean, mean)


def test_nothing_is_done_twice(work: Work) -> None:
    before = {path: path.stat().st_mtime_ns for path in work.folder.rglob("*") if path.suffix in (".npz", ".h5")}
    told = Told()
    trained(work.folder.parent, told)
    assert told.stages == [("simulating", 0), ("looking", 0), ("training", 12)]
    assert told.done == {"training": 12}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_training_goes_on_where_it_was_stopped(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = work.options
    data = seeds._data(Seed(work, 1))
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    schedule = replace(options.schedule, epochs=3)
    fit(options.architecture, 1, data, schedule, straight)

    class Killed(Exception):
        pass

    def die_in_the_second_pass(*arguments: object) -> float:
        if arguments[-1] == 1:
            raise Killed
        return whole(*arguments)  # type: ignore[arg-type]

    whole = fitting._pass
    monkeypatch.setattr(fitting, "_pass", die_in_the_second_pass)
    with pytest.raises(Killed):
        fit(options.architecture, 1, data, schedule, resumed)
    monkeypatch.setattr(fitting, "_pass", whole)
    fit(options.architecture, 1, data, schedule, resumed)
    rows = [[(row.epoch, row.loss, row.error) for row in fitting.read_history(f)] for f in (straight, resumed)]
    assert [row[0] for row in rows[1]] == [1, 2, 3]
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5)
    assert [path.name for path in resumed.glob("epoch-*")] == ["epoch-003.keras"]


def test_a_damaged_checkpoint_is_named(work: Work, tmp_path: Path) -> None:
    folder = tmp_path / "seed"
    shutil.copytree(work.seed_folder(1), folder)
    (folder / "epoch-006.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"epoch-006.keras cannot be read: remove .* to train this network anew"):
        fit(work.options.architecture, 1, seeds._data(Seed(work, 1)), Schedule(7), folder)
    (folder / "history.json").write_text("{")
    with pytest.raises(InputError, match=r"history\.json is damaged"):
        fitting.read_history(folder)


def test_training_ends_early_where_nothing_gets_better() -> None:
    history = [Epoch(at, 0.0, error, 1.0) for at, error in enumerate([3.0, 2.0, 2.5, 2.1, 2.0], 1)]
    assert fitting._stalled(history, 3)
    assert not fitting._stalled(history, 4)
    assert not fitting._stalled(history[:3], 3)


def test_the_rate_rises_and_falls() -> None:
    schedule = Schedule(10, rate=1.0, warmup=100)
    rates = [rate_at(schedule, step, step / 10_000) for step in range(0, 10_001, 50)]
    top = int(np.argmax(rates))
    assert rates[0] < 0.05
    assert rates[top] > 0.99
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == 0


def test_a_network_that_went_astray_is_refused(work: Work) -> None:
    with pytest.raises(RunError, match=r"diverged: give a smaller training\.learning_rate"):
        _check_learned([Epoch(1, float("nan"), float("nan"), 1.0)], work)


def test_too_few_simulations_are_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace("simulations = 500", "simulations = 200"))
    told = Told()
    with pytest.raises(InputError, match="200 simulations are too few"):
        train(recipe, tmp_path / "work", lambda _tasks: nullcontext(map), told)
    assert told.stages == []


def test_a_recipe_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace('encoding = "folded-2"', 'encoding = "folded-2"\ntarget = "speed"'))
    with pytest.raises(InputError, match=r"network\.target 'speed' is not known"):
        train(recipe, tmp_path / "work", lambda _tasks: nullcontext(map), Told())
    assert list(tmp_path.iterdir()) == [recipe]


@pytest.fixture(scope="module")
def model_folder(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that was trained."""
    made = assemble(work)
    drawn = card.figures(made.spec, histories(work), made.held_out)
    measured = {"simulations": 1000, "seed": 8, "trained_on": 500}
    text = card.write_card(made.spec, work.simulations.recipe, histories(work), measured, "a table\n")
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made.save(folder, {"recipe.toml": RECIPE, "metrics.json": "{}\n", "README.md": text, **drawn})
    return folder


def test_the_model_folder_is_whole(work: Work, model_folder: Path) -> None:
    model = load(model_folder)
    assert check_golden(model) < 1e-5
    assert model.spec.seeds == (1, 2)
    assert model.spec.ranges["haplotypes"] == (16, 24)
    assert 10_000 <= model.spec.window[0] < model.spec.window[1] <= 30_000
    assert sum(path.stat().st_size for path in model_folder.iterdir()) < 5_000_000
    made = assemble(work)
    assert made.spec.outputs == model.spec.outputs  # joining and calibrating is deterministic
    summaries = next(iter(seeds._some(work))).summaries()
    assert summaries.shape[1] == len(model.reference["mean"])


def test_the_interval_holds_what_it_promises() -> None:
    rng = np.random.default_rng(5)
    sigma = rng.uniform(0.5, 2, 20_000)
    sigmas = np.stack([sigma, sigma], axis=1)
    found = Predicted(np.zeros((20_000, 2)), sigmas, sigmas * [3, 0.5] * rng.standard_normal((20_000, 2)), {})
    scale = interval_scale(found)
    assert scale.tolist() == pytest.approx([3 * 1.645, 0.5 * 1.645], rel=0.03)
    assert card.coverage(found, np.array([INTERVAL]), scale)[0].tolist() == pytest.approx([INTERVAL] * 2, abs=1e-3)
    assert card.coverage(found, np.array([0.5]), scale)[0].tolist() == pytest.approx([0.5] * 2, abs=0.02)


def test_the_card_says_what_the_model_is(work: Work, model_folder: Path) -> None:
    text = (model_folder / "README.md").read_text()
    errors = [f"{min(row.error for row in passes):.4g}" for passes in histories(work)]
    alone = f"have a validation RMSE of {errors[0]}, {errors[1]} (seeds 1, 2)"
    for part in (
        "# tiny",
        "`recombination_rate`",
        "| haplotypes | 16 - 24 |",
        "1,000 fresh simulations",
        "a table",
        alone,
    ):
        assert part in text
    for name in card.FIGURES:
        assert f"]({name})" in text
        assert ElementTree.parse(model_folder / name).getroot().tag.endswith("svg")


def test_figures_are_the_same_each_time() -> None:
    history = [[Epoch(1, 0.5, 1.0, 1.0), Epoch(2, 0.4, 0.9, 1.0)]]
    assert learning_curves(history) == learning_curves(history)


def test_what_is_known_of_windows_is_joined(work: Work) -> None:
    made = assemble(work)
    assert json.dumps({name: values.shape for name, values in made.held_out.facts.items()})
    assert {len(values) for values in made.held_out.facts.values()} == {len(made.held_out.mean)}
