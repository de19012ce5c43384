"""twoBit: a genome's sequence in the form in which a hub brings it to UCSC.

Little-endian throughout: a header of four words, an index of names and places, and for each sequence its length, its
runs of unknown bases, its runs in lower case, and its bases by two bits (T 0, C 1, A 2, G 3; the first in the highest).
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pysam import FastaFile

from scanner.errors import InputError, OutputError
from scanner.reference import fetch_letters, open_fasta

MAGIC = 0x1A412743
_LARGEST = 2**32 - 1
_CHUNK = 1 << 24
"""Bases held at once; a multiple of 4."""
_UNKNOWN = 4
_CODES = np.array(["TCAG".find(chr(letter).upper()) % 5 for letter in range(256)], np.uint8)  # find: -1 for no base


@dataclass
class _Runs:
    """Stretches of one kind, found chunk by chunk: (runs,) starts and ends."""

    starts: list[NDArray[np.int64]] = field(default_factory=list)
    ends: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, marked: NDArray[np.bool_], offset: int) -> None:
        """Add the runs of a chunk that begins at ``offset``."""
        edges = np.flatnonzero(np.diff(marked, prepend=False, append=False)) + offset
        self.starts.append(edges[::2])
        self.ends.append(edges[1::2])

    def packed(self) -> bytes:
        """Spell them as number, starts and sizes, those joined that a chunk's end had cut."""
        starts = np.concatenate([*self.starts, np.empty(0, np.int64)])
        ends = np.concatenate([*self.ends, np.empty(0, np.int64)])
        fresh = np.ones(len(starts), np.bool_)
        fresh[1:] = starts[1:] != ends[:-1]
        first, last = starts[fresh], ends[np.append(fresh[1:], True)] if len(ends) else ends
        parts = [np.array([len(first)]), first, last - first]
        return b"".join(part.astype("<u4").tobytes() for part in parts)


def write_twobit(path: Path, fasta: Path, lengths: Mapping[str, int]) -> None:
    """Write sequences of a FASTA as twoBit; lower case is kept, all that is not A, C, G or T becomes N.

    It gets the FASTA's time of change: a file that is there already, has that very time and holds these sequences is
    left as it is. Another FASTA, be it older, has another time.

    Parameters
    ----------
    path
        The file to make.
    fasta
        The sequences, with an index.
    lengths
        Those to take, in this order, with their lengths in bp.

    Raises
    ------
    InputError
        Where the format cannot hold them.
    OutputError
        Where the file cannot be written.
    """
    if sum(lengths.values()) / 4 > _LARGEST * 0.9:
        raise InputError(f"{fasta} has {sum(lengths.values()):,} bp, more than a twoBit file of UCSC can hold")
    temporary = path.with_name(f".{path.name}.partial")
    try:
        changed = fasta.stat().st_mtime_ns
        if _is_current(path, changed, lengths):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_fasta(fasta) as source, temporary.open("wb") as file:
            _write(file, fasta, source, lengths)
        if read_lengths(temporary) != dict(lengths):
            raise OutputError(f"{path}: what was read back differs from what was written; is the disk full?")
        os.utime(temporary, ns=(changed, changed))
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _is_current(path: Path, changed: int, lengths: Mapping[str, int]) -> bool:
    """Tell whether a file was made of a FASTA that changed at this time, and holds these sequences."""
    try:
        return path.stat().st_mtime_ns == changed and read_lengths(path) == dict(lengths)
    except (FileNotFoundError, InputError):
        return False


def _write(file: BinaryIO, path: Path, source: FastaFile, lengths: Mapping[str, int]) -> None:
    """Write header, index and sequences; then the places in the index."""
    file.write(struct.pack("<4I", MAGIC, 0, len(lengths), 0))
    places = {}
    for name in lengths:
        file.write(struct.pack("<B", len(name)) + name.encode())
        places[name] = file.tell()
        file.write(bytes(4))
    for name, length in lengths.items():
        at = file.tell()
        file.seek(places[name])
        file.write(struct.pack("<I", at))
        file.seek(at)
        file.write(_record(path, source, name, length))


def _record(path: Path, source: FastaFile, name: str, length: int) -> bytes:
    """Spell one sequence."""
    unknown, lower, bases = _Runs(), _Runs(), []
    for offset in range(0, length, _CHUNK):
        letters = np.frombuffer(fetch_letters(source, path, name, offset, min(offset + _CHUNK, length)), np.uint8)
        codes = _CODES[letters]
        unknown.add(codes == _UNKNOWN, offset)
        lower.add(letters >= ord("a"), offset)
        codes[codes == _UNKNOWN] = 0
        fours = np.pad(codes, (0, -len(codes) % 4)).reshape(-1, 4)
        bases.append((fours[:, 0] << 6 | fours[:, 1] << 4 | fours[:, 2] << 2 | fours[:, 3]).tobytes())
    return b"".join([struct.pack("<I", length), unknown.packed(), lower.packed(), bytes(4), *bases])


def read_lengths(path: Path) -> dict[str, int]:
    """Read names and lengths of a twoBit file.

    Raises
    ------
    InputError
        Where it is none.
    """
    try:
        with path.open("rb") as file:
            magic, version, count, _ = struct.unpack("<4I", file.read(16))
            if (magic, version) != (MAGIC, 0):
                raise InputError(f"{path} is no twoBit file")
            places = {}
            for _ in range(count):
                name = file.read(file.read(1)[0]).decode()
                (places[name],) = struct.unpack("<I", file.read(4))
            lengths = {}
            for name, at in places.items():
                file.seek(at)
                (lengths[name],) = struct.unpack("<I", file.read(4))
            return lengths
    except (OSError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as twoBit: {error}") from error
