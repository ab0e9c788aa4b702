"""Imports point down and in no circle: read from the source, and proved by a process."""

from __future__ import annotations

import ast
import graphlib
import itertools
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kerasdecay"

# Floor of each part of the package. `_*.py` beside them are helpers of floor 0. The package's own
# `__init__` is the roof: its lazy names may point at everything, and nothing may point at it.
FLOORS = {
    "schedules": 0,
    "rules": 1,
    "records": 2,
    "control": 3,
    "report": 3,
    "training": 4,
    "callbacks": 5,
    "study": 6,
    "tuner": 6,
    "cli": 7,
}
ROOF = 8

# The lowest floor on which a framework, or a library that trains, may be imported at all.
LOWEST = {
    "keras": 4,
    "tensorflow": 4,
    "jax": 4,
    "torch": 4,
    "keras_tuner": 6,
    "joblib": 6,
    "distributed": 6,
    "sklearn": 7,
}

# The libraries that show something, and the parts of the package that may import them.
SHOWING = {"rich", "matplotlib", "IPython"}
SHOW = {"report", "study", "tuner", "cli"}

# An object shows itself through a method that imports, inside itself, what draws it. Such an import
# points up, and is allowed: (name of the method, part of the package that it imports from).
PRESENTATION = {
    ("__rich__", "report"),
    ("__str__", "report"),
    ("_repr_html_", "report"),
    ("plot", "report"),
    ("table", "report"),
}

HEAVY = ("tensorflow", "jax", "torch", "keras", "matplotlib", "keras_tuner")
# Imported without a framework, each in a process of its own.
LIGHT = ("kerasdecay", "kerasdecay.schedules", "kerasdecay.rules", "kerasdecay.cli")


def part_of(module: str) -> str:
    """Return the part of the package that a module belongs to: `report`, say, or `_checks`."""
    return module.split(".")[1] if "." in module else ""


def floor_of(module: str) -> int:
    """Return the floor of a module of the package, given by its dotted name."""
    part = part_of(module)
    if part in ("", "__main__"):
        return ROOF
    if part.startswith("_"):
        return 0
    assert part in FLOORS, f"{module} stands on no floor: give kerasdecay.{part} one, here"
    return FLOORS[part]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


class Import(NamedTuple):
    """An import: of what, in which method (empty at the top of a module), and whether for types."""

    target: str
    method: str = ""
    for_types: bool = False

    @property
    def shows(self) -> bool:
        """Whether it is one by which an object shows itself."""
        return (self.method, part_of(self.target)) in PRESENTATION


class Reader(ast.NodeVisitor):
    """Finds every import of a module: at its top, in a function, or for types only."""

    def __init__(self, module: str, is_package: bool, known: Collection[str]) -> None:
        self.here = module.split(".") if is_package else module.split(".")[:-1]
        self.known = known
        self.found: set[Import] = set()
        self.scopes: list[ast.AST] = []
        self.for_types = False

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            outside, self.for_types = self.for_types, True
            for child in node.body:
                self.visit(child)
            self.for_types = outside
            for child in node.orelse:
                self.visit(child)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.scopes.append(node)
            self.generic_visit(node)
            self.scopes.pop()
        else:
            super().visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            here = self.here[: len(self.here) - node.level + 1]
            base = ".".join([*here, base] if base else here)
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            self.add(submodule if submodule in self.known else base)

    def add(self, target: str) -> None:
        method = ""
        if len(self.scopes) > 1 and isinstance(self.scopes[-2], ast.ClassDef):
            method = getattr(self.scopes[-1], "name", "")
        self.found.add(Import(target, method, self.for_types))


def imports_of(module: str, source: str, is_package: bool, known: Collection[str]) -> set[Import]:
    """Return every import in the source of a module."""
    reader = Reader(module, is_package, known)
    reader.visit(ast.parse(source))
    return reader.found


def _annotates(module: str, found: Import) -> bool:
    """Whether it only names what a record's `table` or `plot` returns."""
    is_shown = found.target.split(".")[0] in SHOWING
    return found.for_types and is_shown and part_of(module) == "records"


def violations(module: str, imported: Iterable[Import]) -> list[str]:
    """Say which of its imports a module on this floor may not have."""
    floor = floor_of(module)
    wrong = []
    counted = [one for one in imported if not one.shows and not _annotates(module, one)]
    for target in sorted({one.target for one in counted}):
        top = target.split(".")[0]
        own = top == "kerasdecay"
        lowest = floor_of(target) if own else LOWEST.get(top, 0)
        if lowest > floor:
            wrong.append(f"{module} (floor {floor}) imports {target} (floor {lowest})")
        elif top in SHOWING and part_of(module) not in SHOW:
            wrong.append(f"{module} imports {target}: only {sorted(SHOW)} show anything")
        elif floor == 1 and not own and top not in sys.stdlib_module_names:
            wrong.append(f"{module} imports {target}: rules need the standard library alone")
    return wrong


IMPORTS = {
    name: imports_of(name, path.read_text("utf-8"), path.name == "__init__.py", MODULES)
    for name, path in MODULES.items()
}


def arrows(imports: Mapping[str, Iterable[Import]]) -> dict[str, set[str]]:
    """Return module → the modules of the package that it imports when it runs.

    Imports for types only are left out, and those by which an object shows itself.
    """
    return {
        module: {
            one.target
            for one in imported
            if one.target in imports and one.target != module
            if not one.for_types and not one.shows
        }
        for module, imported in imports.items()
    }


def between_parts(graph: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return the same arrows between the parts of the package."""
    parts: dict[str, set[str]] = {}
    for module, targets in graph.items():
        found = parts.setdefault(part_of(module), set())
        found |= {part_of(target) for target in targets} - {part_of(module)}
    return parts


def cycle_in(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a cycle of a graph, its first node again as the last; empty if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert not violations(module, IMPORTS[module])


def test_modules_do_not_import_each_other_in_circles():
    assert not cycle_in(arrows(IMPORTS))


def test_parts_of_the_package_do_not_import_each_other_in_circles():
    assert not cycle_in(between_parts(arrows(IMPORTS)))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("from ..report import explain", "kerasdecay.report (floor 3)"),
        ("import kerasdecay.callbacks.base", "kerasdecay.callbacks.base (floor 5)"),
        ("from kerasdecay import simulate", "kerasdecay (floor 8)"),
        ("def later():\n    from keras import ops", "keras (floor 4)"),
        ("if TYPE_CHECKING:\n    import rich.table", "rich.table: only"),
        ("if typing.TYPE_CHECKING:\n    from ..report import plot", "kerasdecay.report (floor 3)"),
        ("import numpy", "standard library alone"),
        ("from .. import _checks\nfrom ..schedules import Cosine\nimport math", None),
    ],
)
def test_the_reader_of_imports_sees_every_kind(source, complaint):
    known = {"kerasdecay", "kerasdecay._checks", "kerasdecay.schedules"}
    wrong = violations("kerasdecay.rules.x", imports_of("kerasdecay.rules.x", source, False, known))
    assert len(wrong) == (complaint is not None)
    assert complaint is None or complaint in wrong[0]


@pytest.mark.parametrize(
    ("module", "target", "allowed"),
    [
        ("records.trace", "rich.text", False),
        ("control.controller", "matplotlib.figure", False),
        ("training.callback", "rich", False),
        ("report.training", "rich.text", True),
        ("study.compare", "rich.text", True),
        ("control.store", "keras", False),
        ("training.targets", "keras", True),
        ("callbacks.plateau", "kerasdecay.report.training", True),
        ("report.tuner", "kerasdecay.tuner.search", False),
        ("report.training", "kerasdecay.control.controller", True),
    ],
)
def test_every_floor_has_its_libraries(module, target, allowed):
    assert (not violations(f"kerasdecay.{module}", [Import(target)])) == allowed


METHOD = "class Trace:\n    def {}(self):\n        from {} import x"


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        (METHOD.format("_repr_html_", "kerasdecay.report.notebook"), True),
        (METHOD.format("plot", "kerasdecay.report"), True),
        (METHOD.format("show", "kerasdecay.report"), False),
        (METHOD.format("plot", "kerasdecay.study"), False),
        ("def plot():\n    from kerasdecay.report import x", False),
        ("class Trace:\n    from kerasdecay.report import x", False),
    ],
)
def test_an_object_may_show_itself_and_nothing_else_points_up(source, allowed):
    found = imports_of("kerasdecay.records.x", source, False, MODULES)
    assert len(found) == 1
    assert (not violations("kerasdecay.records.x", found)) == allowed


@pytest.mark.parametrize(
    ("graph", "cycle"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, set()),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, set()),
        ({"a": ["b"], "b": ["a"]}, {"a", "b"}),
        ({"a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]}, {"b", "c", "d"}),
    ],
)
def test_a_cycle_is_found(graph, cycle):
    found = cycle_in(graph)
    assert set(found) == cycle
    assert found[:1] == found[-1:]
    assert all(b in graph[a] or a in graph[b] for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("report", "study", "modules", "parts"),
    [
        # A circle of parts need not be one of modules.
        ("from kerasdecay.study import run", "from kerasdecay.report.table import t", False, True),
        ("from kerasdecay.study import run", "def f():\n    import kerasdecay.report", True, True),
        (
            "if TYPE_CHECKING:\n    import kerasdecay.study",
            "import kerasdecay.report",
            False,
            False,
        ),
        ("import kerasdecay.study", METHOD.format("plot", "kerasdecay.report"), False, False),
    ],
)
def test_circles_are_seen_between_modules_and_between_parts(report, study, modules, parts):
    sources = {
        "kerasdecay.report": report,
        "kerasdecay.report.table": "",
        "kerasdecay.study": study,
    }
    graph = arrows(
        {name: imports_of(name, source, True, sources) for name, source in sources.items()}
    )
    assert bool(cycle_in(graph)) == modules
    assert bool(cycle_in(between_parts(graph))) == parts


def printing(source: str) -> list[str]:
    """Return the calls in a source that print: `print`, a console of rich's own, `stdout.write`."""
    called = [ast.unparse(n.func) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    ends = ("stdout.write", "Console")
    return [name for name in called if name == "print" or name.endswith(ends)]


def test_all_that_is_printed_goes_through_one_module():
    found = {name for name, path in MODULES.items() if printing(path.read_text("utf-8"))}
    assert found == {"kerasdecay.report.console"}


@pytest.mark.parametrize(
    "source", ["print(1)", "def f():\n    sys.stdout.write('a')", "x = rich.console.Console()"]
)
def test_printing_is_seen_in_every_form(source):
    assert len(printing(source)) == 1


def run(code: str) -> str:
    """Run code in a process that has imported nothing yet; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("module", LIGHT)
def test_import_loads_no_framework(module):
    loaded = run(f"import sys, {module}; print(*[n for n in {HEAVY} if n in sys.modules])")
    assert loaded == ""


def test_all_below_the_training_and_the_command_line_need_no_framework_at_all():
    light = [name for name in MODULES if floor_of(name) <= 3 or name.startswith("kerasdecay.cli")]
    run(
        f"""
import importlib, sys
for name in {HEAVY}:
    sys.modules[name] = None  # any import of it is now an ImportError
for name in {light}:
    importlib.import_module(name)
"""
    )


def test_reports_are_made_of_data_without_what_makes_it():
    reports = [name for name in MODULES if name.startswith("kerasdecay.report")]
    loaded = run(
        f"""
import importlib, sys
for name in {reports}:
    importlib.import_module(name)
makers = tuple("kerasdecay." + part for part in ("training", "callbacks", "study", "tuner"))
print(*[name for name in sys.modules if name.startswith(makers)])
"""
    )
    assert loaded == ""
