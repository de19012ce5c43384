"""Networks in a scan: the same values whoever computes them and however the genome is cut, and gaps with a reason."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Record, Simulated, save_vcf, vcf_text
from scanning import Table, popscan, read_table, scanned

import scanner.network
from scanner import partition, predict, vcf
from scanner.channels.encoding import REACH, encode
from scanner.channels.windows import window_extras, window_summaries
from scanner.cli import report
from scanner.errors import InputError, UsageError
from scanner.haplotypes import from_alleles
from scanner.network import reference
from scanner.network.spec import Output, to_toml
from scanner.networks import Network, arrange, read_networks
from scanner.populations import select
from scanner.regions import Region
from scanner.windows import sliding

if find_spec("keras") is None or not any(find_spec(name) for name in scanner.network.BACKENDS):
    pytest.skip("Keras or a backend is not installed", allow_module_level=True)

import small_network
from small_network import ARCH

from scanner.network import backend, store
from scanner.network.predict import Predictor, combine, interval

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

VALUES = ("recombination_rate", "recombination_rate_low", "recombination_rate_high")
FAR = "small-one_out_of_range"
BARE = ("--statistics", "none", "--window", "5kb", "--step", "2500", "--min-sites", 1, "--threads", 1, "--quiet")


def save(folder: Path, *, centre: float = 0.0, spread: float = 10.0, **changes: Any) -> Path:
    """Save the small network with another contract, and another idea of the windows of its training."""
    base = folder.parent / "base"
    if not base.exists():
        small_network.write(base, 1, 2)
    shutil.copytree(base, folder)
    summaries = np.random.default_rng(1).normal(centre, spread, size=(500, ARCH.channels + ARCH.extras))
    np.savez(folder / "reference.npz", **reference.fit(summaries))
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in store.SUMMED}
    (folder / "spec.toml").write_text(to_toml(small_network.spec((1, 2), **changes).with_files(sums)))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _small_batches() -> Iterator[None]:
    """Small data need no large batches, which cost as much whatever is in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backend.BATCH_SITES, "cpu", 1024)
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(models: Path) -> Path:
    return save(models / "small")


@pytest.fixture(scope="module")
def scan(simulated: Simulated, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan three populations with the network, at every site too."""
    out = tmp_path_factory.mktemp("scan") / "out"
    scanned(simulated.vcf, "-p", simulated.populations, "--models", model, "--dense", "--out", out, *BARE)
    return out


def in_parts(monkeypatch: pytest.MonkeyPatch, records: int) -> None:
    monkeypatch.setattr(partition, "PART_RECORDS", (records, records))


def number_of_parts(*words: object) -> int:
    done = popscan("plan", *words, "--json")
    assert done.code == 0, done.err
    return int(json.loads(done.out)["parts"])


def assert_same(found: Table, expected: Table) -> None:
    assert (found.columns, found.bounds) == (expected.columns, expected.bounds)
    assert [row[-1] for row in found.rows if "=" in row] == []
    for name in found.columns[3:]:
        if name == "reasons":
            assert found.texts(name) == expected.texts(name)
        elif FAR in name:
            np.testing.assert_allclose(found.values(name), expected.values(name), rtol=0, atol=1e-6, err_msg=name)
        else:
            logs = np.log10(found.values(name)), np.log10(expected.values(name))
            np.testing.assert_allclose(*logs, rtol=1e-5, err_msg=name)


@dataclass(frozen=True)
class Naive:
    """What a network says of a whole contig at once."""

    positions: np.ndarray
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray]


load_once = functools.cache(store.load)


def naive_site_channels(
    simulated: Simulated,
    model: Path,
    population: str,
    kept: list[int] | None = None,
    how: str = "folded-2",
    *,
    mirrored: bool = False,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Encode a whole contig: number of haplotypes, positions of used sites, and their channels.

    ``mirrored``: of the contig written down from its end to its start, without missing genotypes.
    """
    source = vcf.open_source(simulated.vcf, fallback=simulated.vcf.parent)
    selection = select(source.samples, simulated.populations, None)
    members = selection.populations[population]
    chosen = members if kept is None else tuple(members[at] for at in kept)
    one = replace(selection, populations={population: chosen})
    block, _ = vcf.read(source, one, Region(simulated.contig, 0, simulated.length), vcf.ReadOptions())
    loaded = load_once(model)
    network = Network(model, loaded.spec, loaded.digest)
    assert network.encoding.name == how
    if mirrored:
        alleles, positions = block.populations[0].alleles()[::-1], simulated.length - 1 - block.positions[::-1]
        encoded = encode(positions, from_alleles("", alleles, ploidy=1), network.encoding)
        return alleles.shape[1], positions[encoded.sites], encoded.values
    encoded = encode(block.positions, block.populations[0], network.encoding, block.polarised)
    return block.populations[0].size, block.positions[encoded.sites], encoded.values


def naive(
    simulated: Simulated, model: Path, population: str, kept: list[int] | None = None, how: str = "folded-2"
) -> Naive:
    """Run the trunk over a whole contig, and give a function from windows to scores."""
    size, positions, values = naive_site_channels(simulated, model, population, kept, how)
    loaded = load_once(model)
    predictor = Predictor(loaded, 2048)
    features = predictor.features(values)

    def scores(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        first, last = np.searchsorted(positions, start), np.searchsorted(positions, end)
        extras = window_extras(size, start, end, last - first)
        made = interval(*combine(predictor.windows(features, positions, start, end, extras), loaded.spec), loaded.spec)
        far = reference.score(loaded.reference, window_summaries(values, first, last, extras))
        return np.column_stack([*(each[:, 0] for each in made), far])

    return Naive(positions, scores)


def test_values_are_those_of_the_whole_contig_at_once(simulated: Simulated, model: Path, scan: Path) -> None:
    table = read_table(scan / "windows.tsv.gz")
    assert table.columns[3:] == [*(f"{score}.{name}" for score in (*VALUES, FAR) for name in "ABC"), "reasons"]
    windows = sliding(Region(simulated.contig, 0, simulated.length), 5_000, 2_500)
    assert table.bounds == [(simulated.contig, *both) for both in zip(windows.start, windows.end, strict=True)]
    for population in "ABC":
        whole = naive(simulated, model, population)
        expected = whole.predict(windows.start, windows.end)
        empty = np.searchsorted(whole.positions, windows.start) == np.searchsorted(whole.positions, windows.end)
        assert empty.sum() < 6
        for score, values in zip(VALUES, expected.T, strict=False):
            found = table.values(f"{score}.{population}")
            np.testing.assert_array_equal(np.isnan(found), empty)
            np.testing.assert_allclose(np.log10(found[~empty]), np.log10(values[~empty]), rtol=1e-5)
        np.testing.assert_allclose(table.values(f"{FAR}.{population}")[~empty], expected[~empty, 3], atol=1e-6)
    rates = np.log10(table.values("recombination_rate.A"))
    assert np.nanstd(rates) > 0.01, "windows differ"
    assert not (table.values("recombination_rate_low.A") >= table.values("recombination_rate.A")).any()


def test_values_at_sites_are_those_of_windows_around_them(simulated: Simulated, model: Path, scan: Path) -> None:
    table = read_table(scan / "sites.tsv.gz")
    assert table.columns[3:] == [f"{score}.{name}" for name in "ABC" for score in VALUES]
    at = np.array([start for _, start, _ in table.bounds])
    for population in "AC":
        whole = naive(simulated, model, population)
        start = np.maximum(whole.positions - 2_500, 0)
        end = np.minimum(whole.positions + 2_500, simulated.length)
        expected = whole.predict(start, end)
        found = np.column_stack([table.values(f"{score}.{population}") for score in VALUES])
        some = np.isfinite(found[:, 0])
        np.testing.assert_array_equal(at[some], whole.positions)
        np.testing.assert_allclose(np.log10(found[some]), np.log10(expected[:, :3]), rtol=1e-5)


@pytest.mark.parametrize("records", [100_000, 400])
def test_windows_are_read_from_both_ends(
    simulated: Simulated, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    """All members speak of the contig, and of the contig written down backwards."""
    both = models / "both"
    if not both.exists():
        save(both, both_ends=True)
    in_parts(monkeypatch, records)
    scanned(simulated.vcf, "-p", simulated.populations, "--models", both, *BARE, "--out", tmp_path / "out")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    windows = sliding(Region(simulated.contig, 0, simulated.length), 5_000, 2_500)
    loaded = load_once(both)
    predictor = Predictor(loaded, 2048)
    for population in "AB":
        raw = []
        for mirrored in (False, True):
            size, positions, values = naive_site_channels(simulated, both, population, mirrored=mirrored)
            start, end = windows.start, windows.end
            if mirrored:
                start, end = simulated.length - end, simulated.length - start
            sites = np.searchsorted(positions, end) - np.searchsorted(positions, start)
            extras = window_extras(size, start, end, sites)
            raw.append(predictor.windows(predictor.features(values), positions, start, end, extras))
        expected = interval(*combine(np.concatenate(raw, axis=1), loaded.spec), loaded.spec)
        alone = interval(*combine(raw[0], loaded.spec), loaded.spec)
        for score, values, other in zip(VALUES, expected, alone, strict=True):
            found = table.values(f"{score}.{population}")
            some = np.isfinite(found)
            assert some.sum() > 30
            np.testing.assert_allclose(np.log10(found[some]), np.log10(values[some, 0]), rtol=1e-5)
            assert np.abs(np.log10(found[some] / other[some, 0])).max() > 1e-3


@pytest.mark.parametrize("records", [1_000, 100])
def test_the_cuts_between_parts_change_no_value(
    simulated: Simulated, model: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    """Small parts have fewer used sites than the flank of a window, so that several are joined."""
    in_parts(monkeypatch, records)
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, "--dense", *BARE[:-1])
    parts = number_of_parts(*words)
    assert parts > 4
    used = np.isfinite(read_table(scan / "sites.tsv.gz").values("recombination_rate.A")).sum()
    assert records > 100 or used < parts * (REACH + sum(ARCH.dilations))
    scanned(*words, "--out", tmp_path / "out")
    for name in ("windows.tsv.gz", "sites.tsv.gz"):
        assert_same(read_table(tmp_path / "out" / name), read_table(scan / name))


def test_processes_give_the_same(
    simulated: Simulated, model: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch, 1_500)
    words = (*BARE[:-3], "--threads", 2, "--quiet", "--dense")
    scanned(simulated.vcf, "-p", simulated.populations, "--models", model, *words, "--out", tmp_path / "out")
    for name in ("windows.tsv.gz", "sites.tsv.gz"):
        assert_same(read_table(tmp_path / "out" / name), read_table(scan / name))


def test_a_stopped_scan_goes_on_and_another_network_is_not_mixed_in(
    simulated: Simulated, model: Path, models: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts(monkeypatch, 900)
    words = [simulated.vcf, "-p", simulated.populations, "--models", model, "--dense", "--out", tmp_path / "out", *BARE]
    real, seen = predict.compute_networks, list[int]()

    def stopped(task: predict.NetTask) -> Any:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(task.part.index)
        return real(task)

    monkeypatch.setattr(predict, "compute_networks", stopped)
    assert popscan("scan", *words).code != 0
    assert seen == [0, 1, 2]
    other = save(models / "other", centre=1.0)
    refused = popscan("scan", *(other if word == model else word for word in words))
    assert refused.code == 2
    assert "belongs to a scan of other inputs or options (models was small-one" in refused.sentence
    again = list[int]()
    monkeypatch.setattr(predict, "compute_networks", lambda task: again.append(task.part.index) or real(task))
    scanned(*words)
    assert again[0] == 3
    assert not set(again) & set(seen)
    assert_same(read_table(tmp_path / "out" / "windows.tsv.gz"), read_table(scan / "windows.tsv.gz"))


def test_a_large_population_is_thinned_by_whole_samples(simulated: Simulated, models: Path, tmp_path: Path) -> None:
    model = save(models / "thin", ranges={"haplotypes": (4.0, 16.0)})
    words = ("-p", simulated.populations, "--models", model, *BARE[:-1])
    done = scanned(simulated.vcf, *words, "--out", tmp_path / "out")
    assert "small-one looks at some of the haplotypes of A (40 to 16), B (40 to 16), C (40 to 16)" in done.err
    record = json.loads((tmp_path / "out" / "run.json").read_text())["models"]["small-one"]
    assert record["thinned"] == {name: {"from": 40, "to": 16} for name in "ABC"}
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    (network,) = read_networks([model])
    (groups,) = arrange((network,), dict.fromkeys("ABC", 20), dict.fromkeys("ABC", 40), 2).groups
    draws = [draw for group in groups for draw in group.draws]
    assert [len(draw.samples) for draw in draws] == [8] * 3
    assert len({draw.samples for draw in draws}) == 3, "populations are thinned apart"
    start, end = np.array([both[1:] for both in table.bounds]).T
    for population, draw in zip("ABC", draws, strict=True):
        expected = naive(simulated, model, population, list(draw.samples)).predict(start, end)
        found = table.values(f"recombination_rate.{population}")
        some = np.isfinite(found)
        assert some.mean() > 0.95
        np.testing.assert_allclose(np.log10(found[some]), np.log10(expected[some, 0]), rtol=1e-5)


def test_thinning_depends_on_the_network_and_the_name(model: Path) -> None:
    (network,) = read_networks([model])
    narrow = replace(network, spec=replace(network.spec, ranges={"haplotypes": (4.0, 15.0)}))
    samples, present = {"A": 100, "B": 7}, {"A": 200, "B": 14}
    one = arrange((narrow,), samples, present, 2)
    assert one == arrange((narrow,), samples, present, 2)
    assert one.groups != arrange((replace(narrow, digest="0" * 64),), samples, present, 2).groups
    (a,), (b,) = (group.draws for group in one.groups[0])
    assert (len(a.samples), a.size, a.thinned) == (8, 15, True)
    assert (b.samples, b.size, b.thinned) == (tuple(range(7)), 14, False)
    assert a.columns(2).tolist() == [c for s in a.samples for c in (2 * s, 2 * s + 1)][:15]
    assert a.columns(3).tolist() == [c for s in a.samples for c in (3 * s, 3 * s + 1)][:15]


def test_too_few_haplotypes_are_refused(simulated: Simulated, models: Path, tmp_path: Path) -> None:
    model = save(models / "many", ranges={"haplotypes": (64.0, 500.0)})
    done = popscan("scan", simulated.vcf, "-p", simulated.populations, "--models", model, "--out", tmp_path / "out")
    assert done.code == 2
    assert done.sentence.startswith(
        "population 'A' has 40 haplotypes, and small-one was trained on 64 to 500: leave small-one out, or train"
    )
    assert not (tmp_path / "out").exists()


def test_a_population_that_is_too_small_is_left_out(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    rows = simulated.populations.read_text().splitlines()
    few = [row for row in rows if row.endswith("A")][:4]
    (tmp_path / "populations.tsv").write_text("\n".join(f"{row[:-1]}few" if row in few else row for row in rows) + "\n")
    words = ("-p", tmp_path / "populations.tsv", "--models", model, *BARE[:-1])
    done = scanned(simulated.vcf, *words, "--out", tmp_path / "out")
    assert "note: small-one does not look at few: too few haplotypes, it was trained on 16 to 500" in done.err
    columns = read_table(tmp_path / "out" / "windows.tsv.gz").columns
    assert [name for name in columns if name.startswith("recombination_rate.")] == [
        f"recombination_rate.{name}" for name in "ABC"
    ]
    entry = json.loads((tmp_path / "out" / "run.json").read_text())["models"]["small-one"]
    assert (entry["groups"], entry["left_out"]) == ([["A"], ["B"], ["C"]], [["few"]])


@pytest.fixture(scope="module")
def records(simulated: Simulated) -> list[Record]:
    """The first 300 kb of population A, record by record."""
    trees = simulated.tree_sequence
    rows: list[Record] = []
    for variant in trees.variants(samples=simulated.samples("A")):
        alleles = variant.genotypes
        if variant.site.position < 300_000 and 0 < alleles.sum() < len(alleles):
            pairs = zip(alleles[::2], alleles[1::2], strict=True)
            rows.append(("1", int(variant.site.position) + 1, "A", "C", "AA=A", [f"{a}|{b}" for a, b in pairs]))
    return rows


Change = Callable[[Record], Record]


@pytest.fixture
def changed(records: list[Record], tmp_path: Path) -> Callable[[Change], Path]:
    """Give a function that writes the records with something changed."""

    def write(change: Change) -> Path:
        text = vcf_text([change(row) for row in records], [f"s{n}" for n in range(20)], {"1": 300_000})
        return save_vcf(text, tmp_path / "x.vcf.gz")

    return write


def unphase(row: Record) -> Record:
    return (*row[:5], [genotype.replace("|", "/") for genotype in row[5]])


SMALL = ("--window", "20kb", "--step", "20kb", "--threads", 1, "--statistics", "none")


def test_windows_without_phase_have_a_reason(changed: Callable[[Change], Path], model: Path, tmp_path: Path) -> None:
    path = changed(lambda row: unphase(row) if 100_000 <= row[1] - 1 < 200_000 else row)
    done = scanned(path, "--models", model, "--out", tmp_path / "out", *SMALL, "--dense")
    assert "% of heterozygous genotypes have no phase: small-one need it" in done.err
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    inside = np.array([100_000 <= start < 200_000 for _, start, _ in table.bounds])
    assert [text == "unphased" for text in table.texts("reasons")] == inside.tolist()
    for score in (*VALUES, FAR):
        np.testing.assert_array_equal(np.isnan(table.values(score)), inside)
    sites = read_table(tmp_path / "out" / "sites.tsv.gz")
    assert not any(120_000 <= start < 180_000 for _, start, _ in sites.bounds)
    assert sum(start < 80_000 for _, start, _ in sites.bounds) > 50


def test_no_phase_at_all_is_said(changed: Callable[[Change], Path], model: Path, tmp_path: Path) -> None:
    done = scanned(changed(unphase), "--models", model, "--out", tmp_path / "out", *SMALL)
    assert "100% of heterozygous genotypes have no phase: small-one need it" in done.err
    assert "no track, for want of any value: recombination_rate" in done.err
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    assert set(table.texts("reasons")) == {"unphased"}
    assert json.loads((tmp_path / "out" / "run.json").read_text())["models"]["small-one"]["out_of_range"] == {
        "windows": 0,
        "of": 0,
    }


def test_a_few_unphased_genotypes_count_as_missing(
    records: list[Record], changed: Callable[[Change], Path], model: Path, tmp_path: Path
) -> None:
    """The value is that of the same data with these genotypes not called."""
    draw = np.random.default_rng(4)
    picked = {(row[1], int(draw.integers(20))) for row in records if draw.random() < 0.15}

    def each(row: Record, put: Callable[[str], str]) -> Record:
        def one(at: int, genotype: str) -> str:
            return put(genotype) if (row[1], at) in picked and genotype in ("0|1", "1|0") else genotype

        return (*row[:5], [one(at, genotype) for at, genotype in enumerate(row[5])])

    found = []
    for name, put in (("loose", lambda genotype: genotype.replace("|", "/")), ("gone", lambda _: "./.")):
        path = changed(lambda row, put=put: each(row, put))
        scanned(path, "--models", model, "--out", tmp_path / name, *SMALL, "--quiet")
        found.append(read_table(tmp_path / name / "windows.tsv.gz"))
    whole = save_vcf(vcf_text(records, [f"s{n}" for n in range(20)], {"1": 300_000}), tmp_path / "whole.vcf.gz")
    scanned(whole, "--models", model, "--out", tmp_path / "whole", *SMALL, "--quiet")
    before = read_table(tmp_path / "whole" / "windows.tsv.gz").values(VALUES[0])
    loose, gone = (table.values(VALUES[0]) for table in found)
    np.testing.assert_allclose(np.log10(loose), np.log10(gone), rtol=1e-5)
    assert (np.abs(loose / before - 1) > 1e-4).any()


def test_polarised_networks_use_polarised_sites(
    changed: Callable[[Change], Path], models: Path, tmp_path: Path
) -> None:
    model = save(models / "polarised", encoding="polarised-2", min_count=1)
    path = changed(lambda row: (*row[:4], "." if row[1] > 150_000 else row[4], row[5]))
    scanned(path, "--models", model, "--out", tmp_path / "out", *SMALL, "--quiet")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    bare = np.array([start >= 160_000 for _, start, _ in table.bounds])
    reasons = np.array(table.texts("reasons"))
    assert set(reasons[bare]) == {"unpolarised"}
    assert set(reasons[:7]) == {"."}
    done = scanned(changed(lambda row: (*row[:4], ".", row[5])), "--models", model, "--out", tmp_path / "none", *SMALL)
    assert "INFO/AA gives no ancestral alleles: small-one need them" in done.err


def test_floors_and_the_fewest_sites_of_the_training(
    changed: Callable[[Change], Path], models: Path, tmp_path: Path
) -> None:
    path = changed(lambda row: row)
    mask = tmp_path / "mask.bed"
    mask.write_text("1\t0\t100000\n1\t120000\t300000\n")
    model = save(models / "full", ranges={"haplotypes": (4.0, 500.0), "sites": (40.0, 900.0)})
    scanned(path, "--models", model, "--mask", mask, "--out", tmp_path / "out", *SMALL, "--quiet", "--dense")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    assert table.texts("reasons")[5] == "uncallable"
    others = {text for at, text in enumerate(table.texts("reasons")) if at != 5}
    assert others == {".", "few_sites"}
    sites = read_table(tmp_path / "out" / "sites.tsv.gz")
    assert not any(100_000 <= start < 120_000 for _, start, _ in sites.bounds)
    scanned(path, "--models", model, "--out", tmp_path / "high", *SMALL, "--min-sites", 10_000, "--quiet")
    assert set(read_table(tmp_path / "high" / "windows.tsv.gz").texts("reasons")) == {"few_sites"}


@pytest.mark.parametrize("kind", ["sites", "bed"])
def test_other_windows_get_values_too(
    simulated: Simulated, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Windows of a BED lie apart: what is between them is read too, for the network sees it."""
    in_parts(monkeypatch, 400)
    bed = tmp_path / "windows.bed"
    bed.write_text("".join(f"{simulated.contig}\t{low}\t{low + 30_000}\n" for low in (50_000, 400_000, 940_000)))
    chosen = ("--window", "90snps", "--step", "30snps") if kind == "sites" else ("--windows", bed)
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, *chosen, "--statistics", "mu", "--dense")
    assert number_of_parts(*words) > 2
    scanned(*words, "--threads", 1, "--out", tmp_path / "out", "--quiet")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    start, end = np.array([both[1:] for both in table.bounds]).T
    whole = naive(simulated, model, "B")
    np.testing.assert_allclose(
        np.log10(table.values("recombination_rate.B")), np.log10(whole.predict(start, end)[:, 0]), rtol=1e-5
    )
    half = int(np.median(end - start))
    sites = read_table(tmp_path / "out" / "sites.tsv.gz")
    found = sites.values("recombination_rate.B")
    low = np.maximum(whole.positions - half // 2, 0)
    high = np.minimum(whole.positions - half // 2 + half, simulated.length)
    np.testing.assert_allclose(np.log10(found[np.isfinite(found)]), np.log10(whole.predict(low, high)[:, 0]), rtol=1e-5)


def test_a_region_is_scanned_as_if_nothing_lay_outside(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    region = f"{simulated.contig}:200001-500000"
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, *BARE, "--region", region)
    scanned(*words, "--out", tmp_path / "out")
    table = read_table(tmp_path / "out" / "windows.tsv.gz")
    assert np.isfinite(table.values("recombination_rate.C")).mean() > 0.98
    assert {start for _, start, _ in table.bounds} == set(range(200_000, 497_500, 2_500))


def test_windows_unlike_the_training_are_counted_and_said(
    simulated: Simulated, models: Path, scan: Path, tmp_path: Path
) -> None:
    model = save(models / "far", centre=50.0, spread=1.0)
    words = (simulated.vcf, "-p", simulated.populations, "--models", model, *BARE[:-1], "--out", tmp_path / "out")
    done = scanned(*words)
    assert (
        "100% of the windows lie outside what small-one was trained on (popscan train small-one --like VCF" in done.err
    )
    for out, value, share in ((tmp_path / "out", "1", 1), (scan, "0", 0)):
        table = read_table(out / "windows.tsv.gz")
        there = sum(int(np.isfinite(table.values(f"{FAR}.{name}")).sum()) for name in "ABC")
        assert set(table.texts(f"{FAR}.A")) - {"NA"} == {value}
        counted = json.loads((out / "run.json").read_text())["models"]["small-one"]["out_of_range"]
        assert counted == {"windows": there * share, "of": there}


def test_a_tenth_of_the_windows_may_be_unlike_the_training() -> None:
    assert report.unlike_lines({"one": (10, 100), "none": (0, 0)}) == []
    assert report.unlike_lines({"one": (11, 100)})[0].startswith("note: 11% of the windows lie outside what one was")


def test_tracks_are_drawn_and_what_has_none_is_named(
    simulated: Simulated, scan: Path, tmp_path: Path, model: Path
) -> None:
    assert {path.name for path in (scan / "tracks").glob("*.bw")} == {f"{s}.{p}.bw" for s in VALUES for p in "ABC"}
    session = (scan / "igv_session.xml").read_text()
    assert "tracks/recombination_rate.A.bw" in session
    done = scanned(simulated.vcf, "-p", simulated.populations, "--models", model, *BARE[:-1], "--out", tmp_path / "out")
    assert f"note: no track draws {FAR}: the values stand in windows.tsv.gz" in done.err
    assert popscan("check", scan).code == 0


def test_small_numbers_keep_their_digits(scan: Path) -> None:
    texts = read_table(scan / "windows.tsv.gz").texts("recombination_rate.A")
    digits = [len(text.partition("e")[0].replace(".", "").lstrip("0")) for text in texts]
    assert sorted(digits)[len(digits) // 2] == 9


def test_run_json_says_which_network_it_was(scan: Path, model: Path) -> None:
    record = json.loads((scan / "run.json").read_text())
    (network,) = read_networks([model])
    entry = record["models"]["small-one"]
    assert (entry["digest"], entry["encoding"], entry["min_count"]) == (network.digest, "folded-2", 2)
    assert (entry["thinned"], entry["members"], entry["title"]) == ({}, 2, network.spec.title)
    assert record["identity"]["models"] == f"small-one {network.digest[:12]}"
    assert record["options"]["dense"] is True
    assert "keras" in record["versions"]


def test_the_plan_names_networks_and_their_cost(simulated: Simulated, model: Path) -> None:
    words = ("plan", simulated.vcf, "-p", simulated.populations, "--models", model, "--window", "1Mb")
    done = popscan(*words)
    assert "networks     small-one (trained on windows of 1,000 to 500,000 bp): about" in done.out
    assert "windows of 1,000,000 bp lie outside what small-one was trained on, 1,000 to 500,000 bp" in done.out
    record = json.loads(popscan(*words, "--json").out)
    assert set(record["models"]) == {"small-one"}
    assert set(record["columns"]) >= {f"{score}.{name}" for score in (*VALUES, FAR) for name in "ABC"}
    without = json.loads(popscan(*words[:4], "--json").out)
    assert record["network_seconds"] > 0 == without["network_seconds"]
    assert record["seconds"] > without["seconds"]
    assert record["memory_mb_per_process"] > without["memory_mb_per_process"]


def test_a_plan_loads_no_keras(simulated: Simulated, model: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom scanner.cli import main\n"
        f"assert main(['plan', {str(simulated.vcf)!r}, '--models', {str(model)!r}]) == 0\n"
        "assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_damaged_network_is_named_before_anything_is_read(simulated: Simulated, models: Path, tmp_path: Path) -> None:
    model = save(models / "damaged")
    weights = model / "model.weights.h5"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = popscan("scan", simulated.vcf, "--models", model, "--out", tmp_path / "out")
    assert (done.code, "is not the file that spec.toml was written for" in done.sentence) == (1, True)
    weights.unlink()
    done = popscan("scan", simulated.vcf, "--models", model, "--out", tmp_path / "out")
    assert (done.code, f"{weights} is missing" in done.sentence) == (1, True)
    assert not (tmp_path / "out").exists()


def test_an_unknown_encoding_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text((model / "spec.toml").read_text().replace("folded-2", "folded-9"))
    with pytest.raises(InputError, match=r"spec.toml: no encoding of sites is called 'folded-9'"):
        read_networks([tmp_path])


def test_a_network_that_is_replaced_on_the_way_is_noticed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "load", load_once)
    with pytest.raises(InputError, match="was replaced while it was used: scan again"):
        predict._load(model, "0" * 64, "cpu")


def test_two_sources_of_one_column_are_refused(model: Path, models: Path) -> None:
    twin = save(models / "twin", id="twin")
    with pytest.raises(UsageError, match="'recombination_rate', which the network small-one gives too: scan with one"):
        read_networks([model, twin])
    outputs = (Output("tajimas_d", "", "none", 0.0, 1.0, 1.6),)
    with pytest.raises(UsageError, match="'tajimas_d', which a statistic gives too"):
        read_networks([save(models / "clash", id="clash", outputs=outputs)])


def test_two_networks_stand_side_by_side(
    simulated: Simulated, model: Path, models: Path, scan: Path, tmp_path: Path
) -> None:
    outputs = (Output("rho", "4 N r per bp", "ln", -7.0, 1.0, 1.6),)
    other = save(models / "rho", id="recombination-t2", outputs=outputs, ranges={"haplotypes": (4.0, 20.0)})
    words = (simulated.vcf, "-p", simulated.populations, *BARE, "--dense", "--models", f"{model},{other}")
    scanned(*words, "--out", tmp_path / "out")
    table, alone = (read_table(folder / "windows.tsv.gz") for folder in (tmp_path / "out", scan))
    assert table.columns[3:15] == alone.columns[3:15]
    assert table.columns[15:18] == ["rho.A", "rho.B", "rho.C"]
    for name in alone.columns[3:15]:
        np.testing.assert_array_equal(table.values(name), alone.values(name))
    assert np.isfinite(table.values("recombination-t2_out_of_range.C")).mean() > 0.9
    sites = read_table(tmp_path / "out" / "sites.tsv.gz")
    assert sites.columns[-3:] == ["rho.C", "rho_low.C", "rho_high.C"]
    assert np.isnan(sites.values("rho.C")).sum() != np.isnan(sites.values("recombination_rate.C")).sum()
    assert len(list((tmp_path / "out" / "tracks").glob("rho*.bw"))) == 9


def test_values_at_sites_stand_beside_scores_of_sites(
    simulated: Simulated, model: Path, scan: Path, tmp_path: Path
) -> None:
    words = (simulated.vcf, "-p", simulated.populations, "--statistics", "nsl", *BARE[2:], "--dense", "--models", model)
    scanned(*words, "--out", tmp_path / "out")
    table, alone = (read_table(folder / "sites.tsv.gz") for folder in (tmp_path / "out", scan))
    assert table.columns[3:6] == ["nsl.A", "nsl.B", "nsl.C"]
    assert table.columns[6:] == alone.columns[3:]
    held = dict(zip(alone.bounds, alone.rows, strict=True))
    for bounds, row in zip(table.bounds, table.rows, strict=True):
        if bounds in held:
            assert row[6:] == held.pop(bounds)[3:]
        else:
            assert set(row[6:]) == {"NA"}
    assert not held
    assert popscan("check", tmp_path / "out").code == 0


def test_dense_needs_a_network(simulated: Simulated) -> None:
    done = popscan("scan", simulated.vcf, "--dense")
    assert (done.code, "--dense is about what networks say: name networks" in done.sentence) == (2, True)


def test_a_graphics_card_that_is_not_there_is_missed_at_once(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    done = popscan("scan", simulated.vcf, "--models", model, "--device", "gpu", "--out", tmp_path / "out")
    assert (done.code, "--device gpu: " in done.sentence, "finds no GPU here" in done.sentence) == (2, True, True)
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_graphics_cards_is_refused_at_once(simulated: Simulated, model: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0", processes=False, silence_logs=50) as cluster:
        words = ("--models", model, "--device", "gpu", "--scheduler", cluster.scheduler_address)
        done = popscan("scan", simulated.vcf, *words, "--out", tmp_path / "out")
    assert done.code == 2
    assert "offers the resource GPU: start workers with 'dask worker" in done.sentence
    assert done.sentence.endswith("--resources GPU=1'")


@dataclass(frozen=True)
class Wanting:
    """A task that asks for something."""

    number: int
    resources: dict[str, float]


def where(_task: Wanting) -> str:
    from distributed import get_worker

    return str(get_worker().name)


def test_tasks_that_need_a_graphics_card_get_it(tmp_path: Path) -> None:
    from distributed import SpecCluster
    from distributed.scheduler import Scheduler
    from distributed.worker import Worker

    from scanner.workers import workers

    bare = {"cls": Worker, "options": {"nthreads": 1}}
    rich = {"cls": Worker, "options": {"nthreads": 1, "resources": {"GPU": 1}}}
    scheduler = {"cls": Scheduler, "options": {"dashboard": False, "port": 0, "host": "127.0.0.1"}}
    with (
        SpecCluster(workers={"bare": bare, "rich": rich}, scheduler=scheduler, silence_logs=50) as cluster,
        workers(1, cluster.scheduler_address, tmp_path, 20, {"GPU": 1.0}) as mapper,
    ):
        assert set(mapper(where, [Wanting(n, {"GPU": 1.0}) for n in range(12)])) == {"rich"}
        assert set(mapper(where, [Wanting(n, {}) for n in range(12)])) == {"bare", "rich"}


def test_the_demo_without_keras_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from scanner.cli import demo

    given = []
    monkeypatch.setattr(demo, "perform", lambda options, *_rest, **_named: given.append(options.models))
    monkeypatch.setattr(demo, "names", lambda: ("recombination",))
    monkeypatch.setattr(scanner.network, "find_spec", lambda _name: None)
    done = popscan("demo")
    assert (done.code, given) == (0, [()])
    assert "note: the networks are left out: networks need Keras and a backend" in done.err
    assert popscan("demo", "--quiet").err == ""
    monkeypatch.setattr(scanner.network, "find_spec", lambda name: name)
    monkeypatch.setattr(demo, "locate", lambda name: Path("/models") / name)
    assert popscan("demo").err == ""
    assert given[-1] == (Path("/models/recombination"),)
