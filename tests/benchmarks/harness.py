"""What the benchmarks share: simulated data that is kept, commands measured by turns, and tables.

This module imports the standard library alone and does nothing heavy itself: on Linux a process inherits the peak
memory of the one that started it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PYTHON = sys.executable
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


@dataclass(frozen=True)
class Cost:
    """What one run of a command took: seconds of wall clock and of all its processes, peak MB of the largest one."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Data:
    """A simulated file: its path, population file, length in bp and number of records."""

    path: Path
    populations: Path
    length: int
    records: int


def arguments(purpose: str | None, **defaults: int) -> argparse.Namespace:
    """Read ``--folder``, ``--rounds`` and whatever whole numbers a benchmark lets one choose."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    home = Path(tempfile.gettempdir()) / "popscan-benchmarks"
    parser.add_argument("--folder", type=Path, default=home, help=f"where the data are kept [{home}]")
    for name, value in {"rounds": 5, **defaults}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"[{value}]")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    return given


def simulated(folder: Path, diploids: int, length: int, *, growing: bool = False) -> Data:
    """Give a simulated VCF.gz, made where it is not in the folder yet."""
    name = f"n{diploids}_{length // 1_000}kb{'_growing' if growing else ''}"
    path, populations, count = (folder / f"{name}{end}" for end in (".vcf.gz", ".populations.tsv", ".records"))
    if not count.exists():
        print(f"simulating {name} ...", flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            command = [PYTHON, str(HERE / "simulate.py"), str(Path(draft) / path.name)]
            command += ["--diploids", str(diploids), "--length", str(length), *(["--growing"] if growing else [])]
            records = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            for made in Path(draft).iterdir():
                made.replace(folder / made.name)
            count.write_text(records)
    return Data(path, populations, length, int(count.read_text()))


def as_bcf(data: Data) -> Data | None:
    """Give the same records as BCF; None where there is no bcftools."""
    bcf = data.path.with_name(data.path.name.removesuffix(".vcf.gz") + ".bcf")
    if shutil.which("bcftools") is None:
        return None
    if not bcf.with_name(bcf.name + ".csi").exists():
        subprocess.run(["bcftools", "view", "-Ob", "-o", str(bcf), str(data.path)], check=True)
        subprocess.run(["bcftools", "index", str(bcf)], check=True)
    return Data(bcf, data.populations, data.length, data.records)


def scan(data: Data, out: Path, *options: str) -> list[str]:
    """Spell a popscan scan of three populations."""
    command = [str(BIN / "popscan"), "scan", str(data.path), "--out", str(out), "--populations", str(data.populations)]
    return [*command, "--quiet", *options]


def measure(command: Sequence[str], cwd: Path) -> Cost:
    """Run a command to its end and measure it with all its processes, those included that outlive it a little."""
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, cwd=cwd, stdout=said, stderr=said) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read().decode()}")
    usages = [usage]
    with contextlib.suppress(ChildProcessError):
        while True:
            usages.append(os.wait3(0)[2])
    cpu = sum(one.ru_utime + one.ru_stime for one in usages)
    return Cost(wall, cpu, max(one.ru_maxrss for one in usages) / 1024)


def by_turns(commands: Mapping[str, Callable[[Path], Sequence[str]]], rounds: int) -> dict[str, list[Cost]]:
    """Measure commands A B A B ..., each in a fresh folder that it is given; a first round is not counted."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory(prefix="popscan-benchmark-") as folder:
                cost = measure(command(Path(folder)), Path(folder))
            if turn:
                costs[name].append(cost)
    return costs


def median(costs: Sequence[Cost], what: str) -> float:
    """Give the median of one measure."""
    return statistics.median(getattr(cost, what) for cost in costs)


def ratio(costs: Sequence[Cost], base: Sequence[Cost], what: str) -> float:
    """Give the median of the ratios of runs that stood side by side."""
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(costs, base, strict=True))


def compare(title: str, costs: Mapping[str, Sequence[Cost]], base: str, records: int) -> None:
    """Print medians, and ratios to one of the commands."""
    rows = [("", "wall s", "cpu s", "cpu us/record", "peak MB", "wall ratio", "cpu ratio")]
    for name, found in costs.items():
        wall, cpu, peak = (median(found, what) for what in ("wall", "cpu", "peak"))
        shares = (f"{ratio(found, costs[base], what):.2f}" for what in ("wall", "cpu"))
        rows.append((name, f"{wall:.2f}", f"{cpu:.2f}", f"{cpu / records * 1e6:.1f}", f"{peak:.0f}", *shares))
    print(f"\n{title} ({records:,} records, medians of {len(costs[base])})")
    print_rows(rows)


def print_stages(data: Data, *options: str) -> None:
    """Scan in one process under a profiler, and print the CPU time of every stage."""
    with tempfile.TemporaryDirectory(prefix="popscan-benchmark-") as folder:
        command = scan(data, Path(folder) / "out", "--threads", "1", *options)
        subprocess.run([PYTHON, str(HERE / "stages.py"), str(data.records), *command[1:]], check=True)


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, the first one to the left."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip(), flush=True)


def verdict(what: str, found: float, limit: float) -> None:
    """Say whether a target is met."""
    print(f"{'met   ' if found <= limit else 'MISSED'}  {what}: {found:.2f}, at most {limit:.2f} wanted", flush=True)
