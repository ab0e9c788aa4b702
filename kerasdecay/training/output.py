"""What a callback shows at verbose=1: printed, or logged where Keras itself logs."""

from __future__ import annotations

from typing import Any

import keras


def show(part: str, *data: Any, wrap: bool = True, **options: Any) -> None:
    """Show a part of `kerasdecay.report.training`, by its name: it is loaded only now."""
    from kerasdecay.report import console, training

    renderable = getattr(training, part)(*data, **options)
    if keras.config.is_interactive_logging_enabled():
        console.show(renderable, wrap=wrap)
    else:
        console.log(renderable)
