"""Evaluation of a model folder: its own recipe with another seed, simulated afresh."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from scanner.errors import UsageError
from scanner.evaluate.run import FRESH, TRAINING, Evaluation, Setting, check_baselines, evaluate, from_model
from scanner.network.backend import choose_device
from scanner.network.store import load, read_contract
from scanner.simulate.recipe import read_recipe
from scanner.simulate.sets import SimulationSet, make, open_set
from scanner.train.run import Progress, run_tasks
from scanner.train.seeds import Work
from scanner.workers import Mapper

Workers = Callable[[int], AbstractContextManager[Mapper]]
"""Gives, for a number of tasks, a map that computes them."""
MORE = 5
"""Simulations that baselines are trained on, for every fresh one, where there is no set to train them on."""


@dataclass(frozen=True)
class Request:
    """What is to be evaluated.

    Parameters
    ----------
    model
        A model folder.
    simulations, seed
        How many fresh ones, and where their randomness starts; None: one after the recipe's.
    baselines
        As `scanner.evaluate.run.Setting` takes them.
    training
        Simulations of the recipe that baselines are trained on; made where None.
    threads
        Processors of this process.
    """

    model: Path
    simulations: int = FRESH
    seed: int | None = None
    baselines: tuple[str, ...] = ("boosting",)
    training: Path | None = None
    threads: int = 1


def evaluate_model(request: Request, place: Path, workers: Workers, progress: Progress) -> Evaluation:
    """Simulate, train the baselines and measure; what is simulated already is not simulated again.

    Parameters
    ----------
    request
        What is to be evaluated.
    place
        Folder for simulations.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.

    Raises
    ------
    UsageError
        For a seed that the network was trained with, and whatever is not installed.
    InputError
        Where the folder is no model, or damaged.
    """
    check_baselines(request.baselines)
    read_contract(request.model)  # refused before anything is simulated
    recipe, seed = request.model / "recipe.toml", fresh_seed(request)
    choose_device("auto", request.threads)
    model = load(request.model)
    fresh = open_set(recipe, place / "fresh", simulations=request.simulations, seed=seed)
    complete(fresh, workers, progress)
    work = Work(fresh, place)
    setting = Setting(fresh, work.options.how, baselines=request.baselines, threads=request.threads)
    if setting.untrained:
        held = _training(request, recipe, place, avoid=seed)
        complete(held, workers, progress)
        setting = replace(setting, training=held)
    with workers(fresh.shards) as mapper:
        return evaluate(setting, from_model(model, work), mapper, progress)


def fresh_seed(request: Request) -> int:
    """Choose the seed of the fresh simulations; refuse the one that the network was trained with."""
    first = read_recipe(request.model / "recipe.toml").seed
    seed = first + 1 if request.seed is None else request.seed
    if seed == first:
        raise UsageError(f"the network was trained on the simulations of seed {seed}: give another --seed")
    return seed


def _training(request: Request, recipe: Path, place: Path, avoid: int) -> SimulationSet:
    """Open the simulations that baselines are trained on; their seed is not that of the fresh ones."""
    if request.training is not None:
        held = open_set(request.training / "recipe.toml", request.training)
        if held.recipe.seed == avoid:
            raise UsageError(f"{request.training} has the seed of the fresh simulations, {avoid}: give another --seed")
        return held
    count = min(TRAINING, MORE * request.simulations)
    return open_set(recipe, place / "training", simulations=count, seed=avoid + 1)


def complete(held: SimulationSet, workers: Workers, progress: Progress) -> None:
    """Make the simulations that are missing."""
    missing = held.missing()
    if missing:
        progress.start("simulating", sum(task.records for task in missing))
        run_tasks(make, missing, workers, progress)
