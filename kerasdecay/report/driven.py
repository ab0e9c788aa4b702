"""What was driven besides the rate in a training: in a line each, and in a panel of its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from kerasdecay.report.stages import rate_text

if TYPE_CHECKING:
    from kerasdecay.records import Trace


def driven_lines(trace: Trace) -> list[Text]:
    """Return a line for each of them: `momentum: 0.95 → 0.85 → 0.95`."""
    return [
        Text(f"{name}: {way_text(curve.rates(name))}", style="dim")
        for name, curve in trace.knobs.items()
    ]


def way_text(values: np.ndarray) -> str:
    """Return the first value, the ones farthest from both ends, and the last."""
    first, last = float(values[0]), float(values[-1])
    turns = {
        int(place): float(values[place])
        for place in (np.argmin(values), np.argmax(values))
        if not min(first, last) <= values[place] <= max(first, last)
    }
    way = [first, *(turns[place] for place in sorted(turns)), last]
    texts = [rate_text(value) for value in way]
    kept = [text for place, text in enumerate(texts) if not place or text != texts[place - 1]]
    return " → ".join(kept)
