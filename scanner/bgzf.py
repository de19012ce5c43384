"""What a file is before anything parses it: compression, truncation, and what its index knows."""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cyvcf2
import pysam

from scanner.errors import InputError, UsageError
from scanner.files import draft_mark

Format = Literal["vcf", "bcf"]

_GZIP = b"\x1f\x8b"
_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_TBI_LIMIT = 1 << 29


@dataclass(frozen=True)
class ContigIndex:
    """What an index says of one contig.

    Parameters
    ----------
    records
        Number of records, None where the index does not say (old tabix).
    first, last
        Virtual file offsets of the first record and of the end of the last.
    bins
        Where the data lie: (start in bp, width in bp, share of the contig's data) of each of the index's bins.
    """

    records: int | None
    first: int
    last: int
    bins: tuple[tuple[int, int, float], ...]


def sniff(path: Path) -> Format:
    """Tell VCF.gz from BCF, and refuse everything that popscan cannot read region by region.

    Raises
    ------
    UsageError
        Where there is no such file.
    InputError
        For an empty file, plain text, plain gzip, a truncated file or another format, with the command that mends it.
    """
    head = _head(path)
    if not head:
        raise InputError(f"{path} is empty: expected a VCF.gz or BCF")
    if head.startswith(b"##fileformat=VCF") or head.startswith(b"#CHROM"):
        raise InputError(
            f"{path} is an uncompressed VCF, which cannot be read by region: run 'bgzip {path}' and scan {path}.gz"
        )
    if not head.startswith(_GZIP):
        raise InputError(f"{path} is neither a VCF.gz nor a BCF: it starts with {head[:12]!r}")
    content = _first_bytes(path)
    if content[:3] == b"BCF":
        kind: Format = "bcf"
    elif content.startswith(b"##") or content.startswith(b"#CHROM"):
        kind = "vcf"
    else:
        raise InputError(f"{path} is compressed but holds no VCF or BCF: its content starts with {content[:12]!r}")
    if not is_bgzf(head):
        raise InputError(
            f"{path} is plain gzip, which cannot be indexed: recompress it with "
            f"'gunzip -c {path} | bgzip > {path.name}.bgz' and scan that file"
        )
    if not ends_whole(path):
        raise InputError(f"{path} is truncated: its last block (the BGZF end marker) is missing; copy the file again")
    return kind


def is_bgzf(head: bytes) -> bool:
    """Tell BGZF from plain gzip by the extra field of the first block."""
    return len(head) >= 18 and head.startswith(_GZIP) and bool(head[3] & 4) and head[12:14] == b"BC"


def ends_whole(path: Path) -> bool:
    """Tell whether a file ends with BGZF's end block: one cut between two blocks decompresses without complaint."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - len(_EOF_BLOCK)))
        return handle.read() == _EOF_BLOCK


def index_suffix(reach: int) -> str:
    """Choose the kind of index for a file whose last position is ``reach`` bp: a .tbi cannot address beyond 2^29.

    Examples
    --------
    >>> index_suffix(63_025_520), index_suffix(700_000_000)
    ('.tbi', '.csi')
    """
    return ".csi" if reach >= _TBI_LIMIT else ".tbi"


def find_index(path: Path) -> Path | None:
    """Find the index beside a file: .csi or .tbi."""
    for suffix in (".csi", ".tbi"):
        candidate = path.with_name(path.name + suffix)
        if candidate.is_file():
            return candidate
    return None


def make_index(path: Path, kind: Format, longest: int, fallback: Path) -> Path:
    """Index a file beside itself or, where that place is not writable, in another folder.

    Parameters
    ----------
    path
        The BGZF file.
    kind
        Its format.
    longest
        Length of its longest contig in bp: beyond 2^29 a .tbi is not possible.
    fallback
        Folder for the index where the file's own is not writable.

    Raises
    ------
    InputError
        Where the records are unsorted or damaged.
    """
    suffix = ".csi" if kind == "bcf" else index_suffix(longest)
    target = path.with_name(path.name + suffix)
    if not _writable(path.parent):
        fallback.mkdir(parents=True, exist_ok=True)
        target = fallback / target.name
    draft = target.with_name(f".{target.name}.{draft_mark()}{suffix}")
    try:
        pysam.tabix_index(
            str(path),
            preset="bcf" if kind == "bcf" else "vcf",  # type: ignore[arg-type]
            index=str(draft),
            csi=suffix == ".csi",
            force=True,
        )
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"{path} has no index and none can be made: its records are unsorted, repeat a contig or are damaged; "
            f"sort it with 'bcftools sort -Oz -o sorted.vcf.gz {path}'"
        ) from error
    return target


def read_index(index: Path, contigs: list[str]) -> dict[str, ContigIndex]:
    """Read what an index knows of every contig that has records.

    Parameters
    ----------
    index
        A .tbi or .csi file.
    contigs
        The header's contigs in order: a BCF index has no names of its own.

    Returns
    -------
    Contig name -> `ContigIndex`, in the index's order.

    Raises
    ------
    InputError
        Where the file is no index.
    """
    try:
        data = gzip.decompress(index.read_bytes())
        if data[:4] == b"TBI\1":
            return _parse_tbi(data)
        if data[:4] == b"CSI\1":
            return _parse_csi(data, contigs)
    except (OSError, EOFError, struct.error, zlib.error, ValueError) as error:
        raise InputError(f"{index} is damaged: delete it, and popscan makes a new one") from error
    raise InputError(f"{index} is no .tbi or .csi index: delete it, and popscan makes a new one")


def open_tabix(path: Path, index: Path) -> pysam.TabixFile:
    """Open a file by its index, once that is known to be whole: htslib may crash over a damaged one.

    Raises
    ------
    OSError
        Where one of them is damaged.
    """
    try:
        read_index(index, [])
    except InputError as error:
        raise OSError("it does not hold together") from error
    return pysam.TabixFile(str(path), index=str(index))


def check_fresh(path: Path, index: Path, known: dict[str, ContigIndex], kind: Format) -> None:
    """Refuse an index that belongs to another version of the file.

    The index must lead to the first record of every contig, and no record may follow the last it knows.

    Raises
    ------
    InputError
        Where it does not.
    """
    stale = InputError(f"{index} does not belong to {path} (stale index): delete it, and popscan makes a new one")
    size = path.stat().st_size
    if any(entry.last >> 16 > size for entry in known.values()):
        raise stale
    try:
        with quiet_htslib(), pysam.BGZFile(str(path), "rb", None) as handle:
            for name, entry in known.items():
                handle.seek(entry.first)
                if kind == "vcf" and not handle.readline().startswith(name.encode() + b"\t"):
                    raise stale
            if known:
                handle.seek(max(entry.last for entry in known.values()))
                if handle.read(1):
                    raise stale
    except OSError as error:
        raise stale from error


class _Reader:
    """Takes little-endian numbers off the front of a byte string."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, layout: str) -> tuple[int, ...]:
        """Unpack the next numbers."""
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values


def _parse_tbi(data: bytes) -> dict[str, ContigIndex]:
    """Read a .tbi: the names stand in its header."""
    reader = _Reader(data, 4)
    (references,) = reader.take("i")
    names = _names(data, 32, references)
    reader.at = 36 + struct.unpack_from("<i", data, 32)[0]
    return _contigs(reader, names, references, shift=14, depth=5, csi=False)


def _parse_csi(data: bytes, contigs: list[str]) -> dict[str, ContigIndex]:
    """Read a .csi: the names stand in its header for a VCF, in the file's for a BCF."""
    reader = _Reader(data, 4)
    shift, depth, aux = reader.take("3i")
    reader.at += aux
    (references,) = reader.take("i")
    names = _names(data, 16 + 24, references) if aux >= 28 else contigs
    return _contigs(reader, names, references, shift, depth, csi=True)


def _names(data: bytes, at: int, references: int) -> list[str]:
    (length,) = struct.unpack_from("<i", data, at)
    return [name.decode() for name in data[at + 4 : at + 4 + length].split(b"\0")[:references]]


def _contigs(
    reader: _Reader, names: list[str], references: int, shift: int, depth: int, *, csi: bool
) -> dict[str, ContigIndex]:
    """Walk the bins of every contig and keep what concerns the contig as a whole."""
    found = {}
    for reference in range(references):
        records: int | None = None
        offsets: list[int] = []
        bins: dict[int, float] = {}
        (count,) = reader.take("i")
        for _ in range(count):
            (number,) = reader.take("Iq"[: 1 + csi])[:1]
            (chunks,) = reader.take("i")
            ends = reader.take(f"{2 * chunks}Q")
            if number == ((1 << ((depth + 1) * 3)) - 1) // 7 + 1:
                records = ends[2] if chunks == 2 else None
            elif ends:
                offsets += [min(ends), max(ends)]
                bins[number] = sum(_volume(low, high) for low, high in zip(ends[::2], ends[1::2], strict=True))
        if not csi:
            reader.take(f"{reader.take('i')[0]}Q")
        if offsets and reference < len(names):
            total = sum(bins.values())
            shares = [(*_bin_bounds(number, shift, depth), volume / total) for number, volume in bins.items()]
            found[names[reference]] = ContigIndex(records, min(offsets), max(offsets), tuple(sorted(shares)))
    if len(reader.data) - reader.at not in (0, 8):  # the number of records without a place may follow
        raise ValueError("the index does not end where its contigs do")
    return found


def _volume(low: int, high: int) -> float:
    """Give the compressed bytes between two virtual offsets; inside one block text counts a tenth."""
    return max(1.0, (high >> 16) - (low >> 16) + ((high & 0xFFFF) - (low & 0xFFFF)) / 10)


def _bin_bounds(number: int, shift: int, depth: int) -> tuple[int, int]:
    """Give start and width in bp of a bin of the index's hierarchy."""
    level, first = 0, 0
    while number >= first + (1 << 3 * level):
        first += 1 << 3 * level
        level += 1
    width = 1 << (shift + 3 * (depth - level))
    return (number - first) * width, width


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(18)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a folder: expected a VCF.gz or BCF file") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _first_bytes(path: Path) -> bytes:
    try:
        with gzip.open(path) as handle:
            return handle.read(64)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged: its first block cannot be decompressed") from error


def _writable(folder: Path) -> bool:
    probe = folder / ".popscan-probe"
    try:
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def quiet_htslib() -> Iterator[None]:
    """Keep htslib's own messages off the terminal: what matters of them is said by popscan's errors."""
    library = ctypes.CDLL(cyvcf2.cyvcf2.__file__)
    previous = library.hts_get_log_level()
    verbosity = pysam.set_verbosity(0)
    library.hts_set_log_level(0)
    try:
        yield
    finally:
        library.hts_set_log_level(previous)
        pysam.set_verbosity(verbosity)
