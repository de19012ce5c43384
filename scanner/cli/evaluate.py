"""``popscan evaluate``."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from scanner import network
from scanner.cli.options import FILE, debug_option, log_options
from scanner.cli.progress import LoggedBar, running
from scanner.errors import Stopped, UsageError
from scanner.workers import available_threads, workers

_log = logging.getLogger(__name__)

# Said here too, so that the command line starts without what evaluates; a test holds them against scanner.evaluate.run.
FRESH, TRAINING, BASELINES = 2000, 100_000, ("boosting", "alignment")


@click.command(short_help="Measure a network on fresh simulations, beside its baselines.")
@click.argument("model", metavar="MODEL")
@click.option(
    "--simulations", "-n", type=click.IntRange(10), metavar="N", default=FRESH, show_default=True, help="Fresh ones."
)
@click.option("--seed", type=click.IntRange(0), metavar="S", help="Where they start.  [default: the recipe's + 1]")
@click.option(
    "--baselines",
    metavar="LIST",
    help=f"What to compare with: {', '.join(BASELINES)}, or folders of alignment networks, joined by commas; or "
    f"'none'.  [default: {BASELINES[0]}]",
)
@click.option(
    "--training",
    type=FILE,
    metavar="DIR",
    help=f"Simulations of the recipe; up to {TRAINING:,} train the baselines.  [default: 5 N more fresh ones]",
)
@click.option("--threads", "-t", type=click.IntRange(1), metavar="N", help="Processes.  [default: all it may use]")
@click.option("--out", "-o", type=FILE, metavar="DIR", help="Keep metrics.json, predictions.tsv.gz and simulations.")
@log_options
@debug_option
def evaluate(model: str, threads: int | None, out: Path | None, quiet: bool, **given: Any) -> None:
    """Measure MODEL, a name of the catalogue or a model folder, on simulations that it was not trained on.

    They are made of the model's own recipe with another seed. Baselines are trained on simulations of the same recipe:
    gradient boosting on classical statistics (and on the best of them alone), and the published network on
    alignments. What is printed says how close each comes, over all windows and by stratum.

    MODEL may also be a network that sees alignments, which 'popscan train' trained by a recipe with a table
    [alignment]: it is measured alone, or named among the --baselines of another.
    """
    count = available_threads() if threads is None else threads
    with running(given, quiet=quiet) as bar:
        try:
            text = _perform(model, count, out, given, bar)
        except KeyboardInterrupt as stop:
            kept = "" if out is None else f"; what was simulated is kept in {out}: run the same command again"
            raise Stopped(f"stopped{kept}") from stop
    click.echo(text, nl=False)


def _locate(model: str) -> Path:
    """Find the folder of the one network that is named."""
    chosen = network.resolve(model)
    if len(chosen) != 1:
        raise UsageError(f"'{model}' names {len(chosen)} networks: evaluate one at a time")
    return network.locate(chosen[0])


def _perform(model: str, threads: int, out: Path | None, given: dict[str, Any], bar: LoggedBar) -> str:
    """Evaluate; write what is to be kept, and give the table."""
    from scanner.evaluate import folders, report, trained  # loads what simulates
    from scanner.network import aligned

    scratch = Path(os.environ.get("TMPDIR", "/tmp"))
    alignment = aligned.find(model)
    folder = _locate(model) if alignment is None else alignment
    usual = BASELINES[0] if alignment is None else "none"
    text = usual if given["baselines"] is None else given["baselines"]
    baselines = () if text == "none" else tuple(name.strip() for name in text.split(","))
    request = folders.Request(folder, given["simulations"], given["seed"], baselines, given["training"], threads)
    _log.info("input %s: %s fresh simulations, baselines %s", folder, f"{request.simulations:,}", text)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else out / "simulations"
        perform = folders.evaluate_model if alignment is None else trained.evaluate_trained
        found = perform(request, place, lambda tasks: workers(min(threads, tasks), None, scratch, tasks), bar)
        if out is not None:
            report.write(found, out)
    return report.table(found.metrics)
