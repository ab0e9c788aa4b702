"""A process ended by SIGKILL, and the next one: the rates, the decisions and the weights go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from resume.verdict import faults

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("killed.py")
SCENARIOS: list[dict[str, Any]] = [
    {"saver": "backup", "order": "decay first", "point": "batch", "epoch": 3, "batch": 2},
    {"saver": "backup", "order": "decay first", "point": "write", "epoch": 1},
    {"saver": "backup", "order": "saver first", "point": "between", "epoch": 2},
    {"saver": "backup every 3 steps", "order": "decay first", "point": "batch", "epoch": 3},
    {"saver": "checkpoint", "order": "decay first", "point": "after", "epoch": 2},
    {"saver": "save", "order": "decay first", "point": "none"},
    {"saver": "backup", "order": "saver first", "point": "between", "epoch": 0},
]
UPDATES = ["batch", "compiled", "epoch"]


def name(scenario: dict[str, Any]) -> str:
    words = [scenario["saver"], scenario["order"], scenario["point"], scenario["update"]]
    return ", ".join(words)


TABLE = [
    {"epoch": 0, "batch": 1, **scenario, "update": UPDATES[number % 3]}
    for number, scenario in enumerate(SCENARIOS)
]


def test_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    # One test and one process for all of them: what takes time is to import the framework.
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        input=json.dumps(TABLE),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = {name(outcome["scenario"]): faults(outcome) for outcome in outcomes}
    assert len(wrong) == len(TABLE)
    assert {scenario: found for scenario, found in wrong.items() if found} == {}, done.stderr
    # There was something to lose, and the third lost it.
    assert outcomes[0]["whole"]["reductions"] == [2, 4]
    assert outcomes[2]["second"]["reductions"] == [3]
