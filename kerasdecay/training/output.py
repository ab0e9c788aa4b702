"""What a callback shows at verbose=1: printed, or logged where Keras itself logs."""

from __future__ import annotations

from typing import Any

import keras

from kerasdecay.records import Event, Trace


def show_announcement(trace: Trace) -> None:
    """Show the panel before a training."""
    from kerasdecay.report import training

    _show(training.announcement(trace))


def show_decision(event: Event, trace: Trace) -> None:
    """Show one line, as Keras' ReduceLROnPlateau does, and why."""
    from kerasdecay.report import training

    _show(training.decision_line(event, trace), wrap=False)


def show_summary(trace: Trace) -> None:
    """Show the table after a training."""
    from kerasdecay.report import training

    _show(training.summary(trace, told=True))


def _show(renderable: Any, *, wrap: bool = True) -> None:
    from kerasdecay.report import console

    if keras.config.is_interactive_logging_enabled():
        console.show(renderable, wrap=wrap)
    else:
        console.log(renderable)
