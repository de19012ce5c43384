"""Two populations that split and met again: what recipes say, what theory has, and which way haplotypes went."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msprime
import numpy as np
import pytest
from recipes import SMALL, changed
from scanning import popscan

from scanner.errors import InputError, UsageError
from scanner.simulate import sets
from scanner.simulate.coalescent import Simulation, simulate_one
from scanner.simulate.divergence import came_over, split_history
from scanner.simulate.introgression import CLASSES, SECTIONS, Flow, Introgression, draw_introgression
from scanner.simulate.priors import Prior
from scanner.simulate.recipe import Recipe, parse_recipe

HISTORY = '[[history]]\nkind = "constant"\nsize = { log_uniform = [500, 2000] }\n'
PULSE = "pulse_share = { uniform = [0, 0.1] }"
TABLE = f"""[introgression]
split = {{ uniform = [1000, 3000] }}
{PULSE}
proportion = {{ uniform = [0, 1] }}
sizes = [600, 150, 400]
"""
MET = changed(
    ('task = "recombination"', 'task = "introgression"'),
    ("length = 3000", "length = 2000\ndiscrete = false"),
    ("{ choice = [8, 11] }", "[6, 4]"),
    (HISTORY, TABLE),
    ("rate = 3e-7", "rate = 1e-6"),
)
PAGE = (Path(__file__).parent.parent / "docs" / "training.md").read_text()


def met(*changes: tuple[str, str]) -> Recipe:
    return parse_recipe(changed(*changes, text=MET), "r.toml")


def drawn(count: int, *changes: tuple[str, str]) -> list[tuple[Flow, dict[str, float]]]:
    introgression = met(*changes).introgression
    assert introgression is not None
    rng = np.random.default_rng(1)
    return [draw_introgression(introgression, rng) for _ in range(count)]


# What a recipe says


def test_a_recipe_says_what_it_says() -> None:
    found = met()
    assert (found.haplotypes, found.histories) == (Prior("choice", (6.0,)), ())
    assert found.introgression == Introgression(
        classes=dict.fromkeys(CLASSES, 1.0),
        second=Prior("choice", (4.0,)),
        split=Prior("uniform", (1000.0, 3000.0)),
        pulse=Prior("uniform", (0.0, 0.1)),
        by_share=True,
        proportion=Prior("uniform", (0.0, 1.0)),
        sizes=(Prior("choice", (600.0,)), Prior("choice", (150.0,)), Prior("choice", (400.0,))),
        start_sizes=None,
        growth=None,
        scale=Prior("choice", (1.0,)),
    )


def test_other_tasks_have_one_population() -> None:
    assert parse_recipe(SMALL, "r.toml").introgression is None
    with pytest.raises(InputError, match=r"the table \[introgression\] belongs to task 'introgression', not "):
        parse_recipe(SMALL + TABLE, "r.toml")


def test_the_published_setting_of_the_documentation() -> None:
    """The recombination rate is the mutation rate over a number between 0.1 and 0.3, each as likely."""
    (text,) = re.findall(r"```toml\n(# T6\n.*?)```", PAGE, flags=re.DOTALL)
    found = parse_recipe(text, "r.toml")
    rng = np.random.default_rng(1)
    ratios = [5e-9 / found.recombination_rate.draw(rng) for _ in range(4000)]
    assert 0.1 <= min(ratios) < 0.101
    assert 0.299 < max(ratios) <= 0.3
    assert np.mean(ratios) == pytest.approx(0.2, abs=0.004)
    one = simulate_one(found, 0)
    assert (one.sizes, one.length) == ((20, 14), 10_000)
    drawn = one.parameters
    assert drawn["start_size_first"] == pytest.approx(
        drawn["size_first"] * math.exp(-1.6442 * drawn["split"] / drawn["size_ancestral"])
    )


def test_every_field_is_documented() -> None:
    (text,) = re.findall(r"```toml\n(\[sample\]\n.*?)```", PAGE, flags=re.DOTALL)
    assert all(name in text for name in SECTIONS["introgression"])
    assert all(f"{name} = " in text for name in CLASSES)
    stated = parse_recipe(changed(("haplotypes = [6, 4]", ""), ("[sample]\n", ""), (TABLE, text), text=MET), "r.toml")
    assert stated.introgression is not None


REFUSED = {
    "no table": ((TABLE, ""), "the field introgression is missing"),
    "history": (("[mutation]", HISTORY + "[mutation]"), "task 'introgression' has its history in [introgression]: no "),
    "unknown field": (
        ("split =", "splits = 3\nsplit ="),
        "unknown field 'splits' in [introgression]; there is classes, ",
    ),
    "one sample": (("[6, 4]", "6"), "sample.haplotypes must be a list of numbers, not 6"),
    "three samples": (("[6, 4]", "[6, 4, 2]"), "sample.haplotypes must be two numbers (first, second), not 3"),
    "small sample": (("[6, 4]", "[6, 1]"), "sample.haplotypes must lie between 2 and 100000, not [1]"),
    "no split": (("split = { uniform = [1000, 3000] }\n", ""), "the field introgression.split is missing"),
    "split": (("[1000, 3000]", "[0, 3000]"), "introgression.split must be at least 1e-06, not [0, 3000]"),
    "no pulse": ((PULSE, ""), "[introgression] needs 'pulse_share' or 'pulse_time', one of the two"),
    "two pulses": ((PULSE, f"{PULSE}\npulse_time = 3"), "[introgression] needs 'pulse_share' or 'pulse_time', one of "),
    "pulse": ((PULSE, "pulse_share = 1.5"), "introgression.pulse_share must lie between 0 and 1, not [1.5]"),
    "before the split": (
        (PULSE, "pulse_time = { uniform = [10, 1001] }"),
        "introgression.pulse_time must be no more than any introgression.split, not 1001",
    ),
    "no proportion": (("proportion = { uniform = [0, 1] }\n", ""), "the field introgression.proportion is missing"),
    "proportion": (("uniform = [0, 1]", "uniform = [0, 2]"), "introgression.proportion must lie between 0 and 1, not "),
    "sizes": (("600, 150, 400", "600, 150"), "introgression.sizes must be three numbers (first, second, ancestral), "),
    "size": (("600, 150, 400", "600, 0, 400"), "introgression.sizes must be at least 1e-06, not [0]"),
    "start sizes": (
        ("sizes = [", "start_sizes = [5]\nsizes = ["),
        "introgression.start_sizes must be two numbers (first, second), not 1",
    ),
    "two ways of growing": (
        ("sizes = [", "start_sizes = [5, 6]\ngrowth = [0, 0]\nsizes = ["),
        "[introgression] takes 'start_sizes' or 'growth', not both",
    ),
    "growth": (
        ("sizes = [", "growth = [0.001, {uniform = [-0.01, 0]}]\nsizes = ["),
        "introgression.growth times introgression.split must be no more than 20 either way, not 30",
    ),
    "scale": (("sizes = [", "scale = 0\nsizes = ["), "introgression.scale must be at least 1e-06, not [0]"),
    "classes": (("split =", "classes = 5\nsplit ="), "[introgression.classes] must be a table, not 5"),
    "unknown class": (
        ("split =", "classes = { both = 1 }\nsplit ="),
        "unknown field 'both' in [introgression.classes]; there is from, into, none",
    ),
    "weight": (
        ("split =", "classes = { into = 0 }\nsplit ="),
        "introgression.classes.into must be one number above 0, not 0",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_recipe_is_refused(what: str) -> None:
    change, sentence = REFUSED[what]
    with pytest.raises(InputError) as caught:
        met(change)
    assert str(caught.value).startswith(f"r.toml: {sentence}")
    assert "\n" not in str(caught.value)


# What is drawn


def test_classes_are_balanced() -> None:
    counts = Counter(known["class"] for _, known in drawn(3000))
    assert sorted(counts) == [0, 1, 2]
    assert all(count == pytest.approx(1000, abs=90) for count in counts.values())


def test_classes_are_drawn_by_weight() -> None:
    counts = Counter(known["class"] for _, known in drawn(2000, ("split =", "classes = {none = 3, from = 1}\nsplit =")))
    assert sorted(counts) == [0, 2]
    assert counts[0] == pytest.approx(1500, abs=70)


def test_the_second_goes_into_the_first_and_from_the_first_into_the_second() -> None:
    for flow, known in drawn(60):
        expected = {"none": (None, "second"), "into": ("first", "second"), "from": ("second", "first")}
        assert (flow.receiver, flow.donor) == expected[CLASSES[int(known["class"])]]


def test_no_class_has_other_histories() -> None:
    found = drawn(4000)
    for number in (0, 1, 2):
        mine = [(flow, known) for flow, known in found if known["class"] == number]
        assert np.mean([flow.split for flow, _ in mine]) == pytest.approx(2000, abs=60)
        assert {flow.sizes for flow, _ in mine} == {(600, 150, 400)}
        if number == 0:
            assert not any({"pulse", "proportion"} & set(known) for _, known in mine)
            continue
        shares = [known["pulse"] / known["split"] for _, known in mine]
        assert max(shares) <= 0.1
        assert np.mean(shares) == pytest.approx(0.05, abs=0.003)
        assert np.mean([known["proportion"] for _, known in mine]) == pytest.approx(0.5, abs=0.03)


def test_a_pulse_in_generations() -> None:
    found = drawn(60, (PULSE, "pulse_time = { uniform = [10, 90] }"))
    assert all(10 <= flow.pulse <= 90 for flow, _ in found if flow.receiver)


def test_sizes_grow_since_the_split() -> None:
    flow, known = drawn(1, ("sizes = [600, 150", "start_sizes = [60, 300]\nsizes = [600, 150"))[0]
    sizes = split_history(flow).debug().population_size_trajectory(np.array([0, flow.split / 2, flow.split - 1e-9]))
    expected = [[600, 150], [math.sqrt(600 * 60), math.sqrt(150 * 300)], [60, 300]]
    np.testing.assert_allclose(sizes[:, :2], expected, rtol=1e-6)
    assert (known["size"], known["start_size_second"], known["size_ancestral"]) == (600, 300, 400)


def test_growth_is_that_of_a_generation_forward_in_time() -> None:
    for flow, known in drawn(20, ("sizes = [600, 150", "growth = [0.001, -0.0005]\nsizes = [600, 150")):
        expected = 600 * math.exp(-0.001 * flow.split), 150 * math.exp(0.0005 * flow.split)
        assert flow.start_sizes == pytest.approx(expected)
        assert known["start_size_first"] < 600 < known["size"] * 4
        middle = split_history(flow).debug().population_size_trajectory(np.array([100.0]))[0]
        assert middle[:2] == pytest.approx([600 * math.exp(-0.1), 150 * math.exp(0.05)])


def test_a_scale_multiplies_sizes_and_times() -> None:
    more = ("sizes = [600, 150", "growth = [0.001, -0.0005]\nsizes = [600, 150")
    for share in (PULSE, "pulse_time = { uniform = [10, 90] }"):
        plain, scaled = (drawn(30, more, (PULSE, f"{share}{scale}")) for scale in ("", "\nscale = 2.5"))
        for (flow, known), (bigger, more_known) in zip(plain, scaled, strict=True):
            assert bigger.receiver == flow.receiver
            assert bigger.proportion == flow.proportion
            assert [bigger.split, bigger.pulse] == pytest.approx([2.5 * flow.split, 2.5 * flow.pulse])
            assert bigger.sizes == pytest.approx([2.5 * size for size in flow.sizes])
            assert bigger.start_sizes == pytest.approx([2.5 * size for size in flow.start_sizes])
            same = {"class", "proportion"}
            expected = {name: value * (1 if name in same else 2.5) for name, value in known.items()}
            assert more_known == pytest.approx(expected)


# What is simulated


def many(count: int, *changes: tuple[str, str]) -> list[Simulation]:
    asked = met(*changes)
    return [simulate_one(asked, index) for index in range(count)]


LOOSE = ("{ log_uniform = [1e-8, 1e-6] }", "1e-5")


def only(name: str) -> tuple[str, str]:
    return ("split =", f"classes = {{ {name} = 1 }}\nsplit =")


def measured(item: Simulation) -> tuple[float, float, float]:
    """Mean differences between the populations, within the first and within the second, per bp."""
    first, second = item.sizes
    one, other = (part.sum(axis=1).astype(float) for part in np.split(item.alleles, [first], axis=1))
    between = (one * (second - other) + other * (first - one)) / (first * second)
    within = (
        2 * count * (size - count) / (size * (size - 1)) for count, size in ((one, first), (other, second))
    )  # fmt: skip
    return tuple(float(each.sum()) / item.length for each in (between, *within))


def apart_time(size: float, split: float, ancestral: float) -> float:
    """Expected generations to the common ancestor of two haplotypes of a population that split off."""
    stay = math.exp(-split / (2 * size))
    return 2 * size * (1 - stay) + 2 * ancestral * stay


def test_without_a_pulse_divergence_is_as_theory_has_it() -> None:
    """Differences are twice the mutation rate times the time to the common ancestor; Fst is 1 - within / between."""
    found = np.array([measured(item) for item in many(120, only("none"), LOOSE, ("{ uniform = [1000, 3000] }", "500"))])
    expected = 2e-6 * np.array([500 + 2 * 400, apart_time(600, 500, 400), apart_time(150, 500, 400)])
    errors = found.std(axis=0) / math.sqrt(len(found))
    assert (errors < 0.08 * expected).all(), "or the test tells nothing"
    assert (abs(found.mean(axis=0) - expected) < 3.5 * errors).all()

    def fst(values: np.ndarray) -> float:
        return float(1 - values[:, 1:].mean() / values[:, 0].mean())

    left_out = [fst(np.delete(found, at, axis=0)) for at in range(len(found))]
    error = math.sqrt((len(found) - 1) * np.var(left_out))
    assert error < 0.03
    assert fst(found) == pytest.approx(1 - expected[1:].mean() / expected[0], abs=3.5 * error)


@pytest.mark.parametrize(("name", "receiver", "donor"), [("into", 1, 2), ("from", 2, 1)])
def test_who_was_replaced_looks_like_the_donor(name: str, receiver: int, donor: int) -> None:
    """A pulse of everybody, ten generations ago: from then on back all are of the donor, whose size alone counts."""
    everybody = LOOSE, ("proportion = { uniform = [0, 1] }", "proportion = 1"), (PULSE, "pulse_time = 10")
    found = np.array([measured(item) for item in many(120, only(name), *everybody)])
    size = (600, 150)[donor - 1]
    errors = found.std(axis=0) / math.sqrt(len(found))
    apart = 2e-6 * np.mean([apart_time(size, split, 400) for split in np.linspace(1000, 3000, 201)])
    assert (errors < 1e-4).all(), "or the other population's 3.6 times or 0.3 times as much would do"
    assert found[:, 0].mean() == pytest.approx(apart + 2e-5, abs=3.5 * errors[0])
    assert found[:, donor].mean() == pytest.approx(apart, abs=3.5 * errors[donor])
    assert found[:, receiver].mean() == pytest.approx(apart, abs=3.5 * errors[receiver])


@pytest.mark.parametrize("name", ["into", "from"])
def test_as_much_came_over_as_the_proportion_says(name: str) -> None:
    found = many(150, only(name), LOOSE, ("proportion = { uniform = [0, 1] }", "proportion = 0.3"))
    shares = [item.parameters["introgressed"] for item in found]
    error = np.std(shares) / math.sqrt(len(shares))
    assert error < 0.03
    assert np.mean(shares) == pytest.approx(0.3, abs=3.5 * error)
    assert 0 <= min(shares) < 0.2 < 0.4 < max(shares) <= 1


def test_what_came_over_is_what_a_census_finds() -> None:
    """Ancestors of the receiver's sample that live in the donor right before the pulse, counted independently."""
    still = Flow((600.0, 150.0, 400.0), (600.0, 150.0), 2000.0, 120.0, 0.4)
    for seed, receiver in enumerate(("first", "second", "first"), 1):
        flow = replace(still, receiver=receiver)
        demography = split_history(flow)
        demography.add_census(time=120.001)
        demography.sort_events()
        trees = msprime.sim_ancestry(
            [msprime.SampleSet(6, "first", ploidy=1), msprime.SampleSet(4, "second", ploidy=1)],
            demography=demography,
            sequence_length=2000,
            recombination_rate=1e-5,
            random_seed=seed,
            record_migrations=True,
        )
        names = {item.metadata["name"]: item.id for item in trees.populations()}
        own = set(trees.samples(names[receiver]).tolist())
        total, anywhere = 0.0, np.zeros(2000, np.bool_)
        for tree in trees.trees():
            for node in tree.nodes():
                flags, where = trees.node(node).flags, trees.node(node).population
                if flags & msprime.NODE_IS_CEN_EVENT and where == names[flow.donor]:
                    came = len(own & set(tree.samples(node)))
                    total += tree.span * came
                    anywhere[int(tree.interval.left) : int(tree.interval.right)] |= came > 0
        expected = total / (len(own) * 2000)
        assert 0 < expected < 1
        share, tracts = came_over(trees, flow)
        assert share == pytest.approx(expected, abs=1e-9)
        bounds = np.flatnonzero(np.diff(np.concatenate([[False], anywhere, [False]])))
        assert tracts.T.ravel().tolist() == bounds.tolist()


def test_how_much_of_a_window_came_over() -> None:
    tracts = np.array([[0.0, 40.0], [10.0, 60.0]])
    one = Simulation(100, np.zeros(0, np.int64), np.zeros((0, 4), np.int8), {}, np.zeros(1), np.ones(1), tracts)
    found = one.introgressed(
        np.array([0.0, 0.0, 10.0, 50.0, 60.0, 45.0]), np.array([100.0, 10.0, 40.0, 70.0, 100.0, 55.0])
    )
    assert found.tolist() == [0.3, 1.0, 0.0, 0.5, 0.0, 1.0]
    none = replace(one, tracts=np.zeros((2, 0)))
    assert none.introgressed(np.array([0.0]), np.array([100.0])).tolist() == [0.0]


def test_what_a_simulation_holds() -> None:
    for item in many(12, ("[6, 4]", "[{ choice = [2, 5] }, 2]")):
        assert item.sizes in ((2, 2), (5, 2))
        assert item.alleles.shape == (len(item.positions), sum(item.sizes))
        count = item.alleles.sum(axis=1)
        assert ((count > 0) & (count < sum(item.sizes))).all(), "segregating in both together"
        assert ("introgressed" in item.parameters) == (item.parameters["class"] > 0)
    assert simulate_one(parse_recipe(SMALL, "r.toml"), 0).sizes in ((8,), (11,))


def test_what_msprime_refuses_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("too\nmany")

    monkeypatch.setattr(msprime, "sim_ancestry", refuse)
    with pytest.raises(InputError, match=r"^recipe small: msprime refuses simulation 3: too many$"):
        simulate_one(met(), 3)


# Sets on disk


def test_what_is_said_of_introgression_decides_the_simulations(tmp_path: Path) -> None:
    assert sets.digest(met()) != sets.digest(met(("[6, 4]", "[6, 5]"))) != sets.digest(met(("150", "151")))
    (tmp_path / "r.toml").write_text(MET)
    sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    (tmp_path / "r.toml").write_text(changed(("600, 150", "600, 151"), text=MET))
    with pytest.raises(UsageError, match=r"\(other values of introgression\): name a new folder$"):
        sets.open_set(tmp_path / "r.toml", tmp_path / "out")


def test_sets_keep_who_is_of_which_population(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(changed(("[6, 4]", "[{ choice = [6, 3] }, 4]"), text=MET))
    done = popscan("simulate", tmp_path / "r.toml", "-o", tmp_path / "out", "-t", 1)
    assert (done.code, done.out) == (0, ""), done.err
    held = sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    assert {item.sizes for item in held.read(0)} == {(6, 4), (3, 4)}
    for index, item in reversed(list(enumerate(held.read(0)))):
        again = simulate_one(held.recipe, index)
        assert item.sizes == again.sizes
        assert item.positions.tolist() == again.positions.tolist()
        assert (item.alleles == again.alleles).all()
        assert item.tracts.tolist() == again.tracts.tolist()
        assert {name: value for name, value in item.parameters.items() if value == value} == again.parameters
