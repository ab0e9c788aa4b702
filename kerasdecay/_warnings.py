"""Warnings that point at the user's line: the first frame outside of this package and of Keras."""

from __future__ import annotations

import sys
import warnings

_INSIDE = {"kerasdecay", "keras", "keras_tuner", "tensorflow", "jax", "torch", "joblib"}


def warn(message: str) -> None:
    """Warn at the line of the user's that led here: the one that calls `fit`, or a constructor."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE
