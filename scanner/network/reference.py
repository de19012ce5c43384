"""How far a window lies from the windows that a network was trained on.

Summaries of windows are compared by their Mahalanobis distance (1936; reprinted as 10.1007/s13171-019-00164-5), which
asks how unusual a summary is given how the summaries vary together, and distances by their rank among those of
training windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

ARRAYS = ("mean", "whitening", "distances")
"""What describes the training windows: (D,), (D, D) and rising distances at evenly spaced shares, all float64."""
STEPS = 1000
"""Shares at which distances are kept."""
RIDGE = 1e-3
"""Added to every variance of standardised summaries, so that numbers that depend on each other do no harm."""


def fit(summaries: Float) -> dict[str, Float]:
    """Describe the training windows.

    Parameters
    ----------
    summaries
        (windows, D), finite; two windows or more.

    Returns
    -------
    Arrays by name, as `ARRAYS`.

    Examples
    --------
    >>> known = fit(np.random.default_rng(1).normal(size=(5000, 3)))
    >>> score(known, np.array([[0.0, 0.0, 0.0], [2.8, 0.0, 0.0], [9.0, 0.0, 0.0]])).round(2).tolist()
    [0.0, 0.95, 1.0]
    """
    summaries = np.asarray(summaries, np.float64)
    if len(summaries) < 2 or not np.isfinite(summaries).all():
        raise ValueError("summaries of training windows must be finite, and of two windows at least")
    mean, spread = summaries.mean(axis=0), summaries.std(axis=0)
    spread[spread <= 1e-12 * np.abs(mean)] = 1  # a constant: what differs from it in a scan is measured by itself
    standard = (summaries - mean) / spread
    covariance = standard.T @ standard / len(standard) + RIDGE * np.eye(len(mean))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)) / spread
    known = {"mean": mean, "whitening": whitening}
    shares = np.linspace(0, 1, STEPS + 1)
    return {**known, "distances": np.quantile(distance(known, summaries), shares)}


def distance(known: Mapping[str, NDArray[Any]], summaries: Float) -> Float:
    """Measure Mahalanobis distances to the mean of the training windows: (windows,), NaN for missing summaries.

    Parameters
    ----------
    known
        What `fit` gave.
    summaries
        (windows, D).
    """
    away: Float = (np.asarray(summaries, np.float64) - known["mean"]) @ known["whitening"].T
    length: Float = np.linalg.norm(away, axis=1)
    return length


def score(known: Mapping[str, NDArray[Any]], summaries: Float) -> Float:
    """Give the share of training windows that lie closer to their mean than each window does.

    Parameters
    ----------
    known
        What `fit` gave.
    summaries
        (windows, D).

    Returns
    -------
    (windows,): 0.95 is farther out than 95% of the training windows, 1 than all; NaN for missing summaries.
    """
    distances = known["distances"]
    return np.interp(distance(known, summaries), distances, np.linspace(0, 1, len(distances)))
