"""Reading by region: every record is accounted for once, whatever the regions."""

from __future__ import annotations

import gzip
import itertools
import random
import shutil
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cyvcf2
import numpy as np
import pysam
import pytest
from conftest import Record, save_vcf, vcf_text
from hypothesis import given
from hypothesis import strategies as st

from scanner import bgzf, vcf
from scanner.errors import InputError, UsageError
from scanner.populations import Selection
from scanner.reference import Mask
from scanner.regions import Region

KINDS = ("input.vcf.gz", "input.bcf")
LENGTH = 3_000
SAMPLES = [f"s{number}" for number in range(7)]
POPULATIONS = {"B": (5, 0), "A": (3, 1, 2)}  # s4 and s6 are left out
DEPTH = '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">'


def whole(source) -> Selection:
    return Selection({"all": tuple(range(len(source.samples)))}, named=False)


def read(path, region=None, *, populations=None, mask=None, core=None, lengths=None, **options):
    """Read a region, or contig 1."""
    source = vcf.open_source(path, lengths=lengths, fallback=path.parent / "fallback")
    selection = whole(source) if populations is None else Selection(populations, named=True)
    region = region or Region("1", 0, source.lengths["1"])
    return vcf.read(source, selection, region, vcf.ReadOptions(**options), mask, core)


def alleles(block) -> list[list[list[int]]]:
    return [population.alleles().tolist() for population in block.populations]


def mixture(seed: int) -> list[Record]:
    """Give records of every kind: several at a place, long deletions, missing and haploid genotypes."""
    draw = random.Random(seed)
    records: list[Record] = []
    for position in sorted(draw.choices(range(1, LENGTH + 1), k=260)):
        ref = draw.choice("ACGTacgt")
        others = [base for base in "ACGT" if base != ref.upper()]
        snp = draw.choice(others)
        alt = draw.choice([snp] * 12 + [f"{others[0]},{others[1]}", "<DEL>", "*", ".", "N", ref + "TT"])
        info = draw.choice(["", f"AA={ref}", f"AA={alt[0].lower()}|", "AA=N", f"AA={others[2]}"])
        if draw.random() < 0.1:
            ref, alt = draw.choice([("A" * draw.randint(2, 500), "A"), ("AC", "TG")])
        if alt == "<DEL>":
            info = f"END={min(LENGTH, position + 300)}"
        pool = draw.choice(
            [["0|0", "0|1", "1|0", "1|1", "0/1", "./.", "0|.", "1", "."], ["0|0", "0|0", "0|1"], ["0|0"]]
        )
        calls = [draw.choice(pool) for _ in SAMPLES]
        if draw.random() < 0.05:
            info, calls = "NOGT", ["7"] * len(SAMPLES)
        records.append(("1", position, ref, alt, info, calls))
        if info != "NOGT" and draw.random() < 0.05:  # the same once more, or another row of a split site
            records.append(records[-1] if draw.random() < 0.5 else ("1", position, ref, others[0], "", calls))
    return records


def spelled(records, samples=SAMPLES, contigs=None) -> str:
    """Spell records; those of INFO ``NOGT`` have a depth and no genotype."""
    return vcf_text(records, samples, contigs or {"1": LENGTH}, [DEPTH]).replace("\tNOGT\tGT\t", "\t.\tDP\t")


@dataclass
class Naive:
    """What a reader without any cleverness makes of records: the reason of each, and the sites."""

    reasons: list[str]
    sites: list[tuple]

    @property
    def tally(self) -> Counter:
        return Counter(self.reasons)


def naive_kind(record: Record) -> str:
    _, _, ref, alt, info, _ = record
    if alt == ".":
        return "monomorphic"
    if "," in alt:
        return "multiallelic"
    if not alt.isalpha():
        return "symbolic"
    if len(ref) != len(alt):
        return "indel"
    if len(ref) > 1:
        return "mnp"
    if alt.upper() not in "ACGT" or ref.upper() not in "ACGT":
        return "symbolic"
    return "no_genotype" if info == "NOGT" else "snp"


def naive_calls(record: Record, members) -> list[list[int]]:
    """Give each member's alleles: -1 missing, and nothing for a chromosome that is not there."""
    calls = [record[5][member].replace("/", "|").split("|") for member in members]
    return [[-1, -1] if call == ["."] else [-1 if a == "." else int(a) for a in call] for call in calls]


def naive(records, populations, covered=None, max_missing=0.5, min_maf=0.0) -> Naive:
    reasons, sites = [], []
    members = [member for group in populations.values() for member in group]
    for at, record in enumerate(records):
        kind = naive_kind(record)
        if kind == "snp":
            rows = [other for other in records if other[1] == record[1] and naive_kind(other) == "snp"]
            flat = [a for call in naive_calls(record, members) for a in call]
            ones, zeros, known = flat.count(1), flat.count(0), len(flat) - flat.count(-1)
            if len({(row[2].upper(), row[3].upper()) for row in rows}) > 1:
                kind = "multiallelic"
            elif (len(rows) > 1 and rows[0] is not record) or record in records[:at]:
                kind = "duplicate"
            elif covered is not None and not covered[record[1] - 1]:
                kind = "masked"
            elif known == 0 or flat.count(-1) / len(flat) > max_missing:
                kind = "missing"
            elif ones == 0 or zeros == 0:
                kind = "monomorphic"
            elif min(ones, zeros) / known < min_maf:
                kind = "rare"
            else:
                kind = "sites"
                sites.append(naive_site(record, populations))
        reasons.append(kind)
    return Naive(reasons, sites)


def naive_site(record: Record, populations) -> tuple:
    """Give position, polarity and, for each population, its alleles in columns of two."""
    _, position, ref, alt, info, _ = record
    ancestral = info[3:].split("|")[0].upper() if info.startswith("AA=") else ""
    flip = ancestral == alt.upper()
    columns = []
    for group in populations.values():
        wide = [a for call in naive_calls(record, group) for a in ([*call, -1])[:2]]
        columns.append([1 - a if flip and a >= 0 else a for a in wide])
    return position - 1, ancestral in (ref.upper(), alt.upper()), columns


def sites_of(block) -> list[tuple]:
    rows = zip(block.positions.tolist(), block.polarised.tolist(), *alleles(block), strict=True)
    return [(position, polarised, list(columns)) for position, polarised, *columns in rows]


@pytest.fixture(scope="module", params=KINDS)
def mixed(request, tmp_path_factory) -> Path:
    """A file of `mixture` 1."""
    return save_vcf(spelled(mixture(1)), tmp_path_factory.mktemp("mixed") / request.param)


@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize("name", KINDS)
def test_blocks_and_tallies_equal_a_naive_reading(tmp_path, name, seed):
    records = mixture(seed)
    path = save_vcf(spelled(records), tmp_path / name)
    covered = np.zeros(LENGTH, bool)
    covered[200:900] = covered[901:2_500] = True
    mask = Mask(np.array([200, 901]), np.array([900, 2_500]))
    for chosen, options in ((None, {}), (mask, {"max_missing": 0.1}), (None, {"min_maf": 0.25, "max_missing": 1.0})):
        block, tally = read(path, populations=POPULATIONS, mask=chosen, **options)
        expected = naive(records, POPULATIONS, None if chosen is None else covered, **options)
        assert tally == expected.tally
        assert sites_of(block) == expected.sites
        assert (np.diff(block.positions) > 0).all()
        assert [population.name for population in block.populations] == ["B", "A"]
    assert {"sites", "monomorphic", "multiallelic", "symbolic", "indel", "mnp", "no_genotype"} <= set(expected.tally)


@given(cuts=st.sets(st.integers(1, LENGTH - 1), max_size=8))
def test_any_cutting_into_regions_gives_the_same(mixed, cuts):
    """A long deletion starts in one region and reaches into the next: it is counted where it starts."""
    expected = naive(mixture(1), POPULATIONS)
    found, tally = [], Counter()
    for start, end in pairwise([0, *sorted(cuts), LENGTH]):
        block, part = read(mixed, Region("1", start, end), populations=POPULATIONS)
        assert part == naive([r for r in mixture(1) if start < r[1] <= end], POPULATIONS).tally
        tally += part
        found += sites_of(block)
    assert tally == expected.tally
    assert tally.total() == len(mixture(1))
    assert found == expected.sites


@given(bounds=st.lists(st.integers(0, LENGTH), min_size=4, max_size=4, unique=True).map(sorted))
def test_only_the_core_is_tallied(mixed, bounds):
    start, low, high, end = bounds
    block, tally = read(mixed, Region("1", start, end), populations=POPULATIONS, core=(low, high))
    assert tally == naive([r for r in mixture(1) if low < r[1] <= high], POPULATIONS).tally
    assert sites_of(block) == naive([r for r in mixture(1) if start < r[1] <= end], POPULATIONS).sites


def test_vcf_and_bcf_give_the_same_block(tmp_path):
    (one, first), (two, second) = (read(save_vcf(spelled(mixture(5)), tmp_path / name)) for name in KINDS)
    assert first == second
    assert sites_of(one) == sites_of(two)
    for a, b in zip(one.populations, two.populations, strict=True):
        for name in ("derived", "known", "placed", "derived_count", "het_count", "unphased_count", "present_count"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_chunks_make_no_difference(mixed, monkeypatch):
    expected = read(mixed)
    monkeypatch.setattr(vcf, "CHUNK_BYTES", 1)  # a record a chunk
    block, tally = read(mixed)
    assert tally == expected[1]
    assert sites_of(block) == sites_of(expected[0])


SNP = ["0|0", "0|1", "1|1"]
REASONS = {
    "sites": [("A", "C", SNP)],
    "monomorphic": [
        ("A", ".", SNP),
        ("A", "C", ["0|0"] * 3),
        ("A", "C", ["1|1"] * 3),
        ("A", "C", ["1|1", ".|.", "1|1"]),
    ],
    "multiallelic": [("A", "C,G", SNP), ("A", "C,AT", SNP)],
    "indel": [("A", "AT", SNP), ("AT", "A", SNP), ("ATG", "CC", SNP)],
    "mnp": [("AT", "GC", SNP)],
    "symbolic": [("A", "<DEL>", SNP), ("A", "*", SNP), ("A", "N", SNP), ("N", "A", SNP), ("A", "A]1:5]", SNP)],
    "no_genotype": [("A", "C", None)],
    "missing": [("A", "C", [".|.", ".|.", "0|1"]), ("A", "C", [".|.", ".", "./."]), ("A", "C", [".", ".|.", "0|1"])],
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_by_itself(tmp_path, name, reason):
    records = []
    for number, (ref, alt, calls) in enumerate(REASONS[reason]):
        end = "END=700" if alt == "<DEL>" else ""
        records.append(("1", 10 + number, ref, alt, end if calls else "NOGT", calls or ["3"] * 3))
    path = save_vcf(spelled(records, ["a", "b", "c"]), tmp_path / name)
    block, tally = read(path)
    assert tally == {reason: len(records)}
    assert len(block) == (len(records) if reason == "sites" else 0)


def test_rare_and_masked(write_vcf):
    records = [
        ("1", 5 * n, "A", "C", "", row) for n, row in enumerate([["0|0", "0|1"], ["0|1", "0|1"], ["1|1", "1|."]], 1)
    ]
    path = write_vcf(records)
    assert read(path, min_maf=0.25)[1] == {"sites": 2, "monomorphic": 1}
    assert read(path, min_maf=0.26)[1] == {"sites": 1, "rare": 1, "monomorphic": 1}
    mask = Mask(np.array([4, 13]), np.array([5, 14]))
    assert read(path, mask=mask)[1] == {"sites": 1, "masked": 2}
    assert read(path, max_missing=0.24)[1] == {"sites": 2, "missing": 1}
    assert read(path, max_missing=0.25)[1] == {"sites": 2, "monomorphic": 1}


def test_rows_at_one_position(write_vcf):
    """Exact copies leave the first; rows of a split site are as multiallelic as the site was; an indel does no harm."""
    rows = [
        (5, "A", "C"),
        (5, "a", "c"),
        (5, "A", "C"),
        (9, "A", "C"),
        (9, "A", "G"),
        (9, "A", "C"),
        (12, "AT", "A"),
        (12, "A", "T"),
    ]
    path = write_vcf([("1", position, ref, alt, "", ["0|1", "0|0"]) for position, ref, alt in rows])
    block, tally = read(path)
    assert block.positions.tolist() == [4, 11]
    assert tally == {"sites": 2, "duplicate": 2, "multiallelic": 3, "indel": 1}


def test_of_copies_the_first_is_kept(write_vcf):
    path = write_vcf([("1", 5, "A", "C", "", ["0|1"]), ("1", 5, "A", "C", "", ["1|0"])])
    assert alleles(read(path)[0]) == [[[0, 1]]]


@pytest.mark.parametrize("name", KINDS)
def test_polarity_from_info(write_vcf, name):
    infos = ["AA=A", "AA=c", "AA=C|||", "AA=G", "AA=.", "", "AA=N"]
    path = write_vcf([("1", 5 + n, "A", "C", info, ["0|1", "1|."]) for n, info in enumerate(infos)], name=name)
    block, _ = read(path)
    assert block.polarised.tolist() == [True, True, True, False, False, False, False]
    kept, flipped = [0, 1, 1, -1], [1, 0, 0, -1]
    assert alleles(block) == [[kept, flipped, flipped, kept, kept, kept, kept]]
    (population,) = block.populations
    assert population.derived_count.tolist() == [2, 1, 1, 2, 2, 2, 2]
    assert population.known_count.tolist() == [3] * 7
    assert population.het_count.tolist() == [1] * 7


def test_an_ancestral_fasta_comes_before_info(write_vcf, tmp_path):
    path = write_vcf([("1", n, "A", "C", "AA=C", ["0|1", "0|0"]) for n in (3, 5, 7, 9)], contigs={"1": 10})
    (tmp_path / "anc.fa").write_text(">chr1\nNNaNCNGNNN\n")
    block, _ = read(path, ancestral=tmp_path / "anc.fa")
    assert block.polarised.tolist() == [True, True, False, False]
    assert alleles(block) == [[[0, 1, 0, 0], [1, 0, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]]]
    part, _ = read(path, Region("1", 4, 8), ancestral=tmp_path / "anc.fa")
    assert part.polarised.tolist() == [True, False]
    (tmp_path / "anc.fa").write_text(">other\nNNaNCNGNNN\n")
    (tmp_path / "anc.fa.fai").unlink()
    renamed, _ = read(path, ancestral=tmp_path / "anc.fa", aliases={"other": "x", "1": "x"})
    assert renamed.polarised.tolist() == [True, True, False, False]


@pytest.mark.parametrize("name", KINDS)
def test_a_record_past_the_end_of_its_contig(tmp_path, name):
    path = save_vcf(
        spelled([("1", n, "A", "C", "", SNP) for n in (50, 101)], ["a", "b", "c"], {"1": 200}), tmp_path / name
    )
    message = r"1:101 lies past the end of 1, which has 100 bp by the header or --chrom-sizes: another genome build"
    with pytest.raises(InputError, match=message):
        read(path, lengths={"1": 100})
    with pytest.raises(InputError, match=message):
        read(path, Region("1", 60, 100), lengths={"1": 100})
    assert read(path, Region("1", 0, 60), lengths={"1": 100})[1] == {"sites": 1}
    assert read(path, lengths={"1": 101})[1] == {"sites": 2}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("rows", [[("1", 9), ("1", 5)], [("1", 5), ("2", 5), ("1", 9)]])
def test_unsorted_records(write_vcf, capfd, name, rows):
    path = write_vcf([(c, p, "A", "C", "", SNP) for c, p in rows], contigs={"1": 10, "2": 10}, name=name, index=False)
    with pytest.raises(InputError, match=r"unsorted.*bcftools sort -Oz -o sorted.vcf.gz .*input"):
        read(path)
    assert capfd.readouterr().err == ""  # htslib is not heard


def test_records_out_of_order_that_an_index_led_to(write_vcf, monkeypatch):
    """No index can be made of such a file; should one turn up, the reader looks for itself."""
    path = write_vcf([("1", p, "A", "C", "", ["0|1"]) for p in (5, 9)])
    chunks = vcf.chunks
    monkeypatch.setattr(vcf, "chunks", lambda *a, **k: reversed(list(chunks(*a, **k, records=1))))
    with pytest.raises(InputError, match=r"is not sorted: 1:5 follows 1:9; sort it with 'bcftools sort"):
        read(path)


@pytest.mark.parametrize("name", KINDS)
def test_contig_names_with_colons_and_dashes(write_vcf, name):
    contigs = {"HLA:A-1:2": 100, "HLA:A-1": 100, "HLA:A-1:2:5-7": 100}
    records = [
        (c, 10 * n, "A", "C", "", SNP) for c, most in zip(contigs, (3, 4, 5), strict=True) for n in range(1, most)
    ]
    path = write_vcf(records, contigs=contigs, name=name)
    assert [read(path, Region(c, 0, 100))[1].total() for c in contigs] == [2, 3, 4]
    assert [read(path, Region(c, 10, 35))[1].total() for c in contigs] == [1, 2, 2]


@pytest.mark.parametrize("csi", [False, True])
def test_either_index_of_a_vcf(tmp_path, csi):
    path = save_vcf(spelled(mixture(1)), tmp_path / "x.vcf.gz", index=False)
    pysam.tabix_index(str(path), preset="vcf", csi=csi)
    source = vcf.open_source(path, fallback=tmp_path / "none")
    assert source.index.suffix == (".csi" if csi else ".tbi")
    assert source.entries["1"].records == len(mixture(1))
    assert read(path, populations=POPULATIONS)[1] == naive(mixture(1), POPULATIONS).tally


def test_a_contig_longer_than_a_tbi_can_index(write_vcf):
    path = write_vcf([("1", 600_000_000, "A", "C", "", SNP)], contigs={"1": 700_000_000}, index=False)
    assert read(path)[1] == {"sites": 1}
    assert bgzf.find_index(path).suffix == ".csi"


@pytest.mark.parametrize("name", KINDS)
def test_a_haploid_x(write_vcf, name):
    """Males have one X, women two; a lone dot is a genotype missing as a whole."""
    rows = [["1", "0|1", "0"], ["1", "1|1", "."], ["0", ".", "1"]]
    path = write_vcf([("X", 5 + n, "A", "C", "", row) for n, row in enumerate(rows)], contigs={"X": 100}, name=name)
    block, tally = read(path, Region("X", 0, 100), max_missing=0.6)
    (population,) = block.populations
    assert tally == {"sites": 2, "monomorphic": 1}
    assert alleles(block) == [[[1, -1, 0, 1, 0, -1], [0, -1, -1, -1, 1, -1]]]
    assert population.present_count.tolist() == [4, 4]
    assert population.known_count.tolist() == [4, 2]
    haploid, _ = read(path, Region("X", 0, 100), populations={"men": (0, 2)}, ploidy=1, max_missing=0.6)
    assert alleles(haploid) == [[[1, 0], [0, 1]]]


@pytest.mark.parametrize("name", KINDS)
def test_ploidy_grows_by_itself(write_vcf, name):
    rows = [["0|1", "0|0"], ["0/0/1/1", "0|1"], ["1", "0|1|1"]]
    path = write_vcf([("1", 5 + n, "A", "C", "", row) for n, row in enumerate(rows)], name=name)
    (population,) = read(path)[0].populations
    assert population.size == 8
    assert population.alleles().tolist() == [
        [0, 1, -1, -1, 0, 0, -1, -1],
        [0, 0, 1, 1, 0, 1, -1, -1],
        [1, -1, -1, -1, 0, 1, 1, -1],
    ]
    assert population.unphased_count.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", KINDS)
def test_phase_of_more_than_two_alleles(write_vcf, name):
    rows = [["0|1|1", "0|1/1"], ["0/1|1", "0/0/1"]]
    path = write_vcf([("1", 5 + n, "A", "C", "", row) for n, row in enumerate(rows)], name=name)
    assert read(path, ploidy=3)[0].populations[0].unphased_count.tolist() == [1, 2]


def test_ploidy_has_an_end(write_vcf):
    path = write_vcf([("1", 5, "A", "C", "", ["|".join(["0", "1"] * 8 + ["0"])])])
    with pytest.raises(InputError, match=r"1:1-1000000 has a genotype of 17 alleles; popscan reads 16"):
        read(path)


def test_sites_that_do_not_vary_among_the_chosen_samples(write_vcf):
    rows = [["0|0", "0|1", "0|0"], ["0|1", "0|0", "1|1"], ["1|1", "0|0", "1|1"]]
    path = write_vcf([("1", 5 + n, "A", "C", "", row) for n, row in enumerate(rows)])
    assert read(path)[1] == {"sites": 3}
    block, tally = read(path, populations={"A": (2,), "B": (0,)})
    assert tally == {"sites": 1, "monomorphic": 2}
    assert alleles(block) == [[[1, 1]], [[0, 1]]]
    # between populations that are each of one mind a site still varies
    assert read(path, populations={"A": (2,), "B": (1,)})[1] == {"sites": 3}


def test_phase_stays_the_same_array_where_all_is_phased(write_vcf):
    path = write_vcf([("1", 5, "A", "C", "AA=C", ["0|1", "1|1"]), ("1", 9, "A", "C", "", ["0|1", "0|0"])])
    (population,) = read(path)[0].populations
    assert population.placed is population.known


def test_a_region_without_records(mixed):
    first = mixture(1)[0][1]
    block, tally = read(mixed, Region("1", 0, first - 1), populations=POPULATIONS)
    assert (len(block), tally) == (0, {})
    assert [p.derived.shape for p in block.populations] == [(0, 1), (0, 1)]


def test_the_index_is_made_beside_the_file(tmp_path):
    path = save_vcf(spelled(mixture(1)), tmp_path / "x.vcf.gz", index=False)
    assert vcf.open_source(path, fallback=tmp_path / "none").index == tmp_path / "x.vcf.gz.tbi"
    assert {file.name for file in tmp_path.iterdir()} == {"x.vcf.gz", "x.vcf.gz.tbi"}


@pytest.mark.parametrize("name", KINDS)
def test_the_index_is_made_elsewhere_in_a_read_only_folder(tmp_path, monkeypatch, name):
    path = save_vcf(spelled(mixture(1)), tmp_path / name, index=False)
    monkeypatch.setattr(bgzf, "_writable", lambda _: False)
    assert read(path, populations=POPULATIONS)[1] == naive(mixture(1), POPULATIONS).tally
    (made,) = (tmp_path / "fallback").iterdir()
    assert bgzf.find_index(path) is None
    monkeypatch.setattr(bgzf, "make_index", None)  # the second time it is there
    assert vcf.open_source(path, fallback=tmp_path / "fallback").index == made


def test_a_stale_index(write_vcf, tmp_path):
    path = write_vcf([("1", 5, "A", "C", "", SNP)])
    shutil.copy(bgzf.find_index(path), tmp_path / "kept")
    write_vcf([("1", n, "A", "C", "", SNP) for n in range(5, 500)], index=False)
    shutil.copy(tmp_path / "kept", bgzf.find_index(path))
    with pytest.raises(InputError, match=r"input.vcf.gz.tbi does not belong to .*input.vcf.gz \(stale index\)"):
        read(path)


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_index_is_refused_before_htslib_opens_it(write_vcf, monkeypatch, name):
    """It may crash."""
    path = write_vcf([("1", 5, "A", "C", "", SNP)], name=name)
    index = bgzf.find_index(path)
    data = gzip.decompress(index.read_bytes())
    index.write_bytes(gzip.compress(data[:-20] + data[-16:]))
    monkeypatch.setattr(vcf.cyvcf2, "VCF", lambda *_given: pytest.fail("htslib has it"))
    with pytest.raises(InputError, match=r"is damaged: delete it, and popscan makes a new one"):
        vcf.open_source(path, fallback=path.parent / "none")


@pytest.mark.parametrize("name", KINDS)
def test_a_contig_without_a_length(write_vcf, name):
    path = write_vcf([("1", 5, "A", "C", "", SNP)], contigs={"1": None, "2": None}, name=name)
    with pytest.raises(InputError, match=r"the header gives no length for 1; give lengths with --chrom-sizes"):
        read(path)
    with pytest.raises(InputError, match=r"neither the header nor --chrom-sizes has a length for 1;"):
        read(path, lengths={"chr1": 9})
    assert vcf.open_source(path, lengths={"1": 9, "2": 5}, fallback=path).lengths == {"1": 9}


@pytest.mark.parametrize("contigs", [{}, {"2": 1000}])
def test_a_contig_that_the_header_does_not_name(write_vcf, contigs):
    path = write_vcf([("1", 5, "A", "C", "", SNP)], contigs=contigs)
    with pytest.raises(InputError, match=r"the header gives no length for 1;"):
        read(path)
    assert read(path, lengths={"1": 1000})[1] == {"sites": 1}


def test_lengths_given_come_before_the_headers(write_vcf):
    path = write_vcf([(c, 5, "A", "C", "", SNP) for c in "12"], contigs={"1": 100, "2": 200})
    assert vcf.open_source(path, lengths={"1": 50}, fallback=path).lengths == {"1": 50, "2": 200}


def test_contig_lines_of_all_sorts():
    lines = [
        "##contig=<ID=1,length=10>",
        '##contig=<length=20,ID=2,assembly="b37",Description="a, b">',
        "##contig=<ID=3>",
        "##contig=<ID=4,length=0>",
        "##contig=<ID=5,length=x>",
        "##contig=<length=6>",
        "##INFO=<ID=7,length=7>",
    ]
    assert vcf._stated_lengths("\n".join(lines)) == {"1": 10, "2": 20}


def test_contigs_without_records_are_not_scanned(write_vcf):
    path = write_vcf([(c, 5, "A", "C", "", SNP) for c in "24"], contigs=dict.fromkeys("12345", 100))
    source = vcf.open_source(path, fallback=path)
    assert list(source.lengths) == list(source.entries) == ["2", "4"]


@pytest.mark.parametrize("name", KINDS)
def test_no_samples_and_no_records(write_vcf, name):
    with pytest.raises(InputError, match=r"has no samples: a scan needs genotypes"):
        read(write_vcf([("1", 5, "A", "C", "", [])], name=name))
    with pytest.raises(InputError, match=r"has no records: there is nothing to scan"):
        read(write_vcf([], samples=["a"], name=name))


def packed(path: Path, text: str) -> Path:
    path.with_suffix("").write_text(text, newline="")
    pysam.tabix_compress(str(path.with_suffix("")), str(path), force=True)
    return path


GOOD = spelled([("1", 5, "A", "C", "AA=C", SNP)], ["a", "b", "c"])
BROKEN = {
    "no column line": GOOD.split("#CHROM")[0],
    "column line without its sign": GOOD.replace("#CHROM", "CHROM"),
    "no FORMAT column": GOOD.replace("\tFORMAT\t", "\t"),
    "a sample twice": GOOD.replace("\tb\t", "\ta\t"),
    "one line": "##fileformat=VCFv4.2\n",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_header(tmp_path, capfd, fault):
    with pytest.raises(InputError, match=r"x.vcf.gz has a header that cannot be read"):
        read(packed(tmp_path / "x.vcf.gz", BROKEN[fault]))
    assert capfd.readouterr().err == ""


def test_line_ends_of_windows(tmp_path):
    block, tally = read(packed(tmp_path / "x.vcf.gz", GOOD.replace("\n", "\r\n")))
    assert tally == {"sites": 1}
    assert block.polarised.tolist() == [True]


def test_letters_beyond_ascii(tmp_path):
    path = packed(tmp_path / "x.vcf.gz", GOOD.replace("AA=C", "CLN=naïve😀;AA=C"))
    assert read(path)[0].polarised.tolist() == [True]


def test_a_malformed_record_is_named_with_its_file(tmp_path):
    path = packed(tmp_path / "x.vcf.gz", GOOD.replace("1|1", "1|7"))
    with pytest.raises(InputError, match=r"^/.*x.vcf.gz: 1:5: a genotype is none of the record's alleles"):
        read(path)


def big(path: Path) -> Path:
    """Write a file of several compressed blocks."""
    draw = random.Random(3)
    rows = [("1", n, "A", "C", "", draw.choices(["0|0", "0|1", "1|0", "1|1"], k=80)) for n in range(1, LENGTH + 1)]
    return save_vcf(vcf_text(rows, [f"s{n}" for n in range(80)], {"1": LENGTH}), path)


@pytest.mark.parametrize("name", KINDS)
def test_damaged_data_are_met_not_passed_over(tmp_path, capfd, name):
    """One block in the middle is overwritten: a reader that stops there would lose half of the contig in silence."""
    path = big(tmp_path / name)
    assert read(path)[1] == {"sites": LENGTH}
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    for region in (Region("1", 0, LENGTH), Region("1", 100, LENGTH - 100)):
        with pytest.raises(InputError, match=r"cannot be read at 1:.*the file or its index .* is damaged"):
            read(path, region)
    assert read(path, Region("1", 0, 200))[1].total() == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_has_gone_since_it_was_looked_at(tmp_path, name):
    path = big(tmp_path / name)
    source = vcf.open_source(path, fallback=tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"cannot be read at 1:1-10"):
        vcf.read(source, whole(source), Region("1", 0, 10), vcf.ReadOptions())


@pytest.mark.parametrize(
    ("content", "error"), [(None, UsageError), (b"", InputError), (gzip.compress(GOOD.encode(), mtime=0), InputError)]
)
def test_what_sniff_refuses_is_not_opened(tmp_path, content, error):
    if content is not None:
        (tmp_path / "x.vcf.gz").write_bytes(content)
    with pytest.raises(error, match=r"x.vcf.gz(: no such file| is )"):
        vcf.open_source(tmp_path / "x.vcf.gz", fallback=tmp_path)


def test_simulated_data_come_back(simulated):
    """The truth is the tree sequence's own genotype matrix."""
    block, tally = read(simulated.vcf)
    matrix = simulated.tree_sequence.genotype_matrix()
    assert tally == {"sites": len(matrix)}
    assert block.positions.tolist() == simulated.tree_sequence.sites_position.astype(int).tolist()
    np.testing.assert_array_equal(block.populations[0].alleles(), matrix)
    assert block.polarised.all()


def test_an_iterator_that_ends_too_soon_is_noticed(tmp_path):
    """Cyvcf2's ends in silence where a record cannot be parsed."""
    path = big(tmp_path / "input.bcf")
    source = vcf.open_source(path, fallback=tmp_path)
    with bgzf.quiet_htslib():
        first = list(itertools.islice(cyvcf2.VCF(str(path)), 7))
    assert list(vcf._whole(iter(first), source, Region("1", 0, 7), 7)) == first
    with pytest.raises(OSError, match=r"records are left"):
        list(vcf._whole(iter(first), source, Region("1", 0, 8), 8))


@pytest.mark.parametrize("name", KINDS)
def test_a_contig_name_that_browser_files_cannot_hold(write_vcf, name):
    path = write_vcf([("chrÄ", 5, "A", "C", "", SNP)], contigs={"chrÄ": 100}, name=name)
    with pytest.raises(InputError, match=r"chrÄ: names of contigs in browser files are ASCII; rename them first"):
        read(path)
