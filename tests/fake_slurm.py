"""Commands by the names of Slurm's that start jobs as processes of this machine: `sbatch`, `scancel` and `squeue`."""

from __future__ import annotations

import sys
from pathlib import Path

_SBATCH = """#!{python}
import re, subprocess, sys
from pathlib import Path

script = Path(sys.argv[-1]).read_text()
asked = re.search(r"#SBATCH -p (\\S+)", script)
if asked and asked[1] == "nowhere":
    sys.exit("sbatch: error: invalid partition specified: nowhere")
if "--test-only" in sys.argv:
    sys.exit(0)
place, said = Path({place!r}), re.search(r"#SBATCH -o (\\S+)", script)[1].replace("%J", "all")
job = subprocess.Popen(["bash", sys.argv[-1]], stdin=subprocess.DEVNULL, stdout=open(said, "a"),
                       stderr=subprocess.STDOUT, start_new_session=True)
(place / "jobs").open("a").write(f"{{job.pid}}\\n")
(place / f"script-{{job.pid}}").write_text(script)
print(f"Submitted batch job {{job.pid}}")
"""
_SCANCEL = """#!{python}
import os, signal, sys

for job in sys.argv[1:]:
    try:
        os.killpg(int(job), signal.SIGKILL)
    except ProcessLookupError:
        pass
"""
_SQUEUE = """#!{python}
import subprocess
from pathlib import Path

submitted = Path({place!r}, "jobs")
groups = submitted.read_text().split() if submitted.exists() else []
states = subprocess.run(["ps", "-A", "-o", "pgid=", "-o", "stat="], capture_output=True, text=True, check=True).stdout
alive = {{line.split()[0] for line in states.splitlines() if not line.split()[1].startswith("Z")}}
print(*(job for job in groups if job in alive))
"""


def install(place: Path) -> Path:
    """Write the commands into a folder for the path; they list the jobs' process groups in ``jobs`` beside it."""
    folder = place / "bin"
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("scancel", _SCANCEL), ("squeue", _SQUEUE)):
        (folder / name).write_text(text.format(python=sys.executable, place=str(place)))
        (folder / name).chmod(0o755)
    return folder


def jobs(place: Path) -> list[int]:
    """List the process groups of all jobs that were submitted."""
    path = place / "jobs"
    return [int(line) for line in path.read_text().split()] if path.exists() else []
