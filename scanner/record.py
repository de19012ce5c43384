"""What decides a scan's bytes, and what ``run.json`` says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scanner import provenance
from scanner.errors import InputError
from scanner.options import ScanOptions
from scanner.partition import Part
from scanner.plan import Plan
from scanner.request import FILES, as_request, input_files
from scanner.statistics.registry import ScoreColumn

FORMAT = 1
"""Version of the parts on disk: parts of another are computed anew."""


def identify(plan: Plan) -> dict[str, Any]:
    """List everything that decides the result: two scans of one identity give the same bytes.

    Parameters
    ----------
    plan
        The scan.

    Returns
    -------
    Option or file -> text; files by size and checksum, so that they may be moved.
    """
    options = plan.options
    identity: dict[str, Any] = {"format": FORMAT, "popscan": provenance.versions()["popscan"]}
    for name in FILES:
        path = getattr(options, name)
        if path is not None:
            found = provenance.fingerprint(path)
            identity[name] = f"{found['size']:,} bytes {found['sha256'][:12]}"
    spec = options.windows
    identity["windows"] = (
        f"{spec.window} {spec.kind} every {spec.step}"
        if spec.bed is None
        else f"BED {provenance.fingerprint(spec.bed)['sha256'][:12]}"
    )
    identity["statistics"] = ",".join(options.statistics)
    identity["pairs"] = ",".join(":".join(pair) for pair in plan.pairs)
    identity["trios"] = ",".join(":".join(trio) for trio in plan.trios)
    identity["regions"] = ",".join(options.regions)
    for name in ("min_callable", "min_sites", "max_missing", "min_maf"):
        identity[name] = str(getattr(options, name))
    if plan.networks:
        identity["models"] = ",".join(f"{network.spec.id} {network.digest[:12]}" for network in plan.networks.each)
        identity["dense"] = str(options.dense)
        identity["fdr"] = str(options.fdr)
        identity["priors"] = ",".join(f"{name}={prior:g}" for name, prior in options.priors)
    return identity


def layout(parts: Sequence[Part]) -> str:
    """Reduce the cuts between parts to a short name: another index of the same file may have them elsewhere."""
    cuts = [[part.segment, part.region.start, part.region.end, *part.core, len(part.windows)] for part in parts]
    return provenance.digest({"cuts": cuts})


def check_unchanged(vcf: Path, identity: Mapping[str, Any]) -> None:
    """Make sure that the file is still the one of which the plan was made.

    Raises
    ------
    InputError
        Where it was replaced.
    """
    found = provenance.fingerprint(vcf)
    if identity["vcf"] != f"{found['size']:,} bytes {found['sha256'][:12]}":
        raise InputError(f"{vcf} was replaced while it was read: scan it again")


def run_record(
    plan: Plan,
    identity: Mapping[str, Any],
    started: datetime,
    command: Sequence[str],
    unlike: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    """Gather what run.json says: where the result comes from, what was asked for, and what it holds.

    Parameters
    ----------
    plan, identity
        The scan, and what decides its bytes.
    started
        When it began.
    command
        The command line.
    unlike
        Network -> windows unlike those of its training, and all that have a value.
    """
    options = plan.options
    return {
        "popscan": provenance.versions()["popscan"],
        "versions": provenance.versions(networks=bool(plan.networks)),
        "command": list(command),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": {
            name: {"path": str(path.resolve()), **provenance.fingerprint(path)}
            for name, path in input_files(options).items()
        },
        "request": as_request(replace(options, pairs=plan.pairs, trios=plan.trios)),
        "options": {
            "statistics": list(options.statistics),
            "regions": list(options.regions),
            "pairs": [":".join(pair) for pair in plan.pairs],
            "trios": [":".join(trio) for trio in plan.trios],
            "min_callable": options.min_callable,
            "min_sites": options.min_sites,
            "max_missing": options.max_missing,
            "min_maf": options.min_maf,
            "dense": options.dense,
            "fdr": options.fdr,
        },
        "identity": dict(identity),
        **presentation(options),
        **_content(plan),
        "models": _models(plan, unlike),
        "dense": list(dict.fromkeys(column.name for column in _at_sites(plan))),
        "seed": None,
    }


def _at_sites(plan: Plan) -> list[ScoreColumn]:
    """List what the networks give at every site."""
    return plan.networks.site_columns(suffix=plan.selection.named)


def _models(plan: Plan, unlike: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Describe the networks, and count the windows unlike those that they were trained on."""
    described = plan.networks.record()
    return {
        name: {**entry, "out_of_range": {"windows": unlike[name][0], "of": unlike[name][1]}}
        for name, entry in described.items()
    }


def _content(plan: Plan) -> dict[str, Any]:
    """Say what was scanned and what the table holds."""
    spec = plan.options.windows
    scanned = {region.contig for region in plan.regions}
    return {
        "contigs": {contig: length for contig, length in plan.source.lengths.items() if contig in scanned},
        "regions": [str(region) for region in plan.regions],
        "windows": {
            "kind": spec.kind,
            "window": spec.window or None,
            "step": spec.step or None,
            "count": plan.windows,
        },
        "populations": dict(plan.probe.haplotypes),
        "data": {
            "ploidy": plan.probe.ploidy,
            "unphased": round(plan.probe.unphased, 4),
            "polarised": round(plan.probe.polarised, 4),
            "missing": round(plan.probe.missing, 4),
        },
        "scores": [
            {"column": column.column, "name": column.name, "populations": list(column.populations)}
            for column in plan.columns
        ],
    }


def presentation(options: ScanOptions) -> dict[str, str | None]:
    """List the options that change the browser files alone, as run.json holds them."""
    genes = None if options.genes is None else str(options.genes.resolve())
    return {"genome": options.genome, "genes": genes, "email": options.email}
