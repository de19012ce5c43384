"""The text of a hub: stanzas of one setting a line, parted by empty lines."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.errors import InputError

Stanza = dict[str, str]


def spell(stanzas: Iterable[Stanza]) -> str:
    """Write stanzas as text.

    Examples
    --------
    >>> print(spell([{"hub": "a"}, {"track": "b", "longLabel": "two\\nlines"}]), end="")
    hub a
    <BLANKLINE>
    track b
    longLabel two lines
    """
    blocks = ["".join(f"{key} {' '.join(value.split())}\n" for key, value in stanza.items()) for stanza in stanzas]
    return "\n".join(blocks)


def parse(text: str) -> list[Stanza]:
    """Read stanzas, with nothing that UCSC would read in another way or pass over.

    Raises
    ------
    InputError
        Naming the line that is no setting or that is set twice.

    Examples
    --------
    >>> parse("hub a\\n\\ntrack b\\ntype bigWig 0 1\\n")
    [{'hub': 'a'}, {'track': 'b', 'type': 'bigWig 0 1'}]
    """
    stanzas: list[Stanza] = [{}]
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("#"):
            continue
        key, _, value = line.strip().partition(" ")
        if not key:
            stanzas.append({})
        elif not value.strip():
            raise InputError(f"line {number}: the setting {key} has no value")
        elif key in stanzas[-1]:
            raise InputError(f"line {number}: {key} is set twice")
        else:
            stanzas[-1][key] = value.strip()
    return [stanza for stanza in stanzas if stanza]
