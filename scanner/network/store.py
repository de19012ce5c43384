"""Model folders: a network with all that belongs to it, written whole, and checked before it is used.

::

    <id>/  spec.toml           what it is, and the sums of the files that decide what it predicts
           architecture.json   layers, as Keras writes them
           model.weights.h5
           golden.npz          a small batch and what the network made of it where it was trained
           reference.npz       the windows it was trained on, see `scanner.network.reference`
           null.npz            of one that tells classes: fresh windows of the first, see `scanner.network.null`
           recipe.toml         how it was simulated and trained
           metrics.json        how well it does
           README.md           the model card

A folder may come from anywhere: loading one runs no code of it, see `scanner.network.untrusted`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.channels.groups import GroupEncoding, group_encoding
from scanner.channels.windows import EXTRAS
from scanner.errors import InputError, OutputError, RunError
from scanner.network import null as null_windows
from scanner.network import reference as reference_arrays
from scanner.network.architecture import Architecture, describe
from scanner.network.backend import evaluate, load_keras
from scanner.network.plain import Plain
from scanner.network.spec import NULL, Spec, check_spec, read_spec, to_toml
from scanner.network.untrusted import fill, read_arrays, read_layers
from scanner.network.weights import read_plain
from scanner.provenance import checksum

Arrays = Mapping[str, NDArray[Any]]

SUMMED = ("architecture.json", "model.weights.h5", "golden.npz", "reference.npz", "recipe.toml")
"""Files that decide what a network predicts; their sums stand in the specification, and so does that of `NULL`."""
TEXTS = ("recipe.toml", "metrics.json", "README.md")
FIGURE = ".svg"
"""Figures of the model card may come with the texts."""
INPUTS = ("sites", "mask", "ids", "extras")
"""Inputs of a network."""
GOLDEN_TOLERANCE = 1e-4
"""Largest difference of the golden outputs: standardised targets, or logits."""


@dataclass(frozen=True)
class Model:
    """A loaded model folder.

    Parameters
    ----------
    folder
        Where it is.
    spec
        Its contract.
    architecture, network
        Shapes, and an ensemble of ``len(spec.seeds)`` members: a ``keras.Model`` or a `scanner.network.plain.Plain`.
    golden, reference
        Arrays of ``golden.npz`` and ``reference.npz``, by name.
    digest
        SHA-256 of ``spec.toml``, and through its sums of all that decides what the network predicts.
    """

    folder: Path
    spec: Spec
    architecture: Architecture
    network: Any
    golden: Arrays
    reference: Arrays
    digest: str


def save(
    folder: Path,
    spec: Spec,
    network: Any,
    *,
    golden: Arrays,
    reference: Arrays,
    texts: Mapping[str, str],
    null: NDArray[Any] | None = None,
) -> Spec:
    """Write a model folder whole or not at all; one that is there is replaced. The same network gives the same bytes.

    Parameters
    ----------
    folder
        Where; nothing but an older model may be there.
    spec
        The contract; its sums are filled in.
    network
        What `scanner.network.architecture.ensemble` made.
    golden
        A small batch: `INPUTS` by name. What the network makes of it is stored too.
    reference
        What `scanner.network.reference.fit` gave.
    texts
        Contents of the files in `TEXTS`, and of figures.
    null
        What `scanner.network.null.write` takes, of a network that tells classes; None for others.

    Returns
    -------
    The specification as written.

    Raises
    ------
    InputError
        Where specification and network do not fit each other.
    OutputError
        Where the folder cannot be written.
    """
    if folder.exists() and not (folder / "spec.toml").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there and is no model: choose another folder")
    _check_shapes(folder, spec, *_describe(folder, network))
    if (null is not None) != bool(spec.classes):
        raise InputError(f"{folder}: networks that tell classes, and no others, come with windows of the first class")
    with _replacing(folder) as draft:
        (draft / "architecture.json").write_text(_layers(network), encoding="utf-8")
        network.save_weights(draft / "model.weights.h5")
        batch = {name: golden[name] for name in INPUTS}
        np.savez_compressed(draft / "golden.npz", allow_pickle=False, output=evaluate(network, batch), **batch)
        np.savez_compressed(
            draft / "reference.npz", allow_pickle=False, **{name: reference[name] for name in reference_arrays.ARRAYS}
        )
        if null is not None:
            null_windows.write(draft / NULL, null)
        for name in (*TEXTS, *sorted(name for name in texts if name.endswith(FIGURE))):
            (draft / name).write_text(texts[name], encoding="utf-8")
        summed = SUMMED if null is None else (*SUMMED, NULL)
        spec = spec.with_files({name: checksum(draft / name) for name in summed})
        check_spec(spec, folder / "spec.toml", SUMMED)
        (draft / "spec.toml").write_text(to_toml(spec), encoding="utf-8")
    return spec


def read_contract(folder: Path) -> Spec:
    """Read what a model promises, for which Keras is not needed.

    Parameters
    ----------
    folder
        The model folder.

    Raises
    ------
    InputError
        Where its specification is missing or wrong.
    """
    return read_spec(folder / "spec.toml", SUMMED)


def load(folder: Path, *, plain: bool = False) -> Model:
    """Load a model folder.

    Parameters
    ----------
    folder
        Where it is; it need not be trusted.
    plain
        Without Keras, to be used in a scan on processors.

    Raises
    ------
    InputError
        Where a file is missing, damaged, or does not fit the others or this popscan; one sentence says which.
    UsageError
        Where Keras or a backend is not installed.
    """
    spec = read_contract(folder)
    for name in (*spec.files, *TEXTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: get the model again")
    _encoding(folder, spec)
    for name in spec.files:
        if checksum(folder / name) != spec.files[name]:
            raise InputError(f"{folder / name} is not the file that spec.toml was written for: get the model again")
    network, architecture = (_read_plain if plain else _read_keras)(folder, spec)
    golden = read_arrays(folder / "golden.npz", (*INPUTS, "output"))
    known = read_arrays(folder / "reference.npz", reference_arrays.ARRAYS)
    size = architecture.channels + architecture.extras
    if known["mean"].shape != (size,) or known["whitening"].shape != (size, size) or known["distances"].ndim != 1:
        raise InputError(f"{folder / 'reference.npz'} does not fit a network of {size} numbers a window")
    if spec.classes:
        null_windows.read(folder / NULL, spec)
    return Model(folder, spec, architecture, network, golden, known, checksum(folder / "spec.toml"))


def _read_keras(folder: Path, spec: Spec) -> tuple[Any, Architecture]:
    """Make the network that the layers describe, and load its weights."""
    network = read_layers(folder / "architecture.json")
    architecture, members = _describe(folder, network)
    _check_shapes(folder, spec, architecture, members)
    fill(network, folder / "model.weights.h5", "does not fit architecture.json: get the model again")
    return network, architecture


def _read_plain(folder: Path, spec: Spec) -> tuple[Plain, Architecture]:
    """Read layers and weights."""
    network = read_plain(folder / "architecture.json", folder / "model.weights.h5")
    _check_shapes(folder, spec, network.architecture, len(network.heads))
    return network, network.architecture


def check_golden(model: Model) -> float:
    """Compute the golden batch again: on every machine and backend a network gives the same values.

    Returns
    -------
    The largest difference.

    Raises
    ------
    RunError
        Where it is more than `GOLDEN_TOLERANCE`.
    """
    batch = {name: model.golden[name] for name in INPUTS}
    found = model.network.batch(**batch) if isinstance(model.network, Plain) else evaluate(model.network, batch)
    expected = model.golden["output"]
    if found.shape != expected.shape:
        raise InputError(f"{model.folder / 'golden.npz'} does not fit the network: get the model again")
    off = float(np.abs(found - expected).max())
    if not off <= GOLDEN_TOLERANCE:  # NaN too
        raise RunError(
            f"{model.folder}: the network gives other values here than where it was trained (by {off:.2g}, at most "
            f"{GOLDEN_TOLERANCE:g}): use the versions of Keras and its backend that are in spec.toml"
        )
    return off


def _encoding(folder: Path, spec: Spec) -> GroupEncoding:
    """Look up the encoding; refuse one that is not of as many populations as the specification says."""
    try:
        how = group_encoding(spec.encoding, spec.min_count)
    except ValueError as error:
        raise InputError(
            f"{folder}: {error} (the model asks for it): use the popscan that trained the model"
        ) from error
    if how.populations != spec.populations:
        raise InputError(
            f"{folder}: spec.toml says {spec.populations} population(s), and {how.name} is of {how.populations}"
        )
    return how


def _describe(folder: Path, network: Any) -> tuple[Architecture, int]:
    """Read shapes and members of a Keras network; refuse one that has none."""
    try:
        return describe(network)
    except (ValueError, AttributeError, TypeError, IndexError) as error:
        raise InputError(f"{folder / 'architecture.json'} is no network of popscan's shape") from error


def _check_shapes(folder: Path, spec: Spec, architecture: Architecture, members: int) -> None:
    """Refuse a network that is not what the specification says."""
    pairs = {
        f"channels ({spec.encoding})": (architecture.channels, len(_encoding(folder, spec).channels)),
        "extras": (architecture.extras, len(spec.extras)),
        "outputs": (architecture.outputs, len(spec.outputs)),
        "classes": (architecture.classes, len(spec.classes)),
        "parts": (architecture.parts, spec.parts),
        "members": (members, len(spec.seeds)),
    }
    for what, (found, expected) in pairs.items():
        if found != expected:
            raise InputError(f"{folder}: architecture.json has {found} {what}, and there must be {expected}")
    if spec.extras != EXTRAS:
        raise InputError(f"{folder}: extras are {', '.join(spec.extras)}, and this popscan makes {', '.join(EXTRAS)}")


def _layers(network: Any) -> str:
    """Write the layers, without how they were trained."""
    return json.dumps(_without_training(json.loads(network.to_json()))) + "\n"


def _without_training(value: Any) -> Any:
    """Leave out what `compile` left."""
    if isinstance(value, dict):
        return {key: _without_training(item) for key, item in value.items() if key != "compile_config"}
    return [_without_training(item) for item in value] if isinstance(value, list) else value


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a draft of a folder, which takes its name at the end; what was there goes only then."""
    load_keras()
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        draft.mkdir(parents=True)
        yield draft
        if folder.exists():
            folder.replace(old)
        draft.replace(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.replace(folder)
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        for left in (draft, old):
            shutil.rmtree(left, ignore_errors=True)
