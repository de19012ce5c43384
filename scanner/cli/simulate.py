"""``popscan simulate``."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from scanner.cli.options import FILE, debug_option, log_options
from scanner.cli.progress import LoggedBar, running
from scanner.errors import Stopped
from scanner.simulate import sets
from scanner.simulate.recipe import find_recipe
from scanner.workers import available_threads, workers

_log = logging.getLogger(__name__)


@click.command(short_help="Simulate populations from a recipe, to train networks on.")
@click.argument("recipe", type=FILE)
@click.option("--out", "-o", type=FILE, metavar="DIR", required=True, help="Folder for the simulations.")
@click.option("--simulations", "-n", type=click.IntRange(1), metavar="N", help="How many.  [default: the recipe's]")
@click.option("--seed", type=click.IntRange(0), metavar="S", help="Where randomness starts.  [default: the recipe's]")
@click.option("--threads", "-t", type=click.IntRange(1), metavar="N", help="Processes.  [default: all it may use]")
@log_options
@debug_option
def simulate(recipe: Path, out: Path, threads: int | None, quiet: bool, **given: Any) -> None:
    """Simulate populations from RECIPE, a file or the name of a model of the catalogue.

    The same recipe and seed give the same simulations with any number of processes. A stopped run goes on when the
    same command is run again, and one with a larger --simulations adds to what is there. The folder keeps a copy of the
    recipe as it was used.
    """
    with running(given, quiet=quiet) as bar:
        held = sets.open_set(find_recipe(recipe), out, simulations=given["simulations"], seed=given["seed"])
        _log.info(
            "input %s: %s simulations of %s in %d shards", recipe, f"{len(held):,}", held.recipe.name, held.shards
        )
        made = _complete(held, available_threads() if threads is None else threads, bar)
    if quiet:
        return
    before = len(held) - made
    ago = f", {before:,} of them from before" if before else ""
    click.echo(f"simulations  {len(held):,} of {held.recipe.name}{ago}", err=True)
    click.echo(f"folder       {held.store.folder}: {held.shards:,} shards; recipe and versions beside them", err=True)
    click.echo(f"train        popscan train {out / 'recipe.toml'} --simulations {out} --out MODEL", err=True)


def _complete(held: sets.SimulationSet, threads: int, bar: LoggedBar) -> int:
    """Make what is missing; give the number of simulations made."""
    missing = held.missing()
    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    made = 0
    try:
        with workers(threads, None, scratch, len(missing)) as mapper:
            bar.start("simulating", sum(task.records for task in missing))
            for done in mapper(sets.make, missing):
                bar.advance(done)
                made += done
    except KeyboardInterrupt as stop:
        raise Stopped(f"stopped; what is finished is kept in {held.folder}: run the same command again") from stop
    return made
