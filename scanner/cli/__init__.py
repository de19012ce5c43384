"""The command line: one module a command, shared options in `options`, exit codes here."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Sequence

import click

import scanner
from scanner.cli import check, demo, plan, publish, scan
from scanner.errors import PopscanError, Stopped

_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(scanner.__version__, prog_name="popscan")
def cli() -> None:
    """Scan genomes for the marks of evolution, and see the result in a genome browser.

    popscan reads a population VCF or BCF, slides windows along every chromosome, computes the classical statistics of
    population genetics in one pass, and writes bigWig and BED tracks with a session for IGV.

    Start with 'popscan demo', or with 'popscan scan VCF'.
    """


for command in (demo.demo, scan.scan, plan.plan, check.check, publish.publish):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    0 done, 1 the run failed, 2 the call is wrong.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    logging.captureWarnings(not debug)
    try:
        status = cli.main(args=words, prog_name="popscan", standalone_mode=False)
    except click.exceptions.Abort:
        return _fail("stopped", 1)
    except click.ClickException as error:
        error.show()
        return 2
    except PopscanError as error:
        if debug and not isinstance(error, Stopped):
            raise
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped", 1)
    except BrokenPipeError:
        return 1
    except OSError as error:
        if debug or error.errno not in _DISK:
            raise
        return _fail(f"{error.filename or 'a file'} cannot be written: {_DISK[error.errno]}", 1)
    return int(status or 0)


def _fail(message: str, code: int) -> int:
    """Say one sentence on standard error."""
    print(f"popscan: {message}", file=sys.stderr)
    return code
