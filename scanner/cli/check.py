"""``popscan check``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.check import Inputs, check_input
from scanner.cli.options import FILE, debug_option

_MARKS = {"error": "ERROR  ", "warning": "warning", "good": "ok     "}


@click.command(short_help="Report everything that is wrong with an input, at once.")
@click.argument("vcf", type=FILE)
@click.option("--populations", "-p", type=FILE, metavar="TSV", help="Population file of the scan.")
@click.option("--samples-file", "-S", "samples", type=FILE, metavar="FILE", help="Samples file of the scan.")
@click.option("--mask", type=FILE, metavar="BED", help="Callable regions of the scan.")
@click.option("--ancestral", type=FILE, metavar="FASTA", help="Ancestral bases of the scan.")
@click.option("--chrom-sizes", type=FILE, metavar="FILE", help="Contig lengths of the scan.")
@click.option("--chrom-alias", "aliases", type=FILE, metavar="FILE", help="Other names of contigs.")
@debug_option
def check(vcf: Path, **given: Path | None) -> int:
    """Read a whole VCF.gz or BCF, and the files that go with it, and report everything a scan would stumble over.

    Ends with 0 where a scan would run, 1 where it would not.
    """
    findings = check_input(Inputs(vcf, **given))
    for finding in findings:
        click.echo(f"{_MARKS[finding.level]}  {finding.text}")
    return int(any(finding.level == "error" for finding in findings))
