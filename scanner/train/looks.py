"""Examples on disk: every simulation looked at a few times, once for all networks that are trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner import provenance
from scanner.errors import InputError
from scanner.parts import PartStore
from scanner.simulate import sets
from scanner.simulate.sets import SimulationSet
from scanner.train.examples import Example, Sight, View, look, sights, views

FORMAT = 3


@dataclass(frozen=True)
class Look:
    """One shard of simulations, to be looked at once.

    Parameters
    ----------
    simulations, how, number
        What is looked at, how, and the how many-th look it is.
    shard
        Number of the shard.
    store
        Where the examples are kept.
    """

    simulations: SimulationSet
    how: View
    number: int
    shard: int
    store: PartStore

    @property
    def name(self) -> str:
        """Name on disk."""
        return f"look-{self.number}-{self.simulations.seen_as(self.shard)}"

    @property
    def mirrored(self) -> bool:
        """Every other look is from the other end: as good as simulations of their own where nothing else differs."""
        return self.number % 2 == 1

    @property
    def records(self) -> int:
        """Number of simulations."""
        return self.simulations.size(self.shard)


def plan_looks(simulations: SimulationSet, how: View, folder: Path, number: int) -> list[Look]:
    """List all looks: each of ``number`` at every shard."""
    recipe = simulations.recipe
    digest = provenance.digest(
        {"format": FORMAT, "set": sets.digest(recipe), "observation": repr(recipe.observation), "view": repr(how)}
    )
    store = PartStore(folder, digest)
    return [Look(simulations, how, look, shard, store) for look in range(number) for shard in range(simulations.shards)]


def prepare(one: Look) -> int:
    """Make the examples of one look and commit them, where that is not done; give the number of simulations."""
    if one.store.facts(one.name) is None:
        found = [look(sight, one.how) for sight in _sights(one)]
        if not found:
            raise InputError(f"{one.simulations.folder}: no simulation has a window with {one.how.min_sites} sites")
        one.store.save(one.name, _packed(found), {"examples": len(found)})
    return one.records


def read(one: Look) -> Iterator[Example]:
    """Read the examples of one look."""
    held = one.store.load(one.name)
    rows, windows = held["rows"], held["windows"]
    names = [str(name) for name in held["names"]]
    row = window = 0
    for sites, count in zip(rows.tolist(), windows.tolist(), strict=True):
        of_sites, of_windows = slice(row, row + sites), slice(window, window + count)
        yield Example(
            held["values"][of_sites].astype(np.float32),
            held["first"][of_windows],
            held["last"][of_windows],
            held["part"][of_sites].astype(np.int64),
            held["extras"][of_windows],
            held["targets"][of_windows],
            dict(zip(names, held["facts"][:, of_windows], strict=True)),
        )
        row, window = row + sites, window + count


def read_both_ends(one: Look) -> Iterator[Example]:
    """Look again, from both ends: every example of `read` is followed by the same windows from the other end."""
    for sight in _sights(one):
        yield from views(sight, one.how, both_ends=True)


def _sights(one: Look) -> Iterator[Sight]:
    """See the simulations of one look."""
    return sights(one.simulations, one.shard, one.how, [1, one.number], mirrored=one.mirrored)


def _packed(found: list[Example]) -> dict[str, NDArray[Any]]:
    """Lay examples end to end; channels are of order one, and half precision is finer than their noise."""
    names = sorted({name for example in found for name in example.facts})
    facts = [
        np.concatenate([example.facts.get(name, np.full(len(example.first), np.nan)) for example in found])
        for name in names
    ]
    return {
        "rows": np.array([len(example.values) for example in found], np.int64),
        "windows": np.array([len(example.first) for example in found], np.int64),
        "values": np.concatenate([example.values for example in found]).astype(np.float16),
        "part": np.concatenate([example.part for example in found]).astype(np.int16),
        "first": np.concatenate([example.first for example in found]),
        "last": np.concatenate([example.last for example in found]),
        "extras": np.concatenate([example.extras for example in found]),
        "targets": np.concatenate([example.targets for example in found]),
        "names": np.array(names),
        "facts": np.array(facts),
    }
