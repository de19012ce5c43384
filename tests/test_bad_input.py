"""Whatever is wrong with a call or its files is said in one line, and nothing is left behind."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pysam
import pytest
from conftest import save_vcf, vcf_text
from scanning import Several, accounts, popscan, random_records, scanned, several

from scanner import network

NAMES = [f"s{number}" for number in range(6)]
LENGTH = 20_000


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """2 contigs, 80 records each, 6 samples: a file that nothing is wrong with."""
    return several(tmp_path_factory.mktemp("good"), contigs=2, records=80, length=LENGTH, samples=6)


@dataclass(frozen=True)
class Place:
    """A folder with a copy of the good file, to be harmed."""

    folder: Path
    rows: list[Any]

    @property
    def vcf(self) -> Path:
        return self.folder / "input.vcf.gz"

    def write(self, text: str, name: str = "input.vcf.gz", *, index: bool = True) -> Path:
        for stale in self.folder.glob("input.vcf.gz*"):
            stale.unlink()
        return save_vcf(text, self.folder / name, index=index)

    def file(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name


@pytest.fixture
def place(good: Several, tmp_path: Path) -> Place:
    for suffix in ("", ".tbi"):
        shutil.copy(f"{good.vcf}{suffix}", tmp_path)
    return Place(tmp_path, good.records)


def text(rows: Sequence[Any], samples: Sequence[str] = NAMES, contigs: dict[str, int | None] | None = None) -> str:
    return vcf_text(rows, samples, {"1": LENGTH, "2": LENGTH} if contigs is None else contigs)


Fault = Callable[[Place], list[object]]


def no_such_file(_place: Place) -> list[object]:
    return ["nowhere.vcf.gz"]


def a_folder(place: Place) -> list[object]:
    return [place.folder]


def empty(place: Place) -> list[object]:
    place.vcf.write_bytes(b"")
    return [place.vcf]


def not_a_vcf(place: Place) -> list[object]:
    place.vcf.write_text("sample\theight\n")
    return [place.vcf]


def compressed_but_no_vcf(place: Place) -> list[object]:
    pysam.tabix_compress(str(place.file("x.txt", "sample\theight\n")), str(place.vcf), force=True)
    return [place.vcf]


def uncompressed(place: Place) -> list[object]:
    return [place.write(text(place.rows), "input.vcf")]


def plain_gzip(place: Place) -> list[object]:
    place.vcf.write_bytes(gzip.compress(text(place.rows).encode()))
    return [place.vcf]


def without_its_end_block(place: Place) -> list[object]:
    place.vcf.write_bytes(place.vcf.read_bytes()[:-28])
    return [place.vcf]


def cut_in_the_middle(place: Place) -> list[object]:
    data = place.vcf.read_bytes()
    place.vcf.write_bytes(data[: len(data) // 2])
    return [place.vcf]


def several_blocks(place: Place) -> bytes:
    """Write a file of several BGZF blocks, so that its middle is not its header."""
    return place.write(text(random_records("1", LENGTH, 3000, 6, 1))).read_bytes()


def cut_in_the_middle_but_ended(place: Place) -> list[object]:
    data = several_blocks(place)
    place.vcf.write_bytes(data[: len(data) // 2] + data[-28:])
    return [place.vcf]


def one_byte_wrong(place: Place) -> list[object]:
    data = bytearray(several_blocks(place))
    data[len(data) // 2] ^= 0xFF
    place.vcf.write_bytes(data)
    return [place.vcf]


def stale_index(place: Place) -> list[object]:
    index = Path(f"{place.vcf}.tbi").read_bytes()
    place.write(text(place.rows[:50] + place.rows[80:]))
    Path(f"{place.vcf}.tbi").write_bytes(index)
    return [place.vcf]


def corrupt_index(place: Place) -> list[object]:
    Path(f"{place.vcf}.tbi").write_bytes(b"\x1f\x8b rubbish")
    return [place.vcf]


def index_of_another_kind(place: Place) -> list[object]:
    Path(f"{place.vcf}.tbi").write_bytes(gzip.compress(b"BAI\1 rubbish"))
    return [place.vcf]


def contig_unknown_to_the_header(place: Place) -> list[object]:
    return [place.write(text(place.rows, contigs={"1": LENGTH}))]


def no_contig_lengths(place: Place) -> list[object]:
    return [place.write(text(place.rows, contigs={"1": None, "2": None}))]


def contig_longer_than_said(place: Place) -> list[object]:
    return [place.write(text(place.rows, contigs={"1": 10_000, "2": LENGTH}))]


def unsorted(place: Place) -> list[object]:
    return [place.write(text([*place.rows[40:80], *place.rows[:40]]), index=False)]


def contig_in_two_pieces(place: Place) -> list[object]:
    return [place.write(text([*place.rows[:40], *place.rows[80:], *place.rows[40:80]]), index=False)]


def no_samples(place: Place) -> list[object]:
    return [place.write(text(place.rows, samples=[]))]


def no_records(place: Place) -> list[object]:
    return [place.write(text([]))]


def no_genotypes(place: Place) -> list[object]:
    return [place.write(text(place.rows).replace("\tGT\t", "\tDP\t").replace("0|", "1").replace("1|", "1"))]


def a_bad_genotype(place: Place) -> list[object]:
    return [place.write(text(place.rows).replace("0|1", "0|7", 1))]


def a_short_line(place: Place) -> list[object]:
    lines = text(place.rows).splitlines()
    lines[-20] = "\t".join(lines[-20].split("\t")[:-2])
    return [place.write("\n".join(lines) + "\n")]


def nothing_usable(place: Place) -> list[object]:
    rows = [("1", 100 + n, "AT", "A", "", ["0|1"] * 6) for n in range(7)]
    rows += [("1", 300 + n, "A", "C,G", "", ["0|2"] * 6) for n in range(2)]
    return [place.write(text(rows))]


def unknown_sample(place: Place) -> list[object]:
    return [place.vcf, "-p", place.file("p.tsv", "s0\tA\nnobody\tA\ns1\tB\n")]


def sample_twice(place: Place) -> list[object]:
    return [place.vcf, "-p", place.file("p.tsv", "s0\tA\ns1\tB\ns0\tB\n")]


def population_without_a_column(place: Place) -> list[object]:
    return [place.vcf, "-p", place.file("p.tsv", "s0\tA\ns1\n")]


def no_population_file(place: Place) -> list[object]:
    return [place.vcf, "-p", place.folder / "p.tsv"]


def one_haplotype(place: Place) -> list[object]:
    haploid = [(*row[:5], [genotype[0] for genotype in row[5]]) for row in place.rows]
    return [place.write(text(haploid)), "-p", place.file("p.tsv", "s0\tA\ns1\tA\ns2\tB\n")]


def unknown_sample_in_samples_file(place: Place) -> list[object]:
    return [place.vcf, "-S", place.file("s.txt", "s0\nnobody\n")]


def mask_of_other_contigs(place: Place) -> list[object]:
    return [place.vcf, "--mask", place.file("m.bed", "chrX\t0\t100\n")]


def mask_without_a_contig(place: Place) -> list[object]:
    return [place.vcf, "--mask", place.file("m.bed", "1\t0\t100\n")]


def mask_of_another_build(place: Place) -> list[object]:
    return [place.vcf, "--mask", place.file("m.bed", "1\t0\t20001\n2\t0\t5\n")]


def mask_with_a_bad_line(place: Place) -> list[object]:
    return [place.vcf, "--mask", place.file("m.bed", "1\t0\t100\n1\tmany\tfew\n")]


def ancestral_of_another_build(place: Place) -> list[object]:
    return [place.vcf, "--ancestral", place.file("a.fa", f">1\n{'A' * 19_000}\n>2\n{'A' * LENGTH}\n")]


def ancestral_without_a_contig(place: Place) -> list[object]:
    return [place.vcf, "--ancestral", place.file("a.fa", f">1\n{'A' * LENGTH}\n")]


def no_ancestral_file(place: Place) -> list[object]:
    return [place.vcf, "--ancestral", place.folder / "a.fa"]


def sizes_without_numbers(place: Place) -> list[object]:
    return [place.vcf, "--chrom-sizes", place.file("c.sizes", "1\tlong\n")]


def windows_of_other_contigs(place: Place) -> list[object]:
    return [place.vcf, "--windows", place.file("w.bed", "chrX\t0\t100\n")]


def no_window_in_the_region(place: Place) -> list[object]:
    return [place.vcf, "--windows", place.file("w.bed", "1\t0\t100\n"), "--region", "2"]


def windows_and_window(place: Place) -> list[object]:
    return [place.vcf, "--windows", place.file("w.bed", "1\t0\t100\n"), "--window", "5kb"]


def with_options(*options: object) -> Fault:
    def fault(place: Place) -> list[object]:
        return [place.vcf, *options]

    fault.__name__ = " ".join(map(str, options))
    return fault


def out_is_a_file(place: Place) -> list[object]:
    return [place.vcf, "--out", place.file("taken", "mine")]


def out_holds_something_else(place: Place) -> list[object]:
    (place.folder / "thesis").mkdir()
    place.file("thesis/chapter1.txt", "mine")
    return [place.vcf, "--out", place.folder / "thesis"]


INDEX = "delete it, and popscan makes a new one"
FAULTS: list[tuple[Fault, int, str]] = [
    (no_such_file, 2, "nowhere.vcf.gz: no such file"),
    (a_folder, 2, "is a folder: expected a VCF.gz or BCF file"),
    (empty, 1, "input.vcf.gz is empty: expected a VCF.gz or BCF"),
    (not_a_vcf, 1, "is neither a VCF.gz nor a BCF"),
    (compressed_but_no_vcf, 1, "is compressed but holds no VCF or BCF"),
    (uncompressed, 1, "is an uncompressed VCF, which cannot be read by region: run 'bgzip"),
    (plain_gzip, 1, "is plain gzip, which cannot be indexed: recompress it with 'gunzip -c"),
    (without_its_end_block, 1, "is truncated"),
    (cut_in_the_middle, 1, "is truncated"),
    (cut_in_the_middle_but_ended, 1, "(stale index): " + INDEX),
    (one_byte_wrong, 1, "damaged"),
    (stale_index, 1, "stale"),
    (corrupt_index, 1, "input.vcf.gz.tbi is damaged: " + INDEX),
    (index_of_another_kind, 1, "input.vcf.gz.tbi is no .tbi or .csi index: " + INDEX),
    (contig_unknown_to_the_header, 1, "the header gives no length for 2; give lengths with --chrom-sizes FILE"),
    (no_contig_lengths, 1, "the header gives no length for 1, 2; give lengths with --chrom-sizes FILE"),
    (contig_longer_than_said, 1, "lies past the end of 1, which has 10,000 bp"),
    (unsorted, 1, "its records are unsorted"),
    (contig_in_two_pieces, 1, "repeat a contig"),
    (no_samples, 1, "has no samples: a scan needs genotypes"),
    (no_records, 1, "has no records: there is nothing to scan"),
    (no_genotypes, 1, "has no genotypes: FORMAT has no GT"),
    (a_bad_genotype, 1, "a genotype is none of the record's alleles"),
    (a_short_line, 1, "the line has not one column for every sample of the header"),
    (nothing_usable, 1, "none of its records is a biallelic SNP that varies among the selected samples "
                        "(7 indel, 2 multiallelic)"),
    (unknown_sample, 1, "p.tsv names 1 sample(s) that the VCF has not: nobody; the VCF has s0, s1, s2 and 3 more"),
    (sample_twice, 1, "p.tsv names s0 more than once"),
    (population_without_a_column, 1, "p.tsv, line 2: expected 2 columns (sample, population), found 's1'"),
    (no_population_file, 2, "p.tsv: no such file"),
    (one_haplotype, 2, "population 'B' has a single haplotype"),
    (unknown_sample_in_samples_file, 1, "s.txt names 1 sample(s) that the VCF has not: nobody"),
    (mask_of_other_contigs, 1, "m.bed has no contig in common with the VCF: it has chrX, the VCF 1, 2"),
    (mask_without_a_contig, 1, "m.bed has no callable region on 2"),
    (mask_of_another_build, 1, "1 ends at 20,001, past the 20,000 bp that the VCF gives 1"),
    (mask_with_a_bad_line, 1, "m.bed, line 2: expected contig, start < end (0-based half-open), found '1\tmany\tfew'"),
    (ancestral_of_another_build, 1, "1 has 19,000 bp, the VCF's 1 20,000: another genome build"),
    (ancestral_without_a_contig, 1, "a.fa has no contig 2: it has 1"),
    (no_ancestral_file, 2, "a.fa: no such file"),
    (sizes_without_numbers, 1, "c.sizes, line 1: expected a contig and its length in bp, found '1\tlong'"),
    (windows_of_other_contigs, 1, "w.bed has no contig in common with the VCF"),
    (no_window_in_the_region, 1, "no window lies in 2:1-20000"),
    (windows_and_window, 2, "--windows BED already says where the windows are"),
    (with_options("--region", "1:5-30000"), 2, "ends past the end of 1, which has 20,000 bp"),
    (with_options("--region", "7"), 2, "region '7': no contig '7' here; there is 1, 2"),
    (with_options("--region", "1:many"), 2, "expected 1:START-END with 1-based whole numbers"),
    (with_options("--regions-file", "nowhere.bed"), 2, "nowhere.bed: no such file"),
    (with_options("--step", "200kb"), 2, "--step 200kb is larger than the window (100kb)"),
    (with_options("--window", "0"), 2, "'0' is no length"),
    (with_options("--window", "50snps", "--step", "1kb"), 2, "are in different units"),
    (with_options("--statistics", "tajima_d"), 2, "no statistic 'tajima_d': did you mean 'tajimas_d'?"),
    (with_options("--statistics", "none"), 2, "nothing to compute"),
    (with_options("--statistics", "fst"), 2, "nothing to compute"),
    (with_options("--pair", "A:B"), 2, "'A:B': no population 'A'; there is all"),
    (with_options("--pair", "all"), 2, "'all' names 1 populations: expected 2, joined by ':'"),
    (with_options("--trio", "all:all:all"), 2, "'all:all:all' names a population twice"),
    (out_is_a_file, 2, "taken is a file: name a folder"),
    (out_holds_something_else, 2, "thesis holds no popscan result but something else: name a new folder"),
]  # fmt: skip


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("fault", "code", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_is_one_line_and_leaves_nothing(
    place: Place, fault: Fault, code: int, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    words = fault(place)
    before = snapshot(place.folder)
    out = [] if "--out" in words else ["--out", place.folder / "out"]
    done = popscan("scan", *words, *out, "--threads", 1, "--min-sites", 1)
    assert sentence in done.sentence
    assert done.code == code
    assert capfd.readouterr() == ("", ""), "libraries print nothing of their own"
    after = snapshot(place.folder)
    made = {name for name in set(after) - set(before) if not name.endswith((".tbi", ".csi", ".fai"))}
    assert made == set()
    assert {name: after[name] for name in before} == before
    assert not (place.folder / "out").exists()


@pytest.mark.parametrize("fault", [stale_index, nothing_usable, one_byte_wrong], ids=lambda fault: fault.__name__)
def test_a_scan_of_the_mended_file_is_not_refused(place: Place, good: Several, fault: Fault) -> None:
    """No part of the bad file stands in the way."""
    words = fault(place)
    assert popscan("scan", *words, "--out", place.folder / "out", "--threads", 1).code == 1
    for suffix in ("", ".tbi"):
        shutil.copy(f"{good.vcf}{suffix}", place.folder)
    scanned(place.vcf, "--out", place.folder / "out", "--threads", 1)


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["plan"], "Missing argument 'VCF'"),
        (["scan", "x.vcf.gz", "--threads", "0"], "0 is not in the range x>=1"),
        (["scan", "x.vcf.gz", "--max-missing", "2"], "2.0 is not in the range 0<=x<=1"),
        (["scan", "x.vcf.gz", "--min-maf", "0.6"], "0.6 is not in the range 0<=x<=0.5"),
        (["scan", "x.vcf.gz", "--min-sites", "few"], "'few' is not a valid integer"),
        (["scan", "x.vcf.gz", "--wimdow", "5kb"], "No such option"),
        (["skan"], "No such command 'skan'"),
    ],
)
def test_a_call_that_click_refuses(words: list[str], usage: str) -> None:
    done = popscan(*words)
    assert (done.code, done.out) == (2, "")
    assert usage in done.err
    assert "Traceback" not in done.err


def test_duplicated_records_are_tallied_and_the_scan_goes_on(place: Place) -> None:
    rows = sorted([*place.rows, *place.rows[5:9], *place.rows[100:101]], key=lambda row: (row[0], row[1]))
    place.write(text(rows))
    done = scanned(place.vcf, "--out", place.folder / "out", "--threads", 1)
    assert "5 duplicate" in done.err
    found = accounts(place.folder / "out")["records"]
    assert (found["1"]["duplicate"], found["2"]["duplicate"]) == (4, 1)
    assert [sum(found[contig].values()) for contig in "12"] == [84, 81]


def test_a_wrong_index_can_be_deleted_and_is_made_again(place: Place) -> None:
    corrupt_index(place)
    assert popscan("scan", place.vcf, "--out", place.folder / "out").code == 1
    Path(f"{place.vcf}.tbi").unlink()
    scanned(place.vcf, "--out", place.folder / "out", "--threads", 1)
    assert Path(f"{place.vcf}.tbi").stat().st_size > 0


def test_networks_without_keras_name_the_extra(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "find_spec", lambda name: None if name == "keras" else find_spec(name))
    done = popscan("scan", place.vcf, "--out", place.folder / "out", "--models", "all")
    assert done.code == 2
    assert "networks need Keras and a backend, which a plain install leaves out: pip install 'popscan[cpu]'" in (
        done.sentence
    )
    assert not (place.folder / "out").exists()


def test_an_unknown_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "find_spec", lambda name: name)
    done = popscan("scan", "x.vcf.gz", "--models", "no_such_net")
    assert (done.code, "no network 'no_such_net' in the catalogue" in done.sentence) == (2, True)


def test_debug_shows_the_traceback(place: Place) -> None:
    from scanner.errors import InputError

    empty(place)
    with pytest.raises(InputError, match="is empty"):
        popscan("scan", place.vcf, "--out", place.folder / "out", "--debug")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Give a function that mounts a file system in memory with the options it is given."""
    places: list[Path] = []

    def mount(options: str) -> Path:
        target = tmp_path / f"mount{len(places)}"
        target.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(target)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting needs more rights")
        places.append(target)
        return target

    yield mount
    for target in places:
        subprocess.run(["umount", "-l", str(target)], check=True)


SIZES = [0, 8, 24, 64, 160, 204, 224, 228, 252, 260, 276, 280, 284, 456, 644, 720, 2000]


@pytest.mark.parametrize("free", SIZES)
def test_a_disk_that_is_full_is_said_in_one_line(
    good: Several, mounted: Callable[[str], Path], free: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """With every size, another file is the one that does not fit: a part, a table, its index, a track, the session."""
    disk = mounted("size=16m")
    fill = disk / "fill"
    fill.write_bytes(bytes((16 << 20) - (free << 10)))
    words = [good.vcf, "-p", good.populations, "--out", disk / "out", "--threads", 1, "--window", "200"]
    words += ["--min-sites", "1", "--statistics", "all"]
    done = popscan("scan", *words)
    assert done.code == 1, done.err
    assert "cannot be written" in done.sentence or "cannot write" in done.sentence
    assert capfd.readouterr() == ("", "")
    fill.write_bytes(b"")
    scanned(*words)


def test_a_read_only_place_is_said_in_one_line(good: Several, mounted: Callable[[str], Path]) -> None:
    disk = mounted("size=1m,ro")
    done = popscan("scan", good.vcf, "--out", disk / "out", "--threads", 1)
    assert (done.code, "cannot be made or written: Read-only file system" in done.sentence) == (1, True)


def test_a_vcf_in_a_read_only_place_gets_its_index_in_the_output_folder(
    good: Several, mounted: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = mounted("size=1m")
    shutil.copy(good.vcf, disk / "input.vcf.gz")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    scanned(disk / "input.vcf.gz", "--out", tmp_path / "out", "--threads", 1)
    assert [path.name for path in (tmp_path / "out" / ".popscan").iterdir()] == ["input.vcf.gz.tbi"]
    failed = popscan("scan", disk / "input.vcf.gz", "--out", tmp_path / "new", "--region", "7")
    assert (failed.code, (tmp_path / "new").exists()) == (2, False)


def test_refusals_are_quick(place: Place) -> None:
    began = time.monotonic()
    popscan("scan", place.vcf, "--out", place.folder / "out", "--statistics", "nonsense")
    assert time.monotonic() - began < 1


def test_a_bcf_whose_header_names_no_contig_is_refused(place: Place) -> None:
    """A library in C crashes when it is asked for the names."""
    header = gzip.decompress(save_vcf(text(place.rows), place.folder / "input.bcf").read_bytes())
    with pysam.BGZFile(str(place.folder / "bare.bcf"), "wb") as file:
        file.write(header.replace(b"##contig=", b"##contiG="))
    done = popscan("scan", place.folder / "bare.bcf", "--out", place.folder / "out")
    assert (done.code, "bare.bcf has a header that cannot be read: it has no ##contig line" in done.sentence) == (
        1,
        True,
    )


def test_control_characters_of_a_file_do_not_reach_the_terminal(place: Place) -> None:
    listed = place.file("p.tsv", "s0\t\x1b[2J\n" + "x" * 100_000 + "\n")
    sentence = popscan("scan", place.vcf, "-p", listed, "--out", place.folder / "out").sentence
    assert sentence.isprintable()
    assert len(sentence) < 1000
    assert popscan("check", place.vcf, "-p", listed).out.replace("\n", "").isprintable()


def test_an_annotation_that_is_none_is_refused_before_the_scan(place: Place) -> None:
    done = popscan("scan", place.vcf, "--genes", place.file("g.gff", "gene\n"), "--out", place.folder / "out")
    assert (done.code, "g.gff, line 1: expected the nine columns of GFF3" in done.sentence) == (1, True)
    assert not (place.folder / "out").exists()


@pytest.mark.parametrize("harm", ["cut", "index"])
def test_a_damaged_fasta_is_said_so(place: Place, harm: str, capfd: pytest.CaptureFixture[str]) -> None:
    fasta = place.file("a.fa", f">1\n{'A' * LENGTH}\n>2\n{'A' * LENGTH}\n")
    pysam.faidx(str(fasta))
    if harm == "cut":
        os.truncate(fasta, LENGTH + 3000)
    else:
        place.file("a.fa.fai", "1\tlong\n")
    words = ["scan", place.vcf, "--threads", 1, "--min-sites", 1]
    assert "a.fa " in popscan(*words, "--ancestral", fasta, "--out", place.folder / "other").sentence
    done = popscan(*words, "--genome", fasta, "--out", place.folder / "out")
    assert f"{fasta} " in (done.sentence if harm == "cut" else done.err)
    assert done.code == (harm == "cut"), "of a file that cannot be opened a note says that there is no hub"
    assert not (place.folder / "out" / "hub" / "hub.txt").exists()
    assert capfd.readouterr() == ("", "")


def test_lengths_and_windows_out_of_proportion_are_refused(place: Place) -> None:
    sizes = place.file("c.sizes", "1\t5000000000\n2\t20000\n")
    out = ["--out", place.folder / "out"]
    done = popscan("scan", place.vcf, "--chrom-sizes", sizes, *out)
    assert (done.code, "browser files hold at most 4,294,967,295" in done.sentence) == (1, True)
    endless = place.file("e.sizes", f"1\t{10**30}\n2\t20000\n")
    done = popscan("scan", place.vcf, "--chrom-sizes", endless, *out)
    assert (done.code, "e.sizes, line 1: expected a contig and its length in bp" in done.sentence) == (1, True)
    done = popscan(
        "scan", place.vcf, "--chrom-sizes", place.file("d", "1\t4000000000\n2\t20000\n"), "--window", 10, *out
    )
    assert (done.code, "--step 10 makes 400,002,000 windows" in done.sentence) == (2, True)


def test_want_of_memory_is_one_sentence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: Any, **_named: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("scanner.vcf.open_source", full)
    done = popscan("scan", place.vcf, "--out", place.folder / "out")
    assert (done.code, "there is not enough memory: use fewer --threads" in done.sentence) == (1, True)


def test_a_damaged_track_is_a_finding_and_nothing_else(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    scanned(place.vcf, "--out", place.folder / "out", "--threads", 1, "--statistics", "pi", "--min-sites", 1)
    os.truncate(place.folder / "out" / "tracks" / "pi.bw", 20)
    assert popscan("check", place.folder / "out").code == 1
    assert capfd.readouterr() == ("", "")


DEEP, LONG = "[" * 100_000, "9" * 5000


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--chrom-sizes", f"1\t{LONG}\n2\t20000\n"),
        ("--mask", f"1\t0\t{LONG}\n"),
        ("--windows", f"1\t{LONG}\t{LONG}1\n"),
        ("--genes", f"1\tx\tgene\t5\t{LONG}\t.\t+\t.\tID=x\n"),
    ],
)
def test_numbers_of_thousands_of_digits_are_no_places(place: Place, option: str, content: str) -> None:
    done = popscan("scan", place.vcf, option, place.file("odd.txt", content), "--out", place.folder / "out")
    assert (done.code, "odd.txt, line 1: expected" in done.sentence) == (1, True)


def test_what_is_nested_out_of_proportion_is_one_sentence(place: Place) -> None:
    out = place.folder / "out"
    (place.folder / "model").mkdir()
    place.file("model/spec.toml", f"x = {DEEP}")
    assert "spec.toml cannot be read" in popscan("models", place.folder / "model").sentence
    scanned(place.vcf, "--out", out, "--threads", 1, "--statistics", "pi", "--min-sites", 1)
    (out / "run.json").write_text(DEEP)
    assert "run.json cannot be read" in popscan("publish", out).sentence
    assert popscan("scan", place.vcf, "--out", out).code == 2


def test_names_from_the_vcf_stay_names(place: Place) -> None:
    """Contigs and samples with letters that HTML, XML, hubs and paths give a meaning."""
    contig, evil = "a&amp;b'\"", "<script>alert(1)</script>"
    samples = [evil, "../../x", "s 1", "&lt;", "'\"", "\u202e"]
    rows = [(contig, *row[1:]) for row in place.rows if row[0] == "1"]
    place.write(text(rows, samples, {contig: LENGTH}))
    listed = place.file("p.tsv", "".join(f"{name}\t{'AB'[at % 2]}\n" for at, name in enumerate(samples)))
    out = place.folder / "out"
    scanned(place.vcf, "-p", listed, "--out", out, "--threads", 1, "--statistics", "pi,fst", "--min-sites", 1)
    assert popscan("check", out).code == 0
    for path in [*out.rglob("*.html"), *out.rglob("*.xml"), *out.rglob("hub.txt")]:
        assert evil not in path.read_text(), path
    ElementTree.parse(out / "igv_session.xml")
    names = {path.name for path in place.folder.rglob("*")}
    assert all(re.fullmatch(r"[A-Za-z0-9_.+-]+", name) for name in names), names
    evil_population = place.file("q.tsv", f"s 1\t{evil}\n")
    assert (
        "has a character that column and file names cannot hold"
        in popscan("scan", place.vcf, "-p", evil_population, "--out", place.folder / "new").sentence
    )
