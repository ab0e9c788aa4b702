"""OpenEndedDecay: held until a rule says so, down, and over; killed in between, by the weights."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    ON_TORCH,
    STEPS,
    Kill,
    Odometer,
    Scripted,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    no_warning,
    odometer,
    regression,
    travelled,
)

import kerasdecay
from kerasdecay import OpenEndedDecay
from kerasdecay.rules import Plateau
from kerasdecay.schedules import Constant, cooldown

pytestmark = pytest.mark.any_backend

FOREVER = 10**6
TRIGGER = Plateau("val_loss", patience=1)
SCRIPT = [5.0, 4.0, 3.0, 3.0] + [2.0] * 20
"""The first epoch without improvement is the fourth."""
HELD, WAY = 4 * STEPS, 2 * STEPS

CURVES = {
    "linear": lambda u: 1 - u,
    "1-sqrt": lambda u: 1 - math.sqrt(u),
    "cosine": lambda u: (1 + math.cos(math.pi * u)) / 2,
}
engines = pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])


def by_hand(curve: str = "linear", final: float = 0.0, every: int = 1) -> list[float]:
    """Return the rate of every batch: four epochs held, 40 % of these, rounded up, down."""
    places = [batch // every * every / WAY for batch in range(WAY)]
    return [0.5] * HELD + [final + (0.5 - final) * CURVES[curve](place) for place in places]


def moves(decay: Any, model: Any = None, epochs: int = FOREVER, **fitting: Any) -> list[float]:
    real = Odometer()
    fit(model or odometer(), [Scripted(val_loss=SCRIPT), decay, real], epochs, **fitting)
    return real.moves


@pytest.mark.parametrize(
    ("update", "curve", "final"),
    [("epoch", "linear", 0.0), ("batch", "1-sqrt", 0.1), ("compiled", "cosine", 0.0)],
)
def test_it_holds_comes_down_and_ends(update: str, curve: str, final: float) -> None:
    decay = OpenEndedDecay(
        0.5,
        trigger=TRIGGER,
        cooldown="40%",
        curve=curve,
        final_learning_rate=final,
        update=update,
    )
    assert moves(decay) == near(by_hand(curve, final, STEPS if update == "epoch" else 1))
    begun, ended = decay.events
    assert begun.reason.endswith(
        f"time to come down: down to {final:g} from epoch 5 to 6 ({curve})"
    )
    assert (ended.epoch, ended.reason) == (
        5,
        "val_loss 2 has not improved on 2 by 0.0001 for 1 epoch; the way down is over: "
        "training ends",
    )


@pytest.mark.parametrize("update", ["epoch", "batch"])
def test_a_horizon_that_is_near_brings_it_down_in_time(update: str) -> None:
    decay = OpenEndedDecay(0.5, trigger=Plateau("val_loss", patience=99), update=update)
    expected = [0.5] * 5 * STEPS + [0.5 * (1 - batch / STEPS) for batch in range(STEPS)]
    if update == "epoch":
        expected = [0.5] * 6 * STEPS
    with no_warning():
        assert moves(decay, epochs=6) == near(expected)
    assert decay.events[0].reason == (
        "5 of 6 epochs are done, the latest moment; val_loss 2 is the best so far: "
        "down to 0 in epoch 6 (linear)"
    )


@pytest.mark.parametrize(
    ("update", "epoch", "batch"),
    [("epoch", 2, None), ("batch", 2, 1), ("batch", 4, None), ("compiled", 4, 1)],
    ids=["held, an epoch ends", "held, mid-epoch", "descent, an epoch ends", "descent, mid-epoch"],
)
def test_a_killed_training_goes_on_to_the_same_end(
    tmp_path: Any, update: str, epoch: int, batch: int | None
) -> None:
    def made(path: Any = None) -> OpenEndedDecay:
        return OpenEndedDecay(0.05, trigger=TRIGGER, cooldown="40%", update=update, state_path=path)

    whole = regression()
    fit(whole, [Scripted(val_loss=SCRIPT), made()], FOREVER)

    path, backup = tmp_path / "state.jsonl", str(tmp_path / "backup")
    saver = keras.callbacks.BackupAndRestore(backup)
    first = [Scripted(val_loss=SCRIPT), made(path), saver, Kill(epoch, batch)]
    fit_until_killed(regression(), first, FOREVER)
    resumed, model = made(path), regression(0.9)
    with no_warning():
        saver = keras.callbacks.BackupAndRestore(backup)
        fit(model, [Scripted(val_loss=SCRIPT), resumed, saver], FOREVER)
    assert resumed.trace is not None
    assert resumed.trace.logs[-1][0] == 5
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_run_that_was_held_goes_on_by_its_initial_epoch_alone() -> None:
    decay = OpenEndedDecay(0.5, trigger=TRIGGER, cooldown="40%")
    found = moves(decay, initial_epoch=2)
    # It fires after epoch 4, and 40 % of all four epochs count.
    assert found == near(by_hand()[2 * STEPS :])


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_its_weights_are_those_of_the_schedule_that_knows_the_moment(update: str) -> None:
    def weights(decay: Any, epochs: int) -> np.ndarray:
        model = regression()
        fit(model, [Scripted(val_loss=SCRIPT), decay], epochs)
        return np.concatenate([one.ravel() for one in model.get_weights()])

    found = weights(OpenEndedDecay(0.1, trigger=TRIGGER, cooldown=0.4, update=update), FOREVER)
    known = kerasdecay.LearningRateDecay(cooldown(Constant(0.1), 4, "linear"), update=update)
    np.testing.assert_allclose(found, weights(known, 6), rtol=2e-5, atol=2e-6)


def test_a_trigger_that_looks_within_epochs_ends_it_with_an_epoch() -> None:
    trigger = Plateau("loss", patience=1, min_delta=99.0, every="3 steps")
    decay = OpenEndedDecay(0.5, trigger=trigger, cooldown="100%")
    # The second observation is no better: after batch 6, in epoch 2. Down in two epochs.
    expected = [0.5] * 2 * STEPS + [0.5 * (1 - batch / (2 * STEPS)) for batch in range(2 * STEPS)]
    assert moves(decay) == near(expected)
    assert [(event.epoch, event.batch) for event in decay.events] == [(1, 1), (3, None)]


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_more_steps_than_a_counter_of_32_bits_holds(update: str) -> None:
    decay, real = OpenEndedDecay(0.5, trigger=TRIGGER, cooldown="40%", update=update), Odometer()
    fit(odometer(), [Scripted(val_loss=SCRIPT), decay, real], 10**9)
    assert real.moves == near(by_hand())


@pytest.mark.skipif(ON_TORCH, reason="Keras on torch takes one step a call")
def test_several_steps_an_execution() -> None:
    model = new_odometer(steps_per_execution=STEPS)
    fit(
        model,
        [Scripted(val_loss=SCRIPT), OpenEndedDecay(0.5, trigger=TRIGGER, update="compiled")],
        FOREVER,
    )
    assert travelled(model) == near(
        0.5 * HELD + sum(0.5 * (1 - batch / STEPS) for batch in range(STEPS))
    )


def test_a_new_rate_of_a_further_rule_scales_the_way_down_too() -> None:
    further = Plateau("val_loss", factor=0.5, patience=1, cooldown=99)
    decay = OpenEndedDecay(0.5, trigger=TRIGGER, cooldown="40%", rules=further)
    scales = np.repeat([1.0, 0.5], [HELD, WAY])
    assert moves(decay) == near((np.asarray(by_hand()) * scales).tolist())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cooldown": 0.0}, "cooldown must be a share > 0 and <= 1"),
        ({"cooldown": "120%"}, "cooldown must be a share"),
        ({"curve": "square"}, "curve must be one of"),
        ({"final_learning_rate": 0.6}, "final_learning_rate must be .* <= 0.5"),
        ({"trigger": 5}, "trigger must be a rule that reduces"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OpenEndedDecay(0.5, **given)
