"""WeightNormDecay: Σw² of the kernels, measured on the device, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    ON_TORCH,
    Kill,
    Scripted,
    distance,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    odometer,
    regression,
)

from kerasdecay import AdaptiveKneeDecay, LearningRateDecay, PlateauDecay, WeightNormDecay
from kerasdecay.rules import WeightNorm
from kerasdecay.schedules import Constant
from kerasdecay.training.probes import weight_norm

pytestmark = pytest.mark.any_backend


class Weighed(keras.callbacks.Callback):
    """Note Σw² as NumPy has it at the end of each epoch."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names
        self.norms: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        layers = [self.model.get_layer(name) for name in self.names]
        self.norms.append(sum(float((layer.get_weights()[0] ** 2).sum()) for layer in layers))


class Placed(keras.callbacks.Callback):
    """Put the one weight of an odometer where the end of an epoch is to find it."""

    def __init__(self, squares: list[float]) -> None:
        super().__init__()
        self.squares = squares

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.set_weights([np.full((1, 1), self.squares[epoch] ** 0.5)])


def test_the_kernels_that_train_are_measured_and_nothing_else() -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((4,), dtype="int32"),
            layers.Embedding(5, 3),
            layers.Conv1D(2, 2),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3),
            layers.Dense(1, trainable=False),
        ]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=one.shape) for one in model.get_weights()])
    trained = [model.layers[place].get_weights()[0] for place in (0, 1, 4)]
    assert [one.shape for one in trained] == [(5, 3), (2, 3, 2), (6, 3)]
    expected = sum(float((one.astype("float64") ** 2).sum()) for one in trained)
    assert weight_norm(model) == near(expected, rel=1e-6)


def test_half_precision_is_summed_in_single() -> None:
    for dtype in ("float32", "float16"):
        halved = keras.Sequential(
            [
                keras.layers.Input((300,)),
                keras.layers.Dense(300, kernel_initializer="ones", dtype=dtype),
            ]
        )
        assert weight_norm(halved) == 90_000.0  # float16 ends at 65,504


def test_a_model_without_kernels_weighs_nothing() -> None:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Rescaling(2.0)])
    assert weight_norm(model) == 0.0


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_it_is_logged_as_numpy_has_it_after_each_epoch(update: str) -> None:
    model = regression()
    names = [layer.name for layer in model.layers]
    decay, weighed = WeightNormDecay(update=update), Weighed(names)
    history = fit(model, [decay, weighed], epochs=4)
    assert history["weight_norm"] == near(weighed.norms)
    assert len({round(one, 4) for one in weighed.norms}) == 4
    assert [logs["weight_norm"] for _, logs in decay.trace.logs] == history["weight_norm"]


def test_it_is_measured_only_for_a_rule_that_asks() -> None:
    model = regression()
    assert "weight_norm" not in fit(model, [PlateauDecay("loss")])
    assert "weight_norm" in fit(model, [AdaptiveKneeDecay(WeightNorm())], 2)
    decay = LearningRateDecay(Constant(), rules=[WeightNorm(), WeightNorm(0.5)])
    assert "weight_norm" in fit(model, [decay])


def test_the_second_bounce_decays() -> None:
    # Falls, turns (armed), grows, turns: decays; and once more.
    squares = [9.0, 4.0, 5.0, 6.0, 5.0, 5.5, 5.0, 4.0]
    decay = WeightNormDecay(last_decay=None)
    history = fit(odometer(), [Placed(squares), decay], 8)
    assert history["weight_norm"] == near(squares)
    assert history["learning_rate"] == near([0.5] * 5 + [0.05] * 2 + [0.005])
    found = [(event.epoch, event.kind) for event in decay.events]
    # Bounces are seen in epochs 2, 4, 5 and 6.
    assert found == [(4, "reduce"), (6, "reduce")]
    assert decay.events[0].reason == "weight_norm turned at 6, its second bounce: rate × 0.1"


@pytest.mark.parametrize("killed", [1, 2, 3])
def test_norms_and_a_first_bounce_before_a_kill_count_after_it(killed: int, tmp_path: Path) -> None:
    # Bounces after epochs 2 (arms) and 4 (decays); each is seen by the two norms before it.
    squares, path, model = [9.0, 4.0, 5.0, 6.0, 5.0, 5.5], tmp_path / "state.json", new_odometer()

    def decay() -> WeightNormDecay:
        return WeightNormDecay(last_decay=None, state_path=path)

    fit_until_killed(model, [Placed(squares), decay(), Kill(killed)], 6)
    again = decay()
    history = fit(model, [Placed(squares), again], 6, initial_epoch=killed + 1)
    assert history["learning_rate"] == near(([0.5] * 5 + [0.05])[killed + 1 :])
    assert [(event.epoch, event.kind) for event in again.events] == [(4, "reduce")]


def test_the_late_decay_comes_without_a_bounce() -> None:
    decay = WeightNormDecay(factor=0.2, last_decay=0.5)
    assert fit(odometer(), [decay], 6)["learning_rate"] == near([0.5] * 3 + [0.1] * 3)
    assert decay.events[0].reason.startswith("3 of 6 epochs are done, time for the late decay")
    assert decay.events[0].reason.endswith(": rate × 0.2")


def test_warmup_epochs_are_not_looked_at() -> None:
    # Both bounces of the first four epochs fall into the warmup, or need its norms.
    squares = [9.0, 4.0, 9.0, 4.0, 5.0, 6.0, 5.0, 5.5]
    decay = WeightNormDecay(last_decay=None, warmup=3)
    history = fit(odometer(), [Placed(squares), decay], 8)
    assert history["weight_norm"] == near(squares)
    # Looked at: 4, 5, 6, 5 (armed), 5.5 (decays, after the last epoch).
    assert [event.epoch for event in decay.events] == [7]


def test_a_schedule_and_another_rule_multiply() -> None:
    from kerasdecay.rules import Plateau
    from kerasdecay.schedules import Step

    squares = [4.0, 5.0, 4.0, 5.0, 6.0, 7.0]
    decay = WeightNormDecay(
        last_decay=None,
        schedule=Step(every=2, factor=0.5),
        rules=[Plateau("val_loss", factor=0.2, patience=1)],
    )
    script = Scripted(val_loss=[1.0, 1.0, 0.5, 0.4, 0.3, 0.2])
    rates = fit(odometer(), [Placed(squares), script, decay], 6)["learning_rate"]
    steps = [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    scales = [1, 1, 0.2, 0.2, 0.02, 0.02]
    assert rates == near([step * scale for step, scale in zip(steps, scales, strict=True)])


@pytest.mark.skipif(ON_TORCH, reason="Keras on torch does not trace")
def test_measuring_costs_no_retrace() -> None:
    traces: list[int] = []

    def counting(true: Any, prediction: Any) -> Any:
        traces.append(1)
        return distance(true, prediction)

    def traced_in(callbacks: list[Any]) -> int:
        model = new_odometer()
        model.compile(keras.optimizers.SGD(0.5), loss=counting)
        traces.clear()
        fit(model, callbacks, 5)
        return len(traces)

    plain = traced_in([])
    assert plain > 0
    assert traced_in([WeightNormDecay(last_decay=0.5)]) == plain
