"""What a callback remembers of a training: the rates used, the decisions and their reasons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tiny import STEPS, Scripted, fit, near, odometer

from kerasdecay import PlateauDecay, PowerStepDecay, WarmupDecay
from kerasdecay.schedules import PowerStep

pytestmark = pytest.mark.any_backend


def test_history_has_the_rate_used_and_not_the_next_one() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1)
    history = fit(odometer(), [Scripted(val_loss=[1.0] * 3), decay], epochs=3)
    assert history["learning_rate"] == [0.5, 0.5, 0.25]


def test_history_has_the_rate_of_the_epochs_last_batch() -> None:
    history = fit(odometer(), [WarmupDecay(2)], epochs=2)
    assert history["learning_rate"] == near([0.25, 0.5])


def test_after_fit_the_optimizer_holds_the_last_rate() -> None:
    model = odometer()
    fit(model, [PowerStepDecay(0.5, stages=2)], epochs=2)
    assert float(model.optimizer.learning_rate) == 0.25


def test_the_trace_has_a_row_for_each_write_that_changed_the_rate() -> None:
    decay = PowerStepDecay(0.5, warmup="2 steps", stages=2)
    fit(odometer(), [decay], epochs=3)
    trace = decay.trace
    # Ten updates are left for two stages: whole epochs of 4 after the warmup's 2 updates.
    assert trace.learning_rates.tolist() == near([0.25, 0.5, 0.25])
    assert trace.epochs.tolist() == [0, 0, 1]
    assert trace.batches.tolist() == [0, 1, 2]
    assert trace.steps.tolist() == [0, 1, STEPS + 2]
    assert len(trace) == 3
    assert repr(trace) == "Trace(PowerStepDecay: 3 epochs, 3 rates, 0 events)"


def test_the_trace_has_the_logs_of_every_epoch() -> None:
    decay = PowerStepDecay(0.5, stages=2)
    history = fit(odometer(), [Scripted(mine=[7.0, 8.0]), decay], epochs=2)
    assert [epoch for epoch, _ in decay.trace.logs] == [0, 1]
    assert decay.trace.logs[1][1] == {key: values[1] for key, values in history.items()}
    assert decay.trace.logs[0][1]["mine"] == 7.0


def test_the_trace_knows_how_the_training_was_set_up() -> None:
    decay = PlateauDecay("val_loss", warmup=1)
    fit(odometer(), [Scripted(val_loss=[1.0] * 3), decay], epochs=3)
    setup = decay.trace.setup
    assert (setup.decay, setup.update, setup.epochs, setup.steps_per_epoch, setup.first_epoch) == (
        "PlateauDecay",
        "batch",
        3,
        STEPS,
        0,
    )
    assert setup.base_rates == {"learning_rate": 0.5}
    assert setup.base_source == "the optimizer's"


def test_every_epoch_has_its_decision_and_reason_and_only_some_are_events() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=2)
    values: list[Any] = [1.0, 1.0, None, 1.0, math.nan]
    fit(odometer(), [Scripted(val_loss=values), decay], epochs=5)
    decisions = [(event.epoch, event.kind) for event in decay.trace.decisions]
    assert decisions == [
        (0, "improve"),
        (1, "wait"),
        (2, "absent"),
        (3, "reduce"),
        (4, "nonfinite"),
    ]
    assert [str(event) for event in decay.events] == [
        "epoch 4: val_loss 1 has not improved on 1 by 0.0001 for 2 epochs: rate × 0.5",
        "epoch 5: val_loss is nan, which counts as no improvement, for 1 epoch of 2",
    ]


def test_before_the_first_training_there_is_no_trace_and_no_event() -> None:
    decay = PowerStepDecay(0.5)
    assert decay.trace is None
    assert decay.events == []


def test_an_event_tells_the_rates_before_and_after() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, schedule=PowerStep(0.5, stages=2))
    fit(odometer(), [Scripted(val_loss=[1.0] * 4), decay], epochs=4)
    changes = [(event.before, event.after) for event in decay.events]
    # The scale falls after epochs 1, 2 and 3; the stage, from 0.5 to 0.25, between 1 and 2.
    np.testing.assert_allclose(changes, [(0.5, 0.25), (0.125, 0.0625), (0.0625, 0.03125)])
