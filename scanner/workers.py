"""Dask, and nothing else that knows of it: many processes on this machine, or a cluster that is running already."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scanner.errors import PopscanError, RunError, UsageError

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

AHEAD = 2
"""Tasks a worker that are submitted at a time: enough to keep it busy, few enough for any genome."""


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
def workers(threads: int, scheduler: str | None, scratch: Path, tasks: int) -> Iterator[Mapper]:
    """Give a map that spreads tasks over processes.

    Parameters
    ----------
    threads
        Processes on this machine; with one, tasks run in this very process.
    scheduler
        Address of a running Dask scheduler, used instead where given.
    scratch
        Folder for Dask's own files.
    tasks
        Number of tasks at most: no more processes than that are started.

    Raises
    ------
    UsageError
        Where the scheduler does not answer.
    RunError
        Where workers keep dying.
    """
    if scheduler is None and min(threads, tasks) <= 1:
        yield map
        return
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        if scheduler is not None:
            client = stack.enter_context(_connect(scheduler))
        else:
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=min(threads, tasks),
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    memory_limit=0,
                    local_directory=str(scratch),
                    silence_logs=logging.CRITICAL,
                )
            )
            client = stack.enter_context(Client(cluster))
            client.run(_ignore_interrupts)
        yield lambda function, items: _spread(client, function, items)


def _spread(client: Client, function: Callable[[Task], Result], items: Iterable[Task]) -> Iterator[Result]:
    """Submit tasks in bounded batches and yield results as they come."""
    from distributed import KilledWorker, as_completed

    waiting = iter(items)
    slots = AHEAD * max(1, sum(client.nthreads().values()))
    running = as_completed()

    def submit() -> None:
        for task in waiting:
            running.add(client.submit(function, task, pure=False, retries=0))
            if running.count() >= slots:
                return

    submit()
    for future in running:
        try:
            yield future.result()
        except PopscanError:
            raise
        except KilledWorker as error:
            raise RunError(
                "a worker process died three times over the same part, most likely for lack of memory: "
                "use fewer --threads, or a machine with more memory; finished parts are kept"
            ) from error
        future.release()
        submit()


def _connect(address: str) -> Client:
    from distributed import Client

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: give it as tcp://HOST:PORT") from error
    if not client.nthreads():
        client.close()
        raise RunError(f"the Dask scheduler at {address} has no workers: start some with 'dask worker {address}'")
    return client


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the main process, which stops the workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log lines off the terminal while its processes come and go."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.nanny", "tornado", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
