"""`show=True` opens pictures in windows, from scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import recording_backend

from kerasdecay import CosineDecay, plot
from kerasdecay.records import Comparison, Run
from kerasdecay.schedules import Cosine

pyplot = pytest.importorskip("matplotlib.pyplot")

COMPARISON = Comparison((Run("a", 0, 1, {"loss": [1.0], "learning_rate": [0.1]}, 1.0, 1.0),))


@pytest.fixture
def windows() -> Iterator[list[Any]]:
    before = pyplot.get_backend()
    recording_backend.shown.clear()
    pyplot.switch_backend("module://recording_backend")
    yield recording_backend.shown
    pyplot.switch_backend(before)


@pytest.mark.parametrize(
    "draw",
    [
        lambda **options: plot(Cosine(0.1), epochs=3, **options),
        lambda **options: Cosine(0.1).plot(epochs=3, **options),
        lambda **options: CosineDecay(0.1, epochs=3).plot(**options),
        lambda **options: COMPARISON.plot(**options),
    ],
    ids=["plot", "schedule", "decay", "comparison"],
)
def test_a_picture_is_shown_in_a_window_on_request_alone(draw: Any, windows: list[Any]) -> None:
    draw()
    assert windows == []
    figure = draw(show=True)
    assert windows == [figure]
    assert figure.canvas.figure is figure
    assert pyplot.get_fignums() == []


def test_without_windows_a_warning_says_what_to_do() -> None:
    pyplot.switch_backend("agg")
    with pytest.warns(UserWarning, match=r"backend 'agg' opens no window. Save the picture"):
        figure = plot(Cosine(0.1), epochs=3, show=True)
    assert figure.axes
    assert pyplot.get_fignums() == []
