"""What sequencing does to a simulation: one thing at a time, against the truth that it started from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.haplotypes import Haplotypes, unpack
from scanner.simulate.coalescent import Simulation
from scanner.simulate.observation import Observation
from scanner.simulate.observe import MAX_MISSING, Observed, observe
from scanner.simulate.priors import Prior


def simulation(sites: int = 600, haplotypes: int = 40, seed: int = 1) -> Simulation:
    """Give independent sites: those with few copies are more frequent, and every one segregates."""
    rng = np.random.default_rng(seed)
    copies = np.minimum(haplotypes - 1, np.floor(np.exp(rng.uniform(0, np.log(haplotypes), sites)))).astype(int)
    alleles = (np.arange(haplotypes) < copies[:, None]).astype(np.int8)
    alleles = rng.permuted(alleles, axis=1)
    return Simulation(10 * sites, np.arange(sites) * 10 + 3, alleles, {}, np.zeros(1), np.full(1, 1e-8))


def just(value: float) -> Prior:
    return Prior("choice", (value,))


def look(one: Simulation, how: Observation, seed: int = 5) -> Observed:
    return observe(one, how, np.random.default_rng(seed))


def genotypes(alleles: np.ndarray) -> np.ndarray:
    """Count derived alleles of every sample; -1 where not called."""
    pairs = alleles.reshape(len(alleles), -1, 2)
    return np.where((pairs < 0).any(axis=2), -1, pairs.sum(axis=2))


def at(one: Simulation, seen: Observed) -> np.ndarray:
    """Give the true alleles of the sites that are seen."""
    return one.alleles[np.searchsorted(one.positions, seen.positions)]


def test_without_any_noise_everything_is_seen() -> None:
    one = simulation()
    seen = look(one, Observation())
    assert seen.positions.tolist() == one.positions.tolist()
    assert (seen.haplotypes.alleles() == one.alleles).all()
    assert seen.haplotypes.placed is seen.haplotypes.known


def test_a_subset_of_haplotypes_keeps_the_sites_that_segregate_in_it() -> None:
    one = simulation()
    seen = look(one, Observation(haplotypes=just(10)))
    found = seen.haplotypes.alleles()
    assert found.shape[1] == seen.haplotypes.size == 10
    true = at(one, seen)
    columns = [np.flatnonzero((true == found[:, [column]]).all(axis=0)) for column in range(10)]
    assert all(len(places) == 1 for places in columns)
    chosen = np.concatenate(columns)
    assert len(set(chosen.tolist())) == 10
    count = one.alleles[:, chosen].sum(axis=1)
    assert seen.positions.tolist() == one.positions[(count > 0) & (count < 10)].tolist()
    other = look(one, Observation(haplotypes=just(10)), seed=6)
    assert other.positions.tolist() != seen.positions.tolist()


def test_no_more_haplotypes_are_seen_than_there_are() -> None:
    assert look(simulation(), Observation(haplotypes=just(99))).haplotypes.size == 40


def test_masked_stretches_lose_their_sites_and_no_others() -> None:
    """Stretches of 500 bp that cover a fifth of 20 kb, where there is a site every 10 bp."""
    one = simulation(sites=2000)
    kept, most = [], 0
    for seed in range(12):
        seen = look(one, Observation(masked=just(0.2), masked_length=just(500)), seed)
        assert (seen.haplotypes.alleles() == at(one, seen)).all()
        kept.append(len(seen.positions) / 2000)
        gaps = np.diff(seen.positions)
        assert all(gap == 10 or gap >= 500 for gap in gaps.tolist())
        most = max(most, int(gaps.max()))
    assert min(kept) > 0.79
    assert max(kept) < 0.9
    assert np.mean(kept) == pytest.approx((1 - 500 / 20_000) ** 8, abs=0.02)  # stretches fall on one another
    assert most > 700


def test_the_last_masked_stretch_is_cut_so_that_no_more_is_masked() -> None:
    one = simulation()
    assert len(look(one, Observation(masked=just(0.1), masked_length=just(1e6))).positions) == pytest.approx(540, abs=1)


def test_every_haplotype_is_as_likely() -> None:
    one = simulation(sites=200, haplotypes=12)
    one.alleles[:12] = np.eye(12, dtype=np.int8)  # tells who is seen
    counts = np.zeros(12)
    for seed in range(600):
        seen = look(one, Observation(haplotypes=just(3)), seed)
        counts[[position // 10 for position in seen.positions if position < 120]] += 1
    assert counts.sum() == 1800
    np.testing.assert_allclose(counts, 150, atol=46)  # four standard deviations


def test_errors_are_as_frequent_as_asked_for() -> None:
    one = simulation(sites=2000)
    seen = look(one, Observation(error=just(0.01)))
    wrong = (seen.haplotypes.alleles() != at(one, seen)).mean()
    assert wrong == pytest.approx(0.01, rel=0.12)


@given(st.integers(0, 1000), st.floats(0, 1), st.booleans())
def test_phase_changes_nothing_in_genotypes(seed: int, rate: float, unphased: bool) -> None:
    one = simulation(sites=60, seed=seed)
    seen = look(one, Observation(switch=just(rate), unphased=(just(1),) if unphased else ()), seed)
    assert (genotypes(seen.haplotypes.alleles()) == genotypes(one.alleles)).all()


def test_switches_are_as_frequent_as_asked_for() -> None:
    one = simulation(sites=3000)
    found = look(one, Observation(switch=just(0.03))).haplotypes.alleles().reshape(3000, 20, 2)
    true = one.alleles.reshape(3000, 20, 2)
    switches = hets = 0
    for sample in range(20):
        het = true[:, sample, 0] != true[:, sample, 1]
        swapped = found[het, sample, 0] != true[het, sample, 0]
        switches += np.count_nonzero(swapped[1:] != swapped[:-1])
        hets += len(swapped) - 1
    assert switches / hets == pytest.approx(0.03, rel=0.15)


def test_without_phase_heterozygotes_are_not_placed() -> None:
    one = simulation()
    seen = look(one, Observation(unphased=(just(1),))).haplotypes
    placed = unpack(seen.placed, seen.size).reshape(len(one.positions), -1, 2)
    het = genotypes(one.alleles) == 1
    assert (placed == ~het[:, :, None]).all()
    assert (seen.unphased_count == het.sum(axis=1)).all()
    found = seen.alleles().reshape(len(het), -1, 2)
    share = (found[het] == one.alleles.reshape(found.shape)[het]).all(axis=1).mean()
    assert share == pytest.approx(0.5, abs=0.05), "which chromosome carries the allele must be left to chance"


@pytest.mark.parametrize(("haplotypes", "size"), [(11, 10), (10, 10), (3, 2)])
def test_without_phase_there_are_two_of_each(haplotypes: int, size: int) -> None:
    seen = look(simulation(), Observation(unphased=(just(1),), haplotypes=just(haplotypes))).haplotypes
    assert seen.size == size
    assert seen.unphased_count.sum() > 0


def test_an_odd_number_of_haplotypes_are_haploids() -> None:
    one = simulation()
    seen = look(one, Observation(haplotypes=just(11), missing=just(0.2))).haplotypes
    assert seen.size == 11
    missing = seen.alleles() < 0
    assert (missing[:, 0] != missing[:, 1]).any()


@pytest.mark.parametrize("share", [0.005, 0.05])
def test_as_much_is_missing_as_asked_for(share: float) -> None:
    one = simulation(sites=4000)
    seen = look(one, Observation(missing=just(share)))
    found = seen.haplotypes.alleles()
    assert (found < 0).mean() == pytest.approx(share, rel=0.1)
    calls = genotypes(found)
    assert (found.reshape((*calls.shape, 2))[calls < 0] == -1).all(), "a genotype is missing as a whole"
    assert (calls == genotypes(at(one, seen)))[calls >= 0].all()


def test_some_sites_miss_more_than_others() -> None:
    """Their rates are exponential: the variance is that of a binomial and that of the rates."""
    seen = look(simulation(sites=4000), Observation(missing=just(0.05)))
    by_site = (genotypes(seen.haplotypes.alleles()) < 0).mean(axis=1)
    assert by_site.var() == pytest.approx((0.05 - 2 * 0.05**2) / 20 + 0.05**2, rel=0.2)


def test_sites_with_too_much_missing_are_left_out() -> None:
    one = simulation(sites=2000)
    seen = look(one, Observation(missing=just(0.4))).haplotypes
    assert 0.3 * 2000 < len(seen.known_count) < 0.95 * 2000
    assert seen.known_count.min() >= (1 - MAX_MISSING) * 40
    assert seen.segregating.all()


def test_singletons_are_lost_as_asked_for_and_nothing_else_is() -> None:
    one = simulation(sites=4000)
    copies = np.minimum(one.alleles.sum(axis=1), 40 - one.alleles.sum(axis=1))
    seen = look(one, Observation(singletons_lost=just(0.7)))
    kept = np.isin(one.positions, seen.positions)
    assert kept[copies > 1].all()
    assert kept[copies == 1].mean() == pytest.approx(0.3, abs=0.05)
    assert not np.isin(one.positions[copies == 1], look(one, Observation(singletons_lost=just(1))).positions).any()


@pytest.mark.parametrize(("least", "copies"), [(0.05, 2), (0.051, 3), (0.2, 8)])
def test_rare_sites_are_filtered_out(least: float, copies: int) -> None:
    one = simulation()
    count = one.alleles.sum(axis=1)
    seen = look(one, Observation(min_maf=just(least)))
    assert seen.positions.tolist() == one.positions[np.minimum(count, 40 - count) >= copies].tolist()


def test_frequencies_are_those_of_the_called() -> None:
    """A site is filtered by its own sample size, as a scan does it."""
    seen = look(simulation(sites=3000), Observation(min_maf=just(0.1), missing=just(0.2))).haplotypes
    minor = np.minimum(seen.derived_count, seen.known_count - seen.derived_count)
    assert (minor >= 0.1 * seen.known_count).all()
    assert (minor < 0.1 * 40).any()


def test_the_generator_decides_everything() -> None:
    how = Observation(just(20), *(Prior("uniform", (0.01, 0.1)) for _ in range(5)))

    def packed(found: Haplotypes) -> bytes:
        return found.derived.tobytes() + found.known.tobytes()

    one, same, other = (look(simulation(), how, seed) for seed in (3, 3, 4))
    assert packed(one.haplotypes) == packed(same.haplotypes) != packed(other.haplotypes)
