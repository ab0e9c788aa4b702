"""What a training prints: at verbose=0 nothing, and no escape codes where there is no terminal."""

from __future__ import annotations

import math
import re
from typing import Any

import keras
import pytest
from tiny import Scripted, fit, odometer

from kerasdecay import PlateauDecay

pytestmark = pytest.mark.any_backend

VALUES = [1.0, 1.0, math.nan, 0.5]


def output(capfd: pytest.CaptureFixture[str], learning_rate: float = 0.5, **arguments: Any) -> str:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, **arguments)
    fit(odometer(learning_rate), [Scripted(val_loss=VALUES), decay], epochs=len(VALUES))
    captured = capfd.readouterr()
    assert captured.err == ""
    return captured.out


def test_verbose_0_prints_not_one_byte(capfd: pytest.CaptureFixture[str]) -> None:
    fit(odometer())  # what the backend says of itself at its first step is not ours
    capfd.readouterr()
    assert output(capfd) == ""
    assert output(capfd, warmup=1, restore_best_weights=True) == ""


def test_verbose_1_where_there_is_no_terminal_has_no_escape_codes(
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = output(capfd, verbose=1)
    assert text
    assert "\x1b" not in text
    assert "\r" not in text


def kerass_output(capfd: pytest.CaptureFixture[str], learning_rate: float) -> str:
    theirs = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, verbose=1)
    fit(odometer(learning_rate), [Scripted(val_loss=VALUES), theirs], epochs=len(VALUES))
    return capfd.readouterr().out


def test_verbose_1_prints_each_reduction_as_keras_does_and_why(
    capfd: pytest.CaptureFixture[str],
) -> None:
    theirs = kerass_output(capfd, 0.5).replace("ReduceLROnPlateau", "PlateauDecay")
    lines = theirs.splitlines()
    assert len(lines) == 4 and lines[::2] == ["", ""]  # a line of its own, under the progress bar
    ours = output(capfd, verbose=1)
    assert f"\n{lines[0]}\n{lines[1]} val_loss 1 has not improved on 1 by 0.0001 for 1 ep" in ours
    assert f"\n{lines[2]}\n{lines[3]} val_loss is nan, which counts as no improvement" in ours
    assert ours.count("reducing learning rate") == 2


def test_verbose_1_prints_three_digits_of_a_rate_that_keras_prints_in_full(
    capfd: pytest.CaptureFixture[str],
) -> None:
    rate = re.compile(r"Epoch \d: \w+ reducing learning rate to (\S+)\.\s")
    theirs = rate.findall(kerass_output(capfd, 0.1))
    assert theirs == ["0.05000000074505806", "0.02500000037252903"]
    assert rate.findall(output(capfd, 0.1, verbose=1)) == ["0.05", "0.025"]


def test_verbose_1_says_where_the_base_rate_came_from(capfd: pytest.CaptureFixture[str]) -> None:
    assert "0.5, the optimizer's" in output(capfd, verbose=1)
