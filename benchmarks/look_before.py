"""How long it takes to look before training: `import`, `kerasdecay preview`, a million rates.

    python benchmarks/look_before.py

Each command is started anew several times; the median and the fastest count, for a busy machine
only ever makes a start slower.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kerasdecay._files import write_atomically
from kerasdecay._json import to_json
from kerasdecay.schedules import FAMILY, simulate, warmup
from kerasdecay.study.environment import environment

RESULTS = Path(__file__).resolve().parent / "results"
CLI = "import sys; from kerasdecay.cli import main; sys.exit(main(sys.argv[1:]))"
PREVIEW = ["preview", "power-step", "--initial-learning-rate", "0.1", "--epochs", "15"]
COMMANDS = {
    "import numpy": ["-c", "import numpy"],
    "import kerasdecay": ["-c", "import kerasdecay"],
    "import kerasdecay.schedules": ["-c", "import kerasdecay.schedules"],
    "kerasdecay preview power-step": ["-c", CLI, *PREVIEW],
    "kerasdecay preview, three at once": ["-c", CLI, "preview", "cosine", "rex", *PREVIEW[1:]],
}


def seconds(work: Callable[[], object], count: int) -> list[float]:
    """Return how long `work` took, each of `count` times."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return times


def started(command: list[str]) -> None:
    """Run Python with these arguments."""
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=15)
    parser.add_argument("--output", type=Path, default=RESULTS / "look_before.json")
    arguments = parser.parse_args()
    measured = {
        name: seconds(lambda command=command: started(command), arguments.count)
        for name, command in COMMANDS.items()
    }
    for name, shape in FAMILY.items():
        schedule = warmup(shape(0.1), "5%")
        measured[f"a million rates: {name} after a warmup"] = seconds(
            lambda schedule=schedule: simulate(schedule, epochs=100, steps_per_epoch=10_000),
            arguments.count,
        )
    table = Table(title=f"seconds, n = {arguments.count}")
    for column in ("what", "median", "fastest"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, times in measured.items():
        table.add_row(name, f"{statistics.median(times):.3f}", f"{min(times):.3f}")
    Console().print(table)
    write_atomically(arguments.output, to_json({"environment": environment(), "seconds": measured}))


if __name__ == "__main__":
    main()
