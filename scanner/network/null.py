"""What a network that tells classes says of windows where there is nothing: the null distribution of its probabilities.

``null.npz`` of a model folder holds calibrated probabilities of all classes for simulations of the first class alone,
which took no part in the training. `scanner.network.predict.weighed` turns them into what a scan gives to such windows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.network.spec import Spec
from scanner.network.untrusted import read_arrays

Float = NDArray[np.float64]

LOGS = "logs"
"""The array: natural logarithms of probabilities, (windows, classes) float32, under the shares in training."""
MOST = 200_000
"""Windows of a file that is read."""
TOLERANCE = 1e-4
"""How far the probabilities of a window may be from summing to one."""


def write(path: Path, logs: NDArray[Any]) -> None:
    """Write the windows.

    Parameters
    ----------
    path
        ``null.npz``.
    logs
        (windows, classes), as `scanner.network.predict.calibrated` gives them.
    """
    np.savez_compressed(path, allow_pickle=False, **{LOGS: logs.astype(np.float32)})


def read(path: Path, spec: Spec) -> Float:
    """Read the windows: (windows, classes) natural logarithms of calibrated probabilities.

    Parameters
    ----------
    path
        ``null.npz``; it need not be trusted.
    spec
        The contract of its network.

    Raises
    ------
    InputError
        Where it is missing, damaged or too large, or holds no probabilities of the network's classes.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: get the model again")
    logs = read_arrays(path, (LOGS,))[LOGS]
    if logs.ndim != 2 or logs.shape[1] != len(spec.classes) or not 0 < len(logs) <= MOST:
        raise InputError(
            f"{path}: {LOGS} has the shape {logs.shape}, and must have 1 to {MOST:,} rows of {len(spec.classes)}"
        )
    exact = logs.astype(np.float64)
    if not (exact <= TOLERANCE).all() or np.abs(np.logaddexp.reduce(exact, axis=1)).max() > TOLERANCE:
        raise InputError(f"{path}: {LOGS} must be logarithms of probabilities that sum to one in every row")
    return exact
