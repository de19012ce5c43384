"""Windows along a contig, and which sites lie in each.

A window covers ``[start, end)`` in bp, 0-based. Windows are kept sorted by start, then end; a site belongs to
exactly the windows that cover its position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.regions import Region

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of one contig.

    Parameters
    ----------
    contig
        Name as the VCF spells it.
    start, end
        (windows,) int64, bp, 0-based half-open, sorted by start and then end.
    """

    contig: str
    start: Int
    end: Int

    def __len__(self) -> int:
        """Count the windows."""
        return len(self.start)

    def __getitem__(self, part: slice) -> Windows:
        """Take consecutive windows."""
        return Windows(self.contig, self.start[part], self.end[part])


@dataclass(frozen=True)
class Spans:
    """Windows together with the sites they cover: what every producer of scores gets.

    Parameters
    ----------
    start, end
        (windows,) int64, bp, 0-based half-open.
    first, last
        (windows,) int64: window w covers the sites ``first[w]:last[w]`` of the block.
    callable_bp
        (windows,) float64: callable bases, the whole length where no mask is given.
    """

    start: Int
    end: Int
    first: Int
    last: Int
    callable_bp: Float

    def __len__(self) -> int:
        """Count the windows."""
        return len(self.start)


def sliding(region: Region, window: int, step: int) -> Windows:
    """Lay windows of equal length over a region.

    Windows start at every multiple of ``step`` (counted from the contig's first base, so that regions of one
    contig share a grid). Bounds are clipped to the region. A window that would lie wholly inside the one before
    it, as clipping makes at the end, is left out.

    Parameters
    ----------
    region
        The stretch to cover.
    window, step
        Length and distance of windows in bp, ``step <= window``.

    Examples
    --------
    >>> tiled = sliding(Region("1", 0, 250), 100, 100)
    >>> list(zip(tiled.start.tolist(), tiled.end.tolist()))
    [(0, 100), (100, 200), (200, 250)]
    >>> overlapping = sliding(Region("1", 0, 250), 100, 50)
    >>> list(zip(overlapping.start.tolist(), overlapping.end.tolist()))
    [(0, 100), (50, 150), (100, 200), (150, 250)]
    """
    if not 0 < step <= window:
        raise ValueError(f"step {step} must lie between 1 and the window's {window} bp")
    low = max(0, (region.start - window) // step + 1)
    grid = np.arange(low, -(-region.end // step), dtype=np.int64) * step
    start, end = np.maximum(grid, region.start), np.minimum(grid + window, region.end)
    _, earliest = np.unique(end, return_index=True)  # of windows with one end, the longest
    start, end = start[earliest], end[earliest]
    _, position = np.unique(start[::-1], return_index=True)  # of windows with one start, the longest
    longest = len(start) - 1 - position
    return Windows(region.contig, start[longest], end[longest])


def by_site_count(contig: str, positions: Int, count: int, step: int) -> Windows:
    """Lay windows of ``count`` consecutive sites, a new one every ``step`` sites.

    Each window reaches from its first site to just past its last one; the last window holds what is left.

    Parameters
    ----------
    contig
        Name as the VCF spells it.
    positions
        (sites,) int64, strictly increasing, bp, 0-based.
    count, step
        In sites, ``step <= count``.

    Examples
    --------
    >>> found = by_site_count("1", np.array([3, 5, 9, 20, 31]), 2, 2)
    >>> list(zip(found.start.tolist(), found.end.tolist()))
    [(3, 6), (9, 21), (31, 32)]
    """
    if not 0 < step <= count:
        raise ValueError(f"step {step} must lie between 1 and the window's {count} sites")
    if len(positions) == 0:
        return Windows(contig, np.empty(0, np.int64), np.empty(0, np.int64))
    windows = 1 + max(0, -(-(len(positions) - count) // step))
    first = np.arange(windows, dtype=np.int64) * step
    last = np.minimum(first + count, len(positions)) - 1
    return Windows(contig, positions[first], positions[last] + 1)


def spans(windows: Windows, positions: Int, callable_bp: Float | None = None) -> Spans:
    """Find the sites that each window covers.

    Parameters
    ----------
    windows
        Windows of the block's contig.
    positions
        (sites,) int64, increasing, bp, 0-based.
    callable_bp
        (windows,) callable bases; the windows' lengths where None.

    Examples
    --------
    >>> found = spans(Windows("1", np.array([0, 5]), np.array([5, 10])), np.array([0, 4, 5, 9, 10]))
    >>> found.first.tolist(), found.last.tolist()
    ([0, 2], [2, 4])
    """
    if callable_bp is None:
        callable_bp = (windows.end - windows.start).astype(np.float64)
    first = np.searchsorted(positions, windows.start, side="left").astype(np.int64)
    last = np.searchsorted(positions, windows.end, side="left").astype(np.int64)
    return Spans(windows.start, windows.end, first, last, callable_bp)


def window_sums(values: NDArray[np.generic], first: Int, last: Int) -> NDArray[np.generic]:
    """Sum per-site values over site ranges by one prefix sum, whatever the overlap.

    Parameters
    ----------
    values
        (sites,) or (sites, k): whole numbers are summed exactly, floats in float64.
    first, last
        (windows,) half-open site ranges.

    Returns
    -------
    (windows,) or (windows, k) sums, int64 or float64.

    Examples
    --------
    >>> window_sums(np.array([1, 2, 3]), np.array([0, 1]), np.array([2, 3])).tolist()
    [3, 5]
    """
    kind = np.float64 if values.dtype.kind == "f" else np.int64
    prefix = np.zeros((len(values) + 1, *values.shape[1:]), kind)
    np.cumsum(values, axis=0, dtype=kind, out=prefix[1:])
    return prefix[last] - prefix[first]
