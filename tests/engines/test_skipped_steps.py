"""Steps that loss scaling skips: `compiled` counts those that were made, `batch` the batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from engines.trainings import (
    BACKEND,
    BATCH,
    EPOCHS,
    PAIRS,
    STEPS,
    TOTAL,
    X,
    Y,
    assert_same,
    built,
    fit,
    native,
    sgd,
    weights,
)

from kerasdecay import LearningRateDecay
from kerasdecay.rules import AdaptiveKnee, Plateau
from kerasdecay.schedules import Constant, Linear, Timeline

pytestmark = pytest.mark.any_backend

COSINE, KERAS_COSINE = PAIRS["cosine"]


def overflowing(rate: Any, *, again_after: int = 2000) -> Any:
    """Return an optimizer whose first gradients overflow, and more after so many that did not."""
    return keras.optimizers.LossScaleOptimizer(
        sgd(rate), initial_scale=3e38, dynamic_growth_steps=again_after
    )


class Counter(keras.callbacks.Callback):
    """Note how many steps the inner optimizer has made at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        inner = self.model.optimizer.inner_optimizer
        self.counts.append(int(keras.ops.convert_to_numpy(inner._iterations)))


def test_the_schedule_in_the_step_waits_and_the_rates_told_are_those_used() -> None:
    model, twin = (built(overflowing(rate, again_after=3)) for rate in (0.05, KERAS_COSINE()))
    decay, counter = LearningRateDecay(COSINE, update="compiled"), Counter()
    told = fit(model, [decay, counter]).history["learning_rate"]
    fit(twin)
    assert_same(weights(model), weights(twin))
    made = counter.counts[-1]
    assert made < TOTAL - 4
    rates = np.asarray([float(KERAS_COSINE()(step)) for step in range(made)])
    np.testing.assert_allclose(told, rates[np.asarray(counter.counts) - 1], rtol=1e-5)
    assert decay.trace is not None
    np.testing.assert_allclose(decay.trace.learning_rates, rates, rtol=1e-5)
    assert np.bincount(decay.trace.epochs).tolist() == np.diff([0, *counter.counts]).tolist()
    left = float(keras.ops.convert_to_numpy(model.optimizer.inner_optimizer.learning_rate))
    assert left == pytest.approx(rates[-1], rel=1e-5)


class HalfFrom(native.LearningRateSchedule):
    """A schedule of Keras, half as high from a step on."""

    def __init__(self, schedule: Any, step: int) -> None:
        self.schedule, self.step = schedule, step

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        step = keras.ops.convert_to_tensor(step)
        return self.schedule(step) * keras.ops.where(step < self.step, 1.0, 0.5)


def test_a_rule_goes_on_from_the_rate_that_was_used() -> None:
    # Two steps are skipped, so the third epoch begins with the schedule's step 14.
    rule = Plateau("loss", factor=0.5, patience=1, min_delta=1e6)
    decay = LearningRateDecay(COSINE, rules=[rule], update="compiled")
    model, twin = built(overflowing(0.05)), built(overflowing(HalfFrom(KERAS_COSINE(), 14)))
    told = fit(model, [decay]).history["learning_rate"]
    fit(twin)
    assert_same(weights(model), weights(twin))
    used = [float(KERAS_COSINE()(step)) for step in (5, 13, 21)]
    assert told == pytest.approx([used[0], used[1], 0.5 * used[2]], rel=1e-5)
    assert [event.before for event in decay.events] == pytest.approx(told[1:], rel=1e-5)


class DownFrom(native.LearningRateSchedule):
    """0.05, and from a step on a straight line that would be at 0 after so many."""

    def __init__(self, step: int, length: int) -> None:
        self.step, self.length = step, length

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        done = keras.ops.cast(keras.ops.convert_to_tensor(step) - self.step, "float32")
        return 0.05 * (1.0 - keras.ops.maximum(done, 0.0) / self.length)


def test_a_way_down_begins_with_its_epoch_whatever_was_skipped_before() -> None:
    # Two of the first epoch's steps are skipped, so the second begins with step STEPS − 2.
    knee = AdaptiveKnee(Plateau("loss", patience=9), min_hold=0.0, latest=0.4)
    decay = LearningRateDecay(Constant(0.05), rules=[knee], update="compiled")
    model, twin = built(overflowing(0.05)), built(overflowing(DownFrom(STEPS - 2, TOTAL - STEPS)))
    told = fit(model, [decay]).history["learning_rate"]
    fit(twin)
    assert_same(weights(model), weights(twin))
    assert [event.epoch for event in decay.events] == [0]
    left = [(TOTAL - STEPS - done) / (TOTAL - STEPS) for done in (STEPS - 1, 2 * STEPS - 1)]
    assert told == pytest.approx([0.05, *(0.05 * share for share in left)], rel=1e-5)


def test_an_epoch_in_which_no_step_is_made_tells_the_rate_that_was_tried() -> None:
    class Overflowing(keras.losses.Loss):
        def call(self, true: Any, prediction: Any) -> Any:
            return prediction * 1e30

    model = built(overflowing(0.05))
    model.compile(model.optimizer, Overflowing())
    decay = LearningRateDecay(COSINE, update="compiled")
    told = fit(model, [decay], epochs=2).history["learning_rate"]
    assert int(keras.ops.convert_to_numpy(model.optimizer.inner_optimizer._iterations)) == 0
    assert told == pytest.approx([0.05, 0.05])


def test_a_driven_momentum_waits_with_the_steps_and_is_told_as_it_was_used() -> None:
    momentum, made = Linear(0.9).rates(np.arange(TOTAL), Timeline(EPOCHS, STEPS)), []
    model, by_hand = (built(overflowing(0.05, again_after=3), run_eagerly=on) for on in (0, 1))
    decay = LearningRateDecay(Constant(0.05), momentum=Linear(0.9), update="batch")
    told = fit(model, [decay]).history["momentum"]
    inner = by_hand.optimizer.inner_optimizer
    for step in range(TOTAL):
        inner.momentum = float(momentum[int(keras.ops.convert_to_numpy(inner.iterations))])
        part = slice(step % STEPS * BATCH, (step % STEPS + 1) * BATCH)
        by_hand.train_on_batch(X[part], Y[part])
        made.append(int(keras.ops.convert_to_numpy(inner.iterations)))
    assert_same(weights(model), weights(by_hand))
    assert told == pytest.approx([momentum[count - 1] for count in made[STEPS - 1 :: STEPS]])
    assert decay.trace is not None
    used = decay.trace.knobs["momentum"].rates("momentum")
    assert used == pytest.approx(momentum[: made[-1]])


@pytest.mark.parametrize("skipped", [0, 3, STEPS - 1])
def test_an_epoch_with_one_step_skipped_tells_the_rate_of_its_last_batch(skipped: int) -> None:
    model = built(keras.optimizers.LossScaleOptimizer(sgd(0.05), initial_scale=1.0))
    x = X.copy()
    x[skipped * BATCH] = np.inf
    decay = LearningRateDecay(Linear(0.05), update="batch")
    arguments = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "callbacks": [decay]}
    told = model.fit(x, Y, epochs=EPOCHS, **arguments).history["learning_rate"]
    line = [0.05 * (1 - batch / TOTAL) for batch in range(TOTAL)]
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == EPOCHS * (STEPS - 1)
    assert told == pytest.approx(line[STEPS - 1 :: STEPS])
    assert decay.trace is not None
    assert decay.trace.learning_rates.tolist() == pytest.approx(line)


class Twice(keras.Sequential):
    """Applies its optimizer two times a batch; what comes in is the gradient."""

    def train_step(self, data: Any) -> Any:
        for _ in range(2):
            gradient = self.optimizer.scale_loss(keras.ops.mean(data[0]))
            self.optimizer.apply([keras.ops.reshape(gradient, (1, 1))], self.trainable_variables)
        return {"loss": keras.ops.zeros(())}


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the step is written for TensorFlow")
@pytest.mark.parametrize("update", ["batch", "compiled"])
@pytest.mark.parametrize(("skipped", "noticed"), [(0, 1), (1, 4), (3, 8)])
def test_several_applications_a_batch_are_noticed_where_some_are_skipped(
    update: str, skipped: int, noticed: int
) -> None:
    model = Twice([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(9.0), initial_scale=1.0)
    model.compile(optimizer, "mse")
    start = model.get_weights()[0].item()
    x = np.full((16, 1), -1.0, "float32")
    x[:skipped] = np.inf
    decay = LearningRateDecay(Linear(0.4), momentum=Linear(0.8), update=update)
    with pytest.warns(UserWarning, match="2 times a batch"):
        model.fit(x, x, batch_size=1, shuffle=False, verbose=0, callbacks=[decay])
    # The steps count until it is seen, after 1, 2, 4 … batches, that they are more than batches.
    velocity = moved = 0.0
    for batch in range(skipped, 16):
        for step in (0, 1):
            place = batch if batch >= noticed else 2 * (batch - skipped) + step
            velocity = 0.8 * (1 - place / 16) * velocity
            velocity += 0.4 * (1 - (batch if update == "batch" else place) / 16)
            moved += velocity
    assert model.get_weights()[0].item() - start == pytest.approx(moved, rel=1e-5)
