"""Parts are joined, standardised over all of the scan, and every count is reconciled."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import save_vcf, vcf_text
from hypothesis import given
from hypothesis import strategies as st
from scanning import accounts, popscan, random_records, read_table, scanned

from scanner import bgzf, vcf
from scanner.gather import Accounts, orient, reason_words
from scanner.scores import Reason

NAN = np.nan


def test_accounts_are_listed_in_order(tmp_path: Path) -> None:
    made = Accounts({"2": Counter(sites=3, indel=1), "1": Counter()}, {"pi": Counter(value=2, few_sites=1)})
    assert list(made.rows()) == [
        ("records", "2", "indel", 1), ("records", "2", "sites", 3), ("windows", "pi", "few_sites", 1),
        ("windows", "pi", "value", 2),
    ]  # fmt: skip
    made.write(tmp_path / "accounting.tsv")
    assert (tmp_path / "accounting.tsv").read_text() == (
        "kind\tname\toutcome\tcount\nrecords\t2\tindel\t1\nrecords\t2\tsites\t3\n"
        "windows\tpi\tfew_sites\t1\nwindows\tpi\tvalue\t2\n"
    )


@given(st.lists(st.lists(st.integers(0, 7), min_size=3, max_size=3), max_size=12))
def test_reason_words_are_the_set_of_a_rows_reasons(codes: list[list[int]]) -> None:
    words = reason_words(np.array(codes, np.uint8).reshape(len(codes), 3))
    assert len(words) == len(codes)
    for row, text in zip(codes, words, strict=True):
        meant = [reason.name.lower() for reason in Reason if reason and reason in row]
        assert text == (",".join(meant) or ".")


def test_polarised_scores_are_those_of_the_derived_allele() -> None:
    raw, frequency = np.array([1.0, -2.0, 3.0, NAN]), np.array([0.1, 0.9, 0.8, NAN])
    known = np.array([True, True, False, False])
    scores, of = orient(raw, frequency, known)
    np.testing.assert_array_equal(scores, [1, -2, NAN, NAN])
    np.testing.assert_array_equal(of, frequency)


def test_unpolarised_scores_are_those_of_the_rarer_allele() -> None:
    raw, frequency = np.array([1.0, -2.0, 3.0, NAN]), np.array([0.1, 0.9, 0.5, NAN])
    scores, of = orient(raw, frequency, np.array([True, False, False, True]))
    np.testing.assert_array_equal(scores, [1, 2, 3, NAN])
    np.testing.assert_allclose(of, [0.1, 0.1, 0.5, NAN])


def test_orienting_nothing() -> None:
    scores, _ = orient(np.array([NAN]), np.array([NAN]), np.array([True]))
    assert np.isnan(scores).all()
    assert orient(np.empty(0), np.empty(0), np.empty(0, np.bool_))[0].shape == (0,)


def scan_of(tmp_path: Path, ancestral: str | None, swap: bool = False) -> dict[tuple[str, int, int], float]:
    """Scan random data whose INFO/AA is REF, ALT, or missing; swap exchanges REF and ALT in the file."""
    rows = []
    for row in random_records("1", 60_000, 500, 12, seed=4):
        genotypes, ref, alt = row[5], row[2], row[3]
        info = {"ref": f"AA={ref}", None: ""}[ancestral]
        if swap:
            ref, alt = alt, ref
            genotypes = [g.translate(str.maketrans("01", "10")) for g in genotypes]
        rows.append((row[0], row[1], ref, alt, info, genotypes))
    name = f"{ancestral}{swap}"
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(12)], {"1": 60_000}), tmp_path / f"{name}.vcf.gz")
    scanned(path, "--out", tmp_path / name, "--threads", 1, "--statistics", "ihs", "--window", "20kb")
    table = read_table(tmp_path / name / "sites.tsv.gz")
    return dict(zip(table.bounds, table.values("ihs").tolist(), strict=True))


def test_ihs_speaks_of_the_same_allele_however_the_file_is_written(tmp_path: Path) -> None:
    for ancestral in ("ref", None):
        plain, swapped = scan_of(tmp_path, ancestral), scan_of(tmp_path, ancestral, swap=True)
        assert len(plain) > 100
        assert plain.keys() == swapped.keys()
        away = [place for place in plain if abs(plain[place] - swapped[place]) > 1e-8]
        if ancestral == "ref":
            assert away == []
        else:  # of two alleles as common as each other, either may be the rarer
            halves = {("1", row[1] - 1, row[1]) for row in random_records("1", 60_000, 500, 12, seed=4)
                      if sum(g.count("1") for g in row[5]) == 12}  # fmt: skip
            assert set(away) <= halves


def test_an_index_that_counts_other_records_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_records("1", 20_000, 100, 6, seed=1)
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(6)], {"1": 20_000}), tmp_path / "x.vcf.gz")
    real = bgzf.read_index
    for more in (3, -3):

        def lying(index: Path, contigs: list[str], more: int = more) -> dict[str, bgzf.ContigIndex]:
            found = real(index, contigs)
            return {
                name: bgzf.ContigIndex((entry.records or 0) + more, entry.first, entry.last, entry.bins)
                for name, entry in found.items()
            }

        monkeypatch.setattr(vcf.bgzf, "read_index", lying)
        failed = popscan("scan", path, "--out", tmp_path / "out", "--threads", 1)
        assert failed.code == 1
        assert failed.sentence.endswith(
            f"x.vcf.gz.tbi counts {100 + more} records on 1, but 100 were read: the index is stale; delete it, and "
            "popscan makes a new one"
        )
        assert not (tmp_path / "out").exists()
        part = popscan("scan", path, "--out", tmp_path / f"part{more}", "--threads", 1, "--region", "1:1-10000")
        assert part.code == 0, "of a part of a contig nobody can tell"
    monkeypatch.undo()
    scanned(path, "--out", tmp_path / "out", "--threads", 1)


def test_old_indexes_without_counts_are_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_records("1", 20_000, 100, 6, seed=1)
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(6)], {"1": 20_000}), tmp_path / "x.vcf.gz")
    real = bgzf.read_index

    def old(index: Path, contigs: list[str]) -> dict[str, bgzf.ContigIndex]:
        found = real(index, contigs)
        return {name: bgzf.ContigIndex(None, e.first, e.last, e.bins) for name, e in found.items()}

    monkeypatch.setattr(vcf.bgzf, "read_index", old)
    scanned(path, "--out", tmp_path / "out", "--threads", 1)
    assert sum(accounts(tmp_path / "out")["records"]["1"].values()) == 100


def test_missing_genotypes_are_tallied_and_leave_no_site(tmp_path: Path) -> None:
    rows = random_records("1", 20_000, 100, 6, seed=1)
    for at in range(10):
        rows[at] = (*rows[at][:5], ["./."] * 4 + ["0|1", "1|1"])
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(6)], {"1": 20_000}), tmp_path / "x.vcf.gz")
    counted = {}
    for share in ("0.5", "0.7"):
        scanned(path, "--out", tmp_path / share, "--threads", 1, "--max-missing", share)
        counted[share] = accounts(tmp_path / share)["records"]["1"]
    assert counted["0.5"]["missing"] == 10
    assert "missing" not in counted["0.7"]
    assert counted["0.7"]["sites"] == counted["0.5"]["sites"] + 10


def test_windows_and_sites_tables_are_bgzf_with_an_end_block(tmp_path: Path) -> None:
    rows = random_records("1", 20_000, 100, 6, seed=1)
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(6)], {"1": 20_000}), tmp_path / "x.vcf.gz")
    scanned(path, "--out", tmp_path / "out", "--threads", 1, "--statistics", "all", "--window", "5kb")
    for name in ("windows.tsv.gz", "sites.tsv.gz"):
        data = (tmp_path / "out" / name).read_bytes()
        assert bgzf.is_bgzf(data[:18])
        assert data.endswith(bgzf._EOF_BLOCK)
        assert gzip.decompress(data).startswith(b"contig\tstart\tend\t")


def test_a_scan_without_a_common_site_has_an_empty_table_of_sites(tmp_path: Path) -> None:
    rows = [("1", 100 * n + 1, "A", "C", "", ["0|1"] + ["0|0"] * 19) for n in range(100)]
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(20)], {"1": 10_000}), tmp_path / "x.vcf.gz")
    scanned(path, "--out", tmp_path / "out", "--threads", 1, "--statistics", "pi,ihs", "--window", "2kb")
    assert read_table(tmp_path / "out" / "sites.tsv.gz").rows == []
    found = accounts(tmp_path / "out")["windows"]
    assert found["ihs"] == {"no_variation": 5}
    assert found["pi"] == {"value": 5}
