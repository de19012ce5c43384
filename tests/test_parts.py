"""Parts on disk are there whole or not at all, and are believed only as they were written."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from scanner.errors import OutputError
from scanner.parts import PartStore

ARRAYS = {"values": np.array([[1.5, np.nan]]), "words": np.array([7, 2**63], np.uint64), "none": np.empty((0, 3))}


@pytest.fixture
def store(tmp_path: Path) -> PartStore:
    """A store with one part, named p."""
    made = PartStore(tmp_path / "parts", "digest")
    made.save("p", ARRAYS, {"tally": {"sites": 3}})
    return made


def test_a_part_comes_back_as_it_was(store: PartStore) -> None:
    found = store.load("p")
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    facts = store.facts("p")
    assert facts is not None
    assert facts["tally"] == {"sites": 3}
    assert sorted(path.name for path in store.folder.iterdir()) == ["p.json", "p.npz"]


def test_a_part_may_be_written_again(store: PartStore) -> None:
    store.save("p", {"values": np.zeros(1)}, {})
    assert list(store.load("p")) == ["values"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


HARMS = {
    "a byte of it differs": lambda folder: flip(folder / "p.npz"),
    "it is cut off": lambda folder: (folder / "p.npz").write_bytes((folder / "p.npz").read_bytes()[:-9]),
    "it is empty": lambda folder: (folder / "p.npz").write_bytes(b""),
    "it is gone": lambda folder: (folder / "p.npz").unlink(),
    "its note is gone": lambda folder: (folder / "p.json").unlink(),
    "its note is cut off": lambda folder: (folder / "p.json").write_text('{"digest": "dig'),
    "its note says nothing": lambda folder: (folder / "p.json").write_text("{}"),
    "its note is no object": lambda folder: (folder / "p.json").write_text("[1]"),
    "its note is no text": lambda folder: (folder / "p.json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_part_is_not_believed(store: PartStore, harm: str) -> None:
    HARMS[harm](store.folder)
    assert store.facts("p") is None
    with pytest.raises(OutputError, match=r"p\.npz is missing or not what was written: run the same command again"):
        store.load("p")


def test_a_note_with_any_bit_changed_is_not_believed(store: PartStore) -> None:
    """Where a bit of the sum's own name changes there is none, as in older notes, and all the rest is as it was."""
    note, facts = store.folder / "p.json", store.facts("p")
    assert facts is not None
    whole, sums = note.read_bytes(), b'"note"'
    assert whole.count(sums) == 1
    begin = whole.index(sums)
    for bit in range(8 * len(whole.rstrip())):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        note.write_bytes(changed)
        found = store.facts("p")
        if found is not None:
            assert begin < bit // 8 < begin + len(sums)
            assert facts.items() <= found.items()
    note.write_text(json.dumps(facts))
    assert store.facts("p") == facts, "a note from before there were sums"


def test_a_part_of_another_scan_is_not_believed(store: PartStore) -> None:
    assert PartStore(store.folder, "other").facts("p") is None


def test_a_part_that_is_no_archive_is_said_so(store: PartStore) -> None:
    """The checksum fits, so it was written like this: not something that chance does."""
    import hashlib

    (store.folder / "p.npz").write_bytes(b"no archive")
    note = json.loads((store.folder / "p.json").read_text())
    note["sha256"] = hashlib.sha256(b"no archive").hexdigest()
    del note["note"]
    (store.folder / "p.json").write_text(json.dumps(note))
    with pytest.raises(OutputError, match=r"p\.npz cannot be read"):
        store.load("p")


@pytest.mark.parametrize("failing", ["savez", "replace", "write_text"])
def test_a_part_that_cannot_be_written_leaves_what_was_there(
    store: PartStore, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_given: Any, **_named: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np if failing == "savez" else Path, failing, full)
    with pytest.raises(OutputError, match=r"q\.npz cannot be written: No space left on device$"):
        store.save("q", ARRAYS, {})
    monkeypatch.undo()
    assert store.facts("q") is None
    assert store.facts("p") is not None
    assert [path.name for path in store.folder.iterdir() if path.name.startswith(".")] == []
