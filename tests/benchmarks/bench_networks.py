"""What a network adds to a scan, and what overlapping windows cost it.

Three populations, a network of the default shape with three members (untrained: that costs the same), windows of
50 kb. Wanted: 20-fold overlap at most 1.2 times the CPU time of windows that touch. The scan with the network, with and
without the statistics, also stands beside statistics alone. One process that scans all samples as one population with
three networks of the catalogue and all default statistics stands beside one that merely decodes the file with cyvcf2;
wanted of that: at most 1.5 times.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from harness import HERE, PYTHON, Data, arguments, by_turns, compare, ratio, scan, simulated, verdict

WINDOW, OVERLAP, TARGET = 50_000, 20, 1.2
THREE, WHOLE = "recombination,sweep,demography-t5", 1.5


def main() -> None:
    """Measure overlap, then whole scans."""
    given = arguments(__doc__, diploids=500, megabases=20, processes=2, members=3)
    data = simulated(given.folder, given.diploids, given.megabases * 1_000_000)
    model = network(given)
    ours = ("--models", str(model), "--device", "cpu", "--window", str(WINDOW), "--threads", str(given.processes))
    alone = (*ours, "--statistics", "none")
    floor = [PYTHON, str(HERE / "floor.py"), str(data.path), str(data.length), str(data.records), "1"]
    costs = by_turns(
        {
            "step = window": lambda folder: scan(data, folder / "out", *alone),
            f"step = window/{OVERLAP}": lambda folder: scan(
                data, folder / "out", *alone, "--step", str(WINDOW // OVERLAP)
            ),
            "at every site too": lambda folder: scan(data, folder / "out", *alone, "--dense"),
            "with the statistics": lambda folder: scan(data, folder / "out", *ours),
            "statistics alone": lambda folder: scan(
                data, folder / "out", "--window", str(WINDOW), "--threads", str(given.processes)
            ),
            "three networks, one process": lambda folder: together(data, folder / "out"),
            "cyvcf2 decodes, one process": lambda _: floor,
        },
        given.rounds,
    )
    base, over = list(costs)[:2]
    compare(
        f"network of {given.members} members, {data.path.name}, {given.processes} processes", costs, base, data.records
    )
    verdict(f"cpu of {OVERLAP}-fold overlap", ratio(costs[over], costs[base], "cpu"), TARGET)
    three, decoding = list(costs)[-2:]
    verdict("cpu of three networks", ratio(costs[three], costs[decoding], "cpu"), WHOLE)


def together(data: Data, out: Path) -> list[str]:
    """Scan all samples as one population with three networks."""
    given = ("--models", THREE, "--device", "cpu", "--window", str(WINDOW), "--threads", "1")
    words = scan(data, out, *given)
    at = words.index("--populations")
    return words[:at] + words[at + 2 :]


def network(given: argparse.Namespace) -> Path:
    """Make the network in a process of its own, for Keras is large."""
    folder = given.folder / f"network-{given.members}"
    if not folder.exists():
        subprocess.run([PYTHON, __file__, "--make", str(folder), str(given.members)], check=True)
    return Path(folder)


def make(folder: Path, members: int) -> None:
    """Save an untrained network of the default shape."""
    sys.path.insert(0, str(HERE.parent))
    import numpy as np
    import small_network

    arch = small_network.Architecture(channels=small_network.CHANNELS, extras=len(small_network.EXTRAS), outputs=1)
    seeds = tuple(range(1, members + 1))
    summaries = np.random.default_rng(1).normal(size=(500, arch.channels + arch.extras))
    small_network.store.save(
        folder,
        small_network.spec(seeds, parts=arch.parts),
        small_network.network(*seeds, arch=arch),
        golden=small_network.inputs(arch=arch),
        reference=small_network.reference.fit(summaries),
        texts=small_network.TEXTS,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
