"""Every example of Snakefile_examples, run by the real Snakemake on a small piece of the bundled sample."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scanning import several, tables
from snakemaking import EXAMPLES, OF_CHROMOSOME_2, deadly, genome_example, snakemake
from tiny_training import RECIPE

from scanner import partition
from scanner.data import sample
from scanner.table import read_table


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Copy the example, with the bundled sample where its configuration looks for data, limited to 0.5 Mb."""
    folder = tmp_path / "scans"
    shutil.copytree(EXAMPLES / "scans", folder)
    (folder / "data").mkdir()
    bundled = sample()
    shutil.copy(bundled.vcf, folder / "data/chr20.vcf.gz")
    shutil.copy(bundled.populations, folder / "data/populations.tsv")
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        config.replace("--statistics all", "--statistics tajimas_d --region 20:1000001-1500000")
    )
    return folder


def test_the_scans_example_runs_and_is_then_up_to_date(scans: Path) -> None:
    """Run it, read a result, and find nothing left to do."""
    first = snakemake(scans)
    assert first.returncode == 0, first.stderr + (scans / "logs/chr20.log").read_text()
    table = read_table(scans / "results/chr20/windows.tsv.gz")
    assert len(table) == 41
    assert {"tajimas_d.GBR", "tajimas_d.FIN", "tajimas_d.IBS"} == set(table.columns)
    assert "Nothing to be done" in snakemake(scans).stderr


def test_a_bad_input_fails_the_job_and_its_log_says_why(scans: Path) -> None:
    """Take the genotypes' end away."""
    vcf = scans / "data/chr20.vcf.gz"
    vcf.write_bytes(vcf.read_bytes()[:-28])
    assert snakemake(scans).returncode != 0
    assert "is truncated" in (scans / "logs/chr20.log").read_text()
    assert not (scans / "results/chr20/run.json").exists()


def test_a_genome_a_job_a_chromosome_one_of_them_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those of a plain scan, and what the killed job had finished is not computed again."""
    monkeypatch.setattr(partition, "PART_RECORDS", (60, 60))
    folder, plain = genome_example(tmp_path)
    command = deadly(tmp_path / "bin", job=OF_CHROMOSOME_2, module="scanner.jobarray", step="compute")
    first = snakemake(folder, "--keep-going", first=command)
    assert first.returncode != 0
    assert (folder / "killed").exists(), first.stderr
    parts = folder / "results" / "scan" / ".popscan" / "parts"
    before = {path.name: path.stat().st_mtime_ns for path in parts.glob("part-*.npz")}
    assert sorted(before) == [f"part-{number:06d}.npz" for number in range(4)]
    second = snakemake(folder, "--rerun-incomplete", first=command)
    assert second.returncode == 0, second.stderr
    assert tables(folder / "results" / "scan") == tables(plain)
    assert "scanning: 2 parts" in (folder / "logs" / "2.log").read_text()


def test_a_network_for_an_own_species_is_trained_and_scanned_with(tmp_path: Path) -> None:
    """A tiny recipe takes the place of the example's; the job that simulates is killed after half of it."""
    folder = tmp_path / "own_species"
    shutil.copytree(EXAMPLES / "own_species", folder)
    (folder / "data").mkdir()
    data = several(folder / "data", contigs=1, records=600, length=60_000)
    data.vcf.rename(folder / "data" / "people.vcf.gz")
    data.vcf.with_name("input.vcf.gz.tbi").rename(folder / "data" / "people.vcf.gz.tbi")
    data.populations.write_text("".join(f"s{number}\tA\n" for number in range(12)))
    (folder / "recipe.toml").write_text(RECIPE)
    command = deadly(tmp_path / "bin", job='"simulate" in sys.argv', module="scanner.simulate.sets", step="make")
    assert snakemake(folder, first=command).returncode != 0
    (half,) = (folder / "results" / "simulations" / "shards").glob("*.npz")
    made = half.stat().st_mtime_ns
    done = snakemake(folder, "--rerun-incomplete", first=command)
    assert half.stat().st_mtime_ns == made
    logs = "".join(path.read_text() for path in (folder / "logs").glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    assert (folder / "results" / "model" / "README.md").exists()
    table = read_table(folder / "results" / "scan" / "windows.tsv.gz")
    assert "recombination_rate.A" in table.columns


def test_the_example_recipe_is_one() -> None:
    """The example's own is read, which the run above replaces."""
    from scanner.simulate.recipe import read_recipe

    assert read_recipe(EXAMPLES / "own_species" / "recipe.toml").name == "own-species"


def test_many_populations_become_one_hub(tmp_path: Path) -> None:
    """Lists of the bundled samples are joined, the scan is killed while it draws, the hub is checked and copied."""
    folder, bundled = tmp_path / "hub", sample()
    shutil.copytree(EXAMPLES / "hub", folder)
    (folder / "data" / "samples").mkdir(parents=True)
    shutil.copy(bundled.vcf, folder / "data" / "people.vcf.gz")
    rows = [line.split()[:2] for line in bundled.populations.read_text().splitlines()]
    for population in ("GBR", "FIN", "IBS"):
        names = "".join(f"{name}\n" for name, group in rows if group == population)
        (folder / "data" / "samples" / f"{population}.txt").write_text(names)
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        config.replace("--step 20kb", "--step 20kb --statistics tajimas_d,fst --region 20:1000001-1500000")
    )
    command = deadly(tmp_path / "bin", job='"scan" in sys.argv', module="scanner.publish", step="draw")
    assert snakemake(folder, first=command).returncode != 0
    assert not (folder / "public" / "hub.txt").exists()
    done = snakemake(folder, "--rerun-incomplete", first=command)
    assert done.returncode == 0, done.stderr
    text = (folder / "public" / "hub.txt").read_text()
    assert "nobody@example.org" in text
    assert "genome hg19" in text
    tracks = {path.name for path in (folder / "public").rglob("*.bw")}
    assert len(tracks) == 5, tracks


def test_the_slurm_profile_is_one(tmp_path: Path) -> None:
    """Snakemake plans the jobs with it, for its partition."""
    folder = tmp_path / "genome"
    shutil.copytree(EXAMPLES / "genome", folder)
    (folder / "data").mkdir()
    for name in ("genome.vcf.gz", "populations.tsv"):
        (folder / "data" / name).touch()
    planned = snakemake(folder, "--dry-run", "--profile", str(EXAMPLES / "slurm"))
    assert planned.returncode == 0, planned.stderr
    assert "slurm_partition=debug" in planned.stdout + planned.stderr
