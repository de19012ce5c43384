"""Recipes: everything that decides a set of simulations and the network trained on it, in one TOML file."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.catalogue import catalogue_folder
from scanner.errors import InputError, UsageError
from scanner.simulate.fields import Fields
from scanner.simulate.introgression import MOST, Introgression, read_introgression, read_samples
from scanner.simulate.introgression import SECTIONS as INTROGRESSION
from scanner.simulate.observation import SECTIONS as OBSERVATION
from scanner.simulate.observation import Observation, read_observation
from scanner.simulate.priors import Prior
from scanner.simulate.sweeps import SECTIONS, Sweep, read_sweep

TASKS = ("recombination", "demography", "diversity", "sweep", "introgression")
HISTORIES = {
    "constant": {"size"},
    "piecewise": {"sizes", "times", "durations", "reference_size"},
    "demes": {"file", "population", "scale"},
    "stdpopsim": {"species", "model", "population", "scale"},
}
"""Kinds of population history and the fields of each; docs/training.md explains them."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Names that recipes and models may have."""
_OPTIONAL = {"scale", "weight", "times", "durations", "reference_size"}
MAX_TILE = 65_536
"""Most sites that a network may be trained on at once, ``training.tile``."""
LEAST_RATE = 1e-15
"""Smallest rate of mutation or recombination: without any there is nothing to see, or to estimate."""


@dataclass(frozen=True)
class History:
    """One kind of population history; a recipe may mix several.

    Parameters
    ----------
    kind
        Out of `HISTORIES`.
    weight
        Share of the simulations, relative to the other histories.
    numbers
        Priors: ``size``; or ``sizes-0``, ``sizes-1`` and so on with ``times-1`` and so on (generations ago) or
        ``durations-1`` and so on (generations), and ``reference_size`` where these are those of a population of
        another size; or ``scale``.
    texts
        ``species`` and ``model``; or ``file``, a path, and ``demes``, what it holds: other machines may not see it.
    populations
        Where the samples come from, one population a simulation.
    sweeps
        False: all its simulations are neutral ones, whatever classes the recipe has.
    """

    kind: str
    weight: float
    numbers: Mapping[str, Prior] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    populations: tuple[str, ...] = ()
    sweeps: bool = True


@dataclass(frozen=True)
class Hotspots:
    """Recombination hotspots on an even background.

    Parameters
    ----------
    share
        Share of the simulations that have any.
    spacing, width
        Mean distance and length in bp.
    intensity
        How many times the background.
    """

    share: float
    spacing: Prior
    width: Prior
    intensity: Prior


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a set of simulations.

    Parameters
    ----------
    name, task, seed, simulations
        What it is called and for, where randomness starts, and how many.
    length, max_rho
        bp of a simulation; it is cut shorter where 4 N r times length would exceed ``max_rho``, which takes for ever.
    discrete
        Sites at whole bp, so that one may be hit twice; else at any point, as infinitely many sites have it.
    haplotypes
        Haplotypes simulated; of two populations, those of the first.
    histories
        Population histories; none where there is ``introgression``.
    mutation_rate, recombination_rate
        Per bp and generation.
    hotspots
        None: recombination is even along the sequence.
    observation
        From genome to VCF.
    network, training
        Tables for the network and its training.
    alignment
        Table for a published network that sees alignments, and its training; empty: none is asked for.
    sweep
        Selective sweeps; None: everything is neutral.
    introgression
        Two populations and what went over; None: there is one.
    """

    name: str
    task: str
    seed: int
    simulations: int
    length: Prior
    max_rho: float
    discrete: bool
    haplotypes: Prior
    histories: tuple[History, ...]
    mutation_rate: Prior
    recombination_rate: Prior
    hotspots: Hotspots | None = None
    observation: Observation = field(default_factory=Observation)
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    sweep: Sweep | None = None
    introgression: Introgression | None = None
    alignment: Mapping[str, Any] = field(default_factory=dict)


_SECTIONS: Mapping[str, set[str]] = {
    "": {"name", "task", "seed", "simulations", "sequence", "sample", "history", "mutation", "recombination",
         "observation", "network", "training", "sweep", "introgression", "alignment"},
    "sequence": {"length", "max_rho", "discrete"},
    "sample": {"haplotypes"},
    "mutation": {"rate"},
    "recombination": {"rate", "hotspots"},
    "recombination.hotspots": {"share", "spacing", "width", "intensity"},
    **OBSERVATION,
    **SECTIONS,
    **INTROGRESSION,
}  # fmt: skip


def find_recipe(recipe: Path) -> Path:
    """Find a recipe: a file, or that of a model of the catalogue.

    Parameters
    ----------
    recipe
        Path, or name of a model.

    Raises
    ------
    UsageError
        Where there is neither.

    Examples
    --------
    >>> find_recipe(Path("recombination")).name
    'recipe.toml'
    """
    if recipe.is_file():
        return recipe
    folder = catalogue_folder("models")
    known = sorted(entry.parent.name for entry in folder.glob("*/recipe.toml"))
    if str(recipe) in known:
        return folder / recipe / "recipe.toml"
    raise UsageError(f"{recipe}: no such recipe file, and no such model in the catalogue: there is {', '.join(known)}")


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    UsageError
        Where there is no such file.
    InputError
        For a field that is missing, unknown or wrong; the message names the file and the field.
    """
    return parse_recipe(read_text(path), str(path), path.parent)


def read_text(path: Path) -> str:
    """Read the text of a recipe; see `read_recipe`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as a recipe: it is no text") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read as a recipe: {error.strerror or error}") from error


def parse_recipe(text: str, where: str, folder: Path = Path()) -> Recipe:
    """Read a recipe's text; see `read_recipe`.

    Parameters
    ----------
    text
        TOML.
    where
        What messages call it.
    folder
        Relative paths in it start here.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{where} is no TOML: {error}") from error
    fields = Fields(where, _SECTIONS)
    fields.known(table, "")
    sequence, recombination = fields.table(table, "sequence"), fields.table(table, "recombination")
    hotspots = recombination.get("hotspots")
    task = fields.text(table, "task")
    if task not in TASKS:
        raise InputError(f"{where}: task '{task}' is not known: there is {', '.join(TASKS)}")
    return Recipe(
        name=_name(table, fields),
        task=task,
        seed=fields.whole(table, "seed", 0),
        simulations=fields.whole(table, "simulations", 1),
        length=fields.prior(sequence, "sequence.length", low=100, high=1e8),
        max_rho=fields.number(sequence, "sequence.max_rho", math.inf),
        discrete=fields.truth(sequence, "sequence.discrete", True),
        haplotypes=_haplotypes(fields.table(table, "sample"), fields, task),
        histories=_histories(table.get("history"), fields, folder, task),
        mutation_rate=fields.prior(fields.table(table, "mutation"), "mutation.rate", low=LEAST_RATE, high=1e-3),
        recombination_rate=fields.prior(recombination, "recombination.rate", low=LEAST_RATE, high=1e-3),
        hotspots=None if hotspots is None else _hotspots(fields, hotspots),
        observation=read_observation(fields, fields.table(table, "observation", {}), task),
        network=fields.table(table, "network", {}),
        training=fields.table(table, "training", {}),
        sweep=read_sweep(fields, table, task),
        introgression=read_introgression(fields, table, task),
        alignment=fields.table(table, "alignment", {}),
    )


def _name(table: dict[str, Any], fields: Fields) -> str:
    """Read the name, which will be that of a model."""
    name = fields.text(table, "name")
    if NAME.fullmatch(name) is None:
        raise InputError(
            f"{fields.where}: name '{name}' must be at most 40 lower-case letters, digits, - and _, the first no - or _"
        )
    return name


def _hotspots(fields: Fields, table: dict[str, Any]) -> Hotspots:
    """Read the hotspots."""
    fields.known(table, "recombination.hotspots")
    at = "recombination.hotspots."
    fields.need(table, at + "share")
    return Hotspots(
        fields.number(table, at + "share", 1.0, high=1),
        fields.prior(table, at + "spacing", low=1),
        fields.prior(table, at + "width", low=1),
        fields.prior(table, at + "intensity", low=1),
    )


def _haplotypes(sample: dict[str, Any], fields: Fields, task: str) -> Prior:
    """Read how many haplotypes there are of the first population, or of the only one."""
    if task == "introgression":
        return read_samples(fields, sample)[0]
    return fields.prior(sample, "sample.haplotypes", low=2, high=MOST)


def _histories(listed: object, fields: Fields, folder: Path, task: str) -> tuple[History, ...]:
    """Read the population histories."""
    if task == "introgression":
        if listed is not None:
            raise InputError(f"{fields.where}: task 'introgression' has its history in [introgression]: no [[history]]")
        return ()
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{fields.where}: at least one [[history]] is needed")
    common = {"kind", "weight"} | ({"sweeps"} if task == "sweep" else set())
    return tuple(_history(table, f"history {number}", fields, folder, common) for number, table in enumerate(listed, 1))


def _history(table: object, at: str, fields: Fields, folder: Path, common: set[str]) -> History:
    """Read one population history."""
    if not isinstance(table, dict):
        raise InputError(f"{fields.where}: {at} must be a table, [[history]], not {table!r}")
    kind = fields.text(table, f"{at}.kind")
    if kind not in HISTORIES:
        raise InputError(f"{fields.where}: {at}: kind '{kind}' is not known: there is {', '.join(HISTORIES)}")
    known = HISTORIES[kind]
    for name in sorted(known - _OPTIONAL - set(table)):
        raise InputError(f"{fields.where}: {at}: a {kind} history needs '{name}'")
    for name in sorted(set(table) - known - common):
        there = ", ".join(sorted(known))
        raise InputError(f"{fields.where}: {at}: unknown field '{name}'; a {kind} history has {there}")
    numbers: dict[str, Prior] = {}
    for name in sorted(known & {"size", "scale", "reference_size"} & set(table)):
        numbers[name] = fields.prior(table, f"{at}.{name}", low=1e-6)
    if kind == "piecewise":
        numbers.update(_steps(table, at, fields))
    texts = {str(name): fields.text(table, f"{at}.{name}") for name in ("species", "model") if name in table}
    if kind == "demes":
        path = (folder / fields.text(table, f"{at}.file")).resolve()
        texts.update({"file": str(path), "demes": _demes_text(path, f"{fields.where}: {at}")})
    populations = fields.texts(table, f"{at}.population") if "population" in known else ()
    weight, sweeps = fields.number(table, f"{at}.weight", 1.0), fields.truth(table, f"{at}.sweeps", True)
    return History(kind, weight, numbers, texts, populations, sweeps)


def _steps(table: dict[str, Any], at: str, fields: Fields) -> dict[str, Prior]:
    """Read the sizes of a piecewise history, and the times between them or how long each lasted."""
    if ("times" in table) == ("durations" in table):
        raise InputError(f"{fields.where}: {at}: a piecewise history needs 'times' or 'durations', one of the two")
    changes, called = ("times", "times of change") if "times" in table else ("durations", "durations")
    sizes, steps = (fields.priors(table, f"{at}.{name}", low=1e-6) for name in ("sizes", changes))
    if len(sizes) != len(steps) + 1:
        raise InputError(f"{fields.where}: {at}: {len(sizes)} sizes need {len(sizes) - 1} {called}, not {len(steps)}")
    named = {f"sizes-{number}": size for number, size in enumerate(sizes)}
    return {**named, **{f"{changes}-{number}": step for number, step in enumerate(steps, 1)}}


def _demes_text(path: Path, where: str) -> str:
    """Read a demes file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
