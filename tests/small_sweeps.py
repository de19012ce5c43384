"""A recipe of quick sweeps, for the tests of networks that tell classes."""

from __future__ import annotations

RECIPE = """
name = "quick-sweep"
task = "sweep"
seed = 3
simulations = 120

[sequence]
length = 50000

[sample]
haplotypes = 16

[[history]]
kind = "constant"
size = 300

[mutation]
rate = 2e-6

[recombination]
rate = 1e-7

[sweep]
parts = 5
alpha = { log_uniform = [60, 120] }
start_frequency = { uniform = [0.01, 0.03] }

[network]
encoding = "folded-2"
parts = 5
width = 12
head = 12
dilations = [1, 2]

[training]
epochs = 8
seeds = 2
looks = 1
validation = 0.34
learning_rate = 0.02
"""
