"""What `update="compiled"` leaves alone, and what it leaves behind."""

from __future__ import annotations

import copy
import functools
import warnings
from typing import Any

import keras
import numpy as np
import pytest
from engines.trainings import (
    EPOCHS,
    PAIRS,
    STEPS,
    Times,
    assert_same,
    at_constant_rate,
    built,
    fit,
    native,
    rate_of,
    sgd,
    trained,
    transplanted,
    weights,
)
from tiny import Kill

import kerasdecay
from kerasdecay import LearningRateDecay
from kerasdecay.control import ScheduledRates
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Cosine, Exponential, Timeline, warmup
from kerasdecay.training.compiled import install
from kerasdecay.training.targets import RateTarget

pytestmark = pytest.mark.any_backend

COSINE, KERAS_COSINE = PAIRS["cosine"]
# With such a threshold nothing is an improvement: it reduces after each epoch but the first.
EACH_EPOCH = Plateau("loss", factor=0.5, patience=1, min_delta=1e6)


def compiled(**options: Any) -> LearningRateDecay:
    return LearningRateDecay(COSINE, update="compiled", **options)


class AtEpochEnd(keras.callbacks.Callback):
    """Does something with the model after each epoch."""

    def __init__(self, action: Any) -> None:
        super().__init__()
        self.action = action

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.action(self.model, epoch)


@functools.cache
def after_cosine() -> np.ndarray:
    return trained(sgd(KERAS_COSINE()))


@pytest.mark.parametrize(
    ("rules", "until", "rates"),
    [([], [1, 1, 1], [0.05]), ([EACH_EPOCH], [1, 2, 3], [0.05, 0.025, 0.0125])],
)
def test_the_optimizer_is_written_at_most_once_an_epoch(
    monkeypatch: Any, rules: list[Any], until: list[int], rates: list[float]
) -> None:
    model = built(sgd(0.05))
    written: list[float] = []
    counts: list[int] = []
    fitting: list[int] = []
    write = RateTarget.write

    def spy(target: RateTarget, rate: float) -> None:
        if fitting:
            written.append(rate)
        write(target, rate)

    monkeypatch.setattr(RateTarget, "write", spy)
    # Before the first epoch each rate is written back as it was, to see whether it can be set.
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: fitting.append(epoch))
    count = AtEpochEnd(lambda model, epoch: counts.append(len(written)))
    fit(model, [begin, compiled(rules=rules), count])
    assert counts == until  # what comes after is the last rate, left behind
    np.testing.assert_allclose(written[: len(rates)], rates)


def test_rules_scale_the_rate_in_the_step() -> None:
    decay = compiled(rules=[EACH_EPOCH])
    found = trained(sgd(0.05), decay)
    assert [event.epoch for event in decay.events] == [1, 2]
    assert_same(found, trained(sgd(Times(KERAS_COSINE(), [1.0, 1.0, 0.5]))))


def test_rules_scale_the_rate_after_a_warmup() -> None:
    schedule, reference = PAIRS["cosine after a warmup"]
    found = trained(sgd(0.05), LearningRateDecay(schedule, rules=[EACH_EPOCH], update="compiled"))
    # The warmup lasts for a part of the first epoch, in which the rule therefore rests.
    assert_same(found, trained(sgd(Times(reference(), [1.0, 1.0, 1.0]))))


def test_a_plain_fit_afterwards_is_a_plain_fit() -> None:
    model = built(sgd(0.05))
    fit(model, [compiled()])
    assert rate_of(model) == pytest.approx(0.00519, rel=1e-2)
    model.optimizer.learning_rate = 0.03
    twin = transplanted(model, sgd(0.03))
    before = weights(model)
    fit(model)
    fit(twin)
    np.testing.assert_array_equal(weights(model), weights(twin))
    assert np.abs(weights(model) - before).max() > 1e-2


def test_after_a_plain_fit_nothing_of_its_step_is_left() -> None:
    model = built(sgd(0.05))
    fit(model, epochs=1)
    twin = transplanted(model, sgd(native.CosineDecay(0.04, 2 * STEPS)))
    twin.optimizer._iterations.assign(0)
    fit(model, [LearningRateDecay(Cosine(0.04), update="compiled")], epochs=2)
    fit(twin, epochs=2)
    assert_same(weights(model), weights(twin))


def test_a_second_compiled_fit_follows_its_own_schedule() -> None:
    model = built(sgd(0.05))
    fit(model, [compiled()])
    twin = transplanted(model, sgd(native.ExponentialDecay(0.04, STEPS, 0.5)))
    twin.optimizer._iterations.assign(0)
    decay = LearningRateDecay(Exponential(0.04, every=1, factor=0.5), update="compiled")
    fit(model, [decay], epochs=2)
    fit(twin, epochs=2)
    assert_same(weights(model), weights(twin))


def test_files_saved_meanwhile_hold_real_rates(tmp_path: Any) -> None:
    def save(model: Any, epoch: int) -> None:
        model.save(tmp_path / f"{epoch}.keras")
        model.save_weights(tmp_path / f"{epoch}.weights.h5")

    decay = compiled(rules=[EACH_EPOCH])
    model = built(sgd(0.05))
    fit(model, [decay, AtEpochEnd(save)])
    for epoch, rate in enumerate([0.05, 0.025, 0.0125]):
        loaded = keras.models.load_model(tmp_path / f"{epoch}.keras")
        other = built(sgd(0.9))
        other.optimizer.build(other.trainable_variables)
        other.load_weights(tmp_path / f"{epoch}.weights.h5")
        for twin in (loaded, other):
            assert rate_of(twin) == pytest.approx(rate)
            assert int(keras.ops.convert_to_numpy(twin.optimizer.iterations)) == STEPS * (epoch + 1)
    np.testing.assert_array_equal(weights(loaded), weights(model))
    fit(loaded, epochs=1)
    assert np.abs(weights(loaded) - weights(model)).max() > 1e-3


@pytest.mark.parametrize("batch", [2, None])
def test_release_after_an_interruption(batch: int | None) -> None:
    model = built(sgd(0.05))
    with pytest.raises(KeyboardInterrupt):
        fit(model, [compiled(), Kill(1, batch)])
    done = STEPS + 3 if batch is not None else 2 * STEPS
    assert rate_of(model) == pytest.approx(float(KERAS_COSINE()(done)), rel=1e-5)
    assert kerasdecay.release(model)
    assert not kerasdecay.release(model)
    assert rate_of(model) == pytest.approx(float(KERAS_COSINE()(done)), rel=1e-5)
    twin = transplanted(model, sgd(rate_of(model)))
    fit(model, epochs=1)
    fit(twin, epochs=1)
    np.testing.assert_array_equal(weights(model), weights(twin))


def test_a_rate_set_after_an_interruption_is_what_trains() -> None:
    model = built(sgd(0.05))
    with pytest.raises(KeyboardInterrupt):
        fit(model, [compiled(), Kill(1, 2)])
    model.optimizer.learning_rate = 0.02
    twin = transplanted(model, sgd(0.02))
    fit(model, epochs=1)
    fit(twin, epochs=1)
    assert_same(weights(model), weights(twin))
    assert rate_of(model) == pytest.approx(0.02)


@pytest.mark.parametrize("engine", ["batch", "compiled"])
def test_the_next_decay_cleans_up_after_an_interruption(engine: str) -> None:
    model = built(sgd(0.05))
    with pytest.raises(KeyboardInterrupt):
        fit(model, [compiled(), Kill(1, 2)])
    twin = transplanted(model, sgd(native.ExponentialDecay(0.04, STEPS, 0.5)))
    twin.optimizer._iterations.assign(0)
    schedule = Exponential(0.04, every=1, factor=0.5)
    fit(model, [LearningRateDecay(schedule, update=engine)], epochs=2)
    fit(twin, epochs=2)
    assert_same(weights(model), weights(twin))


def test_a_restart_in_the_middle_of_an_epoch_keeps_the_place() -> None:
    model = built(sgd(0.05))
    with pytest.raises(KeyboardInterrupt):
        fit(model, [compiled(), Kill(1, 2)])
    twin = transplanted(model, sgd(KERAS_COSINE()))
    twin.optimizer._iterations.assign(STEPS)  # the model's says 3 more
    fit(model, [compiled()], initial_epoch=1)
    fit(twin, initial_epoch=1)
    assert_same(weights(model), weights(twin))


def test_an_epoch_of_fewer_steps_does_not_shift_the_next() -> None:
    class Shorter(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 4:
                self.model.stop_training = True

    model = built(sgd(0.05))
    fit(model, [compiled()], epochs=1)
    shifted = built(sgd(0.05))
    decay = compiled(epochs=EPOCHS)
    history = fit(shifted, [decay, Shorter()], epochs=1).history
    used = [float(KERAS_COSINE()(step)) for step in range(5)]
    assert history["learning_rate"] == pytest.approx(used[-1:], rel=1e-6)
    assert decay.trace.learning_rates == pytest.approx(used, rel=1e-6)
    assert rate_of(shifted) == pytest.approx(used[-1], rel=1e-6)
    twin = transplanted(shifted, sgd(KERAS_COSINE()))
    twin.optimizer._iterations.assign(STEPS)
    fit(shifted, [decay], initial_epoch=1)
    fit(twin, initial_epoch=1)
    assert_same(weights(shifted), weights(twin))


def test_after_a_release_by_hand_the_next_training_remembers_its_base_rate(recwarn: Any) -> None:
    model, decay = built(sgd(0.05)), LearningRateDecay(Cosine(), update="compiled")
    with pytest.raises(KeyboardInterrupt):
        fit(model, [decay, Kill(1, 2)])
    kerasdecay.release(model)
    fit(model, [decay])
    assert decay.trace.learning_rates[0] == pytest.approx(0.05)
    assert not [one for one in recwarn if "has trained before" in str(one.message)]


def test_a_rate_set_after_the_release_is_a_new_base_rate() -> None:
    model, decay = built(sgd(0.05)), LearningRateDecay(Cosine(), update="compiled")
    with pytest.raises(KeyboardInterrupt):
        fit(model, [decay, Kill(1, 2)])
    kerasdecay.release(model)
    model.optimizer.learning_rate = 0.2
    with pytest.warns(UserWarning, match="0.2, is taken for the initial one"):
        fit(model, [decay])
    assert decay.trace.learning_rates[0] == pytest.approx(0.2)


def test_a_function_of_the_epoch_is_refused_before_the_first_step() -> None:
    model = built(sgd(0.05))
    with pytest.raises(ValueError, match=r'inside the compiled step\. Use update="epoch"'):
        fit(model, [LearningRateDecay(lambda epoch: 0.1, update="compiled")])
    assert not kerasdecay.release(model)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0
    fit(model, epochs=1)


def test_a_warning_that_is_an_error_does_not_keep_the_schedule_in_the_optimizer() -> None:
    model = built(sgd(0.05))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(UserWarning, match="'val_loss', which is not in the logs"):
            fit(model, [compiled(rules=[Plateau("val_loss", patience=2)])])
    assert not kerasdecay.release(model)


def test_a_copy_made_meanwhile_is_an_ordinary_model() -> None:
    copies: list[Any] = []
    model = built(sgd(0.05))
    fit(model, [compiled(), AtEpochEnd(lambda model, epoch: copies.append(copy.deepcopy(model)))])
    assert not kerasdecay.release(copies[0])
    assert rate_of(copies[0]) == pytest.approx(0.05)
    twin = transplanted(copies[0], sgd(0.05))
    fit(copies[0], epochs=1)
    fit(twin, epochs=1)
    assert_same(weights(copies[0]), weights(twin))
    assert_same(weights(model), after_cosine())


def test_training_with_it_differs_from_a_constant_rate() -> None:
    found = trained(sgd(0.05), compiled())
    assert_same(found, after_cosine())
    assert np.abs(found - at_constant_rate()).max() > 0.1


def test_a_schedule_that_begins_at_zero() -> None:
    schedule = warmup(Cosine(0.05), 1, 0.0)
    reference = native.CosineDecay(0.0, 2 * STEPS, warmup_target=0.05, warmup_steps=STEPS)
    assert_same(
        trained(sgd(0.05), LearningRateDecay(schedule, update="compiled")), trained(sgd(reference))
    )


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="there a rate is looked up")
@pytest.mark.parametrize("step", ["eager", "compiled"])
def test_a_step_computes_the_rate_once_and_not_for_each_variable(
    step: str, monkeypatch: Any
) -> None:
    if step == "compiled" and keras.backend.backend() == "jax":
        pytest.skip("there the compiler merges equal formulas")
    asked: list[Any] = []
    of_step = kerasdecay.training.compiled.of_step

    def counted(planned: Any) -> Any:
        compute = of_step(planned)
        return lambda number: asked.append(number) or compute(number)

    monkeypatch.setattr(kerasdecay.training.compiled, "of_step", counted)
    counts = []
    for weight_decay in (None, 0.1):  # which Keras multiplies by the rate anew for each variable
        model = built(sgd(0.05, weight_decay=weight_decay), run_eagerly=step == "eager")
        asked.clear()
        fit(model, [compiled()])
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


def test_two_applications_in_one_traced_step_have_a_rate_each() -> None:
    optimizer = keras.optimizers.SGD(0.05, weight_decay=0.1)
    weight = keras.Variable(0.5)
    optimizer.build([weight])
    one = keras.ops.ones((), "float32")

    def step() -> None:
        for _ in range(2):
            optimizer.apply([one], [weight])

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(step)
    schedule, timeline = Cosine(0.05), Timeline(1, 6)
    install(None, optimizer, ScheduledRates(schedule, timeline), 0.05, 0)
    for _ in range(3):
        step()
    expected = 0.5
    for rate in schedule.rates(range(6), timeline):
        expected -= rate * (1 + 0.1 * expected)
    assert float(weight) == pytest.approx(expected, rel=1e-6)


def test_a_jitted_step_with_a_weight_decay_trains_as_an_eager_one() -> None:
    make = functools.partial(keras.optimizers.AdamW, 0.05, weight_decay=0.1)
    jitted = trained(make(), compiled(), jit_compile=True)
    assert_same(jitted, trained(make(), compiled(), run_eagerly=True), tolerance=1e-4)


def test_what_a_user_has_put_in_the_place_of_an_optimizers_method_stays() -> None:
    model, asked = built(sgd(0.05)), []
    apply = model.optimizer._backend_apply_gradients

    def own(*arguments: Any) -> Any:
        asked.append(True)
        return apply(*arguments)

    object.__setattr__(model.optimizer, "_backend_apply_gradients", own)
    fit(model, [compiled()])
    assert_same(weights(model), after_cosine())
    assert asked
    assert vars(model.optimizer)["_backend_apply_gradients"] is own
