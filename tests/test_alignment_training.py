"""Published networks on alignments: trained from recipes, kept in folders, evaluated beside others, and drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_histories
import small_introgression
import small_sweeps
from small_alignments import INTROGRESSION, RHO, TAJIMA, alone, write
from small_simulations import simulate
from tiny_training import Told

import scanner.network
from scanner.catalogue import catalogue_folder
from scanner.cli import main
from scanner.errors import InputError, OutputError, RunError, UsageError
from scanner.simulate import sets

pytest.importorskip("lightgbm", reason="LightGBM is not installed")
if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

from scanner import explain
from scanner.alignment import Aligned
from scanner.evaluate import alignment as evaluate_alignment
from scanner.evaluate import run, trained
from scanner.evaluate.folders import Request
from scanner.evaluate.measures import r2
from scanner.network import aligned
from scanner.network.alignment import Lessons, Shape, fit
from scanner.network.designs import DESIGNS
from scanner.network.fit import Schedule, read_history
from scanner.simulate.coalescent import simulate_one
from scanner.simulate.recipe import read_recipe
from scanner.train.alignment_looks import Lines, read_all, see
from scanner.train.alignment_options import alignment_options, tajimas_d
from scanner.train.alignment_run import NETWORK_FOLDER, Trained, publish_alignment, train_alignment
from scanner.train.examples import sights
from scanner.train.options import training_options

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TEXTS = {"tajima": TAJIMA, "rho": RHO, "introgression": INTROGRESSION}


@pytest.fixture(scope="module", autouse=True)
def shards() -> Iterator[None]:
    """Make shards of a few simulations, so that some can be held out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "SHARD", 40)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Trained, Path, Told]]:
    """Train and publish a network of a quick recipe, once."""
    known: dict[str, tuple[Trained, Path, Told]] = {}

    def make(name: str) -> tuple[Trained, Path, Told]:
        if name not in known:
            folder, told = tmp_path_factory.mktemp(name), Told()
            done = train_alignment(write(folder, TEXTS[name]), folder / "work", alone, told)
            publish_alignment(done, folder / "out", alone, told, options={"simulations": 40})
            known[name] = done, folder / "out", told
        return known[name]

    return make


def test_the_network_of_tajimas_d_learns_it(made: Any) -> None:
    _, out, told = made("tajima")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["overall"]["network"]["r2"] > 0.8
    assert (metrics["simulations"], metrics["seed"]) == (40, 6)
    assert [stage for stage, _ in told.stages] == ["simulating", "looking", "training", "simulating", "looking"]
    assert told.done["simulating"] == 400 + 40
    assert told.done["training"] == dict(told.stages)["training"]


@pytest.mark.parametrize("name", TEXTS)
class TestFolder:
    """What holds for the folder of every network."""

    def test_it_holds_what_it_must(self, made: Any, name: str) -> None:
        done, out, _ = made(name)
        told = name == "introgression"
        expected = {aligned.CONTRACT, aligned.WEIGHTS, aligned.RECIPE, "metrics.json", "README.md"}
        figures = {"learning.svg", "accuracy.svg", *(["reliability.svg"] if told else [])}
        assert {path.name for path in out.iterdir()} == expected | figures
        card = (out / "README.md").read_text()
        for words in (f"# quick-{name}", "10.1093/molbev/msy224", f"{done.network.shape.sites} sites", "fresh"):
            assert words in card
        assert all(f"]({figure})" in card for figure in figures)
        for figure in figures:
            assert (out / figure).read_text().lstrip().startswith("<?xml")

    def test_what_is_loaded_says_what_was_trained(self, made: Any, name: str) -> None:
        done, out, _ = made(name)
        lines = read_all(done.work.looks())
        again = aligned.load(out)
        np.testing.assert_array_equal(again.predict(lines.windows), done.network.predict(lines.windows))
        assert (again.name, again.outputs) == (f"quick-{name}", done.work.options.learned.outputs)
        assert again.shape == done.network.shape

    def test_metrics_are_those_of_fresh_simulations(self, made: Any, name: str, tmp_path: Path) -> None:
        _, out, _ = made(name)
        found = trained.evaluate_trained(Request(out, 40, baselines=()), tmp_path, alone, Told())
        assert found.metrics == json.loads((out / "metrics.json").read_text())
        other = trained.evaluate_trained(Request(out, 40, 77, baselines=()), tmp_path / "b", alone, Told())
        assert other.metrics != found.metrics
        assert set(other.metrics) == set(found.metrics)


def test_values_and_classes_are_measured_as_those_of_other_networks(made: Any) -> None:
    rho = json.loads((made("rho")[1] / "metrics.json").read_text())
    assert {"ln_rmse", "r2_log", "r2"} <= set(rho["overall"]["network"])
    assert rho["overall"]["network"]["coverage"] is None
    assert {"size", "truth", "sites"} <= set(rho["strata"])
    assert sum(row["windows"] for row in rho["rho"]) > 0
    classes = json.loads((made("introgression")[1] / "metrics.json").read_text())
    assert classes["classes"] == ["introgression_none", "introgression_into", "introgression_from"]
    assert np.sum(classes["confusion"]["network"]) == 40
    tajima = json.loads((made("tajima")[1] / "metrics.json").read_text())
    assert set(tajima["overall"]["network"]) == {"windows", "r2", "correlation2", "rmse", "spearman"}


def test_a_training_that_was_stopped_goes_on_to_the_same_network(made: Any, tmp_path: Path) -> None:
    """The first passes are made, then the process ends; a later one makes the rest."""
    done, _, _ = made("rho")
    recipe = write(tmp_path / "a", RHO)
    shutil.copytree(done.work.simulations.folder, tmp_path / "set")

    class Stop(Told):
        def advance(self, amount: int) -> None:
            super().advance(amount)
            if self.stages[-1][0] == "training" and self.done["training"] > 100:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_alignment(recipe, tmp_path / "work", alone, Stop(), tmp_path / "set")
    history = read_history(tmp_path / "work" / NETWORK_FOLDER)
    assert len(history) == 1
    again = train_alignment(recipe, tmp_path / "work", alone, Told(), tmp_path / "set")
    passes = [
        [(row.epoch, row.loss, row.error) for row in read_history(folder / NETWORK_FOLDER)]
        for folder in (again.work.folder, done.work.folder)
    ]
    np.testing.assert_allclose(passes[0], passes[1], rtol=1e-5)
    lines = read_all(done.work.looks())
    np.testing.assert_allclose(again.network.predict(lines.windows), done.network.predict(lines.windows), rtol=1e-4)
    assert made("rho")[2].done["training"] > 100


def test_a_damaged_checkpoint_is_one_sentence(made: Any, tmp_path: Path) -> None:
    done, _, _ = made("rho")
    shutil.copytree(done.work.folder, tmp_path / "work")
    (tmp_path / "work" / NETWORK_FOLDER / "epoch-002.keras").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"epoch-002\.keras cannot be read: remove .* to train this network anew"):
        train_alignment(write(tmp_path / "a", RHO), tmp_path / "work", alone, Told())


def test_a_training_that_diverges_is_refused(made: Any, tmp_path: Path) -> None:
    done, _, _ = made("rho")
    shutil.copytree(done.work.folder, tmp_path / "work")
    path = tmp_path / "work" / NETWORK_FOLDER / "history.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**row, "error": float("nan")} for row in rows]))
    with pytest.raises(RunError, match=r"diverged: give a smaller alignment\.learning_rate"):
        train_alignment(write(tmp_path / "a", RHO), tmp_path / "work", alone, Told())


def test_too_few_simulations_are_refused_before_any_is_made(tmp_path: Path) -> None:
    recipe = write(tmp_path, RHO.replace("simulations = 120", "simulations = 40"))
    with pytest.raises(InputError, match="40 simulations are too few: some must be held out"):
        train_alignment(recipe, tmp_path / "work", alone, Told())
    assert not (tmp_path / "work" / "simulations" / "shards").exists()


def test_the_rate_falls_and_losses_are_those_of_passes() -> None:
    """Without validation and without a folder, as baselines are trained."""
    shape = Shape(DESIGNS["tajimas_d"].resized([4, 4], [4]), 8, 6)
    rng = np.random.default_rng(1)
    batch = [rng.choice([-1, 1], (16, 8, 6)).astype(np.float32)], rng.normal(size=(16, 1)).astype(np.float32)
    model, history = fit(shape, 1, Lessons(lambda _epoch: [batch] * 5, 5), Schedule(4, 5e-3, warmup=2))
    assert [row.epoch for row in history] == [1, 2, 3, 4]
    assert history[-1].loss < history[0].loss
    assert all(np.isnan(row.error) for row in history)
    assert float(model.optimizer.learning_rate) < 1e-4


def broken(folder: Path, place: Path, **changes: Any) -> Path:
    """Copy a folder, and change its contract."""
    shutil.copytree(folder, place)
    told = json.loads((place / aligned.CONTRACT).read_text())
    (place / aligned.CONTRACT).write_text(json.dumps({**told, **changes}))
    return place


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "unknown"}, {"sites": 7}, {"sites": 10**9}, {"filters": [8, 8]}, {"filters": [8, 8, 10**6]},
        {"filters": [2048] * 3, "units": [2048], "sites": 20_000}, {"haplotypes": "16"}, {"classes": 1},
        {"outputs": []}, {"centre": ["x"]}, {"files": 3}, {"network": ["rho"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_contract_of_nothing_sound_is_refused(made: Any, tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = broken(made("rho")[1], tmp_path / "bad", **changes)
    with pytest.raises(InputError, match=r"alignment\.json describes no alignment network of popscan: get it again"):
        aligned.load(folder)


def test_folders_that_do_not_fit_are_refused(made: Any, tmp_path: Path) -> None:
    _, out, _ = made("rho")
    with pytest.raises(InputError, match="has the format 2, and this popscan reads 1"):
        aligned.load(broken(out, tmp_path / "a", format=2))
    for at, centre in enumerate(([1.0, 2.0], None, [float("nan")])):
        with pytest.raises(InputError, match="centre and scale must be 1 numbers each"):
            aligned.load(broken(out, tmp_path / f"b{at}", centre=centre))
    with pytest.raises(InputError, match=r"alignment\.weights\.h5 does not fit alignment\.json"):
        aligned.load(broken(out, tmp_path / "c", filters=[8, 8, 4]))
    for name in (aligned.WEIGHTS, aligned.RECIPE):
        place = broken(out, tmp_path / name)
        (place / name).write_bytes((place / name).read_bytes() + b"\n")
        with pytest.raises(InputError, match=f"{name} is not the file that alignment.json was written for"):
            aligned.load(place)
        (place / name).unlink()
        with pytest.raises(InputError, match=f"{name} is not the file"):
            aligned.load(place)
    (tmp_path / "c" / aligned.CONTRACT).write_text("[" * 100_000)
    with pytest.raises(InputError, match="describes no alignment network"):
        aligned.load(tmp_path / "c")


def test_a_folder_of_something_else_is_not_written_over(made: Any, tmp_path: Path) -> None:
    done, out, _ = made("rho")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    for place in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(OutputError, match="is there and is no alignment network: choose another folder"):
            aligned.save(place, done.network, {aligned.RECIPE: ""})
    before = aligned.load(out)
    shutil.copytree(out, tmp_path / "old")
    aligned.save(tmp_path / "old", before, {aligned.RECIPE: "# another\n"})
    assert aligned.load(tmp_path / "old").shape == before.shape


def test_networks_are_found_by_folder_and_by_name(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = made("rho")
    assert aligned.find(str(out)) == out
    assert aligned.find(str(tmp_path)) is None
    assert aligned.find("") is None
    shutil.copytree(out, tmp_path / "alignment-mine")
    monkeypatch.setattr(aligned, "catalogue_folder", lambda _kind: tmp_path)
    assert aligned.find("alignment-mine") == tmp_path / "alignment-mine"


def half(examples: Any) -> tuple[np.ndarray, ...]:
    """A network that says the truth and is sure of it."""
    truth = np.concatenate([example.targets for example in examples])
    return truth, truth - 0.1, truth + 0.1


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> run.Setting:
    fresh = simulate(tmp_path_factory.mktemp("fresh"), 40, seed=2)
    return run.Setting(fresh, training_options(fresh.recipe).how)


def test_a_trained_network_is_a_baseline_of_others(made: Any, setting: run.Setting) -> None:
    """It is measured on the windows of the other network, and needs no simulations to be trained on."""
    done, out, _ = made("rho")
    found = run.evaluate(replace(setting, baselines=(str(out),)), half)
    assert list(found.metrics["overall"]) == ["network", "quick-rho"]
    assert found.metrics["trained_on"] == 0
    assert found.metrics["overall"]["network"]["r2"] == 1.0
    held = run.gather(run._tasks(setting, setting.fresh, 40, key=(2,), examples=False, alignments=True), map, None)
    np.testing.assert_allclose(found.outputs[0].estimates["quick-rho"], done.network.predict(held.aligned)[:, 0])


def test_a_trained_network_of_another_kind_is_refused(made: Any, setting: run.Setting, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="out learned tajimas_d, and here it is rho"):
        run.evaluate(replace(setting, baselines=(str(made("tajima")[1]),)), half)
    recipe = replace(setting.fresh.recipe, observation=replace(setting.fresh.recipe.observation, haplotypes=None))
    more = replace(setting, fresh=replace(setting.fresh, recipe=recipe))
    with pytest.raises(UsageError, match="out takes 16 haplotypes, and here there are 20"):
        run.evaluate(replace(more, baselines=(str(made("rho")[1]),)), half)
    with pytest.raises(UsageError, match="is itself a baseline: evaluate it alone"):
        trained.evaluate_trained(Request(made("rho")[1]), tmp_path, alone, Told())


def test_weights_are_kept_without_what_the_training_left(made: Any) -> None:
    done, out, _ = made("rho")
    numbers = 4 * done.network.model.count_params()
    assert numbers < (out / aligned.WEIGHTS).stat().st_size < numbers + 100_000


TRAINED = sorted(path.parent for path in catalogue_folder("models").glob(f"*/{aligned.CONTRACT}"))


def test_the_network_of_tajimas_d_is_in_the_catalogue() -> None:
    assert "alignment-tajimas-d" in [folder.name for folder in TRAINED]


@pytest.mark.parametrize("folder", TRAINED, ids=lambda folder: folder.name)
def test_networks_of_the_catalogue_are_whole_and_small(folder: Path) -> None:
    network, recipe = aligned.load(folder), read_recipe(folder / aligned.RECIPE)
    assert network.name == recipe.name == folder.name
    assert network.shape == alignment_options(recipe).shape
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["simulations"] >= 2000
    assert metrics["seed"] != recipe.seed
    assert f"{metrics['windows']:,} windows of" in (folder / "README.md").read_text()


def test_the_network_of_tajimas_d_computes_it() -> None:
    """On simulations that it has not seen, of which none was measured before."""
    folder = catalogue_folder("models") / "alignment-tajimas-d"
    assert json.loads((folder / "metrics.json").read_text())["overall"]["network"]["r2"] >= 0.99
    recipe = replace(read_recipe(folder / aligned.RECIPE), seed=99)
    options, rng = alignment_options(recipe), np.random.default_rng(1)
    seen = [see(simulate_one(recipe, index), recipe, options, rng) for index in range(80)]
    windows = [window for window in seen if window is not None]
    truth = np.array([tajimas_d(window) for window in windows])
    assert len(windows) > 50
    assert r2(truth, aligned.load(folder).predict(windows)[:, 0]) > 0.98


def guess(examples: Any) -> tuple[np.ndarray, ...]:
    """A network that tells nothing of classes."""
    truth = np.concatenate([example.targets for example in examples])
    return (np.full(truth.shape, 1 / truth.shape[1]),)


def test_one_network_learns_all_values_of_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, fresh = small_histories.simulate(tmp_path / "a", 60), small_histories.simulate(tmp_path / "b", 40, 2)
    setting = run.Setting(fresh, training_options(fresh.recipe).how, training, ("alignment",))
    shapes, fit_one = [], evaluate_alignment.fit

    def noted(*given: Any, **named: Any) -> Any:
        found = fit_one(*given, **named, epochs=1)
        shapes.append(found.shape)
        return found

    monkeypatch.setattr(evaluate_alignment, "fit", noted)
    found = run.evaluate(setting, half)
    assert [(shape.design.name, shape.outputs, shape.classes) for shape in shapes] == [("demography", 5, False)]
    assert list(found.metrics["outputs"]) == ["log_n0", "log_t1", "log_n1", "log_t2", "log_n2"]
    for one in found.outputs:
        assert found.metrics["outputs"][one.value.score]["overall"]["alignment"]["windows"] == len(one.truth)
    guesses = np.stack([one.estimates["alignment"] for one in found.outputs])
    assert len({tuple(row) for row in guesses.tolist()}) == 5


def test_the_baseline_tells_classes_by_the_network_of_sweeps(tmp_path: Path) -> None:
    pytest.importorskip("fwdpy11", reason="fwdpy11 is not installed")
    sets_made = []
    for seed, count in ((3, 40), (4, 20)):
        path = write(tmp_path / str(seed), small_sweeps.RECIPE)
        held = sets.open_set(path, tmp_path / f"set-{seed}", simulations=count, seed=seed)
        assert sum(sets.complete(held, map)) == count
        sets_made.append(held)
    training, fresh = sets_made
    found = run.evaluate(run.Setting(fresh, training_options(fresh.recipe).how, training, ("alignment",)), guess)
    assert found.told is not None
    said = found.told.estimates["alignment"]
    assert said.shape == (20, 5)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert np.sum(found.metrics["confusion"]["alignment"]) == 20
    assert 0 <= found.metrics["overall"]["alignment"]["accuracy"] <= 1
    assert evaluate_alignment.narrow("sweep").name == "sweeps"


def test_two_populations_are_seen_by_baselines_on_the_same_windows(made: Any, tmp_path: Path) -> None:
    """By a network that was trained, and by one that is: haplotypes as they come, the first population first."""
    plain = small_introgression.RECIPE.replace(
        "unphased = [0, { choice = [0, 1] }]\nmissing = { choice = [0, 0.02] }", ""
    )
    recipe = write(tmp_path, plain.replace("haplotypes = [8, 6]", "haplotypes = [6, 4]"))
    training, fresh = (
        sets.open_set(recipe, tmp_path / f"set-{seed}", simulations=count, seed=seed)
        for seed, count in ((5, 60), (6, 40))
    )
    assert sum(sets.complete(training, map)) + sum(sets.complete(fresh, map)) == 100
    done, out, _ = made("introgression")
    how = training_options(fresh.recipe).how
    found = run.evaluate(run.Setting(fresh, how, training, ("alignment", str(out))), guess)
    assert found.told is not None
    windows = len(found.told.truth)
    for name in ("alignment", "quick-introgression"):
        np.testing.assert_allclose(found.told.estimates[name].sum(axis=1), 1)
        assert np.sum(found.metrics["confusion"][name]) == windows > 20
    sight = next(iter(sights(fresh, 0, how, [2])))
    first, second = (population.alleles() for population in sight.seen.populations)
    columns = np.concatenate([first, second], axis=1)
    inside = (sight.seen.positions >= sight.start[0]) & (sight.seen.positions < sight.end[0])
    varies = (columns.min(axis=1) != columns.max(axis=1)) & inside
    (seen, *_) = evaluate_alignment.windows_of(sight, (6, 4))
    np.testing.assert_array_equal(seen.alleles, 2 * columns[varies] - 1)
    (fewer, *_) = evaluate_alignment.windows_of(sight, (2, 4))
    assert fewer.alleles.shape[1] == 6
    said = done.network.predict(evaluate_alignment.windows_of(sight, (6, 4)))
    np.testing.assert_allclose(found.told.estimates["quick-introgression"][: len(said)], said, atol=1e-6)


def test_a_target_without_a_published_network_has_no_such_baseline() -> None:
    known = ("rate", "rho", "theta", "history", "introgression")
    assert [evaluate_alignment.narrow(target).name for target in known] == [
        "rho", "rho", "rho", "demography", "introgression",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no published network on alignments learns 'hotspots': leave out"):
        evaluate_alignment.narrow("hotspots")


def test_the_commands_train_evaluate_and_explain(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = write(tmp_path, TAJIMA.replace("epochs = 6", "epochs = 1"))
    out = tmp_path / "net"
    words = ["--threads", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scanner.evaluate.folders.Request.simulations", 40)
        assert main(["train", str(recipe), "--out", str(out), *words]) == 0
    said = capfd.readouterr()
    assert "fresh simulations" in said.out
    assert f"explain   popscan explain {out}" in said.err
    assert main(["evaluate", str(out), "-n", "30", "--out", str(tmp_path / "metrics"), *words]) == 0
    assert "30 fresh simulations, seed 6" in capfd.readouterr().out
    assert (tmp_path / "metrics" / "predictions.tsv.gz").is_file()
    assert main(["evaluate", str(out), "--seed", "5", *words]) == 2
    assert "trained on the simulations of seed 5: give another --seed" in capfd.readouterr().err
    assert main(["evaluate", str(out), "--baselines", "boosting", *words]) == 2
    assert "is itself a baseline" in capfd.readouterr().err
    assert main(["explain", str(out), "--out", str(tmp_path / "pictures"), "-n", "30", *words]) == 0
    assert "12 filters in the first layer" in capfd.readouterr().out
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        explain.LAYERS, explain.FILTERS, explain.TABLE,
    }  # fmt: skip


def test_what_cannot_be_explained_is_one_sentence(made: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "recombination", "--out", str(tmp_path / "a")]) == 2
    assert "'recombination' is no network that sees alignments" in capfd.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["explain", str(made("rho")[1]), "--out", str(tmp_path / "file")]) == 2
    assert "is a file: name a folder" in capfd.readouterr().err


def by_hand(network: aligned.AlignmentNetwork, window: Aligned) -> np.ndarray:
    """The first convolution, spelled out: (sites - 1, filters)."""
    kernel, bias = (np.asarray(each, np.float64) for each in network.model.get_layer("convolution_1").get_weights())
    pairs = zip(window.alleles[:-1], window.alleles[1:], strict=True)
    return np.array([np.maximum(0, a @ kernel[0] + b @ kernel[1] + bias) for a, b in pairs])


def test_responses_are_those_of_the_layers(made: Any) -> None:
    done, _, _ = made("tajima")
    windows = read_all(done.work.looks()[:1]).windows
    first, second = done.network.responses(windows)
    assert (first.shape[1:], second.shape[1:]) == ((9, 12), (8, 12))
    assert done.network.kernel().shape == (2, 8, 12)
    for window, response in zip(windows, first, strict=True):
        np.testing.assert_allclose(response, by_hand(done.network, window), atol=1e-5)


def test_filters_are_described_by_what_they_respond_to(made: Any) -> None:
    done, _, _ = made("tajima")
    windows = read_all(done.work.looks()[:2]).windows
    said = done.network.predict(windows)[:, 0]
    found = explain.respond(done.network, windows, said, batch=17)
    responses = np.concatenate([by_hand(done.network, window) for window in windows])
    np.testing.assert_allclose(found.on, (responses > 1e-7).mean(axis=0), atol=2e-3)
    means = np.array([by_hand(done.network, window).mean(axis=0) for window in windows])
    np.testing.assert_allclose(found.spread, means.std(axis=0), atol=1e-5)
    derived = np.concatenate([(window.alleles == 1).sum(axis=1)[:-1] for window in windows])
    pairs = np.concatenate([explain.pair_features(window) for window in windows])
    best = int(found.order[0])
    assert found.spread[best] == found.spread.max()
    expected = [np.corrcoef(responses[:, best], each)[0, 1] for each in pairs.T]
    np.testing.assert_allclose(found.features[best], expected, atol=1e-4)
    np.testing.assert_allclose(found.profile[best, 1], responses[derived == 1, best].mean(), rtol=1e-4)
    assert np.isnan(found.profile[:, 0]).all()
    assert found.output[best] == pytest.approx(np.corrcoef(means[:, best], said)[0, 1], abs=1e-4)
    lines = explain.table(found).splitlines()
    assert lines[0].split("\t") == [
        "filter", "on", "spread", "with_output", "with_derived_alleles", "with_heterozygosity",
        "with_difference_of_the_sites",
    ]  # fmt: skip
    assert [int(line.split("\t")[0]) for line in lines[1:]] == found.order.tolist()


def test_a_silent_filter_responds_to_nothing(made: Any) -> None:
    network = made("tajima")[0].network
    kernel, bias = network.model.get_layer("convolution_1").get_weights()
    windows = read_all(made("tajima")[0].work.looks()[:1]).windows
    try:
        network.model.get_layer("convolution_1").set_weights([np.where(np.arange(12) == 3, 0, kernel), bias * 0 - 1e-3])
        found = explain.respond(network, windows, network.predict(windows)[:, 0])
        text = explain.table(found)
        assert found.on[3] == 0
        assert next(line for line in text.splitlines() if line.startswith("3\t")).split("\t")[3:] == ["NA"] * 4
        assert "1 of them silent" in explain.summary(network, found, Lines(windows, np.empty((0, 1))))
    finally:
        network.model.get_layer("convolution_1").set_weights([kernel, bias])


def test_pictures_show_every_layer_of_every_example(made: Any, tmp_path: Path) -> None:
    for name in ("tajima", "introgression"):
        _, out, _ = made(name)
        for place in ("a", "b"):
            folder = tmp_path / name / place
            explain.explain(Request(out, 40, baselines=()), folder, tmp_path / name / "set", alone, Told())
        for file in (explain.LAYERS, explain.FILTERS, explain.TABLE):
            assert (tmp_path / name / "a" / file).read_bytes() == (tmp_path / name / "b" / file).read_bytes()
        layers = (tmp_path / name / "a" / explain.LAYERS).read_text()
        stages = 3 if name == "introgression" else 2
        assert layers.count("<image") == 3 * (1 + stages)
        assert all(f"convolution {number}" in layers for number in range(1, stages + 1))
        assert ("tajimas_d" in layers, "told introgression_" in layers) == (name == "tajima", name != "tajima")
        assert "derived alleles" in (tmp_path / name / "a" / explain.FILTERS).read_text()


def test_examples_are_one_of_each_class_or_the_ends_and_the_middle() -> None:
    classes = Lines([], np.eye(3)[[1, 1, 0, 2, 0]])
    assert explain.examples(classes, classes=True) == [2, 0, 3]
    values = Lines([], np.arange(7.0)[::-1, None])
    assert explain.examples(values, classes=False) == [6, 3, 0]
