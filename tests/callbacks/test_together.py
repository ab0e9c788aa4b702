"""Warmup × schedule × plateau in one object, with rates computed by hand."""

from __future__ import annotations

import pytest
from tiny import STEPS, Odometer, Scripted, fit, near, odometer, travelled

from kerasdecay import LearningRateDecay, PlateauDecay, PowerStepDecay, WarmupDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, PowerStep

pytestmark = pytest.mark.any_backend

# Two epochs of warmup over four batches each: n + 1 eighths of 0.5. Then four epochs for two
# stages, 0.5 and 0.25. The metric worsens in the warmup, falls in epochs 2 and 3, and stands still.
SCRIPT = [1.0, 9.0, 5.0, 4.0, 4.0, 4.0]
WARMING = [0.5 * (n + 1) / 8 for n in range(8)]
BATCHES = [*WARMING, *[0.5] * 8, *[0.25] * 4, *[0.125] * 4]

RULE = Plateau("val_loss", factor=0.5, patience=1)
ALL_IN_ONE = {
    "LearningRateDecay": lambda: LearningRateDecay(
        PowerStep(0.5, stages=2), warmup=2, rules=[RULE]
    ),
    "PowerStepDecay": lambda: PowerStepDecay(0.5, stages=2, warmup="8 steps", rules=RULE),
    "PlateauDecay": lambda: PlateauDecay(
        "val_loss", factor=0.5, patience=1, schedule=PowerStep(0.5, stages=2), warmup=2
    ),
    "WarmupDecay": lambda: WarmupDecay(2, then=PowerStep(stages=2), rules=[RULE]),
}


@pytest.mark.parametrize("name", ALL_IN_ONE)
def test_warmup_times_schedule_times_plateau(name: str) -> None:
    decay = ALL_IN_ONE[name]()
    model, real = odometer(), Odometer()
    history = fit(model, [Scripted(val_loss=SCRIPT), decay, real], epochs=6)
    assert real.moves == near(BATCHES)
    assert history["learning_rate"] == near([0.25, 0.5, 0.5, 0.5, 0.25, 0.125])
    event, after_the_last_epoch = decay.events
    assert (event.epoch, event.kind, event.source) == (4, "reduce", "Plateau")
    assert (event.before, event.after) == near((0.25, 0.125))
    assert after_the_last_epoch.epoch == 5
    assert float(model.optimizer.learning_rate) == near(0.0625)


def test_rules_rest_while_warming_up() -> None:
    decay = ALL_IN_ONE["LearningRateDecay"]()
    fit(odometer(), [Scripted(val_loss=SCRIPT), decay], epochs=6)
    # The first value seen is that of epoch 2: 5 is "the best so far", although 1 was before it.
    assert [event.epoch for event in decay.trace.decisions] == [2, 3, 4, 5]
    assert decay.trace.decisions[0].reason == "val_loss 5 is the best so far"


def test_rules_rest_until_the_end_of_the_epoch_in_which_the_warmup_ends() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, warmup="5 steps")
    fit(odometer(), [Scripted(val_loss=[1.0] * 4), decay], epochs=4)
    assert [event.epoch for event in decay.trace.decisions] == [2, 3]


def test_without_warmup_the_same_metric_reduces_earlier() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1)
    fit(odometer(), [Scripted(val_loss=SCRIPT), decay], epochs=6)
    assert decay.events[0].epoch == 1


@pytest.mark.parametrize(
    ("start", "shares"), [(None, [1 / 4, 2 / 4, 3 / 4, 1]), (0.0, [0, 0.25, 0.5, 0.75])]
)
def test_the_first_update_trains_unless_the_start_is_given_as_0(
    start: float | None, shares: list[float]
) -> None:
    real = Odometer()
    fit(odometer(), [WarmupDecay(1, start=start), real], epochs=2)
    assert real.moves == near([0.5 * share for share in shares] + [0.5] * STEPS)


def test_warmup_with_updates_per_epoch() -> None:
    decay = WarmupDecay(2, then=Constant(0.4), update="epoch")
    model = odometer()
    assert fit(model, [decay], epochs=3)["learning_rate"] == near([0.2, 0.4, 0.4])
    assert travelled(model) == near(STEPS * 1.0)


def test_a_warmup_longer_than_the_training_is_refused() -> None:
    with pytest.raises(ValueError, match="at most the horizon, 2 epochs"):
        fit(odometer(), [WarmupDecay(3)], epochs=2)
