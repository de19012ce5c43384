"""The output folder: whose it is, who writes in it, and what an earlier run left there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from scanner.errors import OutputError, UsageError
from scanner.files import write_text
from scanner.provenance import differences, digest

HIDDEN = ".popscan"
LOGS = "slurm"
"""Folder for what jobs of Slurm print; it goes away when the scan is done."""
REQUEST = "request.json"
"""What the parts in a folder were asked for; only where they are computed one by one."""
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
    "index.html",
    "candidates.tsv",
    "jbrowse_config.json",
    "tracks",
    "calls",
    "hub",
    "demography.*demes.yaml",
)
"""Everything that popscan itself puts into an output folder, and so may replace there; ``*`` is any text."""

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system without locks answers: nobody can be kept out there, and parts are committed whole anyway."""


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
            (self.hidden / "lock").touch()
        except OSError as error:
            if fresh:
                shutil.rmtree(self.root, ignore_errors=True)
            raise OutputError(f"--out {self.root} cannot be made or written: {error.strerror}") from error
        return fresh

    def is_ours(self) -> bool:
        """Tell whether popscan wrote into this folder before."""
        return self.hidden.is_dir() or self.finished() is not None

    def finished(self) -> dict[str, Any] | None:
        """Give the run.json of a result that is there, else None."""
        return _read(self.root / "run.json", "popscan")

    @contextlib.contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other runs out while this one writes; a lock dies with its process.

        Parameters
        ----------
        shared
            Let in those that share it too, and none that does not: parts may be computed by many at once.

        Raises
        ------
        OutputError
            Where another run holds the folder.
        """
        try:
            handle = (self.hidden / "lock").open("a+")  # some network file systems share a lock of readable files only
        except OSError as error:
            raise OutputError(f"--out {self.root} cannot be written: {error.strerror}") from error
        with handle:
            try:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
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
        known = _read(self.hidden / "identity.json", "vcf") or (self.finished() or {}).get("identity")
        if force:
            self.drop_parts()
        elif known is not None and dict(known) != dict(identity):
            changed = "; ".join(differences(known, identity)[:4])
            raise UsageError(
                f"{self.root} belongs to a scan of other inputs or options ({changed}): name another folder, "
                "or replace it with --force"
            )
        write_text(self.hidden / "identity.json", json.dumps(identity, indent=1, sort_keys=True) + "\n")
        return digest(identity)

    def ask(self, request: Mapping[str, Any]) -> None:
        """Keep what was asked for, so that the parts can be joined by whoever finds the folder."""
        write_text(self.hidden / REQUEST, json.dumps({"request": dict(request)}, indent=1) + "\n")

    def asked(self) -> dict[str, Any] | None:
        """Give what `ask` kept, else None."""
        held = (_read(self.hidden / REQUEST, "request") or {}).get("request")
        return held if isinstance(held, dict) else None

    def complete(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give the run.json of this very scan where nothing of it remains to be done, else None.

        Parameters
        ----------
        identity
            Inputs and options, flat.
        """
        finished = self.finished()
        if finished is None or finished.get("identity") != dict(identity) or self.parts.is_dir():
            return None
        return finished if (self.root / "windows.tsv.gz").is_file() else None

    def clear(self) -> None:
        """Remove earlier results; nothing that is not popscan's."""
        for path in [path for name in RESULTS for path in self.root.glob(name)]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for draft in [*self.root.glob(".*.partial*"), *self.hidden.glob(".*.partial")]:  # of a run that was killed
            if any(fnmatchcase(draft.name, f".{name}.*") for name in (*RESULTS, "identity.json")):
                draft.unlink(missing_ok=True)

    def drop_parts(self) -> None:
        """Remove finished parts."""
        shutil.rmtree(self.parts, ignore_errors=True)

    def leave(self, *, fresh: bool) -> bool:
        """Take away what a run put here before it failed, where it finished no part that could be of use.

        Parameters
        ----------
        fresh
            What `open` returned.

        Returns
        -------
        Whether finished parts stay.
        """
        if any(self.parts.glob("[!.]*.json")):
            return True
        self.tidy()
        with contextlib.suppress(OSError):
            if fresh and not any((self.hidden / LOGS).glob("*")):  # these may say why it failed
                shutil.rmtree(self.hidden, ignore_errors=True)
                self.root.rmdir()
        return False

    def tidy(self, *, done: bool = False) -> None:
        """Remove what was only needed during the run; an index that had to be made here stays.

        Parameters
        ----------
        done
            The scan is done: what jobs of Slurm printed is of no use any more.
        """
        self.drop_parts()
        if done:
            shutil.rmtree(self.hidden / LOGS, ignore_errors=True)
        for name in ("identity.json", REQUEST, "lock"):
            (self.hidden / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.hidden.rmdir()


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """Read a JSON object of popscan's own, recognised by a key that it must have."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and key in record else None
