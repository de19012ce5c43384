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

BED_COLUMNS, ALL_COLUMNS = 9, 12
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
        tail = "low" if calls.low[at] else "high"
        more = f"{calls.value[at]:.9g}\t{tail}\t{calls.windows[at]}"
        rows.append((names[at], int(calls.start[at]), int(calls.end[at]), f"{rest}\t{more}"))
    return rows


def write_bigbed(path: Path, contigs: Mapping[str, int], calls: Calls, label: str, colours: Colours) -> bool:
    """Write calls as bigBed 9 + 3, and read them back.

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
        _write(temporary, contigs, rows)
        if not _holds(temporary, contigs, rows):
            raise OutputError(f"{path}: what was read back differs from what was written; is the disk full?")
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # pyBigWig raises RuntimeError for all that goes wrong
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def _write(path: Path, contigs: Mapping[str, int], rows: Sequence[Row]) -> None:
    """Write all rows, then say in the header how many columns are BED's, which pybigtools does not."""
    path.touch()  # where this fails, the message is better than that of pybigtools
    used = {row[0] for row in rows}
    lengths = {name: contigs[name] for name in sorted(used, key=str.encode)}
    pybigtools.open(str(path), "w").write(lengths, iter(rows), autosql=AUTOSQL)
    with path.open("r+b") as file:
        file.seek(_COLUMN_COUNTS)
        file.write(struct.pack("<HH", ALL_COLUMNS, BED_COLUMNS))


def _holds(path: Path, contigs: Mapping[str, int], rows: Sequence[Row]) -> bool:
    """Tell whether a file holds just these rows: what pybigtools refuses, it leaves out without an exception."""
    with pyBigWig.open(str(path)) as file:
        if not file.isBigBed() or file.SQL().decode() != AUTOSQL:
            return False
        if file.chroms() != {name: contigs[name] for name, *_ in rows}:
            return False
        found = [(name, *entry) for name in file.chroms() for entry in file.entries(name, 0, contigs[name]) or ()]
    if any(end > contigs[name] for name, _, end, _ in found):  # neither library minds
        return False
    return sorted(found) == sorted(rows) and column_counts(path) == (ALL_COLUMNS, BED_COLUMNS)


def column_counts(path: Path) -> tuple[int, int]:
    """Read from a bigBed's header how many columns it has, and how many of them are BED's."""
    with path.open("rb") as file:
        file.seek(_COLUMN_COUNTS)
        total, bed = struct.unpack("<HH", file.read(4))
    return total, bed
