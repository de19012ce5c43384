"""``popscan explain``."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import click

from scanner.cli.options import FILE, debug_option, log_options
from scanner.cli.progress import LoggedBar, running
from scanner.errors import Stopped, UsageError
from scanner.workers import available_threads, workers

_log = logging.getLogger(__name__)

SIMULATIONS = 300


@click.command(short_help="Draw the layers of a network that sees alignments.")
@click.argument("model", metavar="MODEL")
@click.option("--out", "-o", type=FILE, metavar="DIR", required=True, help="For layers.svg, filters.svg, filters.tsv.")
@click.option(
    "--simulations", "-n", type=click.IntRange(10), metavar="N", default=SIMULATIONS, show_default=True,
    help="Fresh ones of the network's recipe.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), metavar="S", help="Where they start.  [default: the recipe's + 1]")
@click.option("--threads", "-t", type=click.IntRange(1), metavar="N", help="Processes.  [default: all it may use]")
@log_options
@debug_option
def explain(model: str, out: Path, threads: int | None, quiet: bool, **given: Any) -> None:
    """Draw what the layers of MODEL make of alignments, and say what its first filters respond to.

    MODEL is a network that sees alignments: a name of the catalogue, or a folder that 'popscan train' wrote by a recipe
    with a table [alignment]. layers.svg shows a few fresh simulations and every convolution's answer to them;
    filters.svg the weights of the most used filters of the first convolution, and their answer by the number of derived
    alleles at a site; filters.tsv says for all of them how that goes with the derived alleles of two neighbouring
    sites, their heterozygosity, and how much the two differ.
    """
    count = available_threads() if threads is None else threads
    with running(given, quiet=quiet) as bar:
        try:
            text = _perform(model, count, out, given, bar)
        except KeyboardInterrupt as stop:
            raise Stopped("stopped: nothing was drawn") from stop
    click.echo(text, nl=False)


def _perform(model: str, threads: int, out: Path, given: dict[str, Any], bar: LoggedBar) -> str:
    """Explain one network."""
    from scanner import explain as explaining  # loads what simulates
    from scanner.evaluate.folders import Request
    from scanner.network import aligned

    folder = aligned.find(model)
    if folder is None:
        raise UsageError(f"'{model}' is no network that sees alignments: only of these are the layers drawn")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: name a folder")
    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    request = Request(folder, given["simulations"], given["seed"], (), threads=threads)
    _log.info("input %s: %s fresh simulations", folder, f"{request.simulations:,}")
    with tempfile.TemporaryDirectory() as place:
        return explaining.explain(
            request, out, Path(place), lambda tasks: workers(min(threads, tasks), None, scratch, tasks), bar
        )
