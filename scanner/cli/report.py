"""Words for the terminal: what a scan found in its input, and what it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from scanner.catalogue import tracks
from scanner.demography import History
from scanner.discovery import Discovery
from scanner.jobarray import Computed
from scanner.networks import FAR
from scanner.partition import spelled
from scanner.plan import Plan
from scanner.predict import window_length
from scanner.publish import Published
from scanner.regions import shortlist
from scanner.result import history_in_words
from scanner.scan import Outcome
from scanner.statistics import registry

NOTICE = 0.05
"""Share from which something about the data is worth a note."""
DRAWN = 1.01
"""Lengths of windows are drawn for a training: the shortest and longest of a range come so close to its ends."""


def notes(plan: Plan | None) -> list[str]:
    """Say what the data do not allow, before anyone wonders about gaps."""
    if plan is None:
        return []
    found = []
    probe, wanted = plan.probe, {column.name for column in plan.columns}
    networks = plan.networks.each
    phase = [n for p in registry.PRODUCERS if p.needs_phase for n in p.names if n in wanted]
    phase += [network.spec.id for network in networks if all(network.phased)]
    polarity = [n for p in registry.PRODUCERS if p.needs_polarity for n in p.names if n in wanted]
    polarity += [network.spec.id for network in networks if network.encoding.polarised]
    if probe.unphased > NOTICE and phase:
        found.append(
            f"note: {probe.unphased:.0%} of heterozygous genotypes have no phase: {shortlist(phase, 12)} need it"
        )
    if plan.options.ancestral is None and probe.polarised < NOTICE and polarity:
        found.append(f"note: INFO/AA gives no ancestral alleles: {shortlist(polarity)} need them (--ancestral FASTA)")
    if probe.missing > NOTICE:
        found.append(f"note: {probe.missing:.0%} of genotypes are not called; haplotype statistics need complete ones")
    names = list(plan.selection.populations)
    if len(names) > registry.MAX_ALL and not plan.pairs:
        count = len(names) * (len(names) - 1) // 2
        found.append(f"note: {len(names)} populations have {count} pairs: name those to compare with --pair A:B")
    return found + _network_notes(plan)


def _network_notes(plan: Plan) -> list[str]:
    """Say what the networks leave out, and where the scan differs from what they were trained on."""
    found = []
    rows = zip(plan.networks.each, plan.networks.groups, plan.networks.left_out, strict=True)
    for network, groups, left_out in rows:
        spec = network.spec
        if left_out:
            known = " and ".join(f"{low:,.0f} to {high:,.0f}" for low, high in network.haplotypes)
            names = [" and ".join(group) for group in left_out]
            found.append(
                f"note: {spec.id} does not look at {shortlist(names, 8)}: too few haplotypes, it was trained on {known}"
            )
        drawn = {name: draw for group in groups for name, draw in zip(group.populations, group.draws, strict=True)}
        thinned = [f"{name} ({draw.out_of:,} to {draw.size:,})" for name, draw in drawn.items() if draw.thinned]
        if thinned:
            found.append(
                f"note: {spec.id} looks at some of the haplotypes of {shortlist(thinned, 8)}: it was trained on no more"
            )
        length, (low, high) = window_length(plan), spec.window
        if not low / DRAWN <= length <= high * DRAWN:
            found.append(
                f"note: windows of {length:,} bp lie outside what {spec.id} was trained on, {low:,.0f} to {high:,.0f} "
                "bp: look at its out-of-range scores"
            )
    drawable = tracks()
    scores = dict.fromkeys(score for network in plan.networks.each for score in network.scores)
    undrawn = [score for score in scores if score not in drawable]
    if undrawn:
        found.append(f"note: no track draws {shortlist(undrawn, 12)}: the values stand in windows.tsv.gz")
    return found


def unlike_lines(unlike: Mapping[str, tuple[int, int]]) -> list[str]:
    """Say which networks were asked about windows unlike those of their training.

    Parameters
    ----------
    unlike
        Network -> windows that lie out of range, and all that have a value.

    Examples
    --------
    >>> unlike_lines({"recombination": (30, 100), "other": (5, 100)})[0][:71]
    'note: 30% of the windows lie outside what recombination was trained on '
    """
    return [
        f"note: {far / count:.0%} of the windows lie outside what {name} was trained on (popscan train {name} "
        "--like VCF proposes a recipe for data like yours)"
        for name, (far, count) in unlike.items()
        if far > 2 * (1 - FAR) * count
    ]


def history_lines(histories: Sequence[History]) -> list[str]:
    """Say which histories of populations were found, and where they stand.

    Examples
    --------
    >>> from scanner.demography import HISTORY, Estimate
    >>> logs = dict(zip(HISTORY, (4.0, 2.0, 3.0, 3.0, 3.5), strict=True))
    >>> found = {name: Estimate(value, value, value) for name, value in logs.items()}
    >>> history_lines([History("CEU", "demography", 9, 3, 0.0, found)])[0]
    'history of CEU: 10,000 diploids, 1,000 from 100 and 3,162 from 1,000 generations ago (demography.CEU.demes.yaml)'
    """
    return [
        f"history of {history.population or 'all samples'}: {history_in_words(history.record())} ({history.file})"
        for history in histories
    ]


def call_lines(found: Sequence[Discovery], regions: Mapping[str, int]) -> list[str]:
    """Say what is called of classes, at which false-discovery level, and what more simulations would be needed for.

    Parameters
    ----------
    found
        What neutral simulations say of each column.
    regions
        Regions that are called, by column.

    Examples
    --------
    >>> one = Discovery("sweep_hard", 0.05, 999, 600, leading=14, called=16, threshold=0.9, above=(0.95,))
    >>> call_lines([one], {"sweep_hard": 2})
    ['regions at a false-discovery level of 0.05: sweep_hard 2 (from 0.9)']
    """
    if not found:
        return []
    each = [
        f"{item.column} none"
        if item.threshold is None
        else f"{item.column} {regions.get(item.column, 0):,} (from {item.threshold:.3g})"
        for item in found
    ]
    lines = [f"regions at a false-discovery level of {found[0].level:g}: {', '.join(each)}"]
    lines += [
        f"note: {item.column}: {item.leading:,} of {item.windows:,} windows are above all {item.null:,} simulations "
        f"without any, which vouch for no fewer than {item.fewest:,} at that level: none is called (give a "
        "larger --fdr or --step, or a network with more such simulations)"
        for item in found
        if item.unresolved
    ]
    return lines


def part_lines(done: Computed) -> list[str]:
    """Say what a job of an array did."""
    if not done.count:
        return [f"{done.root} holds the result of this very scan already"]
    were = len(done.asked) - len(done.made)
    lines = [
        f"part {spelled(done.asked)} of 0-{done.count - 1}: {len(done.made)} computed, {were} there already",
    ]
    if done.later:
        lines.append(f"{done.later} with all that needs neighbouring parts")
    if done.waiting:
        lines.append(
            f"{done.waiting} wait for neighbouring parts: 'popscan gather', or this command again, does the rest"
        )
    return lines


def summary(outcome: Outcome) -> list[str]:
    """Say what a scan did and how to look at it."""
    if outcome.plan is None or outcome.accounts is None:
        lines = [f"{outcome.root} holds this very scan already; --force makes it anew"]
        return lines if outcome.published is None else [*lines, *published_lines(outcome.published)]
    total: Counter[str] = sum(outcome.accounts.records.values(), Counter())
    used = total.pop("sites", 0)
    rest = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in total.most_common())
    went_on = [f"went on from {outcome.kept:,} finished parts of {len(outcome.plan.parts):,}"] if outcome.kept else []
    lines = [
        *went_on,
        f"{used:,} sites used" + (f"; not used: {rest}" if rest else ""),
        f"{outcome.plan.windows:,} windows, {len(outcome.plan.columns)} columns, {outcome.seconds:.1f} s",
    ]
    lines += [*unlike_lines(outcome.unlike), *history_lines(outcome.histories)]
    lines += call_lines(outcome.discoveries, {} if outcome.published is None else outcome.published.regions)
    if outcome.published is not None:
        lines += published_lines(outcome.published)
    return lines


def published_lines(published: Published) -> list[str]:
    """Say which browser files there are and how to open them."""
    lines = [f"{len(published.files)} browser files; open {published.session} in IGV (File > Open Session)"]
    if published.without_data:
        lines.append(f"no track, for want of any value: {shortlist(published.without_data, 12)}")
    return [*lines, *published.notes]
