"""A scan in pieces without a scheduler: parts computed by any number of jobs at once, and joined afterwards.

The jobs share a folder and nothing else. Each makes the same plan; a part is committed whole, so that two jobs that
compute the same one do no harm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner import scan
from scanner.compute import compute, part_name, tasks
from scanner.errors import OutputError, Stopped, UsageError
from scanner.options import ScanOptions
from scanner.partition import numbered
from scanner.parts import PartStore
from scanner.predict import NetTask
from scanner.record import layout
from scanner.request import as_request, from_request
from scanner.scan import Outcome, Progress, Stage, Workers
from scanner.sites import SiteTask
from scanner.workers import Mapper
from scanner.workspace import REQUEST, Workspace


@dataclass(frozen=True)
class Computed:
    """What a job of an array did.

    Parameters
    ----------
    root
        The output folder.
    count
        Number of parts of the scan; 0 where its result is there already.
    asked
        The parts that the job was to compute.
    made
        Those of them that were not there yet.
    later
        Shares of later stages that it computed, because the parts that they need were there.
    waiting
        Shares that wait for other parts.
    """

    root: Path
    count: int
    asked: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    later: int = 0
    waiting: int = 0


def compute_parts(options: ScanOptions, out: Path, which: str, workers: Workers, progress: Progress) -> Computed:
    """Compute some parts of a scan; any number of jobs may do so in one folder at once.

    Parameters
    ----------
    options
        What is asked for: the same for all jobs.
    out
        Folder of the result, which all jobs see.
    which
        Numbers of the parts, as `scanner.partition.numbered` reads them.
    workers
        Who computes them.
    progress
        Hears how far the job is.

    Raises
    ------
    UsageError, InputError, OutputError
        For all that can go wrong, each in one sentence; finished parts are kept.
    """
    workspace = Workspace(out)
    fresh = workspace.open()
    try:
        with workspace.locked(shared=True), scan.lazy_workers(workers) as mapper:
            return _compute(options, workspace, which, mapper, progress)
    except BaseException as error:
        with contextlib.suppress(OutputError), workspace.locked():  # others that are at work keep the folder
            workspace.leave(fresh=fresh)
        if isinstance(error, KeyboardInterrupt):
            raise Stopped("stopped; run the same command again to compute what is missing") from error
        raise


def _compute(options: ScanOptions, workspace: Workspace, which: str, mapper: Mapper, progress: Progress) -> Computed:
    """Do the work while no scan and no gathering may write into the folder."""
    plan, laid, identity = scan.planned(options, workspace, mapper)
    wanted = numbered(which, len(plan.parts))
    digest = workspace.resume(identity, force=False)
    if workspace.complete(identity) is not None:
        return Computed(workspace.root, 0)
    if workspace.asked() is None:
        workspace.ask(as_request(options))
    scan.keep_windows(plan, laid, PartStore(workspace.parts, digest))
    store = PartStore(workspace.parts, f"{digest}-{layout(plan.parts)}")
    job_tasks = tasks(plan, store)
    missing = [job_tasks[at] for at in wanted if store.facts(part_name(at)) is None]
    scan.log_plan(plan, ())
    scan.run_stage("scanning", compute, missing, mapper, progress)
    stages = scan.later_stages(plan, job_tasks[0].job)
    shares = [_later(stage, wanted, mapper, progress) for stage in stages]
    made = tuple(task.part.index for task in missing)
    return Computed(
        workspace.root, len(plan.parts), tuple(wanted), made, sum(s[0] for s in shares), sum(s[1] for s in shares)
    )


def _later(stage: Stage, wanted: Sequence[int], mapper: Mapper, progress: Progress) -> tuple[int, int]:
    """Compute a later stage's share of some parts as far as the parts that it needs are there; count done and not."""
    store = stage.tasks[0].job.store
    missing = [stage.tasks[at] for at in wanted if store.facts(stage.on_disk(at)) is None]
    ready = [task for task in missing if all(store.noted(part_name(index)) for index in _needed(task))]
    scan.run_stage(stage.name, stage.function, ready, mapper, progress)
    return len(ready), len(missing) - len(ready)


def _needed(task: SiteTask | NetTask) -> Sequence[int]:
    """Number the parts that a task of a later stage may read."""
    return task.around if isinstance(task, SiteTask) else range(task.first, task.last)


def asked(out: Path) -> ScanOptions | None:
    """Give what the parts in a folder were asked for; None where there are none.

    Raises
    ------
    UsageError
        Where another popscan, or something else, wrote it.
    """
    workspace = Workspace(out)
    request = workspace.asked()
    return None if request is None else from_request(request, workspace.hidden / REQUEST)


def gather(
    options: ScanOptions | None, out: Path, workers: Workers, progress: Progress, *, command: Sequence[str] = ()
) -> Outcome:
    """Join the parts that a job array computed, compute what needs its neighbours' parts, and publish.

    Parameters
    ----------
    options
        What `asked` gives.
    out
        The folder in which the parts are.
    workers, progress, command
        As `scanner.scan.scan` takes them.

    Raises
    ------
    UsageError
        Where the folder holds no parts of a job array.
    RunError
        Where parts are missing, which it names, and for all else that can go wrong.
    """
    workspace = Workspace(out)
    if options is not None:
        return scan.scan(options, out, workers, progress, command=command, joining=True)
    if workspace.finished() is not None and not workspace.parts.is_dir():
        return Outcome(out, None, None, None, 0, 0.0)
    raise UsageError(
        f"{out} holds no parts to join: compute them with 'popscan scan VCF --out {out} --part', with the numbers that "
        "'popscan plan VCF --parts' gives"
    )
