"""Tables and pictures of schedules, trainings and comparisons.

Reports read data and change nothing. A name is looked up when it is first used, so that only what
is needed is loaded; matplotlib is needed for pictures alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasdecay._names import no_such_name

if TYPE_CHECKING:
    from kerasdecay.report.comparison import comparison_figure, comparison_table
    from kerasdecay.report.figures import save_figure
    from kerasdecay.report.pictures import plot
    from kerasdecay.report.sparklines import sparkline
    from kerasdecay.report.tensorboard import log_decisions, to_tensorboard
    from kerasdecay.report.timelines import explain, timeline
    from kerasdecay.report.trackers import to_mlflow, to_wandb
    from kerasdecay.report.training import announcement, summary

_HOMES = {
    "announcement": "training",
    "comparison_figure": "comparison",
    "comparison_table": "comparison",
    "explain": "timelines",
    "log_decisions": "tensorboard",
    "plot": "pictures",
    "save_figure": "figures",
    "sparkline": "sparklines",
    "summary": "training",
    "timeline": "timelines",
    "to_mlflow": "trackers",
    "to_tensorboard": "tensorboard",
    "to_wandb": "trackers",
}

__all__ = [
    "announcement",
    "comparison_figure",
    "comparison_table",
    "explain",
    "log_decisions",
    "plot",
    "save_figure",
    "sparkline",
    "summary",
    "timeline",
    "to_mlflow",
    "to_tensorboard",
    "to_wandb",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise no_such_name(__name__, name, __all__)
    return getattr(importlib.import_module(f"kerasdecay.report.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
