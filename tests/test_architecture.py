"""Arrows point down: what each floor may import, read from the source and proved by a process."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kerasdecay"

# Floor of each part of the package; `_*.py` beside them are helpers of floor 0. The package's own
# `__init__` is the roof: its lazy names may point at everything, and nothing may point at it.
FLOORS = {
    "schedules": 0,
    "rules": 1,
    "records": 2,
    "callbacks": 2,
    "report": 3,
    "tuner": 3,
    "study": 3,
    "cli": 4,
}
ROOF = 4

# The lowest floor on which a framework or a library for display may be imported at all.
LOWEST = {
    "keras": 2,
    "tensorflow": 2,
    "jax": 2,
    "torch": 2,
    "rich": 3,
    "matplotlib": 3,
    "IPython": 3,
    "keras_tuner": 3,
    "joblib": 3,
    "distributed": 3,
    "sklearn": 4,
}

HEAVY = ("tensorflow", "jax", "torch", "keras", "matplotlib", "keras_tuner")
# Imported without a framework, each in a process of its own.
LIGHT = ("kerasdecay", "kerasdecay.schedules", "kerasdecay.rules", "kerasdecay.cli")


def floor_of(module: str) -> int:
    """Return the floor of a module of the package, given by its dotted name."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return ROOF
    if parts[1].startswith("_"):
        return 0
    assert parts[1] in FLOORS, f"{module} stands on no floor: give kerasdecay.{parts[1]} one, here"
    return FLOORS[parts[1]]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str, source: str, is_package: bool, known: set[str]) -> set[str]:
    """Return every module that `source` imports: at its top, in a function, or for types only."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".") if is_package else module.split(".")[:-1]
                here = here[: len(here) - node.level + 1]
                base = ".".join([*here, base] if base else here)
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                found.add(submodule if submodule in known else base)
    return found


def violations(module: str, imported: set[str]) -> list[str]:
    """Say which of the imported modules a module on this floor may not import."""
    floor = floor_of(module)
    wrong = []
    for target in sorted(imported):
        top = target.split(".")[0]
        own = top == "kerasdecay"
        lowest = floor_of(target) if own else LOWEST.get(top, 0)
        if lowest > floor:
            wrong.append(f"{module} (floor {floor}) imports {target} (floor {lowest})")
        elif floor == 1 and not own and top not in sys.stdlib_module_names:
            wrong.append(f"{module} imports {target}: rules need the standard library alone")
    return wrong


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    path = MODULES[module]
    imported = imports_of(module, path.read_text("utf-8"), path.name == "__init__.py", set(MODULES))
    assert not violations(module, imported)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("from ..report import explain", "kerasdecay.report (floor 3)"),
        ("import kerasdecay.callbacks.base", "kerasdecay.callbacks.base (floor 2)"),
        ("from kerasdecay import simulate", "kerasdecay (floor 4)"),
        ("def later():\n    from keras import ops", "keras (floor 2)"),
        ("if TYPE_CHECKING:\n    import rich.table", "rich.table (floor 3)"),
        ("import numpy", "standard library alone"),
        ("from .. import _checks\nfrom ..schedules import Cosine\nimport math", None),
    ],
)
def test_the_reader_of_imports_sees_every_kind(source, complaint):
    known = {"kerasdecay", "kerasdecay._checks", "kerasdecay.schedules"}
    wrong = violations("kerasdecay.rules.x", imports_of("kerasdecay.rules.x", source, False, known))
    assert len(wrong) == (complaint is not None)
    assert complaint is None or complaint in wrong[0]


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


def test_schedules_rules_and_command_line_need_no_framework_at_all():
    light = [name for name in MODULES if floor_of(name) <= 1 or name.startswith("kerasdecay.cli")]
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
print(*[name for name in sys.modules if name.startswith(("kerasdecay.study", "kerasdecay.tuner"))])
"""
    )
    assert loaded == ""
