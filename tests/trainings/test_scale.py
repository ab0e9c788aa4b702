"""Epochs of millions of steps, and thousands of epochs, cost what they must and no more."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasdecay.control import Bookmark, ScheduledRates, StateFile, Track, TrackBookmark
from kerasdecay.records import Setup, Trace
from kerasdecay.schedules import Cosine, Cyclic, Linear, PowerStep, Timeline, warmup
from kerasdecay.training.host import HostActuator

MIB = 2**20
STEPS = 5_000_000


class Target:
    """Stands for a rate's target."""

    def __init__(self) -> None:
        self.written: list[float] = []
        self.count = 0
        self.rate = 0.1

    def read(self) -> float:
        return self.rate

    def write(self, rate: float) -> None:
        self.rate = rate
        self.count += 1

    def confirm(self, rate: float) -> None:
        assert self.rate == rate

    def same(self, one: float, other: float) -> bool:
        return one == other


class Driver:
    """Stands for the callback, whose model alone is asked for."""

    model = None


def setup(schedule: Any, rates: int) -> Setup:
    return Setup(
        decay="LinearDecay",
        schedules={"learning_rate": schedule},
        rules=(),
        update="batch",
        epochs=2,
        steps_per_epoch=rates,
        base_rates={"learning_rate": None},
        base_source="given",
        first_epoch=0,
    )


@pytest.mark.parametrize(
    "schedule", [Linear(0.4), warmup(Cosine(0.4), "1000 steps"), Cyclic(0.4, cycle="7 steps")]
)
def test_an_epoch_of_five_million_steps_needs_little_memory(schedule: Any) -> None:
    timeline = Timeline(2, STEPS, "step")
    track = Track("learning_rate", ScheduledRates(schedule, timeline), ())
    target, trace = Target(), Trace(setup(schedule, STEPS))
    tracemalloc.start()
    try:
        actuator = HostActuator([track], {"learning_rate": target}, trace, STEPS)
        track.begin_epoch(0)
        actuator.begin_epoch(None, 0)
        before, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        # As many batches as a test can afford, spread over the epoch.
        for first in range(0, STEPS, STEPS // 20):
            for batch in range(first, first + 500):
                actuator.begin_batch(Driver, 0, batch)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 8 * MIB
    assert after - before < 4 * MIB
    assert target.count > 5000
    last = STEPS - STEPS // 20 + 499
    assert target.rate == pytest.approx(float(track.open_loop.rates(last, last + 1)[0]))


def test_the_trace_keeps_a_curve_that_is_exact_at_its_ends() -> None:
    trace = Trace(setup(Linear(0.4), STEPS))
    count, chunk = 1_000_000, 65_536
    tracemalloc.start()
    try:
        for begin in range(0, count, chunk):
            batches = np.arange(begin, min(begin + chunk, count))
            trace.record_epoch(0, batches, {"learning_rate": 0.4 * (1 - batches / count)})
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    rates = trace.learning_rates_of("learning_rate")
    assert len(rates) < 50_000
    assert (rates[0], rates[-1]) == pytest.approx((0.4, 0.4 / count))
    assert held < 8 * MIB


def bookmark(epoch: int) -> Bookmark:
    return Bookmark(epoch, {"learning_rate": TrackBookmark(None, (0.1,), ())})


@pytest.mark.parametrize("epochs", [500, 2000])
def test_a_state_file_of_thousands_of_epochs_costs_each_epoch_the_same(
    epochs: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # counted is what is written
    path = tmp_path / "state.json"
    file, sizes = StateFile(path, {}), []
    file.begin(0)
    for epoch in range(epochs):
        file.save(bookmark(epoch))
        sizes.append(path.stat().st_size)
    growth = np.diff(sizes)
    assert growth.max() - growth.min() <= 3  # the digits of the epoch
    again = StateFile(path, {})
    assert again.begin(epochs - 1) == bookmark(epochs - 1)


@pytest.mark.parametrize("schedule", [PowerStep(0.1), Linear(0.1), Cosine(0.1)])
def test_a_schedule_over_a_thousand_million_steps_is_looked_up_at_once(schedule: Any) -> None:
    timeline = Timeline(1000, 1_000_000, "step")
    tracemalloc.start()
    try:
        planned = ScheduledRates(schedule, timeline)
        planned.begin_epoch(999)
        last = planned.rates(999_999, 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
    assert 0 <= last[0] < 0.01
