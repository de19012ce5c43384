"""The command line: one module a command, all of them in `group`, shared options in `options`, exit codes here."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scanner.errors import PopscanError, Stopped, one_line

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
}


def __getattr__(name: str) -> Any:
    """Load the commands, and the libraries that they need, when they are asked for."""
    if name == "cli":
        from scanner.cli.group import cli

        return cli
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    0 done, 1 the run failed, 2 the call is wrong.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    logging.captureWarnings(not debug)
    _give_numba_a_cache()
    try:
        return _run(words)
    except PopscanError as error:
        if debug and not isinstance(error, Stopped):
            raise
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped", 1)
    except MemoryError:
        if debug:
            raise
        return _fail("there is not enough memory: use fewer --threads, or less at a time with --region", 1)
    except BrokenPipeError:
        _drop_output()
        return 1
    except OSError as error:
        if debug:
            raise
        return _fail(f"{error.filename or 'a file'}: {_DISK.get(error.errno or 0, error.strerror or str(error))}", 1)


def _give_numba_a_cache() -> None:
    """Name a folder for compiled code where neither the package's nor the user's can be written, as in containers."""
    places = [Path(__file__).parents[1]]
    with contextlib.suppress(RuntimeError):  # a user whom the system does not know has no home
        places.append(Path.home())
    if "NUMBA_CACHE_DIR" not in os.environ and not any(os.access(place, os.W_OK) for place in places):
        os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"popscan-numba-{os.getuid()}")


def _run(words: list[str]) -> int:
    """Find the command and run it; what click itself refuses comes with the command's usage."""
    import click  # here and in __getattr__, so that Ctrl-C ends in a word while libraries load

    from scanner.cli.group import cli

    try:
        with cli.make_context("popscan", list(words), obj=words) as context:
            return int(cli.invoke(context) or 0)
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except click.ClickException as error:
        error.show()
        return 2


def _drop_output() -> None:
    """Lead standard output nowhere, so that Python does not try to write the rest of it when it ends."""
    with contextlib.suppress(OSError, ValueError):  # it may be no file at all
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _fail(message: str, code: int) -> int:
    """Say one sentence on standard error."""
    print(f"popscan: {one_line(message)}", file=sys.stderr)
    return code
