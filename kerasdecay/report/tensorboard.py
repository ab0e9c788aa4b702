"""Decisions as text in TensorBoard, on every backend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kerasdecay.report.stages import rate_text
from kerasdecay.report.timelines import trace_of

if TYPE_CHECKING:
    from kerasdecay.records import Event


def log_decisions(training: Any, log_dir: str | os.PathLike[str]) -> int:
    """Write the decisions of a training to an event file, for TensorBoard's page "Text".

    The rate itself is logged by Keras' `TensorBoard` callback. Pass the same folder here, or one
    beside it.

    Args:
        training: A decay callback after `fit`, or its trace.
        log_dir: The folder; it is created if it is missing.

    Returns:
        The number of decisions written. If there are none, no file is written.

    Raises:
        ImportError: If tensorboard is missing, with the command that installs it.
        ValueError: If the callback has not trained.

    Examples:
        log_decisions(decay, "logs/run-1")                       # after fit
        keras.callbacks.LambdaCallback(on_train_end=lambda logs: log_decisions(decay, "logs/run-1"))
    """
    events = trace_of("log_decisions", training).events
    try:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError("Writing for TensorBoard needs it: pip install tensorboard") from error
    if not events:
        return 0
    writer = EventFileWriter(os.fspath(log_dir))
    try:
        for event in events:
            writer.add_event(_record(Record, event))
    finally:
        writer.close()
    return len(events)


def _record(record: Any, event: Event) -> Any:
    """Return a decision as TensorBoard's message: one string for the plugin "text"."""
    message = record(step=event.epoch)
    value = message.summary.value.add(tag=f"{event.key}/{event.source}")
    value.metadata.plugin_data.plugin_name = "text"
    value.tensor.dtype = 7  # DT_STRING
    value.tensor.tensor_shape.dim.add(size=1)
    value.tensor.string_val.append(_markdown(event).encode())
    return message


def _markdown(event: Event) -> str:
    if event.after == event.before:
        return event.reason
    return f"**{rate_text(event.before)} → {rate_text(event.after)}** {event.reason}"
