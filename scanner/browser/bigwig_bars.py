"""Reading all bars of a bigWig: an independent reader, which judges what a library wrote.

It goes the way that genome browsers go, from the list of contigs and the index to the blocks of bars, and takes nothing
for granted: a damaged file ends in an exception.

References
----------
Kent et al. 2010, 10.1093/bioinformatics/btq351 (the format).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_MAGIC, _CONTIGS, _INDEX = 0x888FFC26, 0x78CA8C91, 0x2468ACE0
_HEAD, _BLOCK, _NODE = struct.Struct("<I2H3Q2H2QIQ"), struct.Struct("<5I2BH"), struct.Struct("<2BH")
_LEAF, _BRANCH = struct.Struct("<4I2Q"), struct.Struct("<4IQ")
_FIELDS = ("start", "<u4"), ("end", "<u4"), ("value", "<f4")
_ITEMS = {1: np.dtype([*_FIELDS]), 2: np.dtype([*_FIELDS[::2]]), 3: np.dtype([*_FIELDS[2:]])}
"""What a bar takes in a block: of any length, of one length, or of one length and distance."""


def read_bars(path: Path) -> dict[str, Float]:
    """Read every bar.

    Parameters
    ----------
    path
        A bigWig, little-endian.

    Returns
    -------
    Contig to (bars, 3) float64: start and end in bp, 0-based half-open, and value, in the order of the index.

    Raises
    ------
    ValueError
        Where the file is not whole, or its parts contradict each other.
    """
    data = path.read_bytes()
    try:
        return _read(data)
    except (struct.error, zlib.error, LookupError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _read(data: bytes) -> dict[str, Float]:
    """Follow the header to contigs and blocks."""
    magic, _, _, contigs_at, _, index_at, *_, room, _ = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("it does not begin as a bigWig")
    names = dict(_contigs(data, contigs_at))
    found: dict[str, list[Float]] = {name: [] for name in names.values()}
    for contig, low, last_contig, high, at, size in _leaves(data, index_at):
        code, bars = _bars(_inflated(data[at : at + size], room))
        if not code == contig == last_contig or not np.all((bars[:, 0] >= low) & (bars[:, 1] <= high)):
            raise ValueError("its index leads to bars that lie elsewhere")
        found[names[code]].append(bars)
    return {name: np.concatenate([np.empty((0, 3)), *blocks]) for name, blocks in found.items()}


def _inflated(block: bytes, room: int) -> bytes:
    """Decompress a block, where blocks are compressed; ``room`` is the most that it may hold."""
    if room == 0:
        return block
    stream = zlib.decompressobj()
    plain = stream.decompress(block, room)
    if not stream.eof:
        raise ValueError("a block is cut off or holds more than the header says")
    return plain


def _bars(block: bytes) -> tuple[int, Float]:
    """Read a block of one of the three kinds: the number of its contig, and its bars."""
    contig, start, _, step, span, kind, _, count = _BLOCK.unpack_from(block)
    if kind not in _ITEMS:
        raise ValueError(f"it has a block of kind {kind}")
    items = np.frombuffer(block, _ITEMS[kind], count, _BLOCK.size)
    bars = np.empty((count, 3))
    bars[:, 0] = start + step * np.arange(count) if kind == 3 else items["start"]
    bars[:, 1] = items["end"] if kind == 1 else bars[:, 0] + span
    bars[:, 2] = items["value"]
    return contig, bars


def _contigs(data: bytes, at: int) -> Iterator[tuple[int, str]]:
    """Yield number and name of every contig."""
    magic, _, width, _, _ = struct.unpack_from("<4IQ", data, at)
    if magic != _CONTIGS:
        raise ValueError("its list of contigs is not where the header says")
    leaf, branch = struct.Struct(f"<{width}sII"), struct.Struct(f"<{width}sQ")
    for name, code, _ in _walk(data, at + 32, leaf, branch):
        yield code, name.rstrip(b"\0").decode()


def _leaves(data: bytes, at: int) -> Iterator[tuple[Any, ...]]:
    """Yield what the index says of every block: first contig and base, last contig and base, place and size."""
    if struct.unpack_from("<I", data, at)[0] != _INDEX:
        raise ValueError("its index is not where the header says")
    yield from _walk(data, at + 48, _LEAF, _BRANCH)


def _walk(data: bytes, root: int, leaf: struct.Struct, branch: struct.Struct) -> Iterator[tuple[Any, ...]]:
    """Yield the items of all leaves of a tree, from the first to the last; a branch ends with the place of a node."""
    ahead, left = [root], len(data) // _NODE.size
    while ahead:
        at, left = ahead.pop(), left - 1
        if left < 0:
            raise ValueError("its nodes go round in a circle")
        is_leaf, _, count = _NODE.unpack_from(data, at)
        kind = leaf if is_leaf else branch
        items = [kind.unpack_from(data, at + _NODE.size + kind.size * number) for number in range(count)]
        if is_leaf:
            yield from items
        else:
            ahead += [item[-1] for item in reversed(items)]
