"""The one way up: whoever must show something asks here for the floor that can."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


def reporter() -> ModuleType:
    """Return the module that shows a training; it is imported when first needed, never before.

    It has `announce(trace)`, `announce_decision(event, trace)` and `summarise(trace)`.
    """
    return importlib.import_module("kerasdecay.report.training")


def html(shown: Any) -> str:
    """Return what a notebook shows of a schedule or a trace."""
    return importlib.import_module("kerasdecay.report.notebook").picture_of(shown)
