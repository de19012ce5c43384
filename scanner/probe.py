"""A first look at the records: ploidy, phase, polarity and missing genotypes, before anything is computed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scanner import vcf
from scanner.decode import Kind, PloidyGrows, Records
from scanner.errors import InputError, UsageError
from scanner.haplotypes import ABSENT, MISSING
from scanner.populations import Selection
from scanner.regions import Region

RECORDS = 2_000
"""Records that are looked at."""


@dataclass(frozen=True)
class Probe:
    """What the first records say.

    Parameters
    ----------
    records, snps
        Records looked at, and biallelic SNPs among them.
    ploidy
        Most alleles in one genotype.
    haplotypes
        Population -> chromosomes that are there, called or not, at the site that has the most.
    missing, unphased, polarised
        Shares: of alleles that are not called, of heterozygous genotypes without phase, of SNPs with INFO/AA.
    """

    records: int
    snps: int
    ploidy: int
    haplotypes: dict[str, int]
    missing: float
    unphased: float
    polarised: float


def probe(source: vcf.Source, selection: Selection, regions: Sequence[Region]) -> Probe:
    """Look at the first records of the regions.

    Raises
    ------
    InputError
        Where none of them has genotypes.
    UsageError
        Where a population has a single chromosome.
    """
    ploidy = 1
    while True:
        try:
            return _probe(source, selection, regions, ploidy)
        except PloidyGrows as growth:
            ploidy = growth.ploidy


def _probe(source: vcf.Source, selection: Selection, regions: Sequence[Region], ploidy: int) -> Probe:
    tally: Counter[str] = Counter()
    present = dict.fromkeys(selection.populations, 0)
    alleles = called = hets = loose = polarised = 0
    for chunk in _first_chunks(source, selection, regions, ploidy):
        tally.update(Kind(code).name for code in chunk.kinds)
        low = 0
        for name, samples in selection.sizes.items():
            columns = chunk.alleles[:, low : low + samples * ploidy]
            low += samples * ploidy
            there = (columns != ABSENT).sum(axis=1)
            present[name] = max(present[name], int(there.max(initial=0)))
        genotypes = chunk.alleles.reshape(len(chunk.alleles), chunk.alleles.shape[1] // ploidy, ploidy)
        het = (genotypes == 0).any(axis=2) & (genotypes == 1).any(axis=2)
        hets, loose = hets + int(het.sum()), loose + int((het & chunk.unphased).sum())
        alleles += int((chunk.alleles != ABSENT).sum())
        called += int((chunk.alleles > MISSING).sum())
        polarised += int(((chunk.ancestral == chunk.ref) | (chunk.ancestral == chunk.alt)).sum())
    snps = tally[Kind.SNP.name]
    if snps == 0 and tally[Kind.NO_GENOTYPE.name]:
        raise InputError(f"{source.path} has no genotypes: FORMAT has no GT in its first {tally.total()} records")
    for name, chromosomes in present.items():
        if chromosomes == 1 and snps:
            raise UsageError(
                f"population '{name}' has a single haplotype: statistics compare haplotypes and need two or more; "
                "add samples or leave it out of the population file"
            )
    return Probe(
        tally.total(),
        snps,
        ploidy,
        present,
        1 - called / alleles if alleles else 0.0,
        loose / hets if hets else 0.0,
        polarised / snps if snps else 0.0,
    )


def _first_chunks(source: vcf.Source, selection: Selection, regions: Sequence[Region], ploidy: int) -> list[Records]:
    """Decode records from the start of each region until there are enough."""
    found: list[Records] = []
    seen = 0
    for region in regions:
        for chunk in itertools.islice(vcf.chunks(source, selection, region, ploidy, records=RECORDS), 1):
            found.append(chunk)
            seen += int(np.sum(chunk.kinds != Kind.OUTSIDE))
        if seen >= RECORDS:
            break
    return found
