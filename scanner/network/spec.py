"""What a network is, where it may be used and what its numbers mean: ``spec.toml``."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from scanner.errors import InputError

FORMAT = 1
"""Version of the model folder."""
TRANSFORMS = ("none", "log10", "ln")
"""What may be done to a target before it is learned."""
MAX_NUMBER = 1e12
"""No number of a specification is larger."""

SUM_TOLERANCE = 1e-6
"""How far shares may be from summing to one."""
NULL = "null.npz"
"""What a network that tells classes has besides: see `scanner.network.null`."""

Range = tuple[float, float]
Rule = tuple[Callable[[Any], bool], str]


@dataclass(frozen=True)
class Output:
    """One predicted value.

    Parameters
    ----------
    name
        Name of the score.
    unit
        Unit of the score; empty for none.
    transform
        What is learned is this function, out of `TRANSFORMS`, of the score,
    mean, scale
        less this mean and divided by this scale.
    interval
        Sigmas on each side of the mean that hold 90% of the truth.
    """

    name: str
    unit: str
    transform: str
    mean: float
    scale: float
    interval: float


@dataclass(frozen=True)
class Class:
    """One of several things that a window may be.

    Parameters
    ----------
    name
        Name of the score, its probability.
    share
        Its share of the training windows; all shares sum to one.
    """

    name: str
    share: float


@dataclass(frozen=True)
class Spec:
    """A network's contract.

    Parameters
    ----------
    id, title, task
        Name of the model, one line about it, and what it predicts.
    encoding, min_count
        Encoding of the sites, and the smallest count of the rarer allele of a site that is used.
    populations, parts
        Populations that it looks at together, and parts of a window.
    extras
        Names of the numbers that come with a window.
    outputs
        What it predicts, in order; none where it tells classes.
    window
        Shortest and longest window it was trained on, bp.
    ranges
        Smallest and largest value in training, by name: ``haplotypes`` (of two populations ``haplotypes_first`` and
        ``haplotypes_second``), ``unphased`` likewise (1: phase not known; not there where it always was), ``sites``
        of a window, ``density`` per bp, ``missing`` share of genotypes, and others.
    seeds
        Seed of each member.
    versions
        Versions of ``popscan``, ``keras`` and ``backend`` that trained it.
    licence
        Licence of the weights.
    context
        What the network sees of a window: so many times its length, an odd number, with the window in the middle.
    classes
        What it tells apart, the first of which is that there is nothing; none where it predicts values.
    temperature
        What logarithms of probabilities are divided by, so that they are calibrated.
    both_ends
        It reads every window from both ends, and all that its members say is joined.
    files
        SHA-256 of the files that decide what it predicts, by name; filled in when it is saved.
    """

    id: str
    title: str
    task: str
    encoding: str
    min_count: int
    populations: int
    parts: int
    extras: tuple[str, ...]
    outputs: tuple[Output, ...]
    window: Range
    ranges: Mapping[str, Range]
    seeds: tuple[int, ...]
    versions: Mapping[str, str]
    licence: str
    context: int = 1
    classes: tuple[Class, ...] = ()
    temperature: float = 1.0
    both_ends: bool = False
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> str:
        """What it reads, in words."""
        return self._samples + (", from both ends" if self.both_ends else "")

    @property
    def _samples(self) -> str:
        if self.populations == 1:
            return "one population, phased"
        loose = [side for side in ("first", "second") if self.ranges.get(f"unphased_{side}", (0.0, 0.0))[1] > 0]
        return "two populations" + (f", phased or, the {' and the '.join(loose)}, not" if loose else ", phased")

    def with_files(self, files: Mapping[str, str]) -> Spec:
        """Give this specification with the sums of its files."""
        return replace(self, files=dict(files))


def read_spec(path: Path, names: tuple[str, ...]) -> Spec:
    """Read and check a specification.

    Parameters
    ----------
    path
        ``spec.toml``.
    names
        The files whose sums it must hold; with classes, that of `NULL` too.

    Raises
    ------
    InputError
        For a file that is missing or no TOML, and a field that is missing, unknown or wrong.
    """
    try:
        entry = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: {path.parent} is no model, or not all of it") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: bad TOML and bad UTF-8
        raise InputError(f"{path} cannot be read: {error}") from error
    version = entry.pop("format", None)
    if version != FORMAT:
        raise InputError(f"{path}: the format is {version!r}, and this popscan reads {FORMAT}: use a newer popscan")
    return _parse(path, entry, names)


def to_toml(spec: Spec) -> str:
    """Write a specification as TOML: equal specifications give equal text."""
    entry = {"format": FORMAT, **asdict(spec)}
    return _toml({name: value for name, value in entry.items() if name not in _OPTIONAL or value != _OPTIONAL[name]})


def check_spec(spec: Spec, where: Path, names: tuple[str, ...]) -> None:
    """Refuse a specification that could not be read back.

    Raises
    ------
    InputError
        For a field with a wrong value.
    """
    entry = tomllib.loads(to_toml(spec))
    del entry["format"]
    _parse(where, entry, names)


def _parse(path: Path, entry: dict[str, Any], names: tuple[str, ...]) -> Spec:
    """Turn a table into a specification, with every field checked."""
    entry = {**_OPTIONAL, **entry}
    _check_fields(path, entry, {item.name for item in fields(Spec)}, "")
    _check_each(path, entry, _FIELDS, "")
    outputs = tuple(Output(**row) for row in _rows(path, entry, "outputs", Output, _OUTPUT_FIELDS))
    classes = tuple(Class(**row) for row in _rows(path, entry, "classes", Class, _CLASS_FIELDS))
    if bool(outputs) == bool(classes):
        raise InputError(f"{path}: a model has outputs or classes, one of the two")
    if classes and abs(sum(item.share for item in classes) - 1) > SUM_TOLERANCE:
        raise InputError(f"{path}: the shares of the classes must sum to 1")
    names = (*names, NULL) if classes else names
    if set(entry["files"]) != set(names):
        raise InputError(f"{path}: files must be the sums of {', '.join(names)}, and of no others")
    return Spec(
        **{name: entry[name] for name in ("id", "title", "task", "encoding", "min_count", "populations", "parts")},
        extras=tuple(entry["extras"]),
        outputs=outputs,
        window=_pair(entry["window"]),
        ranges={name: _pair(bounds) for name, bounds in entry["ranges"].items()},
        seeds=tuple(entry["seeds"]),
        versions=entry["versions"],
        licence=entry["licence"],
        context=entry["context"],
        classes=classes,
        temperature=float(entry["temperature"]),
        both_ends=entry["both_ends"],
        files=entry["files"],
    )


def _rows(
    path: Path, entry: Mapping[str, Any], name: str, kind: type, rules: Mapping[str, Rule]
) -> Iterator[dict[str, Any]]:
    """Give the tables of a list, each with every field checked."""
    for number, row in enumerate(entry[name]):
        table = f"{name}[{number}]."
        _check_fields(path, row, {item.name for item in fields(kind)}, table)
        _check_each(path, row, rules, table)
        yield row


def _check_fields(path: Path, entry: Mapping[str, Any], expected: set[str], table: str) -> None:
    """Refuse missing and unknown fields."""
    for name in sorted(expected - set(entry)):
        raise InputError(f"{path}: the field {table}{name} is missing")
    for name in sorted(set(entry) - expected):
        raise InputError(f"{path}: unknown field {table}{name}; there is {', '.join(sorted(expected))}")


def _check_each(path: Path, entry: Mapping[str, Any], rules: Mapping[str, Rule], table: str) -> None:
    """Refuse fields with a wrong value."""
    for name, (sound, expected) in rules.items():
        if not sound(entry[name]):
            raise InputError(f"{path}: {table}{name} must be {expected}")


def _text(longest: int, least: int = 1) -> Rule:
    """Ask for a text on one line."""
    return (
        lambda value: isinstance(value, str) and least <= len(value) <= longest and value.isprintable(),
        f"printable text of {least} to {longest} letters",
    )


def _name(value: object) -> bool:
    """Tell names, which cannot lead out of a folder."""
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", value) is not None


def _number(value: object) -> bool:
    """Tell finite numbers that are not too large; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _whole(low: int, high: int) -> Rule:
    """Ask for a whole number."""
    return lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high:,}"


def _is_pair(value: object) -> bool:
    """Tell ``[low, high]``."""
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value)) and value[0] <= value[1]


def _pair(value: list[float]) -> Range:
    """Give bounds as numbers of one kind."""
    return float(value[0]), float(value[1])


def _list(item: Callable[[Any], bool], longest: int) -> Callable[[Any], bool]:
    """Tell lists, not empty, of something."""
    return lambda value: isinstance(value, list) and 0 < len(value) <= longest and all(map(item, value))


def _tables(value: object) -> bool:
    """Tell lists of tables, which may be empty."""
    return isinstance(value, list) and len(value) <= 100 and all(isinstance(item, dict) for item in value)


def _table(item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Tell tables of something."""
    return lambda value: isinstance(value, dict) and len(value) <= 100 and all(map(item, value.values()))


_OPTIONAL: dict[str, Any] = {"both_ends": False}
"""Fields that are not written where they say no more than this."""
_NAME = "a name of up to 40 small letters, digits, _ and -"
_FIELDS: dict[str, Rule] = {
    "id": (_name, _NAME),
    "title": _text(75),
    "task": (_name, _NAME),
    "encoding": (_name, _NAME),
    "min_count": _whole(1, 1000),
    "populations": _whole(1, 2),
    "parts": _whole(1, 256),
    "extras": (_list(_name, 100), "a list of names"),
    "outputs": (_tables, "a list of at most 100 tables"),
    "classes": (_tables, "a list of at most 100 tables"),
    "context": (lambda value: _whole(1, 255)[0](value) and value % 2 == 1, "an odd whole number from 1 to 255"),
    "temperature": (lambda value: _number(value) and value > 0, "a number above 0"),
    "both_ends": (lambda value: isinstance(value, bool), "true or false"),
    "window": (lambda value: _is_pair(value) and value[0] >= 1, "[shortest, longest] in bp"),
    "ranges": (
        lambda value: _table(_is_pair)(value) and all(map(_name, value)),
        "a table of names, each with [lowest, highest]",
    ),
    "seeds": (_list(lambda value: type(value) is int and 0 <= value < 2**63, 64), "a list of 1 to 64 whole numbers"),
    "versions": (_table(_text(60)[0]), "a table of texts"),
    "licence": _text(60),
    "files": (
        _table(lambda value: isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None),
        "a table of SHA-256 sums",
    ),
}
_OUTPUT_FIELDS: dict[str, Rule] = {
    "name": (_name, _NAME),
    "unit": _text(60, 0),
    "transform": (lambda value: value in TRANSFORMS, f"one of {', '.join(TRANSFORMS)}"),
    "mean": (_number, "a number"),
    "scale": (lambda value: _number(value) and value > 0, "a number above 0"),
    "interval": (lambda value: _number(value) and value > 0, "a number above 0"),
}
_CLASS_FIELDS: dict[str, Rule] = {
    "name": (_name, _NAME),
    "share": (lambda value: _number(value) and 0 < value < 1, "a number between 0 and 1"),
}


def _toml(entry: Mapping[str, Any]) -> str:
    """Write a table of values, of tables of values, and of lists of these."""
    lines = [f"{name} = {_value(value)}" for name, value in entry.items() if not _holds_tables(value)]
    for name, value in entry.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *(f"{json.dumps(key)} = {_value(item)}" for key, item in value.items())]
        elif _holds_tables(value):
            for table in value:
                lines += ["", f"[[{name}]]", *(f"{key} = {_value(item)}" for key, item in table.items())]
    return "\n".join(lines) + "\n"


def _holds_tables(value: object) -> bool:
    """Tell tables and lists of tables."""
    return isinstance(value, Mapping) or (
        isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Mapping)
    )


def _value(value: object) -> str:
    """Write a value or a list of values. What JSON writes of texts TOML reads, but for one control character."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool) else repr(value)
