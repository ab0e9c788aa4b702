"""Trainings that take turns: one at a time, in the order in which the turns are given."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
Turns = importlib.import_module("_lockstep").Turns


def training(done, name, epochs):
    """Return a stand-in for `fit` that notes each epoch."""

    def train(callbacks):
        for epoch in range(epochs):
            for callback in callbacks:
                callback.on_epoch_begin(epoch)
            done.append(name)
            if epoch == 2:
                raise ValueError("the third epoch fails")
            for callback in callbacks:
                callback.on_epoch_end(epoch)

    return train


def test_an_epoch_is_trained_when_its_turn_comes_and_not_before():
    done = []
    one, other = (Turns(training(done, name, 2), []) for name in ("one", "other"))
    assert done == []
    spent = [turns.take() for turns in (one, other, other, one)]
    assert done == ["one", "other", "other", "one"]
    assert all(cpu >= 0 and clock > 0 for cpu, clock in spent)


def test_an_error_is_raised_where_the_turn_was_given():
    done = []
    turns = Turns(training(done, "one", 5), [])
    turns.take(), turns.take()
    with pytest.raises(ValueError, match="the third epoch fails"):
        turns.take()
    assert done == ["one"] * 3
