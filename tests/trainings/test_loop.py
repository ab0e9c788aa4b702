"""Loops that are not `fit`: the rates that train there are those that `fit` would have used."""

from __future__ import annotations

import types
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    BATCH,
    STEPS,
    Scripted,
    X,
    Y,
    distance,
    fit,
    near,
    new_odometer,
    no_warning,
    travelled,
    warned_once,
)

from kerasdecay import (
    AutoDecay,
    CosineDecay,
    LearningRateDecay,
    PlateauDecay,
    PowerStepDecay,
    WarmupDecay,
    steer,
)
from kerasdecay.rules import Plateau, Rescue
from kerasdecay.schedules import Constant, Linear

pytestmark = pytest.mark.any_backend

EPOCHS = 4
SCRIPT = [1.0, 1.0, 0.5, 0.5]

DECAYS = {
    "a shape by batches": lambda: LearningRateDecay(Linear()),
    "stages": lambda: PowerStepDecay(stages=2),
    "a warmup and a rule": lambda: WarmupDecay(1, rules=[Plateau("val_loss", 0.5, patience=1)]),
    "every other step": lambda: LearningRateDecay(Linear(0.5), update="2 steps"),
    "a function": lambda: LearningRateDecay(lambda epoch, rate: rate / 2),
}


def by_hand(model: Any, decay: Any, script: list[float] = SCRIPT, **steering: Any) -> Any:
    """Train by `train_on_batch`; return the rates as they were handed out, and the epochs' logs."""
    rates, logs = [], []
    with steer(model, decay, epochs=EPOCHS, steps_per_epoch=STEPS, **steering) as run:
        for epoch in run:
            for _ in range(STEPS):
                rates.append(run.begin_step())
                model.train_on_batch(X[:BATCH], Y[:BATCH])
            logs.append(run.end_epoch({"val_loss": script[epoch]}))
    return rates, logs


@pytest.mark.parametrize("name", DECAYS)
def test_a_loop_of_batches_trains_as_fit_does(name: str) -> None:
    model, twin = new_odometer(), new_odometer()
    rates, logs = by_hand(model, DECAYS[name]())
    history = fit(twin, [Scripted(val_loss=SCRIPT), DECAYS[name]()], EPOCHS)
    assert travelled(model) == near(travelled(twin))
    assert travelled(model) == near(sum(rates))
    assert [one["learning_rate"] for one in logs] == near(history["learning_rate"])


def test_an_optimizer_alone_can_be_steered() -> None:
    model = new_odometer()
    rates = []
    with steer(model.optimizer, CosineDecay(), epochs=2, steps_per_epoch=STEPS) as run:
        for _ in run:
            for _ in range(STEPS):
                rates.append(run.begin_step())
                model.train_on_batch(X[:BATCH], Y[:BATCH])
            run.end_epoch()
    assert travelled(model) == near(sum(rates))
    assert len(set(rates)) == 2 * STEPS


def test_a_rule_that_ends_the_training_ends_the_loop() -> None:
    decay = PlateauDecay("val_loss", 0.5, 1, min_lr=0.25, stop_at_min_lr=True)
    _, logs = by_hand(new_odometer(), decay, [1.0, 1.0, 1.0, 1.0])
    assert len(logs) == 3


def test_a_loop_goes_on_with_its_state_file(tmp_path: Path) -> None:
    def made() -> PlateauDecay:
        return PlateauDecay("val_loss", 0.5, 2, state_path=tmp_path / "state.json")

    whole, _ = by_hand(new_odometer(), PlateauDecay("val_loss", 0.5, 2), [1.0] * 4)
    model = new_odometer()
    with (
        pytest.raises(KeyboardInterrupt),
        steer(model, made(), epochs=EPOCHS, steps_per_epoch=STEPS) as run,
    ):
        for epoch in run:
            for _ in range(STEPS):
                run.begin_step()
                model.train_on_batch(X[:BATCH], Y[:BATCH])
            run.end_epoch({"val_loss": 1.0})
            if epoch == 1:
                raise KeyboardInterrupt
    rest, _ = by_hand(model, made(), [1.0] * 4, initial_epoch=2)
    assert rest == near(whole[2 * STEPS :])


@pytest.mark.parametrize("at", [3, 6, 11])
def test_a_rescue_puts_a_loop_back_too(at: int) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    decay = LearningRateDecay(Constant(0.05), rules=[Rescue()])
    rates = []
    with steer(model, decay, epochs=3, steps_per_epoch=8) as run:
        for _ in run:
            for _ in range(8):
                rates.append(run.begin_step())
                bad = len(rates) == at
                loss = model.train_on_batch(x * np.nan if bad else x, x.sum(1, keepdims=True))
                run.end_step(loss)
                model.reset_metrics()
            run.end_epoch()
    assert [event.kind for event in run.events] == ["rescue"]
    assert rates[:at] == near([0.05] * at)
    assert max(rates[at:]) < 0.04
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a loop of JAX")
@pytest.mark.parametrize("name", ["a shape by batches", "stages", "every other step"])
def test_a_stateless_loop_is_handed_the_rate(name: str) -> None:
    import jax

    model, twin = new_odometer(), new_odometer()
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    weights = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in optimizer.variables]

    @jax.jit
    def step(weights: Any, state: Any) -> Any:
        return optimizer.stateless_apply(state, [-np.ones((1, 1), "float32")], weights)

    decay, rates = DECAYS[name](), []
    steering = steer(model, decay, epochs=EPOCHS, steps_per_epoch=STEPS, stateless=True)
    with steering as run:
        for _ in run:
            for _ in range(STEPS):
                rates.append(run.begin_step())
                weights, state = step(weights, run.into(state))
            assert run.end_epoch()["learning_rate"] == near(rates[-1])
    fit(twin, [DECAYS[name]()], EPOCHS)
    assert float(weights[0][0, 0]) == near(travelled(twin))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="an optimizer of torch")
@pytest.mark.parametrize("rates", [[0.5], [0.5, 0.05], [0.1, 0.2, 0.4]], ids=str)
def test_the_parameter_groups_of_a_torch_optimizer_keep_their_ratio(rates: list[float]) -> None:
    import torch

    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in rates]
    groups = [{"params": [w], "lr": rate} for w, rate in zip(weights, rates, strict=True)]
    optimizer = torch.optim.SGD(groups)
    decay = PlateauDecay("loss", 0.5, 1, min_delta=1e9)
    with steer(optimizer, decay, epochs=4, steps_per_epoch=2) as run:
        for _ in run:
            for _ in range(2):
                run.begin_step()
                optimizer.zero_grad()
                (-sum(weights)).sum().backward()
                optimizer.step()
            run.end_epoch({"loss": 1.0})
    # After the second and the third epoch the rates are halved.
    assert [w.item() for w in weights] == near([2 * rate * (1 + 1 + 0.5 + 0.25) for rate in rates])


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="an optimizer of torch")
def test_a_loss_with_a_gradient_is_taken_without_a_warning() -> None:
    import torch

    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    torch.set_warn_always(True)
    try:
        decay = PlateauDecay("loss", patience=9, every="1 steps")
        with (
            warnings.catch_warnings(action="error"),
            steer(optimizer, decay, epochs=20, steps_per_epoch=1) as run,
        ):
            for _ in run:
                run.begin_step()
                (weight * 2).sum().backward()
                optimizer.step()
                run.end_step((weight * 2).sum())
                run.end_epoch({"loss": (weight * 2).sum()})
    finally:
        torch.set_warn_always(False)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="an optimizer of torch")
@pytest.mark.parametrize("holds_it", [False, True])
@pytest.mark.parametrize("make", [AutoDecay, lambda: CosineDecay(0.1, average_last=1)])
def test_beside_an_optimizer_of_torch_no_weights_are_put_back(make: Any, holds_it: bool) -> None:
    import torch

    network = torch.nn.Linear(1, 1)
    network.optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    with pytest.raises(ValueError, match="optimizer of torch give the rate as a number"):
        steer(network if holds_it else network.optimizer, make(), epochs=4, steps_per_epoch=2)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="an optimizer of torch")
@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_parameter_group_that_is_added_to_a_training_is_refused(groups: int, epoch: int) -> None:
    import torch

    def group(rate: float) -> dict[str, Any]:
        return {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate}

    optimizer = torch.optim.SGD([group(0.5) for _ in range(groups)])
    message = (
        "all its parameter groups before the first epoch. "
        f"Received: learning_rate_{groups}, added since, at a rate of its own, 0.125"
    )
    with (
        pytest.raises(ValueError, match=message),
        steer(optimizer, LearningRateDecay(Linear(1.0)), epochs=4, steps_per_epoch=1) as run,
    ):
        for now in run:
            assert now < epoch
            run.begin_step()
            run.end_epoch()
            if now == epoch - 1:
                optimizer.add_param_group(group(0.125))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"epochs": 0}, "steer: epochs must be an integer >= 1"),
        ({"epochs": 10**400}, "steer: epochs must be an integer"),
        ({"epochs": 2, "steps_per_epoch": 1.5}, "steer: steps_per_epoch must be an integer"),
        ({"epochs": 2, "initial_epoch": 3}, "steer: initial_epoch must be an integer"),
        ({"epochs": 2, "stateless": 1}, "steer: stateless must be True or False"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        steer(new_odometer(), CosineDecay(), **arguments)


@pytest.mark.parametrize(
    ("model", "decay", "wanted"),
    [
        (new_odometer, lambda: Linear(0.1), "steer: decay must be a decay callback"),
        (new_odometer, lambda: CosineDecay(update="compiled"), "the decay's update must be"),
        (
            lambda: keras.layers.Dense(1),
            CosineDecay,
            r"model must be a model of Keras, or an optimizer.*Dense.*steer\(optimizer, decay",
        ),
        (
            lambda: keras.optimizers.SGD(),
            AutoDecay,
            "model must be a model where weights are put back",
        ),
        (
            lambda: keras.optimizers.SGD(),
            lambda: CosineDecay("auto"),
            "model must be a model where weights are put back",
        ),
    ],
)
def test_what_cannot_be_steered_is_refused(model: Any, decay: Any, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        steer(model(), decay(), epochs=2, steps_per_epoch=2)


def test_a_loop_outside_of_the_block_is_named_before_it_trains() -> None:
    run = steer(new_odometer(), CosineDecay(), epochs=2, steps_per_epoch=2)
    with pytest.raises(RuntimeError, match=r"Write `with steer\(…\) as run:` around"):
        next(iter(run))
    with run, pytest.raises(RuntimeError, match=r"begin_step\(\) belongs into an epoch"):
        run.begin_step()
    with pytest.raises(RuntimeError, match="outside of it"):
        next(iter(run))


def test_an_epoch_that_was_not_ended_is_named() -> None:
    with (
        pytest.raises(RuntimeError, match=r"call run\.end_epoch\(logs\)"),
        steer(new_odometer(), CosineDecay(), epochs=2, steps_per_epoch=2) as run,
    ):
        for _ in run:
            run.begin_step()


def test_a_batch_that_ends_before_its_rate_was_written_is_named() -> None:
    with (
        pytest.raises(RuntimeError, match=r"end_step\(loss\) belongs after run\.begin_step\(\)"),
        steer(new_odometer(), CosineDecay(), epochs=2, steps_per_epoch=2) as run,
    ):
        for _ in run:
            run.end_step(1.0)


@pytest.mark.parametrize("logs", [0.5, [0.5, 0.9]])
def test_a_loss_in_the_place_of_an_epochs_logs_is_named(logs: Any) -> None:
    with (
        pytest.raises(ValueError, match=r"steer: logs must be a dict .*\{'loss': 0\.5\}"),
        steer(new_odometer(), CosineDecay(), epochs=2, steps_per_epoch=2) as run,
    ):
        for _ in run:
            run.end_epoch(logs)


@pytest.mark.parametrize(
    "decay",
    [
        AutoDecay,
        lambda: LearningRateDecay(Constant(0.1), rules=[Rescue()]),
        lambda: PlateauDecay("loss", patience=1, every="2 steps"),
    ],
)
@pytest.mark.parametrize("steps", [1, 4])
def test_a_decay_that_waits_for_losses_in_vain_says_so_at_the_second_batch(
    decay: Any, steps: int
) -> None:
    model = new_odometer(0.5)
    with (
        pytest.raises(RuntimeError, match=r"call run\.end_step\(loss\) after each batch"),
        steer(model, decay(), epochs=200, steps_per_epoch=steps) as run,
    ):
        for _ in run:
            for _ in range(steps):
                run.begin_step()
                loss = model.train_on_batch(X[:BATCH], Y[:BATCH])
            run.end_epoch({"loss": loss})
    assert model.optimizer.iterations == 1


def test_more_batches_than_were_told_are_named_before_one_trains_at_a_stale_rate() -> None:
    model = new_odometer(0.5)
    with (
        pytest.raises(
            ValueError,
            match=r"steps_per_epoch must be .*\. Received: 3, and batch 4 of epoch 1\.$",
        ),
        steer(model, CosineDecay(0.5), epochs=2, steps_per_epoch=3) as run,
    ):
        for _ in run:
            for _ in range(4):
                run.begin_step()
                model.train_on_batch(X[:BATCH], Y[:BATCH])
    assert model.optimizer.iterations == 3


def test_exchanged_arguments_are_told_apart() -> None:
    with pytest.raises(ValueError, match=r"a decay callback.* The order is steer\(model, decay"):
        steer(CosineDecay(0.1), new_odometer(), epochs=1, steps_per_epoch=4)


def steered_without_batches(decay: Any, optimizer: Any, step: Any, **steering: Any) -> None:
    with steer(optimizer, decay, epochs=2, steps_per_epoch=STEPS, **steering) as run:
        for _ in run:
            for _ in range(STEPS):
                step()
            run.end_epoch()


@pytest.mark.parametrize("update", ["batch", "2 steps"])
def test_batches_that_the_loop_does_not_begin_are_named_as_the_first_epoch_ends(
    update: str,
) -> None:
    model = new_odometer()
    told = r"within an epoch, and epoch 1 .* at learning_rate 0\.5\. Call run\.begin_step\(\)"
    with pytest.raises(RuntimeError, match=told):
        steered_without_batches(
            LearningRateDecay(Linear(0.5), update=update),
            model,
            lambda: model.train_on_batch(X[:BATCH], Y[:BATCH]),
        )
    assert model.optimizer.iterations == STEPS


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="its optimizers all count")
def test_so_they_are_where_the_optimizer_does_not_count_its_steps() -> None:
    if keras.backend.backend() == "torch":
        import torch

        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    else:
        optimizer = new_odometer().optimizer
    with pytest.raises(RuntimeError, match=r"Call run\.begin_step\(\) before each"):
        steered_without_batches(CosineDecay(0.5), optimizer, lambda: None, stateless=True)


def test_a_rate_that_changes_between_epochs_needs_no_batches_begun() -> None:
    model = new_odometer()
    steered_without_batches(
        LearningRateDecay(Linear(0.5), update="epoch"),
        model,
        lambda: model.train_on_batch(X[:BATCH], Y[:BATCH]),
    )
    assert travelled(model) == near(STEPS * (0.5 + 0.25))


def test_an_epoch_without_data_needs_no_batches_begun() -> None:
    with steer(new_odometer(), CosineDecay(0.5), epochs=2, steps_per_epoch=STEPS) as run:
        assert [run.end_epoch() for _ in run] == [{}, {}]


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="its optimizers all count")
@pytest.mark.parametrize("empty", [1, 2])
def test_so_does_one_after_batches_that_no_optimizer_counts(empty: int) -> None:
    steering = steer(
        new_odometer().optimizer,
        CosineDecay(0.5),
        epochs=3,
        steps_per_epoch=STEPS,
        stateless=True,
    )
    with steering as run:
        logs = []
        for epoch in run:
            for _ in range(STEPS * (epoch != empty)):
                run.begin_step()
            logs.append(run.end_epoch())
    assert [bool(one) for one in logs] == [epoch != empty for epoch in range(3)]


def test_a_mean_of_the_weights_needs_the_batches_too() -> None:
    model = new_odometer()
    with pytest.raises(RuntimeError, match=r"Call run\.begin_step\(\) before each"):
        steered_without_batches(
            LearningRateDecay(Constant(0.5), average_last=1),
            model,
            lambda: model.train_on_batch(X[:BATCH], Y[:BATCH]),
        )


def test_a_rule_that_waits_for_losses_in_vain_says_so_as_the_first_epoch_ends() -> None:
    model = new_odometer()
    with pytest.raises(RuntimeError, match=r"call run\.end_step\(loss\) after each batch"):
        steered_without_batches(
            LearningRateDecay(Constant(0.5), rules=[Rescue()]),
            model,
            lambda: model.train_on_batch(X[:BATCH], Y[:BATCH]),
        )


def test_a_list_of_callbacks_that_tells_of_epochs_alone_is_named() -> None:
    model = new_odometer()
    callbacks = keras.callbacks.CallbackList(
        [CosineDecay(0.5)], add_history=False, model=model, epochs=2, steps=STEPS
    )
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    model.train_on_batch(X[:BATCH], Y[:BATCH])
    with pytest.raises(RuntimeError, match="on_train_batch_begin"):
        callbacks.on_epoch_end(0, {})


class Agent:
    """Two optimizers and a weight for each, in no model of Keras."""

    def __init__(self) -> None:
        self.actor_optimizer = keras.optimizers.SGD(9.0)
        self.critic_optimizer = keras.optimizers.SGD(9.0)
        self.networks = [new_odometer(), new_odometer()]

    def step(self) -> None:
        for optimizer, model in zip(
            (self.actor_optimizer, self.critic_optimizer), self.networks, strict=True
        ):
            (weight,) = model.trainable_variables
            weight.assign(weight - 0.0)  # a value without gradients on torch
            optimizer.apply([-keras.ops.ones((1, 1))], [weight])


class Uncompiled(Agent, keras.Model):
    def __init__(self) -> None:
        keras.Model.__init__(self)
        Agent.__init__(self)


NAMED = {"actor_optimizer": Linear(0.4), "critic_optimizer": Linear(0.2)}


@pytest.mark.parametrize("kind", [Agent, Uncompiled])
def test_named_optimizers_need_no_compiled_model(kind: Any) -> None:
    agent, logs = kind(), {}
    with steer(agent, LearningRateDecay(optimizers=NAMED), epochs=2, steps_per_epoch=4) as run:
        for _ in run:
            for _ in range(4):
                run.begin_step()
                agent.step()
            logs = run.end_epoch()
    assert [travelled(one) for one in agent.networks] == near([0.4 * 4.5, 0.2 * 4.5])
    assert logs == near({f"learning_rate_{name}": one.initial / 8 for name, one in NAMED.items()})


PUTTING_BACK: list[dict[str, Any]] = [
    {"rules": [Rescue()]},
    {"rules": [Plateau("val_loss", restore_best_weights=True)]},
    {"average_last": 1},
    {"optimizers": dict.fromkeys(NAMED, Constant("auto"))},
]


@pytest.mark.parametrize("options", PUTTING_BACK)
def test_weights_of_a_plain_object_are_not_put_back_and_those_of_a_model_are(
    options: dict[str, Any],
) -> None:
    def steered(agent: Any) -> list[int]:
        epochs = []
        decay = LearningRateDecay(**{"optimizers": NAMED, **options})
        with steer(agent, decay, epochs=2, steps_per_epoch=40) as run:
            for epoch in run:
                for step in range(40):
                    run.begin_step()
                    agent.step()
                    run.end_step(1.0 / (1 + step))
                run.end_epoch({"val_loss": 1.0})
                epochs.append(epoch)
        return epochs

    told = r"weights are put back .*Agent.*Pass the keras\.Model that holds them\."
    with pytest.raises(ValueError, match=told):
        steered(Agent())
    assert steered(Uncompiled()) == [0, 1]


@pytest.mark.parametrize("options", PUTTING_BACK[:-1])
def test_nor_are_those_of_an_object_that_holds_one_optimizer(options: dict[str, Any]) -> None:
    holder = types.SimpleNamespace(optimizer=keras.optimizers.SGD(0.5))
    told = r"weights are put back .*Pass the keras\.Model, with its optimizer as model\.optimizer"
    with pytest.raises(ValueError, match=told):
        steer(holder, LearningRateDecay(Constant(0.5), **options), epochs=2, steps_per_epoch=4)


def test_a_model_without_an_optimizer_of_its_own_is_told_which_it_holds() -> None:
    run = steer(Uncompiled(), CosineDecay(0.1), epochs=2, steps_per_epoch=4)
    with (
        pytest.raises(ValueError, match=r"optimizer is None.*optimizers=\{\"actor_optimizer\":"),
        run,
    ):
        pass


def test_a_loop_that_takes_the_rate_by_hand_is_told_how() -> None:
    rates: list[float] = []

    def by_hand_alone(optimizer: Any, **steering: Any) -> Any:
        decay = LearningRateDecay(Linear(0.4))
        with steer(optimizer, decay, epochs=2, steps_per_epoch=4, **steering) as run:
            for _ in run:
                rates.extend(run.begin_step() for _ in range(4))
                logs = run.end_epoch()
        return logs

    with warned_once("SGD, has made no step in epoch 1", "pass stateless=True to steer"):
        assert by_hand_alone(keras.optimizers.SGD(0.5)) == {}
    with no_warning():
        logs = by_hand_alone(keras.optimizers.SGD(0.5), stateless=True)
    assert rates == near(2 * [0.4 * (1 - n / 8) for n in range(8)])
    assert logs == near({"learning_rate": 0.05})


def test_a_new_optimizer_in_mid_epoch_is_named_before_it_trains_at_its_own_rate() -> None:
    model = new_odometer(0.5)
    told = (
        r"new optimizer in the middle of epoch 1, and batch 3 would train .* learning_rate 9\. Ex"
    )
    with (
        pytest.raises(RuntimeError, match=told),
        steer(model, LearningRateDecay(Linear(0.5)), epochs=2, steps_per_epoch=STEPS) as run,
    ):
        for _ in run:
            for step in range(STEPS):
                if step == 2:
                    model.compile(keras.optimizers.SGD(9.0), distance)
                run.begin_step()
                model.train_on_batch(X[:BATCH], Y[:BATCH])
    assert travelled(model) == near(0.5 * (1 + 7 / 8))
