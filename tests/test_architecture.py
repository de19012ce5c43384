"""The shape of the package: who may import whom, and how long things may get.

The rules are functions from source text to complaints, ``file:line: what``, so that each is first tried on source
that breaks it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Arrows point down: a module imports from its own layer and from those below. A folder is named once for all in it.
LAYERS = {
    0: {"__init__", "errors", "regions"},
    1: {"alignment", "windows", "haplotypes", "scores", "statistics", "channels", "data"},
    2: {
        "bgzf", "browser", "candidates", "catalogue", "cluster", "decode", "discovery", "files", "genes", "logs",
        "network", "numerals", "parts", "populations", "provenance", "reference", "result", "simulate", "table",
        "trees", "vcf", "watch", "workers", "zarr",
    },
    3: {
        "calls", "check", "check_hub", "check_result", "check_tables", "compare", "compute", "demography", "estimate",
        "evaluate", "explain", "gather", "jobarray", "like", "networks", "options", "panels", "partition",
        "plan", "predict", "probe", "publish", "record", "request", "scan", "serve", "sites", "train",
        "workspace",
    },
    4: {"cli"},
}  # fmt: skip
LAYER = {name: layer for layer, names in LAYERS.items() for name in names}

# Who alone may import what. Elsewhere it is too slow to load, or not installed, or truth that only the tests may know.
ONLY = {
    "allel": set[str](),
    "dask": {"cluster", "workers"},
    "dask_jobqueue": {"cluster", "watch"},
    "distributed": {"cluster", "watch", "workers"},
    "fwdpy11": {"simulate"},
    "demes": {"simulate"},
    "jax": {"network"},
    "keras": {"network"},
    "lightgbm": {"evaluate"},
    "msprime": {"simulate"},
    "stdpopsim": {"simulate"},
    "tensorflow": {"network"},
    "tornado": {"serve"},
    "tskit": {"simulate", "trees"},
}

MODULE_LINES, BODY_LINES, PARAMETERS = 400, 40, 7
FORBIDDEN_NAMES = ("models", "tracks")  # the catalogues take these names inside the installed package

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One module: its dotted name, the text, and the path that complaints name."""

    name: str
    text: str
    path: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def unit(self) -> str:
        """Module or folder right under the package, which is what LAYERS lists."""
        return [*self.name.split("."), "__init__"][1]

    @property
    def package(self) -> list[str]:
        parts = self.name.split(".")
        return parts if self.path.endswith("__init__.py") else parts[:-1]


def read_sources() -> list[Source]:
    found = []
    for path in sorted((ROOT / "scanner").rglob("*.py")):
        relative = path.relative_to(ROOT)
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        found.append(Source(name, path.read_text(), str(relative)))
    return found


SOURCES = read_sources()


def imports(source: Source, known: set[str]) -> Iterator[tuple[int, str]]:
    """Give line and absolute name of all that a module imports, at any depth; of packages, the modules meant."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = source.package[: len(source.package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in known else base


def internal(source: Source, known: set[str]) -> list[tuple[int, str]]:
    return [(line, name) for line, name in imports(source, known) if name.split(".")[0] == "scanner"]


def upward(sources: list[Source]) -> list[str]:
    """Complain of modules in no layer and of imports from a higher layer."""
    known, found = {source.name for source in sources}, []
    for source in sources:
        if source.unit not in LAYER:
            found.append(f"{source.path}:1: '{source.unit}' is in no layer: add it to LAYERS")
            continue
        for line, name in internal(source, known):
            unit = [*name.split("."), "__init__"][1]
            if unit not in LAYER:
                found.append(f"{source.path}:{line}: imports {name}, which is in no layer")
            elif LAYER[unit] > LAYER[source.unit]:
                found.append(f"{source.path}:{line}: layer {LAYER[source.unit]} imports {name} of layer {LAYER[unit]}")
    return found


def cycles(sources: list[Source]) -> list[str]:
    """Complain of each import that closes a circle, by depth-first search."""
    known = {source.name for source in sources}
    edges = {source.name: internal(source, known) for source in sources}
    paths = {source.name: source.path for source in sources}
    finished: set[str] = set()
    found: list[str] = []

    def visit(name: str, trail: list[str]) -> None:
        for line, target in edges[name]:
            if target in trail or target == name:
                circle = [*trail[trail.index(target) :], name] if target in trail else [name]
                found.append(f"{paths[name]}:{line}: circle {' -> '.join([*circle, target])}")
            elif target in edges and target not in finished:
                visit(target, [*trail, name])
        finished.add(name)

    for name in edges:
        if name not in finished:
            visit(name, [])
    return found


def outsiders(sources: list[Source]) -> list[str]:
    """Complain of imports that only one module may make."""
    known, found = {source.name for source in sources}, []
    for source in sources:
        for line, name in imports(source, known):
            allowed = ONLY.get(name.split(".")[0])
            if allowed is not None and source.unit not in allowed:
                who = " and ".join(sorted(allowed)) or "a test"
                found.append(f"{source.path}:{line}: imports {name}, which only {who} may")
    return found


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function, lines: list[str]) -> int:
    """Count the lines of a body, comments too; docstring and blank lines do not count."""
    if ast.get_docstring(function) is not None:
        before = function.body[0].end_lineno or 0
    else:  # comments may stand above the first statement, and no node knows of them: look for the end of the signature
        before = function.lineno
        while before < function.body[0].lineno - 1 and not lines[before - 1].endswith(":"):
            before += 1
        before = min(before, function.body[0].lineno - 1)
    return sum(bool(line.strip()) for line in lines[before : function.end_lineno])


def parameters(function: Function) -> int:
    """Count parameters; self and cls are none."""
    named = [*function.args.posonlyargs, *function.args.args]
    named = named[1:] if named and named[0].arg in ("self", "cls") else named
    more = [function.args.vararg, function.args.kwarg]
    return len(named) + len(function.args.kwonlyargs) + sum(argument is not None for argument in more)


def too_much(source: Source) -> list[str]:
    """Complain of modules, bodies and parameter lists over the budget."""
    lines, found = source.text.splitlines(), []
    if len(lines) > MODULE_LINES:
        found.append(f"{source.path}:{len(lines)}: {len(lines)} lines, at most {MODULE_LINES}")
    for function in functions(source.tree):
        where = f"{source.path}:{function.lineno}: {function.name}"
        if (length := body_lines(function, lines)) > BODY_LINES:
            found.append(f"{where} has a body of {length} lines, at most {BODY_LINES}")
        if (count := parameters(function)) > PARAMETERS:
            found.append(f"{where} takes {count} parameters, at most {PARAMETERS}")
    return found


def undocumented(source: Source) -> list[str]:
    """Complain of a module, and of public classes, functions and methods, without a docstring."""
    found = []

    def visit(node: ast.Module | ast.ClassDef) -> None:
        for child in node.body:
            if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
                decorators = {ast.unparse(decorator).split(".")[-1] for decorator in child.decorator_list}
                if ast.get_docstring(child) is None and not decorators & {"overload", "override", "setter"}:
                    found.append(f"{source.path}:{child.lineno}: {child.name} has no docstring")
                if isinstance(child, ast.ClassDef):
                    visit(child)

    if ast.get_docstring(source.tree) is None:
        found.append(f"{source.path}:1: the module has no docstring")
    visit(source.tree)
    return found


def fake(name: str, text: str) -> Source:
    return Source(name, text, name.replace(".", "/") + ".py")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\nimport scanner.vcf", "scanner/windows.py:2: layer 1 imports scanner.vcf of layer 2"),
        ("from scanner.vcf import read", "scanner/windows.py:1: layer 1 imports scanner.vcf of layer 2"),
        ("from scanner import vcf", "scanner/windows.py:1: layer 1 imports scanner.vcf of layer 2"),
        ("from . import vcf", "scanner/windows.py:1: layer 1 imports scanner.vcf of layer 2"),
        ("from .vcf import read", "scanner/windows.py:1: layer 1 imports scanner.vcf of layer 2"),
        ("def f():\n    from scanner.vcf import read", "scanner/windows.py:2: layer 1 imports scanner.vcf of layer 2"),
        ("import scanner.new", "scanner/windows.py:1: imports scanner.new, which is in no layer"),
    ],
)
def test_an_upward_import_is_seen(text: str, complaint: str) -> None:
    assert upward([fake("scanner.windows", text), fake("scanner.vcf", "")]) == [complaint]


def test_imports_down_and_sideways_are_allowed() -> None:
    assert upward([fake("scanner.vcf", "import scanner\nfrom scanner.errors import A\nfrom scanner import bgzf")]) == []
    assert upward([fake("scanner.statistics.linkage", "from .diversity import pi\nfrom ..scores import Column")]) == []


def test_a_module_in_no_layer_is_seen() -> None:
    assert upward([fake("scanner.helpers", "")]) == ["scanner/helpers.py:1: 'helpers' is in no layer: add it to LAYERS"]


def test_a_circle_is_seen() -> None:
    circle = [
        fake("scanner.plan", "import scanner.parts"),
        fake("scanner.parts", "def f():\n    import scanner.plan"),
        fake("scanner.scan", "import scanner.plan"),
    ]
    assert cycles(circle) == ["scanner/parts.py:2: circle scanner.plan -> scanner.parts -> scanner.plan"]
    assert cycles(circle[2:]) == []


def test_a_forbidden_package_is_seen() -> None:
    complaint = "scanner/scan.py:1: imports keras.layers, which only network may"
    assert outsiders([fake("scanner.scan", "from keras.layers import Dense")]) == [complaint]
    assert outsiders([fake("scanner.network", "from keras.layers import Dense\nimport numpy")]) == []
    assert outsiders([fake("scanner.cli.scan", "import allel")]) == [
        "scanner/cli/scan.py:1: imports allel, which only a test may"
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\n" * 401, "scanner/m.py:401: 401 lines, at most 400"),
        ("def f():\n" + "    x = 1\n" * 41, "scanner/m.py:1: f has a body of 41 lines, at most 40"),
        ("def f(\n    x\n):\n" + "    # x\n" * 40 + "    y = 1\n", "scanner/m.py:1: f has a body of 41"),
        ("def f(\n    x\n):\n" + "    # x\n" * 39 + "    y = 1\n", None),
        ("def f(): return 1", None),
        ("async def f(a, /, b, c, d, *e, f, **g): ...", None),
        ("def f(a, /, b, c, d, *e, f, g, **h): ...", "scanner/m.py:1: f takes 8 parameters, at most 7"),
        ("class A:\n    def f(self, a, b, c, d, e, f, g): ...", None),
        ("x = 1\n" * 400, None),
        ('def f():\n    """A.\n' + "\n    b\n" * 50 + '    """\n' + "    x = 1\n\n" * 40, None),
    ],
)
def test_the_budget_is_measured(text: str, complaint: str | None) -> None:
    found = too_much(fake("scanner.m", text))
    assert [line[: len(complaint or "")] for line in found] == ([] if complaint is None else [complaint])


def test_a_missing_docstring_is_seen() -> None:
    text = """def f(): ...
class A:
    'Has one.'
    def g(self):
        def inner(): ...
    def _h(self): ...
class _B: ...
"""
    complaints = ["1: the module has no docstring", "1: f has no docstring", "4: g has no docstring"]
    assert undocumented(fake("scanner.m", text)) == [f"scanner/m.py:{complaint}" for complaint in complaints]


def report(complaints: list[str]) -> None:
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def test_the_package_was_found() -> None:
    assert {"scanner", "scanner.regions", "scanner.cli", "scanner.statistics"} <= {source.name for source in SOURCES}


def test_imports_point_down() -> None:
    report(upward(SOURCES))


def test_imports_run_in_no_circle() -> None:
    report(cycles(SOURCES))


def test_heavy_packages_have_one_home() -> None:
    report(outsiders(SOURCES))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_everything_is_within_the_budget(source: Source) -> None:
    report(too_much(source))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_everything_public_is_documented(source: Source) -> None:
    report(undocumented(source))


def test_the_names_of_the_catalogues_are_free() -> None:
    taken = [path for name in FORBIDDEN_NAMES for path in (ROOT / "scanner").rglob(f"{name}*")]
    report([f"{path.relative_to(ROOT)}: a catalogue has this name" for path in taken if path.stem in FORBIDDEN_NAMES])
