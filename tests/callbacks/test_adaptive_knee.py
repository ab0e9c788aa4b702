"""AdaptiveKneeDecay: hold, and at the sign of a rule down to the horizon, with every engine."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import (
    BATCH,
    ON_TORCH,
    STEPS,
    Kill,
    Odometer,
    Scripted,
    X,
    Y,
    distance,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    odometer,
    regression,
    travelled,
)

import kerasdecay
from kerasdecay import AdaptiveKneeDecay, LearningRateDecay
from kerasdecay.rules import AdaptiveKnee, Plateau, WeightNorm
from kerasdecay.schedules import Constant, Step, cooldown

pytestmark = pytest.mark.any_backend

EPOCHS = 6
TRIGGER = Plateau("val_loss", patience=1)
# The first epoch without improvement is the third: down from the fourth on, of six.
SCRIPT = [5.0, 4.0, 4.0, 4.0, 3.0, 3.0]
TOTAL, HELD = EPOCHS * STEPS, 3 * STEPS
WAY = TOTAL - HELD

engines = pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])


def by_hand(curve: str = "linear", final: float = 0.0, every: int = 1) -> list[float]:
    """Return the rate of every batch; `every` is how many share the rate of their first."""
    rates = [0.5] * HELD
    for batch in range(HELD, TOTAL):
        u = (batch // every * every - HELD) / WAY
        left = 1 - u if curve == "linear" else 1 - math.sqrt(u)
        rates.append(final + (0.5 - final) * left)
    return rates


def moves(decay: Any, epochs: int = EPOCHS, **script: Any) -> list[float]:
    """Train an odometer; return the rate that really trained it at every batch."""
    real = Odometer()
    fit(odometer(), [Scripted(**(script or {"val_loss": SCRIPT})), decay, real], epochs)
    return real.moves


@engines
@pytest.mark.parametrize(("curve", "final"), [("linear", 0.0), ("1-sqrt", 0.0), ("linear", 0.1)])
def test_the_rate_of_every_batch_is_the_one_computed_by_hand(
    update: str, curve: str, final: float
) -> None:
    decay = AdaptiveKneeDecay(TRIGGER, curve=curve, final_learning_rate=final, update=update)
    expected = by_hand(curve, final, every=STEPS if update == "epoch" else 1)
    assert moves(decay) == near(expected)
    (event,) = decay.events
    assert (event.epoch, event.kind, event.before, event.after) == (2, "cooldown_start", 0.5, 0.5)
    assert event.reason == (
        "val_loss 4 has not improved on 4 by 0.0001 for 1 epoch; time to come down: "
        f"down to {final:g} from epoch 4 on ({curve})"
    )


def test_what_is_recorded_and_logged_is_what_trained() -> None:
    for update in ("batch", "compiled"):
        decay, model = AdaptiveKneeDecay(TRIGGER, update=update), odometer()
        logged = fit(model, [Scripted(val_loss=SCRIPT), decay], EPOCHS)["learning_rate"]
        expected = by_hand()
        assert logged == near(expected[STEPS - 1 :: STEPS])
        assert travelled(model) == near(sum(expected))
        steps, rates = decay.trace.steps, decay.trace.learning_rates
        found = [float(rates[steps <= batch][-1]) for batch in range(TOTAL)]
        assert found == near(expected)
        left = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        assert left == near(expected[-1])


def test_auto_changes_the_rate_at_every_batch() -> None:
    assert str(AdaptiveKneeDecay(TRIGGER).update) == "batch"
    assert moves(AdaptiveKneeDecay(TRIGGER)) == near(by_hand())


def weights(decay: Any) -> np.ndarray:
    model = regression()
    fit(model, [Scripted(val_loss=SCRIPT), decay], EPOCHS)
    return np.concatenate([one.ravel() for one in model.get_weights()])


@functools.cache
def weights_at_a_constant_rate() -> np.ndarray:
    return weights(LearningRateDecay(Constant(0.1)))


@engines
def test_weights_agree_with_a_schedule_that_knows_the_moment(update: str) -> None:
    known = LearningRateDecay(cooldown(Constant(0.1), 3, "linear"), update=update)
    found, expected = weights(AdaptiveKneeDecay(TRIGGER, update=update)), weights(known)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert np.abs(found - weights_at_a_constant_rate()).max() > 1e-3


@engines
def test_at_the_horizon_the_rate_is_exactly_zero_and_stays(update: str) -> None:
    decay = AdaptiveKneeDecay(TRIGGER, epochs=4, update=update)
    script = [5.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    # Down from epoch 3 on; the horizon lies after the fourth.
    found = moves(decay, 6, val_loss=script)
    assert found[4 * STEPS :] == [0.0] * (2 * STEPS)
    fourth = [0.5] * STEPS if update == "epoch" else [0.5, 0.375, 0.25, 0.125]
    assert found[: 4 * STEPS] == near([0.5] * HELD + fourth)


@engines
def test_it_comes_down_at_latest_without_any_sign(update: str) -> None:
    decay = AdaptiveKneeDecay(TRIGGER, latest=0.7, update=update)
    falling = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    found = moves(decay, val_loss=falling)
    assert found[: 4 * STEPS] == near([0.5] * 4 * STEPS)
    down = [0.5, 0.25] if update == "epoch" else [0.5 * left / 8 for left in range(8, 0, -1)]
    assert found[4 * STEPS :: STEPS if update == "epoch" else 1] == near(down)


def test_it_comes_down_at_latest_where_the_metric_is_missing_and_says_so() -> None:
    decay = AdaptiveKneeDecay(TRIGGER, latest=0.5)
    with pytest.warns(UserWarning, match="'val_loss', which is not in the logs"):
        rates = fit(odometer(), [decay], EPOCHS)["learning_rate"]
    assert rates == near(by_hand()[STEPS - 1 :: STEPS])
    assert "was not measured" in decay.events[0].reason


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_changes_no_rate_by_itself(bad: float) -> None:
    decay = AdaptiveKneeDecay(Plateau("val_loss", patience=3), latest=0.8)
    moved = moves(decay, val_loss=[5.0, bad, 4.0, bad, 3.0, bad])
    assert moved[: 4 * STEPS] == near([0.5] * 4 * STEPS)
    told = [(event.epoch, event.kind) for event in decay.events]
    # The fourth epoch, of four at latest, ends with both.
    assert told == [(1, "nonfinite"), (3, "cooldown_start"), (5, "nonfinite")]


@engines
def test_after_a_warmup_in_which_the_trigger_rests(update: str) -> None:
    decay = AdaptiveKneeDecay(TRIGGER, warmup=2, min_hold=0.0, update=update)
    # Epochs 0 and 1 are level, but warm up; 3 is the first after them that does not improve.
    found = moves(decay, val_loss=[5.0, 5.0, 4.0, 4.0, 4.0, 4.0])
    if update == "epoch":
        rise, down = [0.25, 0.5], [0.5, 0.25]
        expected = [rate for rate in [*rise, 0.5, 0.5, *down] for _ in range(STEPS)]
    else:
        rise = [0.5 * (n + 1) / 8 for n in range(8)]
        expected = [*rise, *[0.5] * 8, *(0.5 * left / 8 for left in range(8, 0, -1))]
    assert found == near(expected)


@engines
def test_it_comes_down_from_wherever_schedule_and_other_rules_are(update: str) -> None:
    other = Plateau("val_loss", factor=0.2, patience=1)
    decay = AdaptiveKneeDecay(
        TRIGGER, schedule=Step(every=2, factor=0.5), rules=[other], update=update
    )
    found = moves(decay)
    # 0.5, 0.5, 0.25; after epoch 2 both fire: from 0.25 × 0.2 down. After epoch 3 the plateau
    # fires again, after 4 the metric improves, after 5 it is over.
    every = STEPS if update == "epoch" else 1
    shares = [1 - (batch // every * every) / WAY for batch in range(WAY)]
    scales = [0.2] * STEPS + [0.04] * 2 * STEPS
    down = [0.25 * share * scale for share, scale in zip(shares, scales, strict=True)]
    assert found == near([0.5] * 2 * STEPS + [0.25] * STEPS + down)


@pytest.mark.skipif(ON_TORCH, reason="Keras on torch does not trace")
@pytest.mark.parametrize(
    ("update", "at_the_trigger"), [("epoch", 0), ("batch", 0), ("compiled", 1)]
)
def test_there_is_one_retrace_at_the_trigger_and_only_where_the_step_computes_the_rate(
    update: str, at_the_trigger: int
) -> None:
    traces: list[int] = []

    def counting(true: Any, prediction: Any) -> Any:
        traces.append(1)
        return distance(true, prediction)

    class Counted(keras.callbacks.Callback):
        """Notes how often the step has been traced by the end of each epoch."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            counts.append(len(traces))

    counts: list[int] = [0]
    model = new_odometer()
    model.compile(keras.optimizers.SGD(0.5), loss=counting)
    decay = AdaptiveKneeDecay(TRIGGER, update=update)
    fit(model, [Scripted(val_loss=SCRIPT), decay, Counted()], EPOCHS)
    first, *later = np.diff(counts).tolist()  # building the model counts in the first epoch too
    assert first > 0
    assert later == [0, 0, at_the_trigger, 0, 0]
    assert not kerasdecay.release(model)


@engines
@pytest.mark.parametrize("killed_in", [1, 2, 4])
def test_a_training_that_was_killed_goes_on_with_the_same_rates(
    update: str, killed_in: int, tmp_path: Path
) -> None:
    def made() -> AdaptiveKneeDecay:
        return AdaptiveKneeDecay(TRIGGER, update=update, state_path=tmp_path / "state.json")

    model, script = new_odometer(), Scripted(val_loss=SCRIPT)
    fit_until_killed(model, [script, made(), Kill(killed_in)], EPOCHS)
    kerasdecay.release(model)
    real = Odometer()
    before = travelled(model)
    fit(model, [script, made(), real], EPOCHS, initial_epoch=killed_in + 1)
    rest = by_hand(every=STEPS if update == "epoch" else 1)[(killed_in + 1) * STEPS :]
    assert real.moves[1:] == near(rest[1:])
    assert real.places[1] - before == near(rest[0], rel=1e-4)


@engines
def test_a_second_training_holds_again(update: str) -> None:
    decay, model = AdaptiveKneeDecay(TRIGGER, update=update), odometer()
    callbacks = [Scripted(val_loss=SCRIPT), decay]
    first = fit(model, callbacks, EPOCHS)["learning_rate"]
    assert fit(model, callbacks, EPOCHS)["learning_rate"] == first


def unknown_length() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for begin in range(0, len(X), BATCH):
        yield X[begin : begin + BATCH], Y[begin : begin + BATCH]


@pytest.mark.parametrize("update", ["auto", "batch", "compiled"])
def test_unknown_steps_are_asked_for_before_the_first(update: str) -> None:
    model = odometer()
    with pytest.raises(ValueError, match=r"Pass steps_per_epoch=…"):
        fit(model, [AdaptiveKneeDecay(TRIGGER, update=update)], 1, x=unknown_length())
    assert travelled(model) == 0


def test_once_an_epoch_no_steps_need_be_known() -> None:
    decay = AdaptiveKneeDecay(TRIGGER, update="epoch", epochs=3)
    found = fit(odometer(), [Scripted(val_loss=[1.0]), decay], 1, x=unknown_length())
    assert found["learning_rate"] == near([0.5])


def test_a_way_that_would_lead_up_is_refused_at_once() -> None:
    complaint = r"AdaptiveKneeDecay: final_learning_rate must be .* <= 0\.5\. .*=0\.6"
    with pytest.raises(ValueError, match=complaint):
        AdaptiveKneeDecay(TRIGGER, final_learning_rate=0.6, schedule=Constant(0.5))


def test_from_the_optimizers_rate_no_way_leads_up_either() -> None:
    decay = AdaptiveKneeDecay(TRIGGER, final_learning_rate=0.6)
    history = fit(odometer(), [Scripted(val_loss=SCRIPT), decay], epochs=EPOCHS)
    assert history["learning_rate"] == [0.5] * EPOCHS
    assert decay.trace is not None and decay.events == []
    assert decay.trace.decisions[-2].reason.endswith("the planned rate 0.5 is not above 0.6")


@engines
def test_where_the_schedule_is_below_the_final_rate_already_it_stays_there(update: str) -> None:
    schedule = Step(0.5, every=3, factor=0.1)  # 0.05 as the way down begins
    decay = AdaptiveKneeDecay(TRIGGER, final_learning_rate=0.2, schedule=schedule, update=update)
    history = fit(odometer(), [Scripted(val_loss=SCRIPT), decay], epochs=EPOCHS)
    assert history["learning_rate"] == near([0.5] * 3 + [0.05] * 3)


def test_two_ways_down_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rules must be at most one that comes down"):
        AdaptiveKneeDecay(TRIGGER, rules=[AdaptiveKnee()])


def test_a_warmup_that_leaves_no_epoch_leaves_the_rate_and_says_so() -> None:
    decay = AdaptiveKneeDecay(TRIGGER, warmup=EPOCHS - 1)
    history = fit(odometer(), [Scripted(val_loss=SCRIPT), decay], epochs=EPOCHS)
    assert history["learning_rate"][-1] == near(0.5)
    assert decay.events == []
    assert decay.trace is not None
    assert "no epoch is left" in decay.trace.decisions[-1].reason


def test_a_function_of_the_rate_before_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="needs a schedule, or a function of the epoch alone"):
        AdaptiveKneeDecay(TRIGGER, schedule=lambda epoch, rate: rate)
    with pytest.raises(ValueError, match="needs a schedule, or a function of the epoch alone"):
        LearningRateDecay(lambda epoch, rate: rate, rules=[AdaptiveKnee(TRIGGER)])
    assert moves(AdaptiveKneeDecay(TRIGGER, schedule=lambda epoch: 0.5)) == near(by_hand())


class Rising(keras.metrics.MeanMetricWrapper):
    """A metric of a name that tells nothing, and that is better the higher."""

    def __init__(self) -> None:
        super().__init__(lambda true, predicted: predicted, name="likeness")
        self._direction = "up"


def test_the_direction_of_the_triggers_metric_is_the_compiled_ones() -> None:
    falling = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    decay = AdaptiveKneeDecay(Plateau("val_likeness", patience=3), min_hold=0.0, latest=0.9)
    model = new_odometer(metrics=[Rising()])
    fit(model, [Scripted(val_likeness=falling), decay], EPOCHS)
    assert [event.epoch for event in decay.events] == [3]
    unknown = AdaptiveKneeDecay(Plateau("val_oddness", patience=3))
    with pytest.raises(ValueError, match=r"AdaptiveKneeDecay: mode must be 'min' or 'max'"):
        fit(new_odometer(), [Scripted(val_oddness=falling), unknown], EPOCHS)


def test_the_best_weights_are_restored_at_the_sign_if_the_trigger_asks() -> None:
    trigger = Plateau("val_loss", patience=1, restore_best_weights=True)
    model, real = odometer(), Odometer()
    decay = AdaptiveKneeDecay(trigger, update="epoch")
    fit(model, [Scripted(val_loss=SCRIPT), decay, real], EPOCHS)
    # Back from 6, after three epochs at 0.5, to 4, after two; then three epochs down.
    assert travelled(model) == near(4.0 + STEPS * 0.5 * (1 + 2 / 3 + 1 / 3))
    assert decay.events[0].reason.endswith("(linear), best weights restored")


def test_the_configuration_is_plain_data() -> None:
    decay = AdaptiveKneeDecay(WeightNorm(0.2), min_hold=0.25, curve="1-sqrt", update="compiled")
    twin = AdaptiveKneeDecay.from_config(json.loads(json.dumps(decay.get_config())))
    assert twin.rules == decay.rules == (AdaptiveKnee(WeightNorm(0.2), 0.25, curve="1-sqrt"),)
    assert str(twin.update) == "compiled"
    assert AdaptiveKneeDecay().rules == (AdaptiveKnee(),)
