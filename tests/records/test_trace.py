import copy
import pickle

import numpy as np
import pytest

from kerasdecay.records import Event, Setup, Trace
from kerasdecay.records import trace as traces
from kerasdecay.rules import Decision
from kerasdecay.schedules import Constant

REDUCED = Decision("reduce", "no better", "rate × 0.1")
WAITING = Decision("wait", "not yet")


def new_trace(**changed):
    values = {
        "decay": "PlateauDecay",
        "schedules": {"learning_rate": Constant(0.1)},
        "rules": (),
        "update": "batch",
        "epochs": 9,
        "steps_per_epoch": 4,
        "base_rates": {"learning_rate": None},
        "base_source": "given",
        "first_epoch": 0,
        **changed,
    }
    return Trace(Setup(**values))


def decide(trace, decisions, first=0):
    for epoch, decision in enumerate(decisions, first):
        trace.record_decision(Event(epoch, "Plateau", decision, 0.1, 0.1))


@pytest.mark.parametrize(
    ("every", "events"),
    [(1000, 100), (2, 50_000), (10**6, 1)],
)
def test_decisions_of_a_hundred_thousand_epochs_are_bounded_and_every_event_is_kept(every, events):
    trace = new_trace()
    decide(trace, [WAITING if epoch % every else REDUCED for epoch in range(100_000)])
    kept = [event.epoch for event in trace.decisions]
    assert [event.epoch for event in trace.events] == list(range(0, 100_000, every))
    assert len(trace.events) == events
    assert kept == sorted(kept)
    quiet = [epoch for epoch in kept if epoch % every]
    assert len(quiet) == 10_000
    assert quiet == [epoch for epoch in range(100_000) if epoch % every][-10_000:]
    assert trace.decisions_from == max(epoch for epoch in range(quiet[0]) if epoch % every) + 1
    assert trace.kinds == {"reduce": events, "wait": 100_000 - events}
    assert trace.decided_epochs == 100_000


def test_decisions_of_a_short_training_are_all_kept():
    trace = new_trace(first_epoch=3)
    decide(trace, [WAITING, REDUCED, WAITING] * 3, first=3)
    assert [event.decision for event in trace.decisions] == [WAITING, REDUCED, WAITING] * 3
    assert trace.decisions_from == 3


def test_rules_that_decide_in_one_epoch_keep_their_order(monkeypatch):
    monkeypatch.setattr(traces, "QUIET_DECISIONS", 3)
    trace = new_trace()
    for epoch in range(3):
        for source in ("Plateau", "Greedy"):
            decision = REDUCED if source == "Greedy" and epoch == 0 else WAITING
            trace.record_decision(Event(epoch, source, decision, 0.1, 0.1))
    assert [(event.epoch, event.source) for event in trace.decisions] == [
        (0, "Greedy"),
        (1, "Greedy"),
        (2, "Plateau"),
        (2, "Greedy"),
    ]
    assert trace.decisions_from == 2
    assert trace.decided_epochs == 3


def test_notes_are_kept_in_order():
    trace = new_trace()
    assert trace.notes == []
    trace.record_note("goes on with the training before, from epoch 5")
    trace.record_note("initial rate 0.025 found on the optimizer")
    assert trace.notes == [
        "goes on with the training before, from epoch 5",
        "initial rate 0.025 found on the optimizer",
    ]


def test_an_epoch_is_recorded_at_once_or_batch_by_batch():
    bases = {"learning_rate_a": None, "learning_rate_b": 0.5}
    at_once, by_batch = new_trace(base_rates=bases), new_trace(base_rates=bases)
    a, b = np.array([0.4, 0.3, 0.3, 0.2]), np.array([0.5, 0.5, 0.5, 0.1])
    at_once.record_epoch(2, np.arange(4), {"learning_rate_b": b, "learning_rate_a": a})
    for batch in range(4):
        by_batch.record_rates(2, batch, [a[batch], b[batch]])
    for trace in (at_once, by_batch):
        assert trace.steps.tolist() == [8, 9, 11]
        assert trace.learning_rates.tolist() == [0.4, 0.3, 0.2]
        assert trace.learning_rates_of("learning_rate_b").tolist() == [0.5, 0.5, 0.1]


def test_the_rates_are_written_as_csv(tmp_path):
    trace = new_trace(base_rates={"learning_rate_a": None, "learning_rate_b": 0.5})
    trace.record_rates(0, 0, [0.1, 0.5])
    trace.record_rates(0, 3, [0.1 / 3, 0.5])
    trace.record_rates(1, 0, [0.0, 1e-7])
    path = trace.to_csv(tmp_path / "new" / "rates.csv")
    assert path.read_text("utf-8") == (
        "epoch,batch,learning_rate_a,learning_rate_b\n"
        "0,0,0.1,0.5\n"
        "0,3,0.03333333333333333,0.5\n"
        "1,0,0.0,1e-07\n"
    )


def test_what_is_driven_besides_the_rates_is_written_as_csv(tmp_path):
    trace = new_trace(base_rates={"learning_rate": 0.5})
    trace.record_rates(0, 0, [0.5])
    trace.record_knobs(0, np.arange(1, 3), {"momentum": [0.9, 0.8], "weight_decay": [0.1, 0.1]})
    trace.record_rates(1, 0, [0.25])
    assert trace.to_csv(tmp_path / "rates.csv").read_text("utf-8") == (
        "epoch,batch,learning_rate,momentum,weight_decay\n"
        "0,0,0.5,,\n"
        "0,1,0.5,0.9,0.1\n"
        "0,2,0.5,0.8,0.1\n"
        "1,0,0.25,0.8,0.1\n"
    )


def test_a_dropped_rate_is_left_empty_in_the_csv_file(tmp_path):
    steps = 100_000
    trace = new_trace(base_rates={"learning_rate": None}, steps_per_epoch=steps)
    rates = np.linspace(1.0, 0.5, steps)
    trace.record_epoch(0, np.arange(steps), {"learning_rate": rates})
    trace.record_knobs(0, np.array([0, 50_001]), {"momentum": [0.9, 0.8]})
    lines = trace.to_csv(tmp_path / "rates.csv").read_text("utf-8").splitlines()
    assert lines[1] == "0,0,1.0,0.9"
    assert "0,50001,,0.8" in lines
    assert lines[-1] == f"0,{steps - 1},0.5,0.8"


def test_steps_of_an_epoch_without_length_are_an_error_with_its_remedy():
    trace = new_trace(steps_per_epoch=None)
    trace.record_rates(0, 0, [0.1])
    with pytest.raises(
        ValueError, match=r"known number of batches.*Use trace\.epochs and trace\.b"
    ):
        trace.steps  # noqa: B018


@pytest.mark.parametrize("again", [copy.deepcopy, lambda trace: pickle.loads(pickle.dumps(trace))])
def test_a_trace_is_copied_and_pickled_whole(again):
    trace = new_trace()
    trace.record_rates(0, 0, [0.1])
    trace.record_logs(0, {"learning_rate": 0.1})
    trace.record_note("note")
    decide(trace, [REDUCED, WAITING])
    other = again(trace)
    other.record_rates(1, 0, [0.2])
    assert other.decisions == trace.decisions
    assert (other.notes, other.logs, other.setup) == (trace.notes, trace.logs, trace.setup)
    assert other.learning_rates.tolist() == [0.1, 0.2]
    assert trace.learning_rates.tolist() == [0.1]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("lr", "learning_rates"), ("to_pandas", r"to_csv\(path\)"), ("plot", r"kerasdecay\.plot")],
)
def test_what_users_look_for_in_a_trace_is_told(name, meant):
    with pytest.raises(AttributeError, match=f"'Trace' .* {name!r}. Did you mean '{meant}"):
        getattr(new_trace(), name)


@pytest.mark.parametrize(("name", "meant"), [("message", "reason"), ("lr", "after")])
def test_what_users_look_for_in_an_event_is_told(name, meant):
    with pytest.raises(AttributeError, match=f"'Event' .* {name!r}. Did you mean {meant!r}"):
        getattr(Event(0, "Plateau", REDUCED, 0.1, 0.01), name)


def test_two_rates_of_one_place_are_two_rows_of_the_csv_file(tmp_path):
    trace = new_trace()
    trace.record_rates(0, 0, [0.5])
    trace.record_rates(0, 2, [0.4])
    trace.record_rates(0, 2, [0.1])
    trace.record_knobs(0, np.arange(4), {"momentum": [0.9, 0.9, 0.8, 0.7]})
    assert trace.to_csv(tmp_path / "rates.csv").read_text("utf-8") == (
        "epoch,batch,learning_rate,momentum\n0,0,0.5,0.9\n0,2,0.4,0.9\n0,2,0.1,0.8\n0,3,0.1,0.7\n"
    )
