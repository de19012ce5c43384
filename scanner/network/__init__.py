"""The networks: their layers and shapes, the folders that hold them, and their use in a scan.

Nothing here loads Keras before a network is used.
"""

from __future__ import annotations

import os
import tomllib
from importlib.util import find_spec
from pathlib import Path

from scanner.catalogue import MARKER, catalogue_folder
from scanner.errors import UsageError

BACKENDS = ("tensorflow", "jax")
"""What Keras may compute with; the first that is installed serves where ``KERAS_BACKEND`` is not set."""

EPSILON = 1e-5
"""Least variance that a normalisation within a network divides by."""


def names() -> tuple[str, ...]:
    """Name the networks of the catalogue, in alphabetical order."""
    return tuple(sorted(entry.parent.name for entry in catalogue_folder("models").glob("*/spec.toml")))


def general() -> tuple[str, ...]:
    """Name those that were not trained on one published setting alone, to be compared on it."""
    entry = tomllib.loads((catalogue_folder("models") / MARKER).read_text(encoding="utf-8"))
    return tuple(name for name in names() if name not in entry["benchmarks"])


def require_keras() -> None:
    """Make sure that Keras and a backend are installed, without loading them.

    Raises
    ------
    UsageError
        Where they are not.
    """
    if find_spec("keras") is None or not any(find_spec(backend) for backend in BACKENDS):
        raise UsageError(
            "networks need Keras and a backend, which a plain install leaves out: "
            "pip install 'popscan[cpu]' (or 'popscan[gpu]', 'popscan[jax]')"
        )


def resolve(text: str) -> tuple[str, ...]:
    """Read a choice of networks: ``all``, ``none``, or names of the catalogue and model folders joined by commas.

    ``all`` are those of `general`.

    Raises
    ------
    UsageError
        Where Keras and a backend are not installed, a network is not in the catalogue, or a folder is no model.

    Examples
    --------
    >>> resolve("none")
    ()
    """
    if text == "none":
        return ()
    require_keras()
    known = names()
    chosen = general() if text == "all" else tuple(name.strip() for name in text.split(","))
    for name in chosen:
        if name not in known and not _is_model(name):
            raise UsageError(f"no network '{name}' in the catalogue: there is {', '.join(known) or 'none yet'}")
    return chosen


def locate(name: str) -> Path:
    """Find the folder of a network that `resolve` accepted; the catalogue comes first."""
    return catalogue_folder("models") / name if name in names() else Path(name)


def _is_model(text: str) -> bool:
    """Tell whether a text is the path of a model folder; refuse one that can only be a path, and is none."""
    if (Path(text) / "spec.toml").is_file():
        return text != ""
    if "/" in text or os.sep in text:
        raise UsageError(f"{text} is no model: there is no {Path(text) / 'spec.toml'}")
    return False
