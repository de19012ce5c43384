"""Everything that is wrong with an input, in one report instead of one error at a time."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scanner import vcf
from scanner.errors import PopscanError
from scanner.partition import CELL, cut
from scanner.populations import select
from scanner.probe import probe
from scanner.reference import AncestralFasta, Mask, merged, read_aliases, read_bed, read_lengths
from scanner.regions import Region, shortlist
from scanner.windows import sliding

Level = Literal["error", "warning", "good"]
UNPHASED, UNPOLARISED, MISSING = 0.05, 0.5, 0.1
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    level
        ``error``: a scan would refuse or fail; ``warning``: it would run and leave something out; ``good``.
    text
        What was found.
    """

    level: Level
    text: str


@dataclass(frozen=True)
class Inputs:
    """The files that a scan would read together."""

    vcf: Path
    populations: Path | None = None
    samples: Path | None = None
    mask: Path | None = None
    ancestral: Path | None = None
    chrom_sizes: Path | None = None
    aliases: Path | None = None


class _Report:
    """Collects findings; a step that fails is a finding, and the steps after it go on with what there is."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(self, level: Level, text: str) -> None:
        """Note something, once."""
        finding = Finding(level, text)
        if finding not in self.findings:
            self.findings.append(finding)

    def attempt(self, step: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Run a step; give its result, or None where it failed."""
        try:
            return step(*given, **named)
        except PopscanError as error:
            self.add("error", str(error))
            return None


def check_input(inputs: Inputs) -> list[Finding]:
    """Read the whole input and report everything that a scan would stumble over.

    Parameters
    ----------
    inputs
        The files.

    Returns
    -------
    Findings, in the order in which they were made.
    """
    report = _Report()
    lengths = report.attempt(read_lengths, inputs.chrom_sizes) if inputs.chrom_sizes else None
    aliases = (report.attempt(read_aliases, inputs.aliases) if inputs.aliases else None) or {}
    with tempfile.TemporaryDirectory() as folder:
        source = report.attempt(vcf.open_source, inputs.vcf, lengths=lengths, fallback=Path(folder))
        if source is None:
            _find_all(report, inputs)
            return report.findings
        report.add(
            "good", f"{inputs.vcf}: {source.kind.upper()}, {len(source.samples)} samples, index {source.index.name}"
        )
        selection = report.attempt(select, source.samples, inputs.populations, inputs.samples)
        if selection is None:
            selection = select(source.samples, None, None)
        elif selection.named:
            report.add("good", ", ".join(f"{name} {count} samples" for name, count in selection.sizes.items()))
        options = vcf.ReadOptions(ancestral=inputs.ancestral, aliases=aliases)
        if inputs.ancestral and report.attempt(AncestralFasta, inputs.ancestral, source.lengths, aliases) is None:
            options = replace(options, ancestral=None)
        beds = report.attempt(read_bed, inputs.mask, source.lengths, aliases) if inputs.mask else None
        bare = [] if beds is None else [contig for contig in source.lengths if contig not in beds]
        if bare:
            report.add("error", f"{inputs.mask} has no callable region on {shortlist(bare)}")
        _look(report, source, selection, inputs.ancestral is not None)
        _read_all(report, source, selection, options, beds)
    return report.findings


def _find_all(report: _Report, inputs: Inputs) -> None:
    """Report the files that are not there: without the VCF nothing else can be said of them."""
    for path in (inputs.populations, inputs.samples, inputs.mask, inputs.ancestral):
        if path is not None and not path.is_file():
            report.add("error", f"{path}: no such file")


def _look(report: _Report, source: vcf.Source, selection: Any, has_ancestral: bool) -> None:
    """Report what the first records say of phase, polarity and missing genotypes."""
    regions = [Region(contig, 0, length) for contig, length in source.lengths.items()]
    seen = report.attempt(probe, source, selection, regions)
    if seen is None:
        return
    if seen.unphased > UNPHASED:
        report.add(
            "warning", f"{seen.unphased:.0%} of heterozygous genotypes have no phase: haplotype statistics need it"
        )
    if seen.polarised < UNPOLARISED and not has_ancestral:
        report.add(
            "warning", f"{seen.polarised:.0%} of SNPs have an ancestral allele in INFO/AA: --ancestral FASTA gives more"
        )
    if seen.missing > MISSING:
        report.add("warning", f"{seen.missing:.0%} of genotypes are not called")


def _read_all(report: _Report, source: vcf.Source, selection: Any, options: vcf.ReadOptions, beds: Any) -> None:
    """Read every record, contig by contig, and report what would not be used."""
    total: Counter[str] = Counter()
    for contig, length in source.lengths.items():
        tally: Counter[str] = Counter()
        failed = False
        for region in _pieces(source, contig, length):
            mask = None if beds is None else Mask(*merged(*beds.get(contig, (_NONE, _NONE))))
            made = report.attempt(vcf.read, source, selection, region, options, mask)
            failed = failed or made is None
            tally.update(made[1] if made else {})
        expected = source.entries[contig].records
        if not failed and expected is not None and expected != tally.total():
            report.add(
                "error", f"{source.index.name} counts {expected:,} records on {contig}, {tally.total():,} are there"
            )
        total.update(tally)
    used = total.pop("sites", 0)
    if used == 0:
        report.add("error", "no record is a biallelic SNP that varies among the selected samples")
    else:
        report.add("good", f"{used:,} biallelic SNPs that vary among the selected samples")
    for reason, count in total.most_common():
        report.add("warning", f"{count:,} records would not be used: {reason.replace('_', ' ')}")


def _pieces(source: vcf.Source, contig: str, length: int) -> Iterator[Region]:
    """Cut a contig as a scan would, so that memory stays flat."""
    whole = Region(contig, 0, length)
    grid = sliding(whole, CELL, CELL)
    for part in cut([whole], [grid], source.entries, source.lengths, 2 * len(source.samples)):
        yield Region(contig, *part.core)
