"""What is built and installed is complete: modules, catalogues, the sample, the command."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections import Counter
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pysam
import pytest
import yaml

import scanner
from scanner.data import sample
from scanner.regions import parse_region

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCE = shutil.ignore_patterns(".git", ".venv", "build", "dist", "demo", "*.egg-info", "__pycache__", ".*_cache")

# The hooks that pip and build call, without the fresh environment (and network) that these would want first.
BUILD = "import sys; from setuptools import build_meta; print(build_meta.{hook}(sys.argv[1]))"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program without what this process tells Python by its environment; give its output."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def build(hook: str, source: Path, out: Path) -> Path:
    return out / run(sys.executable, "-c", BUILD.format(hook=hook), out, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the source archive, made from a copy of this checkout, so that no old ``build`` is taken up."""
    out, copy = tmp_path_factory.mktemp("sdist"), tmp_path_factory.mktemp("source") / "popscan"
    shutil.copytree(ROOT, copy, ignore=NOT_SOURCE)
    return build("build_sdist", copy, out)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheel, made from nothing but the source archive."""
    out, unpacked = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("unpacked")
    run("tar", "-xzf", sdist, "-C", unpacked, cwd=unpacked)  # tarfile's safe way is missing in Debian's Python 3.11.2
    (folder,) = unpacked.iterdir()
    return build("build_wheel", folder, out)


def expected_files() -> set[str]:
    """List what the installed package consists of: all that the checkout has, under its name in the package."""
    found = set()
    for folder in ("scanner", "models", "tracks"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                inside = path.relative_to(ROOT).as_posix()
                found.add(inside if folder == "scanner" else f"scanner/{inside}")
    return found


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected_files()
    needed = {"py.typed", "models/catalogue.toml", "tracks/catalogue.toml", "data/chr20_eur.vcf.gz", "data/README.md"}
    assert {f"scanner/{name}" for name in needed} <= names


def test_the_source_archive_holds_what_a_packager_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CITATION.cff", "Makefile", "pyproject.toml", "setup.py", ".ci/run"} <= names
    assert {"tests/conftest.py", "tests/test_packaging.py", "models/catalogue.toml", "scanner/data/README.md"} <= names
    assert [name for name in names if name.endswith((".pyc", ".nbi", ".nbc")) or "__pycache__" in name] == []


def test_the_metadata_state_version_licence_and_python(wheel: Path) -> None:
    found = metadata(wheel)
    assert (found["Name"], found["Version"], found["License-Expression"]) == ("popscan", scanner.__version__, "MIT")
    assert found.get_all("License-File") == ["LICENSE"]
    assert found["Requires-Python"] == ">=3.11"
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_what_only_the_tests_need_is_not_required(wheel: Path) -> None:
    rows = [row for row in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in row]
    required = {match[0].lower() for row in rows if (match := re.match(r"[\w-]+", row))}
    assert {"click", "cyvcf2", "numba", "numpy", "pybigwig", "pysam"} <= required
    assert required.isdisjoint({"scikit-allel", "tskit", "msprime", "pytest", "hypothesis", "mypy", "tensorflow"})


def test_the_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (scanner.__version__, "MIT")
    assert "10.1093/molbev/msy224" in [reference["doi"] for reference in citation["references"]]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the ``bin`` of a fresh environment with the wheel; what popscan requires is lent by this Python."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home.parent)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home.parent)
    # Path files inside a lent folder are not read: so an editable install of this checkout there is not seen.
    place = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home.parent))
    (place / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def test_the_installed_package_finds_its_data(installed: Path, tmp_path: Path) -> None:
    code = """
import json, pathlib, scanner
from scanner.data import sample
found, here = sample(), pathlib.Path(scanner.__file__).parent
lists = [(here / name / "catalogue.toml").is_file() for name in ("models", "tracks")]
print(json.dumps([str(here), str(found.vcf), found.vcf.is_file(), found.populations.is_file(), *lists]))
"""
    here, vcf, *there = json.loads(run(installed / "python", "-c", code, cwd=tmp_path))
    assert Path(here).is_relative_to(installed.parent)
    assert Path(vcf).is_relative_to(here)
    assert there == [True] * 4


def test_the_installed_command_starts(installed: Path, tmp_path: Path) -> None:
    assert scanner.__version__ in run(installed / "popscan", "--version", cwd=tmp_path)
    assert "scan" in run(installed / "popscan", "--help", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def sample_lines() -> list[list[str]]:
    with gzip.open(sample().vcf, "rt") as file:
        return [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]


def test_the_sample_is_what_its_readme_says() -> None:
    """The sum is that of the genotypes before the header was mended, as bcftools printed them."""
    readme, lines = (sample().vcf.parent / "README.md").read_text(), sample_lines()
    digest = hashlib.sha256("".join("\t".join([*row[:5], *row[9:]]) + "\n" for row in lines).encode()).hexdigest()
    assert f"# {digest}\n" in readme
    snps = sum(len(row[3]) == len(row[4]) == 1 for row in lines)
    fixed = sum(len(set("".join(row[9:]))) == 2 for row in lines)  # one allele and "|"
    twice = sum(count > 1 for count in Counter(row[1] for row in lines).values())
    assert (len(lines), snps, len(lines) - snps, fixed, twice) == (24_990, 23_670, 1_320, 4_977, 10)
    assert "24,990 phased records" in readme
    assert "(23,670 SNPs, 1,320 indels; 4,977 do not vary among these people; 10 positions occur twice)" in readme


def test_the_sample_can_be_scanned_by_region_and_population() -> None:
    found = sample()
    with pysam.VariantFile(str(found.vcf)) as file:
        lengths = {contig.name: contig.length for contig in file.header.contigs.values()}
        samples = list(file.header.samples)
        region = parse_region(found.region, lengths)
        assert lengths == {"20": 63_025_520}  # GRCh37
        inside = sum(1 for _ in file.fetch(region.contig, region.start, region.end))
    assert inside == 24_990
    rows = [line.split("\t") for line in found.populations.read_text().splitlines()]
    assert Counter(population for _, population in rows) == {"GBR": 91, "FIN": 99, "IBS": 107}
    assert set(samples) - {name for name, _ in rows} == {"NA06984", "NA06985", "NA06986"}
    assert [name for name, _ in rows] == [name for name in samples if name in {name for name, _ in rows}]


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in sample().vcf.parent.glob("chr20_eur*")) < 1_500_000
