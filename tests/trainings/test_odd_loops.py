"""Unusual ways to train: every rate told is the one that trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import pytest
from tiny import (
    BATCH,
    STEPS,
    Kill,
    Odometer,
    Scripted,
    X,
    Y,
    distance,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    no_warning,
    travelled,
    warned_once,
)
from trainings.adversaries import BACKEND, Adversaries, Travels, sgd
from trainings.adversaries import fit as fit_adversaries

from kerasdecay import (
    AdaptiveKneeDecay,
    CosineDecay,
    LearningRateDecay,
    LinearDecay,
    PlateauDecay,
    StepDecay,
    release,
)
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Linear

pytestmark = pytest.mark.any_backend


def line(rate: float, count: int) -> list[float]:
    return [rate * (1 - n / count) for n in range(count)]


TWO = {"d_optimizer": Linear(0.4), "g_optimizer": Linear(0.2)}


@pytest.mark.parametrize("update", ["batch", "compiled"])
@pytest.mark.parametrize("every", [2, 4])
def test_accumulated_gradients_go_by_batches(update: str, every: int) -> None:
    model = Adversaries(sgd(9.0, gradient_accumulation_steps=every), sgd(9.0))
    real = Travels("critic", "generator")
    with no_warning():
        history = fit_adversaries(
            model, [LearningRateDecay(optimizers=TWO, update=update), real], 2
        )
    expected = [rate if n % every == every - 1 else 0 for n, rate in enumerate(line(0.4, 8))]
    assert real.moves("critic") == near(expected)
    assert real.moves("generator") == near(line(0.2, 8))
    assert history["learning_rate_d_optimizer"] == near([0.25, 0.05])


@pytest.mark.parametrize("update", ["batch", "compiled"])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 3, None])
def test_an_interrupted_training_goes_on_with_the_same_object(
    batch: int | None, own: bool, update: str
) -> None:
    model, real = new_odometer(0.4), Odometer()
    decay = LinearDecay(None if own else 0.4, update=update)
    fit_until_killed(model, [decay, Kill(1, batch)], epochs=4)
    real.places = [travelled(model)]
    with no_warning():
        fit(model, [decay, real], epochs=4, initial_epoch=1)
    assert real.moves == near(line(0.4, 16)[4:])


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_a_list_of_callbacks_around_train_on_batch(update: str) -> None:
    model, real = new_odometer(), Odometer()
    decay = LinearDecay(0.4, update=update)
    callbacks = keras.callbacks.CallbackList(
        [decay, real], add_history=False, model=model, epochs=2, steps=STEPS
    )
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        for batch in range(STEPS):
            callbacks.on_train_batch_begin(batch)
            logs = model.train_on_batch(X[:BATCH], Y[:BATCH], return_dict=True)
            callbacks.on_train_batch_end(batch, logs)
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end()
    by_epoch = [0.4] * 4 + [0.2] * 4
    assert real.moves == near(by_epoch if update == "epoch" else line(0.4, 8))


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_a_callback_given_to_evaluate_and_predict_does_nothing_there(update: str) -> None:
    decay = LinearDecay(0.4, update=update)

    class Evaluating(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.evaluate(X, Y, verbose=0, callbacks=[decay])
            self.model.predict(X, verbose=0, callbacks=[decay])

    model, real = new_odometer(), Odometer()
    with no_warning():
        history = fit(model, [decay, Evaluating(), real], epochs=2)
    assert real.moves == near(line(0.4, 8))
    assert history["learning_rate"] == near([0.25, 0.05])


class SetBack(keras.callbacks.Callback):
    """Sets the optimizer's counter back as an epoch begins, as a restart of Adam does."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            self.model.optimizer.iterations.assign(0)


MOMENTA = [None, 0.5, Linear(0.8, 0.4)]


@pytest.mark.parametrize("momentum", MOMENTA)
@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_counter_that_is_set_back_after_the_decay_is_told_where_the_step_goes_by_it(
    epoch: int, update: str, momentum: Any
) -> None:
    model, real = new_odometer(optimizer=sgd(9.0, momentum=0.9 if momentum else 0.0)), Odometer()
    decay = LinearDecay(0.4, update=update, momentum=momentum)
    goes_by_it = update == "compiled" or isinstance(momentum, Linear)
    told = f"was set back within epoch {epoch + 1}", "before the decay"
    with warned_once(*told) if goes_by_it else no_warning():
        history = fit(model, [decay, SetBack(epoch), real], epochs=4)
    planned = line(0.4, 16)
    if update == "epoch":
        planned = [planned[n // 4 * 4] for n in range(16)]
    if momentum is None:
        begin = 4 * epoch + 4 if goes_by_it else 0
        assert real.moves[begin:] == near(planned[begin:])
    assert history["learning_rate"][-1] == near(planned[-1])


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_a_counter_that_is_set_back_in_each_epoch_is_told_once(update: str) -> None:
    model = new_odometer(optimizer=sgd(9.0, momentum=0.9))
    decay = LinearDecay(0.4, update=update, momentum=Linear(0.8, 0.4))
    with warned_once("was set back within epoch 2"):
        fit(model, [decay, *(SetBack(epoch) for epoch in (1, 2, 3))], epochs=4)


@pytest.mark.parametrize("momentum", MOMENTA)
@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_a_counter_that_is_set_back_before_the_decay_changes_nothing(
    update: str, momentum: Any
) -> None:
    moved = []
    for before in ([SetBack(2)], []):
        model = new_odometer(optimizer=sgd(9.0, momentum=0.9 if momentum else 0.0))
        with no_warning():
            fit(model, [*before, LinearDecay(0.4, update=update, momentum=momentum)], epochs=4)
        moved.append(travelled(model))
    assert moved[0] == near(moved[1])


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_eagerly(update: str) -> None:
    model, real = new_odometer(run_eagerly=True), Odometer()
    with no_warning():
        fit(model, [LinearDecay(0.4, update=update), real], epochs=2)
    assert real.moves == near(line(0.4, 8))


def test_compiled_anew_in_mid_fit() -> None:
    class Compiling(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                model = self.model
                model.compile(sgd(0.3), loss=model.loss, run_eagerly=model.run_eagerly)
                if BACKEND == "jax":
                    model.optimizer.build(model.trainable_variables)
                model.make_train_function(force=True)

    if BACKEND == "jax":
        return  # its fit carries the optimizer's state itself
    model, real = new_odometer(0.5), Odometer()
    decay = PlateauDecay("m", factor=0.5, patience=1, mode="min")
    with warned_once("the model has a new optimizer from epoch 2 on", "learning_rate 0.3"):
        fit(model, [Compiling(), Scripted(m=[1.0] * 4), decay, real], epochs=4)
    assert real.moves[::STEPS] == near([0.5, 0.3, 0.3, 0.15])


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_early_stopping_and_then_more(patience: int) -> None:
    model, real = new_odometer(0.5), Odometer()
    decay = PlateauDecay("m", factor=0.5, patience=1, mode="min", epochs=9)
    stop = keras.callbacks.EarlyStopping("m", patience=patience, mode="min")
    fit(model, [Scripted(m=[1.0] * 9), decay, stop, real], epochs=9)
    done = len(real.moves) // STEPS
    assert done == patience + 1
    with no_warning():
        fit(model, [Scripted(m=[1.0] * 9), decay, real], epochs=9, initial_epoch=done)
    assert real.moves[::STEPS] == near([0.5] + [0.5**n for n in range(1, 9)])


def batches(count: int) -> Iterator[Any]:
    for _ in range(count):
        yield X[:BATCH], Y[:BATCH]


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_epochs_without_data_have_no_rate_and_count_for_no_rule(
    update: str, recwarn: pytest.WarningsRecorder
) -> None:
    model, decay = new_odometer(), LinearDecay(0.4, update=update)
    model.fit(
        batches(8), epochs=4, steps_per_epoch=4, verbose=0, callbacks=[decay, real := Odometer()]
    )
    rates = line(0.4, 16)
    expected = [rates[n // 4 * 4] if update == "epoch" else rates[n] for n in range(8)]
    assert real.moves[:8] == near(expected)
    told = decay.trace.learning_rates_of("learning_rate")
    assert len(told) <= len(real.moves)
    assert not [one for one in recwarn if "something else also writes" in str(one.message)]


@pytest.mark.parametrize("writer", ["batch", "epoch"])
def test_another_writer_in_the_last_epoch_is_noticed_too(writer: str) -> None:
    class Writer(keras.callbacks.Callback):
        def write(self, *_: Any, **__: Any) -> None:
            self.model.optimizer.learning_rate = 0.9

    setattr(Writer, f"on_{'train_batch' if writer == 'batch' else 'epoch'}_begin", Writer.write)
    with warned_once("something else also writes", "left at 0.4 and is 0.9 in epoch 1"):
        fit(new_odometer(), [StepDecay(0.4, every=1, factor=0.5), Writer()], epochs=1)


def test_a_rate_that_somebody_sets_in_one_batch_holds_for_that_batch() -> None:
    class Writer(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                self.model.optimizer.learning_rate = 0.9

    class Reader(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                seen.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))

    seen: list[float] = []
    model, real = new_odometer(), Odometer()
    fit(model, [LinearDecay(0.4, update="batch"), Writer(), Reader(), real], epochs=1)
    planned = line(0.4, len(real.moves))
    assert real.moves == near([*planned[:2], 0.9, *planned[3:]])
    assert seen == near([planned[3]])


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_step_is_the_trainers_own_again_after_training(epochs: int) -> None:
    model = new_odometer()
    fit(model, [], epochs=1)
    own = model.train_function
    fit(model, [LinearDecay(0.4, update="batch")], epochs=epochs)
    assert model.train_function is own


class Holding(keras.callbacks.Callback):
    """Keeps the training function, as the traceback of an interrupted training does."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.held = self.model.train_function


@pytest.mark.parametrize("ending", ["ordinary", "interrupted"])
@pytest.mark.parametrize("held_before", [False, True])
def test_a_step_that_somebody_keeps_is_traced_anew(held_before: bool, ending: str) -> None:
    model, holding, decay = new_odometer(0.3), Holding(), LinearDecay(0.4, update="compiled")
    if held_before:
        fit(model, [holding], epochs=1)
    begun = travelled(model)
    with no_warning():
        if ending == "ordinary":
            fit(model, [decay, holding], epochs=2)
            assert travelled(model) == near(begun + sum(line(0.4, 8)))
        else:
            fit_until_killed(model, [decay, holding, Kill(0)], epochs=2)
            assert release(model)
    model.optimizer.learning_rate = 0.3
    begun = travelled(model)
    fit(model, [], epochs=1)
    assert travelled(model) == near(begun + 4 * 0.3)


class Tupled(keras.Sequential):
    """On JAX its step returns its state as tuples, which Keras takes as well."""

    def train_step(self, *arguments: Any) -> Any:
        result = super().train_step(*arguments)
        return (result[0], tuple(map(tuple, result[1]))) if BACKEND == "jax" else result


def test_a_state_of_tuples() -> None:
    model = Tupled([keras.Input((1,)), *new_odometer().layers])
    model.compile(sgd(9.0), loss=distance)
    fit(model, [LinearDecay(0.4, update="batch")], epochs=2)  # nobody looks in mid-epoch
    assert travelled(model) == near(sum(line(0.4, 8)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinearDecay(0.4),
        lambda: PlateauDecay("m", mode="min"),
        lambda: LearningRateDecay(optimizers={"optimizer": Linear(0.4)}),
    ],
)
def test_the_same_object_twice_in_one_list_is_refused(make: Any) -> None:
    decay, model = make(), new_odometer()
    with pytest.raises(ValueError, match="or the object twice in callbacks"):
        fit(model, [decay, decay], epochs=2)
    assert travelled(model) == 0


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_one_optimizer_of_two_names_is_refused(update: str) -> None:
    model = new_odometer()
    model.own = model.optimizer
    schedules = {"optimizer": Linear(0.4), "own": Linear(0.2)}
    with pytest.raises(ValueError, match=r"must name each optimizer once.*optimizer and own"):
        fit(model, [LearningRateDecay(optimizers=schedules, update=update)], epochs=2)
    assert travelled(model) == 0


# ------------------------------------------------------------ TensorFlow: traces and strategies

on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="it is TensorFlow's")


def traced(rate: float = 0.5) -> Any:
    """Return an odometer whose `train_step` is a function that TensorFlow traces once."""
    import tensorflow as tf

    class Traced(keras.Sequential):
        @tf.function
        def train_step(self, data: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self(data[0]))
            variables = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss}

    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = Traced([keras.Input((1,)), dense])
    model.compile(sgd(rate), "mse")
    return model


def moves(model: Any, callbacks: list[Any], epochs: int) -> list[float]:
    real = Odometer()
    real.places = [travelled(model)]
    fit(model, [*callbacks, real], epochs)
    return real.moves


@on_tensorflow
@pytest.mark.parametrize("rate", [0.3, 0.05, 1.0])
def test_a_step_that_was_traced_with_a_schedule_is_an_ordinary_one_afterwards(rate: float) -> None:
    model = traced()
    with no_warning():
        assert moves(model, [LinearDecay(0.4, update="compiled")], 2) == near(line(0.4, 8))
    model.optimizer.learning_rate = rate
    assert moves(model, [], 1) == near([rate] * 4)
    assert moves(model, [StepDecay(0.4, every=1, factor=0.5)], 2) == near([0.4] * 4 + [0.2] * 4)


@on_tensorflow
@pytest.mark.parametrize("before", [[], [LinearDecay(0.8, update="compiled")], [CosineDecay(0.1)]])
def test_a_schedule_that_does_not_reach_a_traced_step_is_told_and_written(
    before: list[Any],
) -> None:
    model = traced()
    fit(model, before, epochs=2)
    with warned_once('update="compiled" does not reach the training step'):
        assert moves(model, [LinearDecay(0.4, update="compiled")], 2) == near(line(0.4, 8))


@on_tensorflow
def test_so_is_one_that_comes_down_later() -> None:
    model = traced(0.4)
    decay = AdaptiveKneeDecay(
        Plateau("m", patience=1, mode="min"), min_hold=0.0, latest=0.9, update="compiled"
    )
    real = Odometer()
    with warned_once('update="compiled" does not reach the training step'):
        history = fit(model, [Scripted(m=[1.0] * 4), decay, real], epochs=4)
    assert history["learning_rate"] == near(real.moves[3::4])
    assert real.moves[:8] == near([0.4] * 8)
    assert real.moves[9:] == near(line(0.4, 8)[1:])


@on_tensorflow
@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
@pytest.mark.parametrize("named", [False, True])
def test_under_a_strategy(update: str, named: bool) -> None:
    import tensorflow as tf

    expected = [0.4] * 4 + [0.2] * 4 if update == "epoch" else line(0.4, 8)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope(), no_warning():
        if named:
            model, real = Adversaries(sgd(9.0), sgd(9.0)), Travels("critic", "generator")
            fit_adversaries(model, [LearningRateDecay(optimizers=TWO, update=update), real], 2)
            assert real.moves("critic") == near(expected)
            assert real.moves("generator") == near([rate / 2 for rate in expected])
        else:
            one, odometer = new_odometer(0.4), Odometer()
            history = fit(one, [LinearDecay(update=update), odometer], 2)
            assert odometer.moves == near(expected)
            assert history["learning_rate"] == near(expected[3::4])
