"""VCFs that no program should write and some program did: well-formed text with odd names, alleles and genotypes."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

CONTIGS = (
    "1",
    "chr2",
    "X",
    "HLA-A*01:01:01:01",
    "c:1-500",
    "a&b",
    "<b>",
    "'q'",
    'say"so"',
    "a%2Fb",
    "..",
    "x|y",
    "-r",
    "CON",
    "chrUn_KI270442v1",
    "é",
    "a/b",
    "$(id)",
    "MT",
    "a;b",
    "1{2}",
)
SAMPLES = (
    "s 1",
    "é",
    "<script>alert(1)</script>",
    "a&b",
    "../../x",
    "s\u202es",
    "'",
    "0",
    "-",
    "NA12878",
    "\U0001f9ec",
    "s,1",
)
BASES = (
    "A",
    "C",
    "G",
    "T",
    "N",
    "a",
    "R",
    "*",
    ".",
    "AC",
    "ACGT",
    "<DEL>",
    "<*>",
    "<NON_REF>",
    "A[chr2:30[",
    "",
    "Z",
    "A,",
)
GENOTYPES = (
    "0|0",
    "0|1",
    "1|0",
    "1|1",
    "0/1",
    ".|.",
    "./.",
    ".",
    "0",
    "1",
    "0|.",
    "1|2",
    "0|1|1",
    "0/0/0/1",
    "|0",
    "0|",
    "",
    "9|9",
    "-1|0",
    "0|1:5",
    "0\\1",
    "0|1|1|0|0|1|1|0|0|1|1|0|0|1|1|0|0|1",
    "00|01",
    "a|b",
)
INFOS = (
    ".",
    "AA=A",
    "AA=c|||",
    "AA=.",
    "AA=N",
    "AA=",
    "AA",
    "AA=AC",
    "AA=-",
    "END=5000",
    "AC=1;AA=T;AN=4",
    ";;",
    "XAA=C",
    "AA=A;AA=C",
    "",
)
FORMATS = ("GT", "GT:DP", "DP:GT", "DP", "GT:GT", ".", "")
LENGTHS = (None, 0, 1, 100, 20_000, 20_000, 2**29, 2**31, 2**31 - 1, 10**12)
HEADERS = (
    "##contig=<length=5>",
    "##contig=<ID=1,length=x>",
    '##INFO=<ID=AA,Number=., Type=String,Description="a,b">',
    "##ALT=<ID=DEL>",
    "##",
    "##x",
    '##META="<b>',
    "##FORMAT=<ID=GT,Number=1,Type=Integer,Description=x>",
)


@dataclass(frozen=True)
class Odd:
    """A VCF as text, and how many lines of records it has."""

    text: str
    records: int


def usual(often: tuple[str, ...], odd: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Draw what is common in seven cases of eight."""
    return st.integers(0, 7).flatmap(lambda at: st.sampled_from(odd if at == 0 else often))


ALLELE = usual(("A", "C", "G", "T"), BASES)
GENOTYPE = usual(("0|0", "0|1", "1|0", "1|1"), GENOTYPES)


@st.composite
def records(draw: st.DrawFn, contig: str, samples: int) -> list[str]:
    """Draw records of one contig, sorted in most cases."""
    positions = draw(st.lists(st.integers(1, 19_000), min_size=1, max_size=12))
    if draw(st.integers(0, 9)):
        positions.sort()
    if not draw(st.integers(0, 9)):
        positions[-1] = draw(st.sampled_from((0, 20_000, 20_001, 2**29 + 5, 2**31 - 2, 2**31 + 7)))
    lines = []
    for position in positions:
        ref, alt = (
            draw(ALLELE),
            draw(
                st.lists(ALLELE, min_size=1, max_size=3)
                if not draw(st.integers(0, 5))
                else st.lists(ALLELE, min_size=1, max_size=1)
            ),
        )
        quality, passed = (
            draw(usual((".",), ("50", "x", "-1", "1e400"))),
            draw(usual(("PASS", "."), ("q10", "", "a;b"))),
        )
        info, layout = draw(usual(("AA=A", "."), INFOS)), draw(usual(("GT",), FORMATS))
        fields = [contig, str(position), ".", ref, ",".join(alt), quality, passed, info, layout]
        missing = 0 if draw(st.integers(0, 30)) else draw(st.integers(-1, 2))
        lines.append("\t".join([*fields, *(draw(GENOTYPE) for _ in range(max(0, samples - missing)))]))
    return lines


@st.composite
def vcfs(draw: st.DrawFn) -> Odd:
    """Draw a whole file."""
    samples = draw(
        st.lists(
            usual(tuple(f"s{at}" for at in range(8)), SAMPLES),
            min_size=1,
            max_size=5,
            unique=bool(draw(st.integers(0, 9))),
        )
    )
    contigs = draw(st.lists(usual(("1", "2", "3"), CONTIGS), min_size=1, max_size=3, unique=True))
    lines = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += draw(st.lists(st.sampled_from(HEADERS), max_size=1))
    for contig in contigs:
        length = draw(st.sampled_from(LENGTHS)) if not draw(st.integers(0, 4)) else 20_000
        lines.append(f"##contig=<ID={contig}>" if length is None else f"##contig=<ID={contig},length={length}>")
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
    rows = [line for contig in contigs for line in draw(records(contig, len(samples)))]
    end = draw(usual(("\n",), ("\r\n",)))
    return Odd(end.join([*lines, *rows]) + draw(usual((end,), ("", end + end))), len(rows))
