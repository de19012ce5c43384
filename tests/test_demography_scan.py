"""Histories in a result: written for every population, listed in run.json, compared by popscan check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import Simulated
from scanning import scanned

import scanner.network
from scanner import demography
from scanner.check_result import check_result
from scanner.result import HISTORY as SCORES
from scanner.table import read_table
from scanner.workspace import RESULTS, Workspace

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network

from scanner.network import backend, reference, store
from scanner.network.spec import Output

quiet = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
BARE = ("--statistics", "none", "--window", "5kb", "--step", "5kb", "--min-sites", 1, "--threads", 1, "--quiet")


@pytest.fixture(scope="module", autouse=True)
def _small_batches() -> Iterator[None]:
    """Small data need no large batches, which cost as much whatever is in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backend.BATCH_SITES, "cpu", 1024)
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network of demography."""
    arch = replace(small_network.ARCH, outputs=5)
    outputs = tuple(Output(name, "log10", "none", 3.5, 0.3, 1.7) for name in SCORES)
    spec = small_network.spec((1, 2), id="small-history", task="demography", outputs=outputs)
    folder = tmp_path_factory.mktemp("models") / "small-history"
    summaries = np.random.default_rng(1).normal(0, 10, size=(500, arch.channels + arch.extras))
    network = small_network.network(1, 2, arch=arch)
    golden = small_network.inputs(arch=arch)
    store.save(folder, spec, network, golden=golden, reference=reference.fit(summaries), texts=small_network.TEXTS)
    return folder


@pytest.fixture(scope="module")
def scan(simulated: Simulated, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan three populations with it."""
    out = tmp_path_factory.mktemp("scan") / "out"
    done = scanned(simulated.vcf, "-p", simulated.populations, "--models", model, "--out", out, *BARE[:-1])
    for path in out.glob(demography.FILES):
        assert f"generations ago ({path.name})" in done.out + done.err
    return out


@quiet
def test_a_scan_writes_the_history_of_every_population(scan: Path) -> None:
    record, found = json.loads((scan / "run.json").read_text()), read_table(scan / "windows.tsv.gz")
    assert [entry["population"] for entry in record["histories"]] == list(record["populations"])
    for entry in record["histories"]:
        name = entry["population"]
        assert entry["file"] == f"demography.{name}.demes.yaml"
        values = found.columns[f"log_n1.{name}"]
        assert entry["windows"] == np.isfinite(values).sum() > 0
        value, low, high = entry["log_n1"]
        assert value == pytest.approx(np.nanmean(values), abs=1e-5)
        assert low < value < high
        assert entry["deme"] in (scan / entry["file"]).read_text()


@quiet
def test_all_samples_together_have_one_history(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    scanned(simulated.vcf, "--models", model, "--out", tmp_path / "out", *BARE)
    (entry,) = json.loads((tmp_path / "out" / "run.json").read_text())["histories"]
    assert (entry["population"], entry["file"], entry["deme"]) == ("", "demography.demes.yaml", "population")
    assert (tmp_path / "out" / "demography.demes.yaml").is_file()


@quiet
def test_check_compares_histories_with_the_table(scan: Path, tmp_path: Path) -> None:
    result = shutil.copytree(scan, tmp_path / "result")
    assert [item for item in check_result(result) if item.level == "error"] == []
    assert sum(item.text.startswith("demography.") for item in check_result(result)) == 3
    first, second, _ = sorted(result.glob("demography.*"))
    first.unlink()
    second.write_text(second.read_text().replace("generations", "years"))
    (result / "demography.X.demes.yaml").write_text("")
    errors = [item.text for item in check_result(result) if item.level == "error"]
    assert errors == [
        f"{result / 'demography.X.demes.yaml'} is the history of no population of run.json: run popscan scan again",
        f"{first} is missing: run popscan scan again",
        f"{second} is not the history that windows.tsv.gz tells: run popscan scan again",
    ]


@quiet
def test_histories_of_an_earlier_scan_go_away(scan: Path) -> None:
    workspace = Workspace(scan)
    assert any(scan.glob(demography.FILES))
    assert demography.FILES in RESULTS
    workspace.clear()
    assert not any(scan.glob(demography.FILES))
