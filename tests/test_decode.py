"""The compiled parser gives what cyvcf2 gives, and what it refuses it refuses by name."""

from __future__ import annotations

from pathlib import Path

import cyvcf2
import numpy as np
import pytest
from conftest import save_vcf, vcf_text
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import decode
from scanner.bgzf import quiet_htslib
from scanner.decode import Kind, PloidyGrows, decode_lines, decode_variants
from scanner.errors import InputError

HEADER = "\n".join(
    [
        "##fileformat=VCFv4.2",
        "##contig=<ID=1,length=2000>",
        '##INFO=<ID=AA,Number=1,Type=String,Description="Ancestral allele">',
        '##INFO=<ID=XAA,Number=1,Type=String,Description="Something else">',
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">',
        '##INFO=<ID=DB,Number=0,Type=Flag,Description="Flag">',
        '##FILTER=<ID=LowQual,Description="Low quality">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=GTX,Number=1,Type=String,Description="No genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">',
        '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">',
    ]
)
REFS = ["A", "C", "G", "T", "a", "t", "N", "n", "R", "AT", "acg", "GGGG"]
ALTS = [
    *("A", "C", "G", "T", "c", "g", "N", "W", "k", "TA", "ggt", "CCCC", "*", "<DEL>", "<*>", ".", "<INS:ME:ALU>"),
    *("G]1:198]", "]1:5]t", "G[1:7[", ".A", "C,G", "*,C", "C,<DEL>", "A,C,T", "C,C"),
]
BASES = ["A", "C", "G", "T", "a", "c"]
INFOS = [
    *(".", "AA=A", "AA=c", "AA=a|||", "AA=G|G|C|", "AA=.", "AA=-", "AA=N", "AA=n", "AA=AC", "AA=C,T", "AA=", "AA"),
    *("AA=*", "AA=|A", "AC=1;AA=T", "AA=T;AC=1", "AC=1;AA=g;DB", "DB;AA=g|", "XAA=C", "XAA=C;AA=G", "AA=G;XAA=C"),
    *("aa=C", "AC=1;DB", "AAX=C", "AA=R", "XAA=AA=C", "AA=C;AA=T"),
]
FORMATS = ["GT", "GT:DP", "GT:AD:GQ", "GT:GTX", "GTX", "DP", "GQ:DP", "GTX:GT"]


@st.composite
def genotypes(draw: st.DrawFn, most: int = 4) -> str:
    """Spell a genotype of up to ``most`` alleles, every allele and separator drawn for itself."""
    alleles = draw(st.lists(st.sampled_from("01."), min_size=1, max_size=most))
    separators = draw(st.lists(st.sampled_from("|/"), min_size=len(alleles) - 1, max_size=len(alleles) - 1))
    return alleles[0] + "".join(a + b for a, b in zip(separators, alleles[1:], strict=True))


@st.composite
def lines(draw: st.DrawFn, samples: int, most: int = 4) -> str:
    """Spell a record; half of them are biallelic SNPs."""
    ref, alt = draw(
        st.one_of(
            st.tuples(st.sampled_from(BASES), st.sampled_from(BASES)),
            st.tuples(st.sampled_from(REFS), st.sampled_from(ALTS)),
        )
    )
    keys = draw(st.sampled_from(FORMATS)).split(":")
    extra = {"DP": st.sampled_from(["7", "."]), "GQ": st.sampled_from(["99", "."]), "AD": st.sampled_from(["3,4", "."])}
    extra |= {"GT": genotypes(most), "GTX": st.sampled_from(["0|1", "."])}
    columns = []
    for _ in range(samples):
        fields = [draw(extra[key]) for key in keys]
        columns.append(":".join(fields[: draw(st.integers(1, len(fields)))]))  # trailing fields may be left out
    head = ["1", str(draw(st.integers(1, 2000))), draw(st.sampled_from([".", "rs1;x"])), ref, alt]
    tail = [draw(st.sampled_from([".", "30", "1e3"])), draw(st.sampled_from(["PASS", ".", "LowQual"]))]
    return "\t".join([*head, *tail, draw(st.sampled_from(INFOS)), ":".join(keys), *columns])


@st.composite
def files(draw: st.DrawFn, most: int = 4) -> tuple[list[str], np.ndarray, int, tuple[int, int]]:
    """Give lines, the slot of each sample (some left out, in any order), the number of slots, and bounds."""
    samples = draw(st.integers(1, 6))
    found = draw(st.lists(lines(samples, most), min_size=1, max_size=12))
    chosen = draw(st.lists(st.integers(0, samples - 1), unique=True, min_size=1))
    slots = np.full(samples, -1, np.int64)
    slots[chosen] = np.arange(len(chosen))
    low = draw(st.integers(0, 1500))
    return found, slots, len(chosen), (low if draw(st.booleans()) else 0, draw(st.integers(low + 1, 2000)))


def variants(text: list[str], samples: int, path: Path) -> list[cyvcf2.Variant]:
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"] + [
        f"s{n}" for n in range(samples)
    ]
    path.write_text("\n".join([HEADER, "\t".join(columns), *text]) + "\n")
    with quiet_htslib():
        return list(cyvcf2.VCF(str(path)))


def outcome(function, *arguments):
    """Give the records, or the ploidy that is asked for."""
    try:
        return function(*arguments)
    except PloidyGrows as growth:
        return growth.ploidy


def assert_same(found, expected) -> None:
    for name in ("positions", "kinds", "ref", "alt", "ancestral", "alleles", "unphased"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("decode") / "x.vcf"


@settings(max_examples=100)
@given(file=files())
def test_the_parser_gives_what_cyvcf2_gives(scratch, file):
    text, slots, samples, bounds = file
    judged = variants(text, len(slots), scratch)
    assert_same(decode_lines(text, slots, samples, 4, bounds), decode_variants(judged, slots, samples, 4, bounds))


@given(file=files(most=2))
def test_the_common_diploid_path_too(scratch, file):
    text, slots, samples, bounds = file
    judged = variants(text, len(slots), scratch)
    assert_same(decode_lines(text, slots, samples, 2, bounds), decode_variants(judged, slots, samples, 2, bounds))


def naive_alleles(genotype: str, ploidy: int) -> tuple[list[int], bool]:
    """Read one genotype with nothing but string methods."""
    if genotype == ".":
        return [-1] * ploidy, False
    calls = [-1 if part == "." else int(part) for part in genotype.replace("/", "|").split("|")]
    return calls + [-2] * (ploidy - len(calls)), "/" in genotype


@given(rows=st.lists(st.lists(genotypes(), min_size=3, max_size=3), min_size=1, max_size=5))
def test_alleles_and_phase_equal_a_naive_reading(rows):
    text = ["\t".join(["1", str(n + 1), ".", "A", "c", ".", ".", ".", "GT", *row]) for n, row in enumerate(rows)]
    found = decode_lines(text, np.arange(3), 3, 4, (0, 99))
    naive = [[naive_alleles(genotype, 4) for genotype in row] for row in rows]
    assert found.alleles.tolist() == [[allele for calls, _ in row for allele in calls] for row in naive]
    assert found.unphased.tolist() == [[loose for _, loose in row] for row in naive]
    assert (bytes(found.ref), bytes(found.alt)) == (b"A" * len(rows), b"C" * len(rows))


def row(genotypes=("0|1", "1|1"), *, pos="5", ref="A", alt="C", info=".", form="GT"):
    return "\t".join(["1", pos, ".", ref, alt, ".", ".", info, form, *genotypes])


def decode_rows(*rows: str, ploidy: int = 2, samples: int = 2):
    return decode_lines(list(rows), np.arange(samples), samples, ploidy, (0, 1000))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, Kind.SNP),
        ({"ref": "a", "alt": "t"}, Kind.SNP),
        ({"alt": "C,G"}, Kind.MULTIALLELIC),
        ({"alt": "CA"}, Kind.INDEL),
        ({"ref": "AT"}, Kind.INDEL),
        ({"ref": "AT", "alt": "CG"}, Kind.MNP),
        ({"alt": "<DEL>"}, Kind.SYMBOLIC),
        ({"alt": "*"}, Kind.SYMBOLIC),
        ({"alt": "N"}, Kind.SYMBOLIC),
        ({"ref": "R"}, Kind.SYMBOLIC),
        ({"alt": "G]17:198982]"}, Kind.SYMBOLIC),
        ({"alt": "."}, Kind.MONOMORPHIC),
        ({"form": "DP"}, Kind.NO_GENOTYPE),
        ({"form": "GTX"}, Kind.NO_GENOTYPE),
        ({"form": "DP:GT"}, Kind.NO_GENOTYPE),
        ({"pos": "1001"}, Kind.OUTSIDE),
    ],
)
def test_kinds(change, kind):
    found = decode_rows(row(**change))
    assert found.kinds.tolist() == [kind]
    assert len(found.alleles) == (kind == Kind.SNP)


@pytest.mark.parametrize(
    ("info", "base"),
    [("AA=a|||", b"A"), ("AA=.", b"\0"), ("AA=-", b"\0"), ("AA=AC", b"\0"), ("XAA=C", b"\0"), ("DB;AA=t;X=1", b"T")],
)
def test_ancestral_base_of_info(info, base):
    assert decode_rows(row(info=info)).ancestral.tobytes() == base


def test_a_line_of_eight_columns_has_no_genotype():
    assert decode_rows(row().split("\tGT")[0]).kinds.tolist() == [Kind.NO_GENOTYPE]


def test_the_phase_that_vcf_4_4_states_first():
    found = decode_rows(row(["/0|1", "|1/0"]), row(["|1", "/."]))
    assert found.alleles.tolist() == [[0, 1, 1, 0], [1, -2, -1, -1]]
    assert found.unphased.tolist() == [[False, True], [False, False]]


MALFORMED = {
    "too few columns": ("1\t5\t.\tA\tC\t.\t.", "fewer than 8 columns"),
    "contig and position alone": ("1\t5", "fewer than 8 columns"),
    "POS of letters": (row(pos="x"), "POS is no whole number"),
    "POS zero": (row(pos="0"), "POS is no whole number"),
    "POS empty": (row(pos=""), "POS is no whole number"),
    "POS negative": (row(pos="-4"), "POS is no whole number"),
    "POS with a point": (row(pos="1.5"), "POS is no whole number"),
    "POS beyond all numbers": (row(pos="9" * 19), "POS is no whole number"),
    "REF empty": (row(ref=""), "REF or ALT is empty"),
    "ALT empty": (row(alt=""), "REF or ALT is empty"),
    "allele 2 of a biallelic site": (row(["0|1", "0|2"]), "none of the record's alleles"),
    "allele 10": (row(["0|10", "0|1"]), "none of the record's alleles"),
    "letters": (row(["0|1", "A|C"]), "none of the record's alleles"),
    "no second allele": (row(["0|1", "1|"]), "none of the record's alleles"),
    "no first allele": (row(["0|1", "||1"]), "none of the record's alleles"),
    "negative allele": (row(["-1|0", "0|1"]), "none of the record's alleles"),
    "a space": (row(["0 1", "0|1"]), "none of the record's alleles"),
    "genotype empty": (row(["", "0|1"]), "none of the record's alleles"),
    "last genotype empty": (row(["0|1", ""]), "none of the record's alleles"),
    "genotype empty before a subfield": (row([":4", "0|1:3"], form="GT:DP"), "none of the record's alleles"),
    "too few samples": (row(["0|1"]), "not one column for every sample"),
    "too many samples": (row(["0|1"] * 3), "not one column for every sample"),
    "no sample at all": (row([]), "not one column for every sample"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_lines_are_named_by_their_place(name):
    line, message = MALFORMED[name]
    with pytest.raises(InputError, match=message) as error:
        decode_rows(row(pos="3"), line, row(pos="7"))
    assert str(error.value).startswith(":".join(line.split("\t")[:2]) + ": ")


def test_samples_left_out_are_not_looked_at():
    found = decode_lines([row(["9|9", "0|1", "junk"])], np.array([-1, 0, -1]), 1, 2, (0, 1000))
    assert found.alleles.tolist() == [[0, 1]]


@pytest.mark.parametrize("allele", [2, 257, 300])
def test_cyvcf2s_variants_are_checked_too(scratch, allele):
    judged = variants([row(["0|1", f"0|{allele}"])], 2, scratch)
    with pytest.raises(InputError, match=r"^1:5: a genotype is none of the record's alleles$"):
        decode_variants(judged, np.arange(2), 2, 2, (0, 1000))


def test_more_alleles_than_columns_ask_for_more(scratch):
    text = [row(["0|1", "1"]), row(["0|1", "0/1/1"])]
    for function, given_rows in ((decode_lines, text), (decode_variants, variants(text, 2, scratch))):
        with pytest.raises(PloidyGrows) as growth:
            function(given_rows, np.arange(2), 2, 2, (0, 1000))
        assert growth.value.ploidy == 3
        found = function(given_rows, np.arange(2), 2, 3, (0, 1000))
        assert found.alleles.tolist() == [[0, 1, -2, 1, -2, -2], [0, 1, -2, 0, 1, 1]]


def interpret(patch: pytest.MonkeyPatch) -> None:
    """Run the parser as plain Python, where reading past the end of the text is an IndexError."""
    for name in (
        "_columns",
        "_number",
        "_is_base",
        "_is_letters",
        "_kind",
        "_info_ancestral",
        "_genotypes",
        "_genotype",
    ):
        patch.setattr(decode, name, getattr(decode, name).py_func)
    body = decode._decode.py_func
    patch.setattr(decode, "_decode", lambda text, *rest: body(text.astype(np.int64), *rest))


SHAPE = (np.arange(2), 2, 2, (0, 1000))


def settle(*arguments):
    """Give the records, or what the parser says instead."""
    try:
        return decode_lines(*arguments)
    except (InputError, PloidyGrows) as refusal:
        return str(refusal)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[list[str], int]:
    """Give lines of which one is cut off, or has characters exchanged, dropped or put in."""
    samples = draw(st.integers(1, 3))
    text = draw(st.lists(lines(samples, 2), min_size=1, max_size=3))
    at = draw(st.integers(0, len(text) - 1))
    line = text[at]
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(line)))
        more = draw(
            st.sampled_from(["", "\t", "|", "/", ":", ".", ",", ";", "0", "1", "2", "9", "A", "AA=", " ", "\xe9"])
        )
        line = line[:place] + more + (line[place + draw(st.integers(0, 2)) :] if draw(st.booleans()) else "")
    text[at] = line
    return text, samples


@settings(max_examples=200)
@given(damaged())
def test_damaged_lines_are_read_or_refused_but_never_read_past_their_end(file):
    text, samples = file
    compiled = settle(text, np.arange(samples), samples, 2, (0, 2000))
    with pytest.MonkeyPatch.context() as patch:
        interpret(patch)
        plain = settle(text, np.arange(samples), samples, 2, (0, 2000))
    if isinstance(plain, str):
        assert compiled == plain
    else:
        assert_same(compiled, plain)


def test_a_line_cut_off_anywhere(monkeypatch):
    interpret(monkeypatch)
    text = row(["0|1:3", "1|0"], form="GT:DP", info="AA=A")
    read = [end for end in range(1, len(text) + 1) if not isinstance(settle([text[:end]], *SHAPE), str)]
    without_format = range(text.index("AA=A"), text.index("\tGT") + 1)  # eight columns: a record without genotypes
    haploid = len(text) - 2  # "1" of "1|0"
    assert read == [*without_format, haploid, len(text)]


def test_no_line_at_all():
    found = decode_rows()
    assert (len(found.positions), found.alleles.shape, found.unphased.shape) == (0, (0, 4), (0, 2))


@given(rows=st.lists(st.lists(genotypes(3), min_size=3, max_size=3), min_size=1, max_size=5))
def test_bcf_holds_the_same(tmp_path_factory, rows):
    """What htslib makes of the same records in the other format."""
    records = [("1", n + 1, "A", "C", "AA=c|", calls) for n, calls in enumerate(rows)]
    folder = tmp_path_factory.mktemp("bcf")
    path = save_vcf(vcf_text(records, ["a", "b", "c"], {"1": 100}), folder / "x.bcf", index=False)
    text = vcf_text(records, ["a", "b", "c"], {"1": 100}).splitlines()[-len(rows) :]
    with quiet_htslib():
        found = decode_variants(list(cyvcf2.VCF(str(path))), np.arange(3), 3, 3, (0, 100))
    assert_same(found, decode_lines(text, np.arange(3), 3, 3, (0, 100)))
