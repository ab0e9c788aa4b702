"""Every argument out of its range is a ValueError that names it, before any training."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest

from kerasdecay.schedules import FAMILY, simulate

NO_NUMBER = [math.nan, math.inf, -1, None, "fast", True, 10**400]
NO_DURATION = [0, -1, math.nan, "110%", "3 weeks", None, True, [], 10**400, "1e999 epochs", 0.5]
NO_DURATION += ["1e999 steps", "1.5 steps", Fraction(10**400)]
NO_RATE = [1e-40, 5e-324, 1e39, 1e308]
NO_RISE = [
    (0, 0),
    (0.0, 0.0, 0.0),
    (1e-300, 0.0),
    (10**400, 0),
    (True, 1.0),
    ("1", 0),
    [[1.0, 0.5]],
]

ARGUMENTS = {
    "initial_learning_rate": [0, -0.1, math.nan, math.inf, "0.1", True, [0.1], 10**400, *NO_RATE],
    "final_learning_rate": [*NO_NUMBER, *NO_RATE, 0.2],
    "min_learning_rate": [*NO_NUMBER, *NO_RATE, 0.2],
    "stages": [0, 1.5, -3, None, "3", 10**400, 10**30],
    "remainder": ["first", None],
    "every": NO_DURATION,
    "cycle": NO_DURATION,
    "rise": NO_DURATION,
    "timescale": NO_DURATION,
    "decay": NO_DURATION,
    "hold": NO_DURATION[1:],
    "milestones": [(), 5, "50%", (0,), (1, -1), ("x",), None],
    "factor": [*NO_NUMBER, 0, 1.5],
    "exponent": [*NO_NUMBER, 0],
    "fraction": [*NO_NUMBER, 0, 1.5, "0%", "101%", "half"],
    "decay_rate": [*NO_NUMBER, 0],
    "power": [*NO_NUMBER, 0],
    "growth": [*NO_NUMBER, 0.5],
    "div_factor": [*NO_NUMBER, 0.5],
    "final_div_factor": [*NO_NUMBER, 0.5],
    "curve": ["exp", None, 1],
    "staircase": ["yes", 1, 0, None, 1.0],
    "relative_rates": [
        (),
        (1.0,),
        (1.0, 2.0),
        (-0.1, 1.0),
        (math.nan, 1.0),
        "a",
        None,
        1.0,
        *NO_RISE,
    ],
}

# What means something for one shape alone: a frozen part, restarts that grow, no cycle.
ALLOWED = [
    ("constant", "initial_learning_rate", 0),
    ("cosine-restarts", "factor", 1.5),
    ("cyclic", "every", None),
    ("polynomial", "cycle", None),
]

ROWS = [
    (name, argument, value)
    for name, shape in FAMILY.items()
    for argument in shape.__dataclass_fields__
    for value in ARGUMENTS[argument]
    if not (argument == "initial_learning_rate" and value is None)
    if (name, argument, value) not in ALLOWED
]


@pytest.mark.parametrize(("name", "argument", "value"), ROWS)
def test_named(name: str, argument: str, value: object) -> None:
    given = {"initial_learning_rate": 0.1, argument: value}
    with pytest.raises(ValueError, match=rf"{argument} must be .*Received: {argument}=") as caught:
        FAMILY[name](**given)
    assert str(caught.value).startswith(f"{FAMILY[name].__name__}: ")
    assert "\n" not in str(caught.value)


def test_every_argument_of_every_shape_is_in_the_table() -> None:
    fields = itertools.chain.from_iterable(s.__dataclass_fields__ for s in FAMILY.values())
    assert set(fields) == set(ARGUMENTS)


@pytest.mark.parametrize(("name", "argument", "value"), ALLOWED)
def test_what_is_allowed_for_one_shape_gives_rates(name: str, argument: str, value: object) -> None:
    rates = simulate(FAMILY[name](**{"initial_learning_rate": 0.1, argument: value}), epochs=12)
    assert ((rates >= 0) & (rates < 1)).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"factor": 10}, "factor must be <= 1, or final_learning_rate given"),
        ({"factor": 1.01}, "factor must be <= 1, or final_learning_rate given"),
        ({"factor": 2, "final_learning_rate": 0.05}, "final_learning_rate must be at least init"),
    ],
)
def test_an_exponential_that_rises_needs_its_ceiling(arguments: dict, told: str) -> None:
    with pytest.raises(ValueError, match=f"^Exponential: {told}"):
        FAMILY["exponential"](0.1, **arguments)


@pytest.mark.parametrize(("factor", "initial"), [(2.0, 0.1), (1e30, 0.1), (1.2, 1e30)])
def test_restarts_that_grow_beyond_float32_are_named(factor: float, initial: float) -> None:
    schedule = FAMILY["cosine-restarts"](initial, cycle=1, factor=factor)
    assert simulate(schedule, epochs=2)[-1] == pytest.approx(initial * factor)
    with pytest.raises(ValueError, match="factor must be so small that float32 can hold the rate"):
        simulate(schedule, epochs=300)


@pytest.mark.parametrize("name", ["step", "multi-step"])
def test_steps_that_rise_are_told_what_to_write(name: str) -> None:
    with pytest.raises(ValueError, match=r"factor must be .*a tenth write 0\.1.*sequence of Const"):
        FAMILY[name](0.1, factor=10)


def test_power_step_takes_no_rate_from_1_on() -> None:
    with pytest.raises(ValueError, match=r"initial_learning_rate must be .* < 1.*Step"):
        FAMILY["power-step"](1.0)


@pytest.mark.parametrize("name", ["linear", "power-step"])
def test_a_floor_above_the_optimizers_rate_is_found_when_that_is_known(name: str) -> None:
    argument = "final_learning_rate" if name == "linear" else "min_learning_rate"
    shape = FAMILY[name](**{argument: 0.05})
    with pytest.raises(ValueError, match=f"{argument} must be at most initial_learning_rate"):
        shape.resolve(0.01)


@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("step", {"every": "1%"}, "every must be at least one epoch long"),
        (
            "multi-step",
            {"milestones": ("50%", "0.1 epochs")},
            "milestones must be at least one epoch long",
        ),
        (
            "exponential",
            {"every": "0.2 epochs", "staircase": True},
            "every must be at least one epoch",
        ),
        (
            "inverse-time",
            {"every": "0.2 epochs", "staircase": True},
            "every must be at least one epoch",
        ),
        ("cosine-restarts", {"cycle": 16}, "cycle must be at most the 15 epochs"),
        ("cosine-restarts", {"cycle": "1%"}, "cycle must be at least one epoch"),
        ("cyclic", {"cycle": "1%"}, "cycle must be at least one epoch"),
        ("one-cycle", {"rise": 15}, "rise must be shorter than the horizon"),
        ("one-cycle", {"rise": "100%"}, "rise must be shorter than the horizon"),
        ("one-cycle", {"rise": 20}, "rise must be at most the 15 epochs"),
        ("warmup-stable", {"decay": 16}, "decay must be at most the 15 epochs"),
        ("warmup-stable", {"decay": "1%"}, "decay must be at least one epoch"),
        ("knee", {"hold": 15}, "hold must be shorter than the 15 epochs"),
        ("power-step", {"stages": 16}, "stages must be at most the 15 epochs"),
    ],
)
def test_what_does_not_fit_the_run_is_named(name: str, arguments: dict, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        simulate(FAMILY[name](0.1, **arguments), epochs=15)


@pytest.mark.parametrize("name", ["step", "exponential", "inverse-time", "cyclic", "inverse-sqrt"])
def test_a_stretch_longer_than_the_horizon_is_no_error_where_the_formula_has_a_value(
    name: str,
) -> None:
    argument = {"cyclic": "cycle", "inverse-sqrt": "timescale"}.get(name, "every")
    assert simulate(FAMILY[name](0.1, **{argument: 100}), epochs=3).min() > 0
