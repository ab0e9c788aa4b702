"""Which way a monitored metric improves: as Keras finds it, or asked for."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from tiny import Scripted, fit, new_odometer

from kerasdecay import PlateauDecay

pytestmark = pytest.mark.any_backend


class Declared(keras.metrics.MeanMetricWrapper):
    """A metric that declares its direction, as Keras' own do."""

    def __init__(self, name: str, direction: str | None) -> None:
        super().__init__(lambda true, predicted: predicted, name=name)
        if direction is not None:
            self._direction = direction


def rates(monitor: str, metric: Any, falling: bool) -> list[float]:
    """Train four epochs on a metric that goes one way; each epoch of no improvement halves."""
    series = [0.4, 0.3, 0.2, 0.1] if falling else [0.1, 0.2, 0.3, 0.4]
    model = new_odometer(metrics=[metric])
    decay = PlateauDecay(monitor, factor=0.5, patience=1)
    return fit(model, [Scripted(**{monitor: series}), decay], epochs=4)["learning_rate"]


IMPROVES, WORSENS = [0.5] * 4, [0.5, 0.5, 0.25, 0.125]


def test_the_compiled_metrics_direction_is_taken() -> None:
    assert rates("val_similarity", Declared("similarity", "up"), falling=False) == IMPROVES
    assert rates("similarity", Declared("similarity", "up"), falling=True) == WORSENS
    assert rates("val_distance", Declared("distance", "down"), falling=True) == IMPROVES


def test_the_compiled_metrics_direction_overrules_the_name() -> None:
    # A user's "accuracy" of a measuring device, lower being better.
    assert rates("val_accuracy", Declared("accuracy", "down"), falling=True) == IMPROVES


def test_the_name_tells_where_the_metric_declares_nothing() -> None:
    assert rates("val_my_accuracy", Declared("my_accuracy", None), falling=False) == IMPROVES


def test_a_direction_that_nobody_knows_is_asked_for_after_the_first_epoch() -> None:
    with pytest.raises(ValueError, match=r"PlateauDecay: mode must be 'min' or 'max'"):
        rates("val_strange", Declared("strange", None), falling=True)
