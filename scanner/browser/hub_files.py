"""The track files of a hub: those of the result under names that UCSC takes, with UCSC's names of contigs.

A hub is complete in itself, so that its folder can be uploaded alone and no address leads out of it: servers of plain
files do not follow ``..``. Where no contig has to be renamed, its files are hard links and cost no space.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import zlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner.browser.assembly import Assembly
from scanner.browser.bed import Calls
from scanner.browser.bigbed import Colours, write_bigbed
from scanner.browser.bigwig import Tiling, write_bigwig
from scanner.errors import OutputError

Float = NDArray[np.float64]

HUB = "hub"


def hub_name(column: str) -> str:
    """Name a column as UCSC takes it, which is letters, digits and ``_``; different columns have different names.

    Examples
    --------
    >>> hub_name("fst.GBR.FIN"), hub_name("pi"), hub_name("pi.A_1")
    ('fst__GBR__FIN', 'pi', 'pi__A_1_738ac705')
    """
    _, *populations = column.split(".")
    name = re.sub(r"[^A-Za-z0-9]", "_", column.replace(".", "__"))
    if all(re.fullmatch("[A-Za-z0-9]+", population) for population in populations):
        return name
    return f"{name}_{zlib.crc32(column.encode()):08x}"


def hub_file(assembly: Assembly, column: str, suffix: str) -> str:
    """Name the file of a column, relative to the hub's folder.

    Examples
    --------
    >>> hub_file(Assembly("hg19", {}), "pi.GBR", ".bw")
    'hg19/pi__GBR.bw'
    """
    return f"{assembly.name}/{hub_name(column)}{suffix}"


def add_bigwig(directory: Path, column: str, assembly: Assembly, tiling: Tiling, values: Float) -> bool:
    """Put the bigWig of a column into the hub.

    Parameters
    ----------
    directory
        The result folder, which has ``tracks/<column>.bw``.
    column, assembly
        What it shows, and where.
    tiling, values
        As for `scanner.browser.bigwig.write_bigwig`, with the scan's names of contigs.

    Returns
    -------
    False, and no file, where nothing can be drawn on the contigs that the hub has.
    """
    target = directory / HUB / hub_file(assembly, column, ".bw")
    names = [name for name, _ in tiling.contigs]
    if assembly.keeps(names):
        return _link(directory / "tracks" / f"{column}.bw", target)
    renamed = replace(tiling, contigs=tuple((assembly.names.get(name, name), size) for name, size in tiling.contigs))
    there = np.array([name in assembly.names for name in names])
    return write_bigwig(target, renamed, np.where(there[tiling.contig], values, np.nan))


def add_bigbed(
    directory: Path,
    column: str,
    assembly: Assembly,
    contigs: dict[str, int],
    calls: Calls,
    label: str,
    colours: Colours,
) -> bool:
    """Put the calls of a column into the hub.

    Parameters
    ----------
    directory
        The result folder, which has ``calls/<column>.bb`` if there are calls.
    column, assembly
        What they are of, and where they are shown.
    contigs, calls, label, colours
        As for `scanner.browser.bigbed.write_bigbed`, with the scan's names of contigs.

    Returns
    -------
    False, and no file, where there is no call on the contigs that the hub has.
    """
    target = directory / HUB / hub_file(assembly, column, ".bb")
    if assembly.keeps(list(contigs)):
        return _link(directory / "calls" / f"{column}.bb", target)
    renamed = {assembly.names.get(name, name): length for name, length in contigs.items()}
    there = np.array([name in assembly.names for name in contigs])[calls.contig]
    kept = Calls(*(getattr(calls, field.name)[there] for field in fields(Calls)))
    return write_bigbed(target, renamed, kept, label, colours)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name, or copy it where the file system has no hard links."""
    temporary = target.with_name(f".{target.name}.partial")
    try:
        if not source.is_file():
            target.unlink(missing_ok=True)
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        temporary.replace(target)  # does nothing where both are the same file already
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True
