"""A scan from end to end: plan, compute the parts that are not there yet, gather, publish."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from scanner import predict, provenance, sites
from scanner.calls import discoveries
from scanner.compute import Done, Job, Task, compute, part_name, tasks
from scanner.demography import History, joined, network_of, write_histories
from scanner.discovery import RECORD, Discovery, as_record
from scanner.errors import InputError, RunError, Stopped
from scanner.estimate import estimate
from scanner.files import write_text
from scanner.gather import Accounts, gather, reconcile
from scanner.logs import StageLog, log_command, measured
from scanner.options import ScanOptions
from scanner.partition import spelled
from scanner.parts import PartStore
from scanner.plan import Plan, lay, outline, with_windows
from scanner.publish import Published, present, publish
from scanner.record import check_unchanged, identify, layout, presentation, run_record
from scanner.result import TABLE
from scanner.table import read_table
from scanner.windows import Windows
from scanner.workers import Mapper, uninterrupted
from scanner.workspace import Workspace

LAID = "laid"
"""Name on disk of windows that cost a pass over the file."""

_log = logging.getLogger(__name__)

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
    histories
        Those of the populations, where a network tells of them.
    """

    root: Path
    plan: Plan | None
    accounts: Accounts | None
    published: Published | None
    kept: int
    seconds: float
    unlike: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    histories: Sequence[History] = ()
    discoveries: Sequence[Discovery] = ()


def scan(
    options: ScanOptions,
    out: Path,
    workers: Workers,
    progress: Progress,
    *,
    command: Sequence[str] = (),
    force: bool = False,
    joining: bool = False,
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
    joining
        Compute no part, and refuse where one is missing: they are computed one by one.

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
            outcome = _locked_scan(options, workspace, workers, progress, command, force, joining)
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
        workspace.tidy(done=True)
    seconds = time.monotonic() - began
    _log.info("done in %.1f s: %s", seconds, out)
    return dataclasses.replace(outcome, seconds=seconds)


def _locked_scan(
    options: ScanOptions,
    workspace: Workspace,
    workers: Workers,
    progress: Progress,
    command: Sequence[str],
    force: bool,
    joining: bool,
) -> Outcome:
    """Do the work while no other run may write into the folder."""
    started = datetime.now(UTC)
    with lazy_workers(workers) as mapper:
        plan, _, identity = planned(options, workspace, mapper, force=force)
        digest = workspace.resume(identity, force=force)
        held = None if force else workspace.complete(identity)
        if held is not None:
            return Outcome(workspace.root, None, None, _redrawn(workspace, held, presentation(options)), 0, 0.0)
        job_tasks = tasks(plan, PartStore(workspace.parts, f"{digest}-{layout(plan.parts)}"))
        job = job_tasks[0].job
        log_plan(plan, command)
        if joining:
            refuse_missing(job_tasks, workspace.root)
        kept = _compute_missing(job_tasks, mapper, progress)
        for stage in later_stages(plan, job):
            _compute_stage(stage, mapper, progress)
    progress.start("joining the parts", 0)
    try:
        check_unchanged(options.vcf, identity)
        facts, accounts = reconcile(plan, job)
    except InputError:  # no result can be made of these parts
        workspace.drop_parts()
        raise
    unlike = predict.count_unlike(job, plan.parts)
    workspace.clear()
    gather(plan, job, workspace.root, facts, accounts)
    record = run_record(plan, identity, started, command, unlike)
    histories, found = _conclude(plan, workspace.root, record)
    write_text(workspace.root / "run.json", provenance.as_json(record))
    progress.start("drawing tracks", len(plan.columns))
    published = publish(workspace.root, mapper=uninterrupted, progress=lambda _done, _total: progress.advance(1))
    return Outcome(workspace.root, plan, accounts, published, kept, 0.0, unlike, histories, found)


def _conclude(plan: Plan, root: Path, record: dict[str, Any]) -> tuple[list[History], list[Discovery]]:
    """Find what networks say of the whole scan, where they do, and say so in the record.

    A history of every population, which is written; and from which probability on windows are called to be of a class.
    """
    tells = any(network.spec.classes for network in plan.networks.each)
    if network_of(record) is None and not tells:
        return [], []
    table = read_table(root / TABLE)
    histories, found = list[History](), list[Discovery]()
    if network_of(record) is not None:
        histories = joined(record, table)
        record["histories"] = write_histories(root, histories)
    if tells:
        found = discoveries(plan.networks, record, table, plan.options.fdr)
        record[RECORD] = as_record(found)
    return histories, found


def _redrawn(workspace: Workspace, held: dict[str, Any], wanted: Mapping[str, str | None]) -> Published | None:
    """Draw a result that is there in another way, where one is asked for: the scores stay what they are."""
    if all(held.get(name) == value for name, value in wanted.items()):
        return None
    present(workspace.root, held, wanted)
    return publish(workspace.root, mapper=uninterrupted)


def planned(
    options: ScanOptions, workspace: Workspace, mapper: Mapper, *, force: bool = False
) -> tuple[Plan, list[Windows], dict[str, Any]]:
    """Make the plan, its windows by region, and what identifies it; windows that were laid before are used again."""
    sketch = outline(options, workspace.hidden)
    identity = identify(sketch)
    held = None if force else _held_windows(sketch, PartStore(workspace.parts, provenance.digest(identity)))
    laid = lay(sketch, mapper) if held is None else held
    return with_windows(sketch, laid), laid, identity


def keep_windows(plan: Plan, laid: Sequence[Windows], store: PartStore) -> None:
    """Keep windows that cost a pass over the file, for whoever makes this plan again."""
    if plan.options.windows.kind == "sites" and not store.noted(LAID):
        arrays = {f"{at}_{end}": getattr(windows, end) for at, windows in enumerate(laid) for end in ("start", "end")}
        store.save(LAID, arrays, {})


def _held_windows(plan: Plan, store: PartStore) -> list[Windows] | None:
    if plan.options.windows.kind != "sites" or store.facts(LAID) is None:
        return None
    held = store.load(LAID)
    return [Windows(region.contig, held[f"{at}_start"], held[f"{at}_end"]) for at, region in enumerate(plan.regions)]


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


def log_plan(plan: Plan, command: Sequence[str]) -> None:
    """Log what is about to be computed, of what, and with what memory."""
    log_command(command)
    expected, source = estimate(plan, 1), plan.source
    _log.info(
        "input %s: %s bytes, %d contigs, %d samples in %d populations, about %s records to read",
        source.path, f"{source.path.stat().st_size:,}", len(source.entries), len(plan.selection.samples),
        len(plan.probe.haplotypes), f"{expected.records:,}",
    )  # fmt: skip
    _log.info(
        "plan: %s windows, %d columns, %d parts, about %.0f MB a process",
        f"{plan.windows:,}", len(plan.columns), len(plan.parts), expected.bytes_per_process / 1e6,
    )  # fmt: skip


def _compute_missing(job_tasks: Sequence[Task], mapper: Mapper, progress: Progress) -> int:
    """Compute the parts that are not on disk; give the number of those that were."""
    store = job_tasks[0].job.store
    missing = [task for task in job_tasks if store.facts(part_name(task.part.index)) is None]
    run_stage("scanning", compute, missing, mapper, progress)
    return len(job_tasks) - len(missing)


def refuse_missing(job_tasks: Sequence[Task], root: Path) -> None:
    """Name the parts that are not there yet.

    Raises
    ------
    RunError
        Where there are any.
    """
    store = job_tasks[0].job.store
    missing = [task.part.index for task in job_tasks if store.facts(part_name(task.part.index)) is None]
    if missing:
        which = "part" if len(missing) == 1 else "parts"
        raise RunError(
            f"{root} lacks {which} {spelled(missing)} of {len(job_tasks)} (0 to {len(job_tasks) - 1}): compute "
            f"{'it' if len(missing) == 1 else 'them'} with 'popscan scan --part', then gather again"
        )


@dataclass(frozen=True)
class Stage:
    """What is computed from the parts once they are there: its name, how, its tasks, and how these are kept.

    Parameters
    ----------
    name
        What a person reads of it.
    function
        Computes one task.
    on_disk
        Gives the name under which a part's share of it is kept.
    tasks
        One a part, in order.
    """

    name: str
    function: Callable[[Any], Done]
    on_disk: Callable[[int], str]
    tasks: Sequence[Any]


def later_stages(plan: Plan, job: Job) -> list[Stage]:
    """List what is to be computed from the parts: site scores, predictions of networks."""
    found = []
    if job.site_scores:
        scored = sites.site_tasks(job, plan.parts)
        found.append(Stage(", ".join(job.site_scores), sites.compute_sites, sites.site_name, scored))
    if job.networks:
        names = ", ".join(network.spec.id for network in job.networks.each)
        found.append(Stage(names, predict.compute_networks, predict.net_name, predict.net_tasks(plan, job)))
    return found


def _compute_stage(stage: Stage, mapper: Mapper, progress: Progress) -> None:
    """Compute what is not on disk of a later stage."""
    missing = [task for task in stage.tasks if task.job.store.facts(stage.on_disk(task.part.index)) is None]
    run_stage(stage.name, stage.function, missing, mapper, progress)


def run_stage(
    name: str, function: Callable[[Any], Done], missing: Sequence[Any], mapper: Mapper, progress: Progress
) -> None:
    """Compute tasks, and tell of it."""
    total = sum(task.records for task in missing)
    progress.start(name, total)
    log = StageLog(name, total)
    for step in mapper(partial(measured, function), missing):
        log.add(step)
        progress.advance(step.done.records)
    log.end()
