"""What simulating sweeps costs by class, and a closer look at whether hard sweeps are those of msprime.

The recipe is the published setting in docs/training.md, of constant size and with its history of sizes. The look is
that of tests/test_simulate_forward.py with more simulations: 1 means no difference.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import defaultdict
from pathlib import Path

import msprime
import numpy as np

from scanner.simulate.coalescent import simulate_one
from scanner.simulate.forward import forward_sweep
from scanner.simulate.recipe import Recipe, parse_recipe
from scanner.simulate.sweeps import CLASSES, Selected

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from sweep_profiles import LENGTH, PARTS, msprime_sweep, profiles, setting, unlike  # noqa: E402

ADVANTAGE = 0.25


def recipes() -> dict[str, Recipe]:
    """Read both recipes of the documentation."""
    blocks = re.findall(r"```toml\n(.*?)```", (TESTS.parent / "docs" / "training.md").read_text(), flags=re.DOTALL)
    constant = next(block for block in blocks if block.startswith("# T7"))
    history = next(block for block in blocks if block.startswith("# in the place of"))
    head, tail = constant.split("[[history]]")[0], constant[constant.index("[recombination]") :]
    texts = {"constant size": constant, "history of sizes": head + history + tail}
    return {name: parse_recipe(text, name) for name, text in texts.items()}


def costs(recipe: Recipe, count: int) -> None:
    """Print CPU seconds and attempts by class."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for index in range(count):
        began = time.process_time()
        known = simulate_one(recipe, index).parameters
        found[CLASSES[int(known["class"])]].append((time.process_time() - began, known.get("attempts", 1.0)))
    for name in CLASSES:
        seconds, attempts = np.array(found[name]).T
        print(
            f"  {name:12} {len(seconds):5} simulations  mean {seconds.mean():.3f} s  median {np.median(seconds):.3f} s"
            f"  longest {seconds.max():.2f} s  attempts {attempts.mean():.1f}, at most {attempts.max():.0f}"
        )
    mean = np.mean([seconds for rows in found.values() for seconds, _ in rows])
    print(f"  {'all':12} {count:5} simulations  mean {mean:.3f} s: {3600 / mean:,.0f} an hour on a core")


def look(count: int) -> None:
    """Compare hard sweeps of several strengths and ages with those of msprime."""
    low, high = LENGTH * (PARTS // 2) / PARTS, LENGTH * (PARTS // 2 + 1) / PARTS
    one_size = msprime.Demography.isolated_model([1000])
    one_size.add_population_parameters_change(time=45, initial_size=1000)
    for strength in (0.05, ADVANTAGE):
        for age in (0.0, 500.0):
            selected = Selected(None, strength, age, None, 1.0, low, high)

            def theirs(rng: np.random.Generator, s: float = strength, age: float = age) -> object:
                seed, site = int(rng.integers(1, 2**31)), float(rng.uniform(low, high))
                return msprime_sweep(setting(), seed, site=site, advantage=s, age=age)

            def ours(rng: np.random.Generator, how: object = setting(), selected: Selected = selected) -> object:
                return forward_sweep(how, selected, rng)[0]

            true, constant = profiles(theirs, 4 * count, 1), profiles(ours, count, 2)
            stepwise = profiles(lambda rng, ours=ours: ours(rng, setting(demography=one_size)), count, 3)
            print(
                f"  2Ns {2000 * strength:4.0f}, age {age:3.0f}: constant size {unlike(constant, true):.2f}, "
                f"as a history of sizes {unlike(stepwise, true):.2f}, msprime itself "
                f"{unlike(true[:count], true[count:]):.2f}",
                flush=True,
            )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=200, help="of each kind")
    count = parser.parse_args().simulations
    for name, recipe in recipes().items():
        print(f"published setting, {name}")
        costs(recipe, count)
    print("hard sweeps beside those of msprime (about 1 where they are the same)")
    look(count)


if __name__ == "__main__":
    main()
