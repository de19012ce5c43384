"""One pass along the sites that serves all windows, however they overlap.

Windows open at their first site and are evaluated at their last one. What is kept for an open window depends on its
first site alone, so windows that start together share it, and memory grows with the windows that are open at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from scanner.windows import Float, Int


class Pass(NamedTuple):
    """When windows open and close on a pass along the sites; a tuple of arrays, as compiled code takes it.

    Parameters
    ----------
    first, last
        (windows,) int64: window w covers the sites ``first[w]:last[w]``.
    order
        (windows that cover a site,) int64, by ``last`` and then ``first``.
    slot
        (windows,) int64: where to keep what the window's start asks for; -1 where the window covers no site.
    start, close
        (starts,) int64: the distinct first sites, increasing, and the last end of a window that starts there.
    start_slot
        (starts,) int64: slot of each start, free again from its ``close`` on.
    slots
        How many slots there are.
    """

    first: Int
    last: Int
    order: Int
    slot: Int
    start: Int
    close: Int
    start_slot: Int
    slots: int


def plan(first: Int, last: Int) -> Pass:
    """Plan one pass.

    Parameters
    ----------
    first, last
        (windows,) int64 half-open site ranges, in any order, nested or not.

    Examples
    --------
    >>> planned = plan(np.array([0, 2, 4]), np.array([3, 5, 6]))
    >>> planned.start_slot.tolist(), planned.slots  # the third window reuses what the first no longer needs
    ([0, 1, 0], 2)
    """
    first, last = np.asarray(first, np.int64), np.asarray(last, np.int64)
    covering = np.flatnonzero(last > first)
    order = covering[np.lexsort((first[covering], last[covering]))]
    start, group = np.unique(first[covering], return_inverse=True)
    close = np.zeros(len(start), np.int64)
    np.maximum.at(close, group, last[covering])
    start_slot = np.zeros(len(start), np.int64)
    slots = int(_slots(start, close, np.argsort(close, kind="stable"), start_slot))
    slot = np.full(len(first), -1, np.int64)
    slot[covering] = start_slot[group]
    return Pass(first, last, order, slot, start, close, start_slot, slots)


def ranks(chosen: NDArray[np.bool_], first: Int, last: Int) -> tuple[Int, Int]:
    """Translate site ranges into ranges of the chosen sites.

    Parameters
    ----------
    chosen
        (sites,) bool.
    first, last
        (windows,) int64 half-open site ranges.

    Examples
    --------
    >>> low, high = ranks(np.array([True, False, True]), np.array([0, 1]), np.array([2, 3]))
    >>> low.tolist(), high.tolist()
    ([0, 1], [1, 2])
    """
    before = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(chosen, out=before[1:])
    return before[first], before[last]


def window_maximum(values: NDArray[np.generic], first: Int, last: Int) -> Float:
    """Find the largest per-site value in every window, at constant cost a window.

    Parameters
    ----------
    values
        (sites,) numbers.
    first, last
        (windows,) half-open site ranges.

    Returns
    -------
    (windows,) float64, -inf where a range holds no site.

    Examples
    --------
    >>> window_maximum(np.array([3, 1, 2]), np.array([0, 1, 2]), np.array([3, 3, 2])).tolist()
    [3.0, 2.0, -inf]
    """
    found = np.full(len(first), -np.inf)
    length = last - first
    level, table = 1, np.asarray(values, np.float64)  # table[i] is the maximum of values[i : i + level]
    while len(table) and (length >= level).any():
        fits = (length >= level) & (length < 2 * level)
        found[fits] = np.maximum(table[first[fits]], table[last[fits] - level])
        table = np.maximum(table[:-level], table[level:])
        level *= 2
    return found


@numba.njit(cache=True, nogil=True)
def _slots(start: Int, close: Int, by_close: Int, slot: Int) -> int:  # pragma: no cover - compiled
    """Give every start a slot that no other open start holds; return how many were needed."""
    free = np.empty(len(start), np.int64)
    waiting = made = closed = 0
    for index in range(len(start)):
        while close[by_close[closed]] <= start[index]:
            free[waiting] = slot[by_close[closed]]
            waiting += 1
            closed += 1
        if waiting:
            waiting -= 1
            slot[index] = free[waiting]
        else:
            slot[index] = made
            made += 1
    return made
