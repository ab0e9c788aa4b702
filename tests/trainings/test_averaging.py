"""The mean of the weights over the last part of a training, by weights captured at each step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    ON_TORCH,
    STEPS,
    Odometer,
    X,
    Y,
    distance,
    fit,
    is_ours,
    level_odometer,
    near,
    new_odometer,
    no_warning,
    odometer,
    regression,
    travelled,
    two_odometers,
    warned_once,
)

import kerasdecay
from kerasdecay import LearningRateDecay, LinearDecay, OpenEndedDecay, PlateauDecay, steer
from kerasdecay.schedules import Constant
from kerasdecay.training import averaging

pytestmark = pytest.mark.any_backend

EPOCHS = 5
TOTAL = EPOCHS * STEPS


class Capture(keras.callbacks.Callback):
    """Keep the weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.weights.append(flat(self.model))


def flat(model: keras.Model) -> np.ndarray:
    return np.concatenate([one.ravel() for one in model.get_weights()])


@pytest.mark.parametrize(
    ("last", "update", "count"),
    [("30%", "batch", 6), (1, "compiled", STEPS), ("1 step", "epoch", 1), ("100%", "batch", TOTAL)],
)
def test_the_model_ends_with_the_mean_of_the_last_steps(last: Any, update: str, count: int) -> None:
    decay, capture = LinearDecay(0.1, update=update, average_last=last), Capture()
    model = regression()
    with no_warning():
        fit(model, [decay, capture], EPOCHS)
    mean = np.mean(np.asarray(capture.weights[-count:], "float64"), axis=0)
    np.testing.assert_allclose(flat(model), mean, rtol=2e-6, atol=1e-7)
    if count > 1:
        assert np.abs(flat(model) - capture.weights[-1]).max() > 1e-5
    assert decay.trace is not None
    assert f"from step {TOTAL - count + 1} on are averaged" in decay.trace.notes[-1]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="its state is with the steps")
def test_the_weights_are_taken_where_the_steps_left_them(monkeypatch: Any) -> None:
    synced: list[int] = []
    sync = keras.Model.jax_state_sync

    def counted(model: Any) -> None:
        synced.append(not model._jax_state_synced)
        sync(model)

    monkeypatch.setattr(keras.Model, "jax_state_sync", counted)
    fit(regression(), [LearningRateDecay(Constant(0.1), average_last="100%")], EPOCHS)
    assert sum(synced) == EPOCHS  # Keras' own, as an epoch ends


def test_long_parts_are_sampled_from_their_end(monkeypatch: Any) -> None:
    monkeypatch.setattr(averaging, "MOST_SAMPLES", 3)
    decay, real = LearningRateDecay(Constant(0.5), average_last="40%"), Odometer()
    model = odometer()
    fit(model, [decay, real], EPOCHS)
    # Eight steps, every third of them: those after steps 14, 17 and 20.
    assert travelled(model) == near(np.mean([real.places[at] for at in (14, 17, 20)]))


@pytest.mark.skipif(ON_TORCH, reason="Keras on torch takes one step a call")
def test_several_steps_an_execution_give_the_weights_after_each() -> None:
    model = new_odometer(steps_per_execution=2)
    fit(model, [LearningRateDecay(Constant(0.5), average_last="1 step")], 1)
    assert travelled(model) == near(0.5 * STEPS)
    model = new_odometer(steps_per_execution=2)
    fit(model, [LearningRateDecay(Constant(0.5), average_last=1)], 1)
    assert travelled(model) == near(np.mean([1.0, 2.0]))  # after steps 2 and 4


def test_a_loop_without_fit_ends_with_the_mean_too() -> None:
    model = odometer()
    with steer(
        model, LearningRateDecay(Constant(0.5), average_last=1), epochs=2, steps_per_epoch=STEPS
    ) as run:
        for _ in run:
            for _ in range(STEPS):
                run.begin_step()
                model.train_on_batch(X[:10], Y[:10])
            run.end_epoch()
    assert travelled(model) == near(np.mean([2.5, 3.0, 3.5, 4.0]))


def test_weights_that_a_rule_puts_back_begin_the_mean_anew() -> None:
    decay = PlateauDecay(
        "loss", 0.5, 1, min_delta=99.0, restore_best_weights=True, average_last="100%"
    )
    model, real = level_odometer(), Odometer()
    fit(model, [decay, real], 2, x=np.ones((8, 1), "float32"), y=np.ones((8, 1), "float32"),
        batch_size=4, shuffle=False)  # fmt: skip
    # The second epoch is no better and goes back to the end of the first: that alone is left.
    assert real.places == near([0.0, 0.5, 1.0, 1.5, 2.0])
    assert travelled(model) == near(1.0)


def test_a_training_that_ends_too_early_or_goes_on_too_late_says_so() -> None:
    stop = keras.callbacks.LambdaCallback()
    stop.on_epoch_end = lambda epoch, logs=None: setattr(stop.model, "stop_training", True)
    model = odometer()
    with warned_once("has ended before its last part", "average_last='20%'", "step 17"):
        fit(model, [LearningRateDecay(Constant(0.5), average_last="20%"), stop], EPOCHS)
    assert travelled(model) == near(2.0)
    model = odometer()
    with warned_once("went on within its last part"):
        decay = LearningRateDecay(Constant(0.5), average_last="40%")
        fit(model, [decay], EPOCHS, initial_epoch=4)
    assert travelled(model) == near(np.mean([0.0, 0.5, 1.0, 1.5, 2.0]))


def two_parts() -> keras.Model:
    """Return a model of two weights that every step moves by the rate, one of them frozen."""
    model = two_odometers(keras.optimizers.SGD(0.5))
    model.get_layer("slow").trainable = False
    model.compile(keras.optimizers.SGD(0.5), distance)
    return model


@pytest.mark.parametrize("unfreezes", [False, True])
def test_a_new_optimizer_within_the_last_part_changes_no_mean(
    unfreezes: bool, recwarn: pytest.WarningsRecorder
) -> None:
    model = two_parts()
    places: list[float] = []
    decay = LearningRateDecay(Constant(0.5), average_last="100%")
    with steer(model, decay, epochs=2, steps_per_epoch=STEPS) as run:
        for epoch in run:
            for _ in range(STEPS):
                run.begin_step()
                model.train_on_batch(X[:10], Y[:10])
                places.append(travelled(model, "fast"))
            run.end_epoch()
            if epoch == 0:
                model.get_layer("slow").trainable = unfreezes
                model.compile(keras.optimizers.SGD(0.25), distance)
    told = " ".join(str(one.message) for one in recwarn if is_ours(one))
    assert "the model has a new optimizer" in told
    assert ("other weights are trained from now on: their mean begins anew" in told) == unfreezes
    # Where other weights train, their mean begins with those that the exchange has found.
    kept = places[STEPS - 1 :] if unfreezes else places
    assert travelled(model, "fast") == near(np.mean(kept))
    slow = np.mean(0.5 * np.arange(STEPS + 1)) if unfreezes else 0.0
    assert travelled(model, "slow") == near(slow)


def with_statistics(trainable: bool) -> keras.Model:
    normalization = keras.layers.BatchNormalization(trainable=trainable)
    inner = keras.Sequential([keras.layers.Input((1,)), normalization])
    model = keras.Sequential([inner, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_statistics_that_belong_to_other_weights_are_refused() -> None:
    decay = LearningRateDecay(Constant(0.5), average_last=1)
    with pytest.raises(ValueError, match=r"average_last must be None .*'batch_norm.*LayerNormal"):
        fit(with_statistics(True), [decay], 1)
    fit(with_statistics(False), [LearningRateDecay(Constant(0.5), average_last=1)], 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LinearDecay(0.1, average_last=0.1), "average_last must be .*Did you mean '10%'"),
        (lambda: LinearDecay(0.1, average_last=0), "average_last must be a duration longer than 0"),
        (lambda: OpenEndedDecay(0.1, average_last="10%"), "OpenEndedDecay: average_last must be"),
        (
            lambda: steer(keras.optimizers.SGD(0.1), LinearDecay(0.1, average_last=1), epochs=1),
            "a model where weights are put back or averaged",
        ),
    ],
)
def test_what_cannot_be_averaged_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_without_a_number_of_steps_nothing_can_be_averaged() -> None:
    batches = ((X[:10], Y[:10]) for _ in range(4))
    decay = kerasdecay.StepDecay(0.5, every=1, average_last="10%")
    with pytest.raises(ValueError, match="average_last needs a known number of steps"):
        fit(odometer(), [decay], 1, x=batches)


@pytest.mark.parametrize("scaled", [False, True])
def test_an_optimizer_with_a_mean_of_its_own_is_refused(scaled: bool) -> None:
    optimizer = keras.optimizers.SGD(0.5, use_ema=True)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = new_odometer(optimizer=optimizer)
    decay = LearningRateDecay(Constant(0.5), average_last=1)
    with pytest.raises(ValueError, match=r"average_last must be None .* use_ema=True.*SwapEMA"):
        fit(model, [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), decay], 2)
    assert travelled(model) == 0


@pytest.mark.parametrize("place", [0, 1])
def test_another_callback_that_ends_with_its_own_weights_is_refused(place: int) -> None:
    decay = LearningRateDecay(Constant(0.5), average_last=1)
    callbacks = [decay]
    callbacks.insert(place, keras.callbacks.EarlyStopping("loss", restore_best_weights=True))
    model = new_odometer()
    told = r"average_last must be None beside EarlyStopping\(restore_best_weights=True\)"
    with pytest.raises(ValueError, match=told):
        fit(model, callbacks, 2)
    assert travelled(model) == 0
    fit(model, [decay, keras.callbacks.EarlyStopping("loss")], 2)


def test_what_cannot_be_averaged_is_refused_before_rates_are_tried() -> None:
    normalized = keras.Sequential(
        [keras.Input((1,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    normalized.compile("adam", "mse")
    averaging_itself = new_odometer(optimizer=keras.optimizers.SGD(0.5, use_ema=True))
    for model in (normalized, averaging_itself):
        with pytest.raises(ValueError, match="average_last must be None"):
            fit(model, [kerasdecay.AutoDecay(average_last=1)], 30)
        assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0
