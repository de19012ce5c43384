"""A log says input, plan, rates, memory and errors, goes where it is asked to, and fails no run."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import recipes
from scanning import Several, popscan, scanned, several, tables

from scanner import logs
from scanner.cli.progress import LoggedBar
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


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.toml"
    path.write_text(recipes.SMALL)
    return path


def staged(_asked: object, _place: object, _workers: object, progress: LoggedBar, *_more: object) -> SimpleNamespace:
    """Do what libraries do that take long: two stages."""
    for stage in ("simulating", "training"):
        progress.start(stage, 40)
        progress.advance(30)
    return SimpleNamespace(metrics={})


def stages(text: str) -> list[str]:
    """Check that stages are logged with rate and memory, and list what else is."""
    rate = r" INFO {}: 30 {} in [\d.]+ s, [\d,]+ {}/s, peak memory of a process [\d,]+ MB$"
    found = [line.split("Z ", 1)[1] for line in text.splitlines()]
    for stage, unit in (("simulating", "simulations"), ("training", "steps")):
        assert f"INFO {stage}: 40 {unit} to do" in found
        assert re.search(rate.format(stage, unit, unit), text, re.MULTILINE), text
    assert found[-1].startswith("INFO done in ")
    return found


def test_simulate_logs_too(recipe: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = popscan("simulate", recipe, "--out", tmp_path / "out", "-t", 1, "--log-file", log, "--verbose")
    assert done.code == 0, done.err
    text = [line.split("Z ", 1)[1] for line in log.read_text().splitlines()]
    assert text[0].startswith("INFO popscan ")
    assert text[0].endswith(f"--log-file {log} --verbose")
    assert text[1] == f"INFO input {recipe}: 12 simulations of small in 1 shards"
    assert text[2] == "INFO simulating: 12 simulations to do"
    assert text[3].startswith("INFO simulating: 12 simulations in ")
    assert text[4].startswith("INFO done in ")
    assert done.err.count(" INFO ") == 5
    again = popscan("simulate", recipe, "--out", tmp_path / "out", "--seed", 99, "--log-file", log, "--quiet")
    assert log.read_text().endswith(f" ERROR {again.sentence}\n")


def test_train_logs_too(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras")
    monkeypatch.setattr("scanner.train.run.train", staged)
    monkeypatch.setattr("scanner.train.model.publish_model", lambda *_given, **_named: "a report")
    log = tmp_path / "log"
    done = popscan("train", recipe, "--out", tmp_path / "model", "-t", 1, "--log-file", log)
    assert (done.code, done.out) == (0, "a report\n")
    assert f"INFO input {recipe}: work in {tmp_path / 'model.work'}" in stages(log.read_text())
    assert " INFO " not in done.err
    assert popscan("train", recipe, "--out", tmp_path / "model", "-q", "-v").sentence == (
        "--quiet and --verbose exclude each other"
    )


def test_evaluate_logs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras")
    monkeypatch.setattr("scanner.evaluate.folders.evaluate_model", staged)
    monkeypatch.setattr("scanner.evaluate.report.table", lambda _metrics: "a table\n")
    done = popscan("evaluate", "recombination-t2", "-t", 1, "--verbose", "--simulations", 20)
    assert (done.code, done.out) == (0, "a table\n")
    assert "recombination-t2: 20 fresh simulations, baselines boosting" in stages(done.err)[1]
