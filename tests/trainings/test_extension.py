"""What users add: measurements, rules, targets and callbacks of their own."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from tiny import BATCH, STEPS, Scripted, X, Y, fit, near, new_odometer, no_warning, travelled

from kerasdecay import CosineDecay, LearningRateDecay, LinearDecay, PlateauDecay, StepDecay, steer
from kerasdecay.callbacks import RateTarget, register_measurement, register_target
from kerasdecay.rules import Observation, Rule, RuleState
from kerasdecay.schedules import Constant, Linear
from kerasdecay.training import find, probes

pytestmark = pytest.mark.any_backend


@pytest.fixture(autouse=True)
def registries(monkeypatch: Any) -> None:
    """What is registered in a test is forgotten after it."""
    monkeypatch.setattr(probes, "_MEASUREMENTS", dict(probes._MEASUREMENTS))
    monkeypatch.setattr(find, "_KINDS", list(find._KINDS))


# ------------------------------------------------------------------------ measurements and rules


@dataclasses.dataclass(frozen=True)
class Above(Rule[RuleState]):
    """Halves the rate whenever a measurement is above a limit."""

    name: str = "distance"
    limit: float = 3.0

    @property
    def watched(self) -> str:
        return self.name

    @property
    def measurement(self) -> str:
        return self.name

    def advance(self, state: RuleState, observation: Observation) -> RuleState:
        value = observation.value(self.name)
        if value is None or value <= self.limit:
            return state.deciding("wait", f"{self.name} {value} is small")
        state = dataclasses.replace(state, scale=state.scale / 2)
        return state.deciding("reduce", f"{self.name} {value:g} is too large", "rate / 2")


MEASURED: dict[str, Any] = {
    "distance": lambda model: float(model.get_weights()[0].sum()),
    "a NumPy number": lambda model: np.float64(model.get_weights()[0].sum()),
    "an array of one element": lambda model: model.get_weights()[0],
}


@pytest.mark.parametrize("name", MEASURED)
def test_a_rule_of_ones_own_with_a_measurement_of_ones_own(name: str) -> None:
    register_measurement(name, MEASURED[name])
    decay = LearningRateDecay(Constant(0.5), rules=[Above(name)])
    with no_warning():
        history = fit(new_odometer(), [decay], epochs=4)
    # 2, then 4: halved; then 5 and 5.5, halved each time.
    assert history["learning_rate"] == near([0.5, 0.5, 0.25, 0.125])
    assert np.ravel(history[name]).tolist() == near([2.0, 4.0, 5.0, 5.5])


@pytest.mark.parametrize("name", ["distnce", "gradient_norm", ""])
def test_an_unknown_measurement_is_named_before_the_first_step(name: str) -> None:
    decay = LearningRateDecay(Constant(0.5), rules=[Above(name)])
    model = new_odometer()
    with pytest.raises(ValueError, match=r"measurement of Above must be one of .*'weight_norm'"):
        fit(model, [decay], epochs=2)
    assert travelled(model) == 0


@pytest.mark.parametrize(("name", "function"), [("", abs), (3, abs), ("x", None), ("x", "f")])
def test_what_is_no_measurement_is_refused(name: Any, function: Any) -> None:
    with pytest.raises(ValueError, match="register_measurement: "):
        register_measurement(name, function)


def test_a_rule_of_ones_own_survives_a_restart(tmp_path: Any) -> None:
    register_measurement("distance", MEASURED["distance"])

    def decay() -> Any:
        return LearningRateDecay(Constant(), rules=[Above()], state_path=tmp_path / "state")

    model = new_odometer()
    fit(model, [decay()], epochs=3)
    with no_warning():
        rates = fit(model, [decay()], epochs=4, initial_epoch=3)["learning_rate"]
    assert rates == near([0.125])


# ---------------------------------------------------------------------------------------- targets


class Foreign:
    """An optimizer that is not Keras', with a rate in a place of its own."""

    def __init__(self, rate: float) -> None:
        self.settings = {"rate": rate}
        self.used: list[float] = []


class ForeignRate(RateTarget):
    def read(self) -> float:
        return self.optimizer.settings["rate"]

    def write(self, rate: float) -> None:
        self.optimizer.settings["rate"] = rate

    def check(self) -> None:
        pass

    def same(self, one: float, other: float) -> bool:
        return one == other

    def held(self, rate: float) -> float:
        return rate

    def steps(self) -> int | None:
        return None


class Driven(keras.callbacks.Callback):
    """Uses the foreign optimizer's rate in every batch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        foreign = self.model.foreign
        foreign.used.append(foreign.settings["rate"])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(0.4), [0.4 * (1 - n / 8) for n in range(8)]),
        (Constant(), [0.7] * 8),
        (lambda epoch: 0.1 / (epoch + 1), [0.1] * 4 + [0.05] * 4),
    ],
)
def test_a_target_of_ones_own(schedule: Any, expected: list[float]) -> None:
    register_target(Foreign, ForeignRate)
    model = new_odometer()
    model.foreign = Foreign(0.7)
    decay = LearningRateDecay(optimizers={"foreign": schedule})
    history = fit(model, [decay, Driven()], epochs=2)
    assert model.foreign.used == pytest.approx(expected)
    assert history["learning_rate_foreign"] == pytest.approx([expected[3], expected[7]])
    assert travelled(model) == near(8 * 0.5)


def batches(count: int) -> Iterator[Any]:
    for _ in range(count):
        yield X[:BATCH], Y[:BATCH]


@pytest.mark.parametrize("epochs", [1, 2])
def test_data_that_run_out_need_no_batch_begun_though_no_step_is_counted(epochs: int) -> None:
    register_target(Foreign, ForeignRate)
    model = new_odometer()
    model.foreign = Foreign(0.7)
    fitting = {"x": batches(epochs * STEPS), "steps_per_epoch": STEPS}
    decay = LearningRateDecay(optimizers={"foreign": Linear(0.4)})
    history = fit(model, [decay], epochs=epochs + 1, **fitting)
    assert len(history["learning_rate_foreign"]) == epochs


def test_beside_a_named_optimizer_of_torch_no_weights_are_put_back() -> None:
    torch = pytest.importorskip("torch")
    register_target(torch.optim.Optimizer, RateTarget)
    model = new_odometer()
    model.foreign = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    decay = LearningRateDecay(optimizers={"foreign": Linear(0.4)}, average_last=1)
    with pytest.raises(ValueError, match="optimizer of torch give the rate as a number"):
        steer(model, decay, epochs=2, steps_per_epoch=STEPS)


# --------------------------------------------------------------------------- classes of ones own


class WithOptions(CosineDecay):
    """Hands everything on."""

    def __init__(self, peak: float = 0.4, **options: Any) -> None:
        super().__init__(peak, **options)


class WithArguments(PlateauDecay):
    """Hands everything on, whatever it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class Fixed(StepDecay):
    """Takes nothing."""

    def __init__(self) -> None:
        super().__init__(0.4, every=1, factor=0.5)


class Plain(LinearDecay):
    """Has no arguments of its own."""


class Deeper(WithOptions):
    """Is a subclass of a subclass, with a default of its own."""

    def __init__(self, peak: float = 0.2, *, note: str = "", **options: Any) -> None:
        super().__init__(peak, **options)
        self.note = note


SUBCLASSES: dict[str, Any] = {
    "**options": lambda: WithOptions(0.3, warmup=1, update="epoch"),
    "**options, nothing given": lambda: WithOptions(),
    "*args and **kwargs": lambda: WithArguments("m", 0.5, patience=1, mode="min", cooldown=1),
    "no arguments": lambda: Fixed(),
    "no __init__": lambda: Plain(0.3, final_learning_rate=0.1),
    "deeper": lambda: Deeper(note="mine", epochs=8),
}
TWINS = {
    "itself": lambda decay: decay,
    "deep copy": copy.deepcopy,
    "pickle": lambda decay: pickle.loads(pickle.dumps(decay)),
    "configuration": lambda decay: type(decay).from_config(decay.get_config()),
}


def trained(decay: Any) -> tuple[list[float], float]:
    model = new_odometer()
    history = fit(model, [Scripted(m=[1.0] * 4), decay], epochs=4)
    return history["learning_rate"], travelled(model)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("kind", SUBCLASSES)
def test_a_subclass_trains_and_so_does_each_copy_of_it(kind: str, twin: str) -> None:
    decay = TWINS[twin](SUBCLASSES[kind]())
    assert type(decay) is type(SUBCLASSES[kind]())
    assert trained(decay) == trained(SUBCLASSES[kind]())
    assert repr(decay).startswith(type(decay).__name__)


def test_a_copy_made_in_mid_training_trains_alike() -> None:
    class Copied(keras.callbacks.Callback):
        twin: Any = None

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 2 and self.twin is None:
                self.twin = copy.deepcopy(decay)

    for make in (lambda: LinearDecay(0.4), lambda: LinearDecay(0.4, update="compiled")):
        decay, copied = make(), Copied()
        expected = travelled_by([decay, copied])
        assert travelled_by([copied.twin]) == near(expected)


def travelled_by(callbacks: list[Any]) -> float:
    model = new_odometer()
    fit(model, callbacks, epochs=2)
    return travelled(model)


class Announcing(LinearDecay):
    """Has hooks of its own, which hand on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.heard.append("begin")
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_end(epoch, logs)
        self.heard.append(f"{logs['learning_rate']:.2f}")

    def on_train_end(self, logs: Any = None) -> None:
        super().on_train_end(logs)
        self.heard.append("end")


def test_hooks_may_be_extended() -> None:
    decay = Announcing(0.4)
    fit(new_odometer(), [decay], epochs=2)
    assert decay.heard == ["begin", "0.25", "0.05", "end"]


@pytest.mark.parametrize("wrong", ["decay_steps", "intial_learning_rate", "t_max"])
@pytest.mark.parametrize("kind", [WithOptions, WithArguments, Plain])
def test_an_unknown_argument_of_a_subclass_is_named(kind: Any, wrong: str) -> None:
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{wrong}'"):
        kind(**{wrong: 5})
