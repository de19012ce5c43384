"""Who belongs to which population: the population file and the samples file."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner.errors import InputError, UsageError
from scanner.regions import shortlist

ALL = "all"
"""Name of the one population where no population file is given; score columns then have no suffix."""

_NAME = re.compile(r"[A-Za-z0-9_+-]+")
_HEADINGS = {"sample", "samples", "sample_id", "individual", "iid"}


@dataclass(frozen=True)
class Selection:
    """The samples of a scan by population.

    Parameters
    ----------
    populations
        Name -> indexes of its samples in the VCF's header, in the order of the population file.
    named
        False where all samples are one population and scores carry no suffix.
    """

    populations: dict[str, tuple[int, ...]]
    named: bool

    @property
    def sizes(self) -> dict[str, int]:
        """Number of samples of each population."""
        return {name: len(members) for name, members in self.populations.items()}

    @property
    def samples(self) -> tuple[int, ...]:
        """All selected samples, population after population."""
        return tuple(index for members in self.populations.values() for index in members)


def select(header: Sequence[str], populations: Path | None, samples: Path | None) -> Selection:
    """Match the population and samples files with the samples of a VCF.

    Parameters
    ----------
    header
        Sample names of the VCF.
    populations
        Two columns (sample, population), tab or spaces; blank lines, ``#`` comments, a heading and further columns
        are passed over.
    samples
        One sample a line: the others are left out.

    Raises
    ------
    UsageError
        Where a file is not there.
    InputError
        For samples that the VCF has not, that are named twice, or for populations nobody belongs to.
    """
    index = {name: at for at, name in enumerate(header)}
    kept = set(index) if samples is None else set(_known(samples, [row[0] for row in _rows(samples, 1, index)], index))
    if populations is None:
        members = tuple(at for name, at in index.items() if name in kept)
        return Selection({ALL: members}, named=False)
    rows = _rows(populations, 2, index)
    names = _known(populations, [row[0] for row in rows], index)
    groups: dict[str, list[int]] = {}
    for name, (_, population) in zip(names, rows, strict=True):
        if not _NAME.fullmatch(population):
            raise InputError(
                f"{populations}: population '{population}' of sample {name} has a character that column and file "
                "names cannot hold: use letters, digits, _, + and -"
            )
        if name in kept:
            groups.setdefault(population, []).append(index[name])
    if not groups:
        raise InputError(f"{populations} and {samples or 'the VCF'} have no sample in common")
    return Selection({name: tuple(members) for name, members in groups.items()}, named=True)


def _rows(path: Path, columns: int, known: Container[str]) -> list[list[str]]:
    """Read the first columns of a small text table; a heading is one only where no sample has its name."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    rows: list[list[str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = line.split("\t") if "\t" in line else line.split() if columns > 1 else [line]
        fields = [field.strip() for field in fields]
        if len(fields) < columns or not all(fields[:columns]):
            expected = "2 columns (sample, population)" if columns > 1 else "a sample"
            raise InputError(f"{path}, line {number}: expected {expected}, found '{line}'")
        if not rows and fields[0].lower() in _HEADINGS and fields[0] not in known:
            continue
        rows.append(fields[:columns])
    if not rows:
        raise InputError(f"{path} names no sample")
    return rows


def _known(path: Path, names: list[str], index: dict[str, int]) -> list[str]:
    """Refuse unknown and repeated samples."""
    unknown = [name for name in names if name not in index]
    if unknown:
        raise InputError(
            f"{path} names {len(unknown)} sample(s) that the VCF has not: {shortlist(unknown)}; "
            f"the VCF has {shortlist(index, 3)}"
        )
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise InputError(f"{path} names {shortlist(twice)} more than once: give each sample one line")
    return names
