"""Networks that tell classes, in a scan: probabilities of a window from what lies around it too, with any prior."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Simulated
from scanning import popscan, read_table, scanned

import scanner.network
from scanner import partition, predict
from scanner.channels.windows import window_extras
from scanner.errors import UsageError
from scanner.network import prior
from scanner.network.spec import Class

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network
from test_scan_networks import naive_site_channels

from scanner.network import store
from scanner.network.predict import Predictor, probabilities

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SHARES = {"sweep_neutral": 0.5, "sweep_hard": 0.3, "sweep_soft": 0.2}
FAR = "small-one_out_of_range"
CONTEXT = 5
BARE = ("--statistics", "none", "--window", "2kb", "--step", "1kb", "--min-sites", 1, "--threads", 1, "--quiet")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained members, whose probabilities differ from window to window."""
    folder = tmp_path_factory.mktemp("models") / "small-one"
    small_network.write_classes(folder, SHARES, small_network.null_windows(0.9, 2, 50), context=CONTEXT)
    return folder


@pytest.fixture(scope="module")
def scan(simulated: Simulated, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scan") / "out"
    scanned(simulated.vcf, "-p", simulated.populations, "--models", model, "--dense", "--out", out, *BARE)
    return out


def test_probabilities_are_those_of_the_context_on_the_whole_contig(
    simulated: Simulated, model: Path, scan: Path
) -> None:
    table = read_table(scan / "windows.tsv.gz")
    assert table.columns[3:] == [*(f"{score}.{name}" for score in (*SHARES, FAR) for name in "ABC"), "reasons"]
    loaded = store.load(model)
    size, positions, values = naive_site_channels(simulated, model, "B")
    predictor = Predictor(loaded, 2048)
    start, end = (np.array([bounds[at] for bounds in table.bounds]) for at in (1, 2))
    margin = (end - start) * (CONTEXT // 2)
    low, high = start - margin, end + margin
    sites = np.searchsorted(positions, high) - np.searchsorted(positions, low)
    features = predictor.features(values)
    raw = predictor.windows(features, positions, low, high, window_extras(size, low, high, sites))
    expected = probabilities(raw, loaded.spec)
    found = np.column_stack([table.values(f"{name}.B") for name in SHARES])
    some = np.isfinite(found[:, 0])
    assert some.sum() > 20
    np.testing.assert_allclose(found[some], expected[some], atol=1e-5)
    np.testing.assert_allclose(found[some].sum(axis=1), 1, atol=1e-5)
    assert found[some].std(axis=0).min() > 1e-3, "windows differ"
    cut = (low < 0) | (high > simulated.length)
    far = table.values(f"{FAR}.B")
    assert (far[some & cut] == 1).all()
    assert (far[some & ~cut] < 1).any()


@pytest.mark.parametrize("records", [1_000, 100])
def test_the_cuts_between_parts_change_no_probability(
    simulated: Simulated, model: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    monkeypatch.setattr(partition, "PART_RECORDS", (records, records))
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, "--dense", *BARE)
    scanned(*words, "--out", tmp_path / "out")
    for name in ("windows.tsv.gz", "sites.tsv.gz"):
        found, expected = read_table(tmp_path / "out" / name), read_table(scan / name)
        assert found.bounds == expected.bounds
        for column in expected.columns[3:]:
            if column != "reasons":
                np.testing.assert_allclose(found.values(column), expected.values(column), atol=1e-5, err_msg=column)


def test_a_prior_weighs_the_classes(simulated: Simulated, model: Path, scan: Path, tmp_path: Path) -> None:
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, *BARE)
    scanned(*words, "--prior", "sweep=0.01", "--out", tmp_path / "out")
    before, after = read_table(scan / "windows.tsv.gz"), read_table(tmp_path / "out" / "windows.tsv.gz")
    old, new = (np.column_stack([table.values(f"{name}.A") for name in SHARES]) for table in (before, after))
    weighed = old * np.array([0.99 / 0.5, 0.006 / 0.3, 0.004 / 0.2])
    np.testing.assert_allclose(new, weighed / weighed.sum(axis=1, keepdims=True), atol=2e-5)
    record = (tmp_path / "out" / "run.json").read_text()
    assert '"sweep_hard": 0.006' in record
    again = popscan("scan", "--from", tmp_path / "out" / "run.json", "--out", tmp_path / "again", "--threads", 1)
    assert again.code == 0, again.err
    assert (tmp_path / "again" / "windows.tsv.gz").read_bytes() == (tmp_path / "out" / "windows.tsv.gz").read_bytes()


def test_a_scan_does_not_go_on_with_another_prior(
    simulated: Simulated, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (simulated.vcf, "--models", model, "--out", tmp_path / "out", *BARE)

    def stopped(_task: predict.NetTask) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict, "compute_networks", stopped)
        assert popscan("scan", *words).code != 0
    refused = popscan("scan", *words, "--prior", "sweep=0.02")
    assert refused.code == 2
    assert "belongs to a scan of other inputs or options (priors was" in refused.sentence


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["sweep"], "--prior sweep: give a name and a probability from 0 to 1, as in sweep=0.01"),
        (["sweep=2"], "--prior sweep=2: give a name and a probability from 0 to 1, as in sweep=0.01"),
        (["sweep=nan"], "--prior sweep=nan: give a name and a probability from 0 to 1, as in sweep=0.01"),
        (["sweep=0.1", "sweep=0.2"], "--prior sweep is given twice"),
        (["gene=0.1"], "--prior gene: no network of the scan knows it: there is sweep, sweep_neutral"),
        (["sweep_hard=0.7", "sweep_soft=0.7"], "sum to 1.4, and must sum to 1 (small-one)"),
        (["sweep=0.1", "sweep_hard=0.3"], "priors of sweep_hard, sweep_soft sum to 0.3, and must sum to 0.1"),
    ],
)  # fmt: skip
def test_wrong_priors_are_refused(
    simulated: Simulated, model: Path, tmp_path: Path, given: list[str], sentence: str
) -> None:
    words = [word for text in given for word in ("--prior", text)]
    done = popscan("scan", simulated.vcf, "--models", model, *words, "--out", tmp_path / "out", *BARE)
    assert done.code == 2
    assert sentence in done.sentence
    assert not (tmp_path / "out").exists()


def test_a_prior_without_a_network_that_tells_classes_is_refused(simulated: Simulated, tmp_path: Path) -> None:
    done = popscan("scan", simulated.vcf, "--prior", "sweep=0.1", "--out", tmp_path / "out", "--threads", 1)
    assert done.code == 2
    assert done.sentence.endswith("no network of the scan knows it: none of the --models tells classes")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (0.5, 0.3, 0.2)),
        ({"sweep": 0.1}, (0.9, 0.06, 0.04)),
        ({"sweep": 0.1, "sweep_hard": 0.1}, (0.9, 0.1, 0.0)),
        ({"sweep_hard": 0.3}, (0.5, 0.3, 0.2)),
        ({"sweep_neutral": 1.0}, (1.0, 0.0, 0.0)),
        ({"sweep_neutral": 0.9, "sweep_hard": 0.05, "sweep_soft": 0.05}, (0.9, 0.05, 0.05)),
    ],
)
def test_what_no_prior_is_given_for_divides_the_rest(given: dict[str, float], expected: tuple[float, ...]) -> None:
    spec = replace(
        small_network.spec(), task="sweep", outputs=(), classes=tuple(Class(*each) for each in SHARES.items())
    )
    assert prior.resolve(spec, given) == pytest.approx(expected)


def test_priors_that_leave_something_over_are_refused() -> None:
    spec = replace(small_network.spec(), task="sweep", outputs=(), classes=(Class("a", 0.5), Class("b", 0.5)))
    with pytest.raises(UsageError, match=r"the priors of a, b sum to 0.9, and must sum to 1 \(small-one\)"):
        prior.resolve(spec, {"a": 0.5, "b": 0.4})
