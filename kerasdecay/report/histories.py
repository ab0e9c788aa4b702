"""The `History` that `fit` returns, as a trace: the rate of each epoch and its metrics."""

from __future__ import annotations

from typing import Any

from kerasdecay._checks import invalid
from kerasdecay.records import Setup, Trace


def is_history(subject: Any) -> bool:
    """Whether it is a Keras History, by its attributes: Keras itself need not be loaded."""
    return isinstance(getattr(subject, "history", None), dict) and hasattr(subject, "epoch")


def trace_of(history: Any) -> Trace:
    """Return a History as a trace with one rate per epoch; ValueError if it has no rates."""
    names = [name for name in history.history if name.startswith("learning_rate")]
    if not names or not history.epoch:
        allowed = "a History with a learning_rate for each epoch"
        remedy = "Every decay callback logs it."
        raise invalid("plot", "subjects", allowed, sorted(history.history), remedy)
    setup = Setup(
        decay="History",
        schedules={},
        rules=(),
        update="epoch",
        epochs=history.epoch[-1] + 1,
        steps_per_epoch=None,
        base_rates=dict.fromkeys(names),
        base_source="logged",
        first_epoch=history.epoch[0],
    )
    trace = Trace(setup)
    for place, epoch in enumerate(history.epoch):
        logs = {
            name: float(values[place])
            for name, values in history.history.items()
            if place < len(values)
        }
        trace.record_rates(epoch, 0, [logs[name] for name in names])
        trace.record_logs(epoch, logs)
    return trace
