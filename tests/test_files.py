"""Small text files: whole or not at all, plain or compressed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scanner.errors import InputError, OutputError, UsageError
from scanner.files import read_lines, write_text


def test_a_text_is_written_whole_with_its_folder(tmp_path: Path) -> None:
    """Nothing but the file is left."""
    path = tmp_path / "new" / "a.txt"
    write_text(path, "é\n")
    write_text(path, "second\n")
    assert path.read_bytes() == b"second\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_text_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk."""
    path = tmp_path / "a.txt"
    write_text(path, "first\n")

    def full(*_given: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        write_text(path, "second\n")
    assert path.read_bytes() == b"first\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("packed", [False, True])
def test_lines_come_plain_or_compressed(tmp_path: Path, packed: bool) -> None:
    """Line ends of any system are one."""
    content = b"a\tb\r\nc\n"
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert list(read_lines(path)) == ["a\tb\n", "c\n"]


def test_what_is_no_text_is_said_so(tmp_path: Path) -> None:
    """Missing, damaged, binary."""
    with pytest.raises(UsageError, match="no such file"):
        list(read_lines(tmp_path / "missing"))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a" * 1000)[:-10])
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("cut.gz", "binary"):
        with pytest.raises(InputError, match="cannot be read as text"):
            list(read_lines(tmp_path / name))
