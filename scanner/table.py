"""The table of scores: one row a window, BGZF-compressed, with a tabix index.

The first line names the columns: ``contig start end <scores...>`` and, for windows, ``reasons``. Bounds are 0-based
half-open, ``NA`` is a missing value, and ``reasons`` holds ``.`` or the comma-separated words for what made some
score of the row missing. ``sites.tsv.gz`` is the same without ``reasons``.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pysam
from numpy.typing import NDArray

from scanner.bgzf import ends_whole, index_suffix
from scanner.errors import InputError, OutputError

Int = NDArray[np.int64]
Float = NDArray[np.float64]

_LEADING = ("contig", "start", "end")
_REASONS = "reasons"
_NINE_DIGITS = 1e9  # from here on %.9g gives whole numbers an exponent
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
        bounds = zip(start.tolist(), end.tolist(), _format_rows(matrix), words, strict=True)
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


def _format_rows(matrix: Float) -> list[str]:
    """Print each row with a tab before every value: nine digits, whole numbers in full, NaN as NA."""
    rows, width = matrix.shape
    if np.any(np.isinf(matrix)):
        raise ValueError("an infinite value reached the table: scores are finite or missing")
    if width == 0:
        return [""] * rows
    numbers = (matrix + 0.0).ravel()  # + 0.0 turns -0.0 into 0.0
    large = (np.abs(numbers) >= _NINE_DIGITS) & (np.abs(numbers) < _EXACT) & (numbers == np.rint(numbers))
    if large.any():
        cells = ["\t%d" % v if whole else "\t%.9g" % v for v, whole in zip(numbers, large, strict=True)]  # noqa: UP031
        text = "\n".join("".join(cells[row * width : (row + 1) * width]) for row in range(rows))
    else:  # one formatting call for the whole block: a quarter of a microsecond a value
        text = "\n".join(["\t%.9g" * width] * rows) % tuple(numbers.tolist())
    return text.replace("nan", "NA").split("\n")


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
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
            return _read(path, stream)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): run popscan scan again") from error


def _read(path: Path, stream: Iterable[str]) -> Table:
    """Read the header, then the rows in chunks."""
    lines = iter(stream)
    header = next(lines, "").rstrip("\n").split("\t")
    if tuple(header[:3]) != _LEADING or len(set(header)) != len(header):
        raise InputError(f"{path} is no table of scores: its first line must begin with contig, start, end")
    has_reasons = header[-1] == _REASONS
    names = header[3 : len(header) - has_reasons]
    codes: dict[str, int] = {}
    contig, blocks, reasons = [np.empty(0, np.int32)], [np.empty((0, 2 + len(names)))], list[str]()
    row = 1
    for chunk in _chunks(lines):
        blocks.append(_parse(path, chunk, row + 1, header))
        found = [line[: line.index("\t")] for line in chunk]
        contig.append(np.array([codes.setdefault(name, len(codes)) for name in found], np.int32))
        if has_reasons:
            words: dict[str, str] = {}
            reasons += [words.setdefault(word, word) for word in (line.rpartition("\t")[2][:-1] for line in chunk)]
        row += len(chunk)
    code, numbers = np.concatenate(contig), np.concatenate(blocks)
    _check_rows(path, code, numbers)
    start, end = numbers[:, 0].astype(np.int64), numbers[:, 1].astype(np.int64)
    columns = {name: np.ascontiguousarray(numbers[:, 2 + index]) for index, name in enumerate(names)}
    return Table(tuple(codes), code, start, end, columns, tuple(reasons))


def _chunks(lines: Iterator[str]) -> Iterator[list[str]]:
    """Gather lines to chunks of some megabytes."""
    chunk, size = list[str](), 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _parse(path: Path, chunk: list[str], first: int, header: list[str]) -> Float:
    """Turn lines into (rows, 2 + columns) numbers: start, end, scores."""
    last = len(header) - (header[-1] == _REASONS)
    tabs = len(header) - 1
    for number, line in enumerate(chunk, first):
        if line.count("\t") != tabs or line[-1] != "\n":
            raise InputError(
                f"{path}:{number}: expected {tabs + 1} tab-separated columns, found {line.count(chr(9)) + 1}: "
                f"run popscan scan again"
            )
    texts = [line.replace("\tNA", "\tnan") for line in chunk]
    try:
        return np.loadtxt(texts, np.float64, delimiter="\t", comments=None, usecols=range(1, last), ndmin=2)
    except ValueError:
        cells = (
            (number, name, cell)
            for number, line in enumerate(texts, first)
            for name, cell in zip(header[1:last], line.rstrip("\n").split("\t")[1:], strict=False)
        )
        number, name, cell = next(item for item in cells if not _is_number(item[2]))
        raise InputError(f"{path}:{number}: '{cell}' in column {name} is no number") from None


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
