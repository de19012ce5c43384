"""The page of a large genome: 24 contigs of 125 Mb, a window every 10 kb, 33 columns shown.

The values are drawn, not scanned: noise averaged over the five windows that overlap, in each population a part shared
and a part of its own, with stretches without values. Wanted: a page below 25 MB, made in less than a minute.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import arguments, print_rows, verdict

from scanner import publish as publishing
from scanner.browser.page import Page, write_page
from scanner.regions import Region
from scanner.table import TableWriter
from scanner.windows import sliding

POPULATIONS = ("AFR", "EUR", "EAS")
SINGLE = ("tajimas_d", "pi", "h12", "ihs", "mu", "zns", "sites")
PAIRS = ("xpehh", "fst", "dxy")
WINDOW, STEP = 50_000, 10_000
MEGABYTES, SECONDS = 25, 60


def scores() -> list[dict[str, Any]]:
    """List the columns as run.json does."""
    found = [(name, (population,)) for name in SINGLE for population in POPULATIONS]
    found += [(name, pair) for name in PAIRS for pair in itertools.combinations(POPULATIONS, 2)]
    turns = [POPULATIONS[at:] + POPULATIONS[:at] for at in range(3)]
    found += [("pbs", turn) for turn in turns]
    return [{"column": ".".join([n, *p]), "name": n, "populations": list(p)} for n, p in found]


def values(rng: np.random.Generator, rows: int, columns: list[dict[str, Any]]) -> np.ndarray:
    """Draw the windows of one contig."""
    shared = rng.normal(size=rows + 4)
    matrix = np.empty((rows, len(columns)))
    for at, column in enumerate(columns):
        noise = np.convolve(0.6 * shared + 0.8 * rng.normal(size=rows + 4), np.full(5, 0.2), mode="valid")
        matrix[:, at] = noise if column["name"] in ("tajimas_d", "pbs", "fst") else 0.001 * np.exp(noise)
    for start in rng.integers(0, rows, max(1, rows // 2_000)):
        matrix[start : start + 30] = np.nan
    return matrix


def make(folder: Path, contigs: int, length: int) -> Path:
    """Write a result."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, columns = np.random.default_rng(4), scores()
    lengths = {f"chr{number}": length for number in range(1, contigs + 1)}
    with TableWriter(folder / "windows.tsv.gz", [column["column"] for column in columns]) as writer:
        for name in lengths:
            windows = sliding(Region(name, 0, length), WINDOW, STEP)
            matrix = values(rng, len(windows), columns)
            writer.write(name, windows.start, windows.end, matrix, ["."] * len(windows))
    entry = {"kind": "bp", "window": WINDOW, "step": STEP}
    record = {"popscan": "0", "contigs": lengths, "windows": entry, "scores": columns}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def main() -> None:
    """Draw a result, publish it, and measure the page."""
    given = arguments(__doc__, contigs=24, megabases=125)
    folder = make(given.folder / f"page_{given.contigs}_{given.megabases}", given.contigs, given.megabases * 1_000_000)
    seconds: list[float] = []

    def timed(*what: Any) -> Page:
        began = time.perf_counter()
        made = write_page(*what)
        seconds.append(time.perf_counter() - began)
        return made

    publishing.write_page = timed
    began = time.perf_counter()
    publishing.publish(folder)
    whole = time.perf_counter() - began
    size = (folder / "index.html").stat().st_size / 1e6
    rows = [
        ("", "seconds", "MB"),
        ("all browser files", f"{whole:.1f}", ""),
        ("the page", f"{seconds[0]:.1f}", f"{size:.1f}"),
    ]
    print_rows(rows)
    verdict("MB of the page", size, MEGABYTES)
    verdict("seconds for the page", seconds[0], SECONDS)


if __name__ == "__main__":
    main()
