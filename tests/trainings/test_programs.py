"""Whole programs as people write them; the rates are read inside of their training steps."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import Odometer, X, Y, near, new_odometer, no_warning, travelled, warned_once
from tiny import fit as fit_odometer

from kerasdecay import CosineDecay, LearningRateDecay, LinearDecay, PlateauDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Cosine, Linear

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.any_backend

RANDOM = np.random.default_rng(5)
POINTS = RANDOM.normal(1.0, 0.5, size=(40, 2)).astype("float32")
TARGETS = POINTS.sum(1, keepdims=True)
STEPS = 4


def new_layers(*units: int) -> keras.Sequential:
    layers = [keras.layers.Dense(count, activation="tanh") for count in units[1:-1]]
    return keras.Sequential([keras.Input((units[0],)), *layers, keras.layers.Dense(units[-1])])


class Read(keras.callbacks.Callback):
    """Collects what a training step logs of each batch: among it the rates that it used."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches.append({key: float(value) for key, value in logs.items()})

    def of(self, key: str) -> list[float]:
        return [one[key] for one in self.batches]


def gradients_of(loss_of: Any, variables: list[Any]) -> tuple[Any, list[Any]]:
    """Return the loss and its gradients, on TensorFlow by a tape, on torch by autograd."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_of()
        return loss, tape.gradient(loss, [one.value for one in variables])
    for one in variables:
        one.value.grad = None
    loss = loss_of()
    loss.backward()
    return loss.detach(), [one.value.grad for one in variables]


def apply(optimizer: Any, gradients: list[Any], variables: list[Any]) -> Any:
    """Step, and return the rate that was used."""
    rate = keras.ops.convert_to_tensor(optimizer.learning_rate) + 0.0
    ungraded: Any = contextlib.nullcontext()
    if BACKEND == "torch":
        import torch

        ungraded = torch.no_grad()
    with ungraded:
        optimizer.apply(gradients, variables)
    return rate


on_tapes = pytest.mark.skipif(BACKEND == "jax", reason="JAX has pure steps: see Adversaries")


# ------------------------------------------------------------------------------------------ WGAN


class WGAN(keras.Model):
    """A WGAN as in keras.io's examples: several critic steps to one of the generator."""

    def __init__(self, critic_steps: int) -> None:
        super().__init__()
        self.critic, self.generator = new_layers(2, 8, 1), new_layers(3, 8, 2)
        self.built = True
        self.critic_steps = critic_steps

    def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    def train_step(self, data: Any) -> Any:
        real = data[0] if isinstance(data, (tuple, list)) else data
        for _ in range(self.critic_steps):
            noise = keras.random.normal((10, 3))

            def critic_loss(noise: Any = noise) -> Any:
                fake = self.critic(self.generator(noise))
                return keras.ops.mean(fake) - keras.ops.mean(self.critic(real))

            weights = self.critic.trainable_variables
            d_loss, gradients = gradients_of(critic_loss, weights)
            d_rate = apply(self.d_optimizer, gradients, weights)
        weights = self.generator.trainable_variables
        g_loss, gradients = gradients_of(
            lambda: -keras.ops.mean(self.critic(self.generator(keras.random.normal((10, 3))))),
            weights,
        )
        g_rate = apply(self.g_optimizer, gradients, weights)
        return {"d_loss": d_loss, "g_loss": g_loss, "d_rate": d_rate, "g_rate": g_rate}


def fit(model: Any, callbacks: list[Any], x: Any = POINTS, y: Any = None, **how: Any) -> Any:
    how = {"epochs": 3, "batch_size": 10, "shuffle": False, "verbose": 0} | how
    return model.fit(x, y, callbacks=callbacks, **how).history


def new_wgan(critic_steps: int = 3) -> WGAN:
    keras.utils.set_random_seed(1)
    model = WGAN(critic_steps)
    model.compile(keras.optimizers.Adam(1e-4, beta_1=0.5), keras.optimizers.Adam(1e-4))
    return model


@on_tapes
@pytest.mark.parametrize("critic_steps", [1, 3, 5])
@pytest.mark.parametrize("update", ["auto", "epoch"])
def test_a_wgan_trains_each_network_at_its_own_schedule(critic_steps: int, update: str) -> None:
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Cosine(4e-3), "g_optimizer": Linear(1e-3)}, update=update
    )
    read = Read()
    with no_warning():
        history = fit(new_wgan(critic_steps), [decay, read])
    shares = np.arange(12) / 12 if update == "auto" else np.repeat(np.arange(3) / 3, 4)
    cosine, linear = 2e-3 * (1 + np.cos(np.pi * shares)), 1e-3 * (1 - shares)
    assert read.of("d_rate") == pytest.approx(cosine.tolist(), rel=1e-5)
    assert read.of("g_rate") == pytest.approx(linear.tolist(), rel=1e-5)
    assert history["learning_rate_d_optimizer"] == pytest.approx(cosine[3::4].tolist(), rel=1e-6)
    assert history["learning_rate_g_optimizer"] == pytest.approx(linear[3::4].tolist(), rel=1e-6)


@on_tapes
@pytest.mark.parametrize(
    "decay", [CosineDecay(0.1), PlateauDecay("g_loss", mode="min"), LinearDecay(0.1)]
)
def test_a_wgan_is_never_steered_by_the_optimizer_that_compile_makes(decay: Any) -> None:
    with pytest.raises(ValueError, match="d_optimizer, g_optimizer"):
        fit(new_wgan(), [decay])


@on_tapes
def test_a_wgan_goes_on_from_a_state_file(tmp_path: Path) -> None:
    def decay() -> Any:
        schedules = {"d_optimizer": Cosine(4e-3), "g_optimizer": Linear(1e-3)}
        rules = [Plateau("d_rate", factor=0.5, patience=1, min_delta=9.0, mode="min")]
        return LearningRateDecay(
            optimizers=schedules, rules=rules, epochs=6, state_path=tmp_path / "state"
        )

    read, model = Read(), new_wgan()
    fit(model, [decay(), read], epochs=6)
    whole = read.of("g_rate")
    parts, model = Read(), new_wgan()
    for begin, end in ((0, 2), (2, 5), (5, 6)):
        fit(model, [decay(), parts], initial_epoch=begin, epochs=end)
    assert parts.of("g_rate") == pytest.approx(whole, rel=1e-6)
    assert whole[-1] < 1e-3 / 12 / 4


# ------------------------------------------------------------------------------------- distiller


class Distiller(keras.Model):
    """A student learns from a teacher; `compile` hands its optimizer on, as keras.io's does."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student = new_layers(2, 6, 1), new_layers(2, 4, 1)
        self.built = True

    def compile(self, optimizer: Any, alpha: float) -> None:
        super().compile(optimizer=optimizer)
        self.alpha = alpha

    def train_step(self, data: Any) -> Any:
        x, y = data
        taught = self.teacher(x)
        weights = self.student.trainable_variables

        def loss_of() -> Any:
            told = self.student(x)
            hard = keras.ops.mean((told - y) ** 2)
            return self.alpha * hard + (1 - self.alpha) * keras.ops.mean((told - taught) ** 2)

        loss, gradients = gradients_of(loss_of, weights)
        return {"loss": loss, "rate": apply(self.optimizer, gradients, weights)}


@on_tapes
@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        (lambda: LinearDecay(0.05), [0.05 * (1 - n / 12) for n in range(12)]),
        (lambda: CosineDecay(0.05, update="compiled"), None),
        (lambda: PlateauDecay("loss", factor=0.5, patience=1, min_delta=9.0), None),
    ],
)
def test_a_distiller_trains_at_the_rates_told(decay: Any, expected: list[float] | None) -> None:
    keras.utils.set_random_seed(1)
    model, callback, read = Distiller(), decay(), Read()
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), alpha=0.3)
    with no_warning():
        history = fit(model, [callback, read], y=TARGETS)
    rates = read.of("rate")
    if expected is None and isinstance(callback, CosineDecay):
        expected = [0.025 * (1 + np.cos(np.pi * n / 12)) for n in range(12)]
        # The getter of a schedule inside the step tells what the step uses.
    elif expected is None:
        expected = [0.02] * 8 + [0.01] * 4
    assert rates == pytest.approx(expected, rel=1e-4)
    assert history["learning_rate"] == near(expected[3::4])


# ------------------------------------------------------------------------ two-phase fine-tuning


def phases(folder: Path, make: Any, first_rate: float, second_rate: float) -> list[list[float]]:
    """Train a head, then everything at another rate; return the rates that moved the weights."""
    model = new_odometer(first_rate)
    moved = []
    for begin, end, rate in ((0, 3, first_rate), (3, 6, second_rate)):
        model.compile(keras.optimizers.SGD(rate), loss=model.loss)
        real = Odometer()
        real.places = [travelled(model)]
        fit_odometer(model, [make(folder / "state.json"), real], epochs=end, initial_epoch=begin)
        moved.append(real.moves[::4])
    return moved


@pytest.mark.parametrize("rates", [(1e-1, 1e-3), (0.05, 0.5), (0.3, 0.29)])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: PlateauDecay("loss", factor=0.5, patience=2, state_path=path),
        lambda path: LearningRateDecay(lambda epoch, rate: rate, state_path=path),
    ],
)
def test_fine_tuning_in_two_phases_trains_the_second_at_its_own_rate(
    make: Any, rates: tuple[float, float], tmp_path: Path
) -> None:
    with warned_once(f"holds learning_rate {rates[1]:g}", f"the state file left {rates[0]:g}"):
        head, whole = phases(tmp_path, make, *rates)
    assert head == pytest.approx([rates[0]] * 3, rel=1e-3)
    assert whole == pytest.approx([rates[1]] * 3, rel=1e-3)


# --------------------------------------------------------------------------- one-epoch fits


@pytest.mark.parametrize("size", [2, 4])
def test_a_loop_of_one_epoch_fits_over_shards(size: int) -> None:
    decay, model, real = LinearDecay(0.4, epochs=size), new_odometer(), Odometer()
    with no_warning():
        for epoch in range(size):
            shard = {"x": X * 1.0, "y": Y, "batch_size": 10, "shuffle": False}
            fit_odometer(model, [decay, real], epoch + 1, initial_epoch=epoch, **shard)
    count = 4 * size
    assert real.moves == near([0.4 * (1 - n / count) for n in range(count)])


# ------------------------------------------------------------------------------------------ SimCLR


class SimCLR(keras.Model):
    """A contrastive model as in keras.io's: optimizers of its own beside that of `compile()`."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.probe = new_layers(2, 6, 3), new_layers(3, 1)
        self.built = True

    def compile(self, contrastive_optimizer: Any, probe_optimizer: Any) -> None:
        super().compile()
        self.contrastive_optimizer = contrastive_optimizer
        self.probe_optimizer = probe_optimizer

    def train_step(self, data: Any) -> Any:
        x, y = data

        def contrast() -> Any:
            first, second = (
                keras.ops.normalize(self.encoder(x + keras.random.normal((10, 2)) * 0.1), axis=1)
                for _ in range(2)
            )
            logits = keras.ops.matmul(first, keras.ops.transpose(second)) / 0.1
            labels = keras.ops.arange(10)
            losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            return keras.ops.mean(losses)

        weights = self.encoder.trainable_variables
        loss, gradients = gradients_of(contrast, weights)
        rate = apply(self.contrastive_optimizer, gradients, weights)
        features = keras.ops.stop_gradient(self.encoder(x))
        weights = self.probe.trainable_variables
        p_loss, gradients = gradients_of(
            lambda: keras.ops.mean((self.probe(features) - y) ** 2), weights
        )
        probe_rate = apply(self.probe_optimizer, gradients, weights)
        return {"c_loss": loss, "p_loss": p_loss, "rate": rate, "probe_rate": probe_rate}


def new_simclr() -> SimCLR:
    keras.utils.set_random_seed(1)
    model = SimCLR()
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.SGD(1e-2))
    return model


@on_tapes
def test_a_contrastive_model_is_refused_and_then_steered_as_the_error_says() -> None:
    with pytest.raises(ValueError, match="contrastive_optimizer, probe_optimizer") as caught:
        fit(new_simclr(), [CosineDecay(1e-3)], y=TARGETS)
    recipe = str(caught.value).split("its schedule: ")[1].rstrip(".")
    decay = eval(recipe, {"LearningRateDecay": LearningRateDecay, "Cosine": Cosine})
    read = Read()
    with no_warning():
        fit(new_simclr(), [decay, read], y=TARGETS)
    wave = [5e-4 * (1 + np.cos(np.pi * n / 12)) for n in range(12)]
    assert read.of("rate") == pytest.approx(wave, rel=1e-4)
    assert read.of("probe_rate") == pytest.approx(wave, rel=1e-4)
