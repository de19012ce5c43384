"""A scan from end to end: plan, compute the parts that are not there yet, gather, publish."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from scanner import predict, provenance, sites
from scanner.compute import Done, Task, compute, part_name, tasks
from scanner.errors import InputError, Stopped
from scanner.files import write_text
from scanner.gather import Accounts, gather, reconcile
from scanner.options import ScanOptions
from scanner.partition import Part
from scanner.parts import PartStore
from scanner.plan import Plan, make_plan
from scanner.publish import Published, present, publish
from scanner.statistics.registry import ScoreColumn
from scanner.workers import Mapper, uninterrupted
from scanner.workspace import Workspace

FORMAT = 1
"""Version of the parts on disk: parts of another are computed anew."""
_FILES = ("vcf", "populations", "samples", "regions_file", "mask", "ancestral", "chrom_sizes", "aliases")


Workers = Callable[[int, int], contextlib.AbstractContextManager[Mapper]]
"""Gives, for a number of tasks and of records in them, a map that computes the tasks."""


class Progress(Protocol):
    """Hears how far a stage of the scan is."""

    def start(self, stage: str, total: int) -> None:
        """A stage begins; ``total`` is in records, or in files while publishing."""

    def advance(self, amount: int) -> None:
        """So much more is done."""


@dataclass(frozen=True)
class Outcome:
    """What a scan gave.

    Parameters
    ----------
    root
        The output folder.
    plan
        What was planned; None where the result was there already.
    accounts
        What was counted; None likewise.
    published
        The browser files; None where they were there already.
    kept
        Number of parts that an earlier run had finished.
    seconds
        Time that it took.
    unlike
        Network -> windows unlike those of its training, and all that have a value.
    """

    root: Path
    plan: Plan | None
    accounts: Accounts | None
    published: Published | None
    kept: int
    seconds: float
    unlike: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def scan(
    options: ScanOptions,
    out: Path,
    workers: Workers,
    progress: Progress,
    *,
    command: Sequence[str] = (),
    force: bool = False,
) -> Outcome:
    """Run a scan, or go on with one that was stopped.

    Parameters
    ----------
    options
        What is asked for.
    out
        Folder of the result: new, empty, or that of the same scan.
    workers
        Who computes it.
    progress
        Hears how far the scan is.
    command
        The command line, for run.json.
    force
        Replace the result of another scan.

    Raises
    ------
    UsageError, InputError, OutputError, RunError
        For all that can go wrong, each in one sentence; finished parts are kept.
    Stopped
        Where the user stopped the run.
    """
    began = time.monotonic()
    workspace = Workspace(out)
    fresh = workspace.open()
    with workspace.locked():
        try:
            outcome = _locked_scan(options, workspace, workers, progress, command, force)
        except KeyboardInterrupt as stop:
            kept = workspace.leave(fresh=fresh)
            raise Stopped(
                f"stopped; what is finished is kept in {out}: run the same command again to go on"
                if kept
                else "stopped; nothing was finished yet"
            ) from stop
        except BaseException:
            workspace.leave(fresh=fresh)
            raise
        workspace.tidy()
    return dataclasses.replace(outcome, seconds=time.monotonic() - began)


def _locked_scan(
    options: ScanOptions,
    workspace: Workspace,
    workers: Workers,
    progress: Progress,
    command: Sequence[str],
    force: bool,
) -> Outcome:
    """Do the work while no other run may write into the folder."""
    started = datetime.now(UTC)
    with lazy_workers(workers) as mapper:
        plan = make_plan(options, workspace.hidden, mapper)
        identity = identify(plan)
        digest = workspace.resume(identity, force=force)
        held = None if force else workspace.complete(identity)
        if held is not None:
            return Outcome(workspace.root, None, None, _redrawn(workspace, held, presentation(options)), 0, 0.0)
        job_tasks = tasks(plan, PartStore(workspace.parts, f"{digest}-{layout(plan.parts)}"))
        job = job_tasks[0].job
        kept = _compute_missing(job_tasks, mapper, progress)
        if job.site_scores:
            stage = _Stage(", ".join(job.site_scores), sites.compute_sites, sites.site_name)
            _compute_stage(stage, sites.site_tasks(job, plan.parts), mapper, progress)
        if job.networks:
            stage = _Stage(
                ", ".join(network.spec.id for network in job.networks.each), predict.compute_networks, predict.net_name
            )
            _compute_stage(stage, predict.net_tasks(plan, job), mapper, progress)
    progress.start("joining the parts", 0)
    try:
        _check_unchanged(options.vcf, identity)
        facts, accounts = reconcile(plan, job)
    except InputError:  # no result can be made of these parts
        workspace.drop_parts()
        raise
    unlike = predict.count_unlike(job, plan.parts)
    workspace.clear()
    gather(plan, job, workspace.root, facts, accounts)
    record = _record(plan, identity, started, command, unlike)
    write_text(workspace.root / "run.json", provenance.as_json(record))
    progress.start("drawing tracks", len(plan.columns))
    published = publish(workspace.root, mapper=uninterrupted, progress=lambda _done, _total: progress.advance(1))
    return Outcome(workspace.root, plan, accounts, published, kept, 0.0, unlike)


def presentation(options: ScanOptions) -> dict[str, str | None]:
    """List the options that change the browser files alone, as run.json holds them."""
    genes = None if options.genes is None else str(options.genes.resolve())
    return {"genome": options.genome, "genes": genes, "email": options.email}


def _redrawn(workspace: Workspace, held: dict[str, Any], wanted: Mapping[str, str | None]) -> Published | None:
    """Draw a result that is there in another way, where one is asked for: the scores stay what they are."""
    if all(held.get(name) == value for name, value in wanted.items()):
        return None
    present(workspace.root, held, wanted)
    return publish(workspace.root, mapper=uninterrupted)


@contextlib.contextmanager
def lazy_workers(workers: Workers) -> Iterator[Mapper]:
    """Start workers when there is work for them: a scan that is refused costs none."""
    with contextlib.ExitStack() as stack:
        started: list[Mapper] = []

        def mapper(function: Callable[[Any], Any], items: Any) -> Iterator[Any]:
            listed = list(items)
            if not started and listed:
                started.append(stack.enter_context(workers(len(listed), sum(item.records for item in listed))))
            return started[0](function, listed) if listed else iter(())

        yield mapper


def _compute_missing(job_tasks: Sequence[Task], mapper: Mapper, progress: Progress) -> int:
    """Compute the parts that are not on disk; give the number of those that were."""
    store = job_tasks[0].job.store
    missing = [task for task in job_tasks if store.facts(part_name(task.part.index)) is None]
    progress.start("scanning", sum(task.records for task in missing))
    for done in mapper(compute, missing):
        _tell(done, progress)
    return len(job_tasks) - len(missing)


@dataclass(frozen=True)
class _Stage:
    """What is computed from the parts once all of them are there: its name, how, and under which names it is kept."""

    name: str
    function: Callable[[Any], Done]
    on_disk: Callable[[int], str]


def _compute_stage(stage: _Stage, stage_tasks: Sequence[Any], mapper: Mapper, progress: Progress) -> None:
    """Compute what is not on disk of a later stage."""
    missing = [task for task in stage_tasks if task.job.store.facts(stage.on_disk(task.part.index)) is None]
    progress.start(stage.name, sum(task.records for task in missing))
    for done in mapper(stage.function, missing):
        _tell(done, progress)


def _tell(done: Done, progress: Progress) -> None:
    progress.advance(done.records)


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
    for name in _FILES:
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
    return identity


def layout(parts: Sequence[Part]) -> str:
    """Reduce the cuts between parts to a short name: another index of the same file may have them elsewhere."""
    cuts = [[part.segment, part.region.start, part.region.end, *part.core, len(part.windows)] for part in parts]
    return provenance.digest({"cuts": cuts})


def _check_unchanged(vcf: Path, identity: Mapping[str, Any]) -> None:
    found = provenance.fingerprint(vcf)
    if identity["vcf"] != f"{found['size']:,} bytes {found['sha256'][:12]}":
        raise InputError(f"{vcf} was replaced while it was read: scan it again")


def _record(
    plan: Plan,
    identity: Mapping[str, Any],
    started: datetime,
    command: Sequence[str],
    unlike: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    """Gather what run.json says: where the result comes from, then what it holds."""
    options = plan.options
    return {
        "popscan": provenance.versions()["popscan"],
        "versions": provenance.versions(networks=bool(plan.networks)),
        "command": list(command),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": {
            name: {"path": str(path.resolve()), **provenance.fingerprint(path)}
            for name in _FILES
            if (path := getattr(options, name)) is not None
        },
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
    return plan.networks.site_columns(list(plan.selection.populations), suffix=plan.selection.named)


def _models(plan: Plan, unlike: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Describe the networks, and count the windows unlike those that they were trained on."""
    described = plan.networks.record(list(plan.selection.populations))
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
