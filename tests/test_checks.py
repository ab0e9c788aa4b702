"""Argument checks: which values pass, and what an error says of the others."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from kerasdecay import _checks
from kerasdecay.rules import AdaptiveKnee, Plateau
from kerasdecay.schedules import Cosine, Step

HUGE = [10**400, -(10**400), 10**5000, Fraction(10**400), Fraction(-(10**400), 3), 1e999]


@pytest.mark.parametrize("value", HUGE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "check",
    [
        _checks.number,
        _checks.rate,
        lambda *given: _checks.integer(*given, at_least=0),
        _checks.flag,
        lambda *given: _checks.choice(*given, allowed=("a", "b")),
    ],
)
def test_what_no_float_can_hold_is_a_value_error_that_names_the_argument(
    check: Any, value: Any
) -> None:
    with pytest.raises(ValueError, match=r"^owner: speed must be .*Received: speed=") as caught:
        check("owner", "speed", value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7.0),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (True, None),
        (np.bool_(True), None),
        ("1", None),
        (1j, None),
        (None, None),
        (np.ones(1), None),
    ],
)
def test_real(value: Any, expected: float | None) -> None:
    found = _checks.real(value)
    assert found == expected
    assert type(found) in (float, type(None))


TINY = float(np.finfo(np.float32).tiny)
LARGEST = float(np.finfo(np.float32).max)


@pytest.mark.parametrize("value", [TINY, LARGEST, 0.1, np.float32(0.1), Fraction(1, 10), 1])
def test_a_rate_that_float32_holds_passes(value: Any) -> None:
    found = _checks.rate("owner", "rate", value)
    assert found == float(value)
    assert 0 < np.float32(found) < np.inf


@pytest.mark.parametrize("value", [TINY / 2, 1e-45, 5e-324, 1e39, 2 * LARGEST, 1e308])
def test_a_rate_that_float32_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"rate must be between 1.2e-38 and 3.4e38.*rate="):
        _checks.rate("owner", "rate", value)
    with pytest.raises(ValueError, match=r"rate must be 0 or between 1.2e-38"):
        _checks.rate("owner", "rate", value, zero=True)


@pytest.mark.parametrize("value", [0, -0.1, math.nan, math.inf, "0.1", None, True])
def test_what_is_no_rate_at_all_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="rate must be a finite number > 0"):
        _checks.rate("owner", "rate", value)


def test_zero_is_a_rate_where_that_is_said() -> None:
    assert _checks.rate("owner", "rate", 0, zero=True) == 0.0
    with pytest.raises(ValueError, match="rate must be a finite number >= 0"):
        _checks.rate("owner", "rate", -1, zero=True)


@pytest.mark.parametrize("value", [10**30, 2**53 + 2, 1e300])
def test_an_integer_has_an_upper_limit_that_the_error_states(value: Any) -> None:
    with pytest.raises(ValueError, match="count must be an integer >= 1 and <= 9007199254740992"):
        _checks.integer("owner", "count", value, at_least=1)
    assert _checks.integer("owner", "count", 2**53, at_least=1) == 2**53


@pytest.mark.parametrize("value", [True, False, np.bool_(True), np.bool_(False)])
def test_flags(value: Any) -> None:
    found = _checks.flag("owner", "on", value)
    assert found is bool(value)


@pytest.mark.parametrize("value", [0, 1, "yes", "", None, 1.0, np.int64(1), np.array(True), []])
def test_what_is_no_flag(value: Any) -> None:
    with pytest.raises(ValueError, match=r"on must be True or False\. Received: on="):
        _checks.flag("owner", "on", value)


@pytest.mark.parametrize(("value", "level"), [(True, 1), (False, 0), (0, 0), (2, 2), (1.0, 1)])
def test_verbose(value: Any, level: int) -> None:
    found = _checks.verbose("owner", value)
    assert (found, type(found)) == (level, int)


@pytest.mark.parametrize("value", ["auto", -1, 1.5, None, [1]])
def test_what_is_no_level_of_verbosity(value: Any) -> None:
    with pytest.raises(ValueError, match="owner: verbose must be an integer >= 0"):
        _checks.verbose("owner", value)


def test_an_error_is_one_short_line_whatever_was_received() -> None:
    for received in (np.arange(10_000).reshape(100, 100), "a\nb", "x" * 5000, 10**5000):
        message = str(_checks.invalid("owner", "it", "else", received, "Change it."))
        assert "\n" not in message
        assert len(message) < 300
        assert message.endswith(". Change it.")


@dataclasses.dataclass(frozen=True)
class Parent(_checks.Checked):
    speed: float = _checks.field(1.0, _checks.number, above=0)
    limit: float | None = _checks.field(None, _checks.number, optional=True, at_most=9)
    name: str = "free"


@dataclasses.dataclass(frozen=True)
class Child(Parent):
    speed: float = _checks.field(2.0, _checks.number, above=1)
    tags: tuple[str, ...] = _checks.field(list, _checks.items, what="a sequence")

    @classmethod
    def owner(cls) -> str:
        return "kid"


def test_fields_are_checked_and_what_their_checks_return_is_stored() -> None:
    parent = Parent(3)
    assert (parent.speed, type(parent.speed)) == (3.0, float)
    assert parent == Parent(3.0, None, "free")
    assert Child() == Child(2.0, None, "free", ())
    assert Child(tags=["a"]).tags == ("a",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parent(0), r"^Parent: speed must be a finite number > 0\. Received: speed=0\.$"),
        (lambda: Parent(1, 10), r"^Parent: limit must be a finite number <= 9\."),
        (lambda: Child(1), r"^kid: speed must be a finite number > 1\."),
        (lambda: Child(tags="ab"), r"^kid: tags must be a sequence\."),
        (lambda: dataclasses.replace(Parent(2), speed=None), "^Parent: speed must be"),
    ],
)
def test_a_field_out_of_its_range_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Plateau(factor="50%"), r"Received: factor='50%'\. Did you mean 0\.5\?"),
        (lambda: Step(0.1, every=3, factor="50%"), r"Did you mean 0\.5\?"),
        (lambda: Plateau(factor="150%"), r"'150%'\. For a tenth write 0\.1\. How .* patience=…\.$"),
        (lambda: Plateau(mode="maximize"), r"Received: mode='maximize'\. Did you mean 'max'\?$"),
        (lambda: Plateau(patience="3"), r"Did you mean 3\?"),
        (lambda: Cosine("0.1"), r"Did you mean 0\.1\?"),
        (lambda: Cosine(0.1, "1%"), r"final_learning_rate must be a rate, and no share of another"),
        (lambda: AdaptiveKnee(min_hold="0.5"), r"Did you mean '50%'\?"),
    ],
)
def test_a_number_written_as_text_or_in_percent_gets_the_number_in_the_message(
    make: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("cos", "cosine"), ("linaer", "linear"), ("sqrt", "1-sqrt"), ("cosine-annealing", "cosine")],
)
def test_a_word_that_is_near_a_choice_is_guessed(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        _checks.choice("owner", "curve", written, allowed=("linear", "cosine", "1-sqrt"))


def test_a_word_that_is_near_no_choice_is_answered_with_all_of_them() -> None:
    with pytest.raises(ValueError, match=r"'linear', 'cosine'\. Received: curve='step'\.$"):
        _checks.choice("owner", "curve", "step", allowed=("linear", "cosine"))


def test_a_class_in_the_place_of_an_instance_is_answered_with_how_to_write_it() -> None:
    with pytest.raises(ValueError, match=r"Received: path=PurePath\. Write PurePath\(…\)\.$"):
        _checks.instance("owner", "path", pathlib.PurePath, pathlib.PurePath, "a path")
