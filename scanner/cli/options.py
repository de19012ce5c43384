"""Options that several commands share, each defined once, and how their text becomes `ScanOptions`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from scanner.cluster import JOBS, MEMORY, WALLTIME, Shared, Slurm
from scanner.errors import UsageError
from scanner.logs import logged_to
from scanner.network import locate
from scanner.network import resolve as resolve_models
from scanner.network.backend import DEVICES, choose_device
from scanner.network.prior import read_priors
from scanner.network.store import read_contract
from scanner.networks import SPEC
from scanner.options import FDR, MAX_MISSING, MIN_CALLABLE, MIN_SITES, WINDOW, ScanOptions, window_spec
from scanner.predict import GPU
from scanner.scan import Workers
from scanner.statistics import registry
from scanner.workers import Mapper, available_threads, workers
from scanner.workspace import HIDDEN, LOGS, Workspace

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)

_BROWSER_OPTIONS = [
    click.option(
        "--genome", metavar="ID|FASTA", help="Genome for the browsers: an IGV or UCSC id (hg19, hg38, ...) or a FASTA."
    ),
    click.option("--genes", type=FILE, metavar="GFF", help="Genes (GFF3 or GTF) to name beside the calls."),
    click.option("--email", metavar="ADDRESS", help="Contact that the UCSC hub shows."),
]

_SCAN_OPTIONS = [
    click.option(
        "--window", metavar="SIZE", help=f"Window length: 100kb, 1.5Mb, plain bp, or 50snps.  [default: {WINDOW}]"
    ),
    click.option("--step", metavar="SIZE", help="Distance between window starts.  [default: the window]"),
    click.option(
        "--windows", "bed", type=FILE, metavar="BED", help="Windows from a BED file (0-based half-open) instead."
    ),
    click.option(
        "--populations", "-p", type=FILE, metavar="TSV", help="Sample and population, two columns; others are left out."
    ),
    click.option(
        "--samples-file", "-S", "samples", type=FILE, metavar="FILE", help="Use these samples only, one a line."
    ),
    click.option(
        "--pair",
        "pairs",
        multiple=True,
        metavar="A:B",
        help=f"Compare these two populations (repeatable).  [default: all pairs of up to {registry.MAX_ALL}]",
    ),
    click.option(
        "--trio",
        "trios",
        multiple=True,
        metavar="A:B:C",
        help="PBS of A against B and C; ABBA-BABA of A, B with donor C; RNDmin of A, B with outgroup C (repeatable).  "
        "[default: each population once as A, where there are three]",
    ),
    click.option(
        "--statistics",
        metavar="LIST",
        help="Statistics joined by commas, 'all' or 'none'.  [default: all but "
        + ", ".join(registry.SITE_SCORES)
        + "]",
    ),
    click.option(
        "--models",
        metavar="LIST",
        default="none",
        help="Networks of the catalogue and model folders joined by commas, 'none', or 'all' that suit any data.",
        show_default=True,
    ),
    click.option(
        "--prior",
        "priors",
        multiple=True,
        metavar="NAME=P",
        help="Probability of a class of a network, or of all but the first by the name of the task, before anything is "
        "seen, as in sweep=0.01 (repeatable).  [default: the shares in training]",
    ),
    click.option(
        "--fdr", type=float, metavar="RATE", help=f"False-discovery rate at which classes are called.  [default: {FDR}]"
    ),
    click.option("--dense", is_flag=True, help="Give the networks' values at every site too, for a window around it."),
    click.option(
        "--device",
        type=click.Choice(DEVICES),
        default=DEVICES[0],
        show_default=True,
        help="What networks compute on; workers of a cluster offer gpu as the Dask resource GPU.",
    ),
    click.option(
        "--region",
        "-r",
        "regions",
        multiple=True,
        metavar="REGION",
        help="Scan CONTIG or CONTIG:START-END, 1-based (repeatable).",
    ),
    click.option(
        "--regions-file", "-R", type=FILE, metavar="BED", help="Scan the regions of a BED file (0-based half-open)."
    ),
    click.option(
        "--mask",
        type=FILE,
        metavar="BED",
        help="Callable regions: sites elsewhere are left out, sums are per callable bp.",
    ),
    click.option("--ancestral", type=FILE, metavar="FASTA", help="Ancestral bases.  [default: INFO/AA of the VCF]"),
    click.option(
        "--chrom-sizes", type=FILE, metavar="FILE", help="Contig lengths (chrom.sizes or .fai) the header lacks."
    ),
    click.option(
        "--chrom-alias", "aliases", type=FILE, metavar="FILE", help="Other names of contigs (UCSC chromAlias)."
    ),
    click.option(
        "--min-callable",
        type=click.FloatRange(0, 1),
        default=MIN_CALLABLE,
        show_default=True,
        help="Callable share below which a window has no values.",
    ),
    click.option(
        "--min-sites",
        type=click.IntRange(0),
        default=MIN_SITES,
        show_default=True,
        help="Number of sites below which a window has no values.",
    ),
    click.option(
        "--max-missing",
        type=click.FloatRange(0, 1),
        default=MAX_MISSING,
        show_default=True,
        help="Leave out sites where a larger share of alleles is not called.",
    ),
    click.option(
        "--min-maf",
        type=click.FloatRange(0, 0.5),
        default=0.0,
        show_default=True,
        help="Leave out sites whose rarer allele is rarer than this over the selected samples.",
    ),
    *_BROWSER_OPTIONS,
]

_WORKER_OPTIONS = [
    click.option(
        "--threads",
        "-t",
        type=click.IntRange(1),
        metavar="N",
        help="Processes on this machine.  [default: all it may use]",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Use a running Dask cluster: tcp://HOST:PORT."),
]


_SLURM_OPTIONS = [
    click.option("--slurm", is_flag=True, help="Compute in jobs of Slurm, which popscan submits from here."),
    click.option("--queue", metavar="NAME", help="With --slurm: the partition.  [default: Slurm's]"),
    click.option("--account", metavar="NAME", help="With --slurm: the account.  [default: Slurm's]"),
    click.option("--memory", metavar="SIZE", help=f"With --slurm: memory of a job.  [default: {MEMORY}]"),
    click.option(
        "--walltime", metavar="TIME", help=f"With --slurm: time limit of a job, HH:MM:SS.  [default: {WALLTIME}]"
    ),
    click.option("--jobs", type=click.IntRange(1), metavar="N", help=f"With --slurm: most jobs.  [default: {JOBS}]"),
]

_LOG_OPTIONS = [
    click.option("--log-file", type=FILE, metavar="FILE", help="Log input, plan, rates, memory and retries to FILE."),
    click.option("--verbose", "-v", is_flag=True, help="Log to standard error, and each part."),
]


def scan_options(command: Command) -> Command:
    """Add the options that say what a scan computes."""
    return _decorated(command, _SCAN_OPTIONS)


def named_options(context: click.Context) -> list[str]:
    """List the options of a scan that stand on the command line."""
    shared = {option.name for option in scan_options(click.command()(lambda: None)).params}
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in shared
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]


def worker_options(command: Command) -> Command:
    """Add the options that say who computes it."""
    return _decorated(command, _WORKER_OPTIONS)


def slurm_options(command: Command) -> Command:
    """Add the options of jobs of Slurm."""
    return _decorated(command, _SLURM_OPTIONS)


def log_options(command: Command) -> Command:
    """Add ``--log-file``, ``--verbose`` and ``--quiet``."""
    return quiet_option(_decorated(command, _LOG_OPTIONS))


def logged(given: dict[str, Any], *, quiet: bool) -> contextlib.AbstractContextManager[None]:
    """Lead the log where `log_options` say.

    Raises
    ------
    UsageError
        Where they contradict each other.
    """
    if quiet and given["verbose"]:
        raise UsageError("--quiet and --verbose exclude each other")
    return logged_to(given["log_file"], verbose=given["verbose"])


def browser_options(command: Command) -> Command:
    """Add the options of the browser files."""
    return _decorated(command, _BROWSER_OPTIONS)


def debug_option(command: Command) -> Command:
    """Add ``--debug``; the main function reads it."""
    text = "Show Python's traceback where popscan fails."
    return click.option("--debug", is_flag=True, expose_value=False, help=text)(command)


def quiet_option(command: Command) -> Command:
    """Add ``--quiet``."""
    return click.option("--quiet", "-q", is_flag=True, help="Print errors only.")(command)


def _decorated(command: Command, options: list[Any]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def read_options(vcf: Path, given: dict[str, Any]) -> ScanOptions:
    """Turn what click read into the options of a scan.

    Parameters
    ----------
    vcf
        The file to scan.
    given
        The values of `scan_options`, by parameter name.

    Raises
    ------
    UsageError
        For texts that mean nothing.
    """
    models = _models(given["models"], paired=given["populations"] is not None)
    for name in ("dense", "fdr"):
        if given[name] and not models:
            raise UsageError(f"--{name} is about what networks say: name networks with --models")
    return ScanOptions(
        vcf=vcf,
        windows=window_spec(given["window"], given["step"], given["bed"]),
        statistics=registry.resolve(given["statistics"]),
        populations=given["populations"],
        samples=given["samples"],
        pairs=_groups(given["pairs"]),
        trios=_groups(given["trios"]),
        regions=tuple(given["regions"]),
        regions_file=given["regions_file"],
        mask=given["mask"],
        ancestral=given["ancestral"],
        chrom_sizes=given["chrom_sizes"],
        aliases=given["aliases"],
        min_callable=given["min_callable"],
        min_sites=given["min_sites"],
        max_missing=given["max_missing"],
        min_maf=given["min_maf"],
        models=models,
        priors=read_priors(given["priors"]),
        fdr=FDR if given["fdr"] is None else given["fdr"],
        dense=given["dense"],
        device=given["device"],
        genome=absolute_genome(given["genome"]),
        genes=given["genes"],
        email=given["email"],
    )


def absolute(options: ScanOptions) -> ScanOptions:
    """Name the files that workers read by their whole paths: those of a cluster start elsewhere."""
    ancestral = None if options.ancestral is None else options.ancestral.absolute()
    return replace(options, vcf=options.vcf.absolute(), ancestral=ancestral)


def absolute_genome(genome: str | None) -> str | None:
    """Make the path of a FASTA absolute, so that the result can be published from anywhere; ids stay as they are."""
    return str(Path(genome).resolve()) if genome is not None and Path(genome).is_file() else genome


def _models(text: str, *, paired: bool) -> tuple[Path, ...]:
    """Find the folders of the networks; all of them are those of one population where there are no pairs."""
    folders = tuple(locate(name).absolute() for name in resolve_models(text))
    if text != "all" or paired:
        return folders
    return tuple(folder for folder in folders if read_contract(folder).populations == 1)


def _groups(texts: tuple[str, ...]) -> tuple[tuple[str, ...], ...] | None:
    return tuple(tuple(text.split(":")) for text in texts) if texts else None


RECORDS_PER_PROCESS = 250_000
"""Records that make another process worth its start, where the user has not said how many to use."""


def read_scheduler(given: dict[str, Any], out: Path, options: ScanOptions | None) -> str | Slurm | None:
    """Turn ``--scheduler`` and the options of `slurm_options` into who else computes.

    Parameters
    ----------
    given
        Values by parameter name.
    out
        The result folder, for the logs of jobs.
    options
        The scan: with ``--device gpu`` its jobs ask for graphics cards.

    Raises
    ------
    UsageError
        Where they contradict each other.
    """
    settings = {name: given[name] for name in ("queue", "account", "memory", "walltime", "jobs") if given[name]}
    if not given["slurm"]:
        if settings:
            raise UsageError(f"--{next(iter(settings))} is for jobs of Slurm: give --slurm too")
        scheduler: str | None = given["scheduler"]
        return scheduler
    if given["scheduler"] is not None:
        raise UsageError("--slurm and --scheduler exclude each other")
    slurm = Slurm(out / HIDDEN / LOGS, gpu=_needs_gpu(options), **settings)
    assert slurm.lifetime > 0  # raises where the walltime is no time
    return slurm


def _needs_gpu(options: ScanOptions | None) -> bool:
    return options is not None and bool(options.models) and options.device == "gpu"


def worker_factory(
    threads: int | None,
    scheduler: str | Slurm | None,
    options: ScanOptions | None = None,
    out: Path | None = None,
) -> Workers:
    """Make what `scan.scan` needs to start workers.

    Parameters
    ----------
    threads
        Processes on this machine; where None, all that may be used, but no more than the work is worth.
    scheduler
        Address of a Dask scheduler, or jobs of Slurm, or None.
    options
        The scan: where its networks need a graphics card, one that is lacking is missed at once.
    out
        The result folder, which workers on other machines must see.
    """
    if threads is not None and scheduler is not None:
        other = "--slurm" if isinstance(scheduler, Slurm) else "--scheduler"
        raise UsageError(f"--threads and {other} exclude each other: a cluster has its own workers")
    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    gpu, shared = _needs_gpu(options), _shared(options, out)
    if gpu and scheduler is None:
        choose_device("gpu")

    def start(tasks: int, records: int) -> contextlib.AbstractContextManager[Mapper]:
        count = min(available_threads(), 1 + records // RECORDS_PER_PROCESS) if threads is None else threads
        return workers(count, scheduler, scratch, tasks, GPU if gpu else None, shared)

    return start


def _shared(options: ScanOptions | None, out: Path | None) -> Shared:
    """Say which files and folders workers on other machines must see."""
    files = () if options is None else (options.vcf, options.ancestral, *(folder / SPEC for folder in options.models))
    return Shared(None if out is None else Workspace(out).parts, tuple(path for path in files if path is not None))
