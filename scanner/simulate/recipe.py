"""Recipes: everything that decides a set of simulations and the network trained on it, in one TOML file."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.errors import InputError
from scanner.simulate.priors import Prior, read_prior

TASKS = ("recombination",)
HISTORIES = {
    "constant": {"size"},
    "piecewise": {"sizes", "times"},
    "demes": {"file", "population", "scale"},
    "stdpopsim": {"species", "model", "population", "scale"},
}
"""Kinds of population history and the fields of each; docs/training.md explains them."""
_OPTIONAL = {"scale", "weight"}


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
        Priors: ``size``; or ``sizes-0``, ``sizes-1`` and so on with ``times-1`` and so on (generations ago); or ``scale``.
    texts
        ``file``, ``species``, ``model``.
    populations
        Where the samples come from, one population a simulation.
    """

    kind: str
    weight: float
    numbers: Mapping[str, Prior] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    populations: tuple[str, ...] = ()


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
class Observation:
    """What happens between a genome and the VCF; drawn anew whenever a simulation is looked at.

    Parameters
    ----------
    haplotypes
        Number that is looked at, out of those simulated; None for all.
    missing
        Share of genotypes that were not called, of a simulation.
    error
        Share of alleles that are read as the other one.
    switch
        Probability of a switch of phase between two neighbouring heterozygous sites of a sample.
    singletons_lost
        Share of the singletons that were not found.
    min_maf
        Sites whose rarer allele is less frequent are left out.
    unphased
        Which chromosome carries the allele of a heterozygote is not known.
    """

    haplotypes: Prior | None = None
    missing: Prior = Prior("choice", (0.0,))
    error: Prior = Prior("choice", (0.0,))
    switch: Prior = Prior("choice", (0.0,))
    singletons_lost: Prior = Prior("choice", (0.0,))
    min_maf: Prior = Prior("choice", (0.0,))
    unphased: bool = False


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
        Haplotypes simulated.
    histories
        Population histories.
    mutation_rate, recombination_rate
        Per bp and generation.
    hotspots
        None: recombination is even along the sequence.
    observation
        From genome to VCF.
    network, training
        Tables for the network and its training.
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


_SECTIONS: Mapping[str, set[str]] = {
    "": {"name", "task", "seed", "simulations", "sequence", "sample", "history", "mutation", "recombination",
         "observation", "network", "training"},
    "sequence": {"length", "max_rho", "discrete"},
    "sample": {"haplotypes"},
    "mutation": {"rate"},
    "recombination": {"rate", "hotspots"},
    "recombination.hotspots": {"share", "spacing", "width", "intensity"},
    "observation": {"haplotypes", "missing", "error", "switch", "singletons_lost", "min_maf", "unphased"},
}  # fmt: skip


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises
    ------
    InputError
        For a field that is missing, unknown or wrong; the message names the file and the field.
    """
    try:
        return parse_recipe(path.read_text(encoding="utf-8"), str(path), path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a recipe: {error}") from error


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
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where} is no TOML: {error}") from error
    reader = _Reader(where)
    reader.known(table, "")
    sequence, recombination = reader.table(table, "sequence"), reader.table(table, "recombination")
    hotspots = recombination.get("hotspots")
    task = reader.text(table, "task")
    if task not in TASKS:
        raise InputError(f"{where}: task '{task}' is not known: there is {', '.join(TASKS)}")
    return Recipe(
        name=reader.text(table, "name"),
        task=task,
        seed=reader.whole(table, "seed", 0),
        simulations=reader.whole(table, "simulations", 1),
        length=reader.prior(sequence, "sequence.length", low=100, high=1e8),
        max_rho=float(sequence.get("max_rho", math.inf)),
        discrete=reader.truth(sequence, "sequence.discrete", True),
        haplotypes=reader.prior(reader.table(table, "sample"), "sample.haplotypes", low=2, high=100_000),
        histories=_histories(table.get("history"), reader, folder),
        mutation_rate=reader.prior(reader.table(table, "mutation"), "mutation.rate", high=1e-3),
        recombination_rate=reader.prior(recombination, "recombination.rate", high=1e-3),
        hotspots=None if hotspots is None else _hotspots(reader, hotspots),
        observation=_observation(reader.table(table, "observation", {}), reader),
        network=reader.table(table, "network", {}),
        training=reader.table(table, "training", {}),
    )


def _hotspots(reader: _Reader, table: dict[str, Any]) -> Hotspots:
    """Read the hotspots."""
    reader.known(table, "recombination.hotspots")
    at = "recombination.hotspots."
    return Hotspots(
        reader.prior(table, at + "share", high=1).values[0],
        reader.prior(table, at + "spacing", low=1),
        reader.prior(table, at + "width", low=1),
        reader.prior(table, at + "intensity", low=1),
    )


def _observation(table: dict[str, Any], reader: _Reader) -> Observation:
    """Read what sequencing does."""
    found: dict[str, Any] = {}
    for name in ("missing", "error", "switch", "singletons_lost", "min_maf"):
        if name in table:
            found[name] = reader.prior(table, f"observation.{name}", high=1)
    if "haplotypes" in table:
        found["haplotypes"] = reader.prior(table, "observation.haplotypes", low=2)
    return Observation(**found, unphased=reader.truth(table, "observation.unphased", False))


def _histories(listed: object, reader: _Reader, folder: Path) -> tuple[History, ...]:
    """Read the population histories."""
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{reader.where}: at least one [[history]] is needed")
    return tuple(_history(table, f"history {number}", reader, folder) for number, table in enumerate(listed, 1))


def _history(table: dict[str, Any], at: str, reader: _Reader, folder: Path) -> History:
    """Read one population history."""
    kind = table.get("kind")
    if kind not in HISTORIES:
        raise InputError(f"{reader.where}: {at}: kind {kind!r} is not known: there is {', '.join(HISTORIES)}")
    fields = HISTORIES[kind]
    for name in sorted(fields - _OPTIONAL - set(table)):
        raise InputError(f"{reader.where}: {at}: a {kind} history needs '{name}'")
    for name in sorted(set(table) - fields - {"kind", "weight"}):
        raise InputError(f"{reader.where}: {at}: unknown field '{name}'; a {kind} history has {', '.join(sorted(fields))}")
    numbers: dict[str, Prior] = {}
    for name in sorted(fields & {"size", "scale"} & set(table)):
        numbers[name] = read_prior(table[name], f"{reader.where}: {at}.{name}", low=1e-6)
    for name, first in (("sizes", 0), ("times", 1)):
        for number, value in enumerate(table.get(name, ()), first):
            numbers[f"{name}-{number}"] = read_prior(value, f"{reader.where}: {at}.{name}", low=1e-6)
    if kind == "piecewise" and len(table["sizes"]) != len(table["times"]) + 1:
        raise InputError(f"{reader.where}: {at}: {len(table['sizes'])} sizes need one time of change fewer")
    texts = {name: str(table[name]) for name in ("file", "species", "model") if name in table}
    if "file" in texts:
        texts["file"] = str((folder / texts["file"]).resolve())
    named = table.get("population", ())
    populations = (named,) if isinstance(named, str) else tuple(named)
    weight = read_prior(table.get("weight", 1.0), f"{reader.where}: {at}.weight").values[0]
    return History(kind, weight, numbers, texts, populations)


@dataclass(frozen=True)
class _Reader:
    """Takes fields out of tables, and says where one is wrong."""

    where: str

    def known(self, table: object, section: str) -> None:
        """Refuse what is no table, and unknown fields."""
        if not isinstance(table, dict):
            raise InputError(f"{self.where}: [{section}] must be a table")
        for name in sorted(set(table) - _SECTIONS[section]):
            place = f"[{section}]" if section else "the top"
            raise InputError(
                f"{self.where}: unknown field '{name}' in {place}; there is {', '.join(sorted(_SECTIONS[section]))}"
            )

    def _need(self, table: Mapping[str, Any], path: str) -> Any:
        name = path.split(".")[-1]
        if name not in table:
            raise InputError(f"{self.where}: the field {path} is missing")
        return table[name]

    def table(self, table: Mapping[str, Any], name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take a section."""
        if default is not None and name not in table:
            return default
        found: dict[str, Any] = self._need(table, name)
        if name in _SECTIONS:
            self.known(found, name)
        elif not isinstance(found, dict):
            raise InputError(f"{self.where}: [{name}] must be a table")
        return found

    def text(self, table: Mapping[str, Any], path: str) -> str:
        """Take a text."""
        found = self._need(table, path)
        if not isinstance(found, str) or not found or not found.isprintable():
            raise InputError(f"{self.where}: {path} must be a text on one line, not {found!r}")
        return found

    def whole(self, table: Mapping[str, Any], path: str, low: int) -> int:
        """Take a whole number."""
        found = self._need(table, path)
        if type(found) is not int or found < low:
            raise InputError(f"{self.where}: {path} must be a whole number from {low} on, not {found!r}")
        return found

    def truth(self, table: Mapping[str, Any], path: str, default: bool) -> bool:
        """Take a truth value."""
        found = table.get(path.split(".")[-1], default)
        if not isinstance(found, bool):
            raise InputError(f"{self.where}: {path} must be true or false, not {found!r}")
        return found

    def prior(self, table: Mapping[str, Any], path: str, *, low: float = 0.0, high: float = math.inf) -> Prior:
        """Take a number that may differ between simulations."""
        return read_prior(self._need(table, path), f"{self.where}: {path}", low=low, high=high)
