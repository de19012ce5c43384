"""Priors: what a recipe says of a number that differs between simulations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from scanner.errors import InputError

KINDS = ("uniform", "log_uniform", "inverse_uniform", "exponential", "choice")


@dataclass(frozen=True)
class Prior:
    """Distribution of one number.

    Parameters
    ----------
    kind
        ``uniform``, ``log_uniform`` and ``inverse_uniform`` (1 over the number is uniform) between two bounds,
        ``exponential`` of a mean but never above a cap, or ``choice`` among values, each as likely as the others.
    values
        The two bounds, the mean (of the distribution without its cap) and the cap, or the values.
    """

    kind: str
    values: tuple[float, ...]

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value.

        Examples
        --------
        >>> Prior("choice", (3.0,)).draw(np.random.default_rng(1))
        3.0
        """
        if self.kind == "choice":
            return float(self.values[rng.integers(len(self.values))])
        low, high = self.values
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        if self.kind == "exponential":
            return float(min(high, -low * math.log1p(rng.uniform() * math.expm1(-high / low))))
        if self.kind == "inverse_uniform":
            return float(min(high, max(low, 1 / rng.uniform(1 / high, 1 / low))))
        return float(min(high, max(low, math.exp(rng.uniform(math.log(low), math.log(high))))))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        if self.kind == "exponential":
            return 0.0, self.values[1]
        return min(self.values), max(self.values)

    def as_toml(self) -> str:
        """Write it as a recipe has it.

        Examples
        --------
        >>> Prior("uniform", (1.0, 2.0)).as_toml(), Prior("choice", (0.1,)).as_toml()
        ('{ uniform = [1.0, 2.0] }', '0.1')
        """
        if self.kind == "choice" and len(self.values) == 1:
            return repr(self.values[0])
        return f"{{ {self.kind} = {list(self.values)!r} }}"


def read_prior(value: object, where: str, *, low: float = 0.0, high: float = math.inf) -> Prior:
    """Read a number, or a table such as ``{ uniform = [1, 2] }``.

    Parameters
    ----------
    value
        As TOML gives it.
    where
        File and field, for messages.
    low, high
        Bounds of what makes sense, both inclusive.

    Raises
    ------
    InputError
        For anything else.

    Examples
    --------
    >>> read_prior({"choice": [1, 2]}, "r.toml: size")
    Prior(kind='choice', values=(1.0, 2.0))
    """
    listed: object
    if _is_number(value):
        kind, listed = "choice", [value]
    elif isinstance(value, dict) and len(value) == 1 and next(iter(value)) in KINDS:
        kind, listed = next(iter(value.items()))
    else:
        raise InputError(
            f"{where} must be a number or one of {{ {' = [...] }, { '.join(KINDS)} = [...] }}, not {value!r}"
        )
    pair = kind != "choice"
    if not isinstance(listed, list) or not listed or not all(_is_number(item) for item in listed):
        raise InputError(f"{where}: {kind} takes a list of numbers, not {listed!r}")
    values = tuple(float(item) for item in listed)
    if pair and (len(values) != 2 or values[0] > values[1]):
        names = "[mean, cap], the mean no larger" if kind == "exponential" else "[smallest, largest]"
        raise InputError(f"{where}: {kind} takes {names}, not {listed!r}")
    if kind in ("log_uniform", "inverse_uniform", "exponential") and values[0] <= 0:
        names = "a mean and a cap" if kind == "exponential" else "bounds"
        raise InputError(f"{where}: {kind} takes {names} above 0, not {listed!r}")
    if min(values) < low or max(values) > high:
        limits = f"be at least {low:g}" if high == math.inf else f"lie between {low:g} and {high:g}"
        raise InputError(f"{where} must {limits}, not {listed!r}")
    return Prior(kind, values)


def _is_number(value: object) -> TypeGuard[int | float]:
    """Tell numbers from truth values, nan, inf and whole numbers that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
