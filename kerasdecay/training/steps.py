"""How often each optimizer was really applied in an epoch, beside the batches that Keras began."""

from __future__ import annotations

from collections.abc import Mapping

from kerasdecay.training.targets import RateTarget


class StepCount:
    """Counts the steps of an epoch by the optimizers' own counters.

    Keras begins a batch before it knows that there is one, so "begun" is not "trained"; and a
    training step of the user's own may apply an optimizer several times a batch, seldom or never.

    Args:
        targets: The rates' targets, as an epoch begins.
        per_execution: The batches of one execution of the training step.
    """

    def __init__(self, targets: Mapping[str, RateTarget], per_execution: int) -> None:
        self._targets = targets
        self._per_execution = per_execution
        self._before = {key: target.steps() for key, target in targets.items()}
        self.last_begun: int | None = None
        """The index of the last batch, or first of an execution, that Keras began."""

    def made(self) -> dict[str, int]:
        """Return the steps of each optimizer since the epoch began.

        An optimizer without a counter is taken to step once in every batch begun.
        """
        begun = 0 if self.last_begun is None else self.last_begun + 1
        return {
            key: begun if (steps := target.steps()) is None else steps - (self._before[key] or 0)
            for key, target in self._targets.items()
        }

    def last_trained(self, made: int) -> int:
        """Return the index of the last batch that trained, from the steps an optimizer has made.

        The last batch begun does not count where data ended early: then as many steps were made as
        batches were begun before it.
        """
        if self.last_begun is None:  # a loop of the user's own that tells of epochs alone
            return max(made - 1, 0)
        return self.last_begun - 1 if 0 < made == self.last_begun else self.last_begun

    def a_batch(self, made: int) -> float:
        """Return the applications of an optimizer a batch: 1.0 for an ordinary training step."""
        if self.last_begun is None:
            return 1.0
        begun = self.last_begun
        if begun <= made <= begun + self._per_execution:
            return 1.0
        return made / (begun + self._per_execution)
