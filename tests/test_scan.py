"""From VCF to tables: every value is the one that the statistics themselves give for the simulated data."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import allel
import numpy as np
import pytest
from conftest import Simulated, save_vcf, vcf_text
from scanning import Several, Table, accounts, popscan, read_table, scanned, several, tables

from scanner import partition
from scanner.haplotypes import HaplotypeBlock, from_alleles
from scanner.regions import Region
from scanner.statistics import ehh, raisd, registry
from scanner.windows import Windows, spans

PAIRS = [("A", "B"), ("A", "C"), ("B", "C")]
TRIOS = [("A", "B", "C"), ("B", "C", "A"), ("C", "A", "B")]
Bounds = Sequence[tuple[int, int]]
DIGITS = 6e-9  # the table holds nine digits


def block_of(simulated: Simulated, keep: np.ndarray | None = None) -> HaplotypeBlock:
    """Build the block from the tree sequence itself, past every reader."""
    trees = simulated.tree_sequence
    positions = trees.tables.sites.position.astype(np.int64)
    matrix = trees.genotype_matrix().astype(np.int8)
    keep = np.ones(len(positions), np.bool_) if keep is None else keep
    members = tuple(from_alleles(name, matrix[keep][:, simulated.samples(name)]) for name in "ABC")
    region = Region("1", 0, simulated.length)
    return HaplotypeBlock(region, positions[keep], np.ones(int(keep.sum()), np.bool_), members)


def windows_of(bounds: Bounds) -> Windows:
    table = np.array(bounds, np.int64)
    return Windows("1", table[:, 0], table[:, 1])


def sliding(length: int, window: int, step: int) -> Bounds:
    """Lay windows the plain way: the last that brings something new is clipped to the end."""
    made = []
    for start in range(0, length, step):
        made.append((start, min(start + window, length)))
        if start + window >= length:
            break
    return made


def expected(
    block: HaplotypeBlock,
    bounds: Bounds,
    callable_bp: np.ndarray | None = None,
    read: Bounds = ((0, 1_000_000),),
) -> dict[str, np.ndarray]:
    """Compute every statistic but the site scores directly, with the floors, and mu's factor over what was read."""
    floor, share = 10, 0.5
    windows = windows_of(bounds)
    covered = spans(windows, block.positions, callable_bp)
    made = registry.compute_all(block, covered, registry.DEFAULT, PAIRS, TRIOS)
    values = {name: column.values.copy() for name, column in made.items()}
    within = [(block.positions >= low) & (block.positions < high) for low, high in read]
    reach = sum(int(np.ptp(block.positions[sites])) + 1 for sites in within)
    for population in block.populations:
        seen = sum(int(population.segregating[sites].sum()) for sites in within)
        values[f"mu.{population.name}"] *= raisd.density_factor(seen, reach)
    below = (covered.last - covered.first < floor) | (covered.callable_bp < share * (windows.end - windows.start))
    for name in values:
        if name not in ("callable", "callable_bp"):
            values[name][below] = np.nan
    return values


def same(table: Table, values: dict[str, np.ndarray], bounds: Bounds) -> None:
    assert [(start, end) for _, start, end in table.bounds] == list(bounds)
    assert table.columns == ["contig", "start", "end", *values, "reasons"]
    for name, column in values.items():
        np.testing.assert_allclose(table.values(name), column, rtol=DIGITS, atol=1e-15, err_msg=name)


@pytest.fixture(scope="module")
def slid(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Windows of 50 kb every 10 kb."""
    out = tmp_path_factory.mktemp("scan") / "out"
    run(simulated, out, "--window", "50kb", "--step", "10kb")
    return read_table(out / "windows.tsv.gz")


def run(simulated: Simulated, out: Path, *options: object) -> None:
    scanned(simulated.vcf, "-p", simulated.populations, "--out", out, "--threads", 1, *options)


def test_sliding_windows_hold_what_the_statistics_give(simulated: Simulated, slid: Table) -> None:
    bounds = sliding(simulated.length, 50_000, 10_000)
    same(slid, expected(block_of(simulated), bounds), bounds)


def test_sliding_windows_hold_what_scikit_allel_gives(simulated: Simulated, slid: Table) -> None:
    """Another package, which knows nothing of our blocks, on the tree sequence's own genotypes."""
    trees = simulated.tree_sequence
    positions = trees.tables.sites.position.astype(int) + 1
    matrix = allel.HaplotypeArray(trees.genotype_matrix().astype("i1"))
    counts = {name: matrix.count_alleles(subpop=simulated.samples(name), max_allele=1) for name in "ABC"}
    for row, (_, start, end) in enumerate(slid.bounds):
        place = {"start": start + 1, "stop": end}
        for name, count in counts.items():
            found = {s: float(slid.texts(f"{s}.{name}")[row]) for s in ("pi", "theta_w", "tajimas_d")}
            assert found["pi"] == pytest.approx(allel.sequence_diversity(positions, count, **place), rel=1e-8)
            assert found["theta_w"] == pytest.approx(allel.watterson_theta(positions, count, **place), rel=1e-8)
            assert found["tajimas_d"] == pytest.approx(allel.tajima_d(count, positions, **place), rel=1e-7)
        inside = (positions > start) & (positions <= end)
        for first, second in PAIRS:
            dxy = allel.sequence_divergence(positions, counts[first], counts[second], **place)
            assert float(slid.texts(f"dxy.{first}.{second}")[row]) == pytest.approx(dxy, rel=1e-8)
            num, den = allel.hudson_fst(counts[first][inside], counts[second][inside])
            fst = float(slid.texts(f"fst.{first}.{second}")[row])
            assert fst == pytest.approx(np.nansum(num) / np.nansum(den), rel=1e-8)


def test_tiles_of_odd_length(simulated: Simulated, tmp_path: Path) -> None:
    run(simulated, tmp_path / "out", "--window", "130001")
    bounds = sliding(simulated.length, 130_001, 130_001)
    assert bounds[-1] == (910_007, 1_000_000)
    same(read_table(tmp_path / "out" / "windows.tsv.gz"), expected(block_of(simulated), bounds), bounds)


def test_windows_of_sites(simulated: Simulated, tmp_path: Path) -> None:
    run(simulated, tmp_path / "out", "--window", "150snps", "--step", "50snps")
    block = block_of(simulated)
    positions = block.positions.tolist()
    bounds = []
    for first in range(0, len(positions), 50):
        last = min(first + 150, len(positions))
        bounds.append((positions[first], positions[last - 1] + 1))
        if last == len(positions):
            break
    same(read_table(tmp_path / "out" / "windows.tsv.gz"), expected(block, bounds), bounds)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["windows"] == {
        "kind": "sites", "window": 150, "step": 50, "count": len(bounds)
    }  # fmt: skip


def test_windows_from_a_bed(simulated: Simulated, tmp_path: Path) -> None:
    """Nested, overlapping, equal, short and far apart, unsorted in the file."""
    bounds = [(100, 60_000), (100, 900_000), (30_000, 30_050), (30_000, 90_000), (500_000, 700_000), (900_000, 10**6)]
    bounds.insert(4, (30_000, 90_000))
    bed = tmp_path / "genes.bed"
    bed.write_text("track name=x\n" + "".join(f"chr1\t{a}\t{b}\tgene\n" for a, b in reversed(bounds)))
    run(simulated, tmp_path / "out", "--windows", bed)
    bounds = sorted(bounds)
    values = expected(block_of(simulated), bounds, read=[(100, 1_000_000)])
    same(read_table(tmp_path / "out" / "windows.tsv.gz"), values, bounds)
    records = accounts(tmp_path / "out")["records"]["1"]
    assert sum(records.values()) == simulated.tree_sequence.num_sites


def test_mu_knows_the_density_of_what_was_read(
    simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two regions, or two windows in parts of their own, leave a gap that was not read."""
    monkeypatch.setattr(partition, "PART_RECORDS", (100, 100))
    bounds = [(100_000, 200_000), (700_000, 800_000)]
    values = expected(block_of(simulated), bounds, read=bounds)
    run(simulated, tmp_path / "regions", "--region", "1:100001-200000", "--region", "1:700001-800000")
    same(read_table(tmp_path / "regions" / "windows.tsv.gz"), values, bounds)
    (tmp_path / "w.bed").write_text("".join(f"1\t{start}\t{end}\n" for start, end in bounds))
    run(simulated, tmp_path / "bed", "--windows", tmp_path / "w.bed")
    same(read_table(tmp_path / "bed" / "windows.tsv.gz"), values, bounds)


def test_a_mask_counts_callable_bases(simulated: Simulated, tmp_path: Path) -> None:
    mask = np.zeros(simulated.length, np.bool_)
    draw = np.random.default_rng(5)
    stretches = [(int(a), int(a + b)) for a, b in draw.integers((0, 1), (900_000, 9_000), (120, 2))]
    for start, end in stretches:
        mask[start:end] = True
    bed = tmp_path / "mask.bed"
    bed.write_text("".join(f"1\t{start}\t{end}\n" for start, end in stretches))
    run(simulated, tmp_path / "out", "--window", "40kb", "--step", "20kb", "--mask", bed)
    bounds = sliding(simulated.length, 40_000, 20_000)
    callable_bp = np.array([mask[start:end].sum() for start, end in bounds], np.float64)
    positions = simulated.tree_sequence.tables.sites.position.astype(int)
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    same(table, expected(block_of(simulated, mask[positions]), bounds, callable_bp), bounds)
    np.testing.assert_array_equal(table.values("callable_bp"), callable_bp)
    assert 0 < sum("uncallable" in text for text in table.texts("reasons")) < len(bounds)
    assert accounts(tmp_path / "out")["records"]["1"] == {
        "sites": int(mask[positions].sum()), "masked": int((~mask[positions]).sum())
    }  # fmt: skip


def site_scores(block: HaplotypeBlock) -> dict[str, np.ndarray]:
    """Standardise iHS, nSL and XP-EHH of the whole contig at once: (sites,) each, NaN where a site has none."""
    scores = {}
    packed = {population.name: population for population in block.populations}
    edges = {"at_start": True, "at_end": True}
    for score, (name, population) in itertools.product(("ihs", "nsl"), packed.items()):
        used = np.flatnonzero(ehh.common_sites(population))
        made = ehh.ihs_nsl(population.alleles()[used], block.positions[used], (0, len(used)), **edges)
        scores[f"{score}.{name}"] = np.full(len(block), np.nan)
        scores[f"{score}.{name}"][used] = ehh.standardise(getattr(made, score), made.frequency)
    for first, second in PAIRS:
        used = np.flatnonzero(ehh.common_in_pair(packed[first], packed[second]))
        both = [packed[name].alleles()[used] for name in (first, second)]
        made_pair = ehh.xpehh(both[0], both[1], block.positions[used], (0, len(used)), **edges)
        joined = np.hstack(both)
        scores[f"xpehh.{first}.{second}"] = np.full(len(block), np.nan)
        scores[f"xpehh.{first}.{second}"][used] = ehh.standardise(made_pair, (joined == 1).mean(axis=1))
    return scores


def test_site_scores_are_those_of_the_whole_contig(simulated: Simulated, tmp_path: Path) -> None:
    run(simulated, tmp_path / "out", "--window", "50kb", "--step", "25kb", "--statistics", "ihs,nsl,xpehh")
    block = block_of(simulated)
    scores = site_scores(block)
    found = read_table(tmp_path / "out" / "sites.tsv.gz")
    assert found.columns == ["contig", "start", "end", *scores]
    some = ~np.isnan(np.column_stack(list(scores.values()))).all(axis=1)
    assert found.bounds == [("1", position, position + 1) for position in block.positions[some].tolist()]
    for name, z in scores.items():
        assert np.isfinite(z).sum() > 300, name
        np.testing.assert_allclose(found.values(name), z[some], rtol=DIGITS, atol=1e-12, err_msg=name)
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    windows = windows_of(sliding(simulated.length, 50_000, 25_000))
    for name, z in scores.items():
        score, _, group = name.partition(".")
        share, largest = ehh.window_summary(z, block.positions, windows)
        np.testing.assert_allclose(table.values(name), share, rtol=DIGITS, err_msg=name)
        np.testing.assert_allclose(table.values(f"{score}_max.{group}"), largest, rtol=DIGITS, err_msg=name)


INSIDE = (200_000, 640_000)


@pytest.mark.parametrize("option", ["--region", "--regions-file"])
def test_a_region_gives_the_rows_of_the_whole(simulated: Simulated, slid: Table, tmp_path: Path, option: str) -> None:
    """But for mu, which knows how dense the sites of all that was scanned are."""
    low, high = INSIDE
    (tmp_path / "r.bed").write_text(f"chr1\t{low}\t{high}\n")
    given = f"chr1:{low + 1}-{high}" if option == "--region" else tmp_path / "r.bed"
    run(simulated, tmp_path / "out", "--window", "50kb", "--step", "10kb", option, given)
    part = read_table(tmp_path / "out" / "windows.tsv.gz")
    mu = [at for at, name in enumerate(part.columns) if name.startswith("mu.")]
    whole = {tuple(row[:3]): row for row in slid.rows}
    inside = [row for row in part.rows if int(row[1]) >= low and int(row[2]) - int(row[1]) == 50_000]
    assert len(inside) == (high - low - 50_000) // 10_000 + 1
    for row in inside:
        meant = whole[tuple(row[:3])]
        assert row[-1] == meant[-1]
        for at in set(range(3, len(row) - 1)) - set(mu):
            assert (row[at] == "NA") == (meant[at] == "NA")
            assert row[at] == "NA" or float(row[at]) == pytest.approx(float(meant[at]), rel=1.1e-8, abs=1e-12)
    for at in mu:
        ratio = {round(float(row[at]) / float(whole[tuple(row[:3])][at]), 6) for row in inside if row[at] != "0"}
        assert len(ratio) == 1
    assert {row[1] for row in part.rows if row not in inside} <= {str(low), *(str(high - n) for n in range(0, 50_000))}
    found = accounts(tmp_path / "out")["records"]["1"]
    positions = simulated.tree_sequence.tables.sites.position
    assert found["sites"] == int(((positions >= low) & (positions < high)).sum())
    assert sum(found.values()) == len(positions)


def test_regions_are_merged_and_in_the_files_order(simulated: Simulated, tmp_path: Path) -> None:
    regions = ["1:500001-600000", "1:100001-200000", "1:150001-300000"]
    run(simulated, tmp_path / "out", "--window", "100kb", *(word for text in regions for word in ("--region", text)))
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    assert [bounds[1:] for bounds in table.bounds] == [(100_000, 200_000), (200_000, 300_000), (500_000, 600_000)]


def test_without_a_population_file_there_is_no_suffix(simulated: Simulated, tmp_path: Path) -> None:
    scanned(simulated.vcf, "--out", tmp_path / "out", "--threads", 1, "--statistics", "pi,tajimas_d,ihs")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    assert table.columns == ["contig", "start", "end", "pi", *[n for n in table.columns if n.startswith("pi_")],
                             "tajimas_d", "ihs", "ihs_max", "reasons"]  # fmt: skip
    pi = simulated.tree_sequence.diversity(windows=np.arange(0, 1_000_001, 100_000))
    np.testing.assert_allclose(table.values("pi"), pi, rtol=1e-8)


def test_chosen_pairs_and_trios_name_the_columns(simulated: Simulated, tmp_path: Path) -> None:
    options = ["--pair", "C:A", "--trio", "B:A:C", "--statistics", "fst,pbs,pi"]
    run(simulated, tmp_path / "out", *options)
    columns = read_table(tmp_path / "out" / "windows.tsv.gz").columns
    assert [name for name in columns if name.split(".")[0] in ("fst", "pbs", "pi")] == [
        "pi.A", "pi.B", "pi.C", "fst.C.A", "pbs.B.A.C"
    ]  # fmt: skip
    more = popscan("plan", simulated.vcf, "-p", simulated.populations, "--pair", "C:A", "--json")
    assert json.loads(more.out)["trios"] == [], "who names pairs also names the trios"


@pytest.fixture(scope="module")
def contigs(tmp_path_factory: pytest.TempPathFactory) -> Several:
    """3 contigs."""
    return several(tmp_path_factory.mktemp("contigs"), contigs=3, records=200)


ALL = ("--window", "4kb", "--step", "2kb", "--min-sites", "4")


def test_contigs_do_not_touch_each_other(contigs: Several, tmp_path: Path) -> None:
    words = [contigs.vcf, "-p", contigs.populations, "--threads", 1, *ALL]
    scanned(*words, "--out", tmp_path / "all")
    rows = read_table(tmp_path / "all" / "windows.tsv.gz").rows
    alone = []
    for contig in contigs.contigs:
        scanned(*words, "--out", tmp_path / contig, "--region", contig)
        alone += read_table(tmp_path / contig / "windows.tsv.gz").rows
    assert rows == alone


def test_every_record_and_window_is_accounted_for(contigs: Several, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--window", "4kb", "--step", "2kb", "--min-sites", "12", "--statistics", "all"]
    scanned(contigs.vcf, "-p", contigs.populations, "--out", out, "--threads", 1, *options)
    found = accounts(out)
    for contig in contigs.contigs:
        own = [row for row in contigs.records if row[0] == contig]
        varied = sum(len(set("".join(row[5])) - {"|"}) == 2 for row in own)
        assert found["records"][contig] == {"sites": varied, "monomorphic": len(own) - varied}
    table = read_table(out / "windows.tsv.gz")
    names = table.columns[3:-1]
    assert list(found["windows"]) == names
    why: dict[int, set[str]] = {row: set() for row in range(len(table.rows))}
    for name in names:
        counts = found["windows"][name]
        assert sum(counts.values()) == len(table.rows)
        missing = [row for row, text in enumerate(table.texts(name)) if text == "NA"]
        assert len(table.rows) - len(missing) == counts.get("value", 0)
        for row in missing:
            why[row].add(name)
    total: Counter[str] = Counter()
    for row, text in enumerate(table.texts("reasons")):
        assert (text == ".") == (not why[row])
        total.update([] if text == "." else text.split(","))
    for name in names:
        for reason, count in found["windows"][name].items():
            assert reason == "value" or count <= total[reason]
    stated = {reason for name in names for reason in found["windows"][name]} - {"value"}
    assert set(total) == stated
    assert "few_sites" in stated
    run_json = json.loads((out / "run.json").read_text())
    assert run_json["windows"]["count"] == len(table.rows)


def test_contigs_without_a_usable_site_are_no_error(contigs: Several, tmp_path: Path) -> None:
    """Also where windows are counted in sites, of which that contig has none."""
    rows = [row for row in contigs.records if row[0] == "1"]
    rows += [("2", 50 * n + 1, "AT", "A", "", ["0|1"] * 12) for n in range(20)]
    rows += [row for row in contigs.records if row[0] == "3"]
    path = save_vcf(vcf_text(rows, [f"s{n}" for n in range(12)], dict(contigs.contigs)), tmp_path / "x.vcf.gz")
    for window in ("4kb", "30snps"):
        out = tmp_path / window
        scanned(path, "--out", out, "--threads", 1, "--window", window)
        records = accounts(out)["records"]
        assert [sum(records[contig].values()) for contig in "123"] == [200, 20, 200]
        seen = {row[0] for row in read_table(out / "windows.tsv.gz").rows}
        assert seen == ({"1", "2", "3"} if window == "4kb" else {"1", "3"})


def test_pair_scores_without_pairs_are_left_out(contigs: Several, tmp_path: Path) -> None:
    scanned(contigs.vcf, "--out", tmp_path / "out", "--threads", 1, *ALL, "--statistics", "pi,xpehh")
    assert read_table(tmp_path / "out" / "windows.tsv.gz").columns[3] == "pi"
    assert not (tmp_path / "out" / "sites.tsv.gz").exists()


@pytest.mark.parametrize("kind", ["bcf", "csi"])
def test_bcf_and_csi_give_the_same_tables(contigs: Several, tmp_path: Path, kind: str) -> None:
    import pysam

    words = ["-p", contigs.populations, "--threads", 1, *ALL]
    scanned(contigs.vcf, *words, "--out", tmp_path / "vcf")
    text = gzip.decompress(contigs.vcf.read_bytes()).decode()
    path = save_vcf(text, tmp_path / ("other.bcf" if kind == "bcf" else "other.vcf.gz"), index=kind == "bcf")
    if kind == "csi":
        pysam.tabix_index(str(path), preset="vcf", csi=True, force=True)
    scanned(path, *words, "--out", tmp_path / kind)
    assert tables(tmp_path / kind) == tables(tmp_path / "vcf")


def test_run_json_says_where_a_result_comes_from(contigs: Several, tmp_path: Path) -> None:
    import hashlib

    import scanner

    out = tmp_path / "out"
    words = [contigs.vcf, "-p", contigs.populations, "--out", out, "--threads", 1, *ALL, "--genome", "hg19"]
    scanned(*words)
    run_json = json.loads((out / "run.json").read_text())
    assert run_json["popscan"] == scanner.__version__
    assert run_json["command"] == ["popscan", "scan", *map(str, words)]
    assert run_json["started"] <= run_json["finished"]
    whole = hashlib.sha256(contigs.vcf.read_bytes()).hexdigest()
    assert run_json["inputs"]["vcf"] == {
        "path": str(contigs.vcf), "size": contigs.vcf.stat().st_size, "sha256": whole
    }  # fmt: skip
    assert set(run_json["inputs"]) == {"vcf", "populations"}
    assert run_json["genome"] == "hg19"
    assert run_json["contigs"] == contigs.contigs
    assert run_json["regions"] == ["1:1-40000", "2:1-40000", "3:1-40000"]
    assert run_json["windows"] == {"kind": "bp", "window": 4000, "step": 2000, "count": 57}
    assert run_json["populations"] == {"A": 8, "B": 8, "C": 8}
    assert run_json["data"] == {"ploidy": 2, "unphased": 0.0, "polarised": 1.0, "missing": 0.0}
    assert run_json["options"]["min_sites"] == 4
    table = read_table(out / "windows.tsv.gz")
    assert [entry["column"] for entry in run_json["scores"]] == table.columns[3:-1]
    for entry in run_json["scores"]:
        assert entry["column"] == ".".join([entry["name"], *entry["populations"]])
    assert run_json["versions"]["numpy"] == np.__version__
    assert (run_json["models"], run_json["seed"]) == ({}, None)


def test_the_table_is_indexed_for_tabix(contigs: Several, tmp_path: Path) -> None:
    import pysam

    scanned(contigs.vcf, "--out", tmp_path / "out", "--threads", 1, *ALL)
    with pysam.TabixFile(str(tmp_path / "out" / "windows.tsv.gz")) as file:
        rows = [line.split("\t") for line in file.fetch("2", 3_999, 4_000)]
    assert [(row[1], row[2]) for row in rows] == [("0", "4000"), ("2000", "6000")]


def test_nothing_infinite_or_negative_zero_reaches_the_table(contigs: Several, tmp_path: Path) -> None:
    scanned(contigs.vcf, "-p", contigs.populations, "--out", tmp_path / "out", "--threads", 1,
            "--window", "500", "--min-sites", 0, "--min-callable", 0, "--statistics", "all")  # fmt: skip
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    cells = {cell for row in table.rows for cell in row[3:-1]}
    assert "-0" not in cells
    assert all(cell == "NA" or math.isfinite(float(cell)) for cell in cells)
