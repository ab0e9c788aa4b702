"""What "best weights restored" puts back: everything that trains, on every backend."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from tiny import Scripted, fit, near, new_odometer, no_warning, travelled

from kerasdecay import AutoDecay, LearningRateDecay, PlateauDecay
from kerasdecay.rules import Rescue
from kerasdecay.schedules import Constant

pytestmark = pytest.mark.any_backend

ROWS = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
TARGETS = ROWS.sum(1, keepdims=True)


class Spoilt(keras.utils.PyDataset):
    """Four batches an epoch, one of which is NaN."""

    def __init__(self, bad: int) -> None:
        super().__init__()
        self.bad, self.given = bad, 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        self.given += 1
        rows = ROWS[8 * index : 8 * index + 8]
        if self.given == self.bad:
            rows = rows * np.nan
        return rows, TARGETS[8 * index : 8 * index + 8]


def one_epoch_is_spoilt(losses: list[float]) -> bool:
    """Whether one loss is NaN, neither the first nor the last; Keras may read a batch ahead."""
    return np.isnan(losses).sum() == 1 and np.isfinite([losses[0], losses[-1]]).all()


MODELS = {
    "dense": lambda: [keras.layers.Dense(1)],
    "batch normalization": lambda: [
        keras.layers.Dense(4, activation="tanh"),  # a relu may hide a NaN
        keras.layers.BatchNormalization(),
        keras.layers.Dense(1),
    ],
    "dropout of a seed": lambda: [
        keras.layers.Dense(4, activation="tanh"),
        keras.layers.Dropout(0.2, seed=3),
        keras.layers.Dense(1),
    ],
}
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "rmsprop, accumulating": lambda: keras.optimizers.RMSprop(
        0.02, momentum=0.5, gradient_accumulation_steps=2
    ),
    "adamw, averaging": lambda: keras.optimizers.AdamW(0.05, use_ema=True, ema_momentum=0.9),
}


def built(layers: str, optimizer: Any, **compiling: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), *MODELS[layers]()])
    model.compile(optimizer, "mse", **compiling)
    return model


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("layers", MODELS)
def test_after_one_nan_batch_the_losses_are_finite_from_the_next_epoch_on(
    layers: str, optimizer: str
) -> None:
    model = built(layers, OPTIMIZERS[optimizer]())
    decay = PlateauDecay("loss", factor=0.5, patience=5, restore_best_weights=True)
    history = model.fit(Spoilt(bad=14), epochs=8, verbose=0, callbacks=[decay]).history
    assert one_epoch_is_spoilt(history["loss"])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("bad", [7, 10, 20])
def test_wherever_the_batch_is(bad: int) -> None:
    model = built("batch normalization", keras.optimizers.Adam(0.05))
    decay = PlateauDecay("loss", factor=0.5, patience=1, restore_best_weights=True)
    history = model.fit(Spoilt(bad), epochs=8, verbose=0, callbacks=[decay]).history
    assert one_epoch_is_spoilt(history["loss"])


def test_the_option_keeps_the_weights_alone() -> None:
    model = built("dense", keras.optimizers.Adam(0.05))
    decay = PlateauDecay(
        "loss", factor=0.5, patience=1, restore_best_weights=True, restore_optimizer=False
    )
    history = model.fit(Spoilt(bad=14), epochs=8, verbose=0, callbacks=[decay]).history
    assert np.isnan(history["loss"][-4:]).all()


class Kept(keras.callbacks.Callback):
    """Copies what trains at each epoch's end; listed before the decay."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[list[np.ndarray]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.states.append(trained(self.model))


def trained(model: keras.Model) -> list[np.ndarray]:
    """Return all that trains but the rate itself, which goes its own way."""
    own = [*model.weights, *model.optimizer.variables]
    rate = model.optimizer._learning_rate
    return [keras.ops.convert_to_numpy(one).copy() for one in own if one is not rate]


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop, accumulating"])
@pytest.mark.parametrize("best", [0, 2, 4])
def test_everything_is_as_it_was_at_the_best_epochs_end(optimizer: str, best: int) -> None:
    model = built("batch normalization", OPTIMIZERS[optimizer]())
    script = [5.0] * best + [1.0, 2.0, 2.0]
    kept = Kept()
    decay = PlateauDecay("m", 0.5, patience=2, mode="min", restore_best_weights=True)
    rate = float(model.optimizer.learning_rate)
    data = {"x": ROWS, "y": TARGETS, "batch_size": 8}
    fit(model, [kept, Scripted(m=script), decay], epochs=best + 3, **data)
    for now, then in zip(trained(model), kept.states[best], strict=True):
        np.testing.assert_array_equal(now, then)
    # A plateau of the first values, 5.0, may have reduced once before.
    assert float(model.optimizer.learning_rate) in (
        pytest.approx(rate / 2),
        pytest.approx(rate / 4),
    )


@pytest.mark.parametrize("script", [[math.nan], [math.nan, math.inf, 3.0], [math.inf, 2.0, 1.0]])
def test_a_value_that_is_not_finite_before_any_best_epoch_is_told_once(script: list[float]) -> None:
    model = new_odometer()
    decay = PlateauDecay("m", patience=3, mode="min", restore_best_weights=True)
    with pytest.warns(UserWarning, match=rf"no best weights .* after epoch 1 \(m is {script[0]},"):
        fit(model, [Scripted(m=script), decay], epochs=len(script))
    assert travelled(model) == near(4 * 0.5 * len(script))


@pytest.mark.parametrize(
    ("script", "restores"), [([1.0, math.nan, math.nan], True), ([math.nan, 1.0, 2.0], False)]
)
def test_it_is_not_told_where_there_is_a_best_epoch_or_nothing_is_restored(
    script: list[float], restores: bool
) -> None:
    decay = PlateauDecay("m", patience=2, mode="min", restore_best_weights=restores)
    with no_warning():
        fit(new_odometer(), [Scripted(m=script), decay], epochs=3)


def test_a_restoration_that_does_not_help_is_not_announced_for_ever() -> None:
    decay = PlateauDecay("m", factor=0.5, patience=2, restore_best_weights=True, mode="min")
    script = Scripted(m=[1.0, *[math.nan] * 20])
    fit(new_odometer(), [script, decay], epochs=21)
    told = [event for event in decay.events if "best weights restored" in event.reason]
    assert len(told) == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_mixed_precision_too(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = built("batch normalization", keras.optimizers.Adam(0.05))
        decay = PlateauDecay("loss", factor=0.5, patience=2, restore_best_weights=True)
        with no_warning():
            history = model.fit(Spoilt(bad=14), epochs=8, verbose=0, callbacks=[decay]).history
    finally:
        keras.config.set_dtype_policy(before)
    assert one_epoch_is_spoilt(history["loss"])


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_the_schedule_goes_on_at_its_place_after_a_restoration(update: str) -> None:
    from tiny import Odometer

    from kerasdecay.schedules import Linear

    # The weight falls back to the best one's; the rate does not: only the scale is new.
    decay = PlateauDecay(
        "m",
        0.5,
        patience=2,
        mode="min",
        restore_best_weights=True,
        schedule=Linear(0.4),
        update=update,
    )
    real = Odometer()
    fit(new_odometer(), [Scripted(m=[1.0, 2.0, 2.0, 0.5]), decay, real], epochs=4)
    line = [0.4 * (1 - n / 16) for n in range(16)]
    expected = [*line[:12], line[12] / 2 - sum(line[4:12]), *(rate / 2 for rate in line[13:])]
    assert real.moves == pytest.approx(expected, rel=1e-4)


# ----------------------------------------------------------- the mean that Keras exchanges with


def swapping() -> Any:
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


def averaging_odometer() -> Any:
    return new_odometer(optimizer=keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5))


@pytest.mark.parametrize("best", [1, 2, 3])
def test_beside_an_exchanged_mean_the_mean_of_the_best_epoch_comes_back(best: int) -> None:
    expected, model = averaging_odometer(), averaging_odometer()
    fit(expected, [swapping()], epochs=best)
    losses = [9.0 - n for n in range(best)] + [9.0] * 3
    decay = PlateauDecay("m", patience=3, mode="min", restore_best_weights=True)
    fit(model, [Scripted(m=losses), decay, swapping()], epochs=best + 3)
    assert travelled(model) == near(travelled(expected))


@pytest.mark.parametrize(
    ("decay", "remedy"),
    [
        (lambda: PlateauDecay("loss", restore_best_weights=True), "in this order"),
        (lambda: LearningRateDecay(Constant(0.5), rules=[Rescue()]), "in this order"),
        (lambda: AutoDecay(), "Give an initial rate"),
    ],
)
def test_what_would_put_an_exchanged_mean_back_is_refused(decay: Any, remedy: str) -> None:
    model = averaging_odometer()
    with pytest.raises(ValueError, match=rf"SwapEMAWeights\(swap_on_epoch=True\).*{remedy}"):
        fit(model, [swapping(), decay()], epochs=2)
    assert travelled(model) == 0
