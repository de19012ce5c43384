"""Numbers as text: compiled printing and reading give what Python gives, digit by digit and bit by bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.numerals import _print, print_number, print_rows, read_rows

NAN = float("nan")


def naive_cell(value: float) -> str:
    """Print a number as the format says."""
    if math.isnan(value):
        return "NA"
    if abs(value) < 2**53 and value == int(value):
        return str(int(value))
    return f"{value:.9g}"


def awkward(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw numbers of all sizes, of few digits, halfway between two of nine digits, and beside powers of ten."""
    whole = rng.integers(0, 10**9, count)
    kinds = [
        rng.normal(size=count) * 10.0 ** rng.integers(-30, 40, count),
        rng.integers(0, 10**10, count) / 10.0 ** rng.integers(0, 12, count),
        (whole + 0.5) / 2.0 ** rng.integers(0, 30, count),
        (whole + 0.5) * 10.0 ** rng.integers(-12, 5, count),
        np.nextafter(10.0 ** rng.integers(-13, 25, count), rng.choice([-np.inf, np.inf], count)),
        rng.integers(-(10**17), 10**17, count).astype(np.float64),
    ]
    return np.concatenate(kinds) * rng.choice([-1, 1], count * len(kinds))


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=5))
def test_a_row_is_printed_as_python_prints_it(row: list[float]):
    assert print_rows(np.array([row, row])) == ["".join(f"\t{naive_cell(value)}" for value in row)] * 2
    assert [print_number(value) for value in row] == [naive_cell(value) for value in row]


def test_awkward_numbers_are_printed_as_python_prints_them():
    values = awkward(np.random.default_rng(3), 20_000)
    assert print_rows(values[:, np.newaxis]) == [f"\t{naive_cell(value)}" for value in values.tolist()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"), (999999999.5, "1e+09"), (999999998.5, "999999998"), (999999997.5, "999999998"),
        (0.99999999949, "0.999999999"), (0.9999999996, "1"), (99999.9999996, "100000"), (0.0001, "0.0001"),
        (0.00001, "1e-05"), (0.000099999999996, "0.0001"), (1e9, "1000000000"), (2.0**53, "9.00719925e+15"),
        (2.0**53 - 1, "9007199254740991"), (1e22, "1e+22"), (1.5e-13, "1.5e-13"), (5e-324, "4.94065646e-324"),
        (-1.7e308, "-1.7e+308"), (NAN, "NA"),
    ],
)  # fmt: skip
def test_numbers_on_an_edge(value: float, text: str):
    assert print_rows(np.array([[value]])) == [f"\t{text}"]
    assert print_number(value) == text


def test_only_rows_with_numbers_beyond_the_powers_are_left_to_python():
    matrix = np.array([[1.5, 2e-13], [1.5, 2e-15], [1.5, 2.5e29], [1.5, 2e31]])
    left = np.zeros(4, np.bool_)
    _print(matrix, np.empty(200, np.uint8), left)
    assert left.tolist() == [False, True, False, True]
    assert print_rows(matrix) == ["\t1.5\t2e-13", "\t1.5\t2e-15", "\t1.5\t2.5e+29", "\t1.5\t2e+31"]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_tables_without_cells(shape: tuple[int, int]):
    assert print_rows(np.empty(shape)) == [""] * shape[0]


def test_awkward_numbers_are_read_as_python_reads_them():
    values = awkward(np.random.default_rng(4), 5_000)
    texts = [f"{value:.{digits}g}" for digits in (3, 9, 15, 17) for value in values.tolist()]
    found = read_rows("".join(f"x\t{text}\n" for text in texts).encode(), 1, more=False)
    exact = np.array([float(text) for text in texts])
    np.testing.assert_array_equal(found.numbers[~found.left, 0], exact[~found.left])
    assert 0.5 < np.mean(~found.left) < 1
    small = np.array([len(text.partition("e")[0]) < 12 and 1e-13 < abs(float(text)) < 1e15 for text in texts])
    assert not found.left[small].any()


@pytest.mark.parametrize(
    "cell",
    ["", "-", ".", "e5", "1e", "1e+", "1_0", "0x1", "inf", "nan", "NaN", "N", "NAN", "1.2.3", "1-2", " 1", "1 ", "+1",
     "1e23", "1e-40", "9007199254740993", "12345678901234567890", "1e12345678901234567890", "٣"],
)  # fmt: skip
def test_what_is_no_plain_number_is_left(cell: str):
    found = read_rows(f"a\t1\t2\nb\t{cell}\t3\nc\tNA\t-0\n".encode(), 2, more=False)
    assert found.left.tolist() == [False, True, False]
    np.testing.assert_array_equal(found.numbers[[0, 2]], [[1, 2], [NAN, 0]])
    assert np.signbit(found.numbers[2, 1])


@pytest.mark.parametrize("line", ["", "a", "a\t1", "a\t1\t2\t3", "a\t1\t2\t3\t4"])
def test_lines_of_another_width_are_left(line: str):
    more = line.count("\t") != 3
    found = read_rows(f"x\t1\t2{chr(9) + 'z' if more else ''}\n{line}\n".encode(), 2, more=more)
    assert found.left.tolist() == [False, True]


def test_places_in_the_text():
    text = "chr1\t1\t2\tx,y\né\tNA\t3.5\t.\nlast\t1\t1\tz".encode()
    found = read_rows(text, 2, more=True)
    assert found.left.tolist() == [False, False, True]  # the last line has no end
    assert [text[a:b].decode() for a, b in zip(found.start, found.first_tab, strict=True)] == ["chr1", "é", "last"]
    assert [text[a + 1 : b - 1].decode() for a, b in zip(found.last_tab, found.end, strict=True)][:2] == ["x,y", "."]
    assert read_rows(b"", 2, more=True).numbers.shape == (0, 2)


@given(st.lists(st.lists(st.floats(allow_infinity=False), min_size=3, max_size=3), max_size=5))
def test_what_is_printed_is_read(rows: list[list[float]]):
    printed = print_rows(np.array(rows).reshape(-1, 3))
    found = read_rows("".join(f"name{row}\n" for row in printed).encode(), 3, more=False)
    exact = np.array([[NAN if c == "NA" else float(c) for c in row.split("\t")[1:]] for row in printed]).reshape(-1, 3)
    np.testing.assert_array_equal(found.numbers[~found.left], exact[~found.left])
