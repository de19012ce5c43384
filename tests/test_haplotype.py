"""Haplotype homozygosity, the phase test and the pass along overlapping windows."""

from __future__ import annotations

from collections import Counter

import allel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import HaplotypeBlock, from_alleles, unpack
from scanner.regions import Region
from scanner.scores import Reason
from scanner.statistics import haplotype, passes, phase
from scanner.windows import Spans, Windows, sliding, spans

ALL = frozenset(haplotype.NAMES)


def make_block(alleles, unphased=None, ploidy=2, gap=10):
    """Give a block of one population with a site every ``gap`` bp, the first one at ``gap // 2``."""
    packed = from_alleles("A", np.asarray(alleles, np.int8), unphased, ploidy)
    sites = len(packed.derived)
    positions = np.arange(sites, dtype=np.int64) * gap + gap // 2
    return HaplotypeBlock(Region("1", 0, max(1, sites * gap)), positions, np.ones(sites, bool), (packed,))


def site_spans(ranges):
    """Give spans for site ranges of such a block."""
    first, last = np.asarray(ranges, np.int64).reshape(-1, 2).T
    return Spans(first * 10, last * 10, first, last, (last - first) * 10.0)


def score(block, windows, wanted=ALL):
    return haplotype.compute(block, windows, block.populations, wanted)


def naive(alleles, placed, present, first, last):
    """Count whole haplotypes as tuples: the four scores, or the reason why there are none."""
    if first == last:
        return Reason.NO_VARIATION
    whole = [h for h in range(alleles.shape[1]) if placed[first:last, h].all()]
    if len(whole) < 2 or len(whole) < 0.5 * present[first:last].sum(axis=1).max():
        return Reason.MISSING_DATA
    counts = sorted(Counter(tuple(alleles[first:last, h]) for h in whole).values(), reverse=True)
    shares = [count / len(whole) for count in counts] + [0.0]
    h1 = sum(p * p for p in shares)
    h12 = (shares[0] + shares[1]) ** 2 + sum(p * p for p in shares[2:])
    return len(counts), h1, h12, (h1 - shares[0] ** 2) / h1


def check(block, ranges, alleles, placed):
    """Compare every window with the naive count."""
    found = score(block, site_spans(ranges))
    present = alleles > -2
    for window, (first, last) in enumerate(ranges):
        expected = naive(alleles, placed, present, first, last)
        reasons = {found[name].reasons[window] for name in haplotype.NAMES}
        if isinstance(expected, Reason):
            assert reasons == {expected}
        else:
            assert reasons == {Reason.VALUE}
            got = [found[name].values[window] for name in haplotype.NAMES]
            assert got == pytest.approx(expected, rel=1e-12, abs=1e-14)


@st.composite
def cases(draw, values, max_unphased=0):
    """Draw (alleles, unphased, site ranges); few haplotypes, so that many are alike; more than one word of them."""
    sites, samples = draw(st.integers(1, 8)), draw(st.sampled_from([1, 2, 4, 33]))
    alleles = draw(hnp.arrays(np.int8, (sites, 2 * samples), elements=st.sampled_from(values), fill=st.just(values[0])))
    unphased = draw(hnp.arrays(np.bool_, (sites, samples), fill=st.just(False))) if max_unphased else None
    bound = st.integers(0, sites)
    ranges = draw(st.lists(st.tuples(bound, bound).map(sorted).map(tuple), min_size=1, max_size=8))
    return alleles, unphased, sorted(ranges)


@given(cases(values=(0, 1)))
def test_complete_data_match_naive_counts(case):
    alleles, _, ranges = case
    check(make_block(alleles), ranges, alleles, np.ones(alleles.shape, bool))


@given(cases(values=(0, 1, -1, -2)))
def test_missing_and_absent_chromosomes_match_naive_counts(case):
    alleles, _, ranges = case
    check(make_block(alleles), ranges, alleles, alleles >= 0)


@pytest.mark.parametrize("ploidy", [1, 3])
def test_other_ploidies(ploidy):
    alleles = np.random.default_rng(ploidy).integers(-1, 2, (6, 12)).astype(np.int8)
    alleles[:, :9] = np.abs(alleles[:, :9])
    check(make_block(alleles, ploidy=ploidy), [(0, 2), (0, 6), (1, 3), (5, 6)], alleles, alleles >= 0)


def test_scikit_allel_agrees_on_overlapping_windows():
    """150 haplotypes (three words) copied from 12 founders with switches, in windows that overlap tenfold."""
    rng = np.random.default_rng(5)
    founders = rng.integers(0, 2, (300, 12))
    switch = np.cumsum(rng.random((300, 150)) < 0.01, axis=0) + rng.integers(0, 12, 150)
    alleles = np.take_along_axis(founders, switch % 12, axis=1).astype(np.int8)
    block = make_block(alleles)
    windows = spans(sliding(block.region, 300, 30), block.positions)
    found = score(block, windows)
    assert len(windows) > 90
    for window in range(len(windows)):
        part = alleles[windows.first[window] : windows.last[window]]
        h1, h12, _, h2_h1 = allel.garud_h(part)
        got = [found[name].values[window] for name in haplotype.NAMES]
        assert got == pytest.approx([len(np.unique(part, axis=1).T), h1, h12, h2_h1], rel=1e-12)


def test_windows_may_nest_repeat_and_come_at_step_one():
    rng = np.random.default_rng(8)
    alleles = (rng.random((40, 10)) < 0.2).astype(np.int8)
    ranges = sorted([(0, 40), (0, 40), (3, 9), (3, 30), (4, 5), (20, 21)] + [(i, i + 5) for i in range(36)])
    check(make_block(alleles), ranges, alleles, np.ones(alleles.shape, bool))


def test_one_haplotype_where_nothing_segregates_and_nothing_where_no_site_is():
    block = make_block([[0, 0, 0, 0], [1, 1, 1, 1]])
    found = score(block, site_spans([(0, 2), (2, 2)]))
    assert [found[name].values[0] for name in haplotype.NAMES] == [1, 1, 1, 0]
    assert all(found[name].reasons.tolist() == [0, Reason.NO_VARIATION] for name in haplotype.NAMES)


def test_a_haploid_second_column_is_no_missing_data():
    alleles = np.array([[0, -2, 1, -2, 0, -2], [0, -2, 1, -2, 1, -2]], np.int8)
    found = score(make_block(alleles), site_spans([(0, 2)]))
    assert found["haplotypes"].values.tolist() == [3]
    assert found["h1"].values == pytest.approx(1 / 3)


def test_too_few_complete_haplotypes():
    """Of four chromosomes two are complete in the first window (just enough) and one in the second."""
    alleles = np.array([[0, 1, -1, 0], [0, 1, 0, -1], [0, -1, 0, 0]], np.int8)
    found = score(make_block(alleles), site_spans([(0, 2), (0, 3)]))
    assert found["haplotypes"].reasons.tolist() == [0, Reason.MISSING_DATA]
    assert found["haplotypes"].values[0] == 2


def test_unphased_heterozygotes_are_not_placed_and_many_of_them_cost_the_window():
    """Site 0 has 40 phased heterozygotes, site 1 two unphased ones, so 2 / 42 < 5% together but not alone."""
    alleles = np.zeros((2, 80), np.int8)
    alleles[0, 1::2] = 1
    alleles[1, [1, 3]] = 1
    unphased = np.zeros((2, 40), bool)
    unphased[1, :2] = True
    block = make_block(alleles, unphased)
    found = score(block, site_spans([(0, 2), (1, 2)]))
    assert found["h1"].reasons.tolist() == [0, Reason.UNPHASED]
    assert found["h1"].values[0] == pytest.approx(0.5)
    assert haplotype.haplotype_spectrum(block.positions, block.populations[0], site_spans([(0, 2)]))[0, 1] == 76


def test_only_what_is_wanted_is_given():
    block = make_block([[0, 1, 0, 1]])
    assert list(score(block, site_spans([(0, 1)]), frozenset(["h12"]))) == ["h12"]
    assert haplotype.PRODUCERS[0].names == haplotype.NAMES


def test_keys_belong_to_positions():
    keys = haplotype.site_keys(np.arange(100_000))
    assert len(np.unique(keys)) == len(keys)
    assert np.array_equal(haplotype.site_keys(np.arange(500, 600)), keys[500:600])
    assert abs(np.unpackbits(keys.view(np.uint8)).mean() - 0.5) < 0.001


@pytest.mark.parametrize(("loose", "expected"), [(0, False), (1, False), (2, True)])
def test_phase_threshold_is_five_per_cent_of_heterozygotes(loose, expected):
    alleles = np.tile(np.array([0, 1], np.int8), (2, 10))
    unphased = np.zeros((2, 10), bool)
    unphased[1, :loose] = True
    block = make_block(alleles, unphased)
    windows = spans(Windows("1", np.array([0, 0]), np.array([20, 10])), block.positions)
    assert phase.unphased_windows(block.populations[0], windows).tolist() == [expected, False]


@given(cases(values=(0, 1, -1), max_unphased=1))
def test_placed_count_counts_bits(case):
    alleles, unphased, _ = case
    packed = from_alleles("A", alleles, unphased)
    assert np.array_equal(phase.placed_count(packed), unpack(packed.placed, packed.size).sum(axis=1))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), min_size=1, max_size=20))
def test_open_starts_never_share_a_slot(ranges):
    first, last = np.array(ranges).T
    planned = passes.plan(first, last)
    assert sorted(planned.order.tolist()) == np.flatnonzero(last > first).tolist()
    assert (np.diff(last[planned.order]) >= 0).all()
    for site in range(13):
        held = [s for s, b, e in zip(planned.start_slot, planned.start, planned.close, strict=True) if b <= site < e]
        assert len(set(held)) == len(held) <= planned.slots
    for window in planned.order:
        index = planned.start.tolist().index(first[window])
        assert planned.slot[window] == planned.start_slot[index]
        assert planned.close[index] >= last[window]


@given(
    hnp.arrays(np.int32, st.integers(0, 20), elements=st.integers(-5, 5)),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted), min_size=1),
)
def test_window_maximum_matches_slices(values, ranges):
    first, last = np.minimum(np.array(ranges), len(values)).T
    expected = [max(values[a:b].tolist(), default=-np.inf) for a, b in zip(first, last, strict=True)]
    assert passes.window_maximum(values, first, last).tolist() == expected
