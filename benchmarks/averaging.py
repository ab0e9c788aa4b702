"""Averaged weights beside a rate that comes down to nothing.

    python benchmarks/averaging.py --testbed digits
    python benchmarks/averaging.py --report

Constant rates and held ones, each with and without the mean of the last weights (`average_last`),
beside linear to zero. The digits' network has GroupNormalization here, since BatchNormalization is
refused with averaged weights; the table and the sequences are those of robustness.py. Each test bed
is trained from two rates, for the best one need not be the same for all arms. The protocol, the
lines and the resuming are those of decay_shootout.py: each finished run is one line in
benchmarks/results/averaging-*.jsonl, and what has a line is not trained again. The test split is
read with the mean in the model. `--report` prints the tables.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from _arms import Make
from _shootout_lines import (
    Line,
    accuracies,
    best_first,
    by,
    differences,
    read,
    table,
    told,
    trained_on,
)
from _testbeds import digits, sequence, tabular
from decay_shootout import OutOfTimeError, parser_of, run_all

from kerasdecay import LearningRateDecay, LinearDecay
from kerasdecay.schedules import Constant, Knee

EPOCHS, SEEDS = 15, 10
BEDS = {"digits": lambda: digits("group-norm"), "tabular": tabular, "sequence": sequence}
RATES = {"digits": (0.03, 0.1), "tabular": (0.03, 0.1), "sequence": (0.3, 1.0)}
BESIDE = "linear"
ARMS: dict[str, Make] = {
    "constant": lambda rate: LearningRateDecay(Constant(rate)),
    "constant, mean of 20 %": lambda rate: LearningRateDecay(Constant(rate), average_last="20%"),
    "hold 80 %": lambda rate: LearningRateDecay(Knee(rate, hold="80%")),
    "hold 80 %, mean of 10 %": lambda rate: LearningRateDecay(
        Knee(rate, hold="80%"), average_last="10%"
    ),
    BESIDE: LinearDecay,
}


def main() -> int:
    """Train what is missing, or report what is there."""
    parser = parser_of(__doc__, BEDS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    if arguments.report:
        return report(arguments.results)
    testbed = BEDS[arguments.testbed]()
    path = arguments.results / f"averaging-{testbed.name}-{testbed.regime}.jsonl"
    until = time.monotonic() + 60 * arguments.minutes if arguments.minutes else float("inf")
    try:
        run_all(
            testbed,
            list(ARMS),
            range(arguments.seeds),
            path,
            until,
            arguments.parallel,
            among=ARMS,
            starts=[(EPOCHS, rate) for rate in RATES[testbed.name]],
        )
    except OutOfTimeError:
        print(f"out of time after {arguments.minutes:g} minutes: call again to go on")
    return 0


def report(results: Path) -> int:
    """Print a table for each test bed and rate; return the exit code."""
    lines = read(results, "averaging-*.jsonl")
    if not lines:
        return 2
    keys = ("testbed", "regime", "epochs", "initial_learning_rate")
    pages = [table_of(group, members) for group, members in by(lines, *keys)]
    print("\n\n".join([*pages, trained_on(lines)]))
    return 0


def table_of(group: tuple[Any, ...], lines: list[Line]) -> str:
    """Return the table of a test bed and a rate, the best arm first."""
    testbed, regime, epochs, rate = group
    arms = {arm: members for (arm,), members in by(lines, "arm")}
    rows = [
        [
            arm,
            str(len(runs)),
            told(accuracies(runs)),
            told(differences(runs, arms.get("constant", [])).values()),
            told(differences(runs, arms.get(BESIDE, [])).values()),
        ]
        for arm, runs in best_first(arms).items()
    ]
    title = f"## {testbed}, {regime}, {epochs} epochs from {rate:g}"
    said = (
        f"Data: {lines[0]['data']}. Test accuracy after the last epoch, ± half of its 95 % interval"
        " (Student's t over the seeds); differences are taken seed by seed."
    )
    head = ["arm", "n", "test accuracy", "− constant", f"− {BESIDE}"]
    return "\n\n".join([title, said, table(head, rows)])


if __name__ == "__main__":
    sys.exit(main())
