"""How fast time runs while a sweep is simulated forwards, and when the sweep begins.

Time runs Q times as fast: N / Q diploids, rates and selection times Q, which leaves 2 N s, 4 N r and 4 N mu what they
are. Q is as large as selection of at most `STRONGEST` in a scaled generation and no fewer than `FEWEST` diploids allow;
it is below 1 where a small population is swept by a strong allele.

References
----------
Hermisson and Pennings 2005, 10.1534/genetics.104.036947 (how long a sweep takes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.simulate.genealogy import Setting
from scanner.simulate.sweeps import Selected

Int = NDArray[np.int64]
Float = NDArray[np.float64]
STRONGEST = 0.25
"""Largest advantage S in a scaled generation; the little diversity left at the site comes out some S / 2 too low."""
FEWEST, MOST = 500, 10_000
"""Scaled diploids: at least so many while the allele sweeps, and never more, since so many hardly drift."""


@dataclass(frozen=True)
class Plan:
    """When and among how many a sweep is simulated, in scaled generations.

    Parameters
    ----------
    factor
        Q: generations in a scaled one.
    advantage
        Of one copy of the allele.
    age
        Since the allele is expected to have its final frequency.
    onset
        Generations ago when the sweep begins.
    longest
        Generations after which it is given up.
    fixed
        The history has one size, so that the sweep may as well have begun earlier or later.
    """

    factor: float
    advantage: float
    age: float
    onset: int
    longest: int
    fixed: bool


def make_plan(setting: Setting, selected: Selected) -> Plan:
    """Choose how fast time runs, and when the sweep begins.

    Parameters
    ----------
    setting, selected
        As in `forward_sweep`, in generations.
    """
    age, s = selected.age, selected.advantage
    size = float(setting.sizes(np.array([age]))[0])
    begun = age + duration(selected, size, size)
    begun = age + duration(selected, float(setting.sizes(np.array([begun]))[0]), size)
    fewest = float(setting.sizes(np.linspace(age, begun, 1000)).min())
    factor = min(STRONGEST / s, fewest / FEWEST)
    onset = max(1, round(begun / factor))
    fixed = setting.is_constant()
    return Plan(factor, s * factor, age / factor, onset, 20 * onset if fixed else onset, fixed)


def duration(selected: Selected, before: float, after: float) -> float:
    """Give how many generations a sweep takes on average.

    Parameters
    ----------
    selected
        The sweep.
    before, after
        Diploids when it begins and ends.

    Examples
    --------
    >>> sweep = Selected(advantage=0.01, age=0, start=None, final=1, low=0, high=1)
    >>> round(duration(sweep, 1000, 1000))
    853
    """

    def odds(frequency: float, size: float) -> float:
        """Give log odds, no further out than where chance takes over."""
        furthest = max(1.0, math.log(4 * size * selected.advantage) + np.euler_gamma)
        nearer = frequency if 0 < frequency < 1 else min(max(frequency, 1e-300), 1 - 1e-16)
        return min(furthest, max(-furthest, math.log(nearer / (1 - nearer))))

    start = 0.0 if selected.start is None else selected.start
    return max(1.0, odds(selected.final, after) - odds(start, before)) / selected.advantage


def diploids(fast: Setting, times: Float) -> Int:
    """Give scaled sizes as whole numbers, no larger than `MOST`.

    Parameters
    ----------
    fast
        The setting, scaled.
    times
        (times,) scaled generations ago.
    """
    return np.clip(np.round(fast.sizes(times)), 2, MOST).astype(np.int64)
