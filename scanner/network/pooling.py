"""What `scanner.network.layers.WindowPool` does in training, for the overlapping windows of a scan."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.windows import Int

Single = NDArray[np.float32]


def pool(features: Single, positions: Int, start: Int, end: Int, parts: int) -> Single:
    """Gather the features of the sites of every part of every window.

    Parameters
    ----------
    features
        (S, F) float32: features of the sites.
    positions
        (S,) int64, bp, 0-based, rising.
    start, end
        (W,) int64: windows, bp, 0-based half-open, in any order; they may overlap.
    parts
        A site is in part ``(position - start) * parts // (end - start)`` of a window.

    Returns
    -------
    (W, parts, 2F + 1) float32: means, maxima, and log(1 + sites) / 2 - 1. A part without sites has means and maxima
    of 0.

    Examples
    --------
    >>> values = np.array([[1], [3], [5]], np.float32)
    >>> pool(values, np.array([0, 49, 50]), np.array([0]), np.array([100]), 2)[..., :2].tolist()
    [[[2.0, 3.0], [5.0, 5.0]]]
    """
    pooled = np.empty((len(start), parts, 2 * features.shape[1] + 1), np.float32)
    _fill(np.ascontiguousarray(features), positions, start, end, pooled)
    return pooled


@numba.njit(cache=True, nogil=True)
def _fill(  # pragma: no cover - compiled
    features: Single, positions: Int, start: Int, end: Int, pooled: Single
) -> None:
    """Fill what `pool` gives; sums are held in 64 bits."""
    parts, width = pooled.shape[1], features.shape[1]
    total, most = np.empty(width), np.empty(width, np.float32)
    for window in range(len(start)):
        length = end[window] - start[window]
        stop = np.searchsorted(positions, start[window])
        for part in range(parts):
            first = stop
            edge = start[window] + ((part + 1) * length + parts - 1) // parts
            stop = first + np.searchsorted(positions[first:], edge)
            total[:], most[:] = 0, -np.inf
            for site in range(first, stop):
                row = features[site]
                for at in range(width):
                    total[at] += row[at]
                    most[at] = row[at] if row[at] > most[at] else most[at]
            out, count = pooled[window, part], stop - first
            for at in range(width):
                out[at] = total[at] / count if count else 0
                out[width + at] = most[at] if count else 0
            out[2 * width] = math.log1p(count) / 2 - 1
