"""Every decay against every other: the same networks, weights, batches and budgets.

    python benchmarks/decay_shootout.py --testbed digits
    python benchmarks/decay_shootout.py --testbed cifar10 --regime regularised --parallel 2
    python benchmarks/decay_shootout.py --report

Each finished run is one line in benchmarks/results/shootout-*.jsonl, written at once; what has a
line is not trained again, so that hours of runs can be made in pieces. `--report` draws tables and
pictures from the lines. The protocol: independent runs for each budget; for each seed the same
initial weights and batches for all arms; rules with their default arguments watch a validation
split; the test split is read once, after the last epoch; no seed is dropped.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from _arms import ARMS, CIFAR10_ARMS, RATE
from _shootout_report import report
from _testbeds import Testbed, cifar10, digits

from kerasdecay._files import write_atomically
from kerasdecay.records.run import Run
from kerasdecay.study import compare

RESULTS = Path(__file__).resolve().parent / "results"


class OutOfTimeError(Exception):
    """The minutes that were given are used up."""


def settings(testbed: str) -> list[tuple[int, float]]:
    """Return the (epochs, initial learning rate) pairs that a test bed is trained with."""
    if testbed == "digits":
        return [(5, RATE), (15, RATE), (15, RATE / 10), (15, RATE * 10)]
    return [(15, RATE)]


def parser_of(doc: str, testbeds: Iterable[str]) -> argparse.ArgumentParser:
    """Return a parser of the arguments that a benchmark of arms on test beds has."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    add = parser.add_argument
    add("--testbed", choices=tuple(testbeds), default="digits")
    if "cifar10" in testbeds:
        add("--data-dir", help="TensorFlow Datasets folder (else TFDS_DATA_DIR)")
        add("--data-note", default="", help='about this copy, such as "JPEG copy"')
    add("--minutes", type=float, help="begin no run after so many minutes")
    add("--parallel", type=int, help="runs that are trained at the same time")
    add("--results", type=Path, default=RESULTS)
    add("--report", action="store_true", help="train nothing, print the tables")
    return parser


def main() -> int:
    """Train what is missing, or report what is there."""
    parser = parser_of(__doc__, ("digits", "cifar10"))
    parser.add_argument("--regime", choices=("plain", "regularised"), default="plain")
    parser.add_argument("--arms", help="names, separated by commas; default: see _arms.py")
    parser.add_argument("--seeds", type=int, help="default: 10 on digits, 5 on CIFAR-10")
    arguments = parser.parse_args()
    if arguments.report:
        return report(arguments.results)
    chosen = ARMS if arguments.testbed == "digits" else CIFAR10_ARMS
    names = arguments.arms.split(",") if arguments.arms else list(chosen)
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        parser.error(f"--arms: no {', '.join(unknown)}; there are {', '.join(ARMS)}")
    if arguments.testbed == "digits" and arguments.regime != "plain":
        parser.error("--regime: digits are trained plain only")
    seeds = arguments.seeds or (10 if arguments.testbed == "digits" else 5)
    if arguments.testbed == "digits":
        testbed = digits()
    else:
        testbed = cifar10(arguments.regime, arguments.data_dir, arguments.data_note)
    path = arguments.results / f"shootout-{testbed.name}-{testbed.regime}.jsonl"
    until = time.monotonic() + 60 * arguments.minutes if arguments.minutes else float("inf")
    try:
        run_all(testbed, names, range(seeds), path, until, arguments.parallel)
    except OutOfTimeError:
        print(f"out of time after {arguments.minutes:g} minutes: call again to go on")
    return 0


def run_all(
    testbed: Testbed,
    names: list[str],
    seeds: range,
    path: Path,
    until: float,
    parallel: int | None = None,
    *,
    among: Mapping[str, Callable[[Any], Any]] = ARMS,
    starts: Sequence[tuple[int, float | None]] = (),
) -> None:
    """Train what has no line in `path` yet, all arms of a seed in one call of `compare`.

    Args:
        testbed: What they are trained on.
        names: The arms.
        seeds: The seeds.
        path: The file of lines.
        until: The time at which no further run begins.
        parallel: How many runs are trained at the same time.
        among: Name → what makes an arm from its initial rate.
        starts: The (epochs, initial rate) pairs; the rate None is for arms that find their own. By
            default those of the test bed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _done(path)
    for seed in seeds:
        for epochs, rate in starts or settings(testbed.name):
            common = {
                "testbed": testbed.name,
                "regime": testbed.regime,
                "data": testbed.source,
                "seed": seed,
                "epochs": epochs,
                "initial_learning_rate": rate,
                "batch_size": testbed.batch_size,
            }
            missing = [name for name in names if (name, seed, epochs, rate) not in done]
            arms, undefined = _defined(missing, rate, among)
            for name, reason in undefined.items():
                _append(path, {"arm": name, **common, "undefined": reason})
            if arms:
                run_seed(testbed, arms, common, path, until, parallel)


def run_seed(
    testbed: Testbed,
    arms: dict[str, Callable[[], keras.callbacks.Callback]],
    common: dict[str, Any],
    path: Path,
    until: float,
    parallel: int | None = None,
) -> None:
    """Train these arms with one seed; append a line for each run as it ends."""

    def keep(run: Run) -> None:
        _append(path, {"arm": run.arm, **common, **_figures(run), "environment": run.environment})
        if time.monotonic() > until:
            raise OutOfTimeError

    compare(
        testbed.build_model,
        testbed.train,
        arms,
        epochs=common["epochs"],
        seeds=(common["seed"],),
        batch_size=testbed.batch_size,
        validation_data=testbed.validation,
        test_data=testbed.test,
        verbose=0,
        parallel=parallel,
        on_run=keep,
    )


def _defined(
    names: list[str], rate: float | None, among: Mapping[str, Callable[[Any], Any]]
) -> tuple[dict[str, Callable[[], keras.callbacks.Callback]], dict[str, str]]:
    """Return the arms that this initial rate is allowed for, and why the others refuse it."""
    arms, undefined = {}, {}
    for name in names:
        make = functools.partial(among[name], rate)
        try:
            make()
        except ValueError as error:
            undefined[name] = str(error)
        else:
            arms[name] = make
    return arms, undefined


def _figures(run: Run) -> dict[str, Any]:
    last = {metric: values[-1] for metric, values in run.history.items()}
    return {
        "train_accuracy": last["accuracy"],
        "val_accuracy": last["val_accuracy"],
        "val_accuracy_by_epoch": list(run.history["val_accuracy"]),
        "test_accuracy": run.test["accuracy"],
        "test_loss": run.test["loss"],
        "seconds": run.seconds,
        "events": list(run.events),
    }


def _done(path: Path) -> set[tuple[str, int, int, float | None]]:
    """Return (arm, seed, epochs, initial rate) of every line that is there.

    A last line without an end is a run that was killed as it was written: it is cut off.
    """
    if not path.exists():
        return set()
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_atomically(path, whole)
    keys = ("arm", "seed", "epochs", "initial_learning_rate")
    return {tuple(json.loads(line)[key] for key in keys) for line in whole.splitlines()}


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    told = "undefined" if "undefined" in line else f"{line['test_accuracy']:.4f}"
    rate = line["initial_learning_rate"]
    start = "without a rate" if rate is None else f"from {rate:g}"
    print(
        f"{line['arm']:22} seed {line['seed']}, {line['epochs']} epochs {start}: {told}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
