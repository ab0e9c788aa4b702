"""What a decay reaches from a wrong initial rate, with and without a rescue, and without any rate.

    python benchmarks/robustness.py --testbed digits --optimizer sgd
    python benchmarks/robustness.py --testbed tabular --optimizer adam --rates 0.001,0.01 --seeds 3
    python benchmarks/robustness.py --report

Three shapes start from rates between 1e-4 and 10, three a decade, each with and without the rule
`Rescue`; `AutoDecay` is given none. On CIFAR-10 give `--testbed cifar10 --arms auto`: the others
are in the comparison of decays, beside which `--report` puts it. The protocol, the lines and the
resuming are those of decay_shootout.py: each finished run is one line in
benchmarks/results/robustness-*.jsonl, and what has a line is not trained again. `--report` prints
the tables.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from _arms import Make
from _shootout_lines import Line, accuracies, by, differences, read, table, told, trained_on
from _testbeds import Testbed, cifar10, digits, sequence, tabular, trained_by
from decay_shootout import OutOfTimeError, parser_of, run_all

from kerasdecay import AutoDecay, LearningRateDecay, OneCycleDecay
from kerasdecay.rules import Rescue
from kerasdecay.schedules import Constant, Knee

EPOCHS = 15
RATES = [float(f"{10 ** (place / 3 - 4):.1g}") for place in range(16)]
"""1e-4, 2e-4, 5e-4 … 10."""
BEDS = {"digits": digits, "tabular": tabular, "sequence": sequence}
OPTIMIZERS = ("sgd", "adam")
CIFAR10 = {"regularised": 5, "plain": 3}
"""The regimes of CIFAR-10, and how many seeds each has."""

AUTO = "auto"
ARMS: dict[str, Make] = {
    "constant": lambda rate: LearningRateDecay(Constant(rate)),
    "constant, rescue": lambda rate: LearningRateDecay(Constant(rate), rules=[Rescue()]),
    "one-cycle": OneCycleDecay,
    "one-cycle, rescue": lambda rate: OneCycleDecay(rate, rules=[Rescue()]),
    "hold 80 %": lambda rate: LearningRateDecay(Knee(rate, hold="80%")),
    "hold 80 %, rescue": lambda rate: LearningRateDecay(Knee(rate, hold="80%"), rules=[Rescue()]),
    AUTO: lambda rate: AutoDecay(),
}


def main() -> int:
    """Train what is missing, or report what is there."""
    parser = parser_of(__doc__, (*BEDS, "cifar10"))
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd", help="not on CIFAR-10")
    parser.add_argument("--regime", choices=CIFAR10, default="regularised", help="of CIFAR-10")
    parser.add_argument("--rates", help="initial rates, separated by commas; default: 16")
    parser.add_argument("--arms", help="names, separated by semicolons; default: all")
    parser.add_argument(
        "--seeds", type=int, help="default: 10 on digits, 3 on plain CIFAR-10, else 5"
    )
    arguments = parser.parse_args()
    if arguments.report:
        return report(arguments.results)
    names = arguments.arms.split(";") if arguments.arms else list(ARMS)
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        parser.error(f"--arms: no {', '.join(unknown)}; there are {', '.join(ARMS)}")
    rates = [float(rate) for rate in arguments.rates.split(",")] if arguments.rates else RATES
    if arguments.testbed == "cifar10":
        testbed = cifar10(arguments.regime, arguments.data_dir, arguments.data_note)
        usual = CIFAR10[arguments.regime]
    else:
        testbed = trained_by(BEDS[arguments.testbed](), arguments.optimizer)
        usual = 10 if arguments.testbed == "digits" else 5
    seeds = range(arguments.seeds or usual)
    until = time.monotonic() + 60 * arguments.minutes if arguments.minutes else float("inf")
    try:
        for seed in seeds:
            run_seed(testbed, names, rates, seed, arguments.results, until, arguments.parallel)
    except OutOfTimeError:
        print(f"out of time after {arguments.minutes:g} minutes: call again to go on")
    return 0


def run_seed(
    testbed: Testbed,
    names: list[str],
    rates: list[float],
    seed: int,
    results: Path,
    until: float,
    parallel: int | None,
) -> None:
    """Train what is missing of one seed: the arms with each rate, and the one without."""
    path = results / f"robustness-{testbed.name}-{testbed.regime}.jsonl"
    without = [name for name in names if name == AUTO]
    given = [name for name in names if name != AUTO]
    for chosen, starts in ((without, [None]), (given, rates)):
        run_all(
            testbed,
            chosen,
            range(seed, seed + 1),
            path,
            until,
            parallel,
            among=ARMS,
            starts=[(EPOCHS, rate) for rate in starts],
        )


def report(results: Path) -> int:
    """Print the tables; return the exit code."""
    lines = read(results, "robustness-*.jsonl")
    if not lines:
        return 2
    pages = [tables_of(group, members) for group, members in by(lines, "testbed", "regime")]
    for (testbed, regime), members in by(lines, "testbed", "regime"):
        compared = results / f"shootout-{testbed}-{regime}.jsonl"
        if compared.exists():
            others = read(results, compared.name)
            pages.append(beside(testbed, regime, members, others))
    print("\n\n".join([*pages, trained_on(lines)]))
    return 0


def tables_of(group: tuple[Any, ...], lines: list[Line]) -> str:
    """Return the table of a test bed and an optimizer: an arm a row, an initial rate a column."""
    testbed, optimizer = group
    rates = sorted({line["initial_learning_rate"] for line in lines} - {None})
    rows = []
    for (arm,), members in by(lines, "arm"):
        runs = {rate: found for (rate,), found in by(members, "initial_learning_rate")}
        if None in runs:
            rows.append([arm, *["–"] * len(rates), cell(runs[None])])
        else:
            rows.append([arm, *(cell(runs.get(rate, [])) for rate in rates), best(runs)])
    title = f"## {testbed}, {optimizer}, {EPOCHS} epochs"
    said = (
        f"Data: {lines[0]['data']}, batches of {lines[0]['batch_size']}. Each cell: mean test "
        "accuracy after the last epoch ± half of its 95 % interval (Student's t over the seeds), "
        "the worst seed, n."
    )
    head = ["arm", *(f"from {rate:g}" for rate in rates), "best of its rates, or found"]
    return "\n\n".join([title, said, table(head, rows)])


def beside(testbed: str, regime: str, lines: list[Line], others: list[Line]) -> str:
    """Return the runs without a rate beside those of decay_shootout.py, paired by seed."""
    found = [line for line in lines if line["arm"] == AUTO]
    rows = []
    for (arm,), runs in by(others, "arm"):
        shared = [run for run in runs if run["seed"] in {line["seed"] for line in found}]
        gains = differences(found, runs).values()
        rows.append([arm, f"{runs[0]['initial_learning_rate']:g}", cell(shared), told(gains)])
    title = f"## {testbed}, {regime}: AutoDecay minus each decay of decay_shootout.py"
    said = f"AutoDecay: {cell(found)}. Over the seeds that both have, ± half of the 95 % interval."
    return "\n\n".join([title, said, table(["arm", "from", "it", "AutoDecay − it"], rows)])


def cell(runs: list[Line]) -> str:
    """Return mean, interval, minimum and number of some runs."""
    found = accuracies(runs)
    return f"{told(found)}, min {min(found):.3f}, {len(found)}" if found else "–"


def best(runs: dict[float | None, list[Line]]) -> str:
    """Return the cell of the initial rate with the best mean, and the rate."""
    rate = max(runs, key=lambda one: statistics.fmean(accuracies(runs[one])))
    return f"{cell(runs[rate])} (from {rate:g})"


if __name__ == "__main__":
    sys.exit(main())
