"""A recipe so small that its networks are trained in seconds; for the tests of `scanner.train` and what uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from scanner.evaluate import seen
from scanner.simulate import sets
from scanner.train.run import train
from scanner.train.seeds import Work

RECIPE = """
name = "tiny"
task = "recombination"
seed = 7
simulations = 500

[sequence]
length = 30000

[sample]
haplotypes = 24

[[history]]
kind = "constant"
size = 5000

[mutation]
rate = 3e-8

[recombination]
rate = { log_uniform = [1e-9, 1e-6] }

[observation]
haplotypes = { uniform = [16, 24] }

[network]
encoding = "folded-2"
width = 8
head = 8
dilations = [1, 2]

[training]
windows = { uniform = [10000, 30000] }
epochs = 6
seeds = 2
looks = 2
validation = 0.5
learning_rate = 0.02
"""


class Told:
    """Remembers what stages there were, and how much of each was done."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done: dict[str, int] = {}

    def start(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self, amount: int) -> None:
        stage = self.stages[-1][0]
        self.done[stage] = self.done.get(stage, 0) + amount


def alone(_tasks: int) -> nullcontext[type[map]]:
    """Compute in this process."""
    return nullcontext(map)


@contextmanager
def small_shards(size: int) -> Iterator[None]:
    """Give shards so few simulations that small sets have some to hold out."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (sets, seen):
            patch.setattr(module, "SHARD", size)
        yield


def trained(folder: Path, told: Told | None = None) -> Work:
    """Train the networks of `RECIPE` in this process."""
    recipe = folder / "recipe.toml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(RECIPE)
    return train(recipe, folder / "work", alone, Told() if told is None else told)
