"""Run the popscan command under a profiler and print what each stage took; not to be run by hand.

``stages.py RECORDS ARGUMENTS...`` A stage's time does not hold that of other stages that it calls.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from typing import Any

Key = tuple[str, int, str]
STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "import modules, those of numba included": (("<frozen importlib._bootstrap>", "_find_and_load"),),
    "load compiled kernels": (("dispatcher.py", "_compile_for_args"),),
    "look at the input (plan.py, probe.py)": (("plan.py", "make_plan"),),
    "choose sites, polarise (vcf.py)": (("vcf.py", "read"),),
    "get records out of the file (vcf.py)": (("vcf.py", "_guarded"),),
    "parse (decode.py)": (("decode.py", "decode_lines"), ("decode.py", "decode_variants"), ("decode.py", "decode_bcf")),
    "pack (haplotypes.py)": (("haplotypes.py", "pack_populations"),),
    "statistics": (("registry.py", "compute_all"),),
    "commit parts (parts.py)": (("parts.py", "save"),),
    "join parts, write the table (gather.py)": (("gather.py", "gather"),),
    "draw tracks (publish.py)": (("publish.py", "publish"),),
}


def main() -> None:
    """Profile one scan in this process."""
    records = int(sys.argv[1])
    profile = cProfile.Profile(time.process_time, builtins=False)
    status = profile.runcall(popscan, sys.argv[2:])
    if status:
        raise SystemExit(status)
    for name, own in cumulative(profile).items():
        print(f"{name:42}{own:8.3f} s{own / records * 1e6:8.2f} us/record")


def popscan(words: list[str]) -> int:
    """Import the command within what is profiled, and run it."""
    from scanner.cli import main as command

    return command(words)


def cumulative(profile: cProfile.Profile) -> dict[str, float]:
    """Give the seconds of every stage without those of the stages that it calls, and of all the rest."""
    table = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    members = {place: stage for stage, places in STAGES.items() for place in places}
    stage_of = {key: members[place] for key in table if (place := (key[0].rpartition("/")[2], key[2])) in members}
    own = dict.fromkeys([*STAGES, "all the rest"], 0.0)
    seen: dict[Key, dict[str | None, float]] = {}
    for key, entry in table.items():
        for stage, share in shares(key, table, stage_of, seen).items():
            own[stage or "all the rest"] += entry[2] * share
    return own


def shares(
    key: Key, table: dict[Key, Any], stage_of: dict[Key, str], seen: dict[Key, dict[str | None, float]]
) -> dict[str | None, float]:
    """Tell what share of a function's time belongs to which stage, by who called it for how long."""
    if key in stage_of:
        return {stage_of[key]: 1.0}
    if key in seen:
        return seen[key]
    seen[key] = {}  # where functions call one another in a circle, what called the circle counts
    callers = table[key][4]
    found: dict[str | None, float] = {}
    for caller, entry in callers.items():
        for stage, share in shares(caller, table, stage_of, seen).items():
            found[stage] = found.get(stage, 0.0) + share * max(entry[3], 1e-9)
    total = sum(found.values())
    seen[key] = {stage: weight / total for stage, weight in found.items()} if found else {}
    if not callers:
        seen[key] = {None: 1.0}
    return seen[key]


if __name__ == "__main__":
    main()
