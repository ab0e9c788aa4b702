"""Every decay against every other: the same networks, weights, batches and budgets.

    python benchmarks/decay_shootout.py --testbed digits
    python benchmarks/decay_shootout.py --testbed cifar10 --regime regularised --minutes 60
    python benchmarks/decay_shootout.py --report

Each finished run is one line in benchmarks/results/shootout-*.jsonl, written at once; what has a
line is not trained again, so that hours of runs can be made in pieces. `--report` draws tables and
pictures from the lines. The protocol: independent runs for each budget; for each seed the same
initial weights and batches for all arms; rules with their default arguments watch a validation
split; the test split is read once, after the last epoch; no seed is dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from _shootout_report import report
from _testbeds import Testbed, cifar10, digits

from kerasdecay import (
    AdaptiveKneeDecay,
    CosineDecay,
    GreedyDecay,
    LearningRateDecay,
    LinearDecay,
    LossSlopeDecay,
    OneCycleDecay,
    PlateauDecay,
    PowerStepDecay,
    StepDecay,
    WarmupStableDecay,
    WeightNormDecay,
)
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Exponential, Knee, Rex
from kerasdecay.study import compare
from kerasdecay.study.environment import environment
from kerasdecay.study.runs import Run

RESULTS = Path(__file__).resolve().parent / "results"

OPEN_LOOP: dict[str, Callable[[float], keras.callbacks.Callback]] = {
    "constant": lambda rate: LearningRateDecay(Constant(rate)),
    "power-step": PowerStepDecay,
    "step": StepDecay,
    "exponential": lambda rate: LearningRateDecay(Exponential(rate)),
    "cosine": CosineDecay,
    "linear": LinearDecay,
    "one-cycle": OneCycleDecay,
    "rex": lambda rate: LearningRateDecay(Rex(rate)),
    "knee-50": lambda rate: LearningRateDecay(Knee(rate)),
    "knee-80": lambda rate: LearningRateDecay(Knee(rate, hold="80%")),
    "hold-1-sqrt": WarmupStableDecay,
}
RULES: dict[str, Callable[[float], keras.callbacks.Callback]] = {
    "plateau": lambda rate: PlateauDecay(schedule=Constant(rate)),
    "greedy": lambda rate: GreedyDecay(schedule=Constant(rate)),
    "weight-norm": lambda rate: WeightNormDecay(schedule=Constant(rate)),
    "loss-slope": lambda rate: LossSlopeDecay(schedule=Constant(rate)),
    "adaptive-knee": lambda rate: AdaptiveKneeDecay(schedule=Constant(rate)),
    "power-step-by-plateau": lambda rate: PowerStepDecay(rate, advance_on=Plateau()),
}
ARMS = {**OPEN_LOOP, **RULES}
RATE = 0.1


def settings(testbed: str) -> list[tuple[int, float]]:
    """Return the (epochs, initial learning rate) pairs that a test bed is trained with."""
    if testbed == "digits":
        return [(5, RATE), (15, RATE), (15, RATE / 10), (15, RATE * 10)]
    return [(15, RATE)]


def main() -> int:
    """Train what is missing, or report what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--testbed", choices=("digits", "cifar10"), default="digits")
    parser.add_argument("--regime", choices=("plain", "regularised"), default="plain")
    parser.add_argument("--arms", default=",".join(ARMS), help="names, separated by commas")
    parser.add_argument("--seeds", type=int, help="default: 10 on digits, 5 on CIFAR-10")
    parser.add_argument("--minutes", type=float, help="begin no run after so many minutes")
    parser.add_argument("--data-dir", help="TensorFlow Datasets folder (else TFDS_DATA_DIR)")
    parser.add_argument("--data-note", default="", help='about this copy, such as "JPEG copy"')
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="train nothing, draw the tables")
    arguments = parser.parse_args()
    if arguments.report:
        return report(arguments.results)
    names = arguments.arms.split(",")
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        parser.error(f"--arms: no {', '.join(unknown)}; there are {', '.join(ARMS)}")
    seeds = arguments.seeds or (10 if arguments.testbed == "digits" else 5)
    if arguments.testbed == "digits":
        testbed = digits()
    else:
        testbed = cifar10(arguments.regime, arguments.data_dir, arguments.data_note)
    path = arguments.results / f"shootout-{testbed.name}-{testbed.regime}.jsonl"
    until = time.monotonic() + 60 * arguments.minutes if arguments.minutes else float("inf")
    run_all(testbed, names, range(seeds), path, until)
    return 0


def run_all(testbed: Testbed, names: list[str], seeds: range, path: Path, until: float) -> None:
    """Train what has no line in `path` yet, all arms of a seed before the next seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    done = {_key(json.loads(line)) for line in lines}
    for seed in seeds:
        for epochs, rate in settings(testbed.name):
            for name in names:
                key = (name, seed, epochs, rate)
                if key in done:
                    continue
                if time.monotonic() > until:
                    return
                line = run_one(testbed, name, seed, epochs, rate)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{name:22} seed {seed} {epochs} epochs from {rate:g}: {_short(line)}")


def run_one(testbed: Testbed, name: str, seed: int, epochs: int, rate: float) -> dict[str, Any]:
    """Train one arm with one seed, through `compare`, and return its line."""
    line: dict[str, Any] = {
        "testbed": testbed.name,
        "regime": testbed.regime,
        "data": testbed.source,
        "arm": name,
        "seed": seed,
        "epochs": epochs,
        "initial_learning_rate": rate,
        "batch_size": testbed.batch_size,
    }
    try:
        ARMS[name](rate)
    except ValueError as error:
        return {**line, "undefined": str(error)}
    result = compare(
        testbed.build_model,
        testbed.train,
        {name: lambda: ARMS[name](rate)},
        epochs=epochs,
        seeds=(seed,),
        batch_size=testbed.batch_size,
        validation_data=testbed.validation,
        test_data=testbed.test,
        verbose=0,
    )
    return {**line, **_figures(result.runs[0]), "environment": environment()}


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


def _key(line: dict[str, Any]) -> tuple[str, int, int, float]:
    return line["arm"], line["seed"], line["epochs"], line["initial_learning_rate"]


def _short(line: dict[str, Any]) -> str:
    return "undefined" if "undefined" in line else f"{line['test_accuracy']:.4f}"


if __name__ == "__main__":
    sys.exit(main())
