"""Population histories: what msprime is asked to simulate, judged by numbers worked out from the recipe alone."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import msprime
import numpy as np
import pytest
from recipes import DEMES, recipe

from scanner.errors import InputError, UsageError
from scanner.simulate.coalescent import simulate_one
from scanner.simulate.histories import check_histories, draw_history
from scanner.simulate.recipe import History

HISTORY = '[[history]]\nkind = "constant"\nsize = { log_uniform = [500, 2000] }\n'


def history(text: str, folder: Path = Path()) -> History:
    (found,) = recipe((HISTORY, f"[[history]]\n{text}\n"), folder=folder).histories
    return found


def drawn(*histories: History, seed: int = 1) -> tuple[msprime.Demography, str, dict[str, float]]:
    return draw_history(histories, np.random.default_rng(seed))


def pair_time(found: msprime.Demography, *populations: str) -> float:
    """Give the mean generations to the common ancestor of two haplotypes, as msprime works it out."""
    lineages = {name: populations.count(name) for name in populations}
    return float(found.debug().mean_coalescence_time(lineages))


def apart(found: msprime.Demography, times: np.ndarray, *populations: str) -> np.ndarray:
    """Give the probability that two haplotypes have no common ancestor yet, at times in generations."""
    lineages = {name: populations.count(name) for name in populations}
    return np.asarray(found.debug().coalescence_rate_trajectory(times, lineages, double_step_validation=False)[1])


def step_time(sizes: list[float], times: list[float]) -> float:
    """Give the same for sudden changes of size: the integral of the probability that it lies further back."""
    bounds, apart, total = [0.0, *times, math.inf], 1.0, 0.0
    for size, start, end in zip(sizes, bounds, bounds[1:], strict=False):
        later = apart * math.exp(-(end - start) / (2 * size))
        total, apart = total + 2 * size * (apart - later), later
    return total


def test_a_constant_size() -> None:
    found, population, numbers = drawn(history("kind = 'constant'\nsize = 1234"))
    assert pair_time(found, population, population) == pytest.approx(2 * 1234, rel=2e-3)
    assert numbers == {"history": 0.0, "size": 1234.0}


def test_sudden_changes_of_size() -> None:
    found, population, numbers = drawn(history("kind = 'piecewise'\nsizes = [300, 4000, 800]\ntimes = [150, 900]"))
    assert pair_time(found, population, population) == pytest.approx(step_time([300, 4000, 800], [150, 900]), rel=1e-3)
    assert numbers["size"] == 300


def test_times_are_put_in_order() -> None:
    found, population, numbers = drawn(history("kind = 'piecewise'\nsizes = [300, 4000, 800]\ntimes = [900, 150]"))
    assert pair_time(found, population, population) == pytest.approx(step_time([300, 4000, 800], [150, 900]), rel=1e-3)
    assert (numbers["times-1"], numbers["times-2"]) == (900, 150)


def test_durations_add_up_and_are_stretched() -> None:
    text = "kind = 'piecewise'\nsizes = [300, 4000, 800]\ndurations = [100, 500]\nreference_size = 450"
    found, population, numbers = drawn(history(text))
    assert [numbers["times-1"], numbers["times-2"]] == pytest.approx([150, 900])
    assert pair_time(found, population, population) == pytest.approx(step_time([300, 4000, 800], [150, 900]), rel=1e-3)
    late_first = "kind = 'piecewise'\nsizes = [300, 4000, 800]\ntimes = [600, 100]\nreference_size = 450"
    assert drawn(history(late_first))[2]["times-1"] == pytest.approx(900)


def test_the_oracle_of_sudden_changes() -> None:
    assert step_time([500], []) == 1000
    assert step_time([500, 500], [77]) == pytest.approx(1000)
    assert step_time([500, 50], [1e9]) == pytest.approx(1000)


def test_a_demes_file(tmp_path: Path) -> None:
    epochs = "[{end_time: 900, start_size: 800}, {end_time: 150, start_size: 4000}, {start_size: 300}]"
    text = f"time_units: generations\ndemes:\n- name: X\n  epochs: {epochs}\n"
    (tmp_path / "m.yaml").write_text(text)
    found, population, numbers = drawn(history("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'X'", tmp_path))
    assert (population, numbers) == ("X", {"history": 0.0, "size": 300.0})
    assert pair_time(found, "X", "X") == pytest.approx(step_time([300, 4000, 800], [150, 900]), rel=1e-3)


def test_a_model_of_stdpopsim() -> None:
    import stdpopsim

    found, population, _ = drawn(
        history("kind = 'stdpopsim'\nspecies = 'HomSap'\nmodel = 'Africa_1T12'\npopulation = 'AFR'")
    )
    truth = stdpopsim.get_species("HomSap").get_demographic_model("Africa_1T12").model
    times = np.linspace(0, 20_000, 30)
    assert apart(found, times, population, population).tolist() == apart(truth, times, "AFR", "AFR").tolist()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'A'", [("A", "A"), ("B", "B"), ("A", "B")]),
        (
            "kind = 'stdpopsim'\nspecies = 'HomSap'\nmodel = 'OutOfAfrica_3G09'\npopulation = 'CEU'",
            [("CEU", "CEU"), ("YRI", "YRI"), ("CHB", "CHB"), ("CEU", "YRI")],
        ),
    ],
    ids=["demes", "stdpopsim"],
)
def test_a_scale_multiplies_all_diversity(tmp_path: Path, text: str, pairs: list[tuple[str, str]]) -> None:
    """Growth, migration and pulses included: with times, sizes and rates all scaled, only the unit of time changes."""
    (tmp_path / "m.yaml").write_text(DEMES)
    plain = drawn(history(text, tmp_path))[0]
    scaled, population, numbers = drawn(history(f"{text}\nscale = 2.5", tmp_path))
    times = np.linspace(0, 8000, 100)
    for pair in pairs:
        before, after = apart(plain, times, *pair), apart(scaled, 2.5 * times, *pair)
        assert before[-1] < 0.9
        np.testing.assert_allclose(after, before, rtol=5e-3)  # as exact as msprime works it out
    today = {item.name: item.initial_size for item in plain.populations}
    assert numbers == {"history": 0.0, "size": 2.5 * today[population], "scale": 2.5}
    assert str(drawn(history(text, tmp_path))[0]) == str(plain), "the model that is kept must not change"


def test_bottlenecks_are_scaled_too() -> None:
    from scanner.simulate.histories import scaled

    plain = msprime.Demography.isolated_model([500])
    plain.add_instantaneous_bottleneck(time=300, strength=400, population=0)
    assert scaled(plain, 3).events[0].strength == 1200


def test_populations_and_histories_are_drawn_by_weight(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    demes = history("kind = 'demes'\nfile = 'm.yaml'\nweight = 3\npopulation = ['A', 'B']", tmp_path)
    constant = history("kind = 'constant'\nsize = 100")
    rng = np.random.default_rng(5)
    found = [draw_history((constant, demes), rng)[1:] for _ in range(800)]
    assert sum(numbers["history"] for _, numbers in found) == pytest.approx(600, abs=45)
    assert sum(population == "A" for population, _ in found) == pytest.approx(300, abs=52)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind = 'constant'\nsize = 1000", 2 * 1000),
        ("kind = 'piecewise'\nsizes = [300, 4000, 800]\ntimes = [150, 900]", step_time([300, 4000, 800], [150, 900])),
        ("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'B'", None),
    ],
    ids=["constant", "piecewise", "demes"],
)
def test_simulations_have_the_diversity_of_their_history(tmp_path: Path, text: str, expected: float | None) -> None:
    """Pi is twice the mutation rate times the mean time to the common ancestor, times the length."""
    (tmp_path / "m.yaml").write_text(DEMES)
    asked = recipe((HISTORY, f"[[history]]\n{text}\n"), ("{ log_uniform = [1e-8, 1e-6] }", "1e-6"), folder=tmp_path)
    if expected is None:
        times = np.linspace(0, 3000, 300)  # further back all are in one population of 700
        probability = apart(drawn(asked.histories[0])[0], times, "B", "B")
        expected = float(np.trapezoid(probability, times) + probability[-1] * 2 * 700)
    values = []
    for index in range(40):
        alleles = simulate_one(asked, index).alleles.astype(float)
        count, size = alleles.sum(axis=1), alleles.shape[1]
        values.append(float((2 * count * (size - count) / (size * (size - 1))).sum()))
    error = np.std(values) / math.sqrt(len(values))
    assert error < 0.2 * np.mean(values), "or the test tells nothing"
    assert np.mean(values) == pytest.approx(2 * 3e-7 * expected * 3000, abs=3.5 * error)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "species = 'HomSap'\nmodel = 'None_1X99'\npopulation = 'A'",
            "stdpopsim has no model 'None_1X99' of HomSap: there is ",
        ),
        ("species = 'HomUlu'\nmodel = 'x'\npopulation = 'A'", "stdpopsim has no species 'HomUlu': there is "),
        (
            "species = 'HomSap'\nmodel = 'OutOfAfrica_3G09'\npopulation = ['CEU', 'X']",
            "OutOfAfrica_3G09 has no population 'X': there is YRI, CEU, CHB",
        ),
    ],
)
def test_what_stdpopsim_does_not_have(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_histories((history(f"kind = 'stdpopsim'\n{text}"),))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("text", ["[", "demes: 3", "time_units: generations\ndemes: [{name: A}]", "a: b: c"])
def test_a_file_that_is_no_demes_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(InputError, match=r"^\S+m\.yaml cannot be read as a demes file: [^\n]+$"):
        check_histories((history("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'A'", tmp_path),))


def test_a_population_that_a_demes_file_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    found = history("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'C'", tmp_path)
    with pytest.raises(InputError, match=r"m\.yaml has no population 'C': there is old, A, B$"):
        check_histories((found,))
    with pytest.raises(InputError, match="has no population 'C'"):
        drawn(found)


def test_what_can_be_simulated_passes(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    check_histories((*recipe().histories, history("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'A'", tmp_path)))


def test_what_msprime_refuses_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("too\nmany")

    monkeypatch.setattr(msprime, "sim_ancestry", refuse)
    with pytest.raises(InputError, match=r"^recipe small: msprime refuses simulation 3, history 1: too many$"):
        simulate_one(recipe(), 3)


def test_a_population_of_the_past(tmp_path: Path) -> None:
    """It has no size today, by which diversity and recombination would be scaled."""
    (tmp_path / "m.yaml").write_text(DEMES)
    found = history("kind = 'demes'\nfile = 'm.yaml'\npopulation = 'old'", tmp_path)
    with pytest.raises(InputError, match=r"m\.yaml: nobody of population 'old' lives today; there is A, B$"):
        check_histories((found,))


@pytest.mark.parametrize("what", ["msprime", "stdpopsim"])
def test_simulators_that_are_not_installed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, what, None)
    asked: Any = history("kind = 'stdpopsim'\nspecies = 'HomSap'\nmodel = 'Zigzag_1S14'\npopulation = 'generic'")
    with pytest.raises(UsageError, match=rf"{what}.*: pip install 'popscan\[train\]'$"):
        check_histories((asked,))
