"""A log says input, plan, rates, memory and errors, goes where it is asked to, and fails no run."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from scanning import Several, popscan, scanned, several, tables

from scanner import logs
from scanner.compute import Done
from scanner.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """2 contigs."""
    return several(tmp_path_factory.mktemp("logs"), contigs=2, records=150)


def words(data: Several, out: Path) -> list[object]:
    return [data.vcf, "-p", data.populations, "--window", "4kb", "--out", out, "--threads", 1]


def test_a_log_file_says_input_plan_rate_and_memory(data: Several, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "scan.log"
    told = scanned(*words(data, tmp_path / "out"), "--log-file", log, "--statistics", "pi,ihs")
    assert "INFO" not in told.err
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO ", line) for line in lines)
    text = [line.split(" INFO ", 1)[1] for line in lines]
    assert text[0].startswith("popscan ")
    assert text[0].endswith(f"--log-file {log} --statistics pi,ihs")
    size = data.vcf.stat().st_size
    assert text[1].startswith(f"input {data.vcf}: {size:,} bytes, 2 contigs, 12 samples in 3 populations, about ")
    assert re.fullmatch(r"plan: 20 windows, 9 columns, 2 parts, about \d+ MB a process", text[2]), text[2]
    rate = r" 2 parts, [\d,]+ records in [\d.]+ s, [\d,]+ records/s, peak memory of a process [\d,]+ MB"
    assert re.fullmatch("scanning:" + rate, text[3]), text[3]
    assert re.fullmatch("ihs:" + rate, text[4]), text[4]
    assert text[5].startswith("done in ")
    assert len(text) == 6


def test_verbose_says_each_part_and_appends(data: Several, tmp_path: Path) -> None:
    log = tmp_path / "scan.log"
    log.write_text("before\n")
    done = scanned(*words(data, tmp_path / "out"), "--log-file", log, "--verbose")
    assert log.read_text().startswith("before\n")
    assert log.read_text().count(" DEBUG scanning: part ") == done.err.count(" DEBUG scanning: part ") == 2
    assert "peak memory" in done.err
    assert not logging.getLogger("scanner").handlers
    assert "DEBUG" not in scanned(*words(data, tmp_path / "two")).err


def test_an_error_stands_in_the_log_too(data: Several, tmp_path: Path) -> None:
    log = tmp_path / "scan.log"
    failed = popscan("scan", *words(data, tmp_path / "out"), "--region", "9", "--log-file", log, "--quiet")
    assert failed.code == 2
    assert log.read_text().endswith(f" ERROR {failed.sentence}\n")
    again = popscan("scan", *words(data, tmp_path / "out"), "--region", "9", "--verbose")
    assert again.sentence == failed.sentence, "once on standard error"


def test_gather_and_parts_log_too(data: Several, tmp_path: Path) -> None:
    log, out = tmp_path / "scan.log", tmp_path / "out"
    given = [data.vcf, "--window", "4kb", "--out", out, "--log-file", log]
    assert popscan("scan", *given, "--part", "0-1").code == 0
    assert popscan("gather", out, "--log-file", log, "--threads", 1).code == 0
    assert log.read_text().count("plan: 20 windows") == 2
    assert log.read_text().count("scanning: 2 parts") == 1


def test_quiet_and_verbose_exclude_each_other(data: Several, tmp_path: Path) -> None:
    refused = popscan("scan", *words(data, tmp_path / "out"), "-q", "-v")
    assert (refused.code, refused.sentence) == (2, "--quiet and --verbose exclude each other")


def test_a_log_that_cannot_be_written_is_said_so(data: Several, tmp_path: Path) -> None:
    refused = popscan("scan", *words(data, tmp_path / "out"), "--log-file", tmp_path)
    assert (refused.code, refused.sentence) == (1, f"--log-file {tmp_path} cannot be written: Is a directory")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_loses_the_log_and_not_the_scan(
    data: Several, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    scanned(*words(data, tmp_path / "plain"))
    done = scanned(*words(data, tmp_path / "out"), "--log-file", "/dev/full")
    assert "Traceback" not in done.err + capfd.readouterr().err
    assert tables(tmp_path / "out") == tables(tmp_path / "plain")


def test_a_long_stage_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logs, "EVERY", 0)
    with caplog.at_level("INFO", "scanner"):
        stage = logs.StageLog("scanning", 40)
        stage.add(logs.Measured(Done(0, 10), 0.5, 3_000_000, "here"))
        logs.StageLog("nothing", 0).end()
    assert caplog.messages[0].startswith("scanning: 25%, 10 records in ")
    assert caplog.messages[0].endswith("peak memory of a process 3 MB")
    assert len(caplog.messages) == 1


def test_lines_stay_lines(tmp_path: Path) -> None:
    def fail() -> None:
        with logs.logged_to(tmp_path / "log"):
            logging.getLogger("scanner.x").info("two\nlines")
            raise InputError("a\nb")

    with pytest.raises(InputError):
        fail()
    assert [line.split("Z ", 1)[1] for line in (tmp_path / "log").read_text().splitlines()] == [
        "INFO two lines",
        "ERROR a b",
    ]
