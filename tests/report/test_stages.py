import itertools

import numpy as np
import pytest

from kerasdecay.records import Trace
from kerasdecay.report.stages import planned, recorded, stages, table_rows
from kerasdecay.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Knee,
    OneCycle,
    PowerStep,
    Step,
    Timeline,
    simulate,
    warmup,
)


def shown(schedule, epochs, *, steps=None, how=stages, **options):
    timeline = Timeline(epochs, steps, "epoch" if steps is None else "step")
    return [str(stage) for stage in how(*planned(schedule, timeline), **options)]


@pytest.mark.parametrize(
    ("schedule", "epochs", "steps", "expected"),
    [
        (PowerStep(0.1), 15, None, ["1-5: 0.1", "6-10: 0.01", "11-15: 0.001"]),
        (PowerStep(0.1), 3, None, ["1: 0.1", "2: 0.01", "3: 0.001"]),
        (Constant(0.1), 40, 7, ["1-40: 0.1"]),
        (Cosine(0.1), 40, None, ["1-40: 0.1 → 0.000154"]),
        (warmup(Constant(0.1), 2), 40, 4, ["1-2: 0.0125 → 0.1", "3-40: 0.1"]),
        (Cosine(0.1), 12, 50, ["1-12: 0.1 → 6.85e-07"]),
        (warmup(Cosine(0.1), 2), 12, 50, ["1-2: 0.001 → 0.1", "3-12: 0.1 → 9.87e-07"]),
        (OneCycle(0.1), 12, 50, ["1-4: 0.004 → 0.0994", "5-12: 0.0994 → 4e-07"]),
        (Knee(0.1, hold="80%"), 10, 5, ["1-8: 0.1", "9-10: 0.1 → 0.01"]),
        (Step(0.1, every=1, factor=0.5), 3, None, ["1: 0.1", "2: 0.05", "3: 0.025"]),
        (Step(0.1, every=1, factor=0.5), 6, None, ["1-6: 0.1 → 0.00313"]),
        (warmup(Step(0.1, every=1), 1), 3, 4, ["1: 0.025 → 0.1", "2: 0.1", "3: 0.01"]),
        (
            CosineRestarts(0.1, cycle=20),
            40,
            None,
            ["1-20: 0.1 → 0.000616", "21-40: 0.1 → 0.000616"],
        ),
    ],
)
def test_stages_say_where_the_rate_stays_and_where_it_goes(schedule, epochs, steps, expected):
    assert shown(schedule, epochs, steps=steps) == expected


def test_they_cover_every_epoch_once():
    for schedule in (
        PowerStep(0.1),
        Cosine(0.1),
        CosineRestarts(0.1),
        Step(0.1, every=1, factor=0.9),
    ):
        for how in (stages, table_rows):
            found = how(*planned(schedule, Timeline(37, 5)))
            assert found[0].first == 0
            assert found[-1].last == 36
            assert all(b.first == a.last + 1 for a, b in itertools.pairwise(found))


def test_what_a_rule_changes_begins_a_stage_of_a_movement():
    begins, ends = planned(Cosine(0.1), Timeline(8, 10))
    begins[5:], ends[5:] = begins[5:] / 10, ends[5:] / 10
    assert [str(stage) for stage in stages(begins, ends)] == ["1-8: 0.1 → 3.85e-06"]
    found = [str(stage) for stage in stages(begins, ends, cuts={5})]
    assert found == ["1-5: 0.1 → 0.0327", "6-8: 0.00309 → 3.85e-06"]


def test_rows_of_a_table_are_few_even_for_a_rate_without_pattern():
    rates = np.random.default_rng(0).uniform(size=200)
    rows = table_rows(rates, rates)
    assert len(rows) == 6
    assert "…" in rows[0].rate


def test_planned_rates_are_those_of_the_simulation():
    schedule = warmup(Cosine(0.1), "10%")
    begins, ends = planned(schedule, Timeline(9, 11))
    rates = simulate(schedule, epochs=9, steps_per_epoch=11).reshape(9, 11)
    assert begins.tolist() == rates[:, 0].tolist()
    assert ends.tolist() == rates[:, -1].tolist()


def test_recorded_rates_hold_until_the_next_is_written(trace_of):
    begins, ends = recorded(trace_of([0.5] * 6), "learning_rate")
    expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert begins.tolist() == pytest.approx(expected)
    assert ends.tolist() == pytest.approx(expected)


def test_a_recorded_rate_that_moves_within_epochs_has_a_begin_and_an_end(setup_of):
    trace = Trace(setup_of(Cosine(0.1)))
    for epoch, batch, rate in [(0, 0, 0.4), (0, 2, 0.3), (1, 1, 0.2)]:
        trace.record_rates(epoch, batch, [rate])
    trace.record_logs(0, {"learning_rate": 0.3})
    trace.record_logs(1, {"learning_rate": 0.2})
    begins, ends = recorded(trace, "learning_rate")
    assert begins.tolist() == [0.4, 0.3]
    assert ends.tolist() == [0.3, 0.2]


def test_what_a_probe_tried_is_no_rate_of_the_training(setup_of):
    trace = Trace(setup_of(Cosine(0.1)))
    for epoch, batch, rate in [(0, 0, 1e-9), (0, 1, 1.0), (1, 0, 10.0), (1, 1, 2.0)]:
        trace.record_tried(epoch, batch, rate)
    trace.record_rates(1, 2, [0.4])
    trace.record_rates(1, 3, [0.3])
    trace.record_logs(1, {"learning_rate": 0.3})
    assert trace.tried == 4
    begins, ends = recorded(trace, "learning_rate")
    assert (begins.tolist(), ends.tolist()) == ([0.4], [0.3])
