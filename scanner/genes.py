"""Genes from an annotation (GFF3 or GTF), to name those that lie in a region or next to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.files import read_lines
from scanner.regions import Region, is_whole, match_contig, shortlist

Int = NDArray[np.int64]

_COLUMNS = 9
_GTF = re.compile(r'(\w+) "?([^";]*)"?')
_NAMES = ("gene_name", "Name", "gene", "gene_symbol", "locus_tag", "gene_id", "ID")
"""Attributes that name a gene, the one that people say first."""
_OWNERS = ("gene_name", "gene", "gene_id")
"""Attributes by which an exon or transcript says whose it is."""
_KIND = re.compile(r"^(gene|transcript)[:-]")


@dataclass(frozen=True)
class Near:
    """Genes around a region.

    Parameters
    ----------
    inside
        Names of those that overlap it, along the contig.
    left, right
        Name and distance in bp of the next one on each side, where none overlaps; None where there is none.
    """

    inside: tuple[str, ...]
    left: tuple[str, int] | None = None
    right: tuple[str, int] | None = None


@dataclass(frozen=True)
class Placed:
    """Genes of one contig.

    Parameters
    ----------
    start, end
        (genes,) int64, bp, 0-based half-open, sorted by start.
    names
        One for each gene.
    """

    start: Int
    end: Int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Genes:
    """All genes of an annotation.

    Parameters
    ----------
    contigs
        Contig as the scan spells it to its genes.
    """

    contigs: dict[str, Placed]

    def __len__(self) -> int:
        """Count the genes."""
        return sum(len(placed.names) for placed in self.contigs.values())

    def near(self, region: Region) -> Near:
        """Name the genes in a region, or else the next one on each side.

        Examples
        --------
        >>> placed = Placed(np.array([100, 300]), np.array([200, 400]), ("LCT", "MCM6"))
        >>> genes = Genes({"2": placed})
        >>> genes.near(Region("2", 150, 350)).inside
        ('LCT', 'MCM6')
        >>> genes.near(Region("2", 210, 290))
        Near(inside=(), left=('LCT', 10), right=('MCM6', 10))
        """
        placed = self.contigs.get(region.contig)
        if placed is None:
            return Near(())
        found = np.flatnonzero((placed.start < region.end) & (placed.end > region.start))
        if len(found):
            return Near(tuple(dict.fromkeys(placed.names[at] for at in found)))
        before, after = np.flatnonzero(placed.end <= region.start), np.flatnonzero(placed.start >= region.end)
        left = right = None
        if len(before):
            at = int(before[np.argmax(placed.end[before])])
            left = placed.names[at], region.start - int(placed.end[at])
        if len(after):
            right = placed.names[int(after[0])], int(placed.start[after[0]]) - region.end
        return Near((), left, right)


def read_genes(path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str] | None = None) -> Genes:
    """Read the genes of an annotation, plain or compressed.

    Rows of type ``gene`` (or ``..._gene``) are taken. Where there is none, as in some GTF files, the rows that name
    the same gene on the same contig are taken together.

    Parameters
    ----------
    path
        GFF3 or GTF (1-based, both ends included).
    lengths
        The scan's contigs and their lengths in bp: genes of other contigs are left out.
    aliases
        Other names of contigs.

    Raises
    ------
    UsageError
        Where there is no such file.
    InputError
        For a bad line, a gene past its contig's end, no gene at all, or no contig in common with the scan.

    References
    ----------
    The Sequence Ontology's GFF3 specification, version 1.26.
    """
    contigs = _Contigs(path, lengths, aliases)
    found = _whole_genes(path, contigs)
    if not contigs.genes:
        found = _joined_genes(path, contigs)
    if not contigs.genes:
        raise InputError(f"{path} names no gene: expected GFF3 or GTF with rows of type gene, or with gene_id")
    if not found:
        raise InputError(
            f"{path} has no contig in common with the scan: it has {shortlist(contigs.names)}, the scan "
            f"{shortlist(lengths)}"
        )
    placed = {}
    for name in lengths:
        rows = sorted(found.get(name, ()))
        if rows:
            bounds = np.array([row[:2] for row in rows], np.int64)
            placed[name] = Placed(bounds[:, 0].copy(), bounds[:, 1].copy(), tuple(row[2] for row in rows))
    return Genes(placed)


class _Contigs:
    """Names and lengths of contigs, and what the annotation was seen to hold."""

    def __init__(self, path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str] | None) -> None:
        self.path, self.lengths, self.aliases = path, lengths, aliases
        self.names: dict[str, str | None] = {}
        self.round: set[str] = set()
        self.genes = 0

    def place(self, number: int, row: _Row) -> tuple[str, int, int] | None:
        """Give contig and 0-based half-open bounds of a gene, None where the contig is not of the scan."""
        self.genes += 1
        if row.contig not in self.names:
            self.names[row.contig] = match_contig(row.contig, self.lengths, self.aliases)
        contig = self.names[row.contig]
        if contig is None:
            return None
        length = self.lengths[contig]
        if row.end > length and row.contig not in self.round:
            raise InputError(
                f"{self.path}, line {number}: the gene {row.contig}:{row.start}-{row.end} ends past the {length:,} bp "
                f"of the scan's {contig}: this annotation belongs to another genome build"
            )
        return contig, row.start - 1, min(row.end, length)


@dataclass(frozen=True)
class _Row:
    """A row: contig, type, bounds (1-based, both included) and the attributes as they stand."""

    contig: str
    kind: str
    start: int
    end: int
    attributes: str

    @property
    def values(self) -> dict[str, str]:
        """Read the attributes: ``key "value";`` of GTF or ``key=value;`` of GFF3."""
        fields = (field.strip() for field in self.attributes.split(";"))
        if "=" not in self.attributes.partition('"')[0]:
            found = (_GTF.match(field) for field in fields)
            return {match[1]: match[2] for match in found if match}
        pairs = (field.partition("=") for field in fields if field)
        return {key: unquote(value) for key, _, value in pairs}

    @property
    def name(self) -> str:
        """Say what the gene is called."""
        values = self.values
        found = next((values[key] for key in _NAMES if values.get(key)), f"{self.contig}:{self.start}-{self.end}")
        return " ".join(_KIND.sub("", found).split())


def _whole_genes(path: Path, contigs: _Contigs) -> dict[str, list[tuple[int, int, str]]]:
    """Gather the rows that are genes."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for number, row in _rows(path):
        if "Is_circular=true" in row.attributes:
            contigs.round.add(row.contig)  # a gene may then reach over its end
        if row.kind == "gene" or (row.kind.endswith("_gene") and "pseudo" not in row.kind):
            place = contigs.place(number, row)
            if place is not None:
                found.setdefault(place[0], []).append((place[1], place[2], row.name))
    return found


def _joined_genes(path: Path, contigs: _Contigs) -> dict[str, list[tuple[int, int, str]]]:
    """Join the rows that say which gene they belong to."""
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for number, row in _rows(path):
        values = row.values
        owner = next((values[key] for key in _OWNERS if values.get(key)), None)
        place = None if owner is None else contigs.place(number, row)
        if owner is not None and place is not None:
            known = spans.get((place[0], owner), place[1:])
            spans[place[0], owner] = min(known[0], place[1]), max(known[1], place[2])
    found: dict[str, list[tuple[int, int, str]]] = {}
    for (contig, owner), (start, end) in spans.items():
        found.setdefault(contig, []).append((start, end, owner))
    return found


def _rows(path: Path) -> Iterator[tuple[int, _Row]]:
    """Give line number and content of every row, up to the sequences that GFF3 may end with."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("##FASTA"):
            return
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split("\t")
        sound = len(fields) == _COLUMNS and is_whole(fields[3]) and is_whole(fields[4])
        if not sound or not 1 <= int(fields[3]) <= int(fields[4]):
            shown = text if len(text) <= 100 else f"{text[:100]}..."
            raise InputError(
                f"{path}, line {number}: expected the nine columns of GFF3 or GTF with 1 <= start <= end, "
                f"found '{shown}'"
            )
        yield number, _Row(unquote(fields[0]), fields[2], int(fields[3]), int(fields[4]), fields[8])
