"""Tajima's D in windows as one writes it with scikit-allel: ``allel_tajima.py FILE WINDOW LENGTH OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

import allel


def main(path: str, window: int, length: int, out: str) -> None:
    """Read the genotypes, count alleles, compute, write a table."""
    calls = allel.read_vcf(path, fields=["variants/POS", "calldata/GT"])
    counts = allel.GenotypeArray(calls["calldata/GT"]).count_alleles(max_allele=1)
    scores, windows, _ = allel.windowed_tajima_d(calls["variants/POS"], counts, size=window, start=1, stop=length)
    rows = zip(windows.tolist(), scores.tolist(), strict=True)
    Path(out).write_text("".join(f"1\t{start - 1}\t{stop}\t{score:.6g}\n" for (start, stop), score in rows))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
