"""Networks that look at two populations, from simulations to a model folder that a scan takes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import Simulated
from scanning import popscan, read_table, scanned
from small_introgression import RECIPE
from tiny_training import Told, alone, small_shards

import scanner.network
from scanner.errors import InputError
from scanner.evaluate import pair_summaries, summaries
from scanner.simulate import sets
from scanner.simulate.introgression import CLASSES
from scanner.simulate.recipe import parse_recipe
from scanner.train.examples import see
from scanner.train.looks import read
from scanner.train.options import training_options
from scanner.train.targets import CAME_OVER

pytest.importorskip("msprime", reason="msprime is not installed")
pytest.importorskip("lightgbm", reason="LightGBM is not installed")
if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

from scanner.network import null
from scanner.network.store import load
from scanner.train import run
from scanner.train.fresh import null_recipe
from scanner.train.model import publish_model
from scanner.train.seeds import Work

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SCORES = tuple(f"introgression_{name}" for name in CLASSES)
BARE = ("--statistics", "none", "--window", "100kb", "--min-sites", 1, "--threads", 1, "--quiet")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Train on shards of a few simulations, so that some can be held out."""
    folder = tmp_path_factory.mktemp("introgression")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    with small_shards(40):
        yield run.train(recipe, folder / "work", alone, Told())


@pytest.fixture(scope="module")
def model(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "quick-introgression"
    publish_model(work, out, alone, Told(), options={"simulations": 120})
    return out


def test_a_window_is_in_the_class_of_what_came_over_in_it(work: Work) -> None:
    how, recipe = work.options.how, work.simulations.recipe
    came = []
    for index, simulation in enumerate(work.simulations.read(0)):
        sight = see(simulation, recipe, how, np.random.default_rng(index))
        assert sight is not None
        for start, end, row in zip(sight.start.tolist(), sight.end.tolist(), sight.targets, strict=True):
            inside = np.zeros(simulation.length, np.bool_)
            for low, high in simulation.tracts.T.astype(int):
                inside[low:high] = True
            came.append(bool(inside[start:end].mean() >= CAME_OVER))
            assert row.argmax() == (int(simulation.parameters["class"]) if came[-1] else 0)
            assert row.sum() == 1
        assert [population.size for population in sight.seen.populations] == [8, 6]
    assert 10 < sum(came) < len(came) - 10


def test_examples_hold_both_populations(work: Work) -> None:
    examples = [example for one in work.training_looks(0) for example in read(one)]
    assert {example.values.shape[1] for example in examples} == {len(work.options.how.encoding.channels)}
    unphased = [example.facts["unphased_second"][0] for example in examples]
    assert 0.2 < np.mean(unphased) < 0.8
    assert not any(example.facts["unphased_first"].any() for example in examples)
    assert {example.facts["haplotypes_first"][0] for example in examples} == {8}


def test_the_model_folder_tells_who_came_where(model: Path) -> None:
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["classes"] == list(SCORES)
    for name in ("network", "boosting"):
        assert metrics["overall"][name]["accuracy"] > 0.75, name
    spec = load(model).spec
    assert (spec.populations, spec.context, spec.task) == (2, 1, "introgression")
    assert (spec.ranges["haplotypes_first"], spec.ranges["haplotypes_second"]) == ((8, 8), (6, 6))
    assert (spec.ranges["unphased_second"], "unphased_first" in spec.ranges) == ((0, 1), False)
    card = (model / "README.md").read_text()
    assert "two populations, phased or, the second, not; channels `pair-folded-1`" in card


def test_a_scan_takes_the_model_for_the_pairs_that_fit(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, *BARE)
    scanned(*words, "--pair", "A:B", "--pair", "C:A", "--dense", "--out", tmp_path / "out")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    names = [f"{score}.{pair}" for score in (*SCORES, "quick-introgression_out_of_range") for pair in ("A.B", "C.A")]
    assert table.columns[3:] == [*names, "reasons"]
    found = np.column_stack([table.values(f"{score}.A.B") for score in SCORES])
    some = np.isfinite(found[:, 0])
    assert some.mean() > 0.9
    np.testing.assert_allclose(found[some].sum(axis=1), 1, atol=1e-4)
    entry = json.loads((tmp_path / "out" / "run.json").read_text())["models"]["quick-introgression"]
    assert entry["groups"] == [["A", "B"], ["C", "A"]]
    assert entry["thinned"]["A"]["from"] == 40
    assert read_table(tmp_path / "out" / "sites.tsv.gz").columns[3:6] == [f"{score}.A.B" for score in SCORES]
    scanned(*words, "--pair", "C:A", "--out", tmp_path / "one")
    again = read_table(tmp_path / "one" / "windows.tsv.gz")
    assert again.texts(f"{SCORES[1]}.C.A") == table.texts(f"{SCORES[1]}.C.A"), "other pairs change nothing"


def test_calls_rest_on_windows_of_simulations_without_any(
    simulated: Simulated, model: Path, work: Work, tmp_path: Path
) -> None:
    recipe = null_recipe(work.simulations.recipe, load(model).spec)
    made = sets.SimulationSet(work.folder / "null" / "simulations", recipe).read(0)
    assert [simulation.parameters["class"] for simulation in made] == [0] * 40
    logs = null.read(model / "null.npz", load(model).spec)
    assert logs.shape == (320, 3), "two windows of each of 160"
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, *BARE, "--pair", "A:B", "--fdr", 0.3)
    scanned(*words, "--out", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "run.json").read_text())["calls"]
    assert list(found) == ["introgression_into.A.B", "introgression_from.A.B"]
    assert {(entry["null"], entry["level"]) for entry in found.values()} == {(320, 0.3)}
    assert popscan("check", tmp_path / "out").code == 0


def test_one_population_is_not_enough(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    done = popscan("scan", simulated.vcf, "--models", model, *BARE, "--out", tmp_path / "out")
    assert (done.code, done.sentence) == (
        2,
        "quick-introgression looks at two populations together: name them in a file (--populations) and as a pair "
        "(--pair A:B)",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('encoding = "pair-folded-1"', 'encoding = "folded-2"', "'folded-2' is of 1 population(s), and task 'introg"),
        ("[training]", "[introgression.classes]\nnone = 1\ninto = 1\n\n[training]", "there is no from"),
        ('encoding = "pair-folded-1"', 'target = "rate"', "network.target 'rate' is not known: there is introgression"),
        ("unphased = [0,", "unphased = [0, 0,", "observation.unphased must be two numbers (first, second), not 3"),
        ("[observation]", "[observation]\nhaplotypes = 4", "observation.haplotypes is for one population"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused(old: str, new: str, sentence: str) -> None:
    assert old in RECIPE
    with pytest.raises(InputError) as refused:
        training_options(parse_recipe(RECIPE.replace(old, new), "quick.toml"))
    assert sentence in str(refused.value)


def test_summaries_of_a_pair_are_those_of_either_and_what_is_compared(work: Work) -> None:
    how, recipe = work.options.how, work.simulations.recipe
    sight = see(work.simulations.read(0)[3], recipe, how, np.random.default_rng(1))
    assert sight is not None
    rows = pair_summaries.pair_summaries(sight)
    first, second = (population.alleles() for population in sight.seen.populations)
    for row, start, end in zip(rows, sight.start.tolist(), sight.end.tolist(), strict=True):
        values = dict(zip(pair_summaries.NAMES, row.tolist(), strict=True))
        inside = (sight.seen.positions >= start) & (sight.seen.positions < end)
        one, other = first[inside], second[inside]
        assert values["sites_first"] == ((one == 1).any(axis=1) & (one == 0).any(axis=1)).sum()
        known = (one[:, :, None] >= 0) & (other[:, None, :] >= 0)
        apart = (one[:, :, None] != other[:, None, :]) & known
        if not known.all():
            continue
        distances = apart.sum(axis=0)
        assert values["dxy"] == pytest.approx(distances.mean() / (end - start), rel=1e-5)
        if not sight.seen.populations[1].unphased_count.any():
            assert values["closest"] == pytest.approx(distances.min() / (end - start), rel=1e-5)
            assert values["g_min"] == pytest.approx(distances.min() / distances.mean(), rel=1e-5)
    assert len(pair_summaries.NAMES) == 2 * len(summaries.NAMES) + len(pair_summaries.BETWEEN)
