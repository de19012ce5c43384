"""Merely decode the genotypes of a VCF or BCF with cyvcf2: the floor for everything that reads them through it.

``floor.py FILE LENGTH RECORDS PROCESSES`` shares the contig out among processes; each fills an int8 array.
"""

from __future__ import annotations

import itertools
import subprocess
import sys


def decode(path: str, region: str, records: int) -> int:
    """Decode one region; give its number of records."""
    import numpy as np
    from cyvcf2 import VCF

    vcf = VCF(path)
    out = np.empty((records, len(vcf.samples), 2), np.int8)
    found = 0
    for found, variant in enumerate(vcf(region), start=1):
        out[found - 1] = variant.genotype.array()[:, :2]
    return found


def main(path: str, length: int, records: int, processes: int) -> None:
    """Start one process a stretch; their counts must add up."""
    bounds = [length * part // processes for part in range(processes + 1)]
    running = [
        subprocess.Popen(
            [sys.executable, __file__, path, f"1:{low + 1}-{high}", str(records)], stdout=subprocess.PIPE, text=True
        )
        for low, high in itertools.pairwise(bounds)
    ]
    found = sum(int(process.communicate()[0]) for process in running)
    if found != records:
        raise SystemExit(f"{found} records decoded, {records} expected")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(decode(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        main(sys.argv[1], *(int(word) for word in sys.argv[2:]))
