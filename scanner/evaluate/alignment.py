"""The baseline: the published network on alignments, trained on the simulations that the other baselines see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import Aligned, align, pad
from scanner.errors import UsageError
from scanner.network.alignment import NARROW, Shape, Step, build, predict, train
from scanner.network.fit import Schedule
from scanner.train.examples import Sight

Float = NDArray[np.float64]

BATCH = 32
EPOCHS = 5
RATE = 1e-3
SHORTEST = 16
"""Sites that a network takes at least."""
SHARE = 0.999
"""Share of the training windows that fit in whole."""


@dataclass(frozen=True)
class AlignmentNetwork:
    """A trained network.

    Parameters
    ----------
    model
        The ``keras.Model``.
    shape
        Its shape.
    centre, scale
        Mean and standard deviation of the targets it was trained on; 0 and 1 for classes.
    losses
        Mean squared error of every pass, of standardised targets; or cross-entropy of classes.
    """

    model: Any
    shape: Shape
    centre: float
    scale: float
    losses: tuple[float, ...]

    def predict(self, windows: Sequence[Aligned], batch: int = 256) -> Float:
        """Predict targets, (windows,), or probabilities of classes, (windows, classes)."""
        found = np.empty((len(windows), max(1, self.shape.classes)))
        for first in range(0, len(windows), batch):
            taken = list(windows[first : first + batch])
            alleles, positions = pad(taken, self.shape.sites)
            found[first : first + len(taken)] = predict(self.model, alleles, positions)
        if self.shape.classes:
            return np.asarray(np.exp(found - np.logaddexp.reduce(found, axis=1, keepdims=True)))
        return found[:, 0] * self.scale + self.centre

    def save(self, folder: Path) -> None:
        """Write the network and its numbers into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "alignment.keras")
        np.savez(folder / "alignment.npz", centre=self.centre, scale=self.scale, losses=self.losses)


def windows_of(sight: Sight, size: int) -> list[Aligned]:
    """Encode the windows of one simulation, with ``size`` haplotypes."""
    return align(sight.seen.positions, sight.seen.haplotypes, sight.start, sight.end, size)


def fit(
    windows: Sequence[Aligned],
    targets: Float,
    *,
    epochs: int = EPOCHS,
    width: tuple[int, int, int, int] = NARROW,
    rate: float = RATE,
    seed: int = 1,
) -> AlignmentNetwork:
    """Train a network. The same windows and seed give the same network on one machine.

    Parameters
    ----------
    windows
        Training windows, with the same number of haplotypes each.
    targets
        (windows,), on the scale on which errors are to be small; or (windows, classes), 1 for the true class.
    epochs
        Passes.
    width
        See `scanner.network.alignment.Shape`.
    rate
        Largest learning rate.
    seed
        Decides weights, dropout and the order of the windows.

    Raises
    ------
    UsageError
        For less than one batch of windows.
    """
    if len(windows) < BATCH:
        raise UsageError(f"{len(windows)} windows are too few for an alignment network: give {BATCH} at least")
    sites = int(np.quantile([len(window.positions) for window in windows], SHARE, method="higher"))
    classes = targets.shape[1] if targets.ndim == 2 else 0
    shape = Shape(max(SHORTEST, sites), windows[0].alleles.shape[1], width, classes)
    centre, scale = (0.0, 1.0) if classes else (float(targets.mean()), float(max(targets.std(), 1e-6)))
    standard = ((targets - centre) / scale).astype(np.float32).reshape(len(windows), -1)
    size = len(windows) // BATCH

    def steps(epoch: int) -> Iterator[Step]:
        order = np.random.default_rng([seed, epoch]).permutation(len(windows))
        for rows in np.split(order[: size * BATCH], size):
            alleles, positions = pad([windows[row] for row in rows], shape.sites)
            yield alleles, positions, standard[rows]

    model = build(shape, seed)
    losses = train(model, steps, Schedule(epochs, rate, warmup=min(200, size)), size)
    return AlignmentNetwork(model, shape, centre, scale, tuple(losses))
