"""What the first records say of a file."""

from __future__ import annotations

import pytest
from conftest import save_vcf, vcf_text

from scanner import probe as probing
from scanner import vcf
from scanner.errors import InputError, UsageError
from scanner.populations import Selection
from scanner.probe import probe
from scanner.regions import Region

KINDS = ("input.vcf.gz", "input.bcf")
SNP = ["0|0", "0|1", "1|1"]


def look(path, populations=None, regions=None):
    source = vcf.open_source(path, fallback=path.parent)
    populations = populations or {"all": tuple(range(len(source.samples)))}
    regions = regions or [Region(contig, 0, length) for contig, length in source.lengths.items()]
    return probe(source, Selection(populations, named=True), regions)


@pytest.mark.parametrize("name", KINDS)
def test_shares(write_vcf, name):
    """Of 24 alleles 5 are missing, of 4 heterozygotes 1 has no phase, of 4 SNPs 3 are polarised."""
    records = [
        ("1", 5, "A", "C", "AA=A", ["0|1", "0/1", "0|0"]),
        ("1", 6, "A", "C", "AA=C", ["./.", "0|1", "1|0"]),
        ("1", 7, "A", "C", "AA=G", [".", "0|0", "1/1"]),
        ("1", 8, "A", "AT", "AA=A", ["./.", "0/1", "./."]),
        ("1", 9, "A", "C", "AA=c|", ["0|0", ".|1", "1|1"]),
    ]
    found = look(write_vcf(records, name=name))
    assert (found.records, found.snps, found.ploidy, found.haplotypes) == (5, 4, 2, {"all": 6})
    assert (found.missing, found.unphased, found.polarised) == pytest.approx((5 / 24, 1 / 4, 3 / 4))


@pytest.mark.parametrize("name", KINDS)
def test_only_the_chosen_samples_count(write_vcf, name):
    records = [("1", 5, "A", "C", "", ["0|1", "0/1", "./."]), ("1", 6, "A", "C", "", ["1|0", "0/1", "./1"])]
    found = look(write_vcf(records, name=name), {"A": (0,)})
    assert (found.missing, found.unphased, found.haplotypes) == (0, 0, {"A": 2})
    found = look(write_vcf(records, name=name), {"B": (2,), "A": (1,)})
    assert (found.missing, found.unphased, found.haplotypes) == (3 / 8, 1, {"B": 2, "A": 2})


@pytest.mark.parametrize("name", KINDS)
def test_mixed_ploidy(write_vcf, name):
    """Of a population the site with the most chromosomes counts, not the columns."""
    records = [("X", 5, "A", "C", "", ["0", "0|1", "1"]), ("X", 6, "A", "C", "", ["0", "0/0/1/1", "1"])]
    found = look(write_vcf(records, contigs={"X": 100}, name=name), {"men": (0, 2), "woman": (1,)})
    assert (found.ploidy, found.haplotypes) == (4, {"men": 2, "woman": 4})
    men = look(write_vcf(records, contigs={"X": 100}, name=name), {"men": (0, 2)})
    assert (men.ploidy, men.haplotypes, men.missing) == (1, {"men": 2}, 0)


@pytest.mark.parametrize("name", KINDS)
def test_a_population_of_one_haplotype_is_refused(write_vcf, name):
    path = write_vcf([("1", 5, "A", "C", "", ["0", "0|1", "1"])], name=name)
    with pytest.raises(
        UsageError, match=r"population 'B' has a single haplotype: .*leave it out of the population file"
    ):
        look(path, {"A": (0, 1), "B": (2,)})
    assert look(path, {"A": (0, 2), "B": (1,)}).haplotypes == {"A": 2, "B": 2}


@pytest.mark.parametrize("name", KINDS)
def test_no_genotypes(tmp_path, name):
    text = vcf_text(
        [("1", 5 + n, "A", "C", "", ["3", "4"]) for n in range(3)],
        ["a", "b"],
        {"1": 100},
        ['##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">'],
    ).replace("\tGT\t", "\tDP\t")
    with pytest.raises(InputError, match=r"input.* has no genotypes: FORMAT has no GT in its first 3 records"):
        look(save_vcf(text, tmp_path / name))


@pytest.mark.parametrize("name", KINDS)
def test_no_snp_at_the_start_is_no_fault(write_vcf, name):
    records = [("1", 5, "AT", "A", "", SNP), ("2", 5, "A", "C", "", SNP)]
    path = write_vcf(records, contigs={"1": 100, "2": 100}, name=name)
    alone = look(path, regions=[Region("1", 0, 100)])
    assert (alone.records, alone.snps, alone.missing, alone.unphased, alone.polarised) == (1, 0, 0, 0, 0)
    assert look(path).snps == 1


@pytest.mark.parametrize("name", KINDS)
def test_enough_is_enough(write_vcf, monkeypatch, name):
    """It reads from the start of each region until it has seen its number of records."""
    monkeypatch.setattr(probing, "RECORDS", 4)
    records = [(contig, 5 + n, "A", "C", "", SNP) for contig in "123" for n in range(3)]
    path = write_vcf(records, contigs={"1": 100, "2": 100, "3": 100}, name=name)
    assert look(path).records == 6
    assert look(path, regions=[Region("1", 5, 50), Region("2", 50, 60), Region("3", 0, 7)]).records == 5
    monkeypatch.setattr(probing, "RECORDS", 2)
    assert look(path).records == 2
