"""What counts as a number in the logs of an epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def as_number(value: Any) -> float | None:
    """Return a logged value as a number, None if it is none.

    An array of one element counts, a text does not, and an integer that no float can hold counts as
    an infinity.

    Examples:
        >>> import numpy as np
        >>> as_number(np.ones((1, 1))), as_number("0.5"), as_number(10**400)
        (1.0, None, inf)
    """
    if isinstance(value, (str, bytes)):
        return None
    if hasattr(value, "detach"):  # or torch warns of a loss that has a gradient
        value = value.detach()
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        pass
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return float(found.item()) if found.size == 1 and found.dtype.kind in "fiub" else None
