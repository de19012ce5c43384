"""RAiSD's mu."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.regions import Region
from scanner.scores import Reason
from scanner.statistics import raisd
from scanner.windows import Spans

WANTED = frozenset(["mu"])


def make_block(alleles, positions, unphased=None):
    packed = from_alleles("A", np.asarray(alleles, np.int8), unphased)
    return HaplotypeBlock(Region("1", 0, int(positions[-1]) + 1), positions, np.ones(len(positions), bool), (packed,))


def score(block, ranges):
    first, last = np.asarray(ranges, np.int64).reshape(-1, 2).T
    windows = Spans(first, last, first, last, (last - first) * 1.0)
    return raisd.compute(block, windows, block.populations, WANTED)["mu"]


def sample(seed, sites, size, missing=0.0):
    """Draw sites from six founders, so that patterns recur; some with a single allele of one kind."""
    rng = np.random.default_rng(seed)
    family = rng.integers(0, 6, size)
    alleles = rng.integers(0, 2, (sites, 6))[:, family].astype(np.int8)
    recur = rng.random(sites) < 0.5
    alleles[recur] = alleles[rng.integers(0, sites, recur.sum())]
    single = np.flatnonzero(rng.random(sites) < 0.2)
    alleles[single] = rng.integers(0, 2, (len(single), 1))
    alleles[single, rng.integers(0, size, len(single))] ^= 1
    alleles[rng.random(alleles.shape) < missing] = -1
    return alleles, np.cumsum(rng.integers(1, 200, sites))


def pattern(row):
    """Spell a site so that it equals its complement: which haplotypes carry what the first called one does not."""
    called = [int(a) for a in row if a >= 0]
    return tuple(-1 if a < 0 else int(a) ^ called[0] for a in row)


def naive(alleles, positions):
    """Compute mu without the density factor of 50 segregating sites."""
    a = [sum(1 / i for i in range(1, int((row >= 0).sum()))) for row in alleles]
    edge = [min((row == 1).sum(), (row == 0).sum()) == 1 for row in alleles]
    mass = sum(weight for weight, one in zip(a, edge, strict=True) if one)
    sfs = (mass if any(edge) else 1e-10 * sum(a) / 50) / 50
    left, right = [pattern(row) for row in alleles[:25]], [pattern(row) for row in alleles[25:]]
    only_left, only_right = set(left) - set(right), set(right) - set(left)
    alone = len(only_left) * sum(p in only_left for p in left) + len(only_right) * sum(p in only_right for p in right)
    ld = alone / (len(set(left)) * len(set(right))) if alone else 1e-10
    return (positions[-1] - positions[0]) / 50 * sfs * ld


def naive_windows(alleles, positions, ranges):
    """Take the largest mu over all runs of 50 segregating sites inside each range; NaN where there is none."""
    found = []
    for first, last in ranges:
        kept = [s for s in range(first, last) if {0, 1} <= {int(a) for a in alleles[s]}]
        runs = [kept[i : i + 50] for i in range(len(kept) - 49)]
        found.append(max((naive(alleles[run], positions[run]) for run in runs), default=np.nan))
    return found


@pytest.mark.parametrize("missing", [0.0, 0.05])
@pytest.mark.parametrize("size", [10, 130])
def test_windows_match_naive(size, missing):
    alleles, positions = sample(size, 160, size, missing)
    ranges = [(0, 50), (0, 160), (3, 60), (3, 120), (10, 59), (40, 130), (100, 160), (140, 160), (160, 160)]
    found = score(make_block(alleles, positions), ranges)
    expected = naive_windows(alleles, positions, ranges)
    assert found.values == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert np.array_equal(found.reasons, np.where(np.isnan(expected), Reason.NO_VARIATION, 0))
    assert np.isnan(expected).any()
    assert len({e for e in expected if e == e}) > 2


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_swapping_alleles_changes_nothing(missing):
    alleles, positions = sample(3, 120, 20, missing)
    flip = np.random.default_rng(1).random(120) < 0.5
    flipped = np.where(flip[:, None] & (alleles >= 0), 1 - alleles, alleles)
    assert not np.array_equal(flipped, alleles)
    ranges = [(0, 80), (20, 120)]
    first, second = (score(make_block(a, positions), ranges).values for a in (alleles, flipped))
    assert first.tolist() == second.tolist()


def test_floors_stand_for_counts_of_zero():
    """All 50 sites alike and at intermediate frequency: none at the spectrum's edges, no pattern on one side only."""
    alleles = np.tile(np.array([0, 0, 1, 1], np.int8), (50, 1))
    positions = np.arange(50) * 100
    found = score(make_block(alleles, positions), [(0, 50)])
    a = 1 + 1 / 2 + 1 / 3
    assert found.values == pytest.approx([4900 / 50 * (1e-10 * a / 50) * 1e-10], rel=1e-12)


def test_factors_by_hand():
    """Left half: 25 times one pattern. Right half: 24 times that pattern and one singleton."""
    alleles = np.tile(np.array([0, 0, 1, 1], np.int8), (50, 1))
    alleles[30] = 0, 0, 0, 1
    positions = np.arange(50) * 100
    a = 1 + 1 / 2 + 1 / 3
    found = score(make_block(alleles, positions), [(0, 50)])
    assert found.values == pytest.approx([4900 / 50 * (a / 50) * (1 * 1) / (1 * 2)], rel=1e-12)


def test_the_same_window_scores_the_same_in_any_block():
    alleles, positions = sample(4, 200, 30)
    whole = score(make_block(alleles, positions), [(60, 150)])
    part = score(make_block(alleles[60:150], positions[60:150]), [(0, 90)])
    assert whole.values.tolist() == part.values.tolist()


def test_unphased_windows_have_no_value():
    alleles, positions = sample(5, 120, 20)
    unphased = np.zeros((120, 10), bool)
    unphased[:60] = True
    found = score(make_block(alleles, positions, unphased), [(0, 60), (60, 120), (0, 10), (60, 70)])
    assert found.reasons.tolist() == [Reason.UNPHASED, 0, Reason.UNPHASED, Reason.NO_VARIATION]


def test_density_factor_completes_mu_var():
    """The factor is segregating sites over length: mu_var is then 1 where sites lie evenly."""
    spacing, sites = 100, 5000
    mu_var = 50 * spacing / raisd.SNP_WINDOW * raisd.density_factor(sites, sites * spacing)
    assert mu_var == pytest.approx(1.0)


@given(hnp.arrays(np.int8, st.tuples(st.integers(0, 12), st.just(6)), elements=st.sampled_from([0, 1, -1])))
def test_numbers_are_equal_exactly_where_patterns_are(alleles):
    numbers = raisd.number_patterns(from_alleles("A", alleles))
    spelled = [pattern(row) for row in alleles]
    for i in range(len(alleles)):
        assert [numbers[i] == n for n in numbers] == [spelled[i] == s for s in spelled]


def test_nothing_is_given_where_nothing_is_wanted():
    alleles, positions = sample(6, 60, 10)
    block = make_block(alleles, positions)
    windows = Spans(*(np.array([v]) for v in (0, 60, 0, 60)), np.array([60.0]))
    assert raisd.compute(block, windows, block.populations, frozenset()) == {}
