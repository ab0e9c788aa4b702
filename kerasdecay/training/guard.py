"""Watches the batches for the rules that ask, and puts back what a training has lost."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasdecay.records import Event
from kerasdecay.rules import BatchObservation, Look, Rule
from kerasdecay.training import find
from kerasdecay.training.snapshot import Snapshot, build
from kerasdecay.training.units import moving_units

if TYPE_CHECKING:
    from kerasdecay.training.session import Session

_UPDATES = 16
"""Looks between which an optimizer has made fewer updates are not compared."""


class BatchRules:
    """The rules of one training that watch its batches."""

    def __init__(self, model: Any, rules: tuple[Rule[Any], ...]) -> None:
        self._guard = Guard(model) if any(rule.puts_back for rule in rules) else None

    def watch(
        self,
        callback: Any,
        session: Session,
        rules: tuple[Rule[Any], ...],
        seen: BatchObservation,
    ) -> list[Event]:
        """Let the rules observe a batch, put back what they ask for, and write the new rates.

        The callback's model is read only where it is needed: on JAX that copies the whole state of
        the training. Returns what the rules, with their directions resolved, decided.
        """
        taken = None
        if self._guard is not None and session.controller.looks:
            taken, look = self._guard.look(callback.model)
            seen = dataclasses.replace(seen, look=look)
        events = session.observe_batch(rules, seen)
        which = {event.decision.put_back for event in events} - {""}
        if which:
            assert self._guard is not None  # only a rule that puts back may ask for it
            guard, state = self._guard, min(which)  # "first" goes furthest back
            model = callback.model
            session.put_back(model, lambda: guard.put_back(model, state), seen.batch)
            return events
        if self._guard is not None and session.controller.confirms:
            self._guard.confirm()
        if self._guard is not None and taken is not None:
            self._guard.hold(taken)
        restores = any(event.decision.restore_best for event in events)  # which brings them too
        if not restores and any(event.decision.changes_rate for event in events):
            _ = callback.model  # on JAX this brings the state of the training into the variables
            session.rescale(seen.batch)
        return events


class Guard:
    """Keeps the snapshots of a training: good ones, and one that later losses must confirm.

    A loss belongs to the weights before its batch's update. So a snapshot that was taken when the
    loss looked good can already hold the update that spoils everything; it is good only once some
    batches later nothing was wrong.

    Four copies of everything that trains are held at most, in the host's memory: the first, the
    last two good ones, and the one that must be confirmed.
    """

    def __init__(self, model: Any) -> None:
        build(model)
        first = Snapshot(model)
        self._first = self._good = self._older = first
        self._pending: Snapshot | None = None
        self._has_failed = False
        self._first_kernels = self._last_kernels = first.kernels(model)
        self._last_updates = _updates(model)
        norms = [_norm_at_first(kernel) for kernel in self._first_kernels]
        self._began = _that_may_not_grow(norms, first.tables(model))
        by_rate = all(map(find.steps_by_rate, find.all_optimizers(model)))
        self._size = _size(self._first_kernels, norms) if by_rate else 0.0

    def look(self, model: Any) -> tuple[Snapshot, Look]:
        """Copy everything, and return with the copy what it shows."""
        taken = Snapshot(model)
        if not taken.is_finite:
            return taken, Look(is_finite=False)
        kernels = taken.kernels(model)
        looked = Look(
            is_finite=True,
            moved=_distance(kernels, self._first_kernels),
            grown=_grown(kernels, self._began),
            size=self._size,
            kernels=sum(square > 0 for square in self._began),
        )
        updates = _updates(model)
        made = [now - then for now, then in zip(updates, self._last_updates, strict=False)]
        # While an optimizer accumulates gradients, all kernels stand still.
        if max(made, default=_UPDATES) < _UPDATES:
            return taken, looked
        looked = dataclasses.replace(
            looked,
            changed=_distance(kernels, self._last_kernels),
            idle=_idle(kernels, self._last_kernels),
            idle_units=_idle_units(kernels, self._last_kernels, self._first_kernels),
        )
        self._last_kernels, self._last_updates = kernels, updates
        return taken, looked

    def hold(self, taken: Snapshot) -> None:
        """Keep a copy as pending, until it is confirmed or replaced."""
        self._pending = taken

    def confirm(self) -> None:
        """Mark the pending copy as good."""
        if self._pending is not None:
            self._older, self._good = self._good, self._pending
            self._has_failed, self._pending = False, None

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
    """Return the share of kernels of which no unit moves."""
    pairs = list(zip(kernels, others, strict=False))
    still = sum(not moving_units(one, other).any() for one, other in pairs)
    return still / len(pairs) if pairs else 0.0


def _that_may_not_grow(norms: list[float], tables: list[bool]) -> list[float]:
    """Return the squares of the kernels' first norms, 0 for those that grow as they learn.

    An embedding begins small. The single kernel of a linear model has no units that could die.
    """
    is_linear = tables.count(False) == 1
    return [
        0.0 if is_table or is_linear else norm for norm, is_table in zip(norms, tables, strict=True)
    ]


def _norm_at_first(first: np.ndarray) -> float:
    """Return the square of the norm that a kernel is taken to have begun at; see `Look.grown`."""
    *places, inputs, outputs = first.shape
    glorot = 2.0 * first.size / (math.prod(places) * (inputs + outputs))
    square = float(np.square(first).sum())
    # A small kernel grows under a good rate too: what it might have been counts as well.
    return max(square, square ** (2 / 3) * glorot ** (1 / 3), glorot / 16) if square else 0.0


def _grown(kernels: list[np.ndarray], began: list[float]) -> float:
    """Return the lower median of the factors by which the kernels' norms have grown."""
    with np.errstate(all="ignore"):
        factors = [
            math.sqrt(float(np.square(kernel).sum()) / square)
            for kernel, square in zip(kernels, began, strict=False)
            if square > 0
        ]
    return statistics.median_low(factors) if factors else 1.0


def _size(kernels: list[np.ndarray], began: list[float]) -> float:
    """Return the lower median of the root mean squares that they are taken to have begun at."""
    sizes = [
        math.sqrt(square / kernel.size)
        for kernel, square in zip(kernels, began, strict=True)
        if square > 0
    ]
    return statistics.median_low(sizes) if sizes else 0.0


def _idle_units(
    kernels: list[np.ndarray], others: list[np.ndarray], firsts: list[np.ndarray]
) -> float:
    """Return the largest share of a kernel's columns that stand still, but have moved before."""
    shares = [0.0]
    for kernel, other, first in zip(kernels, others, firsts, strict=False):
        is_idle = ~moving_units(kernel, other)
        has_moved = (kernel != first).any(axis=tuple(range(kernel.ndim - 1)))
        shares.append(float((is_idle & has_moved).mean()))
    return max(shares)
