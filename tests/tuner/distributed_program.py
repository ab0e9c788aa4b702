"""What each process of a distributed search runs. KerasTuner reads its role from the environment.

    python distributed_program.py DIRECTORY EPOCHS STEPS

It writes `ready` to standard output, waits for a line on standard input, searches, and writes one
line of JSON: what `best_decay` and `search_result` answered, and the rates of each training.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import keras_tuner
import numpy as np

from kerasdecay.schedules import simulate
from kerasdecay.tuner import DecayHyperModel, best_decay, search_result

DECAYS = ("power_step", "cosine", "step")


class Spy(keras.callbacks.Callback):
    """Notes the rate in force in each batch of this process."""

    rates: ClassVar[list[list[float]]] = []

    def on_train_begin(self, logs=None):
        self.rates.append([])

    def on_train_batch_begin(self, batch, logs=None):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self.rates[-1].append(float(rate))


def build(hp):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model


def answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except ValueError as error:
        return str(error)


def main(directory: str, epochs: int, steps: int) -> None:
    silent = io.StringIO()  # KerasTuner prints the conditions that it sends
    with contextlib.redirect_stdout(silent):
        tuner = keras_tuner.Hyperband(
            DecayHyperModel(build, DECAYS),
            "loss",
            max_epochs=epochs,
            factor=epochs,
            directory=directory,
            seed=3,
        )
    print("ready", flush=True)
    sys.stdin.readline()
    x = np.ones((steps, 1), "float32")
    with contextlib.redirect_stdout(silent):
        tuner.search(x, x, batch_size=1, verbose=0, callbacks=[Spy()])
    answers = {
        "best_decay": answer(
            lambda: simulate(best_decay(tuner), epochs=epochs, steps_per_epoch=steps).tolist()
        ),
        "search_result": answer(lambda: search_result(tuner).to_dict()),
        "rates": Spy.rates,
    }
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
