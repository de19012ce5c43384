"""Fresh simulations of a network that tells classes: some to calibrate it on, and some of the first class alone.

What the network says of the latter is the null distribution of its calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scanner.network.predict import calibrated
from scanner.network.spec import Spec
from scanner.simulate.recipe import Recipe
from scanner.simulate.sets import SimulationSet
from scanner.train.assemble import Told, best_temperature, tell
from scanner.train.examples import Example
from scanner.train.looks import plan_looks
from scanner.train.run import Progress, Workers, see, simulate
from scanner.train.seeds import Work
from scanner.windows import Float

MOST = 10_000
"""Simulations of the first class: as many as the network was trained on, but no more than these."""
CALIBRATION, ONE_IN = 2_000, 6
"""Simulations to calibrate on, beside those that were held out: a sixth of those trained on, but no more than these."""
NULL_SEED, CALIBRATION_SEED = 3, 4
"""Added to the recipe's seed; the next ones after the recipe's are those of evaluations."""


@dataclass(frozen=True)
class Fresh:
    """Makes simulations for a training and looks at them; they are kept in its folder.

    Parameters
    ----------
    work
        The recipe and how its simulations are looked at.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.
    """

    work: Work
    workers: Workers
    progress: Progress

    def examples(self, name: str, recipe: Recipe, what: str) -> Iterator[Example]:
        """Look at the simulations of a recipe, which are made where they are not there: in ``name``."""
        folder = self.work.folder / name
        simulations = SimulationSet(folder / "simulations", recipe)
        simulate(simulations, self.workers, self.progress, f"simulating {what}")
        looks = plan_looks(simulations, self.work.options.how, folder / "examples", 1)
        see(looks, self.workers, self.progress)
        return self.work.told(looks)


def temperature(network: Any, held_out: Told, fresh: Fresh) -> float:
    """Calibrate a network: on the simulations that were held out, which are often few, and on fresh ones.

    Parameters
    ----------
    network
        An ensemble.
    held_out
        What it says of the former.
    fresh
        Makes them.

    Returns
    -------
    As `scanner.train.assemble.best_temperature` finds it.
    """
    recipe = calibration_recipe(fresh.work.simulations.recipe)
    told = tell(network, fresh.work, fresh.examples("calibration", recipe, "windows to calibrate on"))
    raw, targets = ([getattr(each, name) for each in (held_out, told)] for name in ("raw", "targets"))
    return best_temperature(Told(np.concatenate(raw), np.concatenate(targets), {}))


def calibration_recipe(recipe: Recipe) -> Recipe:
    """Give the recipe of simulations to calibrate on."""
    count = max(1, min(CALIBRATION, recipe.simulations // ONE_IN))
    return replace(recipe, seed=recipe.seed + CALIBRATION_SEED, simulations=count)


def null_windows(network: Any, spec: Spec, fresh: Fresh) -> Float:
    """Simulate windows of the first class, and let the network tell what they are.

    Parameters
    ----------
    network, spec
        The ensemble, and its contract, calibrated.
    fresh
        Makes them.

    Returns
    -------
    (windows, classes), as `scanner.network.null.write` takes them.
    """
    made = fresh.examples("null", null_recipe(fresh.work.simulations.recipe, spec), "windows of the first class")
    return calibrated(tell(network, fresh.work, made).raw, spec)


def null_recipe(recipe: Recipe, spec: Spec) -> Recipe:
    """Give the recipe of simulations of the first class alone; the table named after the task has its classes."""
    first = spec.classes[0].name.removeprefix(f"{recipe.task}_")
    table = replace(getattr(recipe, recipe.task), classes={first: 1.0})
    count = min(MOST, recipe.simulations)
    return replace(recipe, seed=recipe.seed + NULL_SEED, simulations=count, **{recipe.task: table})
