"""Genes: what annotations in the wild say, and what they may get wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError, UsageError
from scanner.genes import Genes, Near, read_genes
from scanner.regions import Region

LENGTHS = {"1": 10_000, "2": 5_000, "MT": 100}

ENSEMBL = """##gff-version 3
##sequence-region   1 1 10000
1\tensembl\tchromosome\t1\t10000\t.\t.\t.\tID=chromosome:1;Alias=CM000663.2
1\thavana\tgene\t101\t200\t.\t+\t.\tID=gene:ENSG01;Name=LCT;biotype=protein_coding
1\thavana\tmRNA\t101\t180\t.\t+\t.\tID=transcript:ENST01;Parent=gene:ENSG01;Name=LCT-201
###
1\thavana\tncRNA_gene\t301\t400\t.\t-\t.\tID=gene:ENSG02
1\thavana\tpseudogene\t501\t600\t.\t-\t.\tID=gene:ENSG03;Name=PSEUDO
2\thavana\tgene\t1\t50\t.\t+\t.\tID=gene:ENSG04;Name=A%3BB%25
##FASTA
>1
ACGT
"""
GENCODE = """#!genome-build GRCh38
chr1\tHAVANA\tgene\t101\t200\t.\t+\t.\tgene_id "ENSG01.5"; gene_type "protein_coding"; gene_name "LCT"; level 2;
chr1\tHAVANA\ttranscript\t101\t200\t.\t+\t.\tgene_id "ENSG01.5"; transcript_id "ENST01"; gene_name "LCT";
chr2\tHAVANA\tgene\t1\t50\t.\t+\t.\tgene_id "ENSG04"
chrUn_1\tHAVANA\tgene\t1\t999999\t.\t+\t.\tgene_id "ENSG09";
"""
EXONS = """1\tStringTie\texon\t301\t400\t.\t+\t.\tgene_id "G1"; transcript_id "T1";
1\tStringTie\texon\t101\t200\t.\t+\t.\tgene_id "G1"; transcript_id "T1";
2\tStringTie\texon\t10\t20\t.\t+\t.\tgene_id "G1";
1\tStringTie\texon\t900\t950\t.\t+\t.\tgene_id "G2";
"""


def write(folder: Path, text: str, name: str = "genes.gff3") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def listed(genes: Genes) -> list[tuple[str, int, int, str]]:
    return [
        (contig, int(start), int(end), name)
        for contig, placed in genes.contigs.items()
        for start, end, name in zip(placed.start, placed.end, placed.names, strict=True)
    ]


@pytest.mark.parametrize("name", ["genes.gff3", "genes.gff3.gz"])
def test_gff3_of_ensembl(tmp_path: Path, name: str):
    genes = read_genes(write(tmp_path, ENSEMBL, name), LENGTHS)
    assert listed(genes) == [("1", 100, 200, "LCT"), ("1", 300, 400, "ENSG02"), ("2", 0, 50, "A;B%")]
    assert len(genes) == 3


def test_gtf_of_gencode_with_other_names_of_contigs(tmp_path: Path):
    genes = read_genes(write(tmp_path, GENCODE), LENGTHS)
    assert listed(genes) == [("1", 100, 200, "LCT"), ("2", 0, 50, "ENSG04")]


def test_a_gtf_without_genes_has_them_from_its_exons(tmp_path: Path):
    genes = read_genes(write(tmp_path, EXONS), LENGTHS)
    assert listed(genes) == [("1", 100, 400, "G1"), ("1", 899, 950, "G2"), ("2", 9, 20, "G1")]


def test_aliases_lead_to_the_contig(tmp_path: Path):
    path = write(tmp_path, "NC_000001.11\tRefSeq\tgene\t1\t9\t.\t+\t.\tID=gene-LCT;Name=LCT\n")
    assert listed(read_genes(path, LENGTHS, {"NC_000001.11": "x", "1": "x"})) == [("1", 0, 9, "LCT")]


def test_a_gene_without_a_name_is_called_after_its_place(tmp_path: Path):
    path = write(tmp_path, "1\tx\tgene\t5\t9\t.\t+\t.\t.\n")
    assert listed(read_genes(path, LENGTHS)) == [("1", 4, 9, "1:5-9")]


def test_a_gene_may_reach_over_the_end_of_a_circle(tmp_path: Path):
    text = "MT\tx\tregion\t1\t100\t.\t+\t.\tID=MT;Is_circular=true\nMT\tx\tgene\t91\t120\t.\t+\t.\tID=g\n"
    assert listed(read_genes(write(tmp_path, text), LENGTHS)) == [("MT", 90, 100, "g")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "1\tx\tgene\t9000\t10001\t.\t+\t.\tID=g\n",
            "the gene 1:9000-10001 ends past the 10,000 bp.*another genome bu",
        ),
        ("7\tx\tgene\t1\t2\t.\t+\t.\tID=g\n", "no contig in common with the scan: it has 7, the scan 1, 2, MT"),
        ("1\tx\tgene\t1\t2\t.\t+\t.\n", r"line 1: expected the nine columns .* found '1\tx\tgene\t1\t2\t.\t\+\t.'"),
        ("#\n1\tx\tgene\tone\t2\t.\t+\t.\tID=g\n", "line 2: .*'1\tx\tgene\tone"),
        ("1\tx\tgene\t0\t2\t.\t+\t.\tID=g\n", "line 1: .*1 <= start"),
        ("1\tx\tgene\t3\t2\t.\t+\t.\tID=g\n", "line 1: .*start <= end"),
        ("1\tx\tSNV\t3\t4\t.\t+\t.\tID=g\n", "names no gene"),
        ("##gff-version 3\n", "names no gene"),
        ("x" * 500 + "\n", "found 'x{100}...'$"),
    ],
)
def test_a_bad_annotation_is_one_sentence(tmp_path: Path, text: str, said: str):
    with pytest.raises(InputError, match=said) as caught:
        read_genes(write(tmp_path, text), LENGTHS)
    assert str(caught.value).startswith(str(tmp_path / "genes.gff3"))


def test_files_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(UsageError, match="no such file"):
        read_genes(tmp_path / "none.gff", LENGTHS)
    cut = write(tmp_path, GENCODE, "cut.gff3.gz")
    cut.write_bytes(cut.read_bytes()[:-12])
    with pytest.raises(InputError, match="cannot be read as text"):
        read_genes(cut, LENGTHS)
    latin = tmp_path / "latin.gff"
    latin.write_bytes(b"1\tx\tgene\t1\t2\t.\t+\t.\tName=caf\xe9\n")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_genes(latin, LENGTHS)


SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 9)), min_size=1, max_size=12)


@given(SPANS, st.integers(0, 95), st.integers(1, 5))
def test_near_equals_a_search_base_by_base(spans: list[tuple[int, int]], start: int, length: int):
    rows = sorted((low, low + size) for low, size in spans)
    text = "".join(f"c\tx\tgene\t{low + 1}\t{high}\t.\t+\t.\tID=g{at:02}\n" for at, (low, high) in enumerate(rows))
    region = Region("c", start, start + length)
    near = read_rows(text).near(region)
    bases = set(range(region.start, region.end))
    assert list(near.inside) == [f"g{at:02}" for at, row in enumerate(rows) if bases & set(range(*row))]
    if near.inside:
        assert (near.left, near.right) == (None, None)
        return
    gaps_left = [region.start - high for _, high in rows if high <= region.start]
    gaps_right = [low - region.end for low, _ in rows if low >= region.end]
    assert (None if near.left is None else near.left[1]) == min(gaps_left, default=None)
    assert (None if near.right is None else near.right[1]) == min(gaps_right, default=None)


def read_rows(text: str) -> Genes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return read_genes(write(Path(folder), text), {"c": 200})


def test_nothing_is_near_where_the_annotation_has_no_such_contig(tmp_path: Path):
    genes = read_genes(write(tmp_path, EXONS), LENGTHS)
    assert genes.near(Region("MT", 0, 10)) == Near(())
