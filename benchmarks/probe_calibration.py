"""Does the rate that the range test recommends train as well as the best of a grid?

    python benchmarks/probe_calibration.py --seeds 3 --minutes 9
    python benchmarks/probe_calibration.py --report

Three problems (images with BatchNormalization, a table, token sequences), SGD and Adam. Every
training holds its rate for 80 % of the budget and goes straight to zero. For each seed all rates
start from the same weights and see the same batches: the grid of three rates a decade, and what
`find_learning_rate` suggests from 100 steps with its default range: the recommended rate and
fastai's three. This is a check with Keras, not a held-out test: the digits and the table, with the
same layers, were among the problems that the constants in `kerasdecay/control/range_test.py` were
chosen on. The sequences were not.

Each finished training is one line in benchmarks/results/probe_calibration.jsonl, written at once;
what has a line is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from _testbeds import digits
from keras import layers
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from kerasdecay.callbacks import LearningRateDecay
from kerasdecay.schedules import Knee
from kerasdecay.study import find_learning_rate
from kerasdecay.study.environment import environment

RESULTS = Path(__file__).resolve().parent / "results" / "probe_calibration.jsonl"
EPOCHS, BATCH_SIZE = 15, 32
FASTAIS = ("valley", "steepest", "minimum/10")

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """Data in two splits, and the layers between the input and the classes."""

    train: Pair
    test: Pair
    build: Callable[[], keras.Model]


def images() -> Problem:
    """Return scikit-learn's digits, with a small convolutional network."""
    testbed = digits()
    return Problem(testbed.train, testbed.test, testbed.build_model)


def table() -> Problem:
    """Return the breast-cancer table, standardised, with two hidden layers."""
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.25, random_state=0, stratify=y
    )
    scaler = StandardScaler().fit(x_train)
    return Problem(
        (scaler.transform(x_train).astype("float32"), y_train),
        (scaler.transform(x_test).astype("float32"), y_test),
        lambda: keras.Sequential(
            [
                keras.Input((x.shape[1],)),
                layers.Dense(32, activation="relu"),
                layers.Dense(16, activation="relu"),
                layers.Dense(2),
            ]
        ),
    )


def sequences() -> Problem:
    """Return sequences of 16 tokens: which of four pairs of neighbours occurs in them?"""
    draw = np.random.default_rng(0)
    x = draw.integers(8, 30, size=(1600, 16))
    y = draw.integers(0, 4, size=1600)
    place = draw.integers(0, 15, size=1600)
    rows = np.arange(1600)
    x[rows, place], x[rows, place + 1] = y, 4 + y
    other = draw.integers(0, 8, size=1600)  # a single token of a pair decides nothing
    x[rows, (place + 5) % 16] = other
    return Problem(
        (x[:1200], y[:1200]),
        (x[1200:], y[1200:]),
        lambda: keras.Sequential(
            [
                keras.Input((16,), dtype="int32"),
                layers.Embedding(30, 16),
                layers.Conv1D(32, 2, activation="relu"),
                layers.GlobalMaxPooling1D(),
                layers.Dense(4),
            ]
        ),
    )


PROBLEMS = {"breast cancer": table, "sequences": sequences, "digits": images}
OPTIMIZERS: dict[str, tuple[Callable[[float], Any], np.ndarray]] = {
    "SGD": (keras.optimizers.SGD, 10.0 ** (np.arange(-6, 2) / 3)),
    "Adam": (keras.optimizers.Adam, 10.0 ** (np.arange(-12, -3) / 3)),
}


def main() -> None:
    """Train what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, help="begin no training after so many minutes")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    lines = _read(arguments.output)
    if not arguments.report:
        until = time.monotonic() + 60 * (arguments.minutes or 1e6)
        arguments.output.parent.mkdir(exist_ok=True)
        with arguments.output.open("a") as file:
            for line in measured(lines, arguments.seeds):
                lines.append(line)
                file.write(json.dumps(line) + "\n")
                file.flush()
                if time.monotonic() > until:
                    print("out of time: call again to go on")
                    break
    Console().print(report(lines))


def measured(lines: list[dict[str, Any]], seeds: int) -> Iterator[dict[str, Any]]:
    """Yield a line for each training that has none, seed by seed."""
    done = {(each["problem"], each["optimizer"], each["seed"], each["arm"]) for each in lines}
    machine = environment()
    for seed in range(seeds):
        for name, make in PROBLEMS.items():
            problem = make()
            for optimizer, (kind, grid) in OPTIMIZERS.items():
                arms = [*(f"{rate:.2g}" for rate in grid), "recommended", *FASTAIS]
                missing = [arm for arm in arms if (name, optimizer, seed, arm) not in done]
                if not missing:
                    continue
                found = find_learning_rate(
                    _model(problem, kind, seed),
                    problem.train,
                    batch_size=BATCH_SIZE,
                    seed=seed,
                    verbose=0,
                )
                rates = {f"{rate:.2g}": float(rate) for rate in grid}
                rates["recommended"] = found.suggestion.rate
                rates.update({each.name: each.rate for each in found.suggestions})
                for arm in missing:
                    yield {
                        "problem": name,
                        "optimizer": optimizer,
                        "seed": seed,
                        "arm": arm,
                        "rate": rates[arm],
                        "why": found.suggestion.reason if arm == "recommended" else "",
                        "test_accuracy": _accuracy(problem, kind, seed, rates[arm]),
                        "epochs": EPOCHS,
                        "environment": machine,
                    }


def _model(problem: Problem, kind: Callable[[float], Any], seed: int) -> keras.Model:
    """Return the compiled network with the initial weights, and the batches to come, of a seed."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = problem.build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kind(0.01), loss, metrics=["accuracy"], jit_compile=False)
    return model


def _accuracy(
    problem: Problem, kind: Callable[[float], Any], seed: int, rate: float | None
) -> float | None:
    if rate is None:
        return None
    model = _model(problem, kind, seed)
    decay = LearningRateDecay(Knee(rate, hold="80%"))
    model.fit(*problem.train, epochs=EPOCHS, batch_size=BATCH_SIZE, callbacks=[decay], verbose=0)
    return float(model.evaluate(*problem.test, verbose=0, return_dict=True)["accuracy"])


def report(lines: list[dict[str, Any]]) -> Table:
    """Return the mean (and the least) test accuracy of each suggestion beside the grid's best."""
    found: dict[tuple[str, str], dict[str, dict[int, Any]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        found[line["problem"], line["optimizer"]][line["arm"]][line["seed"]] = line
    shown = Table(title=f"{EPOCHS} epochs, hold 80 %: mean test accuracy (least)")
    for column in ("problem", "optimizer", "seeds", "best of the grid", "recommended", *FASTAIS):
        shown.add_column(column)
    for (problem, optimizer), arms in found.items():
        seeds = set.intersection(*(set(runs) for runs in arms.values()))
        if not seeds or "recommended" not in arms:
            continue
        means = {
            arm: statistics.fmean(runs[seed]["test_accuracy"] for seed in seeds)
            for arm, runs in arms.items()
            if arm not in ("recommended", *FASTAIS)
        }
        best = max(means, key=means.__getitem__)
        cells = [_cell(arms[arm], seeds) for arm in ("recommended", *FASTAIS)]
        at_best = f"{_cell(arms[best], seeds, rates=False)} at {best}"
        shown.add_row(problem, optimizer, str(len(seeds)), at_best, *cells)
    return shown


def _cell(runs: dict[int, dict[str, Any]], seeds: set[int], *, rates: bool = True) -> str:
    chosen = [runs[seed] for seed in sorted(seeds)]
    reached = [run["test_accuracy"] for run in chosen if run["rate"] is not None]
    if not reached:
        return "none"
    text = f"{statistics.fmean(reached):.3f} ({min(reached):.3f})"
    if len(reached) < len(chosen):
        text += f", none in {len(chosen) - len(reached)}"
    if rates:
        text += " at " + " ".join(f"{run['rate']:.2g}" for run in chosen if run["rate"])
    return text


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
