"""Alignments and the published network on them: against slow versions, and that it learns."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner.network
from scanner.alignment import Aligned, align, distances, pad, similarity_order
from scanner.haplotypes import from_alleles
from scanner.network.designs import DESIGNS, Design

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
    return windows, 3 + 2 * share[:, None]


SMALL = DESIGNS["rho"].resized([16, 8, 8], [8])


@needs_keras
@quiet
def test_the_network_learns_and_does_so_again() -> None:
    from scanner.evaluate.alignment import fit

    windows, targets = lines(640, 1)
    one, two = (fit(windows, targets, SMALL, epochs=4, rate=5e-3) for _ in range(2))
    other = fit(windows, targets, SMALL, epochs=4, rate=5e-3, seed=2)
    fresh, truth = lines(200, 2)
    found = one.predict(fresh)
    assert found.shape == truth.shape
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.5 * truth.std()
    np.testing.assert_array_equal(found, two.predict(fresh))
    assert (found != other.predict(fresh)).any()
    np.testing.assert_allclose(found, one.predict(fresh, batch=7), atol=1e-5)


@needs_keras
@quiet
def test_several_values_are_learned_at_once() -> None:
    from scanner.evaluate.alignment import fit

    windows, targets = lines(640, 1)
    both = np.concatenate([targets, 10 - 3 * targets], axis=1)
    found = fit(windows, both, SMALL, epochs=4, rate=5e-3)
    fresh, truth = lines(200, 2)
    said = found.predict(fresh)
    assert said.shape == (200, 2)
    errors = np.sqrt(np.mean((said - np.concatenate([truth, 10 - 3 * truth], axis=1)) ** 2, axis=0))
    assert (errors < 0.5 * truth.std() * np.array([1, 3])).all()


@needs_keras
@quiet
def test_classes_are_learned_with_probabilities() -> None:
    from scanner.evaluate.alignment import fit

    windows, targets = lines(640, 1)
    kinds = np.digitize(targets[:, 0], [3.6, 4.4])
    found = fit(windows, np.eye(3)[kinds], SMALL, classes=True, epochs=8, rate=5e-3)
    fresh, truth = lines(200, 2)
    said = found.predict(fresh)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert (said.argmax(axis=1) == np.digitize(truth[:, 0], [3.6, 4.4])).mean() > 0.75


def shapes(model: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in model.trainable_weights if len(weight.shape) > 1]


def names(model: Any) -> list[str]:
    kept = {"Conv1D", "AveragePooling1D", "MaxPooling1D", "Dropout", "Flatten", "Concatenate", "Dense"}
    return [type(layer).__name__ for layer in model.layers if type(layer).__name__ in kept]


PUBLISHED = {
    "rho": (
        (418, 50, 1),
        [(2, 50, 1250), (2, 1250, 256), (2, 256, 256), (418, 64), (103 * 256 + 64, 256), (256, 1)],
        [0.25, 0.25, 0.1],
    ),
    "sweeps": (
        (5000, 104, 5),
        [(2, 104, 256), *[(2, 256, 256)] * 4, (5000, 64), (311 * 256 + 64, 256), (256, 5)],
        [0.2, 0.2, 0.2, 0.2, 0.1, 0.25],
    ),
    "introgression": (
        (1102, 34, 3),
        [(2, 34, 256), (2, 256, 128), (2, 128, 128), (274 * 128, 128), (128, 128), (128, 3)],
        [0.25, 0.25, 0.5, 0.5],
    ),
    "demography": (
        (700, 50, 5),
        [(2, 50, 128), *[(2, 128, 128)] * 3, (700, 32), (42 * 128 + 32, 256), (256, 5)],
        [],
    ),
    "tajimas_d": ((40, 20, 1), [(2, 20, 128), (2, 128, 128), (19 * 128, 128), (128, 1)], [0.1, 0.25]),
}
"""Of every published network: sites, haplotypes and outputs; weights; shares that are dropped."""


@needs_keras
@quiet
@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_are_the_published_ones(name: str) -> None:
    from scanner.network.alignment import Shape, build

    (sites, haplotypes, outputs), weights, rates = PUBLISHED[name]
    model = build(Shape(DESIGNS[name], sites, haplotypes, outputs), 1)
    assert sorted(shapes(model)) == sorted(weights)
    assert sorted(layer.rate for layer in model.layers if hasattr(layer, "rate")) == sorted(rates)
    assert model.inputs[0].shape == (None, sites, haplotypes)
    assert len(model.inputs) == (1 if name in ("introgression", "tajimas_d") else 2)


@needs_keras
@quiet
def test_layers_stand_in_the_published_order() -> None:
    from scanner.network.alignment import Shape, build

    model = build(Shape(DESIGNS["sweeps"], 64, 8, 5), 1)
    convolutions = [name for name in names(model) if name not in ("Dense", "Concatenate", "Flatten")][:14]
    pooled = ["Conv1D", "MaxPooling1D", "Dropout"], ["Conv1D", "AveragePooling1D", "Dropout"]
    assert convolutions[:13] == ["Conv1D", *pooled[0], *pooled[0], *pooled[1], *pooled[1]]
    assert all(layer.kernel_size == (2,) for layer in model.layers if hasattr(layer, "kernel_size"))


@needs_keras
@quiet
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_the_fewest_sites_are_those_that_can_be_pooled(design: Design) -> None:
    from scanner.network.alignment import Shape, build

    least = design.shortest
    build(Shape(design.resized([2] * len(design.filters), [2] * len(design.units)), least, 4), 1)
    with pytest.raises(ValueError, match=f"{least - 1} sites are too few"):
        build(Shape(design, least - 1, 4), 1)


def test_widths_of_other_numbers_of_layers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"filters are those of 2 layers in the network tajimas_d: \(4, 4, 4\)"):
        DESIGNS["tajimas_d"].resized([4, 4, 4])
    with pytest.raises(ValueError, match=r"units are those of 1 layers"):
        DESIGNS["tajimas_d"].resized(units=[])


def test_haplotypes_that_are_not_ordered_stand_as_they_came() -> None:
    alleles = np.array([[0, 1, 1, 0, 1, 0], [1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]], np.int8)
    where = np.array([1, 2, 3]), from_alleles("A", alleles), np.array([0]), np.array([4])
    (plain,) = align(*where, ordered=False)
    (ordered,) = align(*where)
    assert (plain.alleles == alleles * 2 - 1).all()
    assert (ordered.alleles != plain.alleles).any()


def test_distances_add_up_to_the_window() -> None:
    windows = [Aligned(draw(sites, 3, 1), np.sort(RNG.random(sites)).astype(np.float32)) for sites in (0, 5, 8)]
    _, positions = pad(windows, 8)
    found = distances(positions)
    assert found[0].tolist() == [8.0] + [-1.0] * 7
    np.testing.assert_allclose(found[1, :6].sum(), 8, rtol=1e-6)
    np.testing.assert_allclose(found[1, :5].cumsum() / 8, windows[1].positions, rtol=1e-5)
    assert found[1, 6:].tolist() == [-1.0, -1.0]
    np.testing.assert_allclose(found[2].sum() / 8, windows[2].positions[-1], rtol=1e-6)


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
        fit(*lines(3, 1), SMALL)
