"""The weights of the best epoch, for rules that go back to them."""

from __future__ import annotations

import warnings
from typing import Any


class BestWeights:
    """Keeps a model's weights in memory, one set for each rule that asks.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._held: dict[int, list[Any]] = {}

    def keep(self, rule: int, model: Any) -> None:
        """Keep the present weights as the best that the rule with this index has seen."""
        self._held[rule] = model.get_weights()

    def restore(self, rule: int, model: Any) -> None:
        """Put them back, or warn that this training has not seen any."""
        if rule in self._held:
            model.set_weights(self._held[rule])
            return
        warnings.warn(
            f"{self._owner}: the weights of the best epoch cannot be restored, for this training "
            "has not seen one: weights are not kept across a restart. The present ones stay.",
            stacklevel=2,
        )
