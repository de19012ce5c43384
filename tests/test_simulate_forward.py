"""Sweeps simulated forwards: against msprime, against theory, and what happens where they fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msprime
import numpy as np
import pytest
import tskit
from sweep_profiles import LENGTH, SIZE, msprime_sweep, profiles, setting, unlike

from scanner.simulate import forward, pace
from scanner.simulate.forward import LostError, forward_sweep
from scanner.simulate.genealogy import Setting, neutral
from scanner.simulate.joined import Genealogy, simplified, stacked
from scanner.simulate.pace import Plan, duration, make_plan, with_strength
from scanner.simulate.standing import standing
from scanner.simulate.sweeps import Selected

MIDDLE = {"low": LENGTH * 5 / 11, "high": LENGTH * 6 / 11}
ADVANTAGE = 0.25
"""2 N s = 500."""
AGES = (0.0, 400.0)
ALIKE = 2.5
"""How unlike two sets of profiles may be: equal ones came to 0.6-2.5 in 17 trials, four fifths the strength to 3.5"""


def sweep(*, age: float = 0.0, start: float | None = None, final: float = 1.0, s: float = ADVANTAGE) -> Selected:
    return Selected(alpha=None, s=s, age=age, start=start, final=final, **MIDDLE)


def stepwise(*changes: tuple[float, float]) -> msprime.Demography:
    """Give a history of 1,000 diploids today, and of other sizes from some generations ago on."""
    history = msprime.Demography.isolated_model([SIZE])
    for time, size in changes:
        history.add_population_parameters_change(time=time, initial_size=size)
    return history


def coalesced(trees: tskit.TreeSequence, site: float, time: float) -> float:
    """Give the share of pairs of the sample with a common ancestor at a site by some generations ago."""
    tree = trees.at(site)
    tops = [
        tree.num_samples(node)
        for node in tree.nodes()
        if tree.time(node) <= time and (tree.parent(node) < 0 or tree.time(tree.parent(node)) > time)
    ]
    assert sum(tops) == trees.num_samples
    return sum(top * (top - 1) for top in tops) / (trees.num_samples * (trees.num_samples - 1))


@pytest.fixture(scope="module")
def by_msprime() -> np.ndarray:
    """Give profiles of hard sweeps by msprime, half of them recent."""

    def simulate(rng: np.random.Generator) -> tskit.TreeSequence:
        age, site = float(rng.choice(AGES)), float(rng.uniform(MIDDLE["low"], MIDDLE["high"]))
        return msprime_sweep(setting(), int(rng.integers(1, 2**31)), site=site, advantage=ADVANTAGE, age=age)

    return profiles(simulate, 400, seed=1)


def forwards(how: Setting, **more: float) -> Callable[[np.random.Generator], tskit.TreeSequence]:
    return lambda rng: forward_sweep(how, sweep(age=float(rng.choice(AGES)), **more), rng)[0]


def test_hard_sweeps_are_those_of_msprime(by_msprime: np.ndarray) -> None:
    """Diversity, frequency spectrum and haplotypes along the region, in a population of constant size."""
    found = profiles(forwards(setting()), 80, seed=2)
    assert unlike(found, by_msprime) < ALIKE
    weaker = profiles(forwards(setting(), s=ADVANTAGE / 2), 50, seed=3)
    assert unlike(weaker, by_msprime) > 2 * ALIKE, "the comparison is too weak to tell half the strength"


def test_hard_sweeps_under_a_history_of_sizes_are_those_of_msprime(by_msprime: np.ndarray) -> None:
    """The history has two sizes, which are equal: only the way to simulate it is another."""
    assert unlike(profiles(forwards(setting(demography=stepwise((45, SIZE)))), 60, seed=4), by_msprime) < ALIKE


class Onlooker(forward._Watch):
    """Never stops, and writes sizes down."""

    def __call__(self, population: Any, _sampler: Any) -> None:
        self.size = population.N
        self.counts.append(population.N)

    def done(self, *_: object) -> bool:
        return False


def test_without_selection_nothing_is_seen_of_the_forward_simulation() -> None:
    """It takes the sample through a bottleneck; msprime knows the truth."""
    how = setting(demography=stepwise((30, 400), (70, 1500)))
    plan = Plan(factor=2, advantage=1e-9, age=5, onset=60, longest=60, fixed=False)  # in generations of two

    def simulate(rng: np.random.Generator) -> tskit.TreeSequence:
        fast, watch = how.faster(plan.factor), Onlooker(goal=1)
        population = forward.found_population(fast, plan.advantage, 750, np.zeros(1, np.int64), 10.0)
        forward.evolve(population, forward._parameters(fast, plan), watch, int(rng.integers(1, 2**31)))
        assert watch.counts == [750] * 25 + [200] * 20 + [500] * 15
        return forward._slower(forward._sampled(fast, population, None, 60.0, 0.0, rng), plan.factor)

    found = profiles(simulate, 40, seed=5)
    true = profiles(lambda rng: neutral(how, int(rng.integers(1, 2**31))), 200, seed=6)
    assert unlike(found, true) < ALIKE
    other = profiles(lambda rng: neutral(setting(), int(rng.integers(1, 2**31))), 40, seed=7)
    assert unlike(other, true) > 2 * ALIKE, "the comparison is too weak to tell another history"


def test_diversity_comes_back_with_age() -> None:
    """After t generations, a pair has not met since the sweep with exp(-t / 2 N): all others have as much as ever."""
    for age in (0.0, 1500.0):
        low = []
        for k in range(16):
            trees, facts = forward_sweep(setting(rate=1e-9), sweep(age=age), np.random.default_rng([8, k]))
            assert facts["age"] == age
            low.append(float(trees.diversity(mode="branch")) / (4 * SIZE))
        expected = 1 - math.exp(-age / (2 * SIZE))
        assert np.mean(low) == pytest.approx(expected, abs=3.5 * np.std(low) / 4 + 0.03)


def test_a_new_mutation_leaves_one_haplotype_at_its_site() -> None:
    for k in range(10):
        trees, facts = forward_sweep(setting(), sweep(age=100), np.random.default_rng([9, k]))
        assert coalesced(trees, facts["site"], 100 + facts["duration"]) == 1
        assert coalesced(trees, 0, 100 + facts["duration"]) < 1


def met(start: float, s: float, rng: np.random.Generator) -> Iterator[float]:
    """Give the probability that two carriers of today descend from one at the start, by frequencies alone."""
    for _ in range(400):
        frequency, apart = start, 1.0
        while 0 < frequency < 1:
            apart *= 1 - 1 / (2 * SIZE * frequency)
            chosen = frequency * math.exp(s) / (1 - frequency + frequency * math.exp(s))
            frequency = rng.binomial(2 * SIZE, chosen) / (2 * SIZE)
        if frequency == 1:
            yield 1 - apart


def test_soft_sweeps_leave_as_many_haplotypes_as_they_should() -> None:
    found = []
    for k in range(40):
        trees, facts = forward_sweep(setting(), sweep(start=0.05, s=0.05), np.random.default_rng([10, k]))
        assert facts["start_frequency"] == pytest.approx(0.05, rel=0.06)
        found.append(coalesced(trees, facts["site"], facts["duration"]))
    expected = np.mean(list(met(0.05, 0.05, np.random.default_rng(11))))
    assert 0.15 < expected < 0.4
    assert np.mean(found) == pytest.approx(expected, abs=3.5 * np.std(found) / math.sqrt(40))
    assert min(found) < 0.5


def test_partial_sweeps_end_where_they_should() -> None:
    shares = []
    for k in range(25):
        trees, facts = forward_sweep(setting(), sweep(final=0.6), np.random.default_rng([12, k]))
        assert 0.6 <= facts["final_frequency"] < 0.68
        tree = trees.at(facts["site"])
        tops = [tree.num_samples(node) for node in tree.nodes() if tree.time(node) < facts["duration"]]
        shares.append(max(tops) / trees.num_samples)
    assert np.mean(shares) == pytest.approx(0.63, abs=0.08)


def test_the_age_scatters_about_what_was_drawn() -> None:
    """Sizes change while the allele sweeps, so that the sweep cannot be put anywhere else."""
    how = setting(demography=stepwise((120, 700), (160, 2000)))
    ages = []
    for k in range(25):
        _, facts = forward_sweep(how, sweep(age=100), np.random.default_rng([13, k]))
        assert facts["age"] + facts["duration"] == pytest.approx(make_onset(how, sweep(age=100)))
        ages.append(facts["age"])
    assert np.mean(ages) == pytest.approx(100, abs=6)
    assert 2 < np.std(ages) < 3 / ADVANTAGE


def make_onset(how: Setting, selected: Selected) -> float:
    plan = make_plan(how, selected)
    return plan.onset * plan.factor


def test_late_sweeps_are_tried_again() -> None:
    """An allele that is to be fixed today is late every other time."""
    ages, attempts = [], []
    for k in range(12):
        _, facts = forward_sweep(setting(demography=stepwise((30, 1200))), sweep(), np.random.default_rng([14, k]))
        ages.append(facts["age"])
        attempts.append(facts["attempts"])
    assert min(ages) >= 0
    assert max(ages) < 4 / ADVANTAGE
    assert np.mean(attempts) > 1.5


def test_an_allele_that_is_always_lost_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "ATTEMPTS", 2)
    with pytest.raises(LostError, match=r"^an allele with s = 0\.01 did not reach its final frequency in 2 attempts: "):
        forward_sweep(setting(), sweep(s=0.01), np.random.default_rng(15))


def test_standing_variation_that_does_not_come_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "ATTEMPTS", 2)
    monkeypatch.setattr(forward, "standing", lambda *_: None)
    with pytest.raises(
        LostError, match=r"^no neutral allele of frequency 0\.1 came up: change sweep\.start_frequency$"
    ):
        forward_sweep(setting(), sweep(start=0.1), np.random.default_rng(16))


def test_standing_variation_is_found_as_mutation_would_have_put_it() -> None:
    """Six haplotypes are three pairs; branches of 1, 3 and 0.5 generations lead to them."""
    tables = tskit.TableCollection(LENGTH)
    for time in (0, 0, 0, 0, 0, 0, 9, 7, 9.5, 10):
        tables.nodes.add_row(flags=tskit.NODE_IS_SAMPLE if time == 0 else 0, time=time)
    for child, parent in enumerate([6, 6, 7, 7, 8, 8, 9, 9, 9]):
        tables.edges.add_row(0, LENGTH, parent, child)
    tables.sort()
    rng, drawn = np.random.default_rng(17), []
    for _ in range(900):
        found = standing(tables.tree_sequence(), sweep(start=1 / 3), rng)
        assert found is not None
        carriers, site = found
        assert MIDDLE["low"] <= site < MIDDLE["high"]
        drawn.append(tuple(carriers.tolist()))
    assert {pair: drawn.count(pair) for pair in set(drawn)} == {
        (0, 1): pytest.approx(200, abs=50),
        (2, 3): pytest.approx(600, abs=50),
        (4, 5): pytest.approx(100, abs=40),
    }
    assert standing(tables.tree_sequence(), sweep(start=0.6), rng) is None


def test_the_time_that_sweeps_take() -> None:
    taken = [forward_sweep(setting(), sweep(), np.random.default_rng([18, k]))[1]["duration"] for k in range(20)]
    assert duration(sweep(), ADVANTAGE, SIZE, SIZE) == pytest.approx(
        np.mean(taken), abs=3.5 * np.std(taken) / math.sqrt(20)
    )
    assert duration(sweep(start=0.5, final=0.75), 0.1, SIZE, SIZE) == pytest.approx(math.log(3) / 0.1)


def test_how_fast_time_runs() -> None:
    strong = make_plan(setting(), sweep(s=1.0))
    assert (strong.factor, strong.advantage, strong.fixed) == (pace.STRONGEST, pace.STRONGEST, True)
    weak = make_plan(setting(), sweep(s=0.01, age=60))
    assert [weak.factor, weak.advantage, weak.age] == pytest.approx([2, 0.02, 30])
    narrow = make_plan(setting(demography=stepwise((10, 30), (15, 3000))), sweep(s=0.05))
    assert (narrow.factor, narrow.fixed) == (pytest.approx(30 / pace.LEAST), False)
    large = setting(demography=msprime.Demography.isolated_model([1e9]))
    assert pace.diploids(large, np.zeros(1)).tolist() == [pace.MOST]


def test_strength_is_twice_n_times_s() -> None:
    weak = Selected(alpha=300.0, s=None, age=0.0, start=None, final=1.0, **MIDDLE)
    assert with_strength(setting(), weak).s == pytest.approx(0.15, rel=1e-3)
    assert with_strength(setting(), sweep(s=0.15)).alpha == pytest.approx(300)
    for change in ((5, 300), (40, 300), (60, 5000), (1e6, 10)):
        found = with_strength(setting(demography=stepwise(change)), weak)
        assert found.s is not None
        taken = duration(weak, found.s, SIZE if change[0] > 60 else change[1], SIZE)
        share = min(1, change[0] / taken)
        mean = 1 / (share / SIZE + (1 - share) / change[1])
        assert 2 * mean * found.s == pytest.approx(300, rel=0.03)


def test_the_same_seed_gives_the_same_sweep() -> None:
    how = setting(demography=stepwise((30, 1200)))
    for start in (None, 0.1):
        one, same, other = (
            forward_sweep(how, sweep(start=start, age=50), np.random.default_rng(seed)) for seed in (19, 19, 20)
        )
        assert (one[0].tables.nodes, one[0].tables.edges, one[1]) == (
            same[0].tables.nodes,
            same[0].tables.edges,
            same[1],
        )
        assert one[0].tables.edges != other[0].tables.edges


def test_recombination_follows_the_map() -> None:
    """All crossovers are in the right half: the left half is one tree."""
    how = setting()
    how = Setting(
        how.demography, "pop_0", 20, LENGTH, np.array([0.0, LENGTH / 2]), np.array([1e-12, 5e-6]), discrete=True
    )
    trees, _ = forward_sweep(how, sweep(age=100), np.random.default_rng(21))
    inner = trees.breakpoints(as_array=True)[1:-1]
    assert len(inner) > 20
    assert inner.min() >= LENGTH / 2


def test_genealogies_are_joined() -> None:
    """Two living haplotypes have one parent, a third another; these meet longer ago."""
    late = Genealogy(
        10.0, np.array([0.0, 0, 0, 4, 4]), np.zeros(3), np.full(3, 10.0), np.array([3, 3, 4]), np.array([0, 1, 2])
    )
    early = Genealogy(
        10.0, np.array([0.0, 0, 0, 5]), np.zeros(3), np.full(3, 10.0), np.array([3, 3, 3]), np.array([0, 1, 2])
    )
    whole, places = stacked(late, early.later(4), np.array([-1, -1, -1, 2, 0]))
    trees, kept = simplified(whole, places[:3])
    assert places.tolist() == [4, 5, 6, 2, 0]
    assert (trees.num_samples, trees.num_nodes, trees.num_trees) == (3, 5, 1)
    tree = trees.first()
    assert (tree.tmrca(0, 1), tree.tmrca(0, 2), kept[1]) == (4, 9, -1)
    alone, _ = simplified(late, np.array([0, 1, 2]), roots=True)
    assert (alone.num_nodes, alone.first().num_roots) == (5, 2)
