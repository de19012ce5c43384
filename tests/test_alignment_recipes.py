"""What recipes say of published networks on alignments, what these see of simulations, and what they learn."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes import changed
from small_alignments import INTROGRESSION, RHO, TAJIMA
from small_histories import RECIPE as HISTORY

from scanner.alignment import ANCESTRAL, DERIVED, Aligned, similarity_order
from scanner.catalogue import catalogue_folder
from scanner.errors import InputError
from scanner.network.designs import DESIGNS
from scanner.simulate import sets
from scanner.simulate.coalescent import Simulation, simulate_one
from scanner.simulate.recipe import Recipe, find_recipe, parse_recipe, read_recipe
from scanner.train.alignment_looks import AlignmentWork, prepare, read, see, shuffled
from scanner.train.alignment_options import LEARNED, alignment_options, tajimas_d
from scanner.train.options import training_options

NAMES = sorted(path.parent.name for path in catalogue_folder("models").glob("alignment-*/recipe.toml"))
RATES = {
    "alignment-rho": ("rho", 50, 418),
    "alignment-sweeps": ("sweeps", 104, 5000),
    "alignment-introgression": ("introgression", 34, 1102),
    "alignment-demography": ("demography", 50, 700),
    "alignment-tajimas-d": ("tajimas_d", 20, 40),
}
"""Network, haplotypes and sites of every recipe of the catalogue."""


def parsed(text: str) -> Recipe:
    return parse_recipe(text, "r.toml")


@functools.cache
def simulated(name: str) -> tuple[Recipe, list[Simulation]]:
    """Simulate a recipe of the catalogue a few times."""
    recipe = read_recipe(find_recipe(Path(name)))
    if recipe.sweep is not None:
        pytest.importorskip("fwdpy11", reason="fwdpy11 is not installed")
    return recipe, [simulate_one(recipe, index) for index in range(3 if recipe.sweep is not None else 8)]


def test_every_published_network_is_in_the_catalogue() -> None:
    assert set(NAMES) == set(RATES)
    assert {design for design, _, _ in RATES.values()} == set(DESIGNS) == set(LEARNED)


@pytest.mark.parametrize("name", NAMES)
class TestRecipe:
    """What holds for every recipe of the catalogue."""

    def test_it_asks_for_its_network(self, name: str) -> None:
        recipe = read_recipe(find_recipe(Path(name)))
        options = alignment_options(recipe)
        design, haplotypes, sites = RATES[name]
        assert recipe.name == name
        assert (options.shape.design.name, options.shape.haplotypes, options.shape.sites) == (design, haplotypes, sites)
        assert options.shape.outputs == {"rho": 1, "tajimas_d": 1, "introgression": 3}.get(design, 5)
        wide = {} if "filters" in recipe.alignment else {"filters": DESIGNS[design].filters}
        assert all(options.shape.design.filters == filters for filters in wide.values())

    def test_what_it_simulates_fits_in_whole_with_its_truth(self, name: str) -> None:
        recipe, simulations = simulated(name)
        options = alignment_options(recipe)
        _, haplotypes, sites = RATES[name]
        seen = [see(simulation, recipe, options, np.random.default_rng(1)) for simulation in simulations]
        assert sum(window is not None for window in seen) >= 3
        for simulation, window in zip(simulations, seen, strict=True):
            if window is not None:
                assert window.alleles.shape[1] == haplotypes
                assert options.min_sites <= len(window.alleles) <= sites
                truth = options.learned.truth(simulation, window)
                assert truth.shape == (options.shape.outputs,)
                assert np.isfinite(truth).all()
                if options.shape.classes:
                    assert sorted(truth.tolist()) == [0] * (options.shape.outputs - 1) + [1]
                    assert truth[int(simulation.parameters["class"])] or truth[0]


def test_simulations_are_those_of_the_models_that_are_compared() -> None:
    compared = {"rho": "recombination-t2", "demography": "demography-t5", "introgression": "introgression-t6"}
    for end, other in {**compared, "sweeps": "sweep-t7"}.items():
        name = f"alignment-{end}"
        ours, theirs = (read_recipe(find_recipe(Path(each))) for each in (name, other))
        assert sets.digest(ours) == sets.digest(theirs)
        assert ours.observation == theirs.observation


def test_the_table_does_not_change_what_is_simulated() -> None:
    assert sets.digest(parsed(RHO)) == sets.digest(parsed(RHO.partition("[alignment]")[0]))
    assert parsed(RHO.partition("[alignment]")[0]).alignment == {}


def test_truth_is_what_networks_on_site_channels_learn() -> None:
    recipe = parsed(RHO)
    simulation = simulate_one(recipe, 0)
    window = see(simulation, recipe, alignment_options(recipe), np.random.default_rng(1))
    assert window is not None
    expected = np.log(4 * simulation.parameters["size"] * simulation.parameters["recombination_rate"])
    assert LEARNED["rho"].truth(simulation, window).tolist() == pytest.approx([expected])


def d_by_hand(alleles: np.ndarray) -> float:
    """Tajima 1989, spelled out; every row segregates."""
    sites, n = alleles.shape
    a1, a2 = sum(1 / i for i in range(1, n)), sum(1 / i**2 for i in range(1, n))
    b1, b2 = (n + 1) / (3 * (n - 1)), 2 * (n**2 + n + 3) / (9 * n * (n - 1))
    c1, c2 = b1 - 1 / a1, b2 - (n + 2) / (a1 * n) + a2 / a1**2
    e1, e2 = c1 / a1, c2 / (a1**2 + a2)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    pi = sum(float((alleles[:, i] != alleles[:, j]).sum()) for i, j in pairs) / len(pairs)
    return (pi - sites / a1) / (e1 * sites + e2 * sites * (sites - 1)) ** 0.5


@given(st.integers(1, 12), st.integers(4, 9), st.integers(0, 10**6))
def test_tajimas_d_is_its_definition(sites: int, haplotypes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alleles = rng.choice(np.array([ANCESTRAL, DERIVED], np.int8), size=(sites, haplotypes))
    alleles[:, 0], alleles[:, 1] = DERIVED, ANCESTRAL
    window = Aligned(alleles, np.linspace(0, 0.9, sites, dtype=np.float32))
    assert tajimas_d(window) == pytest.approx(d_by_hand(alleles))


def test_the_network_of_tajimas_d_sees_the_middle_sites_and_learns_of_these() -> None:
    recipe = parsed(TAJIMA)
    options, found = alignment_options(recipe), []
    for index in range(20):
        simulation = simulate_one(recipe, index)
        window = see(simulation, recipe, options, np.random.default_rng(1))
        assert (window is None) == (len(simulation.positions) < 10)
        if window is not None:
            assert window.alleles.shape == (10, 8)
            spare = (len(simulation.positions) - 10) // 2
            kept = simulation.positions[spare : spare + 10]
            np.testing.assert_allclose(window.positions, kept / 4000, rtol=1e-6)
            signed = (simulation.alleles * 2 - 1)[spare : spare + 10]
            order = similarity_order(simulation.alleles * 2 - 1)
            assert (window.alleles == signed[:, order]).all()
            (truth,) = options.learned.truth(simulation, window)
            assert truth == pytest.approx(d_by_hand(signed))
            found.append(truth)
    assert np.std(found) > 0.3


def test_two_populations_stand_in_blocks_and_are_not_sorted() -> None:
    recipe = parsed(INTROGRESSION)
    simulation = simulate_one(recipe, 0)
    window = see(simulation, recipe, alignment_options(recipe), np.random.default_rng(1))
    assert window is not None
    spare = max(0, len(simulation.positions) - 40) // 2
    assert (window.alleles == (simulation.alleles * 2 - 1)[spare : spare + 40]).all()
    assert simulation.sizes == (6, 4)


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (RHO, 'network = "rho"', "", "recipe quick-rho: the field alignment.network is missing"),
        (RHO, 'network = "rho"', 'network = "tau"', "alignment.network 'tau' is not known: there is rho, sweeps,"),
        (RHO, 'network = "rho"\nfilters = [8, 8, 8]', 'network = "sweeps"', "the task sweep, not recombination"),
        (RHO, "sites = 60", "", "recipe quick-rho: the field alignment.sites is missing"),
        (RHO, "sites = 60", "sites = 7", "alignment.sites must be a whole number from 8 on, not 7"),
        (RHO, "sites = 60", "sites = 20001", "alignment.sites must be at most 20,000, not 20,001"),
        (RHO, "sites = 60", "sites = 60\nepoch = 3", "unknown field 'epoch' in [alignment]; there is batch, epochs,"),
        (RHO, "epochs = 2", "epochs = 0", "alignment.epochs must be a whole number from 1 on, not 0"),
        (RHO, "epochs = 2", "learning_rate = 2", "learning_rate must be one number above 0 and at most 1, not 2"),
        (RHO, "epochs = 2", "batch = 0", "alignment.batch must be a whole number from 1 on, not 0"),
        (RHO, "validation = 0.2", "validation = 1", "alignment.validation must be one number above 0 and at most 0.9"),
        (RHO, "[8, 8, 8]", "[8, 8]", "alignment.filters are those of 3 layers in the network rho: (8, 8)"),
        (RHO, "[8, 8, 8]", "8", "alignment.filters must be a list of whole numbers from 1 to 2,048, not 8"),
        (RHO, "[8]", "[0]", "alignment.units must be a list of whole numbers from 1 to 2,048, not [0]"),
        (RHO, "haplotypes = 16", "haplotypes = { uniform = [8, 16] }", "takes one number of haplotypes: give a plain"),
        (RHO, "haplotypes = 16", "haplotypes = 32", "takes one number of haplotypes: give a plain one"),
        (RHO, "[alignment]", "[network]\nwidth = 8\n[alignment]", "has its training there: no [network] and no"),
        (RHO, "[alignment]", "[training]\nseeds = 1\n[alignment]", "has its training there: no [network] and no"),
        (INTROGRESSION, "[6, 4]", "[6, { choice = [4, 5] }]", "takes one number of haplotypes: give a plain one"),
    ],
)  # fmt: skip
def test_what_a_recipe_may_not_say(text: str, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        alignment_options(parsed(changed((old, new), text=text)))
    assert message in str(caught.value)


def test_histories_without_the_numbers_that_are_learned_are_refused() -> None:
    text = HISTORY.format(seed=1, simulations=500).partition("[network]")[0]
    text += '[alignment]\nnetwork = "demography"\nsites = 40\n'
    assert alignment_options(parsed(text)).shape.outputs == 5
    two = changed((", { log_uniform = [500, 50000] }]", "]"), (", { log_uniform = [500, 10000] }]", "]"), text=text)
    with pytest.raises(InputError, match="needs piecewise ones of 3 sizes"):
        alignment_options(parsed(two))


def test_a_recipe_of_one_kind_is_none_of_the_other() -> None:
    with pytest.raises(InputError, match=r"the field alignment\.network is missing"):
        alignment_options(read_recipe(find_recipe(Path("recombination-t2"))))
    assert training_options(read_recipe(find_recipe(Path("recombination-t2")))).seeds == 3


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> AlignmentWork:
    """Simulate 90 alignments in three shards."""
    folder = tmp_path_factory.mktemp("looks")
    path = folder / "recipe.toml"
    path.write_text(RHO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "SHARD", 40)
        held = sets.open_set(path, folder / "set", simulations=90)
        assert sum(sets.complete(held, map)) == 90
        yield AlignmentWork(held, folder / "work")


def test_alignments_are_kept_as_they_were_seen(work: AlignmentWork) -> None:
    looks = work.looks()
    assert [prepare(look) for look in looks] == [40, 40, 10]
    recipe, options = work.simulations.recipe, work.options
    for look in looks:
        lines = read(look)
        rng = np.random.default_rng(np.random.SeedSequence([1, 3, look.shard]))
        seen = [(each, see(each, recipe, options, rng)) for each in work.simulations.read(look.shard)]
        assert len(lines.windows) == len(seen)
        for at, (simulation, window) in enumerate(seen):
            assert window is not None
            assert (lines.windows[at].alleles == window.alleles).all()
            assert (lines.windows[at].positions == window.positions).all()
            assert lines.targets[at].tolist() == options.learned.truth(simulation, window).tolist()
            assert lines.facts["size"][at] == simulation.parameters["size"]
            assert lines.facts["sites"][at] == len(window.positions)
            assert (lines.facts["haplotypes"][at], lines.facts["length"][at]) == (16, 8000)


def test_alignments_are_not_made_twice(work: AlignmentWork, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, *_) = work.looks()
    prepare(first)
    monkeypatch.setattr(type(work.simulations), "read", lambda *_: pytest.fail("looked again"))
    assert prepare(first) == 40


def test_a_pass_shows_every_alignment_once_in_another_order(work: AlignmentWork) -> None:
    looks = work.looks()
    for look in looks:
        prepare(look)
    everything = sorted(float(value) for look in looks for value in read(look).targets[:, 0])
    passes = []
    for epoch in range(2):
        batches = list(shuffled(looks, 9, np.random.default_rng(epoch)))
        assert [len(windows) for windows, _ in batches] == [9] * 10
        passes.append([float(value) for _, targets in batches for value in targets[:, 0]])
        assert sorted(passes[-1]) == everything
    assert passes[0] != passes[1]
    assert len(list(shuffled(looks, 40, np.random.default_rng(1)))) == 2  # ten are left over


def test_windows_stay_with_their_truth(work: AlignmentWork) -> None:
    known = {window.positions.tobytes(): float(target) for look in work.looks() for window, (target,) in
             zip(read(look).windows, read(look).targets, strict=True)}  # fmt: skip
    for windows, targets in shuffled(work.looks(), 9, np.random.default_rng(3)):
        for window, (target,) in zip(windows, targets, strict=True):
            assert known[window.positions.tobytes()] == float(target)


def test_simulations_without_sites_are_left_out_and_none_at_all_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(changed(("min_sites = 10", "min_sites = 200"), text=TAJIMA))
    held = sets.open_set(path, tmp_path / "set", simulations=20)
    assert sum(sets.complete(held, map)) == 20
    look = AlignmentWork(held, tmp_path / "work").looks()[0]
    with pytest.raises(InputError, match="no simulation of shard 0 has sites enough"):
        prepare(look)
