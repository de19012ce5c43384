"""How far estimates lie from the truth, over all windows and stratum by stratum.

Estimates are compared on two scales: that of the value itself, and that of its natural logarithm, on which being twice
too high counts as much as being twice too low.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bounds = tuple[Float, Float]
Measured = dict[str, float | int | None]

GROUPS = 5
"""Strata that a continuous number is cut into."""
FEW = 8
"""A number with no more values than this has one stratum each."""
RHO_EDGES = (10.0, 100.0, 500.0, 1000.0, 2000.0, 4000.0)
"""Bounds of the strata of true rho, 4 N r (L - 1), over a window."""
PUBLISHED_RHO = {"LDhat": (18.5, 86.9, 186.0, 474.0, 1667.0), "published CNN": (32.9, 118.2, 264.0, 454.0, 904.0)}
"""RMSE of rho in these strata, from the test of Flagel, Brandvain & Schrider 2019, 10.1093/molbev/msy224."""
PUBLISHED_SIZES = (5000.0, 10_000.0, 15_000.0, 20_000.0, 50_000.0)


@dataclass(frozen=True)
class Stratum:
    """Some of the windows.

    Parameters
    ----------
    name
        What they have in common.
    inside
        (windows,) bool.
    """

    name: str
    inside: Bools


def r2(truth: Float, estimate: Float) -> float:
    """Compute the coefficient of determination: 1 is perfect, and 0 is as good as the mean of the truth.

    NaN where the truth does not vary.

    Examples
    --------
    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((estimate - truth) ** 2).sum()) / spread if spread > 0 else math.nan


def rmse(truth: Float, estimate: Float) -> float:
    """Compute the root of the mean squared error.

    Examples
    --------
    >>> rmse(np.array([0.0, 0.0]), np.array([3.0, 3.0]))
    3.0
    """
    return math.sqrt(float(((estimate - truth) ** 2).mean()))


def ranks(values: Float) -> Float:
    """Rank values from 1 on; equal ones share the mean of their ranks.

    Examples
    --------
    >>> ranks(np.array([30.0, 10.0, 30.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    return np.asarray((upto - (counts - 1) / 2)[inverse], np.float64)


def correlation(one: Float, other: Float) -> float:
    """Compute Pearson's correlation; NaN where one of the two does not vary.

    Examples
    --------
    >>> round(correlation(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 7.0])), 12)
    1.0
    """
    a, b = one - one.mean(), other - other.mean()
    spread = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / spread if spread > 0 else math.nan


def spearman(one: Float, other: Float) -> float:
    """Compute Spearman's rank correlation.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    return correlation(ranks(one), ranks(other))


def coverage(truth: Float, bounds: Bounds) -> float:
    """Give the share of the truth that lies inside the intervals, bounds included.

    Examples
    --------
    >>> coverage(np.array([1.0, 2.0]), (np.array([0.0, 0.0]), np.array([1.0, 1.0])))
    0.5
    """
    low, high = bounds
    return float(((low <= truth) & (truth <= high)).mean())


def measure(truth: Float, estimate: Float, bounds: Bounds | None = None) -> Measured:
    """Measure estimates of a positive number.

    Parameters
    ----------
    truth, estimate
        (windows,) natural logarithms.
    bounds
        Lower and upper ends of intervals, natural logarithms.

    Returns
    -------
    ``windows``; ``r2``, ``correlation2`` (the squared correlation) and ``rmse`` of the values; ``r2_log``; ``ln_rmse``
    of the natural logarithms; ``spearman``; ``bias_log10``, the mean error; and ``coverage``. None where it cannot be
    computed.

    Examples
    --------
    >>> found = measure(np.log([1.0, 2.0, 4.0]), np.log([2.0, 4.0, 8.0]))
    >>> [found[name] for name in ("windows", "ln_rmse", "bias_log10", "spearman", "coverage")]
    [3, 0.6931, 0.301, 1.0, None]
    """
    if len(truth) == 0:
        return {"windows": 0}
    values = np.exp(truth), np.exp(estimate)
    found = {
        "r2": r2(*values),
        "correlation2": correlation(*values) ** 2,
        "rmse": rmse(*values),
        "r2_log": r2(truth, estimate),
        "ln_rmse": rmse(truth, estimate),
        "spearman": spearman(truth, estimate),
        "bias_log10": float((estimate - truth).mean()) / math.log(10),
        "coverage": math.nan if bounds is None else coverage(truth, bounds),
    }
    return {"windows": len(truth), **{name: rounded(value) for name, value in found.items()}}


def measure_plain(truth: Float, estimate: Float) -> Measured:
    """Measure estimates of a number that may be negative.

    Parameters
    ----------
    truth, estimate
        (windows,) one window or more.

    Returns
    -------
    ``windows``, ``r2``, ``correlation2`` (the squared correlation), ``rmse`` and ``spearman``; None where it cannot be
    computed.

    Examples
    --------
    >>> measure_plain(np.array([-1.0, 0.0, 1.0]), np.array([-1.0, 0.0, 2.0]))["r2"]
    0.5
    """
    found = {
        "r2": r2(truth, estimate),
        "correlation2": correlation(truth, estimate) ** 2,
        "rmse": rmse(truth, estimate),
        "spearman": spearman(truth, estimate),
    }
    return {"windows": len(truth), **{name: rounded(value) for name, value in found.items()}}


def rounded(value: float) -> float | None:
    """Round to four digits, for print; None for NaN, which JSON does not know.

    Examples
    --------
    >>> rounded(0.00123456), rounded(float("nan"))
    (0.001235, None)
    """
    return float(f"{value:.4g}") if math.isfinite(value) else None


def paired(truth: Float, one: Float, other: Float) -> tuple[float, float]:
    """Compare two estimates of the same windows.

    Parameters
    ----------
    truth, one, other
        (windows,) natural logarithms.

    Returns
    -------
    ln-RMSE of the one less that of the other, and its standard error by the delta method, for windows that are
    independent: those of one simulation are not quite.

    Examples
    --------
    >>> paired(np.zeros(4), np.array([1.0, -1, 1, -1]), np.array([2.0, -2, 2, -2]))
    (-1.0, 0.0)
    """
    first, second = rmse(truth, one), rmse(truth, other)
    halves = [((each - truth) ** 2) / (2 * max(error, 1e-300)) for each, error in ((one, first), (other, second))]
    return first - second, float((halves[0] - halves[1]).std() / math.sqrt(len(truth)))


def strata(facts: Mapping[str, Float], names: Sequence[str]) -> dict[str, list[Stratum]]:
    """Divide windows by what is known of them.

    Parameters
    ----------
    facts
        (windows,) values by name.
    names
        By which to divide; one that is missing or the same everywhere gives no strata, and NaN is in none.

    Returns
    -------
    Strata by name, from low to high: one a value where there are `FEW`, else about `GROUPS` of the same size.

    Examples
    --------
    >>> found = strata({"sites": np.arange(10.0), "size": np.array([1.0, 2.0] * 5)}, ["sites", "size", "length"])
    >>> [(stratum.name, stratum.inside.sum().item()) for stratum in found["sites"]][:2]
    [('0 to 1.8', 2), ('1.8 to 3.6', 2)]
    >>> [stratum.name for stratum in found["size"]]
    ['1', '2']
    """
    found = {}
    for name in names:
        values = facts.get(name, np.empty(0))
        kinds = np.unique(values[np.isfinite(values)])
        if 1 < len(kinds) <= FEW:
            found[name] = [Stratum(f"{kind:,.6g}", values == kind) for kind in kinds.tolist()]
        elif len(kinds) > FEW:
            found[name] = between(values, np.unique(np.nanquantile(values, np.linspace(0, 1, GROUPS + 1))))
    return found


def between(values: Float, edges: Sequence[float] | Float) -> list[Stratum]:
    """Divide windows at some edges: each stratum has its lower edge, the last one its upper one too.

    Examples
    --------
    >>> [stratum.inside.tolist() for stratum in between(np.array([1.0, 2.0, 3.0]), [1, 2, 3])]
    [[True, False, False], [False, True, True]]
    """
    bounds = [float(edge) for edge in edges]
    found = []
    for low, high in pairwise(bounds):
        below = values <= high if high == bounds[-1] else values < high
        found.append(Stratum(f"{low:,.4g} to {high:,.4g}", (values >= low) & below))
    return found


def by_rho(rho: Float, estimates: Mapping[str, Float], facts: Mapping[str, Float]) -> list[dict[str, Any]]:
    """Give the RMSE of rho over a window in strata of the true one, beside what was published.

    Parameters
    ----------
    rho
        (windows,) true 4 N r (L - 1).
    estimates
        (windows,) estimates of it, by name.
    facts
        Say whether the windows are those of the published test: 50 haplotypes, 20 kb, five population sizes.

    Returns
    -------
    One row a stratum with windows: its name, number of windows, and RMSE by name.
    """
    same = published_setting(facts)
    rows = []
    for number, stratum in enumerate(between(rho, RHO_EDGES)):
        inside = stratum.inside
        if inside.any():
            row: dict[str, Any] = {"rho": stratum.name, "windows": int(inside.sum())}
            row |= {name: rounded(rmse(rho[inside], each[inside])) for name, each in estimates.items()}
            rows.append({**row, **({name: known[number] for name, known in PUBLISHED_RHO.items()} if same else {})})
    return rows


def published_setting(facts: Mapping[str, Float]) -> bool:
    """Tell whether windows are those of the published test of recombination.

    Examples
    --------
    >>> published_setting({"haplotypes": np.array([50.0]), "length": np.array([2e4]), "size": np.array([5000.0])})
    True
    """
    wanted = {"haplotypes": (50.0,), "length": (20_000.0,), "size": PUBLISHED_SIZES}
    return all(name in facts and bool(np.isin(facts[name], known).all()) for name, known in wanted.items())
