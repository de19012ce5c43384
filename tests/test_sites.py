"""Scores of single sites do not depend on how a contig was cut into parts, nor on when its ploidy was found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import save_vcf, vcf_text
from scanning import Several, popscan, random_records, read_table, scanned, write_several

from scanner import partition, sites
from scanner.haplotypes import from_alleles, unpack
from scanner.partition import Part
from scanner.sites import site_name, site_tasks
from scanner.windows import Windows

SCORES = ("--statistics", "ihs,nsl,xpehh", "--window", "20kb", "--step", "10kb", "--min-sites", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """One contig of 6 Mb: a core reaches sites of other parts, and some parts lie out of its reach."""
    rows = random_records("1", 6_000_000, 3_000, 12, seed=7)
    return write_several(tmp_path_factory.mktemp("sites"), rows, {"1": 6_000_000}, 12)


def parts_of(monkeypatch: pytest.MonkeyPatch, records: int) -> None:
    monkeypatch.setattr(partition, "PART_RECORDS", (records, records))


def test_the_cuts_between_parts_change_no_score(data: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, counts = {}, set()
    for records in (10_000, 700, 250):
        parts_of(monkeypatch, records)
        words = [data.vcf, "-p", data.populations, *SCORES]
        counts.add(popscan("plan", *words).out.partition("parts ")[2].split()[0])
        scanned(*words, "--out", tmp_path / str(records), "--threads", 1)
        found[records] = [(tmp_path / str(records) / name).read_bytes() for name in ("sites.tsv.gz", "windows.tsv.gz")]
    assert len(counts) == 3
    assert found[10_000] == found[700] == found[250]
    table = read_table(tmp_path / "250" / "sites.tsv.gz")
    assert all(np.isfinite(table.values(name)).sum() > 500 for name in table.columns[3:])


def haploid(genotype: str) -> str:
    return genotype[0]


@pytest.mark.parametrize("first", ["haploid", "diploid"])
def test_a_contig_whose_ploidy_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """Half the contig is haploid in every second sample; what is seen first decides how wide parts begin."""
    rows = random_records("1", 400_000, 4_400, 12, seed=3)
    half = [(*row[:5], [g if n % 2 else haploid(g) for n, g in enumerate(row[5])]) for row in rows]
    whole = [(*row[:5], [haploid(g) for g in row[5]]) for row in rows]
    mixed = [*whole[:2_200], *half[2_200:]] if first == "haploid" else [*half[:2_200], *whole[2_200:]]
    data = write_several(tmp_path, mixed, {"1": 400_000}, 12)
    found = {}
    for records in (100_000, 900):
        parts_of(monkeypatch, records)
        out = tmp_path / str(records)
        scanned(data.vcf, "-p", data.populations, *SCORES, "--out", out, "--threads", 1)
        found[records] = (out / "sites.tsv.gz").read_bytes()
    assert found[900] == found[100_000]
    assert len(read_table(tmp_path / "900" / "sites.tsv.gz").rows) > 500


def test_widened_planes_put_samples_where_they_belong() -> None:
    draw = np.random.default_rng(2)
    one = draw.integers(0, 2, (5, 70)).astype(np.int8)
    two = draw.integers(0, 2, (4, 140)).astype(np.int8)
    packed = [from_alleles("A", one, ploidy=1), from_alleles("A", two, ploidy=2)]
    joined = sites._widened([p.derived for p in packed], [70, 140], 70)
    wide = np.zeros((5, 140), np.int8)
    wide[:, ::2] = one
    np.testing.assert_array_equal(unpack(joined, 140), np.vstack([wide, two]))
    same = sites._widened([packed[1].derived] * 2, [140, 140], 70)
    np.testing.assert_array_equal(unpack(same, 140), np.vstack([two, two]))


def test_a_task_knows_the_parts_within_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "MAX_EXTEND", 100)

    def part(index: int, segment: int, low: int, high: int) -> Part:
        windows = Windows("1", np.array([low]), np.array([high]))
        from scanner.regions import Region

        return Part(index, segment, Region("1", low, high), (low, high), windows, 1)

    cores = [(0, 80), (80, 150), (150, 400), (400, 500)]
    parts = [part(at, 0, *core) for at, core in enumerate(cores)] + [part(4, 1, 500, 600)]
    found = site_tasks(None, parts)  # type: ignore[arg-type]
    assert [(task.around, task.at_start, task.at_end) for task in found] == [
        ((0, 1, 2), True, False),
        ((0, 1, 2), True, False),
        ((0, 1, 2, 3), True, True),
        ((2, 3), False, True),
        ((4,), True, True),
    ]
    assert site_name(12) == "sites-000012"


def test_missing_and_unphased_sites_have_no_score(tmp_path: Path) -> None:
    rows = random_records("1", 50_000, 300, 10, seed=9)
    for at in (50, 120):
        rows[at] = (*rows[at][:5], ["./.", *rows[at][5][1:]])
    for at in (80, 200):
        rows[at] = (*rows[at][:5], ["0/1", *rows[at][5][1:]])
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(10)], {"1": 50_000}), tmp_path / "x.vcf.gz")
    scanned(path, "--out", tmp_path / "out", "--threads", 1, *SCORES[:1], "ihs,nsl", *SCORES[2:])
    scored = {start for _, start, _ in read_table(tmp_path / "out" / "sites.tsv.gz").bounds}
    assert len(scored) > 100
    assert scored & {rows[at][1] - 1 for at in (50, 80, 120, 200)} == set()
