"""Proposed recipes: data are made with known parameters, and the proposal must hold these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import msprime
import numpy as np
import pytest
from conftest import save_vcf, vcf_text
from hypothesis import given
from hypothesis import strategies as st
from recipes import changed
from small_introgression import RECIPE as PAIR

from scanner import vcf
from scanner.data import sample
from scanner.errors import InputError, UsageError
from scanner.like import PLACES, _expected, _places, _rarest, _singletons_lost, measure, propose
from scanner.populations import select
from scanner.simulate.coalescent import simulate_one
from scanner.simulate.observe import observe
from scanner.simulate.priors import Prior
from scanner.simulate.recipe import Recipe, find_recipe, parse_recipe, read_recipe
from scanner.train.options import training_options

MU, SIZE, LENGTH = 5e-8, 4000, 200_000
Make = Callable[..., Path]


@dataclass(frozen=True)
class Truth:
    """A constant population of 4,000: 30 diploids and 200 kb, mutation 5e-8 and recombination 3e-8 per bp."""

    positions: np.ndarray
    alleles: np.ndarray


@pytest.fixture(scope="module")
def truth() -> Truth:
    trees = msprime.sim_ancestry(
        30, population_size=SIZE, sequence_length=LENGTH, recombination_rate=3e-8, random_seed=11
    )
    trees = msprime.sim_mutations(trees, rate=MU, model=msprime.BinaryMutationModel(), random_seed=12)
    alleles = trees.genotype_matrix().astype(np.int8)
    count = alleles.sum(axis=1)
    kept = (count > 0) & (count < 60)
    return Truth(trees.sites_position[kept].astype(int), alleles[kept])


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a function that writes alleles (sites, haplotypes; -1 missing) as a VCF."""

    def write(
        positions: Sequence[int], alleles: np.ndarray, sign: str = "|", aa: bool = False, name: str = "people.vcf.gz"
    ) -> Path:
        letters = np.array(["0", "1", "."])[alleles]
        rows = (
            ("1", int(position) + 1, "A", "C", "AA=A" if aa else "", [sign.join(pair) for pair in row.reshape(-1, 2)])
            for position, row in zip(positions, letters, strict=True)
        )
        samples = [f"s{number}" for number in range(alleles.shape[1] // 2)]
        return save_vcf(vcf_text(rows, samples, {"1": LENGTH}), tmp_path / name)

    return write


def proposed(path: Path, *words: object, **options: object) -> Recipe:
    return parse_recipe(propose(path, *words, **{"mutation_rate": MU, **options}), "proposal")  # type: ignore[arg-type]


def inside(prior: Prior, value: float) -> bool:
    return prior.range[0] <= value <= prior.range[1]


def test_plain_data_are_recognised(truth: Truth, make: Make) -> None:
    path = make(truth.positions, truth.alleles)
    (found,) = measure(path)
    assert (found.name, found.haplotypes, found.sites) == ("", 60, len(truth.positions))
    assert (found.missing, found.unphased, found.polarised, found.min_maf) == (0, 0, 0, 0)
    assert found.singletons_lost is None
    assert found.density == pytest.approx(len(truth.positions) / LENGTH, rel=0.05)
    assert found.theta == pytest.approx(4 * SIZE * MU, rel=0.3)
    asked = proposed(path)
    assert asked.name == "like-people"
    assert asked.haplotypes.range == (60, 60)
    assert asked.observation.haplotypes is not None
    assert asked.observation.haplotypes.range == (48, 60)
    constant, steps = asked.histories
    assert inside(constant.numbers["size"], SIZE)
    assert constant.numbers["size"].range[1] / constant.numbers["size"].range[0] == pytest.approx(9, rel=0.1)
    assert all(inside(prior, SIZE) for name, prior in steps.numbers.items() if name.startswith("sizes"))
    assert inside(asked.mutation_rate, MU)
    assert asked.network["encoding"] == "folded-2"
    assert not asked.observation.unphased
    for name in ("missing", "singletons_lost", "min_maf"):
        assert getattr(asked.observation, name).range == (0, 0)


def test_a_recipe_is_the_base_of_a_proposal(truth: Truth, make: Make) -> None:
    """What no VCF shows comes from the base, and the lengths suit its task."""
    path = make(truth.positions, truth.alleles)
    density = len(truth.positions) / LENGTH
    swept, base = proposed(path, base=Path("sweep")), read_recipe(find_recipe(Path("sweep")))
    assert (swept.task, swept.sweep, swept.network["parts"]) == ("sweep", base.sweep, 11)
    assert swept.length.range[0] * density / 11 > 30
    assert swept.length.range[1] * density * 4 < training_options(swept).how.tile
    grown = proposed(path, base=Path("demography-t5"))
    assert [history.kind for history in grown.histories] == ["piecewise"]
    assert training_options(grown).how.target == "history"
    assert grown.length.range[1] * density > 5000
    assert training_options(proposed(path)).how.target == "rate"


def test_two_populations_are_no_base(make: Make, truth: Truth, tmp_path: Path) -> None:
    (tmp_path / "pair.toml").write_text(PAIR)
    with pytest.raises(UsageError, match="recipe quick-introgression has two populations, and --like measures one"):
        propose(make(truth.positions, truth.alleles), base=tmp_path / "pair.toml")


def test_the_proposal_simulates_data_like_those_given(truth: Truth, make: Make) -> None:
    asked = proposed(make(truth.positions, truth.alleles))
    rng = np.random.default_rng(1)
    densities = []
    for index in range(24):
        one = simulate_one(asked, index)
        densities.append(len(observe(one, asked.observation, rng).positions) / one.length)
    given_density = len(truth.positions) / LENGTH
    assert min(densities) < given_density < max(densities)
    assert given_density / 3 < np.median(densities) < given_density * 3


def test_ancestral_alleles_are_used_where_they_are_known(truth: Truth, make: Make) -> None:
    path = make(truth.positions, truth.alleles, aa=True)
    assert measure(path)[0].polarised == 1
    assert proposed(path).network["encoding"] == "polarised-2"


def test_data_without_phase(truth: Truth, make: Make) -> None:
    path = make(truth.positions, truth.alleles, sign="/")
    assert measure(path)[0].unphased == 1
    asked = proposed(path)
    assert asked.observation.unphased
    assert asked.observation.switch.range == (0, 0)


@pytest.mark.parametrize("share", [0.01, 0.15])
def test_missing_genotypes(truth: Truth, make: Make, share: float) -> None:
    lost = np.random.default_rng(3).random((len(truth.alleles), 30)) < share
    path = make(truth.positions, np.where(np.repeat(lost, 2, axis=1), np.int8(-1), truth.alleles))
    assert measure(path)[0].missing == pytest.approx(share, rel=0.1)
    assert measure(path)[0].theta == pytest.approx(4 * SIZE * MU, rel=0.35)
    asked = proposed(path)
    assert inside(asked.observation.missing, share)
    assert asked.observation.missing.range[1] < 3 * share
    assert asked.haplotypes.range == (60, 60)


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_lost_singletons(truth: Truth, make: Make, share: float) -> None:
    count = truth.alleles.sum(axis=1)
    single = np.minimum(count, 60 - count) == 1
    kept = ~single | (np.random.default_rng(4).random(len(count)) >= share)
    path = make(truth.positions[kept], truth.alleles[kept])
    (found,) = measure(path)
    assert found.theta == pytest.approx(4 * SIZE * MU, rel=0.35), "the sizes must not shrink with the singletons"
    lost = proposed(path).observation.singletons_lost
    assert inside(lost, share)
    assert lost.range[0] > 0.2
    assert inside(proposed(path).histories[0].numbers["size"], SIZE)


def test_a_filter_of_rare_alleles(truth: Truth, make: Make) -> None:
    count = truth.alleles.sum(axis=1)
    kept = np.minimum(count, 60 - count) >= 0.1 * 60
    path = make(truth.positions[kept], truth.alleles[kept])
    (found,) = measure(path)
    assert 5 / 60 < found.min_maf <= 6 / 60
    assert found.theta == pytest.approx(4 * SIZE * MU, rel=0.4)
    assert inside(proposed(path).histories[0].numbers["size"], SIZE)
    assert proposed(path).observation.singletons_lost.range == (0, 0)


def test_populations(truth: Truth, make: Make, tmp_path: Path) -> None:
    """One of them alone, or a recipe that covers both."""
    path, table = make(truth.positions, truth.alleles), tmp_path / "p.tsv"
    table.write_text("".join(f"s{number}\t{'few' if number < 8 else 'many'}\n" for number in range(28)))
    few, many = measure(path, table)
    assert [(item.name, item.haplotypes) for item in (few, many)] == [("few", 16), ("many", 40)]
    columns = truth.alleles[:, :16].sum(axis=1)
    assert few.sites == ((columns > 0) & (columns < 16)).sum()
    assert proposed(path, table, "few").haplotypes.range == (16, 16)
    both = proposed(path, table)
    assert both.observation.haplotypes == Prior("uniform", (12, 40))
    for item in (few, many):
        assert inside(both.histories[0].numbers["size"], item.theta / (4 * MU))


def test_long_gaps_are_no_sequence(truth: Truth, make: Make) -> None:
    """A third of the contig has no records, as around a centromere."""
    kept = (truth.positions < 70_000) | (truth.positions > 140_000)
    (found,) = measure(make(truth.positions[kept], truth.alleles[kept]))
    assert found.density == pytest.approx(kept.sum() / 130_000, rel=0.08)


def test_a_long_file_is_looked_at_in_places() -> None:
    bundled = sample()
    found = measure(bundled.vcf, bundled.populations)
    assert [item.name for item in found] == ["GBR", "FIN", "IBS"]
    for item in found:
        assert item.haplotypes in (182, 198, 214)
        assert 1500 < item.sites < 8000, "about 6,000 records are looked at, of 40,000"
        assert 0.003 < item.density < 0.006
        assert 5e-4 < item.theta < 1.2e-3  # humans: about 1 in 1,000
        assert item.missing == 0


def test_the_base_gives_what_no_vcf_shows(truth: Truth, make: Make, tmp_path: Path) -> None:
    text = changed(
        ("seed = 7", "seed = 77"),
        ("length = 3000", "length = 3000\nmax_rho = 99\ndiscrete = false"),
        ("1e-6] }\n", "1e-6] }\nhotspots = { share = 0.25, spacing = 4e4, width = 2e3, intensity = 50 }\n"),
        ("[mutation]", "[observation]\nerror = 0.003\nswitch = { choice = [0, 0.1] }\n[mutation]"),
        (
            "[mutation]",
            '[network]\ntarget = "rho"\ndilations = [1, 2]\n[training]\nepochs = 3\nwindows = 9\n[mutation]',
        ),
    )
    (tmp_path / "base.toml").write_text(text)
    base = parse_recipe(text, "base")
    asked = proposed(make(truth.positions, truth.alleles), base=tmp_path / "base.toml", mutation_rate=3e-6)
    assert (asked.seed, asked.simulations, asked.max_rho, asked.discrete) == (77, 12, 99, False)
    assert asked.hotspots == base.hotspots
    assert (asked.observation.error, asked.observation.switch) == (base.observation.error, base.observation.switch)
    assert dict(asked.network) == {"target": "rho", "dilations": [1, 2], "encoding": "folded-2"}
    assert asked.training["epochs"] == 3
    assert asked.training["windows"] != 9
    assert asked.recombination_rate.range == pytest.approx((1e-7, 1e-5), rel=0.01)  # ten times, as mutation is
    same = proposed(make(truth.positions, truth.alleles), base=tmp_path / "base.toml", mutation_rate=3e-7)
    assert same.recombination_rate == base.recombination_rate


def test_windows_hold_some_dozens_to_many_hundred_sites(truth: Truth, make: Make) -> None:
    asked = proposed(make(truth.positions, truth.alleles))
    low, high = asked.training["windows"]["log_uniform"]
    density = len(truth.positions) / LENGTH
    assert 30 < low * density < 60
    assert 1200 < high * density < 2000
    assert asked.length.range[1] >= high
    assert asked.length.range[0] > low


def test_odd_file_names_stay_in_their_comment(truth: Truth, make: Make) -> None:
    path = make(truth.positions, truth.alleles, name='Odd\n"name" [1].vcf.gz')
    assert proposed(path).name == "like-odd-name-1"


def test_too_few_sites(truth: Truth, make: Make, tmp_path: Path) -> None:
    path, table = make(truth.positions[:90], truth.alleles[:90]), tmp_path / "p.tsv"
    table.write_text("s0\tB\ns1\tA\n")
    with pytest.raises(InputError, match=r"people\.vcf\.gz: the sample has 90 segregating SNPs where .* needs 100$"):
        propose(path)
    with pytest.raises(InputError, match=r"people\.vcf\.gz: population 'B' has \d+ segregating SNPs where"):
        propose(path, table, "B")


def test_stretches_lie_apart_and_within_the_contig() -> None:
    """Also where an old index does not count its records."""
    bundled = sample()
    source = vcf.open_source(bundled.vcf, fallback=bundled.vcf.parent)
    selection = select(source.samples, None, None)
    old = replace(source, entries={name: replace(entry, records=None) for name, entry in source.entries.items()})
    for one in (source, old):
        found = _places(one, selection)
        assert len(found) == PLACES
        assert all(before.end <= after.start for before, after in pairwise(found))
        assert found[-1].end <= source.lengths["20"]
        assert found[0].start < 1_400_000 < 3_600_000 < found[-1].end, "they are spread over the data"


def test_wrong_calls(truth: Truth, make: Make, tmp_path: Path) -> None:
    path, table = make(truth.positions, truth.alleles), tmp_path / "p.tsv"
    table.write_text("s0\tA\ns1\tB\n")
    with pytest.raises(
        UsageError, match=r"^population 'A' needs a file that says who belongs to it: --populations TSV$"
    ):
        propose(path, None, "A")
    with pytest.raises(UsageError, match=r"p\.tsv has no population 'C': there is A, B$"):
        propose(path, table, "C")
    with pytest.raises(UsageError, match=r"^mutation rate 1: give one per bp and generation, such as 1\.25e-08$"):
        propose(path, mutation_rate=1)
    with pytest.raises(UsageError, match=r"none\.vcf\.gz"):
        propose(tmp_path / "none.vcf.gz")
    with pytest.raises(UsageError, match=r"^nothing: no such recipe file"):
        propose(path, base=Path("nothing"))


def test_lengths_that_the_header_lacks(truth: Truth, tmp_path: Path) -> None:
    rows = [
        ("1", int(position) + 1, "A", "C", "", ["|".join(map(str, pair)) for pair in row.reshape(-1, 2).tolist()])
        for position, row in zip(truth.positions, truth.alleles, strict=True)
    ]
    path = save_vcf(vcf_text(rows, [f"s{number}" for number in range(30)], {"1": None}), tmp_path / "bare.vcf.gz")
    with pytest.raises(InputError, match="--chrom-sizes"):
        measure(path)
    (tmp_path / "sizes").write_text(f"1\t{LENGTH}\n")
    assert measure(path, chrom_sizes=tmp_path / "sizes")[0].haplotypes == 60


@given(st.integers(2, 90))
def test_the_neutral_spectrum(size: int) -> None:
    """Folding the unfolded one, 1 / i, by hand."""
    folded = np.zeros(size // 2 + 1)
    for copies in range(1, size):
        folded[min(copies, size - copies)] += 1 / copies
    np.testing.assert_allclose(_expected(size), folded)


@pytest.mark.parametrize("lost", [0.0, 0.35, 0.8])
def test_the_share_of_lost_singletons_is_estimated(lost: float) -> None:
    rng = np.random.default_rng(2)
    classes = _expected(60)
    classes[1] *= 1 - lost
    minor = rng.choice(31, size=6000, p=classes / classes.sum())
    found, error = _singletons_lost(minor, 60)
    assert found == pytest.approx(lost, abs=max(0.05, 3 * error))


def test_too_many_singletons_are_none_lost() -> None:
    """As in a population that grew."""
    classes = _expected(60)
    classes[1] *= 2
    minor = np.random.default_rng(2).choice(31, size=3000, p=classes / classes.sum())
    assert _singletons_lost(minor, 60) == (0, 0)


def test_very_small_samples_tell_nothing_of_singletons() -> None:
    assert _singletons_lost(np.ones(200, np.int64), 3) == (0, 0)
    assert _rarest(np.ones(200, np.int64)) == 1


def test_a_few_stray_sites_do_not_hide_a_filter() -> None:
    assert _rarest(np.array([1] * 4 + [5] * 996)) == 5
    assert _rarest(np.array([1] * 60 + [5] * 940)) == 1
