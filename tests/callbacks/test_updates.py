"""What `update="auto"` chooses, for every shape and for what is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from kerasdecay import (
    AdaptiveKneeDecay,
    LearningRateDecay,
    LinearDecay,
    PlateauDecay,
    WarmupDecay,
    simulate,
)
from kerasdecay.schedules import (
    Constant,
    Exponential,
    InverseTime,
    Linear,
    MultiStep,
    PowerStep,
    Step,
    cooldown,
    scaled,
    sequence,
    warmup,
)
from kerasdecay.schedules.family import FAMILY

SHAPES = {
    "constant": "epoch",
    "power-step": "epoch",
    "step": "batch",  # its default, 30 % of the horizon, need not be a whole number of epochs
    "multi-step": "batch",
    "exponential": "batch",
    "inverse-time": "batch",
    "polynomial": "batch",
    "linear": "batch",
    "cosine": "batch",
    "cosine-restarts": "batch",
    "cyclic": "batch",
    "one-cycle": "batch",
    "inverse-sqrt": "batch",
    "warmup-stable": "batch",
    "knee": "batch",
    "rex": "batch",
    "refined": "batch",
}
OTHERS: list[tuple[Any, str]] = [
    (Step(every=2), "epoch"),
    (Step(every=2.5), "batch"),
    (Step(every="100 steps"), "batch"),
    (MultiStep(milestones=(2, 3)), "epoch"),
    (MultiStep(milestones=(2, "50%")), "batch"),
    (Exponential(every=2, staircase=True), "epoch"),
    (InverseTime(every=2, staircase=True), "epoch"),
    (Exponential(every="9 steps", staircase=True), "batch"),
    (warmup(PowerStep(), 1), "batch"),
    (warmup(PowerStep(), 0), "epoch"),
    (scaled(PowerStep(), 0.5), "epoch"),
    (scaled(Linear(), 0.5), "batch"),
    (sequence([Constant(), PowerStep()], [2]), "epoch"),
    (sequence([Constant(), PowerStep()], ["10 steps"]), "batch"),
    (cooldown(Constant(), 2), "batch"),
    (lambda epoch: 0.1, "epoch"),
    (lambda epoch, learning_rate: learning_rate, "epoch"),
]


def test_every_shape_is_in_the_table() -> None:
    assert {
        name: str(LearningRateDecay(shape()).update) for name, shape in FAMILY.items()
    } == SHAPES


@pytest.mark.parametrize(("schedule", "expected"), OTHERS)
def test_what_changes_only_between_epochs_is_written_once_an_epoch(
    schedule: Any, expected: str
) -> None:
    assert str(LearningRateDecay(schedule).update) == expected


def test_so_are_rules_but_for_one_that_comes_down() -> None:
    assert str(PlateauDecay().update) == "epoch"
    assert str(PlateauDecay(warmup=1).update) == "batch"
    assert str(WarmupDecay(1).update) == "batch"
    assert str(AdaptiveKneeDecay().update) == "batch"


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ("auto", [0.4, 0.3, 0.2, 0.1]),
        ("batch", [0.4, 0.3, 0.2, 0.1]),
        ("epoch", [0.4, 0.4, 0.2, 0.2]),
        ("2 steps", [0.4, 0.4, 0.2, 0.2]),
        ("3 steps", [0.4, 0.4, 0.4, 0.1]),
    ],
)
def test_a_callback_is_simulated_as_it_writes(update: str, expected: list[float]) -> None:
    decay = LinearDecay(0.4, update=update)
    rates = simulate(decay, epochs=2, steps_per_epoch=2)
    assert rates.tolist() == pytest.approx(expected)
