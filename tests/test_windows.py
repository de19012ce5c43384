"""Windows lose nothing: each site lies in exactly the windows that cover it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.regions import Region
from scanner.windows import Windows, by_site_count, sliding, spans, window_sums

positions = st.lists(st.integers(0, 300), unique=True, max_size=40).map(lambda found: np.array(sorted(found), np.int64))


@st.composite
def layouts(draw):
    """Give a region, a window and a step."""
    start = draw(st.integers(0, 200))
    window = draw(st.integers(1, 120))
    return Region("1", start, start + draw(st.integers(1, 200))), window, draw(st.integers(1, window))


def bounds(windows):
    return list(zip(windows.start.tolist(), windows.end.tolist(), strict=True))


def naive_sliding(region, window, step):
    """Clip every window of the whole grid, then drop those that lie inside another one."""
    grid = [(start, start + window) for start in range(0, region.end, step)]
    clipped = {(max(a, region.start), min(b, region.end)) for a, b in grid if b > region.start}
    return sorted((a, b) for a, b in clipped if not any(c <= a and b <= d for c, d in clipped if (c, d) != (a, b)))


@given(layouts())
@example((Region("1", 0, 250), 100, 50))
@example((Region("1", 125, 250), 100, 50))
def test_sliding_windows_are_the_clipped_grid_without_what_lies_inside_another(layout):
    region, window, step = layout
    found = sliding(region, window, step)
    assert bounds(found) == naive_sliding(region, window, step)
    assert (found.contig, found.start.dtype, found.end.dtype) == ("1", np.int64, np.int64)


@given(layouts())
def test_sliding_windows_cover_the_region_and_no_more(layout):
    region, window, step = layout
    found = sliding(region, window, step)
    covered = np.zeros(region.end + window, int)
    for start, end in bounds(found):
        assert end - start <= window
        covered[start:end] += 1
    assert (covered[region.start : region.end] > 0).all()
    assert covered.sum() == covered[region.start : region.end].sum()
    if step == window:
        assert covered.max() == 1
    assert (np.diff(found.start) > 0).all()
    assert (np.diff(found.end) > 0).all()


@given(layouts())
def test_sliding_windows_start_on_the_contigs_grid_but_the_first(layout):
    region, window, step = layout
    found = sliding(region, window, step)
    assert (found.start[found.start > region.start] % step == 0).all()
    assert (found.end[found.end < region.end] - window == found.start[found.end < region.end])[1:].all()


def test_the_last_window_is_clipped_and_kept():
    assert bounds(sliding(Region("1", 0, 201), 100, 100)) == [(0, 100), (100, 200), (200, 201)]
    assert bounds(sliding(Region("1", 0, 30), 100, 10)) == [(0, 30)]


@pytest.mark.parametrize(("window", "step"), [(10, 0), (10, 11), (10, -1), (0, 0)])
def test_a_step_that_loses_data_is_refused(window, step):
    with pytest.raises(ValueError, match=rf"step {step} must lie between 1 and the window's {window} bp"):
        sliding(Region("1", 0, 100), window, step)
    with pytest.raises(ValueError, match=rf"step {step} must lie between 1 and the window's {window} sites"):
        by_site_count("1", np.arange(5), window, step)


@given(positions, st.integers(1, 12), st.data())
def test_windows_of_sites_hold_their_number_and_lose_none(sites, count, data):
    step = data.draw(st.integers(1, count))
    windows = by_site_count("c", sites, count, step)
    held = [[int(p) for p in sites if start <= p < end] for start, end in bounds(windows)]
    assert held == [sites[at : at + count].tolist() for at in range(0, len(held) * step, step)]
    assert all(len(inside) == count for inside in held[:-1])
    assert {p for inside in held for p in inside} == set(sites.tolist())
    assert all(
        (start, end) == (inside[0], inside[-1] + 1) for (start, end), inside in zip(bounds(windows), held, strict=True)
    )
    if len(held) > 1:
        assert held[-1][-1] not in held[-2]  # the last window is needed
    assert (windows.contig, len(windows)) == ("c", len(held))


@st.composite
def arbitrary_windows(draw):
    """Give any windows, sorted: overlapping, nested, repeated or none."""
    rows = draw(st.lists(st.tuples(st.integers(0, 290), st.integers(1, 100)), max_size=12))
    table = np.array(sorted((a, a + length) for a, length in rows), np.int64).reshape(-1, 2)
    return Windows("1", table[:, 0], table[:, 1])


def assert_covering(found, windows, sites):
    for window, (start, end) in enumerate(bounds(windows)):
        inside = [at for at, p in enumerate(sites.tolist()) if start <= p < end]
        assert list(range(found.first[window], found.last[window])) == inside
    assert (len(found), found.start.tolist(), found.end.tolist()) == (
        len(windows),
        windows.start.tolist(),
        windows.end.tolist(),
    )


@given(arbitrary_windows(), positions)
def test_spans_hold_exactly_the_sites_that_a_window_covers(windows, sites):
    found = spans(windows, sites)
    assert_covering(found, windows, sites)
    assert found.callable_bp.tolist() == [end - start for start, end in bounds(windows)]
    given_bp = np.arange(len(windows)) / 2
    assert spans(windows, sites, given_bp).callable_bp is given_bp


@given(layouts(), positions)
def test_each_site_lies_in_exactly_the_sliding_windows_that_cover_it(layout, sites):
    windows = sliding(*layout)
    assert_covering(spans(windows, sites), windows, sites)


def test_windows_take_slices():
    windows = sliding(Region("x", 0, 250), 100, 50)
    assert bounds(windows[1:3]) == bounds(windows)[1:3]
    assert (windows[1:3].contig, len(windows[4:])) == ("x", 0)


@given(arbitrary_windows(), positions, st.data())
def test_window_sums_equal_a_loop(windows, sites, data):
    found = spans(windows, sites)
    numbers = st.lists(st.integers(-1000, 1000), min_size=2 * len(sites), max_size=2 * len(sites))
    whole = np.array(data.draw(numbers), np.int16).reshape(len(sites), 2)
    naive = [[whole[a:b, k].tolist() for k in (0, 1)] for a, b in zip(found.first, found.last, strict=True)]
    sums = window_sums(whole, found.first, found.last)
    assert sums.dtype == np.int64
    assert sums.tolist() == [[sum(column) for column in rows] for rows in naive]
    halves = window_sums(whole[:, 0] / np.float32(4), found.first, found.last)
    assert halves.dtype == np.float64
    assert halves.tolist() == [sum(rows[0]) / 4 for rows in naive]


def test_window_sums_of_booleans_and_of_small_integers_do_not_overflow():
    first, last = np.array([0, 100]), np.array([300, 100])
    assert window_sums(np.ones(300, bool), first, last).tolist() == [300, 0]
    assert window_sums(np.full(300, 100, np.int8), first, last).tolist() == [30_000, 0]
