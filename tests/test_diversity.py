"""Diversity statistics against scikit-allel, tskit and loops over pairs of chromosomes."""

from fractions import Fraction
from itertools import combinations
from math import sqrt

import allel
import hypothesis.extra.numpy as hnp
import msprime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.regions import Region
from scanner.scores import Reason
from scanner.statistics import diversity
from scanner.windows import Windows, sliding, spans

LENGTH = 300_000
NAMES = ("sites", "missing", "pi", "theta_w", "tajimas_d", "theta_h", "fay_wu_h")
MATRICES = hnp.arrays(
    np.int8,
    st.tuples(st.integers(0, 12), st.integers(2, 9)),
    elements=st.sampled_from([0, 0, 0, 1, 1, -1, -2]),
)


def block_of(alleles, positions=None, polarised=None):
    """Make a block of one population, one site every 10 bp unless told."""
    positions = np.arange(len(alleles), dtype=np.int64) * 10 if positions is None else np.asarray(positions, np.int64)
    polarised = np.ones(len(alleles), bool) if polarised is None else np.asarray(polarised, bool)
    population = from_alleles("A", np.asarray(alleles, np.int8), ploidy=1)
    return HaplotypeBlock(Region("1", 0, LENGTH), positions, polarised, (population,))


def windows_of(block, bounds, callable_bp=None):
    """Make the spans of explicit windows."""
    start, end = np.asarray(bounds, np.int64).T
    return spans(Windows("1", start, end), block.positions, callable_bp)


def compute(block, found):
    """Compute every column of one population."""
    made = {}
    for producer in diversity.PRODUCERS[1:]:
        made.update(producer.compute(block, found, block.populations, frozenset(producer.names)))
    return made


def compute_one(alleles, polarised=None, callable_bp=None, length=1000):
    """Compute one window over everything; give values and reasons by name."""
    block = block_of(alleles, polarised=polarised)
    found = windows_of(block, [(0, length)], None if callable_bp is None else np.array([callable_bp]))
    made = compute(block, found)
    return {k: c.values[0] for k, c in made.items()}, {k: Reason(c.reasons[0]) for k, c in made.items()}


@pytest.fixture(scope="module")
def simulated():
    """Neutral history of 20 diploids: tree sequence with one mutation a site, block and overlapping windows."""
    trees = msprime.sim_ancestry(
        20, population_size=10_000, sequence_length=LENGTH, recombination_rate=1e-8, random_seed=3
    )
    trees = msprime.sim_mutations(trees, rate=2e-8, model=msprime.BinaryMutationModel(), random_seed=3)
    trees = trees.delete_sites([site.id for site in trees.sites() if len(site.mutations) != 1])
    block = block_of(trees.genotype_matrix(), trees.tables.sites.position)
    return trees, block, spans(sliding(block.region, 40_000, 10_000), block.positions)


def naive(alleles, polarised):
    """Compute sums over all pairs of chromosomes at every site, in exact fractions where possible."""
    sums = dict.fromkeys(["sites", "pi", "theta_w", "e1", "e2", "polarised", "pi_polarised", "theta_h"], Fraction(0))
    for row, known_ancestor in zip(alleles.tolist(), polarised, strict=True):
        called = [allele for allele in row if allele >= 0]
        n, k = len(called), sum(called)
        if not 0 < k < n:
            continue
        pairs = list(combinations(called, 2))
        pi = Fraction(sum(a != b for a, b in pairs), len(pairs))
        a1, a2 = (sum(Fraction(1, i**power) for i in range(1, n)) for power in (1, 2))
        c1 = Fraction(n + 1, 3 * (n - 1)) - 1 / a1
        c2 = Fraction(2 * (n * n + n + 3), 9 * n * (n - 1)) - (n + 2) / (a1 * n) + a2 / a1**2
        terms = {"sites": 1, "pi": pi, "theta_w": 1 / a1, "e1": c1 / a1, "e2": c2 / (a1**2 + a2)}
        if known_ancestor:
            terms |= {"polarised": 1, "pi_polarised": pi, "theta_h": Fraction(k * k, len(pairs))}
        for name, value in terms.items():
            sums[name] += value
    return sums


def naive_tajima(sums):
    """Finish Tajima's D from the sums, with e1 and e2 averaged over the segregating sites; None where undefined."""
    s = sums["sites"]
    variance = sums["e1"] / s * s + sums["e2"] / s * s * (s - 1) if s else 0
    return None if variance == 0 else float(sums["pi"] - sums["theta_w"]) / sqrt(variance)


@given(MATRICES, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_naive(alleles, random):
    polarised = [random.random() < 0.8 for _ in alleles]
    values, reasons = compute_one(alleles, polarised, callable_bp=500.0)
    sums = naive(alleles, polarised)
    present, known = (alleles >= -1).sum(), (alleles >= 0).sum()
    assert values["sites"] == sums["sites"]
    if present:
        assert values["missing"] == pytest.approx(1 - known / present)
    else:
        assert reasons["missing"] is Reason.UNDEFINED
    if len(alleles) and (known == 0 or known < present / 2):
        assert {reasons[name] for name in NAMES[2:]} == {Reason.MISSING_DATA}
        return
    assert values["pi"] == pytest.approx(float(sums["pi"]) / 500, abs=1e-12)
    assert values["theta_w"] == pytest.approx(float(sums["theta_w"]) / 500, abs=1e-12)
    if sums["sites"] == 0:
        assert {reasons[name] for name in NAMES[4:]} == {Reason.NO_VARIATION}
        return
    tajima = naive_tajima(sums)
    if tajima is None:
        assert reasons["tajimas_d"] is Reason.UNDEFINED
    else:
        assert values["tajimas_d"] == pytest.approx(tajima, abs=1e-9)
    share = sums["polarised"] / sums["sites"]
    if share < Fraction(1, 2):
        assert reasons["theta_h"] is reasons["fay_wu_h"] is Reason.UNPOLARISED
    else:
        assert values["theta_h"] == pytest.approx(float(sums["theta_h"] / 500 / share), abs=1e-12)
        high = (sums["pi_polarised"] - sums["theta_h"]) / 500 / share
        assert values["fay_wu_h"] == pytest.approx(float(high), abs=1e-12)


def test_scikit_allel(simulated):
    _, block, found = simulated
    made = compute(block, found)
    counts = allel.HaplotypeArray(block.populations[0].alleles()).count_alleles()
    for w in range(len(found)):
        part = counts[found.first[w] : found.last[w]]
        length = found.end[w] - found.start[w]
        bounds = {"start": found.start[w] + 1, "stop": found.end[w]}
        positions = block.positions[found.first[w] : found.last[w]] + 1
        assert made["sites"].values[w] == part.count_segregating()
        assert made["pi"].values[w] == pytest.approx(allel.sequence_diversity(positions, part, **bounds), abs=1e-12)
        assert made["theta_w"].values[w] == pytest.approx(allel.watterson_theta(positions, part, **bounds), abs=1e-12)
        assert made["tajimas_d"].values[w] == pytest.approx(allel.tajima_d(part), abs=1e-9)
        spectrum = allel.sfs(part[:, 1], n=40)
        theta_h = (spectrum * np.arange(41) ** 2)[1:40].sum() / (40 * 39 / 2) / length
        assert made["theta_h"].values[w] == pytest.approx(theta_h, abs=1e-12)
        assert made["fay_wu_h"].values[w] == pytest.approx(made["pi"].values[w] - theta_h, abs=1e-12)
    assert made["missing"].values.tolist() == [0] * len(found)


def test_tskit(simulated):
    trees, block, _ = simulated
    edges = np.arange(0, LENGTH + 1, 30_000)
    made = compute(block, windows_of(block, np.stack([edges[:-1], edges[1:]], axis=1)))
    np.testing.assert_allclose(made["pi"].values, trees.diversity(windows=edges), rtol=0, atol=1e-12)
    np.testing.assert_allclose(made["tajimas_d"].values, trees.Tajimas_D(windows=edges), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(
        made["sites"].values, trees.segregating_sites(windows=edges, span_normalise=False).round(6)
    )


def test_overlapping_windows_equal_each_window_alone(simulated):
    _, block, found = simulated
    together = compute(block, found)
    for w in range(len(found)):
        alone = compute(block, windows_of(block, [(found.start[w], found.end[w])]))
        for name, score in together.items():
            assert score.reasons[w] == alone[name].reasons[0] == Reason.VALUE
            assert score.values[w] == pytest.approx(alone[name].values[0], abs=1e-9)


def test_missing_alleles_do_not_bias_pi(simulated):
    _, block, found = simulated
    alleles = block.populations[0].alleles()
    alleles[np.random.default_rng(1).random(alleles.shape) < 0.3] = -1
    holed = compute(block_of(alleles, block.positions), found)["pi"].values
    np.testing.assert_allclose(holed, compute(block, found)["pi"].values, rtol=0.08)


def test_accessibility():
    block = block_of([[0, 1]])
    found = windows_of(block, [(0, 100), (50, 250)], np.array([100.0, 50.0]))
    producer = diversity.PRODUCERS[0]
    made = producer.compute(block, found, (), frozenset(producer.names))
    assert made["callable_bp"].values.tolist() == [100, 50]
    assert made["callable"].values.tolist() == [1, 0.25]


def test_only_what_is_wanted_is_returned():
    block = block_of([[0, 1, 1, 0]])
    found = windows_of(block, [(0, 100)])
    for producer in diversity.PRODUCERS:
        for name in producer.names:
            assert list(producer.compute(block, found, block.populations, frozenset([name]))) == [name]


def test_no_variation_is_a_zero_for_pi_and_a_gap_for_neutrality_tests():
    values, reasons = compute_one([[0, 0, 0, 0], [1, 1, 1, 1]])
    assert values["pi"] == values["theta_w"] == values["sites"] == 0
    assert {reasons[name] for name in NAMES[4:]} == {Reason.NO_VARIATION}
    values, reasons = compute_one(np.empty((0, 4), np.int8))
    assert values["pi"] == values["theta_w"] == values["sites"] == 0
    assert reasons["missing"] is Reason.UNDEFINED


def test_uncallable():
    _, reasons = compute_one([[0, 1, 0, 1]], callable_bp=0.0)
    assert reasons == dict.fromkeys(NAMES, Reason.UNCALLABLE)


def test_missing_data_above_half():
    _, half = compute_one([[0, 1, -1, -1], [0, 1, 1, 0], [-1, -1, -1, -1]])
    assert half["pi"] is Reason.VALUE
    values, more = compute_one([[0, 1, -1, -1], [0, 1, 1, -1], [-1, -1, -1, -1]])
    assert {more[name] for name in NAMES[2:]} == {Reason.MISSING_DATA}
    assert values["sites"] == 2
    assert values["missing"] == pytest.approx(7 / 12)


def test_unpolarised_below_half():
    alleles = [[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    _, half = compute_one(alleles[:2], polarised=[True, False])
    assert half["theta_h"] is Reason.VALUE
    _, less = compute_one(alleles, polarised=[True, False, False, True])
    assert less["theta_h"] is less["fay_wu_h"] is Reason.UNPOLARISED
    assert less["tajimas_d"] is Reason.VALUE


@pytest.mark.parametrize("size", [2, 3])
def test_tajimas_d_is_undefined_below_four_chromosomes(size):
    row = [1] + [0] * (size - 1)
    varied = [[1, 1, 0, 0, 0]] * 7  # sums before the window must not leave rounding errors in it
    alleles = varied + [row + [-1] * (5 - size)] * 3
    block = block_of(alleles)
    found = windows_of(block, [(0, 70), (70, 100)])
    full = block_of(np.where(np.array(alleles) == -1, -2, alleles))
    made = compute(full, found)["tajimas_d"]
    assert made.reasons.tolist() == [Reason.VALUE, Reason.UNDEFINED]


def test_constants_equal_the_sums_they_stand_for():
    table = diversity.tajima_constants(40)
    assert table.shape == (3, 41)
    assert table[:, :2].tolist() == [[0, 0]] * 3
    assert table[1:, :4].tolist() == [[0, 0, 0, 0]] * 2
    for n in (4, 7, 40):
        assert 1 / table[0, n] == pytest.approx(sum(1 / i for i in range(1, n)))
    assert diversity.tajima_constants(0).shape == (3, 2)
