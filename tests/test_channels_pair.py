"""Site channels of two populations: every family beside a naive version, and what must not change them."""

from __future__ import annotations

import itertools
import math

import msprime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_channels import draw_alleles, draw_positions, naive_pair, same

from scanner.channels.pair import NAMES, REACH, encode_pair, pair_encoding
from scanner.haplotypes import from_alleles

LAGS = (1, 2, 4, 8, 16, 32)
WIDTHS = (5, 11, 21, 41, 81)
FOLDED, POLARISED = (pair_encoding(name) for name in NAMES)


class Drawn:
    """Two populations: alleles (sites, haplotypes), and alleles that are known but not placed (bool)."""

    def __init__(self, seed, sites, sizes, missing=0.0, unphased=0.0):
        self.positions = draw_positions(seed, sites)
        joint = draw_alleles(seed, sites, sum(sizes), missing)
        self.alleles = joint[:, : sizes[0]], joint[:, sizes[0] :]
        rng = np.random.default_rng(seed)
        self.unphased = tuple(rng.random((sites, size // 2)) < unphased for size in sizes)
        self.ploidy = 2 if unphased else 1

    def packed(self, order=(slice(None), slice(None))):
        """Pack them; `order` is that of the haplotypes (of phased ones)."""
        if self.ploidy == 2:
            return tuple(from_alleles("A", a, u) for a, u in zip(self.alleles, self.unphased, strict=True))
        return tuple(from_alleles("A", a[:, o], ploidy=1) for a, o in zip(self.alleles, order, strict=True))

    def placed(self):
        """Give the alleles with those that are not placed as missing."""
        found = []
        for alleles, unphased in zip(self.alleles, self.unphased, strict=True):
            own = alleles.copy()
            if self.ploidy == 2:
                hets = alleles[:, ::2] + alleles[:, 1::2] == 1
                hets &= (alleles[:, ::2] >= 0) & (alleles[:, 1::2] >= 0)
                own[np.repeat(hets & unphased, 2, axis=1)] = -1
            found.append(own)
        return found


def pairs(missing=(0.0, 0.0, 0.15, 0.5), most=60):
    """Strategy: two populations; some missing, or diploid and some genotypes without phase."""
    return st.one_of(
        st.builds(
            lambda seed, sites, one, other, share: Drawn(seed, sites, (one, other), share),
            st.integers(0, 2**32),
            st.one_of(st.integers(0, 12), st.integers(0, 120)),
            st.integers(2, most),
            st.one_of(st.integers(2, 4), st.integers(2, most)),
            st.sampled_from(missing),
        ),
        st.builds(
            lambda seed, sites, one, other, share: Drawn(seed, sites, (2 * one, 2 * other), share, 0.4),
            st.integers(0, 2**32),
            st.integers(0, 80),
            st.integers(1, 20),
            st.integers(1, 5),
            st.sampled_from(missing),
        ),
    )


def run(drawn, how, polarised=None):
    """Encode; give the sites and a column for every name."""
    found = encode_pair(drawn.positions, *drawn.packed(), how, polarised)
    assert found.values.dtype == np.float32
    assert found.values.shape == (len(found.sites), len(how.channels))
    assert len(set(how.channels)) == len(how.channels)
    assert np.isfinite(found.values).all()
    return found.sites, dict(zip(how.channels, found.values.T, strict=True))


def naive_sites(drawn, least=1):
    """List the sites whose rarer allele is seen often enough in both together, each with two known alleles."""
    found = []
    for at, (one, other) in enumerate(zip(*drawn.alleles, strict=True)):
        row = np.concatenate([one, other])
        enough = min((one >= 0).sum(), (other >= 0).sum()) >= 2
        if enough and min((row == 0).sum(), (row == 1).sum()) >= least:
            found.append(at)
    return found


def share_unlike(one, other):
    """Share of the pairs of known alleles, one of either list, that differ."""
    together = [a != b for a in one for b in other if a >= 0 and b >= 0]
    return sum(together) / len(together)


def unlike_within(row):
    """Share of the pairs of known alleles of one list that differ."""
    together = [a != b for a, b in itertools.combinations(row[row >= 0], 2)]
    return sum(together) / len(together)


# Families


@settings(max_examples=25, deadline=None)
@given(pairs())
def test_the_channels_of_single_sites(drawn):
    for how in (FOLDED, POLARISED):
        sites, found = run(drawn, how)
        assert sites.tolist() == naive_sites(drawn)
        gaps = np.log10(np.minimum(np.diff(drawn.positions[sites]), 1e6)) - 2 if len(sites) else []
        assert found["gap_next"] == pytest.approx([*gaps, *([0.0] * (len(sites) > 0))], abs=1e-6)
        assert found["gap_previous"] == pytest.approx([*([0.0] * (len(sites) > 0)), *gaps], abs=1e-6)
        for at, site in enumerate(sites):
            rows = [alleles[site] for alleles in drawn.alleles]
            known = [row[row >= 0] for row in rows]
            shares = [row.mean() for row in known]
            both = [0 < share < 1 for share in shares]
            assert found["difference"][at] == pytest.approx(abs(shares[0] - shares[1]), abs=1e-6)
            assert found["apart"][at] == pytest.approx(share_unlike(*known), abs=1e-6)
            assert (found["shared"][at] == 1) == all(both)
            assert (found["fixed"][at] == 1) == (not any(both))
            for side, row, share, private in zip(("first", "second"), known, shares, both, strict=True):
                assert (found[f"{side}_private"][at] == 1) == (private and not all(both))
                expected = share if how.polarised else min(share, 1 - share)
                assert found[f"{side}_frequency"][at] == pytest.approx(expected, abs=1e-6)
                assert found[f"{side}_heterozygosity"][at] == pytest.approx(unlike_within(row), abs=1e-6)
                minor = min(row.sum(), len(row) - row.sum())
                assert found[f"{side}_log_minor_count"][at] == pytest.approx(np.log2(1 + minor) / 4, abs=1e-6)
            for side, row in zip(("first", "second"), rows, strict=True):
                assert found[f"{side}_missing"][at] == pytest.approx((row < 0).mean(), abs=1e-6)
                assert found[f"{side}_log_size"][at] == pytest.approx(np.log2(len(row)) / 8, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(pairs())
def test_linkage_within_either_population(drawn):
    sites, found = run(drawn, FOLDED)
    for side, alleles in zip(("first", "second"), drawn.placed(), strict=True):
        used = alleles[sites]
        for lag in LAGS:
            expected = [naive_pair(used[at], used[at + lag]) for at in range(max(len(used) - lag, 0))]
            expected += [(0.0, False)] * (len(used) - len(expected))
            r2, flags = zip(*expected, strict=True) if expected else ((), ())
            assert found[f"{side}_r2_{lag}"] == pytest.approx(r2, abs=1e-5)
            assert found[f"{side}_four_gametes_{lag}"].tolist() == list(flags)


def naive_closeness(window, means):
    """Measure closeness in one window from lists of haplotypes, by name of the channel without its width.

    `window` has the placed alleles of either population, `means` the mean distances at its sites: between, within.
    """
    between, *within = (math.fsum(values) / len(values) for values in means)
    length = len(window[0])
    seen = [[h for h in alleles.T if 2 * (h >= 0).sum() >= length] for alleles in window]
    known = [(alleles >= 0).sum(axis=1) for alleles in window]
    sizes = [alleles.shape[1] for alleles in window]
    across = (known[0] * known[1]).sum() / (sizes[0] * sizes[1])
    inside = [(k * (k - 1)).sum() / (n * (n - 1)) for k, n in zip(known, sizes, strict=True)]
    unlike = [[[((a >= 0) & (b >= 0) & (a != b)).sum() for b in to] for a in of] for of, to in (seen, seen[::-1])]
    found = {"between": between, "closest": between}
    if across > 0 and all(seen):
        found["closest"] = np.min(unlike[0]) / across
    for side, (name, own) in enumerate(zip(("first", "second"), seen, strict=True)):
        others = [[((a >= 0) & (b >= 0) & (a != b)).sum() for b in own if b is not a] for a in own]
        here = [min(row) / inside[side] if row and inside[side] > 0 else math.inf for row in others]
        there = [min(row) / across if row and across > 0 else math.inf for row in unlike[side]]
        there = [value for value in there if value < math.inf]
        nearest = min([*here, math.inf])
        found[f"{name}_within"] = within[side]
        found[f"{name}_nearest"] = within[side] if nearest == math.inf else nearest
        found[f"{name}_away"] = np.mean(there) if there else between
        found[f"{name}_farthest"] = max(there) if there else between
        found[f"{name}_identical"] = np.mean(np.array(there) == 0) if there else 0
        closer = [a < math.inf and a > b * (1 + 1e-9) for a, b in zip(here, there, strict=False)]
        found[f"{name}_foreign"] = np.mean(closer) if there else 0
    return found


@settings(max_examples=25, deadline=None)
@given(pairs(most=24))
def test_how_close_haplotypes_are(drawn):
    sites, found = run(drawn, FOLDED)
    placed = [alleles[sites] for alleles in drawn.placed()]
    rows = [alleles[sites] for alleles in drawn.alleles]
    apart = [
        (share_unlike(one, other), unlike_within(one), unlike_within(other)) for one, other in zip(*rows, strict=True)
    ]
    for at in range(0, len(sites), 3):
        for width in WIDTHS:
            here = slice(max(at - width // 2, 0), at + width // 2 + 1)
            expected = naive_closeness([alleles[here] for alleles in placed], list(zip(*apart[here], strict=True)))
            assert len(expected) == 14
            for name, value in expected.items():
                assert found[f"{name}_{width}"][at] == pytest.approx(value, abs=1e-5), (name, width)


# What must not change them


@settings(max_examples=30, deadline=None)
@given(pairs(missing=(0.0, 0.05)))
def test_exchanging_the_populations_exchanges_their_channels(drawn):
    def exchanged(name):
        side, _, rest = name.partition("_")
        return f"{ {'first': 'second', 'second': 'first'}[side] }_{rest}" if side in ("first", "second") else name

    for how in (FOLDED, POLARISED):
        one = encode_pair(drawn.positions, *drawn.packed(), how)
        other = encode_pair(drawn.positions, *drawn.packed()[::-1], how)
        assert same(one.sites, other.sites)
        order = [how.channels.index(exchanged(name)) for name in how.channels]
        assert same(np.ascontiguousarray(one.values[:, order]), other.values)


@settings(max_examples=30, deadline=None)
@given(pairs(missing=(0.0, 0.05)).filter(lambda drawn: drawn.ploidy == 1), st.randoms(use_true_random=False))
def test_the_order_of_the_haplotypes_does_not_matter(drawn, random):
    orders = [list(range(alleles.shape[1])) for alleles in drawn.alleles]
    for order in orders:
        random.shuffle(order)
    for how in (FOLDED, POLARISED):
        one, other = (encode_pair(drawn.positions, *packed, how) for packed in (drawn.packed(), drawn.packed(orders)))
        assert same(one.sites, other.sites)
        assert same(one.values, other.values)


@settings(max_examples=30, deadline=None)
@given(pairs(missing=(0.0, 0.05)), st.integers(0, 2**32))
def test_folded_channels_do_not_know_which_allele_is_derived(drawn, seed):
    one = encode_pair(drawn.positions, *drawn.packed(), FOLDED)
    swapped = np.random.default_rng(seed).random((len(drawn.positions), 1)) < 0.5
    drawn.alleles = tuple(np.where(swapped & (a >= 0), 1 - a, a).astype(np.int8) for a in drawn.alleles)
    other = encode_pair(drawn.positions, *drawn.packed(), FOLDED)
    assert same(one.sites, other.sites)
    assert same(one.values, other.values)


@pytest.mark.parametrize("missing", [0.0, 0.03])
@pytest.mark.parametrize("how", [FOLDED, POLARISED, pair_encoding("pair-folded-1", 2)], ids=lambda how: repr(how))
def test_where_the_contig_is_cut_does_not_matter(how, missing):
    drawn = Drawn(5, 900, (20, 9), missing)
    populations = drawn.packed()
    whole = encode_pair(drawn.positions, *populations, how)
    sites = whole.sites
    assert len(sites) > 300
    rng = np.random.default_rng(1)
    for first in [0, 1, *rng.integers(0, len(sites) - 1, 30)]:
        last = int(rng.integers(first + 1, min(first + 200, len(sites)) + 1))
        low, high = max(first - REACH, 0), min(last + REACH, len(sites))
        part = slice(sites[low], sites[high - 1] + 1)
        crop = encode_pair(drawn.positions[part], *(population.take(part) for population in populations), how)
        assert same(crop.sites + part.start, sites[low:high])
        assert same(crop.values[first - low : last - low], whole.values[first:last])


@pytest.mark.parametrize(("apart", "seen"), [(40, True), (41, False)])
def test_the_reach_is_used_up(apart, seen):
    """A difference so many sites away is seen in the widest window, and not from one site farther away."""
    assert REACH == 40
    drawn = Drawn(1, apart + 1, (3, 2))
    drawn.alleles = np.tile(np.int8([0, 1, 1]), (apart + 1, 1)), np.tile(np.int8([0, 1]), (apart + 1, 1))
    drawn.alleles[1][-1] = 0
    changed = run(drawn, FOLDED)[1]["second_identical_81"][0] < 1
    assert changed == seen


# Choices of sites, and what the channels tell


def test_polarised_channels_use_sites_whose_ancestral_allele_is_known():
    drawn = Drawn(3, 80, (12, 8))
    known = np.random.default_rng(2).random(80) < 0.6
    assert run(drawn, POLARISED, known)[0].tolist() == [site for site in naive_sites(drawn) if known[site]]
    assert run(drawn, FOLDED, known)[0].tolist() == naive_sites(drawn)


def test_rare_alleles_may_be_left_out():
    drawn = Drawn(4, 80, (12, 8), 0.1)
    sites, _ = run(drawn, pair_encoding("pair-folded-1", min_count=3))
    assert sites.tolist() == naive_sites(drawn, 3) != naive_sites(drawn)


def test_encodings_are_found_by_name():
    assert [pair_encoding(name).name for name in NAMES] == list(NAMES)
    with pytest.raises(ValueError, match=r"'folded-2': choose one of pair-folded-1, pair-polarised-1$"):
        pair_encoding("folded-2")
    with pytest.raises(ValueError, match="min_count is 0"):
        pair_encoding("pair-folded-1", 0)


def test_one_haplotype_is_no_population():
    with pytest.raises(ValueError, match="population 'A' has 1 haplotypes, and 2 are needed"):
        encode_pair(np.arange(3), *Drawn(1, 3, (4, 1)).packed(), FOLDED)


def flow(into):
    """Simulate two old populations between which a fifth of a sample came over lately; average their channels.

    `into` is the population that received, forward in time.
    """
    totals = []
    for seed in range(1, 7):
        demography = msprime.Demography.isolated_model([1000, 1000])
        demography.add_mass_migration(time=40, source=into, dest=1 - into, proportion=0.2)
        demography.add_mass_migration(time=12_000, source=1, dest=0, proportion=1)
        trees = msprime.sim_ancestry(
            [msprime.SampleSet(20, 0, ploidy=1), msprime.SampleSet(14, 1, ploidy=1)],
            demography=demography,
            sequence_length=20_000,
            recombination_rate=1e-7,
            random_seed=seed,
        )
        model = msprime.BinaryMutationModel()
        mutated = msprime.sim_mutations(trees, rate=1e-6, model=model, random_seed=seed)
        alleles = mutated.genotype_matrix().astype(np.int8)
        a, b = (from_alleles("A", part, ploidy=1) for part in (alleles[:, :20], alleles[:, 20:]))
        totals.append(encode_pair(mutated.sites_position.astype(np.int64), a, b, FOLDED).values.mean(axis=0))
    return dict(zip(FOLDED.channels, np.mean(totals, axis=0), strict=True))


def test_the_direction_of_gene_flow_shows():
    """Some of those who received are close to the donors and the rest is far away; all donors are close to some."""
    for into, (receiver, donor) in enumerate((("first", "second"), ("second", "first"))):
        found = flow(into)
        assert found["closest_81"] < found["between_81"] / 20
        assert found[f"{receiver}_away_81"] > 4 * found[f"{donor}_away_81"]
        assert found[f"{receiver}_farthest_81"] > 2 * found[f"{donor}_farthest_81"]
        assert found[f"{receiver}_foreign_81"] > 1.5 * found[f"{donor}_foreign_81"] > 0
        assert found[f"{receiver}_within_81"] > 2 * found[f"{donor}_within_81"]
