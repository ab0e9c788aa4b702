"""What may stand in the place of a schedule: a name, a number, a list, one of Keras'."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import keras
import numpy as np
import pytest
from tiny import STEPS, Odometer, Scripted, fit, near, odometer

from kerasdecay import CosineDecay, LearningRateDecay, PlateauDecay, simulate
from kerasdecay.callbacks import as_keras
from kerasdecay.rules import Plateau
from kerasdecay.schedules import (
    ByStep,
    Constant,
    Cosine,
    CosineRestarts,
    EpochRates,
    PowerStep,
    WarmupStable,
    sequence,
    warmup,
)

pytestmark = pytest.mark.any_backend

BACKEND = keras.backend.backend()
EPOCHS = 3
N = np.arange(EPOCHS * STEPS)

every_engine = pytest.mark.parametrize("update", ["batch", "compiled"])


class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A program's own, as the guides of Keras write it; it begins at 0."""

    def __init__(self, peak: float, warmup_steps: int, steps: int) -> None:
        self.peak, self.warmup_steps, self.steps = peak, warmup_steps, steps

    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "float32")
        rise = step / self.warmup_steps
        done = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
        fall = 0.5 * (1.0 + keras.ops.cos(math.pi * done))
        return self.peak * keras.ops.where(step < self.warmup_steps, rise, fall)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


def by_hand(step: np.ndarray, peak: float = 0.5) -> np.ndarray:
    fall = 0.5 * (1 + np.cos(np.pi * (step - 4) / 8))
    return peak * np.where(step < 4, step / 4, fall)


def moves(decay: Any, epochs: int = EPOCHS, extra: Any = ()) -> list[float]:
    """Return the rate of each step, read from the weight."""
    real = Odometer()
    fit(odometer(), [*extra, decay, real], epochs)
    return real.moves


@pytest.mark.parametrize(
    ("given", "schedule"),
    [
        ("cosine", Cosine()),
        ("Cosine", Cosine()),
        ("cosine_restarts", CosineRestarts()),
        ("CosineRestarts", CosineRestarts()),
        ("power step", PowerStep()),
        ("CosineDecay", Cosine()),
        (" warmup-stable ", WarmupStable()),
        (0.1, Constant(0.1)),
        (1, Constant(1.0)),
        (np.float32(0.5), Constant(0.5)),
        (0.0, Constant(0.0)),
        ([0.1, 0.1, 0.01], EpochRates((0.1, 0.1, 0.01))),
        ((0.1, 0), EpochRates((0.1, 0.0))),
        (np.array([0.5, 0.25]), EpochRates((0.5, 0.25))),
    ],
)
def test_names_numbers_and_lists_are_schedules(given: Any, schedule: Any) -> None:
    assert LearningRateDecay(given).schedule == schedule
    assert PlateauDecay(schedule=given).schedule == schedule


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("cosin", "Did you mean 'cosine'"),
        ("Cosine Restart", "Did you mean 'cosine-restarts'"),
        ("powerstep", "Did you mean 'power-step'"),
        ("one_cycl", "Did you mean 'one-cycle'"),
        ("zzz", "Received: schedule='zzz'.$"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"schedule must be one of constant, power-step,.*{near}"):
        LearningRateDecay(name)


@pytest.mark.parametrize("given", [[], [0.1, -1], ["0.1"], [0.1, math.nan], -0.1, math.inf, 1e39])
def test_rates_that_are_none_are_named(given: Any) -> None:
    with pytest.raises(ValueError, match=r"must be .*Received: (rates_by_epoch|initial_learning)"):
        LearningRateDecay(given)


@every_engine
def test_a_name_takes_the_optimizers_rate(update: str) -> None:
    expected = 0.5 * (1 + np.cos(np.pi * N / 12)) / 2
    assert moves(LearningRateDecay("cosine", update=update)) == near(expected.tolist())


@every_engine
def test_a_list_has_one_rate_an_epoch_and_the_last_holds(update: str) -> None:
    found = moves(LearningRateDecay([0.25, 0.0, 0.5], update=update), epochs=4)
    assert found == near(np.repeat([0.25, 0.0, 0.5, 0.5], STEPS).tolist())


@every_engine
def test_a_rate_of_zero_trains_nothing(update: str) -> None:
    assert moves(LearningRateDecay(0.0, update=update), epochs=2) == [0.0] * 2 * STEPS
    thawing = sequence([Constant(0.0), Constant(0.5)], [1])
    found = moves(LearningRateDecay(thawing, update=update), epochs=2)
    assert found == near([0.0] * STEPS + [0.5] * STEPS)


@every_engine
@pytest.mark.parametrize("given", ["schedule", "by_step"])
def test_a_keras_schedule_is_followed_step_by_step(update: str, given: str) -> None:
    decay = LearningRateDecay(**{given: WarmUpCosine(0.5, 4, 12)}, update=update)
    assert moves(decay) == near(by_hand(N).tolist())


@every_engine
def test_a_keras_schedule_combines_with_a_warmup(update: str) -> None:
    falling = keras.optimizers.schedules.ExponentialDecay(0.5, 4, 0.5)
    decay = LearningRateDecay(falling, warmup=1, update=update)
    expected = np.where(N < 4, 0.5 * (N + 1) / 4, 0.5 * 0.5 ** ((N - 4) / 4))
    assert moves(decay) == near(expected.tolist())


@every_engine
def test_a_keras_schedule_combines_with_rules(update: str) -> None:
    rules = [Plateau("val_loss", factor=0.1, patience=1)]
    decay = LearningRateDecay(WarmUpCosine(0.5, 4, 12), rules=rules, update=update)
    found = moves(decay, extra=[Scripted(val_loss=[1.0, 1.0, 1.0])])
    scale = np.repeat([1.0, 1.0, 0.1], STEPS)
    assert found == near((by_hand(N) * scale).tolist())


@pytest.mark.parametrize(
    "schedule",
    [
        keras.optimizers.schedules.CosineDecay(0.0, 30, warmup_target=0.5, warmup_steps=10),
        keras.optimizers.schedules.PiecewiseConstantDecay([5, 20], [0.5, 0.25, 0.125]),
        keras.optimizers.schedules.CosineDecayRestarts(0.5, 8),
        keras.optimizers.schedules.PolynomialDecay(0.5, 8, cycle=True),
        WarmUpCosine(0.5, 4, 12),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_many_steps_at_a_time_have_the_rates_of_each_alone(schedule: Any) -> None:
    found = simulate(LearningRateDecay(schedule), epochs=4, steps_per_epoch=10)
    alone = [float(keras.ops.convert_to_numpy(schedule(step))) for step in range(40)]
    np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-7)


class Branching(keras.optimizers.schedules.LearningRateSchedule):
    """One that nothing can trace."""

    def __call__(self, step: Any) -> Any:
        return 0.5 if int(step) < 4 else 0.25


def test_a_keras_schedule_that_cannot_be_traced_is_asked_step_by_step() -> None:
    found = moves(LearningRateDecay(Branching(), update="batch"), epochs=2)
    assert found == near([0.5] * 4 + [0.25] * 4)


class Wrong(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, step: Any) -> Any:
        return keras.ops.where(step < 2, 0.1, self.rate)


@pytest.mark.parametrize("rate", [math.nan, -0.1, math.inf])
def test_a_rate_of_keras_that_is_none_is_named_with_its_step(rate: float) -> None:
    with pytest.raises(ValueError, match="the function's result for step 2 must be"):
        fit(odometer(), [LearningRateDecay(Wrong(rate))], epochs=1)


FUNCTIONS = {
    "falling": (lambda step: 0.5 / (1.0 + step), 0.5 / (1.0 + N)),
    "rising": (lambda step: 0.01 * (step + 1), 0.01 * (N + 1)),
    "square": (lambda step: 0.5 * (step - 6) ** 2 / 36, 0.5 * (N - 6) ** 2 / 36),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("update", ["auto", "batch", "compiled"])
def test_a_function_of_the_step(name: str, update: str) -> None:
    function, expected = FUNCTIONS[name]
    assert moves(LearningRateDecay(by_step=function, update=update)) == near(expected.tolist())


@pytest.mark.parametrize(("update", "held"), [("epoch", 4), ("2 steps", 2)])
def test_a_function_of_the_step_is_sampled_where_the_rate_is_written(
    update: str, held: int
) -> None:
    decay = LearningRateDecay(by_step=lambda step: 0.5 / (1 + step), update=update)
    assert moves(decay) == near((0.5 / (1 + N // held * held)).tolist())


def test_a_function_of_the_step_gets_plain_integers_from_0() -> None:
    asked = []

    def noting(step: int) -> float:
        asked.append(step)
        return 0.1

    fit(odometer(), [LearningRateDecay(by_step=noting)], epochs=2)
    assert sorted(set(asked)) == list(range(2 * STEPS))
    assert {type(step) for step in asked} == {int}


@pytest.mark.skipif(BACKEND == "torch", reason="a table of all rates, computed on the host")
@pytest.mark.parametrize(
    "function",
    [
        lambda step: 0.5 if step < 4 else 0.25,
        lambda step: [0.5, 0.25, 0.1][int(step) // 4],
        lambda step: {0: 0.5}.get(int(step), 0.1),
    ],
)
def test_a_function_without_tensors_is_refused_in_the_compiled_step(function: Any) -> None:
    model = odometer()
    with pytest.raises(ValueError, match=r"with a tensor, and this one failed.*update=\"batch\""):
        fit(model, [LearningRateDecay(by_step=function, update="compiled")], epochs=3)
    assert "_get_current_learning_rate" not in vars(model.optimizer)
    assert len(moves(LearningRateDecay(by_step=function))) == 12


@pytest.mark.parametrize("wrong", [0.1, "cosine", [0.1], Cosine, lambda: 0.1, lambda a, b: 0.1])
def test_what_is_no_function_of_the_step_is_named(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"by_step must be a function f\(step\)"):
        LearningRateDecay(by_step=wrong)


def test_a_schedule_and_a_function_of_the_step_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="schedule must be None where by_step= gives"):
        LearningRateDecay(Cosine(0.1), by_step=lambda step: 0.1)


@pytest.mark.parametrize("result", [None, -1, math.nan, "0.1", True, [0.1, 0.2]], ids=repr)
def test_a_result_that_is_no_rate_is_named_with_its_step(result: Any) -> None:
    decay = LearningRateDecay(by_step=lambda step: result if step == 5 else 0.1)
    with pytest.raises(ValueError, match="the function's result for step 5 must be"):
        fit(odometer(), [decay], epochs=2)


def test_an_error_of_the_function_reaches_the_user() -> None:
    def broken(step: int) -> float:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fit(odometer(), [LearningRateDecay(by_step=broken)], epochs=1)


def test_steps_must_be_known_for_a_function_of_them() -> None:
    with pytest.raises(ValueError, match="needs a known number of steps in an epoch"):
        simulate(ByStep(lambda step: 0.1), epochs=3)


def test_a_part_counts_its_steps_from_its_own_start() -> None:
    schedule = sequence([Constant(0.5), ByStep(lambda step: 0.1 / (1 + step))], [1])
    found = simulate(schedule, epochs=2, steps_per_epoch=3)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5, 0.1, 0.05, 0.1 / 3])
    risen = simulate(warmup(ByStep(lambda step: 0.1), "2 steps"), epochs=1, steps_per_epoch=4)
    np.testing.assert_allclose(risen, [0.05, 0.1, 0.1, 0.1])


def test_as_keras_takes_a_function_of_the_step_that_works_on_tensors() -> None:
    schedule = as_keras(ByStep(lambda step: 0.5 / (1.0 + step)), epochs=3, steps_per_epoch=4)
    assert [float(schedule(step)) for step in range(3)] == near([0.5, 0.25, 0.5 / 3])
    with pytest.raises(ValueError, match="with a tensor, and this one failed"):
        as_keras(ByStep(lambda step: {}[step]), epochs=3, steps_per_epoch=4)


def test_copies_and_configurations_keep_what_was_given() -> None:
    for given in ("cosine", 0.1, [0.1, 0.2], WarmUpCosine(0.5, 4, 12)):
        decay = LearningRateDecay(given)
        for twin in (
            copy.deepcopy(decay),
            pickle.loads(pickle.dumps(decay)),
            LearningRateDecay.from_config(decay.get_config()),
        ):
            assert moves(twin) == near(moves(decay))
    decay = LearningRateDecay(by_step=math.sqrt)
    assert LearningRateDecay.from_config(decay.get_config()).schedule == decay.schedule


def test_no_factor_is_not_told_to_be_a_schedule_of_the_rate() -> None:
    told = r"^CosineDecay: group_factors\['dense'\] must be .* Received: \S+=None\.$"
    with pytest.raises(ValueError, match=told):
        CosineDecay(0.1, group_factors={"dense": None})
