"""Genomic intervals. Everything inside popscan is 0-based half-open; only this module knows 1-based text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from scanner.errors import UsageError

_SIZE = re.compile(r"(?P<number>(?:\d+|\d{1,3}(?:[,_]\d{3})+)(?:\.\d+)?)(?P<unit>bp|kb|mb|gb|k|m|g)?", re.IGNORECASE)
_FACTOR = {"": 1, "b": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


@dataclass(frozen=True, order=True)
class Region:
    """A stretch of one contig.

    Parameters
    ----------
    contig
        Name as the VCF spells it.
    start, end
        bp, 0-based half-open.

    Examples
    --------
    >>> str(Region("chr1", 0, 100))
    'chr1:1-100'
    """

    contig: str
    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse an interval that holds no base."""
        if not 0 <= self.start < self.end:
            raise ValueError(f"empty or negative interval {self.contig}:{self.start}-{self.end} (0-based)")

    def __str__(self) -> str:
        """Give the 1-based inclusive text of samtools and IGV."""
        return f"{self.contig}:{self.start + 1}-{self.end}"

    def __len__(self) -> int:
        """Give the length in bp."""
        return self.end - self.start


def parse_size(text: str) -> int:
    """Read a length in bp such as ``100kb``, ``1.5Mb`` or ``5000``.

    Raises
    ------
    UsageError
        Where the text is no positive whole number of bp.

    Examples
    --------
    >>> parse_size("100kb"), parse_size("1.5Mb"), parse_size("5000")
    (100000, 1500000, 5000)
    """
    match = _SIZE.fullmatch(text.strip())
    if match is not None:
        unit = (match["unit"] or "")[:1].lower()
        size = round(float(match["number"].replace(",", "").replace("_", "")) * _FACTOR[unit], 6)
        if size >= 1 and size == int(size):
            return int(size)
    raise UsageError(f"'{text}' is no length: give whole base pairs above 0, such as 100kb, 1.5Mb or 5000")


def parse_region(text: str, lengths: Mapping[str, int], aliases: Mapping[str, str] | None = None) -> Region:
    """Read ``contig``, ``contig:start``, ``contig:start-end`` (1-based, inclusive, as in samtools).

    Parameters
    ----------
    text
        What the user wrote; a contig whose own name contains ``:`` is recognised first.
    lengths
        Length in bp of every contig that may be named.
    aliases
        Other names of contigs, as `match_contig` takes them.

    Raises
    ------
    UsageError
        For an unknown contig, numbers that are none, or bounds outside the contig.

    Examples
    --------
    >>> parse_region("chr1:101-200", {"chr1": 1000})
    Region(contig='chr1', start=100, end=200)
    """
    text = text.strip()
    whole = match_contig(text, lengths, aliases)
    if whole is not None:
        return Region(whole, 0, lengths[whole])
    name, colon, bounds = text.rpartition(":")
    contig = match_contig(name, lengths, aliases) if colon else None
    if contig is None:
        raise UsageError(f"region '{text}': no contig '{name or text}' here; there is {shortlist(lengths)}")
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", bounds.replace(",", ""))
    if match is None:
        raise UsageError(f"region '{text}': expected {contig}:START-END with 1-based whole numbers")
    start, end = int(match[1]), int(match[2]) if match[2] else lengths[contig]
    if start < 1 or end < start:
        raise UsageError(f"region '{text}': START must be at least 1 and END at least START")
    if end > lengths[contig]:
        raise UsageError(f"region '{text}' ends past the end of {contig}, which has {lengths[contig]:,} bp")
    return Region(contig, start - 1, end)


def match_contig(name: str, known: Collection[str], aliases: Mapping[str, str] | None = None) -> str | None:
    """Find a contig under its own name, with or without ``chr``, as MT for chrM, or by an alias.

    Parameters
    ----------
    name
        The name looked for.
    known
        The names that exist.
    aliases
        Name -> a key that all names of one contig share (as a UCSC chromAlias file has them).

    Returns
    -------
    The name as ``known`` spells it, or None.

    Examples
    --------
    >>> match_contig("chr20", ["19", "20"]), match_contig("MT", ["chrM"]), match_contig("21", ["20"])
    ('20', 'chrM', None)
    """
    bare = name.removeprefix("chr")
    mitochondrion = ["chrM", "MT", "M", "chrMT"] if bare in {"M", "MT"} else []
    for candidate in [name, bare, "chr" + bare, *mitochondrion]:
        if candidate in known:
            return candidate
    key = (aliases or {}).get(name)
    return next((other for other in known if key is not None and (aliases or {}).get(other) == key), None)


def is_whole(text: str) -> bool:
    """Tell a whole number that a place or a count can be: Python would refuse thousands of digits, NumPy twenty.

    Examples
    --------
    >>> is_whole("20000"), is_whole("-1"), is_whole("9" * 5000)
    (True, False, False)
    """
    return text.isdecimal() and len(text) <= 18


def shortlist(names: Iterable[object], limit: int = 6) -> str:
    """Name the first few of a collection, and how many more there are.

    Examples
    --------
    >>> shortlist(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    items = [str(name) for name in names]
    if not items:
        return "none"
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
