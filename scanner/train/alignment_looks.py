"""Alignments on disk: every simulation of a recipe seen once, and what is true of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner import provenance
from scanner.alignment import ANCESTRAL, DERIVED, Aligned, align, middle, together
from scanner.errors import InputError
from scanner.parts import PartStore
from scanner.simulate import sets
from scanner.simulate.coalescent import Simulation
from scanner.simulate.observe import observe
from scanner.simulate.recipe import Recipe
from scanner.simulate.sets import SimulationSet
from scanner.train.alignment_options import AlignmentOptions, alignment_options
from scanner.train.examples import joined_facts

Float = NDArray[np.float64]

FORMAT = 1


@dataclass(frozen=True)
class Lines:
    """Alignments of whole simulations.

    Parameters
    ----------
    windows
        The alignments.
    targets
        (windows, values or classes) what is true, on the scales on which it is learned.
    facts
        (windows,) values by name: what was drawn, and haplotypes, sites and length.
    """

    windows: list[Aligned]
    targets: Float
    facts: dict[str, Float] = field(default_factory=dict)


@dataclass(frozen=True)
class AlignmentLook:
    """One shard of simulations, to be seen as alignments, and where these are kept."""

    simulations: SimulationSet
    shard: int
    store: PartStore

    @property
    def name(self) -> str:
        """Name on disk."""
        return f"alignments-{self.simulations.seen_as(self.shard)}"

    @property
    def records(self) -> int:
        """Number of simulations."""
        return self.simulations.size(self.shard)


@dataclass(frozen=True)
class AlignmentWork:
    """Everything that belongs to the training of one network, or to its evaluation.

    Parameters
    ----------
    simulations
        The set.
    folder
        Where alignments and checkpoints are kept.
    """

    simulations: SimulationSet
    folder: Path

    @property
    def options(self) -> AlignmentOptions:
        """What the recipe says."""
        return alignment_options(self.simulations.recipe)

    def looks(self) -> list[AlignmentLook]:
        """List all that is to be looked at."""
        recipe, options = self.simulations.recipe, self.options
        identity = {
            "format": FORMAT,
            "set": sets.digest(recipe),
            "observation": repr(recipe.observation),
            "network": options.shape.design.name,
            "sites": options.shape.sites,
            "min_sites": options.min_sites,
        }
        store = PartStore(self.folder / "alignments", provenance.digest(identity))
        return [AlignmentLook(self.simulations, shard, store) for shard in range(self.simulations.shards)]

    @property
    def held_out(self) -> int:
        """Number of shards at the end of the set that the network is not trained on."""
        return self.simulations.held_out(self.options.validation)


def prepare(look: AlignmentLook) -> int:
    """Make the alignments of one shard and commit them, where that is not done; give the number of simulations."""
    if look.store.facts(look.name) is None:
        lines = _see(look)
        if not lines.windows:
            raise InputError(f"{look.simulations.folder}: no simulation of shard {look.shard} has sites enough")
        look.store.save(look.name, _packed(lines), {"windows": len(lines.windows)})
    return look.records


def windows_in(look: AlignmentLook) -> int:
    """Count the alignments of a shard that is prepared."""
    facts = look.store.facts(look.name)
    return 0 if facts is None else int(facts["windows"])


def read(look: AlignmentLook) -> Lines:
    """Read the alignments of one shard.

    Raises
    ------
    OutputError
        Where they are missing or damaged.
    """
    held = look.store.load(look.name)
    counts, width = held["counts"], int(held["haplotypes"])
    bits = np.unpackbits(held["alleles"], count=int(counts.sum()) * width).reshape(-1, width)
    alleles = np.where(bits == 1, np.int8(DERIVED), np.int8(ANCESTRAL))
    cuts = np.cumsum(counts)[:-1]
    pairs = zip(np.split(alleles, cuts), np.split(held["positions"], cuts), strict=True)
    facts = dict(zip((str(name) for name in held["names"]), held["facts"], strict=True))
    return Lines([Aligned(*pair) for pair in pairs], held["targets"], facts)


def read_all(looks: Sequence[AlignmentLook]) -> Lines:
    """Read the alignments of several shards; see `read`."""
    found = [read(look) for look in looks]
    return Lines(
        [window for lines in found for window in lines.windows],
        np.concatenate([lines.targets for lines in found]),
        joined_facts([lines.facts for lines in found], [len(lines.windows) for lines in found]),
    )


def see(simulation: Simulation, recipe: Recipe, options: AlignmentOptions, rng: np.random.Generator) -> Aligned | None:
    """See a whole simulation as an alignment; None where it has too few sites.

    Of two populations the haplotypes of the first stand before those of the second.

    Parameters
    ----------
    simulation, recipe
        What was simulated, and how it is observed.
    options
        Which network sees it.
    rng
        Draws what happens in sequencing.
    """
    seen = observe(simulation, recipe.observation, rng)
    whole = np.array([0]), np.array([simulation.length])
    (window,) = align(seen.positions, together(seen.populations), *whole, ordered=options.shape.design.ordered)
    if len(window.positions) < options.min_sites:
        return None
    return middle(window, options.shape.sites)


def _see(look: AlignmentLook) -> Lines:
    """See all simulations of a shard."""
    recipe = look.simulations.recipe
    options = alignment_options(recipe)
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, 3, look.shard]))
    windows, targets, facts = [], [], []
    for simulation in look.simulations.read(look.shard):
        window = see(simulation, recipe, options, rng)
        if window is not None:
            windows.append(window)
            targets.append(options.learned.truth(simulation, window))
            known = {
                **simulation.parameters,
                "haplotypes": float(window.alleles.shape[1]),
                "length": float(simulation.length),
                "sites": float(len(window.positions)),
            }
            facts.append({name: np.array([value], np.float64) for name, value in known.items()})
    return Lines(windows, np.array(targets), joined_facts(facts, [1] * len(facts)))


def _packed(lines: Lines) -> dict[str, NDArray[Any]]:
    """Lay alignments end to end."""
    return {
        "counts": np.array([len(window.positions) for window in lines.windows], np.int64),
        "haplotypes": np.array(lines.windows[0].alleles.shape[1]),
        "alleles": np.packbits(np.concatenate([window.alleles for window in lines.windows]) == DERIVED),
        "positions": np.concatenate([window.positions for window in lines.windows]),
        "targets": lines.targets,
        "names": np.array(list(lines.facts)),
        "facts": np.array(list(lines.facts.values())),
    }


def shuffled(
    looks: Sequence[AlignmentLook], batch: int, rng: np.random.Generator
) -> Iterator[tuple[list[Aligned], Float]]:
    """Yield all alignments of some shards in random order, batch by batch; the rest of the last batch is left out.

    Parameters
    ----------
    looks
        Shards, prepared.
    batch
        Alignments of a batch.
    rng
        Decides the order: of the shards, and of the alignments in each.
    """
    windows: list[Aligned] = []
    targets: list[Float] = []
    for number in rng.permutation(len(looks)).tolist():
        lines = read(looks[number])
        order = rng.permutation(len(lines.windows)).tolist()
        windows += [lines.windows[at] for at in order]
        targets += [lines.targets[at] for at in order]
        while len(windows) >= batch:
            yield windows[:batch], np.array(targets[:batch])
            windows, targets = windows[batch:], targets[batch:]
