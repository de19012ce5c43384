"""The reader that judges bigWigs: it finds what pyBigWig finds, and every fault of a damaged file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from scanner.browser.bigwig_bars import _HEAD, read_bars


def write(path: Path, contigs: list[str], bars: int) -> Path:
    """Write every contig's bars in a kind of blocks of its own: any lengths, one length, one length and distance."""
    rng = np.random.default_rng(5)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(name, 10 * bars + 50) for name in contigs])
        for at, name in enumerate(contigs):
            start, values = np.arange(bars) * 10 + 3, rng.normal(size=bars).astype(np.float32).astype(np.float64)
            if at % 3 == 0:
                file.addEntries([name] * bars, start, ends=start + rng.integers(1, 10, bars), values=values)
            elif at % 3 == 1:
                file.addEntries(name, start + rng.integers(0, 3, bars), values=values, span=7)
            else:
                file.addEntries(name, 3, values=values, span=9, step=10)
    return path


def by_library(path: Path) -> dict[str, list[tuple[int, int, float]]]:
    """Read all bars with pyBigWig."""
    with pyBigWig.open(str(path)) as file:
        return {name: list(file.intervals(name) or ()) for name in file.chroms()}


@pytest.mark.parametrize(
    ("contigs", "bars"),
    [(["1"], 1), (["1", "2", "chrX"], 7), (["a", "b", "é"], 30_000), ([f"c{at:04d}" for at in range(700)], 2)],
    ids=["one bar", "three kinds of blocks", "many blocks", "trees with branches"],
)
def test_bars_are_those_that_pybigwig_reads(tmp_path: Path, contigs: list[str], bars: int):
    path = write(tmp_path / "a.bw", contigs, bars)
    found = {name: [tuple(row) for row in rows.tolist()] for name, rows in read_bars(path).items()}
    assert found == by_library(path)
    assert sum(map(len, found.values())) == bars * len(contigs)


def test_a_contig_without_bars(tmp_path: Path):
    with pyBigWig.open(str(tmp_path / "a.bw"), "w") as file:
        file.addHeader([("1", 100), ("2", 100)])
        file.addEntries("1", 5, values=[1.5], span=5, step=5)
    assert {name: rows.tolist() for name, rows in read_bars(tmp_path / "a.bw").items()} == {
        "1": [[5, 10, 1.5]],
        "2": [],
    }


@pytest.fixture
def sound(tmp_path: Path) -> bytearray:
    return bytearray(write(tmp_path / "sound.bw", ["1", "2", "3"], 50).read_bytes())


def refused(tmp_path: Path, data: bytes, match: str) -> None:
    path = tmp_path / "damaged.bw"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=match):
        read_bars(path)


def test_places_that_lead_nowhere(tmp_path: Path, sound: bytearray):
    _, _, _, contigs_at, _, index_at, *_ = _HEAD.unpack_from(sound)
    for at, match in ((0, "begin as a bigWig"), (contigs_at, "list of contigs"), (index_at, "its index is not")):
        damaged = sound.copy()
        damaged[at] ^= 1
        refused(tmp_path, damaged, match)
    refused(tmp_path, sound[:40], "damaged")
    refused(tmp_path, sound[: index_at + 60], "damaged")
    damaged = sound.copy()
    struct.pack_into("<Q", damaged, 24, 1 << 60)
    refused(tmp_path, damaged, "damaged")


def test_an_index_that_lies(tmp_path: Path, sound: bytearray):
    index_at = _HEAD.unpack_from(sound)[5]
    leaf = index_at + 52
    contig, low, last, high, place, size = struct.unpack_from("<4I2Q", sound, leaf)
    for entry in ((contig, low + 1, last, high), (contig, low, last, high - 1), (1, low, 1, high), (0, low, 1, high)):
        damaged = sound.copy()
        struct.pack_into("<4I2Q", damaged, leaf, *entry, place, size)
        refused(tmp_path, damaged, "bars that lie elsewhere")
    damaged = sound.copy()
    struct.pack_into("<4I2Q", damaged, leaf, contig, low, last, high, place, size - 5)
    refused(tmp_path, damaged, "cut off")
    struct.pack_into("<4I2Q", damaged, leaf, contig, low, last, high, place + 1, size)
    refused(tmp_path, damaged, "damaged")


def test_a_tree_in_a_circle(tmp_path: Path, sound: bytearray):
    root = _HEAD.unpack_from(sound)[5] + 48
    struct.pack_into("<2BH", sound, root, 0, 0, 1)
    struct.pack_into("<4IQ", sound, root + 4, 0, 0, 0, 500, root)
    refused(tmp_path, sound, "in a circle")


def test_blocks_larger_than_the_header_says_and_of_unknown_kinds(tmp_path: Path, sound: bytearray):
    room_at = _HEAD.size - 12
    damaged = sound.copy()
    struct.pack_into("<I", damaged, room_at, 100)
    refused(tmp_path, damaged, "more than the header says")
    struct.pack_into("<I", damaged, room_at, 0)  # as if blocks were not compressed
    refused(tmp_path, damaged, "block of kind")


def test_every_changed_bit_of_a_block_is_noticed(tmp_path: Path, sound: bytearray):
    start, size = struct.unpack_from("<2Q", sound, _HEAD.unpack_from(sound)[5] + 52 + 16)
    for bit in range(8 * 2, 8 * (size - 5), 5):  # between the head of a stream and its padding and checksum
        damaged = sound.copy()
        damaged[start + bit // 8] ^= 1 << bit % 8
        refused(tmp_path, damaged, "damaged|cut off|more than")
