"""Simulate a VCF.gz for the benchmarks: three populations, phased, ancestral bases in INFO/AA.

Run as a script, so that the memory it takes is not counted against what is measured afterwards. Ten megabases are
simulated; a longer contig repeats them.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np

UNIT = 10_000_000
"""bp that are simulated; a longer contig holds them more than once."""
POPULATIONS = ("A", "B", "C")


def demography(growing: bool) -> object:
    """Three populations of 10,000: C leaves first, then A and B part; growing ones end with ten times as many.

    Growth gives the many rare variants of large human samples.
    """
    import msprime

    history = msprime.Demography()
    for name in POPULATIONS:
        history.add_population(name=name, initial_size=100_000 if growing else 10_000)
    for name in ("AB", "ABC"):
        history.add_population(name=name, initial_size=10_000)
    history.add_population_split(time=1_000, derived=["A", "B"], ancestral="AB")
    history.add_population_split(time=2_000, derived=["AB", "C"], ancestral="ABC")
    if growing:
        for name in POPULATIONS:
            history.add_population_parameters_change(time=0, growth_rate=np.log(10) / 500, population=name)
            history.add_population_parameters_change(time=500, growth_rate=0, initial_size=10_000, population=name)
    history.sort_events()
    return history


def sizes(diploids: int) -> list[int]:
    """Share the samples out among the populations."""
    return [(diploids + 2 - place) // 3 for place in range(3)]


def simulate(diploids: int, length: int, seed: int, growing: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give positions (sites,) and derived alleles (sites, haplotypes) int8 of one stretch."""
    import msprime

    trees = msprime.sim_ancestry(
        dict(zip(POPULATIONS, sizes(diploids), strict=True)),
        demography=demography(growing),
        sequence_length=length,
        recombination_rate=1e-8,
        random_seed=seed,
    )
    trees = msprime.sim_mutations(trees, rate=1.25e-8, random_seed=seed, model=msprime.BinaryMutationModel())
    one_mutation = np.bincount(trees.mutations_site, minlength=trees.num_sites) == 1
    matrix = trees.genotype_matrix()[one_mutation]
    keep = matrix.any(axis=1)
    return trees.sites_position[one_mutation][keep].astype(np.int64), matrix[keep].astype(np.int8)


def genotype_text(matrix: np.ndarray, swapped: np.ndarray) -> list[bytes]:
    """Spell every site's genotypes as VCF does; at swapped sites the reference base is the derived one."""
    shown = np.where(swapped[:, None], 1 - matrix, matrix).astype(np.uint8)
    text = np.full((len(matrix), matrix.shape[1] * 2), ord("\t"), np.uint8)
    text[:, 0::4] = shown[:, 0::2] + ord("0")
    text[:, 1::4] = ord("|")
    text[:, 2::4] = shown[:, 1::2] + ord("0")
    text[:, -1] = ord("\n")
    return [row.tobytes() for row in text]


def heads(count: int, rng: np.random.Generator) -> tuple[np.ndarray, list[bytes]]:
    """Draw bases; at one site of twenty the reference carries the derived allele."""
    swapped = rng.random(count) < 0.05
    pairs = rng.integers(0, 12, count)
    middles = []
    for swap, pair in zip(swapped.tolist(), pairs.tolist(), strict=True):
        ref, alt = "ACGT"[pair // 3], "ACGT"[(pair // 3 + 1 + pair % 3) % 4]
        middles.append(f"\t.\t{ref}\t{alt}\t.\tPASS\tAA={alt if swap else ref}\tGT\t".encode())
    return swapped, middles


def write(path: Path, diploids: int, length: int, seed: int, growing: bool) -> int:
    """Write the VCF.gz with its index and population file; give the number of records."""
    unit = min(length, UNIT)
    positions, matrix = simulate(diploids, unit, seed, growing)
    swapped, middles = heads(len(positions), np.random.default_rng(seed))
    tails = genotype_text(matrix, swapped)
    names = [f"{name}{number:04d}" for name, count in zip(POPULATIONS, sizes(diploids), strict=True)
             for number in range(count)]  # fmt: skip
    header = [
        "##fileformat=VCFv4.2",
        f"##contig=<ID=1,length={length}>",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##INFO=<ID=AA,Number=1,Type=String,Description="Ancestral base">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]),
    ]
    records = 0
    with path.open("wb") as out, subprocess.Popen(["bgzip", "-c"], stdin=subprocess.PIPE, stdout=out) as bgzip:
        assert bgzip.stdin is not None
        bgzip.stdin.write(("\n".join(header) + "\n").encode())
        for offset in range(0, length, unit):
            places = (positions + offset + 1).tolist()
            for place, middle, tail in zip(places, middles, tails, strict=True):
                bgzip.stdin.write(b"1\t%d%s%s" % (place, middle, tail))
            records += len(places)
        bgzip.stdin.close()
    subprocess.run(["tabix", "-p", "vcf", str(path)], check=True)
    lines = [f"{name}\t{name[0]}\n" for name in names]
    path.with_name(path.name.removesuffix(".vcf.gz") + ".populations.tsv").write_text("".join(lines))
    return records


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--diploids", type=int, default=500)
    parser.add_argument("--length", type=int, default=UNIT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growing", action="store_true")
    given = parser.parse_args()
    print(write(given.path, given.diploids, given.length, given.seed, given.growing))
