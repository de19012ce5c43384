"""A real Slurm of one node runs a scan in two jobs, one of which is cancelled midway: the bytes of a local run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from scanning import popscan, scanned, several, tables
from snakemaking import EXAMPLES, OF_CHROMOSOME_2, deadly, genome_example, snakemake

from scanner import partition, scan, watch
from scanner.cluster import slurm_cluster

pytestmark = pytest.mark.clients
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "scancel", "squeue", "sinfo")
SCAN = ("--window", "4kb", "--step", "1kb", "--statistics", "pi,ihs", "--min-sites", "3")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _config(place: Path) -> str:
    host, cores = socket.gethostname(), os.cpu_count() or 1
    return f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start munged, slurmctld and slurmd by hand, in a folder of their own, and stop them again."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking or os.getuid() != 0:
        pytest.skip(f"needs root and {', '.join(lacking) or 'nothing else'}")
    place = Path("/tmp") / f"popscan-slurm-{os.getpid()}"
    for name in ("state", "spool"):
        (place / name).mkdir(parents=True)
    place.chmod(0o755)
    (place / "key").write_bytes(os.urandom(1024))
    (place / "key").chmod(0o400)
    (place / "slurm.conf").write_text(_config(place))
    monkeypatch.setenv("SLURM_CONF", str(place / "slurm.conf"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    munge = ["munged", "--foreground", "--force", "--key-file", f"{place}/key", "--socket", f"{place}/munge.socket"]
    munge += ["--pid-file", f"{place}/munge.pid", "--log-file", f"{place}/munge.log", "--seed-file", f"{place}/seed"]
    calls = [munge, ["slurmctld", "-D", "-L", f"{place}/ctld.log"], ["slurmd", "-D", "-L", f"{place}/slurmd.log"]]
    started = []
    for call in calls:
        started.append(subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(1)
    try:
        _wait_for_node(place)
        import dask

        slurm_cluster()  # its defaults must be there before one of them is set for a while
        with dask.config.set({"jobqueue.slurm.interface": "lo"}):
            yield place
    finally:
        subprocess.run(["scancel", "--user=root"], capture_output=True, check=False)
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        shutil.rmtree(place, ignore_errors=True)


def _wait_for_node(place: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        said = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False).stdout
        if said.strip() == "idle":
            return
        time.sleep(0.5)
    pytest.fail(f"no node is idle: {said} {(place / 'ctld.log').read_text()[-1500:]}")


def _running() -> list[str]:
    call = ["squeue", "-h", "-o", "%i", "-t", "RUNNING"]
    return subprocess.run(call, capture_output=True, text=True, check=False).stdout.split()


def test_two_jobs_one_cancelled(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slow_steps import slow_compute

    assert slurm.is_dir()
    data, out, cancelled = several(tmp_path, contigs=12, records=100), tmp_path / "out", list[str]()
    words = [data.vcf, "-p", data.populations, *SCAN]
    scanned(*words, "--out", tmp_path / "alone", "--threads", 1)
    monkeypatch.setattr(scan, "compute", slow_compute)

    def cancel() -> None:
        while not list((out / ".popscan" / "parts").glob("part-*.json")):
            time.sleep(0.02)
        cancelled.append(_running()[0])
        subprocess.run(["scancel", cancelled[0]], check=True)

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    given = ["--slurm", "--jobs", 2, "--memory", "500MB", "--walltime", "00:10:00", "--queue", "debug"]
    scanned(*words, "--out", out, *given, "--log-file", tmp_path / "log")
    thread.join(5)
    assert cancelled
    assert tables(out) == tables(tmp_path / "alone")
    end = time.monotonic() + 30
    while _running() and time.monotonic() < end:
        time.sleep(0.5)
    assert _running() == []


def test_a_queue_that_there_is_not_is_an_error_at_once(slurm: Path, tmp_path: Path) -> None:
    assert slurm.is_dir()
    data = several(tmp_path, contigs=1, records=100)
    refused = popscan("scan", data.vcf, "--out", tmp_path / "out", "--slurm", "--queue", "nowhere")
    assert refused.code == 2
    assert "invalid partition specified: nowhere" in refused.sentence


def test_jobs_that_end_at_their_start_end_the_scan(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on nodes without Python."""
    import dask

    assert slurm.is_dir()
    monkeypatch.setattr(watch, "LOOK", 1)
    data, out = several(tmp_path, contigs=4, records=100), tmp_path / "out"
    with dask.config.set({"jobqueue.slurm.python": "/nowhere/python"}):
        failed = popscan("scan", data.vcf, "--out", out, *SCAN, "--slurm", "--jobs", 2, "--memory", "500MB")
    assert failed.code == 1
    assert "jobs of Slurm ended one after the other before a worker appeared" in failed.sentence
    logs = out / ".popscan" / "slurm"
    assert str(logs) in failed.sentence
    assert any("/nowhere/python: No such file" in path.read_text() for path in logs.iterdir())


@pytest.fixture
def known_to_all(slurm: Path) -> Iterator[None]:
    """Put Slurm's configuration where it is looked for: Snakemake hides from jobs where else it is."""
    usual = Path("/etc/slurm/slurm.conf")
    if usual.exists() or usual.is_symlink():
        pytest.skip(f"{usual} is that of another Slurm")
    usual.parent.mkdir(exist_ok=True)
    usual.symlink_to(slurm / "slurm.conf")
    yield
    usual.unlink()


@pytest.mark.usefixtures("known_to_all")
def test_the_profile_of_the_examples_one_job_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake submits the jobs of the genome example, and the one that is killed a second time."""
    monkeypatch.setattr(partition, "PART_RECORDS", (60, 60))
    folder, plain = genome_example(tmp_path)
    command = deadly(tmp_path / "bin", job=OF_CHROMOSOME_2, module="scanner.jobarray", step="compute")
    words = ["--profile", str(EXAMPLES / "slurm"), "--slurm-status-command", "squeue", "--latency-wait", "5"]
    words += ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"]
    words += ["--set-threads", "chromosome=1", "gather=1"]  # the node has no more than two
    done = snakemake(folder, *words, first=command)
    assert done.returncode == 0, done.stderr
    assert (folder / "killed").exists()
    assert tables(folder / "results" / "scan") == tables(plain)
