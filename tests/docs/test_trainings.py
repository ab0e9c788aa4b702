"""Each row of the tables in docs/trainings.md: what it says is what happens."""

from __future__ import annotations

import pathlib
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers import SGD

from kerasdecay import CosineDecay, LearningRateDecay, PlateauDecay
from kerasdecay.schedules import Cosine

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "trainings.md"
X, Y = np.ones((8, 1), "float32"), np.zeros((8, 1), "float32")
CASES = {}


def happens(row):
    """Let a function show what happens in the row that begins like this."""

    def register(function):
        CASES[row] = function
        return function

    return register


def network(optimizer):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def plateau(**options):
    """Reduce tenfold after every epoch but the first."""
    return PlateauDecay("loss", factor=0.1, patience=1, min_delta=1e9, **options)


def fit(model, *callbacks, key="learning_rate", **options):
    """Train one batch an epoch; return the rates logged and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        history = model.fit(X, Y, callbacks=list(callbacks), verbose=0, **options).history
    said = [str(one.message) for one in caught if type(one.message) is UserWarning]
    return np.asarray(history.get(key, [])), said


def same(rates, expected):
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def cosine(epochs, first=0.1):
    return [first * (1 + np.cos(np.pi * epoch / epochs)) / 2 for epoch in range(epochs)]


@happens("`fit` goes on with `initial_epoch=`, same callback object")
def _(tmp_path):
    model, decay = network(SGD(0.1)), plateau()
    first, _ = fit(model, decay, epochs=3)
    then, said = fit(model, decay, initial_epoch=3, epochs=6)
    same([*first, *then], fit(network(SGD(0.1)), plateau(), epochs=6)[0])
    same(then, [1e-3, 1e-4, 1e-5])
    assert not said


@happens("`fit` goes on with `initial_epoch=`, new callback object")
def _(tmp_path):
    for options, expected in (({}, [1e-3, 1e-3]), ({"state_path": tmp_path / "s"}, [1e-3, 1e-4])):
        model = network(SGD(0.1))
        fit(model, plateau(**options), epochs=3)
        then, said = fit(model, plateau(**options), initial_epoch=3, epochs=5)
        same(then, expected)
        assert bool(options) != any("taken for the initial one" in one for one in said)


@happens("`fit` again from epoch 0, same `PlateauDecay`")
def _(tmp_path):
    model, decay = network(SGD(0.1)), plateau()
    fit(model, decay, epochs=3)
    same(fit(model, decay, epochs=3)[0], [1e-3, 1e-3, 1e-4])


@happens("`fit` again from epoch 0, same shape")
def _(tmp_path):
    for decay in (CosineDecay(), CosineDecay(0.1)):
        model = network(SGD(0.1))
        fit(model, decay, epochs=3)
        rates, said = fit(model, decay, epochs=3)
        same(rates, cosine(3))
        assert not said


@happens("`fit` again after the rate was set by hand")
def _(tmp_path):
    for decay in (CosineDecay(), plateau()):
        model = network(SGD(0.1))
        fit(model, decay, epochs=3)
        model.optimizer.learning_rate = 0.5
        rates, (said,) = fit(model, decay, epochs=3)
        same(rates[0], 0.5)
        assert "0.5, is taken for the initial one" in said


@happens("`fit(epochs=1)` again and again")
def _(tmp_path):
    model = network(SGD(0.1))
    said = [fit(model, CosineDecay(0.1), epochs=1) for _ in range(3)]
    assert [list(rates) for rates, _ in said] == [[0.1]] * 3
    assert [len(warned) for _, warned in said] == [0, 1, 0]
    code = "for epoch in range(epochs):\n        model.fit(…, initial_epoch=epoch, epochs=epoch + 1"
    assert code in said[1][1][0]


@happens("`fit` goes on to a later end than planned")
def _(tmp_path):
    model, decay = network(SGD(0.1)), CosineDecay(0.1)
    fit(model, decay, epochs=10)
    rates, (said,) = fit(model, decay, initial_epoch=10, epochs=15)
    same(rates, cosine(15)[10:])
    assert "jumps up from 0.00244717 to 0.025" in said
    model, decay = network(SGD(0.1)), CosineDecay(0.1, epochs=15)
    fit(model, decay, epochs=10)
    rates, said = fit(model, decay, initial_epoch=10, epochs=15)
    same(rates, cosine(15)[10:])
    assert not said


@happens("model recompiled, same callback object")
def _(tmp_path):
    model, decay = network(SGD(0.1)), plateau()
    fit(model, decay, epochs=3)
    model.compile(SGD(0.5), "mse")
    same(fit(model, decay, epochs=3)[0], [0.5, 0.5, 0.05])


@happens("model recompiled with another rate, `state_path=` and `initial_epoch=`")
def _(tmp_path):
    model, path = network(SGD(1e-3)), tmp_path / "state"
    fit(model, plateau(state_path=path), epochs=2)
    model.compile(SGD(1e-5), "mse")
    rates, (said,) = fit(model, plateau(state_path=path), initial_epoch=2, epochs=4)
    same(rates, [1e-5, 1e-5])
    assert "the state file left 0.0001. The optimizer's rate is taken" in said


@happens("model recompiled with the rate that the file left")
def _(tmp_path):
    model, path = network(SGD(0.1)), tmp_path / "state"
    fit(model, plateau(state_path=path), epochs=3)
    model.compile(SGD(1e-3), "mse")
    rates, said = fit(model, plateau(state_path=path), initial_epoch=3, epochs=5)
    same(rates, [1e-3, 1e-4])
    assert not said


@happens("new optimizer in the middle of a `fit`")
def _(tmp_path):
    class Exchange(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                self.model.compile(SGD(0.5), "mse")
                self.model.make_train_function(force=True)

    decays = {plateau(): [0.1, 0.1, 0.01, 0.5, 0.5, 0.05], CosineDecay(0.1): cosine(6)}
    for decay, expected in decays.items():
        rates, (said,) = fit(network(SGD(0.1)), decay, Exchange(), epochs=6)
        same(rates, expected)
        assert "new optimizer from epoch 4 on" in said


class Own(keras.Model):
    """Trained by the optimizers given, each applied so often a batch."""

    def __init__(self, times, **optimizers):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.times = times
        for name, optimizer in optimizers.items():
            setattr(self, name, optimizer)
        self.names = list(optimizers)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        for optimizer in [getattr(self, name) for name in self.names] or [self.optimizer]:
            for _ in range(self.times):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(self(data[0]) ** 2)
                weights = self.trainable_variables
                optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": tf.reduce_mean(self(data[0]))}


@happens("`model.optimizer` is None")
def _(tmp_path):
    with pytest.raises(ValueError, match=r"model\.optimizer is None"):
        fit(network(None), CosineDecay(0.1))


@happens("`model.optimizer` makes no step, the model holds others")
def _(tmp_path):
    model = Own(1, left=SGD(0.1), right=SGD(0.1))
    model.compile()
    line = r'LearningRateDecay\(optimizers={"left": Cosine\(0.001\), "right": Cosine\(0.001\)}\)'
    with pytest.raises(ValueError, match=line):
        fit(model, CosineDecay(0.1), epochs=3)


@happens("`model.optimizer` makes no step, the model holds no others")
def _(tmp_path):
    model = Own(0)
    model.compile()
    rates, (said,) = fit(model, CosineDecay(0.1), epochs=3)
    assert len(rates) == 0
    assert "has made no step in epoch 1" in said


@happens("an optimizer that is applied three times a batch")
def _(tmp_path):
    for update in ("batch", "compiled"):
        model = Own(3)
        model.compile(SGD(0.1))
        rates, (said,) = fit(model, CosineDecay(0.1, update=update), epochs=3, batch_size=2)
        same(rates, cosine(12)[3::4])
        assert "applied 3 times a batch" in said


def several():
    if not hasattr(keras.optimizers, "MultiOptimizer"):
        pytest.skip("came with a later Keras")
    from keras.src.optimizers.multi_optimizer import OptimizerMap

    layers = [keras.layers.Dense(2, name="body"), keras.layers.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((1,)), *layers])
    parts = OptimizerMap(default_optimizer=SGD(0.1, name="head_sgd"))
    parts[".*body.*"] = SGD(0.001, name="body_sgd")
    model.compile(keras.optimizers.MultiOptimizer(parts), "mse")
    return model


@happens("`MultiOptimizer`, the decay has no rate of its own")
def _(tmp_path):
    for name, first in (("head_sgd", 0.1), ("body_sgd", 0.001)):
        rates, _ = fit(several(), CosineDecay(), key=f"learning_rate_{name}", epochs=3)
        same(rates, cosine(3, first))


@happens("`MultiOptimizer` whose optimizers hold different rates, the decay has one")
def _(tmp_path):
    line = r'optimizers={"body_sgd": Cosine\(0.001\), "head_sgd": Cosine\(0.1\)}'
    with pytest.raises(ValueError, match=line):
        fit(several(), CosineDecay(0.1), epochs=3)
    schedules = {"head_sgd": Cosine(0.1), "body_sgd": Cosine(0.001)}
    decay = LearningRateDecay(optimizers=schedules)
    same(fit(several(), decay, key="learning_rate_body_sgd", epochs=3)[0], cosine(3, 0.001))


class Wrapper(SGD):
    """Its own rate is not used."""

    def __init__(self, inner):
        super().__init__(0.0)
        self.inner = inner

    learning_rate = property(
        lambda self: self.inner.learning_rate,
        lambda self, rate: setattr(self.inner, "learning_rate", rate),
    )
    iterations = property(lambda self: self.inner.iterations)
    variables = property(lambda self: self.inner.variables)

    def build(self, variables):
        self.inner.build(variables)
        self.built = True

    def apply(self, gradients, variables=None):
        self.inner.apply(gradients, variables)


@happens("a wrapper that forwards `learning_rate`")
def _(tmp_path):
    inner = SGD(0.1)
    rates, said = fit(network(Wrapper(inner)), plateau(), epochs=3)
    same(rates, [0.1, 0.1, 0.01])
    same(float(inner.learning_rate), 0.001)
    assert not said


@happens("`LossScaleOptimizer`")
def _(tmp_path):
    inner = SGD(0.1)
    model = network(keras.optimizers.LossScaleOptimizer(inner, initial_scale=1e38))
    rates, said = fit(model, CosineDecay(0.1), epochs=3)
    same(rates, cosine(3))
    same(float(inner.learning_rate), cosine(3)[-1])
    assert not said


@happens("an optimizer built with a schedule")
def _(tmp_path):
    built = SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    for kind in (ValueError, TypeError):
        with pytest.raises(kind, match="must be a float"):
            fit(network(built), plateau())


@pytest.mark.parametrize("row", CASES)
def test_a_row_tells_what_happens(row, tmp_path):
    CASES[row](tmp_path)


def test_every_row_is_shown():
    rows = re.findall(r"^\| (?!---)(.+?) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row in rows if row not in ("what you do", "the model")] == list(CASES)


@pytest.mark.parametrize(("restores", "is_finite"), [(True, True), (False, False)])
def test_a_restoration_puts_the_moments_back_unless_told_otherwise(restores, is_finite):
    class Spoiled(keras.utils.PyDataset):
        taken = 0

        def __len__(self):
            return 2

        def __getitem__(self, index):
            self.taken += 1
            return (X * np.nan if self.taken == 6 else X), Y

    model = network(keras.optimizers.Adam(0.01))
    decay = PlateauDecay(
        "loss", patience=1, factor=0.5, restore_best_weights=True, restore_optimizer=restores
    )
    losses = model.fit(Spoiled(), epochs=6, shuffle=False, callbacks=[decay], verbose=0)
    assert np.isfinite(losses.history["loss"][3:]).all() == is_finite


def test_a_restoration_puts_back_the_generators_and_keeps_the_rate_decided():
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((1,)), dropout, keras.layers.Dense(1)])
    model.compile(SGD(0.1), "mse")
    seeds = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seeds.append(np.array(dropout.seed_generator.state).tolist())

    decay = plateau(restore_best_weights=True)
    rates, _ = fit(model, decay, Look(), epochs=3)
    assert seeds[2] == seeds[1] != seeds[0]
    same(rates, [0.1, 0.1, 0.01])
