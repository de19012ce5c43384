"""``popscan gather``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli.options import FILE, debug_option, quiet_option, worker_factory, worker_options
from scanner.cli.progress import Bar
from scanner.cli.report import notes, summary
from scanner.jobarray import asked
from scanner.jobarray import gather as join_parts


@click.command(short_help="Join the parts that 'popscan scan --part' computed.")
@click.argument("directory", metavar="DIR", type=FILE)
@worker_options
@quiet_option
@debug_option
def gather(directory: Path, threads: int | None, scheduler: str | None, quiet: bool) -> None:
    """Join the parts that 'popscan scan --part' computed in DIR, and draw the tracks.

    The result is that of a plain scan, byte for byte. Site scores and networks need neighbouring parts: what the jobs
    did not compute of them is computed here. Parts that are missing are named, and nothing is written.
    """
    out = directory if scheduler is None else directory.absolute()
    options = asked(out)
    with Bar(quiet=quiet) as bar:
        command = ["popscan", *click.get_current_context().obj]
        outcome = join_parts(options, out, worker_factory(threads, scheduler, options), bar, command=command)
    for line in [] if quiet else [*notes(outcome.plan), *summary(outcome)]:
        click.echo(line, err=True)
