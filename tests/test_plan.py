"""What a scan will do is fixed before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

from scanner import partition
from scanner.errors import InputError, UsageError
from scanner.options import ScanOptions, WindowSpec, window_spec
from scanner.plan import make_plan, positions_of
from scanner.regions import Region
from scanner.statistics import registry
from scanner.windows import by_site_count, sliding

CONTIGS = {"1": 1_000, "2": 600, "chrM": 50, "3": 900}
SAMPLES = [f"s{n}" for n in range(8)]


def calls(number: int) -> list[str]:
    return ["0|1", "1|1" if number % 3 else "0|0", *["0|0"] * 6]


@pytest.fixture
def path(write_vcf):
    """SNPs at every 10th base of contigs 1, 2 and chrM, some indels between them; contig 3 has no record."""
    records = []
    for contig in ("1", "2", "chrM"):
        for position in range(10, CONTIGS[contig] + 1, 10):
            records.append((contig, position, "A", "C", "", calls(position)))
            if position % 70 == 0:
                records.append((contig, position, "AT", "A", "", calls(position)))
    return write_vcf(records, samples=SAMPLES, contigs=CONTIGS)


@pytest.fixture
def plan(path, tmp_path):
    """Give a function that makes a plan of the file; text options are written to files."""

    def make(window="100", step=None, *, mapper=map, vcf=path, **options):
        for name in ("populations", "samples", "regions_file", "mask", "chrom_sizes", "aliases", "ancestral", "bed"):
            if isinstance(options.get(name), str):
                (tmp_path / name).write_text(options[name])
                options[name] = tmp_path / name
        bed = options.pop("bed", None)
        spec = window_spec(None, None, bed) if bed else window_spec(window, step, None)
        return make_plan(ScanOptions(vcf, spec, **options), tmp_path / "fallback", mapper)

    return make


def laid(made):
    """List the windows of a plan."""
    return [
        (part.region.contig, start, end)
        for part in made.parts
        for start, end in zip(part.windows.start.tolist(), part.windows.end.tolist(), strict=True)
    ]


def listed(windows):
    return [(windows.contig, a, b) for a, b in zip(windows.start.tolist(), windows.end.tolist(), strict=True)]


def test_windows_in_bp_cover_every_contig_that_has_records(plan):
    made = plan("100", "50")
    assert made.regions == (Region("1", 0, 1_000), Region("2", 0, 600), Region("chrM", 0, 50))
    assert laid(made) == [window for region in made.regions for window in listed(sliding(region, 100, 50))]
    assert made.windows == len(laid(made)) == 19 + 11 + 1
    assert (made.probe.ploidy, made.selection.named, made.pairs, made.trios) == (2, False, (), ())
    assert [column.column for column in made.columns][:2] == ["callable_bp", "callable"]
    assert made.mask("1") is None


def test_the_plan_is_the_same_whoever_asks(plan):
    first, second = plan(), plan()
    assert [(p.region, p.core, p.records) for p in first.parts] == [(p.region, p.core, p.records) for p in second.parts]


@pytest.mark.parametrize("step", [None, "3"])
def test_windows_in_sites_hold_their_number_of_usable_sites(plan, step):
    made = plan("7snps", step)
    for contig, length in (("1", 1_000), ("2", 600), ("chrM", 50)):
        truth = np.arange(9, length, 10)
        found = [window for window in laid(made) if window[0] == contig]
        assert found == listed(by_site_count(contig, truth, 7, int(step or 7)))
        held = [((start <= truth) & (truth < end)).sum() for _, start, end in found]
        assert set(held[:-1]) <= {7}


def test_sites_that_are_not_used_do_not_count(plan):
    everyone, masked = plan("7snps"), plan("7snps", mask="1\t0\t500\n2\t0\t600\nchrM\t0\t50\n")
    assert [w for w in laid(masked) if w[0] == "1"] == listed(by_site_count("1", np.arange(9, 500, 10), 7, 7))
    assert [w for w in laid(everyone) if w[0] != "1"] == [w for w in laid(masked) if w[0] != "1"]
    common = plan("7snps", min_maf=2 / 16)  # 1 + 2 alleles of 16, or 1
    assert [w for w in laid(common) if w[0] == "2"] == listed(
        by_site_count("2", np.array([n - 1 for n in range(10, 601, 10) if n % 3]), 7, 7)
    )


def test_sites_are_counted_over_parts_in_any_order(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(partition, "PART_RECORDS", (300, 300))
    truth = simulated.tree_sequence.sites_position.astype(np.int64)
    tasks = []

    def backwards(function, items):
        tasks.extend(items)
        return [function(item) for item in reversed(tasks)]

    spec, regions = window_spec("40snps", "10", None), ("1:1-400000", "1:500001-1000000")
    made = make_plan(
        ScanOptions(simulated.vcf, spec, populations=simulated.populations, regions=regions), tmp_path, backwards
    )
    assert len(tasks) > 5
    low, high = truth[truth < 400_000], truth[truth >= 500_000]
    assert laid(made) == listed(by_site_count("1", low, 40, 10)) + listed(by_site_count("1", high, 40, 10))
    found = dict(positions_of(made.source, made.selection, made.read_options(), None, part) for part in tasks)
    assert np.concatenate([found[part.index] for part in tasks]).tolist() == [*low.tolist(), *high.tolist()]


def test_a_contig_without_a_usable_site_is_read_all_the_same(plan, write_vcf):
    """Else its records would be in no account."""
    records = [("1", n, "A", "C", "", calls(n)) for n in range(1, 90)] + [("2", 5, "AT", "A", "", calls(1))]
    made = plan("10snps", vcf=write_vcf(records, name="other.vcf.gz", contigs={"1": 100, "2": 60}))
    assert [(part.core, len(part.windows)) for part in made.parts if part.region.contig == "2"] == [((0, 60), 0)]


def test_windows_of_a_bed(plan):
    bed = "2\t10\t90\n1\t5\t50\n1\t5\t20\n1\t5\t20\nchrX\t0\t9\nM\t0\t50\n"
    made = plan(bed=bed, regions=("1", "MT"))
    assert laid(made) == [("1", 5, 20), ("1", 5, 20), ("1", 5, 50), ("chrM", 0, 50)]
    assert [part.region for part in made.parts] == [Region("1", 5, 50), Region("chrM", 0, 50)]
    limited = plan(bed=bed, regions=("1:6-49",))
    assert laid(limited) == [("1", 5, 20), ("1", 5, 20)]  # the third reaches past the region


def test_site_scores_read_what_lies_between_the_windows_of_a_bed(plan):
    made = plan(bed="1\t100\t150\n", statistics=("pi", "ihs"))
    assert made.site_scores == ("ihs",)
    assert [(part.region, len(part.windows)) for part in made.parts] == [
        (Region("1", 0, 1_000), 1),
        (Region("2", 0, 600), 0),
        (Region("chrM", 0, 50), 0),
    ]


def test_no_window_at_all(plan):
    with pytest.raises(InputError, match=r"input.vcf.gz: no window lies in 1:1-100"):
        plan(bed="1\t500\t600\n", regions=("1:1-100",))


@pytest.mark.parametrize(
    ("options", "regions"),
    [
        ({"regions": ("2", "chr1:1-10")}, [Region("1", 0, 10), Region("2", 0, 600)]),
        ({"regions": ("1:1-10", "1:11-20", "1:5-8")}, [Region("1", 0, 20)]),
        ({"regions": ("1:50-60", "1:1-10", "1:10-20")}, [Region("1", 0, 20), Region("1", 49, 60)]),
        ({"regions_file": "2\t0\t5\n1\t7\t9\n2\t3\t8\nchrUn\t0\t9\n"}, [Region("1", 7, 9), Region("2", 0, 8)]),
        ({"regions_file": "1\t20\t30\n", "regions": ("1:11-20", "MT")}, [Region("1", 10, 30), Region("chrM", 0, 50)]),
    ],
)
def test_regions_stand_in_the_files_order_and_are_merged(plan, options, regions):
    made = plan("10", **options)
    assert list(made.regions) == regions
    assert laid(made) == [window for region in regions for window in listed(sliding(region, 10, 10))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": ("chr9",)}, r"no contig 'chr9' here; there is 1, 2, chrM"),
        ({"regions": ("3",)}, r"no contig '3' here"),  # in the header alone
        ({"regions": ("1:990-1001",)}, r"ends past the end of 1"),
        ({"pairs": (("A", "X"),)}, r"no population 'X'; there is A, B, C"),
        ({"pairs": (("A", "A"),)}, r"'A:A' names a population twice"),
        ({"trios": (("A", "B"),)}, r"'A:B' names 2 populations: expected 3"),
        ({"statistics": ()}, r"--statistics leaves no score"),
        ({"statistics": ("fst",), "populations": None}, r"--statistics leaves no score"),
    ],
)
def test_wrong_calls(plan, options, message):
    populations = "s0 A\ns1 A\ns2 B\ns3 B\ns4 C\n"
    with pytest.raises(UsageError, match=message):
        plan(**{"populations": populations, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions_file": "chr9\t0\t5\n"}, r"regions_file has no contig in common with the VCF"),
        ({"bed": "chr9\t0\t5\n"}, r"bed has no contig in common with the VCF"),
        ({"mask": "chr9\t0\t5\n"}, r"mask has no contig in common with the VCF"),
        ({"mask": "1\t0\t1001\n"}, r"mask, line 1: 1 ends at 1,001, past the 1,000 bp"),
        ({"mask": "1\t0\t500\n"}, r"mask has no callable region on 2, chrM: .*leave them out with --region"),
        ({"ancestral": ">1\nACGT\n"}, r"ancestral: 1 has 4 bp, the VCF's 1 1,000"),
        ({"ancestral": f">2\n{'A' * 600}\n"}, r"ancestral has no contig 1"),
        ({"chrom_sizes": "1\t900\n"}, r"1:1000 lies past the end of 1, which has 900 bp"),
        ({"chrom_sizes": "1 x\n"}, r"chrom_sizes, line 1: expected a contig and its length"),
        ({"aliases": "\n"}, r"aliases names no contig"),
        ({"populations": "x A\n"}, r"populations names 1 sample\(s\) that the VCF has not"),
        ({"samples": "x\n"}, r"samples names 1 sample\(s\) that the VCF has not"),
    ],
)
def test_wrong_files(plan, options, message):
    with pytest.raises(InputError, match=message):
        plan("7snps", **options) if "chrom_sizes" in options else plan(**options)


def test_a_mask_is_merged_and_only_scanned_contigs_need_one(plan):
    made = plan(mask="chr1\t5\t9\n1\t0\t6\n1\t9\t10\n1\t50\t60\n", regions=("1",))
    mask = made.mask("1")
    assert (mask.start.tolist(), mask.end.tolist()) == ([0, 50], [10, 60])
    assert made.mask("2").covers(np.arange(600)).sum() == 0


def test_names_of_contigs(plan):
    aliases = "chr1\tNC_1\t1\nchr2\tNC_2\t2\n"
    made = plan(aliases=aliases, regions=("NC_2",), mask="NC_2\t0\t50\n")
    assert made.regions == (Region("2", 0, 600),)
    assert made.mask("2").end.tolist() == [50]
    assert made.read_options().aliases == {name: f"chr{n}" for n in "12" for name in (f"chr{n}", f"NC_{n}", n)}


def test_lengths_from_a_file(plan):
    assert plan(chrom_sizes="1\t1500\n", regions=("1",)).regions == (Region("1", 0, 1_500),)


def test_populations_make_pairs_and_trios(plan):
    two = plan(populations="s0 A\ns1 A\ns2 B\n")
    assert (two.pairs, two.trios) == ((("A", "B"),), ())
    three = plan(populations="s0 A\ns1 B\ns2 C\n")
    assert three.pairs == (("A", "B"), ("A", "C"), ("B", "C"))
    assert [trio[0] for trio in three.trios] == ["A", "B", "C"]
    six = plan(populations="".join(f"s{n} P{n}\n" for n in range(6)))
    assert (six.pairs, six.trios) == ((), ())
    assert registry.MAX_ALL == 5
    named = plan(populations="".join(f"s{n} P{n}\n" for n in range(6)), pairs=(("P5", "P0"), ("P5", "P0")))
    assert named.pairs == (("P5", "P0"),)
    assert "fst.P5.P0" in [column.column for column in named.columns]


def test_a_population_of_one_haplotype(plan, write_vcf):
    path = write_vcf([("1", 5, "A", "C", "", ["0|1", "0|0", "1"])], name="other.vcf.gz", contigs={"1": 100})
    with pytest.raises(UsageError, match=r"population 'B' has a single haplotype"):
        plan(vcf=path, populations="s0 A\ns1 A\ns2 B\n")


def test_reading_follows_the_options(plan, tmp_path):
    fasta = ">1\n" + "A" * 1_000 + "\n"
    made = plan(max_missing=0.2, min_maf=0.1, ancestral=fasta, regions=("1",))
    read = made.read_options()
    assert (read.max_missing, read.min_maf, read.ploidy) == (0.2, 0.1, 2)
    assert read.ancestral == tmp_path / "ancestral"


@pytest.mark.parametrize(
    ("window", "step", "spec"),
    [
        (None, None, WindowSpec("bp", 100_000, 100_000)),
        ("1Mb", None, WindowSpec("bp", 1_000_000, 1_000_000)),
        (None, "10kb", WindowSpec("bp", 100_000, 10_000)),
        ("50snps", "10snps", WindowSpec("sites", 50, 10)),
        ("50 SNPs", "10", WindowSpec("sites", 50, 10)),
        ("1snp", None, WindowSpec("sites", 1, 1)),
        ("20sites", None, WindowSpec("sites", 20, 20)),
    ],
)
def test_window_spec(window, step, spec):
    assert window_spec(window, step, None) == spec


@pytest.mark.parametrize(
    ("window", "step", "message"),
    [
        ("10kb", "20kb", r"--step 20kb is larger than the window \(10kb\): the data between windows would be lost"),
        (None, "1Mb", r"--step 1Mb is larger than the window \(100kb\)"),
        ("10snps", "11", r"--step 11 is larger than the window"),
        ("10snps", "5kb", r"--window 10snps and --step 5kb are in different units"),
        (None, "5snps", r"--window 100kb and --step 5snps are in different units"),
        ("0snps", None, r"'0snps' is no number of SNPs: give it as 50snps"),
        ("1.5snps", None, r"is no number of SNPs"),
        ("²snps", None, r"is no number of SNPs"),
        ("wide", None, r"'wide' is no length"),
        ("10kb", "0", r"'0' is no length"),
    ],
)
def test_window_spec_refuses(window, step, message):
    with pytest.raises(UsageError, match=message):
        window_spec(window, step, None)


def test_a_bed_stands_alone(tmp_path):
    assert window_spec(None, None, tmp_path) == WindowSpec("bed", bed=tmp_path)
    for window, step in (("1kb", None), (None, "1kb")):
        with pytest.raises(UsageError, match=r"--windows BED already says where the windows are"):
            window_spec(window, step, tmp_path)
