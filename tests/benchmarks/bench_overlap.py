"""What overlapping windows cost: a step of a hundredth of the window against windows that touch.

The same file, three populations, default statistics, windows of 100 kb. Wanted: at most 1.1 times the CPU time.
"""

from __future__ import annotations

import subprocess

from harness import HERE, PYTHON, arguments, by_turns, compare, print_stages, ratio, scan, simulated, verdict

WINDOW, OVERLAP = 100_000, 100
TARGET = 1.1


def main() -> None:
    """Measure whole scans, then every family of statistics by itself."""
    given = arguments(__doc__, diploids=500, megabases=20, processes=2)
    data = simulated(given.folder, given.diploids, given.megabases * 1_000_000)
    step = WINDOW // OVERLAP
    threads = ("--threads", str(given.processes))
    costs = by_turns(
        {
            "step = window": lambda folder: scan(data, folder / "out", "--window", str(WINDOW), *threads),
            f"step = window/{OVERLAP}": lambda folder: scan(
                data, folder / "out", "--window", str(WINDOW), "--step", str(step), *threads
            ),
        },
        given.rounds,
    )
    base, over = costs
    compare(f"overlap, {data.path.name}", costs, base, data.records)
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
