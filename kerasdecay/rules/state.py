"""What a rule remembers, its last decision with the reason inside."""

from __future__ import annotations

import dataclasses
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a rule decided, and why.

    Args:
        kind: `"reduce"` or `"raise"` (the scale changes), `"cooldown_start"` (the way down begins),
            `"descent"` (it goes on), `"improve"`, `"armed"` (the next sign counts), `"wait"`,
            `"cooldown"`, `"floor"`, `"absent"` (nothing to observe) or `"nonfinite"` (a NaN or an
            infinity was observed).
        seen: What was observed, in words.
        done: What was done about it, in words; empty for nothing.
        restore_best: The weights of the best epoch are to be put back.
        stop: The training is to end.
    """

    kind: str
    seen: str
    done: str = ""
    restore_best: bool = False
    stop: bool = False

    @property
    def reason(self) -> str:
        """One line in words: what was seen, and what was done about it."""
        return f"{self.seen}: {self.done}" if self.done else self.seen

    @property
    def is_event(self) -> bool:
        """Whether it is more than "not yet": something changed, or something was wrong."""
        return self.changes_rate or self.kind == "nonfinite" or self.restore_best or self.stop

    @property
    def changes_rate(self) -> bool:
        """Whether the rate is another from now on."""
        return self.kind in ("reduce", "raise", "cooldown_start")


NOT_YET = Decision("wait", "nothing observed yet")


@dataclasses.dataclass(frozen=True)
class RuleState:
    """What a rule remembers: plain numbers, so that it goes into a JSON file and back.

    Args:
        scale: What the schedule's rate is multiplied by.
        decision: The last decision; not part of what is remembered across a restart.
        cooldown_from: The epoch with whose beginning the way down begins; None before that is
            decided.
    """

    scale: float = 1.0
    decision: Decision = NOT_YET
    cooldown_from: int | None = None

    def deciding(
        self,
        kind: str,
        seen: str,
        done: str = "",
        *,
        restore_best: bool = False,
        stop: bool = False,
    ) -> Self:
        """Return this state with a decision; see `Decision`."""
        return dataclasses.replace(self, decision=Decision(kind, seen, done, restore_best, stop))

    def unmeasured(self, name: str) -> Self:
        """Return this state after an epoch that did not tell what the rule watches."""
        return self.deciding("absent", f"{name} was not measured: does not count")

    def to_data(self) -> dict[str, Any]:
        """Return what must survive a restart as plain data."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del values["decision"]
        return {
            name: value.to_data() if isinstance(value, RuleState) else value
            for name, value in values.items()
        }
