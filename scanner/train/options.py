"""What a recipe says of the network and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scanner.channels.windows import EXTRAS
from scanner.errors import InputError
from scanner.network.architecture import Architecture, halo
from scanner.network.fit import Schedule
from scanner.simulate.recipe import Recipe
from scanner.train.examples import View, view
from scanner.train.targets import TARGETS

NETWORK = {"encoding", "min_count", "target", "parts", "width", "dilations", "head", "both_ends"}
TRAINING = {
    "windows", "windows_per_simulation", "min_sites", "tile", "epochs", "seeds", "looks", "validation", "learning_rate",
    "patience",
}  # fmt: skip
WINDOWS = 32
"""Windows of a tile at most."""


@dataclass(frozen=True)
class TrainingOptions:
    """What a recipe says of the network and its training.

    Parameters
    ----------
    how
        How simulations are looked at.
    architecture
        Shapes of the network.
    schedule
        How long and how fast it learns.
    seeds
        Networks that are trained from different initial weights, and averaged.
    looks
        How often every simulation is looked at afresh: with other haplotypes, windows and errors.
    validation
        Share of the simulations that no network is trained on.
    both_ends
        Windows are predicted from both ends, see `scanner.network.spec.Spec`; the training is the same.
    """

    how: View
    architecture: Architecture
    schedule: Schedule
    seeds: int
    looks: int
    validation: float
    both_ends: bool


def training_options(recipe: Recipe) -> TrainingOptions:
    """Read and check the tables ``network`` and ``training`` of a recipe.

    Raises
    ------
    InputError
        For an unknown field or a wrong value.
    """
    network = _checked(recipe, "network", recipe.network, NETWORK)
    training = _checked(recipe, "training", recipe.training, TRAINING)
    dilations = network.get("dilations", [1, 2, 4, 8])
    if not isinstance(dilations, list) or not dilations or not all(type(d) is int and 0 < d <= 64 for d in dilations):
        raise InputError(
            f"recipe {recipe.name}: network.dilations must be whole numbers from 1 to 64, not {dilations!r}"
        )
    flank = sum(dilations)
    how = view(recipe, flank=flank, windows=WINDOWS)
    architecture = Architecture(
        channels=len(how.encoding.channels),
        extras=len(EXTRAS),
        outputs=len(TARGETS[how.target].values),
        classes=len(TARGETS[how.target].classes),
        width=_whole(recipe, "network.width", network.get("width", 48), 4, 256),
        dilations=tuple(dilations),
        parts=how.parts,
        head=_whole(recipe, "network.head", network.get("head", 64), 4, 1024),
        windows=WINDOWS,
    )
    assert halo(architecture) == flank
    schedule = Schedule(
        epochs=_whole(recipe, "training.epochs", training.get("epochs", 10), 1, 10_000),
        rate=_share(recipe, "training.learning_rate", training.get("learning_rate", 2e-3)),
        patience=_whole(recipe, "training.patience", training.get("patience", 6), 1, 10_000),
    )
    both_ends = network.get("both_ends", False)
    if not isinstance(both_ends, bool):
        raise InputError(f"recipe {recipe.name}: network.both_ends must be true or false, not {both_ends!r}")
    return TrainingOptions(
        how,
        architecture,
        schedule,
        seeds=_whole(recipe, "training.seeds", training.get("seeds", 3), 1, 20),
        looks=_whole(recipe, "training.looks", training.get("looks", 3), 1, 100),
        validation=_share(recipe, "training.validation", training.get("validation", 0.04)),
        both_ends=both_ends,
    )


def _checked(recipe: Recipe, section: str, table: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    """Refuse unknown fields."""
    for name in sorted(set(table) - known):
        raise InputError(f"recipe {recipe.name}: unknown field {section}.{name}; there is {', '.join(sorted(known))}")
    return table


def _whole(recipe: Recipe, path: str, value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise InputError(f"recipe {recipe.name}: {path} must be a whole number from {low} to {high:,}, not {value!r}")
    return value


def _share(recipe: Recipe, path: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise InputError(f"recipe {recipe.name}: {path} must lie between 0 and 1, not {value!r}")
    return float(value)
