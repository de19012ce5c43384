"""What a person at a terminal sees of a long run."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

_UNITS = {"joining": "", "drawing": "", "training": "", "simulating": "simulations", "looking": "simulations"}
"""What a stage counts, by its first word; sites where it is not named."""


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

    def __enter__(self) -> Bar:
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
