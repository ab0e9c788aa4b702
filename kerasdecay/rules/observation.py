"""What a rule is shown."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a rule is shown when an epoch has ended.

    Args:
        epoch: The epoch, from 0.
        metrics: Its logs: name → number.
        learning_rate: The rate in force at its end: schedule × scales so far, > 0.
        planned: What the schedule alone says of it.
        epochs: The horizon; None where nobody knows it.
        losses: The loss of each of its batches, for a rule that asks for them.
    """

    epoch: int
    metrics: Mapping[str, float]
    learning_rate: float = 1.0
    planned: float = 1.0
    epochs: int | None = None
    losses: tuple[float, ...] = ()


def epochs_of(logs: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the epoch of each log, from 0: its `"epoch"` where all hold one, else its place.

    Examples:
        >>> epochs_of([{"epoch": 10, "loss": 0.5}, {"epoch": 11, "loss": 0.4}])
        [10, 11]
        >>> epochs_of([{"loss": 0.5}, {"loss": 0.4}])
        [0, 1]
    """
    told = [log.get("epoch", math.nan) for log in logs]
    return [int(one) for one in told] if all(map(math.isfinite, told)) else list(range(len(logs)))
