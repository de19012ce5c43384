"""``popscan demo``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli.options import FILE, debug_option, quiet_option, worker_options
from scanner.cli.progress import Bar
from scanner.cli.scan import perform
from scanner.data import sample
from scanner.errors import UsageError
from scanner.network import locate, names, require_keras
from scanner.options import ScanOptions, window_spec
from scanner.statistics import registry

WINDOW, STEP = "50kb", "10kb"
NETWORK = "recombination"


@click.command(short_help="Scan the bundled real sample: tracks to look at in a minute.")
@click.option(
    "--out", "-o", type=FILE, metavar="DIR", default="popscan-demo", help="Folder for the result.", show_default=True
)
@worker_options
@click.option("--force", is_flag=True, help="Replace the result of another scan in DIR.")
@quiet_option
@debug_option
def demo(out: Path, threads: int | None, scheduler: str | None, force: bool, quiet: bool) -> None:
    """Scan 3 Mb of chromosome 20 in three European populations of the 1000 Genomes Project.

    All statistics and, where Keras is installed, recombination rates are computed in windows of 50 kb every 10 kb, for
    British (GBR), Finnish (FIN) and Iberian (IBS) samples that come with popscan.
    """
    bundled = sample()
    options = ScanOptions(
        vcf=bundled.vcf,
        windows=window_spec(WINDOW, STEP, None),
        statistics=registry.resolve("all"),
        populations=bundled.populations,
        regions=(bundled.region,),
        models=_models(quiet=quiet),
    )
    perform(options, out, threads, scheduler, bar=Bar(quiet=quiet), force=force, quiet=quiet)


def _models(*, quiet: bool) -> tuple[Path, ...]:
    """Give the network of the demo, or say how to get it."""
    if NETWORK not in names():
        return ()
    try:
        require_keras()
    except UsageError as error:
        if not quiet:
            click.echo(f"note: recombination rates are left out: {error}", err=True)
        return ()
    return (locate(NETWORK),)
