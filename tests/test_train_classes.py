"""Networks that tell sweeps, from simulations to a model folder that a scan takes."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import Simulated
from scanning import read_table, scanned
from small_sweeps import RECIPE
from test_simulate_introgression import met
from tiny_training import Told, alone, small_shards

import scanner.network
from scanner.errors import InputError
from scanner.simulate import sets
from scanner.simulate.recipe import parse_recipe
from scanner.simulate.sweeps import CLASSES
from scanner.train.examples import see
from scanner.train.looks import read
from scanner.train.options import training_options

pytest.importorskip("fwdpy11", reason="fwdpy11 is not installed")
pytest.importorskip("lightgbm", reason="LightGBM is not installed")
if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network

from scanner.network import null
from scanner.network.spec import Class
from scanner.network.store import load
from scanner.train import assemble, fresh, run
from scanner.train.fresh import Fresh, calibration_recipe, null_recipe, null_windows
from scanner.train.model import publish_model
from scanner.train.seeds import Work

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SCORES = tuple(f"sweep_{name}" for name in CLASSES)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Train on shards of a few simulations, so that some can be held out."""
    folder = tmp_path_factory.mktemp("sweeps")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    with small_shards(40):
        yield run.train(recipe, folder / "work", alone, Told())


@pytest.fixture(scope="module")
def model(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "quick-sweep"
    publish_model(work, out, alone, Told(), options={"simulations": 120})
    return out


def test_a_window_is_a_whole_simulation_in_its_class(work: Work) -> None:
    simulations = work.simulations.read(0)
    examples = list(read(work.training_looks(0)[0]))
    assert len(examples) == len(simulations) == 40
    for simulation, example in zip(simulations, examples, strict=True):
        assert example.targets.tolist() == [np.eye(5)[int(simulation.parameters["class"])].tolist()]
        assert example.facts["length"].tolist() == [simulation.length]
        assert (example.first[0], example.last[0]) == (0, len(example.values))
        assert set(example.part.tolist()) <= set(range(5))
    assert len({int(simulation.parameters["class"]) for simulation in simulations}) == 5


def test_the_networks_learn_and_tell_classes(work: Work) -> None:
    for history in run.histories(work):
        assert min(row.error for row in history) < history[0].error
    made = assemble.assemble(work)
    assert [item.name for item in made.spec.classes] == list(SCORES)
    assert sum(item.share for item in made.spec.classes) == pytest.approx(1)
    assert (made.spec.context, made.spec.window) == (5, (10_000.0, 10_000.0))
    assert isinstance(made.held_out, assemble.Told)


def test_they_are_calibrated_on_what_was_held_out_and_on_fresh_simulations(work: Work, model: Path) -> None:
    recipe = calibration_recipe(work.simulations.recipe)
    assert (recipe.seed, recipe.simulations) == (work.simulations.recipe.seed + 4, 20)
    assert not sets.SimulationSet(work.folder / "calibration" / "simulations", recipe).missing()
    told = Told()
    made = list(Fresh(work, alone, told).examples("calibration", recipe, "windows to calibrate on"))
    assert told.stages == [("simulating windows to calibrate on", 0), ("looking", 0)]
    found, held = load(model), list(assemble.held_out(work))
    assert (len(made), len(held)) == (20, 40)
    told_of = assemble.tell(found.network, work, held + made)
    surprise = []
    for temperature in (found.spec.temperature * 0.9, found.spec.temperature, found.spec.temperature * 1.1):
        logs = assemble.log_probabilities(told_of.raw) / temperature
        logs -= np.logaddexp.reduce(logs, axis=1, keepdims=True)
        surprise.append(-(logs * told_of.targets).sum(axis=1).mean())
    assert surprise[1] == min(surprise)


def test_the_model_folder_tells_sweeps_from_nothing(model: Path) -> None:
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["classes"] == list(SCORES)
    assert metrics["windows"] == 120
    assert set(metrics["overall"]) == {"network", "boosting", "network and boosting", *metrics["overall"]}
    assert any(name.endswith(" alone") for name in metrics["overall"])
    for name, row in metrics["overall"].items():
        assert row["auc"] > 0.9, name
        assert np.sum(metrics["confusion"][name]) == 120
    assert load(model).architecture.classes == 5
    card = (model / "README.md").read_text()
    for words in ("`sweep_hard_linked`", "a context 5 times as long", "network: % told (columns) of true (rows)"):
        assert words in card
    assert {path.name for path in model.glob("*.svg")} == {"learning.svg", "accuracy.svg", "reliability.svg"}


def test_the_model_carries_fresh_windows_without_a_sweep(work: Work, model: Path) -> None:
    recipe = null_recipe(work.simulations.recipe, load(model).spec)
    assert (recipe.seed, recipe.simulations) == (work.simulations.recipe.seed + 3, 120)
    simulations = sets.SimulationSet(work.folder / "null" / "simulations", recipe)
    assert not simulations.missing()
    made = [simulation for shard in range(3) for simulation in simulations.read(shard)]
    assert [simulation.parameters["class"] for simulation in made] == [0] * 120
    trained = {simulation.positions.tobytes() for shard in range(3) for simulation in work.simulations.read(shard)}
    assert not any(simulation.positions.tobytes() in trained for simulation in made)
    logs = null.read(model / "null.npz", load(model).spec)
    assert logs.shape == (120, 5)
    assert (logs.argmax(axis=1) == 0).mean() > 0.8
    told = Told()
    again = null_windows(load(model).network, load(model).spec, Fresh(work, alone, told))
    np.testing.assert_allclose(again, logs, atol=1e-4)
    assert told.stages == [("simulating windows of the first class", 0), ("looking", 0)]


def test_a_large_training_has_no_more_of_them_than_are_of_use(
    work: Work, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "MOST", 50)
    assert null_recipe(work.simulations.recipe, load(model).spec).simulations == 50
    monkeypatch.setattr(fresh, "CALIBRATION", 10)
    assert calibration_recipe(work.simulations.recipe).simulations == 10


def test_of_introgression_they_are_those_without_any() -> None:
    classes = tuple(Class(f"introgression_{name}", 1 / 3) for name in ("none", "into", "from"))
    recipe = null_recipe(met(), replace(small_network.spec(), task="introgression", outputs=(), classes=classes))
    assert recipe.introgression == replace(met().introgression, classes={"none": 1.0})


def test_a_scan_takes_the_model(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    words = ("--models", model, "--prior", "sweep=0.05", "--window", "2kb", "--threads", 1, "--min-sites", 1)
    scanned(simulated.vcf, *words, "--statistics", "tajimas_d", "--out", tmp_path / "out")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    found = np.column_stack([table.values(name) for name in SCORES])
    some = np.isfinite(found[:, 0])
    assert some.any()
    np.testing.assert_allclose(found[some].sum(axis=1), 1, atol=1e-4)
    assert (tmp_path / "out" / "tracks" / "sweep_hard.bw").is_file()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("parts = 5\nalpha", "parts = 7\nalpha", "network.parts is 5 and sweep.parts 7: give the same"),
        ("[training]", "[sweep.classes]\nneutral = 1\nhard = 1\n\n[training]", "there is no hard_linked"),
        ("[training]", "[training]\ntile = 100", "training.tile must be a whole number from 2,048 to 65,536, not 100"),
        ("[training]", "[training]\ntile = 1e9", "training.tile must be a whole number from 2,048 to 65,536"),
        ('encoding = "folded-2"', 'target = "rate"', "network.target 'rate' is not known: there is sweep"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused(old: str, new: str, sentence: str) -> None:
    assert old in RECIPE
    with pytest.raises(InputError, match=sentence.replace(".", r"\.")):
        training_options(parse_recipe(RECIPE.replace(old, new), "quick.toml"))


def test_a_simulation_that_fits_into_no_tile_is_no_silent_loss(work: Work) -> None:
    recipe = work.simulations.recipe
    how = work.options.how
    small = type(how)(**{**vars(how), "tile": 200})
    richest = max(work.simulations.read(0), key=lambda simulation: len(simulation.positions))
    with pytest.raises(InputError, match=r"used sites, too many for a tile of 200: give a larger training\.tile"):
        see(richest, recipe, small, np.random.default_rng(1))
