"""A step slow enough to be disturbed, in a module that worker processes of tests can import."""

from __future__ import annotations

import time

from scanner.compute import Done, Task, compute


def slow_compute(task: Task) -> Done:
    """Compute a part after a while."""
    time.sleep(0.4)
    return compute(task)
