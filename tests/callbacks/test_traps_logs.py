"""Traps in logs and metrics, each with its test."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import keras
import pytest
from tiny import BATCH, Scripted, X, Y, fit, no_warning, odometer, regression, warned_once

from kerasdecay import PlateauDecay, PowerStepDecay

pytestmark = pytest.mark.any_backend


def columns(path: Path) -> dict[str, list[str]]:
    rows = list(csv.DictReader(path.read_text().splitlines()))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_csv_logger_after_the_decay_has_the_rate_and_before_it_has_not(tmp_path: Path) -> None:
    before = keras.callbacks.CSVLogger(str(tmp_path / "before.csv"))
    after = keras.callbacks.CSVLogger(str(tmp_path / "after.csv"))
    fit(odometer(), [before, PowerStepDecay(0.5, stages=2), after], epochs=2)
    assert columns(tmp_path / "after.csv")["learning_rate"] == ["0.5", "0.25"]
    assert "learning_rate" not in columns(tmp_path / "before.csv")


def test_other_callbacks_after_the_decay_see_the_rate_used() -> None:
    seen: list[float] = []
    watcher = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs["learning_rate"])
    )
    decay = PlateauDecay("val_loss", factor=0.5, patience=1)
    fit(odometer(), [Scripted(val_loss=[1.0, 1.0, 1.0]), decay, watcher], epochs=3)
    assert seen == [0.5, 0.5, 0.25]


def test_the_rate_in_the_logs_is_a_plain_float() -> None:
    history = fit(odometer(), [PowerStepDecay(0.5, stages=1)], epochs=1)
    assert type(history["learning_rate"][0]) is float


def test_a_missing_metric_is_named_once_with_those_that_exist() -> None:
    model = regression(metrics=["mae"])
    with warned_once("watch 'val_loss', which is not in the logs so far", "There are: loss, mae"):
        history = fit(model, [PlateauDecay("val_loss", patience=1)], epochs=8)
    assert history["learning_rate"] == [0.1] * 8


def test_a_mistyped_metric_is_missing_before_its_direction_is_asked_for() -> None:
    with warned_once("watch 'acuracy', which is not in the logs so far", "There are: loss, mae"):
        fit(regression(metrics=["mae"]), [PlateauDecay("acuracy", patience=1)], epochs=3)


def test_a_missing_training_metric_is_named_after_the_first_epoch() -> None:
    seen: list[int] = []
    with warned_once("watch 'accuracy'"):
        decay = PlateauDecay("accuracy", patience=1)
        watcher = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: seen.append(epoch)
        )
        fit(odometer(), [decay, watcher], epochs=3)
    assert seen == [0, 1, 2]
    assert decay.events == []


def test_validation_freq_2_counts_only_the_epochs_that_validate() -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, mode="max")
    with no_warning():
        history = fit(odometer(), [decay], epochs=6, validation_data=(X, Y), validation_freq=2)
    # val_loss falls, so with mode="max" every validation after the first is no improvement.
    assert [event.epoch for event in decay.events] == [3, 5]
    assert history["learning_rate"] == [0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("every", [5, 8, 16])
def test_a_late_validation_is_no_missing_metric(every: int) -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, mode="max")
    with no_warning():
        fit(odometer(), [decay], epochs=16, validation_data=(X, Y), validation_freq=every)
    assert [event.epoch for event in decay.events] == list(range(2 * every - 1, 16, every))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_nothing_and_is_told(bad: float) -> None:
    decay = PlateauDecay("loss", factor=0.5, patience=3)
    history = fit(odometer(), [Scripted(loss=[bad, 1.0, 0.5]), decay], epochs=3)
    assert history["learning_rate"] == [0.5] * 3
    assert [(event.epoch, event.kind) for event in decay.events] == [(0, "nonfinite")]


def test_logs_that_are_no_numbers_are_passed_over() -> None:
    decay = PlateauDecay("val_loss")
    script = Scripted(val_loss=[1.0], confusion=[[[1, 2], [3, 4]]], remark=["well"])
    fit(odometer(), [script, decay], epochs=1)
    assert decay.trace.logs[0][1].keys() == {"loss", "val_loss", "learning_rate"}


def test_the_batches_of_a_validation_are_not_taken_for_batches_of_the_training() -> None:
    model = odometer()
    decay = PowerStepDecay(0.5, stages=2, warmup=1)
    with_validation = fit(model, [decay], epochs=3, validation_data=(X, Y), validation_batch_size=2)
    without = fit(odometer(), [decay], epochs=3)
    assert with_validation["learning_rate"] == without["learning_rate"]
    model.evaluate(X, Y, batch_size=BATCH, callbacks=[decay], verbose=0)
    model.predict(X, callbacks=[decay], verbose=0)
    assert len(decay.trace.logs) == 3
