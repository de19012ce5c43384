"""What networks learn of windows: for every task, which values or classes, and what is true in a simulation.

A new target is a line of `TARGETS`: everything else (examples, networks, calibration, evaluation, card) follows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.simulate import introgression, sweeps
from scanner.simulate.coalescent import Simulation
from scanner.simulate.recipe import Recipe

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Truth = Callable[[Simulation, Int, Int], Float]
"""Gives, for the starts and ends of windows (bp, 0-based half-open), what is true: (windows, values)."""

UNIT = {"ln": 1.0, "log10": math.log(10)}
"""Natural logarithm of the number whose logarithm is 1."""
PARTS = 5
"""Parts of a window that are pooled apart, unless a recipe says ``network.parts``."""
EPOCHS = 3
"""Sizes of a history that is learned."""
CAME_OVER = 0.1
"""Share of a window along which some haplotype must have come over for the window to count as introgressed."""


@dataclass(frozen=True)
class Value:
    """One value that is learned: a logarithm of a positive number.

    Parameters
    ----------
    score, unit
        Name of the score and its unit, as `scanner.network.spec.Output` has them.
    transform
        What makes of the score that which is learned: ``none`` where the score is the logarithm itself.
    scale
        Which logarithm is learned: ``ln`` or ``log10``.
    """

    score: str
    unit: str
    transform: str
    scale: str

    def natural(self, learned: Float) -> Float:
        """Give natural logarithms of what was learned.

        Examples
        --------
        >>> Value("log_n0", "", "none", "log10").natural(np.array([2.0])).round(3).tolist()
        [4.605]
        """
        return np.asarray(learned, np.float64) * UNIT[self.scale]

    def learned(self, natural: Float) -> Float:
        """Undo `natural`."""
        return natural / UNIT[self.scale]

    def scores(self, natural: Float) -> Float:
        """Give the scores of numbers with these natural logarithms.

        Examples
        --------
        >>> Value("log_n0", "", "none", "log10").scores(np.log([100.0])).tolist()
        [2.0]
        >>> Value("rho", "", "ln", "ln").scores(np.log([100.0])).round(9).tolist()
        [100.0]
        """
        return self.learned(natural) if self.transform == "none" else np.exp(natural)


@dataclass(frozen=True)
class Target:
    """What a network learns of every window.

    Parameters
    ----------
    task
        Task of the recipes that may ask for it.
    title
        One line about a model that learned it.
    values
        The values, in order; none where classes are learned.
    truth
        What is true, on the scales on which it is learned; of classes 1 for the true one and 0 for the others.
    classes
        Scores of the classes, the first of which is that there is nothing; none where values are learned.
    whole
        A window is a whole simulation: the middle one of its parts, in the context of all.
    populations, encoding
        How many populations are looked at together, and how, unless a recipe says ``network.encoding``.
    """

    task: str
    title: str
    values: tuple[Value, ...]
    truth: Truth
    classes: tuple[str, ...] = ()
    whole: bool = False
    populations: int = 1
    encoding: str = "folded-2"

    @property
    def columns(self) -> int:
        """How many numbers the truth of a window has."""
        return len(self.classes) or len(self.values)


def target_name(recipe: Recipe) -> str:
    """Read which target a recipe asks for: a name out of `TARGETS`, the first one of its task where it says nothing.

    Raises
    ------
    InputError
        For one that its task does not know, or that its simulations do not have.
    """
    known = [name for name, target in TARGETS.items() if target.task == recipe.task]
    chosen = recipe.network.get("target", known[0])
    if chosen not in known:
        raise InputError(f"recipe {recipe.name}: network.target {chosen!r} is not known: there is {', '.join(known)}")
    if chosen == "history":
        _check_epochs(recipe)
    if recipe.sweep is not None:
        _check_classes(recipe, "sweeps", sweeps.CLASSES, recipe.sweep.classes)
        _check_parts(recipe, recipe.sweep.parts)
    if recipe.introgression is not None:
        _check_classes(recipe, "introgression", introgression.CLASSES, recipe.introgression.classes)
    return str(chosen)


def _check_epochs(recipe: Recipe) -> None:
    """Refuse histories without the numbers that are learned."""
    for number, history in enumerate(recipe.histories, 1):
        if history.kind != "piecewise" or sum(name.startswith("sizes-") for name in history.numbers) != EPOCHS:
            raise InputError(
                f"recipe {recipe.name}: history {number}: a network that learns histories needs piecewise ones of "
                f"{EPOCHS} sizes"
            )


def _check_classes(recipe: Recipe, what: str, classes: Sequence[str], simulated: Container[str]) -> None:
    """Refuse what is not simulated in all classes."""
    missing = [name for name in classes if name not in simulated]
    if missing:
        raise InputError(
            f"recipe {recipe.name}: a network that tells {what} needs simulations of every class, and there is no "
            f"{missing[0]}"
        )


def _check_parts(recipe: Recipe, simulated: int) -> None:
    """Refuse sweeps that are not in the parts that the network pools."""
    parts = recipe.network.get("parts", PARTS)
    if parts != simulated:
        raise InputError(f"recipe {recipe.name}: network.parts is {parts!r} and sweep.parts {simulated}: give the same")


def _rate(simulation: Simulation, start: Int, end: Int) -> Float:
    """Give log10 of the recombination rate per bp and generation."""
    return np.log10(simulation.recombination(start.astype(np.float64), end.astype(np.float64)))[:, None]


def _rho(simulation: Simulation, start: Int, end: Int) -> Float:
    """Give the natural logarithm of 4 N r per bp."""
    rate = simulation.recombination(start.astype(np.float64), end.astype(np.float64))
    return np.log(4 * simulation.parameters["size"] * rate)[:, None]


def _theta(simulation: Simulation, start: Int, _end: Int) -> Float:
    """Give the natural logarithm of 4 N mu per bp: the same for all windows of a simulation."""
    drawn = simulation.parameters
    return np.full((len(start), 1), math.log(4 * drawn["size"] * drawn["mutation_rate"]))


def _history(simulation: Simulation, start: Int, _end: Int) -> Float:
    """Give log10 of N0, t1, N1, t2 and N2: the same for all windows of a simulation."""
    drawn = simulation.parameters
    times = sorted(drawn[f"times-{number}"] for number in range(1, EPOCHS))
    numbers = [drawn["sizes-0"], times[0], drawn["sizes-1"], times[1], drawn["sizes-2"]]
    return np.tile(np.log10(numbers), (len(start), 1))


def _sweep(simulation: Simulation, start: Int, _end: Int) -> Float:
    """Give 1 for the class that was simulated: the same for all windows."""
    return np.tile(np.eye(len(sweeps.CLASSES))[int(simulation.parameters["class"])], (len(start), 1))


def _introgression(simulation: Simulation, start: Int, end: Int) -> Float:
    """Give 1 for the class that was simulated, in windows that enough came over in; elsewhere for the first one."""
    came = simulation.introgressed(start.astype(np.float64), end.astype(np.float64)) >= CAME_OVER
    classes = np.where(came, int(simulation.parameters["class"]), 0)
    return np.asarray(np.eye(len(introgression.CLASSES))[classes])


def _logarithm(score: str, of: str) -> Value:
    """Describe a score that is itself a logarithm."""
    return Value(score, f"log10 {of}", "none", "log10")


TARGETS: Mapping[str, Target] = {
    "rate": Target(
        "recombination",
        "Recombination rate from phased haplotypes",
        (Value("recombination_rate", "per bp per generation", "log10", "log10"),),
        _rate,
    ),
    "rho": Target(
        "recombination",
        "Population-scaled recombination rate from phased haplotypes",
        (Value("rho", "4 N r per bp", "ln", "ln"),),
        _rho,
    ),
    "history": Target(
        "demography",
        "Population history of three sizes from phased haplotypes",
        (
            _logarithm("log_n0", "diploids"),
            _logarithm("log_t1", "generations"),
            _logarithm("log_n1", "diploids"),
            _logarithm("log_t2", "generations"),
            _logarithm("log_n2", "diploids"),
        ),
        _history,
    ),
    "theta": Target(
        "diversity",
        "Population-scaled mutation rate from phased haplotypes",
        (Value("theta", "4 N mu per bp", "ln", "ln"),),
        _theta,
    ),
    "sweep": Target(
        "sweep",
        "Hard and soft selective sweeps, here or nearby, from phased haplotypes",
        (),
        _sweep,
        tuple(f"sweep_{name}" for name in sweeps.CLASSES),
        whole=True,
    ),
    "introgression": Target(
        "introgression",
        "Introgression between two populations, and its direction",
        (),
        _introgression,
        tuple(f"introgression_{name}" for name in introgression.CLASSES),
        populations=2,
        encoding="pair-folded-1",
    ),
}
"""What ``network.target`` of a recipe may be."""
