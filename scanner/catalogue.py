"""The catalogues: data folders that say how each score is drawn and which networks there are.

Each entry of ``tracks/`` is a folder named after its score, with ``track.toml`` and ``description.html``.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scanner.errors import RunError

Colour = tuple[int, int, int]
Tail = Literal["low", "high", "both", "probable"]

MARKER = "catalogue.toml"
"""File that says that a folder is a catalogue, not some other folder of the same name."""
LONGEST_LABEL = 17
LONGEST_TITLE = 75
GROUPS = ("spectrum", "network", "diversity", "haplotype", "linkage", "differentiation", "introgression", "data")
"""Families of scores, in the order in which browsers show them."""
_TAILS = ("low", "high", "both", "probable")
_FIELDS = {
    "score", "label", "title", "unit", "group", "order", "colour", "colour_negative", "limits", "baseline", "height",
    "visible",
}  # fmt: skip
_OUTLIER_FIELDS = {"tail", "share", "colour"}


@dataclass(frozen=True)
class Outliers:
    """Which windows of a score are called.

    Parameters
    ----------
    tail
        Which end of the genome-wide distribution is remarkable; ``probable``: values are probabilities of a class.
    share
        Share of windows called at each end, between 0 and 0.5; 0 for probabilities, of which as many are called as the
        false-discovery level of the scan allows.
    colour
        RGB of a call; at the low end of ``both`` the track's ``colour_negative`` is used.
    """

    tail: Tail
    share: float
    colour: Colour


@dataclass(frozen=True)
class Track:
    """How one score is drawn.

    Parameters
    ----------
    score
        Name of the score, without populations.
    label, title
        At most 17 and 75 characters.
    unit
        Unit of the values; empty for none.
    group, order
        Family, out of `GROUPS`, and place among all tracks, small ones first.
    colour, colour_negative
        RGB of values above and below the baseline.
    limits
        Axis bounds; None: from the data.
    symmetric
        Bounds from the data reach equally far on both sides of the baseline.
    baseline
        Value from which bars are drawn.
    height
        Pixels.
    visible
        Shown when a browser opens, where there are too many tracks to show all.
    outliers
        Which windows are called; None: none.
    description
        HTML that explains the score.
    """

    score: str
    label: str
    title: str
    unit: str
    group: str
    order: int
    colour: Colour
    colour_negative: Colour
    limits: tuple[float, float] | None
    symmetric: bool
    baseline: float
    height: int
    visible: bool
    outliers: Outliers | None
    description: Path

    def name(self, populations: Sequence[str] = ()) -> str:
        """Label a column of this score.

        Examples
        --------
        >>> track("tajimas_d").name(["GBR"]), track("fst").name(["CEU", "YRI"])
        ("Tajima's D GBR", 'Fst CEU/YRI')
        """
        return f"{self.label} {'/'.join(populations)}" if populations else self.label


def catalogue_folder(kind: str) -> Path:
    """Find a catalogue: inside an installed package, or beside the package in a checkout.

    Parameters
    ----------
    kind
        ``tracks`` or ``models``.

    Raises
    ------
    RunError
        Where neither place holds it.

    Examples
    --------
    >>> catalogue_folder("tracks").name
    'tracks'
    """
    package = Path(__file__).resolve().parent
    for folder in (package / kind, package.parent / kind):
        if (folder / MARKER).is_file():
            return folder
    raise RunError(f"the catalogue of {kind} is neither in {package / kind} nor beside it: install popscan again")


def tracks() -> dict[str, Track]:
    """Load every track, in the order in which browsers show them.

    Raises
    ------
    RunError
        Where an entry is faulty; the message names the file and the field.

    Examples
    --------
    >>> next(iter(tracks()))
    'tajimas_d'
    """
    return dict(_load())


def track(score: str) -> Track:
    """Load the track of one score.

    Raises
    ------
    RunError
        Where there is none.

    Examples
    --------
    >>> track("pi").colour
    (0, 158, 115)
    """
    known = tracks()
    if score not in known:
        raise RunError(f"no track draws the score '{score}': there is {', '.join(sorted(known))}")
    return known[score]


@functools.cache
def _load() -> dict[str, Track]:
    """Read the catalogue of tracks once."""
    folder = catalogue_folder("tracks")
    found = [read_track(entry) for entry in sorted(folder.iterdir()) if (entry / "track.toml").is_file()]
    return {item.score: item for item in sorted(found, key=lambda item: (item.order, item.score))}


def read_track(folder: Path) -> Track:
    """Read and check one entry of the catalogue.

    Parameters
    ----------
    folder
        Named after its score; holds ``track.toml`` and ``description.html``.

    Raises
    ------
    RunError
        For a field that is missing, unknown or wrong.
    """
    path = folder / "track.toml"
    try:
        entry = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # ValueError: bad TOML and bad UTF-8
        raise RunError(f"{path} cannot be read: {error}") from error
    calls = entry.pop("outliers", None)
    _check_fields(path, entry, _FIELDS)
    for field, longest in (("score", 40), ("label", LONGEST_LABEL), ("title", LONGEST_TITLE)):
        _check(path, field, isinstance(entry[field], str) and 0 < len(entry[field]) <= longest, f"1-{longest} letters")
        _check(path, field, entry[field].isprintable(), "printable text on one line")
    _check(path, "score", entry["score"] == folder.name, f"the folder's name, '{folder.name}'")
    _check(path, "unit", isinstance(entry["unit"], str), "a text")
    _check(path, "group", entry["group"] in GROUPS, f"one of {', '.join(GROUPS)}")
    for field, least in (("order", 0), ("height", 10)):
        _check(path, field, type(entry[field]) is int and entry[field] >= least, f"a whole number from {least} on")
    _check(path, "visible", isinstance(entry["visible"], bool), "true or false")
    _check(path, "baseline", _is_number(entry["baseline"]), "a number")
    description = folder / "description.html"
    if not description.is_file():
        raise RunError(f"{description} is missing: every track has a page that explains it")
    limits = entry.pop("limits")
    colour, negative = (_colour(path, field, entry.pop(field)) for field in ("colour", "colour_negative"))
    return Track(
        **entry,
        colour=colour,
        colour_negative=negative,
        limits=_limits(path, limits),
        symmetric=limits == "symmetric",
        outliers=None if calls is None else _outliers(path, calls),
        description=description,
    )


def _check_fields(path: Path, entry: dict[str, Any], expected: set[str], table: str = "") -> None:
    """Refuse missing and unknown fields."""
    for field in sorted(expected - set(entry)):
        raise RunError(f"{path}: the field {table}{field} is missing")
    for field in sorted(set(entry) - expected):
        raise RunError(f"{path}: unknown field {table}{field}; there is {', '.join(sorted(expected))}")


def _check(path: Path, field: str, sound: bool, expected: str) -> None:
    """Refuse a field with a wrong value."""
    if not sound:
        raise RunError(f"{path}: {field} must be {expected}")


def _is_number(value: object) -> bool:
    """Tell numbers from everything else, truth values included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _colour(path: Path, field: str, text: object) -> Colour:
    """Read ``R,G,B``."""
    parts = text.split(",") if isinstance(text, str) and re.fullmatch(r"\d{1,3},\d{1,3},\d{1,3}", text) else []
    values = tuple(int(part) for part in parts)
    _check(path, field, len(values) == 3 and max(values, default=0) <= 255, 'a colour such as "0,114,178"')
    return values[0], values[1], values[2]


def _limits(path: Path, value: object) -> tuple[float, float] | None:
    """Read the axis bounds."""
    if value in ("data", "symmetric"):
        return None
    pair = value if isinstance(value, list) else []
    sound = len(pair) == 2 and all(_is_number(bound) for bound in pair) and pair[0] < pair[1]
    _check(path, "limits", sound, '"data", "symmetric" or [minimum, maximum]')
    return float(pair[0]), float(pair[1])


def _outliers(path: Path, entry: object) -> Outliers:
    """Read what is called."""
    if not isinstance(entry, dict):
        raise RunError(f"{path}: outliers must be a table")
    if entry.get("tail") == "probable":
        _check_fields(path, entry, _OUTLIER_FIELDS - {"share"}, "outliers.")
        return Outliers("probable", 0.0, _colour(path, "outliers.colour", entry["colour"]))
    _check_fields(path, entry, _OUTLIER_FIELDS, "outliers.")
    _check(path, "outliers.tail", entry["tail"] in _TAILS, f"one of {', '.join(_TAILS)}")
    share = entry["share"]
    _check(path, "outliers.share", _is_number(share) and 0 < share < 0.5, "a share between 0 and 0.5")
    return Outliers(entry["tail"], float(share), _colour(path, "outliers.colour", entry["colour"]))
