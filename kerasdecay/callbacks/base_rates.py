"""Which rate a schedule starts from, where the user leaves that to the optimizer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from kerasdecay.callbacks import optimizers
from kerasdecay.callbacks.channel import Channel


class BaseRates:
    """Finds initial rates, and remembers them from one training to the next.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._left: dict[str, tuple[float | None, float]] = {}

    def remember(self, channels: Iterable[Channel]) -> None:
        """Note with which rates a training began, and with which it left the optimizers."""
        self._left = {channel.key: (channel.plan.base_rate, channel.rate) for channel in channels}

    def found_at(self, rates: Mapping[str, float]) -> None:
        """Note where an interrupted training really left the optimizers, by log name."""
        for key, rate in rates.items():
            if key in self._left:
                self._left[key] = (self._left[key][0], rate)

    def find(
        self, leaves: Mapping[str, Any], resumed: Mapping[str, float | None], *, warn: bool
    ) -> tuple[dict[str, float | None], str]:
        """Return each optimizer's initial rate, and in words where it came from.

        Args:
            leaves: Log name → optimizer.
            resumed: What a state file holds of them.
            warn: Whether a rate found on an optimizer that has trained is worth a warning.
        """
        if resumed.keys() >= leaves.keys():
            return {key: resumed[key] for key in leaves}, "from the state file"
        rates: dict[str, float | None] = {}
        source = "the optimizer's"
        for key, optimizer in leaves.items():
            rates[key] = found = optimizers.read(optimizer)
            has_trained = optimizers.has_trained(optimizer)
            before, left = self._left.get(key, (None, None))
            # An optimizer that has not trained is another one, whatever its rate.
            if has_trained and left is not None and optimizers.same(found, left):
                rates[key] = before
                source = "remembered from the training before"
            elif warn and has_trained:
                source = "the optimizer's, which has trained before"
                warnings.warn(
                    f"{self._owner}: the optimizer has trained before; its present {key}, "
                    f"{found:g}, is taken for the initial one. If it has been decayed already, "
                    "pass initial_learning_rate=…",
                    stacklevel=2,
                )
        return rates, source
