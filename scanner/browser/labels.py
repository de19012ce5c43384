"""Labels of a hub's tracks: short enough for UCSC, and never twice the same."""

from __future__ import annotations

from collections.abc import Sequence

SHORT, LONG = 17, 75
"""Most characters that UCSC shows of a short and of a long label."""
_LEAST = 6
"""Characters that a score's own label keeps while populations can still be shortened."""


class Labels:
    """Gives out labels, each once.

    Examples
    --------
    >>> labels = Labels()
    >>> labels.short("Tajima's D", ["GBR"]), labels.short("Tajima's D", ["GBR"], "calls")
    ("Tajima's D GBR", 'Taji. D GBR calls')
    >>> labels.short("Fst", ["British_Isles", "British_Columbia"]), labels.short("Fst", ["British_Is", "British_Co"])
    ('Fst Britis/Britis', 'Fst Britis/Brit~2')
    """

    def __init__(self) -> None:
        self._given: set[str] = set()

    def short(self, label: str, populations: Sequence[str] = (), suffix: str = "") -> str:
        """Make a short label of a score's label, populations and what kind of track it is."""
        names = "/".join(populations)
        room = SHORT - len(suffix) - bool(suffix) - bool(names)
        if len(label) + len(names) > room:
            label = _abbreviate(label, max(room - len(names), min(_LEAST, len(label))))
        if len(label) + len(names) > room:
            each = (room - len(label) - len(populations) + 1) // max(len(populations), 1)
            names = "/".join(name[: max(each, 1)] for name in populations)
        return self._once(" ".join(part for part in (label, names, suffix) if part), SHORT)

    def long(self, text: str) -> str:
        """Make a long label."""
        return self._once(text, LONG)

    def _once(self, text: str, longest: int) -> str:
        """Cut a label, and number it where it has been given before."""
        text = " ".join(text.split())
        found, number = _cut(text, longest), 1
        while found in self._given:
            number += 1
            mark = f"~{number}"
            found = text[: longest - len(mark)] + mark
        self._given.add(found)
        return found


def _abbreviate(label: str, longest: int) -> str:
    """Shorten a score's label: without what stands in brackets, then by its longest word."""
    label = label.partition(" (")[0] if len(label) > longest else label
    word = max(label.split(), key=len, default="")
    keep = len(word) - (len(label) - longest)
    return label.replace(word, _cut(word, keep), 1) if 2 <= keep < len(word) else _cut(label, longest)


def _cut(text: str, longest: int) -> str:
    """Shorten a text, which then ends in a full stop."""
    return text if len(text) <= longest else text[: longest - 1].rstrip(" '.,:(") + "."
