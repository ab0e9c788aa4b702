"""What a rule remembers, and its last decision with the reason."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any, Self

from kerasdecay import _checks


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a rule decided, and why.

    Args:
        kind: `"reduce"` or `"raise"` (the scale changes), `"cooldown_start"` (the way down begins),
            `"descent"` (it goes on), `"improve"`, `"armed"` (the next bounce reduces), `"wait"`,
            `"well"` (nothing has collapsed), `"cooldown"`, `"floor"`, `"absent"` (nothing to
            observe), `"nonfinite"` (a NaN or an infinity was observed), `"rescue"` (everything is
            put back and the scale lowered) or `"rescue_failed"`.
        seen: What was observed, in words.
        done: What follows from it, in words; empty for nothing.
        restore_best: Whether the weights of the best epoch are to be put back.
        stop: Whether the training is to end.
        put_back: Which state of the training is put back at once: `"good"`, the last good one,
            or `"first"`; empty for none.
    """

    kind: str
    seen: str
    done: str = ""
    restore_best: bool = False
    stop: bool = False
    put_back: str = ""

    @property
    def reason(self) -> str:
        """One line in words: what was observed, and what follows from it."""
        return f"{self.seen}: {self.done}" if self.done else self.seen

    @property
    def is_event(self) -> bool:
        """Whether something changes, or something is wrong: the opposite of "not yet"."""
        return self.changes_rate or self.kind == "nonfinite" or self.restore_best or self.stop

    @property
    def changes_rate(self) -> bool:
        """Whether the rate differs from now on."""
        return self.kind in ("reduce", "raise", "cooldown_start", "rescue")


NOT_YET = Decision("wait", "nothing observed yet")


@dataclasses.dataclass(frozen=True)
class RuleState:
    """What a rule remembers: plain numbers, so that it goes into a JSON file and back.

    Subclasses add fields with annotations such as `int` (a count, never negative), `float | None`,
    `bool` and `tuple[float, ...]`, by which `Rule.state_from_data` checks them.

    Args:
        scale: The factor of the schedule's rate.
        decision: The last decision; it is not saved.
        cooldown_from: The epoch with which the way down begins; None before that is decided.
        cooldown_to: The epoch before which it ends; None: it ends at the horizon.
        window_sum: With `every`, the sum of the batches' losses since the last observation; None
            once one of them was not finite.
        window_batches: Their number.
    """

    scale: float = _checks.field(1.0, _checks.number, above=0)
    decision: Decision = NOT_YET
    cooldown_from: int | None = None
    cooldown_to: int | None = None
    window_sum: float | None = 0.0
    window_batches: int = 0

    def gathering(self, loss: float, batches: int) -> Self:
        """Return this state with the mean loss of some more batches in its window."""
        total = math.nan if self.window_sum is None else self.window_sum + loss * batches
        return dataclasses.replace(
            self,
            window_sum=total if math.isfinite(total) else None,
            window_batches=self.window_batches + batches,
        )

    def deciding(
        self,
        kind: str,
        seen: str,
        done: str = "",
        *,
        restore_best: bool = False,
        stop: bool = False,
        put_back: str = "",
    ) -> Self:
        """Return this state with a decision; see `Decision`."""
        decision = Decision(kind, seen, done, restore_best, stop, put_back)
        return dataclasses.replace(self, decision=decision)

    def unmeasured(self, name: str) -> Self:
        """Return this state after an epoch without the value that the rule watches."""
        return self.deciding("absent", f"{name} was not measured: does not count")

    def to_data(self) -> dict[str, Any]:
        """Return what must survive a restart as plain JSON data."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del values["decision"]
        return {
            name: value.to_data() if isinstance(value, RuleState) else value
            for name, value in values.items()
        }


def fields_from_data(
    owner: str, kind: type[RuleState], expected: Mapping[str, Any], data: Any
) -> dict[str, Any]:
    """Return the values of a state's fields from `to_data`'s result, each of them checked.

    Raises:
        ValueError: If a field is missing, is unknown, or holds what its annotation excludes.
    """
    if not isinstance(data, Mapping) or set(data) != set(expected):
        received = sorted(data) if isinstance(data, Mapping) else repr(data)
        raise ValueError(
            f"{owner}: the state must hold {sorted(expected)}. Received: {received}. "
            "Was it saved by another rule or another version?"
        )
    try:
        annotations = typing.get_type_hints(kind)
    except NameError:  # a user's class inside a function may name what only that function knows
        annotations = {}
    values = {}
    for described in dataclasses.fields(kind):
        name = described.name
        if name in data:
            value = _checks.checked(described, owner, f"state.{name}", data[name])
            values[name] = _as_annotated(owner, f"state.{name}", annotations.get(name), value)
    return values


def _as_annotated(owner: str, argument: str, annotation: Any, value: Any) -> Any:
    """Return a value from plain data as its annotation wants it, or raise a ValueError."""
    alternatives = typing.get_args(annotation)
    if type(None) in alternatives:
        annotation, *others = (one for one in alternatives if one is not type(None))
        if value is None or others:
            return value
    if annotation is float:
        return _checks.number(owner, argument, value)
    if annotation is int:
        return _checks.integer(owner, argument, value, at_least=0)
    if annotation is bool:
        return _checks.flag(owner, argument, value)
    if annotation is str:
        return _checks.instance(owner, argument, value, str, "a string")
    if typing.get_origin(annotation) is tuple:
        inner = typing.get_args(annotation)[0]
        given = _checks.items(owner, argument, value, "a list")
        return tuple(_as_annotated(owner, argument, inner, one) for one in given)
    if isinstance(annotation, type) and issubclass(annotation, RuleState):
        return _checks.instance(owner, argument, value, Mapping, "the state of the rule inside")
    return value
