"""A Dask cluster of processes of its own against popscan's own processes, as many of them, for the same scan.

Both are started before and have scanned once, so that their start and their imports are not counted; scans then go by
turns. Wanted: at most 1.05 times the wall and CPU time of popscan's own processes. What the start costs on either side
is printed beside. CPU time is that of all processes, the scheduler's too.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from harness import HERE, PYTHON, Cost, Data, arguments, compare, print_rows, ratio, simulated, verdict

TARGET = 1.05
OWN, DASK = "own processes", "Dask cluster"
NOWHERE = subprocess.DEVNULL


def main() -> None:
    """Start both, and scan by turns."""
    given = arguments(__doc__, diploids=500, megabases=50, processes=2)
    data = simulated(given.folder, given.diploids, given.megabases * 1_000_000)
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popscan-benchmark-")))
        address = stack.enter_context(cluster(place, given.processes))
        drivers = {
            name: stack.enter_context(driver(data, who, place))
            for name, who in ((OWN, str(given.processes)), (DASK, address))
        }
        starts = {name: float(answer(one)) for name, one in drivers.items()}
        costs = by_turns(drivers, given.rounds)
    compare(f"{data.path.name}, {given.processes} processes", costs, OWN, data.records)
    for what in ("cpu", "wall"):
        verdict(f"{what} on a cluster over that of own processes", ratio(costs[DASK], costs[OWN], what), TARGET)
    print("\nseconds to start processes, or to connect and look at the workers")
    print_rows([(name, f"{seconds:.2f}") for name, seconds in starts.items()])


def by_turns(drivers: dict[str, subprocess.Popen[str]], rounds: int) -> dict[str, list[Cost]]:
    """Scan A B, then B A, and so on; a first round is not counted."""
    costs: dict[str, list[Cost]] = {name: [] for name in drivers}
    for turn in range(rounds + 1):
        for name in drivers if turn % 2 else reversed(drivers):
            cost = one_scan(drivers[name])
            if turn:
                costs[name].append(cost)
    return costs


def one_scan(process: subprocess.Popen[str]) -> Cost:
    """Let a driver scan, and measure it with all other processes below this one, which wait meanwhile."""
    assert process.stdin is not None
    with tempfile.TemporaryDirectory(prefix="popscan-benchmark-") as folder:
        before, began = seconds_of_cpu(), time.perf_counter()
        print(Path(folder) / "out", file=process.stdin, flush=True)
        answer(process)
        wall = time.perf_counter() - began
        largest = max(one.memory_info().rss for one in family())
        return Cost(wall, seconds_of_cpu() - before, largest / 1e6)


def answer(process: subprocess.Popen[str]) -> str:
    """Wait for a line of a driver."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args} ended with {process.wait()}")
    return line


def family() -> list[psutil.Process]:
    """List this process and all below it."""
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def seconds_of_cpu() -> float:
    """Add up the CPU time of the family."""
    times = [process.cpu_times() for process in family()]
    return sum(one.user + one.system for one in times)


@contextlib.contextmanager
def driver(data: Data, who: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that scans when it is told to."""
    call = [PYTHON, str(HERE / "driver.py"), str(data.path), str(data.populations), who, str(place)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@contextlib.contextmanager
def cluster(place: Path, processes: int) -> Iterator[str]:
    """Start a scheduler and workers as a user would, and give the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [PYTHON, "-m", "dask"]
    calls = [[*dask, "scheduler", "--host", address, "--no-dashboard"]]
    calls += [[*dask, "worker", address, "--nthreads", "1", "--no-dashboard"]] * processes
    started = [subprocess.Popen(call, stdout=NOWHERE, stderr=NOWHERE, cwd=place) for call in calls]
    try:
        wait = f"from distributed import Client; Client({address!r}, timeout=60).wait_for_workers({processes}, 60)"
        subprocess.run([PYTHON, "-c", wait], check=True)
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
