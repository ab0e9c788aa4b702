"""How often each optimizer was applied in an epoch, which need not be once for each batch."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from kerasdecay.training.targets import RateTarget
from kerasdecay.training.under_way import epoch_iterator


def has_strayed(present: int, planned: int, *, may_skip: bool) -> bool:
    """Whether a step is not the planned one. Steps that were skipped only leave it behind."""
    return present > planned if may_skip else present != planned


class StepCount:
    """Counts the steps of an epoch by the optimizers' own counters.

    Keras begins a batch before it knows that there is one, so "begun" is not "trained"; and a
    training step of the user's own may apply an optimizer several times a batch, seldom or never.
    """

    def __init__(
        self, targets: Mapping[str, RateTarget], per_execution: int, first: int = 0
    ) -> None:
        self._targets = targets
        self._per_execution = per_execution
        self._first = first
        self._before = {key: target.steps() for key, target in targets.items()}
        self.last_begun: int | None = None
        """The index of the last batch, or first of an execution, that Keras began."""
        self.was_set_back = False
        """Whether the epoch that has ended left an optimizer with fewer steps than it had."""

    @property
    def begun(self) -> int:
        """The batches that were counted before the last execution began."""
        return 0 if self.last_begun is None else self.last_begun - self._first

    @property
    def _all_begun(self) -> int:
        """The batches that Keras began, the last one included."""
        return 0 if self.last_begun is None else self.begun + 1

    def made(self) -> dict[str, int]:
        """Return the steps of each optimizer since counting began.

        An optimizer without a counter is taken to step once in every batch begun.
        """
        counted = self._counted()
        return {key: self._all_begun if one is None else one for key, one in counted.items()}

    def is_unbegun(self, *, uncounted: bool) -> bool:
        """Whether steps were made and no batch was begun: some loops tell of epochs alone.

        Args:
            uncounted: Whether an optimizer that does not count its steps is taken to have made any.
        """
        return self.last_begun is None and any(
            uncounted if one is None else one > 0 for one in self._counted().values()
        )

    def _counted(self) -> dict[str, int | None]:
        """Return by how much each optimizer's counter has moved; None where there is none."""
        present = {key: target.steps() for key, target in self._targets.items()}
        return {
            key: None if steps is None else steps - (self._before[key] or 0)
            for key, steps in present.items()
        }

    def close(self) -> dict[str, int]:
        """Return the steps of the epoch that has ended.

        On TensorFlow the counter may run ahead with a batch for which there were no data any more.
        """
        made = self.made()
        # Somebody has set the counter back, as by loading weights: each batch begun made a step.
        self.was_set_back = any(count < 0 for count in made.values())
        made = {key: self._all_begun if count < 0 else count for key, count in made.items()}
        if _data_ran_out():
            made = {key: count - (count == self.begun + 1) for key, count in made.items()}
            if self.begun == 0:
                self.last_begun = None
        return made

    def set_back(self, made: Mapping[str, int]) -> None:
        """Go on from these numbers of steps, after the optimizers' own counters were put back."""
        for key, steps in self.made().items():
            self._before[key] = (self._before[key] or 0) + steps - made[key]

    def last_trained(self, made: int, *, may_skip: bool = False) -> int:
        """Return the index of the last batch that trained, from the steps an optimizer has made.

        The last batch begun does not count where data ended early: then as many steps were made as
        batches were begun before it. Where loss scaling `may_skip` steps, `fit` alone tells it.
        """
        if self.last_begun is None:  # a loop of the user's own that tells of epochs alone
            return self._first + max(made - 1, 0)
        ended_early = _data_ran_out() if may_skip else 0 < made == self.begun
        return self.last_begun - ended_early

    def a_batch(self, made: int) -> float:
        """Return the applications of an optimizer a batch: 1.0 for an ordinary training step."""
        if self.last_begun is None or self.begun <= made <= self.begun + self._per_execution:
            return 1.0
        return made / (self.begun + self._per_execution)


def _data_ran_out() -> bool:
    """Whether the `fit` that is running has begun a batch for which there were no data any more.

    Keras tells no callback of it; its iterator, a local variable of `fit`, drops its data then.
    On torch the data are fetched before a batch begins.
    """
    iterator = None if keras.backend.backend() == "torch" else epoch_iterator()
    return iterator is not None and getattr(iterator, "_current_iterator", iterator) is None
