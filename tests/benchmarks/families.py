"""Time every family of statistics on one block, for windows that touch and for windows that overlap.

``families.py FILE POPULATIONS LENGTH WINDOW STEP`` prints CPU microseconds a site, the best of three.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from scanner import vcf
from scanner.haplotypes import HaplotypeBlock
from scanner.populations import select
from scanner.regions import Region
from scanner.statistics import registry
from scanner.windows import sliding, spans


def measure(block: HaplotypeBlock, window: int, step: int) -> dict[str, float]:
    """Give the seconds of every family, over all its groups of populations."""
    covered = spans(sliding(block.region, window, step), block.positions)
    names = [haplotypes.name for haplotypes in block.populations]
    groups = registry.default_pairs(names), registry.default_trios(names)
    found = {}
    for producer in registry.PRODUCERS:
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            registry.compute_all(block, covered, producer.names, *groups)
            best = min(best, time.process_time() - began)
        found[", ".join(producer.names)] = best
    return found


def main(path: Path, populations: Path, length: int, window: int, step: int) -> None:
    """Print a table."""
    source = vcf.open_source(path, fallback=path.parent)
    selection = select(source.samples, populations, None)
    block, _ = vcf.read(source, selection, Region(next(iter(source.lengths)), 0, length), vcf.ReadOptions())
    apart, overlapping = measure(block, window, window), measure(block, window, step)
    microseconds = 1e6 / len(block)
    print(f"{'us/site':52}{'touching':>10}{'overlap':>10}{'more':>8}")
    for name, seconds in [*apart.items(), ("all", sum(apart.values()))]:
        more = overlapping[name] if name in overlapping else sum(overlapping.values())
        print(
            f"{name:52}{seconds * microseconds:10.2f}{more * microseconds:10.2f}{(more - seconds) * microseconds:8.2f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *(int(word) for word in sys.argv[3:6]))
