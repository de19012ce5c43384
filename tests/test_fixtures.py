"""The shared fixtures hold what their docstrings promise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest
from conftest import Simulated

RECORDS = [("1", 5, "A", "C", "AA=A", ["0|1", "./."]), ("2", 9, "AT", "A,<DEL>", "", ["1/2", "0"])]


@pytest.mark.parametrize(("name", "index"), [("x.vcf", None), ("x.vcf.gz", ".tbi"), ("x.bcf", ".csi")])
def test_write_vcf_writes_every_format(write_vcf: Callable[..., Path], name: str, index: str | None) -> None:
    path = write_vcf(RECORDS, samples=["a b", "c"], contigs={"1": 100, "2": None}, name=name)
    with pysam.VariantFile(str(path)) as file:
        assert list(file.header.samples) == ["a b", "c"]
        assert [file.header.contigs[name].length for name in ("1", "2")] == [100, None]
        found = list(file)
    assert [(r.contig, r.pos, r.ref, r.alts) for r in found] == [("1", 5, "A", ("C",)), ("2", 9, "AT", ("A", "<DEL>"))]
    assert [call["GT"] for r in found for call in r.samples.values()] == [(0, 1), (None, None), (1, 2), (0,)]
    kept = sorted(file.name for file in path.parent.iterdir())
    assert kept == ([name] if index is None else [name, name + index])


def test_write_vcf_without_samples_records_or_index(write_vcf: Callable[..., Path]) -> None:
    path = write_vcf([], index=False)
    with pysam.VariantFile(str(path)) as file:
        assert len(file.header.samples) == 0
        assert list(file) == []
    assert not path.with_name(path.name + ".tbi").exists()


def test_the_simulated_vcf_is_its_tree_sequence(simulated: Simulated) -> None:
    trees, names = simulated.tree_sequence, [f"{p}_{number}" for p in "ABC" for number in range(20)]
    with pysam.VariantFile(str(simulated.vcf)) as file:
        assert list(file.header.samples) == names
        assert file.header.contigs[simulated.contig].length == simulated.length
        records = list(file.fetch(simulated.contig, 0, simulated.length))
    assert [record.start for record in records] == trees.tables.sites.position.tolist()
    alleles = np.array([[allele for call in r.samples.values() for allele in call["GT"]] for r in records])
    np.testing.assert_array_equal(alleles, trees.genotype_matrix())
    assert {len(record.alleles) for record in records} == {2}
    assert all(record.info["AA"] == record.ref for record in records)
    assert all(call.phased for record in records[:20] for call in record.samples.values())
    assert alleles.sum(axis=1).min() > 0
    assert alleles.sum(axis=1).max() < 120
    assert simulated.populations.read_text().splitlines() == [f"{name}\t{name[0]}" for name in names]


def test_the_simulated_populations_are_as_far_apart_as_said(simulated: Simulated) -> None:
    a, b, c = (simulated.samples(name) for name in "ABC")
    assert (a, c) == (list(range(40)), list(range(80, 120)))
    pi = simulated.tree_sequence.diversity([a, b, c])
    dxy = simulated.tree_sequence.divergence([a, b, c], indexes=[(0, 1), (0, 2), (1, 2)])
    fst = 1 - np.array([pi[0] + pi[1], pi[0] + pi[2], pi[1] + pi[2]]) / 2 / dxy
    np.testing.assert_allclose(fst, [1 / 21, 1 / 2, 1 / 2], atol=0.1, rtol=0.2)
    assert fst[0] < fst[1:].min() / 5
