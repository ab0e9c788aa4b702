"""The rate a step at a time: the points that a monitor of trainings draws."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kerasdecay import _checks
from kerasdecay.records import Trace

Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""Log name → the steps, from 0, and the value at each."""

PREFIX = "decay/"
"""Stands before each name, for Keras' own loggers write a `learning_rate` by epochs."""


def step_rates(trace: Trace, epoch: int | None = None) -> Series:
    """Return the rates of a training, and what else was driven, at each step that tells something.

    These are the first and the last step of each epoch, each step with a new value, and the one
    before it, so that lines between the points are the values themselves. Of a curve that has been
    thinned (see `Trace`), the rows that are there.
    """
    if epoch is not None:
        epoch = _checks.integer("kerasdecay.report", "epoch", epoch, at_least=0)
    curves = {key: (trace.steps, trace.learning_rates_of(key)) for key in trace.setup.base_rates}
    thinned = dict.fromkeys(curves, trace.is_thinned)
    per_epoch = trace.setup.steps_per_epoch
    assert per_epoch is not None  # else there are no steps
    for name, curve in trace.knobs.items():
        curves[name] = curve.epochs * per_epoch + curve.batches, curve.rates(name)
        thinned[name] = curve.is_thinned
    begins = per_epoch * np.asarray([one for one, _ in trace.logs], dtype=np.int64)
    found: Series = {}
    for name, (steps, values) in curves.items():
        if not len(steps):
            continue
        exact = [] if thinned[name] else [steps[1:] - 1, begins + per_epoch - 1]
        places = np.unique(np.concatenate([steps, begins, *exact]))
        places = places[places >= steps[0]]
        if epoch is not None:
            places = places[places // per_epoch == epoch]
        found[name] = places, values[np.searchsorted(steps, places, "right") - 1]
    return found


def by_step(trace: Trace, epoch: int | None) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield each step with the values that are known there, their names with the prefix."""
    series = step_rates(trace, epoch)
    known: dict[int, dict[str, float]] = {}
    for name, (steps, values) in series.items():
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            known.setdefault(step, {})[PREFIX + name] = value
    yield from sorted(known.items())
