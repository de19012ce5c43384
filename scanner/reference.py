"""What is known of the reference: callable regions, ancestral bases, contig lengths and other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
from numpy.typing import NDArray

from scanner.bgzf import quiet_htslib
from scanner.errors import InputError, UsageError
from scanner.files import read_lines
from scanner.regions import Region, is_whole, match_contig, shortlist

Int = NDArray[np.int64]
Intervals = dict[str, tuple[Int, Int]]


@dataclass(frozen=True)
class Mask:
    """Callable stretches of one contig.

    Parameters
    ----------
    start, end
        (intervals,) int64, bp, 0-based half-open, sorted, merged.
    """

    start: Int
    end: Int

    def covers(self, positions: Int) -> NDArray[np.bool_]:
        """Tell which positions (bp, 0-based) are callable.

        Examples
        --------
        >>> Mask(np.array([2]), np.array([5])).covers(np.array([1, 2, 4, 5])).tolist()
        [False, True, True, False]
        """
        at = np.searchsorted(self.start, positions, side="right") - 1
        return np.asarray((at >= 0) & (positions < self.end[at]), np.bool_) if len(self.start) else at >= 0

    def callable_bp(self, start: Int, end: Int) -> NDArray[np.float64]:
        """Count the callable bases of every window ``[start, end)``.

        Examples
        --------
        >>> Mask(np.array([2, 8]), np.array([5, 9])).callable_bp(np.array([0, 3]), np.array([4, 10])).tolist()
        [2.0, 3.0]
        """
        return (self._before(end) - self._before(start)).astype(np.float64)

    def _before(self, positions: Int) -> Int:
        """Count the callable bases before each position."""
        total = np.concatenate([[0], np.cumsum(self.end - self.start)]).astype(np.int64)
        at = np.searchsorted(self.start, positions, side="right")
        if len(self.start) == 0:
            return np.zeros(len(positions), np.int64)
        overhang = np.maximum(0, self.end[np.maximum(at - 1, 0)] - positions) * (at > 0)
        return np.asarray(total[at] - overhang, np.int64)


def read_bed(path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str] | None = None) -> Intervals:
    """Read the intervals of a BED file (0-based half-open), plain or compressed.

    Parameters
    ----------
    path
        The BED; ``#``, ``track`` and ``browser`` lines are passed over.
    lengths
        The VCF's contigs and their lengths in bp: intervals of other contigs are left out.
    aliases
        Other names of contigs.

    Returns
    -------
    Contig as the VCF spells it -> (start, end), sorted by start and end, not merged.

    Raises
    ------
    InputError
        For a bad line, an interval past its contig's end, or no contig in common with the VCF.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    strangers: dict[str, None] = {}
    names: dict[str, str | None] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        name, start, end = _interval(path, number, line)
        if name not in names:
            names[name] = match_contig(name, lengths, aliases)
        contig = names[name]
        if contig is None:
            strangers[name] = None
        elif end > lengths[contig]:
            raise InputError(
                f"{path}, line {number}: {name} ends at {end:,}, past the {lengths[contig]:,} bp that the VCF gives "
                f"{contig}: this BED belongs to another genome build"
            )
        else:
            found.setdefault(contig, []).append((start, end))
    if not found:
        what = f"it has {shortlist(strangers)}, the VCF {shortlist(lengths)}" if strangers else "it has no interval"
        raise InputError(f"{path} has no contig in common with the VCF: {what}")
    tables = {contig: np.array(sorted(rows), np.int64) for contig, rows in found.items()}
    return {contig: (table[:, 0].copy(), table[:, 1].copy()) for contig, table in tables.items()}


def merged(start: Int, end: Int) -> tuple[Int, Int]:
    """Join overlapping and touching intervals that are sorted by start.

    Examples
    --------
    >>> [bounds.tolist() for bounds in merged(np.array([0, 2, 9]), np.array([3, 5, 10]))]
    [[0, 9], [5, 10]]
    """
    if len(start) == 0:
        return start, end
    reach = np.maximum.accumulate(end)
    fresh = np.concatenate([[True], start[1:] > reach[:-1]])
    last = np.concatenate([np.flatnonzero(fresh)[1:] - 1, [len(start) - 1]])
    return start[fresh], reach[last]


def read_lengths(path: Path) -> dict[str, int]:
    """Read contig lengths from a chrom.sizes or .fai file (name and length in the first two columns)."""
    lengths = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) < 2 or not is_whole(fields[1]) or int(fields[1]) < 1:
            raise InputError(f"{path}, line {number}: expected a contig and its length in bp, found '{line.strip()}'")
        lengths[fields[0]] = int(fields[1])
    if not lengths:
        raise InputError(f"{path} names no contig")
    return lengths


def read_aliases(path: Path) -> dict[str, str]:
    """Read a UCSC chromAlias file: the names on one line belong to one contig."""
    aliases = {}
    for line in read_lines(path):
        names = [name for name in line.rstrip("\r\n").split("\t") if name]
        if not line.startswith("#"):
            aliases.update(dict.fromkeys(names, names[0] if names else ""))
    if not aliases:
        raise InputError(f"{path} names no contig: expected a chromAlias file, the names of one contig a line")
    return aliases


class AncestralFasta:
    """Ancestral bases by position, from an indexed FASTA of the same build as the VCF."""

    def __init__(self, path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str] | None = None) -> None:
        """Open the FASTA and match its contigs with those that are scanned.

        Parameters
        ----------
        path
            FASTA, plain or BGZF; the .fai is made where it is missing.
        lengths
            Contigs that are scanned, and their lengths in bp.
        aliases
            Other names of contigs.

        Raises
        ------
        UsageError
            Where there is no such file.
        InputError
            Where it is no FASTA, lacks a contig or has another length for it.
        """
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        self._path, self._fasta = path, open_fasta(path)
        held = dict(zip(self._fasta.references, self._fasta.lengths, strict=True))
        self._names = {}
        for contig, length in lengths.items():
            name = match_contig(contig, held, aliases)
            if name is None:
                raise InputError(f"{path} has no contig {contig}: it has {shortlist(held)}")
            if held[name] != length:
                raise InputError(
                    f"{path}: {name} has {held[name]:,} bp, the VCF's {contig} {length:,}: another genome build"
                )
            self._names[contig] = name

    def bases(self, region: Region) -> NDArray[np.uint8]:
        """Give the bases of a region as upper-case ASCII: (bp,) uint8."""
        letters = fetch_letters(self._fasta, self._path, self._names[region.contig], region.start, region.end)
        return np.frombuffer(letters.upper(), np.uint8)


def open_fasta(path: Path) -> pysam.FastaFile:
    """Open a FASTA, plain or BGZF; the .fai is made where it is missing.

    Raises
    ------
    InputError
        Where it cannot be read or indexed.
    """
    try:
        with quiet_htslib():
            return pysam.FastaFile(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an indexed FASTA: run 'samtools faidx {path}' first") from error


def fetch_letters(fasta: pysam.FastaFile, path: Path, name: str, start: int, end: int) -> bytes:
    """Read the letters of a stretch (bp, 0-based half-open), all of them.

    Raises
    ------
    InputError
        Where the file has not what its index promises.
    """
    try:
        with quiet_htslib():
            letters = fasta.fetch(name, start, end).encode("latin-1")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read at {name}: it is damaged, or its .fai is of another file") from error
    if len(letters) != end - start:
        raise InputError(f"{path} has {len(letters):,} of the {end - start:,} bp that its .fai promises of {name}")
    return letters


def _interval(path: Path, number: int, line: str) -> tuple[str, int, int]:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) >= 3 and is_whole(fields[1].strip()) and is_whole(fields[2].strip()):
        start, end = int(fields[1]), int(fields[2])
        if start < end:
            return fields[0], start, end
    raise InputError(f"{path}, line {number}: expected contig, start < end (0-based half-open), found '{line.strip()}'")
