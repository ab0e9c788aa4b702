"""Configurations: which class a name in them stands for."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from kerasdecay import rules, schedules
from kerasdecay._config import from_config
from kerasdecay.schedules import Constant, Shape, scaled, warmup


def users_class(module: str, name: str, base: type = Shape, **fields: Any) -> Any:
    """Return a class as a user's module, or a cell of a notebook, would define it."""
    body = {
        "__module__": module,
        "__annotations__": {key: type(value) for key, value in fields.items()},
        "learning_rate": lambda self, now: self.initial + 0.0 * now.progress,
        **fields,
    }
    return dataclasses.dataclass(frozen=True)(type(name, (base,), body))


def round_trip(part: Any) -> Any:
    return from_config(json.loads(json.dumps(part.get_config())))


BUILT_IN = [*schedules.FAMILY.values(), schedules.Warmup, schedules.Scaled, schedules.Cooldown]
BUILT_IN += list(rules.FAMILY.values())


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.__name__)
def test_a_users_class_does_not_replace_the_built_in_one_of_its_name(kind: type) -> None:
    users = users_class("their_module", kind.__name__)
    assert round_trip(users(0.1)) == users(0.1)
    assert type(round_trip(users(0.1))) is users
    arguments = {
        schedules.Warmup: (Constant(0.1), 1),
        schedules.Scaled: (Constant(0.1), 2),
        schedules.Cooldown: (Constant(0.1), 1),
    }.get(kind, ())
    built_in = kind(*arguments)
    assert built_in.get_config()["class_name"] == kind.__name__
    assert type(round_trip(built_in)) is kind


def test_classes_of_one_name_in_two_modules_are_two() -> None:
    one = users_class("one_module", "Mine", slope=1.0)
    other = users_class("other_module", "Mine", bend=2.0)
    assert one(0.1, slope=3.0).get_config()["class_name"] == "one_module:Mine"
    assert type(round_trip(one(0.1, slope=3.0))) is one
    assert type(round_trip(other(0.1, bend=3.0))) is other
    inside = warmup(scaled(one(0.1), 2.0), 1)
    assert type(round_trip(inside).schedule.schedule) is one


def test_a_class_that_is_defined_again_replaces_itself() -> None:
    before = users_class("__main__", "Again", slope=1.0)
    config = before(0.1).get_config()
    after = users_class("__main__", "Again", slope=1.0)
    assert type(from_config(config)) is after


def test_what_is_no_known_class_is_named_with_what_to_do() -> None:
    for name in ("their_module:Gone", "NoSuchShape", 5, ["Cosine"], None):
        with pytest.raises(ValueError, match=r"class_name must be one of .*Import the module"):
            from_config({"class_name": name})


@pytest.mark.parametrize("name", ["Cosine", "Warmup", "Plateau"])
def test_a_field_that_the_class_does_not_have_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=rf"fields of {name} must be among .*Received: speed"):
        from_config({"class_name": name, "speed": 1})


@pytest.mark.parametrize("given", [5, "Cosine", None, [], {"initial_learning_rate": 0.1}])
def test_what_is_no_configuration_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="config must describe a Schedule"):
        schedules.Schedule.from_config(given)
