"""The loss of each batch, out of the running mean that Keras logs."""

from __future__ import annotations


class BatchLosses:
    """Undoes the running mean of an epoch.

    After batches 0 … n the logs hold mₙ, the mean of their losses; hence the loss of batch n is
    (n+1) mₙ − n mₙ₋₁, and under `steps_per_execution` the mean loss of a block follows likewise. A
    last batch that is smaller than the others is taken for a full one, which puts its loss nearer
    to the mean than it was.
    """

    def __init__(self) -> None:
        self._means: list[tuple[int, float]] = []

    def note(self, batch: int, mean: float, steps: int | None = None) -> None:
        """Take the running mean after a batch, in any order: Keras may tell from several threads.

        Args:
            batch: Its number in the epoch, from 0; the last execution of several steps may give one
                that lies beyond the epoch.
            mean: The running mean.
            steps: The batches of an epoch, None where unknown.
        """
        self._means.append((batch + 1 if steps is None else min(batch + 1, steps), mean))

    def take(self) -> tuple[float, ...]:
        """Return the epoch's losses and begin the next epoch."""
        means, self._means = sorted(self._means), []
        before = [(0, 0.0), *means]
        return tuple(
            (mean * done - mean_before * done_before) / (done - done_before)
            for (done, mean), (done_before, mean_before) in zip(means, before, strict=False)
        )
