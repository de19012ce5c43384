"""Fingerprints tell files apart, and a run says what made it."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest

import scanner
from scanner import provenance
from scanner.provenance import ENDS, as_json, differences, digest, fingerprint, versions


@pytest.mark.parametrize("size", [0, 1, ENDS - 1, ENDS, ENDS + 1, 2 * ENDS, 2 * ENDS + 7, 3 * ENDS])
def test_a_fingerprint_is_that_of_the_ends(tmp_path: Path, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])
    read = data[:size] if size <= 2 * ENDS else data[:ENDS] + data[size - ENDS : size]
    assert fingerprint(path) == {"size": size, "sha256": hashlib.sha256(read).hexdigest()}


def test_files_that_differ_at_an_end_or_in_size_have_other_fingerprints(tmp_path: Path) -> None:
    base = bytes(3 * ENDS)
    seen = set()
    for change in [base, b"x" + base[1:], base[:-1] + b"x", base + b"\0"]:
        path = tmp_path / "file"
        path.write_bytes(change)
        seen.add(json.dumps(fingerprint(path)))
    assert len(seen) == 4


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions()
    assert found["popscan"] == scanner.__version__
    assert found["numpy"] == version("numpy")
    monkeypatch.setattr(provenance, "_LIBRARIES", ("no-such-library",))
    assert versions()["no-such-library"] == "unknown"


def test_a_digest_heeds_content_and_not_order() -> None:
    assert digest({"a": 1, "b": "x"}) == digest({"b": "x", "a": 1})
    assert len({digest({"a": value}) for value in (1, 2, "1", None)}) == 4


def test_differences_name_what_appeared_and_what_went() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == ["a was 1, is None", "b was 2, is 3", "c was None, is 4"]
    assert differences({"a": 1}, {"a": 1}) == []


def test_json_ends_with_a_newline_and_keeps_the_order() -> None:
    assert as_json({"b": 1, "a": [2]}) == '{\n "b": 1,\n "a": [\n  2\n ]\n}\n'
