"""Models that train with optimizers of their own, and wrapper optimizers."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest
from finder_cases import X, assert_same, values

from kerasdecay.study import compare, find_learning_rate
from kerasdecay.study.configuration import describe_model
from kerasdecay.study.snapshot import unchanged
from kerasdecay.training.find import own_optimizers

BACKEND = os.environ["KERAS_BACKEND"]
TARGET = X.sum(axis=1, keepdims=True)
SOME = {"batch_size": 16, "verbose": 0}


def dense(units=1):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])


def descend(loss_of, variables, optimizer):
    """One step of gradient descent on the backend at hand (TensorFlow or torch)."""
    if BACKEND == "torch":
        loss = loss_of()
        for variable in variables:
            variable.value.grad = None
        loss.backward()
        with __import__("torch").no_grad():
            optimizer.apply([variable.value.grad for variable in variables], variables)
        return loss
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = loss_of()
    optimizer.apply(tape.gradient(loss, variables), variables)
    return loss


class Adversarial(keras.Model):
    """A WGAN: several critic steps, two optimizers, a `compile` of its own as in keras.io."""

    def __init__(self):
        super().__init__()
        self.critic, self.generator = dense(), dense(4)
        self.build((None, 4))

    def build(self, shape):
        self.built = True

    def call(self, x):
        return self.critic(self.generator(x))

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    def train_step(self, data):
        x = data[0]
        ops = keras.ops
        for _ in range(3):
            descend(
                lambda: ops.mean(self.critic(self.generator(x))) - ops.mean(self.critic(x)),
                self.critic.trainable_variables,
                self.d_optimizer,
            )
        variables = self.generator.trainable_variables
        loss = descend(lambda: -ops.mean(self(x)), variables, self.g_optimizer)
        return {"loss": loss}


class Distiller(keras.Model):
    """A student and its teacher; the optimizers are kept in a list and in a dict."""

    def __init__(self):
        super().__init__()
        self.student, self.teacher = dense(), dense()
        self.steps = [keras.optimizers.Adam(0.01)]
        self.others = {"teacher": keras.optimizers.SGD(0.1)}
        self.built = True

    def call(self, x):
        return self.student(x)

    def train_step(self, data):
        x = data[0]
        ops = keras.ops
        loss = descend(
            lambda: ops.mean((self.student(x) - self.teacher(x)) ** 2),
            self.student.trainable_variables,
            self.steps[0],
        )
        return {"loss": loss}


class Contrastive(keras.Model):
    """A SimCLR with two optimizers, of which one belongs to a linear probe."""

    def __init__(self):
        super().__init__()
        self.encoder, self.probe = dense(3), dense()
        self.contrastive_optimizer = keras.optimizers.Adam(0.01)
        self.probe_optimizer = keras.optimizers.Adam(0.1)
        self.built = True

    def call(self, x):
        return self.encoder(x)

    def train_step(self, data):
        ops = keras.ops
        x, y = map(ops.convert_to_tensor, data[:2])
        loss = descend(
            lambda: ops.mean((self.encoder(x) - self.encoder(ops.flip(x, axis=0))) ** 2),
            self.encoder.trainable_variables,
            self.contrastive_optimizer,
        )
        variables = self.probe.trainable_variables
        descend(lambda: ops.mean((self.probe(x) - y) ** 2), variables, self.probe_optimizer)
        return {"loss": loss}


def adversarial():
    model = Adversarial()
    model.compile(keras.optimizers.RMSprop(5e-5), keras.optimizers.RMSprop(5e-5))
    return model


def compiled(kind):
    def build():
        model = kind()
        model.compile(**({"jit_compile": False} if BACKEND == "tensorflow" else {}))
        return model

    return build


OWN = {
    "gan": (adversarial, ["d_optimizer", "g_optimizer"]),
    "distiller": (compiled(Distiller), ["steps[0]", "others['teacher']"]),
    "simclr": (compiled(Contrastive), ["contrastive_optimizer", "probe_optimizer"]),
}
# A train_step that applies an optimizer to variables is not for JAX, where a step is stateless.
eager = pytest.mark.skipif(BACKEND == "jax", reason="a stateless step applies no optimizer")


def new(kind):
    keras.utils.set_random_seed(2)
    return OWN[kind][0]()


def state(model):
    found = values(model.variables)
    for optimizer in own_optimizers(model).values():
        found += values(optimizer.variables)
    return found


@eager
@pytest.mark.any_backend
@pytest.mark.parametrize("kind", OWN)
def test_a_model_that_other_optimizers_train_is_refused_by_their_names(kind):
    names = OWN[kind][1]
    model = new(kind)
    assert list(own_optimizers(model)) == names
    with pytest.raises(ValueError, match="took no step in 10 batches") as caught:
        find_learning_rate(model, (X, TARGET), steps=30, **SOME)
    assert ", ".join(f"model.{name}" for name in names) in str(caught.value)
    assert type(model.optimizer).__name__ in str(caught.value)


@eager
@pytest.mark.any_backend
@pytest.mark.parametrize("trained_before", [False, True])
@pytest.mark.parametrize("kind", OWN)
def test_a_refusal_leaves_no_trace(kind, trained_before):
    def train(look):
        model = new(kind)
        if trained_before:
            model.fit(X, TARGET, verbose=0, epochs=1, batch_size=16)
        before = state(model)
        if look:
            with pytest.raises(ValueError, match="took no step"):
                find_learning_rate(model, (X, TARGET), steps=12, **SOME)
            assert_same(state(model), before)
            built = [optimizer.built for optimizer in own_optimizers(model).values()]
            assert any(built) == trained_before
        history = model.fit(X, TARGET, verbose=0, epochs=2, batch_size=16).history
        return history, state(model)

    (history, without), (history_after, after) = train(False), train(True)
    assert history_after == history
    assert_same(after, without)


def test_fewer_batches_than_it_waits_for_are_enough_to_refuse():
    with pytest.raises(ValueError, match="took no step in 3 batches"):
        find_learning_rate(new("distiller"), (X, TARGET), steps=3, **SOME)


class Idle(keras.Model):
    """Changes nothing when it trains, on any backend."""

    def train_step(self, *arguments):
        logs = {"loss": keras.ops.mean(arguments[-1][1])}
        return (logs, arguments[0]) if BACKEND == "jax" else logs


@pytest.mark.any_backend
def test_a_model_that_does_not_train_is_refused():
    inputs = keras.Input((4,))
    model = Idle(inputs, keras.layers.Dense(1)(inputs))
    model.compile("adam", "mse")
    model.other = keras.optimizers.SGD(0.5)
    with pytest.raises(ValueError, match=r"Adam took no step in 10 batches.*: model\.other\."):
        find_learning_rate(model, (X, TARGET), steps=12, **SOME)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(0.001)


class EveryThird(keras.Model):
    """Its optimizer steps once in three batches."""

    calls = 0

    def train_step(self, data):
        EveryThird.calls += 1
        if EveryThird.calls % 3:
            return {"loss": keras.ops.mean((self(data[0]) - data[1]) ** 2)}
        return super().train_step(data)


def test_an_optimizer_that_passes_over_some_batches_is_not_refused():
    inputs = keras.Input((4,))
    model = EveryThird(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    found = find_learning_rate(model, (X, TARGET), steps=4, end=1e-3, **SOME)
    assert len(found.losses) == 4


@pytest.mark.any_backend
@pytest.mark.parametrize("own", [{}, {"g_optimizer": 0.1}, {"one": 0.1, "two": 0.2}])
def test_without_a_compiled_optimizer_the_others_are_named(own):
    model = dense()
    model.compile(optimizer=None, loss="mse")
    for name, rate in own.items():
        setattr(model, name, keras.optimizers.SGD(rate))
    with pytest.raises(ValueError, match=r"model must be a compiled keras\.Model with an opt") as e:
        find_learning_rate(model, (X, TARGET), **SOME)
    for name in own:
        assert f"model.{name}" in str(e.value)
    assert ("optimizers of its own" in str(e.value)) == bool(own)


# ---------------------------------------------------------------------------------- wrappers


class Wrapper(keras.optimizers.Optimizer):
    """Forwards everything, the rate too, and has a rate of its own that nothing uses."""

    def __init__(self, inner):
        super().__init__(learning_rate=0.0)
        self.inner = inner

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner.learning_rate = value

    @property
    def variables(self):
        return self.inner.variables

    @property
    def iterations(self):
        return self.inner.iterations

    def build(self, variables):
        self.inner.build(variables)
        self.built = True

    def apply(self, grads, trainable_variables=None):
        self.inner.apply(grads, trainable_variables)


class Hidden(Wrapper):
    """Tells of none of the inner optimizer's variables."""

    @property
    def variables(self):
        return []


INNER = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.02),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.001),
}


@pytest.mark.parametrize("wrapper", [Wrapper, Hidden])
@pytest.mark.parametrize("inner", INNER)
def test_a_wrapper_is_tested_by_its_public_rate_and_put_back(inner, wrapper):
    def model_with(optimizer):
        keras.utils.set_random_seed(4)
        model = dense()
        model.compile(optimizer, "mse")
        return model

    plain = model_with(INNER[inner]())
    expected = find_learning_rate(plain, (X, TARGET), steps=8, **SOME)
    wrapped = wrapper(INNER[inner]())
    model = model_with(wrapped)
    wrapped.build(model.trainable_variables)
    before = values([*model.variables, *wrapped.inner.variables])
    found = find_learning_rate(model, (X, TARGET), steps=8, **SOME)
    assert found.rates == expected.rates
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)
    assert_same(values([*model.variables, *wrapped.inner.variables]), before)


def scheduled(kind):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    made = {
        "schedule": lambda: keras.optimizers.SGD(schedule),
        "function": lambda: keras.optimizers.Adam(lambda: 0.1),
        "wrapped schedule": lambda: Wrapper(keras.optimizers.SGD(schedule)),
    }
    return made[kind]()


@pytest.mark.parametrize("kind", ["schedule", "function", "wrapped schedule"])
def test_a_rate_that_cannot_be_set_is_refused_and_nothing_changes(kind):
    model = dense()
    model.compile(scheduled(kind), "mse")
    before = values(model.variables)
    with pytest.raises(ValueError, match="learning_rate"):
        find_learning_rate(model, (X, TARGET), steps=4, **SOME)
    assert_same(values(model.variables), before)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(0.1)


def test_a_rate_that_is_no_variable_is_put_back():
    class Plain(keras.optimizers.SGD):
        """Keeps the rate that it is given in an attribute, too."""

        rate = 0.25

        @property
        def learning_rate(self):
            return self.rate

        @learning_rate.setter
        def learning_rate(self, value):
            self.rate = float(value)

    model = dense()
    model.compile(Plain(0.25), "mse", run_eagerly=True)
    find_learning_rate(model, (X, TARGET), steps=4, **SOME)
    assert model.optimizer.learning_rate == 0.25


def test_an_optimizer_beside_the_compiled_one_is_put_back_too():
    model = dense()
    model.compile("sgd", "mse")
    model.beside = keras.optimizers.SGD(0.5, momentum=0.9)
    model.beside.build(model.trainable_variables)
    before = values(model.beside.variables)
    with unchanged(model):
        model.beside.apply([keras.ops.ones_like(v) for v in model.trainable_variables])
        assert not all(map(np.array_equal, values(model.beside.variables), before))
    assert_same(values(model.beside.variables), before)


# ----------------------------------------------------------------------------------- compare


def run_compare(build, arms):
    return compare(build, (X, TARGET), arms, epochs=2, batch_size=16, verbose=0)


@pytest.mark.parametrize("kind", OWN)
def test_no_rate_is_recorded_of_an_optimizer_that_takes_no_step(kind):
    (run,) = run_compare(OWN[kind][0], {"own": None}).runs
    assert list(run.history) == ["loss"]


@pytest.mark.parametrize("kind", OWN)
def test_a_fixed_rate_for_an_optimizer_that_takes_no_step_is_refused(kind):
    message = r"arms\['fixed'\]=0\.5 sets the rate of model\.optimizer, which took no step"
    with pytest.raises(ValueError, match=message) as caught:
        run_compare(OWN[kind][0], {"fixed": 0.5})
    for name in OWN[kind][1]:
        assert f"model.{name}" in str(caught.value)


def test_a_model_without_a_compiled_optimizer_is_compared():
    def build():
        model = compiled(Distiller)()
        model.optimizer = None
        return model

    (run,) = run_compare(build, {"own": None}).runs
    assert list(run.history) == ["loss"]
    with pytest.raises(ValueError, match=r"arms\['fixed'\]=0\.5 is a fixed learning rate"):
        run_compare(build, {"fixed": 0.5})


def test_own_optimizers_belong_to_the_configuration():
    def described(rate):
        model = Adversarial()
        model.compile(keras.optimizers.Adam(rate), keras.optimizers.Adam(0.5))
        return describe_model(model)["own_optimizers"]

    assert described(0.25)["d_optimizer"]["learning_rate"] == 0.25
    assert described(0.25) != described(0.125)
    assert "own_optimizers" not in describe_model(compiled(dense)())
