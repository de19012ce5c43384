"""What is wrong with the UCSC hub of a result folder: its form, and its files beside those of the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyBigWig

from scanner import publish
from scanner.browser.assembly import Assembly, place
from scanner.browser.hub_files import HUB, hub_file
from scanner.browser.hub_lint import lint
from scanner.check import Finding
from scanner.errors import InputError
from scanner.result import RUN, Result

AGAIN = "run popscan publish"
_KINDS = (("tracks", ".bw"), ("calls", ".bb"))


def check_hub(result: Result) -> Iterator[Finding]:
    """Check the hub as UCSC would, and compare its files with those of the folder, which `check_result` judges.

    Parameters
    ----------
    result
        The folder.
    """
    path = result.directory / HUB / "hub.txt"
    try:
        assembly = place(result.run.genome, result.run.contigs)
    except InputError as error:
        yield Finding("warning", f"no UCSC hub: {error}")
        return
    if not path.is_file():
        yield Finding("error", f"{path} is missing: {AGAIN}")
        return
    there = (path.parent / assembly.name).is_dir()
    if not there:  # popscan publish was given another genome
        yield Finding(
            "warning", f"{path.parent} is not for {assembly.name}, as {RUN} has it: its form alone is checked"
        )
    faults = [*lint(path), *(_strange(result, assembly) if there else ())]
    yield from (Finding("error", f"{path.parent}: {fault}: {AGAIN}") for fault in faults)
    if not faults:
        yield Finding("good", f"{HUB}: as UCSC takes it, for {assembly.name}, and its files equal the others")


def _strange(result: Result, assembly: Assembly) -> Iterator[str]:
    """Name the files of the hub that do not show what those of the folder do."""
    for score in publish.drawable(result.run):
        for folder, suffix in _KINDS:
            own = result.directory / folder / f"{score.column}{suffix}"
            copy = result.directory / HUB / hub_file(assembly, score.column, suffix)
            if not own.is_file() or (copy.is_file() and copy.samefile(own)):
                continue
            shown = {assembly.names[name]: rows for name, rows in contents(own).items() if name in assembly.names}
            if shown and not copy.is_file():
                yield f"{copy.name} is missing"
            elif shown and contents(copy) != shown:
                yield f"{copy.name} differs from {folder}/{own.name}"


def contents(path: Path) -> dict[str, list[Any]]:
    """Read all of a bigWig or bigBed.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Contig to its rows, sorted; (start, end, value) of a bigWig, (start, end, other columns) of a bigBed.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    try:
        with pyBigWig.open(str(path)) as file:
            read = file.intervals if file.isBigWig() else file.entries
            return {name: sorted(read(name, 0, length) or ()) for name, length in file.chroms().items()}
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a {path.suffix[1:]} file: {error}") from error
