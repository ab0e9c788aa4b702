"""The style of all pictures."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdecay._files import write_atomically
from kerasdecay._warnings import warn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#333333"
FAINT = "#dddddd"
# Okabe & Ito (2008), "Color Universal Design": colour-blind readers can tell them apart.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that is not registered with pyplot, and need not be closed.

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
    return _shown(Figure)(figsize=(width, height), dpi=130, layout=layout)


@functools.cache
def _shown(figure: type[Figure]) -> type[Figure]:
    """Return the class of figures that bring their picture along.

    A notebook shows a plain figure only after `%matplotlib inline` or an import of pyplot. After
    these, the way that they install goes first, so that nothing is shown twice.
    """

    class ShownFigure(figure):  # type: ignore[misc, valid-type]
        def _repr_png_(self) -> bytes:
            return picture(self)

    return ShownFigure


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Give each name a colour; colours are used again if there are more names."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}


def frame(axes: Axes) -> None:
    """Give a panel its frame and grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)


def dress(axes: Axes, first: float, last: float) -> None:
    """Give a panel its frame and grid, and the epochs from `first` to `last` as its axis."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(first, last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    frame(axes)


def steps(axes: Axes, positions: Any, values: Any, end: float, **style: Any) -> None:
    """Draw values that hold from their positions on, the last one until the end."""
    axes.plot([*positions, end], [*values, values[-1]], drawstyle="steps-post", **style)


def rate_axis(axes: Axes, *, log: bool) -> None:
    """Show learning rates on the vertical axis."""
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


def note(axes: Axes, text: str) -> None:
    """Set the small print at the right of a panel's heading."""
    axes.set_title(text, loc="right", color=INK, fontsize=8)


def headline(figure: Figure, text: str) -> None:
    """Set the title above all panels, at the left."""
    figure.suptitle(text, x=0.01, ha="left", color=INK, fontsize=13, fontweight="bold")


def key(figure: Figure, colours: Mapping[str, str]) -> None:
    """Add a legend below all panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linewidth=2.5, label=name) for name, colour in colours.items()
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=min(len(handles), 5), frameon=False
    )


def picture(figure: Figure, kind: str = "png") -> bytes:
    """Return a figure as the bytes of a file; ValueError for an unknown kind of file."""
    content = io.BytesIO()
    figure.savefig(content, format=kind)
    return content.getvalue()


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Save a figure, whole or not at all, in the format of the suffix (.png, .svg, .pdf)."""
    path = Path(path)
    return write_atomically(path, picture(figure, path.suffix.lstrip(".") or "png"))


def handed(
    figure: Figure, path: str | os.PathLike[str] | None = None, *, show: bool = False
) -> Figure:
    """Return the figure: saved if there is a path, in a window of its own if `show`."""
    if path is not None:
        save_figure(figure, path)
    if show:
        show_figure(figure)
    return figure


def show_figure(figure: Figure) -> None:
    """Show a figure with pyplot: in a window, until it is closed, or in a notebook.

    Where matplotlib has no windows (its backend is "agg", say) a warning says so.
    """
    from matplotlib import pyplot

    backend = pyplot.get_backend()
    if backend.lower() in _WITHOUT_WINDOWS:
        warn(
            f"show=True: matplotlib's backend {backend!r} opens no window. Save the picture "
            "(figure.savefig('curve.png')), or choose another backend: MPLBACKEND=tkagg, say."
        )
        return
    # pyplot shows only figures that it has made: this one replaces the figure of a new window.
    canvas = pyplot.figure(figsize=tuple(figure.get_size_inches()), dpi=figure.dpi).canvas
    figure.set_canvas(canvas)
    canvas.figure = figure
    pyplot.show()


_WITHOUT_WINDOWS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
"""matplotlib's own backends that write files and nothing else."""
