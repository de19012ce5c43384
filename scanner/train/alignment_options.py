"""What a recipe says of a published network that sees alignments, and what each of these networks learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import DERIVED, Aligned
from scanner.errors import InputError
from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.network.aligned import MAX_SITES
from scanner.network.alignment import Shape
from scanner.network.designs import DESIGNS, Design
from scanner.network.fit import Schedule
from scanner.network.untrusted import MAX_SIZE
from scanner.regions import Region
from scanner.simulate.coalescent import Simulation
from scanner.simulate.fields import Fields
from scanner.simulate.recipe import Recipe
from scanner.statistics import registry
from scanner.train.targets import TARGETS, Target, Value, target_name
from scanner.windows import Windows, spans

Float = NDArray[np.float64]
Truth = Callable[[Simulation, Aligned], Float]
"""Gives what is true of a whole simulation and the alignment that is seen of it: (values,) or (classes,)."""

FIELDS = {
    "network", "filters", "units", "sites", "min_sites", "epochs", "learning_rate", "batch", "validation",
}  # fmt: skip
"""Fields of the table ``[alignment]``."""


@dataclass(frozen=True)
class Learned:
    """What a published network learns of a simulation.

    Parameters
    ----------
    tasks
        Tasks of the recipes that may ask for it.
    title
        One line about a network that learned it.
    values
        The values, in order; none where classes are learned.
    truth
        What is true, on the scales on which it is learned; of classes 1 for the true one and 0 for the others.
    classes
        The classes, the first of which is that there is nothing; none where values are learned.
    logarithms
        Whether values are learned as logarithms of positive numbers; else as they are.
    """

    tasks: tuple[str, ...]
    title: str
    values: tuple[Value, ...]
    truth: Truth
    classes: tuple[str, ...] = ()
    logarithms: bool = True

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the scores, or of the classes."""
        return self.classes or tuple(value.score for value in self.values)


def tajimas_d(window: Aligned) -> float:
    """Compute Tajima's D of the sites of an alignment, as a scan computes it.

    Examples
    --------
    >>> alleles = np.array([[1, -1, -1, -1], [1, 1, -1, -1]], np.int8)
    >>> round(tajimas_d(Aligned(alleles, np.array([0.1, 0.2], np.float32))), 3)
    0.592
    """
    sites = len(window.alleles)
    population = from_alleles("simulated", (window.alleles == DERIVED).astype(np.int8), ploidy=1)
    positions = np.arange(sites)
    block = HaplotypeBlock(Region("simulated", 0, sites), positions, np.ones(sites, np.bool_), (population,))
    covered = spans(Windows("simulated", np.array([0]), np.array([sites])), positions)
    return float(registry.compute_all(block, covered, ("tajimas_d",), (), (), suffix=False)["tajimas_d"].values[0])


def _as(target: Target) -> Learned:
    """Learn what networks on site channels learn too, of whole simulations."""

    def truth(simulation: Simulation, _window: Aligned) -> Float:
        (found,) = target.truth(simulation, np.array([0]), np.array([simulation.length]))
        return np.asarray(found)

    return Learned((target.task,), target.title, target.values, truth, target.classes)


LEARNED: Mapping[str, Learned] = {
    "rho": _as(TARGETS["rho"]),
    "sweeps": _as(TARGETS["sweep"]),
    "demography": _as(TARGETS["history"]),
    "introgression": _as(TARGETS["introgression"]),
    "tajimas_d": Learned(
        ("recombination", "demography"),
        "Tajima's D of the sites of an alignment",
        (Value("tajimas_d", "", "none", "ln"),),
        lambda _simulation, window: np.array([tajimas_d(window)]),
        logarithms=False,
    ),
}
"""What each of `scanner.network.designs.DESIGNS` learns."""


@dataclass(frozen=True)
class AlignmentOptions:
    """What a recipe says of a published network and its training.

    Parameters
    ----------
    learned
        What it learns.
    shape
        Its shape.
    min_sites
        Simulations with fewer sites are left out.
    schedule
        How long and how fast it learns.
    batch
        Alignments of a step.
    validation
        Share of the simulations that it is not trained on.
    """

    learned: Learned
    shape: Shape
    min_sites: int
    schedule: Schedule
    batch: int
    validation: float


def alignment_options(recipe: Recipe) -> AlignmentOptions:
    """Read and check the table ``alignment`` of a recipe.

    Raises
    ------
    InputError
        For an unknown field or a wrong value, and where the simulations are not what the network was made for.
    """
    table: dict[str, Any] = {
        "min_sites": 1, "epochs": 10, "learning_rate": 1e-3, "batch": 32, "validation": 0.05, **recipe.alignment,
    }  # fmt: skip
    fields = Fields(f"recipe {recipe.name}", {"alignment": FIELDS})
    fields.known(table, "alignment")
    design = _design(fields, table)
    learned = LEARNED[design.name]
    _check_task(recipe, learned, design)
    sites = fields.whole(table, "alignment.sites", design.shortest)
    if sites > MAX_SITES:
        raise InputError(f"{fields.where}: alignment.sites must be at most {MAX_SITES:,}, not {sites:,}")
    epochs = fields.whole(table, "alignment.epochs", 1)
    return AlignmentOptions(
        learned,
        Shape(design, sites, _haplotypes(recipe), len(learned.outputs), bool(learned.classes)),
        min_sites=fields.whole(table, "alignment.min_sites", 1),
        schedule=Schedule(epochs, fields.number(table, "alignment.learning_rate", 1e-3, high=1)),
        batch=fields.whole(table, "alignment.batch", 1),
        validation=fields.number(table, "alignment.validation", 0.05, high=0.9),
    )


def _design(fields: Fields, table: dict[str, Any]) -> Design:
    """Read which network it is, and how wide."""
    name = fields.text(table, "alignment.network")
    if name not in DESIGNS:
        raise InputError(f"{fields.where}: alignment.network '{name}' is not known: there is {', '.join(DESIGNS)}")
    for key in ("filters", "units"):
        sizes = table.get(key, [])
        if not isinstance(sizes, list) or not all(type(size) is int and 0 < size <= MAX_SIZE for size in sizes):
            raise InputError(
                f"{fields.where}: alignment.{key} must be a list of whole numbers from 1 to {MAX_SIZE:,}, not {sizes!r}"
            )
    try:
        return DESIGNS[name].resized(table.get("filters"), table.get("units"))
    except ValueError as error:
        raise InputError(f"{fields.where}: alignment.{error}") from error


def _check_task(recipe: Recipe, learned: Learned, design: Design) -> None:
    """Refuse simulations of which there is nothing of the kind to learn, and tables of another kind of network."""
    where = f"recipe {recipe.name}"
    if recipe.task not in learned.tasks:
        raise InputError(
            f"{where}: the network {design.name} learns from the task {' or '.join(learned.tasks)}, not {recipe.task}"
        )
    if design.name == "demography":
        _ = target_name(recipe)  # refuses histories without the numbers that are learned
    if recipe.network or recipe.training:
        raise InputError(f"{where}: a recipe with [alignment] has its training there: no [network] and no [training]")


def _haplotypes(recipe: Recipe) -> int:
    """Count the haplotypes of every simulation, of which an alignment network takes one number only."""
    simulated = recipe.haplotypes
    seen = [simulated if recipe.observation.haplotypes is None else recipe.observation.haplotypes]
    if recipe.introgression is not None:
        seen.append(recipe.introgression.second)
    if any(prior.range[0] != prior.range[1] for prior in seen) or seen[0].range[1] > simulated.range[0]:
        raise InputError(f"recipe {recipe.name}: an alignment network takes one number of haplotypes: give a plain one")
    return sum(round(prior.range[0]) for prior in seen)
