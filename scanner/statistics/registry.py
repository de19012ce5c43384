"""The registry: which statistics there are, which columns a choice of them gives, and their computation."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scanner.errors import UsageError
from scanner.haplotypes import HaplotypeBlock
from scanner.regions import shortlist
from scanner.scores import Column, Producer, Reason, column, score_name
from scanner.statistics import differentiation, diversity, haplotype, introgression, linkage, raisd
from scanner.windows import Spans

Groups = Sequence[Sequence[str]]

PRODUCERS: tuple[Producer, ...] = (
    *diversity.PRODUCERS,
    *haplotype.PRODUCERS,
    *linkage.PRODUCERS,
    *raisd.PRODUCERS,
    *differentiation.PRODUCERS,
    *introgression.PRODUCERS,
)
SITE_SCORES: Mapping[str, int] = {"ihs": 1, "nsl": 1, "xpehh": 2}
"""Scores of single sites and their arity: computed apart, standardised genome-wide, summarised by window at the end."""
DEFAULT = tuple(name for producer in PRODUCERS for name in producer.names)
"""What is computed where nothing is asked for: everything but the scores of single sites."""
MAX_ALL = 5
"""Number of populations up to which all their pairs are computed where none is named."""


@dataclass(frozen=True)
class ScoreColumn:
    """One column of the table.

    Parameters
    ----------
    name
        Name of the score.
    populations
        Those the column concerns; none where the suffix is left out.
    auxiliary
        The column was not asked for by name: it comes along with the one before it.

    Examples
    --------
    >>> ScoreColumn("fst", ("CEU", "YRI")).column
    'fst.CEU.YRI'
    """

    name: str
    populations: tuple[str, ...]
    auxiliary: bool = False

    @property
    def column(self) -> str:
        """Name in the table."""
        return score_name(self.name, self.populations)


def statistic_names() -> tuple[str, ...]:
    """Name every statistic that may be asked for, in the table's order.

    Examples
    --------
    >>> statistic_names()[:4], statistic_names()[-3:]
    (('callable_bp', 'callable', 'sites', 'missing'), ('ihs', 'nsl', 'xpehh'))
    """
    return (*DEFAULT, *SITE_SCORES)


def resolve(text: str | None) -> tuple[str, ...]:
    """Read a choice of statistics: ``all``, ``none``, names joined by commas, or None for `DEFAULT`.

    Returns
    -------
    Names in the table's order, each once.

    Raises
    ------
    UsageError
        For a name that no statistic has.

    Examples
    --------
    >>> resolve("tajimas_d, pi")
    ('pi', 'tajimas_d')
    """
    if text is None:
        return DEFAULT
    names = statistic_names()
    chosen = [name.strip() for name in text.split(",")]
    if chosen in (["all"], ["none"]):
        return names if chosen == ["all"] else ()
    for name in chosen:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise UsageError(f"no statistic '{name}': {hint}there is all, none, {', '.join(names)}")
    return tuple(name for name in names if name in chosen)


def default_pairs(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pair all populations if there are at most `MAX_ALL`, else none.

    Examples
    --------
    >>> default_pairs(["A", "B", "C"])
    (('A', 'B'), ('A', 'C'), ('B', 'C'))
    """
    return tuple(combinations(names, 2)) if len(names) <= MAX_ALL else ()


def default_trios(names: Sequence[str], pairs: Groups | None = None) -> tuple[tuple[str, str, str], ...]:
    """Give the rotations of exactly three populations, so that each is the focal one once; else none.

    Parameters
    ----------
    names
        Populations.
    pairs
        Pairs that the user named, None where none were: who names pairs also names the trios.

    Examples
    --------
    >>> default_trios(["A", "B", "C"])
    (('A', 'B', 'C'), ('B', 'C', 'A'), ('C', 'A', 'B'))
    >>> default_trios(["A", "B", "C"], [("A", "B")])
    ()
    """
    if len(names) != 3 or pairs is not None:
        return ()
    a, b, c = names
    return (a, b, c), (b, c, a), (c, a, b)


def check_groups(arity: int, names: Sequence[str], groups: Groups) -> tuple[tuple[str, ...], ...]:
    """Check pairs or trios of populations.

    Raises
    ------
    UsageError
        For a group of another size, a population that is not there, or one named twice.

    Examples
    --------
    >>> check_groups(2, ["A", "B"], [["B", "A"]])
    (('B', 'A'),)
    """
    for group in groups:
        text = ":".join(group)
        if len(group) != arity:
            raise UsageError(f"'{text}' names {len(group)} populations: expected {arity}, joined by ':'")
        for population in group:
            if population not in names:
                raise UsageError(f"'{text}': no population '{population}'; there is {shortlist(names, limit=20)}")
        if len(set(group)) < arity:
            raise UsageError(f"'{text}' names a population twice: give {arity} different ones")
    return tuple(dict.fromkeys(tuple(group) for group in groups))


def populations_for(arity: int, names: Sequence[str], pairs: Groups, trios: Groups) -> list[tuple[str, ...]]:
    """List the populations that each column of a statistic concerns.

    Parameters
    ----------
    arity
        Populations a column: 0 for the window itself, 1, 2 (pairs) or 3 (trios).
    names, pairs, trios
        All populations, and the pairs and trios to compare.

    Raises
    ------
    UsageError
        As `check_groups`.

    Examples
    --------
    >>> populations_for(1, ["A", "B"], [("A", "B")], [])
    [('A',), ('B',)]
    """
    groups: dict[int, Groups] = {0: [()], 1: [(name,) for name in names], 2: pairs, 3: trios}
    return list(check_groups(arity, names, groups[arity]))


def columns(
    statistics: Sequence[str], names: Sequence[str], pairs: Groups, trios: Groups, *, suffix: bool = True
) -> list[ScoreColumn]:
    """List the table's columns for a choice of statistics, in order.

    Site scores are listed too: the share of extreme sites and, as ``<name>_max``, the most extreme value.

    Parameters
    ----------
    statistics
        As `resolve` returns them.
    names, pairs, trios
        As for `populations_for`.
    suffix
        Name the populations: False where there is a single one that nobody named.

    Examples
    --------
    >>> [entry.column for entry in columns(["callable", "pi", "fst"], ["A", "B"], [("A", "B")], [])]
    ['callable', 'pi.A', 'pi.B', 'fst.A.B', 'fst_num.A.B', 'fst_den.A.B']
    """
    if not suffix and len(names) > 1:
        raise ValueError("columns of several populations need the suffix")
    found = []
    for name, arity, auxiliary in _families():
        if name in statistics:
            for group in populations_for(arity, names, pairs, trios):
                shown = group if suffix else ()
                found.append(ScoreColumn(name, shown))
                found += [ScoreColumn(extra, shown, auxiliary=True) for extra in auxiliary]
    return found


def compute_all(
    block: HaplotypeBlock,
    spans: Spans,
    statistics: Sequence[str],
    pairs: Groups,
    trios: Groups,
    *,
    suffix: bool = True,
) -> dict[str, Column]:
    """Compute every chosen statistic but the site scores: each needed producer once per group of populations.

    Windows of a population with fewer haplotypes than the producer asks for are marked `Reason.MISSING_DATA`.

    Parameters
    ----------
    block
        Haplotypes of one stretch.
    spans
        Its windows.
    statistics, pairs, trios, suffix
        As for `columns`.

    Returns
    -------
    Column name to column, in the order of `columns`.
    """
    by_name = {haplotypes.name: haplotypes for haplotypes in block.populations}
    names = list(by_name)
    made: dict[str, Column] = {}
    for producer in PRODUCERS:
        wanted = frozenset(producer.names).intersection(statistics)
        if not wanted:
            continue
        for group in populations_for(producer.arity, names, pairs, trios):
            members = [by_name[name] for name in group]
            if all(haplotypes.size >= producer.minimum_haplotypes for haplotypes in members):
                part = producer.compute(block, spans, members, wanted)
            else:
                part = _too_small(producer, wanted, len(spans))
            made.update({score_name(name, group if suffix else ()): part[name] for name in part})
    chosen = [name for name in statistics if name not in SITE_SCORES]
    return {entry.column: made[entry.column] for entry in columns(chosen, names, pairs, trios, suffix=suffix)}


def _families() -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Yield every statistic's name, arity and auxiliary columns, in the table's order."""
    for producer in PRODUCERS:
        for name in producer.names:
            yield name, producer.arity, tuple(producer.auxiliary.get(name, ()))
    for name, arity in SITE_SCORES.items():
        yield name, arity, (f"{name}_max",)


def _too_small(producer: Producer, wanted: frozenset[str], windows: int) -> dict[str, Column]:
    """Give columns without values."""
    blank = column(np.zeros(windows), (np.ones(windows, np.bool_), Reason.MISSING_DATA))
    extra = [name for base in wanted for name in producer.auxiliary.get(base, ())]
    return dict.fromkeys([*wanted, *extra], blank)
