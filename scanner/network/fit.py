"""Training one network: passes over the examples, a checkpoint after each, and the best weights kept."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.files import write_text
from scanner.network.architecture import Architecture, build, describe, prepare, standardise
from scanner.network.backend import evaluate, load_keras

CLIP = 1.0
"""Largest norm of a gradient."""
WARM = 0.05
"""Share of all passes after which a small set of examples has warmed up, however few its steps."""


class Batch(Protocol):
    """What a step is trained on; see `scanner.train.examples.Batch`."""

    @property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """Inputs of the network, by name."""

    @property
    def targets(self) -> NDArray[np.float32]:
        """What it is to predict."""

    @property
    def weights(self) -> NDArray[np.float32]:
        """Which of these count: 1 or 0."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns.

    Parameters
    ----------
    epochs
        Passes over the examples.
    rate
        Largest learning rate; it rises to it over ``warmup`` steps and falls to zero along half a cosine.
    warmup
        Steps.
    patience
        Passes without a better validation error after which training ends early.
    """

    epochs: int
    rate: float = 2e-3
    warmup: int = 200
    patience: int = 6


@dataclass(frozen=True)
class Data:
    """Where examples come from.

    Parameters
    ----------
    training
        ``training(epoch)`` yields batches, each with the share of the epoch that is done after it.
    validation
        Yields batches that are always the same.
    standard
        Mean and scale of sites, and of extras, to be frozen into the network.
    scale
        (values,): standard deviations of the targets; they are learned as ``(target - centre) / scale``. 1 for classes.
    centre
        (values,): means of the targets. 0 for classes.
    """

    training: Callable[[int], Iterable[tuple[Batch, float]]]
    validation: Callable[[], Iterable[Batch]]
    standard: tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]


@dataclass(frozen=True)
class Epoch:
    """What one pass gave.

    Parameters
    ----------
    epoch
        From 1 on.
    loss
        Mean loss of training.
    error
        Of the validation examples: root mean squared error over all values, in units of the targets; or the mean
        cross-entropy of classes.
    seconds
        How long it took.
    """

    epoch: int
    loss: float
    error: float
    seconds: float


def rate_at(schedule: Schedule, step: int, progress: float) -> float:
    """Give the learning rate.

    Parameters
    ----------
    schedule
        How long and how fast.
    step
        Steps done.
    progress
        Share of all passes done, 0 to 1.

    Examples
    --------
    >>> [round(rate_at(Schedule(1), step, at), 5) for step, at in ((0, 0.0), (199, 0.0), (999, 0.5), (1999, 1.0))]
    [1e-05, 0.002, 0.001, 0.0]
    """
    warm = min(1.0, max((step + 1) / schedule.warmup, progress / WARM))
    return schedule.rate * warm * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def fit(arch: Architecture, seed: int, data: Data, schedule: Schedule, folder: Path) -> list[Epoch]:
    """Train one network, going on after the last checkpoint where there is one.

    Parameters
    ----------
    arch, seed
        The network and its initial weights.
    data, schedule
        What it is trained on, and how.
    folder
        Keeps ``history.json``, the checkpoint of the last pass, and ``best.weights.h5``.

    Returns
    -------
    What every pass gave.

    Raises
    ------
    InputError
        Where a checkpoint cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history = read_history(folder)
    model = _start(arch, seed, data, folder, len(history))
    while len(history) < schedule.epochs and not _stalled(history, schedule.patience):
        began, epoch = time.monotonic(), len(history)
        mean_loss = _pass(model, data, schedule, epoch)
        error = validate(model, data)
        history.append(Epoch(epoch + 1, mean_loss, error, round(time.monotonic() - began, 1)))
        commit(model, history, folder)
    return history


def read_history(folder: Path) -> list[Epoch]:
    """Read what the passes so far gave; nothing where there was none."""
    path = folder / "history.json"
    if not path.is_file():
        return []
    try:
        return [Epoch(**row) for row in json.loads(path.read_text())]
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: remove {folder} to train this network anew") from error


def load_best(arch: Architecture, folder: Path) -> Any:
    """Load the network of the pass with the least validation error."""
    model = build(arch, 0)
    model.load_weights(folder / "best.weights.h5")
    return model


def validate(model: Any, data: Data) -> float:
    """Measure the error of the validation examples; see `Epoch`."""
    classes = describe(model)[0].classes > 0
    total = count = 0.0
    for predicted, batch in predictions(model, data.validation()):
        error = _surprise(predicted, batch) if classes else _squared(predicted, batch, data)
        total, count = total + float((error * batch.weights).sum()), count + float(batch.weights.sum())
    mean = total / max(count, 1.0)
    return mean if classes else math.sqrt(mean)


def _squared(predicted: NDArray[np.float32], batch: Batch, data: Data) -> NDArray[np.float64]:
    """Give the squared error of every window, averaged over values."""
    mean = predicted[..., : len(data.scale)] * data.scale + data.centre
    return np.asarray(((mean - batch.targets) ** 2).mean(axis=-1))


def _surprise(predicted: NDArray[np.float32], batch: Batch) -> NDArray[np.float64]:
    """Give minus the natural logarithm of the probability of every window's true class."""
    logits = predicted.astype(np.float64)
    return np.asarray(((np.logaddexp.reduce(logits, axis=-1, keepdims=True) - logits) * batch.targets).sum(axis=-1))


def predictions(model: Any, batches: Iterable[Batch]) -> Iterator[tuple[NDArray[np.float32], Batch]]:
    """Yield what a network says of every batch."""
    for batch in batches:
        yield evaluate(model, batch.inputs), batch


def _start(arch: Architecture, seed: int, data: Data, folder: Path, done: int) -> Any:
    """Build a network, or load the checkpoint of the last pass."""
    keras = load_keras()
    if done == 0:
        model = build(arch, seed)
        standardise(model, *data.standard)
        prepare(model, keras.optimizers.Adam(1e-3, clipnorm=CLIP), classes=arch.classes > 0)
        return model
    return checkpoint(folder, done)


def checkpoint(folder: Path, done: int) -> Any:
    """Load the network as it was after ``done`` passes, which `commit` kept.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    path = folder / f"epoch-{done:03d}.keras"
    try:
        return load_keras().saving.load_model(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: remove {folder} to train this network anew") from error


def _pass(model: Any, data: Data, schedule: Schedule, epoch: int) -> float:
    """Train on every example once; give the mean loss."""
    losses: list[float] = []
    done = 0.0
    for batch, share in data.training(epoch):
        step = int(np.asarray(model.optimizer.iterations))
        model.optimizer.learning_rate = rate_at(schedule, step, (epoch + done) / schedule.epochs)
        targets = (batch.targets - data.centre.astype(np.float32)) / data.scale.astype(np.float32)
        losses.append(float(model.train_on_batch(batch.inputs, targets, sample_weight=batch.weights)))
        done = share
    return float(np.mean(losses)) if losses else math.nan


def _stalled(history: list[Epoch], patience: int) -> bool:
    """Tell whether the last passes brought nothing."""
    errors = [row.error for row in history]
    return len(errors) > patience and min(errors[-patience:]) >= min(errors[:-patience])


def commit(model: Any, history: list[Epoch], folder: Path) -> None:
    """Keep the checkpoint of the last pass, and its weights where they are the best; then drop the one before."""
    number = len(history)
    if history[-1].error <= min(row.error for row in history):
        draft = folder / "draft.weights.h5"
        model.save_weights(draft)
        draft.replace(folder / "best.weights.h5")
    draft = folder / "draft.keras"
    model.save(draft)
    draft.replace(folder / f"epoch-{number:03d}.keras")
    write_text(folder / "history.json", json.dumps([asdict(row) for row in history], indent=1) + "\n")
    for old in folder.glob("epoch-*.keras"):
        if old.name < f"epoch-{number:03d}.keras":
            old.unlink()
