"""What a file is, and what its index knows."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections import Counter
from pathlib import Path

import pysam
import pytest
from conftest import save_vcf, vcf_text

from scanner import bgzf
from scanner.bgzf import quiet_htslib
from scanner.errors import InputError, UsageError

CONTIGS = {"1": 900_000, "2:x-y": 400_000, "3": 50_000}


def records(counts=(("1", 700), ("2:x-y", 150), ("3", 1)), shift=0):
    """Give evenly spaced SNPs; contig 1 is long enough for several bins."""
    return [
        (contig, 1 + shift + number * (CONTIGS[contig] // (count + 1)), "A", "C", "", ["0|1", "1|1", "0|0"])
        for contig, count in counts
        for number in range(count)
    ]


def written(path: Path, rows=None, *, csi: bool = False, contigs=None) -> Path:
    """Write and index a file: TBI for a VCF unless CSI is asked for."""
    rows = records() if rows is None else rows
    save_vcf(vcf_text(rows, ["a", "b", "c"], contigs or CONTIGS), path, index=path.suffix == ".bcf")
    if path.suffix != ".bcf":
        pysam.tabix_index(str(path), preset="vcf", csi=csi, force=True)
    return path


def compressed(path: Path, content: bytes) -> Path:
    with pysam.BGZFile(str(path), "wb") as handle:
        handle.write(content)
    return path


@pytest.mark.parametrize(("name", "kind"), [("x.vcf.gz", "vcf"), ("x.bcf", "bcf")])
def test_sniff_tells_vcf_from_bcf_by_content(tmp_path, name, kind):
    path = written(tmp_path / name)
    assert bgzf.sniff(path) == kind
    assert bgzf.sniff(path.rename(tmp_path / "named_otherwise")) == kind


def test_sniff_takes_a_vcf_without_its_first_line(tmp_path):
    assert bgzf.sniff(compressed(tmp_path / "x", b"#CHROM\tPOS\n")) == "vcf"


@pytest.mark.parametrize("content", [b"##fileformat=VCFv4.2\n", b"#CHROM\tPOS"])
def test_sniff_refuses_text(tmp_path, content):
    path = tmp_path / "x.vcf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"uncompressed VCF.*run 'bgzip {path}'"):
        bgzf.sniff(path)


def test_sniff_refuses_an_empty_file(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="is empty"):
        bgzf.sniff(tmp_path / "x")


def test_sniff_refuses_another_format(tmp_path):
    (tmp_path / "x").write_bytes(b"%PDF-1.5 something")
    with pytest.raises(InputError, match=r"neither a VCF.gz nor a BCF: it starts with b'%PDF"):
        bgzf.sniff(tmp_path / "x")


def test_sniff_refuses_plain_gzip_with_the_way_out(tmp_path):
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(gzip.compress(vcf_text(records(), ["a", "b", "c"], CONTIGS).encode()))
    with pytest.raises(InputError, match=r"plain gzip.*gunzip -c .*x.vcf.gz \| bgzip > x.vcf.gz.bgz"):
        bgzf.sniff(path)


@pytest.mark.parametrize("content", [b"chr1\t5\t6\n", b"", b"BC"])
def test_sniff_refuses_bgzf_of_something_else(tmp_path, content):
    with pytest.raises(InputError, match="compressed but holds no VCF or BCF"):
        bgzf.sniff(compressed(tmp_path / "x.vcf.gz", content))


@pytest.mark.parametrize("name", ["x.vcf.gz", "x.bcf"])
@pytest.mark.parametrize("keep", [lambda size: size - 28, lambda size: size // 2, lambda size: size - 1])
def test_sniff_refuses_a_truncated_file(tmp_path, name, keep):
    save_vcf(vcf_text(records() * 20, ["a", "b", "c"], CONTIGS), path := tmp_path / name, index=False)
    data = path.read_bytes()
    path.write_bytes(data[: keep(len(data))])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        bgzf.sniff(path)


def test_sniff_says_truncated_where_only_the_last_block_is_gone(tmp_path):
    path = written(tmp_path / "x.vcf.gz")
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(InputError, match=r"truncated.*copy the file again"):
        bgzf.sniff(path)


@pytest.mark.parametrize("data", [b"\x1f\x8b", b"\x1f\x8b\x08\x04\x00\x00", None])
def test_sniff_refuses_a_block_that_cannot_be_decompressed(tmp_path, data):
    path = written(tmp_path / "x.vcf.gz")
    whole = bytearray(path.read_bytes())
    whole[18:60] = b"\xff" * 42
    path.write_bytes(whole if data is None else data)
    with pytest.raises(InputError, match="damaged: its first block"):
        bgzf.sniff(path)


def test_sniff_refuses_a_folder_and_nothing(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        bgzf.sniff(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        bgzf.sniff(tmp_path / "x.vcf.gz")


def test_sniff_says_why_a_file_cannot_be_opened(tmp_path):
    (tmp_path / "x").symlink_to(tmp_path / "x")  # leads to itself
    with pytest.raises(UsageError, match="cannot be read: Too many levels"):
        bgzf.sniff(tmp_path / "x")


def test_find_index_prefers_csi(tmp_path):
    path = tmp_path / "x.vcf.gz"
    assert bgzf.find_index(path) is None
    (tmp_path / "x.vcf.gz.tbi").touch()
    assert bgzf.find_index(path) == tmp_path / "x.vcf.gz.tbi"
    (tmp_path / "x.vcf.gz.csi").touch()
    assert bgzf.find_index(path) == tmp_path / "x.vcf.gz.csi"


FILES = [("x.vcf.gz", False, ".tbi"), ("x.vcf.gz", True, ".csi"), ("x.bcf", True, ".csi")]


@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_an_index_counts_the_records_of_each_contig(tmp_path, name, csi, suffix):
    path = written(tmp_path / name, csi=csi)
    found = bgzf.read_index(path.with_name(name + suffix), list(CONTIGS))
    truth = Counter(record[0] for record in records())
    assert {contig: entry.records for contig, entry in found.items()} == truth
    assert list(found) == list(CONTIGS)


@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_contigs_without_records_are_left_out(tmp_path, name, csi, suffix):
    path = written(tmp_path / name, records((("1", 5), ("3", 2))), csi=csi)
    found = bgzf.read_index(path.with_name(name + suffix), list(CONTIGS))
    assert {contig: entry.records for contig, entry in found.items()} == {"1": 5, "3": 2}


@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_the_bins_share_out_the_data_of_a_contig(tmp_path, name, csi, suffix):
    path = written(tmp_path / name, csi=csi)
    found = bgzf.read_index(path.with_name(name + suffix), list(CONTIGS))
    for contig, entry in found.items():
        assert sum(share for _, _, share in entry.bins) == pytest.approx(1)
        assert all(share > 0 and 0 <= start < CONTIGS[contig] for start, _, share in entry.bins)
        covered = {record[1] - 1 for record in records() if record[0] == contig}
        assert all(any(start <= at < start + width for start, width, _ in entry.bins) for at in covered)
    first = found["1"]
    assert len(first.bins) > 5
    assert min(width for _, width, _ in first.bins) == 1 << 14


@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_offsets_lead_to_the_records(tmp_path, name, csi, suffix):
    path = written(tmp_path / name, csi=csi)
    found = bgzf.read_index(path.with_name(name + suffix), list(CONTIGS))
    with pysam.BGZFile(str(path), "rb", None) as handle:
        for contig, entry in found.items():
            handle.seek(entry.first)
            if name == "x.bcf":  # the two lengths of the record stand before its contig
                assert struct.unpack("<2Ii", handle.read(12))[2] == list(CONTIGS).index(contig)
            else:
                assert handle.readline().startswith(contig.encode() + b"\t")
        handle.seek(max(entry.last for entry in found.values()))
        assert handle.read(1) == b""


def test_an_index_without_counts_says_so(tmp_path):
    """Old tabix wrote no counts: a TBI by hand, of one contig with two bins."""
    head = b"TBI\1" + struct.pack("<8i", 1, 2, 1, 2, 0, ord("#"), 0, 2) + b"3\0"
    bins = struct.pack("<iIi2QIi2Q", 2, 4681, 1, 5 << 16, 35 << 16, 4682, 1, 35 << 16, 45 << 16)
    (tmp_path / "x.tbi").write_bytes(gzip.compress(head + bins + struct.pack("<iQ", 1, 5 << 16)))
    found = bgzf.read_index(tmp_path / "x.tbi", [])
    shares = ((0, 1 << 14, 0.75), (1 << 14, 1 << 14, 0.25))
    assert found == {"3": bgzf.ContigIndex(None, 5 << 16, 45 << 16, shares)}


@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_a_damaged_index_is_refused(tmp_path, name, csi, suffix):
    path = written(tmp_path / name, csi=csi)
    index = path.with_name(name + suffix)
    raw, data = index.read_bytes(), gzip.decompress(index.read_bytes())
    broken = [raw[: len(raw) // 2], raw[:30] + b"\xff" * 30 + raw[60:], gzip.compress(data[: len(data) // 2]), b""]
    for content in [*broken, gzip.compress(data[:60] + b"\xff" * 60 + data[120:]), gzip.compress(data[:5])]:
        index.write_bytes(content)
        with pytest.raises(InputError, match=r"is damaged|is no \.tbi or \.csi"):
            bgzf.read_index(index, list(CONTIGS))


def test_something_else_is_no_index(tmp_path):
    (tmp_path / "x.tbi").write_bytes(gzip.compress(b"BAI\1"))
    with pytest.raises(InputError, match=r"no \.tbi or \.csi index: delete it"):
        bgzf.read_index(tmp_path / "x.tbi", [])


@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_a_fresh_index_passes(tmp_path, name, csi, suffix):
    path = written(tmp_path / name, csi=csi)
    index = path.with_name(name + suffix)
    bgzf.check_fresh(path, index, bgzf.read_index(index, list(CONTIGS)), bgzf.sniff(path))


VERSIONS = {
    "longer at the end": records((("1", 700), ("2:x-y", 150), ("3", 3000))),
    "longer at the start": records((("1", 4000), ("2:x-y", 150), ("3", 1))),
    "shorter": records((("1", 3),)),
    "shorter by one": records()[:-1],
    "without the first contig": records((("2:x-y", 150), ("3", 1))),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "csi", "suffix"), FILES)
def test_an_index_of_another_version_is_stale(tmp_path, name, csi, suffix, version):
    path = written(tmp_path / name, csi=csi)
    index = tmp_path / ("kept" + suffix)
    shutil.copy(path.with_name(name + suffix), index)
    written(path, VERSIONS[version], csi=csi)
    with quiet_htslib(), pytest.raises(InputError, match="stale index"):
        bgzf.check_fresh(path, index, bgzf.read_index(index, list(CONTIGS)), bgzf.sniff(path))


@pytest.mark.parametrize("csi", [False, True])
def test_an_index_with_other_contig_names_is_stale(tmp_path, csi):
    """Renamed contigs of the same length leave every offset where it was."""
    path = written(tmp_path / "x.vcf.gz", csi=csi)
    index = tmp_path / "kept"
    shutil.copy(bgzf.find_index(path), index)
    renamed = [("9" if contig == "1" else contig, *rest) for contig, *rest in records()]
    written(path, renamed, csi=csi, contigs={"9": 900_000, **CONTIGS})
    with quiet_htslib(), pytest.raises(InputError, match="stale index"):
        bgzf.check_fresh(path, index, bgzf.read_index(index, []), "vcf")


@pytest.mark.parametrize(
    ("name", "longest", "suffix"),
    [("x.vcf.gz", 1000, ".tbi"), ("x.vcf.gz", 1 << 29, ".csi"), ("x.vcf.bgz", 1000, ".tbi"), ("x.bcf", 1000, ".csi")],
)
def test_make_index_beside_the_file(tmp_path, name, longest, suffix):
    saved = tmp_path / ("y.bcf" if name == "x.bcf" else "y.vcf.gz")
    save_vcf(vcf_text(records(), ["a", "b", "c"], CONTIGS), saved, index=False)
    path = saved.rename(tmp_path / name)
    made = bgzf.make_index(path, bgzf.sniff(path), longest, tmp_path / "unused")
    assert made == tmp_path / (name + suffix)
    assert sum(entry.records for entry in bgzf.read_index(made, list(CONTIGS)).values()) == len(records())
    assert not (tmp_path / "unused").exists()
    assert {file.name for file in tmp_path.iterdir()} == {name, made.name}


def test_make_index_elsewhere_where_the_folder_is_read_only(tmp_path, monkeypatch):
    path = save_vcf(vcf_text(records(), ["a", "b", "c"], CONTIGS), tmp_path / "x.vcf.gz", index=False)
    monkeypatch.setattr(bgzf, "_writable", lambda _: False)
    made = bgzf.make_index(path, "vcf", 1000, tmp_path / "some" / "where")
    assert made == tmp_path / "some" / "where" / "x.vcf.gz.tbi"
    assert sum(entry.records for entry in bgzf.read_index(made, []).values()) == len(records())
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["x.vcf.gz"]


def test_a_folder_that_cannot_be_written_is_seen(tmp_path):
    assert bgzf._writable(tmp_path)
    assert not list(tmp_path.iterdir())
    assert not bgzf._writable(tmp_path / "missing")


@pytest.mark.parametrize("name", ["x.vcf.gz", "x.bcf"])
@pytest.mark.parametrize("rows", [records()[::-1], [*records((("1", 2), ("3", 1))), *records((("1", 1),), 700_000)]])
def test_unsorted_records_cannot_be_indexed(tmp_path, name, rows):
    path = save_vcf(vcf_text(rows, ["a", "b", "c"], CONTIGS), tmp_path / name, index=False)
    with quiet_htslib(), pytest.raises(InputError, match=r"bcftools sort -Oz -o sorted.vcf.gz"):
        bgzf.make_index(path, bgzf.sniff(path), 1000, tmp_path)
    assert bgzf.find_index(path) is None
