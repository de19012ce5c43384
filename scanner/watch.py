"""What becomes of workers while they are waited for: Dask waits for ever for those that can never come."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.errors import RunError

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Client, LocalCluster

OFTEN, LOOK = 2.0, 15.0
"""Seconds between two looks at parts that were lost, and between two questions to Slurm or to a running cluster."""
RESTARTS = 50
"""Processes on this machine that may be started in place of others in one scan."""
LOST = 6
"""Jobs of Slurm that may end in a row before any worker appears."""
DESERTED = 300.0
"""Seconds that a running cluster may be without workers."""
SHORT = "most likely for lack of memory: use fewer --threads, or a machine with more memory; finished parts are kept"
_log = logging.getLogger(__name__)


class Losses:
    """Logs which tasks are computed again because their worker was lost."""

    def __init__(self, client: Client) -> None:
        self.names: dict[str, str] = {}
        self._client = client
        self._told = self._looked = time.time()

    def tell(self) -> None:
        """Look, now and then, at what became of the workers."""
        if time.time() - self._looked < OFTEN:
            return
        self._looked = time.time()
        for when, event in self._client.get_events("all"):
            if when > self._told and isinstance(event, dict) and event.get("action") == "remove-worker":
                again = [self.names[key] for key in event.get("processing-tasks", ()) if key in self.names]
                if again:
                    _log.warning("worker %s was lost: part %s is computed again", event.get("worker"), ", ".join(again))
                self._told = when


def look_at_processes(cluster: LocalCluster, seen: set[int]) -> None:
    """Raise where processes are killed and started again without end: Dask would not mind, unless they compute."""
    seen.update(nanny.pid for nanny in list(cluster.workers.values()) if nanny.pid is not None)
    if len(seen) > RESTARTS + len(cluster.workers):
        raise RunError(f"worker processes were killed {RESTARTS} times, {SHORT}")


class Company:
    """Notices that a running cluster has lost all its workers: Dask would wait for new ones for ever.

    Parameters
    ----------
    client, address
        The cluster.
    """

    def __init__(self, client: Client, address: str) -> None:
        """Begin to watch."""
        self._client, self._address = client, address
        self._looked = self._seen = time.monotonic()

    def look(self) -> None:
        """Look, now and then, whether any worker is there.

        Raises
        ------
        RunError
            Where there has been none for a while.
        """
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        with contextlib.suppress(OSError):  # a connection that is lost is said elsewhere
            self._seen = now if self._client.nthreads() else self._seen
        if now - self._seen > DESERTED:
            raise RunError(
                f"the Dask cluster at {self._address} has had no workers for {DESERTED:.0f} s: start some with "
                f"'dask worker {self._address}'; finished parts are kept"
            )


class Jobs:
    """Replaces jobs of Slurm that ended before their workers appeared: Dask would wait for them for ever.

    Parameters
    ----------
    cluster
        Who submits them.
    logs
        Folder for what they print.
    """

    def __init__(self, cluster: SLURMCluster, logs: Path) -> None:
        """Begin to watch."""
        self._cluster, self._logs = cluster, logs
        self._joined: set[str | None] = set()
        self._lost = 0
        self._looked = time.monotonic()

    def look(self) -> None:
        """Look, now and then, at what became of them.

        Raises
        ------
        RunError
            Where one after the other ends before any worker appears.
        """
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        jobs, present = self._cluster.sync(self._state)
        self._joined |= {job for name, job in jobs.items() if name in present}
        lost = self._ended({name: job for name, job in jobs.items() if job not in self._joined})
        self._lost = 0 if present else self._lost + len(lost)
        if self._lost >= LOST:
            raise RunError(
                f"{self._lost} jobs of Slurm ended one after the other before a worker appeared: what they printed "
                f"stands in {self._logs}; finished parts are kept"
            )
        if lost:
            _log.warning("jobs of Slurm ended before their workers appeared, and are replaced: %s", ", ".join(lost))
            self._cluster.sync(self._replace, lost)

    async def _state(self) -> tuple[dict[str, str | None], set[str]]:
        """Give the jobs' numbers by their workers' names, and the workers that are there."""
        return {name: job.job_id for name, job in self._cluster.workers.items()}, self._cluster.observed

    @staticmethod
    def _ended(jobs: dict[str, str | None]) -> list[str]:
        """List the workers whose jobs Slurm does not know any more, or did not take when it has none of the others."""
        listed = _listed_jobs() if jobs else None
        if listed is None:
            return []
        if listed & set(jobs.values()):
            listed.add(None)
        return [name for name, job in jobs.items() if job not in listed]

    async def _replace(self, names: list[str]) -> None:
        """Forget the jobs of these workers; Dask then finds that they are lacking."""
        for name in names:
            job = self._cluster.workers.pop(name, None)
            if job is not None:
                await job.close()


def _listed_jobs() -> set[str | None] | None:
    """List the jobs of this user that wait or run; None where Slurm does not answer."""
    call = ["squeue", "--noheader", "--format=%A", f"--user={os.getuid()}"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return set(done.stdout.split()) if done.returncode == 0 else None
