"""Runs command lines, each in a forked child of its own: libraries are loaded once, and a crash or hang harms nobody.

Standard input has one JSON object a line, ``{"words": [...], "folder": ..., "limit": seconds}``; standard output gets
one for each: ``{"code": exit status or minus the signal, "seconds": ..., "out": ..., "err": ...}``.
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

MEMORY = 8 << 30
"""Bytes of address space that a child may have: more is a failure of popscan, which must bound what a file asks for."""
LOST = 250
"""Exit status of a child whose main function raised."""


def child(words: list[str], folder: str, out: int, err: int) -> int:
    """Be the process that runs one command line."""
    from scanner.cli import main

    os.setsid()
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(target, number)
    try:
        code = main(words)
    except BaseException:
        traceback.print_exc()
        code = LOST
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def ended(pid: int, limit: float) -> int:
    """Wait for a child, and kill it with its own children where it takes too long; give its status."""
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(limit * 1000):
            os.killpg(pid, signal.SIGKILL)
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def serve() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print while they are loaded is no answer
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            asked = json.loads(line)
            with (Path(folder) / "out").open("w+b") as out, (Path(folder) / "err").open("w+b") as err:
                began = time.monotonic()
                pid = os.fork()
                if pid == 0:
                    os._exit(child(asked["words"], asked["folder"], out.fileno(), err.fileno()))
                code = ended(pid, asked["limit"])
                answer = {"code": code, "seconds": time.monotonic() - began}
                for name, file in (("out", out), ("err", err)):
                    file.seek(0)
                    answer[name] = file.read().decode("utf-8", "backslashreplace")
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
