"""Training of a published network that sees alignments, from a recipe to a folder with its card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import Aligned
from scanner.errors import RunError
from scanner.evaluate.alignment import WARMUP, standard
from scanner.evaluate.classes import confusion
from scanner.evaluate.classes import reliability as class_reliability
from scanner.evaluate.folders import Request, Workers, complete
from scanner.evaluate.report import table
from scanner.evaluate.run import NETWORK, Evaluation
from scanner.evaluate.trained import evaluate_trained
from scanner.files import read_lines
from scanner.network import aligned
from scanner.network.aligned import AlignmentNetwork, arranged
from scanner.network.alignment import Lessons, Step, fit
from scanner.network.backend import choose_device
from scanner.network.fit import Epoch, Schedule, read_history
from scanner.simulate.recipe import read_recipe
from scanner.simulate.sets import open_set
from scanner.train.alignment_looks import AlignmentWork, prepare, read, shuffled, windows_in
from scanner.train.alignment_options import alignment_options
from scanner.train.figures import accuracy, calibration_curves, confusion_matrix, learning_curves
from scanner.train.run import Progress, run_tasks

Float = NDArray[np.float64]

NETWORK_FOLDER = "network"
"""Folder of the checkpoints."""


@dataclass(frozen=True)
class Trained:
    """A network that was trained, and all that belongs to its training."""

    work: AlignmentWork
    network: AlignmentNetwork


def train_alignment(
    recipe: Path, work: Path, workers: Workers, progress: Progress, simulations: Path | None = None, threads: int = 1
) -> Trained:
    """Simulate and train the network of a recipe; what is done already is not done again.

    Parameters
    ----------
    recipe
        The recipe, with a table ``[alignment]``.
    work
        Folder that keeps simulations, alignments and checkpoints.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.
    simulations
        A set that was simulated before; made inside ``work`` where None.
    threads
        Processors of this process, which trains.

    Raises
    ------
    InputError, OutputError, UsageError, RunError
        For all that can go wrong; what is done is kept.
    """
    _ = alignment_options(read_recipe(recipe))  # refused before a folder is made,
    held = open_set(recipe, work / "simulations" if simulations is None else simulations)
    found = AlignmentWork(held, work)
    _ = found.held_out  # or hours are spent simulating
    choose_device("auto", threads)
    complete(held, workers, progress)
    looks = found.looks()
    progress.start("looking", len(held))
    run_tasks(prepare, looks, workers, progress)
    return Trained(found, _fit(found, progress))


def _fit(work: AlignmentWork, progress: Progress) -> AlignmentNetwork:
    """Train the network, or go on with it, one pass after the other; give what came of it."""
    options, looks = work.options, work.looks()
    training, held_out = looks[: -work.held_out], looks[-work.held_out :]
    targets = np.concatenate([read(look).targets for look in training])
    centre, scale = standard(targets, classes=options.shape.classes)
    seed = work.simulations.recipe.seed

    def step(windows: Sequence[Aligned], truth: Float) -> Step:
        return arranged(windows, options.shape), ((truth - centre) / scale).astype(np.float32)

    def steps(epoch: int) -> Iterator[Step]:
        for batch in shuffled(training, options.batch, np.random.default_rng([seed, epoch])):
            yield step(*batch)
            progress.advance(len(batch[0]))

    def validation() -> Iterator[Step]:
        for lines in map(read, held_out):
            yield step(lines.windows, lines.targets)

    size = sum(map(windows_in, training)) // options.batch
    folder, schedule = work.folder / NETWORK_FOLDER, options.schedule
    history = read_history(folder)
    progress.start("training", (schedule.epochs - min(len(history), schedule.epochs)) * size * options.batch)
    schedule = Schedule(schedule.epochs, schedule.rate, warmup=max(1, min(WARMUP, size)))
    model, history = fit(options.shape, seed, Lessons(steps, size, validation), schedule, folder)
    if not all(row.error < float("inf") for row in history):  # NaN too
        raise RunError(f"the training in {work.folder} diverged: give a smaller alignment.learning_rate in the recipe")
    name, outputs = work.simulations.recipe.name, options.learned.outputs
    return AlignmentNetwork(model, options.shape, centre, scale, name, outputs)


def publish_alignment(
    trained: Trained, out: Path, workers: Workers, progress: Progress, *, options: Mapping[str, Any] | None = None
) -> str:
    """Write the folder of a network that was trained.

    Parameters
    ----------
    trained
        What `train_alignment` gave.
    out
        The folder; one that is there is replaced.
    workers
        Who simulates and looks.
    progress
        Hears how far it is.
    options
        Fields of `scanner.evaluate.folders.Request` that differ from their defaults.

    Returns
    -------
    What the evaluation gave, as text.
    """
    work, network = trained.work, trained.network
    recipe = "".join(read_lines(work.simulations.folder / "recipe.toml"))
    draft = work.folder / "model"
    aligned.save(draft, network, {aligned.RECIPE: recipe})
    request = Request(draft, **{"baselines": (), **(options or {})})
    found = evaluate_trained(request, work.folder / "evaluation", workers, progress)
    text = table(found.metrics)
    texts = {
        aligned.RECIPE: recipe,
        "metrics.json": json.dumps(found.metrics, indent=1, allow_nan=False) + "\n",
        "README.md": write_card(network, work, text),
        **_figures(read_history(work.folder / NETWORK_FOLDER), found),
    }
    aligned.save(out, network, texts)
    return text


def _figures(history: Sequence[Epoch], found: Evaluation) -> dict[str, str]:
    """Draw the figures of the card."""
    if found.told is not None:
        told, said = found.told, found.told.estimates[NETWORK]
        names = [name.replace("_", " ") for name in told.names]
        return {
            "learning.svg": learning_curves([history], "validation cross-entropy"),
            "accuracy.svg": confusion_matrix(confusion(told.truth, said), names),
            "reliability.svg": calibration_curves(*class_reliability(told.truth, said), names),
        }
    pairs = [(one.value.learned(one.truth), one.value.learned(one.estimates[NETWORK])) for one in found.outputs]
    truth, mean = (np.stack(each, axis=1) for each in zip(*pairs, strict=True))
    labels = [one.value.score.replace("_", " ") for one in found.outputs]
    return {
        "learning.svg": learning_curves([history], "validation RMSE, standardised"),
        "accuracy.svg": accuracy(truth, mean, labels),
    }


def write_card(network: AlignmentNetwork, work: AlignmentWork, text: str) -> str:
    """Write the card: what the network is, how it was trained, and what it was measured to do (``text``)."""
    shape, recipe, options = network.shape, work.simulations.recipe, work.options
    filters, units = (", ".join(map(str, each)) for each in (shape.design.filters, shape.design.units))
    reliability = "\n![probabilities, and how often they come true](reliability.svg)" if shape.classes else ""
    return f"""# {network.name}

{options.learned.title}: a network of the shape that Flagel, Brandvain & Schrider published as theirs
([10.1093/molbev/msy224](https://doi.org/10.1093/molbev/msy224)), to compare others with. It sees the alignment of one
window, and a scan cannot use it.

- **Predicts** {", ".join(f"`{name}`" for name in network.outputs)}.
- **Reads** alignments of {shape.haplotypes} haplotypes and {shape.sites:,} sites, design `{shape.design.name}`:
  convolutions of {filters} filters, hidden layers of {units} units, {network.model.count_params():,} numbers.
- **Was trained** on {recipe.simulations:,} simulations (seed {recipe.seed}, [recipe.toml](recipe.toml)), of which
  {options.validation:.0%} were held out, in {options.schedule.epochs} passes.

## How well it does

```text
{text.rstrip()}
```

![validation error by pass](learning.svg)
![what is predicted, and what is true](accuracy.svg){reliability}
"""
