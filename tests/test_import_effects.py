"""What importing popscan does to the process it happens in: nothing, and quickly."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_architecture import ROOT, SOURCES, imports, report

LAZY = ("allel", "distributed", "fwdpy11", "jax", "keras", "msprime", "tensorflow", "tskit")
OPTIONAL = ("jax", "keras", "tensorflow")  # extras of the package: a machine may lack them

# What other people's packages do when imported is not ours to mend: they come first, then the state is taken, then
# popscan's modules are imported one by one and the state is compared.
PROBE = """
import importlib, json, logging, os, signal, sys, warnings

outside, modules, optional = json.loads(sys.argv[1])
for name in outside:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in optional:
            raise
import numpy
for stream in sys.stdout, sys.stderr:
    print('ours:', file=stream, flush=True)

def state():
    return {
        "log handlers": [repr(handler) for handler in logging.getLogger().handlers] + [logging.getLogger().level],
        "errstate": numpy.geterr(),
        "warning filters": [repr(rule) for rule in warnings.filters],
        "files": sorted(os.listdir()),
        "signal handlers": [repr(signal.getsignal(number)) for number in signal.valid_signals()],
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "output": [repr(sys.stdout), repr(sys.stderr), repr(sys.excepthook)],
    }

changes, before = [], state()
for name in modules:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in optional:
            raise
    after = state()
    changes += [(name, key, repr(before[key]), repr(after[key])) for key in after if after[key] != before[key]]
    before = after
print(json.dumps(changes))
"""


def probe(code: str, *arguments: str, folder: Path, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, in an empty folder."""
    environment = {key: os.environ[key] for key in ("HOME", "PATH", "LANG") if key in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def changes(modules: list[str], outside: list[str], *, folder: Path, path: Path = ROOT) -> list[list[str]]:
    """Import modules one by one, and give what each changed: module, what, before, after."""
    done = probe(PROBE, json.dumps([outside, modules, OPTIONAL]), folder=folder, path=path)
    assert done.returncode == 0, done.stderr
    printed, errors = (text.partition("ours:\n")[2] for text in (done.stdout, done.stderr))
    *noise, result = printed.splitlines()
    assert (noise, errors) == ([], ""), "an import printed something"
    rows: list[list[str]] = json.loads(result)
    return rows


def test_importing_changes_nothing(tmp_path: Path) -> None:
    known = {source.name for source in SOURCES}
    outside: set[str] = set()
    for source in SOURCES:
        at_import = [node for node in source.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        lines = {node.lineno for node in at_import}
        outside |= {name for line, name in imports(source, known) if line in lines and not name.startswith("scanner")}
    found = changes(sorted(known), sorted(outside - {"__future__"}), folder=tmp_path)
    paths = {source.name: source.path for source in SOURCES}
    report([f"{paths[name]}:1: importing it changes {what}: {old} -> {new}" for name, what, old, new in found])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import logging; logging.basicConfig()", ["log handlers"]),
        ("import numpy; numpy.seterr(all='ignore')", ["errstate"]),
        ("import warnings; warnings.simplefilter('ignore')", ["warning filters"]),
        ("open('left', 'w').close()", ["files"]),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)", ["signal handlers"]),
        ("import os; os.environ['NEW'] = '1'", ["environment"]),
        ("import os; os.chdir('/')", ["files", "directory"]),
        ("import sys; sys.excepthook = print", ["output"]),
        ("import no_such_extra", None),
        ("print('hello')", None),
        ("import sys; print('hello', file=sys.stderr)", None),
    ],
)
def test_a_change_at_import_is_seen(tmp_path: Path, text: str, what: list[str] | None) -> None:
    package, work = tmp_path / "package", tmp_path / "work"
    package.mkdir()
    work.mkdir()
    (package / "noisy.py").write_text(text)
    if what is None:
        with pytest.raises(AssertionError, match=r"no_such_extra|hello"):
            changes(["noisy"], [], folder=work, path=package)
    else:
        assert [row[:2] for row in changes(["noisy"], [], folder=work, path=package)] == [["noisy", w] for w in what]


def test_the_command_line_starts_light(tmp_path: Path) -> None:
    code = f"import sys, scanner.cli; print(*[name for name in {LAZY!r} if name in sys.modules])"
    done = probe(code, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [], "import scanner.cli loads these, which must wait until they are needed"
