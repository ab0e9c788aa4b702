"""Watches the batches for the rules that ask, and puts back what a training has lost."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasdecay.rules import Look
from kerasdecay.training import find
from kerasdecay.training.snapshot import Snapshot, build_optimizer


class Guard:
    """Keeps the snapshots of a training: good ones, and one that later losses must confirm.

    A loss belongs to the weights before its batch's update. So a snapshot that was taken when the
    loss looked good can already hold the update that spoils everything; it is good only once the
    next look, some batches later, has found nothing wrong.

    Four copies of everything that trains are held at most, in the host's memory: the first, the
    last two good ones, and the one that must be confirmed.

    Args:
        model: The model, before its first batch.
    """

    def __init__(self, model: Any) -> None:
        build_optimizer(model)
        first = Snapshot(model)
        self._first = self._good = self._older = first
        self._pending: Snapshot | None = None
        self._has_failed = False
        self._first_kernels = self._last_kernels = first.kernels(model)
        self._last_updates = _updates(model)

    def look(self, model: Any) -> tuple[Snapshot, Look]:
        """Copy everything, and return with the copy what it shows."""
        taken = Snapshot(model)
        kernels = taken.kernels(model)
        updates = _updates(model)
        is_updated = updates != self._last_updates
        looked = Look(
            is_finite=taken.is_finite,
            moved=_distance(kernels, self._first_kernels),
            changed=_distance(kernels, self._last_kernels),
            # While an optimizer accumulates gradients, all kernels stand still.
            idle=_idle(kernels, self._last_kernels) if is_updated else 0.0,
        )
        self._last_kernels, self._last_updates = kernels, updates
        return taken, looked

    def accept(self, taken: Snapshot) -> None:
        """Hold a copy that nothing was wrong with, and trust the one before."""
        if self._pending is not None:
            self._older, self._good = self._good, self._pending
            self._has_failed = False
        self._pending = taken

    def put_back(self, model: Any, which: str) -> None:
        """Put the last good state back, or the one before if that has failed already; or the first.

        Args:
            model: The model.
            which: `"good"` or `"first"`.
        """
        if which == "first":
            self._good = self._older = self._first
        elif self._has_failed:
            self._good = self._older
        self._has_failed, self._pending = True, None
        self._good.restore()
        self._last_kernels = self._good.kernels(model)
        self._last_updates = _updates(model)


def _updates(model: Any) -> list[int]:
    """Return how often each optimizer has updated its variables."""
    return [int(keras.ops.convert_to_numpy(one.iterations)) for one in find.all_optimizers(model)]


def _distance(kernels: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Return ‖w − w′‖ / ‖w′‖, 0 where there are no kernels."""
    with np.errstate(all="ignore"):
        changed = sum(
            float(np.square(one - other).sum()) for one, other in zip(kernels, others, strict=False)
        )
        norm = sum(float(np.square(other).sum()) for other in others)
        return float(np.sqrt(changed / norm)) if norm > 0 else 0.0


def _idle(kernels: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Return the share of kernels that have not changed but for one common factor."""
    pairs = list(zip(kernels, others, strict=False))
    return sum(_stands_still(one, other) for one, other in pairs) / len(pairs) if pairs else 0.0


def _stands_still(kernel: np.ndarray, other: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        square = float(np.square(other).sum())
        factor = float((kernel * other).sum()) / square if square > 0 else 1.0
        rest = float(np.square(kernel - factor * other).sum())
        return rest <= 1e-12 * float(np.square(kernel).sum())
