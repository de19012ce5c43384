"""Sets of simulations on disk: shards of bit-packed haplotypes with what was drawn, made once and read many times."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError, OutputError
from scanner.files import write_text
from scanner.parts import PartStore
from scanner import provenance
from scanner.simulate.coalescent import Simulation, simulate_one
from scanner.simulate.recipe import Recipe, read_recipe
from scanner.workers import Mapper

SHARD = 250
"""Simulations a shard."""
FORMAT = 1


@dataclass(frozen=True)
class Task:
    """One shard to make."""

    recipe: Recipe
    store: PartStore
    shard: int

    @property
    def records(self) -> int:
        """Number of simulations."""
        return min(SHARD, self.recipe.simulations - self.shard * SHARD)


@dataclass(frozen=True)
class SimulationSet:
    """Simulations of one recipe on disk.

    Parameters
    ----------
    folder
        Where they are.
    recipe
        What made them.
    """

    folder: Path
    recipe: Recipe

    def __len__(self) -> int:
        """Count the simulations."""
        return self.recipe.simulations

    @property
    def store(self) -> PartStore:
        """The shards."""
        return PartStore(self.folder / "shards", digest(self.recipe))

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-len(self) // SHARD)

    def missing(self) -> list[Task]:
        """List the shards that are still to be made."""
        found = (Task(self.recipe, self.store, shard) for shard in range(self.shards))
        return [task for task in found if not self._is_whole(task)]

    def read(self, shard: int) -> list[Simulation]:
        """Read one shard.

        Raises
        ------
        OutputError
            Where it is missing or damaged.
        """
        return list(_unpacked(self.store.load(shard_name(shard))))

    def _is_whole(self, task: Task) -> bool:
        facts = self.store.facts(shard_name(task.shard))
        return facts is not None and facts["simulations"] == task.records


def shard_name(shard: int) -> str:
    """Name a shard on disk.

    Examples
    --------
    >>> shard_name(3)
    'shard-000003'
    """
    return f"shard-{shard:06d}"


def digest(recipe: Recipe) -> str:
    """Reduce all that decides the simulations to a short name: the network and its training have no say in them."""
    plain = asdict(replace(recipe, name="", network={}, training={}))
    for name in ("observation", "simulations"):  # a longer set of the same seed begins with the shorter one
        del plain[name]
    return provenance.digest({"format": FORMAT, **plain})


def open_set(recipe_file: Path, folder: Path) -> SimulationSet:
    """Make or find a set of simulations.

    Parameters
    ----------
    recipe_file
        The recipe; a copy is kept beside the simulations.
    folder
        Where they are or will be.

    Raises
    ------
    InputError
        Where the folder holds simulations of another recipe.
    OutputError
        Where it cannot be made.
    """
    recipe = read_recipe(recipe_file)
    held = folder / "recipe.toml"
    if held.is_file() and digest(read_recipe(held)) != digest(recipe):
        raise InputError(f"{folder} holds simulations of another recipe than {recipe_file}: name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(held, recipe_file.read_text(encoding="utf-8"))
        write_text(folder / "provenance.json", provenance.as_json({"versions": provenance.versions(), "seed": recipe.seed}))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return SimulationSet(folder, recipe)


def make(task: Task) -> int:
    """Make one shard and commit it; gives the number of simulations."""
    first = task.shard * SHARD
    made = [simulate_one(task.recipe, index) for index in range(first, first + task.records)]
    task.store.save(shard_name(task.shard), _packed(made), {"simulations": len(made)})
    return len(made)


def complete(simulations: SimulationSet, mapper: Mapper) -> Iterator[int]:
    """Make every shard that is missing, and yield how many simulations each had."""
    yield from mapper(make, simulations.missing())


def _packed(made: list[Simulation]) -> dict[str, NDArray[Any]]:
    """Lay simulations end to end."""
    names = sorted({name for item in made for name in item.parameters})
    drawn = [[item.parameters.get(name, np.nan) for name in names] for item in made]
    return {
        "shape": np.array([item.alleles.shape for item in made], np.int32).reshape(-1, 2),
        "length": np.array([item.length for item in made], np.int64),
        "positions": np.concatenate([item.positions for item in made]).astype(np.uint32),
        "alleles": np.concatenate([np.packbits(item.alleles, axis=None) for item in made]),
        "names": np.array(names),
        "parameters": np.array(drawn, np.float64),
        "map_size": np.array([len(item.map_start) for item in made], np.int32),
        "map_start": np.concatenate([item.map_start for item in made]),
        "map_rate": np.concatenate([item.map_rate for item in made]),
    }


def _unpacked(held: dict[str, NDArray[Any]]) -> Iterator[Simulation]:
    """Take simulations apart again."""
    sites, width = held["shape"].astype(np.int64).T
    names = [str(name) for name in held["names"]]
    cut = functools.partial(_pieces, held)
    pieces = zip(
        cut("positions", sites),
        cut("alleles", -(-sites * width // 8)),
        cut("map_start", held["map_size"]),
        cut("map_rate", held["map_size"]),
        strict=True,
    )
    for number, (positions, bits, map_start, map_rate) in enumerate(pieces):
        shape = int(sites[number]), int(width[number])
        alleles = np.unpackbits(bits, count=shape[0] * shape[1]).astype(np.int8).reshape(shape)
        drawn = dict(zip(names, held["parameters"][number].tolist(), strict=True))
        yield Simulation(int(held["length"][number]), positions.astype(np.int64), alleles, drawn, map_start, map_rate)


def _pieces(held: dict[str, NDArray[Any]], name: str, sizes: NDArray[Any]) -> list[NDArray[Any]]:
    """Cut an array into consecutive pieces."""
    return np.split(held[name], np.cumsum(sizes)[:-1])
