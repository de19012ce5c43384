"""``popscan check`` says everything that is wrong, at once, and whether a scan would run."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import save_vcf, vcf_text
from scanning import Several, popscan, random_records, scanned, several

NAMES = [f"s{number}" for number in range(8)]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """2 contigs of 20 kb, 120 records each, 8 samples, phased and polarised."""
    return several(tmp_path_factory.mktemp("check"), contigs=2, records=120, length=20_000, samples=8)


def found(text: str, mark: str) -> list[str]:
    return [line.removeprefix(mark).strip() for line in text.splitlines() if line.startswith(mark)]


def test_a_good_input_is_said_to_be_good(good: Several) -> None:
    done = popscan("check", good.vcf, "-p", good.populations)
    assert (done.code, done.err) == (0, "")
    assert found(done.out, "ERROR") == []
    said = found(done.out, "ok")
    assert said[0] == f"{good.vcf}: VCF, 8 samples, index input.vcf.gz.tbi"
    assert said[1] == "A 3 samples, B 3 samples, C 2 samples"
    varied = sum(len(set("".join(row[5])) - {"|"}) == 2 for row in good.records)
    assert said[2] == f"{varied:,} biallelic SNPs that vary among the selected samples"
    assert found(done.out, "warning") == [f"{240 - varied} records would not be used: monomorphic"]


def faulty(folder: Path) -> list[object]:
    """Write a file with many faults, and files beside it that do not fit."""
    rows = random_records("1", 20_000, 2_100, 8, seed=1) + random_records("2", 20_000, 100, 8, seed=2)
    rows = [(*row[:4], "", [g.replace("|", "/") for g in row[5]]) for row in rows]  # no phase, no INFO/AA
    for at in range(600):
        rows[at] = (*rows[at][:5], ["./."] * 4 + list(rows[at][5][4:]))
    rows.insert(150, rows[149])
    rows.insert(170, (rows[170][0], rows[170][1], "AT", "A", "", rows[170][5]))
    text = vcf_text(rows, NAMES, {"1": 20_000, "2": 20_000})
    lines = text.splitlines()
    lines[-5] = lines[-5].replace("0/0", "0/9").replace("1/1", "0/9")
    path = save_vcf("\n".join(lines) + "\n", folder / "x.vcf.gz")
    (folder / "p.tsv").write_text("s0\tA\nnobody\tB\n")
    (folder / "m.bed").write_text("1\t0\t20000\n")
    (folder / "a.fa").write_text(f">1\n{'A' * 20_000}\n>2\n{'A' * 19_999}\n")
    words = ["-p", folder / "p.tsv", "--mask", folder / "m.bed", "--ancestral", folder / "a.fa"]
    return [path, *words, "--chrom-alias", folder / "none.txt", "--chrom-sizes", folder / "none.sizes"]


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    done = popscan("check", *faulty(tmp_path))
    assert (done.code, done.err) == (1, "")
    errors, warnings = found(done.out, "ERROR"), found(done.out, "warning")
    expected = [
        "none.sizes: no such file",
        "none.txt: no such file",
        "p.tsv names 1 sample(s) that the VCF has not: nobody",
        "a.fa: 2 has 19,999 bp, the VCF's 2 20,000: another genome build",
        "m.bed has no callable region on 2",
        "a genotype is none of the record's alleles",
    ]
    assert len(errors) == len(expected), errors
    for text, error in zip(expected, errors, strict=True):
        assert text in error
    assert warnings[0] == "100% of heterozygous genotypes have no phase: haplotype statistics need it"
    assert any("of genotypes are not called" in text for text in warnings)
    assert done.out.count("a genotype is none of") == 1, "each thing once"


def test_duplicates_and_other_unusable_records_are_warned_of(tmp_path: Path) -> None:
    rows = random_records("1", 20_000, 100, 8, seed=1)
    rows[50:50] = [rows[50], (*rows[50][:2], "A", "<DEL>", "", rows[50][5])]
    path = save_vcf(vcf_text(rows, NAMES, {"1": 20_000}), tmp_path / "x.vcf.gz")
    done = popscan("check", path)
    assert done.code == 0
    assert {"1 records would not be used: duplicate", "1 records would not be used: symbolic"} <= set(
        found(done.out, "warning")
    )
    scanned(path, "--out", tmp_path / "out", "--threads", 1)


def test_unpolarised_data_are_warned_of_unless_there_is_a_fasta(tmp_path: Path) -> None:
    rows = [(*row[:4], "", row[5]) for row in random_records("1", 20_000, 100, 8, seed=1)]
    path = save_vcf(vcf_text(rows, NAMES, {"1": 20_000}), tmp_path / "x.vcf.gz")
    assert "0% of SNPs have an ancestral allele in INFO/AA: --ancestral FASTA gives more" in popscan("check", path).out
    (tmp_path / "a.fa").write_text(f">1\n{'A' * 20_000}\n")
    done = popscan("check", path, "--ancestral", tmp_path / "a.fa")
    assert (done.code, "INFO/AA" in done.out) == (0, False)


def test_a_file_without_anything_usable_is_an_error(tmp_path: Path) -> None:
    rows = [("1", 10 * n + 1, "AT", "A", "", ["0|1"] * 8) for n in range(9)]
    path = save_vcf(vcf_text(rows, NAMES, {"1": 20_000}), tmp_path / "x.vcf.gz")
    done = popscan("check", path)
    assert done.code == 1
    assert found(done.out, "ERROR") == ["no record is a biallelic SNP that varies among the selected samples"]
    assert "9 records would not be used: indel" in found(done.out, "warning")


def test_a_mask_that_covers_nothing_usable_is_an_error(good: Several, tmp_path: Path) -> None:
    (tmp_path / "m.bed").write_text("1\t0\t1\n2\t0\t1\n")
    done = popscan("check", good.vcf, "--mask", tmp_path / "m.bed")
    assert done.code == 1
    assert any(text.endswith("would not be used: masked") for text in found(done.out, "warning"))


def test_an_unreadable_vcf_does_not_hide_missing_files(tmp_path: Path) -> None:
    (tmp_path / "x.vcf.gz").write_bytes(b"")
    done = popscan("check", tmp_path / "x.vcf.gz", "-p", tmp_path / "p.tsv", "--mask", tmp_path / "m.bed")
    assert (done.code, done.err) == (1, "")
    errors = found(done.out, "ERROR")
    assert [text.rpartition("/")[2] for text in errors] == [
        "x.vcf.gz is empty: expected a VCF.gz or BCF", "p.tsv: no such file", "m.bed: no such file"
    ]  # fmt: skip
    assert popscan("check", tmp_path / "nowhere.vcf.gz").code == 1


def test_a_stale_index_is_found(good: Several, tmp_path: Path) -> None:
    text = vcf_text(good.records[:100] + good.records[120:], NAMES, good.contigs)
    path = save_vcf(text, tmp_path / "x.vcf.gz")
    Path(f"{path}.tbi").write_bytes(Path(f"{good.vcf}.tbi").read_bytes())
    done = popscan("check", path)
    assert (done.code, len(found(done.out, "ERROR"))) == (1, 1)
    assert "stale" in done.out


def test_check_leaves_nothing_but_an_index(good: Several, tmp_path: Path) -> None:
    path = save_vcf(vcf_text(good.records, NAMES, good.contigs), tmp_path / "x.vcf.gz", index=False)
    assert popscan("check", path).code == 0
    assert {file.name for file in tmp_path.iterdir()} <= {"x.vcf.gz", "x.vcf.gz.tbi"}


@pytest.mark.parametrize("option", ["--samples-file", "-S"])
def test_a_samples_file_limits_what_is_checked(good: Several, tmp_path: Path, option: str) -> None:
    (tmp_path / "s.txt").write_text("s0\ns1\n")
    whole = popscan("check", good.vcf).out
    some = popscan("check", good.vcf, option, tmp_path / "s.txt").out
    assert found(whole, "ok")[-1] != found(some, "ok")[-1]
