"""Introgression: what a recipe says of two populations that split and met again, and what is drawn for one simulation.

Directions are those of forward time: *into* the first population came haplotypes of the second, *from* the first they
went into the second. (Simulators that look backwards in time, as msprime does, name the two the other way round.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scanner.errors import InputError
from scanner.simulate.fields import Fields
from scanner.simulate.priors import Prior

CLASSES = ("none", "into", "from")
"""Classes of introgression simulations; a simulation's parameter ``class`` is the place in this list."""
SECTIONS = {
    "introgression": {
        "classes", "split", "pulse_share", "pulse_time", "proportion", "sizes", "start_sizes", "growth", "scale",
    },
    "introgression.classes": set(CLASSES),
}  # fmt: skip
"""Tables of a recipe, and their fields."""
FIRST, SECOND, ANCESTRAL = "first", "second", "ancestral"
"""Names of the populations: those that are sampled, and the one of which they are the parts."""
MOST = 100_000
"""Largest sample of a population, in haplotypes."""
STEEPEST = 20.0
"""Growth changes no size more than e to this many times."""


@dataclass(frozen=True)
class Introgression:
    """What a recipe says of two populations.

    Parameters
    ----------
    classes
        How often each of `CLASSES` is simulated, relative to the others.
    second
        Haplotypes of the second population.
    split
        Generations since the two were one.
    pulse, by_share
        When haplotypes went over: a share of the time since the split, or else generations ago.
    proportion
        Share of the receiving population that has come from the other in the pulse, in the generation after it.
    sizes
        Diploids: of the first and the second population today, and of the one that they were.
    start_sizes, growth
        Of the first and the second population, which grew or shrank exponentially: diploids right after the split, or
        by what their logarithms grew in a generation, forward in time. None: not so given; both None: sizes never
        changed.
    scale
        By this all sizes and times are multiplied, and growth is divided: as many times the diversity.
    """

    classes: Mapping[str, float]
    second: Prior
    split: Prior
    pulse: Prior
    by_share: bool
    proportion: Prior
    sizes: tuple[Prior, Prior, Prior]
    start_sizes: tuple[Prior, Prior] | None
    growth: tuple[Prior, Prior] | None
    scale: Prior


@dataclass(frozen=True)
class Flow:
    """Two populations of one simulation, and what went over.

    Parameters
    ----------
    sizes
        Diploids: of the first and the second population today, and of the one that they were.
    start_sizes
        Diploids of the first and the second right after the split.
    split, pulse
        Generations ago.
    proportion
        Share of the receiving population that came.
    receiver
        `FIRST` or `SECOND`; None: nothing went over.
    """

    sizes: tuple[float, float, float]
    start_sizes: tuple[float, float]
    split: float
    pulse: float = 0.0
    proportion: float = 0.0
    receiver: str | None = None

    @property
    def donor(self) -> str:
        """The population from which haplotypes came."""
        return FIRST if self.receiver == SECOND else SECOND


def read_samples(fields: Fields, sample: dict[str, Any]) -> tuple[Prior, Prior]:
    """Read the haplotypes of the first and of the second population."""
    found = fields.priors(sample, "sample.haplotypes", low=2, high=MOST)
    return fields.pair("sample.haplotypes", found)


def read_introgression(fields: Fields, recipe: dict[str, Any], task: str) -> Introgression | None:
    """Read the table ``[introgression]`` of a recipe, which the task ``introgression`` needs and no other has.

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
    table = fields.of_task(recipe, task, "introgression")
    if table is None:
        return None
    split = fields.prior(table, "introgression.split", low=1e-6)
    sizes = fields.priors(table, "introgression.sizes", low=1e-6)
    if len(sizes) != 3:
        raise InputError(
            f"{where}: introgression.sizes must be three numbers (first, second, ancestral), not {len(sizes)}"
        )
    pulse, by_share = _pulse(fields, table, split)
    start, growth = _changes(fields, table, split)
    return Introgression(
        classes=fields.shares(table, "introgression.classes", CLASSES),
        second=read_samples(fields, fields.table(recipe, "sample"))[1],
        split=split,
        pulse=pulse,
        by_share=by_share,
        proportion=fields.prior(table, "introgression.proportion", high=1),
        sizes=(sizes[0], sizes[1], sizes[2]),
        start_sizes=start,
        growth=growth,
        scale=fields.prior({"scale": 1, **table}, "introgression.scale", low=1e-6),
    )


def _pulse(fields: Fields, table: dict[str, Any], split: Prior) -> tuple[Prior, bool]:
    """Read when the pulse was, and whether that is a share of the time since the split."""
    if ("pulse_share" in table) == ("pulse_time" in table):
        raise InputError(f"{fields.where}: [introgression] needs 'pulse_share' or 'pulse_time', one of the two")
    if "pulse_share" in table:
        return fields.prior(table, "introgression.pulse_share", high=1), True
    pulse = fields.prior(table, "introgression.pulse_time")
    if pulse.range[1] > split.range[0]:
        raise InputError(
            f"{fields.where}: introgression.pulse_time must be no more than any introgression.split, not "
            f"{pulse.range[1]:g}"
        )
    return pulse, False


_Two = tuple[Prior, Prior]


def _changes(fields: Fields, table: dict[str, Any], split: Prior) -> tuple[_Two | None, _Two | None]:
    """Read how sizes changed: start sizes, or growth, or neither."""
    if "start_sizes" in table and "growth" in table:
        raise InputError(f"{fields.where}: [introgression] takes 'start_sizes' or 'growth', not both")
    if "start_sizes" in table:
        path = "introgression.start_sizes"
        return fields.pair(path, fields.priors(table, path, low=1e-6)), None
    if "growth" not in table:
        return None, None
    path = "introgression.growth"
    growth = fields.pair(path, fields.priors(table, path, low=-math.inf))
    steepest = max(abs(rate) for prior in growth for rate in prior.range) * split.range[1]
    if steepest > STEEPEST:
        raise InputError(
            f"{fields.where}: introgression.growth times introgression.split must be no more than {STEEPEST:g} either "
            f"way, not {steepest:g}"
        )
    return None, growth


def draw_introgression(introgression: Introgression, rng: np.random.Generator) -> tuple[Flow, dict[str, float]]:
    """Draw the class of a simulation, and the history of its two populations.

    Everything is drawn from its prior whatever the class.

    Parameters
    ----------
    introgression
        What the recipe says.
    rng
        Draws everything.

    Returns
    -------
    The history, and what is known of it: ``class``, ``size`` (the largest of all), ``size_first``, ``size_second``,
    ``size_ancestral``, ``start_size_first``, ``start_size_second``, ``split``; where anything went over also ``pulse``
    (generations ago) and ``proportion``.
    """
    names, weights = list(introgression.classes), np.array(list(introgression.classes.values()))
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    scale = introgression.scale.draw(rng)
    split = introgression.split.draw(rng)
    first, second, ancestral = (size.draw(rng) * scale for size in introgression.sizes)
    started = first, second
    if introgression.start_sizes is not None:
        started = introgression.start_sizes[0].draw(rng) * scale, introgression.start_sizes[1].draw(rng) * scale
    elif introgression.growth is not None:
        rates = [rate.draw(rng) for rate in introgression.growth]
        started = first * math.exp(-rates[0] * split), second * math.exp(-rates[1] * split)
    pulse = introgression.pulse.draw(rng) * scale * (split if introgression.by_share else 1.0)
    proportion = introgression.proportion.draw(rng)
    known = {
        "class": float(CLASSES.index(name)),
        "size": max(first, second, ancestral, *started),
        "size_first": first,
        "size_second": second,
        "size_ancestral": ancestral,
        "start_size_first": started[0],
        "start_size_second": started[1],
        "split": split * scale,
    }
    flow = Flow((first, second, ancestral), started, split * scale)
    if name == "none":
        return flow, known
    flow = replace(flow, pulse=pulse, proportion=proportion, receiver=FIRST if name == "into" else SECOND)
    return flow, {**known, "pulse": pulse, "proportion": proportion}
