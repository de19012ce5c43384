"""Every command that the README and docs show is run, on a small piece of the bundled sample under their names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pysam
import pytest

from scanner.cli import main
from scanner.data import sample

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    """List what stands after ``$ `` in a page's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the files that the pages speak of: 1 Mb of the bundled sample, its populations, two BEDs."""
    folder = tmp_path_factory.mktemp("docs")
    bundled = sample()
    with pysam.TabixFile(str(bundled.vcf), index=f"{bundled.vcf}.csi") as vcf:
        records = list(vcf.fetch("20", 1_000_000, 2_000_000))
        text = "\n".join([*vcf.header, *records]) + "\n"
    (folder / "people.vcf").write_text(text)
    pysam.tabix_compress(str(folder / "people.vcf"), str(folder / "people.vcf.gz"))
    (folder / "populations.tsv").write_text(bundled.populations.read_text())
    (folder / "genes.bed").write_text("20\t1100000\t1180000\tone\n20\t1150000\t1300000\ttwo\n")
    (folder / "callable.bed").write_text("20\t1000000\t2000000\n")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run them in order, in one folder, as a reader would."""
    monkeypatch.chdir(place)
    for command in commands(page):
        words = shlex.split(command)
        assert words[0] == "popscan", f"{page.name}: {command}"
        threads = ["--threads", "1"] if words[1] in {"scan", "demo", "gather"} else []
        assert main([*words[1:], *threads]) == 0, f"{page.name}: {command}: {capsys.readouterr().err}"


def test_the_readme_shows_commands() -> None:
    """Keep the test above from passing for want of anything to run."""
    assert len(commands(ROOT / "README.md")) >= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Follow every relative link."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_option_and_command_has_help() -> None:
    """Ask click for what --help prints."""
    import click

    from scanner.cli import cli

    for name, command in cli.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"
