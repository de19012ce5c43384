"""Networks without Keras give what Keras gives, and take fewer seconds to begin."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import Simulated
from hypothesis import given, settings
from hypothesis import strategies as st

import scanner.network

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network
from small_network import ARCH

from scanner.errors import UsageError
from scanner.network import architecture, backend, plain, store
from scanner.network.architecture import Architecture
from scanner.network.backend import evaluate
from scanner.network.plain import Plain
from scanner.network.predict import Predictor
from scanner.network.weights import read_plain

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def plain_of(network: object, folder: Path) -> Plain:
    """Write the layers and weights of a network, and read them without Keras."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layers.json").write_text(store._layers(network))
    network.save_weights(folder / "model.weights.h5")  # type: ignore[attr-defined]
    return read_plain(folder / "layers.json", folder / "model.weights.h5")


SHAPES = {
    "one value": ARCH,
    "several values": replace(ARCH, outputs=3, dilations=(1, 3), width=5, parts=1, head=7, windows=12),
    "classes": replace(ARCH, outputs=0, classes=5, dilations=(2,), width=12, parts=11, windows=2),
}


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_a_batch_is_what_keras_gives(name: str, members: int, tmp_path: Path) -> None:
    """Windows without sites, rows that are none among the others, several tiles."""
    arch = SHAPES[name]
    network = small_network.network(*range(members), arch=arch)
    found = plain_of(network, tmp_path)
    assert found.architecture == arch
    assert (len(found.trunks), len(found.heads)) == (members, members)
    batch = small_network.inputs(3, batch=3, sites=80, arch=arch)
    batch["mask"][:, 20:24] = 0
    batch["ids"][:, 20:24] = arch.windows * arch.parts
    expected = evaluate(network, batch)
    made = found.batch(**batch)
    assert made.shape == expected.shape == (3, arch.windows, members, arch.numbers)
    assert expected.std() > 0.1
    np.testing.assert_allclose(made, expected, rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small-one"
    small_network.write(folder, 1, 2)
    return folder


@settings(max_examples=30, deadline=None)
@given(sites=st.integers(0, 130), tile=st.integers(15, 70), windows=st.integers(0, 9), seed=st.integers(0, 99))
def test_a_scan_gets_what_keras_gives(folder: Path, sites: int, tile: int, windows: int, seed: int) -> None:
    """Fewer sites than the widest step, and tiles of any size."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sites, ARCH.channels)).astype(np.float32)
    extras = rng.normal(size=(windows, ARCH.extras)).astype(np.float32)
    positions = np.sort(rng.choice(1000, sites, replace=False))
    start = rng.integers(0, 900, windows)
    found = []
    for model, size in ((store.load(folder), 256), (store.load(folder, plain=True), tile)):
        predictor = Predictor(model, size)
        features = predictor.features(values)
        found.append((features, predictor.windows(features, positions, start, start + 120, extras)))
    for keras, without in zip(*found, strict=True):
        assert keras.shape == without.shape
        np.testing.assert_allclose(without, keras, rtol=0, atol=2e-5)


def test_standardised_channels_of_any_size_are_the_same(tmp_path: Path) -> None:
    """Large or small, and those that never varied."""
    model = architecture.build(ARCH, 1)
    rng = np.random.default_rng(2)
    mean, scale = 10.0 ** rng.uniform(-3, 3, ARCH.channels), 10.0 ** rng.uniform(-3, 2, ARCH.channels)
    scale[:5] = 0
    architecture.standardise(model, (mean, scale), (np.zeros(ARCH.extras), np.ones(ARCH.extras)))
    network = architecture.ensemble([model])
    sites = (mean + np.where(scale > 0, scale, 1) * rng.normal(size=(40, ARCH.channels))).astype(np.float32)
    expected = evaluate(network.get_layer("trunk"), [sites[None], np.ones((1, 40, 1), np.float32)])[0]
    np.testing.assert_allclose(plain_of(network, tmp_path).trunk(sites), expected, rtol=0, atol=1e-4)


def test_blas_takes_one_thread_while_it_computes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    dot = np.dot

    def watched(*given: object, **options: object) -> object:
        pools = plain.ThreadpoolController().info()
        threads.extend(pool["num_threads"] for pool in pools if pool["user_api"] == "blas")
        return dot(*given, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(np, "dot", watched)
    store.load(folder, plain=True).network.trunk(np.zeros((9, ARCH.channels), np.float32))
    assert set(threads) == {1}


def test_blocks_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Not of their names, by which the tenth would come before the second."""
    arch = Architecture(**{**vars(ARCH), "dilations": tuple(range(1, 13)), "width": 4})
    network = small_network.network(5, arch=arch)
    found = plain_of(network, tmp_path)
    assert found.architecture.dilations == arch.dilations
    batch = small_network.inputs(arch=arch)
    np.testing.assert_allclose(found.batch(**batch), evaluate(network, batch), rtol=0, atol=2e-5)


def test_a_scan_on_processors_loads_no_keras(folder: Path, simulated: Simulated, tmp_path: Path) -> None:
    words = ["scan", str(simulated.vcf), "--models", str(folder), "--window", "5kb", "--min-sites", "1"]
    words += ["--statistics", "none", "--threads", "1", "--device", "cpu", "--out", str(tmp_path / "out"), "--quiet"]
    code = f"import sys\nfrom scanner.cli import main\nassert not main({words!r})\nprint('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", done.stderr


def test_keras_is_asked_only_where_there_may_be_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int | None]] = []

    def choose(text: str, threads: int | None = None) -> str:
        asked.append((text, threads))
        return "gpu"

    monkeypatch.setattr(backend, "choose_device", choose)
    monkeypatch.setattr(backend, "CARDS", (str(tmp_path / "card"),))
    assert (backend.find_device("cpu"), backend.find_device("auto"), asked) == ("cpu", "cpu", [])
    assert (backend.find_device("gpu"), asked) == ("gpu", [("gpu", 1)])
    (tmp_path / "card").touch()
    assert (backend.find_device("cpu"), backend.find_device("auto")) == ("cpu", "gpu")
    assert asked == [("gpu", 1), ("auto", 1)]
    monkeypatch.undo()
    with pytest.raises(UsageError, match="--device tpu: choose one of auto, cpu, gpu"):
        backend.find_device("tpu")
