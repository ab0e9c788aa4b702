"""What a training prints: at verbose=0 nothing, and no escape codes where there is no terminal."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tiny import Scripted, fit, odometer

from kerasdecay import PlateauDecay

pytestmark = pytest.mark.any_backend

VALUES = [1.0, 1.0, math.nan, 0.5]


def output(capfd: pytest.CaptureFixture[str], **arguments: Any) -> str:
    decay = PlateauDecay("val_loss", factor=0.5, patience=1, **arguments)
    fit(odometer(), [Scripted(val_loss=VALUES), decay], epochs=len(VALUES))
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


def test_verbose_1_prints_each_reduction_as_keras_does(capfd: pytest.CaptureFixture[str]) -> None:
    text = output(capfd, verbose=1)
    assert "\nEpoch 2: PlateauDecay reducing learning rate to 0.25." in text
    assert "\nEpoch 3: PlateauDecay reducing learning rate to 0.125." in text
    assert "val_loss 1 has not improved on 1 by 0.0001 for 1 epoch" in text
    assert text.count("reducing learning rate") == 2


def test_verbose_1_says_where_the_base_rate_came_from(capfd: pytest.CaptureFixture[str]) -> None:
    assert "0.5, the optimizer's" in output(capfd, verbose=1)
