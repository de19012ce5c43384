"""Where a result comes from: fingerprints of inputs, versions of software, and the identity of a scan."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import scanner

ENDS = 1 << 20
"""Bytes at each end of a large file that its fingerprint reads."""
_LIBRARIES = ("cyvcf2", "dask", "distributed", "numba", "numpy", "pyBigWig", "pysam")
_OPTIONAL = ("jax", "keras", "tensorflow", "tensorflow-cpu")


def fingerprint(path: Path) -> dict[str, Any]:
    """Identify a file by its size and the SHA-256 of its first and last MiB (of all of it where it is smaller).

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ``{"size": bytes, "sha256": hex digits}``
    """
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        digest.update(handle.read(ENDS))
        if size > ENDS:
            handle.seek(max(ENDS, size - ENDS))
            digest.update(handle.read())
    return {"size": size, "sha256": digest.hexdigest()}


def checksum(path: Path) -> str:
    """Compute the SHA-256 of a whole file, in hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def versions(*, networks: bool = False) -> dict[str, str]:
    """Name the versions of popscan, Python and the libraries that a scan uses; for networks, those that are there."""
    found = {"popscan": scanner.__version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    for library in _OPTIONAL if networks else ():
        with contextlib.suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def as_json(record: Mapping[str, Any]) -> str:
    """Print a record the way popscan's files hold it."""
    return json.dumps(record, indent=1) + "\n"


def digest(identity: Mapping[str, Any]) -> str:
    """Reduce an identity to a short name."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say in words what differs between two identities.

    Examples
    --------
    >>> differences({"step": 10, "mask": None}, {"step": 20, "mask": None})
    ['step was 10, is 20']
    """
    keys = sorted(set(before) | set(now))
    return [f"{key} was {before.get(key)}, is {now.get(key)}" for key in keys if before.get(key) != now.get(key)]
