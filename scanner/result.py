"""A finished result folder as its files tell it: the run, and the table of windows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scanner.errors import InputError
from scanner.regions import is_whole
from scanner.table import Table, read_table

RUN = "run.json"
TABLE = "windows.tsv.gz"
ACCOUNT_HEADING = "kind\tname\toutcome\tcount"
HISTORY = ("log_n0", "log_t1", "log_n1", "log_t2", "log_n2")
"""A history in numbers: log10 of the sizes (diploid individuals), from the present back, and of the times between them
(generations)."""


@dataclass(frozen=True)
class Score:
    """A column of the table: its name there, its score and the populations it concerns."""

    column: str
    name: str
    populations: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What ``run.json`` says about a table.

    Parameters
    ----------
    contigs
        Name to length in bp, in the table's order.
    window, step
        In bp for ``kind`` ``bp``, in sites for ``sites``; None for windows from a BED.
    kind
        ``bp``, ``sites`` or ``bed``.
    scores
        Columns of the table.
    genome
        Genome id of IGV or path of a FASTA; None: contig lengths will do.
    genes
        GFF3 or GTF of genes, None for none.
    email
        Whom to ask about the tracks, None for nobody.
    record
        All of ``run.json``, for whoever tells of it.
    """

    contigs: dict[str, int]
    kind: str
    window: int | None
    step: int | None
    scores: tuple[Score, ...]
    genome: str | None
    genes: Path | None = None
    email: str | None = None
    record: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Result:
    """A result folder.

    Parameters
    ----------
    directory
        The folder.
    run
        What ``run.json`` says.
    table
        What ``windows.tsv.gz`` holds.
    """

    directory: Path
    run: Run
    table: Table


def load(directory: Path, *, genome: str | None = None, genes: Path | None = None, email: str | None = None) -> Result:
    """Read a result folder.

    Parameters
    ----------
    directory
        The folder.
    genome, genes, email
        Used instead of what ``run.json`` says, where given.

    Raises
    ------
    InputError
        Where the folder holds no result, or a damaged one.
    """
    given: dict[str, Any] = {"genome": genome, "genes": genes, "email": email}
    run = replace(read_run(directory), **{name: value for name, value in given.items() if value is not None})
    table = read_table(directory / TABLE)
    check_table(directory, run, table)
    return Result(directory, run, table)


def read_run(directory: Path) -> Run:
    """Read ``run.json``.

    Raises
    ------
    InputError
        Where it is missing, or says nothing usable.
    """
    path = directory / RUN
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{directory} is not a popscan result, for it has no {RUN}: give the folder that popscan scan --out made"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}): run popscan scan again") from error
    try:
        return _run(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error}): run popscan scan again") from error


def _run(entry: dict[str, Any]) -> Run:
    """Turn what the JSON holds into a `Run`, with any exception where it does not fit."""
    windows = entry["windows"]
    kind = windows["kind"]
    if kind not in ("bp", "sites", "bed"):
        raise ValueError(f"windows of kind {kind!r}")
    sizes = [None if kind == "bed" else int(windows[field]) for field in ("window", "step")]
    scores = tuple(Score(item["column"], item["name"], tuple(item["populations"])) for item in entry["scores"])
    for score in scores:
        if not re.fullmatch(r"\w[\w+.-]*", score.column, re.ASCII):  # it becomes the name of a file
            raise ValueError(f"column {score.column!r}")
    contigs = {str(name): int(length) for name, length in entry["contigs"].items()}
    genome, genes, email = (entry.get(name) for name in ("genome", "genes", "email"))
    return Run(
        contigs,
        kind,
        sizes[0],
        sizes[1],
        scores,
        None if genome is None else str(genome),
        None if genes is None else Path(genes),
        None if email is None else str(email),
        entry,
    )


def history_in_words(entry: Mapping[str, Any]) -> str:
    """Tell the history of a population, an entry of ``histories`` in run.json; nothing where it holds none.

    Examples
    --------
    >>> history_in_words({"log_n0": [4.0], "log_t1": [2.0], "log_n1": [3.0], "log_t2": [3.0], "log_n2": [3.5]})
    '10,000 diploids, 1,000 from 100 and 3,162 from 1,000 generations ago'
    >>> history_in_words({"log_n0": "many"})
    ''
    """
    try:
        n0, t1, n1, t2, n2 = (f"{10 ** float(entry[name][0]):,.0f}" for name in HISTORY)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return ""
    return f"{n0} diploids, {n1} from {t1} and {n2} from {t2} generations ago"


def check_table(directory: Path, run: Run, table: Table) -> None:
    """Refuse a table that cannot be drawn or does not belong to its ``run.json``.

    Raises
    ------
    InputError
        Naming what does not fit.
    """
    path = directory / TABLE
    if len(table) == 0:
        raise InputError(f"{path} has no windows: there is nothing to draw")
    for score in run.scores:
        if score.column not in table.columns:
            raise InputError(f"{path} lacks the column {score.column} that {RUN} names: run popscan scan again")
    for code, name in enumerate(table.contigs):
        last = int(table.end[table.contig == code].max())
        if last > run.contigs.get(name, 0):
            raise InputError(f"{path} has a window up to {name}:{last}, past what {RUN} knows: run popscan scan again")


def read_accounts(path: Path) -> dict[str, dict[str, Counter[str]]]:
    """Read ``accounting.tsv``.

    Returns
    -------
    Kind (``records`` or ``windows``), then name, then how many of which outcome.

    Raises
    ------
    InputError
        Where it is missing or no such account.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is missing or cannot be read: run popscan scan again") from error
    found: dict[str, dict[str, Counter[str]]] = {"records": {}, "windows": {}}
    if not lines or lines[0] != ACCOUNT_HEADING:
        raise InputError(f"{path} is no account: its first line must be kind, name, outcome, count")
    for number, line in enumerate(lines[1:], 2):
        fields = line.split("\t")
        if len(fields) != 4 or fields[0] not in found or not is_whole(fields[3]):
            raise InputError(f"{path}:{number}: expected kind, name, outcome and count, found '{line}'")
        kind, name, outcome, count = fields
        found[kind].setdefault(name, Counter())[outcome] += int(count)
    return found
