"""The output folder: whose it is, who writes in it, and what an earlier run left there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.errors import OutputError, UsageError
from scanner.provenance import differences, digest

HIDDEN = ".popscan"
RESULTS = (
    "windows.tsv.gz",
    "windows.tsv.gz.tbi",
    "windows.tsv.gz.csi",
    "sites.tsv.gz",
    "sites.tsv.gz.tbi",
    "sites.tsv.gz.csi",
    "run.json",
    "accounting.tsv",
    "igv_session.xml",
    "tracks",
    "calls",
)
"""Everything that popscan itself puts into an output folder, and so may replace there."""


@dataclass(frozen=True)
class Workspace:
    """An output folder.

    Parameters
    ----------
    root
        The folder that the user named.
    """

    root: Path

    @property
    def hidden(self) -> Path:
        """Folder for what is only needed until the run is done."""
        return self.root / HIDDEN

    @property
    def parts(self) -> Path:
        """Folder of finished parts."""
        return self.hidden / "parts"

    def open(self) -> bool:
        """Make the folder, or accept one that is empty or popscan's own.

        Returns
        -------
        Whether the folder was not there before.

        Raises
        ------
        UsageError
            Where it is a file or holds something else.
        OutputError
            Where it cannot be made or written.
        """
        if self.root.exists() and not self.root.is_dir():
            raise UsageError(f"--out {self.root} is a file: name a folder")
        if self.root.is_dir() and not self.is_ours() and any(self.root.iterdir()):
            raise UsageError(f"--out {self.root} holds no popscan result but something else: name a new folder")
        fresh = not self.root.exists()
        try:
            self.hidden.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"--out {self.root} cannot be made or written: {error.strerror}") from error
        return fresh

    def is_ours(self) -> bool:
        """Tell whether popscan wrote into this folder before."""
        return self.hidden.is_dir() or self.finished() is not None

    def finished(self) -> dict[str, Any] | None:
        """Give the run.json of a result that is there, else None."""
        return _read(self.root / "run.json", "popscan")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out while this one writes; a lock dies with its process.

        Raises
        ------
        OutputError
            Where another run holds the folder.
        """
        try:
            handle = (self.hidden / "lock").open("a")
        except OSError as error:
            raise OutputError(f"--out {self.root} cannot be written: {error.strerror}") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(f"another popscan is writing to {self.root}: wait for it, or stop it") from error
            yield

    def resume(self, identity: Mapping[str, Any], *, force: bool) -> str:
        """Make sure that what is there belongs to the run that is asked for.

        Parameters
        ----------
        identity
            Inputs and options, flat.
        force
            Throw away what belongs to another run.

        Returns
        -------
        The identity's digest.

        Raises
        ------
        UsageError
            Where the folder belongs to another run and ``force`` is not given.
        """
        finished = self.finished()
        known = _read(self.hidden / "identity.json", "vcf") or (finished or {}).get("identity")
        if force:
            self.clear()
        elif known is not None and dict(known) != dict(identity):
            changed = "; ".join(differences(known, identity)[:4])
            raise UsageError(
                f"{self.root} belongs to a scan of other inputs or options ({changed}): name another folder, "
                "or replace it with --force"
            )
        write_text(self.hidden / "identity.json", json.dumps(identity, indent=1, sort_keys=True) + "\n")
        return digest(identity)

    def clear(self) -> None:
        """Remove earlier results and parts; nothing that is not popscan's."""
        for name in RESULTS:
            path = self.root / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.parts, ignore_errors=True)

    def leave(self, *, fresh: bool) -> None:
        """Take away what `open` made, where the run ended before it put anything there.

        Parameters
        ----------
        fresh
            What `open` returned.
        """
        with contextlib.suppress(OSError):
            if {entry.name for entry in self.hidden.iterdir()} <= {"lock"}:
                shutil.rmtree(self.hidden)
                if fresh:
                    self.root.rmdir()

    def unfinished(self) -> bool:
        """Tell whether parts of a run are there that has not come to its end."""
        return self.parts.is_dir()

    def tidy(self) -> None:
        """Remove what was only needed during the run; an index that had to be made here stays."""
        shutil.rmtree(self.parts, ignore_errors=True)
        for name in ("identity.json", "lock"):
            (self.hidden / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.hidden.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """Read a JSON object of popscan's own, recognised by a key that it must have."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and key in record else None
