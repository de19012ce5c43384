"""How well classes are told apart, over all windows and stratum by stratum.

The first class is that there is nothing: to tell a window of it into any other is a false call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Measured, ranks, rounded, strata

Int = NDArray[np.int64]
Float = NDArray[np.float64]

STRATA = (
    "history", "size", "haplotypes", "haplotypes_first", "haplotypes_second", "sites", "missing", "alpha", "age",
    "start_frequency", "final_frequency", "split", "pulse", "proportion", "introgressed",
)  # fmt: skip
"""Facts by which windows are divided."""
BINS = 15
"""Bins of the calibration error, of equal width."""
FEWEST = 20
"""Windows of which a share is worth drawing."""
LEAST = 1e-12
"""Probability below which no window is said to have been surprised further."""


@dataclass(frozen=True)
class Told:
    """What is true of windows, and what was told of them.

    Parameters
    ----------
    names
        Classes, in order.
    truth
        (windows,) int64: place of the true class.
    estimates
        (windows, classes) probabilities by who estimated them.
    """

    names: tuple[str, ...]
    truth: Int
    estimates: Mapping[str, Float]


def report(told: Told, facts: Mapping[str, Float]) -> dict[str, Any]:
    """Measure all estimates over all windows and by stratum.

    Parameters
    ----------
    told
        The windows.
    facts
        (windows,) values by name.

    Returns
    -------
    ``windows``, ``classes``, ``overall``, ``confusion`` (rows: truth) and ``strata``, fit for JSON.
    """

    def measured(inside: NDArray[np.bool_]) -> dict[str, Measured]:
        return {name: measure(told.truth[inside], values[inside]) for name, values in told.estimates.items()}

    return {
        "windows": len(told.truth),
        "classes": list(told.names),
        "overall": measured(np.ones(len(told.truth), np.bool_)),
        "confusion": {name: confusion(told.truth, values).tolist() for name, values in told.estimates.items()},
        "strata": {
            name: [{"stratum": part.name, **measured(part.inside)} for part in parts if part.inside.any()]
            for name, parts in strata(facts, STRATA).items()
        },
    }


def measure(truth: Int, probabilities: Float) -> Measured:
    """Measure one estimate.

    Parameters
    ----------
    truth
        (windows,) place of the true class; one window or more.
    probabilities
        (windows, classes).

    Returns
    -------
    ``windows``, ``accuracy``, ``cross_entropy``, ``calibration_error``, ``calibration_by_chance`` (what that error
    would be if the probabilities held), ``false`` (share of the windows of the first class that are told to be
    another) and ``auc`` (of the first class against all others); None for what is not defined, as without windows of
    the first class.
    """
    told = probabilities.argmax(axis=1)
    none = truth == 0
    own = np.maximum(probabilities[np.arange(len(truth)), truth], LEAST)
    return {
        "windows": len(truth),
        "accuracy": rounded(float((told == truth).mean())),
        "cross_entropy": rounded(float(-np.log(own).mean())),
        "calibration_error": rounded(calibration_error(truth, probabilities)),
        "calibration_by_chance": rounded(calibration_by_chance(probabilities)),
        "false": rounded(float((told[none] != 0).mean())) if none.any() else None,
        "auc": rounded(auc(~none, -probabilities[:, 0])) if none.any() and not none.all() else None,
    }


def confusion(truth: Int, probabilities: Float) -> Int:
    """Count windows by true class (rows) and most probable class (columns).

    Examples
    --------
    >>> confusion(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])).tolist()
    [[1, 1], [0, 1]]
    """
    classes = probabilities.shape[1]
    found = np.bincount(truth * classes + probabilities.argmax(axis=1), minlength=classes**2)
    return found.reshape(classes, classes)


def calibration_error(truth: Int, probabilities: Float) -> float:
    """Compute the expected calibration error: how far the largest probability is from how often it is right.

    It is averaged over `BINS` of the largest probability, each with the weight of its windows.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks (Proceedings of Machine Learning Research 70).

    Examples
    --------
    >>> calibration_error(np.array([0, 1]), np.array([[0.75, 0.25], [0.75, 0.25]]))
    0.25
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    return float(np.abs(_binned(sure, sure - right)).sum() / len(truth))


def calibration_by_chance(probabilities: Float) -> float:
    """Compute the calibration error to be expected of so many windows if the probabilities held.

    The gap of a bin is then normal around nothing, with the variance of its windows' draws.

    Examples
    --------
    >>> round(calibration_by_chance(np.tile([0.75, 0.25], (100, 1))), 4)
    0.0345
    """
    sure = probabilities.max(axis=1)
    return float(np.sqrt(_binned(sure, sure * (1 - sure)) * (2 / np.pi)).sum() / len(sure))


def _binned(sure: Float, values: Float) -> Float:
    """Sum values over `BINS` of the largest probability."""
    where = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    return np.asarray(np.bincount(where, values, minlength=BINS), np.float64)


def auc(positive: NDArray[np.bool_], scores: Float) -> float:
    """Compute the area under the receiver operating characteristic: how often a positive outranks a negative.

    Examples
    --------
    >>> auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    count, others = int(positive.sum()), int((~positive).sum())
    return float((ranks(scores)[positive].sum() - count * (count + 1) / 2) / (count * others))


def reliability(truth: Int, probabilities: Float, bins: int = 10) -> tuple[Float, Float]:
    """Compare probabilities with how often they come true, class by class.

    Parameters
    ----------
    truth, probabilities
        As `measure` takes them.
    bins
        Of probability, of equal width.

    Returns
    -------
    Mean probability and share that is true, (bins, classes) each; NaN for bins of fewer than `FEWEST` windows.
    """
    classes = probabilities.shape[1]
    hits = truth[:, None] == np.arange(classes)
    where = np.minimum((probabilities * bins).astype(np.int64), bins - 1) * classes + np.arange(classes)
    size = bins * classes
    count = np.bincount(where.ravel(), minlength=size).astype(np.float64)
    count[count < FEWEST] = np.nan
    mean, share = (
        np.bincount(where.ravel(), values.ravel().astype(np.float64), minlength=size) / count
        for values in (probabilities, hits)
    )
    return mean.reshape(bins, classes), share.reshape(bins, classes)
