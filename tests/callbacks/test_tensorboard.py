"""Keras' TensorBoard beside a decay: which rate its event file holds; once, on TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import Scripted, fit, new_odometer, odometer

from kerasdecay import LinearDecay, PlateauDecay, PowerStepDecay

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
tensors = pytest.importorskip("tensorboard.util.tensor_util")

PLATEAU = [1.0, 1.0, 1.0, 0.5]  # reduced after epoch 1, and after epoch 2 again


def shown(folder: Path) -> list[float]:
    """Return the rates in the event file of a training, one an epoch."""
    events = accumulators.EventAccumulator(str(folder / "train"))
    events.Reload()
    found = events.Tensors("epoch_learning_rate")
    assert [event.step for event in found] == list(range(4))
    return [float(tensors.make_ndarray(event.tensor_proto)) for event in found]


def shown_and_used(
    folder: Path, decay: Any, *, board_first: bool, model: keras.Model | None = None
) -> tuple[list[float], list[float]]:
    board = keras.callbacks.TensorBoard(str(folder), write_graph=False)
    both = [board, decay] if board_first else [decay, board]
    history = fit(model or odometer(), [Scripted(val_loss=PLATEAU), *both], epochs=4)
    return shown(folder), history["learning_rate"]


@pytest.mark.parametrize("board_first", [True, False])
@pytest.mark.parametrize(
    ("decay", "rates"),
    [
        (PowerStepDecay(0.5, stages=2), [0.5, 0.5, 0.25, 0.25]),
        (LinearDecay(0.5), [0.40625, 0.28125, 0.15625, 0.03125]),  # of each epoch's last batch
    ],
)
def test_the_rate_used_is_shown(
    decay: Any, rates: list[float], board_first: bool, tmp_path: Path
) -> None:
    assert shown_and_used(tmp_path, decay, board_first=board_first) == (rates, rates)


@pytest.mark.parametrize(
    ("board_first", "rates"),
    [(True, [0.5, 0.5, 0.25, 0.125]), (False, [0.5, 0.25, 0.125, 0.125])],
)
def test_a_reduction_is_shown_one_epoch_early_where_the_rule_is_listed_first(
    board_first: bool, rates: list[float], tmp_path: Path
) -> None:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1)
    found, used = shown_and_used(tmp_path, decay, board_first=board_first)
    assert used == [0.5, 0.5, 0.25, 0.125]
    assert found == rates


def test_compiled_it_shows_the_rate_of_the_next_batch(tmp_path: Path) -> None:
    decay = LinearDecay(0.5, update="compiled")
    found, used = shown_and_used(tmp_path, decay, board_first=True, model=new_odometer())
    assert used == [0.40625, 0.28125, 0.15625, 0.03125]
    assert found == [0.375, 0.25, 0.125, 0.0]
