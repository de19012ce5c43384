"""The baseline: the published network on alignments, trained on the simulations that the other baselines see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scanner.alignment import Aligned, align, together
from scanner.errors import UsageError
from scanner.network.aligned import AlignmentNetwork, arranged
from scanner.network.alignment import Lessons, Shape, Step
from scanner.network.alignment import fit as fit_network
from scanner.network.designs import DESIGNS, Design
from scanner.network.fit import Schedule
from scanner.train.examples import Sight

Float = NDArray[np.float64]

BATCH = 32
EPOCHS = 5
RATE = 1e-3
WARMUP = 200
"""Steps over which the learning rate rises."""
SHARE = 0.999
"""Share of the training windows that fit in whole."""
DESIGN = {
    "rate": "rho", "rho": "rho", "theta": "rho",
    "history": "demography", "sweep": "sweeps", "introgression": "introgression",
}  # fmt: skip
"""Which published network learns a target of `scanner.train.targets.TARGETS`; theta that of the other one value."""
NARROW = {
    "rho": DESIGNS["rho"].resized([128, 64, 64], [128]),
    "demography": DESIGNS["demography"].resized([64, 64, 64, 64], [128]),
    "sweeps": DESIGNS["sweeps"].resized([64, 32, 32, 32, 32], [64]),
    "introgression": DESIGNS["introgression"].resized([64, 32, 32], [64, 64]),
}
"""The published networks with as few filters as one core can train."""


def narrow(target: str) -> Design:
    """Give the published network that learns a target, with few filters.

    Raises
    ------
    UsageError
        Where none was published.
    """
    if target not in DESIGN:
        raise UsageError(f"no published network on alignments learns '{target}': leave out the baseline 'alignment'")
    return NARROW[DESIGN[target]]


def windows_of(sight: Sight, sizes: Sequence[int]) -> list[Aligned]:
    """Encode the windows of one simulation, with so many haplotypes of each population.

    Haplotypes of one population are sorted; those of two stand as they come, the first population before the second.
    """
    seen, windows = sight.seen, (sight.start, sight.end)
    if len(sizes) == 1:
        return align(seen.positions, seen.haplotypes, *windows, sizes[0])
    return align(seen.positions, together(seen.populations, sizes), *windows, ordered=False)


def fit(
    windows: Sequence[Aligned],
    targets: Float,
    design: Design,
    *,
    classes: bool = False,
    epochs: int = EPOCHS,
    rate: float = RATE,
    seed: int = 1,
) -> AlignmentNetwork:
    """Train a network. The same windows and seed give the same network on one machine.

    Parameters
    ----------
    windows
        Training windows, with the same number of haplotypes each.
    targets
        (windows, values), on the scale on which errors are to be small; or (windows, classes), 1 for the true class.
    design
        The network.
    classes
        Whether these are classes.
    epochs
        Passes.
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
    shape = Shape(design, max(design.shortest, sites), windows[0].alleles.shape[1], targets.shape[1], classes)
    centre, scale = standard(targets, classes=classes)
    standardised = ((targets - centre) / scale).astype(np.float32)
    size = len(windows) // BATCH

    def steps(epoch: int) -> Iterator[Step]:
        order = np.random.default_rng([seed, epoch]).permutation(len(windows))
        for rows in np.split(order[: size * BATCH], size):
            yield arranged([windows[row] for row in rows], shape), standardised[rows]

    model, _ = fit_network(shape, seed, Lessons(steps, size), Schedule(epochs, rate, warmup=min(WARMUP, size)))
    return AlignmentNetwork(model, shape, centre, scale)


def standard(targets: Float, *, classes: bool) -> tuple[Float, Float]:
    """Give mean and standard deviation of every value, (values,) each; classes are learned as they are."""
    if classes:
        return np.zeros(targets.shape[1]), np.ones(targets.shape[1])
    return targets.mean(axis=0), np.maximum(targets.std(axis=0), 1e-6)
