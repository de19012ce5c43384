"""What is wrong with the tables of a result folder, and with their indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam
from numpy.typing import NDArray

from scanner.bgzf import find_index, open_tabix
from scanner.check import Finding
from scanner.errors import InputError
from scanner.regions import Region, shortlist
from scanner.result import RUN, TABLE, Result, read_accounts
from scanner.scores import Reason
from scanner.statistics.registry import SITE_SCORES
from scanner.table import Table, read_table

ACCOUNTS = "accounting.tsv"
SITES = "sites.tsv.gz"
AGAIN = "run popscan scan again"
_VALUE = Reason.VALUE.name.lower()
_REASONS = {reason.name.lower() for reason in Reason if reason}

Findings = Iterator[Finding]
Bounds = list[tuple[int, int]]


def check_tables(result: Result) -> Findings:
    """Compare the table of windows with run.json and with its own index, and read the table of sites.

    Parameters
    ----------
    result
        The folder; its table fits its ``run.json`` as far as `scanner.result.load` looks.
    """
    path, table = result.directory / TABLE, result.table
    yield from (Finding("error", f"{path} {fault}: {AGAIN}") for fault in _window_faults(result))
    _check_index(path, table)
    yield Finding("good", f"{TABLE}: {len(table):,} windows, {len(table.columns):,} columns, index sound")
    yield from _check_sites(result)


def _window_faults(result: Result) -> Iterator[str]:
    """Compare the table with what run.json says of it."""
    table, record = result.table, result.run.record
    count = record["windows"].get("count")
    if count is not None and count != len(table):
        yield f"has {len(table):,} windows, but {RUN} counts {count:,}"
    foreign = sorted(set(table.columns) - {score.column for score in result.run.scores})
    if foreign:
        yield f"has columns that {RUN} does not know: {shortlist(foreign)}"
    if table.reasons and table.columns:
        missing = np.logical_or.reduce([np.isnan(values) for values in table.columns.values()])
        told = np.array([word != "." for word in table.reasons])
        if (missing != told).any():
            yield f"gives no reason where a value is missing, or one where none is: {_row(table, missing != told)}"


def _row(table: Table, mask: NDArray[np.bool_]) -> str:
    """Name the first marked row."""
    at = int(np.argmax(mask))
    return str(Region(table.contigs[table.contig[at]], int(table.start[at]), int(table.end[at])))


def _check_index(path: Path, table: Table) -> None:
    """Hold what the index gives against what stands in the file: whole contigs, and the middle of each.

    Raises
    ------
    InputError
        Where the index is missing, damaged, or gives other rows.
    """
    index = find_index(path)
    if index is None:
        raise InputError(f"{path} has no index (.tbi or .csi): {AGAIN}")
    try:
        with open_tabix(path, index) as file:
            sound = set(file.contigs) == set(table.contigs) and all(
                _same_rows(file, table, code) for code in range(len(table.contigs))
            )
    except (OSError, ValueError) as error:
        raise InputError(f"{index} is damaged ({error}): {AGAIN}") from error
    if not sound:
        raise InputError(f"{index} gives other rows than {path.name} has: {AGAIN}")


def _same_rows(file: pysam.TabixFile, table: Table, code: int) -> bool:
    """Ask for a contig, and for the window in its middle."""
    rows = np.flatnonzero(table.contig == code)
    start, end = table.start[rows], table.end[rows]
    middle = len(rows) // 2
    low, high = int(start[middle]), int(end[middle])
    near = (start < high) & (end > low)
    name = table.contigs[code]
    return _bounds(file.fetch(name)) == _pairs(start, end) and _bounds(file.fetch(name, low, high)) == _pairs(
        start[near], end[near]
    )


def _bounds(lines: Iterator[str]) -> Bounds:
    """Read the bounds off rows."""
    fields = (line.split("\t", 3) for line in lines)
    return [(int(field[1]), int(field[2])) for field in fields]


def _pairs(start: NDArray[np.int64], end: NDArray[np.int64]) -> Bounds:
    """List bounds."""
    return list(zip(start.tolist(), end.tolist(), strict=True))


def _check_sites(result: Result) -> Findings:
    """Read the scores of sites, where there are any, directly and through the index."""
    path = result.directory / SITES
    names = {*SITE_SCORES, *result.run.record.get("dense", ())}
    wanted = [score.column for score in result.run.scores if score.name in names]
    if not wanted:
        return
    table = read_table(path)
    absent = sorted(set(wanted) - set(table.columns))
    if absent:
        yield Finding("error", f"{path} lacks the columns {shortlist(absent)}: {AGAIN}")
    outside = [
        name
        for code, name in enumerate(table.contigs)
        if table.end[table.contig == code].max() > result.run.contigs.get(name, 0)
    ]
    if outside or (table.end - table.start != 1).any():
        yield Finding("error", f"{path} has rows that are no site of {RUN}'s contigs: {AGAIN}")
    if len(table):
        _check_index(path, table)
    yield Finding("good", f"{SITES}: {len(table):,} sites, index sound")


def check_accounts(result: Result) -> Findings:
    """Compare the account with the table: windows and values of every score, and reasons with those of the rows.

    Parameters
    ----------
    result
        The folder.
    """
    path, table = result.directory / ACCOUNTS, result.table
    accounts = read_accounts(path)
    faults = [f"knows no records of {name}" for name in result.run.contigs if name not in accounts["records"]]
    faults += [f"knows nothing of {name}" for name in table.columns if name not in accounts["windows"]]
    faults += [f"speaks of {name}, no column" for name in accounts["windows"] if name not in table.columns]
    told = _rows_by_reason(table)
    for name, counts in accounts["windows"].items():
        if name in table.columns:
            faults += [f"{fault} for {name}" for fault in _faults(counts, table.columns[name], told)]
    if sum(counts["sites"] for counts in accounts["records"].values()) == 0:
        faults.append("counts no site that was used")
    yield from (Finding("error", f"{path} {fault}: {AGAIN}") for fault in faults)
    if not faults:
        records = sum(counts.total() for counts in accounts["records"].values())
        yield Finding("good", f"{ACCOUNTS}: {records:,} records and all windows of every score accounted for")


def _faults(counts: Counter[str], values: NDArray[np.float64], told: Counter[str]) -> Iterator[str]:
    """Compare the account of one score with its column."""
    there = int(np.isfinite(values).sum())
    if counts.total() != len(values):
        yield f"accounts for {counts.total():,} of {len(values):,} windows"
    if counts[_VALUE] != there:
        yield f"counts {counts[_VALUE]:,} values where the table has {there:,}"
    for reason in set(counts) - {_VALUE}:
        if reason not in _REASONS:
            yield f"gives a reason '{reason}' that popscan does not know"
        elif told and counts[reason] > told[reason]:
            yield f"counts {counts[reason]:,} windows as {reason}, but {told[reason]:,} rows of the table say so"


def _rows_by_reason(table: Table) -> Counter[str]:
    """Count the rows that give each reason; empty for a table without reasons."""
    found: Counter[str] = Counter()
    for words, count in Counter(table.reasons).items():
        found.update(dict.fromkeys(words.split(","), count))
    return found
