"""Maps that spread tasks over Dask: many processes on this machine, a cluster that is running, or jobs of Slurm."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scanner.cluster import KEEP_MEMORY, Shared, Slurm, check_workers, guarded, start_slurm
from scanner.errors import RunError, UsageError
from scanner.watch import SHORT, Company, Losses, look_at_processes

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Applies a function to many tasks and yields the results in any order; the builtin ``map`` is one."""

AHEAD = 2
"""Tasks a worker that are submitted at a time: enough to keep it busy, few enough for any genome."""

PAUSE = 0.02
"""Seconds between two looks at whether a task is done."""
PATIENCE = 10
"""Seconds that a Dask scheduler has to answer."""
SPAWNED = "distributed.nanny.pre-spawn-environ"
"""Dask's setting for the environment that a process is started with."""
NOTHING = Shared(None, ())
_TALKATIVE = ("asyncio", "dask_jobqueue", "distributed", "tornado")
_log = logging.getLogger(__name__)


def available_threads() -> int:
    """Count the processors that this process may use: its affinity, and what Slurm granted.

    Examples
    --------
    >>> available_threads() >= 1
    True
    """
    cores = len(os.sched_getaffinity(0))
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return min(cores, int(granted)) if granted.isdigit() and int(granted) > 0 else cores


@contextlib.contextmanager
def workers(
    threads: int,
    scheduler: str | Slurm | None,
    scratch: Path,
    tasks: int,
    resources: Mapping[str, float] | None = None,
    shared: Shared = NOTHING,
) -> Iterator[Mapper]:
    """Give a map that spreads tasks over processes.

    Parameters
    ----------
    threads
        Processes on this machine; with one, tasks run in this very process.
    scheduler
        Address of a running Dask scheduler, or jobs of Slurm, used instead where given.
    scratch
        Folder for Dask's own files.
    tasks
        Number of tasks at most: no more processes than that are started.
    resources
        What some worker of a running cluster must offer, for tasks whose attribute ``resources`` asks for it: Dask
        gives them to such workers alone. Processes on this machine take every task.
    shared
        What workers on other machines must see.

    Raises
    ------
    UsageError
        Where the scheduler does not answer, no worker offers the resources, or a worker does not fit: another version,
        or no shared file system.
    RunError
        Where workers keep dying.
    """
    if scheduler is None and min(threads, tasks) <= 1:
        yield map
        return
    with _quiet(), contextlib.ExitStack() as last, contextlib.ExitStack() as stack:
        if scheduler is None:
            with _no_collection():
                client, look = _start(stack, last, min(threads, tasks), scratch)
            _log.info("workers: %d processes on this machine", min(threads, tasks))
            yield lambda function, items: _spread(client, function, items, look=look)
            return
        terms = stack.enter_context(shared.terms())
        if isinstance(scheduler, Slurm):
            with _no_collection():
                client, look = start_slurm(stack, scheduler, tasks)
            watched: dict[str, Any] = {"expected": scheduler.jobs, "look": look}
            _log.info(
                "workers: up to %d jobs of Slurm, %s for %s", scheduler.jobs, scheduler.memory, scheduler.walltime
            )
        else:
            with _no_collection():
                client = _connect(stack, scheduler)
            _check_offered(client, scheduler, resources or {})
            check_workers(client, scheduler, terms)
            watched = {"look": Company(client, scheduler).look}
            _log.info("workers: Dask cluster at %s, %d workers", scheduler, len(client.nthreads()))
        checked = partial(partial, guarded, terms)
        yield lambda function, items: _spread(client, checked(function), items, choosy=True, **watched)


@contextlib.contextmanager
def interrupts_wait(*, drop: bool = False) -> Iterator[None]:
    """Let no Ctrl-C disturb what must be done to its end.

    Parameters
    ----------
    drop
        Forget it, where the work is ending anyway; else it takes effect afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting and not drop:
        raise KeyboardInterrupt


def uninterrupted(function: Callable[[Task], Result], items: Iterable[Task]) -> Iterator[Result]:
    """Do as the builtin ``map`` does, for steps in which libraries in C write files.

    Ctrl-C waits for the end of each step, for they would leave half a file; and what they print on standard error of
    their own accord, as on a full disk, is dropped: popscan's own error says it.
    """
    for item in items:
        with interrupts_wait(), _muted():
            result = function(item)
        yield result


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Lead the process's standard error nowhere."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed: nothing to mute
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from running while Dask starts.

    It might find an earlier client that failed, whose end would wait for a lock that this start holds: for ever.
    """
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _start(
    stack: contextlib.ExitStack, last: contextlib.ExitStack, processes: int, scratch: Path
) -> tuple[Client, Callable[[], None]]:
    """Start processes on this machine; where the work fails, they stop in the middle of theirs.

    Parameters
    ----------
    stack
        Stops them.
    last
        Ends after ``stack``: no further Ctrl-C is heard until they have stopped.
    processes, scratch
        Their number, and the folder for Dask's own files.

    Returns
    -------
    Their client, and what is to be called now and then while it is waited for.
    """
    import dask
    from distributed import Client, LocalCluster

    def stop(kind: type[BaseException] | None, *_error: object) -> None:
        last.enter_context(interrupts_wait(drop=True))
        for nanny in cluster.workers.values() if kind is not None else ():
            nanny.close_gracefully()  # it starts no other process in place of the one that ends now
            with contextlib.suppress(ProcessLookupError):
                if nanny.pid is not None:
                    os.kill(nanny.pid, signal.SIGKILL)

    with _deaf_children(), dask.config.set({SPAWNED: {**dask.config.get(SPAWNED), **KEEP_MEMORY}}):
        try:
            cluster = LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # None would try Dask's usual port, and warn where another run has it
                memory_limit=0,
                local_directory=str(scratch),
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            raise RunError(f"a worker process was killed when it was started, {SHORT}") from error
        stack.enter_context(cluster)
        client: Client = stack.enter_context(Client(cluster))
        stack.push(stop)
    return client, partial(look_at_processes, cluster, set())


def _connect(stack: contextlib.ExitStack, address: str) -> Client:
    """Use a cluster that is running already."""
    from distributed import Client

    try:
        client: Client = stack.enter_context(Client(address, timeout=PATIENCE))
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: give it as tcp://HOST:PORT") from error
    if not client.nthreads():
        raise RunError(f"the Dask scheduler at {address} has no workers: start some with 'dask worker {address}'")
    return client


def _check_offered(client: Client, address: str, resources: Mapping[str, float]) -> None:
    """Refuse tasks that would wait for ever."""
    offered = [worker.get("resources", {}) for worker in client.scheduler_info(n_workers=-1)["workers"].values()]
    for name, amount in resources.items():
        if not any(one.get(name, 0) >= amount for one in offered):
            raise UsageError(
                f"no worker of the Dask cluster at {address} offers the resource {name}: start workers with "
                f"'dask worker {address} --resources {name}={amount:g}'"
            )


def _spread(
    client: Client,
    function: Callable[[Task], Result],
    items: Iterable[Task],
    *,
    expected: int = 0,
    look: Callable[[], None] = lambda: None,
    choosy: bool = False,
) -> Iterator[Result]:
    """Submit tasks in bounded batches and yield results as they come.

    Parameters
    ----------
    client, function, items
        Who computes what.
    expected
        Workers that will be there; those that are where there are more.
    look
        Is called now and then while results are waited for.
    choosy
        Workers differ: heed what tasks ask for.
    """
    from distributed import CancelledError, KilledWorker, as_completed
    from distributed.comm.core import CommClosedError

    waiting = iter(items)
    slots = AHEAD * max(1, expected, sum(client.nthreads().values()))
    running = as_completed()
    losses = Losses(client)

    def submit() -> None:
        for task in waiting:
            asked = (getattr(task, "resources", None) or None) if choosy else None
            future = client.submit(function, task, pure=False, retries=0, resources=asked)
            losses.names[str(future.key)] = _number(task)
            running.add(future)
            if running.count() >= slots:
                return

    submit()
    for future in _arriving(running, look):
        try:
            yield future.result()
        except (CancelledError, CommClosedError) as error:
            raise RunError(
                "the connection with the Dask scheduler was lost; finished parts are kept: run the same command again"
            ) from error
        except KilledWorker as error:
            raise RunError(f"a worker process died three times over the same part, {SHORT}") from error
        losses.names.pop(str(future.key), None)
        future.release()
        losses.tell()
        submit()


def _number(task: Any) -> str:
    """Name a task by the number of its part or shard, for the log."""
    return str(getattr(getattr(task, "part", task), "index", getattr(task, "shard", "?")))


def _arriving(running: Any, look: Callable[[], None]) -> Iterator[Any]:
    """Yield futures of ``as_completed`` as they are done, and look around while they are waited for."""
    while not running.is_empty():
        look()
        if running.has_ready():
            yield next(running)
        else:
            time.sleep(PAUSE)


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Leave Ctrl-C to this process, which stops the workers in order, and only once they stand.

    Processes and threads that start now inherit a mask that blocks the signal.
    """
    resource_tracker.ensure_running()  # it would take the signal out of the mask of the thread that starts it
    with interrupts_wait():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log lines off the terminal while its processes come and go."""
    import distributed  # noqa: F401  # sets the levels of its loggers when it is imported

    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _TALKATIVE]
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in names}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
