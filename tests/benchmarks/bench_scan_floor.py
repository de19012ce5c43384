"""A whole scan against merely decoding the file with cyvcf2, on as many processes.

The scan computes every statistic but iHS, nSL and XP-EHH for three populations in windows of 50 kb, and writes all
tracks. Wanted: at most 1.2 times the floor, in CPU time and in wall time.
"""

from __future__ import annotations

from harness import (
    HERE,
    PYTHON,
    Data,
    arguments,
    as_bcf,
    by_turns,
    compare,
    print_stages,
    ratio,
    scan,
    simulated,
    verdict,
)

TARGET = 1.2
WINDOW = ("--window", "50kb")


def bench(data: Data, processes: int, rounds: int) -> None:
    """Measure one file."""
    floor = [PYTHON, str(HERE / "floor.py"), str(data.path), str(data.length), str(data.records), str(processes)]
    commands = {
        "cyvcf2 decodes": lambda _: floor,
        "popscan scan": lambda folder: scan(data, folder / "out", *WINDOW, "--threads", str(processes)),
    }
    costs = by_turns(commands, rounds)
    compare(f"{data.path.name}, {processes} processes", costs, "cyvcf2 decodes", data.records)
    for what in ("cpu", "wall"):
        verdict(f"{what} of a scan over the floor", ratio(costs["popscan scan"], costs["cyvcf2 decodes"], what), TARGET)


if __name__ == "__main__":
    given = arguments(__doc__, diploids=500, megabases=50, processes=2)
    text = simulated(given.folder, given.diploids, given.megabases * 1_000_000)
    for data in (text, as_bcf(text)):
        if data is not None:
            bench(data, given.processes, given.rounds)
            print(f"\nstages of one process, {data.path.name}", flush=True)
            print_stages(data, *WINDOW)
