"""Small text files: read plain or compressed, written whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path

from scanner.errors import InputError, OutputError, UsageError


def draft_mark() -> str:
    """Give a word for the name of a draft that no other process has, on this machine or another that sees the folder.

    Examples
    --------
    >>> draft_mark() != draft_mark()
    True
    """
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all, and its folder where that is missing.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{draft_mark()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def read_lines(path: Path) -> Iterator[str]:
    """Read a text file line by line, plain or compressed; lines keep their ends.

    Raises
    ------
    UsageError
        Where there is no such file.
    InputError
        Where it is no text, or damaged.
    """
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as file:
            yield from file
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
