"""Sets of simulations on disk: the same bytes however they were made, resumed, grown, mended, and never mixed up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recipes import DEMES, SMALL, changed, recipe
from scanning import popscan

from scanner.errors import InputError, OutputError, UsageError
from scanner.simulate import sets
from scanner.simulate.coalescent import simulate_one
from scanner.simulate.recipe import read_recipe

HISTORY = '[[history]]\nkind = "constant"\nsize = { log_uniform = [500, 2000] }\n'
TINY = changed(("length = 3000", "length = 300"), ("{ choice = [8, 11] }", "4"))


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put five simulations into a shard."""
    monkeypatch.setattr(sets, "SHARD", 5)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """Give the small recipe: 12 simulations."""
    path = tmp_path / "r.toml"
    path.write_text(SMALL)
    return path


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "shards").iterdir())}


def made(recipe_file: Path, folder: Path, mapper: Callable[..., Any] = map, **changes: int) -> sets.SimulationSet:
    found = sets.open_set(recipe_file, folder, **changes)
    assert sum(sets.complete(found, mapper)) <= len(found)
    return found


def backwards(function: Callable[[Any], int], items: Iterable[Any]) -> Iterator[int]:
    return map(function, reversed(list(items)))


def test_the_identity_of_a_recipe_stays_what_it_was() -> None:
    """Sets on other disks must be found again: this changes with the format only."""
    assert sets.digest(recipe()) == "47d3eea3ba193aa4"


@pytest.mark.usefixtures("small_shards")
def test_what_is_read_is_what_was_simulated(recipe_file: Path, tmp_path: Path) -> None:
    found = made(recipe_file, tmp_path / "out")
    assert (len(found), found.shards) == (12, 3)
    held = [item for shard in range(3) for item in found.read(shard)]
    assert len(held) == 12
    for index, item in enumerate(held):
        true = simulate_one(found.recipe, index)
        assert item.length == true.length
        assert item.positions.tolist() == true.positions.tolist()
        assert item.positions.dtype == true.positions.dtype
        assert (item.alleles == true.alleles).all()
        assert item.alleles.shape == true.alleles.shape
        assert {name: value for name, value in item.parameters.items() if value == value} == true.parameters
        assert (item.map_start.tolist(), item.map_rate.tolist()) == (true.map_start.tolist(), true.map_rate.tolist())


@pytest.mark.usefixtures("small_shards")
def test_simulations_without_sites_or_with_other_numbers(tmp_path: Path) -> None:
    steps = '[[history]]\nkind = "piecewise"\nsizes = [500, 600]\ntimes = [70]\n'
    text = changed(("rate = 3e-7", "rate = { choice = [1e-12, 3e-7] }"), (HISTORY, HISTORY + steps))
    (tmp_path / "r.toml").write_text(text)
    found = made(tmp_path / "r.toml", tmp_path / "out")
    held = [item for shard in range(3) for item in found.read(shard)]
    assert {len(item.positions) == 0 for item in held} == {True, False}
    for index, item in enumerate(held):
        assert item.positions.tolist() == simulate_one(found.recipe, index).positions.tolist()
        assert (item.parameters["history"] == 1) == (item.parameters["times-1"] == 70)


@pytest.mark.usefixtures("small_shards")
def test_the_order_has_no_say(recipe_file: Path, tmp_path: Path) -> None:
    made(recipe_file, tmp_path / "a")
    made(recipe_file, tmp_path / "b", backwards)
    assert shards(tmp_path / "a") == shards(tmp_path / "b")


def test_the_number_of_processes_has_no_say(tmp_path: Path) -> None:
    """One shard is full and the other holds one simulation, which is made again here."""
    (tmp_path / "r.toml").write_text(TINY)
    done = popscan("simulate", tmp_path / "r.toml", "-o", tmp_path / "two", "-n", sets.SHARD + 1, "-t", 2)
    assert (done.code, done.out) == (0, ""), done.err
    before = shards(tmp_path / "two")
    assert len(before) == 4
    (tmp_path / "two" / "shards" / "shard-000001.npz").unlink()
    done = popscan("simulate", tmp_path / "r.toml", "-o", tmp_path / "two", "-n", sets.SHARD + 1, "-t", 1)
    assert done.err.splitlines()[0] == "simulations  251 of small, 250 of them from before"
    assert shards(tmp_path / "two") == before
    found = sets.open_set(tmp_path / "r.toml", tmp_path / "two", simulations=sets.SHARD + 1)
    for index in (0, 100, 249):
        assert found.read(0)[index].positions.tolist() == simulate_one(found.recipe, index).positions.tolist()


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_run_goes_on(recipe_file: Path, tmp_path: Path) -> None:
    made(recipe_file, tmp_path / "whole")
    found = sets.open_set(recipe_file, tmp_path / "out")
    assert next(sets.complete(found, map)) == 5
    kept = (tmp_path / "out" / "shards" / "shard-000000.npz").stat().st_mtime_ns
    again = sets.open_set(recipe_file, tmp_path / "out")
    assert [task.shard for task in again.missing()] == [1, 2]
    assert list(sets.complete(again, map)) == [5, 2]
    assert again.missing() == []
    assert (tmp_path / "out" / "shards" / "shard-000000.npz").stat().st_mtime_ns == kept
    assert shards(tmp_path / "out") == shards(tmp_path / "whole")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "remove note", "garble note", "other note"])
def test_a_damaged_shard_is_made_again(recipe_file: Path, tmp_path: Path, harm: str) -> None:
    found = made(recipe_file, tmp_path / "out")
    before = shards(tmp_path / "out")
    path = tmp_path / "out" / "shards" / "shard-000001.npz"
    note = path.with_suffix(".json")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    harms: dict[str, Callable[[], object]] = {
        "flip": lambda: path.write_bytes(content),
        "cut": lambda: path.write_bytes(content[:100]),
        "remove": path.unlink,
        "remove note": note.unlink,
        "garble note": lambda: note.write_text("[3"),
        "other note": lambda: note.write_text(json.dumps({**json.loads(note.read_text()), "digest": "other"})),
    }
    harms[harm]()
    with pytest.raises(OutputError, match=r"shard-000001\.npz is missing or not what was written"):
        found.read(1)
    assert [task.shard for task in found.missing()] == [1]
    assert list(sets.complete(found, map)) == [5]
    assert shards(tmp_path / "out") == before


@pytest.mark.usefixtures("small_shards")
def test_a_set_grows_and_shrinks(recipe_file: Path, tmp_path: Path) -> None:
    made(recipe_file, tmp_path / "out")
    before = shards(tmp_path / "out")
    found = sets.open_set(recipe_file, tmp_path / "out", simulations=17)
    assert [task.shard for task in found.missing()] == [2, 3]
    assert list(sets.complete(found, map)) == [5, 2]
    after = shards(tmp_path / "out")
    assert all(after[name] == before[name] for name in before if "000002" not in name)
    assert read_recipe(tmp_path / "out" / "recipe.toml").simulations == 17
    shorter = sets.open_set(recipe_file, tmp_path / "out", simulations=11)
    assert shorter.missing() == []
    assert [len(shorter.read(shard)) for shard in range(shorter.shards)] == [5, 5, 1]
    assert shards(tmp_path / "out") == after


def test_simulations_of_another_recipe_are_not_mixed_in(recipe_file: Path, tmp_path: Path) -> None:
    sets.open_set(recipe_file, tmp_path / "out")
    kept = (tmp_path / "out" / "recipe.toml").read_text()
    with pytest.raises(
        UsageError, match=r"out holds simulations of another recipe than \S+r\.toml \(other values of seed\)"
    ):
        sets.open_set(recipe_file, tmp_path / "out", seed=8)
    recipe_file.write_text(changed(("length = 3000", "length = 3001"), ("3e-7", "4e-7")))
    with pytest.raises(UsageError, match=r"\(other values of length, mutation_rate\): name a new folder$"):
        sets.open_set(recipe_file, tmp_path / "out")
    assert (tmp_path / "out" / "recipe.toml").read_text() == kept


def test_what_has_no_say_in_the_simulations_may_change(recipe_file: Path, tmp_path: Path) -> None:
    first = sets.open_set(recipe_file, tmp_path / "out")
    more = "[observation]\nmissing = 0.1\n[network]\nwidth = 8\n[training]\nepochs = 3\n[mutation]"
    recipe_file.write_text(changed(('"small"', '"renamed"'), ("[mutation]", more)))
    second = sets.open_set(recipe_file, tmp_path / "out")
    assert second.store == first.store
    assert (tmp_path / "out" / "recipe.toml").read_text() == recipe_file.read_text()


def test_the_copy_of_the_recipe_says_what_was_done(recipe_file: Path, tmp_path: Path) -> None:
    found = sets.open_set(recipe_file, tmp_path / "out", simulations=3, seed=99)
    assert read_recipe(tmp_path / "out" / "recipe.toml") == found.recipe
    assert (found.recipe.simulations, found.recipe.seed) == (3, 99)
    assert "# a comment that stays" in (tmp_path / "out" / "recipe.toml").read_text()
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["seed"] == 99
    assert {"popscan", "msprime", "tskit", "stdpopsim", "demes"} <= set(record["versions"])
    assert sets.open_set(tmp_path / "out" / "recipe.toml", tmp_path / "out") == found


def test_demes_files_are_kept_with_the_recipe(tmp_path: Path) -> None:
    """The set can be moved, and used where the demes file never was."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.yaml").write_text(DEMES)
    (tmp_path / "n.yaml").write_text(DEMES.replace("700", "800"))
    text = "[[history]]\nkind = 'demes'\nfile = 'models/m.yaml'\npopulation = 'A'\n"
    text += f'[[history]]\nkind = "demes"\nfile = "{tmp_path}/n.yaml"\npopulation = "B"\n'
    (tmp_path / "r.toml").write_text(changed((HISTORY, text)))
    found = sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "models" / "m.yaml").unlink()
    (tmp_path / "n.yaml").unlink()
    again = sets.open_set(tmp_path / "moved" / "recipe.toml", tmp_path / "moved")
    assert sets.digest(again.recipe) == sets.digest(found.recipe)
    assert simulate_one(again.recipe, 1).positions.tolist() == simulate_one(found.recipe, 1).positions.tolist()


def test_another_demes_file_is_another_recipe(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    text = "[[history]]\nkind = 'demes'\nfile = 'm.yaml'\npopulation = 'A'\n"
    (tmp_path / "r.toml").write_text(changed((HISTORY, text)))
    sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    (tmp_path / "m.yaml").write_text(DEMES.replace("700", "800"))
    with pytest.raises(UsageError, match=r"\(other values of histories\)"):
        sets.open_set(tmp_path / "r.toml", tmp_path / "out")


def test_a_demes_file_whose_name_cannot_be_found(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(DEMES)
    text = "[[history]]\nkind = 'demes'\n'file' = 'm.yaml'\npopulation = 'A'\n"
    (tmp_path / "r.toml").write_text(changed((HISTORY, text)))
    with pytest.raises(InputError, match=r"r\.toml: demes files must be given as plain texts"):
        sets.open_set(tmp_path / "r.toml", tmp_path / "out")


def test_folders_that_hold_something_else(recipe_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no simulations but something else: name a new folder$"):
        sets.open_set(recipe_file, tmp_path)
    with pytest.raises(UsageError, match=r"r\.toml is a file: name a folder$"):
        sets.open_set(recipe_file, recipe_file)
    (tmp_path / "empty").mkdir()
    assert len(sets.open_set(recipe_file, tmp_path / "empty")) == 12
    with pytest.raises(OutputError, match=r"cannot be made: Not a directory$"):
        sets.open_set(recipe_file, recipe_file / "below" / "more")


def test_histories_are_looked_at_before_a_folder_is_made(tmp_path: Path) -> None:
    text = "[[history]]\nkind = 'stdpopsim'\nspecies = 'HomSap'\nmodel = 'OutOfAfrica_3G09'\npopulation = 'CUE'\n"
    (tmp_path / "r.toml").write_text(changed((HISTORY, text)))
    with pytest.raises(InputError, match="OutOfAfrica_3G09 has no population 'CUE'"):
        sets.open_set(tmp_path / "r.toml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_is_where(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = popscan("simulate", recipe_file, "--out", out, "--threads", 1)
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "simulations  12 of small",
        f"folder       {out / 'shards'}: 1 shards; recipe and versions beside them",
        f"train        popscan train {out / 'recipe.toml'} --simulations {out} --out MODEL",
    ]
    quiet = popscan("simulate", recipe_file, "--out", out, "--threads", 1, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_options_of_the_command_change_the_copy(recipe_file: Path, tmp_path: Path) -> None:
    done = popscan("simulate", recipe_file, "-o", tmp_path / "out", "-t", 1, "--simulations", 3, "--seed", 5, "-q")
    assert done.code == 0, done.err
    kept = read_recipe(tmp_path / "out" / "recipe.toml")
    assert (kept.simulations, kept.seed) == (3, 5)


def test_a_model_of_the_catalogue_is_named(tmp_path: Path) -> None:
    done = popscan("simulate", "recombination-t2", "-o", tmp_path / "out", "-t", 1, "-n", 2)
    assert done.code == 0, done.err
    assert done.err.startswith("simulations  2 of recombination-t2\n")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nothing"], 2, "nothing: no such recipe file, and no such model in the catalogue: there is alignment-"),
        (["r.toml", "--seed", 8], 2, "holds simulations of another recipe than"),
        (["bad.toml"], 1, "unknown field 'sede' in the top"),
    ],
)
def test_failures_are_one_sentence(
    tmp_path: Path, recipe_file: Path, words: list[object], code: int, sentence: str
) -> None:
    sets.open_set(recipe_file, tmp_path / "out")
    (tmp_path / "bad.toml").write_text(changed(("seed =", "sede =")))
    words = [tmp_path / str(word) if str(word).endswith(".toml") else word for word in words]
    done = popscan("simulate", *words, "--out", tmp_path / "out", "-t", 1)
    assert done.code == code
    assert sentence in done.sentence


def test_without_msprime_the_command_says_what_to_install(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    done = popscan("simulate", recipe_file, "--out", tmp_path / "out", "-t", 1)
    assert done.code == 2
    assert done.sentence == ("simulations need msprime, which a plain install leaves out: pip install 'popscan[train]'")


def test_a_run_that_is_stopped_says_how_to_go_on(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(sets, "make", stop)
    done = popscan("simulate", recipe_file, "--out", tmp_path / "out", "-t", 1)
    assert (done.code, done.sentence) == (
        1,
        f"stopped; what is finished is kept in {tmp_path / 'out'}: run the same command again",
    )
