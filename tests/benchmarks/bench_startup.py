"""What a scan costs before it reads a record: a file of 1 Mb, with compiled kernels at hand and without.

Kernels are compiled by the first scan on a machine and kept beside the package (or, where that is read-only, in the
user's cache folder). "First scan" gives each run an empty cache. Nothing is wanted here; the numbers show what is worth
loading later.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from harness import BIN, PYTHON, Data, arguments, by_turns, compare, print_rows, print_stages, scan, simulated

MODULES = ("numpy", "numba", "cyvcf2", "pysam", "pyBigWig", "click", "rich.progress", "distributed", "scanner.cli",
           "scanner.scan", "scanner.compute")  # fmt: skip


def cold(data: Data, folder: Path, *options: str) -> list[str]:
    """Spell a scan that finds no compiled kernels."""
    return ["env", f"NUMBA_CACHE_DIR={folder / 'kernels'}", *scan(data, folder / "out", *options)]


def best_import(module: str) -> float:
    """Give the shortest of three times that a bare process takes to import a module."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([PYTHON, "-c", f"import {module}"], check=True)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Measure warm starts, first scans, stages and imports."""
    given = arguments(__doc__, diploids=60, processes=2)
    data = simulated(given.folder, given.diploids, 1_000_000)
    many = ("--window", "50kb", "--threads", str(given.processes))
    costs = by_turns(
        {
            "popscan --version": lambda _: [str(BIN / "popscan"), "--version"],
            "scan": lambda folder: scan(data, folder / "out", "--window", "50kb", "--threads", "1"),
        },
        given.rounds,
    )
    compare("start-up, kernels compiled before", costs, "scan", data.records)
    larger = simulated(given.folder, given.diploids, 20_000_000)
    costs = by_turns(
        {
            "one process": lambda folder: scan(larger, folder / "out", "--window", "50kb", "--threads", "1"),
            f"{given.processes} processes": lambda folder: scan(larger, folder / "out", *many),
        },
        given.rounds,
    )
    compare("workers", costs, "one process", larger.records)
    costs = by_turns(
        {
            "one process": lambda folder: cold(larger, folder, "--window", "50kb", "--threads", "1"),
            f"{given.processes} processes": lambda folder: cold(larger, folder, *many),
        },
        1,
    )
    compare("first scan: kernels are compiled", costs, "one process", larger.records)
    print("\nstages of one process")
    print_stages(data, "--window", "50kb")
    print("\nimporting alone, seconds with the interpreter's own start")
    print_rows([(module, f"{best_import(module):.2f}") for module in MODULES])


if __name__ == "__main__":
    main()
