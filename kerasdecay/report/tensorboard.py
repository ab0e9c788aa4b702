"""Decisions as text in TensorBoard, and the rate of each step as a curve, on every backend."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kerasdecay.report.stages import rate_text
from kerasdecay.report.step_rates import by_step
from kerasdecay.report.timelines import trace_of

if TYPE_CHECKING:
    from kerasdecay.records import Event


def log_decisions(training: Any, log_dir: str | os.PathLike[str]) -> int:
    """Write the decisions of a training to an event file, for TensorBoard's page "Text".

    The rate itself is logged by Keras' `TensorBoard` callback at each epoch, and by
    `to_tensorboard` at each step. Pass the same folder here, or one beside it.

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
    return _write(log_dir, lambda record: [_decision(record, event) for event in events])


def to_tensorboard(
    training: Any, log_dir: str | os.PathLike[str], *, epoch: int | None = None
) -> int:
    """Write the rate of each step to an event file, for TensorBoard's page "Scalars".

    Keras' `TensorBoard` callback shows one point an epoch. Here are those of the batches, as
    `decay/learning_rate` (one curve for each optimizer) and what else was driven, such as
    `decay/momentum`; the steps count batches from 0.

    Args:
        training: A decay callback after `fit` or within it, or its trace.
        log_dir: The folder; it is created if it is missing.
        epoch: Only this epoch, from 0, for a call at each epoch's end; None: all of the training.

    Returns:
        The number of steps written. If there are none, no file is written.

    Raises:
        ImportError: If tensorboard is missing, with the command that installs it.
        ValueError: If the callback has not trained, or the number of batches in an epoch is
            unknown.

    Examples:
        to_tensorboard(decay, "logs/run-1")                      # after fit
    """
    steps = list(by_step(trace_of("to_tensorboard", training), epoch))
    return _write(log_dir, lambda record: [_scalars(record, *one) for one in steps])


def _write(log_dir: str | os.PathLike[str], records: Callable[[Any], list[Any]]) -> int:
    """Write an event file of the messages that are made with TensorBoard's class; count them."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError("Writing for TensorBoard needs it: pip install tensorboard") from error
    made = records(Record)
    if not made:
        return 0
    writer = EventFileWriter(os.fspath(log_dir))
    try:
        for message in made:
            writer.add_event(message)
    finally:
        writer.close()
    return len(made)


def _scalars(record: Any, step: int, values: Mapping[str, float]) -> Any:
    """Return the values of a step as TensorBoard's message: numbers for the plugin "scalars"."""
    message = record(step=step, wall_time=time.time())
    for name, number in values.items():
        value = message.summary.value.add(tag=name)
        value.metadata.plugin_data.plugin_name = "scalars"
        value.tensor.dtype = 1  # DT_FLOAT
        value.tensor.float_val.append(number)
    return message


def _decision(record: Any, event: Event) -> Any:
    """Return a decision as TensorBoard's message: one string for the plugin "text"."""
    message = record(step=event.epoch)
    value = message.summary.value.add(tag=f"{event.key}/{event.source}")
    value.metadata.plugin_data.plugin_name = "text"
    value.tensor.dtype = 7  # DT_STRING
    value.tensor.tensor_shape.dim.add(size=1)
    value.tensor.string_val.append(_markdown(event).encode())
    return message


def _markdown(event: Event) -> str:
    reason = event.reason if event.batch is None else f"batch {event.batch + 1}: {event.reason}"
    if event.after == event.before:
        return reason
    return f"**{rate_text(event.before)} → {rate_text(event.after)}** {reason}"
