"""LossSlopeDecay: the loss of every batch out of Keras' running mean, and the one hook it takes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import itertools
import json
import pickle
import threading
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from keras.src.utils import python_utils
from tiny import (
    BATCH,
    LEVEL_DATA,
    ON_TORCH,
    STEPS,
    Kill,
    fit,
    fit_until_killed,
    level_odometer,
    near,
    new_odometer,
    no_warning,
    odometer,
    warned_once,
)

import kerasdecay.callbacks
from kerasdecay import AdaptiveKneeDecay, LearningRateDecay, LossSlopeDecay, PowerStepDecay
from kerasdecay.rules import LossSlope, Observation, Plateau, Rule, RuleState
from kerasdecay.schedules import Constant
from kerasdecay.training.batch_losses import BatchLosses
from kerasdecay.training.callback import DecayCallback

pytestmark = pytest.mark.any_backend


@dataclasses.dataclass(frozen=True)
class Listening(Rule[RuleState]):
    """A rule that asks for the losses of all batches and keeps them."""

    heard: ClassVar[list[tuple[float, ...]]] = []

    @property
    def watched(self) -> str:
        return "loss"

    @property
    def needs_batch_losses(self) -> bool:
        return True

    def advance(self, state: RuleState, observation: Observation) -> RuleState:
        self.heard.append(observation.losses)
        return state.deciding("wait", "listening")


def listen(epochs: int, model: Any, **fitting: Any) -> list[tuple[float, ...]]:
    Listening.heard.clear()
    decay = LearningRateDecay(Constant(), rules=[Listening()])
    fit(model, [decay], epochs, **fitting)
    return list(Listening.heard)


ROWS = 40
_RANDOM = np.random.default_rng(11)
DATA_X = _RANDOM.normal(size=(ROWS, 1)).astype("float32")
DATA_Y = (3.0 * DATA_X + _RANDOM.normal(size=(ROWS, 1))).astype("float32")


def line(**compiling: Any) -> keras.Model:
    """Return y = w x, from w = 0, trained by SGD at 0.1 on the squared error."""
    model = new_odometer()
    model.compile(keras.optimizers.SGD(0.1), loss="mse", **compiling)
    return model


def computed(epochs: int, batch: int) -> list[list[float]]:
    """Return the loss of each batch of that training, by NumPy alone."""
    w, losses = 0.0, []
    x, y = DATA_X[:, 0].astype("float64"), DATA_Y[:, 0].astype("float64")
    for _ in range(epochs):
        losses.append([])
        for begin in range(0, ROWS, batch):
            part = slice(begin, begin + batch)
            error = w * x[part] - y[part]
            losses[-1].append(float(np.mean(error**2)))
            w -= 0.1 * float(np.mean(2 * error * x[part]))
    return losses


def on_the_line(batch: int) -> dict[str, Any]:
    return {"x": DATA_X, "y": DATA_Y, "batch_size": batch, "shuffle": False}


@pytest.mark.parametrize("batch", [4, 10, 40])
def test_the_losses_are_those_of_each_batch(batch: int) -> None:
    found, expected = listen(3, line(), **on_the_line(batch)), computed(3, batch)
    assert [len(epoch) for epoch in found] == [ROWS // batch] * 3
    for one, other in zip(found, expected, strict=True):
        assert one == near(other, rel=2e-5)


@pytest.mark.parametrize("batch", [16, 12, 39])
def test_a_smaller_last_batch_counts_by_its_size(batch: int) -> None:
    found, expected = listen(2, line(), **on_the_line(batch)), computed(2, batch)
    for one, other in zip(found, expected, strict=True):
        assert one == near(other, rel=5e-5)


class Uneven(keras.utils.PyDataset):
    """The same rows in batches of several sizes."""

    def __init__(self, *edges: int) -> None:
        super().__init__()
        self.edges = (0, *edges, ROWS)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def __getitem__(self, index: int) -> Any:
        part = slice(self.edges[index], self.edges[index + 1])
        return DATA_X[part], DATA_Y[part]


@pytest.mark.parametrize("edges", [(4, 20, 30), (10, 14, 30), (1, 39)], ids=str)
def test_batches_of_several_sizes_are_told_apart_or_that_they_cannot_be(
    edges: tuple[int, ...],
) -> None:
    if keras.backend.backend() == "jax":
        if edges[0] == 10:  # as many samples as four batches of the first one's size
            return
        with warned_once("the batches of an epoch have different sizes", "40 samples in"):
            listen(1, line(), x=Uneven(*edges), shuffle=False)
        return
    with no_warning():
        (found,) = listen(1, line(), x=Uneven(*edges), shuffle=False)
    w, places, losses = 0.0, (0, *edges, ROWS), []
    for begin, end in itertools.pairwise(places):
        x, y = DATA_X[begin:end, 0].astype("float64"), DATA_Y[begin:end, 0].astype("float64")
        losses.append(float(np.mean((w * x - y) ** 2)))
        w -= 0.1 * float(np.mean(2 * (w * x - y) * x))
    assert found == near(losses, rel=1e-4)


class OwnLoss(keras.Model):
    """Returns each batch's own loss from its training step, and keeps no running mean."""

    def __init__(self, inner: keras.Model) -> None:
        super().__init__()
        self.inner = inner
        self.told: list[float] = []

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def test_step(self, data: Any) -> Any:
        return {}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its step is TensorFlow's")
@pytest.mark.parametrize("batch", [4, 10, 20])
def test_a_step_that_logs_the_batch_own_loss_is_taken_at_its_word(batch: int) -> None:
    import tensorflow as tf

    class Own(OwnLoss):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x) - y) ** 2)
            weights = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    model = Own(line())
    model.compile(keras.optimizers.SGD(0.1))
    Listening.heard.clear()
    decay = LearningRateDecay(Constant(), rules=[Listening()])
    model.fit(**on_the_line(batch), epochs=2, verbose=0, callbacks=[decay])
    for one, other in zip(Listening.heard, computed(2, batch), strict=True):
        assert one == near(other, rel=5e-5)


@pytest.mark.skipif(ON_TORCH, reason="Keras on torch takes one step a call")
@pytest.mark.parametrize("steps", [2, 4])
def test_several_steps_a_call_give_their_mean(steps: int) -> None:
    found = listen(2, line(steps_per_execution=steps), **on_the_line(4))
    for one, losses in zip(found, computed(2, 4), strict=True):
        # Of ten steps, four a call leave two for the last.
        blocks = [losses[begin : begin + steps] for begin in range(0, 10, steps)]
        assert one == near([float(np.mean(block)) for block in blocks], rel=2e-5)


class Told:
    """What `BatchLosses` asks of a callback: the steps, and a metric with the running mean."""

    def __init__(self, steps: int | None) -> None:
        self.params = {"steps": steps}
        self.model = self
        self.metrics = [self]
        self.total, self.samples, self.looks = np.zeros(()), np.zeros(()), 0

    @property
    def count(self) -> np.ndarray:
        self.looks += 1
        return self.samples

    def tell(
        self, losses: BatchLosses, batch: int, samples: int, mean: float, due: int = 1
    ) -> bool:
        self.samples, self.total = np.asarray(samples), np.asarray(samples * mean)
        return losses.note(self, batch, mean, due)


def test_the_running_mean_is_undone_though_batches_are_skipped_over() -> None:
    losses, told = BatchLosses("Decay"), Told(10)
    for batch, samples, mean in [(3, 20, 2.0), (7, 40, 3.0), (11, 50, 3.2)]:
        told.tell(losses, batch, samples, mean)
    assert losses.take() == pytest.approx((2.0, 4.0, 4.0))
    assert losses.take() == ()


def test_the_metric_is_looked_at_only_where_a_loss_is_due() -> None:
    losses, told = BatchLosses("Decay"), Told(10)
    told.tell(losses, 0, 4, 1.0)
    told.tell(losses, 1, 8, 1.5)  # 1, 2
    assert losses.take() == pytest.approx((1.0, 2.0))
    looks, known = told.looks, []
    for batch in range(10):  # 0, 1, 2 …
        known.append(told.tell(losses, batch, 4 * (batch + 1), batch / 2, due=4))
    assert known == [(batch + 1) % 4 == 0 or batch == 9 for batch in range(10)]
    # On JAX only after the last batch, and before that counts as the first batches do.
    assert told.looks - looks == (1 if keras.backend.backend() == "jax" else 3)
    assert losses.latest_batches == 2
    assert losses.take() == pytest.approx((1.5, 5.5, 8.5))


def test_threads_may_tell_the_batches_in_any_order() -> None:
    # `fit(callbacks=decay)`, without a list, tells them from Keras' threads on JAX and torch.
    losses, told = BatchLosses("Decay"), Told(None)
    for batch, mean in [(1, 3.0), (0, 2.0), (2, 3.0)]:
        thread = threading.Thread(target=told.tell, args=(losses, batch, 0, mean))
        thread.start()
        thread.join()
    assert losses.take() == pytest.approx((2.0, 4.0, 3.0))


def test_what_an_interrupted_epoch_left_behind_does_not_enter_the_next_training() -> None:
    decay = LearningRateDecay(Constant(), rules=[Listening()])
    fit_until_killed(line(), [decay, Kill(0, 2)], 1, **on_the_line(4))
    Listening.heard.clear()
    fit(line(), [decay], 1, **on_the_line(4))
    assert Listening.heard[0] == near(computed(1, 4)[0], rel=2e-5)


def test_a_step_that_tells_no_loss_is_none() -> None:
    decay = LossSlopeDecay()
    for logs in (None, {}, {"accuracy": 0.5}):
        decay.on_train_batch_end(0, logs)
    assert decay._batch_losses.take() == ()


# ------------------------------------------------------------------------------------ the hook


def family() -> list[DecayCallback]:
    made = []
    for name in kerasdecay.callbacks.__all__:
        kind = getattr(kerasdecay.callbacks, name)
        if inspect.isclass(kind) and issubclass(kind, DecayCallback):
            first = {"LearningRateDecay": (Constant(),), "WarmupDecay": (1,)}.get(name, ())
            made.append(kind(*first))
    return made


def test_only_what_looks_at_batches_ends_keras_asynchronous_logging() -> None:
    hooks = ("on_train_batch_end", "on_batch_end", "on_test_batch_end", "on_predict_batch_end")
    taken = {
        type(decay).__name__
        for decay in family()
        for hook in hooks
        if not python_utils.is_default(getattr(decay, hook))
    }
    assert taken == {"LossSlopeDecay", "AutoDecay"}
    assert not python_utils.is_default(AdaptiveKneeDecay(LossSlope()).on_train_batch_end)
    assert not python_utils.is_default(
        PowerStepDecay(rules=[Plateau(), LossSlope()]).on_train_batch_end
    )
    if keras.src.backend.IS_THREAD_SAFE:
        asynchronous = {
            type(decay).__name__: keras.callbacks.CallbackList([decay])._async_train
            for decay in family()
        }
        ended = {name for name, value in asynchronous.items() if not value}
        assert ended == {"LossSlopeDecay", "AutoDecay"}


@pytest.mark.parametrize(
    "twin_of", [copy.deepcopy, lambda decay: pickle.loads(pickle.dumps(decay))]
)
def test_the_hook_of_a_copy_is_the_copys(twin_of: Any) -> None:
    decay = LossSlopeDecay()
    twin = twin_of(decay)
    assert not python_utils.is_default(twin.on_train_batch_end)
    assert twin.on_train_batch_end.__self__ is twin
    assert decay.on_train_batch_end.__self__ is decay
    twin.on_train_batch_end(0, {"loss": 3.0})
    assert decay._batch_losses.take() == ()
    assert twin._batch_losses.take() == (3.0,)


def test_a_copy_trains_alike() -> None:
    decay = LearningRateDecay(Constant(), rules=[Listening()])
    twin = pickle.loads(pickle.dumps(copy.deepcopy(decay)))
    heard = []
    for one in (decay, twin):
        Listening.heard.clear()
        fit(line(), [one], 2, **on_the_line(10))
        heard.append(list(Listening.heard))
    assert heard[0] == heard[1]
    assert len(heard[0]) == 2


# -------------------------------------------------------------------------------- in a training


def test_a_level_loss_is_reduced_and_a_falling_one_is_not() -> None:
    # Ten batches an epoch: after epochs 2 and 5 there are 30 losses since the last reduction.
    decay = LossSlopeDecay(factor=0.5, min_losses=25, p_value=1e-4)
    history = fit(level_odometer(), [decay], 7, **LEVEL_DATA)
    assert history["learning_rate"] == near([0.5] * 3 + [0.25] * 3 + [0.125])
    assert [(event.epoch, event.kind) for event in decay.events] == [(2, "reduce"), (5, "reduce")]
    assert "loss has not fallen over 15 batches (p = " in decay.events[0].reason

    falls = LossSlopeDecay(factor=0.5, min_losses=20, p_value=1e-4)
    assert fit(odometer(), [falls], 8)["learning_rate"] == near([0.5] * 8)
    assert falls.events == []
    assert "loss falls by 0.5 a batch" in falls.trace.decisions[-1].reason


@pytest.mark.parametrize("killed", [(1, None), (2, 4), (3, None)], ids=str)
def test_losses_collected_before_a_kill_count_after_it(
    killed: tuple[int, int | None], tmp_path: Path
) -> None:
    def halving(**given: Any) -> LossSlopeDecay:
        return LossSlopeDecay(factor=0.5, min_losses=25, p_value=1e-4, **given)

    # It decides after epoch 2, by the losses of three epochs, and after epoch 5.
    whole = halving()
    rates = fit(level_odometer(), [whole], 7, **LEVEL_DATA)["learning_rate"]
    path, model = tmp_path / "state.json", level_odometer()
    fit_until_killed(model, [halving(state_path=path), Kill(*killed)], 7, **LEVEL_DATA)
    first = killed[0] + (killed[1] is None)
    again = halving(state_path=path)
    found = fit(model, [again], 7, initial_epoch=first, **LEVEL_DATA)["learning_rate"]
    assert found == near(rates[first:])
    expected = [event for event in whole.events if event.epoch >= first]
    assert [(event.epoch, event.reason) for event in again.events] == [
        (event.epoch, event.reason) for event in expected
    ]
    assert [event.epoch for event in expected] == ([2, 5] if first <= 2 else [5])


def test_losses_of_the_warmup_do_not_count() -> None:
    decay = LossSlopeDecay(min_losses=20, warmup=2)
    fit(odometer(), [decay], 4)
    reasons = [event.reason for event in decay.trace.decisions]
    assert reasons == [f"{count} of 20 losses for a test" for count in (STEPS, 2 * STEPS)]


def test_a_loss_that_is_no_number_is_told_and_ends_nothing() -> None:
    target = DATA_Y.copy()
    target[BATCH] = np.nan  # in the second batch; all weights are NaN from there on
    decay = LossSlopeDecay(min_losses=20)
    data = {"x": DATA_X, "y": target, "batch_size": BATCH, "shuffle": False}
    history = fit(line(), [decay], 3, **data)
    assert history["learning_rate"] == near([0.1] * 3)
    assert [event.kind for event in decay.events] == ["nonfinite"] * 3
    assert decay.events[0].reason.startswith("loss is nan: 3 of 4 losses are not finite")


def test_as_the_trigger_of_another_rule_it_is_fed_too() -> None:
    trigger = LossSlope(min_losses=25, p_value=1e-4)
    decay = PowerStepDecay(advance_on=trigger)
    rates = fit(level_odometer(), [decay], 7, **LEVEL_DATA)["learning_rate"]
    assert rates == near([0.5] * 3 + [0.25] * 3 + [0.125])


def test_the_configuration_is_plain_data() -> None:
    decay = LossSlopeDecay(factor=0.5, min_losses=30, schedule=Constant(0.1))
    twin = LossSlopeDecay.from_config(json.loads(json.dumps(decay.get_config())))
    assert twin.rules == (LossSlope(0.5, min_losses=30),)
    assert not python_utils.is_default(twin.on_train_batch_end)
