"""What must be known of a training to go on with it: plain data, for a file or for memory."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, Self

from kerasdecay.rules import Rule, RuleState


@dataclasses.dataclass(frozen=True)
class TrackBookmark:
    """Where one rate stood.

    Args:
        base_rate: The initial rate of a schedule that left it to the optimizer, or the present rate
            of a function; None where the schedule has its own.
        rates: What the optimizer may hold in a training that really goes on: the rate after the
            rules' decisions, and the one before them (a model may have been saved in between).
        states: The rules' states as plain data.
    """

    base_rate: float | None
    rates: tuple[float, ...]
    states: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """Return it from `Bookmark.to_data`'s; ValueError for a field not of its kind."""
        if not isinstance(data, dict) or data.keys() != {"base_rate", "rates", "states"}:
            raise ValueError("a rate's entry must hold base_rate, rates and states")
        base_rate, rates, states = data["base_rate"], data["rates"], data["states"]
        if base_rate is not None and not _is_rate(base_rate):
            raise ValueError(f"base_rate must be a number >= 0 or null. Received: {base_rate!r}")
        if not isinstance(rates, list) or not all(map(_is_rate, rates)):
            raise ValueError(f"rates must be numbers >= 0. Received: {rates!r}")
        if not isinstance(states, list) or not all(isinstance(state, dict) for state in states):
            raise ValueError(f"states must be a list of objects. Received: {states!r}")
        return cls(base_rate, tuple(rates), tuple(states))

    def rule_states(self, rules: tuple[Rule[Any], ...]) -> tuple[RuleState, ...]:
        """Return the states that these rules left; ValueError if they are of others."""
        if len(self.states) != len(rules):
            raise ValueError(
                f"states must be those of {len(rules)} rule(s), not {len(self.states)}"
            )
        return tuple(
            rule.state_from_data(data) for rule, data in zip(rules, self.states, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Bookmark:
    """Where a training stood as an epoch began.

    Args:
        epoch: The epoch, from 0.
        tracks: Log name of the rate → where it stood.
    """

    epoch: int
    tracks: Mapping[str, TrackBookmark]

    def to_data(self) -> dict[str, Any]:
        """Return JSON data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """Reverse `to_data`; ValueError for a field that is missing, unknown or not of its kind."""
        if not isinstance(data, dict) or data.keys() != {"epoch", "tracks"}:
            raise ValueError("an entry must hold epoch and tracks")
        epoch, tracks = data["epoch"], data["tracks"]
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
            raise ValueError(f"epoch must be an integer >= 0. Received: {epoch!r}")
        if not isinstance(tracks, dict):
            raise ValueError(f"tracks must be an object. Received: {tracks!r}")
        return cls(epoch, {key: TrackBookmark.from_data(one) for key, one in tracks.items()})


def _is_rate(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= sys.float_info.max
