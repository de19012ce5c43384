"""Fresh simulations of the first class alone: what a network says of them is the null distribution of its calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scanner.network.predict import calibrated
from scanner.network.spec import Spec
from scanner.simulate.recipe import Recipe
from scanner.simulate.sets import SimulationSet, make
from scanner.train.assemble import tell
from scanner.train.looks import plan_looks, prepare, read
from scanner.train.run import Progress, Workers, run_tasks
from scanner.train.seeds import Work
from scanner.windows import Float

MOST = 10_000
"""Simulations: as many as the network was trained on, but no more than these."""
SEED = 3
"""Added to the recipe's seed; the next ones after the recipe's are those of evaluations."""


def null_windows(network: Any, spec: Spec, work: Work, workers: Workers, progress: Progress) -> Float:
    """Simulate windows of the first class, and let the network tell what they are.

    Parameters
    ----------
    network, spec
        The ensemble, and its contract, calibrated.
    work
        The recipe and how its simulations are looked at; simulations are kept in its folder.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.

    Returns
    -------
    (windows, classes), as `scanner.network.null.write` takes them.
    """
    folder = work.folder / "null"
    simulations = SimulationSet(folder / "simulations", null_recipe(work.simulations.recipe, spec))
    missing = simulations.missing()
    progress.start("simulating windows of the first class", sum(task.records for task in missing))
    run_tasks(make, missing, workers, progress)
    looks = plan_looks(simulations, work.options.how, folder / "examples", 1)
    unseen = [look for look in looks if look.store.facts(look.name) is None]
    progress.start("looking", sum(look.records for look in unseen))
    run_tasks(prepare, unseen, workers, progress)
    return calibrated(tell(network, work, (example for look in looks for example in read(look))).raw, spec)


def null_recipe(recipe: Recipe, spec: Spec) -> Recipe:
    """Give the recipe of simulations of the first class alone; the table named after the task has its classes."""
    first = spec.classes[0].name.removeprefix(f"{recipe.task}_")
    table = replace(getattr(recipe, recipe.task), classes={first: 1.0})
    count = min(MOST, recipe.simulations)
    return replace(recipe, seed=recipe.seed + SEED, simulations=count, **{recipe.task: table})
