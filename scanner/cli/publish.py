"""``popscan publish``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli.options import FILE, debug_option, quiet_option
from scanner.cli.progress import Bar
from scanner.cli.report import published_lines
from scanner.publish import publish as make


@click.command(short_help="Make the browser files of a result again.")
@click.argument("directory", metavar="DIR", type=FILE)
@quiet_option
@debug_option
def publish(directory: Path, quiet: bool) -> None:
    """Make tracks, calls and the IGV session again from windows.tsv.gz and run.json of a result folder."""
    with Bar(quiet=quiet) as bar:
        bar.start("drawing tracks", 0)
        published = make(directory)
    if not quiet:
        for line in published_lines(published):
            click.echo(line, err=True)
