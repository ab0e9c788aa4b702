"""A training that is killed and goes on has the rates of one that was not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    Kill,
    Scripted,
    fit,
    fit_until_killed,
    is_ours,
    near,
    new_odometer,
    odometer,
    regression,
    warned_once,
)

from kerasdecay import LearningRateDecay, PlateauDecay, PowerStepDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Linear, PowerStep
from kerasdecay.training.callback import DecayCallback

pytestmark = pytest.mark.any_backend

EPOCHS = 8
# The rule rests in epoch 0 and reduces after epochs 3 and 6, if it forgets neither best nor wait.
SCRIPT = [5.0, 5.0, 5.0, 5.0, 4.0, 4.5, 4.5, 4.5]


def decaying(path: Path | None = None) -> DecayCallback:
    """A schedule from the optimizer's rate, moving at every batch, with a warmup and a rule."""
    rule = Plateau("val_loss", factor=0.5, patience=2, cooldown=1)
    return LearningRateDecay(Linear(), warmup="2 steps", rules=[rule], state_path=path)


def in_order(order: str, decay: Any, saver: Any) -> list[Any]:
    pair = [decay, saver] if order == "decay first" else [saver, decay]
    return [Scripted(val_loss=SCRIPT), *pair]


def outcome(decay: DecayCallback, history: dict[str, list[float]]) -> Any:
    return history["learning_rate"], [(event.epoch, event.reason) for event in decay.events]


@pytest.fixture(scope="module")
def uninterrupted() -> Any:
    decay = decaying()
    model = regression()
    rates, decisions = outcome(decay, fit(model, [Scripted(val_loss=SCRIPT), decay], EPOCHS))
    assert [epoch for epoch, _ in decisions] == [3, 6]
    return rates, decisions, model.get_weights()


def check(uninterrupted: Any, decay: DecayCallback, history: Any, first: int) -> None:
    """Compare a continuation from epoch `first` on."""
    rates, decisions, _ = uninterrupted
    assert outcome(decay, history) == (
        near(rates[first:], rel=1e-9),
        [decision for decision in decisions if decision[0] >= first],
    )


@pytest.mark.parametrize("order", ["decay first", "saver first"])
@pytest.mark.parametrize("kill", [(0, None), (3, None), (4, 2), (5, 0)], ids=str)
def test_backup_and_restore_in_both_orders(
    uninterrupted: Any, order: str, kill: Any, tmp_path: Path
) -> None:
    def callbacks() -> list[Any]:
        saver = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        return in_order(order, decaying(tmp_path / "state.json"), saver)

    fit_until_killed(regression(), [*callbacks(), Kill(*kill)], EPOCHS)
    again = callbacks()
    model = regression()
    history = fit(model, again, EPOCHS)
    decay = next(one for one in again if isinstance(one, LearningRateDecay))
    first = kill[0] if kill[1] is not None else kill[0] + 1
    check(uninterrupted, decay, history, first)
    for found, expected in zip(model.get_weights(), uninterrupted[2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_backup_in_mid_epoch_restarts_the_epoch_with_its_rates(
    uninterrupted: Any, tmp_path: Path
) -> None:
    # It begins at batch 0 again, with iterations kept: a count of iterations would overshoot.
    def callbacks() -> list[Any]:
        saver = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=1)
        return in_order("decay first", decaying(tmp_path / "state.json"), saver)

    fit_until_killed(regression(), [*callbacks(), Kill(4, 2)], EPOCHS)
    again = callbacks()
    history = fit(regression(), again, EPOCHS)
    check(uninterrupted, again[1], history, 4)


def test_killed_between_the_decay_and_the_saver_nothing_is_lost(
    uninterrupted: Any, tmp_path: Path
) -> None:
    backup = str(tmp_path / "backup")
    decay = decaying(tmp_path / "state.json")
    killed = [Scripted(val_loss=SCRIPT), decay, Kill(5), keras.callbacks.BackupAndRestore(backup)]
    fit_until_killed(regression(), killed, EPOCHS)
    decay = decaying(tmp_path / "state.json")
    again = [Scripted(val_loss=SCRIPT), decay, keras.callbacks.BackupAndRestore(backup)]
    check(uninterrupted, decay, fit(regression(), again, EPOCHS), 5)


def test_killed_between_the_saver_and_the_decay_one_observation_is_lost_and_told(
    tmp_path: Path,
) -> None:
    backup = str(tmp_path / "backup")
    decay = decaying(tmp_path / "state.json")
    killed = [Scripted(val_loss=SCRIPT), keras.callbacks.BackupAndRestore(backup), Kill(4), decay]
    fit_until_killed(regression(), killed, EPOCHS)
    decay = decaying(tmp_path / "state.json")
    again = [Scripted(val_loss=SCRIPT), keras.callbacks.BackupAndRestore(backup), decay]
    with warned_once("ends 1 epoch(s) before epoch 6", "List the decay before the callback"):
        history = fit(regression(), again, EPOCHS)
    assert len(history["learning_rate"]) == 3
    # Epoch 4's best value is missing: the second reduction comes one epoch later.
    assert [event.epoch for event in decay.events] == [7]


@pytest.mark.parametrize("order", ["decay first", "saver first"])
def test_a_rate_restored_without_a_state_file_is_told_once(order: str, tmp_path: Path) -> None:
    def callbacks() -> list[Any]:
        saver = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        return in_order(order, PowerStepDecay(stages=2), saver)

    # In the second stage the rate is 0.25; its square is the second stage's of a rate of 0.25.
    fit_until_killed(odometer(0.5), [*callbacks(), Kill(5)], EPOCHS)
    with warned_once("learning_rate, 0.25, is taken for the initial one", "initial_learning_rate="):
        history = fit(new_odometer(0.5), callbacks(), EPOCHS)
    assert history["learning_rate"] == [0.0625, 0.0625]


def test_a_further_fit_of_a_restored_model_begins_where_keras_begins_it(
    uninterrupted: Any, tmp_path: Path
) -> None:
    # Keras keeps the epoch that it restored, and begins every later fit of the model with it.
    def slow() -> keras.Model:
        return regression(run_eagerly=True)

    decay = decaying(tmp_path / "state.json")
    saver = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    callbacks = in_order("decay first", decay, saver)
    fit_until_killed(slow(), [*callbacks, Kill(3)], EPOCHS)
    restored = slow()
    for _ in range(2):
        check(uninterrupted, decay, fit(restored, callbacks, EPOCHS), 4)
        assert decay.trace.setup.first_epoch == 4
    check(uninterrupted, decay, fit(slow(), callbacks, EPOCHS), 0)


def test_a_saved_and_loaded_model(uninterrupted: Any, tmp_path: Path) -> None:
    model, state = regression(), tmp_path / "state.json"
    fit_until_killed(model, [Scripted(val_loss=SCRIPT), decaying(state), Kill(4)], EPOCHS)
    model.save(tmp_path / "model.keras")
    decay = decaying(state)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    history = fit(loaded, [Scripted(val_loss=SCRIPT), decay], EPOCHS, initial_epoch=5)
    check(uninterrupted, decay, history, 5)


def test_model_checkpoint_and_initial_epoch(uninterrupted: Any, tmp_path: Path) -> None:
    state, weights = tmp_path / "state.json", str(tmp_path / "epoch_{epoch:02d}.weights.h5")
    saver = keras.callbacks.ModelCheckpoint(weights, save_weights_only=True)
    fit(regression(), [Scripted(val_loss=SCRIPT), decaying(state), saver], EPOCHS)
    # Back to an epoch before the last: what the file holds of later ones is not taken.
    model = regression()
    model.optimizer.build(model.trainable_variables)
    model.load_weights(tmp_path / "epoch_04.weights.h5")
    decay = decaying(state)
    history = fit(model, [Scripted(val_loss=SCRIPT), decay], EPOCHS, initial_epoch=4)
    check(uninterrupted, decay, history, 4)


def test_a_function_of_epoch_and_rate_goes_on_from_the_rate_of_that_epoch(tmp_path: Path) -> None:
    def halving(epoch: int, learning_rate: float) -> float:
        return learning_rate / 2

    path, model = tmp_path / "state.json", regression(0.8)
    fit(model, [LearningRateDecay(halving, state_path=path)], 4, initial_epoch=0)
    model.optimizer.learning_rate = 0.2  # as after epoch 1, when a model was saved, say
    decay = LearningRateDecay(halving, state_path=path)
    history = fit(model, [decay], 4, initial_epoch=2)
    assert history["learning_rate"] == near([0.1, 0.05])
    assert decay.trace.setup.base_source == "from the state file"


def test_the_same_callback_object_goes_on_too(uninterrupted: Any, tmp_path: Path) -> None:
    decay = decaying(tmp_path / "state.json")
    model = regression()
    fit_until_killed(model, [Scripted(val_loss=SCRIPT), decay, Kill(3)], EPOCHS)
    history = fit(model, [Scripted(val_loss=SCRIPT), decay], EPOCHS, initial_epoch=4)
    check(uninterrupted, decay, history, 4)


@pytest.mark.parametrize(
    "make",
    [lambda: PowerStepDecay(0.5, stages=2), lambda: LearningRateDecay(PowerStep(0.5), warmup=1)],
)
def test_open_loop_rates_need_no_state_file(make: Callable[[], DecayCallback]) -> None:
    whole = fit(regression(), [make()], EPOCHS)["learning_rate"]
    assert fit(regression(), [make()], EPOCHS, initial_epoch=5)["learning_rate"] == whole[5:]


def test_best_weights_that_a_restart_has_lost_are_not_restored_and_that_is_told(
    tmp_path: Path,
) -> None:
    def plateau() -> PlateauDecay:
        return PlateauDecay(
            "val_loss", patience=2, restore_best_weights=True, state_path=tmp_path / "s.json"
        )

    script = Scripted(val_loss=[1.0, 2.0, 2.0])
    model = regression()
    fit_until_killed(model, [script, plateau(), Kill(1)], 3)
    with warned_once("the weights of the best epoch cannot be restored"):
        fit(model, [script, plateau()], 3, initial_epoch=2)


def test_an_uninterrupted_training_with_a_state_file_says_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):  # the second one starts afresh over the first one's file
            fit(regression(), [Scripted(val_loss=SCRIPT), decaying(tmp_path / "state.json")], 5)
    assert not any(map(is_ours, caught))
