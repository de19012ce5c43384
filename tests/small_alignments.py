"""Recipes of published networks on alignments, so small that they are trained in seconds."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

TAJIMA = """
name = "quick-tajima"
task = "recombination"
seed = 5
simulations = 400

[sequence]
length = 4000

[sample]
haplotypes = 8

[[history]]
kind = "piecewise"
sizes = [{ log_uniform = [1000, 20000] }, { log_uniform = [1000, 20000] }]
times = [{ log_uniform = [100, 5000] }]

[mutation]
rate = 2e-7

[recombination]
rate = 1e-12

[alignment]
network = "tajimas_d"
filters = [12, 12]
units = [12]
sites = 10
min_sites = 10
epochs = 6
learning_rate = 0.005
batch = 16
validation = 0.2
"""
"""Tajima's D of 10 sites in 8 haplotypes."""

RHO = """
name = "quick-rho"
task = "recombination"
seed = 1
simulations = 120

[sequence]
length = 8000
discrete = false

[sample]
haplotypes = 20

[[history]]
kind = "constant"
size = { choice = [10000, 30000] }

[mutation]
rate = 1.5e-8

[recombination]
rate = { log_uniform = [1e-8, 1e-6] }

[observation]
haplotypes = 16

[alignment]
network = "rho"
filters = [8, 8, 8]
units = [8]
sites = 60
epochs = 2
validation = 0.2
"""
"""Recombination, with the simulations of `small_simulations.RECIPE`."""

INTROGRESSION = """
name = "quick-introgression"
task = "introgression"
seed = 3
simulations = 120

[sequence]
length = 3000
discrete = false

[sample]
haplotypes = [6, 4]

[introgression]
split = { uniform = [4000, 6000] }
pulse_share = { uniform = [0, 0.02] }
proportion = { uniform = [0.8, 1] }
sizes = [600, 150, 400]

[mutation]
rate = 1e-6

[recombination]
rate = 1e-8

[alignment]
network = "introgression"
filters = [8, 8, 8]
units = [8, 8]
sites = 40
epochs = 2
validation = 0.2
"""
"""Two populations."""


def alone(_tasks: int) -> nullcontext[type[map]]:
    """Compute in this process."""
    return nullcontext(map)


def write(folder: Path, text: str) -> Path:
    """Write a recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.toml"
    path.write_text(text)
    return path
