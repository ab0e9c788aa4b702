"""Tiny searches, and a callback that sees which rates the model trained with."""

from __future__ import annotations

import gc
from typing import ClassVar

import keras
import keras_tuner
import numpy as np
import pytest

STEPS = 4
EPOCHS = 4


@pytest.fixture(autouse=True, scope="module")
def _quick_collections():
    """KerasTuner collects garbage twice a trial, which takes half a second if all is looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Spy(keras.callbacks.Callback):
    """Notes every `fit`: its epochs, the rate in force in each batch, all in one shared list.

    KerasTuner deep-copies callbacks for each execution, hence the list of the class.
    """

    fits: ClassVar[list[dict]] = []

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        iterations = int(keras.ops.convert_to_numpy(optimizer.iterations))
        self.fits.append({"epochs": [], "rates": [], "iterations": iterations})

    def on_epoch_begin(self, epoch, logs=None):
        self.fits[-1]["epochs"].append(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self.fits[-1]["rates"].append(float(rate))


@pytest.fixture
def spy():
    Spy.fits = []
    return Spy()


@pytest.fixture
def data():
    x = np.random.default_rng(0).normal(size=(STEPS * 8, 3)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


@pytest.fixture
def build_model():
    def build(hp=None):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.05), "mse")
        return model

    return build


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a tuner over the test's folder."""

    def make(kind, hypermodel, **options):
        options = {"objective": "loss", "directory": tmp_path, "seed": 3, **options}
        if kind == "Hyperband":
            options = {"max_epochs": EPOCHS, "factor": 4, **options}
        return getattr(keras_tuner, kind)(hypermodel, **options)

    return make


@pytest.fixture
def search(data):
    """Return a function that runs a search in silence."""

    def search(tuner, *callbacks, epochs=EPOCHS, **options):
        tuner.search(
            *data,
            epochs=epochs,
            batch_size=8,
            verbose=0,
            callbacks=list(callbacks),
            **options,
        )
        return tuner

    return search
