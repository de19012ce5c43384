"""Layers and architecture: what they compute, on TensorFlow and on JAX alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scanner.network
from scanner.errors import UsageError

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network
from small_network import ARCH, inputs, network

from scanner.network import architecture, backend
from scanner.network.architecture import Architecture
from scanner.network.backend import evaluate

keras = backend.load_keras()
from scanner.network import layers  # noqa: E402 - after Keras got its backend

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

ROOT = Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(3)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def result(layer: Any, value: Any) -> np.ndarray:
    """Compute a layer; its shape must be the one it announced."""
    shapes = [item.shape for item in value] if isinstance(value, list) else value.shape
    found = keras.ops.convert_to_numpy(layer(value))
    assert tuple(layer.compute_output_shape(shapes)) == found.shape
    return found


def pooled_slowly(features: np.ndarray, ids: np.ndarray, windows: int, parts: int) -> np.ndarray:
    batch, _, width = features.shape
    out = np.zeros((batch, windows, parts, 2 * width + 1))
    out[..., -1] = -1
    for example in range(batch):
        for window in range(windows):
            for part in range(parts):
                inside = features[example, ids[example] == window * parts + part].astype(np.float64)
                if len(inside):
                    values = [inside.mean(axis=0), inside.max(axis=0), [np.log(1 + len(inside)) / 2 - 1]]
                    out[example, window, part] = np.concatenate(values)
    return out


@pytest.mark.parametrize(("batch", "windows", "parts"), [(1, 1, 1), (3, 4, 3), (2, 7, 5)])
def test_pooling_is_what_a_loop_gives(batch: int, windows: int, parts: int) -> None:
    features = drawn(batch, 50, 6) - 3  # below zero, so that the maximum of nothing would be seen
    ids = RNG.integers(0, windows * parts + 1, size=(batch, 50)).astype(np.int32)
    ids[ids == 2] = windows * parts
    found = result(layers.WindowPool(windows, parts), [features, ids])
    assert np.abs(found - pooled_slowly(features, ids, windows, parts)).max() < 1e-5


def block_slowly(layer: Any, features: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Compute a residual block in 64 bits, site by site."""
    gamma, kernel, bias, narrow, last = (np.asarray(weight.value, np.float64) for weight in layer.weights)
    centred = features - features.mean(axis=-1, keepdims=True)
    normal = gamma * centred / np.sqrt(features.var(axis=-1, keepdims=True) + layers.EPSILON)
    out = np.zeros(features.shape)
    for site in range(features.shape[1]):
        seen = bias.copy() + np.zeros((len(features), layer.width))
        for tap, place in enumerate((site - layer.dilation, site, site + layer.dilation)):
            if 0 <= place < features.shape[1]:
                seen = seen + normal[:, place] @ kernel[tap]
        out[:, site] = (features[:, site] + np.maximum(seen, 0) @ narrow[0] + last) * real[:, site]
    return out


def test_a_residual_block_is_its_formula() -> None:
    real = (np.arange(20) % 7 != 3).astype(np.float32)[None, :, None]
    features, layer = drawn(2, 20, 5) * real, layers.ResidualBlock(5, 3)
    layer([features, real])
    for weight in layer.weights:
        weight.assign(drawn(*weight.shape))
    assert np.abs(result(layer, [features, real]) - block_slowly(layer, features.astype(np.float64), real)).max() < 1e-4


def test_standardise_subtracts_and_divides() -> None:
    layer, values = layers.Standardise(), drawn(2, 5, 3)
    assert (result(layer, values) == values).all()
    layer.freeze(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, 4.0]))
    assert result(layer, values) == pytest.approx((values - [1, 2, 3]) / [2, 1, 4], abs=1e-6)
    assert layer.trainable_weights == []


def test_log_variances_are_bounded_and_means_are_not() -> None:
    values = np.array([[-100, 100, -100, 100], [1, 2, 0.5, -2]], np.float32)
    found = result(layers.Bounded(2, low=-8, high=4), values)
    assert found[0].tolist() == [-100, 100, -8, 4]
    assert found[1, :2].tolist() == [1, 2]
    assert found[1, 3] == -2  # the middle stays
    assert found[1, 2] == pytest.approx(0.5, abs=0.2)


def test_a_member_takes_its_own_features() -> None:
    pooled = np.arange(13, dtype=np.float32)[None, None, None]  # 3 members with 2 features
    assert result(layers.Member(1, 3), pooled).ravel().tolist() == [2, 3, 8, 9, 12]


def test_parts_are_laid_side_by_side() -> None:
    layer, pooled = layers.PartsConv(4), drawn(2, 3, 5, 7)
    found = result(layer, pooled)
    kernel = np.asarray(layer.along.kernel.value)
    seen = np.pad(pooled, [(0, 0), (0, 0), (1, 1), (0, 0)])
    slow = np.maximum(sum(seen[:, :, tap : tap + 5] @ kernel[tap] for tap in range(3)), 0)
    assert np.abs(found - slow.reshape(2, 3, 20)).max() < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        layers.Standardise(), layers.Mask(), layers.ResidualBlock(5, 3), layers.WindowPool(7, 2), layers.PartsConv(4),
        layers.Bounded(2, low=-3.0, high=1.0), layers.Member(1, 3), layers.Stack(),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_are_made_again_from_their_description(layer: Any) -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


def test_the_loss_is_its_formula() -> None:
    truth, predicted = drawn(2, 3, 2), drawn(2, 3, 4)
    squared, spread = (truth - predicted[..., :2]) ** 2, predicted[..., 2:]
    expected = (squared + (spread + squared / np.exp(spread)) / 2).mean(axis=-1)
    assert np.abs(keras.ops.convert_to_numpy(layers.loss(truth, predicted)) - expected).max() < 1e-5


def test_the_loss_of_classes_is_its_formula() -> None:
    logits = drawn(2, 3, 4)
    truth = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, (2, 3))]
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = -np.log((shares * truth).sum(axis=-1))
    assert np.abs(keras.ops.convert_to_numpy(layers.cross_entropy(truth, logits)) - expected).max() < 1e-5


def test_a_network_of_classes_gives_logits_and_learns_them() -> None:
    """Windows whose sites have a large first channel are of the first class, those of a small one of the second."""
    arch = replace(ARCH, outputs=0, classes=2)
    model = architecture.build(arch, 1)
    assert architecture.describe(model) == (arch, 0)
    joined = architecture.ensemble([model, architecture.build(arch, 2)])
    assert architecture.describe(joined) == (arch, 2)
    batch = small_network.inputs(arch=arch)
    assert joined(batch).shape == (2, arch.windows, 2, 2)
    truth = np.eye(2, dtype=np.float32)[np.arange(2)][:, None].repeat(arch.windows, axis=1)
    batch["sites"][:, :, 0] = np.array([2, -2])[:, None]
    batch["ids"] = np.tile(np.arange(64) % (arch.windows * arch.parts), (2, 1)).astype(np.int32)
    architecture.prepare(model, keras.optimizers.Adam(0.01), classes=True)
    losses = [float(model.train_on_batch(batch, truth)) for _ in range(30)]
    assert losses[-1] < 0.1 < losses[0]


def test_means_are_fitted_by_least_squares_alone() -> None:
    """One step of plain descent gives the gradient: that of the mean knows nothing of the variance."""
    model = keras.Sequential([keras.Input((1, 1)), keras.layers.Dense(2, kernel_initializer="zeros")])
    (_, bias), start = model.weights, np.array([0.5, -3.0], np.float32)
    bias.assign(start)
    architecture.prepare(model, keras.optimizers.SGD(1.0))
    model.train_on_batch(np.ones((1, 1, 1), np.float32), np.full((1, 1, 1), 2.0, np.float32))
    mean, spread = np.asarray(bias.value) - start
    assert mean == pytest.approx(2 * (2.0 - 0.5))
    assert spread == pytest.approx(-(1 - 1.5**2 * np.exp(3)) / 2)


def test_gradients_are_those_of_finite_differences() -> None:
    model, batch, target = architecture.build(ARCH, 4), inputs(5), drawn(2, ARCH.windows, 2)
    before = [np.array(weight.value) for weight in model.trainable_weights]

    def error() -> float:
        return float(((evaluate(model, batch).astype(np.float64) - target) ** 2).mean())

    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", jit_compile=False)
    model.train_on_batch(batch, target)
    gradients = [old - np.array(weight.value) for old, weight in zip(before, model.trainable_weights, strict=True)]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        weight.assign(old)
    for weight, old, gradient in zip(model.trainable_weights, before, gradients, strict=True):
        direction = gradient / max(np.linalg.norm(gradient), 1e-9)
        changes = []
        for sign in (1, -1):
            weight.assign(old + sign * 3e-3 * direction)
            changes.append(error())
        weight.assign(old)
        slope = (changes[0] - changes[1]) / 6e-3
        assert np.linalg.norm(gradient) > 1e-5, weight.path
        assert slope == pytest.approx(np.linalg.norm(gradient), rel=0.05, abs=2e-4), weight.path


def test_a_seed_fixes_the_weights() -> None:
    one, same, other = (architecture.build(ARCH, seed) for seed in (1, 1, 2))
    pairs = list(zip(one.get_weights(), same.get_weights(), strict=True))
    assert all(first.tobytes() == second.tobytes() for first, second in pairs)
    assert one.to_json() == same.to_json()
    assert not np.array_equal(one.get_weights()[2], other.get_weights()[2])
    kernel = architecture.build(Architecture(40, 2, 1), 1).get_layer("trunk").get_layer("block_0").wide.kernel
    bound = np.sqrt(6 / (3 * 48 + 3 * 48))
    assert 0.99 * bound < np.abs(np.asarray(kernel.value)).max() <= bound


def test_a_network_says_what_it_is() -> None:
    assert architecture.describe(architecture.build(ARCH, 1)) == (ARCH, 0)
    assert architecture.describe(network(1, 2)) == (ARCH, 2)
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="trunk"):
        architecture.describe(plain)


def test_features_depend_on_the_halo_and_on_nothing_farther() -> None:
    trunk, reach = network(1).get_layer("trunk"), architecture.halo(ARCH)
    sites, mask = drawn(1, 64, ARCH.channels), np.ones((1, 64, 1), np.float32)
    changed = sites.copy()
    changed[0, 30] += 1
    moved = np.abs(evaluate(trunk, [sites, mask]) - evaluate(trunk, [changed, mask])).max(axis=(0, 2)) > 0
    assert np.flatnonzero(moved).tolist() == list(range(30 - reach, 31 + reach))


def test_rows_that_are_no_sites_do_not_matter() -> None:
    """Neither what stands in them nor how many there are; between two stretches they part what never meets."""
    trunk, sites = network(1, 2).get_layer("trunk"), drawn(1, 30, ARCH.channels)
    alone = evaluate(trunk, [sites, np.ones((1, 30, 1), np.float32)])
    gap = max(ARCH.dilations)
    rows, mask = drawn(1, 30 + gap + 30 + 9, ARCH.channels) * 50, np.zeros((1, 69 + gap, 1), np.float32)
    for first in (0, 30 + gap):
        rows[:, first : first + 30], mask[:, first : first + 30] = sites, 1
    found = evaluate(trunk, [rows, mask])
    assert np.abs(found[:, :30] - alone).max() < 1e-5
    assert np.abs(found[:, 30 + gap : 60 + gap] - alone).max() < 1e-5
    assert np.abs(found[:, 30 : 30 + gap]).max() == 0


def test_an_ensemble_gives_what_its_members_give() -> None:
    members = [architecture.build(ARCH, seed) for seed in (1, 2, 3)]
    joined = architecture.ensemble(members)
    for batch in (inputs(1), inputs(2, batch=1, sites=40), inputs(3, batch=3)):
        found = evaluate(joined, batch)
        assert found.shape == (len(batch["ids"]), ARCH.windows, 3, 2)
        for index, member in enumerate(members):
            assert np.abs(found[:, :, index] - evaluate(member, batch)).max() < 1e-5
    with pytest.raises(ValueError, match="too many values"):
        architecture.ensemble([members[0], architecture.build(Architecture(**{**vars(ARCH), "head": 9}), 1)])


def test_a_network_learns() -> None:
    """The mean of a channel over a window is there to be found."""
    model, batch = architecture.build(ARCH, 1), inputs(7, batch=16)
    batch["ids"] = np.tile(np.repeat(np.arange(ARCH.windows * ARCH.parts, dtype=np.int32), 5)[:57], (16, 1))
    batch["ids"] = np.pad(batch["ids"], [(0, 0), (0, 7)], constant_values=ARCH.windows * ARCH.parts)
    target = batch["sites"][:, :60, 0].reshape(16, ARCH.windows, -1).mean(axis=2, keepdims=True) * 4
    architecture.prepare(model, keras.optimizers.Adam(1e-2, clipnorm=1.0))
    weights = np.ones((16, ARCH.windows), np.float32)
    losses = [float(model.train_on_batch(batch, target, sample_weight=weights)) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]


ON_JAX = """
import json, sys
import numpy as np
from scanner.network import architecture, backend
keras, folder = backend.load_keras(), sys.argv[1]
assert keras.backend.backend() == "jax"
model = keras.models.model_from_json(open(f"{folder}/architecture.json").read())
model.load_weights(f"{folder}/model.weights.h5")
held = np.load(f"{folder}/batch.npz")
batch = {name: held[name] for name in ("sites", "mask", "ids", "extras")}
off = [float(np.abs(backend.evaluate(model, batch) - held["output"]).max())]
single = architecture.build(architecture.describe(model)[0], 1)
off.append(float(np.abs(backend.evaluate(single, batch) - held["single"]).max()))
architecture.prepare(single, keras.optimizers.SGD(0.1))
off.append(abs(float(single.train_on_batch(batch, held["target"])) - float(held["loss"])))
off.append(float(np.abs(backend.evaluate(single, batch) - held["after"]).max()))
print(json.dumps(off))
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_jax_gives_the_same(tmp_path: Path) -> None:
    """Outputs of an ensemble and of a seed, the loss, and the outputs after one step of training."""
    model, batch, target = network(1, 2), inputs(), drawn(2, ARCH.windows, 1)
    (tmp_path / "architecture.json").write_text(model.to_json())
    model.save_weights(tmp_path / "model.weights.h5")
    single = architecture.build(ARCH, 1)
    held = {**batch, "target": target, "output": evaluate(model, batch), "single": evaluate(single, batch)}
    architecture.prepare(single, keras.optimizers.SGD(0.1))
    held["loss"] = np.asarray(single.train_on_batch(batch, target))
    np.savez(tmp_path / "batch.npz", **held, after=evaluate(single, batch))
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert max(json.loads(done.stdout)) < 1e-5, done.stdout


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_keras_is_loaded_late_and_in_silence() -> None:
    code = """
import sys
import scanner.network.architecture, scanner.network.predict, scanner.network.store
assert "keras" not in sys.modules
from scanner.network.backend import choose_device, load_keras
assert choose_device("cpu", threads=1) == "cpu"
model = scanner.network.architecture.build(scanner.network.architecture.Architecture(3, 1, 1), 1)
print(load_keras().backend.backend())
"""
    done = run(code)
    there = [name for name in scanner.network.BACKENDS if find_spec(name)]
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{there[0]}\n", "")


def test_what_stands_in_the_way_of_keras_is_told() -> None:
    code = "from scanner.network.backend import load_keras; load_keras()"
    done = run(code, KERAS_BACKEND="torch")
    assert "UsageError: KERAS_BACKEND is 'torch', and of what popscan can use there is" in done.stderr
    broken = "import sys; sys.modules['ml_dtypes'] = None\n" + code  # no backend can do without it
    assert "ml_dtypes" in run(broken).stderr


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--device tpu: choose one of auto, cpu, gpu"):
        backend.choose_device("tpu")
    monkeypatch.setattr(backend, "_tensorflow_cards", lambda *_: False)
    monkeypatch.setattr(backend, "_jax_cards", lambda *_: False)
    with pytest.raises(UsageError, match=r"--device gpu: .* finds no GPU here"):
        backend.choose_device("gpu")
    assert backend.choose_device("auto") == "cpu"
    monkeypatch.setattr(backend, "_tensorflow_cards", lambda *_: True)
    monkeypatch.setattr(backend, "_jax_cards", lambda *_: True)
    assert backend.choose_device("gpu") == "gpu"


def test_versions_are_named() -> None:
    found = backend.versions()
    assert set(found) == {"popscan", "keras", "backend"}
    assert found["keras"] == keras.__version__
    assert found["backend"].split()[0] == keras.backend.backend()


def test_folders_are_networks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(UsageError, match="no network 'mine' in the catalogue: there is"):
        scanner.network.resolve("mine")
    with pytest.raises(UsageError, match=r"\./mine is no model: there is no mine/spec\.toml"):
        scanner.network.resolve("./mine")
    (mine / "spec.toml").touch()
    assert scanner.network.resolve("mine, ./mine") == ("mine", "./mine")
    with pytest.raises(UsageError, match="no network '' in the catalogue"):
        scanner.network.resolve("mine,")
    assert scanner.network.resolve(str(mine)) == (str(mine),)
    assert scanner.network.locate("./mine").resolve() == mine
    monkeypatch.setattr(scanner.network, "names", lambda: ("mine", "recombination-t2"))
    assert scanner.network.resolve("all") == ("mine",), "those of one published setting are not for any data"
    assert scanner.network.resolve("recombination-t2") == ("recombination-t2",)
    assert scanner.network.locate("mine") == scanner.network.catalogue_folder("models") / "mine"
