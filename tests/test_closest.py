"""The closest pair of haplotypes against loops over all pairs, above all where windows are taken together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import from_alleles, unpack
from scanner.regions import Region
from scanner.statistics import closest
from scanner.windows import Spans, Windows, sliding, spans


def naive(one, other, found):
    """Compare all pairs over all sites of every window, NaN where no pair is compared at half of them."""
    a, b = (np.where(unpack(p.placed, p.size), unpack(p.derived, p.size).astype(int), -1) for p in (one, other))
    smallest = np.full(len(found), np.nan)
    for w, (first, last) in enumerate(zip(found.first, found.last, strict=True)):
        x, y = a[first:last, :, np.newaxis], b[first:last, np.newaxis, :]
        both = (x >= 0) & (y >= 0)
        differences, compared = ((x != y) & both).sum(axis=0), both.sum(axis=0)
        enough = (compared > 0) & (2 * compared >= last - first)
        if enough.any():
            smallest[w] = (differences[enough] * (last - first) / compared[enough]).min()
    return smallest


def populations(sites, missing, seed, sizes=(30, 70), fixed=0.1):
    """Draw two populations of a few clades each, so that some pairs are close for a while, then others."""
    rng = np.random.default_rng(seed)
    made = []
    clades = (rng.random((sites, 6)) < rng.beta(0.4, 0.8, (sites, 1))).astype(np.int8)
    for name, size in zip("AB", sizes, strict=True):
        switch = rng.random((sites, size)) < 0.03
        switch[0] = True
        latest = np.maximum.accumulate(np.where(switch, np.arange(sites)[:, np.newaxis], 0), axis=0)
        clade = np.take_along_axis(rng.integers(0, 6, (sites, size)), latest, axis=0)
        alleles = np.take_along_axis(clades, clade, axis=1)
        alleles[rng.random(alleles.shape) < 0.02] ^= 1
        alleles[rng.random(sites) < fixed] = 1
        alleles[rng.random(alleles.shape) < missing] = -1
        made.append(from_alleles(name, alleles))
    return made


@pytest.mark.parametrize("missing", [0, 0.002, 0.1, 0.25])
@pytest.mark.parametrize("seed", [1, 2])
def test_naive_sliding_windows(missing, seed):
    one, other = populations(240, missing, seed)
    found = spans(sliding(Region("1", 0, 240), 60, 1), np.arange(240))
    assert closest._grouped(found.first, found.last, 70)[0] > 74  # windows are taken together, indeed
    made = closest.closest_pair(one, other, found)
    expected = naive(one, other, found)
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(made, closest.closest_pair(other, one, found))


@given(st.data(), st.integers(0, 1000), st.sampled_from([0, 0.01, 0.3]))
@settings(max_examples=100, deadline=None)
def test_naive_windows_in_any_order(data, seed, missing):
    one, other = populations(90, missing, seed, sizes=(4, 6))
    bound = st.integers(0, 90)
    bounds = data.draw(st.lists(st.tuples(bound, bound).map(sorted), min_size=1, max_size=15))
    base = data.draw(st.tuples(bound, bound).map(sorted))
    nearly = st.tuples(*(st.integers(-4, 4).map(lambda off, at=at: min(90, max(0, at + off))) for at in base))
    bounds += data.draw(st.lists(nearly.map(sorted), max_size=8))
    first, last = np.array(bounds, np.int64).T
    found = Spans(first, last, first, last, np.ones(len(first)))
    np.testing.assert_array_equal(closest.closest_pair(one, other, found), naive(one, other, found))


def test_populations_of_one_haplotype_fixed_for_different_alleles():
    one, other = (
        from_alleles("A", np.ones((70, 1), np.int8), ploidy=1),
        from_alleles("B", np.zeros((70, 1), np.int8), ploidy=1),
    )
    found = spans(sliding(Region("1", 0, 70), 65, 1), np.arange(70))
    assert closest.closest_pair(one, other, found).tolist() == [65] * 6


def test_without_sites_or_haplotypes_there_is_no_pair():
    one, gone = from_alleles("A", np.zeros((3, 2), np.int8)), from_alleles("B", np.full((3, 2), -1, np.int8))
    found = spans(Windows("1", np.array([0, 5]), np.array([3, 9])), np.arange(3))
    assert np.isnan(closest.closest_pair(one, gone, found)).all()
    assert closest.closest_pair(one, one, found).tolist() == pytest.approx([0, np.nan], nan_ok=True)


@given(hnp.arrays(np.uint64, st.tuples(st.integers(0, 130), st.integers(1, 3))))
@settings(max_examples=50, deadline=None)
def test_naive_turn(words):
    turned = closest.turn(words)
    bits = unpack(words, 64 * words.shape[1])
    assert turned.shape == (-(-len(words) // 64), 64 * words.shape[1])
    padded = np.zeros((64 * len(turned), bits.shape[1]), bool)
    padded[: len(bits)] = bits
    expected = np.ascontiguousarray(np.packbits(padded.T, axis=1, bitorder="little")).view(np.uint64).T
    np.testing.assert_array_equal(turned, expected)
