"""The rescue inside of `fit`: what falls is put back whole, and what is well is not touched."""

from __future__ import annotations

import copy
import functools
import gc
import math
import pickle
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tiny
from sklearn.datasets import load_digits, make_moons, make_regression
from tiny import Kill, Odometer, Scripted, near, new_odometer, no_warning, warned_once
from trainings import adversaries
from trainings.adversaries import BACKEND, FedAdversaries, PartedAdversaries, Travels
from trainings.networks import ROWS, adam, blobs, classifier, momentum, state_of

from kerasdecay import AdaptiveKneeDecay, LearningRateDecay, PlateauDecay, PowerStepDecay
from kerasdecay.rules import Plateau, Rescue
from kerasdecay.schedules import Constant, Cosine, Linear, PowerStep, Schedule, simulate

pytestmark = pytest.mark.any_backend

STEPS, EPOCHS = 8, 3
RUN = {"epochs": EPOCHS, "steps_per_epoch": STEPS}


def batches(bad: dict[int, float], rows: int = 4) -> Iterator[Any]:
    """Yield the batches of an odometer for ever; some of them hold another input, once."""
    number = 0
    while True:
        x = np.full((rows, 1), bad.get(number, 1.0), "float32")
        yield x, np.zeros((rows, 1), "float32")
        number += 1


def drive(decay: Any, bad: dict[int, float], model: Any = None, **fitting: Any) -> Any:
    """Train an odometer; return the history and how far its weight moved in each execution."""
    real = Odometer()
    callbacks = [Scripted(val_loss=[5.0, 4.0, 4.0, 4.0, 4.0, 4.0]), decay, real]
    model = model or tiny.ready(new_odometer())
    fitting = {"epochs": EPOCHS, "steps_per_epoch": STEPS, "verbose": 0, **fitting}
    return model.fit(batches(bad), callbacks=callbacks, **fitting).history, real


# The NaN comes after so many batches. Until there is a level, that of eight losses, nothing has
# been learned; from then on a batch that is not finite costs the square root of the factor. With
# eight batches an epoch there is a look after 8, 12, 16 … of them, which the second after confirms.
NANS = [
    ("batch", 5, 0, 0.1),
    ("batch", 7, 0, 0.1),
    ("batch", 8, 0, 0.1**0.5),
    ("batch", 9, 0, 0.1**0.5),
    ("batch", 23, 20, 0.1**0.5),
    ("epoch", 5, 0, 0.1),
    ("epoch", 7, 0, 0.1),
    ("epoch", 13, 8, 0.1**0.5),
    ("3 steps", 10, 8, 0.1**0.5),
    ("compiled", 0, 0, 0.1),
    ("compiled", 5, 0, 0.1),
    ("compiled", 15, 12, 0.1**0.5),
]


@pytest.mark.parametrize(("update", "at", "back", "scale"), NANS)
def test_the_rates_after_a_rescue_are_the_schedules_at_its_place_times_the_scale(
    update: str, at: int, back: int, scale: float
) -> None:
    schedule = Linear(0.5)
    decay = LearningRateDecay(schedule, rules=[Rescue()], update=update)
    with no_warning():
        history, real = drive(decay, {at: math.nan})
    planned = simulate(schedule, **RUN)
    if update == "3 steps":
        planned = planned[np.arange(STEPS * EPOCHS) // 3 * 3]
    if update == "epoch":
        planned = np.repeat(simulate(schedule, epochs=EPOCHS), STEPS)
    moves = real.moves
    assert len(moves) == STEPS * EPOCHS
    assert moves[:at] == near(planned[:at].tolist())
    assert moves[at] == near(-sum(planned[back:at]))
    assert moves[at + 1 :] == near((scale * planned[at + 1 :]).tolist())
    # The log tells the rate that the last step of each epoch was made with, the lost one's too.
    used = np.where(np.arange(len(planned)) > at, scale, 1.0) * planned
    assert history["learning_rate"] == near(used[STEPS - 1 :: STEPS].tolist())
    bad_epoch, place = divmod(at, STEPS)
    assert [math.isnan(loss) for loss in history["loss"]] == [
        epoch == bad_epoch and place == STEPS - 1 for epoch in range(EPOCHS)
    ]
    assert all(loss != 0.0 for loss in history["loss"][1:])
    (event,) = decay.events
    assert event.kind == "rescue"
    assert event.epoch == bad_epoch
    state = "last good" if back else "first"
    assert event.reason == f"loss is nan: back to the {state} state, rate × {scale:.4g}"
    assert [event.before, event.after] == near([planned[at], scale * planned[at]])


@pytest.mark.parametrize(("update", "at"), [("batch", 5), ("epoch", 7), ("compiled", 15)])
def test_the_trace_holds_the_rates_that_trained_and_no_batch_that_never_came(
    update: str, at: int
) -> None:
    decay = LearningRateDecay(Linear(0.5), rules=[Rescue()], update=update)
    drive(decay, {at: math.nan})
    assert decay.trace is not None
    places = list(zip(decay.trace.epochs.tolist(), decay.trace.batches.tolist(), strict=True))
    assert places == sorted(set(places))
    assert all(batch < STEPS for _, batch in places)
    rates = dict(zip(places, decay.trace.learning_rates.tolist(), strict=True))
    if update == "epoch":
        assert rates == {
            (0, 0): 0.5, (1, 0): near(0.1 * 0.5 * 2 / 3), (2, 0): near(0.1 * 0.5 / 3),
        }  # fmt: skip
    else:
        planned = simulate(Linear(0.5), **RUN)
        scale = 0.1 if at == 5 else 0.1**0.5
        epoch, place = divmod(at + 1, STEPS)
        assert rates[divmod(at, STEPS)] == near(planned[at])
        assert rates[epoch, place] == near(scale * planned[at + 1])


def test_the_rate_of_an_epoch_falls_in_its_middle_in_the_trace_too() -> None:
    decay = LearningRateDecay(Constant(0.5), rules=[Rescue()])
    drive(decay, {2: math.nan, 13: math.nan})
    assert decay.trace is not None
    places = list(zip(decay.trace.epochs.tolist(), decay.trace.batches.tolist(), strict=True))
    assert places == [(0, 0), (0, 3), (1, 6)]
    # Ten losses after the first rescue: what fell then had learned.
    assert decay.trace.learning_rates.tolist() == near([0.5, 0.05, 0.05 * 0.1**0.5])


@pytest.mark.skipif(tiny.ON_TORCH, reason="Keras on torch takes one step a call")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_several_steps_an_execution_are_put_back_together(bad: float) -> None:
    together = 4
    decay = LearningRateDecay(Constant(0.5), rules=[Rescue()], update="batch")
    model = new_odometer(steps_per_execution=together)
    with no_warning():
        history, real = drive(decay, {5: bad}, model)
    before = 5 // together
    rest = STEPS * EPOCHS // together - before - 1
    rate = 0.5 * together
    assert real.moves == near([*[rate] * before, -rate * before, *[0.1 * rate] * rest])
    assert history["learning_rate"] == near([0.5, 0.05, 0.05])
    assert len(decay.events) == 1


@pytest.mark.parametrize("most", [1, 2, 3])
def test_after_so_many_rescues_the_training_ends_in_a_good_state(most: int) -> None:
    decay = LearningRateDecay(Constant(0.5), rules=[Rescue(max_rescues=most)], update="batch")
    model = new_odometer()
    history, real = drive(decay, dict.fromkeys(range(2, 20), math.nan), model)
    assert real.moves == near([0.5, 0.5, -1.0, *[0.0] * most])
    assert [event.kind for event in decay.events] == ["rescue"] * most + ["rescue_failed"]
    assert "not enough, training ends with the first state" in decay.events[-1].reason
    assert len(history["loss"]) == 1
    assert tiny.travelled(model) == 0.0


# -------------------------------------------------------------- what is well is not touched


@pytest.mark.parametrize(
    ("optimizer", "update"),
    [(momentum, "epoch"), (momentum, "compiled"), (adam, "batch"), (adam, "compiled")],
)
def test_a_good_training_is_the_same_bit_for_bit(optimizer: Callable[[], Any], update: str) -> None:
    x, y = blobs()
    states, logs = [], []
    for rules in ((), (Rescue(),)):
        model = classifier(optimizer())
        decay = LearningRateDecay(Cosine(), rules=rules, update=update)
        with no_warning():
            history = model.fit(
                x, y, batch_size=16, epochs=4, shuffle=False, verbose=0, callbacks=[decay]
            ).history
        assert decay.events == []
        states.append(state_of(model))
        logs.append(history)
    assert logs[0] == logs[1]
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)


GROWING = {
    "few inputs": (make_moons(1000, noise=0.2, random_state=1), [32, 32], "SGD", 1.0),
    "large targets": (make_regression(1000, 20, noise=10, random_state=0), [64], "Adam", 0.01),
    "larger ones": (make_regression(1000, 8, noise=10, random_state=1), [32], "Adam", 0.02),
}
"""Problems on which kernels grow at a good rate to twice their norm in the first 80 batches."""


@pytest.mark.parametrize("name", GROWING)
def test_kernels_that_grow_as_a_network_learns_are_left_alone(name: str) -> None:
    (x, y), units, optimizer, rate = GROWING[name]
    if y.dtype != int:
        y = 5 * y
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            *(keras.layers.Dense(width, activation="relu") for width in units),
            keras.layers.Dense(1),
        ]
    )
    loss = "mse" if y.dtype != int else keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(getattr(keras.optimizers, optimizer)(rate), loss)
    first = model.get_weights()
    decay = LearningRateDecay(Constant(rate), rules=[Rescue()])
    history = model.fit(
        x, y[:, None], batch_size=32, epochs=3, shuffle=False, verbose=0, callbacks=[decay]
    ).history
    norms = [
        np.linalg.norm(now) / np.linalg.norm(then)
        for now, then in zip(model.get_weights()[::2], first[::2], strict=True)
    ]
    assert np.median(norms) > 1.5
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert decay.events == []


@pytest.mark.parametrize("every", [12, 20, 40])
def test_kernels_that_stand_still_while_gradients_gather_are_not_dead(every: int) -> None:
    x, y = blobs()
    model = classifier(momentum(0.3, gradient_accumulation_steps=every), dropout=0.6)
    decay = LearningRateDecay(Constant(0.3), rules=[Rescue()])
    with no_warning():
        model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=[decay])
    assert decay.events == []
    kernel, first = model.get_weights()[0], classifier("sgd").get_weights()[0]
    assert np.linalg.norm(kernel - first) > 0.05 * np.linalg.norm(first)  # they have moved


@pytest.mark.parametrize(("scale", "skipped"), [(2.0**15, False), (3e38, True)])
def test_steps_that_loss_scaling_skips_are_no_fall(scale: float, skipped: bool) -> None:
    x, y = blobs()
    weight = 1e9  # of the loss: the gradients overflow until the scale has come down
    inner = momentum(0.05 / weight)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=scale)
    model = classifier(optimizer, loss_weights=[weight])
    decay = LearningRateDecay(Constant(0.05 / weight), rules=[Rescue()])
    with no_warning():
        model.fit(x, y, batch_size=16, epochs=4, shuffle=False, verbose=0, callbacks=[decay])
    assert decay.events == []
    assert (float(optimizer.dynamic_scale) < scale) == skipped
    assert all(np.isfinite(one).all() for one in state_of(model))


# ----------------------------------------------------------------- what falls learns again


def fed(bad: dict[int, float]) -> Iterator[Any]:
    """Yield the blobs for ever, 16 a batch; one sample of some batches is spoilt, once."""
    x, y = blobs()
    number = 0
    while True:
        first = number * 16 % ROWS
        part = x[first : first + 16].copy()
        if number in bad:
            part[3] = bad[number]
        yield part, y[first : first + 16]
        number += 1


@pytest.mark.parametrize(
    ("optimizer", "bad", "at"),
    [
        (adam, math.nan, 25),
        (adam, math.inf, 0),
        (adam, 1e20, 45),
        (momentum, math.nan, 39),
        (momentum, 1e20, 25),
        (momentum, -math.inf, 70),
    ],
)
def test_one_spoilt_batch_costs_less_than_an_epoch(
    optimizer: Callable[[], Any], bad: float, at: int
) -> None:
    model, epochs = classifier(optimizer()), 6
    rate = float(model.optimizer.learning_rate)
    decay = LearningRateDecay(Constant(), rules=[Rescue()])
    with no_warning():
        history = model.fit(
            fed({at: bad}), steps_per_epoch=20, epochs=epochs, verbose=0, callbacks=[decay]
        ).history
    assert [event.kind for event in decay.events] == ["rescue"]
    assert decay.events[0].epoch - at // 20 in (0, 1)  # at once, or with the next look
    left = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    assert 0 < 20 * epochs - left < 20
    assert all(np.isfinite(one).all() for one in state_of(model))
    later = history["loss"][at // 20 + 2 :]
    assert np.isfinite(later).all()
    assert later[-1] < 0.9 * math.log(4)
    x, y = blobs()
    assert model.evaluate(x, y, verbose=0)[1] > 0.5
    assert history["learning_rate"][-1] == near(decay.events[0].after)
    assert decay.events[0].after in (near(0.1 * rate), near(0.1**0.5 * rate))


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return (data.data / 16.0).astype("float32"), data.target.astype("int32")


def on_digits(rate: float, optimizer: Callable[..., Any], rules: Any) -> tuple[float, Any]:
    """Train a small network for six epochs; return its accuracy on data it has not seen."""
    x, y = digits()
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(rate), loss, metrics=["accuracy"])
    decay = LearningRateDecay(Linear(rate), rules=rules)
    model.fit(
        x[:1400], y[:1400], batch_size=16, epochs=6, shuffle=False, verbose=0, callbacks=[decay]
    )
    return model.evaluate(x[1400:], y[1400:], verbose=0)[1], decay


@pytest.mark.parametrize(("optimizer", "good"), [(momentum, 0.05), (adam, 0.005)])
def test_from_rates_ten_and_a_hundred_times_too_high_the_end_is_near_the_good_rates(
    optimizer: Callable[..., Any], good: float
) -> None:
    expected, undisturbed = on_digits(good, optimizer, [Rescue()])
    assert undisturbed.events == []
    assert expected > 0.85
    lost, _ = on_digits(100 * good, optimizer, [])
    assert lost < 0.5
    for times in (10, 100):
        found, decay = on_digits(times * good, optimizer, [Rescue()])
        assert found > expected - 0.04, (times, decay.events)


# --------------------------------------------------------------------- together with others


def test_all_optimizers_are_put_back_and_lowered() -> None:
    model = FedAdversaries(adversaries.sgd(0.1), adversaries.sgd(0.1))
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Constant(0.5), "g_optimizer": Linear(0.25)}, rules=[Rescue()]
    )
    x = tiny.X.copy()
    x[20:30] = math.nan  # the third of four batches
    real = Travels("critic", "generator")
    adversaries.fit(model, [decay, real], epochs=2, x=x)
    planned = [0.25 * (1 - place / 8) for place in range(8)]
    assert real.moves("critic") == near([0.5, 0.5, -1.0, 0.05, 0.05, 0.05, -0.15, 0.005])
    scales = [1, 1, 0, 0.1, 0.1, 0.1, 0, 0.01]
    moves = [scale * rate for scale, rate in zip(scales, planned, strict=True)]
    moves[2], moves[6] = -sum(moves[:2]), -sum(moves[3:6])
    assert real.moves("generator") == near(moves)
    assert {event.key for event in decay.events} == {
        "learning_rate_d_optimizer", "learning_rate_g_optimizer",
    }  # fmt: skip
    assert len(decay.events) == 4


@pytest.mark.parametrize(
    "make",
    [lambda: adversaries.sgd(0.1, momentum=0.9), keras.optimizers.Adam, keras.optimizers.RMSprop],
)
def test_the_optimizers_of_a_part_are_put_back_as_the_models_own(make: Any) -> None:
    x = tiny.X.copy()
    x[20:30] = math.nan  # the third of four batches
    travelled = []
    for kind, prefix in ((FedAdversaries, ""), (PartedAdversaries, "part.")):
        model = kind(make(), make())
        names = [f"{prefix}{one}_optimizer" for one in "dg"]
        real = Travels("critic", "generator")
        decay = LearningRateDecay(optimizers=dict.fromkeys(names, Constant(0.5)), rules=[Rescue()])
        adversaries.fit(model, [decay, real], epochs=2, x=x)
        travelled.append(real.moves("critic") + real.moves("generator"))
        # Of the second epoch, the third batch is put back, and one more is trained.
        assert int(keras.ops.convert_to_numpy(model.d_optimizer.iterations)) == 1
    assert travelled[0] == near(travelled[1])


def together() -> dict[str, tuple[Any, list[float], list[str]]]:
    """Decays of which a NaN in the fourth batch costs a tenth, and the rates of each epoch."""
    rescue = Rescue()
    return {
        "a plateau": (
            PlateauDecay("val_loss", 0.5, 1, schedule=Constant(0.5), rules=[rescue]),
            [0.05, 0.05, 0.05, 0.025, 0.0125, 0.00625],
            ["rescue", "reduce", "reduce", "reduce", "reduce"],
        ),
        "a plateau after it": (
            LearningRateDecay(
                Constant(0.5), rules=[rescue, Plateau("val_loss", factor=0.5, patience=2)]
            ),
            [0.05, 0.05, 0.05, 0.05, 0.025, 0.025],
            ["rescue", "reduce", "reduce"],
        ),
        "an adaptive knee": (
            AdaptiveKneeDecay(
                Plateau("val_loss", patience=1),
                min_hold=0.5,
                schedule=Constant(0.5),
                rules=[rescue],
                update="epoch",
            ),
            [0.05, 0.05, 0.05, 0.05, 0.05 * 2 / 3, 0.05 / 3],
            ["rescue", "cooldown_start"],
        ),
        "stages by a plateau": (
            PowerStepDecay(0.5, advance_on=Plateau("val_loss", patience=2), rules=[rescue]),
            [0.05, 0.05, 0.05, 0.05, 0.025, 0.025],
            ["rescue", "reduce", "reduce"],
        ),
    }


@pytest.mark.parametrize("name", together())
def test_the_scales_of_several_rules_are_multiplied(name: str) -> None:
    decay, expected, kinds = together()[name]
    with no_warning():
        history, _ = drive(decay, {3: math.nan}, epochs=6)
    assert history["learning_rate"] == near(expected)
    assert [event.kind for event in decay.events] == kinds


@pytest.mark.parametrize("schedule", [Linear(0.5), PowerStep(0.5), Constant(0.5)])
def test_a_training_that_was_killed_after_a_rescue_goes_on_at_its_scale(
    schedule: Schedule, tmp_path: Path
) -> None:
    def make() -> Any:
        return LearningRateDecay(
            schedule, rules=[Rescue()], update="batch", state_path=tmp_path / "state.json"
        )

    model = new_odometer()
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches({3: math.nan}), callbacks=[make(), Kill(1)], verbose=0, **RUN)
    decay = make()
    history, real = drive(decay, {}, model, initial_epoch=2)
    planned = simulate(schedule, **RUN)
    assert real.moves[1:] == near((0.1 * planned[2 * STEPS + 1 :]).tolist())
    assert history["learning_rate"] == near([0.1 * planned[-1]])
    assert decay.events == []


def test_a_fit_that_goes_on_keeps_the_scale_and_a_new_one_does_not() -> None:
    decay, model = LearningRateDecay(Constant(0.5), rules=[Rescue()]), new_odometer()
    first, _ = drive(decay, {3: math.nan}, model)
    going_on, _ = drive(decay, {}, model, initial_epoch=EPOCHS, epochs=EPOCHS + 2)
    anew, _ = drive(decay, {}, model)
    assert first["learning_rate"] == near([0.05] * 3)
    assert going_on["learning_rate"] == near([0.05] * 2)
    assert anew["learning_rate"] == near([0.5] * 3)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_rescue_alike_and_nothing_holds_the_model(twin: Callable[[Any], Any]) -> None:
    decay, model = LearningRateDecay(Constant(0.5), rules=[Rescue()]), new_odometer()
    first, _ = drive(decay, {3: math.nan}, model)
    other = twin(decay)
    assert other.events == decay.events
    second, _ = drive(other, {3: math.nan})
    assert second["learning_rate"] == first["learning_rate"]
    dies = weakref.ref(model), weakref.ref(model.optimizer)
    del model
    gc.collect()
    assert [one() for one in dies] == [None, None]


def test_a_training_step_that_tells_no_loss_is_named() -> None:
    class Silent(keras.Model):
        def train_step(self, *arguments: Any) -> Any:
            result = super().train_step(*arguments)
            return (
                ({"other": result[0]["loss"]}, result[1])
                if BACKEND == "jax"
                else {"other": result["loss"]}
            )

    inputs = keras.Input((1,))
    model = Silent(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    decay = LearningRateDecay(Constant(0.5), rules=[Rescue()])
    with warned_once("the rules watch 'loss', which is not in the logs"):
        model.fit(tiny.X, tiny.Y, batch_size=10, epochs=2, verbose=0, callbacks=[decay])
    assert decay.events == []


@pytest.mark.parametrize("place", [0, 1])
def test_terminate_on_nan_beside_a_rescue_is_told_to_end_the_training(place: int) -> None:
    model, decay = new_odometer(), LearningRateDecay(Constant(0.5), rules=[Rescue()])
    callbacks: list[Any] = [decay]
    callbacks.insert(place, keras.callbacks.TerminateOnNaN())
    with warned_once("TerminateOnNaN ends the training", "Leave TerminateOnNaN out"):
        model.fit(batches({5: math.nan}), callbacks=callbacks, verbose=0, **RUN)
    assert decay.trace is not None
    assert decay.trace.epochs.max() == 0


@pytest.mark.parametrize("batch", [5, STEPS - 1, 2 * STEPS - 1])
def test_a_driven_momentum_goes_on_after_a_rescue_at_an_epochs_end(batch: int) -> None:
    model = new_odometer(optimizer=keras.optimizers.SGD(0.5, momentum=0.9))
    decay = LearningRateDecay(Constant(0.5), rules=[Rescue()], momentum=Linear(0.8))
    with no_warning():
        model.fit(batches({batch: math.nan}), callbacks=[decay], verbose=0, **RUN)
    assert len(decay.events) == 1
