"""Weight decay, momentum and beta_1 by a schedule: against torch, and against setting by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from engines.trainings import BACKEND, X, Y, assert_same, built, transplanted, weights
from keras import optimizers
from tiny import Kill, new_odometer

import kerasdecay
from kerasdecay import LearningRateDecay, OneCycleDecay, PowerStepDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, Cosine, Linear, Schedule, Timeline

pytestmark = pytest.mark.any_backend

EPOCHS, STEPS, BATCH = 2, 4, 8
TOTAL = EPOCHS * STEPS
RATE = Linear(0.05, final_learning_rate=0.01)


def sgd(**options: Any) -> Any:
    """Return the optimizer of most tests."""
    return optimizers.SGD(0.05, momentum=0.9, **options)


KNOBS: dict[str, tuple[Callable[[], Any], str, Schedule]] = {
    "AdamW": (lambda: optimizers.AdamW(0.05, weight_decay=0.1), "weight_decay", Cosine(2.0)),
    "SGD": (
        sgd,
        "momentum",
        Linear(0.9, final_learning_rate=0.3),
    ),
    "SGD, Nesterov": (
        lambda: sgd(nesterov=True),
        "momentum",
        Cosine(),  # from the optimizer's own 0.9
    ),
    "RMSprop": (lambda: optimizers.RMSprop(0.01, momentum=0.9), "momentum", Cosine(0.9)),
    "Adam": (lambda: optimizers.Adam(0.05), "beta_1", Cosine(0.9, final_learning_rate=0.1)),
    "Nadam": (lambda: optimizers.Nadam(0.05), "beta_1", Cosine(0.9, final_learning_rate=0.1)),
}
if keras.version() >= "3.13":  # that of 3.12 fails on TensorFlow, in a plain step
    KNOBS["Muon"] = (lambda: optimizers.Muon(0.05), "momentum", Cosine(0.9))


def fit(model: Any, callbacks: Any = (), *, epochs: int = EPOCHS, **options: Any) -> Any:
    """Train on the data in their order; return the history."""
    fitting = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **fitting).history


def after(optimizer: Any, *callbacks: Any, **options: Any) -> np.ndarray:
    """Return the weights of a new network after a training."""
    model = built(optimizer, **options)
    fit(model, callbacks)
    return weights(model)


def values_of(schedule: Schedule, own: float, unit: Any = "step") -> np.ndarray:
    """Return a schedule's value at each step of the run."""
    steps = np.arange(TOTAL)
    at = steps // STEPS if unit == "epoch" else steps
    return np.asarray(schedule.resolve(own).rates(at, Timeline(EPOCHS, STEPS, unit)))


def by_hand(
    optimizer: Any, rates: np.ndarray, *, batch: int = BATCH, **own: np.ndarray
) -> np.ndarray:
    """Return the weights of a training without a trace, each step with constants set by hand."""
    model = built(optimizer, run_eagerly=True)
    steps = len(X) // batch
    for step, rate in enumerate(rates.tolist()):
        model.optimizer.learning_rate = rate
        for name, values in own.items():
            setattr(model.optimizer, name, float(values[step]))
        part = slice(step % steps * batch, (step % steps + 1) * batch)
        model.train_on_batch(X[part], Y[part])
    return weights(model)


@pytest.mark.parametrize("name", KNOBS)
def test_every_step_has_its_value_as_if_set_by_hand_and_traced_anew(name: str) -> None:
    make, argument, schedule = KNOBS[name]
    own = getattr(make(), argument) or 1.0
    model, decay = built(make()), LearningRateDecay(RATE, **{argument: schedule})
    logs = fit(model, [decay])
    values = values_of(schedule, own)
    rates = values_of(RATE, 0.05)
    expected = by_hand(make(), rates, **{argument: values})
    assert_same(weights(model), expected)
    assert np.abs(expected - by_hand(make(), rates)).max() > 1e-3
    # Recorded as it was used, and gone afterwards.
    assert logs[argument] == pytest.approx(values[STEPS - 1 :: STEPS].tolist())
    assert decay.trace.knobs[argument].rates(argument) == pytest.approx(values)
    assert getattr(model.optimizer, argument) == getattr(make(), argument)
    plain = make()
    plain.build(model.trainable_variables)
    assert [one.shape for one in model.optimizer.variables] == [
        one.shape for one in plain.variables
    ]


def test_a_new_trace_with_the_value_set_is_the_same() -> None:
    class Setting(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.momentum = (0.9, 0.2)[epoch]
            self.model.make_train_function(force=True)

    set_anew = after(sgd(), Setting())
    found = after(sgd(), LearningRateDecay(0.05, momentum=[0.9, 0.2]))
    assert_same(found, set_anew)


@pytest.mark.parametrize("update", ["epoch", "2 steps", "batch", "compiled"])
def test_it_is_sampled_when_the_rate_is(update: str) -> None:
    decay = LearningRateDecay(RATE, momentum=Linear(0.9), update=update)
    logs = fit(built(sgd()), [decay])
    unit = "epoch" if update == "epoch" else "step"
    values = values_of(Linear(0.9), 0.9, unit)
    if update == "2 steps":
        values = np.repeat(values[::2], 2)
    assert decay.trace.knobs["momentum"].rates("momentum") == pytest.approx(np.unique(values)[::-1])
    assert logs["momentum"] == pytest.approx(values[STEPS - 1 :: STEPS].tolist())
    rates = values_of(RATE, 0.05, unit)
    rates = np.repeat(rates[::2], 2) if update == "2 steps" else rates
    found = after(sgd(), decay)
    assert_same(found, by_hand(sgd(), rates, momentum=values))


def test_an_accumulated_update_has_the_value_of_its_last_batch() -> None:
    decay = LearningRateDecay(RATE, momentum=Linear(0.9))
    found = after(sgd(gradient_accumulation_steps=2), decay)
    rates, values = values_of(RATE, 0.05)[1::2], values_of(Linear(0.9), 0.9)[1::2]
    assert_same(found, by_hand(sgd(), rates, batch=2 * BATCH, momentum=values))


def by_torch(kind: str, pair: tuple[float, float], **options: Any) -> np.ndarray:
    """Return the weights of the same network, trained by torch under its OneCycleLR."""
    torch = pytest.importorskip("torch")
    model = built(optimizers.SGD(0.1))
    layers = [torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)]
    with torch.no_grad():
        for mine, theirs in zip(layers, (0, 2), strict=True):
            kernel, bias = model.get_weights()[theirs : theirs + 2]
            mine.weight.copy_(torch.tensor(kernel.T))
            mine.bias.copy_(torch.tensor(bias))
    variables = [variable for layer in layers for variable in layer.parameters()]
    optimizer = getattr(torch.optim, kind)(variables, 0.1, **options)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=TOTAL, base_momentum=pair[0], max_momentum=pair[1]
    )
    for step in range(TOTAL):
        part = slice(step % STEPS * BATCH, (step % STEPS + 1) * BATCH)
        optimizer.zero_grad()
        found = layers[1](torch.tanh(layers[0](torch.tensor(X[part]))))
        ((found - torch.tensor(Y[part])) ** 2).mean().backward()
        optimizer.step()
        scheduler.step()
    flat = [value.detach().numpy().T.ravel() for value in variables]
    return np.concatenate(flat)


@pytest.mark.parametrize("update", ["batch", "compiled"])
@pytest.mark.parametrize(
    ("kind", "theirs", "mine"),
    [
        ("SGD", {"momentum": 0.9}, {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "nesterov": True}),
        ("Adam", {"eps": 1e-7}, {}),
    ],
)
def test_one_cycle_gives_the_weights_of_torchs(kind, theirs, mine, update) -> None:
    decay = OneCycleDecay(0.1, momentum=(0.6, 0.95), update=update)
    found = after(getattr(optimizers, kind)(0.01, **mine), decay)
    assert_same(found, by_torch(kind, (0.6, 0.95), **theirs), tolerance=1e-4)
    assert list(decay.trace.knobs) == ["momentum" if kind == "SGD" else "beta_1"]
    # Without it the weights are others: the equality says something.
    other = after(getattr(optimizers, kind)(0.01, **mine), OneCycleDecay(0.1, update=update))
    assert np.abs(other - found).max() > 1e-2


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_a_held_weight_decay_takes_the_same_from_each_step(update: str) -> None:
    def made(decay: float = 0.5) -> Any:
        return optimizers.AdamW(0.05, weight_decay=decay)

    decay = LearningRateDecay(Cosine(0.05), weight_decay="hold", update=update)
    model = built(made())
    logs = fit(model, [decay])
    rates = values_of(Cosine(0.05), 0.05)
    held = 0.5 * 0.05 / rates
    assert_same(weights(model), by_hand(made(), rates, weight_decay=held))
    assert decay.trace.knobs["weight_decay"].rates("weight_decay") == pytest.approx(held)
    assert logs["weight_decay"] == pytest.approx(held[STEPS - 1 :: STEPS].tolist())
    assert model.optimizer.weight_decay == 0.5


def test_it_is_held_where_a_rule_lowers_the_rate_and_where_the_rate_is_0() -> None:
    rules = [Plateau("loss", factor=0.1, patience=0, min_delta=1e9)]
    decay = LearningRateDecay([0.05, 0.05, 0.05, 0.0], rules=rules, weight_decay="hold")
    logs = fit(built(optimizers.AdamW(0.05, weight_decay=0.5)), [decay], epochs=4)
    assert logs["learning_rate"] == pytest.approx([0.05, 0.05, 0.005, 0.0])
    assert logs["weight_decay"] == pytest.approx([0.5, 0.5, 5.0, 0.0])


def test_a_weight_decay_can_be_given_to_an_optimizer_without_one() -> None:
    found = after(optimizers.Adam(0.05), LearningRateDecay(0.05, weight_decay=0.5))
    assert_same(found, after(optimizers.AdamW(0.05, weight_decay=0.5)))


def test_a_training_that_goes_on_has_the_values_of_its_place(tmp_path: Any) -> None:
    def decay(state: str = "a.json") -> Any:
        rules = [Plateau("loss", factor=0.5, patience=0, min_delta=1e9)]
        path = tmp_path / state
        return LearningRateDecay(RATE, momentum=Linear(0.9), epochs=3, rules=rules, state_path=path)

    whole = built(sgd())
    fit(whole, [decay()], epochs=3)
    model = built(sgd())
    fit(model, [decay("b.json")], epochs=2)
    fit(model, [decay("b.json")], epochs=3, initial_epoch=2)
    assert_same(weights(model), weights(whole))


def test_another_plan_is_not_that_of_the_state_file(tmp_path: Any) -> None:
    path = tmp_path / "state.json"
    model = new_odometer(optimizer=sgd())
    first = LearningRateDecay(0.1, momentum=0.5, epochs=2, state_path=path)
    model.fit(np.ones((2, 1)), np.ones((2, 1)), callbacks=[first], verbose=0)
    other = LearningRateDecay(0.1, momentum=0.6, epochs=2, state_path=path)
    with pytest.raises(ValueError, match=r"another|configuration"):
        model.fit(np.ones((2, 1)), np.ones((2, 1)), callbacks=[other], verbose=0, initial_epoch=1)


def test_an_interrupted_training_leaves_nothing_once_released() -> None:
    model = built(sgd())
    with pytest.raises(KeyboardInterrupt):
        fit(model, [LearningRateDecay(RATE, momentum=Linear(0.9)), Kill(0, 2)])
    assert kerasdecay.release(model)
    assert not kerasdecay.release(model)
    assert model.optimizer.momentum == 0.9
    assert "_backend_apply_gradients" not in vars(model.optimizer)


@pytest.mark.parametrize("update", ["batch", "compiled"])
@pytest.mark.parametrize("batch", [2, None])
def test_a_plain_fit_after_an_interruption_trains_with_the_optimizers_own(
    update: str, batch: int | None
) -> None:
    model = built(sgd())
    decay = LearningRateDecay(RATE, momentum=0.1, group_factors={".*": 0.5}, update=update)
    with pytest.raises(KeyboardInterrupt):
        fit(model, [decay, Kill(0, batch)])
    twin = transplanted(model, sgd())
    twin.optimizer.learning_rate = model.optimizer.learning_rate = 0.04
    fit(model)
    fit(twin)
    assert_same(weights(model), weights(twin))
    assert not kerasdecay.release(model)
    assert "make_train_function" not in vars(model)


def test_a_steered_loop_that_is_interrupted_leaves_an_ordinary_optimizer() -> None:
    model, decay = built(sgd()), LearningRateDecay(RATE, momentum=0.1)
    steering = kerasdecay.steer(model, decay, epochs=EPOCHS, steps_per_epoch=STEPS)
    with pytest.raises(KeyboardInterrupt), steering as run:
        for _ in run:
            run.begin_step()
            raise KeyboardInterrupt
    assert not kerasdecay.release(model)


def test_a_momentum_of_0_leaves_no_velocity_for_later() -> None:
    def momentum(epoch: int) -> float:
        return [0.9, 0.0, 0.9][epoch]

    model = new_odometer(optimizer=optimizers.SGD(0.1, momentum=0.5))
    decay = LearningRateDecay(Constant(0.1), momentum=momentum)
    model.fit(np.ones((3, 1)), np.zeros((3, 1)), 1, epochs=3, verbose=0, callbacks=[decay])
    velocity = moved = 0.0
    for step in range(9):
        velocity = momentum(step // 3) * velocity + 0.1
        moved += velocity
    assert weights(model) == pytest.approx(moved, rel=1e-5)


def test_in_mid_training_the_optimizer_shows_its_own_constants() -> None:
    seen = []

    class Looking(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            optimizer = self.model.optimizer
            seen.append((optimizer.momentum, optimizer.get_config()["momentum"]))

    fit(built(sgd()), [LearningRateDecay(RATE, momentum=Linear(0.9)), Looking()], epochs=1)
    assert seen == [(0.9, 0.9)] * STEPS


def test_a_step_is_traced_as_often_as_without() -> None:
    calls = []

    def loss(true: Any, found: Any) -> Any:
        calls.append(1)
        return keras.ops.square(true - found)

    counts = []
    for knobs in ({}, {"momentum": Linear(0.9), "weight_decay": Linear(0.1)}):
        model = built(sgd())
        model.compile(sgd(), loss)
        fit(model, [LearningRateDecay(RATE, update="compiled", **knobs)])
        counts.append(len(calls))
        calls.clear()
    assert counts[0] == counts[1]


def test_loss_scaling_is_taken_off_and_several_optimizers_are_named() -> None:
    decay = LearningRateDecay(RATE, momentum=Linear(0.9))
    scaled = after(optimizers.LossScaleOptimizer(sgd(), initial_scale=1.0), decay)
    rates, values = values_of(RATE, 0.05), values_of(Linear(0.9), 0.9)
    assert_same(scaled, by_hand(sgd(), rates, momentum=values))
    if hasattr(optimizers, "MultiOptimizer"):
        parts = [sgd(name="one"), sgd(name="two")]
        both = optimizers.MultiOptimizer(lambda variable: parts["second" in variable.path])
        model = built(both)
        both.build(model.trainable_variables)
        logs = fit(model, [decay])
        assert logs["momentum_one"] == logs["momentum_two"] == pytest.approx(values[3::4].tolist())


def test_a_loop_without_fit_has_them_too() -> None:
    model = built(sgd(), run_eagerly=True)
    decay = LearningRateDecay(RATE, momentum=Linear(0.9))
    with kerasdecay.steer(model, decay, epochs=EPOCHS, steps_per_epoch=STEPS) as run:
        for _ in run:
            for step in range(STEPS):
                run.begin_step()
                part = slice(step * BATCH, (step + 1) * BATCH)
                model.train_on_batch(X[part], Y[part])
            logs = run.end_epoch({})
    rates, values = values_of(RATE, 0.05), values_of(Linear(0.9), 0.9)
    assert_same(weights(model), by_hand(sgd(), rates, momentum=values))
    assert logs["momentum"] == pytest.approx(values[-1])
    stateless = kerasdecay.steer(model, decay, epochs=1, steps_per_epoch=STEPS, stateless=True)
    with pytest.raises(ValueError, match="stateless"), stateless:
        pass


def test_several_steps_a_batch_are_noticed_and_counted_by_batches() -> None:
    optimizer = sgd()
    apply = optimizer.apply

    def twice(gradients: Any, variables: Any = None) -> None:
        apply(gradients, variables)
        apply(gradients, variables)

    object.__setattr__(optimizer, "apply", twice)
    if BACKEND == "jax":
        return  # its step is stateless_apply, which hands one state on
    decay = LearningRateDecay(0.05, momentum=Linear(0.9), update="batch")
    with pytest.warns(UserWarning, match="2 times a batch"):
        logs = fit(built(optimizer), [decay], epochs=3)
    values = Linear(0.9).rates(np.arange(12), Timeline(3, STEPS))
    assert logs["momentum"][1:] == pytest.approx(values[7::4].tolist())


@pytest.mark.parametrize(
    ("make", "arguments", "told"),
    [
        (lambda: optimizers.SGD(0.1), {"momentum": 0.9}, "keeps no velocity.*momentum=0.9"),
        (lambda: optimizers.RMSprop(0.1), {"momentum": 0.9}, "keeps no velocity"),
        (lambda: optimizers.Adam(0.1), {"momentum": 0.9}, "Adam.*Use beta_1"),
        (sgd, {"beta_1": 0.9}, "SGD.*Use momentum"),
        (lambda: optimizers.Adagrad(0.1), {"beta_1": 0.9}, "Leave it out"),
        (sgd, {"weight_decay": "hold"}, "SGD has no weight decay"),
        (sgd, {"weight_decay": Cosine()}, "initial value"),
        (sgd, {"momentum": Linear(1.5)}, "below|< 1"),
        (lambda: Asking(0.1, momentum=0.9), {"momentum": 0.5}, "cannot be driven in Asking"),
    ],
)
def test_an_optimizer_that_cannot_is_refused_before_the_first_step(make, arguments, told) -> None:
    if BACKEND == "torch" and "Asking" in told:
        pytest.skip("torch's steps can ask")
    model = new_odometer(optimizer=make())
    with pytest.raises(ValueError, match=told):
        model.fit(
            np.ones((2, 1)),
            np.ones((2, 1)),
            callbacks=[LearningRateDecay(0.1, **arguments)],
            verbose=0,
        )
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"momentum": 1.0}, "momentum must be .*< 1"),
        ({"beta_1": -0.1}, "beta_1 must be"),
        ({"weight_decay": -1}, "weight_decay must be"),
        ({"weight_decay": "held"}, "weight_decay must be"),
        ({"momentum": lambda epoch, value: value}, "the epoch alone"),
        ({"momentum": Cosine("auto")}, "number"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(arguments, told) -> None:
    with pytest.raises(ValueError, match=told):
        PowerStepDecay(0.1, **arguments)


def test_a_pair_has_its_range_and_no_warmup_beside_it() -> None:
    with pytest.raises(ValueError, match="the lower number first"):
        OneCycleDecay(0.1, momentum=(0.95, 0.85))
    with pytest.raises(ValueError, match=r"Write momentum=\(0.85, 0.95\), which is beta_1"):
        OneCycleDecay(0.1, beta_1=[0.85, 0.95])
    with pytest.raises(ValueError, match="warms up itself"):
        OneCycleDecay(0.1, momentum=(0.85, 0.95), warmup=1)
    decay = OneCycleDecay(0.1, momentum=(0.85, 0.95))
    assert OneCycleDecay.from_config(decay.get_config()).knobs == decay.knobs
    assert copy.deepcopy(decay).knobs == decay.knobs


class Asking(optimizers.SGD):
    """An optimizer that asks how large its momentum is."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.momentum > 0.5:
            super().update_step(gradient, variable, learning_rate)
