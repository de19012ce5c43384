"""iHS, nSL and XP-EHH against scikit-allel, and against pair-by-pair arithmetic where scikit-allel has no rule."""

from __future__ import annotations

import itertools

import allel
import msprime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from scanner.haplotypes import from_alleles
from scanner.statistics.ehh import (
    EXTREME,
    MIN_BIN,
    common_in_pair,
    common_sites,
    ihs_nsl,
    standardise,
    window_summary,
    xpehh,
)
from scanner.statistics.pbwt import GAP_SCALE, MAX_EXTEND, MAX_GAP, MIN_EHH, ruler
from scanner.windows import Windows

GAPS = [1, 100, 7_000, 20_000, 20_001, 90_000, 199_999, 200_000, 200_001, 400_000]
WHOLE = {"at_start": True, "at_end": True}


def simulate(samples, seed, length=600_000):
    """Common sites of a neutral population: (sites, haplotypes) alleles and positions, all within `MAX_EXTEND`."""
    trees = msprime.sim_ancestry(
        samples, sequence_length=length, recombination_rate=1e-8, population_size=10_000, random_seed=seed
    )
    trees = msprime.sim_mutations(trees, rate=2e-8, random_seed=seed, model=msprime.BinaryMutationModel())
    rows = trees.genotype_matrix().astype(np.int8)
    frequency = rows.mean(axis=1)
    common = np.minimum(frequency, 1 - frequency) >= 0.05
    return rows[common], trees.tables.sites.position[common].astype(np.int64)


@pytest.fixture(scope="module", params=[1, 2])
def contig(request):
    """Sixty haplotypes; the second contig has a stretch to be scaled and one too long to be crossed."""
    rows, positions = simulate(30, request.param)
    if request.param == 2:
        third = len(positions) // 3
        positions[third:] += GAP_SCALE + 10_000
        positions[2 * third :] += MAX_GAP + 1
    assert positions[-1] - positions[0] < MAX_EXTEND
    return rows, positions


def naive_side(rows, positions, focal, groups, direction, at_edge):
    """Integrate EHH and average shared sites on one side of one site, holding every pair in a matrix."""
    pairs = sum(len(g) for g in groups)
    pairs = pairs * (pairs - 1) // 2
    alive = np.zeros((rows.shape[1], rows.shape[1]), bool)
    for group in groups:
        alive[np.ix_(group, group)] = True
    alive = np.triu(alive, 1)
    if pairs == 0:
        return np.nan, np.nan
    before, shared, ihh, done = alive.sum() / pairs, int(alive.sum()), 0.0, False
    if before <= MIN_EHH:
        done = True
    here = focal
    while 0 <= here + direction < len(positions) and abs(positions[here + direction] - positions[focal]) <= MAX_EXTEND:
        here += direction
        row = rows[here]
        alive &= (row[:, None] == row[None, :]) & (row >= 0)
        shared += int(alive.sum())
        if not done:
            gap = abs(positions[here] - positions[here - direction])
            now = alive.sum() / pairs
            ihh += min(gap, GAP_SCALE) * (before + now) / 2 if gap <= MAX_GAP else np.nan
            before, done = now, now <= MIN_EHH
    if not done:
        ends = here == (0 if direction < 0 else len(positions) - 1)
        blind = MAX_EXTEND - abs(positions[here] - positions[focal]) > MAX_GAP
        ihh = np.nan if blind or (ends and at_edge) else ihh
    return ihh, shared / pairs


def naive(rows, positions, focal, together):
    """Both sides of one site of a whole contig: an (iHH, shared sites) pair a class."""
    groups = [np.flatnonzero(rows[focal] == allele) for allele in (0, 1)]
    classes = [groups] if together else [[g] for g in groups]
    return [
        np.sum([naive_side(rows, positions, focal, c, direction, True) for direction in (-1, 1)], axis=0)
        for c in classes
    ]


def log_ratio(upper, lower):
    """Logarithm of a ratio, NaN where it has no finite value."""
    return np.log(upper / lower) if upper > 0 and lower > 0 else np.nan


@st.composite
def contigs(draw, missing=True):
    """Draw a small contig whose sites lie so far apart that scaling, long gaps and the limit all happen."""
    sites, haplotypes = draw(st.integers(1, 24)), draw(st.integers(2, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    founders = (random.random((sites, 3)) < 0.5).astype(np.int8)  # few founders: long shared stretches
    rows = founders[:, random.integers(0, 3, haplotypes)]
    rows ^= (random.random(rows.shape) < draw(st.sampled_from([0.0, 0.05, 0.3]))).astype(np.int8)
    if missing:
        rows[random.random(rows.shape) < draw(st.sampled_from([0.0, 0.02, 0.2]))] = -1
    choices = GAPS[: draw(st.integers(3, len(GAPS)))]
    positions = np.cumsum(random.choice(choices, sites)).astype(np.int64)
    return rows, positions


class TestAgainstScikitAllel:
    def test_ihs(self, contig):
        rows, positions = contig
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = allel.ihs(rows, positions, min_maf=0, use_threads=False)
        found = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        assert np.isfinite(expected).sum() > 100
        assert np.isnan(expected).sum() > 20
        assert_allclose(found.ihs, expected, rtol=0, atol=1e-9)
        assert_array_equal(found.frequency, rows.mean(axis=1))

    def test_nsl(self, contig):
        rows, positions = contig
        found = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        assert_allclose(found.nsl, allel.nsl(rows, use_threads=False), rtol=0, atol=1e-9)

    def test_xpehh(self, contig):
        rows, positions = contig
        first, second = rows[:, :25], rows[:, 25:]
        expected = allel.xpehh(first, second, positions, use_threads=False)
        assert np.isfinite(expected).sum() > 100
        found = xpehh(first, second, positions, (0, len(rows)), **WHOLE)
        assert_allclose(found, expected, rtol=0, atol=1e-9)

    def test_unfiltered_sites(self):
        """Singletons and doubletons, where one class has a single pair or none."""
        trees = msprime.sim_ancestry(
            5, sequence_length=200_000, recombination_rate=1e-8, population_size=1e4, random_seed=3
        )
        trees = msprime.sim_mutations(trees, rate=2e-8, random_seed=3, model=msprime.BinaryMutationModel())
        rows, positions = trees.genotype_matrix().astype(np.int8), trees.tables.sites.position.astype(np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = allel.ihs(rows, positions, min_maf=0, use_threads=False)
            expected_nsl = allel.nsl(rows, use_threads=False)
        found = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        assert_allclose(found.ihs, expected, rtol=0, atol=1e-9)
        assert_allclose(found.nsl, expected_nsl, rtol=0, atol=1e-9)


class TestAgainstPairs:
    @settings(max_examples=150, deadline=None)
    @given(contigs())
    def test_ihs_and_nsl(self, drawn):
        rows, positions = drawn
        found = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        for focal in range(len(rows)):
            ancestral, derived = naive(rows, positions, focal, together=False)
            assert_allclose(found.ihs[focal], log_ratio(derived[0], ancestral[0]), rtol=0, atol=1e-9)
            assert_allclose(found.nsl[focal], log_ratio(derived[1], ancestral[1]), rtol=0, atol=1e-9)

    @settings(max_examples=100, deadline=None)
    @given(contigs(), st.integers(1, 11))
    def test_xpehh(self, drawn, cut):
        rows, positions = drawn
        first, second = rows[:, :cut], rows[:, min(cut, rows.shape[1] - 1) :]
        found = xpehh(first, second, positions, (0, len(rows)), **WHOLE)
        for focal in range(len(rows)):
            ((upper, _),) = naive(first, positions, focal, together=True)
            ((lower, _),) = naive(second, positions, focal, together=True)
            assert_allclose(found[focal], log_ratio(upper, lower), rtol=0, atol=1e-9)

    def test_limit_keeps_curves_that_the_edge_would_drop(self):
        """Identical carriers all along: NaN where the contig ends within the limit, a value in the middle."""
        positions = np.arange(40, dtype=np.int64) * 100_000
        rows = np.zeros((40, 8), np.int8)
        rows[20, 4:] = 1
        found = ihs_nsl(rows, positions, (20, 21), **WHOLE)
        assert found.ihs.tolist() == [0.0]
        assert found.nsl.tolist() == [0.0]
        part = slice(10, 31)
        kept = ihs_nsl(rows[part], positions[part], (10, 11), at_start=False, at_end=False)
        assert kept.ihs.tolist() == [0.0]
        assert np.isnan(ihs_nsl(rows[part], positions[part], (10, 11), at_start=True, at_end=False).ihs).all()
        assert np.isnan(ihs_nsl(rows[part], positions[part], (10, 11), at_start=False, at_end=True).ihs).all()

    def test_missing_haplotype_stops_sharing(self):
        """Of three derived haplotypes one is not placed at a neighbour: its two pairs end there, not the third."""
        rows = np.zeros((7, 5), np.int8)
        rows[3, 2:] = 1
        rows[5] = [0, 1, 0, 0, -1]
        positions = np.arange(7, dtype=np.int64)
        found = ihs_nsl(rows, positions, (3, 4), **WHOLE)
        ancestral, derived = 4 + 2, 4 + (4 + 2 + 2) / 3
        assert_allclose(found.nsl, np.log(derived / ancestral))
        assert_allclose(found.frequency, 3 / 5)


class TestPartition:
    @settings(max_examples=150, deadline=None)
    @given(contigs(), st.lists(st.integers(0, 24), max_size=4))
    def test_pieces_equal_the_whole(self, drawn, cuts):
        """Bit for bit: the flanks hold all sites within the limit, and no more than those."""
        rows, positions = drawn
        whole = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        pair = xpehh(rows, rows[:, ::2], positions, (0, len(rows)), **WHOLE)
        bounds = sorted({0, len(rows), *(min(c, len(rows)) for c in cuts)})
        for first, last in itertools.pairwise(bounds):
            low = int(np.searchsorted(positions, positions[first] - MAX_EXTEND))
            high = int(np.searchsorted(positions, positions[last - 1] + MAX_EXTEND, side="right"))
            edges = {"at_start": low == 0, "at_end": high == len(rows)}
            focal, flanked = (first - low, last - low), slice(low, high)
            piece = ihs_nsl(rows[flanked], positions[flanked], focal, **edges)
            for name in ("ihs", "nsl", "frequency"):
                assert_array_equal(getattr(piece, name), getattr(whole, name)[first:last])
            found = xpehh(rows[flanked], rows[flanked, ::2], positions[flanked], focal, **edges)
            assert_array_equal(found, pair[first:last])

    def test_long_simulated_contig(self):
        rows, positions = simulate(20, 5, length=4_000_000)
        whole = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        first, last = np.searchsorted(positions, [1_700_000, 2_200_000])
        low, high = np.searchsorted(positions, [positions[first] - MAX_EXTEND, positions[last - 1] + MAX_EXTEND + 1])
        piece = ihs_nsl(rows[low:high], positions[low:high], (first - low, last - low), at_start=False, at_end=False)
        assert 0 < low < high < len(rows)
        assert np.isfinite(piece.ihs).sum() > 100
        assert_array_equal(piece.ihs, whole.ihs[first:last])
        assert_array_equal(piece.nsl, whole.nsl[first:last])

    @settings(max_examples=50, deadline=None)
    @given(contigs())
    def test_mirror_image(self, drawn):
        """Turning the contig round turns the scores round."""
        rows, positions = drawn
        ahead = ihs_nsl(rows, positions, (0, len(rows)), **WHOLE)
        back = ihs_nsl(rows[::-1], 10**8 - positions[::-1], (0, len(rows)), **WHOLE)
        assert_array_equal(back.ihs[::-1], ahead.ihs)
        assert_array_equal(back.nsl[::-1], ahead.nsl)


class TestEdgesOfUse:
    def test_no_focal_site(self):
        rows, positions = np.zeros((3, 4), np.int8), np.arange(3, dtype=np.int64)
        assert len(ihs_nsl(rows, positions, (1, 1), **WHOLE).ihs) == 0
        assert len(xpehh(rows, rows, positions, (3, 3), **WHOLE)) == 0

    def test_no_site(self):
        rows, positions = np.zeros((0, 4), np.int8), np.zeros(0, np.int64)
        assert len(ihs_nsl(rows, positions, (0, 0), **WHOLE).ihs) == 0

    @pytest.mark.parametrize("focal", [(0, 4), (-1, 2), (2, 1)])
    def test_focal_outside(self, focal):
        rows, positions = np.zeros((3, 4), np.int8), np.arange(3, dtype=np.int64)
        with pytest.raises(ValueError, match=r"focal sites .* of 3 positions and 3 rows"):
            ihs_nsl(rows, positions, focal, **WHOLE)

    def test_rows_without_position(self):
        with pytest.raises(ValueError, match="of 2 positions and 3 rows"):
            xpehh(np.zeros((3, 4), np.int8), np.zeros((3, 4), np.int8), np.arange(2), (0, 2), **WHOLE)

    def test_all_missing(self):
        rows, positions = np.full((3, 4), -1, np.int8), np.arange(3, dtype=np.int64)
        found = ihs_nsl(rows, positions, (0, 3), **WHOLE)
        assert np.isnan([found.ihs, found.nsl, found.frequency]).all()

    def test_homozygosity_below_the_threshold_from_the_start(self):
        """One pair with two alleles: EHH is 0 at the focal site already, and 0 has no logarithm."""
        rows = np.array([[0, 1]] * 3, np.int8)
        assert np.isnan(xpehh(rows, rows, np.arange(3, dtype=np.int64), (1, 2), **WHOLE)).all()

    def test_ruler_marks_what_cannot_be_kept(self):
        """First site: the contig's edge; second: 800,001 bp seen, then the edge; third: a long gap before the limit."""
        marks = ruler(np.array([0, 800_001, 1_500_000, 2_300_000]), True)
        assert marks[0].tolist() == [0, GAP_SCALE, 2 * GAP_SCALE, 3 * GAP_SCALE]
        assert marks[2].tolist() == [0, 0, 1, 2]
        assert marks[3].tolist() == [0, 0, 0, 1]
        assert ruler(np.array([0, 800_001]), False)[3].tolist() == [0, 1]


class TestStandardise:
    def test_one_bin_as_scikit_allel(self):
        raw = np.random.default_rng(1).normal(2, 3, 500)
        raw[::7] = np.nan
        assert_allclose(standardise(raw), allel.standardize(raw), rtol=1e-12)

    def test_one_bin_a_count_as_scikit_allel(self):
        random = np.random.default_rng(2)
        size = 40
        count = np.repeat(np.arange(2, 39), 12)
        random.shuffle(count)
        raw = random.normal(count / 10, 1 + count / 40)
        raw[random.choice(len(raw), 30, replace=False)] = np.nan
        enough = np.bincount(count[np.isfinite(raw)], minlength=size)[count] >= MIN_BIN
        expected, _ = allel.standardize_by_allele_count(raw, count, bins=np.arange(2, 40), diagnostics=False)
        found = standardise(raw, count / size, bins=size)
        assert_allclose(found, np.where(enough, expected, np.nan), rtol=1e-10)
        assert 0 < np.isnan(found).sum() < len(found) / 2

    def test_bins_have_equal_width_and_hold_their_lower_edge(self):
        frequency = np.repeat([0.1, 0.2, 0.299, 0.3, 1.0], MIN_BIN)
        raw = np.tile(np.arange(float(MIN_BIN)), 5) + 100 * np.repeat([0, 1, 1, 3, 4], MIN_BIN)
        z = standardise(raw, frequency, bins=10).reshape(5, MIN_BIN)
        own = (np.arange(MIN_BIN) - 4.5) / np.std(np.arange(MIN_BIN))
        assert_allclose(z, np.tile(own, (5, 1)))

    def test_rounding_does_not_choose_the_bin(self):
        """0.29 * 100 falls just short of 29 in binary."""
        z = standardise(np.arange(20.0), np.tile([0.29, 0.295], 10), bins=100)
        assert_allclose(z, (np.arange(20) - 9.5) / np.std(np.arange(20)))

    def test_small_and_flat_bins_give_nothing(self):
        raw = np.r_[np.arange(MIN_BIN - 1.0), np.full(20, 0.1), np.arange(20.0)]
        frequency = np.repeat([0.1, 0.5, 0.9], [MIN_BIN - 1, 20, 20])
        z = standardise(raw, frequency)
        assert np.isnan(z[: MIN_BIN + 19]).all()
        assert np.isfinite(z[MIN_BIN + 19 :]).all()

    def test_ignores_what_is_not_finite(self):
        raw = np.r_[np.arange(20.0), np.nan, np.inf]
        z = standardise(raw, np.r_[np.full(19, 0.5), np.nan, 0.5, 0.5])
        assert_allclose(z[:19], (np.arange(19) - 9) / np.std(np.arange(19)))
        assert np.isnan(z[19:]).all()


class TestSiteChoice:
    def test_frequency(self):
        """Seven of 140 are exactly 5 %; two of four are enough, one is not though frequent."""
        rows = np.zeros((4, 140), np.int8)
        rows[0, :7], rows[1, :6], rows[2, :-7], rows[3, :-6] = 1, 1, 1, 1
        assert common_sites(from_alleles("A", rows)).tolist() == [True, False, True, False]
        small = np.zeros((2, 4), np.int8)
        small[0, :2], small[1, 0] = 1, 1
        assert common_sites(from_alleles("A", small)).tolist() == [True, False]

    def test_missing_absent_and_unphased(self):
        rows = np.tile(np.array([0, 1, 1, 0, 1, 1], np.int8), (4, 1))
        rows[1, 5], rows[2, 5] = -1, -2
        unphased = np.zeros((4, 3), bool)
        unphased[3, 0] = True
        packed = from_alleles("A", rows, unphased)
        assert common_sites(packed).tolist() == [True, False, True, False]
        assert common_in_pair(packed, packed).tolist() == [True, False, True, False]
        other = from_alleles("B", rows[:1].repeat(4, axis=0))
        assert common_in_pair(packed, other).tolist() == [True, False, True, False]
        assert common_in_pair(other, packed).tolist() == [True, False, True, False]

    def test_pair_pools_frequencies(self):
        fixed, none = from_alleles("A", np.ones((1, 2), np.int8)), from_alleles("B", np.zeros((1, 38), np.int8))
        more = from_alleles("B", np.zeros((1, 40), np.int8))
        assert common_in_pair(fixed, none).tolist() == [True]
        assert common_in_pair(fixed, more).tolist() == [False]


class TestWindowSummary:
    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 60), st.one_of(st.sampled_from([np.nan, 2.0, -2.0]), st.floats(-4, 4))),
            max_size=30,
        ),
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=12),
    )
    def test_against_looping(self, sites, drawn):
        sites = sorted(dict(sites).items())
        positions = np.array([p for p, _ in sites], np.int64)
        z = np.array([value for _, value in sites], np.float64)
        bounds = sorted((start, start + length) for start, length in drawn)
        windows = Windows("1", np.array([b[0] for b in bounds], np.int64), np.array([b[1] for b in bounds], np.int64))
        share, largest = window_summary(z, positions, windows)
        for index, (start, end) in enumerate(bounds):
            inside = np.abs(z[(positions >= start) & (positions < end)])
            inside = inside[np.isfinite(inside)]
            assert_array_equal(share[index], np.mean(inside > EXTREME) if len(inside) else np.nan)
            assert_array_equal(largest[index], np.max(inside) if len(inside) else np.nan)
