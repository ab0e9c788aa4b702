"""A schedule as Keras' own kind."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from schedule_cases import CASES, Case

from kerasdecay.schedules import (
    ByEpoch,
    Cosine,
    CosineRestarts,
    Exponential,
    PowerStep,
    Schedule,
    simulate,
    warmup,
)
from kerasdecay.training.as_keras import KerasSchedule, as_keras

pytestmark = pytest.mark.any_backend

RUN = {"epochs": 6, "steps_per_epoch": 4}


def values(schedule: KerasSchedule, steps: object) -> np.ndarray:
    return np.asarray([float(keras.ops.convert_to_numpy(schedule(step))) for step in steps])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_the_same_values(case: Case) -> None:
    epochs = len(case.rates)
    there = as_keras(case.schedule, epochs=epochs, steps_per_epoch=4)
    steps = np.linspace(0, 4 * epochs - 1, 5).astype(int)
    expected = simulate(case.schedule, epochs=epochs, steps_per_epoch=4)[steps]
    np.testing.assert_allclose(values(there, steps), expected, rtol=3e-6, atol=1e-12)
    np.testing.assert_allclose(values(there, [4 * epochs, 10**12]), case.held, atol=1e-9)


def test_any_kind_of_step() -> None:
    schedule = as_keras(PowerStep(0.1), **RUN)
    iterations = keras.Variable(9, dtype="int64", trainable=False)
    for step in (9, 9.0, np.int64(9), np.array(9), iterations, iterations.value):
        assert float(keras.ops.convert_to_numpy(schedule(step))) == pytest.approx(0.01)
    for step in ("int32", "uint8", "float32"):
        tensor = keras.ops.convert_to_tensor(9, dtype=step)
        assert float(keras.ops.convert_to_numpy(schedule(tensor))) == pytest.approx(0.01)
    assert float(keras.ops.convert_to_numpy(schedule(-1))) == pytest.approx(0.1)


def test_integer_arguments() -> None:
    schedule = as_keras(Exponential(2, every=1, factor=0.5), **RUN)
    np.testing.assert_allclose(values(schedule, [0, 4, 8]), [2, 1, 0.5], rtol=1e-6)


def test_steps_over_two_to_the_24() -> None:
    per_epoch = 2**25 + 1
    schedule = as_keras(PowerStep(0.1), epochs=3, steps_per_epoch=per_epoch)
    edges = [per_epoch - 1, per_epoch, 2 * per_epoch - 1, 2 * per_epoch]
    np.testing.assert_allclose(values(schedule, edges), [0.1, 0.01, 0.01, 0.001], rtol=1e-6)
    tensors = [keras.ops.convert_to_tensor(edge, dtype="int32") for edge in edges]
    np.testing.assert_allclose(values(schedule, tensors), [0.1, 0.01, 0.01, 0.001], rtol=1e-6)


def model_with(schedule: Schedule) -> keras.Model:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(as_keras(schedule, **RUN), momentum=0.9)
    model.compile(optimizer=optimizer, loss="mse")
    return model


def test_trains_and_survives_saving(tmp_path: Path) -> None:
    nested = warmup(CosineRestarts(0.1, cycle=2, growth=1.5, factor=0.5), "10%")
    model = model_with(nested)
    x, y = np.ones((16, 2), "float32"), np.ones((16, 1), "float32")
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    schedule = loaded.optimizer._learning_rate
    assert isinstance(schedule, KerasSchedule)
    assert schedule.schedule == nested
    expected = simulate(nested, **RUN)
    np.testing.assert_allclose(values(schedule, range(24)), expected, rtol=3e-6, atol=1e-9)
    assert int(loaded.optimizer.iterations) == 8
    model.fit(x, y, batch_size=4, epochs=4, initial_epoch=2, shuffle=False, verbose=0)
    loaded.fit(x, y, batch_size=4, epochs=4, initial_epoch=2, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_optimizer_uses_the_rate_of_each_step() -> None:
    model = model_with(Cosine(0.1))
    expected = simulate(Cosine(0.1), **RUN)
    for step in range(3):
        found = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        assert found == pytest.approx(expected[step], rel=1e-5)
        model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))


def test_config_is_plain_data_and_back() -> None:
    schedule = as_keras(warmup(PowerStep(), 1), initial_learning_rate=0.1, **RUN)
    twin = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert twin.schedule == warmup(PowerStep(0.1), 1)
    assert twin.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        (Cosine(), RUN, "initial_learning_rate must be"),
        (Cosine(0.1), {**RUN, "epochs": 0}, "epochs must be"),
        (Cosine(0.1), {**RUN, "steps_per_epoch": 0}, "steps_per_epoch must be"),
        (Cosine(0.1), {**RUN, "steps_per_epoch": None}, "steps_per_epoch="),
        (Cosine(0.1), {"epochs": 2, "steps_per_epoch": 2**30}, "must be at most 2147483647"),
        (PowerStep(0.1, stages=9), RUN, "stages must be at most the 6 epochs"),
        (ByEpoch(lambda epoch: 0.1), RUN, "your own function"),
        (object(), RUN, "schedule must be"),
    ],
)
def test_invalid(schedule: object, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_keras(schedule, **arguments)
