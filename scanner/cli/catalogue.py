"""``popscan models``."""

from __future__ import annotations

import json

import click

from scanner import network
from scanner.cli.options import debug_option
from scanner.network.spec import Spec
from scanner.network.store import read_contract


@click.command(short_help="List the networks there are, and what they were trained on.")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def models(names: tuple[str, ...], as_json: bool) -> None:
    """List the networks of the catalogue, or show what MODELs (names or folders) were trained on.

    Keras is not needed for this.
    """
    chosen = [network.locate(name) for name in names or network.names()]
    found = [read_contract(folder) for folder in chosen]
    if as_json:
        click.echo(json.dumps({spec.id: _facts(spec) for spec in found}, indent=1))
        return
    for spec in found:
        click.echo(f"{spec.id}\n  {spec.title}")
        for name, text in _facts(spec).items():
            click.echo(f"  {name:<18} {text}")


def _facts(spec: Spec) -> dict[str, str]:
    """Say in words what a model is."""
    ranges = {name.replace("_", " "): f"{low:.3g} to {high:.3g}" for name, (low, high) in spec.ranges.items()}
    values = ", ".join(f"{output.name} ({output.unit})" for output in spec.outputs)
    classes = f"probabilities of {', '.join(item.name for item in spec.classes)}"
    context = f", in a context {spec.context} times as long" if spec.context > 1 else ""
    return {
        "predicts": values or classes,
        "reads": f"{spec.reads}, {spec.encoding}",
        "window": f"{spec.window[0]:,.0f} to {spec.window[1]:,.0f} bp{context}",
        **ranges,
        "networks": f"{len(spec.seeds)}",
        "licence": spec.licence,
    }
