import dataclasses
import itertools
import sys

import numpy as np
import pytest

from kerasdecay import AutoDecay, PowerStepDecay
from kerasdecay.callbacks import Trace
from kerasdecay.report import plot
from kerasdecay.report.figures import picture
from kerasdecay.rules import OpenEnded, Plateau, Rescue
from kerasdecay.schedules import Constant, Cosine, Linear, PowerStep, Warmup, simulate


def test_schedules_are_drawn_over_each_other():
    figure = plot(PowerStep(0.1), Warmup(Cosine(0.1), 1), epochs=15, steps_per_epoch=10)
    (axes,) = figure.axes
    names = [line.get_label() for line in axes.lines]
    assert names == ["PowerStep(0.1)", "Warmup(Cosine(0.1), duration=1)"]
    assert axes.get_xlim() == (0, 15)
    positions, rates = axes.lines[0].get_data()
    assert np.asarray(positions).tolist() == [0, 5, 10, 15]
    assert np.asarray(rates).tolist() == pytest.approx([0.1, 0.01, 0.001, 0.001])
    assert picture(figure).startswith(b"\x89PNG")


def test_names_may_be_given():
    named = plot({"a": PowerStep(), "b": Linear()}, epochs=6, initial_learning_rate=0.2)
    assert [line.get_label() for line in named.axes[0].lines] == ["a", "b"]
    labelled = plot(Linear(0.1), epochs=6, labels=["down"], title="One")
    assert labelled.axes[0].get_title(loc="left") == "One"


@pytest.mark.parametrize("decay", [Cosine("auto"), AutoDecay()])
def test_a_rate_that_is_still_to_be_found_has_to_be_given(decay):
    with pytest.raises(ValueError, match="initial_learning_rate must be a number > 0 before rates"):
        plot(decay, epochs=5, steps_per_epoch=4)
    given = plot(Cosine("auto"), epochs=5, initial_learning_rate=0.2)
    assert given.axes[0].lines[0].get_ydata()[0] == 0.2


def test_an_untrained_callback_is_its_schedule_over_its_horizon():
    figure = plot(PowerStepDecay(0.1, epochs=9))
    assert figure.axes[0].get_xlim() == (0, 9)


def test_a_million_steps_are_thinned_out():
    (line,) = plot(Cosine(0.1), epochs=1000, steps_per_epoch=1000).axes[0].lines
    assert len(line.get_xdata()) < 5000


def test_a_log_scale_leaves_zeros_out():
    rates = simulate(PowerStep(0.1), epochs=15)
    axes = plot(PowerStep(0.1), epochs=15).axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < rates.min()


def test_the_end_by_a_rule_is_called_so(trace_of):
    rule = OpenEnded(Plateau("val_loss", patience=1), cooldown="50%")
    trace = trace_of([1.0, 1.0, 1.0], Constant(0.1), rule)
    assert [text.get_text() for text in plot(trace).axes[0].texts][-1] == "training ends"


def test_a_training_shows_metric_rate_and_decisions(plateau_trace):
    metric, rate = plot(plateau_trace, title="T").axes
    assert metric.get_title(loc="left") == "val_loss"
    assert "best: 0.5 in epoch 8" in metric.get_title(loc="right")
    assert [text.get_text() for text in metric.texts] == ["× 0.5", "not finite"]
    assert rate.get_title(loc="left") == "learning rate"
    positions, rates = rate.lines[0].get_data()
    assert list(positions) == [0, 4, 8]
    assert list(rates) == pytest.approx([0.1, 0.005, 0.005])
    dashed = {line.get_xdata()[0] for line in rate.lines[1:]}
    assert dashed == {4, 6}


def test_labels_of_decisions_do_not_overlap(trace_of):
    figure = plot(trace_of([1.0] * 60, rule=Plateau("val_loss", factor=0.625, patience=1)))
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) >= 5
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


def test_beside_a_rescue_the_validation_is_drawn(trace_of):
    trace = trace_of([0.5] * 4)
    trace.setup = dataclasses.replace(trace.setup, rules=(Rescue(),))
    assert plot(trace).axes[0].get_title(loc="left") == "val_loss"


def test_a_training_without_rules_or_epochs_is_drawn_too(trace_of, setup_of):
    assert len(plot(trace_of([0.5] * 4)).axes) == 2
    empty = Trace(setup_of(PowerStep(0.1)))
    empty.record_rates(0, 0, [0.1])
    assert len(plot(empty).axes) == 1


@pytest.mark.parametrize(
    ("subjects", "options", "complaint"),
    [
        ([], {}, "subjects must be schedules"),
        ([Linear(0.1)], {}, "epochs must be given"),
        ([Linear(0.1)], {"epochs": 3, "labels": ["a", "b"]}, "labels must be 1 names"),
    ],
)
def test_what_cannot_be_drawn_is_said(subjects, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        plot(*subjects, **options)


def test_a_training_and_a_schedule_do_not_mix(plateau_trace):
    with pytest.raises(ValueError, match="one trained decay or trace"):
        plot(plateau_trace, Linear(0.1), epochs=3)


def test_without_matplotlib_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "kerasdecay\[plot\]"'):
        plot(Linear(0.1), epochs=3)


def test_what_a_probe_tried_is_a_grey_part_of_the_picture_and_not_a_line(setup_of):
    trace = Trace(setup_of(Cosine(0.1)))
    for batch, rate in enumerate([1e-9, 1.0, 10.0]):
        trace.record_tried(0, batch, rate)
    trace.record_rates(0, 3, [0.1])
    trace.record_logs(0, {"loss": 1.0, "learning_rate": 0.1})
    axes = plot(trace).axes[-1]
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [0.75, 1.0]
    assert line.get_ydata().tolist() == [0.1, 0.1]
    (grey,) = axes.patches
    assert (grey.get_x(), grey.get_width()) == (0, 0.75)
    assert [text.get_text() for text in axes.texts] == ["probe"]
