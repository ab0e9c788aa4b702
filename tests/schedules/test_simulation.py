"""The whole run as one vector."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from kerasdecay.schedules import Cosine, PowerStep, simulate, warmup


def test_lengths() -> None:
    assert simulate(Cosine(0.1), epochs=15).shape == (15,)
    rates = simulate(Cosine(0.1), epochs=15, steps_per_epoch=391)
    assert rates.shape == (5865,)
    assert rates.dtype == np.float64


def test_cut_into_pieces_it_is_the_same() -> None:
    schedule = warmup(Cosine(0.1), "10%")
    whole = simulate(schedule, epochs=1, steps_per_epoch=90_000)
    np.testing.assert_allclose(
        simulate(schedule, epochs=9000, steps_per_epoch=10), whole, rtol=1e-14
    )


def test_an_initial_rate_fills_in() -> None:
    given = simulate(Cosine(), epochs=5, initial_learning_rate=0.1)
    np.testing.assert_array_equal(given, simulate(Cosine(0.1), epochs=5))
    own = simulate(Cosine(0.2), epochs=5, initial_learning_rate=0.1)
    np.testing.assert_array_equal(own, simulate(Cosine(0.2), epochs=5))


def test_a_callback_means_its_schedule() -> None:
    callback = SimpleNamespace(schedule=Cosine(0.1))
    np.testing.assert_array_equal(simulate(callback, epochs=5), simulate(Cosine(0.1), epochs=5))


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        (None, {"epochs": 5}, "schedule must be"),
        (Cosine(), {"epochs": 5}, "initial_learning_rate must be"),
        (Cosine(0.1), {"epochs": 0}, "epochs must be"),
        (Cosine(0.1), {"epochs": 5, "steps_per_epoch": 0}, "steps_per_epoch must be"),
        (warmup(Cosine(0.1), "9 steps"), {"epochs": 5}, "steps_per_epoch="),
        (PowerStep(0.1), {"epochs": 2}, "stages must be at most the 2 epochs"),
        (Cosine(), {"epochs": 5, "initial_learning_rate": -1}, "initial_learning_rate must be"),
    ],
)
def test_invalid(schedule: object, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(schedule, **arguments)
