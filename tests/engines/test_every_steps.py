"""Decisions within an epoch reach the next step, whoever writes the rate: by the weights."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from tiny import (
    ON_TORCH,
    Kill,
    Odometer,
    fit,
    fit_until_killed,
    level_odometer,
    near,
    no_warning,
    odometer,
    travelled,
    warned_once,
)

from kerasdecay import LearningRateDecay, PlateauDecay, PowerStepDecay
from kerasdecay.report.timelines import timeline
from kerasdecay.rules import Observation, Plateau, Rescue, Rule, RuleState
from kerasdecay.schedules import Constant, Linear, Schedule, simulate

pytestmark = pytest.mark.any_backend

BATCHES, EPOCHS = 10, 3
TOLD = [5.0, 4.0, 4.0, 4.0, 4.0, 5.0, 3.0, 3.0, 4.0, 4.0]
"""The loss of each batch of an epoch."""


def told() -> dict[str, Any]:
    """Return data whose batches have these losses by `level`, whatever the model predicts."""
    y = np.repeat(np.asarray(TOLD, "float32"), 4)[:, None]
    return {"x": np.ones_like(y), "y": y, "batch_size": 4, "shuffle": False}


def scales(every: int, execution: int = 1) -> list[float]:
    """Return the scale at which each batch must train, and the last: patience 1, by hand."""
    scale, best, window, found = 1.0, np.inf, [], []
    for _ in range(EPOCHS):
        for begin in range(0, BATCHES, execution):
            part = TOLD[begin : begin + execution]
            found += [scale] * len(part)
            window += part
            if len(window) >= every:
                mean, window = np.mean(window), []
                improved, best = mean < best - 1e-4, min(best, mean)
                scale *= 1.0 if improved else 0.5
    return [*found, scale]


def plateau(every: int, **changed: Any) -> Plateau:
    return Plateau("loss", factor=0.5, patience=1, every=f"{every} steps", **changed)


def rates_of(schedule: Schedule, per_epoch: int) -> np.ndarray:
    rates = simulate(schedule, epochs=EPOCHS, steps_per_epoch=per_epoch)
    return np.repeat(rates, BATCHES // per_epoch)


@pytest.mark.parametrize("every", [1, 3, 10, 13])
@pytest.mark.parametrize(
    ("update", "schedule", "rates"),
    [
        ("epoch", Constant(0.5), rates_of(Constant(0.5), 1)),
        ("batch", Linear(0.5), rates_of(Linear(0.5), BATCHES)),
        ("5 steps", Linear(0.5), np.repeat(rates_of(Linear(0.5), BATCHES)[::5], 5)),
        ("compiled", Linear(0.5), rates_of(Linear(0.5), BATCHES)),
    ],
)
def test_a_decision_trains_from_the_next_batch_on(
    every: int, update: str, schedule: Schedule, rates: np.ndarray
) -> None:
    decay = LearningRateDecay(schedule, rules=plateau(every), update=update)
    real, expected = Odometer(), rates * scales(every)[:-1]
    history = fit(level_odometer(), [decay, real], EPOCHS, **told())
    assert real.moves == near(expected.tolist(), rel=1e-5)
    assert history["learning_rate"] == near(expected[BATCHES - 1 :: BATCHES].tolist(), rel=1e-5)
    assert decay.trace is not None
    assert [(event.epoch, event.batch) for event in decay.events] == [
        divmod(place, BATCHES)
        for place, (one, other) in enumerate(itertools.pairwise(scales(every)))
        if other < one
    ]
    # The record holds the rate of every batch that got another one.
    steps = decay.trace.steps.tolist()
    held = [
        decay.trace.learning_rates[np.searchsorted(steps, one, "right") - 1] for one in range(30)
    ]
    assert held == near(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_what_is_held_is_recorded_at_the_rate_of_each_batch(update: str) -> None:
    model = level_odometer()
    model.compile(keras.optimizers.SGD(0.5, weight_decay=0.25), loss=model.loss)
    decay = LearningRateDecay(Constant(0.5), rules=plateau(3), update=update, weight_decay="hold")
    history = fit(model, [decay], EPOCHS, **told())
    held = [0.25 / scale for scale in scales(3)[:-1]]
    assert decay.trace is not None
    curve = decay.trace.knobs["weight_decay"]
    steps = (curve.epochs * BATCHES + curve.batches).tolist()
    rows = [np.searchsorted(steps, one, "right") - 1 for one in range(EPOCHS * BATCHES)]
    assert curve.rates("weight_decay")[rows] == near(held, rel=1e-5)
    assert history["weight_decay"] == near(held[BATCHES - 1 :: BATCHES], rel=1e-5)


@pytest.mark.skipif(ON_TORCH, reason="Keras on torch takes one step a call")
@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_several_steps_an_execution_decide_at_its_end(update: str) -> None:
    decay, real = LearningRateDecay(Constant(0.5), rules=plateau(3), update=update), Odometer()
    fit(level_odometer(steps_per_execution=4), [decay, real], EPOCHS, **told())
    sums = [
        sum(scales(3, 4)[epoch * 10 + begin : epoch * 10 + end])
        for epoch in range(EPOCHS)
        for begin, end in [(0, 4), (4, 8), (8, 10)]
    ]
    assert real.moves == near([0.5 * one for one in sums], rel=1e-5)


def test_rules_rest_until_the_warmup_ends_within_the_epoch() -> None:
    decay = PlateauDecay("loss", 0.5, 1, every="2 steps", schedule=Constant(0.5), warmup="5 steps")
    fit(level_odometer(), [decay], 1, **told())
    # Batches 6 to 10 tell 5, 3 | 3, 4 | 4: the first window after the best one ends with batch 9.
    assert decay.trace is not None
    assert [(one.kind, one.batch) for one in decay.trace.decisions] == [
        ("improve", 6),
        ("improve", 8),
    ]


def test_stages_are_entered_within_an_epoch() -> None:
    decay, real = PowerStepDecay(0.5, stages=3, advance_on=plateau(5)), Odometer()
    fit(level_odometer(), [decay, real], 1, **told())
    assert real.moves == near([0.5] * 10)
    fit(level_odometer(), [decay, real := Odometer()], 2, **told())
    assert real.moves == near([0.5] * 15 + [0.25] * 5)  # 4.2, 3.8 | 4.2: the second power


def test_beside_a_rule_at_epochs_and_one_that_rescues() -> None:
    rules = [Rescue(), plateau(4), Plateau("loss", factor=0.1, patience=1)]
    decay, real = LearningRateDecay(Constant(0.5), rules=rules), Odometer()
    fit(level_odometer(), [decay, real], 2, **told())
    # 4.25 | 3.75 | 4.25 | 4.25 | 3.5; the epochs' losses are equal.
    assert real.moves == near([0.5] * 12 + [0.25] * 4 + [0.125] * 4)
    assert [(one.rule, one.epoch, one.batch) for one in decay.events] == [
        (1, 1, 1),
        (1, 1, 5),
        (2, 1, None),
    ]


def test_the_best_weights_are_put_back_within_an_epoch() -> None:
    rule = plateau(5, restore_best_weights=True)
    decay, real = LearningRateDecay(Constant(0.5), rules=rule, update="batch"), Odometer()
    fit(level_odometer(), [decay, real], 2, **told())
    # Best after batch 10; no better after batches 15 and 20, which go back to it.
    assert real.places[10] == near(5.0)
    assert real.places[15] == near(5.0)
    assert real.places[19] == near(5.0 + 4 * 0.25)
    assert real.places[20] == near(5.0)


def test_a_rule_ends_the_training_within_an_epoch() -> None:
    decay = PlateauDecay("loss", 0.5, 1, every="2 steps", min_lr=0.5, stop_at_min_lr=True)
    model = level_odometer()
    fit(model, [decay, real := Odometer()], 5, **told())
    assert len(real.moves) == 6  # 4.5 | 4 | 4.5
    assert decay.events[-1].place == "epoch 1, batch 6"


@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_a_training_killed_within_an_epoch_goes_on_from_its_beginning(
    tmp_path: Any, update: str
) -> None:
    def decay(path: Any = None) -> LearningRateDecay:
        return LearningRateDecay(Linear(0.5), rules=plateau(4), update=update, state_path=path)

    whole = decay()
    fit(level_odometer(), [whole], EPOCHS, **told())
    path = tmp_path / "state.jsonl"
    fit_until_killed(level_odometer(), [decay(path), Kill(1, 6)], EPOCHS, **told())
    resumed, model = decay(path), level_odometer()
    model.optimizer.learning_rate = 0.3
    fit(model, [resumed], EPOCHS, initial_epoch=1, **told())
    first = [(one.epoch, one.batch, one.after) for one in whole.events if one.epoch >= 1]
    again = [(one.epoch, one.batch, one.after) for one in resumed.events]
    assert [one[:2] for one in again] == [one[:2] for one in first]
    assert [one[2] for one in again] == near([one[2] for one in first])


def test_a_model_saved_after_a_decision_within_an_epoch_is_this_trainings(tmp_path: Any) -> None:
    def decay() -> PlateauDecay:
        return PlateauDecay("loss", 0.5, 1, every="4 steps", state_path=tmp_path / "state.jsonl")

    model = level_odometer()
    fit_until_killed(model, [decay(), Kill(1, 6)], EPOCHS, **told())
    saved = level_odometer()  # as a backup of that batch restores it: the rate is halved already
    saved.set_weights(model.get_weights())
    saved.optimizer.build(saved.trainable_variables)
    saved.optimizer.learning_rate = 0.25
    saved.optimizer._iterations.assign(17)
    resumed, real = decay(), Odometer()
    with no_warning():
        fit(saved, [resumed, real], EPOCHS, initial_epoch=1, **told())
    expected = [0.5] * 2 + [0.25] * 4 + [0.125] * 8 + [0.0625] * 4 + [0.03125] * 2
    assert real.moves[1:] == near(expected[1:], rel=1e-5)


def test_the_timeline_tells_the_batches() -> None:
    decay = LearningRateDecay(Constant(0.5), rules=plateau(5))
    fit(level_odometer(), [decay], 2, **told())
    from rich.console import Console

    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(timeline(decay))
    lines = [line.split() for line in captured.get().splitlines() if "batch" in line]
    assert [line[-3:] for line in lines[:2]] == [
        ["batch", "5", "improved"],
        ["batch", "10", "improved"],
    ]
    assert lines[2][:4] == ["2", "0.5", "→", "0.25"]
    assert "batch 5" in " ".join(lines[2])


def test_a_callback_that_is_told_of_batches_too_late_says_so() -> None:
    decay = LearningRateDecay(Constant(0.5), rules=[Rescue(), plateau(3)])
    model, is_late = level_odometer(), keras.src.backend.IS_THREAD_SAFE
    with warned_once("callbacks=[decay]") if is_late else no_warning():
        fit(model, decay, 1, **told())
    assert bool(decay.events) != is_late
    assert travelled(model) == near(5.0 if is_late else sum(0.5 * one for one in scales(3)[:10]))


def test_an_ordinary_rule_takes_no_batch_hook() -> None:
    assert "on_train_batch_end" not in vars(PlateauDecay("loss"))
    fit(odometer(), [PlateauDecay("loss", every="3 steps")], 1)


# ------------------------------------------------------------------------- the mean of a window


@dataclasses.dataclass(frozen=True)
class Hearing(Rule[RuleState]):
    """A rule that keeps the means that it observes."""

    heard: ClassVar[list[float]] = []

    @property
    def watched(self) -> str:
        return "loss"

    def advance(self, state: RuleState, observation: Observation) -> RuleState:
        self.heard.append(observation.metrics["loss"])
        return state.deciding("wait", "listening")


def hearing(every: int) -> LearningRateDecay:
    Hearing.heard.clear()
    return LearningRateDecay(Constant(0.5), rules=Hearing(every=f"{every} steps"))


class Sized(keras.utils.PyDataset):
    """Batches of these sizes with the losses of `TOLD`."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        y = np.full((self.sizes[index], 1), TOLD[index], "float32")
        return np.ones_like(y), y


ON_JAX = keras.backend.backend() == "jax"


@pytest.mark.parametrize(
    "sizes",
    [
        [4] * 10,
        [4] * 9 + [2],
        pytest.param(
            [4, 2, 6, 4, 2, 6, 1, 3, 4, 2],
            marks=pytest.mark.skipif(ON_JAX, reason="batches of one size are assumed there"),
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("every", [1, 4])
def test_a_window_is_observed_by_the_mean_over_its_samples(every: int, sizes: list[int]) -> None:
    fit(level_odometer(), [hearing(every)], 2, x=Sized(sizes), shuffle=False)
    expected = []
    for begin in range(0, 2 * BATCHES, every):
        window = range(begin, begin + every)
        # Its two parts, where an epoch ends within it, count by their batches.
        parts = [[n % 10 for n in window if n // 10 == epoch] for epoch in (0, 1)]
        total = sum(
            len(part) * np.average([TOLD[n] for n in part], weights=[sizes[n] for n in part])
            for part in parts
            if part
        )
        expected.append(total / every)
    assert Hearing.heard == near(expected, rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_batches_before_an_early_end_of_the_data_are_part_of_their_window() -> None:
    def data(count: int) -> Iterator[Any]:
        for number in range(count):
            y = np.full((4, 1), TOLD[number], "float32")
            yield np.ones_like(y), y

    decay, model = hearing(4), level_odometer()
    model.fit(data(6), steps_per_epoch=8, epochs=1, callbacks=[decay], verbose=0)
    further = {"initial_epoch": 1, "epochs": 2, "callbacks": [decay], "verbose": 0}
    model.fit(data(8), steps_per_epoch=8, **further)
    first, second = TOLD[:6], TOLD[:8]
    windows = [first[:4], first[4:] + second[:2], second[2:6]]
    assert Hearing.heard == near([float(np.mean(one)) for one in windows], rel=1e-5)
