"""Reading of files that may come from anywhere: nothing in them is run, and none makes popscan reserve much memory."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.network.backend import load_keras

MAX_SIZE = 2048
"""No number in a description of layers is larger: so many units, channels or sites."""
MAX_KERNEL = 64
"""Widest convolution."""
MAX_LAYERS = 2000
MAX_TEXT = 8_000_000
"""Bytes of a description of layers."""
MAX_BYTES = 1 << 30
"""Bytes of weights or of arrays, once unpacked."""

_KERAS = {
    ("keras", "DTypePolicy"),
    ("keras.src.models.functional", "Functional"),
    *(("keras.initializers", name) for name in ("Ones", "Zeros")),
    *(
        ("keras.layers", name)
        for name in ("Concatenate", "Conv1D", "Dense", "InputLayer", "LayerNormalization", "Reshape")
    ),
}
_OWN = {"Bounded", "Mask", "Member", "PartsConv", "ResidualBlock", "Stack", "Standardise", "WindowPool"}


def read_layers(path: Path) -> Any:
    """Make the network that a description of layers describes, with no weights set.

    Parameters
    ----------
    path
        ``architecture.json``.

    Returns
    -------
    A ``keras.Model``.

    Raises
    ------
    InputError
        For a layer that is neither popscan's nor one of the few of Keras' own that its networks are made of (so that
        no other code can be called for), for sizes out of all proportion, and for what is no network.
    """
    text = json.dumps(read_description(path))
    keras = load_keras()
    try:
        return keras.models.model_from_json(text)
    except Exception as error:  # whatever Keras makes of a description that it did not write
        raise InputError(
            f"{path} describes no network that Keras {keras.__version__} can make: {_line(error)}"
        ) from error


def read_description(path: Path) -> Any:
    """Read a description of layers, of which nothing is made yet: what stands in the JSON.

    Raises
    ------
    InputError
        As `read_layers` says, but for what is no network.
    """
    if path.stat().st_size > MAX_TEXT:
        raise InputError(
            f"{path} has {path.stat().st_size:,} bytes, and a description of layers has at most {MAX_TEXT:,}"
        )
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    objects = _check_values(path, described)
    if not 0 < objects <= MAX_LAYERS * 10:
        raise InputError(f"{path} describes {objects} layers and parts of layers: that is no network of popscan")
    return described


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read arrays of numbers.

    Parameters
    ----------
    path
        An ``.npz`` file.
    names
        What must be in it.

    Raises
    ------
    InputError
        For a file that is damaged or too large, and an array that is missing or not made of finite numbers.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise InputError(f"{path} unpacks to {size:,} bytes, at most {MAX_BYTES:,}")
        with np.load(path, allow_pickle=False) as arrays:
            for name in names:
                found[name] = arrays[name]
                if found[name].dtype.kind not in "fiu" or not np.isfinite(found[name]).all():
                    raise InputError(f"{path}: {name} must be finite numbers")
    except KeyError as error:
        raise InputError(f"{path}: the array {error.args[0].split()[0]} is missing") from error
    except InputError:
        raise
    except Exception as error:  # numpy, zipfile, zlib and tokenize: each has its own for damaged bytes
        raise InputError(f"{path} cannot be read: {_line(error)}") from error
    return found


def check_weights(path: Path) -> None:
    """Refuse weights that are too large, or lie in another file.

    Raises
    ------
    InputError
        For these, and for what is no HDF5.
    """
    import h5py  # type: ignore[import-untyped, unused-ignore]  # comes with Keras

    total = 0
    try:
        with h5py.File(path, "r") as file:
            groups = [file]
            while groups:
                group = groups.pop()
                for name in group:
                    item = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
                    if item is None or (isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)):
                        raise InputError(f"{path}: {group.name}/{name} lies in another place: weights must not")
                    if isinstance(item, h5py.Dataset):
                        total += item.nbytes
                    else:
                        groups.append(item)
                if total > MAX_BYTES or len(groups) > MAX_LAYERS:
                    raise InputError(f"{path} holds more than {MAX_BYTES:,} bytes: these are no weights of popscan")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read: {_line(error)}") from error


def fill(network: Any, path: Path, misfit: str) -> None:
    """Load the weights of a network.

    Parameters
    ----------
    network
        A ``keras.Model``.
    path
        The file.
    misfit
        What is said of a file that does not fit the network, after its name.

    Raises
    ------
    InputError
        For such a file, and what `check_weights` refuses.
    """
    check_weights(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of some weights that are not in the file
            network.load_weights(path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        raise InputError(f"{path} {misfit}") from error


def _check_values(path: Path, value: Any, key: str = "") -> int:
    """Refuse objects that are not on the list, and large numbers; count the objects."""
    if isinstance(value, dict):
        objects = 0
        if "class_name" in value:
            _check_object(path, value)
            objects = 1
        return objects + sum(_check_values(path, item, name) for name, item in value.items())
    if isinstance(value, list):
        return sum(_check_values(path, item, key) for item in value)
    largest = MAX_KERNEL if key == "kernel_size" else MAX_SIZE
    if isinstance(value, int | float) and not abs(value) <= largest:
        raise InputError(f"{path}: {key} is {value:,}, at most {largest:,}")
    return 0


def _check_object(path: Path, value: dict[str, Any]) -> None:
    """Refuse an object that is not on the list."""
    name, module, registered = (value.get(key) for key in ("class_name", "module", "registered_name"))
    own = isinstance(name, str) and name in _OWN and registered == f"popscan>{name}"
    plain = isinstance(name, str) and (module, name) in _KERAS and registered in (None, name)
    joint = name == "__keras_tensor__" and module is None
    if not (own or plain or joint):
        raise InputError(
            f"{path}: the layer {name} of {module} is not one of those that networks of popscan are made of"
        )
    if value.get("compile_config"):
        raise InputError(f"{path}: a description of layers must not say how they were trained (compile_config)")


def _line(error: BaseException) -> str:
    """Give the first line of what another package says."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
