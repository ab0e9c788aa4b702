"""Traps in when a change of the rate takes effect, each with its test."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras.src import utils
from tiny import (
    BATCH,
    ON_TORCH,
    STEPS,
    Odometer,
    Scripted,
    X,
    Y,
    distance,
    fit,
    near,
    new_odometer,
    odometer,
    travelled,
    weights_after,
)

from kerasdecay import (
    LearningRateDecay,
    PlateauDecay,
    PowerStepDecay,
    WarmupDecay,
    release,
    simulate,
)
from kerasdecay.schedules import Constant, Linear, PowerStep, Warmup

pytestmark = pytest.mark.any_backend


class Assign(keras.callbacks.Callback):
    """What one would write by hand: an assignment before each batch."""

    def __init__(self, rates: Any) -> None:
        super().__init__()
        self.rates = list(rates)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = self.rates.pop(0)


RISING = Warmup(PowerStep(0.5, stages=2), "6 steps")


def test_update_batch_trains_the_weights_of_an_assignment_by_hand_before_each_batch() -> None:
    rates = simulate(RISING, epochs=4, steps_per_epoch=STEPS)
    expected = weights_after([Assign(rates)], 4)
    np.testing.assert_allclose(
        weights_after([LearningRateDecay(RISING)], 4), expected, rtol=1e-5, atol=1e-7
    )
    by_epoch = weights_after([LearningRateDecay(RISING, update="epoch")], 4)
    assert not np.allclose(by_epoch, expected, rtol=1e-2)


def test_a_change_reaches_every_batch_after_the_first() -> None:
    # On JAX an optimizer that is kept from batch to batch would lose every write after batch 0.
    real = Odometer()
    fit(odometer(), [WarmupDecay(2), real], epochs=3)
    assert real.moves == near([0.5 * (n + 1) / 8 for n in range(8)] + [0.5] * 4)


def test_update_20_steps_holds_a_rate_for_so_many_batches() -> None:
    real = Odometer()
    decay = LearningRateDecay(Warmup(Constant(0.8), "8 steps"), update="3 steps")
    fit(odometer(), [decay, real], epochs=3)
    held = [0.1] * 3 + [0.4] * 3 + [0.7] * 3 + [0.8] * 3
    assert real.moves == near(held)
    assert decay.trace.setup.update == "3 steps"


def test_gradient_accumulation_counts_batches_and_not_updates() -> None:
    optimizer = keras.optimizers.SGD(0.4, gradient_accumulation_steps=2)
    real = Odometer()
    fit(new_odometer(optimizer=optimizer), [WarmupDecay(1), real], epochs=2)
    # Batches 0 … 3 have 0.1, 0.2, 0.3, 0.4; every second one updates, with the rate it has then.
    assert real.moves == near([0, 0.2, 0, 0.4, 0, 0.4, 0, 0.4])


class Asked(LearningRateDecay):
    """Notes when it is asked for its model, which on JAX copies the whole state."""

    def __init__(self, schedule: Any, update: str) -> None:
        super().__init__(schedule, update=update)
        self.batches: list[int] = []
        self.batch: int | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.batch = batch
        super().on_train_batch_begin(batch, logs)
        self.batch = None

    @property
    def model(self) -> Any:
        if self.batch is not None:
            self.batches.append(self.batch)
        return super().model


@pytest.mark.parametrize(
    ("schedule", "update", "batches"),
    [
        (Constant(0.5), "batch", []),
        (Constant(0.5), "20 steps", []),
        # The first batch has the rate that was written as the epoch began.
        (Linear(0.5), "batch", [1, 2, 3] * 2),
        (Linear(0.5), "3 steps", [3, 2]),
        (Warmup(Constant(0.5), "3 steps"), "batch", [1, 2]),
        # Once, to see whether the optimizer steps once a batch.
        (Linear(0.5), "compiled", [1]),
    ],
    ids=str,
)
def test_the_model_is_asked_for_only_where_the_rate_changes(
    schedule: Any, update: str, batches: list[int]
) -> None:
    decay = Asked(schedule, update)
    fit(odometer(), [decay], epochs=2)
    if keras.backend.backend() == "jax" and update == "batch":
        # A copy of the state each. Later rates are handed to the step without one.
        batches = [batch for batch in batches if batch == 1]
    assert decay.batches == batches


@pytest.mark.skipif(ON_TORCH, reason="Keras refuses it on torch: see the next test")
def test_steps_per_execution_computes_from_the_index_at_0_4_8() -> None:
    real = Odometer()
    model = new_odometer(1.0, steps_per_execution=4)
    history = fit(model, [WarmupDecay(1), real], epochs=2, x=X, y=Y, batch_size=4)
    assert real.begun == [0, 4, 8] * 2
    assert real.moves == near([4 * 0.1, 4 * 0.5, 2 * 0.9, 4.0, 4.0, 2.0])
    assert history["learning_rate"] == near([0.9, 1.0])


@pytest.mark.skipif(not ON_TORCH, reason="Keras refuses it on torch alone")
@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_on_torch_keras_refuses_steps_per_execution_before_the_first_step(update: str) -> None:
    model = new_odometer(1.0, steps_per_execution=4)
    with pytest.raises(ValueError, match="`steps_per_execution` must be 1 with the PyTorch"):
        fit(model, [WarmupDecay(1, update=update)], epochs=2)
    assert travelled(model) == 0
    assert not release(model)


def batches(count: int) -> Iterator[Any]:
    """A generator: it tells no length."""
    for _ in range(count):
        yield X[:BATCH], Y[:BATCH]


def test_generator_of_unknown_length_with_updates_per_epoch() -> None:
    model = odometer()
    decay = PowerStepDecay(0.5, stages=1)
    history = fit(model, [decay], epochs=1, x=batches(STEPS))
    assert history["learning_rate"] == [0.5]
    assert travelled(model) == near(STEPS * 0.5)
    with pytest.raises(ValueError, match="the training data have no length"):
        _ = decay.trace.steps


@pytest.mark.parametrize(
    "make",
    [
        lambda: WarmupDecay(1),
        lambda: PowerStepDecay(0.5, stages=1, update="batch"),
        lambda: PowerStepDecay(0.5, stages=1, warmup="2 steps", update="epoch"),
    ],
)
def test_generator_of_unknown_length_with_updates_per_batch_is_refused(make: Any) -> None:
    model = odometer()
    with pytest.raises(ValueError, match=r"Pass steps_per_epoch="):
        fit(model, [make()], epochs=1, x=batches(STEPS))
    assert travelled(model) == 0


def test_generator_of_unknown_length_with_steps_per_epoch() -> None:
    real = Odometer()
    fit(odometer(), [WarmupDecay(1), real], epochs=2, x=batches(2 * STEPS), steps_per_epoch=STEPS)
    assert real.moves == near([0.125, 0.25, 0.375, 0.5] + [0.5] * 4)


def test_callbacks_given_without_a_list() -> None:
    model = odometer()
    assert fit(model, WarmupDecay(1), epochs=2)["learning_rate"] == [0.5, 0.5]
    assert travelled(model) == near(0.5 * (10 / 4) + 4 * 0.5)


@pytest.mark.skipif(ON_TORCH, reason="torch runs the model itself at every step: no traces")
@pytest.mark.parametrize("jit_compile", [True, "auto"])
def test_a_change_of_the_rate_never_retraces(jit_compile: Any) -> None:
    traces = []

    class Counting(keras.layers.Dense):
        def call(self, inputs: Any, training: bool = False) -> Any:
            if training:
                traces.append(1)
            return super().call(inputs)

    counts = []
    for callbacks in ([], [WarmupDecay(2, then=PowerStep(stages=2))]):
        model = keras.Sequential([keras.layers.Input((1,)), Counting(1, use_bias=False)])
        model.compile(keras.optimizers.SGD(0.5), loss=distance, jit_compile=jit_compile)
        traces.clear()
        fit(model, callbacks, epochs=5)
        counts.append(len(traces))
    assert counts[0] == counts[1]
    assert counts[0] < STEPS


EVERY = [
    PowerStepDecay(0.5),
    PlateauDecay("val_loss"),
    WarmupDecay(1),
    LearningRateDecay(Constant(0.5), update="batch"),
]


@pytest.mark.parametrize("decay", EVERY, ids=lambda decay: type(decay).__name__)
def test_asynchronous_dispatch_of_logs_is_not_switched_off(decay: Any) -> None:
    assert utils.python_utils.is_default(decay.on_train_batch_end)
    assert utils.python_utils.is_default(decay.on_batch_end)
    assert not getattr(decay, "async_safe", False)


def test_no_reference_to_the_model_is_in_a_copy_made_in_mid_training() -> None:
    copies = []

    class Copying(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            copies.append(copy.deepcopy(decay))

    decay = PlateauDecay("val_loss", restore_best_weights=True)
    fit(odometer(), [Scripted(val_loss=[1.0]), decay, Copying()], epochs=1)
    assert copies[0].model is None
