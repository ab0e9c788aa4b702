"""A backend of matplotlib that opens no window, and keeps what it was asked to show."""

from __future__ import annotations

from typing import Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backends.backend_agg import FigureCanvasAgg

FigureCanvas = FigureCanvasAgg
shown: list[Any] = []


def show(*_: Any, **__: Any) -> None:
    """Keep the figures that pyplot holds, as the windows of a real backend do, and let them go."""
    shown.extend(manager.canvas.figure for manager in Gcf.get_all_fig_managers())
    Gcf.destroy_all()
