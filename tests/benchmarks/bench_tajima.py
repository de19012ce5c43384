"""A track of Tajima's D from end to end, against vcftools and scikit-allel.

All read the same VCF.gz and use all its samples as one population, in windows of 50 kb; popscan also writes bigWig,
calls and session. Wanted, in wall time and with two processes: no slower than vcftools, at most half of scikit-allel.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import BIN, HERE, PYTHON, arguments, by_turns, compare, ratio, simulated, verdict

WINDOW = 50_000


def main() -> None:
    """Measure all by turns."""
    given = arguments(__doc__, diploids=500, megabases=100, processes=2)
    data = simulated(given.folder, given.diploids, given.megabases * 1_000_000)
    path, window = str(data.path), str(WINDOW)

    def popscan(processes: int) -> Callable[[Path], Sequence[str]]:
        command = [str(BIN / "popscan"), "scan", path, "--window", window, "--statistics", "tajimas_d", "--quiet"]
        return lambda folder: [*command, "--threads", str(processes), "--out", str(folder / "out")]

    allel = [PYTHON, str(HERE / "allel_tajima.py"), path, window, str(data.length)]
    ours = f"popscan, {given.processes} processes"
    commands: dict[str, Callable[[Path], Sequence[str]]] = {
        ours: popscan(given.processes),
        "popscan, 1 process": popscan(1),
        "scikit-allel": lambda folder: [*allel, str(folder / "tajimas_d.tsv")],
    }
    if shutil.which("vcftools"):
        commands["vcftools"] = lambda _: ["vcftools", "--gzvcf", path, "--TajimaD", window, "--out", "found"]
    else:
        print("vcftools is not installed: it is left out")
    costs = by_turns(commands, given.rounds)
    compare(f"Tajima's D, {data.path.name}", costs, ours, data.records)
    for name, limit in (("vcftools", 1.0), ("scikit-allel", 0.5)):
        if name in costs:
            verdict(f"wall of popscan over {name}", ratio(costs[ours], costs[name], "wall"), limit)


if __name__ == "__main__":
    main()
