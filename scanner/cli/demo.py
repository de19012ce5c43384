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
NETWORKS = ("recombination", "sweep", "introgression", "demography")
PRIORS = (("sweep", 0.01), ("introgression", 0.01))
"""What the demo expects before anything is seen."""


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

    All statistics and, where Keras is installed, recombination rates, the probabilities of selective sweeps and of
    introgression, and population histories are computed in windows of 50 kb every 10 kb, for British (GBR), Finnish
    (FIN) and Iberian (IBS) samples that come with popscan, and for their pairs.
    """
    bundled = sample()
    networks = _networks(quiet=quiet)
    options = ScanOptions(
        vcf=bundled.vcf,
        windows=window_spec(WINDOW, STEP, None),
        statistics=registry.resolve("all"),
        populations=bundled.populations,
        regions=(bundled.region,),
        models=tuple(map(locate, networks)),
        priors=tuple((name, share) for name, share in PRIORS if name in networks),
    )
    perform(options, out, threads, scheduler, bar=Bar(quiet=quiet), force=force, quiet=quiet)


def _networks(*, quiet: bool) -> tuple[str, ...]:
    """Name the networks of the demo, or say how to get them."""
    try:
        require_keras()
    except UsageError as error:
        if not quiet:
            click.echo(f"note: the networks are left out: {error}", err=True)
        return ()
    return tuple(name for name in NETWORKS if name in names())
