"""Selective sweeps: what a recipe says of them, and what is drawn for one simulation.

The fitnesses of the three genotypes are 1, 1 + s and 1 + 2 s: s is the advantage of one copy of the allele, as in
discoal and most tables of results; msprime's s is twice it. Strength is alpha = 2 N s, where N is the number of
diploids, and where sizes change its harmonic mean over the time that such a sweep takes on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scanner.errors import InputError
from scanner.simulate.fields import Fields
from scanner.simulate.priors import Prior

CLASSES = ("neutral", "hard", "hard_linked", "soft", "soft_linked")
"""Classes of sweep simulations; a simulation's parameter ``class`` is the place in this list."""
SECTIONS = {
    "sweep": {"parts", "classes", "alpha", "s", "age", "start_frequency", "final_frequency"},
    "sweep.classes": set(CLASSES),
}
"""Tables of a recipe, and their fields."""
WEAKEST = 20.0
"""Least alpha: weaker alleles hardly ever fix, and leave little behind."""
STRONGEST = 0.5
"""Largest s."""
LARGEST_START = 0.9
"""Largest frequency from which a soft sweep starts."""


@dataclass(frozen=True)
class Sweep:
    """What a recipe says of sweeps.

    Parameters
    ----------
    parts
        Equal parts of a simulation, an odd number: a sweep in the middle one is *here*, in any other one *linked*.
    classes
        How often each of `CLASSES` is simulated, relative to the others.
    alpha, s
        Strength, one of the two; see the top of the module.
    age
        Generations since the allele reached its final frequency; from then on it is neutral.
    start_frequency
        Frequency at which a neutral allele becomes favoured, in soft sweeps.
    final_frequency
        Frequency at which selection ends; 1: fixation.
    """

    parts: int
    classes: Mapping[str, float]
    alpha: Prior | None
    s: Prior | None
    age: Prior
    start_frequency: Prior | None
    final_frequency: Prior


@dataclass(frozen=True)
class Selected:
    """The sweep of one simulation.

    Parameters
    ----------
    alpha, s
        Strength, one of the two or both; see the top of the module.
    age
        Generations since the allele reached its final frequency.
    start
        Frequency at which a neutral allele became favoured; None: it was a new mutation.
    final
        Frequency at which selection ended.
    low, high
        bp between which the allele lies.
    """

    alpha: float | None
    s: float | None
    age: float
    start: float | None
    final: float
    low: float
    high: float


def read_sweep(fields: Fields, recipe: dict[str, Any], task: str) -> Sweep | None:
    """Read the table ``[sweep]`` of a recipe, which the task ``sweep`` needs and no other has.

    Parameters
    ----------
    fields
        Takes fields out.
    recipe
        The whole recipe.
    task
        What it is for.

    Raises
    ------
    InputError
        For anything that is missing, unknown or makes no sense.
    """
    where = fields.where
    table = fields.of_task(recipe, task, "sweep")
    if table is None:
        return None
    parts = fields.whole(table, "sweep.parts", 3)
    if parts % 2 == 0:
        raise InputError(f"{where}: sweep.parts must be odd, so that there is a middle one, not {parts}")
    if ("alpha" in table) == ("s" in table):
        raise InputError(f"{where}: [sweep] needs 'alpha' or 's', one of the two")
    strength = {
        "alpha": fields.prior(table, "sweep.alpha", low=WEAKEST) if "alpha" in table else None,
        "s": fields.prior(table, "sweep.s", low=1e-6, high=STRONGEST) if "s" in table else None,
    }
    classes = fields.shares(table, "sweep.classes", CLASSES)
    start = None
    if "start_frequency" in table or any(name.startswith("soft") for name in classes):
        start = fields.prior(table, "sweep.start_frequency", high=LARGEST_START)
    final, age = (
        fields.prior({name: default, **table}, f"sweep.{name}", high=high)
        for name, default, high in (("final_frequency", 1, 1.0), ("age", 0, 1e6))
    )
    least = final.range[0]
    if least <= (0 if start is None else start.range[1]):
        raise InputError(f"{where}: sweep.final_frequency must be above any start_frequency, not {least:g}")
    return Sweep(parts, classes, **strength, age=age, start_frequency=start, final_frequency=final)


def draw_sweep(
    sweep: Sweep, length: int, rng: np.random.Generator, *, neutral: bool = False
) -> tuple[Selected | None, dict[str, float]]:
    """Draw the class of a simulation, and its sweep.

    Everything is drawn from its prior whatever the class, and before anything is simulated, so that no value is rarer
    because its simulations fail more often; only what fails again and again is drawn anew (`draw_again`).

    Parameters
    ----------
    sweep
        What the recipe says.
    length
        bp of the simulation.
    rng
        Draws everything.
    neutral
        There is none, whatever class is drawn.

    Returns
    -------
    The sweep (None: neutral), and what is known before it is simulated: its ``class``, a place in `CLASSES`.
    """
    names, weights = list(sweep.classes), np.array(list(sweep.classes.values()))
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    course = _draw_course(sweep, soft=name.startswith("soft"), rng=rng)
    middle = sweep.parts // 2
    elsewhere = int(rng.integers(sweep.parts - 1))
    elsewhere += elsewhere >= middle
    part = elsewhere if name.endswith("_linked") else middle
    low, high = length * part / sweep.parts, length * (part + 1) / sweep.parts
    if neutral or name == "neutral":
        return None, {"class": 0.0}
    return Selected(**course, low=low, high=high), {"class": float(CLASSES.index(name))}


def draw_again(sweep: Sweep, selected: Selected, rng: np.random.Generator) -> Selected:
    """Draw strength, age and frequencies of a sweep anew; its class and its place stay."""
    return replace(selected, **_draw_course(sweep, soft=selected.start is not None, rng=rng))


def _draw_course(sweep: Sweep, *, soft: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Draw how strong a sweep is, and from when on and to which frequency it goes."""
    alpha, s, start = (
        None if prior is None else prior.draw(rng) for prior in (sweep.alpha, sweep.s, sweep.start_frequency)
    )
    age, final = sweep.age.draw(rng), sweep.final_frequency.draw(rng)
    return {"alpha": alpha, "s": s, "age": age, "start": start if soft else None, "final": final}
