"""Any number of workers, here or on a cluster, gives the same bytes; they fail in one sentence and stay silent."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scanning import Several, popscan, scanned, several, tables

from scanner import cluster, partition, scan, watch, workers
from scanner.cluster import Shared
from scanner.errors import InputError, RunError, UsageError

SCAN = ("--window", "4kb", "--step", "1kb", "--statistics", "all", "--min-sites", "3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """8 contigs, so at least 8 parts."""
    return several(tmp_path_factory.mktemp("workers"), contigs=8, records=150)


@pytest.fixture(scope="module")
def alone(data: Several) -> dict[str, bytes]:
    """What a single process writes."""
    out = data.vcf.parent / "alone"
    scanned(data.vcf, "-p", data.populations, "--out", out, "--threads", 1, *SCAN)
    return tables(out)


@pytest.mark.parametrize("threads", [2, 7])
def test_the_number_of_processes_changes_no_byte(
    data: Several, alone: dict[str, bytes], tmp_path: Path, threads: int, capfd: pytest.CaptureFixture[str]
) -> None:
    done = scanned(data.vcf, "-p", data.populations, "--out", tmp_path / "out", "--threads", threads, *SCAN)
    assert set(alone) == {"windows.tsv.gz", "sites.tsv.gz", "accounting.tsv"}
    assert tables(tmp_path / "out") == alone
    assert capfd.readouterr() == ("", ""), "processes print nothing of their own"
    assert "windows" in done.err


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Run a Dask cluster whose workers stand in another folder than the test."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path),
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


def test_a_running_cluster_gives_the_same_bytes_by_relative_paths(
    data: Several, alone: dict[str, bytes], scheduler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(data.vcf.parent)
    out = Path(os.path.relpath(tmp_path / "out"))
    scanned(data.vcf.name, "-p", data.populations.name, "--out", out, "--scheduler", scheduler, *SCAN)
    assert tables(tmp_path / "out") == alone
    planned = popscan("plan", data.vcf.name, "--window", "50snps", "--scheduler", scheduler)
    assert planned.code == 0, planned.err
    assert ": 50 sites every 50 sites" in planned.out


def test_a_scheduler_without_workers_is_said_so(data: Several, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", processes=False, silence_logs=50) as cluster:
        address = cluster.scheduler_address
        done = popscan("scan", data.vcf, "--out", tmp_path / "out", "--scheduler", address)
    assert done.code == 1
    assert f"the Dask scheduler at {address} has no workers: start some with 'dask worker" in done.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "no-such-scheme://x", "127.0.0.1:{port}"])
def test_a_scheduler_that_does_not_answer_is_a_wrong_call(
    data: Several, tmp_path: Path, address: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    done = popscan("scan", data.vcf, "--out", tmp_path / "out", "--scheduler", address.format(port=port))
    assert done.code == 2
    assert "no Dask scheduler answers at" in done.sentence
    assert time.monotonic() - began < 10
    assert not (tmp_path / "out").exists()
    assert capfd.readouterr() == ("", "")


def test_threads_and_scheduler_exclude_each_other(data: Several, tmp_path: Path) -> None:
    done = popscan("scan", data.vcf, "--out", tmp_path / "out", "--threads", 2, "--scheduler", "tcp://x:1")
    assert (done.code, "exclude each other" in done.sentence) == (2, True)


def test_one_thread_or_one_task_needs_no_process() -> None:
    for threads, tasks in [(1, 100), (8, 1), (8, 0)]:
        with workers.workers(threads, None, Path("/nowhere"), tasks) as mapper:
            assert mapper is map


def blocked(_item: int) -> tuple[int, bool]:
    """Tell the process, and whether its main thread blocks SIGINT."""
    status = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/status").read_text()
    mask = int(status.partition("SigBlk:")[2].split()[0], 16)
    return os.getpid(), bool(mask >> (signal.SIGINT - 1) & 1)


def started_with(_item: int) -> dict[str, str]:
    """Read the environment that the process was started with: the C library looked at it before Python ran."""
    entries = Path("/proc/self/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def fails(item: int) -> int:
    if item == 3:
        raise InputError("chr1:5: a bad record")
    return item


def dies(_item: int) -> int:
    os._exit(9)


def test_processes_are_deaf_to_ctrl_c_and_hand_errors_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with workers.workers(2, None, tmp_path, 9) as mapper:
        seen = list(mapper(blocked, range(8)))
        assert {deaf for _, deaf in seen} == {True}
        assert os.getpid() not in {pid for pid, _ in seen}
        assert len({pid for pid, _ in seen}) == 2
        assert sorted(mapper(fails, [0, 1, 2])) == [0, 1, 2]
        results = mapper(fails, range(9))
        with pytest.raises(InputError, match=r"^chr1:5: a bad record$"):
            list(results)
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])) == before
    assert capfd.readouterr() == ("", "")


def test_processes_keep_the_memory_that_they_free(tmp_path: Path) -> None:
    with workers.workers(2, None, tmp_path, 9) as mapper:
        for found in mapper(started_with, range(2)):
            assert {name: int(found[name]) for name in cluster.KEEP_MEMORY} == cluster.KEEP_MEMORY
            assert found["OPENBLAS_NUM_THREADS"] == "1"


def test_a_process_that_keeps_dying_is_said_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match="a worker process died"), workers.workers(2, None, tmp_path, 2) as mapper:
        list(mapper(dies, [1]))
    assert capfd.readouterr() == ("", "")


def test_a_scheduler_that_goes_away_is_said_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from distributed import LocalCluster

    cluster = LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0", processes=False, silence_logs=50)
    closing = threading.Timer(0.5, cluster.close)
    with workers.workers(1, cluster.scheduler_address, tmp_path, 2) as mapper:
        closing.start()
        results = mapper(time.sleep, [3, 3])
        with pytest.raises(RunError, match="connection with the Dask scheduler was lost"):
            list(results)
    closing.join()
    assert capfd.readouterr() == ("", "")


def test_a_cluster_that_lost_all_its_workers_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(watch, "LOOK", 0.1)
    monkeypatch.setattr(watch, "DESERTED", 1.0)
    with LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0", processes=False, silence_logs=50) as deserted:
        address = deserted.scheduler_address
        with workers.workers(1, address, tmp_path, 2) as mapper:
            assert list(mapper(abs, [-1])) == [1]
            deserted.scale(0)
            with pytest.raises(RunError, match=f"cluster at {address} has had no workers for 1 s: start some with"):
                list(mapper(time.sleep, [5, 5]))


def test_tasks_are_submitted_in_bounded_batches(tmp_path: Path) -> None:
    from distributed import LocalCluster

    taken: list[int] = []

    def source() -> Iterator[int]:
        for item in range(50):
            taken.append(item)
            yield item

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", processes=False, silence_logs=50
        ) as cluster,
        workers.workers(1, cluster.scheduler_address, tmp_path, 50) as mapper,
    ):
        results = mapper(abs, source())
        ahead = []
        for done, _ in enumerate(results):
            ahead.append(len(taken) - done)
    assert len(ahead) == 50
    assert max(ahead) <= 2 * workers.AHEAD
    assert taken == list(range(50))


def test_interrupts_wait_and_take_effect_afterwards() -> None:
    reached: list[str] = []

    def interrupted() -> None:
        with workers.interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end of the block")
        reached.append("past it")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["end of the block"]
    with workers.interrupts_wait(drop=True):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupts_are_left_alone_outside_the_main_thread() -> None:
    seen: list[object] = []

    def work() -> None:
        seen.extend(workers.uninterrupted(lambda item: item + 1, [1, 2]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [2, 3]


def test_an_uninterrupted_map_ends_its_step_first() -> None:
    finished: list[int] = []

    def step(item: int) -> int:
        if item == 2:
            os.kill(os.getpid(), signal.SIGINT)
        finished.append(item)
        return item

    results = workers.uninterrupted(step, [1, 2, 3])
    assert next(results) == 1
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert finished == [1, 2]


def test_an_uninterrupted_map_drops_what_libraries_print(capfd: pytest.CaptureFixture[str]) -> None:
    """A closed standard error is no error either."""

    def step(item: int) -> int:
        os.write(2, b"[bwClose] There was an error\n")
        if item == 2:
            raise InputError("our own word")
        return item

    results = workers.uninterrupted(step, [1, 2])
    assert next(results) == 1
    os.write(2, b"heard\n")
    with pytest.raises(InputError, match="our own word"):
        next(results)
    os.write(2, b"heard again\n")
    assert capfd.readouterr() == ("", "heard\nheard again\n")
    kept = os.dup(2)
    os.close(2)
    try:
        assert list(workers.uninterrupted(abs, [-3])) == [3]
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def test_available_threads_heed_affinity_and_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 3, 4, 7})
    for granted, expected in [("", 4), ("2", 2), ("64", 4), ("0", 4), ("two", 4)]:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
        assert workers.available_threads() == expected


def test_parts_do_not_depend_on_the_number_of_workers(data: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    """With parts of 40 records, each contig has several."""
    monkeypatch.setattr(partition, "PART_RECORDS", (40, 40))
    plans = [popscan("plan", data.vcf, "--json", "--threads", n, *SCAN[:4]).out for n in (1, 2, 7)]
    assert json.loads(plans[0])["parts"] == 16
    kept = [
        [line for line in text.splitlines() if '"seconds"' not in line and '"threads"' not in line] for text in plans
    ]
    assert kept[0] == kept[1] == kept[2]


def test_garbage_of_a_failed_client_is_not_collected_while_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask's start holds a lock that the end of an earlier client waits for: the two in one thread would never end."""
    monkeypatch.setattr(workers, "PATIENCE", 0.3)
    with workers._no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    for _ in range(3):
        with pytest.raises(UsageError), workers.workers(1, "tcp://127.0.0.1:9", tmp_path, 2):
            pass


@pytest.fixture
def three_by_hand(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler here, and three ``dask worker`` processes as a user would."""
    from distributed import LocalCluster

    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
        call = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        more = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path / "scratch")]
        processes = [
            subprocess.Popen([*call, *more], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(3)
        ]
        end = time.monotonic() + 60
        while len(cluster.scheduler_info["workers"]) < 3 and time.monotonic() < end:
            time.sleep(0.1)
        yield cluster.scheduler_address, processes
        for process in processes:
            process.kill()
            process.wait()


def test_one_of_three_workers_is_killed(
    data: Several,
    alone: dict[str, bytes],
    three_by_hand: tuple[str, list[subprocess.Popen[bytes]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others compute its parts again, to the same bytes, and the log says so."""
    from slow_steps import slow_compute

    address, processes = three_by_hand
    monkeypatch.setattr(scan, "compute", slow_compute)
    monkeypatch.setattr(watch, "OFTEN", 0)
    out, log = tmp_path / "out", tmp_path / "scan.log"

    def kill() -> None:
        while not list((out / ".popscan" / "parts").glob("part-*.json")):
            time.sleep(0.02)
        processes[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    scanned(data.vcf, "-p", data.populations, "--out", out, "--scheduler", address, "--log-file", log, *SCAN)
    killer.join()
    assert processes[0].wait(10) == -signal.SIGKILL
    assert tables(out) == alone
    assert f"workers: Dask cluster at {address}, 3 workers" in log.read_text()
    assert re.search(r" WARNING worker tcp://\S+ was lost: part \d+(, \d+)* is computed again", log.read_text())


def test_workers_of_another_version_are_refused(
    data: Several, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cluster._versions()
    monkeypatch.setattr(cluster, "_versions", lambda: {**real, "numpy": "0.1"})
    done = popscan("scan", data.vcf, "--out", tmp_path / "out", "--scheduler", scheduler)
    assert done.code == 2
    assert re.fullmatch(
        rf"the worker on \S+ has numpy {re.escape(real['numpy'])}, and this machine 0\.1: "
        "install the same versions on both",
        done.sentence,
    )
    assert not (tmp_path / "out").exists()


def test_workers_without_the_shared_file_system_are_refused(
    data: Several, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their folder of that name holds something else."""
    real = Path.write_text
    monkeypatch.setattr(
        Path, "write_text", lambda path, text, *more, **named: real(path, text[::-1] + "x", *more, **named)
        if ".seen-by-all-" in path.name else real(path, text, *more, **named),
    )  # fmt: skip
    done = popscan("scan", data.vcf, "--out", tmp_path / "out", "--scheduler", scheduler)
    assert done.code == 2
    assert f"does not see {tmp_path / 'out' / '.popscan' / 'parts'} as this machine does" in done.sentence
    assert "workers need a shared file system on which input and result have the same paths" in done.sentence
    assert not (tmp_path / "out").exists()


def test_workers_that_cannot_run_popscan_are_refused(data: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoPopscan:
        def run(self, *_given: object, **_named: object) -> dict[str, object]:
            return {"tcp://1.2.3.4:5": ModuleNotFoundError("No module named 'scanner'")}

    with Shared(None, (data.vcf,)).terms() as terms, pytest.raises(UsageError, match="install popscan "):
        cluster.check_workers(NoPopscan(), "tcp://x", terms)
    monkeypatch.setattr(cluster, "SIGHT", 0)
    assert cluster.complaint(terms) is None
    small = dataclasses.replace(terms, sizes=((data.vcf, 3),))
    gone = dataclasses.replace(terms, sizes=((Path("/nowhere/x.vcf.gz"), 3),))
    for bad in (small, gone):
        assert f"does not see {bad.sizes[0][0]} as this machine does" in str(cluster.complaint(bad))
        with pytest.raises(UsageError, match="shared file system"):
            cluster.guarded(bad, abs, 1)
    assert cluster.guarded(terms, abs, -1) == 1


def test_a_folder_that_workers_cannot_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Shared(tmp_path / "parts", ()).terms() as terms:
        assert cluster.complaint(terms) is None
        monkeypatch.setattr(os, "access", lambda *_given: False)
        assert f"cannot write to {tmp_path / 'parts'}" in str(cluster.complaint(terms))
    assert not (tmp_path / "parts").exists()
