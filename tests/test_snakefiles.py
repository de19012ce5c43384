"""Every example of Snakefile_examples, run by the real Snakemake on a small piece of the bundled sample."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.data import sample
from scanner.table import read_table

EXAMPLES = Path(__file__).parent.parent / "Snakefile_examples"


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder, with this environment's popscan first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    call = [sys.executable, "-m", "snakemake", "--cores", "1", *words]
    return subprocess.run(
        call, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


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
