"""Which units of a network, the columns of its kernels, gradients still move."""

from __future__ import annotations

import numpy as np

_STILL = 1e-6  # of a unit's norm: what is left of momentum long after the last gradient
_PARALLEL = 0.99  # the cosine beyond which two directions are one
_ENOUGH_WEIGHTS = 4  # of a unit; fewer are parallel to their gradient by chance


def moving_units(kernel: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return for each unit, a column of the last axis, whether a gradient has moved its weights.

    A unit whose weights all shrink alike has met weight decay, and no gradient.

    Args:
        kernel: A kernel, of two or more dimensions.
        before: The same some batches ago.
    """
    now, then = (one.reshape(-1, one.shape[-1]) for one in (kernel, before))
    with np.errstate(all="ignore"):
        change = now - then
        length, norm = np.linalg.norm(change, axis=0), np.linalg.norm(then, axis=0)
        shrinks = (change * then).sum(axis=0) < -_PARALLEL * length * norm
        moves: np.ndarray = length > _STILL * norm
    moves &= ~(shrinks & (len(change) >= _ENOUGH_WEIGHTS))
    return moves
