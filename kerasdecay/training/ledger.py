"""Where decay callbacks have left optimizers: kept beside the optimizers, and only while they live.

Two callback objects that follow each other on one optimizer know nothing of each other. What one
trainer would tell the next stands here.
"""

from __future__ import annotations

import dataclasses
import weakref
from typing import Any


@dataclasses.dataclass
class Left:
    """How a training with a decay callback left an optimizer.

    `epochs` is the horizon of that training. `has_told`: the user was told of a loop of such fits.
    """

    rate: float
    epochs: int
    was_one_epoch: bool
    has_told: bool = False


LEFT: weakref.WeakKeyDictionary[Any, Left] = weakref.WeakKeyDictionary()
"""Optimizer → how the last training with a decay callback left it."""
