"""How fast time runs while a sweep is simulated forwards, and when the sweep begins.

Time runs Q times as fast: N / Q diploids, rates and selection times Q, which leaves 2 N s, 4 N r and 4 N mu what they
are. Q is as large as selection of at most `STRONGEST` in a scaled generation and the numbers of diploids `FEWEST` and
`LEAST` allow; it is below 1 where a small population is swept by a strong allele.

References
----------
Hermisson and Pennings 2005, 10.1534/genetics.104.036947 (how long a sweep takes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scanner.simulate.genealogy import Setting
from scanner.simulate.sweeps import Selected

Int = NDArray[np.int64]
Float = NDArray[np.float64]
STRONGEST = 0.25
"""Largest advantage S in a scaled generation; the little diversity left at the site comes out some S / 2 too low."""
FEWEST, LEAST, MOST = 500, 100, 10_000
"""Scaled diploids: while the allele sweeps, at least so many on (harmonic) average and at any time; and never more than
the last, since so many hardly drift."""
STEPS = 100
"""Times at which sizes are looked at."""


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
        As in `scanner.simulate.forward.forward_sweep`; both ``alpha`` and ``s`` are known.
    """
    age, s = selected.age, selected.s or 0.0
    sizes, begun = _while_it_sweeps(setting, selected, s)
    factor = min(STRONGEST / s, _average(sizes) / FEWEST, sizes.min() / LEAST)
    onset = max(1, round(begun / factor))
    fixed = setting.is_constant()
    return Plan(factor, s * factor, age / factor, onset, 20 * onset if fixed else onset, fixed)


def with_strength(setting: Setting, selected: Selected) -> Selected:
    """Work out what is not known of the strength: 2 N s = alpha, and N depends on how long the sweep takes.

    Parameters
    ----------
    setting, selected
        As in `scanner.simulate.forward.forward_sweep`.
    """

    def alpha(s: float) -> float:
        return 2 * _average(_while_it_sweeps(setting, selected, s)[0]) * s

    if selected.s is not None:
        return replace(selected, alpha=alpha(selected.s))
    wanted, changes = selected.alpha or 0.0, setting.changes()
    sizes = setting.sizes(np.concatenate([changes, np.nextafter(changes[1:], 0)]))
    low, high = wanted / (2 * sizes.max()), wanted / (2 * sizes.min())
    while high > low * 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if alpha(middle) < wanted else (low, middle)
    return replace(selected, s=high)


def _while_it_sweeps(setting: Setting, selected: Selected, s: float) -> tuple[Float, float]:
    """Give sizes at even times while an allele sweeps, and the generations ago when it begins."""
    age = selected.age
    last = float(setting.sizes(np.array([age]))[0])
    begun = age + duration(selected, s, last, last)
    begun = age + duration(selected, s, float(setting.sizes(np.array([begun]))[0]), last)
    return setting.sizes(np.linspace(age, begun, STEPS)), begun


def _average(sizes: Float) -> float:
    """Give the harmonic mean."""
    return float(1 / np.mean(1 / sizes))


def duration(selected: Selected, s: float, before: float, after: float) -> float:
    """Give how many generations a sweep takes on average.

    Parameters
    ----------
    selected
        The sweep.
    s
        Its advantage.
    before, after
        Diploids when it begins and ends.

    Examples
    --------
    >>> sweep = Selected(alpha=None, s=0.01, age=0, start=None, final=1, low=0, high=1)
    >>> round(duration(sweep, 0.01, 1000, 1000))
    853
    """

    def odds(frequency: float, size: float) -> float:
        """Give log odds, no further out than where chance takes over."""
        furthest = max(1.0, math.log(4 * size * s) + np.euler_gamma)
        nearer = frequency if 0 < frequency < 1 else min(max(frequency, 1e-300), 1 - 1e-16)
        return min(furthest, max(-furthest, math.log(nearer / (1 - nearer))))

    start = 0.0 if selected.start is None else selected.start
    return max(1.0, odds(selected.final, after) - odds(start, before)) / s


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
