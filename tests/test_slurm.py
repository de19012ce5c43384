"""Scans through jobs of Slurm: here its commands are stand-ins that start processes; tests/clients has the real one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_slurm
import pytest
from scanning import Several, popscan, scanned, several, tables

from scanner import cluster, partition, scan, watch
from scanner.cluster import Slurm
from scanner.errors import RunError, UsageError

SCAN = ("--window", "4kb", "--step", "1kb", "--statistics", "pi,ihs", "--min-sites", "3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """8 contigs, so at least 8 parts."""
    return several(tmp_path_factory.mktemp("slurm"), contigs=8, records=100)


@pytest.fixture(scope="module")
def alone(data: Several) -> dict[str, bytes]:
    """What a single process writes."""
    out = data.vcf.parent / "alone"
    scanned(data.vcf, "-p", data.populations, "--out", out, "--threads", 1, *SCAN)
    return tables(out)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the stand-ins first on the path; their jobs can import this folder, and none outlives the test."""
    place = tmp_path / "slurm"
    place.mkdir()
    folder = fake_slurm.install(place)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("DASK_JOBQUEUE__SLURM__INTERFACE", "lo")
    import dask

    cluster.slurm_cluster()  # its defaults must be there before one of them is set for a while
    with dask.config.set({"jobqueue.slurm.interface": "lo"}):
        yield place
    for job in fake_slurm.jobs(place):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job, signal.SIGKILL)


def test_a_job_that_is_cancelled_is_replaced(
    data: Several, alone: dict[str, bytes], slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts are computed again; bytes are those of one process, and no job is left behind."""
    from slow_steps import slow_compute

    monkeypatch.setattr(scan, "compute", slow_compute)
    out = tmp_path / "out"

    def cancel() -> None:
        while not list((out / ".popscan" / "parts").glob("part-*.json")):
            time.sleep(0.02)
        os.killpg(fake_slurm.jobs(slurm)[0], signal.SIGKILL)

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    given = ["--slurm", "--jobs", 2, "--memory", "1GB", "--walltime", "0:30:00", "--queue", "short", "--account", "lab"]
    scanned(data.vcf, "-p", data.populations, "--out", out, *SCAN, *given, "--log-file", tmp_path / "log")
    thread.join(1)
    assert tables(out) == alone
    assert not (out / ".popscan").exists()
    jobs = fake_slurm.jobs(slurm)
    assert len(jobs) >= 2
    script = (slurm / f"script-{jobs[0]}").read_text()
    for line in ("#SBATCH -p short", "#SBATCH -A lab", "#SBATCH --cpus-per-task=1", "#SBATCH -t 0:30:00"):
        assert line in script
    assert "--lifetime 1620s --lifetime-stagger 81s" in script
    assert "GPU" not in script
    assert "\nexport MALLOC_TRIM_THRESHOLD_=268435456\n" in script
    assert "workers: up to 2 jobs of Slurm, 1GB for 0:30:00" in (tmp_path / "log").read_text()
    end = time.monotonic() + 20
    while any(alive(job) for job in jobs) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(alive(job) for job in jobs)


def alive(job: int) -> bool:
    """Tell whether a job's process group is there."""
    states = subprocess.run(["ps", "-o", "stat=", "-g", str(job)], capture_output=True, text=True, check=False).stdout
    return any(not state.startswith("Z") for state in states.split())


def test_gather_computes_later_stages_in_jobs(
    data: Several, alone: dict[str, bytes], slurm: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert (
        popscan("scan", data.vcf, "-p", data.populations, "--out", out, *SCAN, "--part", "0-7", "--threads", 1).code
        == 0
    )
    for sites in (out / ".popscan" / "parts").glob("sites-*"):
        sites.unlink()
    assert popscan("gather", out, "--slurm", "--jobs", 1).code == 0
    assert tables(out) == alone
    assert fake_slurm.jobs(slurm)


def test_jobs_that_end_at_their_start_end_the_scan(
    data: Several, slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on nodes without Python: the scan says where to look, and waits for no worker for ever."""
    import dask

    monkeypatch.setattr(watch, "LOOK", 0.5)
    out = tmp_path / "out"
    with dask.config.set({"jobqueue.slurm.python": "/nowhere/python"}):
        failed = popscan("scan", data.vcf, "--out", out, *SCAN, "--slurm", "--jobs", 2, "--log-file", tmp_path / "log")
    assert failed.code == 1
    assert failed.sentence == (
        f"{watch.LOST} jobs of Slurm ended one after the other before a worker appeared: what they printed stands in "
        f"{out / '.popscan' / 'slurm'}; finished parts are kept"
    )
    assert "/nowhere/python: No such file" in (out / ".popscan" / "slurm" / "popscan-all.out").read_text()
    assert len(fake_slurm.jobs(slurm)) == watch.LOST
    log = (tmp_path / "log").read_text()
    assert log.count("jobs of Slurm ended before their workers appeared, and are replaced") == watch.LOST // 2 - 1


def test_jobs_that_fail_now_and_then_are_replaced(
    data: Several, alone: dict[str, bytes], slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first three jobs find no Python, later ones do."""
    import dask

    monkeypatch.setattr(watch, "LOOK", 0.5)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ $(wc -l < {slurm}/jobs) -gt 3 ] && exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    out = tmp_path / "out"
    with dask.config.set({"jobqueue.slurm.python": str(python)}):
        scanned(data.vcf, "-p", data.populations, "--out", out, *SCAN, "--slurm", "--jobs", 2)
    assert tables(out) == alone
    assert len(fake_slurm.jobs(slurm)) > 3


class Submitted:
    """A cluster of jobs by worker, of which some workers are there."""

    def __init__(self, jobs: dict[str, str | None], observed: set[str]) -> None:
        self.workers = {name: SimpleNamespace(job_id=job, close=self.close) for name, job in jobs.items()}
        self.observed = observed

    async def close(self) -> None:
        """Cancel nothing."""

    def sync(self, function: Callable[..., Any], *given: object) -> Any:
        return asyncio.run(function(*given))


@pytest.mark.parametrize(
    ("listed", "observed", "kept"),
    [
        ({"1", "2"}, set(), {"a", "b", "c"}),
        ({"1"}, set(), {"a", "c"}),
        ({"9"}, set(), set()),
        ({"9"}, {"a"}, {"a"}),
        (None, set(), {"a", "b", "c"}),
    ],
    ids=["one is not taken, others wait", "one ended", "all ended", "one has its worker", "no answer"],
)
def test_which_jobs_are_replaced(
    listed: set[str | None] | None, observed: set[str], kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK", 0)
    monkeypatch.setattr(watch, "_listed_jobs", lambda: None if listed is None else set(listed))
    submitted = Submitted({"a": "1", "b": "2", "c": None}, observed)
    watch.Jobs(submitted, Path("logs")).look()
    assert set(submitted.workers) == kept


def test_a_worker_that_appears_begins_a_new_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs may fail all night as long as others work; a job whose worker has come and gone is Dask's to replace."""
    monkeypatch.setattr(watch, "LOOK", 0)
    monkeypatch.setattr(watch, "LOST", 2)
    monkeypatch.setattr(watch, "_listed_jobs", lambda: {"0"})
    jobs = watch.Jobs(submitted := Submitted({}, set()), Path("logs"))

    def look(names: str, *observed: str) -> None:
        submitted.__init__({name: f"job {name}" for name in names}, set(observed))  # type: ignore[misc]
        jobs.look()

    look("a")
    look("bcd", "b")
    assert set(submitted.workers) == {"b"}
    look("be")
    assert set(submitted.workers) == {"b"}
    with pytest.raises(RunError, match="2 jobs of Slurm ended one after the other before a worker appeared"):
        look("bf")


def test_a_job_that_slurm_does_not_take_is_an_error_at_once(data: Several, slurm: Path, tmp_path: Path) -> None:
    refused = popscan("scan", data.vcf, "--out", tmp_path / "out", "--slurm", "--queue", "nowhere")
    assert refused.code == 2
    assert "Slurm takes no such job (sbatch: error: invalid partition specified: nowhere" in refused.sentence
    assert refused.sentence.endswith("look at --queue, --account, --memory and --walltime")
    assert fake_slurm.jobs(slurm) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--queue", "x"], "--queue is for jobs of Slurm: give --slurm too"),
        (["--slurm", "--scheduler", "tcp://x:1"], "--slurm and --scheduler exclude each other"),
        (["--slurm", "--threads", "2"], "--threads and --slurm exclude each other: a cluster has its own workers"),
        (["--slurm", "--walltime", "soon"], "--walltime soon: give it as HH:MM:SS or D-HH:MM:SS"),
        (["--slurm", "--walltime", "0:01:00"], "--walltime 0:01:00 is too short: give two minutes at least"),
        (["--slurm", "--part", "0"], "--part needs no scheduler and replaces nothing: leave out --slurm"),
    ],
)
def test_options_that_do_not_go_together(data: Several, tmp_path: Path, given: list[str], sentence: str) -> None:
    refused = popscan("scan", data.vcf, "--out", tmp_path / "out", *given)
    assert (refused.code, refused.sentence) == (2, sentence)
    assert not (tmp_path / "out").exists()


def test_memory_must_be_a_size(data: Several, slurm: Path, tmp_path: Path) -> None:
    refused = popscan("scan", data.vcf, "--out", tmp_path / "out", "--slurm", "--memory", "much")
    assert (refused.code, refused.sentence) == (2, "--memory much: give a size such as 4GB")
    assert fake_slurm.jobs(slurm) == []


def test_a_machine_without_slurm_is_said_so(data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.shutil, "which", lambda _name: None)
    refused = popscan("scan", data.vcf, "--out", tmp_path / "out", "--slurm")
    assert (refused.code, refused.sentence) == (
        2,
        "--slurm needs Slurm's sbatch on this machine: run popscan on a login node of the cluster",
    )


def test_ctrl_c_is_left_as_it_was() -> None:
    """Else a scan that is stopped would end as if all were well."""
    script = (
        "import signal; from scanner.cluster import slurm_cluster\n"
        "before = signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print(slurm_cluster().__name__, signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["SLURMCluster", "True"]


def test_dask_jobqueue_is_an_extra(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert slurm.is_dir()
    monkeypatch.setitem(sys.modules, "dask_jobqueue.slurm", None)
    with contextlib.ExitStack() as stack, pytest.raises(UsageError, match=r"pip install 'popscan\[slurm\]'"):
        cluster.start_slurm(stack, Slurm(tmp_path), 3)


def test_jobs_with_graphics_cards_ask_for_them(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert slurm.is_dir()
    seen: list[str] = []

    def stop(script: str) -> None:
        seen.append(script)
        raise UsageError("enough")

    monkeypatch.setattr(cluster, "_try_submission", stop)
    with contextlib.ExitStack() as stack, pytest.raises(UsageError, match="enough"):
        cluster.start_slurm(stack, Slurm(tmp_path, gpu=True), 3)
    assert "#SBATCH --gres=gpu:1" in seen[0]
    assert "--resources GPU=1" in seen[0]


def test_parts_are_those_of_the_fixture(data: Several) -> None:
    """8 contigs make 8 parts, whatever the size that a part aims at."""
    assert partition.PART_RECORDS[0] > 100
    assert popscan("plan", data.vcf, *SCAN, "--parts").out == "8\n"
