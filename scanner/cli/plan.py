"""``popscan plan``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from scanner.cli.options import FILE, absolute, debug_option, read_options, scan_options, worker_factory, worker_options
from scanner.cli.report import notes
from scanner.estimate import Estimate, estimate
from scanner.plan import Plan, make_plan
from scanner.provenance import as_json
from scanner.regions import Region
from scanner.scan import lazy_workers
from scanner.workers import available_threads


@click.command(short_help="Say what a scan would do: windows, parts, memory, time, matched names.")
@click.argument("vcf", type=FILE)
@scan_options
@worker_options
@click.option("--json", "machine", is_flag=True, help="Print JSON.")
@click.option("--parts", is_flag=True, help="Print the number of parts only; with --json, each of them.")
@debug_option
def plan(vcf: Path, threads: int | None, scheduler: str | None, machine: bool, parts: bool, **given: Any) -> None:
    """Look at the input and say what 'popscan scan' would do with the same options, without doing it.

    Windows counted in SNPs need one pass over the file to be laid.
    """
    options = read_options(vcf, given)
    if scheduler is not None:
        options = absolute(options)
    with tempfile.TemporaryDirectory() as folder, lazy_workers(worker_factory(threads, scheduler)) as mapper:
        made = make_plan(options, Path(folder), mapper)
    if parts:
        click.echo(as_json(_parts(made)).rstrip() if machine else len(made.parts))
        return
    count = available_threads() if threads is None else threads
    expected = estimate(made, count)
    click.echo(as_json(_record(made, expected)).rstrip() if machine else "\n".join(_lines(made, expected)))


def _parts(made: Plan) -> dict[str, Any]:
    """List the parts; the numbers are those of 'popscan scan --part'."""
    listed = [
        {
            "part": part.index,
            "region": str(Region(part.region.contig, *part.core)),
            "records": part.records,
            "windows": len(part.windows),
        }
        for part in made.parts
    ]
    return {"count": len(listed), "parts": listed}


def _record(made: Plan, expected: Estimate) -> dict[str, Any]:
    spec = made.options.windows
    return {
        "vcf": str(made.source.path),
        "contigs": {region.contig: made.source.lengths[region.contig] for region in made.regions},
        "regions": [str(region) for region in made.regions],
        "records": expected.records,
        "windows": {"kind": spec.kind, "window": spec.window or None, "step": spec.step or None, "count": made.windows},
        "parts": len(made.parts),
        "populations": dict(made.probe.haplotypes),
        "pairs": [":".join(pair) for pair in made.pairs],
        "trios": [":".join(trio) for trio in made.trios],
        "columns": [column.column for column in made.columns],
        "models": made.networks.record(),
        "ploidy": made.probe.ploidy,
        "unphased": made.probe.unphased,
        "polarised": made.probe.polarised,
        "missing": made.probe.missing,
        "threads": expected.threads,
        "seconds": round(expected.seconds, 1),
        "network_seconds": round(expected.network_seconds, 1),
        "memory_mb_per_process": round(expected.bytes_per_process / 1e6),
    }


def _lines(made: Plan, expected: Estimate) -> list[str]:
    spec = made.options.windows
    laid = {
        "bp": f"{spec.window:,} bp every {spec.step:,} bp",
        "sites": f"{spec.window:,} sites every {spec.step:,} sites",
        "bed": f"from {spec.bed}",
    }[spec.kind]
    populations = ", ".join(f"{name} ({count} haplotypes)" for name, count in made.probe.haplotypes.items())
    contigs = list(dict.fromkeys(region.contig for region in made.regions))
    names = ", ".join(contigs[:8]) + (f" and {len(contigs) - 8} more" if len(contigs) > 8 else "")
    return [
        f"input        {made.source.path}: about {expected.records:,} records to read",
        f"contigs      {names}",
        f"samples      {populations}; ploidy {made.probe.ploidy}",
        f"data         {1 - made.probe.unphased:.0%} of heterozygous genotypes phased, "
        f"{made.probe.polarised:.0%} of SNPs with an ancestral allele in INFO/AA, {made.probe.missing:.1%} not called",
        f"windows      {made.windows:,}: {laid}",
        f"columns      {len(made.columns)}: {', '.join(dict.fromkeys(column.name for column in made.columns))}",
        *_network_lines(made, expected),
        f"parts        {len(made.parts)}",
        f"estimate     {_time(expected.seconds)} with {expected.threads} process(es), "
        f"{expected.bytes_per_process / 1e6:,.0f} MB each",
        *notes(made),
    ]


def _network_lines(made: Plan, expected: Estimate) -> list[str]:
    """Name the networks, what windows they were trained on, and what they cost."""
    if not made.networks:
        return []
    known = [
        f"{network.spec.id} (trained on windows of {network.spec.window[0]:,.0f} to {network.spec.window[1]:,.0f} bp)"
        for network in made.networks.each
    ]
    cost = f"about {_time(expected.network_seconds)} of the estimate without a graphics card"
    return [f"networks     {', '.join(known)}: {cost}"]


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
