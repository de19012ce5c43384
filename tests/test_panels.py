"""Panels: the right chromosomes and sites, whoever kept them, and windows that a network cannot judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import panels
from scanner.channels.encoding import encoding
from scanner.channels.pair import encode_pair, pair_encoding
from scanner.haplotypes import ABSENT, MISSING, HaplotypeBlock, from_alleles, unpack
from scanner.network.spec import Spec
from scanner.networks import Draw, Group, Network, Networks
from scanner.regions import Region
from scanner.scores import Reason


def networks(draw: Draw, *, min_count: int = 1, how: str = "folded-2") -> Networks:
    """Ask one network about one population."""
    return Networks((network(how, min_count),), ((Group(("A",), (draw,)),),))


def network(how: str = "folded-2", min_count: int = 1, **ranges: tuple[float, float]) -> Network:
    populations = 2 if how.startswith("pair") else 1
    spec = Spec("one", "One", "task", how, min_count, populations, 1, (), (), (1.0, 1e6), ranges, (1,), {}, "MIT")
    return Network(Path("nowhere"), spec, "0" * 64)


def block_of(alleles: np.ndarray, unphased: np.ndarray | None = None, ploidy: int = 2) -> HaplotypeBlock:
    sites = len(alleles)
    population = from_alleles("A", alleles, unphased, ploidy)
    positions = np.arange(sites, dtype=np.int64) * 10
    return HaplotypeBlock(Region("1", 0, 10 * sites + 1), positions, np.arange(sites) % 3 > 0, (population,))


def assert_same(one: panels.Panel, other: panels.Panel) -> None:
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.polarised, other.polarised)
    for mine, its in zip(one.sides, other.sides, strict=True):
        for name in (*panels._PLANES, *panels._COUNTS):
            np.testing.assert_array_equal(getattr(mine, name), getattr(its, name))


def drawn(seed: int, samples: int, sites: int = 30, ploidy: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    alleles = (rng.random((sites, samples * ploidy)) < rng.random((sites, 1))).astype(np.int8)
    alleles[rng.random(alleles.shape) < 0.05] = MISSING
    return alleles


@given(seed=st.integers(0, 1000), samples=st.integers(2, 90), ploidy=st.integers(1, 3), data=st.data())
def test_the_right_chromosomes_are_taken(seed: int, samples: int, ploidy: int, data: st.DataObject) -> None:
    alleles = drawn(seed, samples, ploidy=ploidy)
    chosen = tuple(sorted(data.draw(st.sets(st.integers(0, samples - 1), min_size=1))))
    size = data.draw(st.integers((len(chosen) - 1) * ploidy + 1, len(chosen) * ploidy))
    draw = Draw(chosen, ploidy, size, samples * ploidy)
    columns = [sample * ploidy + at for sample in chosen for at in range(ploidy)][:size]
    own = alleles[:, columns]
    derived, known = (own == 1).sum(axis=1), (own >= 0).sum(axis=1)
    used = np.flatnonzero(np.minimum(derived, known - derived) >= 2)
    kept = panels.keep(block_of(alleles, ploidy=ploidy), slice(0, 30), networks(draw, min_count=2))
    panel = panels.load([kept], 0, 0, [size])
    np.testing.assert_array_equal(panel.positions, used * 10)
    np.testing.assert_array_equal(unpack(panel.sides[0].derived, size), own[used] == 1)
    np.testing.assert_array_equal(unpack(panel.sides[0].placed, size), own[used] >= 0)
    np.testing.assert_array_equal(panel.sides[0].calls, known[used])
    np.testing.assert_array_equal(panel.polarised, used % 3 > 0)
    assert (panel.sides[0].present == size).all()


def test_parts_join_to_the_whole() -> None:
    alleles = drawn(5, 40)
    asked = networks(Draw((1, 3, 8, 30), 2, 7, 80))
    block = block_of(alleles)
    whole = panels.load([panels.keep(block, slice(0, 30), asked)], 0, 0, [7])
    parts = panels.load([panels.keep(block, part, asked) for part in (slice(0, 11), slice(11, 30))], 0, 0, [7])
    assert_same(parts, whole)
    assert len(whole) > 10


def test_a_part_of_higher_ploidy_gives_the_same_chromosomes() -> None:
    """A part may be read wider than the plan expects, where some genotype of it has more alleles."""
    narrow = drawn(6, 10)
    wide = np.full((30, 30), ABSENT, np.int8)
    wide[:, [column for column in range(30) if column % 3 < 2]] = narrow
    asked = networks(Draw(tuple(range(10)), 2, 20, 20))
    one = panels.load([panels.keep(block_of(narrow), slice(0, 30), asked)], 0, 0, [20])
    two = panels.load([panels.keep(block_of(wide, ploidy=3), slice(0, 30), asked)], 0, 0, [20])
    assert_same(one, two)


def test_alleles_without_phase_are_not_placed() -> None:
    alleles = np.array([[0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 1, 1]], np.int8)
    unphased = np.array([[True, False, False], [False, False, False]])
    kept = panels.keep(block_of(alleles, unphased), slice(0, 2), networks(Draw((0, 1, 2), 2, 6, 6)))
    panel = panels.load([kept], 0, 0, [6])
    assert unpack(panel.sides[0].placed, 6).tolist() == [[False, False, True, True, True, True], [True] * 6]
    (haplotypes,) = panel.haplotypes()
    assert haplotypes.derived_count.tolist() == [2, 4]
    assert haplotypes.known_count.tolist() == [4, 6]
    assert haplotypes.present_count.tolist() == [6, 6]
    assert (panel.sides[0].hets.tolist(), panel.sides[0].unphased.tolist()) == ([1, 2], [1, 0])
    assert len(panel.used(encoding("folded-2", 2))) == 2
    assert panel.used(encoding("folded-2", 3)).positions.tolist() == []
    assert panel.used(encoding("polarised-2")).positions.tolist() == [10]


@pytest.mark.parametrize(
    ("code", "share", "reason"),
    [
        (ABSENT, 0.25, Reason.MISSING_DATA),
        (ABSENT, 0.05, None),
        (MISSING, 0.6, Reason.MISSING_DATA),
        (MISSING, 0.3, None),
    ],
)
def test_windows_that_lack_chromosomes_or_calls(code: int, share: float, reason: Reason | None) -> None:
    alleles = np.tile(np.array([0, 1], np.int8), (10, 20))
    alleles[5:, : 2 * round(20 * share)] = code
    kept = panels.keep(block_of(alleles), slice(0, 10), networks(Draw(tuple(range(20)), 2, 40, 40)))
    panel = panels.load([kept], 0, 0, [40])
    found = panel.unfit(network(), np.array([0, 50, 200]), np.array([50, 100, 300]))
    marks = {why: mask.tolist() for mask, why in found}
    assert marks[Reason.MISSING_DATA] == [False, reason is not None, False]
    assert marks[Reason.UNPHASED] == [False] * 3
    assert Reason.UNPOLARISED not in marks


def test_thinning_keeps_the_share_of_absent_chromosomes() -> None:
    alleles = np.tile(np.array([0, 1, 1, 0], np.int8), (4, 10))
    alleles[:, 30:] = ABSENT
    kept = panels.keep(block_of(alleles), slice(0, 4), networks(Draw(tuple(range(8)), 2, 16, 40)))
    assert panels.load([kept], 0, 0, [16]).sides[0].present.tolist() == [16] * 4, "sixteen are known"
    kept = panels.keep(block_of(alleles), slice(0, 4), networks(Draw(tuple(range(12, 20)), 2, 16, 40)))
    assert panels.load([kept], 0, 0, [16]).sides[0].present.tolist() == [12] * 4


def test_windows_without_polarity() -> None:
    asked = networks(Draw(tuple(range(20)), 2, 40, 40), how="polarised-2")
    panel = panels.load([panels.keep(block_of(drawn(9, 20)), slice(0, 30), asked)], 0, 0, [40])
    found = panel.unfit(network("polarised-2"), np.array([0, 0]), np.array([1, 300]))
    assert {why: mask.tolist() for mask, why in found}[Reason.UNPOLARISED] == [True, False]


# Two populations


def pair_of(one: np.ndarray, other: np.ndarray, loose: np.ndarray) -> HaplotypeBlock:
    """Give two populations of diploids; the second has genotypes without phase."""
    first, second = from_alleles("A", one, None, 2), from_alleles("B", other, loose, 2)
    positions = np.arange(len(one), dtype=np.int64) * 10
    return HaplotypeBlock(Region("1", 0, 10 * len(one) + 1), positions, np.arange(len(one)) % 3 > 0, (first, second))


def pair_networks(*, first: int, second: int, min_count: int = 1) -> Networks:
    """Ask one network about a pair, the second of which comes first in the file."""
    draws = Draw(tuple(range(second // 2)), 2, second, second), Draw(tuple(range(first // 2)), 2, first, first)
    return Networks((network("pair-folded-1", min_count),), ((Group(("B", "A"), draws),),))


@given(seed=st.integers(0, 1000), cut=st.integers(0, 30), min_count=st.integers(1, 3))
def test_a_pair_is_what_its_encoding_sees_of_the_block(seed: int, cut: int, min_count: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = drawn(seed, 5), drawn(seed + 1, 3)
    loose = rng.random((30, 3)) < 0.3 * (seed % 2)
    block, asked = pair_of(one, other, loose), pair_networks(first=10, second=6, min_count=min_count)
    kept = [panels.keep(block, part, asked) for part in (slice(0, cut), slice(cut, 30))]
    how = pair_encoding("pair-folded-1", min_count)
    panel = panels.load(kept, 0, 0, [6, 10]).used(how)
    found = encode_pair(panel.positions, *panel.haplotypes(), how)
    expected = encode_pair(block.positions, *reversed(block.populations), how)
    np.testing.assert_array_equal(panel.positions[found.sites], block.positions[expected.sites])
    np.testing.assert_array_equal(found.values, expected.values)
    assert len(found.sites) == len(panel)


def test_of_a_pair_a_network_may_do_without_phase() -> None:
    """Archaic genomes have none: a network that was trained on such samples takes them."""
    one, other = (np.tile(np.array([0, 1], np.int8), (10, 4)) for _ in range(2))
    block = pair_of(one, other, np.ones((10, 4), np.bool_))
    panel = panels.load([panels.keep(block, slice(0, 10), pair_networks(first=8, second=8))], 0, 0, [8, 8])
    assert [side.known is side.placed for side in panel.sides] == [False, True]
    assert not panel.sides[0].placed.any()
    for ranges, bad in (({}, True), ({"unphased_first": (0.0, 1.0)}, False), ({"unphased_second": (0.0, 1.0)}, True)):
        asked = network("pair-folded-1", **ranges)
        marks = [
            mask.tolist() for mask, why in panel.unfit(asked, np.array([0]), np.array([90])) if why is Reason.UNPHASED
        ]
        assert ([True] in marks) == bad
