"""HTML of the page that needs no script: the run's facts, the table of regions, the accounting.

Everything that comes from files is escaped here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from scanner.browser.drawn import DrawnTrack
from scanner.candidates import Candidate, Support, distance, gene_text
from scanner.catalogue import tracks as catalogue
from scanner.errors import InputError
from scanner.result import Result, Run, history_in_words, read_accounts

LISTED = 100
"""Candidate regions in the page; candidates.tsv has all."""
CLASSICAL = ("tajimas_d", "pi", "h12")
"""Statistics whose values the table of regions gives, whether they call a region or not."""
HIGH = ("h12",)
"""Those of them that are remarkable by being large."""
STACKED = 8
"""Populations whose values one cell shows."""
NO_VALUE = "·"

WINDOW_REASONS = {
    "uncallable": "less of the window is callable than --min-callable asks",
    "few_sites": "fewer sites than --min-sites asks",
    "unphased": "the score needs phase, which more than 5% of the heterozygous genotypes lack",
    "unpolarised": "the score needs the ancestral allele, which fewer than half of the sites have (--ancestral)",
    "no_variation": "too few segregating sites in the populations concerned",
    "missing_data": "too few genotypes are called",
    "undefined": "the score is not defined here, as where a denominator is zero",
}
RECORD_REASONS = {
    "sites": "biallelic SNPs that vary among the samples: used",
    "multiallelic": "more than two alleles at one position",
    "indel": "insertions and deletions",
    "mnp": "several bases replaced together",
    "symbolic": "symbolic alleles, such as <DEL>",
    "monomorphic": "all samples carry the same allele",
    "no_genotype": "records without genotypes",
    "rare": "the rarer allele is below --min-maf",
    "missing": "more genotypes missing than --max-missing allows",
    "masked": "outside the callable mask",
    "duplicate": "a position that came before",
    "outside": "positions past the contig's end",
    "not scanned": "outside the regions asked for",
}


def title_of(run: Run) -> str:
    """Name the page after the input."""
    given = run.record.get("inputs")
    vcf = given.get("vcf") if isinstance(given, dict) else None
    path = vcf.get("path") if isinstance(vcf, dict) else None
    return Path(path).name if isinstance(path, str) and path else "Genome scan"


def number(value: float, digits: int = 3) -> str:
    """Write a number with a true minus sign, a missing one as a dot.

    Examples
    --------
    >>> number(-0.00123), number(12345.6), number(float("nan")), number(3.0)
    ('−0.00123', '12,300', '·', '3')
    """
    if not np.isfinite(value):
        return NO_VALUE
    rounded = float(f"{value:.{digits}g}")
    if rounded != 0 and (abs(rounded) < 1e-4 or abs(rounded) >= 1e9):
        factor, _, power = f"{rounded:.{digits - 1}e}".partition("e")
        text = f"{factor.rstrip('0').rstrip('.')}e{int(power)}"
    else:
        text = f"{rounded:,.10f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def short(value: float) -> str:
    """Write a number as briefly as a table needs it.

    Examples
    --------
    >>> short(-2.3049), short(0.000666), short(float("nan"))
    ('−2.3', '0.00067', '·')
    """
    return number(value, 3 if abs(value) >= 1 else 2)


def percent(share: float) -> str:
    """Write a share as a percentage, small ones with more digits.

    Examples
    --------
    >>> percent(0.00034), percent(0.5), percent(1.0), percent(0.9999)
    ('0.034%', '50%', '100%', '99.99%')
    """
    digits = 4 if 0.99 < share < 1 else 2
    return f"{float(f'{100 * share:.{digits}g}'):.10f}".rstrip("0").rstrip(".") + "%"


def _histories(entries: object) -> str:
    """Tell what run.json says of the histories of populations; nothing where there are none."""
    listed = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    found = [(str(entry.get("population") or "all samples"), history_in_words(entry)) for entry in listed]
    return "<br>".join(f"{escape(name)}: {words}" for name, words in found if words)


def facts(result: Result, used: int | None) -> str:
    """List what was scanned, and how."""
    run, record = result.run, result.run.record
    rows: list[tuple[str, str]] = []
    inputs = record.get("inputs")
    for name, item in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(item, dict) and name in ("vcf", "ancestral", "mask") and item.get("path"):
            mark = f" <small>sha256 {escape(str(item['sha256'])[:12])}</small>" if item.get("sha256") else ""
            label = {"vcf": "Input"}.get(name, name.capitalize())
            rows.append((label, f"<span title='{escape(str(item['path']))}'>{escape(Path(str(item['path'])).name)}"
                                f"</span>{mark}"))  # fmt: skip
    populations = record.get("populations")
    if isinstance(populations, dict) and populations:
        listed = ", ".join(f"{escape(str(name))}&nbsp;{escape(str(count))}" for name, count in populations.items())
        rows.append(("Chromosomes", listed))
    regions = record.get("regions")
    if isinstance(regions, list) and regions:
        more = f" and {len(regions) - 4} more" if len(regions) > 4 else ""
        rows.append(("Regions", ", ".join(escape(str(region)) for region in regions[:4]) + more))
    rows.append(("Windows", f"{len(result.table):,}, {escape(window_text(run))}"))
    if used is not None:
        rows.append(("Sites used", f"{used:,}"))
    told = {name: str(record[name]) for name in ("seed", "finished") if record.get(name) is not None}
    rows += [
        (name.capitalize(), escape(text.replace("T", " ").replace("+00:00", " UTC"))) for name, text in told.items()
    ]
    histories = _histories(record.get("histories"))
    if histories:
        rows.append(("Histories", histories))
    versions = record.get("versions")
    if isinstance(versions, dict):
        listed = ", ".join(f"{escape(str(name))}&nbsp;{escape(str(text))}" for name, text in versions.items())
        rows.append(("Versions", f"<small>{listed}</small>"))
    command = record.get("command")
    if isinstance(command, list) and command:
        rows.append(("Command", f"<code>{escape(' '.join(str(word) for word in command))}</code>"))
    wide = {"Histories", "Versions", "Command"}
    return "\n".join(
        f"<div{' class=full' if label in wide else ''}><dt>{escape(label)}</dt><dd>{text}</dd></div>"
        for label, text in rows
    )


def window_text(run: Run) -> str:
    """Say how the windows are laid.

    Examples
    --------
    >>> window_text(Run({}, "bp", 100_000, 10_000, (), None))
    '100 kb every 10 kb'
    """
    if run.kind == "bed" or run.window is None or run.step is None:
        return "from a BED file"
    if run.kind == "sites":
        return f"{run.window:,} SNPs every {run.step:,}"
    return f"{distance(run.window)} every {distance(run.step)}"


def candidate_rows(result: Result, tracks: Sequence[DrawnTrack], candidates: Sequence[Candidate]) -> str:
    """Write the best regions as table rows; cells hold what they are sorted by."""
    by_column = {track.column: track for track in tracks}
    rows = []
    for rank, item in enumerate(candidates[:LISTED], start=1):
        region, least = item.region, min(support.share for support in item.support)
        order = int(result.table.contig[item.peak]) * (1 << 40) + region.start
        cells = [
            f'<td class="rank" data-v="{rank}">{rank}</td>',
            f'<th scope="row" data-v="{order}"><b>{escape(region.contig)}</b> {region.start + 1:,}–{region.end:,} '
            f"<small>{distance(len(region))}</small></th>",
            f'<td class="agree" data-v="{len(item.scores)}">{len(item.scores)}</td>',
            f'<td class="calls" data-v="{least:.9g}">{_chips(item.support, by_column)}</td>',
        ]
        if item.near is not None:
            text = escape(gene_text(item.near))
            cells.append(f'<td class="genes{"" if item.near.inside else " far"}" data-v="{text}">{text}</td>')
        cells += [_values(result, found, item.peak) for found in _classical(tracks)]
        rows.append(
            f'<tr tabindex="0" data-contig="{escape(region.contig)}" data-start="{region.start}" '
            f'data-end="{region.end}">{"".join(cells)}</tr>'
        )
    return "\n".join(rows)


def _classical(tracks: Sequence[DrawnTrack]) -> list[list[DrawnTrack]]:
    """Choose the statistics that every region is described by, each with its populations."""
    found = [[track for track in tracks if track.score == score] for score in CLASSICAL]
    return [group for group in found if group]


def _values(result: Result, tracks: Sequence[DrawnTrack], row: int) -> str:
    """Write the values of a statistic in one window, one population a line, sorted by the most remarkable one."""
    values = np.array([result.table.columns[track.column][row] for track in tracks])
    known = values[np.isfinite(values)]
    extreme = known.max(initial=-np.inf) if tracks[0].score in HIGH else known.min(initial=np.inf)
    key = f"{extreme:.9g}" if len(known) else ""
    lines = [
        f"<div><span>{escape('/'.join(track.populations))}</span> {short(float(value))}</div>"
        for track, value in zip(tracks, values, strict=True)
    ]
    more = f"<div><span>and {len(lines) - STACKED} more</span></div>" if len(lines) > STACKED else ""
    return f'<td class="values" data-v="{key}">{"".join(lines[:STACKED])}{more}</td>'


def candidate_head(tracks: Sequence[DrawnTrack], *, genes: bool) -> str:
    """Write the heading of the table of regions: a button each to sort by."""
    plain = [("#", 1), ("Region", 1), ("Agree", -1), ("Called by", 1), *([("Genes", 1)] if genes else [])]
    classical = [
        (catalogue()[found[0].score].label, -1 if found[0].score in HIGH else 1) for found in _classical(tracks)
    ]
    return f"<tr>{''.join(_sorter(name, direction) for name, direction in [*plain, *classical])}</tr>"


def _sorter(name: str, direction: int) -> str:
    return f'<th scope="col"><button type="button" data-d="{direction}">{escape(name)}</button></th>'


def _chips(support: Sequence[Support], tracks: Mapping[str, DrawnTrack]) -> str:
    """Write one chip for each statistic, with the populations that call it, value and rank."""
    grouped: dict[tuple[str, bool], list[Support]] = defaultdict(list)
    for item in support:
        grouped[item.score, item.low].append(item)
    chips = []
    for (score, low), items in grouped.items():
        track = tracks[items[0].column]
        colour = track.colour_negative if low and min(i.value for i in items) < track.baseline else track.colour
        side = "lowest" if low else "top"
        parts = []
        for item in items:
            who = escape("/".join(tracks[item.column].populations))
            rank = f"{who} {side} {percent(item.share)} of all windows".strip()
            parts.append(f'<span title="{rank}">{f"{who} {short(item.value)}".strip()}</span>')
        rgb = ",".join(str(part) for part in colour)
        label = escape(catalogue()[score].label)
        best = f"<small>{side} {percent(min(item.share for item in items))}</small>"
        chips.append(f'<div class="chip" style="--c:rgb({rgb})"><b>{label}</b> {", ".join(parts)} {best}</div>')
    return "".join(chips)


def read_accounting(path: Path) -> dict[str, dict[str, Counter[str]]]:
    """Read kind, name, outcome and count; nothing where the file is missing or is none."""
    try:
        return read_accounts(path)
    except InputError:
        return {"records": {}, "windows": {}}


def records_table(records: Mapping[str, Counter[str]]) -> str:
    """Say what became of the records of the file."""
    total: Counter[str] = sum(records.values(), Counter())
    everything = sum(total.values()) or 1
    order = sorted(total, key=lambda name: (name != "sites", -total[name], name))
    rows = [
        f"<tr><th scope='row'>{escape(name.replace('_', ' '))}</th><td class='n'>{total[name]:,}</td>"
        f"<td class='n'>{percent(total[name] / everything)}</td><td>{escape(RECORD_REASONS.get(name, ''))}</td></tr>"
        for name in order
    ]
    head = "<tr><th>Records</th><th class='n'>Number</th><th class='n'>Share</th><th>What they are</th></tr>"
    return f"<table class='small'><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def windows_table(run: Run, windows: Mapping[str, Counter[str]]) -> str:
    """Say which statistics lack values, and why; those that lack none are named below."""
    known = catalogue()
    by_score: dict[str, Counter[str]] = defaultdict(Counter)
    for score in run.scores:
        if score.name in known and score.column in windows:
            by_score[score.name] += windows[score.column]
    reasons = sorted({reason for counts in by_score.values() for reason in counts} - {"value"})
    order = sorted(by_score, key=lambda name: known[name].order)
    whole = [known[name].label for name in order if set(by_score[name]) <= {"value"}]
    rows = []
    for name in order:
        counts = by_score[name]
        if set(counts) <= {"value"}:
            continue
        total = sum(counts.values())
        cells = [counts.get("value", 0), *(counts.get(reason, 0) for reason in reasons)]
        shares = "".join(f"<td class='n'>{percent(count / total) if count else NO_VALUE}</td>" for count in cells)
        rows.append(f"<tr><th scope='row'>{escape(known[name].label)}</th>{shares}</tr>")
    full = f"<p>With a value in every window: {escape(', '.join(whole))}.</p>" if whole else ""
    if not rows:
        return full
    head = "".join(f"<th class='n'>{escape(reason.replace('_', ' '))}</th>" for reason in reasons)
    legend = "".join(
        f"<div><dt>{escape(reason.replace('_', ' '))}</dt><dd>{escape(WINDOW_REASONS.get(reason, ''))}</dd></div>"
        for reason in reasons
    )
    return (
        "<div class='scroll'><table class='small'><thead><tr><th>Windows</th><th class='n'>with a value</th>"
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div><dl class='reasons'>{legend}</dl>{full}"
    )


def options(names: Iterable[tuple[str, str]], chosen: str | None = None) -> str:
    """Write the options of a select box from pairs of value and text."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in names
    )


def opening(directory: Path) -> str:
    """Say how to open the result elsewhere; only what is there is named."""
    ways: list[tuple[str, str]] = [
        ("At full resolution here", "run <code>popscan view</code> on this folder and open the link that it prints")
    ]
    if (directory / "igv_session.xml").exists():
        ways.append(
            ("IGV desktop", "<i>File › Open Session</i>, and choose <code>igv_session.xml</code> in this folder")
        )
    if (directory / "hub" / "hub.txt").exists():
        ways.append((
            "UCSC Genome Browser",
            "put the folder on a web server that answers byte ranges, then <i>My Data › Track Hubs › Connected Hubs</i>"
            " with the address of <code>hub/hub.txt</code>",
        ))  # fmt: skip
    if (directory / "jbrowse_config.json").exists():
        ways.append(("JBrowse 2", "<i>?config=</i> with the address of <code>jbrowse_config.json</code>"))
    ways.append(("Tables", "<code>windows.tsv.gz</code> has every value, <code>candidates.tsv</code> every region"))
    return "\n".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in ways)


def plain(value: Any) -> Any:
    """Turn numbers that JSON cannot hold into null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
