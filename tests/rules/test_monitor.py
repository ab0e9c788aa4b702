"""Which way a metric improves, by its name."""

from __future__ import annotations

import pytest

from kerasdecay.rules import Plateau
from kerasdecay.rules.monitor import direction_of, smoothed


@pytest.mark.parametrize(
    "name", ["loss", "val_loss", "val_mae", "root_mean_squared_error", "out_loss", "val_hinge"]
)
def test_losses_and_errors_fall(name: str) -> None:
    assert direction_of(name) == "min"


@pytest.mark.parametrize(
    "name", ["acc", "val_accuracy", "sparse_categorical_accuracy", "auc", "val_f1_score"]
)
def test_accuracies_rise(name: str) -> None:
    assert direction_of(name) == "max"


@pytest.mark.parametrize("name", ["brier_score", "glossy", "accelerated", "closs", "learning_rate"])
def test_a_name_that_does_not_tell_is_not_guessed(name: str) -> None:
    assert direction_of(name) is None


def test_an_unknown_direction_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"mode='min' if lower is better, mode='max' if higher"):
        list(Plateau("brier_score").replay([0.5]))


def test_values_whose_sum_would_overflow_are_not_averaged() -> None:
    assert smoothed(1.7e308, (1.0, 2.0), 3) == (1.7e308, (1.0, 2.0))
