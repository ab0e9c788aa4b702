"""The look that the pictures share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#333333"
FAINT = "#dddddd"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that no pyplot window knows of, so that nobody need close it.

    Raises:
        ImportError: If matplotlib is missing, with the command that installs it.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ImportError(
            'Drawing curves needs matplotlib: pip install "kerasdecay[plot]"'
        ) from error
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    return Figure(figsize=(width, height), dpi=130, layout=layout)


def dress(axes: Axes, first: float, last: float) -> None:
    """Give a panel over the epochs from `first` to `last` its frame and grid."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(first, last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)


def rate_axis(axes: Axes, *, log: bool) -> None:
    """Make the vertical axis one of learning rates."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.4g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def heading(axes: Axes, text: str) -> None:
    """Set a panel's heading, at its left."""
    axes.set_title(text, loc="left", color=INK, fontsize=11, fontweight="bold")


def picture(figure: Figure, kind: str = "png") -> bytes:
    """Return a figure as the bytes of a file; ValueError for a kind that is not known."""
    content = io.BytesIO()
    figure.savefig(content, format=kind)
    return content.getvalue()
