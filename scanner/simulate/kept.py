"""The copy of a recipe beside its simulations: as options changed it, with all that it needs in one folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scanner.errors import InputError
from scanner.files import write_text
from scanner.simulate.recipe import Recipe, parse_recipe

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def overridden(text: str, where: str, folder: Path, changes: Mapping[str, int]) -> str:
    """Write whole numbers into the text of a recipe; everything else stays as it is, comments too.

    Parameters
    ----------
    text, where, folder
        As for `scanner.simulate.recipe.parse_recipe`.
    changes
        New values of fields at the top of the file: ``seed`` and ``simulations``.

    Raises
    ------
    InputError
        Where the recipe is wrong, or so written that the field cannot be found.

    Examples
    --------
    >>> from scanner.simulate.recipe import find_recipe
    >>> path = find_recipe(Path("recombination"))
    >>> overridden(path.read_text(), "recipe", path.parent, {"simulations": 500}).splitlines()[4]
    'simulations = 500'
    """
    fields: Mapping[str, Any] = changes
    wanted = replace(parse_recipe(text, where, folder), **fields)
    table = _TABLE.search(text)
    split = len(text) if table is None else table.start()
    head = text[:split]
    for name, value in changes.items():
        head = re.sub(rf"^([ \t]*{name}[ \t]*=[ \t]*)[0-9_]+", rf"\g<1>{value}", head, flags=re.MULTILINE)
    changed = head + text[split:]
    if parse_recipe(changed, where, folder) != wanted:
        raise InputError(
            f"{where}: {' and '.join(changes)} must stand on lines of their own to be changed by an option"
        )
    return changed


def keep(text: str, where: str, recipe: Recipe, folder: Path) -> None:
    """Write the copy, and beside it the demes files that it names.

    Parameters
    ----------
    text, where
        The recipe's text, and what messages call it.
    recipe
        What it says.
    folder
        Where the copy is kept, as ``recipe.toml``.

    Raises
    ------
    InputError
        Where a demes file is so named that the name cannot be found in the text.
    OutputError
        Where the folder cannot be written.
    """
    for number, history in enumerate(recipe.histories, 1):
        if history.kind == "demes":
            name = f"history-{number}.demes.yaml"
            text = _renamed(text, Path(history.texts["file"]).name, name)
            write_text(folder / name, history.texts["demes"])
    if not _same_files(text, where, recipe, folder):
        raise InputError(
            f"{where}: demes files must be given as plain texts, file = 'NAME', to be kept with the simulations"
        )
    write_text(folder / "recipe.toml", text)


def _same_files(text: str, where: str, recipe: Recipe, folder: Path) -> bool:
    """Tell whether the copy finds the demes files of the recipe."""
    try:
        copy = parse_recipe(text, where, folder)
    except InputError:
        return False
    return all(
        mine.texts.get("demes") == other.texts.get("demes")
        for mine, other in zip(copy.histories, recipe.histories, strict=True)
    )


def _renamed(text: str, old: str, new: str) -> str:
    """Name another file in the first place that names a file of this name."""
    pattern = rf"""(\bfile[ \t]*=[ \t]*)("|')([^"'\n]*/)?{re.escape(old)}\2"""
    return re.sub(pattern, rf'\g<1>"{new}"', text, count=1)
