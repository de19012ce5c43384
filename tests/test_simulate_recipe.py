"""Recipes: what is read, and every sentence with which one is refused."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from recipes import DEMES, SMALL, changed, recipe

from scanner.catalogue import catalogue_folder
from scanner.errors import InputError, UsageError
from scanner.simulate.kept import overridden
from scanner.simulate.observation import ALWAYS, Observation
from scanner.simulate.priors import Prior
from scanner.simulate.recipe import HISTORIES, NAME, TASKS, find_recipe, parse_recipe, read_recipe

CATALOGUE = sorted(catalogue_folder("models").glob("*/recipe.toml"))
SIZE = "size = { log_uniform = [500, 2000] }"
HISTORY = f'[[history]]\nkind = "constant"\n{SIZE}\n'
HOTSPOTS = ("1e-6] }\n", "1e-6] }\nhotspots = { share = 0.5, spacing = 9, width = 2, intensity = 5 }\n")


def test_the_catalogue_has_recipes() -> None:
    assert len(CATALOGUE) >= 2


@pytest.mark.parametrize("path", CATALOGUE, ids=lambda path: path.parent.name)
def test_every_recipe_of_the_catalogue_is_read(path: Path) -> None:
    found = read_recipe(path)
    assert found.name == path.parent.name
    assert found.task in TASKS
    assert find_recipe(Path(path.parent.name)) == path


def test_a_recipe_says_what_it_says() -> None:
    found = recipe()
    assert (found.name, found.seed, found.simulations, found.discrete) == ("small", 7, 12, True)
    assert found.haplotypes == Prior("choice", (8.0, 11.0))
    assert found.max_rho == float("inf")
    assert found.histories[0].numbers == {"size": Prior("log_uniform", (500.0, 2000.0))}
    assert found.observation == Observation()
    assert found.hotspots is None


def test_optional_fields_are_read() -> None:
    found = recipe(
        ("length = 3000", "length = 3000\nmax_rho = 50\ndiscrete = false"),
        HOTSPOTS,
        (
            HISTORY,
            HISTORY
            + '\n[[history]]\nkind = "piecewise"\nweight = 3\nsizes = [1, 2, {uniform = [3, 4]}]\ntimes = [5, 6]\n',
        ),
        ("[mutation]", "[observation]\nmissing = 0.1\nmin_maf = 0.02\nunphased = true\nhaplotypes = 4\n\n[mutation]"),
        ("[mutation]", "[network]\nwidth = 3\n[training]\nepochs = 4\n[mutation]"),
    )
    assert (found.max_rho, found.discrete) == (50.0, False)
    assert found.hotspots is not None
    assert (found.hotspots.share, found.hotspots.width) == (0.5, Prior("choice", (2.0,)))
    assert found.histories[1].weight == 3.0
    assert list(found.histories[1].numbers) == ["sizes-0", "sizes-1", "sizes-2", "times-1", "times-2"]
    assert (found.observation.missing, found.observation.unphased) == (Prior("choice", (0.1,)), (ALWAYS,))
    assert (dict(found.network), dict(found.training)) == ({"width": 3}, {"epochs": 4})


def other(history: str) -> tuple[str, str]:
    return (HISTORY, f"[[history]]\n{history}\n")


REFUSED = {
    "name": (('"small"', '"Small one"'), "name 'Small one' must be at most 40 lower-case letters, digits, - and _"),
    "long name": (('"small"', f'"{"a" * 41}"'), "must be at most 40 lower-case letters"),
    "no TOML": (("name = ", "name "), "r.toml is no TOML: "),
    "unknown field": (
        ("seed = 7", "seed = 7\nsede = 8"),
        "unknown field 'sede' in the top; there is alignment, history, introgression, mutation",
    ),
    "unknown field of a section": (
        ("length =", "width = 3\nlength ="),
        "unknown field 'width' in [sequence]; there is discrete",
    ),
    "missing field": (("seed = 7\n", ""), "the field seed is missing"),
    "missing section": (("[mutation]\nrate = 3e-7\n", ""), "the field mutation is missing"),
    "missing field of a section": (("length = 3000", ""), "the field sequence.length is missing"),
    "no section": (("[sequence]\nlength = 3000\n", ""), "the field sequence is missing"),
    "a section that is none": (("seed = 7", "seed = 7\nobservation = 3"), "[observation] must be a table, not 3"),
    "a free section that is none": (("seed = 7", "seed = 7\nnetwork = 3"), "[network] must be a table, not 3"),
    "text": (('"small"', '""'), "name must be a text on one line, not ''"),
    "text that is none": (('"small"', "3"), "name must be a text on one line, not 3"),
    "two lines": (('"small"', '"a\\nb"'), "name must be a text on one line, not 'a\\nb'"),
    "task": (('"recombination"', '"sweeps"'), "task 'sweeps' is not known: there is recombination"),
    "whole": (("seed = 7", "seed = 7.5"), "seed must be a whole number from 0 on, not 7.5"),
    "whole that is a truth value": (("seed = 7", "seed = true"), "seed must be a whole number from 0 on, not True"),
    "no simulations": (("simulations = 12", "simulations = 0"), "simulations must be a whole number from 1 on, not 0"),
    "length": (("length = 3000", "length = 99"), "sequence.length must lie between 100 and 1e+08, not [99]"),
    "max_rho": (("length =", 'max_rho = "a"\nlength ='), "sequence.max_rho must be one number above 0, not 'a'"),
    "discrete": (("length =", "discrete = 1\nlength ="), "sequence.discrete must be true or false, not 1"),
    "haplotypes": (("[8, 11]", "[1, 11]"), "sample.haplotypes must lie between 2 and 100000, not [1, 11]"),
    "no mutation": (("rate = 3e-7", "rate = 0"), "mutation.rate must lie between 1e-15 and 0.001, not [0]"),
    "rate": (("1e-6]", "1e-2]"), "recombination.rate must lie between 1e-15 and 0.001, not [1e-08, 0.01]"),
    "no history": ((HISTORY, ""), "at least one [[history]] is needed"),
    "kind": (
        other("kind = 'cyclic'"),
        "history 1: kind 'cyclic' is not known: there is constant, piecewise, demes, stdpopsim",
    ),
    "no kind": (other("size = 3"), "the field history 1.kind is missing"),
    "odd kind": (other("kind = []"), "history 1.kind must be a text on one line, not []"),
    "needs": (other("kind = 'constant'"), "history 1: a constant history needs 'size'"),
    "needs more": (
        other("kind = 'stdpopsim'\nspecies = 'HomSap'\nmodel = 'x'"),
        "history 1: a stdpopsim history needs 'population'",
    ),
    "unknown field of a history": (
        other("kind = 'constant'\nsize = 1\nscale = 2"),
        "history 1: unknown field 'scale'; a constant history has size",
    ),
    "sweeps of another task": (
        other("kind = 'constant'\nsize = 1\nsweeps = false"),
        "history 1: unknown field 'sweeps'; a constant history has size",
    ),
    "size": (other("kind = 'constant'\nsize = 0"), "history 1.size must be at least 1e-06, not [0]"),
    "weight": (other("kind = 'constant'\nsize = 1\nweight = 0"), "history 1.weight must be one number above 0, not 0"),
    "sizes": (other("kind = 'piecewise'\nsizes = 5\ntimes = [1]"), "history 1.sizes must be a list of numbers, not 5"),
    "neither times nor durations": (
        other("kind = 'piecewise'\nsizes = [1, 2]"),
        "history 1: a piecewise history needs 'times' or 'durations', one of the two",
    ),
    "times and durations": (
        other("kind = 'piecewise'\nsizes = [1, 2]\ntimes = [3]\ndurations = [3]"),
        "history 1: a piecewise history needs 'times' or 'durations', one of the two",
    ),
    "durations": (
        other("kind = 'piecewise'\nsizes = [1, 2]\ndurations = [1, 2]"),
        "history 1: 2 sizes need 1 durations, not 2",
    ),
    "reference size": (
        other("kind = 'piecewise'\nsizes = [1, 2]\ntimes = [3]\nreference_size = 0"),
        "history 1.reference_size must be at least 1e-06, not [0]",
    ),
    "times": (
        other("kind = 'piecewise'\nsizes = [1, 2]\ntimes = [1, 2]"),
        "history 1: 2 sizes need 1 times of change, not 2",
    ),
    "population": (
        other("kind = 'stdpopsim'\nspecies = 'a'\nmodel = 'x'\npopulation = [1]"),
        "history 1.population must be a text or a list of texts, not [1]",
    ),
    "no population": (
        other("kind = 'stdpopsim'\nspecies = 'a'\nmodel = 'x'\npopulation = []"),
        "history 1.population must be a text or a list of texts, not []",
    ),
    "no demes file": (
        other("kind = 'demes'\nfile = 'none.yaml'\npopulation = 'A'"),
        "none.yaml cannot be read: No such file or directory",
    ),
    "hotspots": (("1e-6] }\n", "1e-6] }\nhotspots = 3\n"), "[recombination.hotspots] must be a table, not 3"),
    "hotspots lack": (
        ("1e-6] }\n", "1e-6] }\nhotspots = {width = 2, spacing = 3, intensity = 4}\n"),
        "the field recombination.hotspots.share is missing",
    ),
    "share": (
        ("1e-6] }\n", HOTSPOTS[1].replace("0.5", "1.5")),
        "recombination.hotspots.share must be one number above 0 and at most 1, not 1.5",
    ),
    "share that is a prior": (
        ("1e-6] }\n", HOTSPOTS[1].replace("0.5", "{uniform = [0, 1]}")),
        "recombination.hotspots.share must be one number above 0 and at most 1, not {",
    ),
    "intensity": (
        ("1e-6] }\n", HOTSPOTS[1].replace("= 5", "= 0.5")),
        "recombination.hotspots.intensity must be at least 1, not [0.5]",
    ),
    "observation": (
        ("[mutation]", "[observation]\nmissing = 2\n[mutation]"),
        "observation.missing must lie between 0 and 1, not [2]",
    ),
    "min_maf": (
        ("[mutation]", "[observation]\nmin_maf = 0.6\n[mutation]"),
        "observation.min_maf must lie between 0 and 0.5, not [0.6]",
    ),
    "masked": (
        ("[mutation]", "[observation]\nmasked = 0.95\n[mutation]"),
        "observation.masked must lie between 0 and 0.9, not [0.95]",
    ),
    "masked length": (
        ("[mutation]", "[observation]\nmasked_length = 0.5\n[mutation]"),
        "observation.masked_length must be at least 1, not [0.5]",
    ),
    "unknown of observation": (
        ("[mutation]", "[observation]\nerrors = 2\n[mutation]"),
        "unknown field 'errors' in [observation]; there is error, haplotypes",
    ),
    "unphased": (
        ("[mutation]", "[observation]\nunphased = 'no'\n[mutation]"),
        "observation.unphased must be true or false, not 'no'",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_recipe_is_refused(what: str) -> None:
    change, sentence = REFUSED[what]
    with pytest.raises(InputError) as caught:
        recipe(change)
    assert str(caught.value).startswith("r.toml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("[]", "r.toml: at least one [[history]] is needed"),
        ("[3]", "r.toml: history 1 must be a table, [[history]], not 3"),
    ],
)
def test_histories_that_are_none_are_refused(listed: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe((HISTORY, ""), ("seed = 7", f"seed = 7\nhistory = {listed}"))
    assert str(caught.value) == sentence


def test_the_recipe_of_the_documentation_is_one() -> None:
    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text()
    blocks = re.findall(r"```toml\n(name = .*?)```", page, flags=re.DOTALL)
    assert blocks
    for text in blocks:
        found = parse_recipe(text, "docs/training.md")
        assert found.hotspots is not None
        for name in (field.name for field in fields(Observation)):
            assert f"\n{name} = " in text, f"observation.{name} is not documented"
    for kind, names in HISTORIES.items():
        for name in (kind, *names):
            assert f"`{name}`" in page, f"{kind}: {name} is not documented"


def test_a_recipe_may_have_the_names_that_a_model_may_have() -> None:
    from scanner.network.spec import _name

    for name in ("a", "a-b_c", "0", "", "-a", "_a", "A", "a b", "ä", "a" * 40, "a" * 41):
        assert (NAME.fullmatch(name) is not None) == _name(name)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: no such file$"):
        read_recipe(tmp_path / "none.toml")


def test_no_recipe_at_all(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"binary\.toml cannot be read as a recipe: it is no text$"):
        read_recipe(tmp_path / "binary.toml")
    with pytest.raises(InputError, match=r"cannot be read as a recipe: Is a directory$"):
        read_recipe(tmp_path)


def test_a_recipe_is_found_by_path_first_and_else_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("recombination")).parent.name == "recombination"
    Path("recombination").write_text(SMALL)
    assert find_recipe(Path("recombination")) == Path("recombination")
    with pytest.raises(
        UsageError, match=r"^nothing: no such recipe file, and no such model .* there is .*recombination, "
    ):
        find_recipe(Path("nothing"))


def test_a_demes_file_is_found_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(DEMES)
    text = changed(other("kind = 'demes'\nfile = 'model.yaml'\npopulation = 'A'"))
    (tmp_path / "r.toml").write_text(text)
    (history,) = read_recipe(tmp_path / "r.toml").histories
    assert (history.texts["demes"], history.populations) == (DEMES, ("A",))
    assert history.texts["file"] == str(tmp_path / "model.yaml")


def test_an_option_changes_its_field_and_nothing_else() -> None:
    text = overridden(SMALL, "r.toml", Path(), {"simulations": 500, "seed": 8})
    assert text == changed(("seed = 7", "seed = 8"), ("simulations = 12", "simulations = 500"))
    assert overridden(SMALL, "r.toml", Path(), {}) == SMALL


def test_a_field_that_cannot_be_found_is_not_changed() -> None:
    text = changed(("seed = 7", '"seed" = 7'))
    assert parse_recipe(text, "r.toml").seed == 7
    with pytest.raises(
        InputError, match=r"^r\.toml: seed must stand on lines of their own to be changed by an option$"
    ):
        overridden(text, "r.toml", Path(), {"seed": 8})


def test_a_field_of_the_same_name_in_a_section_stays() -> None:
    text = SMALL + "\n[training]\nseed = 3\nsimulations = 4\n"
    found = parse_recipe(overridden(text, "r.toml", Path(), {"seed": 8}), "r.toml")
    assert (found.seed, dict(found.training)) == (8, {"seed": 3, "simulations": 4})
