"""Training from a recipe to a model folder: simulate, look, fit, join; each stage goes on where it was stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from scanner.errors import RunError
from scanner.network.fit import Epoch, read_history
from scanner.simulate import sets
from scanner.simulate.recipe import read_recipe
from scanner.train.looks import Look, prepare
from scanner.train.options import training_options
from scanner.train.seeds import Seed, Work, train_seed
from scanner.workers import Mapper, available_threads

Workers = Callable[[int], AbstractContextManager[Mapper]]
"""Gives, for a number of tasks, a map that computes them."""
POLL = 1.0
"""Seconds between two looks at how far the networks are."""


class Progress(Protocol):
    """Hears how far the training is."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins."""

    def advance(self, amount: int) -> None:
        """So much more is done."""


def train(recipe: Path, work: Path, workers: Workers, progress: Progress, simulations: Path | None = None) -> Work:
    """Simulate and train every network of a recipe; what is done already is not done again.

    Parameters
    ----------
    recipe
        The recipe.
    work
        Folder that keeps simulations, examples and checkpoints.
    workers
        Who computes it.
    progress
        Hears how far it is.
    simulations
        A set that was simulated before; made inside ``work`` where None.

    Raises
    ------
    InputError, OutputError, UsageError, RunError
        For all that can go wrong; what is done is kept.
    """
    _ = training_options(read_recipe(recipe))  # refused before a folder is made,
    held = sets.open_set(recipe, work / "simulations" if simulations is None else simulations)
    found = Work(held, work)
    _ = found.held_out  # or hours are spent simulating
    simulate(held, workers, progress)
    see(found.looks(), workers, progress)
    count = found.options.seeds
    seeds = [Seed(found, number, max(1, available_threads() // count)) for number in range(1, count + 1)]
    progress.start("training", count * found.options.schedule.epochs)
    with _watched(found, progress), workers(len(seeds)) as mapper:
        for history in mapper(train_seed, seeds):
            _check_learned(history, found)
    return found


def histories(work: Work) -> list[list[Epoch]]:
    """Read what every pass of every network gave."""
    return [read_history(work.seed_folder(seed)) for seed in range(1, work.options.seeds + 1)]


def simulate(held: sets.SimulationSet, workers: Workers, progress: Progress, stage: str = "simulating") -> None:
    """Make the simulations that are missing."""
    missing = held.missing()
    progress.start(stage, sum(task.records for task in missing))
    run_tasks(sets.make, missing, workers, progress)


def see(looks: Sequence[Look], workers: Workers, progress: Progress) -> None:
    """Take the looks that are missing."""
    missing = [look for look in looks if look.store.facts(look.name) is None]
    progress.start("looking", sum(look.records for look in missing))
    run_tasks(prepare, missing, workers, progress)


def run_tasks(function: Callable[[Any], int], tasks: Sequence[Any], workers: Workers, progress: Progress) -> None:
    """Compute tasks, if there are any; each gives the number of its simulations."""
    if tasks:
        with workers(len(tasks)) as mapper:
            for done in mapper(function, tasks):
                progress.advance(done)


def _check_learned(history: list[Epoch], work: Work) -> None:
    """Refuse a network that went astray."""
    if not all(row.error < float("inf") for row in history):  # NaN too
        raise RunError(f"the training in {work.folder} diverged: give a smaller training.learning_rate in the recipe")


@contextmanager
def _watched(work: Work, progress: Progress) -> Iterator[None]:
    """Report passes while they are made: the networks are trained in other processes, which write how far they are."""
    ended, told = threading.Event(), [0]

    def tell() -> None:
        done = sum(len(history) for history in histories(work))
        progress.advance(done - told[0])
        told[0] = done

    def watch() -> None:
        while not ended.wait(POLL):
            tell()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        tell()
