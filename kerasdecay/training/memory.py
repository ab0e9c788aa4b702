"""What is known of a training when the next one begins.

A callback object remembers its own last training. Two callback objects that follow each other on
one optimizer share `LEFT`, which keeps an entry for each optimizer only while that lives.
"""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerasdecay.control import Bookmark

if TYPE_CHECKING:
    from kerasdecay.training.session import Session
    from kerasdecay.training.targets import RateTarget


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


@dataclasses.dataclass
class Memory:
    """What a callback object remembers of its last training, without holding its model.

    It would go on with `next_epoch`. Where it stood is known once it has ended, and of each
    optimizer, by its log name, the steps that it had made.
    """

    next_epoch: int
    bookmark: Bookmark | None = None
    optimizers: Mapping[str, tuple[weakref.ref[Any], int | None]] = dataclasses.field(
        default_factory=dict
    )

    def close(self, session: Session) -> None:
        """Note where the session has left its optimizers."""
        bookmark = session.bookmark(self.next_epoch)
        tracks = {}
        for key, track in bookmark.tracks.items():
            # An interrupted training may have been released since, at another rate.
            since = LEFT.get(session.targets[key].optimizer)
            rates = (session.left[key], *([] if since is None else [since.rate]))
            known = tuple(rate for rate in rates if not math.isnan(rate))
            tracks[key] = dataclasses.replace(track, rates=known)
        self.bookmark = dataclasses.replace(bookmark, tracks=tracks)
        self.optimizers = {
            key: (weakref.ref(target.optimizer), target.steps())
            for key, target in session.targets.items()
        }

    def knows(self, target: RateTarget) -> bool:
        """Whether this is an optimizer that the training left, and that was not set back since."""
        reference, steps = self.optimizers.get(target.key, (lambda: None, None))
        present = target.steps()
        return reference() is target.optimizer and (present or 0) >= (steps or 0)
