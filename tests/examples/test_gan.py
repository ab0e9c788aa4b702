"""The GAN: each of its optimizers at its own rate, in the log and in the step."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
gan = importlib.import_module("gan")


def test_each_optimizer_comes_down_by_its_own_cosine(monkeypatch, capsys):
    applied = {}

    class Reader:
        def __init__(self, built):
            for name in gan.RATES:
                optimizer = getattr(built, name)
                applied[name] = []
                self.note(optimizer, applied[name])

        @staticmethod
        def note(optimizer, rates):
            apply = optimizer.apply

            def noting(*arguments, **options):
                rates.append(float(optimizer.learning_rate.numpy()))
                return apply(*arguments, **options)

            optimizer.apply = noting

    build = gan.build

    def eager():
        built = build()
        built.run_eagerly = True
        Reader(built)
        return built

    monkeypatch.setattr(gan, "build", eager)
    assert gan.main(["--epochs", "2", "--steps", "3"]) == 0
    for name, first in gan.RATES.items():
        cosine = [first * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]
        assert applied[name] == pytest.approx(cosine, rel=1e-6)
    shown = capsys.readouterr().out
    assert "0.002, given (d_optimizer)" in shown
    assert "0.0005, given (g_optimizer)" in shown
    assert "of the points within 3 standard deviations of the ring" in shown


def test_quality_tells_points_off_the_ring_and_a_ring_met_in_part():
    angles = np.linspace(0, np.pi, 1800, endpoint=False)
    half = gan.RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert gan.quality(half) == (1.0, 0.5)
    assert gan.quality(np.concatenate([half, 2 * half])) == (0.5, 0.5)
