"""Simulations as training examples: what a scan would see, packed without loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_training import RECIPE

from scanner.channels.encoding import encode
from scanner.channels.windows import window_parts
from scanner.errors import InputError
from scanner.haplotypes import from_alleles
from scanner.simulate.coalescent import Simulation, simulate_one
from scanner.simulate.observe import observe
from scanner.simulate.recipe import Recipe, parse_recipe
from scanner.simulate.sets import complete, open_set
from scanner.train.examples import GAP, TILE, Example, View, batches, look, see, view, views
from scanner.train.looks import plan_looks, prepare, read
from scanner.train.options import training_options

FLANK, WINDOWS = 7, 4
HOTSPOTS = "[recombination.hotspots]\nshare = 1\nspacing = 5000\nwidth = 500\nintensity = 20\n"


def recipe(*changes: tuple[str, str]) -> Recipe:
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_recipe(text, "tiny.toml")


def sight_of(made: Recipe, index: int, how: View) -> tuple[Simulation, Example]:
    simulation = simulate_one(made, index)
    sight = see(simulation, made, how, np.random.default_rng(index))
    assert sight is not None
    return simulation, look(sight, how)


@pytest.mark.parametrize("index", range(12))
def test_an_example_holds_the_channels_of_its_windows(index: int) -> None:
    made = recipe()
    how = view(made, flank=FLANK, windows=WINDOWS)
    simulation = simulate_one(made, index)
    sight = see(simulation, made, how, np.random.default_rng(index))
    assert sight is not None
    example = look(sight, how)
    seen = observe(simulation, made.observation, np.random.default_rng(index))
    whole = encode(seen.positions, seen.haplotypes, how.encoding)
    used = seen.positions[whole.sites]
    for number, (start, end) in enumerate(zip(sight.start, sight.end, strict=True)):
        inside = (used >= start) & (used < end)
        rows = slice(example.first[number], example.last[number])
        np.testing.assert_array_equal(example.values[rows], whole.values[inside])
        edges = start + np.arange(how.parts + 1) * (end - start) / how.parts
        naive = np.searchsorted(edges, used[inside], side="right") - 1
        np.testing.assert_array_equal(example.part[rows], naive)
        truth = np.log10(simulation.parameters["recombination_rate"])
        assert example.targets[number].tolist() == [pytest.approx(truth)]
        assert example.facts["sites"][number] == inside.sum()
        assert example.facts["length"][number] == end - start
    assert (sight.start[1:] == sight.end[:-1]).all()
    assert 0 <= sight.start[0] < sight.end[-1] <= simulation.length


@pytest.mark.parametrize("index", range(6))
def test_from_the_other_end_the_same_windows_are_seen(index: int) -> None:
    """As if the simulation had been mirrored: its first window is the last one, and channels that look aside differ."""
    made = recipe(("windows = { uniform = [10000, 30000] }", "windows = 7500\nwindows_per_simulation = 4"))
    how = view(made, flank=FLANK, windows=WINDOWS)
    simulation = simulate_one(made, index)
    sight = see(simulation, made, how, np.random.default_rng(index))
    assert sight is not None
    found, back = views(sight, how, both_ends=True)
    np.testing.assert_array_equal(found.values, look(sight, how).values)
    (alone,) = views(sight, how, both_ends=False)
    np.testing.assert_array_equal(found.values, alone.values)
    seen = observe(simulation, made.observation, np.random.default_rng(index))
    alleles = seen.haplotypes.alleles()[::-1]
    positions = simulation.length - 1 - seen.positions[::-1]
    whole = encode(positions, from_alleles("", alleles, ploidy=1), how.encoding)
    used = positions[whole.sites]
    for number, (start, end) in enumerate(zip(sight.start[::-1], sight.end[::-1], strict=True)):
        low, high = simulation.length - end, simulation.length - start
        rows = slice(back.first[number], back.last[number])
        inside = (used >= low) & (used < high)
        np.testing.assert_array_equal(back.values[rows], whole.values[inside])
        np.testing.assert_array_equal(back.part[rows], window_parts(used[inside], low, high, how.parts))
    np.testing.assert_array_equal(back.extras, found.extras[::-1])
    np.testing.assert_array_equal(back.targets, found.targets[::-1])
    for name, values in found.facts.items():
        np.testing.assert_array_equal(back.facts[name], values[::-1])
    assert not np.allclose(back.summaries(), found.summaries()[::-1], atol=1e-3)


def test_flanks_are_the_neighbouring_sites() -> None:
    made = recipe(("windows = { uniform = [10000, 30000] }", "windows = 5000\nwindows_per_simulation = 1"))
    how = view(made, flank=FLANK, windows=WINDOWS)
    _, example = sight_of(made, 3, how)
    assert example.first[0] == FLANK
    assert len(example.values) == example.last[0] + FLANK


@pytest.mark.parametrize("index", range(4))
def test_no_example_is_longer_than_a_tile(index: int) -> None:
    made = recipe(("rate = 3e-8", "rate = 2e-6"), ("windows = { uniform = [10000, 30000] }", "windows = 10000"))
    how = view(made, flank=FLANK, windows=WINDOWS)
    simulation, example = sight_of(made, index, how)
    assert len(simulation.positions) > TILE
    assert TILE / 2 < len(example.values) <= TILE - GAP
    assert len(list(batches(iter([example]), how, gap=GAP, tiles=1))) == 1


def test_the_scaled_rate_is_four_n_r() -> None:
    made = recipe(('encoding = "folded-2"', 'encoding = "folded-2"\ntarget = "rho"'))
    how = view(made, flank=FLANK, windows=WINDOWS)
    simulation, example = sight_of(made, 1, how)
    np.testing.assert_allclose(
        example.targets[:, 0], np.log(4 * 5000 * simulation.parameters["recombination_rate"]), rtol=1e-12
    )


@pytest.mark.parametrize("tiles", [1, 3])
def test_batches_hold_every_window_once(tiles: int) -> None:
    made = recipe()
    how = view(made, flank=FLANK, windows=WINDOWS)
    found = [sight_of(made, index, how)[1] for index in range(40)]
    cells, gap = how.windows * how.parts, 5
    examples = iter(found)
    windows = 0
    for batch in batches(iter(found), how, gap=gap, tiles=tiles):
        assert batch.inputs["sites"].shape[:2] == (tiles, TILE)
        for tile in range(tiles):
            real = np.flatnonzero(batch.inputs["mask"][tile])
            starts = [0, *(np.flatnonzero(np.diff(real) > 1) + 1)]
            slot = 0
            for begin, end in zip(starts, [*starts[1:], len(real)], strict=True):
                if begin == end:
                    continue
                rows = real[begin:end]
                example = next(examples)
                np.testing.assert_array_equal(batch.inputs["sites"][tile, rows], example.values)
                for first, last, extra, target in zip(
                    example.first, example.last, example.extras, example.targets, strict=True
                ):
                    inside = rows[first:last]
                    np.testing.assert_array_equal(
                        batch.inputs["ids"][tile, inside], slot * how.parts + example.part[first:last]
                    )
                    np.testing.assert_array_equal(batch.inputs["extras"][tile, slot], extra)
                    np.testing.assert_array_equal(batch.targets[tile, slot], target.astype(np.float32))
                    assert batch.weights[tile, slot] == 1
                    slot += 1
            windows += slot
            assert batch.weights[tile].sum() == slot <= WINDOWS
            outside = np.setdiff1d(np.arange(TILE), real)
            assert (batch.inputs["ids"][tile, outside] == cells).all()
    assert next(examples, None) is None
    assert windows == sum(len(example.first) for example in found)


def test_looks_come_back_as_they_were_made(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("simulations = 500", "simulations = 20"))
    made = open_set(path, tmp_path / "set")
    assert sum(complete(made, map)) == 20
    how = view(made.recipe, flank=FLANK, windows=WINDOWS)
    first, second = plan_looks(made, how, tmp_path / "examples", 2)
    assert prepare(first) == 20
    before = first.store.facts(first.name)
    assert prepare(first) == 20
    assert first.store.facts(first.name) == before
    prepare(second)
    one, other = list(read(first)), list(read(second))
    assert len(one) > 10
    for example in one:
        assert example.values.dtype == np.float32
        assert np.isfinite(example.values).all()
        assert len(example.part) == len(example.values)
        assert set(example.facts) >= {"haplotypes", "length", "sites", "missing", "size", "recombination_rate"}
    sizes = [float(example.facts["haplotypes"][0]) for example in one]
    assert sizes != [float(example.facts["haplotypes"][0]) for example in other]
    assert 16 <= min(sizes) < max(sizes) <= 24


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("width = 8", "width = 2", "network.width must be a whole number from 4 to 256, not 2"),
        ("width = 8", "depth = 8", "unknown field network.depth"),
        ("width = 8", "both_ends = 1", "network.both_ends must be true or false, not 1"),
        ("epochs = 6", "epochs = 0", "training.epochs must be a whole number from 1"),
        ("epochs = 6", "epochen = 6", "unknown field training.epochen"),
        ("dilations = [1, 2]", "dilations = [0]", "network.dilations must be whole numbers from 1 to 64"),
        ("validation = 0.5", "validation = 1.5", "training.validation must lie between 0 and 1"),
        ('encoding = "folded-2"', 'encoding = "folded-9"', "no encoding of sites is called 'folded-9'"),
        ('encoding = "folded-2"', 'target = "speed"', "network.target 'speed' is not known: there is rate, rho"),
    ],
)
def test_a_wrong_field_is_named(old: str, new: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence.replace("[", r"\[").replace("]", r"\]")):
        training_options(recipe((old, new)))


def test_every_other_look_is_from_the_other_end(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    made = parse_recipe(RECIPE.replace("[observation]", f"{HOTSPOTS}\n[observation]"), "tiny.toml")
    one = simulate_one(made, 3)
    tracts = np.array([[0.0, 500.0], [100.0, 750.0]])
    one = replace(one, tracts=tracts)
    other = one.mirrored()
    assert len(one.map_start) > 3
    assert other.positions.tolist() == sorted(one.length - 1 - one.positions)
    assert (other.alleles[0] == one.alleles[-1]).all()
    assert other.map_start[0] == 0
    start, end = np.array([0.0, 700.0, 4000.0]), np.array([300.0, 2900.0, 9000.0])
    for measure in ("recombination", "introgressed"):
        found = getattr(other, measure)(one.length - end, one.length - start)
        np.testing.assert_allclose(found, getattr(one, measure)(start, end))
    again = other.mirrored()
    assert again.positions.tolist() == one.positions.tolist()
    assert again.tracts.tolist() == tracts.tolist()
    np.testing.assert_allclose(again.map_start, one.map_start)
    looks = plan_looks(open_set(path, tmp_path / "set"), training_options(made).how, tmp_path, 3)
    assert [look.mirrored for look in looks if look.shard == 0] == [False, True, False]
