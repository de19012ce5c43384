"""A track of Tajima's D from end to end, against vcftools and scikit-allel.

All read the same VCF.gz and use all its samples as one population, in windows of 50 kb; popscan also writes bigWig,
calls and session. Wanted, in wall time: no slower than vcftools, and at most half of scikit-allel.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import BIN, HERE, PYTHON, arguments, by_turns, compare, ratio, simulated, verdict

WINDOW = 50_000


def main() -> None:
    """Measure the three by turns."""
    given = arguments(__doc__, diploids=500, megabases=20, processes=2)
    data = simulated(given.folder, given.diploids, given.megabases * 1_000_000)
    path, window = str(data.path), str(WINDOW)
    commands: dict[str, Callable[[Path], Sequence[str]]] = {
        "popscan": lambda folder: [
            *(str(BIN / "popscan"), "scan", path, "--out", str(folder / "out"), "--window", window, "--quiet"),
            *("--statistics", "tajimas_d", "--threads", str(given.processes)),
        ],
        "scikit-allel": lambda folder: [
            *(PYTHON, str(HERE / "allel_tajima.py"), path, window, str(data.length), str(folder / "tajimas_d.tsv")),
        ],
    }
    if shutil.which("vcftools"):
        commands["vcftools"] = lambda _: ["vcftools", "--gzvcf", path, "--TajimaD", window, "--out", "found"]
    else:
        print("vcftools is not installed: it is left out")
    costs = by_turns(commands, given.rounds)
    compare(f"Tajima's D, {data.path.name}, popscan with {given.processes} processes", costs, "popscan", data.records)
    for name, limit in (("vcftools", 1.0), ("scikit-allel", 0.5)):
        if name in costs:
            verdict(f"wall of popscan over {name}", ratio(costs["popscan"], costs[name], "wall"), limit)


if __name__ == "__main__":
    main()
