"""Machines that are not this one: what their workers must have in common with it, and jobs of Slurm that start them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scanner import provenance
from scanner.errors import UsageError
from scanner.watch import Jobs

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Client

MEMORY, WALLTIME, JOBS = "4GB", "01:00:00", 10
SIGHT = 5.0
"""Seconds that a network file system has to show what another machine wrote."""
SUSPICIONS = 10
"""Workers of Slurm that may die over the same part: most of them are killed for reasons of the cluster's own."""
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": 1 << 25, "MALLOC_TRIM_THRESHOLD_": 1 << 28}
"""Environment of workers: bytes that glibc keeps for the next array. Dask would have it hand back what is freed, and to
ask for it anew takes a quarter of the time of a scan."""
_ALIKE = ("popscan", "python", "cyvcf2", "dask", "distributed", "numba", "numpy", "pysam")
_WALLTIME = re.compile(r"(?:(\d+)-)?(\d{1,2}):([0-5]\d):([0-5]\d)")
_MARK = ".seen-by-all-"


@dataclass(frozen=True)
class Slurm:
    """Jobs of Slurm, each of which is one worker process.

    Parameters
    ----------
    logs
        Folder for what the jobs print.
    queue, account
        Slurm's partition and account; its defaults where None.
    memory
        Memory of a job, such as ``4GB``.
    walltime
        Time limit of a job, ``[D-]HH:MM:SS``: a worker ends by itself before it, and another takes its place.
    jobs
        Most jobs at a time.
    gpu
        Each job asks for a graphics card.
    """

    logs: Path
    queue: str | None = None
    account: str | None = None
    memory: str = MEMORY
    walltime: str = WALLTIME
    jobs: int = JOBS
    gpu: bool = False

    @property
    def lifetime(self) -> int:
        """Seconds after which a worker hands over: nine tenths of the walltime, and a minute before its end at least.

        Examples
        --------
        >>> Slurm(Path("logs"), walltime="01:00:00").lifetime, Slurm(Path("logs"), walltime="1-00:00:00").lifetime
        (3240, 77760)
        """
        found = _WALLTIME.fullmatch(self.walltime)
        if found is None:
            raise UsageError(f"--walltime {self.walltime}: give it as HH:MM:SS or D-HH:MM:SS")
        days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
        limit = ((24 * days + hours) * 60 + minutes) * 60 + seconds
        if limit < 120:
            raise UsageError(f"--walltime {self.walltime} is too short: give two minutes at least")
        return min(limit * 9 // 10, limit - 60)


@dataclass(frozen=True)
class Shared:
    """What every worker must see as this machine does.

    Parameters
    ----------
    folder
        A folder that workers write to; None where they write nothing.
    files
        Files that they read.
    """

    folder: Path | None
    files: tuple[Path, ...]

    @contextlib.contextmanager
    def terms(self) -> Iterator[Terms]:
        """Put down a mark, and give what a worker needs to know to find out whether it fits."""
        sizes = tuple((path.absolute(), path.stat().st_size) for path in self.files)
        versions = tuple(_versions().items())
        if self.folder is None:
            yield Terms(versions, None, "", sizes)
            return
        word = secrets.token_hex(8)
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder.absolute() / f"{_MARK}{word}"
        mark.write_text(word)
        try:
            yield Terms(versions, mark, word, sizes)
        finally:
            with contextlib.suppress(OSError):
                mark.unlink()
                self.folder.rmdir()  # where it is empty


@dataclass(frozen=True)
class Terms:
    """What a worker has to fulfil.

    Parameters
    ----------
    versions
        Pairs of software and version.
    mark, word
        A file that the client wrote, and what stands in it.
    sizes
        Input files and their sizes in bytes.
    """

    versions: tuple[tuple[str, str], ...]
    mark: Path | None
    word: str
    sizes: tuple[tuple[Path, int], ...]


def complaint(terms: Terms) -> str | None:
    """Say in what a worker, where this runs, differs from the client; None where it fits."""
    own, here = _versions(), socket.gethostname()
    for name, version in terms.versions:
        if own.get(name) != version:
            return (
                f"the worker on {here} has {name} {own.get(name)}, and this machine {version}: "
                "install the same versions on both"
            )
    if terms.mark is not None:
        if _soon(lambda: terms.mark.read_text()) != terms.word:  # type: ignore[union-attr]
            return _unseen(here, terms.mark.parent)
        if not os.access(terms.mark.parent, os.W_OK):
            return f"the worker on {here} cannot write to {terms.mark.parent}: workers write their parts there"
    for path, size in terms.sizes:
        if _soon(lambda path=path: path.stat().st_size) != size:  # type: ignore[misc]
            return _unseen(here, path)
    return None


def _unseen(host: str, path: Path) -> str:
    return (
        f"the worker on {host} does not see {path} as this machine does: workers need a shared file system on which "
        "input and result have the same paths"
    )


def _soon(look: Callable[[], Any]) -> Any:
    """Look at a file until it is there, or for as long as a network file system may need to show it; else None."""
    end = time.monotonic() + SIGHT
    while True:
        try:
            return look()
        except OSError:
            if time.monotonic() > end:
                return None
            time.sleep(0.2)


@functools.cache
def _accept(terms: Terms) -> None:
    """Raise what speaks against this process as a worker; once it fits, it is not asked again."""
    found = complaint(terms)
    if found is not None:
        raise UsageError(found)


def guarded(terms: Terms, function: Callable[[Any], Any], task: Any) -> Any:
    """Do a task on a worker that fits; workers may join at any time."""
    _accept(terms)
    return function(task)


def check_workers(client: Client, address: str, terms: Terms) -> None:
    """Ask all workers that are there whether they fit.

    Raises
    ------
    UsageError
        Where one does not.
    """
    for worker, answer in client.run(complaint, terms, on_error="return").items():
        if isinstance(answer, BaseException):
            raise UsageError(
                f"the worker {worker} of the Dask cluster at {address} cannot run popscan ({answer}): "
                f"install popscan {provenance.versions()['popscan']} there"
            )
        if answer is not None:
            raise UsageError(answer)


def start_slurm(stack: contextlib.ExitStack, slurm: Slurm, tasks: int) -> tuple[Client, Callable[[], None]]:
    """Start a scheduler here, which submits jobs as there is work for them, and replaces those that die.

    Returns
    -------
    The scheduler's client, and what is to be called now and then while it is waited for: `Jobs.look`.

    Raises
    ------
    UsageError
        Where Slurm is not there or would not take such a job.
    """
    lifetime = slurm.lifetime
    if shutil.which("sbatch") is None:
        raise UsageError("--slurm needs Slurm's sbatch on this machine: run popscan on a login node of the cluster")
    kind = slurm_cluster()
    import dask
    from dask.utils import parse_bytes
    from distributed import Client

    try:
        parse_bytes(slurm.memory)
    except ValueError as error:
        raise UsageError(f"--memory {slurm.memory}: give a size such as {MEMORY}") from error
    slurm.logs.mkdir(parents=True, exist_ok=True)
    stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": SUSPICIONS}))
    cluster = kind(
        queue=slurm.queue,
        account=slurm.account,
        cores=1,
        processes=1,
        memory=slurm.memory,
        walltime=slurm.walltime,
        job_name="popscan",
        log_directory=str(slurm.logs.absolute()),
        local_directory=tempfile.gettempdir(),
        job_extra_directives=["--gres=gpu:1"] if slurm.gpu else [],
        job_script_prologue=[f"export {name}={value}" for name, value in KEEP_MEMORY.items()],
        worker_extra_args=[
            *("--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{lifetime // 20}s"),
            *(("--resources", "GPU=1") if slurm.gpu else ()),
        ],
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
        silence_logs="critical",
    )
    stack.enter_context(cluster)
    _try_submission(cluster.job_script())
    cluster.adapt(minimum_jobs=0, maximum_jobs=max(1, min(slurm.jobs, tasks)), target_duration="500ms")
    client: Client = stack.enter_context(Client(cluster))
    return client, Jobs(cluster, slurm.logs).look


def slurm_cluster() -> type[SLURMCluster]:
    """Import dask-jobqueue, which makes Ctrl-C a quiet exit of the process when it is imported, and undo that.

    Raises
    ------
    UsageError
        Where it is not installed.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise UsageError("--slurm needs dask-jobqueue: pip install 'popscan[slurm]'") from error
    signal.signal(signal.SIGINT, before)
    return SLURMCluster


def _try_submission(script: str) -> None:
    """Let Slurm look at a job without taking it: what nobody offers is said at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        call = ["sbatch", "--test-only", file.name]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()).removeprefix("allocation failure: ")
        raise UsageError(f"Slurm takes no such job ({said}): look at --queue, --account, --memory and --walltime")


def _versions() -> dict[str, str]:
    """Name the versions that client and workers must share; of Python, major and minor."""
    found = provenance.versions()
    found["python"] = ".".join(found["python"].split(".")[:2])
    return {name: found[name] for name in _ALIKE}
