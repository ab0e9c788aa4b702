"""One optimizer's rate, read and written through its public property."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import ml_dtypes  # noqa: F401 (gives NumPy the dtype "bfloat16")
import numpy as np

_PROPERTY = keras.optimizers.Optimizer.learning_rate
_ROUNDING = 2.0**-8
"""What the coarsest precision, bfloat16, may change of a rate, as a share of it."""


class RateTarget:
    """The learning rate of one optimizer.

    Reading and writing both use the public `learning_rate`: a wrapper may forward it, and have
    something else in its private variable.

    Args:
        optimizer: A `keras.optimizers.Optimizer`, or any object with the same `learning_rate` and
            `iterations`. Subclass and override `read` and `write` for a rate that lives elsewhere,
            and register the subclass: see `kerasdecay.training.find.register_target`.
        key: The log name of the rate.
    """

    def __init__(self, optimizer: Any, key: str = "learning_rate") -> None:
        self.optimizer = optimizer
        self.key = key
        self.counts_steps = True
        """Whether the optimizer's own counter tells its steps."""

    def read(self) -> float:
        """Return the rate that the next step would use.

        A variable in single precision gives the shortest decimal that it stands for: 0.1, not
        0.10000000149.
        """
        value = np.asarray(keras.ops.convert_to_numpy(self.optimizer.learning_rate))
        return shortest(float(value))

    def write(self, rate: float) -> None:
        """Set the rate."""
        self.optimizer.learning_rate = rate

    @property
    def variable(self) -> Any:
        """The variable of a rate that is nothing but one, as in Keras' own optimizers, else None.

        A setter of a wrapper's own may do more than write a variable.
        """
        if type(self).write is not RateTarget.write:
            return None
        if getattr(type(self.optimizer), "learning_rate", None) is not _PROPERTY:
            return None
        return self.optimizer.learning_rate

    def confirm(self, rate: float) -> None:
        """Make sure that the optimizer holds the rate that was written, or raise a ValueError."""
        if self.variable is not None:
            return
        found = self.read()
        if not (self.same(found, rate) or math.isclose(found, rate, rel_tol=_ROUNDING)):
            raise self._changes(rate, found)

    def check(self) -> None:
        """Raise an error if the rate is not a plain number, which alone can be set.

        An optimizer may also compute its rate, with a warmup of its own say, out of the one that
        it is given. What is written and logged is then not what trains.

        Raises:
            ValueError: It is a TypeError as well, which is what Keras' own callbacks raise here.
        """
        rate = self.read()
        tried = _other_than(rate)
        try:
            self.write(tried)
            found = self.read()
        except (AttributeError, TypeError) as error:
            kind = type(self.optimizer).__name__
            raise RateNotSettableError(
                f"kerasdecay: the optimizer's learning_rate must be a float for a callback to set "
                f"it. Received: {kind}({self.key}={_kind_of_rate(self.optimizer)}). Compile the "
                f"model with {kind}(learning_rate=0.1), say, and leave the decay to the callback."
            ) from error
        self.write(rate)
        if self.same(found, tried):
            return
        present = self.read()
        if present and not self.same(present, rate):
            self.write(rate * rate / present)  # which gives the rate that it had
        raise self._changes(tried, found)

    def inner_with_own_rate(self) -> tuple[str, float] | None:
        """Return the attribute of an optimizer that takes the steps at its own rate, and that rate.

        A wrapper may be given a rate of its own, and never hand it on.
        """
        for name, one in getattr(self.optimizer, "__dict__", {}).items():
            if not (_is_keras_optimizer(one) and hasattr(one, "learning_rate") and _steps_of(one)):
                continue
            inner, rate = RateTarget(one), self.read()
            before = inner.read()
            self.write(_other_than(rate, before))
            is_handed_on = inner.read() != before  # possibly multiplied by something
            self.write(rate)
            if not is_handed_on:
                return name, before
        return None

    def same(self, one: float, other: float) -> bool:
        """Whether two rates are equal as the optimizer holds them."""
        return self._rounded(one) == self._rounded(other)

    def stored(self, rate: float) -> float:
        """Return a rate as the optimizer holds it: as it was written, but for a coarser rounding.

        Single precision loses nothing that matters, so 0.1 stays 0.1; bfloat16 makes it 0.10009766,
        and a rate that is too small for the optimizer is 0.
        """
        rounded = self._rounded(rate)
        return rate if abs(rounded - rate) <= 1e-7 * abs(rate) else rounded

    def steps(self) -> int | None:
        """Return how many gradients the optimizer has been given, None if it does not count them.

        With gradient accumulation that is more than its `iterations`, which count updates. A
        wrapper may leave the counting to the optimizer inside.
        """
        if not self.counts_steps:
            return None
        attributes = getattr(self.optimizer, "__dict__", {}).values()
        inside = [one for one in attributes if _is_keras_optimizer(one)]
        counts = [_steps_of(one) for one in (self.optimizer, *inside)]
        return max((count for count in counts if count is not None), default=None)

    def _changes(self, rate: float, found: float) -> RateNotSettableError:
        return RateNotSettableError(
            "kerasdecay: the optimizer's learning_rate must be the rate that it was given, so that "
            f"what is logged is what trains. Received: {type(self.optimizer).__name__}, whose "
            f"{self.key} is {found:g} after {rate:g} was set. Use an optimizer that does not "
            "change its rate, and leave that to the callback: a warmup is warmup=…."
        )

    def _rounded(self, rate: float) -> float:
        return rate if self._dtype is None else float(np.asarray(rate, self._dtype))

    @functools.cached_property
    def _dtype(self) -> str | None:
        """What the rate is held in; None if it lives elsewhere, as a Python number say.

        It is asked for once: under `update="compiled"` the rate of a step is computed to be read.
        """
        variable = getattr(self.optimizer, "learning_rate", None)
        # On JAX a variable of float64 holds float32, unless double precision is switched on there.
        dtype = getattr(getattr(variable, "value", variable), "dtype", None)
        return None if dtype is None else keras.backend.standardize_dtype(dtype)


class ParameterGroupRate(RateTarget):
    """The rate of one parameter group of a torch optimizer, which does not count its steps."""

    def __init__(self, optimizer: Any, key: str, group: int) -> None:
        super().__init__(optimizer, key)
        self._group = group

    def read(self) -> float:
        """Return the group's rate."""
        return float(self.optimizer.param_groups[self._group]["lr"])

    def write(self, rate: float) -> None:
        """Set the group's rate."""
        self.optimizer.param_groups[self._group]["lr"] = rate


class RateNotSettableError(ValueError, TypeError):
    """An optimizer was built with a schedule or a function in place of a rate."""


def shortest(value: float) -> float:
    """Return a float32 as the shortest decimal that names it, as its user wrote it.

    A rate of 0.1, read from an optimizer, is the float64 0.10000000149011612. Everything that is
    not exactly a float32 stays as it is.

    Examples:
        >>> shortest(0.10000000149011612)
        0.1
    """
    single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def _other_than(*rates: float) -> float:
    """Return another rate, exact in every precision, to be written to see what becomes of it."""
    return next(one for one in (0.5, 0.25, 0.125) if one not in rates)


def _steps_of(optimizer: Any) -> int | None:
    accumulates = getattr(optimizer, "gradient_accumulation_steps", None)
    count = getattr(optimizer, "_iterations" if accumulates else "iterations", None)
    return None if count is None else int(keras.ops.convert_to_numpy(count))


def _is_keras_optimizer(value: Any) -> bool:
    return isinstance(value, keras.optimizers.Optimizer)


def _kind_of_rate(optimizer: Any) -> str:
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return f"the schedule {type(rate).__name__}"
    return "a function" if callable(rate) else "read-only"
