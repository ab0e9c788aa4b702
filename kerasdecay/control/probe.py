"""Which initial rate to take: a range test, read by what trains best."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

_LOWEST, _HIGHEST = 1e-5, 10.0
_SHARE = {"sgd": 0.5, "momentum": 0.2, "adaptive": 0.1}
_SMOOTHING = 0.8


@dataclasses.dataclass(frozen=True)
class Choice:
    """A rate, or None, and why."""

    rate: float | None
    reason: str


def probe_steps(total: int | None) -> int:
    """Return how many batches of a run a probe may take."""
    if total is None:
        return 60
    return 0 if total < 60 else min(max(total // 12, 30), 60)


class Probe:
    """A range test: rates that rise by a common factor."""

    def __init__(self, steps: int, kind: str) -> None:
        self._steps, self._kind = steps, kind
        self._rates: list[float] = []
        self._losses: list[float] = []
        self.restarts = False

    @property
    def rate(self) -> float:
        """The rate of the next batch."""
        return _LOWEST * (_HIGHEST / _LOWEST) ** (len(self._losses) / (self._steps - 1))

    def add(self, loss: float) -> None:
        """Take the loss of that batch."""
        self._rates.append(self.rate)
        self._losses.append(loss)

    @property
    def is_done(self) -> bool:
        """Whether it has seen enough."""
        if len(self._losses) >= self._steps or not math.isfinite(
            self._losses[-1] if self._losses else 0.0
        ):
            return True
        return len(self._losses) > 10 and self._losses[-1] > 4 * self._losses[0]

    def choice(self) -> Choice:
        """Return the rate."""
        return choose(self._rates, self._losses, self._kind)


def choose(rates: Sequence[float], losses: Sequence[float], kind: str) -> Choice:
    """Return a share of the rate at which the smoothed loss is lowest."""
    average, smoothed = 0.0, []
    for place, loss in enumerate(losses):
        average = _SMOOTHING * average + (1 - _SMOOTHING) * (loss if math.isfinite(loss) else 1e9)
        smoothed.append(average / (1 - _SMOOTHING ** (place + 1)))
    if len(smoothed) < 10:
        return Choice(None, f"{len(smoothed)} losses are too few")
    place = min(range(5, len(smoothed)), key=smoothed.__getitem__)
    rate = _SHARE[kind] * rates[place]
    return Choice(
        rate, f"{rate:.2g}: {_SHARE[kind]:g} of where the loss was lowest, {rates[place]:.2g}"
    )
