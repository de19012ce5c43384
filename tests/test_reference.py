"""Callable regions, ancestral bases, lengths and other names of contigs."""

from __future__ import annotations

import gzip

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError, UsageError
from scanner.reference import AncestralFasta, Mask, merged, read_aliases, read_bed, read_lengths
from scanner.regions import Region

LENGTHS = {"1": 100, "chr2": 50}
intervals = st.lists(st.tuples(st.integers(0, 59), st.integers(1, 15)), max_size=8)


def table(pairs):
    rows = sorted((start, start + length) for start, length in pairs)
    return np.array([a for a, _ in rows], np.int64), np.array([b for _, b in rows], np.int64)


def naive(pairs, size=80):
    covered = np.zeros(size, bool)
    for start, length in pairs:
        covered[start : start + length] = True
    return covered


@given(intervals)
def test_merged_intervals_cover_the_same_and_stand_apart(pairs):
    start, end = merged(*table(pairs))
    assert naive(zip(start, end - start, strict=True)).tolist() == naive(pairs).tolist()
    assert (start[1:] > end[:-1]).all()


@given(intervals, st.lists(st.integers(0, 79), max_size=20))
def test_a_mask_covers_what_its_intervals_do(pairs, positions):
    found = Mask(*merged(*table(pairs))).covers(np.array(positions, np.int64))
    assert found.dtype == np.bool_
    assert found.tolist() == naive(pairs)[positions].tolist()


@given(intervals, st.lists(st.tuples(st.integers(0, 79), st.integers(0, 79)).map(sorted), max_size=10))
def test_callable_bp_counts_the_bases_of_a_window(pairs, windows):
    start, end = np.array(windows, np.int64).reshape(-1, 2).T
    found = Mask(*merged(*table(pairs))).callable_bp(start, end)
    assert found.dtype == np.float64
    assert found.tolist() == [naive(pairs)[a:b].sum() for a, b in windows]


@pytest.fixture
def write(tmp_path):
    def save(content, name="x"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return save


BED = "1\t10\t20\nchr2\t0\t50\n1\t5\t30\n1\t10\t15\n"


@pytest.mark.parametrize(
    "content",
    [
        BED,
        BED.replace("\n", "\r\n"),
        BED.replace("\t", "  "),
        BED.replace("\n", "\tname\t0\t+\n"),
        "# a comment\ntrack name=x\nbrowser hide all\n\n" + BED,
        gzip.compress(BED.encode(), mtime=0),
        BED.replace("chr2", "2").replace("1\t", "chr1\t"),
        BED + "chrUn\t5\t900000\n",
        BED.rstrip("\n"),
    ],
)
def test_read_bed_sorts_and_keeps_overlaps(write, content):
    found = {name: [bounds.tolist() for bounds in pair] for name, pair in read_bed(write(content), LENGTHS).items()}
    assert found == {"1": [[5, 10, 10], [30, 15, 20]], "chr2": [[0], [50]]}


def test_read_bed_knows_aliases(write):
    found = read_bed(write("NC_1\t3\t4\n"), LENGTHS, {"NC_1": "a", "1": "a"})
    assert [bounds.tolist() for bounds in found["1"]] == [[3], [4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\t5\n", r"x, line 1: expected contig, start < end \(0-based half-open\), found '1\t5'"),
        ("1\t5\t9\n1\tx\t9\n", r"line 2: expected contig"),
        ("#\n\n1\t9\t9\n", r"line 3: expected contig"),
        ("1\t10\t9\n", r"line 1: expected contig"),
        ("1\t-1\t9\n", r"line 1: expected contig"),
        ("1\t1.0\t9\n", r"line 1: expected contig"),
        ("1\t\u00b2\t9\n", r"line 1: expected contig"),
        ("1\t90\t101\n", r"line 1: 1 ends at 101, past the 100 bp that the VCF gives 1: .*another genome build"),
        ("chr1\t90\t101\n", r"chr1 ends at 101, past the 100 bp that the VCF gives 1"),
        ("chr7\t1\t2\nchr8\t1\t2\n", r"no contig in common with the VCF: it has chr7, chr8, the VCF 1, chr2"),
        ("# nothing\n", r"no contig in common with the VCF: it has no interval"),
        ("", r"it has no interval"),
        (b"1\t5\t\xff", r"cannot be read as text"),
        (gzip.compress(BED.encode(), mtime=0)[:-9], r"cannot be read as text"),
        (gzip.compress(BED.encode(), mtime=0)[:12] + b"\xff" * 20, r"cannot be read as text"),
    ],
)
def test_read_bed_names_faults(write, content, message):
    with pytest.raises(InputError, match=message):
        read_bed(write(content), LENGTHS)


def test_files_that_are_not_there(tmp_path):
    for read in (read_lengths, read_aliases, lambda path: read_bed(path, LENGTHS)):
        with pytest.raises(UsageError, match=r"nowhere: no such file"):
            read(tmp_path / "nowhere")
        with pytest.raises(InputError, match=r"cannot be read as text"):
            read(tmp_path)


@pytest.mark.parametrize(
    "content", ["1\t100\nchr2\t50\n", "# sizes\n1 100\r\n\r\nchr2 50", "1\t100\t3\t60\t61\nchr2\t50\t9\t60\t61\n"]
)
def test_read_lengths(write, content):
    assert read_lengths(write(content)) == LENGTHS


@pytest.mark.parametrize("line", ["1", "1\tx", "1\t0", "1\t-5", "1\t5.5", "1\t\u00b2"])
def test_read_lengths_names_a_bad_line(write, line):
    with pytest.raises(InputError, match=rf"x, line 2: expected a contig and its length in bp, found '{line}'"):
        read_lengths(write("a\t5\n" + line + "\n"))


def test_read_lengths_of_nothing(write):
    with pytest.raises(InputError, match=r"names no contig"):
        read_lengths(write("# nothing\n\n"))


def test_read_aliases(write):
    found = read_aliases(write("# ucsc\tensembl\trefseq\r\nchr1\t1\tNC_1\r\n\r\nchrM\t\tNC_9\r\n"))
    assert found == {"chr1": "chr1", "1": "chr1", "NC_1": "chr1", "chrM": "chrM", "NC_9": "chrM"}


@pytest.mark.parametrize("content", ["", "# only\ta heading\n", "\n\n"])
def test_read_aliases_of_nothing(write, content):
    with pytest.raises(InputError, match=r"expected a chromAlias file"):
        read_aliases(write(content))


FASTA = ">1\nACgtN\nacGT-\n>two words\nGATTACA\n"


@pytest.mark.parametrize("packed", [False, True])
def test_ancestral_bases(write, tmp_path, packed):
    path = write(FASTA, "x.fa")
    if packed:
        pysam.tabix_compress(str(path), str(tmp_path / "x.fa.gz"))
        path = tmp_path / "x.fa.gz"
    fasta = AncestralFasta(path, {"chr1": 10, "chr2": 7}, {"two": "b", "chr2": "b"})
    assert fasta.bases(Region("chr1", 0, 10)).tobytes() == b"ACGTNACGT-"
    assert fasta.bases(Region("chr1", 2, 6)).tobytes() == b"GTNA"
    assert fasta.bases(Region("chr2", 6, 7)).tobytes() == b"A"
    assert fasta.bases(Region("chr2", 0, 7)).dtype == np.uint8


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"1": 10, "3": 7}, r"x.fa has no contig 3: it has 1, two"),
        ({"1": 11}, r"1 has 10 bp, the VCF's 1 11: another genome build"),
        ({"chr1": 9}, r"1 has 10 bp, the VCF's chr1 9"),
    ],
)
def test_a_fasta_of_another_build_is_refused(write, lengths, message):
    with pytest.raises(InputError, match=message):
        AncestralFasta(write(FASTA, "x.fa"), lengths)


@pytest.mark.parametrize(
    "content", [b"", b"ACGT\n", b"\x89PNG\r\n\x1a\n\x00\x00", gzip.compress(FASTA.encode(), mtime=0)]
)
def test_something_that_is_no_fasta_is_refused(write, content):
    path = write(content, "x.fa")
    with pytest.raises(InputError, match=r"cannot be read as an indexed FASTA: run 'samtools faidx"):
        AncestralFasta(path, {"1": 10})


def test_a_fasta_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"x.fa: no such file"):
        AncestralFasta(tmp_path / "x.fa", {"1": 10})
