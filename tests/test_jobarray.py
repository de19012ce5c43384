"""A scan computed part by part, by jobs that know nothing of each other, and joined: the bytes of a plain scan."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from scanning import Run, Several, popscan, scanned, several, tables

from scanner import jobarray, partition, plan, scan
from scanner.workspace import Workspace

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
    return several(tmp_path_factory.mktemp("jobarray"), contigs=2, records=180, length=90_000)


def words(data: Several, out: Path) -> list[object]:
    return [data.vcf, "-p", data.populations, "--out", out, *OPTIONS]


def part(data: Several, out: Path, which: object, *more: object) -> Run:
    return popscan("scan", *words(data, out), "--part", which, *more)


@pytest.fixture(scope="module")
def plain(data: Several) -> dict[str, bytes]:
    """Everything that a plain scan draws and tabulates."""
    out = data.vcf.parent / "plain"
    scanned(*words(data, out), "--threads", 1)
    return drawn(out)


def drawn(out: Path) -> dict[str, bytes]:
    """Read the tables and all tracks."""
    files = [path for folder in ("tracks", "calls") for path in sorted((out / folder).rglob("*")) if path.is_file()]
    return {**tables(out), **{str(path.relative_to(out)): path.read_bytes() for path in files}}


def test_plan_gives_the_number_of_parts_and_lists_them(data: Several) -> None:
    given = [data.vcf, "-p", data.populations, *OPTIONS, "--parts"]
    assert popscan("plan", *given).out == f"{PARTS}\n"
    listed = json.loads(popscan("plan", *given, "--json").out)
    assert listed["count"] == PARTS
    assert [entry["part"] for entry in listed["parts"]] == list(range(PARTS))
    assert listed["parts"][0]["region"].startswith("1:1-")
    assert sum(entry["records"] for entry in listed["parts"]) > 300


def test_parts_in_any_order_and_twice_are_joined_to_the_same_bytes(
    data: Several, plain: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert f"part 5 of 0-{PARTS - 1}: 1 computed, 0 there already" in part(data, out, 5).err
    assert "part 0-2 of 0-5: 3 computed, 0 there already" in part(data, out, "0-2", "--threads", 2).err
    assert "part 0-2,5 of 0-5: 0 computed, 4 there already" in part(data, out, "0-2,5").err
    assert part(data, out, "3,4").code == 0
    joined = popscan("gather", out, "--threads", 1)
    assert joined.code == 0, joined.err
    assert drawn(out) == plain
    assert not (out / ".popscan").exists()
    record = json.loads((out / "run.json").read_text())
    assert record["command"] == ["popscan", "gather", str(out), "--threads", "1"]
    before = (out / "run.json").stat().st_mtime_ns
    again = popscan("gather", out)
    assert (again.code, "holds this very scan already" in again.err) == (0, True)
    late = part(data, out, 3)
    assert (late.code, late.err) == (0, f"{out} holds the result of this very scan already\n")
    assert (out / "run.json").stat().st_mtime_ns == before
    assert "holds this very scan already" in scanned(*words(data, out)).err


def test_jobs_at_once_in_one_folder(data: Several, plain: dict[str, bytes], tmp_path: Path) -> None:
    """Real processes, two of them on the same parts, in a folder that none of them made."""
    out = tmp_path / "out"
    code = (
        "import sys; from scanner import partition; from scanner.cli import main\n"
        "partition.PART_RECORDS = (60, 60); sys.exit(main(sys.argv[1:]))"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, "scan", *map(str, words(data, out)), "--part", which, "--quiet"],
            stderr=subprocess.PIPE,
        )
        for which in ("0-3", "2-5", "2-5")
    ]
    for job in jobs:
        _, said = job.communicate(timeout=120)
        assert (job.returncode, said) == (0, b"")
    assert popscan("gather", out, "--threads", 1).code == 0
    assert drawn(out) == plain


def test_a_second_array_does_what_needs_neighbours(
    data: Several, plain: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert "1 wait for neighbouring parts: 'popscan gather', or this command again" in part(data, out, 0).err
    assert part(data, out, "1-5").code == 0
    second = part(data, out, 0)
    assert "0 computed, 1 there already\n1 with all that needs neighbouring parts\n" in second.err

    def never(_task: object) -> NoReturn:
        raise AssertionError("nothing is left to compute")

    for at in range(PARTS):
        assert part(data, out, at).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(scan, "compute", never)
        patch.setattr(scan.sites, "compute_sites", never)
        assert popscan("gather", out, "--threads", 1).code == 0
    assert drawn(out) == plain


def test_missing_and_damaged_parts_are_named(data: Several, plain: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert part(data, out, "0,3-5").code == 0
    refused = popscan("gather", out, "--threads", 1)
    assert refused.code == 1
    assert refused.sentence == (
        f"{out} lacks parts 1-2 of 6 (0 to 5): compute them with 'popscan scan --part', then gather again"
    )
    assert sorted(path.name for path in out.iterdir()) == [".popscan"]
    assert part(data, out, "1,2").code == 0
    damaged = out / ".popscan" / "parts" / "part-000004.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert "lacks part 4 of 6 (0 to 5): compute it with" in popscan("gather", out, "--threads", 1).sentence
    assert part(data, out, 4).code == 0
    assert popscan("gather", out, "--threads", 1).code == 0
    assert drawn(out) == plain


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("6", "--part 6: the parts of this scan are 0 to 5"),
        ("0-9", "--part 0-9: the parts of this scan are 0 to 5"),
        ("x", "--part x: give the number of a part, or several as 0-9,12"),
        ("3-1", "--part 3-1: give the number of a part, or several as 0-9,12"),
        ("-1", "--part -1: give the number of a part, or several as 0-9,12"),
    ],
)
def test_a_part_that_there_is_not(data: Several, tmp_path: Path, which: str, message: str) -> None:
    refused = part(data, tmp_path / "out", which)
    assert (refused.code, refused.sentence) == (2, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--scheduler", "tcp://x:1"], ["--force"]])
def test_a_part_needs_no_scheduler_and_replaces_nothing(data: Several, tmp_path: Path, words: list[str]) -> None:
    refused = part(data, tmp_path / "out", 0, *words)
    assert (refused.code, refused.sentence) == (
        2,
        f"--part needs no scheduler and replaces nothing: leave out {words[0]}",
    )


def test_parts_of_other_options_or_inputs_are_refused(data: Several, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert part(data, out, 0).code == 0
    refused = part(data, out, 1, "--min-sites", 5)
    assert refused.code == 2
    assert "belongs to a scan of other inputs or options (min_sites was 3, is 5)" in refused.sentence
    moved = Several(tmp_path / "other.vcf.gz", data.populations, {}, [])
    moved.vcf.write_bytes(several(tmp_path, contigs=2, records=150).vcf.read_bytes())
    assert "(vcf was " in part(moved, out, 1).sentence
    assert not (out / ".popscan" / "parts" / "part-000001.npz").exists()


def test_what_is_no_folder_of_parts_is_refused(data: Several, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        refused = popscan("gather", folder)
        assert refused.code == 2
        assert refused.sentence.startswith(f"{folder} holds no parts to join: compute them with 'popscan scan VCF")
    out = tmp_path / "out"
    assert part(data, out, 0).code == 0
    (out / ".popscan" / "request.json").write_text('{"request": {"vcf": 3}}')
    refused = popscan("gather", out)
    assert (refused.code, "does not hold what a scan was asked for" in refused.sentence) == (2, True)


def test_windows_counted_in_snps_are_laid_once(data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [data.vcf, "-p", data.populations, "--window", "20snps", "--statistics", "pi,fst"]
    scanned(*given, "--out", tmp_path / "plain", "--threads", 1)
    out, laid, once = tmp_path / "out", list[int](), 0
    real = plan.positions_of

    def counting(*words: Any) -> Any:
        laid.append(1)
        return real(*words)

    monkeypatch.setattr(plan, "positions_of", counting)
    count = int(popscan("plan", *given, "--parts").out)
    laid.clear()
    for at in range(count):
        assert popscan("scan", *given, "--out", out, "--part", at).code == 0
        assert at == 0 or len(laid) == once
        once = len(laid)
    assert popscan("gather", out, "--threads", 1).code == 0
    assert len(laid) == once
    assert drawn(out) == drawn(tmp_path / "plain")


def test_parts_and_a_scan_keep_out_of_each_others_way(data: Several, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert part(data, out, 0).code == 0
    sentence = f"another popscan is writing to {out}: wait for it, or stop it"
    with Workspace(out).locked(shared=True):
        assert part(data, out, 1).code == 0
        assert popscan("gather", out).sentence == sentence
        assert popscan("scan", *words(data, out)).sentence == sentence
    with Workspace(out).locked():
        assert part(data, out, 2).sentence == sentence
    assert popscan("scan", *words(data, out), "--threads", 1).code == 0, "a plain scan goes on with what is there"


def test_a_job_that_fails_leaves_nothing_and_one_that_is_stopped_keeps_its_parts(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert part(data, out, 0, "--populations", tmp_path / "none.tsv").code == 2
    assert list(tmp_path.iterdir()) == []
    real = jobarray.compute

    def stopping(task: Any) -> Any:
        if task.part.index == 2:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(jobarray, "compute", stopping)
    stopped = part(data, out, "1,2")
    assert (stopped.code, stopped.sentence) == (1, "stopped; run the same command again to compute what is missing")
    monkeypatch.undo()
    monkeypatch.setattr(partition, "PART_RECORDS", (60, 60))
    assert "1 computed, 1 there already" in part(data, out, "1,2").err


def test_a_file_system_without_locks_is_used_all_the_same(
    data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_given: object) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    assert part(data, tmp_path / "out", 0).code == 0
