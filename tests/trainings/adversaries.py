"""Models that train by optimizers of their own, on every backend; a weight is a sum of rates."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from tiny import BATCH, X, Y

BACKEND = keras.backend.backend()


def sgd(rate: float, **options: Any) -> Any:
    return keras.optimizers.SGD(rate, **options)


class Adversaries(keras.Model):
    """Two weights, `critic` and `generator`, each trained by an optimizer of its own.

    Every application adds the rate to the weight. The optimizer that Keras makes for
    `compile()` never steps.

    Args:
        d_optimizer: Trains the critic.
        g_optimizer: Trains the generator.
        critic_steps: Applications of `d_optimizer` in a batch.
        generator_every: Batches to one application of `g_optimizer`.
    """

    def __init__(
        self,
        d_optimizer: Any,
        g_optimizer: Any,
        critic_steps: int = 1,
        generator_every: int = 1,
    ) -> None:
        super().__init__()
        self.critic = self.add_weight(name="critic", shape=(), initializer="zeros")
        self.generator = self.add_weight(name="generator", shape=(), initializer="zeros")
        self.batches = self.add_weight(
            name="batches", shape=(), initializer="zeros", dtype="int32", trainable=False
        )
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.critic_steps = critic_steps
        self.generator_every = generator_every
        d_optimizer.build([self.critic])
        g_optimizer.build([self.generator])
        if BACKEND == "jax":
            # Its step is a pure function of what belongs to the model.
            self.of_optimizers = [*d_optimizer.variables, *g_optimizer.variables]
        self.built = True
        self.compile()

    def call(self, x: Any) -> Any:
        return x + self.critic + self.generator

    def train_step(self, *arguments: Any) -> Any:
        return self._pure_step(*arguments) if BACKEND == "jax" else self._step()

    def _step(self) -> Any:
        minus = -keras.ops.ones(())
        with _no_gradients():
            for _ in range(self.critic_steps):
                self.d_optimizer.apply([minus], [self.critic])
            if self.generator_every == 1:
                self.g_optimizer.apply([minus], [self.generator])
            else:
                self._step_sometimes(minus)
            self.batches.assign_add(1)
        return {"loss": keras.ops.zeros(())}

    def _step_sometimes(self, minus: Any) -> None:
        if BACKEND == "torch":
            if int(self.batches.value) % self.generator_every == 0:
                self.g_optimizer.apply([minus], [self.generator])
            return
        import tensorflow as tf

        def apply() -> Any:
            self.g_optimizer.apply([minus], [self.generator])
            return tf.constant(0)

        due = tf.equal(self.batches.value % self.generator_every, 0)
        tf.cond(due, apply, lambda: tf.constant(0))

    def _pure_step(self, state: Any, data: Any) -> Any:
        import jax

        _, fixed, optimizer_variables, metrics = state
        flat = [*state[0], *state[1]]
        values = {id(one): value for one, value in zip(self._variables(), flat, strict=True)}
        minus = [-jax.numpy.ones(())]

        def apply(optimizer: Any, variable: Any) -> None:
            (new,), own = optimizer.stateless_apply(
                [values[id(one)] for one in optimizer.variables], minus, [values[id(variable)]]
            )
            values[id(variable)] = new
            for one, value in zip(optimizer.variables, own, strict=True):
                values[id(one)] = value

        for _ in range(self.critic_steps):
            apply(self.d_optimizer, self.critic)
        before = dict(values)
        apply(self.g_optimizer, self.generator)
        due = values[id(self.batches)] % self.generator_every == 0
        for one in (self.generator, *self.g_optimizer.variables):
            values[id(one)] = jax.numpy.where(due, values[id(one)], before[id(one)])
        values[id(self.batches)] += 1
        trainable = [values[id(one)] for one in self.trainable_variables]
        fixed = [values[id(one)] for one in self.non_trainable_variables]
        return {"loss": jax.numpy.zeros(())}, (trainable, fixed, optimizer_variables, metrics)

    def _variables(self) -> list[Any]:
        return [*self.trainable_variables, *self.non_trainable_variables]


class FedAdversaries(Adversaries):
    """Tells the mean of its input as its loss."""

    def train_step(self, *arguments: Any) -> Any:
        told = {"loss": keras.ops.mean(arguments[-1][0])}
        result = super().train_step(*arguments)
        return (told, result[1]) if BACKEND == "jax" else told


def _of_part(name: str) -> property:
    return property(
        lambda model: getattr(model.part, name),
        lambda model, optimizer: setattr(model.part, name, optimizer),
    )


class PartedAdversaries(FedAdversaries):
    """Its optimizers are attributes of a part: `"part.d_optimizer"`, `"part.g_optimizer"`."""

    d_optimizer, g_optimizer = _of_part("d_optimizer"), _of_part("g_optimizer")

    def __init__(self, *optimizers: Any) -> None:
        object.__setattr__(self, "part", types.SimpleNamespace())
        super().__init__(*optimizers)


@contextlib.contextmanager
def _no_gradients() -> Iterator[None]:
    if BACKEND != "torch":
        yield
        return
    import torch

    with torch.no_grad():
        yield


class Travels(keras.callbacks.Callback):
    """Note how far each weight moves in every batch: the rates that really trained it."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.places: dict[str, list[float]] = {name: [0.0] for name in names}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        model = self.model
        for name, places in self.places.items():
            places.append(float(keras.ops.convert_to_numpy(getattr(model, name))))

    def moves(self, name: str) -> list[float]:
        return np.diff(self.places[name]).tolist()


def fit(model: Any, callbacks: Any, epochs: int = 1, **fitting: Any) -> dict[str, list[float]]:
    """Train in four batches an epoch; return the history."""
    fitting = {"x": X, "y": Y, "batch_size": BATCH, "shuffle": False, "verbose": 0} | fitting
    return model.fit(epochs=epochs, callbacks=callbacks, **fitting).history
