"""A small result of three populations, for the tests of hubs here and in real clients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from scanner.regions import Region
from scanner.table import TableWriter
from scanner.windows import sliding

HG19_20, HG38_20 = 63_025_520, 64_444_167
CONTIGS = {"20": HG19_20, "MT": 16_569, "GL000192.1": 547_496}
POPULATIONS = {"GBR": 182, "FIN": 198, "IBS": 214}
LONGEST = 60_000
SCORES = [
    *[(name, (population,)) for name in ("tajimas_d", "pi", "sites") for population in POPULATIONS],
    *[("fst", pair) for pair in (("GBR", "FIN"), ("GBR", "IBS"), ("FIN", "IBS"))],
    ("pbs", ("GBR", "FIN", "IBS")),
    ("callable", ()),
    ("theta_h", ("GBR",)),
]


def column(name: str, populations: tuple[str, ...]) -> str:
    return ".".join([name, *populations])


def cells(name: str, rows: int) -> np.ndarray:
    """Make up values; those of theta_h are all missing, every 9th of the others is."""
    values = np.random.default_rng(sum(name.encode())).normal(0.3, 1, rows)
    values = values if name.startswith(("tajima", "fst", "pbs")) else np.abs(values)
    values[::9] = np.nan
    return np.full(rows, np.nan) if name.startswith("theta_h") else values


def make_result(
    folder: Path,
    contigs: dict[str, int] = CONTIGS,
    scores: list[tuple[str, tuple[str, ...]]] = SCORES,
    **changes: object,
) -> Path:
    """Write a result with windows of 5 kb every 1 kb on up to 60 kb of each contig; and a run.json, partly changed."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [column(*score) for score in scores]
    with TableWriter(folder / "windows.tsv.gz", columns) as writer:
        for contig, length in contigs.items():
            windows = sliding(Region(contig, 0, min(length, LONGEST)), 5000, 1000)
            values = np.column_stack([cells(name + contig, len(windows)) for name in columns])
            values = 0.5 + values / 20 if contig.startswith("GL") else values  # nothing there is called
            writer.write(contig, windows.start, windows.end, values, ["."] * len(windows))
    entry = {
        "popscan": "0.1.0",
        "command": ["popscan", "scan", "/home/someone/chr20.vcf.gz", "--out=/data/<b>x"],
        "finished": "2026-01-02T03:04:05+00:00",
        "inputs": {"vcf": {"path": "/home/someone/chr20.vcf.gz"}},
        "contigs": contigs,
        "windows": {"kind": "bp", "window": 5000, "step": 1000},
        "populations": POPULATIONS,
        "scores": [{"column": column(*score), "name": score[0], "populations": list(score[1])} for score in scores],
        "genome": None,
        "email": "someone@example.org",
    }
    (folder / "run.json").write_text(json.dumps(entry | changes))
    return folder


def write_fasta(path: Path, lengths: dict[str, int], seed: int = 1) -> dict[str, str]:
    """Write random sequences, of upper and lower case and with some N, 60 to a line; give them by name."""
    draw, made = np.random.default_rng(seed), {}
    with path.open("w") as file:
        for name, length in lengths.items():
            made[name] = "".join(draw.choice(list("ACGTacgtN"), length))
            rows = [made[name][at : at + 60] for at in range(0, length, 60)]
            file.write(f">{name}\n" + "".join(row + "\n" for row in rows))
    return made
