"""The network of Flagel et al. for recombination, which sees alignments: the published baseline.

Its shape is the published one, with as many filters as wanted. It predicts the target itself, without a variance, or
logits of classes, and takes one number of haplotypes only.

References
----------
Flagel, Brandvain & Schrider 2019, 10.1093/molbev/msy224.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.network.backend import evaluate, load_keras
from scanner.network.fit import Schedule, rate_at

Single = NDArray[np.float32]
Step = tuple[Single, Single, Single]
"""Alleles (B, sites, haplotypes), positions (B, sites) and standardised targets (B, 1) or classes (B, classes)."""

PUBLISHED = (1250, 256, 256, 256)
"""Filters of the three convolutions and units of the last hidden layer, as published."""
NARROW = (128, 64, 64, 128)
"""The same, so that it can be trained on one core."""
DECAY = 1e-4
"""Penalty on squared weights."""


@dataclass(frozen=True)
class Shape:
    """What fixes the shapes of the network.

    Parameters
    ----------
    sites, haplotypes
        Of every window.
    width
        Filters of the three convolutions, and units of the last hidden layer.
    classes
        Classes that it tells; 0 where it predicts a value.
    """

    sites: int
    haplotypes: int
    width: tuple[int, int, int, int] = NARROW
    classes: int = 0


def build(shape: Shape, seed: int) -> Any:
    """Make an untrained network.

    Parameters
    ----------
    shape
        At least 8 sites.
    seed
        Fixes weights and dropout.

    Returns
    -------
    A ``keras.Model``: alleles (B, sites, haplotypes) and positions (B, sites) to (B, 1), or to logits (B, classes).
    """
    if shape.sites < 8:
        raise ValueError(f"{shape.sites} sites are too few to pool: give 8 at least")
    layers = load_keras().layers
    first, second, third, units = shape.width
    alleles = load_keras().Input((shape.sites, shape.haplotypes), name="alleles")
    positions = load_keras().Input((shape.sites,), name="positions")
    values = layers.Conv1D(first, 2, **_learned(seed, 1))(alleles)
    values = layers.Conv1D(second, 2, **_learned(seed, 2))(values)
    values = layers.Dropout(0.25, seed=_seed(seed, 3))(layers.AveragePooling1D(2)(values))
    values = layers.Conv1D(third, 2, **_learned(seed, 4))(values)
    values = layers.Dropout(0.25, seed=_seed(seed, 5))(layers.AveragePooling1D(2)(values))
    places = layers.Dense(64, **_learned(seed, 6))(positions)
    places = layers.Dropout(0.1, seed=_seed(seed, 7))(places)
    joined = layers.Concatenate()([layers.Flatten()(values), places])
    joined = layers.Dense(units, **_learned(seed, 8))(joined)
    out = layers.Dense(max(1, shape.classes), kernel_initializer=_glorot(_seed(seed, 9)))(joined)
    return load_keras().Model([alleles, positions], out, name="alignment")


def train(model: Any, steps: Callable[[int], Iterable[Step]], schedule: Schedule, size: int) -> list[float]:
    """Train a network.

    Parameters
    ----------
    model
        What `build` made.
    steps
        ``steps(epoch)`` yields the batches of one pass.
    schedule
        Passes and learning rate; there is no validation, hence no patience.
    size
        Number of batches of a pass.

    Returns
    -------
    Mean squared error, or cross-entropy, of every pass, dropout and penalties included.
    """
    keras = load_keras()
    told = keras.losses.CategoricalCrossentropy(from_logits=True)
    loss = told if model.outputs[0].shape[-1] > 1 else "mean_squared_error"
    model.compile(optimizer=keras.optimizers.Adam(schedule.rate), loss=loss, jit_compile=False)
    found, step = [], 0
    for epoch in range(schedule.epochs):
        losses = []
        for alleles, positions, targets in steps(epoch):
            model.optimizer.learning_rate = rate_at(schedule, step, step / (schedule.epochs * size))
            model.reset_metrics()  # what is returned is this batch's loss, not the mean so far
            losses.append(float(model.train_on_batch([alleles, positions], targets)))
            step += 1
        found.append(float(np.mean(losses)))
    return found


def predict(model: Any, alleles: Single, positions: Single) -> Single:
    """Predict standardised targets, (B, 1), or logits, (B, classes), for one batch."""
    return evaluate(model, [alleles, positions])


def _learned(seed: int, number: int) -> dict[str, Any]:
    """Give what the layers with weights and a rectifier have in common."""
    penalty = load_keras().regularizers.L2(DECAY)
    return {"activation": "relu", "kernel_regularizer": penalty, "kernel_initializer": _glorot(_seed(seed, number))}


def _glorot(seed: int) -> Any:
    return load_keras().initializers.GlorotUniform(seed=seed)


def _seed(seed: int, number: int) -> int:
    """Give every layer a seed of its own."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
