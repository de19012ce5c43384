"""Sweeps in recipes: what is read, refused and drawn, and sets of them on disk."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from recipes import DEMES, SMALL, changed
from scanning import popscan

from scanner.errors import InputError, RunError, UsageError
from scanner.simulate import coalescent, forward, sets
from scanner.simulate.coalescent import simulate_one
from scanner.simulate.priors import Prior
from scanner.simulate.recipe import Recipe, parse_recipe
from scanner.simulate.sweeps import CLASSES, SECTIONS, Sweep, draw_sweep

HISTORY = '[[history]]\nkind = "constant"\nsize = { log_uniform = [500, 2000] }\n'
SWEEP = changed(
    ('task = "recombination"', 'task = "sweep"'),
    ("length = 3000", "length = 5500"),
    ("{ choice = [8, 11] }", "10"),
    ("size = { log_uniform = [500, 2000] }", "size = 600"),
    text=SMALL
    + """
[sweep]
parts = 11
alpha = { uniform = [200, 300] }
age = { choice = [0, 50] }
start_frequency = { uniform = [0.02, 0.2] }
""",
)


def sweeps(*changes: tuple[str, str], folder: Path = Path()) -> Recipe:
    return parse_recipe(changed(*changes, text=SWEEP), "r.toml", folder)


def drawn(count: int, *changes: tuple[str, str]) -> list[dict[str, float]]:
    """Draw sweeps of a region of 5.5 kb."""
    sweep = sweeps(*changes).sweep
    assert sweep is not None
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        selected, known = draw_sweep(sweep, 5500, rng)
        found.append({**known, **({} if selected is None else vars(selected))})
    return found


def test_a_recipe_says_what_it_says() -> None:
    assert sweeps().sweep == Sweep(
        parts=11,
        classes=dict.fromkeys(CLASSES, 1.0),
        alpha=Prior("uniform", (200.0, 300.0)),
        s=None,
        age=Prior("choice", (0.0, 50.0)),
        start_frequency=Prior("uniform", (0.02, 0.2)),
        final_frequency=Prior("choice", (1.0,)),
    )


def test_the_recipes_of_the_documentation_are_some() -> None:
    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text()
    table, constant, history = re.findall(
        r"```toml\n(\[sweep\]\n.*?|# T7.*?|# in the place.*?)```", page, flags=re.DOTALL
    )
    for name in SECTIONS["sweep"] - {"s"}:
        assert f"\n{name} = " in table, f"sweep.{name} is not documented"
    assert sweeps((SWEEP[SWEEP.index("[sweep]") :], table)).sweep is not None
    found = parse_recipe(constant, "docs/training.md")
    assert (found.histories[0].numbers["size"], found.length) == (
        Prior("choice", (12875.0,)),
        Prior("choice", (1.1e6,)),
    )
    text = constant.split("[[history]]")[0] + history + constant[constant.index("[recombination]") :]
    (sizes,) = parse_recipe(text, "docs/training.md").histories
    assert [sizes.numbers[name].values for name in ("sizes-0", "sizes-1", "times-1")] == [
        (22917.0,),
        (2523.0,),
        (858.0,),
    ]


def test_other_tasks_have_no_sweeps() -> None:
    assert parse_recipe(SMALL, "r.toml").sweep is None


def test_classes_are_balanced() -> None:
    counts = Counter(item["class"] for item in drawn(5000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(count == pytest.approx(1000, abs=100) for count in counts.values())


def test_classes_are_drawn_by_weight() -> None:
    found = drawn(2000, ("parts = 11", "parts = 11\nclasses = { neutral = 3, soft_linked = 1 }"))
    counts = Counter(item["class"] for item in found)
    assert sorted(counts) == [0, 4]
    assert counts[0] == pytest.approx(1500, abs=70)


def test_no_class_has_other_strengths_or_ages() -> None:
    found = drawn(5000)
    for number in (1, 2, 3, 4):
        mine = [item for item in found if item["class"] == number]
        assert np.mean([item["alpha"] for item in mine]) == pytest.approx(250, abs=4)
        assert np.mean([item["age"] for item in mine]) == pytest.approx(25, abs=3)
        starts = [item["start"] for item in mine]
        if CLASSES[number].startswith("soft"):
            assert np.mean(starts) == pytest.approx(0.11, abs=0.008)
        else:
            assert set(starts) == {None}


def test_centre_and_linked_sweeps_lie_where_they_should() -> None:
    found = drawn(5000)
    for item in found:
        if item["class"] in (1, 3):
            assert (item["low"], item["high"]) == (2500, 3000)
        elif item["class"] in (2, 4):
            assert (item["low"], item["high"]) != (2500, 3000)
    parts = Counter(item["low"] / 500 for item in found if item["class"] in (2, 4))
    assert sorted(parts) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert all(count == pytest.approx(200, abs=50) for count in parts.values()), "on both sides, near and far alike"


def test_strength_is_alpha_or_s() -> None:
    assert {item["s"] for item in drawn(50) if item["class"]} == {None}
    found = drawn(50, ("alpha = { uniform = [200, 300] }", "s = 0.125"))
    assert {(item["s"], item["alpha"]) for item in found if item["class"]} == {(0.125, None)}


REFUSED = {
    "no table": (("[sweep]\n", "[training]\n"), "the field sweep is missing"),
    "another task": (('"sweep"', '"recombination"'), "the table [sweep] belongs to task 'sweep', not 'recombination'"),
    "unknown field": (
        ("parts = 11", "parts = 11\nstrength = 3"),
        "unknown field 'strength' in [sweep]; there is age, ",
    ),
    "no parts": (("parts = 11\n", ""), "the field sweep.parts is missing"),
    "one part": (("parts = 11", "parts = 1"), "sweep.parts must be a whole number from 3 on, not 1"),
    "even parts": (("parts = 11", "parts = 10"), "sweep.parts must be odd, so that there is a middle one, not 10"),
    "no strength": (("alpha = { uniform = [200, 300] }\n", ""), "[sweep] needs 'alpha' or 's', one of the two"),
    "both": (("parts = 11", "parts = 11\ns = 0.1"), "[sweep] needs 'alpha' or 's', one of the two"),
    "weak": (("[200, 300]", "[2, 300]"), "sweep.alpha must be at least 20, not [2, 300]"),
    "strong": (("alpha = { uniform = [200, 300] }", "s = 0.6"), "sweep.s must lie between 1e-06 and 0.5, not [0.6]"),
    "age": (("[0, 50]", "[-1, 50]"), "sweep.age must lie between 0 and 1e+06, not [-1, 50]"),
    "no start": (
        ("start_frequency = { uniform = [0.02, 0.2] }\n", ""),
        "the field sweep.start_frequency is missing",
    ),
    "start": (("[0.02, 0.2]", "[0.02, 0.95]"), "sweep.start_frequency must lie between 0 and 0.9, not [0.02, 0.95]"),
    "final": (
        ("parts = 11", "parts = 11\nfinal_frequency = 1.5"),
        "sweep.final_frequency must lie between 0 and 1, not [1.5]",
    ),
    "final below start": (
        ("parts = 11", "parts = 11\nfinal_frequency = { uniform = [0.1, 0.9] }"),
        "sweep.final_frequency must be above any start_frequency, not 0.1",
    ),
    "classes": (("parts = 11", "parts = 11\nclasses = 5"), "[sweep.classes] must be a table, not 5"),
    "unknown class": (
        ("parts = 11", "parts = 11\nclasses = { firm = 1 }"),
        "unknown field 'firm' in [sweep.classes]; there is hard, hard_linked, neutral, soft, soft_linked",
    ),
    "perhaps sweeps": (("size = 600", "size = 600\nsweeps = 0.5"), "history 1.sweeps must be true or false, not 0.5"),
    "weight": (
        ("parts = 11", "parts = 11\nclasses = { hard = 0 }"),
        "sweep.classes.hard must be one number above 0, not 0",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_recipe_is_refused(what: str) -> None:
    change, sentence = REFUSED[what]
    with pytest.raises(InputError) as caught:
        sweeps(change)
    assert str(caught.value).startswith(f"r.toml: {sentence}")
    assert "\n" not in str(caught.value)


def test_hard_sweeps_need_no_start_frequency() -> None:
    found = sweeps(
        ("start_frequency = { uniform = [0.02, 0.2] }\n", ""),
        ("parts = 11", "parts = 11\nfinal_frequency = { uniform = [0.1, 0.9] }\nclasses = { neutral = 1, hard = 1 }"),
    ).sweep
    assert found is not None
    assert (found.start_frequency, found.classes) == (None, {"neutral": 1.0, "hard": 1.0})


def test_what_is_said_of_sweeps_decides_the_simulations(tmp_path: Path) -> None:
    digests = {sets.digest(sweeps()), sets.digest(sweeps(("[0, 50]", "[0, 51]")))}
    assert len(digests) == 2
    (tmp_path / "r.toml").write_text(SWEEP)
    sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    (tmp_path / "r.toml").write_text(changed(("[0, 50]", "[0, 51]"), text=SWEEP))
    with pytest.raises(UsageError, match=r"\(other values of sweep\): name a new folder$"):
        sets.open_set(tmp_path / "r.toml", tmp_path / "out")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> sets.SimulationSet:
    """Give 30 simulations, made by two processes."""
    folder = tmp_path_factory.mktemp("sweeps")
    (folder / "r.toml").write_text(SWEEP)
    done = popscan("simulate", folder / "r.toml", "-o", folder / "out", "-n", 30, "-t", 2)
    assert (done.code, done.out) == (0, ""), done.err
    return sets.open_set(folder / "r.toml", folder / "out", simulations=30)


def test_the_seed_and_the_number_decide_everything(held: sets.SimulationSet) -> None:
    for index, item in reversed(list(enumerate(held.read(0)))[:8]):
        again = simulate_one(held.recipe, index)
        assert item.positions.tolist() == again.positions.tolist()
        assert (item.alleles == again.alleles).all()
        assert {name: value for name, value in item.parameters.items() if value == value} == again.parameters


def test_what_is_known_of_each_sweep(held: sets.SimulationSet) -> None:
    found = held.read(0)
    assert {item.parameters["class"] for item in found} == {0, 1, 2, 3, 4}
    for item in found:
        known = item.parameters
        if known["class"] == 0:
            assert all(np.isnan(known[name]) for name in ("alpha", "age", "site", "start_frequency"))
            continue
        assert 200 <= known["alpha"] <= 300
        assert known["s"] == pytest.approx(known["alpha"] / 1200, rel=2e-3)
        assert known["age"] in (0, 50)
        assert known["final_frequency"] == 1
        assert (2500 <= known["site"] < 3000) == (known["class"] in (1, 3))
        if known["class"] in (1, 2):
            assert known["start_frequency"] == pytest.approx(1 / 1200, rel=0.01)
        else:
            assert 0.018 <= known["start_frequency"] <= 0.212


def test_a_sweep_that_is_always_lost_is_drawn_again_in_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one attempt for every sweep, most new mutations are lost and others are drawn."""
    recipe = sweeps(("age = { choice = [0, 50] }", "age = { choice = [0, 50, 100] }"))
    known = [simulate_one(recipe, index).parameters for index in range(12)]
    monkeypatch.setattr(forward, "ATTEMPTS", 1)
    again = [simulate_one(recipe, index).parameters for index in range(12)]
    assert [item["class"] for item in again] == [item["class"] for item in known]
    hard = [at for at, item in enumerate(known) if item.get("attempts", 1) > 1]
    assert len(hard) > 2
    for at in hard:
        assert again[at]["attempts"] == 1
        assert again[at]["alpha"] != known[at]["alpha"]
        assert 200 <= again[at]["alpha"] <= 300
        assert again[at]["age"] in (0, 50, 100)
        assert (2500 <= again[at]["site"] < 3000) == (again[at]["class"] == 1)


def test_a_simulation_whose_sweeps_are_all_lost_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = sweeps(("parts = 11", "parts = 11\nclasses = { hard = 1 }"))
    monkeypatch.setattr(forward, "ATTEMPTS", 1)
    monkeypatch.setattr(coalescent, "DRAWS", 1)
    with pytest.raises(RunError, match=r"^recipe small: simulation \d+: an allele .* final frequency in 1 attempts: "):
        _ = [simulate_one(recipe, index) for index in range(12)]


def test_a_history_of_several_populations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    two = "[[history]]\nkind = 'demes'\nfile = 'm.yaml'\npopulation = 'A'\n"
    (tmp_path / "r.toml").write_text(changed(("[mutation]", f"{two}\n[mutation]"), text=SWEEP))
    with pytest.raises(InputError) as caught:
        sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    assert str(caught.value) == (
        f"history 2: {tmp_path}/m.yaml has 3 populations; sweeps are simulated in one alone, so name a history of one"
    )
    assert not (tmp_path / "out").exists()


def test_a_history_without_sweeps_is_neutral_and_may_have_several_populations(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    three = "[[history]]\nkind = 'demes'\nfile = 'm.yaml'\npopulation = 'A'\nsweeps = false\nscale = 0.1\n"
    (tmp_path / "r.toml").write_text(changed(("[mutation]", f"{three}\n[mutation]"), text=SWEEP))
    held = sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    found = [simulate_one(held.recipe, index).parameters for index in range(24)]
    classes = [{item["class"] for item in found if item["history"] == number} for number in (0, 1)]
    assert classes[1] == {0}
    assert len(classes[0]) > 2


def test_only_a_history_without_sweeps_says_so_to_the_set() -> None:
    """Sets of recipes from before there were any are found again."""
    said, unsaid, none = (
        sets.digest(sweeps(("size = 600", f"size = 600\n{line}"))) for line in ("sweeps = true", "", "sweeps = false")
    )
    assert said == unsaid != none


def test_without_fwdpy11_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fwdpy11", None)
    (tmp_path / "r.toml").write_text(SWEEP)
    done = popscan("simulate", tmp_path / "r.toml", "--out", tmp_path / "out", "-t", 1)
    assert done.code == 2
    assert done.sentence.startswith("sweeps need fwdpy11, which a plain install leaves out: pip install")
    with pytest.raises(UsageError, match="sweeps need fwdpy11"):
        simulate_one(sweeps(("parts = 11", "parts = 11\nclasses = { hard = 1 }")), 0)
