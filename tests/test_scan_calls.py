"""Calls of classes in a scan: thresholds from the simulations that the model carries, and the regions they make."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from conftest import Simulated
from scanning import Table, popscan, read_table, scanned
from test_hub import drawn

import scanner.network
from scanner import discovery
from scanner.browser.bigbed import CLASS_AUTOSQL
from scanner.browser.hub_pages import calls_page
from scanner.networks import FAR
from scanner.result import load

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SHARES = {"sweep_neutral": 0.5, "sweep_hard": 0.3, "sweep_soft": 0.2}
COLUMNS = [f"{name}.{population}" for name in ("sweep_hard", "sweep_soft") for population in "ABC"]
BARE = ("--statistics", "none", "--window", "2kb", "--step", "1kb", "--min-sites", 1, "--threads", 1)
PRIOR = (0.4, 0.36, 0.24)
LEVEL = 0.2


@pytest.fixture(scope="module", autouse=True)
def weak_evidence() -> Iterator[None]:
    """Call on any evidence: an untrained network finds no other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "EVIDENCE", 1.0)
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network, and simulations above which some windows of a scan stand out."""
    folder = tmp_path_factory.mktemp("models") / "small-one"
    small_network.write_classes(folder, SHARES, small_network.null_windows(0.35, 2, 2000))
    return folder


@pytest.fixture(scope="module")
def said(simulated: Simulated, model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Scan, and give the result and what was printed."""
    out = tmp_path_factory.mktemp("scan") / "out"
    words = ("--prior", f"sweep={1 - PRIOR[0]}", "--fdr", LEVEL, "--out", out, *BARE)
    done = scanned(simulated.vcf, "-p", simulated.populations, "--models", model, *words)
    return out, done.err


@pytest.fixture(scope="module")
def scan(said: tuple[Path, str]) -> Path:
    return said[0]


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def simulated_posteriors(column: str) -> list[float]:
    """Weigh the simulations of the model as a scan with `PRIOR` does, in the digits of a table."""
    drawn = small_network.null_windows(0.35, 2, 2000)
    weighed = drawn * np.array(PRIOR) / np.array(list(SHARES.values()))
    weighed /= weighed.sum(axis=1, keepdims=True)
    at = list(SHARES).index(column.partition(".")[0])
    return [float(f"{value:.9g}") for value in weighed[:, at]]


def naive_threshold(table: Table, column: str) -> float | None:
    """Try every window's probability, from the lowest on."""
    null = simulated_posteriors(column)
    far = table.values(column.replace(column.partition(".")[0], "small-one_out_of_range"))
    values = table.values(column)
    windows = int(np.isfinite(values).sum())
    fit = values[np.isfinite(values) & (far <= FAR)]
    for at in np.unique(fit):
        false = (1 + sum(value >= at for value in null)) / (1 + len(null)) * windows
        if false / (fit >= at).sum() <= LEVEL:
            return float(at)
    return None


def naive_regions(table: Table, column: str, threshold: float) -> list[tuple[int, int, float, int]]:
    """Join called windows that touch: start, end, largest probability, and number."""
    found: list[tuple[int, int, float, int]] = []
    for (_, start, end), value in zip(table.bounds, table.values(column).tolist(), strict=True):
        if not value >= threshold:
            continue
        if found and start <= found[-1][1]:
            first, _, best, count = found.pop()
            found.append((first, end, max(best, value), count + 1))
        else:
            found.append((start, end, value, 1))
    return found


@pytest.mark.parametrize("column", COLUMNS)
def test_run_json_has_level_threshold_and_simulations(scan: Path, column: str) -> None:
    table, entry = read_table(scan / "windows.tsv.gz"), record(scan)["calls"][column]
    expected = naive_threshold(table, column)
    assert entry["threshold"] == (None if expected is None else pytest.approx(expected, abs=1e-6))
    assert (entry["level"], entry["null"], entry["windows"]) == (LEVEL, 2000, np.isfinite(table.values(column)).sum())
    assert record(scan)["options"]["fdr"] == LEVEL
    assert record(scan)["identity"]["fdr"] == str(LEVEL)


def test_some_columns_have_calls_and_some_have_none(scan: Path) -> None:
    thresholds = {column: entry["threshold"] for column, entry in record(scan)["calls"].items()}
    assert list(thresholds) == COLUMNS
    assert {value is None for value in thresholds.values()} == {True, False}


@pytest.mark.parametrize("column", COLUMNS)
def test_called_windows_are_joined_to_regions(scan: Path, column: str) -> None:
    table, entry = read_table(scan / "windows.tsv.gz"), record(scan)["calls"][column]
    path = scan / "calls" / f"{column}.bed.gz"
    if entry["threshold"] is None:
        assert not path.exists()
        assert not path.with_name(f"{column}.bb").exists()
        return
    expected = naive_regions(table, column, entry["threshold"])
    label = "Hard sweep" if "hard" in column else "Soft sweep"
    rows = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    assert [(int(row[1]), int(row[2]), row[3], int(row[4])) for row in rows] == [
        (start, end, f"{label} {best:.3g}", round(1000 * best)) for start, end, best, _ in expected
    ]
    with pyBigWig.open(str(path.with_name(f"{column}.bb"))) as file:
        assert file.SQL().decode() == CLASS_AUTOSQL
        entries = [entry for name, length in file.chroms().items() for entry in file.entries(name, 0, length)]
    further = [entry[2].split("\t")[6:] for entry in entries]
    assert [(name, float(best), int(size), int(count)) for name, best, size, count, _ in further] == [
        (label, pytest.approx(best), end - start, count) for start, end, best, count in expected
    ]
    grey = [row[8] == "153,153,153" for row in rows]
    rates = [float(row[4]) for row in further]
    assert all(rate == 1 if doubtful else 0 < rate <= LEVEL for rate, doubtful in zip(rates, grey, strict=True))
    by_posterior = [rate for _, rate in sorted(zip((row[2] for row in expected), rates, strict=True))]
    sure = [rate for rate in by_posterior if rate < 1]
    assert sure == sorted(sure, reverse=True), "the more probable, the less likely false"


def test_the_summary_says_how_many_regions_at_which_level(said: tuple[Path, str]) -> None:
    folder, text = said
    (line,) = [line for line in text.splitlines() if line.startswith("regions at ")]
    head, _, tail = line.partition(": ")
    assert head == f"regions at a false-discovery level of {LEVEL}"
    told = dict(re.match(r"(\S+) (.*)", item).groups() for item in tail.split(", "))  # type: ignore[union-attr]
    assert list(told) == COLUMNS
    for column, entry in record(folder)["calls"].items():
        if entry["threshold"] is None:
            assert told[column] == "none"
        else:
            count = len(gzip.decompress((folder / "calls" / f"{column}.bed.gz").read_bytes()).splitlines())
            assert told[column] == f"{count} (from {entry['threshold']:.3g})"


def test_the_result_is_sound_and_is_published_again_alike(scan: Path) -> None:
    files = sorted((scan / "calls").iterdir())
    before = {path.name: path.read_bytes() for path in files}
    assert popscan("check", scan).code == 0
    assert popscan("publish", scan).code == 0
    assert {path.name: path.read_bytes() for path in sorted((scan / "calls").iterdir())} == before


def test_the_page_of_the_calls_tells_the_level(scan: Path) -> None:
    for column, entry in record(scan)["calls"].items():
        score, _, population = column.partition(".")
        text = calls_page(load(scan), drawn(score, (population,)))
        assert ("The level of this scan is 0.2, at which windows are called from" in text) == (entry["called"] > 0)
        assert f"of {entry['null']:,} simulated ones" in text or not entry["called"]


def test_check_finds_calls_that_the_record_does_not_give(scan: Path, tmp_path: Path) -> None:
    spoilt = shutil.copytree(scan, tmp_path / "out")
    held = record(spoilt)
    called = next(column for column, entry in held["calls"].items() if entry["threshold"] is not None)
    held["calls"][called]["threshold"] = 0.9999
    (spoilt / "run.json").write_text(json.dumps(held))
    done = popscan("check", spoilt)
    assert done.code == 1
    assert f"{called}.bed.gz shows what windows.tsv.gz does not hold" in done.out + done.err
    held["calls"] = {called: {"threshold": "high"}}
    (spoilt / "run.json").write_text(json.dumps(held))
    done = popscan("check", spoilt)
    assert done.code == 1
    assert "run.json does not say what is called" in done.out + done.err


def test_with_too_few_simulations_nothing_is_called_and_that_is_said(simulated: Simulated, tmp_path: Path) -> None:
    small_network.write_classes(tmp_path / "small-one", SHARES, small_network.null_windows(0.98, 2, 12))
    words = (simulated.vcf, "--models", tmp_path / "small-one", "--region", "1:1-200000", *BARE)
    done = scanned(*words, "--out", tmp_path / "out")
    found = record(tmp_path / "out")["calls"]
    assert [entry["threshold"] for entry in found.values()] == [None, None]
    assert found["sweep_hard"]["leading"] > 0
    assert "regions at a false-discovery level of 0.05: sweep_hard none, sweep_soft none" in done.err
    notes = [line for line in done.err.splitlines() if "are above all 12 simulations without any" in line]
    assert [line.split(": ")[:2] for line in notes] == [["note", "sweep_hard"], ["note", "sweep_soft"]]
    assert not any(path.suffix in (".gz", ".bb") for path in (tmp_path / "out").glob("calls/*"))


@pytest.mark.parametrize("given", ["0", "1", "-0.1", "1.5", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(simulated: Simulated, model: Path, tmp_path: Path, given: str) -> None:
    done = popscan("scan", simulated.vcf, "--models", model, f"--fdr={given}", "--out", tmp_path / "out", *BARE)
    assert done.code == 2
    assert done.sentence == (f"--fdr {given}: give the share of calls that may be false, above 0 and below 1")
    assert not (tmp_path / "out").exists()


def test_a_rate_without_a_network_is_refused(simulated: Simulated, tmp_path: Path) -> None:
    done = popscan("scan", simulated.vcf, "--fdr", "0.1", "--out", tmp_path / "out", *BARE)
    assert done.code == 2
    assert done.sentence.endswith("--fdr is about what networks say: name networks with --models")


def test_another_rate_is_another_scan_and_is_repeated(simulated: Simulated, model: Path, scan: Path) -> None:
    words = ("--prior", f"sweep={1 - PRIOR[0]}", "--out", scan, *BARE)
    done = popscan("scan", simulated.vcf, "-p", simulated.populations, "--models", model, "--fdr", 0.1, *words)
    assert done.code == 2
    assert "belongs to a scan of other inputs or options (fdr was 0.2, is 0.1" in done.sentence
    again = popscan("scan", "--from", scan / "run.json", "--out", scan.parent / "again", "--threads", 1)
    assert again.code == 0, again.err
    assert record(scan.parent / "again")["calls"] == record(scan)["calls"]


def test_help_shows_the_level() -> None:
    text = " ".join(popscan("scan", "--help").out.split())
    assert re.search(r"--fdr RATE False-discovery rate .*?\[default: 0\.05\]", text)
