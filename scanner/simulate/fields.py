"""Taking fields out of a recipe's tables, and saying where one is wrong."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scanner.errors import InputError
from scanner.simulate.priors import Prior, read_prior


@dataclass(frozen=True)
class Fields:
    """Takes fields out of tables; a wrong one is refused with its place.

    Parameters
    ----------
    where
        What messages call the file.
    sections
        Names of the tables whose fields are known, with these; the top of the file is "".
    """

    where: str
    sections: Mapping[str, Collection[str]]

    def known(self, table: object, section: str) -> None:
        """Refuse what is no table, and unknown fields."""
        if not isinstance(table, dict):
            raise InputError(f"{self.where}: [{section}] must be a table, not {table!r}")
        for name in sorted(set(table) - set(self.sections[section])):
            place = f"[{section}]" if section else "the top"
            raise InputError(
                f"{self.where}: unknown field '{name}' in {place}; there is {', '.join(sorted(self.sections[section]))}"
            )

    def need(self, table: Mapping[str, Any], path: str) -> Any:
        """Take a field that must be there; ``path`` is its name with those of the tables around it."""
        name = path.split(".")[-1]
        if name not in table:
            raise InputError(f"{self.where}: the field {path} is missing")
        return table[name]

    def table(self, table: Mapping[str, Any], name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take a section."""
        if default is not None and name not in table:
            return default
        found: dict[str, Any] = self.need(table, name)
        if name in self.sections:
            self.known(found, name)
        elif not isinstance(found, dict):
            raise InputError(f"{self.where}: [{name}] must be a table, not {found!r}")
        return found

    def of_task(self, recipe: Mapping[str, Any], task: str, name: str) -> dict[str, Any] | None:
        """Take the table that the task of its name needs and no other has: None for another task."""
        if task == name:
            return self.table(recipe, name)
        if name in recipe:
            raise InputError(f"{self.where}: the table [{name}] belongs to task '{name}', not '{task}'")
        return None

    def shares(self, table: Mapping[str, Any], section: str, names: Sequence[str]) -> dict[str, float]:
        """Take how often each of some kinds is simulated: all alike without the section, else those that it names."""
        found = table.get(section.split(".")[-1], {})
        self.known(found, section)
        if not found:
            return dict.fromkeys(names, 1.0)
        return {name: self.number(found, f"{section}.{name}", 1.0) for name in names if name in found}

    def text(self, table: Mapping[str, Any], path: str) -> str:
        """Take a text."""
        found = self.need(table, path)
        if not isinstance(found, str) or not found or not found.isprintable():
            raise InputError(f"{self.where}: {path} must be a text on one line, not {found!r}")
        return found

    def texts(self, table: Mapping[str, Any], path: str) -> tuple[str, ...]:
        """Take a text or a list of texts."""
        found = self.need(table, path)
        listed = [found] if isinstance(found, str) else found
        if not isinstance(listed, list) or not listed or not all(isinstance(item, str) for item in listed):
            raise InputError(f"{self.where}: {path} must be a text or a list of texts, not {found!r}")
        return tuple(listed)

    def whole(self, table: Mapping[str, Any], path: str, low: int) -> int:
        """Take a whole number."""
        found = self.need(table, path)
        if type(found) is not int or found < low:
            raise InputError(f"{self.where}: {path} must be a whole number from {low} on, not {found!r}")
        return found

    def number(self, table: Mapping[str, Any], path: str, default: float, high: float = math.inf) -> float:
        """Take a number above 0 that is the same in all simulations."""
        found = table.get(path.split(".")[-1], default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= high:
            limit = "above 0" if high == math.inf else f"above 0 and at most {high:g}"
            raise InputError(f"{self.where}: {path} must be one number {limit}, not {found!r}")
        return float(found)

    def truth(self, table: Mapping[str, Any], path: str, default: bool) -> bool:
        """Take a truth value."""
        found = table.get(path.split(".")[-1], default)
        if not isinstance(found, bool):
            raise InputError(f"{self.where}: {path} must be true or false, not {found!r}")
        return found

    def prior(self, table: Mapping[str, Any], path: str, *, low: float = 0.0, high: float = math.inf) -> Prior:
        """Take a number that may differ between simulations."""
        return read_prior(self.need(table, path), f"{self.where}: {path}", low=low, high=high)

    def priors(
        self, table: Mapping[str, Any], path: str, *, low: float = 0.0, high: float = math.inf
    ) -> tuple[Prior, ...]:
        """Take a list of numbers, each of which may differ between simulations."""
        found = self.need(table, path)
        if not isinstance(found, list) or not found:
            raise InputError(f"{self.where}: {path} must be a list of numbers, not {found!r}")
        return tuple(read_prior(value, f"{self.where}: {path}", low=low, high=high) for value in found)

    def pair(self, path: str, found: tuple[Prior, ...]) -> tuple[Prior, Prior]:
        """Refuse anything but two numbers, one for each of two populations."""
        if len(found) != 2:
            raise InputError(f"{self.where}: {path} must be two numbers (first, second), not {len(found)}")
        return found[0], found[1]
