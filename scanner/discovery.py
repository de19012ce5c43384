"""Which windows are called to be of a class, so that few of them are false: the false-discovery rate.

A network gives windows where there is nothing a posterior too, and simulations of such windows that the model carries
say how often it is how large. A window of the scan with posterior v has the p-value (1 + k) / (1 + n), where k of the n
simulations have v or more; the 1 stands for the window itself, and without it a posterior above all simulations would
count as impossible. Of the W windows with a value, R have a posterior of t or more. No more than W (1 + k) / (1 + n)
windows where there is nothing are expected to have it, and this number over R estimates the false-discovery rate of
calling these R. All W windows are taken to be of nothing: that can only make the estimate too large, by little where
the classes looked for are rare. The lowest t at which the estimate is no more than the level is the threshold.

That is the procedure of Benjamini and Hochberg with p-values from simulations; it holds the level where windows are
independent (Bates et al.). Windows that overlap are not: the expectations above are the same for them, but false calls
come in clusters, and scans with none or with many of them are more frequent.

Windows unlike the training are none that the simulations speak of: they count among the W, and not among the R.

Where all of a genome differs a little from the simulations, many windows may stand out by a little too. So a window is
called only where what was seen makes the odds of the class at least `EVIDENCE` times what they were before.

References
----------
Kass and Raftery 1995, 10.1080/01621459.1995.10476572 (from 20 on, evidence is strong);
Benjamini and Hochberg 1995, 10.1111/j.2517-6161.1995.tb02031.x; Storey and Tibshirani 2003,
10.1073/pnas.1530509100 (the estimate, and q-values); Bates et al. 2023, 10.1214/22-AOS2244 (p-values from a finite
sample of the null).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError

Float = NDArray[np.float64]
Bools = NDArray[np.bool_]

EVIDENCE = 20.0
"""Posterior over prior odds (a Bayes factor) of the windows that may be called, at least."""
RECORD = "calls"
"""Where run.json has what was found, by column."""


@dataclass(frozen=True)
class Discovery:
    """What is called of one column.

    Parameters
    ----------
    column
        Name in the table.
    level
        False-discovery rate that is allowed.
    null
        Number of simulated windows where there is nothing.
    windows
        Windows of the scan with a value.
    leading
        Windows within the range of the training whose posterior is above that of every simulated one, and high enough.
    called
        Windows within that range at or above the threshold.
    threshold
        Smallest posterior that is called; None: nothing is.
    above
        Posteriors of the simulated windows at or above the threshold, rising.
    """

    column: str
    level: float
    null: int
    windows: int
    leading: int
    called: int
    threshold: float | None
    above: tuple[float, ...]

    @property
    def fewest(self) -> int:
        """Fewest windows that can be called: fewer would need more simulations."""
        return math.ceil(self.windows / (self.level * (self.null + 1)))

    @property
    def unresolved(self) -> bool:
        """Whether nothing is called for want of simulations, though windows stand out from all that there are."""
        return self.threshold is None and (self.leading > 0 or self.fewest > self.windows > 0)

    def rates(self, wanted: Float, values: Float, usable: Bools) -> Float:
        """Estimate the smallest false-discovery rate at which windows would still be called: their q-values.

        Parameters
        ----------
        wanted
            (calls,) posteriors at or above the threshold.
        values, usable
            As `discover` took them.
        """
        if self.threshold is None or len(wanted) == 0:
            return np.ones(len(wanted))
        known = np.sort(values[usable & (values >= self.threshold)])
        places = np.unique(known)
        lowest = np.minimum.accumulate(_estimated(places, known, np.array(self.above), self.null, self.windows))
        return np.asarray(lowest[np.searchsorted(places, wanted, side="right") - 1])


def least_posterior(prior: float) -> float:
    """Give the posterior whose odds are `EVIDENCE` times those of a prior.

    Examples
    --------
    >>> round(least_posterior(0.01), 4), round(least_posterior(0.5), 4)
    (0.1681, 0.9524)
    """
    return EVIDENCE * prior / (1 + (EVIDENCE - 1) * prior)


def discover(column: str, values: Float, usable: Bools, null: Float, level: float, least: float = 0.0) -> Discovery:
    """Find the threshold of a column.

    Parameters
    ----------
    column
        Its name.
    values
        (rows,) posteriors of a class, NaN where missing.
    usable
        (rows,) whether windows are like those of the training.
    null
        (simulations,) posteriors of the class, of windows where there is nothing.
    level
        False-discovery rate that is allowed, between 0 and 1.
    least
        Smallest posterior that may be called; see `least_posterior`.

    Examples
    --------
    >>> values, null = np.append(np.full(95, 0.1), np.full(5, 0.9)), np.linspace(0, 0.8, 999)
    >>> found = discover("sweep_hard", values, np.full(100, True), null, 0.05)
    >>> found.threshold, found.called, found.rates(np.array([0.9]), values, np.full(100, True)).round(6).tolist()
    (0.9, 5, [0.02])
    """
    there = np.isfinite(values)
    known, null = np.sort(values[there & usable]), np.sort(null)
    windows, places = int(there.sum()), np.unique(known)
    low = places[(_estimated(places, known, null, len(null), windows) <= level) & (places >= least)]
    threshold = float(low[0]) if len(low) else None
    return Discovery(
        column,
        level,
        len(null),
        windows,
        leading=int(((known > null[-1]) & (known >= least)).sum()),
        called=0 if threshold is None else int((known >= threshold).sum()),
        threshold=threshold,
        above=() if threshold is None else tuple(null[null >= threshold].tolist()),
    )


def _estimated(at: Float, known: Float, null: Float, simulations: int, windows: int) -> Float:
    """Estimate the false-discovery rate of thresholds: (thresholds,); see the top of the module.

    ``known`` and ``null`` rise, and have all values from the lowest threshold on.
    """
    called = len(known) - np.searchsorted(known, at)
    false = (len(null) - np.searchsorted(null, at) + 1) / (simulations + 1) * windows
    return np.asarray(false / called)


def as_record(found: Sequence[Discovery]) -> dict[str, Any]:
    """Write what was found for run.json: by column, with how few windows could have been called at all."""
    return {item.column: {**asdict(item), "fewest": item.fewest} for item in found}


def recorded(record: Mapping[str, Any]) -> dict[str, Discovery]:
    """Read what `as_record` wrote, by column: none where no network told classes.

    Parameters
    ----------
    record
        All of run.json.

    Raises
    ------
    InputError
        Where it is damaged.
    """
    try:
        return {name: _read(entry) for name, entry in (record.get(RECORD) or {}).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"run.json does not say what is called ({error!r}): run popscan scan again") from error


def _read(entry: Mapping[str, Any]) -> Discovery:
    """Read the entry of one column."""
    threshold = entry["threshold"]
    return Discovery(
        str(entry["column"]),
        float(entry["level"]),
        int(entry["null"]),
        int(entry["windows"]),
        int(entry["leading"]),
        int(entry["called"]),
        None if threshold is None else float(threshold),
        tuple(map(float, entry["above"])),
    )
