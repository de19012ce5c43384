"""``popscan train``."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from scanner.cli.options import FILE, debug_option, log_options
from scanner.cli.progress import LoggedBar, running
from scanner.errors import Stopped, UsageError
from scanner.files import write_text
from scanner.workers import Mapper, available_threads, workers

_log = logging.getLogger(__name__)


@click.command(short_help="Train a network: simulate, fit, calibrate, write a model folder.")
@click.argument("recipe", type=FILE, required=False)
@click.option(
    "--like",
    type=FILE,
    metavar="VCF",
    help="Propose a recipe from this file, write it to --out, and stop; RECIPE is the base.  [default: recombination]",
)
@click.option("--populations", "-p", type=FILE, metavar="TSV", help="With --like: sample and population, two columns.")
@click.option("--population", metavar="NAME", help="With --like: the population to be like.")
@click.option("--mutation-rate", type=float, metavar="RATE", help="With --like.  [default: 1.25e-8]")
@click.option("--chrom-sizes", type=FILE, metavar="FILE", help="With --like: contig lengths the header lacks.")
@click.option("--out", "-o", type=FILE, metavar="DIR", required=True, help="Model folder; with --like, recipe file.")
@click.option("--simulations", type=FILE, metavar="DIR", help="A set that 'popscan simulate' made of the recipe.")
@click.option("--work", type=FILE, metavar="DIR", help="Keeps what a later run goes on with.  [default: DIR.work]")
@click.option("--threads", "-t", type=click.IntRange(1), metavar="N", help="Processes.  [default: all it may use]")
@log_options
@debug_option
def train(recipe: Path | None, like: Path | None, out: Path, quiet: bool, **given: Any) -> None:
    """Train the networks of RECIPE, a file or the name of a model of the catalogue.

    Populations are simulated, looked at as a scan would, and several networks are trained on them and averaged; all
    stages go on where they were stopped when the same command is run again. The model folder holds the weights, their
    recipe, what they were measured to do on fresh simulations, and a model card; 'popscan scan --models DIR' uses it.

    Of a recipe with a table [alignment] one network of a published shape is trained, which 'popscan evaluate' compares
    others with and 'popscan explain' draws; a scan cannot use it.
    """
    if recipe is None and like is None:
        raise UsageError("give a RECIPE, or --like VCF to have one proposed")
    with running(given, quiet=quiet) as bar:
        if like is not None:
            said, more = "", _propose(like, recipe, out, given)
        else:
            assert recipe is not None
            said, more = _perform(recipe, out, given, bar)
    if not quiet:
        click.echo(said, nl=bool(said))
        click.echo(more, err=True)


def _perform(recipe: Path, out: Path, given: dict[str, Any], bar: LoggedBar) -> tuple[str, str]:
    """Train, and say what the networks were measured to do and what to do with them."""
    from scanner.simulate.recipe import find_recipe, read_recipe  # these load what simulates
    from scanner.train import alignment_run, model, run

    count = given["threads"] or available_threads()
    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    place = given["work"] or out.with_name(f"{out.name}.work")

    def start(tasks: int) -> AbstractContextManager[Mapper]:
        return workers(min(count, tasks), None, scratch, tasks)

    _log.info("input %s: work in %s", recipe, place)
    path, held, options = find_recipe(recipe), given["simulations"], {"threads": count}
    try:
        if read_recipe(path).alignment:
            trained = alignment_run.train_alignment(path, place, start, bar, held, count)
            report = alignment_run.publish_alignment(trained, out, start, bar, options=options)
            return report, f"network   {out}\nexplain   popscan explain {out} --out pictures"
        done = run.train(path, place, start, bar, held)
        report = model.publish_model(done, out, start, bar, options=options)
    except KeyboardInterrupt as stop:
        raise Stopped(f"stopped; what is done is kept in {place}: run the same command again to go on") from stop
    return report, f"model     {out}\nscan      popscan scan VCF --models {out}"


def _propose(like: Path, base: Path | None, out: Path, given: dict[str, Any]) -> str:
    """Write the recipe that a file's data ask for, and say what to do with it."""
    from scanner.like import MUTATION_RATE, propose

    if out.is_dir():
        out = out / "recipe.toml"
    text = propose(
        like,
        given["populations"],
        given["population"],
        base=base,
        mutation_rate=given["mutation_rate"] or MUTATION_RATE,
        chrom_sizes=given["chrom_sizes"],
    )
    write_text(out, text)
    return f"recipe    {out}\ntrain     popscan train {out} --out MODEL"
