"""What a network is told of a window as a whole, in training and in a scan alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Single = NDArray[np.float32]

EXTRAS = ("log_size", "log_length", "log_density")
"""Names of the numbers that come with a window."""


def window_extras(size: int, start: Int, end: Int, sites: Int) -> Single:
    """Describe windows.

    Parameters
    ----------
    size
        Number of haplotypes.
    start, end
        (windows,) bp, 0-based half-open.
    sites
        (windows,) used sites in each.

    Returns
    -------
    (windows, 3) float32, as `EXTRAS`: logarithms of the haplotypes, of the length, and of the used sites a bp.

    Examples
    --------
    >>> window_extras(256, np.array([0]), np.array([100_000]), np.array([99])).tolist()
    [[1.0, 0.0, 0.0]]
    """
    length = (end - start).astype(np.float64)
    columns = [np.full(len(length), np.log2(size) / 8), np.log10(length) - 5, np.log10((1 + sites) / length) + 3]
    return np.stack(columns, axis=1).astype(np.float32)


def window_parts(positions: Int, start: int, end: int, parts: int) -> Int:
    """Say in which of a window's equal parts its sites lie.

    Parameters
    ----------
    positions
        (sites,) bp, 0-based, all inside the window.
    start, end
        bp, 0-based half-open.
    parts
        Number of parts.

    Examples
    --------
    >>> window_parts(np.array([0, 32, 33, 34, 99]), 0, 100, 3).tolist()
    [0, 0, 0, 1, 2]
    """
    return (positions - start) * parts // (end - start)


def window_summaries(values: Single, first: Int, last: Int, extras: Single) -> NDArray[np.float64]:
    """Average the channels over windows, as the out-of-range score compares them.

    Parameters
    ----------
    values
        (used sites, channels) float32.
    first, last
        (windows,) half-open ranges of used sites.
    extras
        (windows, extras) as `window_extras` gives them.

    Returns
    -------
    (windows, channels + extras) float64; zeros for the channels of a window without sites.
    """
    totals = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=totals[1:])
    count = np.maximum(last - first, 1)[:, None]
    return np.concatenate([(totals[last] - totals[first]) / count, extras.astype(np.float64)], axis=1)
