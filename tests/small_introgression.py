"""A recipe of quick introgression, for the tests of networks that look at two populations."""

from __future__ import annotations

RECIPE = """
name = "quick-introgression"
task = "introgression"
seed = 3
simulations = 160

[sequence]
length = 30000

[sample]
haplotypes = [8, 6]

[introgression]
split = 4000
pulse_time = { uniform = [50, 150] }
proportion = { uniform = [0.3, 0.6] }
sizes = [500, 400, 500]

[mutation]
rate = 5e-7

[recombination]
rate = 1e-8

[observation]
unphased = [0, { choice = [0, 1] }]
missing = { choice = [0, 0.02] }

[network]
encoding = "pair-folded-1"
parts = 3
width = 12
head = 12
dilations = [1, 2]

[training]
windows = 10000
windows_per_simulation = 2
epochs = 8
seeds = 2
looks = 1
validation = 0.26
learning_rate = 0.02
"""
