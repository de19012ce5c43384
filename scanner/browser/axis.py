"""The axis of a track: fixed by the catalogue, or made from the data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scanner.catalogue import Track

Float = NDArray[np.float64]

TAIL = 0.001
"""Share of values at each end that may lie outside an axis made from the data."""


def axis(spec: Track, columns: Sequence[Float]) -> tuple[float, float]:
    """Choose one axis for all columns of a score.

    Parameters
    ----------
    spec
        The score's track; where its limits come from the data, they hold the baseline and all values but `TAIL` at
        each end, rounded outwards to two digits.
    columns
        Values, NaN where missing.

    Examples
    --------
    >>> from scanner.catalogue import track
    >>> axis(track("pi"), [np.array([0.0011, 0.0032]), np.array([np.nan])])
    (0.0, 0.0032)
    >>> axis(track("tajimas_d"), [np.array([-2.31, 1.0])])
    (-2.4, 2.4)
    """
    if spec.limits is not None:
        return spec.limits
    known = np.concatenate([values[np.isfinite(values)] for values in columns])
    if len(known) == 0:
        return spec.baseline - spec.symmetric, spec.baseline + 1
    below, above = (float(bound) - spec.baseline for bound in np.quantile(known, [TAIL, 1 - TAIL]))
    below, above = min(below, 0.0), max(above, 0.0)
    if spec.symmetric:
        below, above = -max(-below, above), max(-below, above)
    if below == above:
        return spec.baseline - spec.symmetric, spec.baseline + 1
    unit = 10.0 ** (math.floor(math.log10(max(-below, above))) - 1)
    bounds = (spec.baseline + unit * math.floor(below / unit), spec.baseline + unit * math.ceil(above / unit))
    return float(f"{bounds[0]:.6g}"), float(f"{bounds[1]:.6g}")
