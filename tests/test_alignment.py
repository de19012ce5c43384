"""Alignments and the published network on them: against slow versions, and that it learns."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner.network
from scanner.alignment import Aligned, align, pad, similarity_order
from scanner.haplotypes import from_alleles

RNG = np.random.default_rng(7)
needs_keras = pytest.mark.skipif(
    find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS),
    reason="Keras or a backend is not installed",
)
quiet = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def draw(sites: int, haplotypes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1], size=(sites, haplotypes)).astype(np.int8)


def ordered_slowly(alleles: np.ndarray) -> list[int]:
    """Manhattan distances to the haplotype with the smallest sum of them; the first of equals first."""
    size = alleles.shape[1]
    apart = [[int(np.abs(alleles[:, a] - alleles[:, b]).sum()) for b in range(size)] for a in range(size)]
    centre = min(range(size), key=lambda a: (sum(apart[a]), a))
    return sorted(range(size), key=lambda b: (apart[centre][b], b))


@given(st.integers(0, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_haplotypes_are_ordered_by_their_distance_to_the_middle_one(sites: int, haplotypes: int, seed: int) -> None:
    alleles = draw(sites, haplotypes, seed)
    assert similarity_order(alleles).tolist() == ordered_slowly(alleles)


@given(st.integers(0, 10**6))
def test_the_order_in_the_file_does_not_matter(seed: int) -> None:
    """Where no two haplotypes are equally far from the middle one and that one is a single one."""
    alleles = draw(40, 6, seed)
    apart = (alleles[:, :, None] != alleles[:, None]).sum(axis=(0))
    sums = apart.sum(axis=1)
    if (sums == sums.min()).sum() > 1 or len(set(apart[sums.argmin()].tolist())) < 6:
        return
    shuffled = alleles[:, np.random.default_rng(seed).permutation(6)]
    assert (shuffled[:, similarity_order(shuffled)] == alleles[:, similarity_order(alleles)]).all()


def test_windows_are_cut_sorted_and_placed() -> None:
    alleles = np.array([[0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 1]], np.int8)
    positions = np.array([5, 10, 15, 20, 29])
    first, second = align(positions, from_alleles("A", alleles), np.array([10, 20]), np.array([20, 30]))
    assert first.positions.tolist() == [0.0, 0.5]
    assert second.positions.tolist() == pytest.approx([0.0, 0.9])
    signed = alleles[1:3] * 2 - 1
    assert first.alleles.tolist() == signed[:, ordered_slowly(signed)].tolist()


def test_unknown_alleles_count_as_the_more_frequent() -> None:
    alleles = np.array([[1, 1, 0, -1], [1, -1, 0, 0]], np.int8)
    (found,) = align(np.array([1, 2]), from_alleles("A", alleles), np.array([0]), np.array([9]))
    filled = np.array([[1, 1, -1, 1], [1, -1, -1, -1]])
    assert found.alleles.tolist() == filled[:, ordered_slowly(filled)].tolist()


def test_some_haplotypes_are_taken_with_the_sites_that_segregate_among_them() -> None:
    alleles = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]], np.int8)
    (found,) = align(np.array([1, 2, 3]), from_alleles("A", alleles), np.array([0]), np.array([4]), size=2)
    assert found.positions.tolist() == [0.25, 0.75]
    assert sorted(map(tuple, found.alleles.T.tolist())) == [(-1, 1), (1, -1)]
    with pytest.raises(ValueError, match="5 haplotypes are asked for, and there are 4"):
        align(np.array([1, 2, 3]), from_alleles("A", alleles), np.array([0]), np.array([4]), size=5)


def test_the_middle_of_a_long_window_is_kept() -> None:
    window = Aligned(draw(7, 3, 1), np.linspace(0, 1, 7, dtype=np.float32))
    alleles, positions = pad([window], 4)
    assert (alleles[0] == window.alleles[1:5]).all()
    assert (positions[0] == window.positions[1:5]).all()


def lines(count: int, seed: int) -> tuple[list[Aligned], np.ndarray]:
    """Windows whose target is, but for noise, how many of their haplotypes carry the derived allele."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.1, 0.9, count)
    windows = []
    for each in share:
        sites = int(rng.integers(10, 30))
        alleles = np.where(rng.random((sites, 6)) < each, 1, -1).astype(np.int8)
        windows.append(Aligned(alleles, np.sort(rng.random(sites)).astype(np.float32)))
    return windows, 3 + 2 * share


@needs_keras
@quiet
def test_the_network_learns_and_does_so_again(tmp_path: Path) -> None:
    from scanner.evaluate.alignment import fit
    from scanner.network.backend import load_keras

    windows, targets = lines(640, 1)
    small = {"epochs": 4, "width": (16, 8, 8, 8), "rate": 5e-3}
    one, two = fit(windows, targets, **small), fit(windows, targets, **small)
    other = fit(windows, targets, seed=2, **small)
    assert one.losses[-1] < 0.5 * one.losses[0]
    fresh, truth = lines(200, 2)
    found = one.predict(fresh)
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.5 * truth.std()
    np.testing.assert_array_equal(found, two.predict(fresh))
    assert (found != other.predict(fresh)).any()
    np.testing.assert_allclose(found, one.predict(fresh, batch=7), atol=1e-5)
    one.save(tmp_path)
    again = load_keras().saving.load_model(tmp_path / "alignment.keras")
    assert again.count_params() == one.model.count_params()


@needs_keras
@quiet
def test_shapes_are_the_published_ones() -> None:
    from scanner.network.alignment import PUBLISHED, Shape, build

    model = build(Shape(418, 50, PUBLISHED), 1)
    kernels = [tuple(weight.shape) for weight in model.trainable_weights if len(weight.shape) > 1]
    expected = [(2, 50, 1250), (2, 1250, 256), (2, 256, 256), (418, 64), (103 * 256 + 64, 256), (256, 1)]
    assert sorted(kernels) == sorted(expected)
    rates = sorted(layer.rate for layer in model.layers if hasattr(layer, "rate"))
    assert rates == [0.1, 0.25, 0.25]
    with pytest.raises(ValueError, match="7 sites are too few"):
        build(Shape(7, 50), 1)


@needs_keras
@quiet
def test_rows_beyond_the_last_site_are_told_apart_from_alleles() -> None:
    """What stands where there is no site is no allele, and no position."""
    window = Aligned(draw(12, 4, 3), np.linspace(0, 1, 12, dtype=np.float32))
    alleles, positions = pad([window], 16)
    assert set(alleles[0, 12:].ravel().tolist()) == {0.0}
    assert set(alleles[0, :12].ravel().tolist()) == {-1.0, 1.0}
    assert positions[0, 12:].tolist() == [-1.0] * 4


@needs_keras
def test_too_few_windows_are_refused() -> None:
    from scanner.errors import UsageError
    from scanner.evaluate.alignment import fit

    with pytest.raises(UsageError, match="3 windows are too few"):
        fit(*lines(3, 1))
