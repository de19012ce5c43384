"""The examples of Snakefile_examples, made small, and a popscan of which one job is killed midway."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scanning import scanned, several

EXAMPLES = Path(__file__).parent.parent / "Snakefile_examples"


def snakemake(folder: Path, *words: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder, with this environment's popscan first on the path, or what ``first`` holds."""
    places = [*([str(first)] if first else []), str(Path(sys.executable).parent), os.environ["PATH"]]
    path = os.pathsep.join(places)
    call = [sys.executable, "-m", "snakemake", "--cores", "1", *words]
    return subprocess.run(
        call, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


POPSCAN = """#!{python}
# popscan with parts of 60 records; one job is killed, once, when it has finished a piece of its work.
import os, pathlib, signal, sys
import {module} as module
from scanner import partition
from scanner.cli import main

partition.PART_RECORDS = (60, 60)
killed = pathlib.Path("killed")
if {job} and not killed.exists():
    real = module.{step}
    def dying(task):
        if killed.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        killed.touch()
        return real(task)
    module.{step} = dying
sys.exit(main(sys.argv[1:]))
"""


def deadly(folder: Path, *, job: str, module: str, step: str) -> Path:
    """Put a popscan into a folder of which one job is killed at the second piece of its work; give the folder.

    Parameters
    ----------
    folder
        Made.
    job
        Python that tells from ``sys.argv`` which job it is.
    module, step
        The function that does a piece of work.
    """
    folder.mkdir()
    command = folder / "popscan"
    command.write_text(POPSCAN.format(python=sys.executable, module=module, job=job, step=step))
    command.chmod(0o755)
    return folder


OF_CHROMOSOME_2 = '"scan" in sys.argv and sys.argv[sys.argv.index("--part") + 1].startswith("3")'
"""Tells the job of the second chromosome of `genome_example`, for `deadly`."""


def genome_example(place: Path) -> tuple[Path, Path]:
    """Copy the example of a genome, with two small chromosomes; give its folder, and that of a plain scan of them.

    Parts should have 60 records, then each chromosome has three.
    """
    (place / "made").mkdir()
    data = several(place / "made", contigs=2, records=180, length=90_000)
    options = ["--window", "4kb", "--step", "1kb", "--statistics", "all", "--min-sites", "3"]
    scanned(data.vcf, "-p", data.populations, "--out", place / "plain", "--threads", 1, *options)
    folder = place / "genome"
    shutil.copytree(EXAMPLES / "genome", folder)
    shutil.copytree(data.vcf.parent, folder / "data")
    config = (folder / "config.yaml").read_text().replace("genome.vcf.gz", "input.vcf.gz")
    config = config.replace('["1", "2", "3"]', '["1", "2"]').replace(
        "--window 100kb --step 10kb --statistics all", " ".join(options)
    )
    (folder / "config.yaml").write_text(config)
    return folder, place / "plain"
