"""One population history for a genome: what a network says of every window, joined and written as a demes file.

Every window is a look at the same history. Looks are averaged, not multiplied: what a network gets wrong about a
history it gets wrong in every window, and that does not go away with their number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.files import write_text
from scanner.networks import FAR, recorded
from scanner.result import HISTORY
from scanner.scores import score_name
from scanner.table import Table

Int = NDArray[np.int64]
Float = NDArray[np.float64]

TASK = "demography"
"""Task of the networks whose windows are joined."""
FILES = f"{TASK}.*demes.yaml"
"""Names of the demes files of a result, as a pattern."""
BLOCK = 5_000_000
"""bp: stretches of a chromosome of this length are taken to be independent of each other."""
UNNAMED = "population"
"""Deme of all samples together, where populations are not named."""


@dataclass(frozen=True)
class Estimate:
    """One number of a history: log10, with the ends of its 90% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class History:
    """The history of a population, joined from its windows.

    Parameters
    ----------
    population
        Its name; empty for all samples together.
    network
        Name of the network.
    windows, blocks
        Windows with a value, and the independent stretches in which they lie.
    out_of_range
        Share of these windows that lie further from the training of the network than 95% of its own windows.
    numbers
        By `HISTORY`.
    """

    population: str
    network: str
    windows: int
    blocks: int
    out_of_range: float
    numbers: dict[str, Estimate]

    @property
    def file(self) -> str:
        """Name of its demes file.

        Examples
        --------
        >>> History("CEU", "demography", 3, 1, 0.0, {}).file, History("", "demography", 3, 1, 0.0, {}).file
        ('demography.CEU.demes.yaml', 'demography.demes.yaml')
        """
        return f"{score_name(TASK, [self.population] if self.population else [])}.demes.yaml"

    @property
    def deme(self) -> str:
        """Name of its deme, which holds letters, digits and _ alone.

        Examples
        --------
        >>> History("1000G-CEU", "demography", 3, 1, 0.0, {}).deme, History("", "demography", 3, 1, 0.0, {}).deme
        ('_1000G_CEU', 'population')
        """
        name = re.sub(r"\W", "_", self.population or UNNAMED, flags=re.ASCII)
        return f"_{name}" if name[0].isdigit() else name

    def record(self) -> dict[str, Any]:
        """Describe it for run.json."""
        return {
            "population": self.population,
            "network": self.network,
            "file": self.file,
            "deme": self.deme,
            "windows": self.windows,
            "blocks": self.blocks,
            "out_of_range": round(self.out_of_range, 4),
            **{name: [round(x, 6) for x in (n.value, n.low, n.high)] for name, n in self.numbers.items()},
        }

    def as_demes(self) -> str:
        """Write it as a demes file, with the intervals among its metadata."""
        n0, t1, n1, t2, n2 = (10.0 ** self.numbers[name].value for name in HISTORY)
        recent, old = sorted((t1, t2))
        old = max(old, recent * 1.001)  # equal times would leave an epoch of no length
        what = f"Three sizes of {self.population or 'all samples'}, joined from {self.windows:,} windows by the network"
        lines = [
            f"description: {json.dumps(f'{what} {self.network}')}",
            "time_units: generations",
            "demes:",
            f"- name: {json.dumps(self.deme)}",
            "  epochs:",
            f"  - {{start_size: {n2:.3f}, end_time: {old:.3f}}}",
            f"  - {{start_size: {n1:.3f}, end_time: {recent:.3f}}}",
            f"  - {{start_size: {n0:.3f}}}",
            "metadata:",
            f"  popscan: {json.dumps(self.record())}",
        ]
        return "\n".join(lines) + "\n"


def average(values: Float, half: Float, block: Int, scale: float) -> Estimate:
    """Join what windows say of one number.

    Of a window's squared error, which the network foretells, one part differs between windows and shrinks as they
    are averaged; it is seen in their spread. The rest is what the network gets wrong about the history as a whole,
    and stays. How far the first part shrinks is told by the means of blocks, between which linkage does not reach.
    The interval is as many standard deviations wide as the windows' own.

    Parameters
    ----------
    values
        (windows,) estimates, log10.
    half
        (windows,) half the width of their 90% intervals.
    block
        (windows,) number of the stretch in which each lies, from 0 on.
    scale
        Standard deviations that half a window's interval is wide, by the network's calibration.

    Returns
    -------
    Mean of the windows, with a 90% interval.

    References
    ----------
    Kunsch 1989, 10.1214/aos/1176347265 (blocks of dependent observations).

    Examples
    --------
    >>> average(np.array([3.0, 5.0]), np.array([2.0, 2.0]), np.array([0, 0]), 1.6)
    Estimate(value=4.0, low=2.0, high=6.0)
    """
    mean, whole = float(values.mean()), float(((half / scale) ** 2).mean())
    count = np.bincount(block)
    blocks = len(count)
    error = whole
    if blocks > 1:
        away = np.bincount(block, weights=values - mean) / len(values)
        sampling = float((away**2).sum()) * blocks / (blocks - 1)
        error = max(0.0, whole - float(values.var(ddof=1))) + sampling
    reach = scale * error**0.5
    return Estimate(mean, mean - reach, mean + reach)


def blocks_of(table: Table, kept: NDArray[np.bool_]) -> Int:
    """Number the stretches in which windows lie: `BLOCK` long, or as long as the longest window.

    Parameters
    ----------
    table
        The windows.
    kept
        (rows,) bool: those that count.

    Returns
    -------
    (kept windows,) int64, from 0 on without gaps.
    """
    length = max(BLOCK, int((table.end - table.start)[kept].max()))
    middle = (table.start[kept] + table.end[kept]) // 2
    place = np.stack([table.contig[kept].astype(np.int64), middle // length])
    return np.asarray(np.unique(place, axis=1, return_inverse=True)[1].ravel(), np.int64)


def network_of(record: Mapping[str, Any]) -> str | None:
    """Name the network of a scan that gives histories; None where there is none, and more than one there cannot be.

    Parameters
    ----------
    record
        What ``run.json`` says.
    """
    return next((name for name, entry in recorded(record).items() if entry.get("task") == TASK), None)


def joined(record: Mapping[str, Any], table: Table) -> list[History]:
    """Join the windows of every population; one without any value is left out.

    Parameters
    ----------
    record
        What ``run.json`` says of the scan.
    table
        Its windows.
    """
    network = network_of(record)
    if network is None:
        return []
    scales = record["models"][network].get("intervals")
    if not isinstance(scales, dict) or not all(_is_scale(scales.get(name)) for name in HISTORY):
        return []
    groups = [score["populations"] for score in record["scores"] if score["name"] == HISTORY[0]]
    found = (_join(table, network, populations, scales) for populations in groups)
    return [history for history in found if history is not None]


def _is_scale(value: object) -> bool:
    """Tell positive numbers; other things stand in a run.json that was tampered with."""
    return isinstance(value, float) and 0 < value < math.inf


def _join(table: Table, network: str, populations: Sequence[str], scales: Mapping[str, float]) -> History | None:
    """Join the windows of one population; None where none has a value, or a column was taken away."""

    def column(name: str) -> Float:
        return table.columns.get(score_name(name, populations), np.full(len(table), np.nan))

    needed = [name + end for name in HISTORY for end in ("", "_low", "_high")]
    kept = np.logical_and.reduce([np.isfinite(column(name)) for name in (*needed, f"{network}_out_of_range")])
    if not kept.any():
        return None
    block = blocks_of(table, kept)
    half = {name: (column(f"{name}_high") - column(f"{name}_low"))[kept] / 2 for name in HISTORY}
    numbers = {name: average(column(name)[kept], half[name], block, scales[name]) for name in HISTORY}
    unlike = float((column(f"{network}_out_of_range")[kept] > FAR).mean())
    return History("".join(populations), network, int(kept.sum()), int(block.max()) + 1, unlike, numbers)


def write_histories(directory: Path, found: Sequence[History]) -> list[dict[str, Any]]:
    """Write the demes files of a result, and describe them for run.json.

    Raises
    ------
    OutputError
        Where one cannot be written.
    """
    for history in found:
        write_text(directory / history.file, history.as_demes())
    return [history.record() for history in found]
