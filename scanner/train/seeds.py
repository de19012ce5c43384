"""Training the networks of one model: the same examples, other initial weights and another order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.network.backend import choose_device
from scanner.network.fit import Data, Epoch, fit
from scanner.simulate.sets import SimulationSet
from scanner.train.examples import Batch, Example, batches
from scanner.train.looks import Look, plan_looks, read, read_both_ends
from scanner.train.options import TrainingOptions, training_options
from scanner.train.targets import TARGETS

Float = NDArray[np.float64]

STANDARD = 2000
"""Simulations that the standardisation of the inputs is taken from,"""
STANDARD_SITES = 4_000_000
"""unless so many sites are reached before."""


@dataclass(frozen=True)
class Work:
    """Everything that the networks of one model share.

    Parameters
    ----------
    simulations
        The set.
    folder
        Where examples and checkpoints are kept.
    """

    simulations: SimulationSet
    folder: Path

    @property
    def options(self) -> TrainingOptions:
        """What the recipe says."""
        return training_options(self.simulations.recipe)

    def looks(self) -> list[Look]:
        """List everything that is to be looked at."""
        options = self.options
        return plan_looks(self.simulations, options.how, self.folder / "examples", options.looks)

    def seed_folder(self, seed: int) -> Path:
        """Folder of one network."""
        return self.folder / f"seed-{seed}"

    @property
    def held_out(self) -> int:
        """Number of shards at the end of the set that no network is trained on."""
        return self.simulations.held_out(self.options.validation)

    def training_looks(self, number: int) -> list[Look]:
        """List the looks of one round that networks are trained on."""
        return [look for look in self.looks() if look.number == number][: -self.held_out]

    def validation_looks(self) -> list[Look]:
        """List the first looks at the simulations that are held out."""
        return [look for look in self.looks() if look.number == 0][-self.held_out :]

    def told(self, looks: Iterable[Look]) -> Iterator[Example]:
        """Read the examples of looks as predictions are made from them: from both ends where the recipe says so."""
        return chain.from_iterable(map(read_both_ends if self.options.both_ends else read, looks))

    def pack(self, found: Iterator[Example]) -> Iterator[Batch]:
        """Pack examples into batches."""
        options = self.options
        return batches(found, options.how, gap=max(options.architecture.dilations))


@dataclass(frozen=True)
class Seed:
    """One network to train, by so many threads where no graphics card does it."""

    work: Work
    number: int
    threads: int = 1


def train_seed(seed: Seed) -> list[Epoch]:
    """Train one network, or go on with it."""
    choose_device("auto", seed.threads)
    options = seed.work.options
    data = _data(seed)
    return fit(options.architecture, seed.number, data, options.schedule, seed.work.seed_folder(seed.number))


def target_scale(work: Work) -> tuple[Float, Float]:
    """Give mean and standard deviation of every value, (values,) each, as the networks are trained on them.

    Classes are learned as they are: 0 and 1.
    """
    classes = len(TARGETS[work.options.how.target].classes)
    if classes:
        return np.zeros(classes), np.ones(classes)
    targets = np.concatenate([example.targets for example in _some(work)])
    return targets.mean(axis=0), np.maximum(targets.std(axis=0), 1e-6)


def _data(seed: Seed) -> Data:
    """Arrange the examples for one network."""
    work, options = seed.work, seed.work.options
    found = list(_some(work))
    sites = np.concatenate([example.values for example in found])
    extras = np.concatenate([example.extras for example in found])
    held = list(work.pack(example for look in work.validation_looks() for example in read(look)))
    centre, scale = target_scale(work)

    def training(epoch: int) -> Iterator[tuple[Batch, float]]:
        looks = work.training_looks((epoch + seed.number) % options.looks)
        order = np.random.default_rng([seed.number, epoch]).permutation(len(looks))
        done = [0]

        def found() -> Iterator[Example]:
            for place in order.tolist():
                yield from read(looks[place])
                done[0] += 1

        for batch in work.pack(found()):
            yield batch, done[0] / len(looks)

    return Data(training, lambda: held, (_standard(sites), _standard(extras)), centre, scale)


def _some(work: Work) -> Iterator[Example]:
    """Yield the examples that the standardisation is taken from."""
    shards = max(1, STANDARD // max(1, len(work.simulations) // work.simulations.shards))
    sites = 0
    for look in work.training_looks(0)[:shards]:
        for example in read(look):
            yield example
            sites += len(example.values)
        if sites > STANDARD_SITES:
            return


def _standard(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give mean and standard deviation of every column."""
    return values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
