"""What a decay tells of itself, and what of it is settled once a training runs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import X, Y, fit, is_ours, no_warning, odometer, warned_once

import kerasdecay
from kerasdecay import PlateauDecay, PowerStepDecay, StepDecay
from kerasdecay.schedules import Constant, MultiStep, sequence, warmup

HALVES = {"every": 1, "factor": 0.5}


class Between(keras.callbacks.Callback):
    """Call a function at the end of each epoch, and keep what it returns."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.seen: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(self.function())


def test_the_rate_in_force() -> None:
    decay = StepDecay(0.4, **HALVES)
    assert decay.learning_rate is None
    between = Between(lambda: decay.learning_rate)
    fit(odometer(), [decay, between], epochs=3)
    assert between.seen == pytest.approx([0.4, 0.2, 0.1])
    assert decay.learning_rate == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["schedule", "schedules", "rules", "epochs", "update"])
def test_nothing_is_exchanged_in_the_middle_of_a_training(name: str) -> None:
    decay = StepDecay(0.4, **HALVES)
    between = Between(lambda: setattr(decay, name, None))
    with pytest.raises(ValueError, match=rf"^StepDecay: {name} must be given as it is made\."):
        fit(odometer(), [decay, between], epochs=3)


def test_pictures() -> None:
    pytest.importorskip("matplotlib")
    decay = StepDecay(0.4, **HALVES)
    planned = decay.plot(epochs=3).axes[0].lines[0]
    assert list(planned.get_ydata()) == pytest.approx([0.4, 0.2, 0.1, 0.1])
    history = odometer().fit(X, Y, epochs=3, callbacks=[decay], verbose=0)
    for figure in (decay.plot(), kerasdecay.plot(history)):
        drawn = figure.axes[-1].lines[0].get_ydata()
        assert sorted(set(drawn), reverse=True) == pytest.approx([0.4, 0.2, 0.1])
    shape = decay.schedule.plot(epochs=2).axes[0].lines[0]
    assert list(shape.get_ydata()) == pytest.approx([0.4, 0.2, 0.2])


def test_pictures_are_saved_and_decisions_told(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("matplotlib")
    decay = StepDecay(0.4, **HALVES)
    fit(odometer(), [decay], epochs=3)
    decay.plot(tmp_path / "run.png")
    decay.schedule.plot(tmp_path / "plan.svg", epochs=3)
    kerasdecay.plot("cosine", epochs=3, initial_learning_rate=0.1, path=tmp_path / "one.pdf")
    starts = [(tmp_path / name).read_bytes()[:4] for name in ("run.png", "plan.svg", "one.pdf")]
    assert starts == [b"\x89PNG", b"<?xm", b"%PDF"]
    assert decay.explain() is None
    assert capsys.readouterr().out.startswith("StepDecay: what was decided, and why")


def test_a_history_without_rates_has_no_such_picture() -> None:
    history = odometer().fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"^plot: subjects must be a History with a learning_rate"):
        kerasdecay.plot(history)


@pytest.mark.parametrize(
    ("schedule", "word"),
    [
        (sequence([Constant(0.1), Constant(0.2)], [3]), "durations"),
        (warmup(MultiStep(0.1, milestones=(2,)), 1), "milestones"),
        (0.5 * MultiStep(0.1, milestones=(3,)), "milestones"),
    ],
)
def test_what_does_nothing_is_told_of_parts_inside(schedule: Any, word: str) -> None:
    decay = kerasdecay.LearningRateDecay(schedule)
    with warned_once("does nothing in 3 epochs", word):
        fit(odometer(), [decay], epochs=3)
    with no_warning():  # an epoch more, and all of it does something
        fit(odometer(), [decay], epochs=4)


def test_a_patience_that_just_fits_is_no_reason_to_warn() -> None:
    decay = PlateauDecay("loss", patience=2)
    with no_warning():  # what is decided after the last epoch is left in the optimizer
        fit(odometer(), [decay], epochs=3)
    with warned_once("patience=2", "epoch 3 at the earliest"):
        fit(odometer(), [decay], epochs=2)


def test_warnings_point_at_the_line_of_the_user() -> None:
    model = odometer()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PowerStepDecay(0.005)
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[StepDecay(0.4, every=10)])
    ours = [one for one in caught if is_ours(one)]
    assert [one.filename for one in ours] == [__file__, __file__]
    assert ours[0].lineno < ours[1].lineno
