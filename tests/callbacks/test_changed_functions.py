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
from kerasdecay.control.makings import makings
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


def test_a_function_of_the_module_that_it_calls_is_looked_at(
    tmp_path: Path, monkeypatch: Any
) -> None:
    path, model = tmp_path / "state.json", odometer()
    trained(model, path, helped, 2)
    monkeypatch.setitem(globals(), "of_module", lambda epoch: 0.2)
    with warned_once("was written with another function"):
        trained(model, path, helped, 3, first=2)


def test_the_functions_of_a_library_are_not_looked_at() -> None:
    data = makings(lambda epoch: fit(None, None, epoch) if epoch < 0 else 0.5)
    assert "'fit'" in str(data)
    assert len(str(data)) < 1000


def test_a_function_gives_the_same_in_every_process() -> None:
    program = (
        "from kerasdecay.control.makings import makings\n"
        "print(makings(lambda epoch: 0.1 if str(epoch) in {'1', '2', 'a', 'b'} else print))"
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
