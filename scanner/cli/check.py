"""``popscan check``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.check import Finding, Inputs, check_input
from scanner.check_result import check_result
from scanner.cli.options import FILE, debug_option
from scanner.errors import UsageError, one_line
from scanner.workers import uninterrupted

_MARKS = {"error": "ERROR  ", "warning": "warning", "good": "ok     "}


@click.command(short_help="Report everything that is wrong with an input, or with a result, at once.")
@click.argument("path", metavar="VCF|DIR", type=FILE)
@click.option("--populations", "-p", type=FILE, metavar="TSV", help="Population file of the scan.")
@click.option("--samples-file", "-S", "samples", type=FILE, metavar="FILE", help="Samples file of the scan.")
@click.option("--mask", type=FILE, metavar="BED", help="Callable regions of the scan.")
@click.option("--ancestral", type=FILE, metavar="FASTA", help="Ancestral bases of the scan.")
@click.option("--chrom-sizes", type=FILE, metavar="FILE", help="Contig lengths of the scan.")
@click.option("--chrom-alias", "aliases", type=FILE, metavar="FILE", help="Other names of contigs.")
@debug_option
def check(path: Path, **given: Path | None) -> int:
    """Read a whole VCF.gz or BCF, and the files that go with it, and report everything a scan would stumble over.

    Or read every file of a result folder again, and report all that is missing, damaged, or not what the scores say.

    Ends with 0 where a scan would run or the result is whole, 1 where not.
    """
    findings = _check_folder(path, given) if path.is_dir() else check_input(Inputs(path, **given))
    for finding in findings:
        click.echo(f"{_MARKS[finding.level]}  {one_line(finding.text)}")
    return int(any(finding.level == "error" for finding in findings))


def _check_folder(path: Path, given: dict[str, Path | None]) -> list[Finding]:
    """Check a result, to which the files of a scan's input add nothing."""
    if any(given.values()):
        raise UsageError(f"{path} is a folder, so a result is checked: the options are for a VCF")
    (findings,) = uninterrupted(check_result, [path])  # libraries would say of their own accord what findings say
    return findings
