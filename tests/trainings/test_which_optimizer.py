"""Which optimizers train: the log tells a rate only where that rate has trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    STEPS,
    Scripted,
    near,
    new_odometer,
    no_warning,
    travelled,
    two_odometers,
    warned_once,
)
from tiny import fit as fit_odometer
from trainings.adversaries import BACKEND, Adversaries, Travels, fit, sgd

from kerasdecay import CosineDecay, LearningRateDecay, LinearDecay, PlateauDecay, StepDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Cosine, Linear, MultiStep, PowerStep

pytestmark = pytest.mark.any_backend

has_multi_optimizer = pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="this Keras has no MultiOptimizer"
)

# ------------------------------------------------- model.optimizer does not train the model


@pytest.mark.parametrize(
    "decay", [CosineDecay(0.1), PlateauDecay("loss", patience=1), StepDecay(0.1, update="compiled")]
)
def test_an_optimizer_that_never_steps_is_an_error_that_names_those_that_might(decay: Any) -> None:
    model = Adversaries(sgd(0.1), sgd(0.2))
    wanted = r"model.optimizer, RMSprop, has made no step in epoch 1.*d_optimizer, g_optimizer\. .*"
    with pytest.raises(ValueError, match=wanted) as caught:
        fit(model, [decay], epochs=3)
    assert 'LearningRateDecay(optimizers={"d_optimizer": Cosine(0.001)' in str(caught.value)
    # They went on at their own rates, for one epoch.
    assert float(model.critic) == near(STEPS * 0.1)
    assert float(model.generator) == near(STEPS * 0.2)


@pytest.mark.parametrize(
    "decay", [CosineDecay(0.1), PlateauDecay("loss", patience=1), LinearDecay(0.1)]
)
def test_compile_without_an_optimizer_is_an_error_before_the_first_step(decay: Any) -> None:
    model = Adversaries(sgd(0.1), sgd(0.2))
    model.compile(optimizer=None)
    with pytest.raises(ValueError, match=r"model\.optimizer is None.*d_optimizer, g_optimizer"):
        fit(model, [decay], epochs=3)
    assert float(model.critic) == 0


class Hidden(Adversaries):
    """Holds its optimizers where nobody looks for them."""

    def __init__(self) -> None:
        super().__init__(sgd(0.1), sgd(0.2))
        held = self.d_optimizer, self.g_optimizer
        del self.d_optimizer, self.g_optimizer
        type(self).d_optimizer = property(lambda self: held[0])
        type(self).g_optimizer = property(lambda self: held[1])


def test_where_no_other_optimizer_is_found_it_is_told_once_and_nothing_is_logged() -> None:
    with warned_once("has made no step in epoch 1", "model.compile(optimizer=…)"):
        history = fit(Hidden(), [CosineDecay(0.1)], epochs=3)
    assert "learning_rate" not in history


# ----------------------------------------------------------------- optimizers named by the user

WAVE = [0.2 * (1 + np.cos(np.pi * n / 16)) for n in range(16)]
LINE = [0.2 * (1 - n / 16) for n in range(16)]
RATES = {
    "cosine and linear": (Cosine(0.4), Linear(0.2), WAVE, LINE),
    "steps": (
        MultiStep(0.4, milestones=[1], factor=0.5),
        PowerStep(0.5, stages=2),
        [0.4] * 4 + [0.2] * 12,
        [0.5] * 8 + [0.25] * 8,
    ),
    "a constant and a function": (
        Constant(0.3),
        lambda epoch: 0.2 / (epoch + 1),
        [0.3] * 16,
        np.repeat([0.2, 0.1, 0.2 / 3, 0.05], 4).tolist(),
    ),
}


@pytest.mark.parametrize("kind", RATES)
def test_each_named_optimizer_trains_at_its_own_schedule(kind: str) -> None:
    first, second, *expected = RATES[kind]
    model = Adversaries(sgd(9.0), sgd(9.0))
    decay = LearningRateDecay(optimizers={"d_optimizer": first, "g_optimizer": second})
    real = Travels("critic", "generator")
    with no_warning():
        history = fit(model, [decay, real], epochs=4)
    assert real.moves("critic") == near(expected[0])
    assert real.moves("generator") == near(expected[1])
    assert history["learning_rate_d_optimizer"] == near(expected[0][STEPS - 1 :: STEPS])
    assert history["learning_rate_g_optimizer"] == near(expected[1][STEPS - 1 :: STEPS])
    assert "learning_rate" not in history


def test_named_optimizers_share_the_groups_of_the_model() -> None:
    model = Adversaries(sgd(9.0), sgd(9.0))
    shapes = {"d_optimizer": Linear(0.4), "g_optimizer": Constant(0.2)}
    decay = LearningRateDecay(optimizers=shapes, group_factors={"critic": 0.5})
    real = Travels("critic", "generator")
    with no_warning():
        fit(model, [decay, real], epochs=2)
    assert real.moves("critic") == near([0.5 * 0.4 * (1 - n / 8) for n in range(8)])
    assert real.moves("generator") == near([0.2] * 8)


@pytest.mark.parametrize("critic_steps", [2, 3, 5])
def test_a_named_optimizer_may_step_several_times_a_batch(critic_steps: int) -> None:
    model = Adversaries(sgd(9.0), sgd(9.0), critic_steps=critic_steps)
    decay = LearningRateDecay(optimizers={"d_optimizer": Linear(0.4), "g_optimizer": Linear(0.2)})
    real = Travels("critic", "generator")
    with no_warning():
        history = fit(model, [decay, real], epochs=2)
    line = [1 - n / 8 for n in range(8)]
    assert real.moves("critic") == near([0.4 * critic_steps * share for share in line])
    assert real.moves("generator") == near([0.2 * share for share in line])
    assert history["learning_rate_d_optimizer"] == near([0.25, 0.05])
    assert any(f"{critic_steps} times a batch" in note for note in decay.trace.notes)


@pytest.mark.parametrize("every", [2, 4])
def test_a_named_optimizer_may_step_seldom(every: int) -> None:
    model = Adversaries(sgd(9.0), sgd(9.0), generator_every=every)
    decay = LearningRateDecay(optimizers={"d_optimizer": Linear(0.4), "g_optimizer": Linear(0.2)})
    real = Travels("critic", "generator")
    with no_warning():
        fit(model, [decay, real], epochs=2)
    line = [0.2 * (1 - n / 8) if n % every == 0 else 0 for n in range(8)]
    assert real.moves("generator") == near(line)


@pytest.mark.parametrize(("critic_steps", "every"), [(3, 1), (1, 2), (2, 4)])
def test_compiled_never_trains_named_optimizers_at_another_rate_than_it_logs(
    critic_steps: int, every: int
) -> None:
    model = Adversaries(sgd(9.0), sgd(9.0), critic_steps, every)
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Linear(0.4), "g_optimizer": Linear(0.2)}, update="compiled"
    )
    real = Travels("critic", "generator")
    with warned_once('update="compiled" counts', "times a batch"):
        history = fit(model, [decay, real], epochs=2)
    line = [1 - n / 8 for n in range(8)]
    # The first batch alone trains along as many places of the schedule as it has applications.
    assert real.moves("critic")[0] == near(0.4 * sum(line[:critic_steps]))
    assert real.moves("critic")[1:] == near([0.4 * critic_steps * share for share in line[1:]])
    assert real.moves("generator") == near(
        [0.2 * share if n % every == 0 else 0 for n, share in enumerate(line)]
    )
    trace = decay.trace.learning_rates_of("learning_rate_d_optimizer")
    assert trace.tolist() == near([0.4 * share for share in line])
    assert history["learning_rate_d_optimizer"] == near([0.25, 0.05])
    # What a later training finds are ordinary optimizers.
    before = float(model.critic)
    fit(model, [], epochs=1)
    assert float(model.critic) == near(before + 4 * critic_steps * 0.05)


def _moves(momenta: list[list[float]], rate: float) -> list[float]:
    """Return how far a weight of gradient −1 moves in each batch, by the momenta of its steps."""
    velocity, moves = 0.0, []
    for of_batch in momenta:
        moves.append(0.0)
        for momentum in of_batch:
            velocity = momentum * velocity + rate
            moves[-1] += velocity
    return moves


@pytest.mark.parametrize("update", ["epoch", "compiled"])
@pytest.mark.parametrize(("critic_steps", "every"), [(2, 1), (3, 2), (5, 4)])
def test_a_driven_momentum_goes_by_batches_from_the_second_one_on(
    critic_steps: int, every: int, update: str
) -> None:
    model = Adversaries(sgd(9.0, momentum=0.9), sgd(9.0, momentum=0.9), critic_steps, every)
    shapes = {"d_optimizer": Constant(0.5), "g_optimizer": Constant(0.25)}
    decay = LearningRateDecay(optimizers=shapes, momentum=Linear(0.8), update=update)
    real = Travels("critic", "generator")
    history = fit(model, [decay, real], epochs=2)
    line = [0.8 * (1 - n / 8) if update == "compiled" else (0.8, 0.4)[n // 4] for n in range(8)]
    # The first batch alone trains along as many places of the schedule as it has applications.
    critic = [line[:critic_steps], *([at] * critic_steps for at in line[1:])]
    assert real.moves("critic") == near(_moves(critic, 0.5))
    generator = [[at] if n % every == 0 else [] for n, at in enumerate(line)]
    assert real.moves("generator") == near(_moves(generator, 0.25))
    assert history["momentum_d_optimizer"] == near(line[3::4])


def test_compiled_with_named_optimizers_that_step_once_a_batch() -> None:
    model = Adversaries(sgd(9.0), sgd(9.0))
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Linear(0.4), "g_optimizer": Cosine(0.2)}, update="compiled"
    )
    real = Travels("critic", "generator")
    with no_warning():
        history = fit(model, [decay, real], epochs=2)
    assert real.moves("critic") == near([0.4 * (1 - n / 8) for n in range(8)])
    wave = [0.1 * (1 + np.cos(np.pi * n / 8)) for n in range(8)]
    assert real.moves("generator") == near(wave)
    assert history["learning_rate_g_optimizer"] == near([wave[3], wave[7]])


def test_one_named_optimizer_leaves_the_other_alone() -> None:
    model = Adversaries(sgd(9.0), sgd(0.5))
    decay = LearningRateDecay(optimizers={"d_optimizer": Linear(0.4)})
    real = Travels("critic", "generator")
    history = fit(model, [decay, real], epochs=2)
    assert real.moves("generator") == near([0.5] * 8)
    assert set(history) == {"loss", "learning_rate_d_optimizer"}


def test_two_callbacks_may_steer_one_optimizer_each() -> None:
    model = Adversaries(sgd(9.0), sgd(9.0))
    decays = [
        LearningRateDecay(optimizers={"d_optimizer": Linear(0.4)}),
        LearningRateDecay(optimizers={"g_optimizer": Linear(0.2)}),
    ]
    real = Travels("critic", "generator")
    with no_warning():
        fit(model, [*decays, real], epochs=2)
    assert real.moves("critic") == near([0.4 * (1 - n / 8) for n in range(8)])
    assert real.moves("generator") == near([0.2 * (1 - n / 8) for n in range(8)])


def test_named_optimizers_without_initial_rates_start_from_their_own() -> None:
    model = Adversaries(sgd(0.4), sgd(0.2))
    decay = LearningRateDecay(optimizers={"d_optimizer": Linear(), "g_optimizer": Linear()})
    real = Travels("critic", "generator")
    fit(model, [decay, real], epochs=1)
    assert real.moves("critic") == near([0.4, 0.3, 0.2, 0.1])
    assert real.moves("generator") == near([0.2, 0.15, 0.1, 0.05])


def test_a_rule_scales_every_named_optimizer() -> None:
    model = Adversaries(sgd(0.4), sgd(0.2))
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Constant(), "g_optimizer": Constant(0.1)},
        rules=[Plateau("m", factor=0.5, patience=1, mode="min")],
    )
    real = Travels("critic", "generator")
    history = fit(model, [Scripted(m=[1.0, 1.0, 1.0]), decay, real], epochs=3)
    assert real.moves("critic")[::4] == near([0.4, 0.4, 0.2])
    assert real.moves("generator")[::4] == near([0.1, 0.1, 0.05])
    assert history["learning_rate_g_optimizer"] == near([0.1, 0.1, 0.05])


@pytest.mark.parametrize("name", ["optimizr", "critic", "d_optimizer.learning_rate"])
def test_a_name_that_holds_no_optimizer_is_refused_with_those_that_there_are(name: str) -> None:
    model = Adversaries(sgd(0.1), sgd(0.2))
    with pytest.raises(ValueError, match=r"d_optimizer, g_optimizer, optimizer\. Received: "):
        fit(model, [LearningRateDecay(optimizers={name: Cosine(0.1)})], epochs=1)
    assert float(model.critic) == 0


@pytest.mark.parametrize("wrong", [{}, {1: Cosine(0.1)}, {"": Cosine(0.1)}, ["d_optimizer"], "d"])
def test_what_names_no_optimizers_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(ValueError, match="optimizers must be a dict of optimizer → schedule"):
        LearningRateDecay(optimizers=wrong)


def test_a_named_optimizer_that_does_not_train_is_told_and_not_logged() -> None:
    model = Adversaries(sgd(0.1), sgd(0.2))
    model.idle = sgd(0.3)
    decay = LearningRateDecay(optimizers={"d_optimizer": Linear(0.4), "idle": Linear(0.2)})
    with warned_once("the optimizer of learning_rate_idle has made no step in epoch 1"):
        history = fit(model, [decay], epochs=2)
    assert "learning_rate_idle" not in history
    assert history["learning_rate_d_optimizer"] == near([0.25, 0.05])


# -------------------------------------------------------------- steps that are not one a batch


class Repeating(keras.Sequential):
    """Applies `model.optimizer` several times a batch; each application moves the weight by η."""

    times = 3

    def train_step(self, *arguments: Any) -> Any:
        if BACKEND == "jax":
            state, _ = arguments
            trainable, fixed, optimizer_variables, metrics = state
            for _ in range(self.times):
                trainable, optimizer_variables = self.optimizer.stateless_apply(
                    optimizer_variables, [-keras.ops.ones_like(trainable[0])], trainable
                )
            loss = keras.ops.zeros(())
            return {"loss": loss}, (trainable, fixed, optimizer_variables, metrics)
        gradients = [-keras.ops.ones_like(self.trainable_variables[0])]
        for _ in range(self.times):
            _apply(self.optimizer, gradients, self.trainable_variables)
        return {"loss": keras.ops.zeros(())}


def _apply(optimizer: Any, gradients: Any, variables: Any) -> None:
    if BACKEND != "torch":
        optimizer.apply(gradients, variables)
        return
    import torch

    with torch.no_grad():
        optimizer.apply(gradients, variables)


@pytest.mark.parametrize("times", [2, 3, 5])
@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_several_applications_a_batch_are_told_and_go_by_batches(times: int, update: str) -> None:
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = type("Repeating", (Repeating,), {"times": times})([keras.Input((1,)), dense])
    model.compile(sgd(9.0), "mse")
    decay = LinearDecay(0.4, update=update)
    words = "counts the optimizer's steps" if update == "compiled" else "the schedule goes by"
    with warned_once(words, f"applied {times} times a batch"):
        history = fit_odometer(model, [decay], epochs=2)
    line = [0.4 * (1 - n / 8) for n in range(8)]
    first = sum(line[:times]) if update == "compiled" else times * line[0]
    assert travelled(model) == near(first + times * sum(line[1:]))
    assert history["learning_rate"] == near([0.25, 0.05])


# --------------------------------------------------------------- several optimizers, one rate


def multi(fast: float, slow: float) -> Any:
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(sgd(slow, name="slow"), {"fast/.*": sgd(fast, name="fast")})
    )


@has_multi_optimizer
@pytest.mark.parametrize(
    "decay",
    [CosineDecay(0.1), PlateauDecay("loss", schedule=Constant(0.1)), LinearDecay(0.5, warmup=1)],
)
def test_one_absolute_rate_never_flattens_several_in_silence(decay: Any) -> None:
    model = two_odometers(multi(0.5, 0.25))
    with pytest.raises(ValueError, match=r"fast 0\.5, learning_rate_slow 0\.25.*optimizers=\{"):
        fit_odometer(model, [decay], epochs=3)
    assert (travelled(model, "fast"), travelled(model, "slow")) == (0, 0)


@has_multi_optimizer
def test_one_absolute_rate_over_equal_ones_is_what_was_asked_for() -> None:
    model = two_odometers(multi(0.5, 0.5))
    with no_warning():
        fit_odometer(model, [LinearDecay(0.4)], epochs=1)
    assert travelled(model, "fast") == travelled(model, "slow") == near(1.0)


@has_multi_optimizer
@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_the_parts_of_a_multi_optimizer_may_be_named(update: str) -> None:
    model = two_odometers(multi(0.5, 0.25))
    schedules = {"fast": Linear(0.4), "slow": Linear(0.2)}
    decay = LearningRateDecay(optimizers=schedules, update=update)
    history = fit_odometer(model, [decay], epochs=2)
    shares = [1.0] * 4 + [0.5] * 4 if update == "epoch" else [1 - n / 8 for n in range(8)]
    assert travelled(model, "fast") == near(0.4 * sum(shares))
    assert travelled(model, "slow") == near(0.2 * sum(shares))
    assert history["learning_rate_fast"] == near([0.4 * shares[3], 0.4 * shares[7]])


@has_multi_optimizer
def test_a_later_fit_over_parts_that_this_callback_has_left_unequal_is_no_flattening() -> None:
    model = two_odometers(multi(0.5, 0.5))
    decay = LinearDecay(0.4)
    with no_warning():
        for _ in range(2):
            fit_odometer(model, [decay], epochs=2)
    assert travelled(model, "fast") == near(2 * 0.4 * sum(1 - n / 8 for n in range(8)))


# ------------------------------------------------------------------- rates by another door


class Forwarding(keras.optimizers.Optimizer):
    """Hands everything to another optimizer; its own private rate is 0."""

    def __init__(self, inner: Any) -> None:
        super().__init__(learning_rate=0.0)
        self.inner = inner

    @property
    def learning_rate(self) -> Any:
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        self.inner.learning_rate = rate

    @property
    def variables(self) -> Any:
        return self.inner.variables

    def build(self, variables: Any) -> None:
        self.inner.build(variables)
        self.built = True

    def apply(self, gradients: Any, variables: Any = None) -> None:
        self.inner.apply(gradients, variables)

    def stateless_apply(self, *arguments: Any) -> Any:
        return self.inner.stateless_apply(*arguments)


class Counting(Forwarding):
    """Forwards the counter of its steps as well."""

    @property
    def iterations(self) -> Any:
        return self.inner.iterations


@pytest.mark.parametrize("kind", [Forwarding, Counting])
@pytest.mark.parametrize(
    ("decay", "rates"),
    [
        (lambda: LinearDecay(0.4), [0.4 * (1 - n / 8) for n in range(8)]),
        (lambda: StepDecay(every=1, factor=0.5), [0.5] * 4 + [0.25] * 4),
        (
            lambda: PlateauDecay("loss", factor=0.5, patience=1, mode="max", min_delta=1e9),
            [0.5] * 8,
        ),
    ],
)
def test_a_wrapper_is_read_and_written_by_its_public_door(
    kind: Any, decay: Any, rates: list[float]
) -> None:
    model = new_odometer(optimizer=kind(sgd(0.5)))
    with no_warning():
        history = fit_odometer(model, [decay()], epochs=2)
    assert travelled(model) == near(sum(rates))
    assert history["learning_rate"] == near([rates[3], rates[7]])


class Deaf(Forwarding):
    """Has a rate of its own, which it never hands on."""

    learning_rate = keras.optimizers.Optimizer.learning_rate


@pytest.mark.parametrize(
    "decay",
    [
        lambda: LinearDecay(0.4),
        lambda: StepDecay(0.5, every=1, factor=0.5),
        lambda: PlateauDecay("loss", factor=0.5, patience=1, mode="max", min_delta=1e9),
    ],
)
def test_a_wrapper_that_keeps_the_rate_to_itself_is_refused_and_steered_as_the_error_says(
    decay: Any,
) -> None:
    model = new_odometer(optimizer=Deaf(sgd(0.5)))
    with pytest.raises(ValueError, match=r"Deaf\.inner takes the steps, at .* 0\.5") as caught:
        fit_odometer(model, [decay()], epochs=2)
    recipe = str(caught.value).split("the other one: ")[1].rstrip(".")
    named = eval(recipe, {"LearningRateDecay": LearningRateDecay, "Cosine": Linear})
    model = new_odometer(optimizer=Deaf(sgd(0.1)))
    with no_warning():
        fit_odometer(model, [named], epochs=2)
    assert travelled(model) == near(sum(0.5 * (1 - n / 8) for n in range(8)))


class Warming(keras.optimizers.SGD):
    """Trains at a quarter of its rate."""

    def _get_current_learning_rate(self) -> Any:
        return 0.25 * super()._get_current_learning_rate()


class Capped(keras.optimizers.SGD):
    """Takes no rate above 0.4."""

    learning_rate = property(
        keras.optimizers.SGD.learning_rate.fget,
        lambda self, rate: keras.optimizers.SGD.learning_rate.fset(self, min(float(rate), 0.4)),
    )


class Fixed(keras.optimizers.SGD):
    """Takes no rate at all."""

    learning_rate = property(keras.optimizers.SGD.learning_rate.fget, lambda self, rate: None)


@pytest.mark.parametrize("decay", [lambda: LinearDecay(0.4), lambda: PlateauDecay("loss")])
@pytest.mark.parametrize(
    ("kind", "found", "trains"), [(Warming, 0.125, 0.05), (Capped, 0.4, 0.2), (Fixed, 0.2, 0.2)]
)
def test_an_optimizer_that_changes_its_rate_is_refused_and_left_as_it_was(
    kind: Any, found: float, trains: float, decay: Any
) -> None:
    model = new_odometer(optimizer=kind(0.2))
    with pytest.raises(ValueError, match=f"{kind.__name__}, .* is {found:g} after 0.5 was set"):
        fit_odometer(model, [decay()])
    fit_odometer(model)
    assert travelled(model) == near(4 * trains)


def bounded(name: str, change: Any) -> Any:
    """Return a kind of SGD whose setter changes some rates."""
    fget, fset = keras.optimizers.SGD.learning_rate.fget, keras.optimizers.SGD.learning_rate.fset
    setter = property(fget, lambda self, rate: fset(self, change(float(rate))))
    return type(name, (keras.optimizers.SGD,), {"learning_rate": setter})


@pytest.mark.parametrize(
    ("change", "rates", "told"),
    [
        (lambda rate: min(rate, 0.75), [0.25, 0.5, 1.0], "is 0.75 after 1 was set"),
        (lambda rate: max(rate, 0.01), [0.5, 0.25, 0.002], "is 0.01 after 0.002 was set"),
        (lambda rate: min(rate, 0.75), [0.25, 0.5, 0.76], "is 0.75 after 0.76 was set"),
    ],
    ids=["highest", "lowest", "by little"],
)
@pytest.mark.parametrize("update", ["epoch", "batch"])
def test_a_rate_that_a_setter_changes_later_ends_the_training_before_it_trains(
    change: Any, rates: list[float], told: str, update: str
) -> None:
    model = new_odometer(optimizer=bounded("Bounded", change)(0.2))
    with no_warning(), pytest.raises(ValueError, match=f"Bounded, whose learning_rate {told}"):
        fit_odometer(model, [LearningRateDecay(rates, update=update)], epochs=3)
    assert travelled(model) == near(4 * (rates[0] + rates[1]))


def test_a_setter_that_changes_other_rates_is_nobodys_concern() -> None:
    model = new_odometer(optimizer=bounded("Bounded", lambda rate: min(rate, 1.0))(0.2))
    with no_warning():
        fit_odometer(model, [LearningRateDecay([1.0, 0.1])], epochs=2)
    assert travelled(model) == near(4 * (1.0 + 0.1))
