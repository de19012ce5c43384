"""What overlapping windows cost: a step of a hundredth of the window against windows that touch.

The same file, default statistics, windows of 100 kb. Wanted: at most 1.1 times the CPU time. ``--growing 1`` simulates
the many rare variants of large human samples, ``--populations 1`` scans all samples as one population.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness import HERE, PYTHON, arguments, by_turns, compare, print_stages, ratio, scan, simulated, verdict

WINDOW, OVERLAP = 100_000, 100
TARGET = 1.1


def main() -> None:
    """Measure whole scans, then every family of statistics by itself."""
    given = arguments(__doc__, diploids=500, megabases=20, processes=2, growing=0, populations=3)
    data = simulated(given.folder, given.diploids, given.megabases * 1_000_000, growing=bool(given.growing))
    step = WINDOW // OVERLAP

    def command(folder: Path, *options: str) -> list[str]:
        words = scan(data, folder / "out", "--window", str(WINDOW), "--threads", str(given.processes), *options)
        if given.populations == 1:
            at = words.index("--populations")
            del words[at : at + 2]
        return words

    costs = by_turns(
        {
            "step = window": command,
            f"step = window/{OVERLAP}": lambda folder: command(folder, "--step", str(step)),
        },
        given.rounds,
    )
    base, over = costs
    compare(f"overlap, {data.path.name}, populations: {given.populations}", costs, base, data.records)
    verdict(f"cpu of {OVERLAP}-fold overlap", ratio(costs[over], costs[base], "cpu"), TARGET)
    for name, options in (("touching", ()), ("overlapping", ("--step", str(step)))):
        print(f"\nstages of one process, {name} windows", flush=True)
        print_stages(data, "--window", str(WINDOW), *options)
    print("\nfamilies of statistics, one process, all populations, pairs and trios", flush=True)
    stretch = min(data.length, 10_000_000)
    words = [str(data.path), str(data.populations), *(str(number) for number in (stretch, WINDOW, step))]
    subprocess.run([PYTHON, str(HERE / "families.py"), *words], check=True)


if __name__ == "__main__":
    main()
