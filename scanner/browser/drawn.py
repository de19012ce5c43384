"""What all browsers need to know of one drawn column: its files, its names, its colours and its axis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class DrawnTrack:
    """One column of the table, drawn.

    Parameters
    ----------
    column
        Its name in the table.
    score, populations
        Score without suffix, and the populations it concerns.
    name, title
        What browsers call it, with its populations, and one line about the score.
    group, unit
        Family of the score, and its unit, empty for none.
    bigwig, calls
        Files relative to the result folder, with ``/``; ``calls`` is a BED, None where there is none.
    colour, colour_negative
        RGB above and below the baseline.
    minimum, maximum, baseline
        The axis, the same for all columns of a score.
    height
        Pixels.
    shown
        Whether it is among the tracks that a browser shows at first.
    description
        HTML fragment that explains the score.
    """

    column: str
    score: str
    populations: tuple[str, ...]
    name: str
    title: str
    group: str
    unit: str
    bigwig: str
    calls: str | None
    colour: Colour
    colour_negative: Colour
    minimum: float
    maximum: float
    baseline: float
    height: int
    shown: bool
    description: Path
