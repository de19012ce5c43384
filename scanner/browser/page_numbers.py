"""Numbers behind the page's plots: the genome at the resolution of a screen, and how scores agree."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.browser.bigwig import Tiling

Int = NDArray[np.int64]
Float = NDArray[np.float64]

BINS = 1500
"""Places along the whole genome: about one for each pixel."""
MOST_CONTIGS = 300
"""Contigs that the overview can tell apart; of more, the longest are drawn."""
POINTS = 4000
"""Windows in the scatter plot."""
RANKED = 20_000
"""Windows from which rank correlations are computed."""
MISSING = 65535
_STEPS = 65534


def pack(values: Float) -> dict[str, Any]:
    """Write numbers as 16 bits each between the smallest and the largest; 65535 is a missing one.

    Parameters
    ----------
    values
        Any shape, NaN where missing.

    Returns
    -------
    ``low``, ``high`` (None where all is missing) and ``data``, little-endian uint16 in base64.

    Examples
    --------
    >>> packed = pack(np.array([1.0, np.nan, 3.0]))
    >>> packed["low"], packed["high"], unpack(packed).tolist()
    (1.0, 3.0, [1.0, nan, 3.0])
    """
    known = np.isfinite(values)
    if not known.any():
        return {"low": None, "high": None, "data": _base64(np.full(values.size, MISSING, "<u2"))}
    low, high = float(values[known].min()), float(values[known].max())
    scaled = np.rint((np.where(known, values, low) - low) / ((high - low) or 1.0) * _STEPS)
    return {"low": low, "high": high, "data": _base64(np.where(known, scaled, MISSING).astype("<u2"))}


def unpack(packed: dict[str, Any]) -> Float:
    """Read what `pack` wrote, to within a 131,068th of the range."""
    codes = np.frombuffer(base64.b64decode(packed["data"]), "<u2").astype(np.float64)
    low, high = packed["low"] or 0.0, packed["high"] or 0.0
    return np.where(codes == MISSING, np.nan, low + codes / _STEPS * (high - low))


def _base64(codes: NDArray[np.generic]) -> str:
    return base64.b64encode(codes.tobytes()).decode("ascii")


@dataclass(frozen=True)
class Stretch:
    """The scanned part of a contig in the overview.

    Parameters
    ----------
    contig
        Index into the table's contigs.
    start, end
        bp, 0-based half-open.
    bins
        Number of places it is divided into.
    """

    contig: int
    start: int
    end: int
    bins: int


class Overview:
    """The genome in about as many bins as a screen has pixels."""

    def __init__(self, tiling: Tiling) -> None:
        """Lay the scanned stretches of all contigs end to end.

        Parameters
        ----------
        tiling
            Where the windows are drawn.
        """
        drawn = np.flatnonzero(tiling.end > tiling.start)
        self._rows = drawn[np.lexsort((tiling.start[drawn], tiling.contig[drawn]))]
        contig = tiling.contig[self._rows]
        start, end = tiling.start[self._rows], tiling.end[self._rows]
        bounds = np.searchsorted(contig, np.arange(len(tiling.contigs) + 1))
        there = [at for at in range(len(tiling.contigs)) if bounds[at] < bounds[at + 1]]
        spans = {at: (int(start[bounds[at]]), int(end[bounds[at + 1] - 1])) for at in there}
        longest = sorted(there, key=lambda at: spans[at][0] - spans[at][1])[:MOST_CONTIGS]
        total = sum(spans[at][1] - spans[at][0] for at in longest)
        self.omitted = len(there) - len(longest)
        self.stretches = tuple(
            Stretch(at, *spans[at], max(1, round(BINS * (spans[at][1] - spans[at][0]) / total)))
            for at in sorted(longest)
        )
        low, high = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for stretch in self.stretches:
            first, last = bounds[stretch.contig], bounds[stretch.contig + 1]
            edges = np.linspace(stretch.start, stretch.end, stretch.bins + 1)
            low.append(first + np.searchsorted(end[first:last], edges[:-1], side="right"))
            high.append(first + np.searchsorted(start[first:last], edges[1:], side="left"))
        self._low, self._high = np.concatenate(low), np.concatenate(high)

    def bins(self, values: Float) -> Float:
        """Give mean, smallest and largest value of the windows drawn in each bin.

        Parameters
        ----------
        values
            (rows,) float64, NaN where missing.

        Returns
        -------
        (3, bins) float64, NaN where no window with a value is drawn.
        """
        ordered = values[self._rows]
        known = np.isfinite(ordered)
        counts = np.concatenate([[0], np.cumsum(known)])
        number = counts[self._high] - counts[self._low]
        sums = np.concatenate([[0.0], np.cumsum(np.where(known, ordered, 0.0))])
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (sums[self._high] - sums[self._low]) / number
        smallest = self._reduce(np.minimum, np.where(known, ordered, np.inf))
        largest = self._reduce(np.maximum, np.where(known, ordered, -np.inf))
        mean = np.clip(mean, smallest, largest)  # running sums are off by their rounding
        found = np.stack([mean, smallest, largest])
        found[:, number == 0] = np.nan
        return found

    def _reduce(self, function: np.ufunc, values: Float) -> Float:
        """Apply a ufunc to each bin; what a bin without windows gets has no meaning."""
        if len(self._low) == 0:
            return np.empty(0)
        padded = np.append(values, values[-1:])  # reduceat takes no index at the very end
        pairs = np.column_stack([self._low, np.maximum(self._high, self._low + 1)]).ravel()
        return np.asarray(function.reduceat(padded, pairs)[::2], np.float64)


def evenly(rows: int, most: int) -> Int:
    """Choose rows evenly, always the same ones.

    Examples
    --------
    >>> evenly(10, 4).tolist(), evenly(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if rows <= most:
        return np.arange(rows)
    return np.rint(np.linspace(0, rows - 1, most)).astype(np.int64)


def ranks(values: Float) -> Float:
    """Rank values from 1, equal ones by the mean of their ranks.

    Examples
    --------
    >>> ranks(np.array([10.0, 30.0, 10.0])).tolist()
    [1.5, 3.0, 1.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def spearman(columns: Sequence[Float]) -> Float:
    """Correlate ranks, each pair over the windows where both have a value.

    Parameters
    ----------
    columns
        Values, NaN where missing.

    Returns
    -------
    (columns, columns) float64; NaN where fewer than three windows have both, or one of them does not vary.

    References
    ----------
    Spearman C. 1904. 10.2307/1412159

    Examples
    --------
    >>> spearman([np.array([1.0, 2.0, 3.0]), np.array([9.0, 4.0, 1.0])]).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    known = [np.isfinite(values) for values in columns]
    kept: dict[tuple[int, bytes], Float] = {}

    def centred(at: int, both: NDArray[np.bool_], key: bytes) -> Float:
        if (at, key) not in kept:  # most columns lack the same windows, so that few ranks have to be computed
            ranked = ranks(columns[at][both])
            ranked -= ranked.mean()
            size = float(np.sqrt(np.einsum("i,i", ranked, ranked)))  # @ would wake a second thread for a short sum
            kept[at, key] = ranked / size if size else np.full(len(ranked), np.nan)
        return kept[at, key]

    found = np.full((len(columns), len(columns)), np.nan)
    for one in range(len(columns)):
        for other in range(one + 1):
            both = known[one] & known[other]
            if both.sum() >= 3:
                key = both.tobytes()
                pair = centred(one, both, key), centred(other, both, key)
                value = float(np.einsum("i,i", *pair))
                found[one, other] = found[other, one] = np.clip(round(value, 12), -1, 1)
        if len(kept) > 4 * len(columns):
            kept.clear()  # where each pair lacks windows of its own, nothing kept is used again
    return found
