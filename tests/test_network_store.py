"""Model folders: what is written comes back; what is wrong is refused in one sentence, and nothing of it is run."""

from __future__ import annotations

import functools
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scanner.network
from scanner.errors import InputError, OutputError, RunError
from scanner.network import null, store, untrusted
from scanner.network.spec import Class, Output, Spec, check_spec, read_spec, to_toml

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import h5py
import small_network
from small_network import ARCH

from scanner.network.backend import evaluate, load_keras

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Change = Callable[[Path], None]
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a sound model folder that no test may change."""
    folder = tmp_path_factory.mktemp("models") / "small-one"
    small_network.write(folder, *SEEDS)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """Give a sound model folder that may be spoilt."""
    return shutil.copytree(saved, tmp_path / "small-one")


def refusal(folder: Path) -> str:
    """Give the sentence with which a folder is refused, without the path; without Keras it is refused as well."""
    sentences = []
    for plain in (True, False):
        with pytest.raises(InputError) as caught:
            store.load(folder, plain=plain)
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert str(folder) in sentence
        sentences.append(sentence.replace(str(folder), "F"))
    assert sentences[0] == sentences[1] or "that Keras" in sentences[1]
    return sentences[1]


def summed(folder: Path) -> None:
    """Let the specification hold the sums of the files as they are now, as who sends a bad model would."""
    spec = store.read_contract(folder)
    sums = {name: store.checksum(folder / name) for name in spec.files}
    (folder / "spec.toml").write_text(to_toml(spec.with_files(sums)))


def test_what_is_saved_comes_back(saved: Path) -> None:
    found = store.load(saved)
    assert (found.folder, found.architecture) == (saved, ARCH)
    sums = {name: store.checksum(saved / name) for name in store.SUMMED}
    assert found.spec == store.read_contract(saved) == small_network.spec(SEEDS).with_files(sums)
    batch, network = small_network.inputs(), two_members()
    assert np.abs(evaluate(found.network, batch) - evaluate(network, batch)).max() < 1e-6
    assert all(np.array_equal(found.golden[name], batch[name]) for name in store.INPUTS)
    assert found.reference["whitening"].shape == (ARCH.channels + ARCH.extras,) * 2
    assert store.check_golden(found) < 1e-5
    assert {path.name for path in saved.iterdir()} == {"spec.toml", *store.SUMMED, *store.TEXTS}
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_the_same_network_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    small_network.write(tmp_path / "again", *SEEDS)
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    assert store.load(tmp_path / "again").digest == store.load(saved).digest


def test_how_it_was_trained_is_not_saved() -> None:
    network = small_network.network(1)
    network.compile(optimizer="adam", loss="mse")
    assert '"optimizer"' in network.to_json()
    assert "compile_config" not in store._layers(network)


two_members = functools.cache(lambda: small_network.network(*SEEDS))


def write(folder: Path, spec: Spec, **changes: Any) -> Spec:
    """Save the members 1 and 2 under a given specification."""
    arrays = {"mean": np.zeros(2), "whitening": np.eye(2), "distances": np.arange(3.0)}
    given = {"golden": small_network.inputs(), "reference": arrays, "texts": small_network.TEXTS, **changes}
    return store.save(folder, spec, two_members(), **given)


def test_an_older_model_is_replaced_at_the_end(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(KeyError, match="metrics"):
        write(folder, small_network.spec(), texts={"recipe.toml": ""})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    write(folder, small_network.spec(title="Another"))
    assert read_spec(folder / "spec.toml", store.SUMMED).title == "Another"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_cannot_be_moved_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.replace

    def fails(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputError, match=r"small-one cannot be written: No space left on device"):
        write(folder, small_network.spec())
    assert store.load(folder).folder == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_is_no_model_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(OutputError, match=r"is there and is no model: choose another folder"):
            write(place, small_network.spec())
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", small_network.spec())
    assert (tmp_path / "empty" / "spec.toml").is_file()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"parts": 5}, "has 3 parts, and there must be 5"),
        ({"seeds": (1, 2, 3)}, "has 2 members, and there must be 3"),
        ({"outputs": (), "classes": (Class("a", 0.5), Class("b", 0.5))}, "has 1 outputs, and there must be 0"),
        ({"outputs": (Output("a", "", "none", 0, 1, 1),) * 2}, "has 1 outputs, and there must be 2"),
        ({"extras": ("log_size",)}, "has 3 extras, and there must be 1"),
        ({"extras": ("a", "b", "c")}, "extras are a, b, c, and this popscan makes log_size, log_length, log_density"),
        ({"encoding": "folded-0"}, "no encoding of sites is called 'folded-0'"),
        ({"id": "Small One"}, "id must be a name of up to 40 small letters"),
    ],
)
def test_a_contract_that_does_not_fit_is_not_saved(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        write(tmp_path / "model", small_network.spec(**{"seeds": SEEDS, **changes}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["spec.toml", *dict.fromkeys((*store.SUMMED, *store.TEXTS))])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert refusal(folder).startswith(f"F/{name} is missing: ")


@pytest.mark.parametrize("name", store.SUMMED)
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    assert refusal(folder) == f"F/{name} is not the file that spec.toml was written for: get the model again"


def test_texts_for_people_may_change(folder: Path) -> None:
    (folder / "README.md").write_text("# A better name\n")
    (folder / "metrics.json").write_text('{"r2": 1}\n')
    assert store.check_golden(store.load(folder)) < 1e-5


texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.sampled_from('"\\\U0001f9ec'), min_size=1)
floats = st.floats(-1e12, 1e12, allow_nan=False)


@settings(max_examples=80, deadline=None)
@given(
    title=texts.filter(lambda text: len(text) <= 75 and text.isprintable()),
    mean=floats,
    seed=st.integers(0, 2**63 - 1),
    both=st.booleans(),
)
def test_specifications_are_read_as_written(
    tmp_path_factory: Any, title: str, mean: float, seed: int, both: bool
) -> None:
    sums = dict.fromkeys(store.SUMMED, "0" * 64)
    output = Output("a", "", "ln", mean, 2.0, 1.0)
    spec = small_network.spec((seed,), title=title, outputs=(output,), ranges={}, both_ends=both).with_files(sums)
    path = tmp_path_factory.mktemp("spec") / "spec.toml"
    path.write_text(to_toml(spec), encoding="utf-8")
    assert read_spec(path, store.SUMMED) == spec
    check_spec(spec, path, store.SUMMED)


def spoilt(old: str, new: str) -> Change:
    """Change the text of the specification, where it stands once."""

    def change(folder: Path) -> None:
        text = (folder / "spec.toml").read_text()
        assert text.count(old) == 1, text
        (folder / "spec.toml").write_text(text.replace(old, new))

    return change


NAME = "a name of up to 40 small letters, digits, _ and -"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("format = 1", "format = 2", "the format is 2, and this popscan reads 1: use a newer popscan"),
        ("format = 1\n", "", "the format is None, and this popscan reads 1: use a newer popscan"),
        ("format = 1", "format =", "cannot be read: Invalid value"),
        ("licence = ", "license = ", "the field licence is missing"),
        ("format = 1", "format = 1\ncolour = 3", "unknown field colour; there is both_ends, classes"),
        ('unit = "per', 'color = 1\nunit = "per', "unknown field outputs[0].color; there is"),
        ("scale = 0.5\n", "", "the field outputs[0].scale is missing"),
        ('id = "small-one"', 'id = "../../small"', f"id must be {NAME}"),
        ('id = "small-one"', "id = 3", f"id must be {NAME}"),
        ('"architecture.json" =', '"../architecture.json" =', "files must be the sums of architecture.json"),
        ('"architecture.json" = "', '"architecture.json" = "g', "files must be a table of SHA-256 sums"),
        ("min_count = 2", "min_count = 0", "min_count must be a whole number from 1 to 1,000"),
        ("min_count = 2", "min_count = true", "min_count must be a whole number from 1 to 1,000"),
        ("min_count = 2", f"min_count = {2**70}", "min_count must be a whole number from 1 to 1,000"),
        ("populations = 1", "populations = 3", "populations must be a whole number from 1 to 2"),
        ("parts = 3", "parts = 3.0", "parts must be a whole number from 1 to 256"),
        ("window = [1000.0, 500000.0]", "window = [1000.0, 1e300]", "window must be [shortest, longest] in bp"),
        ("window = [1000.0, 500000.0]", "window = [2000, 1000]", "window must be [shortest, longest] in bp"),
        ("window = [1000.0, 500000.0]", "window = [0, 1000]", "window must be [shortest, longest] in bp"),
        ('"density" = [1e-05', '"density" = [nan', "ranges must be a table of names, each with [lowest, highest]"),
        ('"density" =', '"the density" =', "ranges must be a table of names, each with [lowest, highest]"),
        ("seeds = [1, 2]", "seeds = []", "seeds must be a list of 1 to 64 whole numbers"),
        ("seeds = [1, 2]", "seeds = [1, -2]", "seeds must be a list of 1 to 64 whole numbers"),
        ('transform = "log10"', 'transform = "log2"', "outputs[0].transform must be one of none, log10, ln"),
        ('transform = "log10"', "transform = []", "outputs[0].transform must be one of none, log10, ln"),
        ("mean = -8.0", "mean = inf", "outputs[0].mean must be a number"),
        ("scale = 0.5", "scale = 0", "outputs[0].scale must be a number above 0"),
        ("interval = 1.7", f"interval = 1{'0' * 400}", "outputs[0].interval must be a number above 0"),
        ("context = 1", "context = 2", "context must be an odd whole number from 1 to 255"),
        ("temperature = 1.0", "temperature = 1.0\nboth_ends = 1", "both_ends must be true or false"),
        ("temperature = 1.0", "temperature = 0", "temperature must be a number above 0"),
        ("classes = []", 'classes = ["a"]', "classes must be a list of at most 100 tables"),
        ("classes = []", "classes = [{name = 'a', share = 1.0}]", "classes[0].share must be a number between 0 and 1"),
        ("classes = []", "classes = [{name = 'a', share = 0.5}]", "a model has outputs or classes, one of the two"),
        ('licence = "MIT"', 'licence = "M\\nIT"', "licence must be printable text of 1 to 60 letters"),
        ('"keras" = "3.15.1"', '"keras" = 3', "versions must be a table of texts"),
    ],
)  # fmt: skip
def test_a_wrong_specification_is_told(folder: Path, old: str, new: str, sentence: str) -> None:
    spoilt(old, new)(folder)
    assert refusal(folder).startswith(
        f"F/spec.toml: {sentence}" if "cannot" not in sentence else f"F/spec.toml {sentence}"
    )


def test_shares_of_classes_must_be_whole(folder: Path) -> None:
    text = (folder / "spec.toml").read_text()
    head, _, tail = text.partition("[[outputs]]")
    rest = tail[tail.index("[ranges]") :]
    classes = "classes = [{name = 'a', share = 0.5}, {name = 'b', share = 0.4}]"
    (folder / "spec.toml").write_text(head.replace("classes = []", f"outputs = []\n{classes}") + rest)
    assert refusal(folder) == "F/spec.toml: the shares of the classes must sum to 1"


def test_an_encoding_that_is_no_more_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt('encoding = "folded-2"', 'encoding = "folded-9"')(folder)
    assert refusal(folder) == (
        "F: no encoding of sites is called 'folded-9': choose one of folded-2, polarised-2, pair-folded-1, "
        "pair-polarised-1 (the model asks for it): use the popscan that trained the model"
    )
    spoilt('encoding = "folded-9"', 'encoding = "folded-2"')(folder)
    fewer = type("Fewer", (), {"channels": ("frequency", "missing"), "populations": 1})
    monkeypatch.setattr(store, "group_encoding", lambda *_: fewer)
    expected = f"F: architecture.json has {ARCH.channels} channels (folded-2), and there must be 2"
    assert refusal(folder) == expected


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("parts = 3", "parts = 4", "has 3 parts, and there must be 4"),
        ("seeds = [1, 2]", "seeds = [1]", "has 2 members, and there must be 1"),
        ('"log_density"]', '"log_density", "more"]', "has 3 extras, and there must be 4"),
    ],
)
def test_layers_that_do_not_fit_the_specification_are_told(folder: Path, old: str, new: str, sentence: str) -> None:
    spoilt(old, new)(folder)
    assert refusal(folder) == f"F: architecture.json {sentence}"


def layers_changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> str:
    """Change the description of the layers and give the refusal."""
    path = folder / "architecture.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    summed(folder)
    return refusal(folder)


def first(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Find the first layer of a class."""
    for layer in value["config"]["layers"]:
        if layer["class_name"] == name:
            return layer
        if layer["class_name"] == "Functional":
            inner = first(layer, name)
            if inner:
                return inner
    return {}


def test_code_in_layers_is_not_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras has a way of its own to put Python code into a description of layers."""
    keras, mark = load_keras(), tmp_path / "mark"
    monkeypatch.setenv("MARK", str(mark))
    layer = keras.layers.Lambda(lambda x: __import__("os").mkdir(__import__("os").environ["MARK"]) or x)
    evil = json.loads(keras.Sequential([layer]).to_json())["config"]["layers"][0]
    sentence = refusal_of_layer(folder, evil)
    assert sentence.startswith("F/architecture.json: the layer Lambda of keras.layers is")
    assert not mark.exists()


def refusal_of_layer(folder: Path, layer: dict[str, Any]) -> str:
    return layers_changed(folder, lambda value: value["config"]["layers"].append(layer))


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        ({"class_name": "__lambda__", "config": {"value": "x"}}, "__lambda__ of None"),
        (
            {"class_name": "function", "module": "os", "config": "system", "registered_name": "function"},
            "function of os",
        ),
        ({"class_name": "Dense", "module": "os", "config": {}, "registered_name": None}, "Dense of os"),
        ({"class_name": "Dense", "module": "keras.layers", "config": {}, "registered_name": "mine>Dense"}, "Dense of"),
        ({"class_name": "Dense", "config": {}}, "Dense of None"),  # the way of an older Keras
        ({"class_name": "Mask", "module": "other", "config": {}, "registered_name": "other>Mask"}, "Mask of other"),
        ({"class_name": "TFSMLayer", "module": "keras.layers", "config": {}, "registered_name": None}, "TFSMLayer of"),
        ({"class_name": ["Dense"], "module": "keras.layers", "config": {}, "registered_name": None}, "['Dense'] of"),
    ],
)
def test_only_known_layers_are_made(folder: Path, layer: dict[str, Any], what: str) -> None:
    assert refusal_of_layer(folder, layer).startswith(f"F/architecture.json: the layer {what}")


def test_sizes_out_of_proportion_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = (folder / "architecture.json").read_text()

    def changed(key: str, value: Any, name: str = "Conv1D") -> str:
        (folder / "architecture.json").write_text(original)
        return layers_changed(folder, lambda top: first(top, name)["config"].update({key: value}))

    assert changed("filters", 10**9) == "F/architecture.json: filters is 1,000,000,000, at most 2,048"
    assert changed("kernel_size", [65]) == "F/architecture.json: kernel_size is 65, at most 64"
    assert changed("units", float("nan"), "Dense") == "F/architecture.json: units is nan, at most 2,048"
    monkeypatch.setattr(untrusted, "MAX_LAYERS", 3)
    assert changed("name", "more").endswith("layers and parts of layers: that is no network of popscan")
    monkeypatch.setattr(untrusted, "MAX_TEXT", 10)
    assert changed("name", "more").endswith("bytes, and a description of layers has at most 10")


def test_what_is_no_description_of_a_network_is_refused(folder: Path) -> None:
    path = folder / "architecture.json"
    for text, sentence in (
        ("{", "F/architecture.json cannot be read: Expecting property name"),
        ("[" * 200_000, "F/architecture.json cannot be read: "),
        ("\x00", "F/architecture.json cannot be read: "),
        ("[]", "F/architecture.json describes 0 layers"),
        ("3", "F/architecture.json describes 0 layers"),
    ):
        path.write_text(text)
        summed(folder)
        assert refusal(folder).startswith(sentence)
    keras = load_keras()
    path.write_text(keras.Sequential([keras.Input((3,))]).to_json())
    summed(folder)
    assert refusal(folder).startswith("F/architecture.json: the layer Sequential of keras is")
    entry = keras.Input((3,))
    path.write_text(keras.Model(entry, keras.layers.Dense(2, kernel_initializer="zeros")(entry)).to_json())
    summed(folder)
    assert refusal(folder) == "F/architecture.json is no network of popscan's shape"


def test_a_description_that_keras_cannot_use_is_refused(folder: Path) -> None:
    sentence = layers_changed(folder, lambda top: first(top, "Dense")["config"].update({"units": -3}))
    assert sentence.startswith("F/architecture.json describes no network that Keras ")


def test_a_description_must_not_compile(folder: Path) -> None:
    sentence = layers_changed(folder, lambda top: top.update({"compile_config": {"optimizer": "adam"}}))
    assert sentence.startswith("F/architecture.json: a description of layers must not say how they were trained")


def weights_changed(folder: Path, change: Callable[[Any], Any]) -> str:
    with h5py.File(folder / "model.weights.h5", "a") as file:
        change(file)
    summed(folder)
    return refusal(folder)


def weight(file: Any) -> str:
    """Name one of the weights."""
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found[0]


def test_weights_that_lie_elsewhere_are_refused(folder: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.ones(3)

    def link(file: Any) -> None:
        name = weight(file)
        del file[name]
        file[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")

    assert weights_changed(folder, link).endswith("lies in another place: weights must not")


def test_weights_in_another_files_bytes_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(12))

    def outside(file: Any) -> None:
        file.create_dataset("more", (3,), "f4", external=[(str(tmp_path / "raw"), 0, 12)])

    def virtual(file: Any) -> None:
        del file["more"]
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "raw"), "secret", (3,))
        file.create_virtual_dataset("more", layout)

    for change in (outside, virtual):
        assert weights_changed(folder, change) == "F/model.weights.h5: //more lies in another place: weights must not"


def test_weights_out_of_proportion_are_refused(folder: Path) -> None:
    """A file of few bytes may announce as many as it likes."""
    sentence = weights_changed(folder, lambda file: file.create_dataset("more", (10**12,), "f4", chunks=(1000,)))
    assert sentence == "F/model.weights.h5 holds more than 1,073,741,824 bytes: these are no weights of popscan"


def test_weights_that_do_not_fit_are_refused(folder: Path) -> None:
    def other(file: Any) -> None:
        name = weight(file)
        del file[name]
        file[name] = np.zeros((2, 2), np.float32)

    assert weights_changed(folder, other) == "F/model.weights.h5 does not fit architecture.json: get the model again"
    (folder / "model.weights.h5").write_bytes(b"no HDF5")
    summed(folder)
    assert refusal(folder).startswith("F/model.weights.h5 cannot be read: ")


def arrays_changed(folder: Path, name: str, **changes: Any) -> str:
    """Change arrays, None for none, and give the refusal."""
    with np.load(folder / name) as found:
        arrays = {key: value for key, value in {**found, **changes}.items() if value is not None}
    np.savez(folder / name, **arrays)
    summed(folder)
    return refusal(folder)


class Evil:
    """What runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a file was unpickled",))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ids": None}, "F/golden.npz: the array ids is missing"),
        ({"output": np.full((2, 4, 2, 2), np.nan)}, "F/golden.npz: output must be finite numbers"),
        ({"output": np.array(["a"])}, "F/golden.npz: output must be finite numbers"),
        ({"sites": np.array([Evil()])}, "F/golden.npz cannot be read: Object arrays cannot be loaded"),
    ],
)
def test_wrong_arrays_are_refused(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    assert arrays_changed(folder, "golden.npz", **changes).startswith(sentence)


def test_a_reference_of_another_size_is_refused(folder: Path) -> None:
    size = ARCH.channels + ARCH.extras
    sentence = f"F/reference.npz does not fit a network of {size} numbers a window"
    assert arrays_changed(folder, "reference.npz", mean=np.zeros(size + 1)) == sentence


SHARES = {"sweep_neutral": 0.6, "sweep_hard": 0.4}


def rows(*windows: tuple[float, ...]) -> np.ndarray:
    return np.log(np.array(windows, np.float32))


@pytest.fixture(scope="module")
def saved_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a sound model folder of classes that no test may change."""
    folder = tmp_path_factory.mktemp("models") / "small-one"
    small_network.write_classes(folder, SHARES, small_network.null_windows(0.9, 1, 30))
    return folder


def test_windows_of_the_first_class_come_back(saved_classes: Path) -> None:
    spec = store.load(saved_classes).spec
    assert set(spec.files) == {*store.SUMMED, "null.npz"}
    drawn = small_network.null_windows(0.9, 1, 30)
    np.testing.assert_allclose(np.exp(null.read(saved_classes / "null.npz", spec)), drawn, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"logs": None}, "F/null.npz: the array logs is missing"),
        (
            {"logs": rows((0.5, 0.5), (0.9, 0.2))},
            "F/null.npz: logs must be logarithms of probabilities that sum to one",
        ),
        ({"logs": np.array([[1.0, -1.0]])}, "F/null.npz: logs must be logarithms of probabilities that sum"),
        (
            {"logs": rows((0.5, 0.3, 0.2))},
            "F/null.npz: logs has the shape (1, 3), and must have 1 to 200,000 rows of 2",
        ),
        ({"logs": np.zeros((0, 2))}, "F/null.npz: logs has the shape (0, 2), and must have 1 to 200,000 rows of 2"),
        ({"logs": rows((0.5, 0.5))[0]}, "F/null.npz: logs has the shape (2,), and must have 1 to 200,000 rows of 2"),
        ({"logs": np.array([[0.0, -np.inf]])}, "F/null.npz: logs must be finite numbers"),
        ({"logs": np.array([[Evil(), 1]])}, "F/null.npz cannot be read: Object arrays cannot be loaded"),
    ],
)
def test_wrong_windows_of_the_first_class_are_refused(
    saved_classes: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    folder = shutil.copytree(saved_classes, tmp_path / "small-one")
    assert arrays_changed(folder, "null.npz", **changes).startswith(sentence)


def test_too_many_windows_of_the_first_class_are_refused(saved_classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null, "MOST", 29)
    assert refusal(saved_classes).endswith("logs has the shape (30, 2), and must have 1 to 29 rows of 2")


def test_classes_need_windows_of_the_first_one(saved_classes: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved_classes, tmp_path / "small-one")
    (folder / "null.npz").write_bytes(b"")
    assert refusal(folder) == "F/null.npz is not the file that spec.toml was written for: get the model again"
    (folder / "null.npz").unlink()
    assert refusal(folder) == "F/null.npz is missing: get the model again"
    spec = store.read_contract(saved_classes)
    (folder / "spec.toml").write_text(to_toml(spec.with_files({name: spec.files[name] for name in store.SUMMED})))
    assert refusal(folder).endswith("recipe.toml, null.npz, and of no others")
    with pytest.raises(InputError, match="networks that tell classes, and no others, come with windows of the first"):
        write(tmp_path / "other", small_network.spec(), null=rows((0.5, 0.5)))


def test_damaged_and_swollen_archives_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "golden.npz"
    path.write_bytes(b"no archive")
    summed(folder)
    assert refusal(folder) == "F/golden.npz cannot be read: File is not a zip file"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sites.npy", bytes(5_000_000))
    summed(folder)
    monkeypatch.setattr(untrusted, "MAX_BYTES", 4_000_000)
    assert refusal(folder) == "F/golden.npz unpacks to 5,000,000 bytes, at most 4,000,000"


def test_an_array_whose_header_is_cut_off_is_refused(tmp_path: Path) -> None:
    """Numpy reads it with Python's tokenizer, which has errors of its own."""
    held = io.BytesIO()
    np.save(held, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", held.getvalue().replace(b"'shape': (3,), }", b"'shape': (      "))
    with pytest.raises(InputError, match=r"a\.npz cannot be read: \S+"):
        untrusted.read_arrays(tmp_path / "a.npz", ("a",))


def test_a_network_that_computes_otherwise_is_told(saved: Path) -> None:
    found = store.load(saved)
    off = replace(found, golden={**found.golden, "output": found.golden["output"] + np.float32(1e-3)})
    with pytest.raises(
        RunError, match=r"gives other values here than where it was trained \(by 0\.001, at most 0\.0001\)"
    ):
        store.check_golden(off)
    short = replace(found, golden={**found.golden, "output": found.golden["output"][:1]})
    with pytest.raises(InputError, match=r"golden\.npz does not fit the network"):
        store.check_golden(short)
