"""Evaluation of a trained network that sees alignments: on its own recipe with another seed, simulated afresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import UsageError
from scanner.evaluate import classes, run
from scanner.evaluate.classes import Told
from scanner.evaluate.folders import Request, Workers, complete, fresh_seed
from scanner.evaluate.measures import measure_plain
from scanner.evaluate.run import NETWORK, Estimated, Evaluation
from scanner.network import aligned
from scanner.network.backend import choose_device
from scanner.simulate.sets import open_set
from scanner.train.alignment_looks import AlignmentWork, Lines, prepare, read_all
from scanner.train.alignment_options import Learned
from scanner.train.run import Progress, run_tasks

Float = NDArray[np.float64]


def evaluate_trained(request: Request, place: Path, workers: Workers, progress: Progress) -> Evaluation:
    """Simulate, see and measure; what is simulated already is not simulated again.

    Parameters
    ----------
    request
        What is to be evaluated; without baselines.
    place
        Folder for simulations.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.

    Raises
    ------
    UsageError
        For baselines, a seed that the network was trained with, and whatever is not installed.
    InputError
        Where the folder is damaged.
    """
    if request.baselines:
        raise UsageError(
            f"{request.model} is itself a baseline: evaluate it alone (--baselines none), or beside a model of "
            f"its task (popscan evaluate MODEL --baselines boosting,{request.model})"
        )
    choose_device("auto", request.threads)
    network = aligned.load(request.model)
    lines, made = fresh_lines(request, place, workers, progress)
    learned = made.options.learned
    found = network.predict(lines.windows)
    metrics = {"simulations": len(made.simulations), "seed": made.simulations.recipe.seed, "trained_on": 0}
    return measured(learned, lines, found, metrics)


def fresh_lines(request: Request, place: Path, workers: Workers, progress: Progress) -> tuple[Lines, AlignmentWork]:
    """Simulate the recipe of a network with another seed, and see what comes of it; see `evaluate_trained`."""
    recipe, seed = request.model / aligned.RECIPE, fresh_seed(request)
    work = AlignmentWork(open_set(recipe, place / "fresh", simulations=request.simulations, seed=seed), place)
    complete(work.simulations, workers, progress)
    looks = work.looks()
    progress.start("looking", len(work.simulations))
    run_tasks(prepare, looks, workers, progress)
    return read_all(looks), work


def measured(learned: Learned, lines: Lines, found: Float, made: dict[str, Any]) -> Evaluation:
    """Measure what a network says of alignments.

    Parameters
    ----------
    learned
        What it learned.
    lines
        Alignments, with their truth.
    found
        (windows, values) on the scales on which they were learned, or (windows, classes) probabilities.
    made
        Numbers about the simulations, which the metrics begin with.
    """
    if learned.classes:
        told = Told(learned.classes, lines.targets.argmax(axis=1), {NETWORK: found})
        return Evaluation({**made, **classes.report(told, lines.facts)}, (), lines.facts, told)
    outputs = tuple(
        Estimated(value, value.natural(truth), {NETWORK: value.natural(mean)})
        for value, truth, mean in zip(learned.values, lines.targets.T, found.T, strict=True)
    )
    if not learned.logarithms:
        (one,) = outputs
        overall = {NETWORK: measure_plain(one.truth, one.estimates[NETWORK])}
        metrics = {**made, "windows": len(one.truth), "overall": overall, "strata": {}, "paired": {}}
        return Evaluation(metrics, outputs, lines.facts)
    return Evaluation({**made, **run.reports(outputs, lines.facts)}, outputs, lines.facts)
