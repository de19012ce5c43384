"""``popscan scan``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import scanner
from scanner.cli.options import (
    FILE,
    absolute,
    debug_option,
    log_options,
    logged,
    named_options,
    read_options,
    read_scheduler,
    scan_options,
    slurm_options,
    worker_factory,
    worker_options,
)
from scanner.cli.progress import Bar
from scanner.cli.report import notes, part_lines, summary
from scanner.cluster import Slurm
from scanner.errors import UsageError
from scanner.jobarray import compute_parts
from scanner.options import ScanOptions
from scanner.regions import shortlist
from scanner.request import made_by, recall
from scanner.scan import scan as run_scan


@click.command(short_help="Scan a VCF or BCF: statistics in windows, and tracks for a genome browser.")
@click.argument("vcf", type=FILE, required=False)
@click.option("--out", "-o", type=FILE, metavar="DIR", help="Folder for the result.  [default: VCF's name + .popscan]")
@scan_options
@worker_options
@slurm_options
@click.option(
    "--from",
    "origin",
    type=FILE,
    metavar="RUN.JSON",
    help="Repeat the scan that wrote this run.json; VCF only where the file was moved.",
)
@click.option("--force", is_flag=True, help="Replace the result of another scan in DIR.")
@click.option(
    "--part",
    metavar="I",
    help="Compute part I (or 0-9,12) of 'popscan plan --parts' only; 'popscan gather DIR' joins them.",
)
@log_options
@debug_option
def scan(vcf: Path | None, out: Path | None, origin: Path | None, part: str | None, quiet: bool, **given: Any) -> None:
    """Scan a population VCF.gz or BCF and write tracks for a genome browser.

    The result folder holds windows.tsv.gz (one row a window), a bigWig track for every score, BED calls of outlier
    regions, igv_session.xml to open in IGV, and an account of every record. A stopped scan goes on when the same
    command is run again.
    """
    if origin is not None:
        options = _recalled(origin, vcf, given["device"], quiet=quiet)
    elif vcf is not None:
        options = read_options(vcf, given)
    else:
        raise UsageError("give the VCF to scan, or --from RUN.JSON to repeat a scan")
    folder = default_folder(options.vcf) if out is None else out
    with logged(given, quiet=quiet):
        if part is not None:
            _perform_part(options, folder, part, given, quiet=quiet)
            return
        scheduler = read_scheduler(given, folder, options)
        bar = Bar(quiet=quiet or given["verbose"])
        perform(options, folder, given["threads"], scheduler, bar=bar, force=given["force"], quiet=quiet)


def _recalled(origin: Path, vcf: Path | None, device: str, *, quiet: bool) -> ScanOptions:
    """Read from a run.json what to ask for; the device changes no result, and another may be named."""
    named = named_options(click.get_current_context())
    other = [option for option in named if option != "--device"]
    if other:
        raise UsageError(f"--from {origin} says all that is to be computed: leave out {shortlist(other)}")
    options = recall(origin, vcf)
    version = made_by(origin)
    if version != scanner.__version__ and not quiet:
        click.echo(
            f"note: {origin} is of popscan {version}, this is {scanner.__version__}: values may differ", err=True
        )
    return replace(options, device=device) if named else options


def _perform_part(options: ScanOptions, out: Path, part: str, given: dict[str, Any], *, quiet: bool) -> None:
    """Compute some parts of a job array, then say which."""
    name = next((name for name in ("scheduler", "slurm", "force") if given[name]), None)
    if name is not None:
        raise UsageError(f"--part needs no scheduler and replaces nothing: leave out --{name}")
    with Bar(quiet=quiet or given["verbose"]) as bar:
        done = compute_parts(options, out, part, worker_factory(given["threads"], None, options), bar)
    for line in [] if quiet else part_lines(done):
        click.echo(line, err=True)


def default_folder(vcf: Path) -> Path:
    """Name the result folder after the file, in the current folder.

    Examples
    --------
    >>> str(default_folder(Path("/data/chr20.vcf.gz")))
    'chr20.popscan'
    """
    name = vcf.name
    for suffix in (".gz", ".bgz", ".vcf", ".bcf"):
        name = name.removesuffix(suffix)
    return Path(f"{name}.popscan")


def perform(
    options: ScanOptions,
    out: Path,
    threads: int | None,
    scheduler: str | Slurm | None,
    *,
    bar: Bar,
    force: bool,
    quiet: bool,
) -> None:
    """Run a scan with a progress bar, then say what came of it."""
    if scheduler is not None:
        options, out = absolute(options), out.absolute()
    factory = worker_factory(threads, scheduler, options, out)
    with bar:
        command = ["popscan", *click.get_current_context().obj]
        outcome = run_scan(options, out, factory, bar, command=command, force=force)
    if quiet:
        return
    for line in [*notes(outcome.plan), *summary(outcome)]:
        click.echo(line, err=True)
