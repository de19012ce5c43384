"""``popscan gather``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scanner.cli.options import (
    FILE,
    debug_option,
    log_options,
    logged,
    read_scheduler,
    slurm_options,
    worker_factory,
    worker_options,
)
from scanner.cli.progress import Bar
from scanner.cli.report import notes, summary
from scanner.jobarray import asked
from scanner.jobarray import gather as join_parts


@click.command(short_help="Join the parts that 'popscan scan --part' computed.")
@click.argument("directory", metavar="DIR", type=FILE)
@worker_options
@slurm_options
@log_options
@debug_option
def gather(directory: Path, threads: int | None, quiet: bool, **given: Any) -> None:
    """Join the parts that 'popscan scan --part' computed in DIR, and draw the tracks.

    The result is that of a plain scan, byte for byte. Site scores and networks need neighbouring parts: what the jobs
    did not compute of them is computed here. Parts that are missing are named, and nothing is written.
    """
    options = asked(directory)
    scheduler = read_scheduler(given, directory, options)
    out = directory if scheduler is None else directory.absolute()
    with logged(given, quiet=quiet), Bar(quiet=quiet or given["verbose"]) as bar:
        command = ["popscan", *click.get_current_context().obj]
        outcome = join_parts(options, out, worker_factory(threads, scheduler, options, out), bar, command=command)
    for line in [] if quiet else [*notes(outcome.plan), *summary(outcome)]:
        click.echo(line, err=True)
