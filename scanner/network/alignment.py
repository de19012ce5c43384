"""The networks of Flagel et al., which see alignments: made, trained and used.

Their shapes are the published ones (`scanner.network.designs`), with as many filters as wanted. They predict
standardised values, without variances, or logits of classes, and take one number of haplotypes and of sites only.

References
----------
Flagel, Brandvain & Schrider 2019, 10.1093/molbev/msy224.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.network.backend import evaluate, load_keras
from scanner.network.designs import Design, Stage
from scanner.network.fit import Epoch, Schedule, checkpoint, commit, rate_at, read_history

Single = NDArray[np.float32]
Inputs = list[Single]
"""Alleles (B, sites, haplotypes), and where the design has a second branch, what it sees (B, sites)."""
Step = tuple[Inputs, Single]
"""Inputs, and standardised targets (B, values) or 1 for the true class (B, classes)."""


@dataclass(frozen=True)
class Shape:
    """What fixes the shapes of a network.

    Parameters
    ----------
    design
        Its layers.
    sites, haplotypes
        Of every window.
    outputs
        Values that it predicts, or classes that it tells.
    classes
        Whether these are classes.
    """

    design: Design
    sites: int
    haplotypes: int
    outputs: int = 1
    classes: bool = False


@dataclass(frozen=True)
class Lessons:
    """What a network is trained on.

    Parameters
    ----------
    training
        ``training(epoch)`` yields the batches of one pass.
    size
        Number of batches of a pass.
    validation
        Yields batches that are always the same and that it does not learn from; None: it is not validated.
    """

    training: Callable[[int], Iterable[Step]]
    size: int
    validation: Callable[[], Iterable[Step]] | None = None


def build(shape: Shape, seed: int) -> Any:
    """Make an untrained network.

    Parameters
    ----------
    shape
        With as many sites at least as its design asks for.
    seed
        Fixes weights and dropout.

    Returns
    -------
    A ``keras.Model`` from `Inputs` to (B, outputs).
    """
    design = shape.design
    if shape.sites < design.shortest:
        raise ValueError(f"{shape.sites} sites are too few to pool: give {design.shortest} at least")
    keras, make = load_keras(), _Layers(seed, design.decay)
    alleles = keras.Input((shape.sites, shape.haplotypes), name="alleles")
    inputs, values = [alleles], alleles
    for number, stage in enumerate(design.stages, 1):
        values = make.stage(stage, number)(values)
    values = keras.layers.Flatten()(values)
    if design.branch is not None:
        inputs.append(keras.Input((shape.sites,), name=design.beside))
        branch = make.dense(design.branch.units, design.branch.dropout)(inputs[1])
        values = keras.layers.Concatenate()([values, branch])
    for layer in design.head:
        values = make.dense(layer.units, layer.dropout)(values)
    out = keras.layers.Dense(shape.outputs, kernel_initializer=make.initializer())(values)
    return keras.Model(inputs, out, name=design.name)


class _Layers:
    """Makes layers, each with a seed of its own."""

    def __init__(self, seed: int, decay: float) -> None:
        self.seed, self.made = seed, 0
        self.decay = decay

    def stage(self, stage: Stage, number: int) -> Callable[[Any], Any]:
        """Make a convolution with its pooling and dropout."""
        layers = load_keras().layers
        pools = {"average": layers.AveragePooling1D, "maximum": layers.MaxPooling1D}
        chain = [layers.Conv1D(stage.filters, 2, name=f"convolution_{number}", **self._learned())]
        if stage.pool != "none":
            chain.append(pools[stage.pool](2))
        return self._chained(chain, stage.dropout)

    def dense(self, units: int, dropout: float) -> Callable[[Any], Any]:
        """Make a hidden layer with its dropout."""
        return self._chained([load_keras().layers.Dense(units, **self._learned())], dropout)

    def initializer(self) -> Any:
        """Draw weights as Glorot and Bengio do."""
        return load_keras().initializers.GlorotUniform(seed=self._next())

    def _chained(self, chain: list[Any], dropout: float) -> Callable[[Any], Any]:
        if dropout > 0:
            chain.append(load_keras().layers.Dropout(dropout, seed=self._next()))

        def run(values: Any) -> Any:
            for layer in chain:
                values = layer(values)
            return values

        return run

    def _learned(self) -> dict[str, Any]:
        """Give what the layers with weights and a rectifier have in common."""
        penalty = load_keras().regularizers.L2(self.decay) if self.decay > 0 else None
        return {"activation": "relu", "kernel_regularizer": penalty, "kernel_initializer": self.initializer()}

    def _next(self) -> int:
        self.made += 1
        return int(np.random.SeedSequence([self.seed, self.made]).generate_state(1)[0] >> 1)


def fit(
    shape: Shape, seed: int, lessons: Lessons, schedule: Schedule, folder: Path | None = None
) -> tuple[Any, list[Epoch]]:
    """Train a network, going on after the last checkpoint where there is one.

    Parameters
    ----------
    shape, seed
        As `build` takes them.
    lessons
        What it is trained on.
    schedule
        Passes and learning rate; all passes are made.
    folder
        Keeps ``history.json``, the checkpoint of the last pass and the best weights; None: nothing is kept.

    Returns
    -------
    The network after the last pass, and what every pass gave: its error is the root of the mean squared error of
    standardised values, or the cross-entropy of classes; NaN without validation.

    Raises
    ------
    InputError
        Where a checkpoint cannot be read.
    """
    history = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        history = read_history(folder)
    model = checkpoint(folder, len(history)) if folder is not None and history else _compiled(shape, seed, schedule)
    while len(history) < schedule.epochs:
        began, epoch = time.monotonic(), len(history)
        _reseed(model, seed, epoch)
        loss = _pass(model, lessons, schedule, epoch)
        error = math.nan if lessons.validation is None else _error(model, lessons.validation(), shape)
        history.append(Epoch(epoch + 1, loss, error, round(time.monotonic() - began, 1)))
        if folder is not None:
            commit(model, history, folder)
    return model, history


def predict(model: Any, inputs: Inputs) -> Single:
    """Predict standardised values, or logits, (B, outputs), for one batch."""
    return evaluate(model, inputs)


def _compiled(shape: Shape, seed: int, schedule: Schedule) -> Any:
    """Make an untrained network that can be trained."""
    keras, model = load_keras(), build(shape, seed)
    told = keras.losses.CategoricalCrossentropy(from_logits=True)
    loss = told if shape.classes else "mean_squared_error"
    model.compile(optimizer=keras.optimizers.Adam(schedule.rate), loss=loss, jit_compile=False)
    return model


def _reseed(model: Any, seed: int, epoch: int) -> None:
    """Let the seed and the pass decide what is dropped, so that a training that goes on gives the same network."""
    for number, layer in enumerate(model.layers):
        if hasattr(layer, "seed_generator"):
            state = np.random.SeedSequence([seed, epoch, number]).generate_state(2) >> 1
            layer.seed_generator.state.assign(state)


def _pass(model: Any, lessons: Lessons, schedule: Schedule, epoch: int) -> float:
    """Train on every batch once; give the mean loss, dropout and penalties included."""
    losses, steps = [], schedule.epochs * lessons.size
    for number, (inputs, targets) in enumerate(lessons.training(epoch), epoch * lessons.size):
        model.optimizer.learning_rate = rate_at(schedule, number, number / steps)
        model.reset_metrics()  # what is returned is this batch's loss, not the mean so far
        losses.append(float(model.train_on_batch(inputs, targets)))
    return float(np.mean(losses)) if losses else math.nan


def _error(model: Any, batches: Iterable[Step], shape: Shape) -> float:
    """Measure what `fit` calls the error of a pass."""
    errors = []
    for inputs, targets in batches:
        found = predict(model, inputs).astype(np.float64)
        if shape.classes:
            errors.append(((np.logaddexp.reduce(found, axis=1, keepdims=True) - found) * targets).sum(axis=1))
        else:
            errors.append(((found - targets) ** 2).mean(axis=1))
    mean = float(np.concatenate(errors).mean())
    return mean if shape.classes else math.sqrt(mean)
