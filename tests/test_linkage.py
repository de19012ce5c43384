"""ZnS, omega and the minimum number of recombinations."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import allel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.regions import Region
from scanner.scores import Reason
from scanner.statistics import linkage
from scanner.windows import Spans, sliding, spans

ALL = frozenset(linkage.NAMES)


def make_block(alleles, unphased=None, ploidy=2):
    """Give a block of one population with a site every 10 bp."""
    packed = from_alleles("A", np.asarray(alleles, np.int8), unphased, ploidy)
    sites = len(packed.derived)
    positions = np.arange(sites, dtype=np.int64) * 10
    return HaplotypeBlock(Region("1", 0, max(1, sites * 10)), positions, np.ones(sites, bool), (packed,))


def site_spans(ranges):
    """Give spans for site ranges of such a block."""
    first, last = np.asarray(ranges, np.int64).reshape(-1, 2).T
    return Spans(first * 10, last * 10, first, last, (last - first) * 10.0)


def score(block, windows, wanted=ALL):
    return linkage.compute(block, windows, block.populations, wanted)


def pair(left, right):
    """Compare two sites by the haplotypes called at both: exact r2 (None where it has none) and four gametes or not."""
    both = [(int(i), int(j)) for i, j in zip(left, right, strict=True) if i >= 0 and j >= 0]
    n = len(both)
    i, j, shared = sum(x for x, _ in both), sum(y for _, y in both), sum(x * y for x, y in both)
    spread = i * (n - i) * j * (n - j)
    return Fraction((n * shared - i * j) ** 2, spread) if spread else None, len(set(both)) == 4


def mean(values):
    """Average what is not None; None where nothing is left."""
    kept = [value for value in values if value is not None]
    return sum(kept) / len(kept) if kept else None


def naive(alleles):
    """Compute the three scores of one window pair by pair, in exact fractions; None where a score has no value."""
    sites = [row for row in alleles if len({int(a) for a in row if a >= 0}) == 2]
    table = {(a, b): pair(sites[a], sites[b]) for a, b in combinations(range(len(sites)), 2)}
    ratios = []
    for split in range(2, len(sites) - 1):
        same = mean([r2 for (a, b), (r2, _) in table.items() if (a < split) == (b < split)])
        across = mean([r2 for (a, b), (r2, _) in table.items() if (a < split) != (b < split)])
        if same is not None and across:
            ratios.append(same / across)
    cuts = [ends for ends, (_, four) in table.items() if four]
    gaps = range(max(0, len(sites) - 1))
    rmin = next(
        size
        for size in range(len(sites) + 1)
        if any(all(any(a <= cut < b for cut in chosen) for a, b in cuts) for chosen in combinations(gaps, size))
    )
    return mean([r2 for r2, _ in table.values()]), max(ratios, default=None), rmin, len(sites)


def check(alleles, ranges, block=None):
    """Compare every window with the naive scores."""
    found = score(make_block(alleles) if block is None else block, site_spans(ranges))
    for window, (first, last) in enumerate(ranges):
        *expected, sites = naive(alleles[first:last])
        reasons = [Reason.NO_VARIATION if few else Reason.UNDEFINED for few in (sites < 2, sites < 4)]
        for name, value, reason in zip(linkage.NAMES, expected, [*reasons, None], strict=True):
            if name == "rmin" and first == last:
                assert found[name].reasons[window] == Reason.NO_VARIATION
            elif value is None:
                assert found[name].reasons[window] == reason
            else:
                assert found[name].values[window] == pytest.approx(float(value), rel=1e-9)


@st.composite
def cases(draw, values, max_sites=7):
    """Draw (alleles, site ranges)."""
    sites, size = draw(st.integers(1, max_sites)), draw(st.sampled_from([4, 8, 66]))
    alleles = draw(hnp.arrays(np.int8, (sites, size), elements=st.sampled_from(values), fill=st.just(values[0])))
    bound = st.integers(0, sites)
    ranges = draw(st.lists(st.tuples(bound, bound).map(sorted).map(tuple), min_size=1, max_size=6))
    return alleles, sorted(ranges)


def founders(seed, sites, size, rate=0.02):
    """Copy haplotypes from eight founders with switches: linkage that decays with distance."""
    rng = np.random.default_rng(seed)
    source = (rng.random((sites, 8)) < rng.random((sites, 1))).astype(np.int8)
    switch = np.cumsum(rng.random((sites, size)) < rate, axis=0) + rng.integers(0, 8, size)
    return np.take_along_axis(source, switch % 8, axis=1)


@given(cases(values=(0, 1)))
def test_complete_data_match_exact_pairs(case):
    check(*case)


@given(cases(values=(0, 1, -1, -2)))
def test_missing_data_match_exact_pairwise_complete_pairs(case):
    check(*case)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_overlapping_windows_match_naive(missing):
    """Windows of 12 sites at every site: whatever the pass remembers from window to window is put to use."""
    alleles = founders(3, 60, 70)
    alleles[np.random.default_rng(4).random(alleles.shape) < missing] = -1
    check(alleles, [(i, i + 12) for i in range(49)])


def test_windows_may_nest_and_repeat():
    alleles = founders(6, 30, 20, rate=0.1)
    check(alleles, sorted([(0, 16), (0, 16), (1, 4), (2, 14), (2, 3), (5, 16), (6, 6), (20, 21), (17, 30)]))


def test_haploid_second_columns_take_the_same_way_as_complete_data():
    alleles = founders(7, 10, 12, rate=0.1)
    spread = np.full((10, 24), -2, np.int8)
    spread[:, ::2] = alleles
    block = make_block(spread)
    assert linkage.make_panel(block.populations[0], block.populations[0].segregating).complete
    check(alleles, [(0, 10), (2, 9)], block)


def test_scikit_allel_agrees_with_zns():
    alleles = founders(9, 200, 130)
    block = make_block(alleles)
    windows = spans(sliding(block.region, 500, 50), block.positions)
    found = score(block, windows)["zns"]
    for window in range(len(windows)):
        part = alleles[windows.first[window] : windows.last[window]]
        part = part[(part.min(axis=1) == 0) & (part.max(axis=1) == 1)]
        r = allel.rogers_huff_r(part.astype(np.int8)).astype(float)  # in single precision
        assert found.values[window] == pytest.approx((r**2).mean(), rel=1e-5)


def test_long_windows_match_numpy():
    """More sites than a block of the search and all lanes of the sums, against correlation matrices."""
    alleles = founders(11, 300, 90, rate=0.01)
    alleles = alleles[(alleles.min(axis=1) == 0) & (alleles.max(axis=1) == 1)]
    sites = len(alleles)
    r2 = np.corrcoef(alleles) ** 2
    above = np.triu(r2, 1)
    ratios = []
    for split in range(2, sites - 1):
        same = above[:split, :split].sum() + above[split:, split:].sum()
        rest = split * (split - 1) / 2 + (sites - split) * (sites - split - 1) / 2
        ratios.append(same / rest / r2[:split, split:].mean())
    cut = count = 0
    for site in range(sites):
        if any(pair(alleles[left], alleles[site])[1] for left in range(cut, site)):
            cut, count = site, count + 1
    found = score(make_block(alleles), site_spans([(0, sites)]))
    assert found["zns"].values == pytest.approx(above.sum() / (sites * (sites - 1) / 2), rel=1e-9)
    assert found["omega"].values == pytest.approx(max(ratios), rel=1e-9)
    assert found["rmin"].values.tolist() == [count]
    assert count > 3


def test_rmin_looks_beyond_one_block_of_the_search():
    """The only incompatible pair has more than a block of compatible sites between its ends."""
    middle = np.tile(np.array([0, 0, 0, 0, 0, 1, 0, 1], np.int8), (linkage.BLOCK + 6, 1))
    ends = np.array([[0, 0, 1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0, 0, 0]], np.int8)
    alleles = np.concatenate([ends[:1], middle, ends[1:]])
    found = score(make_block(alleles), site_spans([(0, len(alleles)), (1, len(alleles))]))
    assert found["rmin"].values.tolist() == [1, 0]


def test_flipped_alleles_and_wanted_subsets_change_nothing():
    alleles = founders(12, 40, 30)
    alleles[3, :4] = -1
    flipped = np.where((np.arange(40) % 3 == 0)[:, None] & (alleles >= 0), 1 - alleles, alleles)
    windows = site_spans([(0, 20), (5, 25), (10, 40)])
    whole, other = score(make_block(alleles), windows), score(make_block(flipped), windows)
    for name in linkage.NAMES:
        assert other[name].values == pytest.approx(whole[name].values, rel=1e-12)
        alone = score(make_block(alleles), windows, frozenset([name]))
        assert list(alone) == [name]
        assert np.array_equal(alone[name].values, whole[name].values)


def test_no_linkage_across_any_split_leaves_omega_without_a_value():
    """Two sites alike, then two sites alike and independent of the first two: the only split has r2 = 0 across."""
    alleles = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 0, 1]], np.int8)
    found = score(make_block(alleles), site_spans([(0, 4)]))
    assert found["omega"].reasons.tolist() == [Reason.UNDEFINED]
    assert found["zns"].values == pytest.approx(2 / 6)


def test_unphased_windows_have_no_value():
    alleles = founders(13, 8, 40)
    unphased = np.ones((8, 20), bool)
    unphased[4:] = False
    found = score(make_block(alleles, unphased), site_spans([(0, 4), (4, 8)]))
    assert all(found[name].reasons[0] == Reason.UNPHASED for name in linkage.NAMES)
    assert found["zns"].reasons[1] == found["rmin"].reasons[1] == 0


def test_unphased_alleles_are_left_out_of_pairs():
    """One unphased heterozygote among 30 counts like two missing alleles."""
    alleles = founders(14, 10, 60, rate=0.2)
    alleles[2, :2] = 0, 1
    unphased = np.zeros((10, 30), bool)
    unphased[2, 0] = True
    block = make_block(alleles, unphased)
    masked = alleles.copy()
    masked[2, :2] = -1
    check(masked, [(0, 10), (1, 6)], block)


def test_nothing_segregates():
    found = score(make_block(np.zeros((3, 4))), site_spans([(0, 3), (3, 3)]))
    assert found["zns"].reasons.tolist() == found["omega"].reasons.tolist() == [Reason.NO_VARIATION] * 2
    assert found["rmin"].values[0] == 0
    assert found["rmin"].reasons.tolist() == [0, Reason.NO_VARIATION]
