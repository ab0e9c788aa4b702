"""Trainings that kill themselves, and go on in a new process: a script, and what it runs.

    python killed.py FOLDER < scenarios.json

It imports Keras once and forks for each training, so that SIGKILL ends a real process, with
nothing cleaned up, and a new one goes on from the files. One line of JSON a scenario is printed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from graphs import leave_as_traced

from kerasdecay import LearningRateDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Cosine

EPOCHS, STEPS, BATCH = 5, 4, 4
HALF = 3
"""Epochs after which a training that is only saved ends."""

OURS = re.compile(r"kerasdecay:|\w*Decay:")

X = np.random.default_rng(0).normal(size=(STEPS * BATCH, 2)).astype("float32")
Y = (X[:, :1] * X[:, 1:]).astype("float32")
SIGNAL = [1.0, 0.9, 0.9, 0.9, 0.9]
"""A metric that stops falling: with a patience of 2 it reduces after epoch 3."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A training and where it is killed.

    Args:
        saver: `"backup"` (BackupAndRestore at each epoch), `"backup every 3 steps"`,
            `"checkpoint"` (ModelCheckpoint and `initial_epoch`) or `"save"` (not killed: it
            ends after HALF epochs and is saved, then loaded).
        order: `"decay first"` or `"saver first"`.
        update: The decay's.
        point: `"batch"` (as it begins), `"before"`, `"between"` or `"after"` decay and saver (at
            the epoch's end), or `"write"` (while the state file is being written).
        epoch: Where, from 0.
        batch: Where, for the point `"batch"`.
    """

    saver: str = "backup"
    order: str = "decay first"
    update: str = "batch"
    point: str = "batch"
    epoch: int = 2
    batch: int = 1

    @property
    def observes_the_loss(self) -> bool:
        """A backup within an epoch repeats it from other weights, so its loss differs."""
        return "steps" not in self.saver


def kill() -> None:
    """End this process as a power failure would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(keras.callbacks.Callback):
    """Kills at one point; nothing happens at the others."""

    def __init__(self, scenario: Scenario, point: str) -> None:
        super().__init__()
        self.scenario, self.point, self.epoch = scenario, point, -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Not before: what is written as an epoch begins is not the state that this is about.
        if self.point == "write" and self._is_here(self.epoch):
            os.fsync = tear  # type: ignore[assignment]
        if self.point == "batch" and self._is_here(self.epoch) and batch == self.scenario.batch:
            kill()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.point in ("before", "between", "after") and self._is_here(epoch):
            kill()

    def _is_here(self, epoch: int) -> bool:
        return self.point == self.scenario.point and epoch == self.scenario.epoch


class Recorder(keras.callbacks.Callback):
    """Writes the rate of each batch into a file at once, as the optimizer gives it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.epoch = path, -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        with self.path.open("a") as file:
            file.write(f"{json.dumps([self.epoch, batch, rate])}\n")


def tear(file: int) -> None:
    """Leave a part of the line that was just appended, and die."""
    os.ftruncate(file, os.fstat(file).st_size - 20)
    kill()


class Signal(keras.callbacks.Callback):
    """Puts a metric into the logs that depends on the epoch alone."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["scripted_loss"] = SIGNAL[epoch]


def network(rate: float = 0.05) -> Any:
    """Return the network with its first weights."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.5, size=w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse")
    return model


def train(scenario: Scenario, folder: Path, part: str) -> dict[str, Any]:
    """Train from where the files in the folder end; return what was decided.

    Args:
        scenario: What to train.
        folder: Of the state file, the saver's files and the record of rates.
        part: `"whole"` (no kill, no files), `"first"` or `"second"`.
    """
    model, first_epoch, epochs = network(), 0, EPOCHS
    if part != "whole" and scenario.saver in ("checkpoint", "save"):
        saved = sorted(folder.glob("*.keras"))
        if saved:
            model, first_epoch = keras.models.load_model(saved[-1]), int(saved[-1].stem)
        if scenario.saver == "save" and part == "first":
            epochs = HALF
    # An improvement must be larger than any there is, so that each epoch after the first reduces.
    watched = ("loss", 10.0) if scenario.observes_the_loss else ("scripted_loss", 0.0)
    decay = LearningRateDecay(
        Cosine(None if scenario.observes_the_loss else 0.05),
        rules=[Plateau(watched[0], factor=0.5, patience=2, min_delta=watched[1])],
        epochs=EPOCHS,
        update=scenario.update,
        state_path=None if part == "whole" else folder / "state.json",
    )
    callbacks: list[Any] = [decay, Recorder(folder / f"{part}.jsonl")]
    if part != "whole":
        savers = {
            "backup": lambda: keras.callbacks.BackupAndRestore(str(folder / "backup")),
            "backup every 3 steps": lambda: keras.callbacks.BackupAndRestore(
                str(folder / "backup"), save_freq=3
            ),
            "checkpoint": lambda: keras.callbacks.ModelCheckpoint(str(folder / "{epoch}.keras")),
        }
        pair = [decay, savers[scenario.saver]()] if scenario.saver in savers else [decay]
        if scenario.order == "saver first":
            pair.reverse()
        killers = {}
        if part == "first":
            points = ("batch", "write", "before", "between", "after")
            killers = {point: Killer(scenario, point) for point in points}
        callbacks = [
            *(killers[point] for point in ("write", "before") if killers),
            pair[0],
            *([killers["between"]] if killers else []),
            *pair[1:],
            Recorder(folder / f"{part}.jsonl"),
            *(killers[point] for point in ("batch", "after") if killers),
        ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            X,
            Y,
            batch_size=BATCH,
            epochs=epochs,
            initial_epoch=first_epoch,
            shuffle=False,
            verbose=0,
            callbacks=[Signal(), *callbacks],
        )
    if scenario.saver == "save" and part == "first":
        model.save(folder / f"{HALF}.keras")
    ours = [str(w.message) for w in caught if OURS.match(str(w.message))]
    reductions = [event.epoch for event in decay.events]
    return {"warnings": ours, "reductions": reductions, "weights": _flat(model)}


def _flat(model: Any) -> list[float]:
    return np.concatenate([np.ravel(value) for value in model.get_weights()]).tolist()


def in_child(scenario: Scenario, folder: Path, part: str) -> dict[str, Any]:
    """Train in a process of its own; return how it ended, its rates, and what `train` returned."""
    path = folder / f"{part}.json"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            leave_as_traced()
            path.write_text(json.dumps(train(scenario, folder, part)))
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    record = folder / f"{part}.jsonl"
    lines = record.read_text().splitlines() if record.exists() else []
    return {
        "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        "failed": os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0,
        "rates": [json.loads(line) for line in lines],
        **(json.loads(path.read_text()) if path.exists() else {}),
    }


def main() -> None:
    """Run the scenarios on standard input; print a line of JSON for each."""
    wholes: dict[tuple[str, bool], dict[str, Any]] = {}
    for number, row in enumerate(json.load(sys.stdin)):
        scenario = Scenario(**row)
        folder = Path(sys.argv[1]) / str(number)
        folder.mkdir(parents=True)
        key = (scenario.update, scenario.observes_the_loss)
        if key not in wholes:
            wholes[key] = in_child(scenario, folder, "whole")
        first = in_child(scenario, folder, "first")
        second = in_child(scenario, folder, "second")
        result = {"scenario": row, "whole": wholes[key], "first": first, "second": second}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
