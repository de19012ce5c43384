"""bigBed: calls in the form that UCSC hubs take, with what is known of each call in further columns.

The calls are those of the BED beside it; its nine columns come first.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pybigtools
import pyBigWig

from scanner.browser.bed import Calls, Colour, call_lines
from scanner.errors import OutputError

BED_COLUMNS = 9
_COLUMN_COUNTS = 32
"""Byte of the header where the numbers of all columns and of those that are BED's stand."""
AUTOSQL = """table popscanCalls
"Windows whose score is extreme within the genome, joined where they touch"
    (
    string chrom;      "Contig"
    uint chromStart;   "Start, 0-based"
    uint chromEnd;     "End"
    string name;       "Score and its value in the most extreme window"
    uint score;        "0 at the genome's median to 1000 at its most extreme window"
    char[1] strand;    "Always ."
    uint thickStart;   "Start of the most extreme window"
    uint thickEnd;     "End of the most extreme window"
    uint reserved;     "Colour of this end of the distribution"
    double value;      "Value in the most extreme window"
    string tail;       "Whether the value is extreme by being low or high"
    uint windows;      "Number of extreme windows joined"
    )
"""
"""Columns of the tails of a score."""
CLASS_AUTOSQL = """table popscanRegions
"Windows that are called to be of a class at a false-discovery level, joined where they touch"
    (
    string chrom;      "Contig"
    uint chromStart;   "Start, 0-based"
    uint chromEnd;     "End"
    string name;       "Class and its probability in the most probable window"
    uint score;        "1000 times the probability"
    char[1] strand;    "Always ."
    uint thickStart;   "Start of the most probable window"
    uint thickEnd;     "End of the most probable window"
    uint reserved;     "Colour of the class, grey where the window is unlike the training of the network"
    string class;      "What the region is called to be"
    double posterior;  "Probability in the most probable window"
    uint size;         "Length in bp"
    uint windows;      "Number of called windows joined"
    double fdr;        "Smallest false-discovery rate at which the most probable window is called, 1 for grey ones"
    )
"""
"""Columns of a class that a network tells."""

Row = tuple[str, int, int, str]
Colours = tuple[Colour, Colour]


def bigbed_path(calls: str) -> str:
    """Name the bigBed beside a BED of calls.

    Examples
    --------
    >>> bigbed_path("calls/pi.GBR.bed.gz")
    'calls/pi.GBR.bb'
    """
    return calls.removesuffix(".bed.gz") + ".bb"


def call_rows(contigs: Sequence[str], calls: Calls, label: str, colours: Colours) -> list[Row]:
    """Give contig, start, end and all further columns of every call, in the order of a bigBed.

    Parameters
    ----------
    contigs, calls, label, colours
        As for `scanner.browser.bed.write_calls`.

    Examples
    --------
    >>> import numpy as np
    >>> from scanner.browser.bed import find_calls
    >>> begin = np.arange(100) * 10
    >>> calls = find_calls(np.zeros(100, np.int32), begin, begin + 20, np.arange(100.0), "high", 0.02)
    >>> call_rows(["20"], calls, "pi", ((0, 0, 255), (255, 0, 0)))
    [('20', 980, 1010, 'pi 99\\t1000\\t.\\t990\\t1010\\t255,0,0\\t99\\thigh\\t2')]
    """
    names = [contigs[code] for code in calls.contig]
    places = zip([name.encode() for name in names], calls.start.tolist(), calls.end.tolist(), strict=True)
    keys = [(*place, f"{value:.3g}") for place, value in zip(places, calls.value.tolist(), strict=True)]
    order = sorted(range(len(calls)), key=keys.__getitem__)  # that of call_lines
    rows = []
    for at, line in zip(order, call_lines(contigs, calls, label, colours), strict=True):
        rest = line.split("\t", 3)[3]
        rows.append((names[at], int(calls.start[at]), int(calls.end[at]), f"{rest}\t{_more(calls, at, label)}"))
    return rows


def _more(calls: Calls, at: int, label: str) -> str:
    """Give the further columns of a call."""
    value, windows = f"{calls.value[at]:.9g}", calls.windows[at]
    if not calls.of_class:
        return f"{value}\t{'low' if calls.low[at] else 'high'}\t{windows}"
    size = calls.end[at] - calls.start[at]
    return f"{' '.join(label.split())}\t{value}\t{size}\t{windows}\t{calls.false[at]:.6g}"


def write_bigbed(path: Path, contigs: Mapping[str, int], calls: Calls, label: str, colours: Colours) -> bool:
    """Write calls as bigBed 9 + 3, those of a class as bigBed 9 + 5, and read them back.

    Parameters
    ----------
    path
        The file to make.
    contigs
        Names that ``calls.contig`` points to, in that order, and lengths in bp.
    calls
        What to write.
    label
        Name of the score; each call is called by it and its value.
    colours
        RGB at the low and at the high end.

    Returns
    -------
    False, and no file, where there is no call; a file that stood there before is removed.

    Raises
    ------
    OutputError
        Where the file cannot be written or differs from what was meant.
    """
    rows = call_rows(list(contigs), calls, label, colours)
    temporary = path.with_name(f".{path.name}.partial.bb")  # pybigtools goes by the ending
    try:
        if not rows:
            path.unlink(missing_ok=True)
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        autosql = CLASS_AUTOSQL if calls.of_class else AUTOSQL
        _write(temporary, contigs, rows, autosql)
        if not _holds(temporary, contigs, rows, autosql):
            raise OutputError(f"{path}: what was read back differs from what was written; is the disk full?")
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # pyBigWig raises RuntimeError for all that goes wrong
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def _write(path: Path, contigs: Mapping[str, int], rows: Sequence[Row], autosql: str) -> None:
    """Write all rows, then say in the header how many columns are BED's, which pybigtools does not."""
    path.touch()  # where this fails, the message is better than that of pybigtools
    used = {row[0] for row in rows}
    lengths = {name: contigs[name] for name in sorted(used, key=str.encode)}
    pybigtools.open(str(path), "w").write(lengths, iter(rows), autosql=autosql)
    with path.open("r+b") as file:
        file.seek(_COLUMN_COUNTS)
        file.write(struct.pack("<HH", _columns(autosql), BED_COLUMNS))


def _columns(autosql: str) -> int:
    """Count the columns that are described."""
    return autosql.count(";")


def _holds(path: Path, contigs: Mapping[str, int], rows: Sequence[Row], autosql: str) -> bool:
    """Tell whether a file holds just these rows: what pybigtools refuses, it leaves out without an exception."""
    with pyBigWig.open(str(path)) as file:
        if not file.isBigBed() or file.SQL().decode() != autosql:
            return False
        if file.chroms() != {name: contigs[name] for name, *_ in rows}:
            return False
        found = [(name, *entry) for name in file.chroms() for entry in file.entries(name, 0, contigs[name]) or ()]
    if any(end > contigs[name] for name, _, end, _ in found):  # neither library minds
        return False
    return sorted(found) == sorted(rows) and column_counts(path) == (_columns(autosql), BED_COLUMNS)


def column_counts(path: Path) -> tuple[int, int]:
    """Read from a bigBed's header how many columns it has, and how many of them are BED's."""
    with path.open("rb") as file:
        file.seek(_COLUMN_COUNTS)
        total, bed = struct.unpack("<HH", file.read(4))
    return total, bed
