"""What a person at a terminal sees of a long run."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from scanner.cli.options import logged
from scanner.logs import StageLog, log_command, peak_memory

_UNITS = {"joining": "", "drawing": "", "training": "", "simulating": "simulations", "looking": "simulations"}
"""What a stage counts, by its first word; sites where it is not named."""


_log = logging.getLogger(__name__)


class _Rate(ProgressColumn):
    """Records a second, once there is a rate."""

    def render(self, task: Task) -> Text:
        """Give the text of one line."""
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        return Text(f"{speed:,.0f} {unit}/s" if speed and unit else "", style="progress.data.speed")


class Bar:
    """A progress bar on a terminal; nothing where standard error is a file or ``--quiet`` is given.

    Parameters
    ----------
    quiet
        Draw nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        """Draw nothing yet."""
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the bar away."""
        self._bar.stop()

    def start(self, stage: str, total: int) -> None:
        """Begin a stage of ``total`` records, or whatever it counts."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        unit = _UNITS.get(stage.split()[0], "sites")
        self._task = self._bar.add_task(stage, total=total or None, unit=unit)

    def advance(self, amount: int) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bar.advance(self._task, amount)


class LoggedBar(Bar):
    """A bar whose stages are logged too, with what there is to do, how fast it goes and what memory it takes."""

    def __init__(self, *, quiet: bool) -> None:
        """Draw and log nothing yet."""
        super().__init__(quiet=quiet)
        self._stage: StageLog | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the bar away, and log how the last stage went."""
        super().__exit__(kind, error, trace)
        self._end()

    def start(self, stage: str, total: int) -> None:
        """Begin a stage, and log how the one before went."""
        self._end()
        super().start(stage, total)
        unit = _UNITS.get(stage.split()[0]) or "steps"
        self._stage = StageLog(stage, total, unit)
        _log.info("%s: %s %s to do", stage, f"{total:,}", unit)

    def advance(self, amount: int) -> None:
        """Move the bar on."""
        super().advance(amount)
        if self._stage is not None:
            self._stage.count(amount, peak_memory(children=True))

    def _end(self) -> None:
        if self._stage is not None:
            self._stage.end()
        self._stage = None


@contextlib.contextmanager
def running(given: dict[str, Any], *, quiet: bool) -> Iterator[LoggedBar]:
    """Draw and log a command that takes long, and is no scan, which logs more.

    Parameters
    ----------
    given
        The values of `scanner.cli.options.log_options`, by parameter name.
    quiet
        Draw nothing.
    """
    began = time.monotonic()
    with logged(given, quiet=quiet):
        log_command(["popscan", *click.get_current_context().obj])
        with LoggedBar(quiet=quiet or given["verbose"]) as bar:
            yield bar
        _log.info("done in %.1f s", time.monotonic() - began)
