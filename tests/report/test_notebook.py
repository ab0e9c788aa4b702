import sys

import pytest

from kerasdecay.callbacks import Trace
from kerasdecay.records import Choice, LearningRateRange
from kerasdecay.schedules import ByEpoch, Constant, MultiStep, PowerStep, sequence, warmup


def test_a_schedule_is_a_picture():
    shown = PowerStep(0.1)._repr_html_()
    assert 'src="data:image/png;base64,iVBOR' in shown
    assert "<code>PowerStep(0.1), over 30 epochs of 100 steps</code>" in shown


def test_an_open_initial_rate_is_said():
    assert "PowerStep(), over 30 epochs of 100 steps, from 0.1<" in PowerStep()._repr_html_()


def test_a_schedule_gets_the_epochs_that_it_needs():
    two = sequence([Constant(0.1), MultiStep(0.1)], [80])
    assert "over 100 epochs" in two._repr_html_()


def test_a_schedule_that_fits_no_run_is_text():
    shown = warmup(Constant(0.1), 1000)._repr_html_()
    assert shown.startswith("<pre>Warmup(")


def test_functions_are_not_called():
    shown = ByEpoch(lambda epoch: 1 / 0)._repr_html_()
    assert shown.startswith("<pre>ByEpoch(function=&lt;function")


def test_a_trace_is_a_picture(plateau_trace):
    shown = plateau_trace._repr_html_()
    assert "base64,iVBOR" in shown
    assert "Trace(PlateauDecay: 8 epochs" in shown


def test_a_trace_of_nothing_is_text(setup_of):
    assert Trace(setup_of(PowerStep(0.1)))._repr_html_().startswith("<pre>Trace(")


@pytest.mark.parametrize("what", ["schedule", "trace"])
def test_without_matplotlib_it_is_escaped_text(what, plateau_trace, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    shown = (warmup(PowerStep(0.1), "5%") if what == "schedule" else plateau_trace)._repr_html_()
    assert shown.startswith("<pre>")
    assert "█" in shown
    assert "'" not in shown
    assert "<" not in shown[5:-6]


def test_a_figure_brings_its_picture():
    assert PowerStep(0.1).plot(epochs=3)._repr_png_().startswith(b"\x89PNG")


def test_a_range_test_is_a_picture_and_a_table():
    steps = tuple(10 ** (place / 10 - 4) for place in range(40))
    losses = tuple(2 - place / 40 for place in range(40))
    found = LearningRateRange(steps, losses, losses, (), 40, suggestion=Choice(0.02, "tried"))
    shown = found._repr_html_()
    assert "base64,iVBOR" in shown
    assert "40 of 40 steps: 0.02 recommended" in shown
    assert "tried" in shown
