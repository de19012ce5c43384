"""A recipe of quick histories of three sizes, for the tests of demography."""

from __future__ import annotations

from pathlib import Path

from scanner.simulate.recipe import Recipe, parse_recipe
from scanner.simulate.sets import SimulationSet, complete, open_set

RECIPE = """
name = "quick-history"
task = "demography"
seed = {seed}
simulations = {simulations}

[sequence]
length = 30000
discrete = false

[sample]
haplotypes = 12

[[history]]
kind = "piecewise"
sizes = [{{ log_uniform = [500, 50000] }}, {{ log_uniform = [500, 50000] }}, {{ log_uniform = [500, 50000] }}]
times = [{{ log_uniform = [100, 1000] }}, {{ log_uniform = [500, 10000] }}]

[mutation]
rate = 3e-8

[recombination]
rate = 1e-8

[network]
encoding = "polarised-2"
width = 8
head = 8
parts = 2
dilations = [1, 2]

[training]
windows = 15000
windows_per_simulation = 2
epochs = 3
seeds = 2
looks = 1
validation = 0.5
learning_rate = 0.02
"""


def recipe(simulations: int = 500, seed: int = 1, **changes: str) -> str:
    """Write the recipe, with some texts replaced."""
    text = RECIPE.format(seed=seed, simulations=simulations)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def parsed(**changes: str) -> Recipe:
    """Read the recipe."""
    return parse_recipe(recipe(**changes), "quick.toml")


def simulate(folder: Path, simulations: int, seed: int = 1) -> SimulationSet:
    """Simulate the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.toml"
    path.write_text(recipe(simulations, seed))
    held = open_set(path, folder / "set")
    assert sum(complete(held, map)) == simulations
    return held
