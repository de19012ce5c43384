"""A scan that was stopped, killed or harmed ends, when it is run again, in the bytes of one that was not."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scanning import Run, Several, popscan, scanned, several, tables

from scanner import partition, publish, scan, table
from scanner.compute import Task
from scanner.sites import SiteTask
from scanner.workspace import RESULTS

OPTIONS = ("--window", "4kb", "--step", "1kb", "--statistics", "all", "--min-sites", "3")
PARTS = 6


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    """Let parts aim at 60 records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition, "PART_RECORDS", (60, 60))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """2 contigs of 3 parts each."""
    made = several(tmp_path_factory.mktemp("resume"), contigs=2, records=180, length=90_000)
    assert json.loads(popscan("plan", made.vcf, *OPTIONS, "--json").out)["parts"] == PARTS
    return made


def again(data: Several, out: Path, *more: object) -> Run:
    return popscan("scan", data.vcf, "-p", data.populations, "--out", out, "--threads", 1, *OPTIONS, *more)


@pytest.fixture(scope="module")
def straight(data: Several) -> dict[str, bytes]:
    """The tables of a scan that nothing befell."""
    out = data.vcf.parent / "straight"
    assert again(data, out).code == 0
    made = {"accounting.tsv", "igv_session.xml", "run.json", "sites.tsv.gz", "sites.tsv.gz.tbi", "tracks",
            "windows.tsv.gz", "windows.tsv.gz.tbi"}  # fmt: skip
    assert made <= set(listed(out)) <= set(RESULTS), "all that is written is known, and so can be replaced"
    return tables(out)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Steps:
    """Counts the steps of a scan, and lets one of them raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.done: list[int] = []
        self.fatal: int | None = None
        self.error: BaseException = KeyboardInterrupt()
        home: Any = scan if name == "compute" else scan.sites
        real: Callable[[Any], Any] = getattr(home, name)

        def step(task: Task | SiteTask) -> Any:
            if task.part.index == self.fatal:
                raise self.error
            self.done.append(task.part.index)
            return real(task)

        monkeypatch.setattr(home, name, step)


@pytest.mark.parametrize("name", ["compute", "compute_sites"])
@pytest.mark.parametrize("at", [0, 3, 5])
def test_a_stopped_scan_goes_on_where_it_was(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    steps, out = Steps(monkeypatch, name), tmp_path / "out"
    steps.fatal = at
    stopped = again(data, out)
    assert stopped.code == 1
    kept = at > 0 or name == "compute_sites"
    assert stopped.sentence == (
        f"stopped; what is finished is kept in {out}: run the same command again to go on"
        if kept
        else "stopped; nothing was finished yet"
    )
    assert steps.done == list(range(at))
    assert (listed(out) if kept else listed(tmp_path)) == ([".popscan"] if kept else [])
    steps.fatal, steps.done = None, []
    done = again(data, out)
    assert done.code == 0
    assert steps.done == list(range(at, PARTS)), "only what was missing"
    finished = PARTS if name == "compute_sites" else at
    assert (f"went on from {finished} finished parts of {PARTS}" in done.err) == (finished > 0)
    assert tables(out) == straight
    assert ".popscan" not in listed(out)


@pytest.mark.parametrize("place", ["reconcile", "gather", "publish", "write_text"])
def test_a_scan_stopped_while_it_writes_goes_on(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def stop(*_given: Any, **_named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scan, place, stop)
        assert again(data, tmp_path / "out").sentence.startswith("stopped; what is finished is kept in")
    steps = Steps(monkeypatch, "compute")
    assert again(data, tmp_path / "out").code == 0
    assert steps.done == []
    assert tables(tmp_path / "out") == straight


def interrupted(data: Several, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a scan whose parts are all computed."""

    def stop(*_given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scan, "reconcile", stop)
        assert again(data, out).code == 1


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(content)


HARMS: dict[str, tuple[Callable[[Path], None], list[int], list[int]]] = {
    "a byte flipped": (lambda parts: flip(parts / "part-000002.npz"), [2], []),
    "a part cut off": (lambda parts: os.truncate(parts / "part-000000.npz", 1000), [0], []),
    "a note deleted": (lambda parts: (parts / "part-000005.json").unlink(), [5], []),
    "a part deleted": (lambda parts: (parts / "part-000001.npz").unlink(), [1], []),
    "a note of another": (lambda p: shutil.copy(p / "part-000001.json", p / "part-000004.json"), [4], []),
    "site scores flipped": (lambda parts: flip(parts / "sites-000003.npz"), [], [3]),
    "a draft left": (lambda parts: (parts / ".part-000001.77.npz").write_bytes(b"PK"), [], []),
    "all of it": (shutil.rmtree, list(range(PARTS)), list(range(PARTS))),
}


@pytest.mark.parametrize("harm", HARMS)
def test_harmed_parts_are_computed_anew(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    out = tmp_path / "out"
    interrupted(data, out, monkeypatch)
    deed, parts, sites = HARMS[harm]
    deed(out / ".popscan" / "parts")
    computed, scored = Steps(monkeypatch, "compute"), Steps(monkeypatch, "compute_sites")
    assert again(data, out).code == 0
    assert (computed.done, scored.done) == (parts, sites)
    assert tables(out) == straight


def test_a_part_harmed_while_parts_are_joined_is_said_so(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    interrupted(data, out, monkeypatch)
    real = scan.reconcile

    def harmed(*given: Any) -> Any:
        flip(out / ".popscan" / "parts" / "part-000003.npz")
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "reconcile", harmed)
        failed = again(data, out)
    assert failed.code == 1
    assert "part-000003.npz is missing or not what was written: run the same command again" in failed.sentence
    assert again(data, out).code == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--step", "2kb"], "windows was 4000 bp every 1000, is 4000 bp every 2000"),
        (["--min-sites", "4"], "min_sites was 3, is 4"),
        (["--min-maf", "0.1"], "min_maf was 0.0, is 0.1"),
        (["--region", "1"], "regions was , is 1"),
        (["--pair", "A:B"], "pairs was A:B,A:C,B:C, is A:B"),
        (["--statistics", "pi"], "statistics was callable_bp,"),
        (["--mask", "mask.bed"], "mask was None, is"),
        (["-p", "other.tsv"], "populations was"),
    ],
)
def test_another_scan_in_the_same_folder_is_refused(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mask.bed").write_text("".join(f"{contig}\t0\t{length}\n" for contig, length in data.contigs.items()))
    Path("other.tsv").write_text(data.populations.read_text().replace("\tC", "\tB"))
    if "-p" in options:
        named += f" {data.populations.stat().st_size} bytes"
    interrupted(data, tmp_path / "out", monkeypatch)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.name != "lock"}
    refused = again(data, tmp_path / "out", *options)
    assert refused.code == 2
    assert "belongs to a scan of other inputs or options (" in refused.sentence
    assert named in refused.sentence
    assert "name another folder, or replace it with --force" in refused.sentence
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.name != "lock"} == before


def test_a_finished_scan_is_not_repeated_and_another_is_refused(data: Several, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert again(data, out).code == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    same = again(data, out)
    assert (same.code, same.err) == (0, f"{out} holds this very scan already; --force makes it anew\n")
    assert again(data, out, "--min-sites", 5).code == 2
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    assert ".popscan" not in listed(out)
    content = tables(out)
    (out / "notes.txt").write_text("mine")
    assert again(data, out, "--force").code == 0
    assert tables(out) == content
    assert (out / "windows.tsv.gz").stat().st_mtime_ns > before[out / "windows.tsv.gz"]
    assert again(data, out, "--min-sites", 5, "--statistics", "pi", "--force").code == 0
    assert [name for name in listed(out / "tracks") if name.endswith(".bw")] == ["pi.A.bw", "pi.B.bw", "pi.C.bw"]
    assert "sites.tsv.gz" not in listed(out), "nothing of the old scan stays"
    assert (out / "notes.txt").read_text() == "mine"


def test_the_vcf_itself_is_part_of_a_scans_identity(data: Several, tmp_path: Path) -> None:
    copy = tmp_path / "input.vcf.gz"
    shutil.copy(data.vcf, copy)
    moved = Several(copy, data.populations, data.contigs, data.records)
    assert again(moved, tmp_path / "out").code == 0
    assert "holds this very scan already" in again(data, tmp_path / "out").err, "the same file at another place"
    other = several(tmp_path, contigs=2, records=150)
    refused = again(other, tmp_path / "out")
    assert (refused.code, "vcf was" in refused.sentence) == (2, True)


def test_a_deleted_table_is_made_again(data: Several, straight: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert again(data, out).code == 0
    (out / "windows.tsv.gz").unlink()
    assert again(data, out).code == 0
    assert tables(out) == straight


def test_a_forced_scan_that_fails_leaves_the_old_result(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert again(data, out).code == 0
    steps = Steps(monkeypatch, "compute")
    steps.fatal = 1
    assert again(data, out, "--min-sites", 5, "--force").code == 1
    assert tables(out) == straight
    assert json.loads((out / "run.json").read_text())["options"]["min_sites"] == 3
    steps.fatal = None
    assert again(data, out).code == 2, "a forced scan is under way"
    assert again(data, out, "--min-sites", 5).code == 0
    assert json.loads((out / "run.json").read_text())["options"]["min_sites"] == 5


def test_another_genome_redraws_a_finished_scan(data: Several, straight: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert again(data, out).code == 0
    assert 'genome="hg38"' not in (out / "igv_session.xml").read_text()
    told = again(data, out, "--genome", "hg38")
    assert told.code == 0
    assert "holds this very scan already" in told.err
    assert 'genome="hg38"' in (out / "igv_session.xml").read_text()
    assert json.loads((out / "run.json").read_text())["genome"] == "hg38"
    assert tables(out) == straight


def test_two_runs_at_once_do_not_meet(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes while the first has nothing on disk yet, and while it has parts."""
    out, refused = tmp_path / "out", list[Run]()
    real = scan.compute

    def meanwhile(task: Task) -> Any:
        if task.part.index in (0, 2) and len(refused) < 2:
            refused.append(again(data, out))
        return real(task)

    monkeypatch.setattr(scan, "compute", meanwhile)
    assert again(data, out).code == 0
    assert [run.code for run in refused] == [1, 1]
    assert {run.sentence for run in refused} == {f"another popscan is writing to {out}: wait for it, or stop it"}
    assert tables(out) == straight


def test_a_vcf_replaced_while_it_is_read_is_noticed(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, other = tmp_path / "input.vcf.gz", several(tmp_path_of(tmp_path), contigs=2, records=150)
    for suffix in ("", ".tbi"):
        shutil.copy(f"{data.vcf}{suffix}", f"{copy}{suffix}")
    real = scan.compute

    def replacing(task: Task) -> Any:
        done = real(task)
        if task.part.index == PARTS - 1:
            shutil.copy(other.vcf, copy)
        return done

    monkeypatch.setattr(scan, "compute", replacing)
    failed = again(Several(copy, data.populations, {}, []), tmp_path / "out")
    assert (failed.code, failed.sentence) == (1, f"{copy} was replaced while it was read: scan it again")
    assert not (tmp_path / "out").exists()


def tmp_path_of(folder: Path) -> Path:
    made = folder / "other"
    made.mkdir()
    return made


FULL = OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_up_keeps_what_is_finished(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    real, calls = np.savez, list[int]()

    def full(*given: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise FULL
        real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        failed = again(data, tmp_path / "out")
    assert failed.code == 1
    assert "part-000003.npz cannot be written: No space left on device" in failed.sentence
    assert listed(tmp_path / "out") == [".popscan"]
    steps = Steps(monkeypatch, "compute")
    assert again(data, tmp_path / "out").code == 0
    assert steps.done == [3, 4, 5]
    assert tables(tmp_path / "out") == straight


def test_a_disk_that_fills_up_while_tables_are_written(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        written = 0

        def write(self, _data: bytes) -> None:
            self.written += 1
            if self.written > 1:  # the first holds the column names only
                raise FULL

        def close(self) -> None:
            raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(table, "pysam", SimpleNamespace(BGZFile=lambda *_given: Full()))
        failed = again(data, tmp_path / "out", "--statistics", "pi")
    assert failed.code == 1
    assert "windows.tsv.gz" in failed.sentence
    assert "No space left on device" in failed.sentence
    assert listed(tmp_path / "out") == [".popscan"]
    assert again(data, tmp_path / "out", "--statistics", "pi").code == 0


def test_a_disk_that_fills_up_while_tracks_are_drawn(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: Any, **_named: Any) -> None:
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(publish, "write_bigwig", full)
        failed = again(data, tmp_path / "out")
    assert (failed.code, failed.sentence) == (1, "a file: the disk is full")
    assert again(data, tmp_path / "out").code == 0
    assert tables(tmp_path / "out") == straight
    assert (tmp_path / "out" / "tracks" / "pi.A.bw").exists()


def test_parts_cut_elsewhere_are_not_mixed_in(
    data: Several, straight: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with another kind of index, whose bins lead to other cuts."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(partition, "PART_RECORDS", (90, 90))
        steps = Steps(patch, "compute")
        steps.fatal = 3
        assert again(data, out).code == 1
    assert (out / ".popscan" / "parts" / "part-000002.json").exists()
    steps = Steps(monkeypatch, "compute")
    assert again(data, out).code == 0
    assert steps.done == list(range(PARTS))
    assert tables(out) == straight


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """24 contigs, so at least 24 parts: enough to be interrupted."""
    return several(tmp_path_factory.mktemp("long"), contigs=24, records=150, samples=15)


@pytest.fixture(scope="module")
def undisturbed(long: Several) -> dict[str, bytes]:
    """The tables of a scan of `long` that nothing befell."""
    out = long.vcf.parent / "straight"
    scanned(long.vcf, "-p", long.populations, "--out", out, "--threads", 1, *OPTIONS)
    return tables(out)


def start(data: Several, out: Path, threads: int) -> subprocess.Popen[str]:
    """Start a slow scan as a shell does, in a process group of its own, and wait for its first part."""
    words = ["scan", data.vcf, "-p", data.populations, "--out", out, "--threads", threads, *OPTIONS]
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from scanner import partition, scan; from slow_steps import slow_compute\n"
        "partition.PART_RECORDS, scan.compute = (60, 60), slow_compute\n"
        "from scanner.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not any((out / ".popscan" / "parts").glob("part-*.json")):
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    return process


def gone(group: int) -> bool:
    """Tell whether all processes of a group end within seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_is_one_line_and_the_scan_goes_on(
    long: Several, undisturbed: dict[str, bytes], tmp_path: Path, threads: int
) -> None:
    process = start(long, tmp_path / "out", threads)
    os.killpg(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert told == (
        f"popscan: stopped; what is finished is kept in {tmp_path / 'out'}: run the same command again to go on\n"
    )
    assert process.returncode == 1
    assert listed(tmp_path / "out") == [".popscan"]
    assert gone(process.pid)
    done = scanned(long.vcf, "-p", long.populations, "--out", tmp_path / "out", "--threads", 1, *OPTIONS)
    assert "went on from" in done.err
    assert tables(tmp_path / "out") == undisturbed


def test_a_killed_scan_goes_on(long: Several, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    process = start(long, tmp_path / "out", 2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert gone(process.pid), "workers end with the process that started them"
    done = scanned(long.vcf, "-p", long.populations, "--out", tmp_path / "out", "--threads", 1, *OPTIONS)
    assert "went on from" in done.err
    assert tables(tmp_path / "out") == undisturbed
