"""The table of scores: one row a window, BGZF-compressed, with a tabix index.

The first line names the columns: ``contig start end <scores...>`` and, for windows, ``reasons``. Bounds are 0-based
half-open, ``NA`` is a missing value, and ``reasons`` holds ``.`` or the comma-separated words for what made some
score of the row missing. ``sites.tsv.gz`` is the same without ``reasons``.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pysam
from numpy.typing import NDArray

from scanner.bgzf import ends_whole, index_suffix
from scanner.errors import InputError, OutputError
from scanner.numerals import MISSING, print_rows, read_rows

Int = NDArray[np.int64]
Float = NDArray[np.float64]

_LEADING = ("contig", "start", "end")
_REASONS = "reasons"
_EXACT = 2.0**53
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Table:
    """Scores of every window, as arrays.

    Parameters
    ----------
    contigs
        Names in the table's order.
    contig
        (rows,) int32, index into ``contigs``.
    start, end
        (rows,) int64, bp, 0-based half-open.
    columns
        Score column to (rows,) float64, NaN where missing.
    reasons
        One text a row, ``.`` where nothing is missing; empty for a table without that column.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int32]
    start: Int
    end: Int
    columns: dict[str, Float]
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.start)


class TableWriter:
    """Write a table row block by row block; it appears under its name, with its index, only when complete.

    Parameters
    ----------
    path
        Where the table shall stand, ending in ``.gz``; the index gets ``.tbi`` or, past 2^29 bp, ``.csi`` appended.
    columns
        Score columns in order.
    reasons
        Whether the table ends with the column of reason words.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "windows.tsv.gz"
    >>> with TableWriter(path, ["sites", "pi"]) as table:
    ...     table.write("1", [0, 50], [100, 150], [[7, 0.25], [0, np.nan]], [".", "few_sites"])
    >>> print(gzip.decompress(path.read_bytes()).decode().expandtabs(8))
    contig  start   end     sites   pi      reasons
    1       0       100     7       0.25    .
    1       50      150     0       NA      few_sites
    <BLANKLINE>
    """

    def __init__(self, path: Path, columns: Sequence[str], *, reasons: bool = True) -> None:
        header = [*_LEADING, *columns, *([_REASONS] if reasons else [])]
        if len(set(header)) != len(header) or any(not name or set(name) & set("\t\r\n") for name in header):
            raise ValueError(f"columns must have different, printable names: {header}")
        self._path, self._width, self._has_reasons = path, len(columns), reasons
        self._temporary = path.with_name(f".{path.name}.partial.gz")
        self._contigs: set[str] = set()
        self._last: tuple[str, int] | None = None
        self._reach = 0
        try:
            self._temporary.touch()  # pysam crashes where it cannot open a file
            # Level 1 costs 6% in size and saves nine tenths of the time of the default level.
            self._stream = pysam.BGZFile(str(self._temporary), "wb1")  # type: ignore[call-arg]
            self._stream.write(("\t".join(header) + "\n").encode())
        except OSError as error:
            self._temporary.unlink(missing_ok=True)
            raise OutputError(f"cannot write {path}: {error}") from error

    def write(
        self,
        contig: str,
        start: Int | Sequence[int],
        end: Int | Sequence[int],
        values: Float | Sequence[Sequence[float]],
        reasons: Sequence[str] | None = None,
    ) -> None:
        """Append rows of one contig.

        Parameters
        ----------
        contig
            Name; all rows of a contig follow each other.
        start, end
            (rows,) bp, 0-based half-open, starts never decreasing.
        values
            (rows, columns) numbers, NaN where missing.
        reasons
            One text a row, where the table has that column.
        """
        start, end = np.asarray(start, np.int64), np.asarray(end, np.int64)
        matrix = np.asarray(values, np.float64).reshape(len(start), self._width)
        words = [""] * len(start) if reasons is None else [f"\t{word}" for word in reasons]
        if (reasons is None) == self._has_reasons or not len(start) == len(end) == len(words):
            raise ValueError("every row needs its bounds, its values and, where the table has them, its reasons")
        if len(start) == 0:
            return
        self._check_order(contig, start, end)
        if np.any(np.isinf(matrix)):
            raise ValueError("an infinite value reached the table: scores are finite or missing")
        bounds = zip(start.tolist(), end.tolist(), print_rows(matrix), words, strict=True)
        text = "".join([f"{contig}\t{first}\t{last}{row}{word}\n" for first, last, row, word in bounds])
        try:
            self._stream.write(text.encode())
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error}") from error

    def _check_order(self, contig: str, start: Int, end: Int) -> None:
        """Refuse rows that tabix could not index."""
        known = self._last
        if known is None or known[0] != contig:
            if contig in self._contigs or not contig or set(contig) & set("\t\r\n"):
                raise ValueError(f"rows of contig {contig!r} do not follow each other, or it has no printable name")
            self._contigs.add(contig)
        elif start[0] < known[1]:
            raise ValueError(f"window {contig}:{start[0]} (0-based) comes after one that starts at {known[1]}")
        if np.any(np.diff(start) < 0) or start[0] < 0 or np.any(end <= start):
            raise ValueError(f"windows of contig {contig} are empty or not sorted by start")
        self._last, self._reach = (contig, int(start[-1])), max(self._reach, int(end.max()))

    def close(self) -> None:
        """Finish the file, index it and give both their names."""
        suffix = index_suffix(self._reach)
        try:
            self._stream.close()
            pysam.tabix_index(
                str(self._temporary), force=True, seq_col=0, start_col=1, end_col=2, zerobased=True, line_skip=1,
                meta_char="\0", csi=suffix == ".csi",
            )  # fmt: skip
            index = Path(f"{self._temporary}{suffix}")
            for stale in (".tbi", ".csi"):
                Path(f"{self._path}{stale}").unlink(missing_ok=True)
            self._temporary.replace(self._path)
            index.replace(f"{self._path}{suffix}")
        except OSError as error:
            self.abandon()
            raise OutputError(f"cannot write {self._path}, perhaps the disk is full: {error}") from error

    def abandon(self) -> None:
        """Drop what was written; a table that stood there before stays."""
        for _ in range(2):  # on a full disk closing fails as writing did, and only the second time lets go of the file
            with contextlib.suppress(OSError):
                self._stream.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> TableWriter:
        """Begin a table that is complete at the end of the ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the table, or abandon it where the block failed."""
        if kind is None:
            self.close()
        else:
            self.abandon()


def read_table(path: Path) -> Table:
    """Read a table of scores.

    Parameters
    ----------
    path
        A file that `TableWriter` wrote.

    Raises
    ------
    InputError
        Where the file is missing, cut off, or not such a table; the message names the line.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: run popscan scan again")
    if not ends_whole(path):
        raise InputError(f"{path} is cut off or not BGZF-compressed: run popscan scan again")
    try:
        with gzip.open(path, "rb") as stream:
            return _read(path, stream)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): run popscan scan again") from error


def _read(path: Path, stream: gzip.GzipFile) -> Table:
    """Read the header, then the rows in chunks."""
    header = stream.readline().decode().rstrip("\n").split("\t")
    if tuple(header[:3]) != _LEADING or len(set(header)) != len(header):
        raise InputError(f"{path} is no table of scores: its first line must begin with contig, start, end")
    has_reasons = header[-1] == _REASONS
    names = header[3 : len(header) - has_reasons]
    codes: dict[str, int] = {}
    contig, blocks, reasons = [np.empty(0, np.int32)], [np.empty((0, 2 + len(names)))], list[str]()
    row = 1
    while text := stream.read(_CHUNK_BYTES) + stream.readline():
        rows = read_rows(text, 2 + len(names), more=has_reasons)
        for at in np.flatnonzero(rows.left).tolist():
            line = text[rows.start[at] : rows.end[at]].decode()
            rows.numbers[at] = _parse(f"{path}:{row + at + 1}", line, header)
        found = _texts(text, rows.start, rows.first_tab)
        contig.append(np.array([codes.setdefault(name, len(codes)) for name in found], np.int32))
        blocks.append(rows.numbers)
        if has_reasons:
            reasons += _texts(text, rows.last_tab + 1, rows.end - 1)
        row += len(rows.left)
    code, numbers = np.concatenate(contig), np.concatenate(blocks)
    _check_rows(path, code, numbers)
    start, end = numbers[:, 0].astype(np.int64), numbers[:, 1].astype(np.int64)
    columns = {name: np.ascontiguousarray(numbers[:, 2 + index]) for index, name in enumerate(names)}
    return Table(tuple(codes), code, start, end, columns, tuple(reasons))


def _texts(text: bytes, start: Int, end: Int) -> list[str]:
    """Cut texts out, each different one kept once."""
    known: dict[bytes, str] = {}
    cut = [text[first:last] for first, last in zip(start.tolist(), end.tolist(), strict=True)]
    return [known.get(word) or known.setdefault(word, word.decode()) for word in cut]


def _parse(place: str, line: str, header: list[str]) -> list[float]:
    """Turn one line into numbers, start, end and scores, or say what is wrong with it."""
    cells = line.rstrip("\n").split("\t")
    if len(cells) != len(header) or line[-1] != "\n":
        raise InputError(
            f"{place}: expected {len(header)} tab-separated columns, found {len(cells)}: run popscan scan again"
        )
    named = list(zip(header, cells, strict=True))[1 : len(header) - (header[-1] == _REASONS)]
    for name, cell in named:
        if cell != MISSING and not _is_number(cell):
            raise InputError(f"{place}: '{cell}' in column {name} is no number")
    return [math.nan if cell == MISSING else float(cell) for _, cell in named]


def _is_number(text: str) -> bool:
    """Tell whether a cell reads as a number; ``float`` also takes 1_000 and other scripts' digits, numpy does not."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()


def _check_rows(path: Path, code: NDArray[np.int32], numbers: Float) -> None:
    """Refuse bounds that are none, contigs that come twice, and infinite scores."""
    start, end = numbers[:, 0], numbers[:, 1]
    sound = (start >= 0) & (end > start) & (end < _EXACT) & (start == np.rint(start)) & (end == np.rint(end))
    sound &= ~np.isinf(numbers).any(axis=1)
    sound[1:] &= (np.diff(code) > 0) | ((np.diff(code) == 0) & (np.diff(start) >= 0))
    if not sound.all():
        line = 2 + int(np.argmin(sound))
        raise InputError(f"{path}:{line}: bounds are no 0-based half-open window, rows are not sorted, or a score is "
                         f"infinite")  # fmt: skip
