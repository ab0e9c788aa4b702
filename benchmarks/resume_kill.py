"""Kill a training at random points, let it go on, and compare with one that was left alone.

    python benchmarks/resume_kill.py            60 points, a few minutes
    python benchmarks/resume_kill.py --quick    6 points

Each point is a process that ends itself by SIGKILL: at a batch, or at an epoch's end before,
between or after the decay and the callback that saves the model, or while the state file is being
written; with BackupAndRestore (at each epoch, or within epochs) or ModelCheckpoint, in both orders,
under each update. The next process must go on with the rates, the decisions and the weights of the
training that was left alone; with the saver first, it may lose one observation, and must say so.
The backend is KERAS_BACKEND's, TensorFlow by default. Results: benchmarks/results/resume_kill.json.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from resume.verdict import LAST_EPOCH, STEPS, faults, loses_an_observation  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

SAVERS = ("backup", "backup every 3 steps", "checkpoint")
ORDERS = ("decay first", "saver first")
UPDATES = ("batch", "compiled", "epoch", "3 steps")
POINTS = ("batch", "batch", "before", "between", "after", "write")


def scenarios(count: int, seed: int) -> list[dict[str, Any]]:
    """Return so many kill points; savers, orders, updates and points take turns."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        point = POINTS[number % len(POINTS)]
        saver = SAVERS[number // len(POINTS) % len(SAVERS)]
        # A backup within epoch 0 says "epoch 0": what begins there is a new training.
        earliest = 1 if saver == "backup every 3 steps" else 0
        rows.append(
            {
                "saver": saver,
                "order": draw.choice(ORDERS),
                "update": draw.choice(UPDATES),
                "point": point,
                "epoch": draw.randint(earliest, LAST_EPOCH - 1),
                "batch": draw.randrange(STEPS),
            }
        )
    return rows


def run(rows: list[dict[str, Any]], folder: str) -> list[dict[str, Any]]:
    """Run the scenarios in a process that forks for each training."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "resume" / "killed.py"), folder],
        input=json.dumps(rows),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> int:
    """Run, print a table, write the JSON file; 1 if any point did not go on as it must."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=60, help="kill points (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of points (0)")
    parser.add_argument("--quick", action="store_true", help="6 points, nothing written")
    arguments = parser.parse_args()
    rows = scenarios(6 if arguments.quick else arguments.points, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run(rows, folder)
    wrong = [(o["scenario"], found) for o in outcomes if (found := faults(o))]
    groups = collections.Counter((row["saver"], row["order"]) for row in rows)
    failed = collections.Counter((row["saver"], row["order"]) for row, _ in wrong)
    lost = collections.Counter(
        (row["saver"], row["order"]) for row in rows if loses_an_observation(row)
    )
    table = Table(title=f"Killed and resumed, {os.environ['KERAS_BACKEND']}, {len(rows)} points")
    for heading in ("saver", "order", "points", "as it must be", "of these, one observation lost"):
        table.add_column(heading, justify="left" if heading in ("saver", "order") else "right")
    for group, count in sorted(groups.items()):
        table.add_row(*group, str(count), str(count - failed[group]), str(lost[group]))
    console = Console()
    console.print(table)
    for row, found in wrong:
        console.print(f"{row}: {'; '.join(found)}", markup=False, highlight=False)
    if not arguments.quick:
        # Here and not above: what a machine is, is asked from Keras, which must not run before.
        from kerasdecay.study.environment import environment

        path = ROOT / "benchmarks" / "results" / "resume_kill.json"
        path.parent.mkdir(exist_ok=True)
        content = {
            "command": f"python benchmarks/resume_kill.py --points {len(rows)} "
            f"--seed {arguments.seed}",
            "environment": environment(),
            "points": len(rows),
            "as_they_must_be": len(rows) - len(wrong),
            "one_observation_lost": sum(lost.values()),
            "wrong": [{"scenario": row, "faults": found} for row, found in wrong],
            "scenarios": rows,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
