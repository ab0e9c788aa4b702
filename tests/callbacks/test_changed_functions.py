"""A user's function that is another one where the state file goes on is told, and not called."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import fit, near, no_warning, odometer, warned_once

from kerasdecay import LearningRateDecay
from kerasdecay.control.fingerprint import fingerprint
from kerasdecay.rules import Plateau

pytestmark = pytest.mark.any_backend

BASE = 0.5


def of_module(epoch: int) -> float:
    return BASE / (epoch + 1)


def helped(epoch: int) -> float:
    return of_module(epoch)


def enclosed(base: float, power: Any = None) -> Any:
    raised = power or (lambda number: number)
    return lambda epoch: base / raised(epoch + 1)


def of_both(factor: float) -> Any:
    return lambda epoch, rate: rate * factor


def default(epoch: int, base: float = 0.5) -> float:
    return base / (epoch + 1)


class Held:
    """A function with a number and a count of its calls."""

    def __init__(self, base: float) -> None:
        self.base, self.calls = base, 0

    def __call__(self, epoch: int) -> float:
        self.calls += 1
        return self.base / (epoch + 1)

    def method(self, epoch: int) -> float:
        self.calls += 1
        return self.base / (epoch + 2)


class Heir(Held):
    """Inherits what is called."""


class Half(Held):
    power = 1

    @property
    def divisor(self) -> float:
        return self.base * 4

    def __call__(self, epoch: int) -> float:
        self.grow()
        return self.method(epoch) / self.divisor**self.power / (self.calls or 1)

    def grow(self) -> None:
        self.calls += 1


class Unsettled(keras.optimizers.schedules.LearningRateSchedule):
    """Trains without a configuration, which Keras' base class refuses to give."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, step: Any) -> Any:
        return self.base / (keras.ops.cast(step, "float32") + 1)


COUNT = 0


def count() -> None:
    global COUNT
    COUNT += 1


def counted_by_module(epoch: int) -> float:
    count()
    return 0.5 / COUNT


def documented_as(text: str) -> Any:
    def documented(epoch: int) -> float:
        return 0.5 / (epoch + 1)

    def other(epoch: int) -> float:
        """Halve."""
        return 0.5 / (epoch + 1)

    def another(epoch: int) -> float:
        """Divide."""
        return 0.5 / (epoch + 1)

    return {"": documented, "Halve.": other, "Divide.": another}[text]


def by_name(base: float) -> Any:
    def named(epoch: int, *, base: float = base) -> float:
        return base / (epoch + 1)

    return named


def counting() -> Any:
    calls = 0

    def counted(epoch: int) -> float:
        nonlocal calls
        calls += 1
        return 0.5 / calls

    return counted


def trained(model: Any, path: Path, function: Any, epochs: int, first: int = 0) -> Any:
    decay = LearningRateDecay(function, rules=[Plateau("loss", min_delta=0.0)], state_path=path)
    return fit(model, [decay], epochs, initial_epoch=first)["learning_rate"]


CHANGED = {
    "its code": (lambda epoch: 0.5 / (epoch + 1), lambda epoch: 0.5 / (epoch + 2)),
    "a number in it": (lambda epoch: 0.5 / (epoch + 1), lambda epoch: 0.4 / (epoch + 1)),
    "what is around it": (enclosed(0.5), enclosed(0.4)),
    "a function within it": (enclosed(0.5), enclosed(0.5, lambda number: number**2)),
    "a function of both": (of_both(0.5), of_both(0.25)),
    "a partial one": (functools.partial(default, base=0.5), functools.partial(default, base=0.4)),
    "an object": (Held(0.5), Held(0.4)),
    "a method": (Held(0.5).method, Held(0.4).method),
    "an inherited call": (Heir(0.5), Heir(0.4)),
    "what its object holds for a method": (Half(0.5), Half(0.4)),
    "a default that has a name alone": (by_name(0.5), by_name(0.4)),
    "a partial of a method": (
        functools.partial(Held(0.5).method),
        functools.partial(Held(0.4).method),
    ),
    "a schedule without a configuration": (Unsettled(0.5), Unsettled(0.4)),
    "a schedule of Keras": (
        keras.optimizers.schedules.ExponentialDecay(0.5, 4, 0.5),
        keras.optimizers.schedules.ExponentialDecay(0.4, 4, 0.5),
    ),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_a_changed_function_is_told_once_and_holds(kind: str, tmp_path: Path) -> None:
    path, model, (before, after) = tmp_path / "state.json", odometer(), CHANGED[kind]
    trained(model, path, before, 2)
    with warned_once("was written with another function", "From epoch 3 on"):
        trained(model, path, after, 3, first=2)
    with no_warning():
        trained(model, path, after, 4, first=3)


def test_a_changed_number_of_the_module_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    path, model = tmp_path / "state.json", odometer()
    trained(model, path, of_module, 2)
    monkeypatch.setitem(globals(), "BASE", 0.4)
    with warned_once("was written with another function"):
        assert trained(model, path, of_module, 3, first=2) == near([0.4 / 3])


def test_so_is_one_that_a_function_within_it_takes(monkeypatch: Any) -> None:
    def nested(epoch: int) -> float:
        return sorted([0.5, 0.4], key=lambda one: abs(one - BASE))[0] / (epoch + 1)

    before = fingerprint(nested)
    monkeypatch.setitem(globals(), "BASE", 0.4)
    assert fingerprint(nested) != before


def test_so_is_one_of_its_class(monkeypatch: Any) -> None:
    before = fingerprint(Half(0.5))
    monkeypatch.setattr(Half, "power", 2)
    assert fingerprint(Half(0.5)) != before


def test_so_is_one_of_a_partial_that_it_calls() -> None:
    calling = [enclosed(0.5, functools.partial(default, base=base)) for base in (0.5, 0.4)]
    assert fingerprint(calling[0]) != fingerprint(calling[1])


def test_a_docstring_is_no_code() -> None:
    assert fingerprint(documented_as("Halve.")) == fingerprint(documented_as("Divide."))


@pytest.mark.parametrize("function", [counted_by_module, Half(0.5), Held(0.5).method, counting()])
def test_what_calls_have_counted_is_not_told(function: Any) -> None:
    before = fingerprint(function)
    function(1)
    assert fingerprint(function) == before


def test_a_function_of_the_module_that_it_calls_is_looked_at(
    tmp_path: Path, monkeypatch: Any
) -> None:
    path, model = tmp_path / "state.json", odometer()
    trained(model, path, helped, 2)
    monkeypatch.setitem(globals(), "of_module", lambda epoch: 0.2)
    with warned_once("was written with another function"):
        trained(model, path, helped, 3, first=2)


def test_the_functions_of_a_library_are_not_looked_at() -> None:
    data = fingerprint(lambda epoch: fit(None, None, epoch) if epoch < 0 else 0.5)
    assert "'fit'" in str(data)
    assert len(str(data)) < 1000


def test_a_function_gives_the_same_in_every_process() -> None:
    program = (
        "from kerasdecay.control.fingerprint import fingerprint\n"
        "print(fingerprint(lambda epoch: 0.1 if str(epoch) in {'1', '2', 'a', 'b'} else print))"
    )
    told = set()
    for seed in "123":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        told.add(ran.stdout)
    assert len(told) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda epoch: 0.5 / (epoch + 1),
        lambda: of_module,
        lambda: helped,
        lambda: enclosed(0.5),
        lambda: Held(0.5),
        lambda: counting(),
        lambda: lambda epoch: random.uniform(0.4, 0.5) / (epoch + 1),
        lambda: functools.partial(default, base=0.5),
        lambda: Held(0.5).method,
        lambda: Heir(0.5),
        lambda: Half(0.5),
        lambda: Unsettled(0.5),
        lambda: functools.partial(Held(0.5).method),
    ],
)
@pytest.mark.parametrize("same", [False, True])
def test_the_same_function_is_not_told(make: Any, same: bool, tmp_path: Path) -> None:
    path, function, model = tmp_path / "state.json", make(), odometer()
    trained(model, path, function, 2)
    with no_warning():
        trained(model, path, function if same else make(), 3, first=2)


def test_a_file_from_before_functions_were_told_is_gone_on_with(tmp_path: Path) -> None:
    path, model = tmp_path / "state.json", odometer()
    trained(model, path, of_module, 2)
    header, rest = path.read_text().split("\n", 1)
    path.write_text(header[: header.index(', "functions"')] + "}\n" + rest)
    with no_warning():
        trained(model, path, of_module, 3, first=2)
