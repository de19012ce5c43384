"""Whatever befalls a scan, the same command run again gives the bytes of a scan that nothing befell, or says why not.

Moments and places are drawn from the number of the case.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from fuzzing import Ended, Server, faults_of_end, serving
from scanning import Several, several, tables

OPTIONS = ["--window", "4kb", "--step", "1kb", "--min-sites", "3", "--statistics", "pi,tajimas_d,h12,ihs,fst"]
FATE = {"part": 60, "limit": 60.0}
FUTURE, PAST = 4_000_000_000, 86_400


@dataclass(frozen=True)
class Case:
    """A folder with a copy of the input, and who scans it."""

    folder: Path
    server: Server
    usual: float

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def scan(self, *words: object, **fate: Any) -> Ended:
        """Scan in one process, with what shall befall it."""
        given = ["scan", "input.vcf.gz", "-p", "populations.tsv", "--out", "out", "--threads", 1, *OPTIONS]
        return self.server.run(self.folder, *given, *words, **FATE, **fate)

    def moment(self, number: int) -> float:
        """Draw a moment of the scan."""
        return random.Random(number).uniform(0.02, 1.0) * self.usual


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """5 contigs of 120 records: ten parts."""
    return several(tmp_path_factory.mktemp("faults"), contigs=5, records=120, length=30_000)


def copied(data: Several, folder: Path) -> Path:
    for name in ("input.vcf.gz", "input.vcf.gz.tbi", "populations.tsv"):
        shutil.copy(data.vcf.parent / name, folder)
    return folder


@pytest.fixture(scope="module")
def straight(data: Several, server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """Tables and tracks of a scan that nothing befell, and how long it took."""
    case = Case(copied(data, tmp_path_factory.mktemp("straight")), server, 0)
    ended = case.scan()
    assert ended.code == 0, ended.err
    return made(case.out), ended.seconds


@pytest.fixture
def case(data: Several, server: Server, straight: tuple[dict[str, bytes], float], tmp_path: Path) -> Case:
    return Case(copied(data, tmp_path), server, straight[1])


@pytest.fixture
def whole(straight: tuple[dict[str, bytes], float]) -> dict[str, bytes]:
    return straight[0]


def made(out: Path) -> dict[str, bytes]:
    """Read tables and tracks."""
    return {**tables(out), **{path.name: path.read_bytes() for path in sorted((out / "tracks").iterdir())}}


def finishes(case: Case, whole: dict[str, bytes]) -> None:
    """Run it again: the result is whole, and nothing else is left."""
    again = case.scan()
    assert again.code == 0, again.err
    assert made(case.out) == whole
    assert not (case.out / ".popscan").exists()
    assert not [path for path in case.out.rglob("*") if "partial" in path.name]


@pytest.mark.parametrize("number", range(10))
def test_killed(case: Case, whole: dict[str, bytes], number: int) -> None:
    ended = case.scan(deeds=[[case.moment(number), signal.SIGKILL]])
    assert ended.code in (-signal.SIGKILL, 0)
    finishes(case, whole)


def test_killed_again_and_again(case: Case, whole: dict[str, bytes]) -> None:
    for number in range(20, 25):
        case.scan(deeds=[[case.moment(number) / 2, signal.SIGKILL]])
    finishes(case, whole)


@pytest.mark.parametrize("number", range(30, 35))
def test_ctrl_c_twice(case: Case, whole: dict[str, bytes], number: int) -> None:
    first = case.moment(number)
    after = random.Random(-number).choice((0.0, 0.005, 0.05))
    ended = case.scan(deeds=[[first, signal.SIGINT], [first + after, signal.SIGINT]])
    assert ended.code in (0, 1), ended.err
    assert "Traceback" not in ended.err
    if ended.code:
        assert ended.err.count("\n") == 1
        assert "stopped" in ended.err
    finishes(case, whole)


@pytest.mark.parametrize("size", [0, 100, 3_000, 9_000, 20_000, 60_000])
def test_files_may_not_grow(case: Case, whole: dict[str, bytes], size: int) -> None:
    """As on a full disk or a used-up quota."""
    ended = case.scan(limits={"RLIMIT_FSIZE": size})
    assert ended.code in (0, 1)
    assert faults_of_end(ended, limit=FATE["limit"]) == []
    finishes(case, whole)


@pytest.mark.parametrize("number", range(40, 44))
def test_input_replaced(case: Case, server: Server, tmp_path_factory: Any, number: int) -> None:
    """What is written belongs to the old file or to the new one, never to both."""
    other = several(tmp_path_factory.mktemp("other"), contigs=5, records=110, length=30_000)
    fresh = Case(copied(other, tmp_path_factory.mktemp("fresh")), server, 0)
    assert fresh.scan().code == 0
    shutil.copy(other.vcf, case.folder / "new.vcf.gz")
    shutil.copy(f"{other.vcf}.tbi", case.folder / "new.tbi")
    moment = case.moment(number)
    deeds = [[moment, str(case.folder / "new.vcf.gz"), str(case.folder / "input.vcf.gz")]]
    ended = case.scan(deeds=[*deeds, [moment, str(case.folder / "new.tbi"), str(case.folder / "input.vcf.gz.tbi")]])
    assert faults_of_end(ended, limit=FATE["limit"]) == []
    for new, place in (("new.vcf.gz", "input.vcf.gz"), ("new.tbi", "input.vcf.gz.tbi")):
        if (case.folder / new).exists():  # the scan was done before its moment came
            (case.folder / new).replace(case.folder / place)
    again = case.scan()
    if again.code == 0:
        assert made(case.out) == made(fresh.out)
    else:  # the new file is another scan's input
        assert "belongs to a scan of other inputs or options (vcf was" in again.err
        assert case.scan("--force").code == 0
        assert made(case.out) == made(fresh.out)


@pytest.mark.parametrize("number", range(50, 54))
def test_a_kept_file_corrupted(case: Case, whole: dict[str, bytes], number: int) -> None:
    draw = random.Random(number)
    case.scan(deeds=[[case.usual * draw.uniform(0.3, 0.7), signal.SIGKILL]])
    kept = sorted(path for path in (case.out / ".popscan").rglob("*") if path.is_file() and path.stat().st_size)
    for path in draw.sample(kept, min(3, len(kept))):
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    again = case.scan()
    if again.code:  # what was harmed is the note of whose folder it is
        assert faults_of_end(again, limit=FATE["limit"]) == []
        assert "name another folder, or replace it with --force" in again.err
        assert case.scan("--force").code == 0
        assert made(case.out) == whole
    else:
        assert made(case.out) == whole


@pytest.mark.parametrize("number", range(60, 64))
def test_clocks_that_disagree(case: Case, whole: dict[str, bytes], number: int) -> None:
    draw = random.Random(number)
    case.scan(deeds=[[case.usual * draw.uniform(0.3, 0.7), signal.SIGKILL]])
    for path in [*case.folder.iterdir(), *case.out.rglob("*")]:
        os.utime(path, (moment := draw.choice((FUTURE, PAST)), moment))
    finishes(case, whole)


@pytest.mark.parametrize("spare", [4, 40, 200])
def test_want_of_memory(case: Case, whole: dict[str, bytes], spare: int) -> None:
    held = case.server.memory()
    ended = case.scan(limits={"RLIMIT_AS": held + (spare << 20)})
    assert ended.code in (0, 1), ended.err
    assert faults_of_end(ended, limit=FATE["limit"]) == []
    finishes(case, whole)


def test_a_place_where_nothing_can_be_written(case: Case) -> None:
    given = ["scan", "input.vcf.gz", "--out", "/proc/popscan", "--threads", 1]
    ended = case.server.run(case.folder, *given)
    assert faults_of_end(ended, limit=FATE["limit"]) == []
    assert (ended.code, "/proc/popscan cannot be made or written" in ended.err) == (1, True)


def begun(case: Case, *words: object) -> subprocess.Popen[str]:
    """Begin a scan in a process of its own, which may have others."""
    given = ["scan", "input.vcf.gz", "-p", "populations.tsv", "--out", "out", *OPTIONS, *words]
    code = (
        "import sys; from scanner import partition, watch, workers; partition.PART_RECORDS = (60, 60)\n"
        "workers.PATIENCE, watch.RESTARTS = 60, 5\n"
        "from scanner.cli import main; sys.exit(main())"
    )
    call = [sys.executable, "-c", code, *map(str, given)]
    return subprocess.Popen(call, cwd=case.folder, stderr=subprocess.PIPE, text=True)


def until_there_are(parts: int, case: Case, client: subprocess.Popen[str]) -> None:
    """Wait for the first parts of a scan, or for its end."""
    until = time.monotonic() + 90
    while len(list((case.out / ".popscan").glob("parts/part-*.json"))) < parts and client.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)


def workers_of(client: subprocess.Popen[str]) -> list[psutil.Process]:
    """List the processes that a scan has started to compute."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(client.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                found += [process] if any("spawn_main" in word for word in process.cmdline()) else []
    return found


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.parametrize("number", range(70, 74))
def test_a_process_killed_while_it_computes(case: Case, whole: dict[str, bytes], number: int) -> None:
    """As by a system that is out of memory: another is started in its place."""
    draw = random.Random(number)
    client = begun(case, "--threads", 2)
    until_there_are(draw.randrange(8), case, client)
    found = workers_of(client)
    for victim in draw.sample(found, min(draw.randint(1, 2), len(found))):
        kill(victim)
    _, err = client.communicate(timeout=90)
    assert "Traceback" not in err
    if client.returncode:  # it was not even ready
        assert err.count("\n") == 1, err
        assert "a worker process was killed when it was started, most likely for lack of memory" in err
        finishes(case, whole)
    assert made(case.out) == whole


@pytest.mark.parametrize("ready", [False, True], ids=["at the start", "later"])
def test_processes_killed_whenever_there_is_one(case: Case, whole: dict[str, bytes], ready: bool) -> None:
    client = begun(case, "--threads", 2, "--log-file", "log")
    log, until = case.folder / "log", time.monotonic() + 90
    while client.poll() is None:
        assert time.monotonic() < until
        if not ready or (log.exists() and "workers: 2 processes" in log.read_text()):
            for victim in workers_of(client):
                kill(victim)
        time.sleep(0.01)
    _, err = client.communicate()
    assert (client.returncode, err.count("\n")) == (1, 1), err
    said = "worker processes were killed 5 times" if ready else "a worker process was killed when it was started"
    assert f"{said}, most likely for lack of memory: use fewer --threads" in err
    finishes(case, whole)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler and two workers by hand, as on a cluster; the scheduler is the first process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    tests = str(Path(__file__).parent)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([tests, *sys.path]),
        "DASK_LOGGING__DISTRIBUTED": "error",
    }
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": tmp_path}
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "30", "--no-dashboard"]
    started = [subprocess.Popen([*dask, "scheduler", "--host", address, "--no-dashboard"], **quiet)]
    started += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    yield address, started
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("victim", [0, 1], ids=["scheduler", "worker"])
def test_processes_of_a_cluster_killed(
    case: Case, whole: dict[str, bytes], cluster: tuple[str, list[subprocess.Popen[bytes]]], victim: int
) -> None:
    """The client says that the scheduler is gone; another worker takes the work of one that is gone."""
    address, processes = cluster
    client = begun(case, "--scheduler", address)
    until_there_are(1, case, client)
    processes[victim].kill()
    _, err = client.communicate(timeout=90)
    assert client.returncode == 0 or victim == 0, err
    if client.returncode:
        assert err.count("\n") == 1, err
        assert "the connection with the Dask scheduler was lost" in err
        finishes(case, whole)
    assert made(case.out) == whole
