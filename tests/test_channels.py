"""Site channels: every family beside a naive version, and what must not change them."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import msprime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.channels.encoding import NAMES, REACH, encode, encoding
from scanner.haplotypes import from_alleles

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
WIDTHS = (5, 11, 21, 41)
COMMON_LAGS = ([1], [2], [3, 4], [5, 6, 7, 8], list(range(9, 17)), [*range(18, 34, 2)], [*range(36, 68, 4)])
FOLDED, POLARISED = (encoding(name) for name in NAMES)


def draw_alleles(seed, sites, size, missing=0.0):
    """Draw haplotypes with linkage: copies of a few founders that recombine now and then, with rare and common alleles.

    Small founder numbers give ties, large ones singletons.
    """
    rng = np.random.default_rng(seed)
    founders = int(rng.integers(2, 9))
    alleles = (rng.random((sites, founders)) < rng.beta(0.6, 1.2, (sites, 1))).astype(np.int8)
    copied = rng.integers(0, founders, size)
    matrix = np.empty((sites, size), np.int8)
    for site in range(sites):
        moved = rng.random(size) < 0.03
        copied[moved] = rng.integers(0, founders, moved.sum())
        matrix[site] = alleles[site, copied]
    if sites and size:
        private = rng.random(sites) < 0.3
        matrix[private] = 0
        matrix[private, rng.integers(0, size, private.sum())] = 1
    matrix[rng.random(matrix.shape) < missing] = -1
    return matrix


def draw_positions(seed, sites):
    """Draw positions with gaps from one bp to megabases."""
    gaps = 10.0 ** np.random.default_rng(seed).uniform(0, 6.6, sites)
    return np.cumsum(gaps.astype(np.int64))


def panels(missing=(0.0, 0.0, 0.15)):
    """Strategy: positions and alleles of a population."""
    return st.builds(
        lambda seed, sites, size, share: (draw_positions(seed, sites), draw_alleles(seed, sites, size, share)),
        st.integers(0, 2**32),
        st.one_of(st.integers(0, 12), st.integers(0, 200)),
        st.one_of(st.integers(2, 6), st.integers(2, 140)),
        st.sampled_from(missing),
    )


def run(positions, alleles, how, polarised=None):
    """Encode; give the sites and a column for every name."""
    found = encode(positions, from_alleles("A", alleles, ploidy=1), how, polarised)
    assert found.values.dtype == np.float32
    assert found.values.shape == (len(found.sites), len(how.channels))
    assert len(set(how.channels)) == len(how.channels)
    assert np.isfinite(found.values).all()
    return found.sites, dict(zip(how.channels, found.values.T, strict=True))


def naive_sites(alleles, least=1):
    """List the sites whose rarer allele is seen often enough."""
    return [at for at, row in enumerate(alleles) if min((row == 0).sum(), (row == 1).sum()) >= least]


def incompatible(first, second):
    """Say whether two sites show all four gametes."""
    return {(0, 0), (0, 1), (1, 0), (1, 1)} <= set(zip(first.tolist(), second.tolist(), strict=True))


def naive_pair(first, second):
    """Give corrected r2 and the four-gamete flag of two sites."""
    both = (first >= 0) & (second >= 0)
    x, y = first[both], second[both]
    flag = incompatible(first, second)
    if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
        return 0.0, flag
    share = 1 / len(x)
    return (np.corrcoef(x, y)[0, 1] ** 2 - share) / (1 - share), flag


def is_common(row):
    """Say whether the rarer allele has a frequency of a tenth or more."""
    return 10 * min((row == 0).sum(), (row == 1).sum()) >= (row >= 0).sum()


def naive_common(positions, alleles, common, rank, lags):
    """Average what pairs of common sites show at some lags; zeros where there is none."""
    if rank not in common:
        return dict.fromkeys(("r2", "four_gametes", "distance", "pairs"), 0.0)
    others = [common[at] for at in (common.index(rank) + lag for lag in lags) if at < len(common)]
    others = [other for other in others if other - rank <= 192]
    pairs = [naive_pair(alleles[rank], alleles[other]) for other in others]
    if not pairs:
        return dict.fromkeys(("r2", "four_gametes", "distance", "pairs"), 0.0)
    r2, flags = zip(*pairs, strict=True)
    distance = np.mean([max(positions[other] - positions[rank], 1) for other in others])
    return {
        "r2": np.mean(r2),
        "four_gametes": np.mean(flags),
        "distance": math.log10(distance) - 3,
        "pairs": len(pairs) / len(lags),
    }


def naive_side(positions, alleles, site, step):
    """Walk to the nearest incompatible site; give its two channels."""
    for count in range(1, 96):
        other = site + step * count
        if not 0 <= other < len(alleles):
            break
        if incompatible(alleles[site], alleles[other]):
            distance = min(abs(positions[other] - positions[site]), 50_000)
            return math.log10(distance) - 3, math.log2(1 + count) / 3 - 1
    return math.log10(50_000) - 3, math.log2(96) / 3 - 1


def naive_fill(row, folded):
    """Give the alleles as haplotypes are compared: those missing become the commoner allele, or a third one."""
    zeros, ones = (row == 0).sum(), (row == 1).sum()
    guess = 2 if folded and zeros == ones else int(ones > zeros)
    return np.where(row < 0, guess, row)


def naive_homozygosity(haplotypes):
    """Share of the pairs that are alike."""
    alike = sum(math.comb(count, 2) for count in Counter(haplotypes).values())
    return alike / max(math.comb(len(haplotypes), 2), 1)


def naive_sharing(filled, site):
    """Give the sharing channels of a site by name, from whole haplotypes as tuples."""
    found = {}
    for width in WIDTHS:
        window = filled[max(site - width // 2, 0) : site + width // 2 + 1]
        haplotypes = [tuple(column) for column in window.T.tolist()]
        counts = [*sorted(Counter(haplotypes).values(), reverse=True), 0]
        found[f"homozygosity_{width}"] = naive_homozygosity(haplotypes)
        found[f"top_{width}"], found[f"second_{width}"] = (count / len(haplotypes) for count in counts[:2])
        if width not in (11, 41):
            continue
        own = [[h for h, allele in zip(haplotypes, filled[site], strict=True) if allele == a] for a in (0, 1)]
        first, second = (naive_homozygosity(carriers) for carriers in own)
        found[f"ancestral_homozygosity_{width}"], found[f"derived_homozygosity_{width}"] = first, second
    return found


# Families


@settings(max_examples=25, deadline=None)
@given(panels())
def test_the_channels_of_single_sites(panel):
    positions, alleles = panel
    for how in (FOLDED, POLARISED):
        sites, found = run(positions, alleles, how)
        assert sites.tolist() == naive_sites(alleles)
        places, size = positions[sites], alleles.shape[1]
        gaps = np.log10(np.minimum(np.diff(places), 1e6)) - 2 if len(places) else places
        assert found["gap_next"] == pytest.approx([*gaps, *([0.0] * (len(places) > 0))], abs=1e-6)
        assert found["gap_previous"] == pytest.approx([*([0.0] * (len(places) > 0)), *gaps], abs=1e-6)
        for at, site in enumerate(sites):
            known = alleles[site][alleles[site] >= 0]
            share = known.mean()
            minor = min(known.sum(), len(known) - known.sum())
            frequency = share if how.polarised else min(share, 1 - share)
            assert found["frequency"][at] == pytest.approx(frequency, abs=1e-6)
            unlike = 2 * share * (1 - share) * len(known) / (len(known) - 1)
            assert found["heterozygosity"][at] == pytest.approx(unlike, abs=1e-6)
            assert found["log_minor_count"][at] == pytest.approx(np.log2(minor) / 4, abs=1e-6)
            assert found["missing"][at] == pytest.approx(1 - len(known) / size, abs=1e-6)
            assert found["log_size"][at] == pytest.approx(np.log2(size) / 8, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(panels())
def test_linkage_at_every_lag(panel):
    positions, alleles = panel
    sites, found = run(positions, alleles, POLARISED)
    used = alleles[sites]
    for lag in LAGS:
        expected = [naive_pair(used[at], used[at + lag]) for at in range(max(len(used) - lag, 0))]
        expected += [(0.0, False)] * (len(used) - len(expected))
        r2, flags = zip(*expected, strict=True) if expected else ((), ())
        assert found[f"r2_{lag}"] == pytest.approx(r2, abs=1e-5)
        assert found[f"four_gametes_{lag}"].tolist() == list(flags)


@settings(max_examples=25, deadline=None)
@given(panels(), st.sampled_from([FOLDED, POLARISED]))
def test_linkage_among_common_sites(panel, how):
    positions, alleles = panel
    sites, found = run(positions, alleles, how)
    common = [rank for rank, site in enumerate(sites) if is_common(alleles[site])]
    assert found["common"].tolist() == [float(rank in common) for rank in range(len(sites))]
    for lags in COMMON_LAGS:
        for rank in range(len(sites)):
            expected = naive_common(positions[sites], alleles[sites], common, rank, lags)
            for name, value in expected.items():
                assert found[f"common_{name}_{lags[0]}"][rank] == pytest.approx(value, abs=1e-5), name


@settings(max_examples=25, deadline=None)
@given(panels(), st.sampled_from([FOLDED, POLARISED]))
def test_the_nearest_incompatible_sites(panel, how):
    positions, alleles = panel
    sites, found = run(positions, alleles, how)
    for at in range(len(sites)):
        for side, step in (("left", -1), ("right", 1)):
            bp, count = naive_side(positions[sites], alleles[sites], at, step)
            assert found[f"incompatible_{side}_bp"][at] == pytest.approx(bp, abs=1e-6)
            assert found[f"incompatible_{side}_sites"][at] == pytest.approx(count, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(panels(missing=(0.0, 0.02, 0.15)))
def test_haplotype_sharing(panel):
    positions, alleles = panel
    for how in (FOLDED, POLARISED):
        sites, found = run(positions, alleles, how)
        filled = np.array([naive_fill(row, how is FOLDED) for row in alleles[sites]])
        for at in range(len(sites)):
            expected = naive_sharing(filled, at)
            if how is FOLDED:
                expected = in_order(expected, alleles[sites[at]])
            for name, value in expected.items():
                assert found[name][at] == pytest.approx(value, abs=1e-6), name


def in_order(expected, row):
    """Name the carriers major and minor; where the alleles are equally common the more alike ones come first."""
    zeros, ones = (row == 0).sum(), (row == 1).sum()
    for width in (11, 41):
        both = [expected.pop(f"{allele}_homozygosity_{width}") for allele in ("ancestral", "derived")]
        if zeros == ones:
            both.sort(reverse=True)
        elif ones > zeros:
            both.reverse()
        expected[f"major_homozygosity_{width}"], expected[f"minor_homozygosity_{width}"] = both
    return expected


# What must not change them


def same(one, other):
    """Equal to the last bit."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()


@settings(max_examples=30, deadline=None)
@given(panels(missing=(0.0, 0.05)), st.randoms(use_true_random=False))
def test_the_order_of_the_haplotypes_does_not_matter(panel, random):
    positions, alleles = panel
    order = list(range(alleles.shape[1]))
    random.shuffle(order)
    for how in (FOLDED, POLARISED):
        one, other = (encode(positions, from_alleles("A", a, ploidy=1), how) for a in (alleles, alleles[:, order]))
        assert same(one.sites, other.sites)
        assert same(one.values, other.values)


@settings(max_examples=30, deadline=None)
@given(panels(missing=(0.0, 0.05)), st.integers(0, 2**32))
def test_folded_channels_do_not_know_which_allele_is_derived(panel, seed):
    positions, alleles = panel
    swapped = np.random.default_rng(seed).random((len(alleles), 1)) < 0.5
    other = np.where(swapped & (alleles >= 0), 1 - alleles, alleles).astype(np.int8)
    one, other = (encode(positions, from_alleles("A", a, ploidy=1), FOLDED) for a in (alleles, other))
    assert same(one.sites, other.sites)
    assert same(one.values, other.values)


@pytest.mark.parametrize("missing", [0.0, 0.03])
@pytest.mark.parametrize("how", [FOLDED, POLARISED, encoding("folded-2", min_count=2)], ids=lambda how: repr(how))
def test_where_the_contig_is_cut_does_not_matter(how, missing):
    alleles, positions = draw_alleles(5, 900, 30, missing), draw_positions(5, 900)
    # sites without missing data beside others, so that both ways of counting gametes meet
    alleles[300:600] = draw_alleles(6, 300, 30)
    population = from_alleles("A", alleles, ploidy=1)
    whole = encode(positions, population, how)
    sites = whole.sites
    rng = np.random.default_rng(1)
    for first in [0, 1, *rng.integers(0, len(sites) - 1, 30)]:
        last = int(rng.integers(first + 1, min(first + 200, len(sites)) + 1))
        low, high = max(first - REACH, 0), min(last + REACH, len(sites))
        part = slice(sites[low], sites[high - 1] + 1)
        crop = encode(positions[part], population.take(part), how)
        assert same(crop.sites + part.start, sites[low:high])
        assert same(crop.values[first - low : last - low], whole.values[first:last])


@pytest.mark.parametrize(("apart", "seen"), [(95, True), (96, False)])
def test_incompatible_sites_are_looked_for_so_far(apart, seen):
    """Incompatible sites 95 apart see each other across compatible ones, and not from one site farther away."""
    one, other = (0, 0, 0, 1, 1, 1), (0, 1, 0, 1, 0, 1)
    found = run(np.arange(apart + 1), np.array([*[one] * apart, other], np.int8), FOLDED)[1]
    assert (found["incompatible_right_bp"][0] < math.log10(50_000) - 3.1) == seen
    found = run(np.arange(apart + 1), np.array([other, *[one] * apart], np.int8), FOLDED)[1]
    assert (found["incompatible_left_bp"][-1] < math.log10(50_000) - 3.1) == seen


@pytest.mark.parametrize(("apart", "seen"), [(192, True), (193, False)])
def test_the_reach_is_used_up(apart, seen):
    """Common sites 192 apart are a pair, whatever rare ones stand between them, and not from one site farther away."""
    assert REACH == 192
    common, rare = [0] * 10 + [1] * 10, [0] * 19 + [1]
    found = run(np.arange(apart + 1), np.array([common, *[rare] * (apart - 1), common], np.int8), FOLDED)[1]
    assert (found["common_pairs_1"][0] == 1) == seen


# Choices of sites


def test_polarised_channels_use_sites_whose_ancestral_allele_is_known():
    alleles, positions = draw_alleles(3, 80, 20), draw_positions(3, 80)
    known = np.random.default_rng(2).random(80) < 0.6
    sites, found = run(positions, alleles, POLARISED, known)
    assert sites.tolist() == [site for site in naive_sites(alleles) if known[site]]
    _, alone = run(positions[known], alleles[known], POLARISED)
    assert all(same(found[name], alone[name]) for name in POLARISED.channels)
    assert run(positions, alleles, FOLDED, known)[0].tolist() == naive_sites(alleles)


def test_polarised_channels_know_which_allele_is_derived():
    alleles, positions = draw_alleles(3, 60, 21), draw_positions(3, 60)
    _, one = run(positions, alleles, POLARISED)
    _, other = run(positions, (1 - alleles).astype(np.int8), POLARISED)
    assert other["frequency"] == pytest.approx(1 - one["frequency"], abs=1e-6)
    assert same(other["derived_homozygosity_11"], one["ancestral_homozygosity_11"])
    assert same(other["r2_1"], one["r2_1"])


def test_rare_alleles_can_be_left_out():
    alleles, positions = draw_alleles(4, 150, 40, 0.05), draw_positions(4, 150)
    sites, found = run(positions, alleles, encoding("folded-2", min_count=3))
    assert sites.tolist() == naive_sites(alleles, least=3)
    assert 0 < len(sites) < len(naive_sites(alleles))
    _, alone = run(positions[sites], alleles[sites], FOLDED)
    assert all(same(found[name], alone[name]) for name in FOLDED.channels)


def test_encodings_are_found_by_name():
    assert [encoding(name).name for name in NAMES] == list(NAMES)
    assert (FOLDED.polarised, POLARISED.polarised) == (False, True)
    with pytest.raises(ValueError, match=r"'folded-9': choose one of folded-2, polarised-2"):
        encoding("folded-9")
    with pytest.raises(ValueError, match="min_count is 0"):
        encoding("folded-2", min_count=0)


# Edges


@pytest.mark.parametrize(
    "alleles",
    [
        np.zeros((0, 10), np.int8),
        np.zeros((5, 0), np.int8),
        np.zeros((5, 1), np.int8),
        np.ones((5, 4), np.int8),
        np.full((3, 6), -1, np.int8),
        np.full((3, 6), -2, np.int8),
    ],
    ids=["no sites", "nobody", "one haplotype", "fixed", "all missing", "not there"],
)
@pytest.mark.parametrize("how", [FOLDED, POLARISED], ids=NAMES)
def test_nothing_segregates(alleles, how):
    sites, found = run(np.arange(len(alleles)), alleles, how)
    assert len(sites) == 0
    assert all(len(column) == 0 for column in found.values())


def test_one_site_of_two_haplotypes():
    sites, found = run(np.array([7]), np.array([[0, 1]], np.int8), FOLDED)
    assert sites.tolist() == [0]
    assert found["frequency"].tolist() == [0.5]
    assert found["heterozygosity"].tolist() == [1.0]
    assert {found[name].item() for name in FOLDED.channels if name.startswith(("r2", "four", "gap"))} == {0.0}
    assert [found[f"{name}_41"].item() for name in ("homozygosity", "top", "second")] == [0.0, 0.5, 0.5]
    assert [found[f"{name}_homozygosity_41"].item() for name in ("major", "minor")] == [0.0, 0.0]


def test_a_site_with_all_alleles_missing_is_passed_over():
    alleles = np.array([[0, 1, 1, 0, 1], [-1] * 5, [0, 0, 1, 0, 1]], np.int8)
    _, found = run(np.array([1, 2, 3]), alleles, FOLDED)
    _, without = run(np.array([1, 3]), alleles[[0, 2]], FOLDED)
    assert all(same(found[name], without[name]) for name in FOLDED.channels)


def test_chromosomes_that_are_not_there_are_not_missing():
    alleles = np.array([[0, -2, 1, -2, 1, 0, -1, 0]], np.int8)
    found = encode(np.array([5]), from_alleles("A", alleles), FOLDED)
    assert found.values[0, FOLDED.channels.index("missing")] == pytest.approx(1 / 6)


def test_sites_at_one_place_count_as_one_bp_apart():
    alleles = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], np.int8)
    _, found = run(np.array([3, 3]), alleles, FOLDED)
    assert found["gap_next"].tolist() == [-2.0, 0.0]
    assert found["incompatible_right_bp"].tolist() == pytest.approx([-3.0, math.log10(50_000) - 3])


# What they are worth


@pytest.mark.parametrize("size", [16, 40, 100])
def test_r2_of_independent_sites_is_near_zero(size):
    rng = np.random.default_rng(size)
    alleles = (rng.random((4000, size)) < rng.uniform(0.3, 0.7, (4000, 1))).astype(np.int8)
    _, found = run(np.arange(4000), alleles, FOLDED)
    mean = np.mean([found[f"r2_{lag}"] for lag in LAGS])
    # with the alleles of one site shuffled, r2 is 1/(n-1) on average
    assert mean == pytest.approx(1 / (size - 1) ** 2, abs=5 * size**-1.0 / math.sqrt(4000))
    assert abs(mean) < 0.1 / size + 1 / (size - 1) ** 2


def test_homozygosity_does_not_depend_on_the_sample_size():
    """The mean over all samples of eight out of twelve is that of the twelve."""
    trees = msprime.sim_ancestry(6, population_size=1e4, sequence_length=5e4, recombination_rate=1e-8, random_seed=2)
    trees = msprime.sim_mutations(trees, rate=2e-8, random_seed=2, model=msprime.BinaryMutationModel())
    alleles = trees.genotype_matrix().astype(np.int8)
    alleles = alleles[np.minimum(alleles.sum(axis=1), (1 - alleles).sum(axis=1)) > 4][:12]  # segregates in every sample
    assert len(alleles) == 12
    positions = np.arange(12)
    names = [f"homozygosity_{width}" for width in WIDTHS]
    samples = list(itertools.combinations(range(12), 8))
    found = [run(positions, alleles[:, list(sample)], FOLDED)[1] for sample in samples]
    whole = run(positions, alleles, FOLDED)[1]
    for name in names:
        assert np.mean([one[name] for one in found], axis=0) == pytest.approx(whole[name], rel=1e-4)
    assert (
        np.mean([one["top_11"] for one in found]) > whole["top_11"].mean() * 1.01
    )  # this one does: a check of the check
