"""The power-step decay: equal to the tutorial's code, and what it says about unwise rates."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from kerasdecay.schedules import PowerStep, simulate


def tutorial(initial: float, epochs: int, stages: int) -> list[float]:
    """The formula of the article: power = epoch // (EPOCHS // 3) + 1; lr = LR ** power."""
    return [initial ** (epoch // (epochs // stages) + 1) for epoch in range(epochs)]


@pytest.mark.parametrize("epochs", [3, 14, 15, 16, 17, 100])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_the_articles_code(epochs: int, stages: int) -> None:
    theirs = tutorial(0.1, epochs, stages)
    literal = simulate(PowerStep(0.1, stages, remainder="new_stage"), epochs=epochs)
    np.testing.assert_allclose(literal, theirs, rtol=1e-12)
    kept = simulate(PowerStep(0.1, stages), epochs=epochs)
    np.testing.assert_allclose(kept, np.maximum(theirs, 0.1**stages), rtol=1e-12)


def test_a_small_rate_is_warned_of_once() -> None:
    with pytest.warns(UserWarning, match="1,000-fold drop"):
        PowerStep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PowerStep(0.01)
        PowerStep(0.001, stages=1)
        PowerStep()


def test_more_stages_than_epochs() -> None:
    with pytest.raises(ValueError, match="stages must be at most the 2 epochs"):
        simulate(PowerStep(0.1), epochs=2)
