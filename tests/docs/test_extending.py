"""Parts of a user's own, defined here, do in a training what the package's parts do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
from tiny import STEPS, Kill, fit, fit_until_killed, near, new_odometer, no_warning, travelled

from kerasdecay import LearningRateDecay, LinearDecay, simulate
from kerasdecay.callbacks import register_measurement
from kerasdecay.rules import Observation, Rule, RuleState
from kerasdecay.schedules import Moment, Shape

pytestmark = pytest.mark.any_backend


@dataclasses.dataclass(frozen=True)
class Parabola(Shape):
    """η₀ (1 − z²)."""

    def learning_rate(self, now: Moment) -> Any:
        return self.initial * (1 - now.progress**2)


@dataclasses.dataclass(frozen=True)
class SeenState(RuleState):
    seen: int = 0


@dataclasses.dataclass(frozen=True)
class HalveEvery(Rule[SeenState]):
    """Halve the rate after every so many epochs."""

    state_class: ClassVar[type[RuleState]] = SeenState

    epochs: int = 2
    watch: str = "loss"

    @property
    def watched(self) -> str:
        return self.watch

    @property
    def measurement(self) -> str | None:
        return None if self.watch == "loss" else self.watch

    def advance(self, state: SeenState, observation: Observation) -> SeenState:
        if observation.value(self.watch) is None:
            return state.unmeasured(self.watch)
        seen = state.seen + 1
        state = dataclasses.replace(state, seen=seen % self.epochs)
        if seen < self.epochs:
            return state.deciding("wait", f"{seen} of {self.epochs} epochs")
        state = dataclasses.replace(state, scale=state.scale / 2)
        return state.deciding("reduce", f"{seen} epochs", "rate × 0.5")


class HouseDecay(LinearDecay):
    """Fills in arguments, and counts the epochs."""

    def __init__(self, initial_learning_rate: float | None = 0.3, **options: Any) -> None:
        super().__init__(initial_learning_rate, **{"warmup": 1, **options})
        self.counted = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        self.counted += 1


register_measurement("distance", travelled)

# The part in a callback, and the rates of four epochs, from an optimizer at 0.5, by hand.
PARTS = {
    "a shape": (
        lambda **given: LearningRateDecay(Parabola(0.4), **given),
        [0.4, 0.4 * 15 / 16, 0.4 * 12 / 16, 0.4 * 7 / 16],
    ),
    "a shape without a rate": (
        lambda **given: LearningRateDecay(Parabola(), **given),
        [0.5, 0.5 * 15 / 16, 0.5 * 12 / 16, 0.5 * 7 / 16],
    ),
    "a rule": (
        lambda **given: LearningRateDecay(Parabola(0.4), rules=HalveEvery(2), **given),
        [0.4, 0.4 * 15 / 16, 0.4 * 12 / 32, 0.4 * 7 / 32],
    ),
    "a rule that measures": (
        lambda **given: LearningRateDecay(Parabola(0.4), rules=HalveEvery(1, "distance"), **given),
        [0.4, 0.4 * 15 / 32, 0.4 * 12 / 64, 0.4 * 7 / 128],
    ),
    "a callback": (HouseDecay, [0.3, 0.3, 0.2, 0.1]),
    "a callback with a rule": (
        lambda **given: HouseDecay(0.6, rules=HalveEvery(2), **given),
        [0.6, 0.6, 0.4, 0.1],  # the rules rest in the warmup
    ),
}


@pytest.fixture(params=PARTS)
def part(request):
    make, rates = PARTS[request.param]
    return lambda **given: make(update="epoch", **given), rates


def test_its_rates_train_the_model_and_stand_in_the_logs(part):
    make, rates = part
    model, decay = new_odometer(), make()
    with no_warning():
        history = fit(model, decay, 4)
    assert history["learning_rate"] == near(rates)
    assert travelled(model) == near(STEPS * sum(rates))


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda decay: pickle.loads(pickle.dumps(decay)),
        lambda decay: type(decay).from_config(decay.get_config()),
    ],
    ids=["deep copy", "pickle", "configuration"],
)
@pytest.mark.parametrize("name", ["a shape", "a callback", "a rule"])
def test_a_copy_gives_the_same_rates(name, copied):
    make, rates = PARTS[name]
    decay = make(epochs=4, update="epoch")
    assert fit(new_odometer(), copied(decay), 4)["learning_rate"] == near(rates)


def test_a_training_that_was_killed_goes_on(part, tmp_path):
    make, rates = part
    path = tmp_path / "state"
    fit_until_killed(model := new_odometer(), [make(epochs=4, state_path=path), Kill(2)], 4)
    again = new_odometer(float(model.optimizer.learning_rate))
    history = fit(again, make(epochs=4, state_path=path), 4, initial_epoch=3)
    assert history["learning_rate"] == near(rates[3:])


@pytest.mark.parametrize("epochs", [1, 3, 7])
def test_the_compiled_step_computes_a_shape(epochs):
    expected = 0.4 * (1 - (np.arange(epochs * STEPS) / (epochs * STEPS)) ** 2)
    assert simulate(Parabola(0.4), epochs=epochs, steps_per_epoch=STEPS) == near(expected)
    model = new_odometer()
    fit(model, LearningRateDecay(Parabola(0.4), update="compiled"), epochs)
    assert travelled(model) == near(expected.sum())


def test_a_hook_of_a_callback_runs_beside_the_decay():
    decay = HouseDecay()
    fit(new_odometer(), decay, 3)
    assert decay.counted == 3
