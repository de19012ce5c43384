"""``popscan publish``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli.options import FILE, absolute_genome, browser_options, debug_option, quiet_option
from scanner.cli.progress import Bar
from scanner.cli.report import published_lines
from scanner.publish import publish as make
from scanner.workers import uninterrupted


@click.command(short_help="Make the browser files of a result again.")
@click.argument("directory", metavar="DIR", type=FILE)
@browser_options
@quiet_option
@debug_option
def publish(directory: Path, genome: str | None, genes: Path | None, email: str | None, quiet: bool) -> None:
    """Make tracks, calls and the IGV session again from windows.tsv.gz and run.json of a result folder."""
    with Bar(quiet=quiet) as bar:
        bar.start("drawing tracks", 0)
        published = make(directory, genome=absolute_genome(genome), genes=genes, email=email, mapper=uninterrupted)
    if not quiet:
        for line in published_lines(published):
            click.echo(line, err=True)
