"""The group of all commands."""

from __future__ import annotations

import click

import scanner
from scanner.cli import catalogue, check, demo, evaluate, explain, gather, plan, publish, scan, simulate, train, view


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(scanner.__version__, prog_name="popscan")
def cli() -> None:
    """Scan genomes for the marks of evolution, and see the result in a genome browser.

    popscan reads a population VCF or BCF, slides windows along every chromosome, computes the classical statistics of
    population genetics in one pass, and writes bigWig and BED tracks with a session for IGV.

    Start with 'popscan demo', or with 'popscan scan VCF'.
    """


for command in (
    demo.demo,
    scan.scan,
    plan.plan,
    gather.gather,
    check.check,
    publish.publish,
    view.view,
    simulate.simulate,
    train.train,
    evaluate.evaluate,
    explain.explain,
    catalogue.models,
):
    cli.add_command(command)
