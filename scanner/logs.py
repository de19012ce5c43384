"""What a long run says of itself while it goes on, through the standard library's logging.

The library logs to loggers under ``scanner`` and installs no handler; `logged_to` does so for the command line.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner import provenance
from scanner.errors import OutputError, PopscanError

ROOT = "scanner"
EVERY = 30.0
"""Seconds between two lines that say how far a stage is."""
_MB = 1e6
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """What a step gave, and what it cost.

    Parameters
    ----------
    done
        What it gave.
    seconds
        Time that it took.
    peak
        Bytes: the most memory that its process has used so far.
    host
        Where it ran.
    """

    done: Any
    seconds: float
    peak: int
    host: str


def measured(function: Callable[[Any], Any], task: Any) -> Measured:
    """Take a step and measure it, in whatever process that is.

    Examples
    --------
    >>> measured(abs, -3).done
    3
    """
    began = time.monotonic()
    done = function(task)
    return Measured(done, time.monotonic() - began, peak_memory(), socket.gethostname())


def peak_memory(*, children: bool = False) -> int:
    """Give the most memory that this process has used so far, in bytes; or any of its children that have ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)[: 1 + children]
    return max(resource.getrusage(one).ru_maxrss for one in whose) * 1024


def log_command(command: Sequence[str]) -> None:
    """Log what runs: versions, and the command line."""
    listed = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    _log.info("%s: %s", listed, " ".join(command) or "called from Python")


class StageLog:
    """Logs the steps of one stage: each at level DEBUG, how far it is now and then, and its rate at the end.

    Parameters
    ----------
    name
        What a person reads of it.
    total
        Records in all, or whatever is counted.
    unit
        What is counted.
    """

    def __init__(self, name: str, total: int, unit: str = "records") -> None:
        """Begin."""
        self._name, self._total, self._unit = name, total, unit
        self._began = self._told = time.monotonic()
        self._records = self._steps = self._peak = 0

    def add(self, step: Measured) -> None:
        """Count a step whose ``done`` has an index and a number of records."""
        self._steps += 1
        _log.debug(
            "%s: part %d, %s records in %.2f s on %s, peak memory %.0f MB",
            self._name, step.done.index, f"{step.done.records:,}", step.seconds, step.host, step.peak / _MB,
        )  # fmt: skip
        self.count(step.done.records, step.peak)

    def count(self, amount: int, peak: int) -> None:
        """Count records, and what memory a process has used for them, in bytes."""
        self._records += amount
        self._peak = max(self._peak, peak)
        if time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            share = min(1.0, self._records / max(1, self._total))
            _log.info("%s: %.0f%%, %s", self._name, 100 * share, self._rate())

    def end(self) -> None:
        """Say what the stage cost."""
        if self._steps:
            _log.info("%s: %d parts, %s", self._name, self._steps, self._rate())
        elif self._records:
            _log.info("%s: %s", self._name, self._rate())

    def _rate(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-6)
        return (
            f"{self._records:,} {self._unit} in {seconds:.1f} s, {self._records / seconds:,.0f} {self._unit}/s, "
            f"peak memory of a process {self._peak / _MB:,.0f} MB"
        )


class _Lines(logging.Formatter):
    """Time in UTC, level, text: one line, whatever the text holds."""

    converter = time.gmtime  # type: ignore[assignment]  # the stubs allow no argument to be left out

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(super().format(record).splitlines())


class _File(logging.FileHandler):
    """Appends to a file; where that fails, as on a full disk, the run goes on without it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the library's name
        """Drop the line: a run does not fail for its log."""


@contextlib.contextmanager
def logged_to(path: Path | None, *, verbose: bool = False) -> Iterator[None]:
    """Lead what the library logs to a file, and to standard error.

    Parameters
    ----------
    path
        The file, which is appended to; None for none.
    verbose
        Write to standard error too, and say each part.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if verbose else [logging.NullHandler()]
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_File(path, encoding="utf-8"))
        except OSError as error:
            raise OutputError(f"--log-file {path} cannot be written: {error.strerror}") from error
    logger = logging.getLogger(ROOT)
    before = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    for handler in handlers:
        handler.setFormatter(_Lines())
        logger.addHandler(handler)
    try:
        yield
    except PopscanError as error:
        if path is not None:  # standard error has it from the command line
            handlers[-1].handle(logger.makeRecord(ROOT, logging.ERROR, "", 0, str(error), (), None))
        raise
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            with contextlib.suppress(OSError):
                handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]
