"""Numbers as text and back, a block of rows at a time: what C prints for ``%.9g``, and what Python reads of it.

Nine digits of a number are its product with, or its quotient by, a power of ten that a double holds exactly. Rounded
to a double, either is off by a rest that doubles can tell exactly, and the rest decides what lies on the edge between
two digits. Reading is a whole number times or over such a power. Rows with numbers beyond these powers are left to
Python.

References
----------
Dekker 1971, 10.1007/BF01397083 (the rest of a product); Clinger 1990, 10.1145/93542.93557 (reading).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

MISSING = "NA"
_POWERS = np.array([10.0**power for power in range(23)])
"""All powers of ten that doubles hold exactly."""
_LAST = 22
_NINE = 1_000_000_000  # from here on %.9g gives whole numbers an exponent
_EXACT = 2.0**53
_CELL = 18
"""Most bytes of a number that compiled code prints, and its tab."""
_TAB, _END, _MINUS, _PLUS, _POINT, _E, _N, _A, _0, _9 = (np.uint8(ord(sign)) for sign in "\t\n-+.eNA09")


def print_rows(matrix: Float) -> list[str]:
    """Print each row with a tab before every value: nine digits, whole numbers in full, NaN as ``NA``.

    Parameters
    ----------
    matrix
        (rows, columns), finite or NaN.

    Examples
    --------
    >>> print_rows(np.array([[1 / 3, np.nan], [1e-5, 12345678901.0]]))
    ['\\t0.333333333\\tNA', '\\t1e-05\\t12345678901']
    """
    rows, width = matrix.shape
    text, left = np.empty(rows * (width * _CELL + 1), np.uint8), np.zeros(rows, np.bool_)
    used = _print(np.ascontiguousarray(matrix), text, left)
    printed = text[:used].tobytes().decode("ascii").split("\n")[:-1]
    for row in np.flatnonzero(left).tolist():
        printed[row] = "".join([f"\t{print_number(value)}" for value in matrix[row].tolist()])
    return printed


def print_number(value: float) -> str:
    """Print one number as `print_rows` does.

    Examples
    --------
    >>> print_number(-0.0), print_number(2.0**40), print_number(1e300)
    ('0', '1099511627776', '1e+300')
    """
    if value != value:
        return MISSING
    whole = abs(value) < _EXACT and value == int(value)
    return "%d" % value if whole else "%.9g" % value  # noqa: UP031 - f"{value:d}" takes no float


@numba.njit(cache=True, nogil=True)
def _print(matrix: Float, text: Bytes, left: Bools) -> int:  # pragma: no cover - compiled
    """Print all rows, each with a line end; mark those that are left out, and give the bytes used."""
    at = 0
    for row in range(matrix.shape[0]):
        begin = at
        for value in matrix[row]:
            text[at] = _TAB
            at = _print_cell(value, text, at + 1)
            if at < 0:
                left[row], at = True, begin
                break
        text[at] = _END
        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def _print_cell(value: float, text: Bytes, at: int) -> int:  # pragma: no cover - compiled
    """Print one number; give the place behind it, -1 where another has to print it."""
    if value != value:
        text[at], text[at + 1] = _N, _A
        return at + 2
    if value < 0:
        text[at] = _MINUS
        at, value = at + 1, -value
    if value < _EXACT and value == np.floor(value):
        number = int(value)
        count, rest = 1, number // 10
        while rest:
            count, rest = count + 1, rest // 10
        return _print_digits(number, count, count, text, at)
    power = int(np.floor(np.log10(value)))
    if not -_LAST < 8 - power < _LAST:
        return -1
    digits = _nine_digits(value, 8 - power)
    if digits < _NINE // 10:  # the logarithm was rounded up ...
        power -= 1
        digits = _nine_digits(value, 8 - power)
    if digits >= _NINE:  # ... or down, or the digits were
        power += 1
        digits = _nine_digits(value, 8 - power)
    kept = 9
    while digits % 10 == 0:
        digits //= 10
        kept -= 1
    return _place_digits(digits, kept, power, text, at)


@numba.njit(cache=True, nogil=True)
def _nine_digits(value: float, power: int) -> int:  # pragma: no cover - compiled
    """Multiply with a power of ten and round, a half to the even number."""
    ten = _POWERS[abs(power)]
    if power >= 0:
        scaled = value * ten
        rest = _product_rest(value, ten, scaled)
    else:
        scaled = value / ten
        back = scaled * ten
        rest = (value - back) - _product_rest(scaled, ten, back)
    whole = np.floor(scaled)
    beyond, number = scaled - whole, int(whole)
    if beyond > 0.5 or (beyond == 0.5 and (rest > 0 or (rest == 0 and number % 2 == 1))):
        number += 1
    return number


@numba.njit(cache=True, nogil=True)
def _product_rest(a: float, b: float, product: float) -> float:  # pragma: no cover - compiled
    """Tell by how much the exact product of two doubles is more than the rounded one."""
    split = 134217729.0  # 2^27 + 1 cuts 53 bits in two halves
    high_a, high_b = a * split, b * split
    high_a, high_b = high_a - (high_a - a), high_b - (high_b - b)
    low_a, low_b = a - high_a, b - high_b
    return ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b


@numba.njit(cache=True, nogil=True)
def _place_digits(digits: int, kept: int, power: int, text: Bytes, at: int) -> int:  # pragma: no cover - compiled
    """Print ``kept`` digits, the first of which counts 10^power, with zeros or an exponent as ``%g`` does."""
    if -5 < power < 0:
        for place in range(1 - power):
            text[at + place] = _0
        text[at + 1] = _POINT
        return _print_digits(digits, kept, kept, text, at + 1 - power)
    if 0 <= power < 9:
        while kept < power + 1:
            digits, kept = digits * 10, kept + 1
        return _print_digits(digits, kept, power + 1, text, at)
    at = _print_digits(digits, kept, 1, text, at)
    text[at], text[at + 1] = _E, _MINUS if power < 0 else _PLUS
    return _print_digits(abs(power), 2, 2, text, at + 2)


@numba.njit(cache=True, nogil=True)
def _print_digits(number: int, count: int, before: int, text: Bytes, at: int) -> int:  # pragma: no cover - compiled
    """Print the last ``count`` digits of a whole number, with a point behind the first ``before`` if more follow."""
    ten, left = np.uint64(10), np.uint64(number)
    end = at + count + (count > before)
    place = end - 1
    for index in range(count - 1, -1, -1):
        text[place] = _0 + np.uint8(left % ten)
        left //= ten
        place -= 1
        if index == before:
            text[place] = _POINT
            place -= 1
    return end


class Rows(NamedTuple):
    """What `read_rows` found in each line.

    Parameters
    ----------
    numbers
        (rows, columns) float64, NaN for ``NA``.
    left
        (rows,) bool: what the line holds has to be read by other means; its numbers have no meaning.
    start, first_tab, last_tab, end
        (rows,) places in the text: of the line, its first and its last tab, and the next line.
    """

    numbers: Float
    left: Bools
    start: Int
    first_tab: Int
    last_tab: Int
    end: Int


def read_rows(text: bytes, columns: int, *, more: bool) -> Rows:
    """Read lines of a name, numbers and, if there is ``more``, a last text, with tabs between.

    Parameters
    ----------
    text
        Lines, the last of which may lack its end.
    columns
        Number of numbers.
    more
        Whether a text follows them.

    Examples
    --------
    >>> found = read_rows(b"a\\t1e-3\\tNA\\nb\\t25\\t1e400\\n", 2, more=False)
    >>> found.numbers[0].tolist(), found.left.tolist(), found.end.tolist()
    ([0.001, nan], [False, True], [10, 21])
    """
    count = text.count(b"\n") + (not text.endswith(b"\n") and len(text) > 0)
    places = np.zeros((4, count), np.int64)
    found = Rows(np.empty((count, columns)), np.zeros(count, np.bool_), *places)
    _read(np.frombuffer(text, np.uint8), found, more)
    return found


@numba.njit(cache=True, nogil=True)
def _read(text: Bytes, rows: Rows, more: bool) -> None:  # pragma: no cover - compiled
    """Read all lines."""
    at, size, columns = 0, len(text), rows.numbers.shape[1]
    for row in range(len(rows.left)):
        rows.start[row], first, last, tabs = at, -1, -1, 0
        while at < size and text[at] != _END:
            if text[at] == _TAB:
                first, last, tabs = at if first < 0 else first, at, tabs + 1
                if tabs <= columns and not rows.left[row]:
                    rows.numbers[row, tabs - 1], end = _read_cell(text, at + 1)
                    rows.left[row], at = end < 0, max(at, end - 1)
            at += 1
        rows.left[row] |= at == size or tabs != columns + more
        at += at < size
        rows.first_tab[row], rows.last_tab[row], rows.end[row] = first, last, at


@numba.njit(cache=True, nogil=True)
def _read_cell(text: Bytes, at: int) -> tuple[float, int]:  # pragma: no cover - compiled
    """Read a number, and give the place behind it; -1 where it is none, or one that takes more care."""
    size = len(text)
    if at + 2 < size and text[at] == _N and text[at + 1] == _A:
        return np.nan, at + 2 if text[at + 2] == _TAB or text[at + 2] == _END else -1
    negative = at < size and text[at] == _MINUS
    at += negative
    digits, seen, after, point = 0, 0, 0, False
    while at < size and (_0 <= text[at] <= _9 or (text[at] == _POINT and not point)):
        if text[at] == _POINT:
            point = True
        else:
            digits = digits * 10 + int(np.int64(text[at] - _0))
            seen, after = seen + 1, after + point
        at += 1
    power, good = 0, 0 < seen < 19 and digits <= 1 << 53
    if at + 1 < size and text[at] == _E:
        sign = -1 if text[at + 1] == _MINUS else 1
        at += 2 if text[at + 1] == _MINUS or text[at + 1] == _PLUS else 1
        begin = at
        while at < size and _0 <= text[at] <= _9 and at < begin + 4:
            power = power * 10 + int(np.int64(text[at] - _0))
            at += 1
        good, power = good and at > begin, sign * power
    power -= after
    if not good or at >= size or not (text[at] == _TAB or text[at] == _END) or abs(power) > _LAST:
        return np.nan, -1
    value = digits / _POWERS[-power] if power < 0 else digits * _POWERS[power]
    return -value if negative else value, at
