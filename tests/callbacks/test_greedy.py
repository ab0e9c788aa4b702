"""GreedyDecay: a rate that rises too, in a training."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from tiny import Odometer, Scripted, fit, near, odometer, travelled

from kerasdecay import GreedyDecay, LearningRateDecay
from kerasdecay.rules import Greedy, Plateau
from kerasdecay.schedules import Constant, Step

pytestmark = pytest.mark.any_backend

SCRIPT = [9.0, 8.0, 7.0, 6.0, 6.0, 6.0, 6.0, 5.0]


def rates(decay: Any, script: list[Any] | None = None, model: Any = None, **fitting: Any) -> Any:
    script = SCRIPT if script is None else script
    callbacks = [Scripted(val_loss=script), decay]
    return fit(model or odometer(), callbacks, len(script), **fitting)["learning_rate"]


def test_a_rate_that_rises_and_falls_trains_the_weights_from_the_next_epoch_on() -> None:
    decay, model, real = GreedyDecay(factor=0.5, patience=1, max_lr=1.5), odometer(), Odometer()
    callbacks = [Scripted(val_loss=SCRIPT), decay, real]
    found = fit(model, callbacks, len(SCRIPT))["learning_rate"]
    # Better after epochs 0 and 1: × 2; after 2 and 3: at most 1.5; worse after 4 and 5: × 1/2.
    assert found == near([0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 0.75, 0.75])
    assert real.moves[::4] == near(found)
    assert travelled(model) == near(4 * sum(found))
    told = [(event.epoch, event.kind) for event in decay.events]
    assert told == [(1, "raise"), (3, "raise"), (5, "reduce")]
    assert decay.events[0].reason == "val_loss 8 is the best so far, 2 in a row: rate × 2"
    assert (decay.events[0].before, decay.events[0].after) == (0.5, 1.0)


def test_the_rates_are_those_that_the_rule_replays() -> None:
    arguments: dict[str, Any] = {"factor": 0.7, "patience": 1, "smoothing": 2, "min_lr": 0.3}
    values = [*SCRIPT, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 4.0, 3.0]
    states = Greedy("val_loss", **arguments).replay(values, 0.5)
    expected = [0.5, *(0.5 * state.scale for state in states)][:-1]
    assert len(set(expected)) > 3
    assert rates(GreedyDecay("val_loss", **arguments), values) == near(expected)


def test_every_argument_of_the_rule_can_be_given_through_the_general_callback() -> None:
    rule = Greedy("val_loss", factor=0.5, patience=0, cooldown=2, warmup=1)
    # × 2 after epoch 0, at max_lr after 2 and 4, each with a rest; × 1/2 after 6, two rests; × 1/2
    # after 9.
    decay = LearningRateDecay(Constant(), rules=[rule])
    assert rates(decay, [*SCRIPT, 5.0, 9.0, 9.0]) == near([0.5, *[1.0] * 6, *[0.5] * 3, 0.25])


def test_it_rests_while_the_schedule_warms_up() -> None:
    decay = GreedyDecay(factor=0.5, patience=1, warmup=2)
    found = rates(decay)
    # Epochs 2 and 3 are the first that it sees; 4 and 5 are worse.
    assert found[:5] == near([0.25, 0.5, 0.5, 0.5, 1.0])
    assert found[5:] == near([1.0, 0.5, 0.5])


def test_its_bounds_hold_for_the_product_with_the_schedule_and_other_rules() -> None:
    decay = GreedyDecay(
        factor=0.5,
        patience=0,
        min_lr=0.02,
        max_lr=0.6,
        schedule=Step(every=4, factor=0.1),
        rules=[Plateau("val_loss", factor=0.5, patience=2)],
    )
    found = rates(decay, [4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    # Greedy: × 1.2 (to 0.6), at max_lr, × 1/2, × 1/2: 0.15; plateau, after epoch 3: × 1/2.
    assert found[:4] == near([0.5, 0.6, 0.6, 0.3])
    # The next step is at 0.0075, below min_lr: greedy leaves it there, the plateau goes on.
    assert found[4:] == near([0.0075, 0.0075, 0.00375, 0.00375])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_metric_that_is_no_number_is_told_and_ends_nothing(bad: float) -> None:
    decay = GreedyDecay(factor=0.5, patience=2)
    assert rates(decay, [3.0, bad, bad, 2.0, 2.0]) == near([0.5] * 5)
    assert [(event.epoch, event.kind) for event in decay.events] == [
        (1, "nonfinite"),
        (2, "nonfinite"),
    ]


def test_the_configuration_is_plain_data() -> None:
    decay = GreedyDecay("val_loss", 0.5, patience=1, smoothing=2, max_lr=0.9)
    twin = GreedyDecay.from_config(json.loads(json.dumps(decay.get_config())))
    assert twin.rules == decay.rules
    assert twin.rules[0] == Greedy("val_loss", 0.5, 1, smoothing=2, max_lr=0.9)
