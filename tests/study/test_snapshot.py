"""Nothing that a training changes survives `unchanged`: shown by training on, bit for bit."""

from __future__ import annotations

import os
import random
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from finder_cases import OPTIMIZERS, X, Y, assert_leaves_no_trace, assert_same, build, values

from kerasdecay.study.random_state import RandomState
from kerasdecay.study.snapshot import Contents, unchanged

pytestmark = pytest.mark.any_backend

BACKEND = os.environ["KERAS_BACKEND"]


def train_some(model) -> None:
    rows = np.random.default_rng(0)
    for _ in range(4):
        chosen = rows.permutation(48)[:16]
        model.train_on_batch(X[chosen], Y[chosen])
        random.random()
        np.random.random()
        keras.random.uniform(())


def look_and_finish(model) -> None:
    with unchanged(model):
        train_some(model)


def look_and_fail(model) -> None:
    with pytest.raises(RuntimeError, match="no more"), unchanged(model):
        train_some(model)
        raise RuntimeError("no more")


def look_and_interrupt(model) -> None:
    with pytest.raises(KeyboardInterrupt), unchanged(model):
        train_some(model)
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("optimizer", "look", "trained_before"),
    [
        ("sgd", look_and_finish, False),
        ("sgd", look_and_finish, True),
        ("adam", look_and_fail, False),
        ("adam", look_and_interrupt, False),
    ],
)
def test_training_after_it_equals_training_without_it(optimizer, look, trained_before):
    assert_leaves_no_trace(look, optimizer, trained_before=trained_before)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name not in ("sgd", "adam")])
def test_it_holds_for_every_kind_of_optimizer(optimizer):
    assert_leaves_no_trace(look_and_finish, optimizer)


@pytest.mark.skipif(BACKEND == "torch", reason="torch takes one step an execution")
def test_it_holds_when_compiled_and_with_several_steps_an_execution():
    assert_leaves_no_trace(look_and_finish, jit_compile=True, steps_per_execution=2)


def test_it_holds_after_an_interrupt_within_a_step():
    def look(model):
        # JAX gives away the memory of the old values before the new ones have a home.
        name = "jax_state_sync" if BACKEND == "jax" else "make_train_function"
        setattr(model, name, interrupted_after(2, getattr(model, name)))
        with pytest.raises(KeyboardInterrupt), unchanged(model):
            train_some(model)
        delattr(model, name)

    assert_leaves_no_trace(look)


def test_it_holds_after_a_second_interrupt_while_things_are_put_back():
    def look(model):
        with pytest.raises(KeyboardInterrupt), unchanged(model):
            train_some(model)
            model.reset_metrics = interrupted_after(0, model.reset_metrics)
        del model.reset_metrics

    assert_leaves_no_trace(look)


def interrupted_after(calls, function):
    """Return `function`, interrupted once, after so many calls."""
    left = [calls]

    def wrapped(*args, **kwargs):
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return wrapped


def test_it_holds_for_several_outputs_with_losses_and_metrics_of_their_own():
    def train(look):
        keras.utils.set_random_seed(5)
        inputs = keras.Input((4,))
        hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(6, "relu")(inputs))
        heads = {name: keras.layers.Dense(1, name=name)(hidden) for name in ("left", "right")}
        model = keras.Model(inputs, heads)
        losses = {"left": "mse", "right": "mae"}
        model.compile("adam", losses, metrics={"left": ["mae"]})
        targets = {"left": X[:, :1], "right": X[:, 1:2]}
        if look:
            with unchanged(model):
                model.train_on_batch(X[:16], {name: y[:16] for name, y in targets.items()})
        history = model.fit(X, targets, batch_size=16, epochs=2, verbose=0).history
        return history, model.get_weights()

    (history, weights), (history_after, weights_after) = train(False), train(True)
    assert history_after == history
    assert_same(weights_after, weights)


def test_an_optimizer_is_built_with_its_first_values():
    model, other = build(), build()
    look_and_finish(model)
    other.optimizer.build(other.trainable_variables)
    assert model.optimizer.built
    assert_same(values(model.optimizer.variables), values(other.optimizer.variables))


def test_the_compiled_step_and_the_flag_to_stop_are_put_back():
    model = build()
    look_and_finish(model)
    assert model.train_function is None
    assert not model._compile_metrics.built
    assert not model._compile_loss.built
    model.fit(X, Y, verbose=0)
    step, history = model.train_function, model.history
    model.stop_training = True
    with unchanged(model):
        train_some(model)
        model.stop_training = False
    assert model.train_function is step
    assert model.history is history
    assert model.stop_training is True


def test_metrics_keep_what_they_had_counted():
    model = build()
    model.fit(X, Y, verbose=0)
    counted = values(model.metrics_variables)
    look_and_finish(model)
    assert_same(values(model.metrics_variables), counted)


def draw() -> list[float]:
    drawn = [random.random(), np.random.random(), np.random.normal()]
    drawn += [float(values([keras.random.uniform(())])[0]) for _ in range(2)]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        drawn += [float(tf.random.uniform(())) for _ in range(2)]
        drawn.append(float(tf.random.get_global_generator().uniform(())))
    if BACKEND == "torch":
        import torch

        drawn.append(float(torch.rand(())))
    return drawn


@pytest.mark.parametrize("drawn_before", [False, True])
def test_random_generators_go_on_from_where_they_were(drawn_before):
    keras.utils.set_random_seed(3)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.random.get_global_generator()
    if drawn_before:  # else Keras' generator does not exist yet
        draw()
    state = RandomState()
    drawn = draw()
    assert draw() != drawn
    state.restore()
    assert draw() == drawn


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own generator")
def test_a_generator_of_tensorflow_that_was_not_there_is_not_there(monkeypatch):
    import tensorflow as tf
    from tensorflow.python.ops import stateful_random_ops

    monkeypatch.setattr(stateful_random_ops, "global_generator", None)
    state = RandomState()
    tf.random.get_global_generator()
    state.restore()
    assert stateful_random_ops.global_generator is None


@pytest.mark.skipif(BACKEND != "torch", reason="torch's own modules, flags and gradients")
def test_what_torch_holds_on_its_own_is_put_back():
    import torch

    wrapped = keras.layers.TorchModuleWrapper(torch.nn.BatchNorm1d(4))
    inner = keras.Sequential([keras.Input((4,)), wrapped])
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model(X[:2])
    wrapped.module.eval()
    means = wrapped.module.running_mean.clone()
    with unchanged(model):
        train_some(model)
        assert wrapped.module.training
        assert not torch.equal(wrapped.module.running_mean, means)
    assert torch.equal(wrapped.module.running_mean, means)
    assert not wrapped.module.training
    assert all(variable.value.grad is None for variable in model.trainable_variables)


def test_contents_stay_the_same_objects():
    inner = ["a"]
    thing = SimpleNamespace(inner=inner, table={"k": inner}, names={"a"}, built=False)
    before = Contents(thing)
    thing.built = thing.added = True
    thing.inner = ["other"]
    inner.append("b")
    thing.table["l"] = 2
    thing.names.add("b")
    before.restore()
    assert thing == SimpleNamespace(inner=["a"], table={"k": ["a"]}, names={"a"}, built=False)
    assert thing.inner is inner
