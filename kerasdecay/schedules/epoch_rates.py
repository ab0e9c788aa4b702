"""A schedule that is written down: one rate for each epoch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from kerasdecay import _checks
from kerasdecay.schedules.base import Given
from kerasdecay.schedules.timeline import Moment


def _rates(owner: str, argument: str, value: Any) -> tuple[float, ...]:
    given = _checks.items(owner, argument, value, "a sequence of rates, one for each epoch")
    if not given:
        raise _checks.invalid(owner, argument, "one rate or more", value)
    return tuple(_checks.rate(owner, argument, one, zero=True) for one in given)


@dataclasses.dataclass(frozen=True)
class EpochRates(Given):
    """One rate for each epoch: η(t) = r[⌊t⌋]. The last rate holds for all further epochs.

    Args:
        rates_by_epoch: r: one rate >= 0 or more. Those beyond the horizon are never reached.

    Raises:
        ValueError: If there is no rate, or one that float32 cannot hold.

    Examples:
        >>> from kerasdecay.schedules import simulate
        >>> simulate(EpochRates([0.1, 0.1, 0.01]), epochs=5).tolist()
        [0.1, 0.1, 0.01, 0.01, 0.01]
    """

    rates_by_epoch: tuple[float, ...] = _checks.field(..., _rates)

    changes_within_epochs = False

    def unreached(self, start: Moment) -> Iterator[str]:
        """Yield it if there are more rates than epochs."""
        epochs = math.ceil(start.horizon / start.timeline.updates_per_epoch)
        given = len(self.rates_by_epoch)
        if given > epochs:
            yield f"EpochRates: the list has {given} rates, and the run {epochs} epochs"

    def learning_rate(self, now: Moment) -> Any:
        """r[⌊t⌋]."""
        epoch = now.update // now.timeline.updates_per_epoch
        last = len(self.rates_by_epoch) - 1
        return now.xp.take(self.rates_by_epoch, now.xp.minimum(epoch, last))
