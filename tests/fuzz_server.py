"""Runs command lines, each in a forked child of its own: libraries are loaded once, and a crash or hang harms nobody.

Standard input has one JSON object a line, ``{"words": [...], "folder": ..., "limit": seconds}`` and perhaps
``"deeds"``, what befalls the child and when, ``"limits"`` of its resources, and ``"part"``, records a part; standard
output gets one for each: ``{"code": exit status or minus the signal, "seconds": ..., "out": ..., "err": ...}``.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

MEMORY = 8 << 30
"""Bytes of address space that a child may have: more is a failure of popscan, which must bound what a file asks for."""
LOST = 250
"""Exit status of a child whose main function raised."""


def child(asked: dict[str, Any], out: int, err: int) -> int:
    """Be the process that runs one command line."""
    from scanner import partition
    from scanner.cli import main

    folder = asked["folder"]
    if "part" in asked:
        partition.PART_RECORDS = (asked["part"], asked["part"])

    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    for name, most in {"RLIMIT_AS": MEMORY, **asked.get("limits", {})}.items():
        resource.setrlimit(getattr(resource, name), (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(target, number)
    try:
        code = main(asked["words"])
    except BaseException:
        traceback.print_exc()
        code = LOST
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def befall(pid: int, deed: list[Any]) -> None:
    """Do to a child, or to its files, what was asked for: ``[seconds, signal]`` or ``[seconds, from, to]``."""
    match deed:
        case [_, int(number)]:
            os.kill(pid, number)
        case [_, str(source), str(target)]:
            Path(source).replace(target)


def ended(pid: int, limit: float, deeds: list[list[Any]]) -> int:
    """Wait for a child, and kill it with its own children where it takes too long; give its status."""
    handle, began = os.pidfd_open(pid), time.monotonic()
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        for deed in deeds:
            if poll.poll(max(0.0, began + deed[0] - time.monotonic()) * 1000):
                break
            befall(pid, deed)
        if not poll.poll(max(0.0, began + limit - time.monotonic()) * 1000):
            os.killpg(pid, signal.SIGKILL)
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def held(read: int, write: int) -> str:
    """Read what a pipe holds, and close it."""
    os.set_blocking(read, False)
    with os.fdopen(write, "wb"), os.fdopen(read, "rb") as file:
        return (file.read() or b"").decode("utf-8", "backslashreplace")


def serve() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print while they are loaded is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        pipes = {name: os.pipe() for name in ("out", "err")}  # no files: these may be limited
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(child(asked, pipes["out"][1], pipes["err"][1]))
            finally:
                os._exit(LOST)
        code = ended(pid, asked["limit"], asked.get("deeds", []))
        answer = {"code": code, "seconds": time.monotonic() - began}
        answer.update({name: held(*pipe) for name, pipe in pipes.items()})
        print(json.dumps(answer), file=answers, flush=True)


def load() -> None:
    """Load what children need, so that none of them has to: the command line, and what is compiled."""
    from scanning import popscan, several

    with tempfile.TemporaryDirectory() as folder:
        data = several(Path(folder), contigs=1, records=40, length=20_000, samples=6)
        words = [data.vcf, "-p", data.populations, "--out", Path(folder) / "out", "--threads", 1, "--min-sites", 1]
        assert popscan("scan", *words).code == 0
        assert popscan("check", Path(folder) / "out").code == 0


if __name__ == "__main__":
    load()
    serve()
