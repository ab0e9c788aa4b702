"""The rate of each step inside the compiled step, against numbers that NumPy computes by hand."""

from __future__ import annotations

import numpy as np
import pytest
from engines.trainings import BACKEND, PAIRS
from tiny import Odometer, X, Y, fit, near, new_odometer, odometer

from kerasdecay import LearningRateDecay
from kerasdecay.schedules import (
    Constant,
    Cyclic,
    InverseSqrt,
    Knee,
    Linear,
    MultiStep,
    OneCycle,
    Refined,
    Rex,
    Schedule,
    Step,
    WarmupStableDecay,
)
from kerasdecay.schedules.family import FAMILY

pytestmark = pytest.mark.any_backend

# Six epochs of four steps, n = 0 … 23.
N = np.arange(24)
UP, DOWN = 0.1 + 0.2 * (1 - np.cos(np.pi * N / 8)), (1 + np.cos(np.pi * (N - 8) / 15)) / 2
TABLE: dict[str, tuple[Schedule, np.ndarray]] = {
    "constant": (Constant(0.25), np.full(24, 0.25)),
    "step": (Step(0.5, every="5 steps", factor=0.5), 0.5 * 0.5 ** (N // 5)),
    "multi-step": (
        MultiStep(0.5, (1, "10 steps"), 0.4),
        0.5 * 0.4 ** ((N >= 4) * 1 + (N >= 10) * 1),
    ),
    "cyclic": (
        Cyclic(0.5, cycle=2, factor=0.5, div_factor=5),
        0.1 + 0.4 * 0.5 ** (N // 8) * (1 - abs(2 * (N % 8) / 8 - 1)),
    ),
    "one-cycle": (
        OneCycle(0.5, rise="9 steps", div_factor=5, final_div_factor=100),
        np.where(N <= 8, UP, 0.001 + 0.499 * DOWN),
    ),
    "inverse-sqrt": (InverseSqrt(0.5, timescale=2), 0.5 / np.sqrt(1 + N / 8)),
    "warmup-stable": (
        WarmupStableDecay(0.5, 0.05, decay="10 steps"),
        0.05 + 0.45 * (1 - np.sqrt(np.maximum(N - 14, 0) / 10)),
    ),
    "knee": (Knee(0.5, hold=2), 0.5 * np.minimum(1, (24 - N) / 16)),
    "rex": (Rex(0.5), 0.5 * (1 - N / 24) / (0.5 + 0.5 * (1 - N / 24))),
    "refined": (
        Refined(0.5, relative_rates=(1.0, 0.25, 0.75, 0.0)),
        0.5 * np.interp(N, [0, 8, 16, 24], [1.0, 0.25, 0.75, 0.0]),
    ),
}


def test_every_shape_is_compared_here_or_with_keras_own() -> None:
    assert TABLE.keys() | PAIRS.keys() >= FAMILY.keys()


@pytest.mark.parametrize("shape", TABLE)
def test_every_step_has_its_rate(shape: str) -> None:
    schedule, rates = TABLE[shape]
    real = Odometer()
    fit(odometer(), [LearningRateDecay(schedule, update="compiled"), real], 6)
    assert real.moves == near(rates.tolist())


@pytest.mark.skipif(BACKEND == "torch", reason="Keras on torch takes one step a call")
@pytest.mark.parametrize(
    ("update", "places"),
    [
        # Two epochs of ten steps, four in a call: what begins at 0, 4 and 8 has 4, 4 and 2 steps.
        ("batch", [0] * 4 + [4] * 4 + [8] * 2 + [10] * 4 + [14] * 4 + [18] * 2),
        ("3 steps", [0] * 4 + [3] * 4 + [6] * 2 + [9] * 4 + [12] * 4 + [18] * 2),
        ("compiled", list(range(20))),
    ],
)
def test_several_steps_in_a_call(update: str, places: list[int]) -> None:
    model, real = new_odometer(steps_per_execution=4), Odometer()
    decay = LearningRateDecay(Linear(0.5), update=update)
    fit(model, [decay, real], 2, x=X, y=Y, batch_size=4)
    rates = 0.5 * (1 - np.asarray(places) / 20)
    assert real.moves == near(np.add.reduceat(rates, [0, 4, 8, 10, 14, 18]).tolist())
