"""Peak memory of a process: by the length of the chromosome, and with many samples.

Every statistic but iHS, nSL and XP-EHH, three populations, windows of 100 kb. Parts are cut as planned and, beside it,
as large as those of a whole genome, so that a file of some ten megabases says what a genome takes. Wanted: the peak
with 160 Mb is within a tenth of that with 10 Mb, and 2,500 diploids stay below 1.5 GB.
"""

from __future__ import annotations

from harness import HERE, PYTHON, Data, arguments, by_turns, print_rows, scan, simulated, verdict

LENGTHS = (10, 40, 160)
FLAT, LARGE = 1.1, 1_536


def main() -> None:
    """Scan every file in both ways."""
    given = arguments(__doc__, rounds=1, diploids=100, processes=2, many=2_500, many_megabases=8)
    rows = [("", "records", "parts as planned, MB", "full parts, MB")]
    planned: dict[int, float] = {}
    for length in LENGTHS:
        data = simulated(given.folder, given.diploids, length * 1_000_000)
        peaks = measured(data, given.processes, given.rounds)
        planned[length] = peaks[0]
        rows.append(row(f"{given.diploids} diploids, {length} Mb", data, peaks))
    large = simulated(given.folder, given.many, given.many_megabases * 1_000_000, growing=True)
    peaks = measured(large, given.processes, given.rounds)
    rows.append(row(f"{given.many} diploids, {given.many_megabases} Mb", large, peaks))
    print("\npeak memory of the largest process")
    print_rows(rows)
    verdict(f"{LENGTHS[-1]} Mb over {LENGTHS[0]} Mb", planned[LENGTHS[-1]] / planned[LENGTHS[0]], FLAT)
    verdict(f"MB of a process with {given.many} diploids", max(peaks), LARGE)


def measured(data: Data, processes: int, rounds: int) -> list[float]:
    """Give the peak MB with the parts that are planned for this file, and with full ones."""
    threads = ("--threads", str(processes))
    found = by_turns(
        {
            "planned": lambda folder: scan(data, folder / "out", *threads),
            "full": lambda folder: [PYTHON, str(HERE / "full_parts.py"), *scan(data, folder / "out", *threads)[1:]],
        },
        rounds,
    )
    return [max(cost.peak for cost in costs) for costs in found.values()]


def row(name: str, data: Data, peaks: list[float]) -> tuple[str, ...]:
    """Spell one line of the table."""
    return (name, f"{data.records:,}", *(f"{peak:.0f}" for peak in peaks))


if __name__ == "__main__":
    main()
