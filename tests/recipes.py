"""A small recipe for tests, and changes of it."""

from __future__ import annotations

from pathlib import Path

from scanner.simulate.recipe import Recipe, parse_recipe

SMALL = """# a comment that stays
name = "small"
task = "recombination"
seed = 7
simulations = 12

[sequence]
length = 3000

[sample]
haplotypes = { choice = [8, 11] }

[[history]]
kind = "constant"
size = { log_uniform = [500, 2000] }

[mutation]
rate = 3e-7

[recombination]
rate = { log_uniform = [1e-8, 1e-6] }
"""

DEMES = """time_units: generations
demes:
- name: old
  epochs: [{end_time: 3000, start_size: 700}]
- name: A
  ancestors: [old]
  epochs: [{end_time: 500, start_size: 900}, {end_time: 0, start_size: 400, end_size: 4000}]
- name: B
  ancestors: [A]
  start_time: 2000
  epochs: [{start_size: 250}]
migrations:
- {demes: [A, B], rate: 1e-4}
pulses:
- {sources: [A], dest: B, time: 120, proportions: [0.3]}
"""


def changed(*changes: tuple[str, str], text: str = SMALL) -> str:
    """Replace parts of a recipe's text, each of which must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def recipe(*changes: tuple[str, str], folder: Path = Path()) -> Recipe:
    """Read the small recipe with some changes."""
    return parse_recipe(changed(*changes), "r.toml", folder)
