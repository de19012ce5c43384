"""D, f_d, f_dM and RND_min against scikit-allel, tskit and loops over alleles and pairs of haplotypes."""

from fractions import Fraction

import allel
import msprime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import HaplotypeBlock, from_alleles, unpack
from scanner.regions import Region
from scanner.scores import Reason
from scanner.statistics import introgression
from scanner.windows import Windows, sliding, spans

LENGTH = 200_000
ABBA, RND = introgression.PRODUCERS
NAMES = ("abba_d", "f_d", "f_dm")


def block_of(matrices, positions=None, polarised=None, unphased=None):
    """Make a block of three populations of diploids, one site every 10 bp unless told."""
    sites = len(matrices[0])
    positions = np.arange(sites, dtype=np.int64) * 10 if positions is None else np.asarray(positions, np.int64)
    polarised = np.ones(sites, bool) if polarised is None else np.asarray(polarised, bool)
    unphased = [None] * 3 if unphased is None else unphased
    populations = tuple(
        from_alleles(name, np.ascontiguousarray(matrix, np.int8), loose)
        for name, matrix, loose in zip("ABC", matrices, unphased, strict=True)
    )
    return HaplotypeBlock(Region("1", 0, LENGTH), positions, polarised, populations)


def windows_of(block, bounds, callable_bp=None):
    """Make the spans of explicit windows."""
    start, end = np.asarray(bounds, np.int64).T
    return spans(Windows("1", start, end), block.positions, callable_bp)


def compute(producer, block, found):
    """Compute every column of a family for the three populations in order."""
    return producer.compute(block, found, block.populations, frozenset(producer.names))


def compute_one(producer, matrices, bp=1000.0, **options):
    """Compute one window over everything; give values and reasons by name."""
    block = block_of(matrices, **options)
    made = compute(producer, block, windows_of(block, [(0, 1000)], np.array([bp])))
    return {k: c.values[0] for k, c in made.items()}, {k: Reason(c.reasons[0]) for k, c in made.items()}


@pytest.fixture(scope="module")
def simulated():
    """Three populations of 8, 40 and 12 diploids, C admixed into B: trees with one mutation a site, block, windows."""
    demography = msprime.Demography.from_species_tree("((A:4000,B:4000):4000,C:8000)", 5_000)
    demography.add_mass_migration(time=500, source="B", dest="C", proportion=0.2)
    demography.sort_events()
    trees = msprime.sim_ancestry(
        {"A": 8, "B": 40, "C": 12},
        demography=demography,
        sequence_length=LENGTH,
        recombination_rate=1e-8,
        random_seed=11,
    )
    trees = msprime.sim_mutations(trees, rate=4e-8, model=msprime.BinaryMutationModel(), random_seed=11)
    trees = trees.delete_sites([site.id for site in trees.sites() if len(site.mutations) != 1])
    matrix = trees.genotype_matrix()
    block = block_of([matrix[:, :16], matrix[:, 16:96], matrix[:, 96:]], trees.tables.sites.position)
    return trees, block, spans(sliding(block.region, 40_000, 5_000), block.positions)


def pattern(p1, p2, p3):
    """Compute ABBA less BABA of four populations whose outgroup is ancestral."""
    return (1 - p1) * p2 * p3 - p1 * (1 - p2) * p3


def naive_abba(matrices, polarised):
    """Sum the terms of the three statistics site by site in exact fractions: numerator, then three denominators."""
    sums = [Fraction(0)] * 4
    for site, known_ancestor in enumerate(polarised):
        rows = [[a for a in matrix[site].tolist() if a >= 0] for matrix in matrices]
        if not known_ancestor or not all(rows):
            continue
        p1, p2, p3 = (Fraction(sum(row), len(row)) for row in rows)
        donor, other = max(p2, p3), max(p1, p3)
        complete = pattern(p1, donor, donor)
        either = complete if p2 >= p1 else -pattern(other, p2, other)
        terms = pattern(p1, p2, p3), (1 - p1) * p2 * p3 + p1 * (1 - p2) * p3, complete, either
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    return sums


def too_poor(matrix):
    """Say whether more than half of the alleles are missing."""
    present, known = (matrix >= -1).sum(), (matrix >= 0).sum()
    return len(matrix) and (known == 0 or known < present / 2)


@st.composite
def trios(draw, missing=True, smallest=0):
    """Draw allele matrices of three populations over the same sites."""
    sites = draw(st.integers(smallest, 10))
    elements = st.sampled_from([0, 0, 0, 1, 1, 1, -1, -2] if missing else [0, 1])
    return [draw(hnp.arrays(np.int8, (sites, 2 * draw(st.integers(1, 3))), elements=elements)) for _ in range(3)]


@given(trios(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_naive_abba(matrices, random):
    polarised = [random.random() < 0.8 for _ in matrices[0]]
    values, reasons = compute_one(ABBA, matrices, polarised=polarised)
    if any(too_poor(matrix) for matrix in matrices):
        assert set(reasons.values()) == {Reason.MISSING_DATA}
        return
    pooled = np.concatenate(matrices, axis=1)
    varied = (pooled == 0).any(axis=1) & (pooled == 1).any(axis=1)
    if not varied.any():
        assert set(reasons.values()) == {Reason.NO_VARIATION}
        return
    if 2 * (varied & polarised).sum() < varied.sum():
        assert set(reasons.values()) == {Reason.UNPOLARISED}
        return
    above, *below = naive_abba(matrices, polarised)
    for name, denominator in zip(NAMES, below, strict=True):
        assert values[f"{name}_num"] == pytest.approx(float(above), abs=1e-12)
        assert values[f"{name}_den"] == pytest.approx(float(denominator), abs=1e-12)
        if denominator == 0 or (name == "f_d" and (above < 0 or denominator < 0)):
            assert reasons[name] is Reason.UNDEFINED
        else:
            assert values[name] == pytest.approx(float(above / denominator), abs=1e-9)


def test_scikit_allel_d(simulated):
    _, block, found = simulated
    one, two, three = (allel.HaplotypeArray(p.alleles()).count_alleles(max_allele=1) for p in block.populations)
    outgroup = np.tile([2, 0], (len(block), 1))
    above, below = allel.patterson_d(two, one, three, outgroup)
    made = compute(ABBA, block, found)
    for w in range(len(found)):
        part = slice(found.first[w], found.last[w])
        assert made["abba_d_num"].values[w] == pytest.approx(above[part].sum(), abs=1e-9)
        assert made["abba_d_den"].values[w] == pytest.approx(below[part].sum(), abs=1e-9)
        assert made["abba_d"].values[w] == pytest.approx(above[part].sum() / below[part].sum(), abs=1e-9)


def test_naive_f_d_in_sliding_windows(simulated):
    _, block, found = simulated
    made = compute(ABBA, block, found)
    matrices = [population.alleles() for population in block.populations]
    defined = 0
    for w in range(0, len(found), 6):
        part = slice(found.first[w], found.last[w])
        above, _, f_d, f_dm = naive_abba([matrix[part] for matrix in matrices], block.polarised[part])
        assert made["f_dm"].values[w] == pytest.approx(float(above / f_dm), abs=1e-9)
        if above < 0:
            assert made["f_d"].reasons[w] == Reason.UNDEFINED
        else:
            defined += 1
            assert made["f_d"].values[w] == pytest.approx(float(above / f_d), abs=1e-9)
    assert defined


def test_gene_flow_between_second_and_third_is_seen(simulated):
    _, block, _ = simulated
    whole = windows_of(block, [(0, LENGTH)])
    made = compute(ABBA, block, whole)
    one, two, three = block.populations
    swapped = HaplotypeBlock(block.region, block.positions, block.polarised, (two, one, three))
    mirrored = compute(ABBA, swapped, whole)
    assert made["abba_d"].values[0] > 0.1
    assert mirrored["abba_d"].values[0] == pytest.approx(-made["abba_d"].values[0])
    assert mirrored["f_dm"].values[0] == pytest.approx(-made["f_dm"].values[0])
    assert mirrored["f_d"].reasons[0] == Reason.UNDEFINED


def test_complete_introgression_has_f_d_1():
    a, b = [[0, 0], [0, 0]], [[1, 1], [0, 1]]
    values, _ = compute_one(ABBA, [a, b, b])
    assert values["abba_d"] == values["f_d"] == values["f_dm"] == 1
    values, reasons = compute_one(ABBA, [b, a, b])
    assert values["abba_d"] == values["f_dm"] == -1
    assert reasons["f_d"] is Reason.UNDEFINED


def test_cancelling_patterns_are_zero_not_rounding():
    # 1/10 x 1/14 = 1/30 x 3/14 and 1/10 x 1/10 = 3/10 x 1/30, but not in float arithmetic
    sizes, carriers = (6, 10, 14), ((0, 2), (1, 3), (1, 3))
    matrices = [[[1] * k + [0] * (n - k) for k in pair] for n, pair in zip(sizes, carriers, strict=True)]
    values, reasons = compute_one(ABBA, matrices)
    assert values["abba_d_num"] == values["abba_d"] == 0
    assert values["f_d_den"] == 0
    assert reasons["f_d"] is Reason.UNDEFINED


def test_abba_reasons():
    varied = [[0, 1], [1, 1]]
    for bp, expected in ((0.0, Reason.UNCALLABLE), (10.0, Reason.VALUE)):
        _, reasons = compute_one(ABBA, [[[0, 0]] * 2, varied, varied], bp)
        assert reasons["abba_d"] is expected
    _, reasons = compute_one(ABBA, [[[0, 0]] * 2, varied, varied], polarised=[False, False])
    assert set(reasons.values()) == {Reason.UNPOLARISED}
    _, reasons = compute_one(ABBA, [[[0, 0]] * 2, varied, [[0, 0]] * 2])
    assert reasons["abba_d"] is Reason.UNDEFINED  # nothing that the third population could share
    assert reasons["abba_d_den"] is Reason.VALUE


def test_wanted_names_bring_their_sums():
    block = block_of([[[0, 1]]] * 3)
    found = windows_of(block, [(0, 10)])
    made = ABBA.compute(block, found, block.populations, frozenset(["f_d"]))
    assert list(made) == ["f_d", "f_d_num", "f_d_den"]


def placed_alleles(population):
    """Unpack the alleles, -1 where not placed on a haplotype."""
    return np.where(unpack(population.placed, population.size), unpack(population.derived, population.size), -1)


def naive_closest(one, other):
    """Compare all pairs of haplotypes over all sites; None where no pair is compared at half of the sites."""
    others, found = placed_alleles(other), []
    sites = len(others)
    for a in placed_alleles(one).T[:, :, np.newaxis]:
        both = (a >= 0) & (others >= 0)
        differences, compared = ((a != others) & both).sum(axis=0), both.sum(axis=0)
        enough = (compared > 0) & (2 * compared >= sites)
        found += (differences[enough] * sites / compared[enough]).tolist()
    return min(found, default=None)


@st.composite
def phased_trios(draw):
    """Draw three populations, some genotypes without phase, and windows of every kind over them."""
    missing = draw(st.booleans())
    matrices = draw(trios(missing=missing, smallest=1))
    unphased = [None] * 3
    if missing:
        unphased = [draw(hnp.arrays(bool, (len(m), m.shape[1] // 2), elements=st.booleans())) for m in matrices]
    block = block_of(matrices, unphased=unphased)
    bound = st.integers(0, 10 * len(block))
    bounds = draw(st.lists(st.tuples(bound, bound).map(sorted).filter(lambda b: b[0] < b[1]), min_size=1, max_size=12))
    return block, windows_of(block, bounds)


@given(phased_trios())
@settings(max_examples=300, deadline=None)
def test_naive_closest_pair_in_any_windows(drawn):
    block, found = drawn
    one, other, _ = block.populations
    made = introgression.closest_pair(one, other, found)
    for w in range(len(found)):
        part = slice(found.first[w], found.last[w])
        expected = naive_closest(one.take(part), other.take(part))
        if expected is None:
            assert np.isnan(made[w])
        else:
            assert made[w] == pytest.approx(expected, abs=1e-9)


def wide_block(missing, unphased=0.0, seed=4):
    """Make populations wider than a word, with clades and a few missing alleles or genotypes without phase."""
    rng = np.random.default_rng(seed)
    frequencies = rng.beta(0.3, 0.5, (60, 3))
    frequencies[rng.random(60) < 0.2, 1] = 1.0
    matrices = [(rng.random((60, n)) < frequencies[:, [k]]).astype(np.int8) for k, n in enumerate((70, 132, 20))]
    for matrix in matrices:
        matrix[rng.random(matrix.shape) < missing] = -1
    matrices[0][:, 5] = matrices[1][:, 129] = -2
    loose = [rng.random((60, matrix.shape[1] // 2)) < unphased for matrix in matrices]
    return block_of(matrices, unphased=loose)


def test_closest_pair_of_absent_haplotypes_is_none():
    # the second haplotype of B is not there, and its first is compared with A at one site of three
    one = from_alleles("A", np.array([[0, 0], [-1, -1], [-1, -1]], np.int8))
    other = from_alleles("B", np.array([[1, -2], [1, -2], [1, -2]], np.int8))
    found = spans(Windows("1", np.array([0, 0]), np.array([3, 1])), np.arange(3))
    assert introgression.closest_pair(one, other, found).tolist() == pytest.approx([np.nan, 1], nan_ok=True)


@pytest.mark.parametrize(("missing", "unphased"), [(0, 0), (0.1, 0), (0, 0.3), (0.3, 0.3)])
def test_naive_closest_pair_of_wide_populations(missing, unphased):
    block = wide_block(missing, unphased)
    one, other, _ = block.populations
    found = windows_of(block, [(start, start + 200) for start in range(0, 500, 70)])
    made = introgression.closest_pair(one, other, found)
    np.testing.assert_array_equal(made, introgression.closest_pair(other, one, found))
    for w in range(len(found)):
        part = slice(found.first[w], found.last[w])
        assert made[w] == pytest.approx(naive_closest(one.take(part), other.take(part)), abs=1e-9)


def test_tskit_rnd_min(simulated):
    trees, block, found = simulated
    made = compute(RND, block, found)["rnd_min"]
    edges = np.unique([0, *found.start, *found.end])
    sets = [range(16), range(16, 96), range(96, 120)]
    outer = [[(0, 2), (1, 2)], trees.divergence(sets, [(0, 2), (1, 2)], windows=edges, span_normalise=False)]
    matrix = trees.genotype_matrix()
    for w in range(0, len(found), 4):
        covered = (edges[:-1] >= found.start[w]) & (edges[:-1] < found.end[w])
        part = matrix[found.first[w] : found.last[w]].astype(int)
        pairs = part[:, :16].T @ (1 - part[:, 16:96]) + (1 - part[:, :16]).T @ part[:, 16:96]
        expected = pairs.min() / outer[1][covered].sum(axis=0).mean()
        assert made.values[w] == pytest.approx(expected, abs=1e-9)


def test_rnd_min_with_missing_outgroup_alleles():
    one, other = [[0, 0], [0, 1], [0, 0], [0, 0]], [[1, 1], [0, 1], [0, 0], [1, 0]]
    outgroup = [[1, 1], [-1, -1], [0, 0], [1, 0]]
    values, _ = compute_one(RND, [one, other, outgroup])
    # closest pair: 1 of 4 sites (second and second); to the outgroup 1.5 and 0.5 of the 3 sites compared
    assert values["rnd_min"] == pytest.approx((1 / 4) / ((1.5 / 3 + 0.5 / 3) / 2))


def test_overlapping_windows_equal_each_window_alone(simulated):
    _, block, found = simulated
    together = {**compute(ABBA, block, found), **compute(RND, block, found)}
    for w in range(len(found)):
        single = windows_of(block, [(found.start[w], found.end[w])])
        alone = {**compute(ABBA, block, single), **compute(RND, block, single)}
        for name, score in together.items():
            assert score.reasons[w] == alone[name].reasons[0]
            assert score.values[w] == pytest.approx(alone[name].values[0], abs=1e-9, nan_ok=True)


def test_rnd_min_reasons():
    same, apart = [[0, 0, 0, 0]] * 2, [[1, 1, 1, 1]] * 2
    assert compute_one(RND, [same, same, same])[1]["rnd_min"] is Reason.NO_VARIATION
    assert compute_one(RND, [same, same, apart])[0]["rnd_min"] == 0
    assert compute_one(RND, [same, same, apart], 0.0)[1]["rnd_min"] is Reason.UNCALLABLE
    assert compute_one(RND, [np.empty((0, 2))] * 3)[1]["rnd_min"] is Reason.NO_VARIATION
    holed = [[0, -1, -1, -1]] * 2
    assert compute_one(RND, [holed, same, apart])[1]["rnd_min"] is Reason.MISSING_DATA
    crossed = [[[0, -1], [0, -1], [-1, 0], [-1, 0]], [[0, 0], [-1, -1], [0, 0], [-1, -1]], [[1, 1]] * 4]
    crossed[0] = [[-1, -1], [0, 0], [-1, -1], [0, 0]]
    assert compute_one(RND, crossed)[1]["rnd_min"] is Reason.MISSING_DATA  # half is called, but never in both
    aside = [[[0, 0], [-1, -1]], [[0, 0], [0, 0]], [[-1, -1], [1, 1]]]
    assert compute_one(RND, aside)[1]["rnd_min"] is Reason.MISSING_DATA  # the first is never seen beside the third


def test_unphased_genotypes_of_the_pair_but_not_of_the_outgroup_count():
    hets = [[0, 1, 0, 1]] * 10
    loose, tight = np.ones((10, 2), bool), np.zeros((10, 2), bool)
    for unphased, expected in (
        ([loose, tight, tight], Reason.UNPHASED),
        ([tight, loose, tight], Reason.UNPHASED),
        ([tight, tight, loose], Reason.VALUE),
    ):
        assert compute_one(RND, [hets] * 3, unphased=unphased)[1]["rnd_min"] is expected
