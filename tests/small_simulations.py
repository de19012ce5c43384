"""Recipes of quick simulations, for the tests of `scanner.evaluate`."""

from __future__ import annotations

from pathlib import Path

from scanner.simulate.sets import SimulationSet, complete, open_set

RECIPE = """name = "quick"
task = "recombination"
seed = {seed}
simulations = {simulations}

[sequence]
length = 8000
discrete = false

[sample]
haplotypes = 20

[[history]]
kind = "constant"
size = {{ choice = [10000, 30000] }}

[mutation]
rate = 1.5e-8

[recombination]
rate = {{ log_uniform = [1e-8, 1e-6] }}

[observation]
haplotypes = 16
{observation}

[network]
encoding = "polarised-2"
target = "{target}"
width = 8
head = 8
parts = 2
dilations = [1, 2]

[training]
windows = 8000
windows_per_simulation = {windows}
seeds = 1
"""


def recipe(folder: Path, simulations: int, seed: int = 1, **changes: str) -> Path:
    """Write a recipe: 16 of 20 haplotypes, 8 kb, two population sizes, recombination over two orders of magnitude."""
    path = folder / "recipe.toml"
    given = {"observation": "", "target": "rho", "windows": "1", **changes}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(RECIPE.format(seed=seed, simulations=simulations, **given))
    return path


def simulate(folder: Path, simulations: int, seed: int = 1, **changes: str) -> SimulationSet:
    """Simulate a recipe."""
    held = open_set(recipe(folder, simulations, seed, **changes), folder / "set")
    assert sum(complete(held, map)) == simulations
    return held
