"""Fst, dxy, da and PBS against scikit-allel, tskit and loops over pairs of chromosomes."""

from fractions import Fraction
from itertools import combinations, product
from math import log

import allel
import msprime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.regions import Region
from scanner.scores import Reason
from scanner.statistics import differentiation
from scanner.windows import Windows, sliding, spans

LENGTH = 200_000
PAIR, TRIO = differentiation.PRODUCERS
PAIR_COLUMNS = ["fst", "fst_num", "fst_den", "dxy", "da"]


def block_of(matrices, positions=None):
    """Make a block of several populations, one site every 10 bp unless told."""
    sites = len(matrices[0])
    positions = np.arange(sites, dtype=np.int64) * 10 if positions is None else np.asarray(positions, np.int64)
    populations = tuple(
        from_alleles(name, np.ascontiguousarray(matrix, np.int8), ploidy=1)
        for name, matrix in zip("ABC", matrices, strict=False)
    )
    return HaplotypeBlock(Region("1", 0, LENGTH), positions, np.ones(sites, bool), populations)


def windows_of(block, bounds, callable_bp=None):
    """Make the spans of explicit windows."""
    start, end = np.asarray(bounds, np.int64).T
    return spans(Windows("1", start, end), block.positions, callable_bp)


def pair(block, found, populations=(0, 1), wanted=("fst", "dxy", "da")):
    """Compute the columns of a pair."""
    return PAIR.compute(block, found, [block.populations[p] for p in populations], frozenset(wanted))


def pbs(block, found):
    """Compute the column of the trio, the first population in focus."""
    return TRIO.compute(block, found, block.populations, frozenset(["pbs"]))["pbs"]


def compute_one(*matrices, callable_bp=500.0):
    """Compute a pair's single window over everything; give values and reasons by name."""
    block = block_of(matrices)
    made = pair(block, windows_of(block, [(0, 1000)], np.array([callable_bp])))
    return {k: c.values[0] for k, c in made.items()}, {k: Reason(c.reasons[0]) for k, c in made.items()}


@pytest.fixture(scope="module")
def simulated():
    """Three populations of 8, 10 and 12 diploids: tree sequence with one mutation a site, block and windows."""
    demography = msprime.Demography.from_species_tree("((A:2000,B:2000):2000,C:4000)", 5_000)
    trees = msprime.sim_ancestry(
        {"A": 8, "B": 10, "C": 12},
        demography=demography,
        sequence_length=LENGTH,
        recombination_rate=1e-8,
        random_seed=5,
    )
    trees = msprime.sim_mutations(trees, rate=4e-8, model=msprime.BinaryMutationModel(), random_seed=5)
    trees = trees.delete_sites([site.id for site in trees.sites() if len(site.mutations) != 1])
    matrix = trees.genotype_matrix()
    block = block_of([matrix[:, :16], matrix[:, 16:36], matrix[:, 36:]], trees.tables.sites.position)
    return trees, block, spans(sliding(block.region, 40_000, 10_000), block.positions)


def called(row):
    """List a site's known alleles."""
    return [allele for allele in row.tolist() if allele >= 0]


def differing(pairs):
    """Give the share of pairs whose alleles differ, 0 where there is no pair."""
    pairs = list(pairs)
    return Fraction(sum(a != b for a, b in pairs), len(pairs)) if pairs else Fraction(0)


def naive(one, other):
    """Sum over all pairs of chromosomes of every site: Fst's numerator and denominator, dxy and da."""
    above = below = apart = within = Fraction(0)
    for row_one, row_other in zip(one, other, strict=True):
        a, b = called(row_one), called(row_other)
        between = differing(product(a, b))
        inside = (differing(combinations(a, 2)) + differing(combinations(b, 2))) / 2
        apart, within = apart + between, within + inside
        if len(a) > 1 and len(b) > 1:
            above, below = above + between - inside, below + between
    return above, below, apart, apart - within


def too_poor(matrix):
    """Say whether more than half of the alleles are missing."""
    present, known = (matrix >= -1).sum(), (matrix >= 0).sum()
    return len(matrix) and (known == 0 or known < present / 2)


def matrices(count):
    """Draw allele matrices of one number of sites and several numbers of haplotypes."""
    return st.tuples(st.integers(0, 10), st.lists(st.integers(1, 6), min_size=count, max_size=count)).flatmap(
        lambda shape: st.tuples(
            *(
                hnp.arrays(np.int8, (shape[0], size), elements=st.sampled_from([0, 0, 0, 1, 1, -1, -2]))
                for size in shape[1]
            )
        )
    )


@given(matrices(2))
@settings(max_examples=150, deadline=None)
def test_naive(drawn):
    values, reasons = compute_one(*drawn)
    if any(too_poor(matrix) for matrix in drawn):
        assert set(reasons.values()) == {Reason.MISSING_DATA}
        return
    above, below, apart, net = naive(*drawn)
    assert values["fst_num"] == pytest.approx(float(above), abs=1e-12)
    assert values["fst_den"] == pytest.approx(float(below), abs=1e-12)
    assert values["dxy"] == pytest.approx(float(apart) / 500, abs=1e-12)
    assert values["da"] == pytest.approx(float(net) / 500, abs=1e-12)
    if below == 0:
        assert reasons["fst"] is Reason.NO_VARIATION
    else:
        assert values["fst"] == pytest.approx(float(above / below), abs=1e-9)


@given(matrices(3))
@settings(max_examples=100, deadline=None)
def test_naive_pbs(drawn):
    block = block_of(drawn)
    made = pbs(block, windows_of(block, [(0, 1000)]))
    if any(too_poor(matrix) for matrix in drawn):
        assert made.reasons[0] == Reason.MISSING_DATA
        return
    a, b, c = drawn
    sums = [naive(*two)[:2] for two in ((a, b), (a, c), (b, c))]
    defined = [below != 0 for _, below in sums]
    if not all(defined):
        assert made.reasons[0] == (Reason.UNDEFINED if any(defined) else Reason.NO_VARIATION)
        return
    ab, ac, bc = (-log(1 - min(max(float(x / y), 0), 0.99999)) for x, y in sums)
    assert made.values[0] == pytest.approx((ab + ac - bc) / 2, abs=1e-9)


def test_scikit_allel(simulated):
    _, block, found = simulated
    one, other = (allel.HaplotypeArray(p.alleles()).count_alleles(max_allele=1) for p in block.populations[:2])
    above, below = allel.hudson_fst(one, other)
    made = pair(block, found)
    for w in range(len(found)):
        part = slice(found.first[w], found.last[w])
        assert made["fst_num"].values[w] == pytest.approx(above[part].sum(), abs=1e-9)
        assert made["fst_den"].values[w] == pytest.approx(below[part].sum(), abs=1e-9)
        assert made["fst"].values[w] == pytest.approx(above[part].sum() / below[part].sum(), abs=1e-9)
        bounds = {"start": found.start[w] + 1, "stop": found.end[w]}
        dxy = allel.sequence_divergence(block.positions[part] + 1, one[part], other[part], **bounds)
        pi = [allel.sequence_diversity(block.positions[part] + 1, counts[part], **bounds) for counts in (one, other)]
        assert made["dxy"].values[w] == pytest.approx(dxy, abs=1e-12)
        assert made["da"].values[w] == pytest.approx(dxy - sum(pi) / 2, abs=1e-12)


def test_scikit_allel_with_missing_alleles(simulated):
    _, block, found = simulated
    rng = np.random.default_rng(2)
    holed = []
    for population in block.populations:
        alleles = population.alleles()
        alleles[rng.random(alleles.shape) < 0.2] = -1
        holed.append(alleles)
    counts = [allel.HaplotypeArray(alleles).count_alleles(max_allele=1) for alleles in holed]
    made = pair(block_of(holed, block.positions), found, wanted=["fst"])
    above, below = allel.hudson_fst(*counts[:2])
    for w in range(len(found)):
        part = slice(found.first[w], found.last[w])
        assert made["fst"].values[w] == pytest.approx(np.nansum(above[part]) / np.nansum(below[part]), abs=1e-9)


def test_tskit(simulated):
    trees, block, _ = simulated
    edges = np.arange(0, LENGTH + 1, 25_000)
    found = windows_of(block, np.stack([edges[:-1], edges[1:]], axis=1))
    sets = [range(16), range(16, 36), range(36, 60)]
    for i, j in combinations(range(3), 2):
        made = pair(block, found, (i, j))
        divergence = trees.divergence([sets[i], sets[j]], windows=edges)
        within = trees.diversity([sets[i], sets[j]], windows=edges).mean(axis=1)
        np.testing.assert_allclose(made["dxy"].values, divergence, rtol=0, atol=1e-12)
        np.testing.assert_allclose(made["da"].values, divergence - within, rtol=0, atol=1e-12)
        # tskit's Fst divides by the total, (within + between) / 2, Hudson's by between
        slatkin = trees.Fst([sets[i], sets[j]], windows=edges)
        np.testing.assert_allclose(made["fst"].values, 2 * slatkin / (1 + slatkin), rtol=0, atol=1e-9)


def test_overlapping_windows_equal_each_window_alone(simulated):
    _, block, found = simulated
    together = {**pair(block, found), "pbs": pbs(block, found)}
    for w in range(len(found)):
        single = windows_of(block, [(found.start[w], found.end[w])])
        alone = {**pair(block, single), "pbs": pbs(block, single)}
        for name, score in together.items():
            assert score.reasons[w] == alone[name].reasons[0] == Reason.VALUE
            assert score.values[w] == pytest.approx(alone[name].values[0], abs=1e-9)


def test_pbs_is_long_on_the_branch_that_drifted(simulated):
    _, block, found = simulated
    first = pbs(block, found).values.mean()
    block = HaplotypeBlock(block.region, block.positions, block.polarised, block.populations[::-1])
    assert pbs(block, found).values.mean() > first > 0


def test_wanted_names_bring_their_sums():
    block = block_of([[[0, 1, 1]], [[0, 0, 1]]])
    found = windows_of(block, [(0, 10)])
    assert list(pair(block, found, wanted=["fst"])) == ["fst", "fst_num", "fst_den"]
    assert list(pair(block, found, wanted=["da"])) == ["da"]
    assert list(pair(block, found)) == PAIR_COLUMNS


def test_fixed_difference():
    values, _ = compute_one([[0, 0]] * 4, [[1, 1]] * 4)
    assert values == {"fst": 1, "fst_num": 4, "fst_den": 4, "dxy": 4 / 500, "da": 4 / 500}
    block = block_of([[[0, 0]], [[1, 1]], [[1, 1]]])
    made = pbs(block, windows_of(block, [(0, 10)]))
    assert made.reasons[0] == Reason.UNDEFINED  # the second and third are identical
    block = block_of([[[0, 0]] * 2, [[1, 1]] * 2, [[1, 1], [0, 1]]])
    assert pbs(block, windows_of(block, [(0, 20)])).values[0] == pytest.approx((log(1e5) + log(3) - 0) / 2)


def test_reasons():
    same = [[0, 0, 0]] * 3
    values, reasons = compute_one(same, same)
    assert reasons["fst"] is Reason.NO_VARIATION
    assert values["dxy"] == values["da"] == values["fst_den"] == 0
    _, reasons = compute_one([[0, 1]], [[0, 1]], callable_bp=0.0)
    assert reasons == dict.fromkeys(PAIR_COLUMNS, Reason.UNCALLABLE)
    _, reasons = compute_one([[0, 1, 1]], [[0, -1, -1]])
    assert reasons == dict.fromkeys(PAIR_COLUMNS, Reason.MISSING_DATA)
    block = block_of([same, same, same])
    assert pbs(block, windows_of(block, [(0, 30)])).reasons[0] == Reason.NO_VARIATION
    assert pbs(block, windows_of(block, [(0, 30)], np.zeros(1))).reasons[0] == Reason.UNCALLABLE
