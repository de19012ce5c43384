"""Running popscan in tests, random data of several contigs, and reading what a scan wrote."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import Record, save_vcf, vcf_text

from scanner.cli import main

TABLES = ("windows.tsv.gz", "sites.tsv.gz", "accounting.tsv")


@dataclass(frozen=True)
class Run:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that a failed call prints."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("popscan: "), self.err
        assert self.out == ""
        return lines[0].removeprefix("popscan: ")


def popscan(*words: object) -> Run:
    """Call the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Run(code, out.getvalue(), err.getvalue())


def scanned(*words: object) -> Run:
    """Scan, which must succeed."""
    done = popscan("scan", *words)
    assert done.code == 0, done.err
    return done


def tables(folder: Path) -> dict[str, bytes]:
    """Read the tables of a result."""
    return {name: (folder / name).read_bytes() for name in TABLES if (folder / name).exists()}


@dataclass(frozen=True)
class Table:
    """A table of scores, cell by cell."""

    columns: list[str]
    rows: list[list[str]]

    def texts(self, column: str) -> list[str]:
        at = self.columns.index(column)
        return [row[at] for row in self.rows]

    def values(self, column: str) -> np.ndarray:
        return np.array([np.nan if text == "NA" else float(text) for text in self.texts(column)])

    @property
    def bounds(self) -> list[tuple[str, int, int]]:
        return [(row[0], int(row[1]), int(row[2])) for row in self.rows]


def read_table(path: Path) -> Table:
    """Read windows.tsv.gz or sites.tsv.gz by nothing but gzip."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return Table(lines[0].split("\t"), [line.split("\t") for line in lines[1:]])


def accounts(folder: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Read accounting.tsv: kind, name, outcome -> count."""
    found: dict[str, dict[str, dict[str, int]]] = {"records": {}, "windows": {}}
    lines = (folder / "accounting.tsv").read_text().splitlines()
    assert lines[0] == "kind\tname\toutcome\tcount"
    for line in lines[1:]:
        kind, name, outcome, count = line.split("\t")
        assert outcome not in found[kind].setdefault(name, {})
        found[kind][name][outcome] = int(count)
    return found


def random_records(contig: str, length: int, records: int, samples: int, seed: int) -> list[Record]:
    """Draw biallelic SNPs with linked haplotypes: each haplotype copies one of six founders, changing now and then."""
    draw = np.random.default_rng(seed)
    positions = np.sort(draw.choice(length, records, replace=False))
    founders = draw.random((records, 6)) < draw.random((records, 1))
    which = draw.integers(0, 6, 2 * samples)
    made: list[Record] = []
    for row, position in enumerate(positions.tolist()):
        change = draw.random(2 * samples) < 0.02
        which[change] = draw.integers(0, 6, int(change.sum()))
        alleles = founders[row, which].astype(int)
        genotypes = [f"{a}|{b}" for a, b in zip(alleles[::2], alleles[1::2], strict=True)]
        made.append((contig, position + 1, "A", "C", "AA=A", genotypes))
    return made


@dataclass(frozen=True)
class Several:
    """Random data of several contigs; see `several`."""

    vcf: Path
    populations: Path
    contigs: dict[str, int]
    records: list[Record]


def several(folder: Path, *, contigs: int = 4, length: int = 40_000, records: int = 300, samples: int = 12) -> Several:
    """Write random data: contigs "1", "2", ... of equal length and number of records, samples s0, s1, ..."""
    lengths = {str(number + 1): length for number in range(contigs)}
    rows = [row for name in lengths for row in random_records(name, length, records, samples, int(name))]
    return write_several(folder, rows, lengths, samples)


def write_several(folder: Path, rows: Iterable[Record], lengths: dict[str, int], samples: int) -> Several:
    """Write records with a population file that puts every third sample into A, B and C in turn."""
    rows, names = list(rows), [f"s{number}" for number in range(samples)]
    vcf = save_vcf(vcf_text(rows, names, dict(lengths)), folder / "input.vcf.gz")
    populations = folder / "populations.tsv"
    populations.write_text("".join(f"{name}\t{'ABC'[at % 3]}\n" for at, name in enumerate(names)))
    return Several(vcf, populations, lengths, rows)
