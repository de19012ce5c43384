"""Scan a file again and again with workers that are there: each line of standard input names a result folder.

    driver.py VCF POPULATIONS PROCESSES|ADDRESS PLACE

A line of standard output says that the workers are ready, with the seconds that they took, and then each that a scan
is done.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from scanner.cli.progress import Bar
from scanner.cluster import Shared
from scanner.options import ScanOptions, window_spec
from scanner.scan import scan
from scanner.workers import workers

TASKS = 1_000_000
"""More than there are: as many processes are started as are asked for."""


def main(vcf: Path, populations: Path, who: str, place: Path) -> None:
    """Start, then scan."""
    options = ScanOptions(vcf, window_spec("50kb", None, None), populations=populations)
    threads, scheduler = (int(who), None) if who.isdigit() else (1, who)
    began = time.perf_counter()
    with workers(threads, scheduler, place, TASKS, None, Shared(place / "shared", (vcf,))) as mapper:
        print(time.perf_counter() - began, flush=True)
        for line in sys.stdin:
            scan(options, Path(line.strip()), lambda *_given: contextlib.nullcontext(mapper), Bar(quiet=True))
            print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
