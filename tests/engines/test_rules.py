"""What rules decide reaches every step, whoever writes the rate: hand-computed, by the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiny import LEVEL_DATA, Odometer, Scripted, fit, level_odometer, near, new_odometer

from kerasdecay import GreedyDecay, LossSlopeDecay, WeightNormDecay
from kerasdecay.schedules import Step
from kerasdecay.training.callback import DecayCallback

pytestmark = pytest.mark.any_backend

IMPROVING = Scripted(val_loss=[9.0, 8.0, 7.0, 6.0, 6.0, 6.0])
HALVES = Step(every=2, factor=0.5)

# How to make the decay, the model and its data, and the rate of each epoch, from 0.5.
RULES: dict[str, tuple[Callable[..., DecayCallback], Any, dict[str, Any], list[float]]] = {
    # Twice as high after each of four improvements, then half as high: scales 1, 2, 4, 8, 16, 8.
    "greedy": (
        lambda **given: GreedyDecay("val_loss", 0.5, 0, max_lr=4.0, schedule=HALVES, **given),
        new_odometer,
        {},
        [0.5, 1.0, 1.0, 2.0, 2.0, 1.0],
    ),
    # The one weight only grows: no bounce, but the late reduction after half of the epochs.
    "weight norm": (
        lambda **given: WeightNormDecay(last_decay=0.5, schedule=HALVES, **given),
        new_odometer,
        {},
        [0.5, 0.5, 0.25, 0.025, 0.0125, 0.0125],
    ),
    # Ten losses an epoch: after epoch 2 there are 30, and they do not fall.
    "loss slope": (
        lambda **given: LossSlopeDecay(factor=0.5, min_losses=25, p_value=1e-4, **given),
        level_odometer,
        LEVEL_DATA,
        [0.5, 0.5, 0.5, 0.25, 0.25, 0.25],
    ),
}


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
@pytest.mark.parametrize("rule", RULES)
def test_a_decision_trains_from_the_next_epoch_on(rule: str, update: str) -> None:
    make, model, data, rates = RULES[rule]
    decay, real = make(update=update), Odometer()
    history = fit(model(), [IMPROVING, decay, real], len(rates), **data)
    assert real.moves == near(np.repeat(rates, len(real.moves) // len(rates)).tolist())
    assert history["learning_rate"] == near(rates)
