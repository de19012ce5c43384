"""Parts on disk: arrays with their facts, committed whole or not at all, and checked when they are read back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.errors import OutputError
from scanner.files import draft_mark
from scanner.provenance import checksum, digest

Arrays = Mapping[str, NDArray[Any]]
_SUM = "note"
"""Field of a note that sums up the others."""


@dataclass(frozen=True)
class PartStore:
    """A folder of parts of one plan.

    Parameters
    ----------
    folder
        Where they are kept; every worker sees it under this name.
    digest
        Identity of inputs and options: parts of another are never mixed in.
    """

    folder: Path
    digest: str

    def save(self, name: str, arrays: Arrays, facts: Mapping[str, Any]) -> None:
        """Commit a part: under its final names it is there whole or not at all.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        path = self._path(name)
        draft = path.with_name(f".{name}.{draft_mark()}.npz")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            np.savez(draft, **arrays)  # type: ignore[arg-type]
            summed = checksum(draft)
            draft.replace(path)
            record = {**facts, "digest": self.digest, "sha256": summed}
            note = draft.with_suffix(".json")
            note.write_text(json.dumps({**record, _SUM: digest(record)}, sort_keys=True) + "\n")
            note.replace(path.with_suffix(".json"))
        except OSError as error:
            draft.unlink(missing_ok=True)
            draft.with_suffix(".json").unlink(missing_ok=True)
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error

    def facts(self, name: str) -> dict[str, Any] | None:
        """Give the facts of a part that is whole and belongs to this plan, else None."""
        path = self._path(name)
        try:
            record: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
            whole = record.get("digest") == self.digest and record.get("sha256") == checksum(path)
            summed = record.pop(_SUM, None)  # sets of simulations are older than this sum
        except (OSError, ValueError, AttributeError, RecursionError):  # AttributeError: JSON, but no object
            return None
        return record if whole and summed in (None, digest(record)) else None

    def noted(self, name: str) -> bool:
        """Tell whether a part was committed, without reading it."""
        return self._path(name).with_suffix(".json").is_file()

    def load(self, name: str) -> dict[str, NDArray[Any]]:
        """Read a part's arrays.

        Raises
        ------
        OutputError
            Where the part is not there or not what was written.
        """
        if self.facts(name) is None:
            raise OutputError(
                f"{self._path(name)} is missing or not what was written: run the same command again to compute it anew"
            )
        try:
            with np.load(self._path(name), allow_pickle=False) as held:
                return {key: held[key] for key in held.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise OutputError(f"{self._path(name)} cannot be read: {error}") from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
