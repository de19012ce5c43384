"""Bit-packed haplotypes hold what the alleles say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import (
    ABSENT,
    MISSING,
    WORD,
    Haplotypes,
    concatenate,
    from_alleles,
    pack_populations,
    popcount,
    unpack,
)

FIELDS = ("derived", "known", "placed", "derived_count", "known_count", "present_count", "het_count", "unphased_count")


@st.composite
def panels(draw):
    """Give alleles, lack of phase and ploidy; a chromosome that is absent stands behind those that are there."""
    ploidy = draw(st.integers(1, 4))
    sites, samples = draw(st.integers(0, 5)), draw(st.integers(1, 70))
    alleles = draw(hnp.arrays(np.int8, (sites, samples, ploidy), elements=st.integers(-1, 1), fill=st.just(0)))
    there = draw(hnp.arrays(np.int8, (sites, samples, 1), elements=st.integers(1, ploidy), fill=st.just(ploidy)))
    alleles = np.where(np.arange(ploidy) < there, alleles, ABSENT).astype(np.int8)
    unphased = draw(hnp.arrays(np.bool_, (sites, samples)))
    return alleles.reshape(sites, samples * ploidy), unphased, ploidy


def naive_het(alleles, ploidy):
    """Tell which genotypes hold both alleles: (sites, samples) lists."""
    return [[{0, 1} <= set(row[at : at + ploidy]) for at in range(0, len(row), ploidy)] for row in alleles.tolist()]


def assert_same(found, expected):
    assert (found.name, found.size) == (expected.name, expected.size)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@given(panels())
def test_alleles_come_back(panel):
    alleles, unphased, ploidy = panel
    packed = from_alleles("A", alleles, unphased, ploidy)
    back = packed.alleles()
    assert back.dtype == np.int8
    np.testing.assert_array_equal(back, np.where(alleles == ABSENT, MISSING, alleles))
    assert packed.derived.shape == (len(alleles), -(-alleles.shape[1] // WORD))
    assert (packed.name, packed.size) == ("A", alleles.shape[1])
    for plane in (packed.derived, packed.known, packed.placed):  # no bit stands past the last haplotype
        assert unpack(plane, plane.shape[1] * WORD)[:, packed.size :].sum() == 0


@given(panels())
def test_counts_equal_a_naive_count(panel):
    alleles, unphased, ploidy = panel
    packed = from_alleles("A", alleles, unphased, ploidy)
    rows = alleles.tolist()
    assert packed.derived_count.tolist() == [row.count(1) for row in rows]
    assert packed.known_count.tolist() == [row.count(0) + row.count(1) for row in rows]
    assert packed.present_count.tolist() == [len(row) - row.count(ABSENT) for row in rows]
    het = naive_het(alleles, ploidy)
    loose = [[a and b for a, b in zip(*pair, strict=True)] for pair in zip(het, unphased.tolist(), strict=True)]
    assert packed.het_count.tolist() == [sum(row) for row in het]
    assert packed.unphased_count.tolist() == [sum(row) for row in loose]
    assert packed.segregating.tolist() == [0 in row and 1 in row for row in rows]
    assert all(getattr(packed, name).dtype == np.int32 for name in FIELDS[3:])


@given(panels())
def test_only_heterozygotes_without_phase_lose_their_place(panel):
    alleles, unphased, ploidy = panel
    packed = from_alleles("A", alleles, unphased, ploidy)
    loose = np.array(naive_het(alleles, ploidy), bool).reshape(unphased.shape) & unphased
    np.testing.assert_array_equal(unpack(packed.known, packed.size), alleles >= 0)
    wide = np.repeat(loose, ploidy, axis=1)
    placed = unpack(packed.placed, packed.size)
    np.testing.assert_array_equal(placed & (alleles >= 0), (alleles >= 0) & ~wide)
    assert not (placed & (alleles < 0)).any()
    assert (packed.placed is packed.known) == (not loose.any())


@given(panels())
def test_phase_is_taken_for_granted_where_nothing_is_said(panel):
    alleles, unphased, ploidy = panel
    packed = from_alleles("A", alleles, ploidy=ploidy)
    assert packed.placed is packed.known
    assert_same(packed, from_alleles("A", alleles, np.zeros_like(unphased), ploidy))


@given(panels(), st.data())
def test_populations_are_packed_as_if_alone(panel, data):
    alleles, unphased, ploidy = panel
    cut = data.draw(st.integers(0, unphased.shape[1]))
    sizes = {"A": cut, "B": unphased.shape[1] - cut}
    first, second = pack_populations(sizes, alleles, unphased, ploidy)
    assert_same(first, from_alleles("A", alleles[:, : cut * ploidy], unphased[:, :cut], ploidy))
    assert_same(second, from_alleles("B", alleles[:, cut * ploidy :], unphased[:, cut:], ploidy))


@given(panels(), st.data())
def test_concatenate_joins_what_was_cut(panel, data):
    alleles, unphased, ploidy = panel
    cuts = sorted(data.draw(st.lists(st.integers(0, len(alleles)), max_size=3)))
    bounds = list(zip([0, *cuts], [*cuts, len(alleles)], strict=True))
    blocks = [from_alleles("A", alleles[a:b], unphased[a:b], ploidy) for a, b in bounds]
    joined = concatenate(blocks)
    assert_same(joined, from_alleles("A", alleles, unphased, ploidy))
    assert (joined.placed is joined.known) == (joined.unphased_count.sum() == 0)


def test_concatenate_refuses_another_width():
    blocks = [from_alleles("A", np.zeros((1, size), np.int8)) for size in (2, 4)]
    with pytest.raises(ValueError, match=r"population A: blocks of different width"):
        concatenate(blocks)


@given(panels(), st.data())
def test_take_keeps_the_sites_asked_for(panel, data):
    alleles, unphased, ploidy = panel
    packed = from_alleles("A", alleles, unphased, ploidy)
    mask = data.draw(hnp.arrays(np.bool_, len(alleles)))
    for sites in (mask, np.flatnonzero(mask), slice(1, None, 2)):
        taken = packed.take(sites)
        expected = Haplotypes("A", packed.size, *(getattr(packed, name)[sites] for name in FIELDS))
        assert_same(taken, expected)
        assert (taken.placed is taken.known) == (packed.placed is packed.known)


@given(hnp.arrays(np.uint64, st.tuples(st.integers(0, 4), st.integers(1, 3))), st.data())
def test_unpack_gives_the_bits_from_the_lowest(words, data):
    size = data.draw(st.integers(0, words.shape[1] * WORD))
    naive = [[bool(int(row[h // 64]) >> (h % 64) & 1) for h in range(size)] for row in words]
    found = unpack(words, size)
    assert (found.dtype, found.shape) == (np.bool_, (len(words), size))
    assert found.tolist() == naive
    assert unpack(words[:, ::-1], size).shape == (len(words), size)  # not contiguous


@given(st.integers(0, 2**64 - 1))
def test_popcount(word):
    assert int(popcount(np.uint64(word))) == word.bit_count()
