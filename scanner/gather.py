"""Joining the parts of a scan: standardise what needs the whole genome, write the tables, reconcile every count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scanner.bgzf import quiet_htslib
from scanner.compute import Job, part_name
from scanner.errors import InputError
from scanner.files import write_text
from scanner.partition import Part
from scanner.plan import Plan
from scanner.predict import net_name
from scanner.result import ACCOUNT_HEADING
from scanner.scores import Reason
from scanner.sites import site_columns, site_name
from scanner.statistics import ehh, raisd
from scanner.statistics.registry import ScoreColumn
from scanner.table import TableWriter

Float = NDArray[np.float64]
Key = tuple[str, tuple[str, ...]]
Facts = Sequence[Mapping[str, Any]]

POLARISED = 0.5
"""Share of common sites with a known ancestral allele from which iHS and nSL are those of the derived allele."""


@dataclass
class Accounts:
    """Everything that was counted, for `accounting.tsv`.

    Parameters
    ----------
    records
        Contig -> what became of its records.
    windows
        Score column -> how many windows have a value, or why they have none.
    """

    records: dict[str, Counter[str]] = field(default_factory=dict)
    windows: dict[str, Counter[str]] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield the lines of the account: kind, name, what became of it, count."""
        for kind, groups in (("records", self.records), ("windows", self.windows)):
            for name, counts in groups.items():
                for outcome, count in sorted(counts.items()):
                    yield kind, name, outcome, count

    def write(self, path: Path) -> None:
        """Write the account as a table with a heading."""
        lines = [ACCOUNT_HEADING, *("\t".join(map(str, row)) for row in self.rows())]
        write_text(path, "\n".join(lines) + "\n")


def reconcile(plan: Plan, job: Job) -> tuple[Facts, Accounts]:
    """Add up what became of every record, before anything is written.

    Parameters
    ----------
    plan, job
        The scan, all of whose parts are on disk.

    Returns
    -------
    What each part's file says of itself, and the account of records.

    Raises
    ------
    InputError
        Where the records read are not those the index counts, or none of them is of use.
    OutputError
        Where a part is damaged.
    """
    facts = [_facts(job, part) for part in plan.parts]
    accounts = Accounts(records=_reconcile(plan, facts))
    if not any(tally["sites"] for tally in accounts.records.values()):
        raise InputError(_nothing_usable(plan, accounts))
    return facts, accounts


def gather(plan: Plan, job: Job, root: Path, facts: Facts, accounts: Accounts) -> None:
    """Write `windows.tsv.gz`, `sites.tsv.gz` where scores of sites are asked for, and `accounting.tsv`.

    Parameters
    ----------
    plan, job
        The scan, all of whose parts are on disk.
    root
        The output folder.
    facts, accounts
        As `reconcile` gives them; the account of windows is added.

    Raises
    ------
    OutputError
        Where a part is damaged or a table cannot be written.
    """
    scores = _site_scores(plan, job) if job.site_scores else {}
    if job.site_scores or job.networks.dense:
        _write_sites(plan, job, root / "sites.tsv.gz", scores)
    factors = _density_factors(plan, facts)
    _write_windows(plan, job, root / "windows.tsv.gz", scores, factors, accounts)
    accounts.write(root / "accounting.tsv")


def _facts(job: Job, part: Part) -> dict[str, Any]:
    facts = job.store.facts(part_name(part.index))
    if facts is None:
        job.store.load(part_name(part.index))  # says what is wrong
        raise AssertionError("a part without facts cannot be loaded")
    return facts


def _reconcile(plan: Plan, facts: Facts) -> dict[str, Counter[str]]:
    """Add the tallies up by contig, and hold them against the index."""
    records: dict[str, Counter[str]] = {contig: Counter() for contig in plan.source.lengths}
    for part, fact in zip(plan.parts, facts, strict=True):
        records[part.region.contig].update(fact["tally"])
    whole = {region.contig for region in plan.regions if len(region) == plan.source.lengths[region.contig]}
    for contig, tally in records.items():
        expected = plan.source.entries[contig].records
        if expected is None:
            continue
        unread = expected - tally.total()
        if unread < 0 or (unread > 0 and contig in whole and plan.options.windows.kind != "bed"):
            raise InputError(
                f"{plan.source.path}: {plan.source.index.name} counts {expected:,} records on {contig}, but "
                f"{tally.total():,} were read: the index is stale; delete it, and popscan makes a new one"
            )
        if unread:
            tally["not scanned"] = unread
    return records


def _nothing_usable(plan: Plan, accounts: Accounts) -> str:
    total: Counter[str] = sum(accounts.records.values(), Counter())
    listed = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in total.most_common())
    return (
        f"{plan.source.path}: none of its records is a biallelic SNP that varies among the selected samples "
        f"({listed}): there is nothing to scan"
    )


def _density_factors(plan: Plan, facts: Facts) -> dict[str, dict[str, float]]:
    """Give mu's factor for every contig and population, over what was read, from its first to its last site."""
    unread_gaps = not plan.gapless
    stretches: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    segregating: dict[str, Counter[str]] = defaultdict(Counter)
    for part, fact in zip(plan.parts, facts, strict=True):
        if fact["span"]:
            contig = part.region.contig
            stretches[contig][part.index if unread_gaps else part.segment] += fact["span"]
            segregating[contig].update(fact["segregating"])
    lengths = {contig: sum(max(s) - min(s) for s in found.values()) for contig, found in stretches.items()}
    return {
        contig: {name: raisd.density_factor(segregating[contig][name], length) for name in plan.selection.populations}
        for contig, length in lengths.items()
    }


@dataclass(frozen=True)
class _SiteColumns:
    """Standardised scores of the sites of one part."""

    positions: NDArray[np.int64]
    values: dict[Key, Float]


def _site_scores(plan: Plan, job: Job) -> dict[int, _SiteColumns]:
    """Standardise the site scores over all parts."""
    held = [job.store.load(site_name(part.index)) for part in plan.parts]
    polarised = np.concatenate([part["polarised"] for part in held])
    bounds = np.cumsum([0, *(len(part["positions"]) for part in held)])
    standard: dict[Key, Float] = {}
    for at, key in enumerate(site_columns(job)):
        raw = np.concatenate([part["raw"][at] for part in held])
        frequency = np.concatenate([part["frequency"][at] for part in held])
        if key[0] != "xpehh":
            raw, frequency = orient(raw, frequency, polarised)
        standard[key] = ehh.standardise(raw, frequency)
    return {
        part.index: _SiteColumns(own["positions"], {key: z[low:high] for key, z in standard.items()})
        for part, own, low, high in zip(plan.parts, held, bounds[:-1], bounds[1:], strict=True)
    }


def _write_sites(plan: Plan, job: Job, path: Path, scores: Mapping[int, _SiteColumns]) -> None:
    """Stream into a table the scores of sites, and what networks say of the windows around them."""
    suffix = plan.selection.named
    columns = [ScoreColumn(score, group if suffix else ()) for score, group in (site_columns(job) if scores else ())]
    columns += job.networks.site_columns(suffix=suffix)
    with quiet_htslib(), TableWriter(path, [column.column for column in columns], reasons=False) as table:
        for part in plan.parts:
            blocks = []
            if scores:
                own = scores[part.index]
                blocks.append((own.positions, np.column_stack(list(own.values.values()))))
            if job.networks.dense:
                held = job.store.load(net_name(part.index))
                dense = [held[f"dense_{at}"] for at in range(sum(map(len, job.networks.groups)))]
                blocks += [(block[:, 0].astype(np.int64), block[:, 1:]) for block in dense]
            positions, matrix = side_by_side(blocks)
            some = ~np.isnan(matrix).all(axis=1)
            table.write(part.region.contig, positions[some], positions[some] + 1, matrix[some])


def side_by_side(blocks: Sequence[tuple[NDArray[np.int64], Float]]) -> tuple[NDArray[np.int64], Float]:
    """Set columns side by side that have their values at different sites.

    Parameters
    ----------
    blocks
        Pairs of (sites,) positions, rising, and (sites, columns) values.

    Returns
    -------
    All positions, and the columns of all blocks there, NaN where a block lacks the position.

    Examples
    --------
    >>> side_by_side([(np.array([3, 5]), np.array([[1.0], [2.0]])), (np.array([4, 5]), np.array([[7.0], [8.0]]))])
    (array([3, 4, 5]), array([[ 1., nan],
           [nan,  7.],
           [ 2.,  8.]]))
    """
    positions = np.unique(np.concatenate([at for at, _ in blocks]))
    columns = []
    for at, values in blocks:
        column = np.full((len(positions), values.shape[1]), np.nan)
        column[np.searchsorted(positions, at)] = values
        columns.append(column)
    return positions, np.hstack(columns)


def orient(raw: Float, frequency: Float, polarised: NDArray[np.bool_]) -> tuple[Float, Float]:
    """Decide which allele iHS and nSL speak of.

    Where at least `POLARISED` of the sites know their ancestral allele, the others are dropped and scores are those of
    the derived allele. Elsewhere all scores become those of the rarer allele: only their size has a meaning.

    Parameters
    ----------
    raw, frequency
        (sites,) unstandardised scores, and frequency of the allele they speak of; NaN where a site has none.
    polarised
        (sites,) bool: the ancestral allele is known.

    Examples
    --------
    >>> orient(np.array([1.0, 2.0]), np.array([0.8, 0.3]), np.array([False, False]))
    (array([-1.,  2.]), array([0.2, 0.3]))
    """
    scored = ~np.isnan(raw)
    if scored.any() and polarised[scored].mean() >= POLARISED:
        return np.where(polarised, raw, np.nan), frequency
    swap = frequency > 0.5
    return np.where(swap, -raw, raw), np.where(swap, 1 - frequency, frequency)


def _write_windows(
    plan: Plan,
    job: Job,
    path: Path,
    scores: Mapping[int, _SiteColumns],
    factors: Mapping[str, Mapping[str, float]],
    accounts: Accounts,
) -> None:
    """Stream the parts into the table, in order."""
    names = [column.column for column in plan.columns]
    accounts.windows = {name: Counter() for name in names}
    with quiet_htslib(), TableWriter(path, names) as table:
        for part in plan.parts:
            held = job.store.load(part_name(part.index))
            values, reasons = held["values"], held["reasons"]
            _scale_mu(plan, part, values, factors)
            if scores:
                extra, why = _summaries(plan, part, scores, held["floors"])
                values, reasons = np.hstack([values, extra]), np.hstack([reasons, why])
            if job.networks:
                made = job.store.load(net_name(part.index))
                values, reasons = np.hstack([values, made["values"]]), np.hstack([reasons, made["reasons"]])
            _count(accounts, names, reasons)
            table.write(part.region.contig, part.windows.start, part.windows.end, values, reason_words(reasons))


def _scale_mu(plan: Plan, part: Part, values: Float, factors: Mapping[str, Mapping[str, float]]) -> None:
    """Multiply mu by its contig's factor, in place."""
    for at, column in enumerate(plan.columns):
        if column.name == "mu" and part.region.contig in factors:
            population = column.populations[0] if column.populations else next(iter(plan.selection.populations))
            values[:, at] *= factors[part.region.contig][population]


def _summaries(
    plan: Plan, part: Part, scores: Mapping[int, _SiteColumns], floors: NDArray[np.uint8]
) -> tuple[Float, NDArray[np.uint8]]:
    """Summarise the site scores of a part's windows: share of extreme sites and most extreme value."""
    near = _near(plan.parts, part)
    positions = np.concatenate([scores[index].positions for index in near])
    columns = []
    for key in scores[part.index].values:
        z = np.concatenate([scores[index].values[key] for index in near])
        columns += list(ehh.window_summary(z, positions, part.windows))
    extra = np.column_stack(columns)
    below = floors[:, None]
    why = np.where(below > 0, below, np.where(np.isnan(extra), Reason.NO_VARIATION, 0)).astype(np.uint8)
    return np.where(why > 0, np.nan, extra), why


def _near(parts: Sequence[Part], part: Part) -> list[int]:
    """Number the parts whose cores the windows of a part touch."""
    if len(part.windows) == 0:  # of a region without windows, which is read for its site scores
        return [part.index]
    low, high = int(part.windows.start.min()), int(part.windows.end.max())
    return [p.index for p in parts if p.segment == part.segment and p.core[1] > low and p.core[0] < high]


def _count(accounts: Accounts, names: Sequence[str], reasons: NDArray[np.uint8]) -> None:
    for at, name in enumerate(names):
        codes, counts = np.unique(reasons[:, at], return_counts=True)
        accounts.windows[name].update(
            {Reason(code).name.lower(): int(count) for code, count in zip(codes, counts, strict=True)}
        )


def reason_words(reasons: NDArray[np.uint8]) -> list[str]:
    """Spell out which reasons a window has, over all its scores.

    Parameters
    ----------
    reasons
        (windows, columns) codes of `Reason`.

    Returns
    -------
    One text a window, ``.`` where no score is missing.

    Examples
    --------
    >>> reason_words(np.array([[0, 0], [0, 2], [3, 2]], np.uint8))
    ['.', 'few_sites', 'few_sites,unphased']
    """
    bits = np.bitwise_or.reduce(np.left_shift(1, reasons.astype(np.int64)), axis=1) if reasons.size else []
    known: dict[int, str] = {}
    words = []
    for code in np.asarray(bits).tolist():
        if code not in known:
            named = [reason.name.lower() for reason in Reason if reason and code >> reason & 1]
            known[code] = ",".join(named) or "."
        words.append(known[code])
    return words
