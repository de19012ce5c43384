"""The whole way on real data, judged by strangers: the bundled sample through the command line against scikit-allel and
vcftools, window by window."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import allel
import numpy as np
import pytest
from numpy.typing import NDArray

from scanner.cli import main
from scanner.data import sample
from scanner.statistics import ehh
from scanner.table import Table, read_table

START, END, WINDOW = 1_000_000, 1_950_000, 50_000
REGION = (
    "20:1,000,001-1,950,000"  # shorter than 1 Mb: beyond, popscan stops following haplotypes and scikit-allel goes on
)


class Truth:
    """Genotypes of the region as scikit-allel reads them: biallelic SNPs that vary, one record a position."""

    def __init__(self) -> None:
        """Read with scikit-allel and choose the sites as the documentation says."""
        bundled = sample()
        fields = ["samples", "variants/POS", "variants/REF", "variants/ALT", "calldata/GT"]
        with warnings.catch_warnings(action="ignore"):  # of INFO fields without a type
            held = allel.read_vcf(
                str(bundled.vcf), fields=fields, alt_number=1, region=REGION.replace(",", ""), tabix=None
            )
        snp = np.array([len(r) == len(a) == 1 for r, a in zip(held["variants/REF"], held["variants/ALT"], strict=True)])
        inside = (held["variants/POS"] > START) & (held["variants/POS"] <= END)
        self.samples = list(held["samples"])
        groups = [line.split() for line in bundled.populations.read_text().splitlines()]
        self.members = {
            name: [self.samples.index(s) for s, population in groups if population == name]
            for name in ("GBR", "FIN", "IBS")
        }
        everyone = [at for members in self.members.values() for at in members]
        haplotypes = allel.GenotypeArray(held["calldata/GT"])[:, everyone].to_haplotypes()
        varies = haplotypes.count_alleles(max_allele=1).is_segregating()
        positions = held["variants/POS"]
        once = ~np.isin(positions, [p for p in np.unique(positions[snp]) if (positions[snp] == p).sum() > 1])
        keep = snp & inside & varies & once
        self.positions = positions[keep]
        genotypes = allel.GenotypeArray(held["calldata/GT"])[keep]
        self.haplotypes = {name: genotypes[:, at].to_haplotypes() for name, at in self.members.items()}
        self.counts = {name: h.count_alleles(max_allele=1) for name, h in self.haplotypes.items()}

    def window(self, start: int) -> slice:
        """Give the sites of the window that starts at ``start`` (0-based)."""
        return slice(*np.searchsorted(self.positions, [start + 1, start + WINDOW + 1]))


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Hold the region's genotypes as scikit-allel sees them."""
    return Truth()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan the region with every statistic."""
    out = tmp_path_factory.mktemp("real") / "scan"
    bundled = sample()
    call = ["scan", str(bundled.vcf), "-p", str(bundled.populations), "--window", "50kb", "--statistics", "all"]
    assert main([*call, "--region", REGION, "--out", str(out), "--threads", "1", "--quiet"]) == 0
    return out


@pytest.fixture(scope="module")
def table(folder: Path) -> Table:
    """Read the table of windows."""
    return read_table(folder / "windows.tsv.gz")


def test_every_window_is_there(table: Table) -> None:
    """Windows tile the region."""
    assert table.start.tolist() == list(range(START, END, WINDOW))


@pytest.mark.parametrize("name", ["GBR", "FIN", "IBS"])
def test_diversity_equals_scikit_allel(name: str, table: Table, truth: Truth) -> None:
    """Compare sites, pi, Watterson's theta and Tajima's D."""
    for row, start in enumerate(table.start.tolist()):
        counts, at = truth.counts[name][truth.window(start)], truth.positions[truth.window(start)]
        bounds = {"start": start + 1, "stop": start + WINDOW}
        assert table.columns[f"sites.{name}"][row] == counts.count_segregating()
        expected = {
            "pi": allel.sequence_diversity(at, counts, **bounds),
            "theta_w": allel.watterson_theta(at, counts, **bounds),
            "tajimas_d": allel.tajima_d(counts, at, **bounds),
        }
        for score, value in expected.items():
            assert table.columns[f"{score}.{name}"][row] == pytest.approx(value, rel=1e-8), (score, start)


@pytest.mark.parametrize("name", ["GBR", "FIN", "IBS"])
def test_haplotypes_and_linkage_equal_scikit_allel(name: str, table: Table, truth: Truth) -> None:
    """Compare Garud's statistics and ZnS, which scikit-allel computes in single precision."""
    for row, start in enumerate(table.start.tolist()):
        haplotypes = truth.haplotypes[name][truth.window(start)]
        h1, h12, _, h2_h1 = allel.garud_h(haplotypes)
        for score, value in {"h1": h1, "h12": h12, "h2_h1": h2_h1}.items():
            assert table.columns[f"{score}.{name}"][row] == pytest.approx(value, rel=1e-8), (score, start)
        assert table.columns[f"haplotypes.{name}"][row] == len(haplotypes.distinct_counts())
        segregating = haplotypes[haplotypes.count_alleles(max_allele=1).is_segregating()]
        r = allel.rogers_huff_r(np.asarray(segregating, np.int8))
        assert table.columns[f"zns.{name}"][row] == pytest.approx(np.mean(r.astype(float) ** 2), rel=1e-4)


@pytest.mark.parametrize(("one", "other"), [("GBR", "FIN"), ("GBR", "IBS"), ("FIN", "IBS")])
def test_differentiation_equals_scikit_allel(one: str, other: str, table: Table, truth: Truth) -> None:
    """Compare Hudson's Fst and dxy."""
    for row, start in enumerate(table.start.tolist()):
        window = truth.window(start)
        first, second = truth.counts[one][window], truth.counts[other][window]
        numerator, denominator = allel.hudson_fst(first, second)
        fst = np.nansum(numerator) / np.nansum(denominator)
        dxy = allel.sequence_divergence(truth.positions[window], first, second, start=start + 1, stop=start + WINDOW)
        assert table.columns[f"fst.{one}.{other}"][row] == pytest.approx(fst, rel=1e-7, abs=1e-12)
        assert table.columns[f"dxy.{one}.{other}"][row] == pytest.approx(dxy, rel=1e-8)


def _common(truth: Truth, names: list[str]) -> NDArray[np.bool_]:
    counts = sum(np.asarray(truth.counts[name]) for name in names)
    total = counts.sum(axis=1)
    return np.asarray(counts.min(axis=1) * 20 >= total)


def _site_table(folder: Path) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    sites = read_table(folder / "sites.tsv.gz")
    return sites.start + 1, sites.columns


@pytest.mark.parametrize("name", ["GBR", "FIN", "IBS"])
def test_ihs_and_nsl_equal_scikit_allel(name: str, folder: Path, truth: Truth) -> None:
    """Compare site by site, up to the sign: the sample has no ancestral alleles, so scores are of the rarer allele."""
    common = _common(truth, [name])
    haplotypes, positions = truth.haplotypes[name][common], truth.positions[common]
    swap = haplotypes.count_alleles(max_allele=1).to_frequencies()[:, 1] > 0.5
    minor = np.where(swap[:, None], 1 - np.asarray(haplotypes), np.asarray(haplotypes)).astype(np.int8)
    frequency = minor.mean(axis=1)
    at, columns = _site_table(folder)
    for score, raw in {
        "ihs": allel.ihs(minor, positions, min_maf=0, use_threads=False),
        "nsl": allel.nsl(minor, use_threads=False),
    }.items():
        expected = ehh.standardise(raw, frequency)
        found = np.full(len(positions), np.nan)
        found[np.searchsorted(positions, at[np.isin(at, positions)])] = columns[f"{score}.{name}"][
            np.isin(at, positions)
        ]
        assert (np.isfinite(expected) == np.isfinite(found)).all()
        both = np.isfinite(expected)
        assert both.sum() > 0.2 * len(positions)
        assert np.abs(expected - found)[both].max() < 1e-6


def test_xpehh_equals_scikit_allel(folder: Path, truth: Truth) -> None:
    """Compare site by site."""
    common = _common(truth, ["GBR", "FIN"])
    positions = truth.positions[common]
    first, second = (np.asarray(truth.haplotypes[name][common]) for name in ("GBR", "FIN"))
    raw = allel.xpehh(first, second, positions, use_threads=False)
    pooled = np.hstack([first, second]).mean(axis=1)
    expected = ehh.standardise(raw, pooled)
    at, columns = _site_table(folder)
    found = np.full(len(positions), np.nan)
    found[np.searchsorted(positions, at[np.isin(at, positions)])] = columns["xpehh.GBR.FIN"][np.isin(at, positions)]
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.sum() > 0.5 * len(positions)
    assert np.abs(expected - found)[both].max() < 1e-6


@pytest.mark.parametrize("name", ["GBR", "FIN", "IBS"])
def test_tajimas_d_and_pi_equal_vcftools(name: str, table: Table, truth: Truth, tmp_path: Path) -> None:
    """Compare with the program, which prints six digits and counts indels unless told not to."""
    if shutil.which("vcftools") is None:
        pytest.skip("vcftools is not installed")
    bundled = sample()
    keep = tmp_path / "keep.txt"
    keep.write_text("".join(f"{truth.samples[at]}\n" for at in truth.members[name]))
    sites = tmp_path / "sites.txt"
    sites.write_text("".join(f"20\t{position}\n" for position in truth.positions))
    call = ["vcftools", "--gzvcf", str(bundled.vcf), "--keep", str(keep), "--positions", str(sites), "--remove-indels"]
    found = {}
    for option, suffix in (("--TajimaD", "Tajima.D"), ("--window-pi", "windowed.pi")):
        subprocess.run([*call, option, str(WINDOW), "--out", str(tmp_path / "v")], check=True, capture_output=True)
        lines = [line.split() for line in (tmp_path / f"v.{suffix}").read_text().splitlines()[1:]]
        shift = 1 if suffix == "windowed.pi" else 0
        found[suffix] = {int(line[1]) - shift: float(line[-1]) for line in lines}
    for row, start in enumerate(table.start.tolist()):
        assert table.columns[f"tajimas_d.{name}"][row] == pytest.approx(found["Tajima.D"][start], rel=2e-5, abs=1e-5)
        assert table.columns[f"pi.{name}"][row] == pytest.approx(found["windowed.pi"][start], rel=2e-5)
