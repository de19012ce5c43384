"""Everything popscan raises on purpose.

::

    PopscanError                 one sentence for the user; never a traceback
    ├── UsageError      exit 2   the call is wrong: an option, a name, a file that is not there
    └── RunError        exit 1   the run failed
        ├── InputError           a file's content is wrong
        ├── OutputError          the result cannot be written, or did not survive being read back
        └── Stopped              the user stopped the run; it can be resumed

Only the command line turns these into exit codes.
"""


class PopscanError(Exception):
    """Base of all deliberate errors: what was found, where, what was expected, what to do."""

    exit_code = 1


class UsageError(PopscanError):
    """The call is wrong."""

    exit_code = 2


class RunError(PopscanError):
    """The run failed."""


class InputError(RunError):
    """The content of an input file is wrong."""


class OutputError(RunError):
    """A result cannot be written, or was not what was written when read back."""


class Stopped(RunError):
    """The user stopped the run; what is finished is kept."""


LONGEST = 900
"""Letters of the longest sentence."""


def one_line(text: str) -> str:
    """Spell text that may quote a file on one line, with nothing in it that a terminal would obey.

    Examples
    --------
    >>> one_line("no sample 'a\\x1b[31m'\\nhere")
    "no sample 'a\\\\x1b[31m'\\\\nhere"
    """
    spelled = "".join(
        letter if letter.isprintable() or letter == "\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )
    half = LONGEST // 2
    return spelled if len(spelled) <= LONGEST else f"{spelled[:half]} [...] {spelled[-half:]}"
