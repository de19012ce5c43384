"""Sets of simulations on disk: shards of bit-packed haplotypes with what was drawn, made once and read many times."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner import provenance
from scanner.errors import InputError, OutputError, UsageError
from scanner.files import write_text
from scanner.parts import PartStore
from scanner.simulate.coalescent import Simulation, simulate_one
from scanner.simulate.forward import forward_engine
from scanner.simulate.histories import check_alone, check_histories
from scanner.simulate.kept import keep, overridden
from scanner.simulate.recipe import Recipe, parse_recipe, read_recipe, read_text
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

    def size(self, shard: int) -> int:
        """Count the simulations of a shard."""
        return min(SHARD, len(self) - shard * SHARD)

    def seen_as(self, shard: int) -> str:
        """Name what was seen of a shard: the last one of a set that grows is to be seen again.

        Its number, and how many simulations it had where it was not full.
        """
        count = self.size(shard)
        return f"{shard:06d}" + ("" if count == SHARD else f"-{count}")

    def held_out(self, share: float) -> int:
        """Count the shards at the end of the set that nothing is trained on.

        Parameters
        ----------
        share
            Of the simulations.

        Raises
        ------
        InputError
            Where there is but one.
        """
        if self.shards < 2:
            raise InputError(
                f"{self.folder}: {len(self)} simulations are too few: some must be held out, so give at least 500"
            )
        return min(self.shards - 1, max(1, round(share * self.shards)))

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
        wanted = self.size(shard)  # the set may have been longer once
        return list(_unpacked(self.store.load(shard_name(shard))))[:wanted]

    def _is_whole(self, task: Task) -> bool:
        facts = self.store.facts(shard_name(task.shard))
        return facts is not None and facts.get("simulations", 0) >= task.records


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
    return provenance.digest(_identity(recipe))


def _identity(recipe: Recipe) -> dict[str, Any]:
    """List all that decides the simulations."""
    plain = asdict(replace(recipe, name="", network={}, training={}))
    for name in ("observation", "simulations", "alignment"):  # a longer set of one seed begins with the shorter one
        del plain[name]
    for history in plain["histories"]:
        history["texts"].pop("file", None)  # what it holds is there too, and it may lie elsewhere tomorrow
        if history["sweeps"]:  # sets that were made before there were any others are found again
            del history["sweeps"]
    for name in ("sweep", "introgression"):  # likewise
        if plain[name] is None:
            del plain[name]
    return {"format": FORMAT, **plain}


def open_set(
    recipe_file: Path, folder: Path, *, simulations: int | None = None, seed: int | None = None
) -> SimulationSet:
    """Make or find a set of simulations.

    Parameters
    ----------
    recipe_file
        The recipe; a copy is kept beside the simulations.
    folder
        Where they are or will be.
    simulations, seed
        Used, and written into the copy, in place of what the recipe says; None: what it says.

    Raises
    ------
    UsageError
        Where the folder holds simulations of another recipe or something else, or simulators are not installed.
    InputError
        Where the recipe is wrong.
    OutputError
        Where the folder cannot be made.
    """
    where = str(recipe_file)
    given = {"simulations": simulations, "seed": seed}
    changes = {name: value for name, value in given.items() if value is not None}
    text = overridden(read_text(recipe_file), where, recipe_file.parent, changes)
    recipe = parse_recipe(text, where, recipe_file.parent)
    if not _is_ours(folder, recipe, where):
        check_histories(recipe.histories)
        if recipe.sweep is not None:
            forward_engine()
            check_alone(recipe.histories)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}") from error
    record = {"versions": {**provenance.versions(), **_simulators()}, "seed": recipe.seed}
    write_text(folder / "provenance.json", provenance.as_json(record))
    keep(text, where, recipe, folder)
    return SimulationSet(folder, recipe)


def _is_ours(folder: Path, recipe: Recipe, where: str) -> bool:
    """Tell whether a folder holds simulations of a recipe; refuse one that holds anything else."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder")
    held = folder / "recipe.toml"
    if not held.is_file() or not (folder / "provenance.json").is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} holds no simulations but something else: name a new folder")
        return False
    before, now = _identity(read_recipe(held)), _identity(recipe)
    if provenance.digest(before) != provenance.digest(now):
        changed = ", ".join(sorted(name for name in now if before.get(name) != now[name]))
        raise UsageError(
            f"{folder} holds simulations of another recipe than {where} (other values of {changed}): name a new folder"
        )
    return True


def _simulators() -> dict[str, str]:
    """Name the versions of what simulates."""
    found = {}
    for library in ("msprime", "fwdpy11", "tskit", "demes", "stdpopsim"):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


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
        "tract_size": np.array([item.tracts.shape[1] for item in made], np.int32),
        "tract_start": np.concatenate([item.tracts[0] for item in made]),
        "tract_end": np.concatenate([item.tracts[1] for item in made]),
    }


def _unpacked(held: dict[str, NDArray[Any]]) -> Iterator[Simulation]:
    """Take simulations apart again; sets that were made before there were any tracts have none."""
    none = {"tract_size": [0] * len(held["shape"]), "tract_start": [], "tract_end": []}
    held = {**{name: np.array(values, np.float64) for name, values in none.items()}, **held}
    sites, width = held["shape"].astype(np.int64).T
    names = [str(name) for name in held["names"]]
    cut = functools.partial(_pieces, held)
    pieces = zip(
        cut("positions", sites),
        cut("alleles", -(-sites * width // 8)),
        cut("map_start", held["map_size"]),
        cut("map_rate", held["map_size"]),
        cut("tract_start", held["tract_size"]),
        cut("tract_end", held["tract_size"]),
        strict=True,
    )
    for number, (positions, bits, map_start, map_rate, start, end) in enumerate(pieces):
        shape = int(sites[number]), int(width[number])
        alleles = np.unpackbits(bits, count=shape[0] * shape[1]).astype(np.int8).reshape(shape)
        drawn = dict(zip(names, held["parameters"][number].tolist(), strict=True))
        length, tracts = int(held["length"][number]), np.stack([start, end])
        yield Simulation(length, positions.astype(np.int64), alleles, drawn, map_start, map_rate, tracts)


def _pieces(held: dict[str, NDArray[Any]], name: str, sizes: NDArray[Any]) -> list[NDArray[Any]]:
    """Cut an array into consecutive pieces."""
    return np.split(held[name], np.cumsum(sizes.astype(np.int64))[:-1])
