"""Scores: named columns of values, one a window, each missing value with its reason.

A score is called ``<name>``, ``<name>.<population>``, ``<name>.<population>.<population>`` and so on; without a
population file the suffix is left out. Statistics and networks are both *producers*: they take a block of haplotypes
and the windows' spans, and give columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scanner.haplotypes import HaplotypeBlock, Haplotypes
from scanner.windows import Spans

Float = NDArray[np.float64]


class Reason(IntEnum):
    """Why a window has no value for a score; 0 where it has one. docs/statistics.md explains each."""

    VALUE = 0
    UNCALLABLE = 1
    FEW_SITES = 2
    UNPHASED = 3
    UNPOLARISED = 4
    NO_VARIATION = 5
    MISSING_DATA = 6
    UNDEFINED = 7


@dataclass(frozen=True)
class Column:
    """Values of one score.

    Parameters
    ----------
    values
        (windows,) float64, NaN exactly where ``reasons`` is not 0.
    reasons
        (windows,) uint8, codes of `Reason`.
    """

    values: Float
    reasons: NDArray[np.uint8]


def column(values: NDArray[np.generic], *missing: tuple[NDArray[np.bool_], Reason]) -> Column:
    """Make a column; the first reason that holds in a window is the one kept.

    Parameters
    ----------
    values
        (windows,) numbers; a NaN or infinity that no reason explains counts as `Reason.UNDEFINED`.
    missing
        Pairs of a (windows,) mask and the reason why the value is missing there.

    Examples
    --------
    >>> made = column(np.array([1.0, 2.0]), (np.array([False, True]), Reason.FEW_SITES))
    >>> made.values.tolist(), made.reasons.tolist()
    ([1.0, nan], [0, 2])
    """
    numbers = np.array(values, dtype=np.float64)
    reasons = np.zeros(len(numbers), np.uint8)
    for mask, reason in missing:
        reasons[mask & (reasons == 0)] = reason
    reasons[~np.isfinite(numbers) & (reasons == 0)] = Reason.UNDEFINED
    numbers[reasons != 0] = np.nan
    return Column(numbers, reasons)


Compute = Callable[[HaplotypeBlock, Spans, Sequence[Haplotypes], frozenset[str]], Mapping[str, Column]]


@dataclass(frozen=True)
class Producer:
    """A family of scores that are computed together.

    Parameters
    ----------
    names
        Score names without population suffix, in the table's order.
    arity
        How many populations one column concerns: 0 (the window itself), 1, 2 (pairs) or 3 (trios).
    compute
        ``compute(block, spans, populations, wanted)`` gives a column for every wanted name; ``populations`` has
        ``arity`` members.
    needs_phase, needs_polarity
        What the family asks of the data, for messages; ``compute`` itself marks the windows that lack it.
    minimum_haplotypes
        Haplotypes that each population must have.
    auxiliary
        Score name to the names of columns that come along with it, such as the sums whose ratio it is.
    """

    names: tuple[str, ...]
    arity: int
    compute: Compute
    needs_phase: bool = False
    needs_polarity: bool = False
    minimum_haplotypes: int = 2
    auxiliary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def score_name(name: str, populations: Sequence[str]) -> str:
    """Join a score's name with its populations.

    Examples
    --------
    >>> score_name("fst", ["CEU", "YRI"])
    'fst.CEU.YRI'
    """
    return ".".join([name, *populations])
