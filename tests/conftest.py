"""Fixtures that several test files share. What is true of the data stands in each fixture's docstring."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what runs in the background; tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)

Record = tuple[str, int, str, str, str, Sequence[str]]

_HEADER = (
    '##INFO=<ID=AA,Number=1,Type=String,Description="Ancestral allele">',
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">',
    '##INFO=<ID=AN,Number=1,Type=Integer,Description="Allele number">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last position">',
    '##FILTER=<ID=LowQual,Description="Low quality">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
)


def vcf_text(
    records: Iterable[Record],
    samples: Sequence[str],
    contigs: dict[str, int | None],
    header: Sequence[str] = (),
) -> str:
    """Spell a VCF: records are ``(contig, position from 1, REF, ALT, INFO, one genotype a sample)``."""
    lines = ["##fileformat=VCFv4.2", *_HEADER, *header]
    for name, length in contigs.items():
        lines.append(f"##contig=<ID={name}>" if length is None else f"##contig=<ID={name},length={length}>")
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    lines.append("\t".join([*columns, "FORMAT", *samples] if samples else columns))
    for contig, position, ref, alt, info, genotypes in records:
        fields = [contig, str(position), ".", ref, alt, ".", "PASS", info or "."]
        lines.append("\t".join([*fields, "GT", *genotypes] if samples else fields))
    return "\n".join(lines) + "\n"


def save_vcf(text: str, path: Path, *, index: bool = True) -> Path:
    """Write VCF text to ``path``: plain for ``.vcf``, BGZF for ``.vcf.gz``, binary for ``.bcf``; index the last two."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path.with_suffix(".vcf")
    plain.write_text(text)
    if path == plain:
        return path
    if path.suffix == ".gz":
        pysam.tabix_compress(str(plain), str(path), force=True)
    else:
        with pysam.VariantFile(str(plain)) as source, pysam.VariantFile(str(path), "wb", header=source.header) as out:
            for record in source:
                out.write(record)
    plain.unlink()
    if index:
        pysam.tabix_index(str(path), preset="vcf" if path.suffix == ".gz" else "bcf", force=True)
    return path


@pytest.fixture
def write_vcf(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a small VCF into ``tmp_path`` and returns its path.

    ``write_vcf(records, samples=None, contigs={"1": 1_000_000}, header=(), name="input.vcf.gz", index=True)``

    The file holds exactly the records given, in the order given, each ``(contig, position, REF, ALT, INFO,
    genotypes)`` with the position counted from 1 and genotypes such as ``"0|1"``, one a sample; the ID is missing,
    FILTER is PASS. Samples are called ``s0, s1, ...`` unless named. The header declares INFO AA, AC, AN, END, FILTER
    LowQual and FORMAT GT; a contig of length ``None`` is declared without one; ``header`` takes further ``##`` lines.
    The name says the format: ``.vcf`` (plain, without index), ``.vcf.gz`` (BGZF, ``.tbi``) or ``.bcf`` (``.csi``).
    """

    def write(
        records: Iterable[Record],
        samples: Sequence[str] | None = None,
        contigs: dict[str, int | None] | None = None,
        header: Sequence[str] = (),
        name: str = "input.vcf.gz",
        index: bool = True,
    ) -> Path:
        records = list(records)
        if samples is None:
            samples = [f"s{number}" for number in range(len(records[0][5]) if records else 0)]
        text = vcf_text(records, samples, {"1": 1_000_000} if contigs is None else contigs, header)
        return save_vcf(text, tmp_path / name, index=index)

    return write


@dataclass(frozen=True)
class Simulated:
    """Data of which the whole history is known; see the fixture ``simulated``."""

    tree_sequence: Any  # tskit.TreeSequence
    vcf: Path
    populations: Path
    contig: str
    length: int

    def samples(self, population: str) -> list[int]:
        """Name the haplotypes of a population: sample nodes, which are also rows of the genotype matrix."""
        ids = {row.metadata["name"]: row.id for row in self.tree_sequence.populations()}
        return [int(node) for node in self.tree_sequence.samples(population=ids[population])]


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Simulate 3 populations of 20 diploids each, 1 Mb, neutral; seeds are fixed.

    Truth: ``tree_sequence`` holds genealogies and mutations. 10,000 diploids a population at all times; C left the
    ancestor of A and B 20,000 generations ago, and these parted 1,000 generations ago: so Hudson's Fst, expected as
    t / (t + 2N), is 1/21 between A and B and 1/2 between C and either. Recombination 1e-8 and mutation 1.25e-8 per bp
    and generation. Sites lie at whole positions and have one mutation each, so that every record is a biallelic SNP
    that varies among the 120 haplotypes, with the ancestral allele as REF and as INFO/AA; site ``i`` at position ``p``
    (from 0) of the tree sequence is record ``i`` at POS ``p + 1``. Genotypes are phased and complete. Samples are A_0
    ... A_19, B_0 ... C_19, in the order of the tree sequence: haplotypes ``2k`` and ``2k + 1`` are sample ``k``.
    ``populations`` has sample and population, without a header.
    """
    import msprime

    length, folder = 1_000_000, tmp_path_factory.mktemp("simulated")
    demography = msprime.Demography()
    for name in ("A", "B", "C", "AB", "ABC"):
        demography.add_population(name=name, initial_size=10_000)
    demography.add_population_split(time=1_000, derived=["A", "B"], ancestral="AB")
    demography.add_population_split(time=20_000, derived=["AB", "C"], ancestral="ABC")
    trees = msprime.sim_ancestry(
        {"A": 20, "B": 20, "C": 20},
        demography=demography,
        sequence_length=length,
        recombination_rate=1e-8,
        random_seed=20190217,
    )
    trees = msprime.sim_mutations(trees, rate=1.25e-8, random_seed=12345)
    trees = trees.delete_sites([site.id for site in trees.sites() if len(site.mutations) != 1])
    matrix = trees.genotype_matrix()
    names = [f"{population}_{number}" for population in "ABC" for number in range(20)]
    spelled = np.array([["0|0", "0|1"], ["1|0", "1|1"]])[matrix[:, ::2], matrix[:, 1::2]]
    records = []
    for site, row in zip(trees.sites(), spelled, strict=True):
        ref, alt = site.ancestral_state, site.mutations[0].derived_state
        records.append(("1", int(site.position) + 1, ref, alt, f"AA={ref}", row))
    vcf = save_vcf(vcf_text(records, names, {"1": length}), folder / "simulated.vcf.gz")
    populations = folder / "populations.tsv"
    populations.write_text("".join(f"{name}\t{name[0]}\n" for name in names))
    return Simulated(trees, vcf, populations, "1", length)
