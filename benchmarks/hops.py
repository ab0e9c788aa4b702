"""How a rate gets from `fit` into the optimizer: the functions and files on its way.

    python benchmarks/hops.py

Every call of a function of kerasdecay is seen by `sys.setprofile`, from the making of
`PowerStepDecay(0.1)` until the optimizer is given its first rate. Printed are

- the essential chain: the functions on the stack when the schedule's formula is first evaluated,
  and those on the stack when its result is written into the optimizer, each counted once;
- all calls up to that write, the files they are in, and how often the file changes from one call
  to the next.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasdecay

PACKAGE = Path(kerasdecay.__file__).parent
Call = tuple[str, str]
"""A function: its file within the package, and its qualified name."""


@dataclasses.dataclass
class Way:
    """What was called on the way of the first rate."""

    to_formula: list[Call] = dataclasses.field(default_factory=list)
    to_write: list[Call] = dataclasses.field(default_factory=list)
    calls: list[Call] = dataclasses.field(default_factory=list)

    @property
    def chain(self) -> list[Call]:
        """The essential chain: the way to the formula, then what only the write adds."""
        return list(dict.fromkeys([*self.to_formula, *self.to_write]))

    @property
    def changes(self) -> int:
        """How often a call is in another file than the call before it."""
        return sum(one[0] != other[0] for one, other in itertools.pairwise(self.calls))

    def watch(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call, as `sys.setprofile` wants it, until the first rate is written."""
        if event != "call" or self.to_write:
            return
        code = frame.f_code
        call = _call(frame)
        if call is not None:
            self.calls.append(call)
            if not self.to_formula and call[1] == "PowerStep.learning_rate":
                self.to_formula = _stack(frame)
        elif self.to_formula and code.co_name == "learning_rate" and code.co_argcount == 2:
            self.to_write = _stack(frame)  # the setter of Keras' optimizers


def measured() -> Way:
    """Return the way of the first rate of `PowerStepDecay(0.1)`."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((8, 1), "float32")
    kind = kerasdecay.PowerStepDecay  # imports its module, which is not counted
    way, before = Way(), sys.getprofile()
    sys.setprofile(way.watch)
    try:
        model.fit(x, x, epochs=3, callbacks=[kind(0.1)], verbose=0)
    finally:
        sys.setprofile(before)
    return way


def main() -> None:
    """Measure and print."""
    way = measured()
    for file, function in way.chain:
        print(f"{file:28} {function}")
    print(f"the essential chain: {counted(way.chain, 'functions')}")
    print(f"all up to the first write: {counted(way.calls)}, {way.changes} changes of file")


def counted(calls: list[Call], what: str = "calls") -> str:
    """Return the number of calls and of their files, in words."""
    return f"{len(calls)} {what} in {len({file for file, _ in calls})} files"


def _call(frame: FrameType) -> Call | None:
    """Return the call that a frame is, if it is one of the package."""
    file = Path(frame.f_code.co_filename)
    if not file.is_relative_to(PACKAGE):
        return None
    return file.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname


def _stack(frame: FrameType | None) -> list[Call]:
    """Return the functions of the package that lead to a frame, the outermost first.

    A comprehension is no function: newer Pythons give it no frame.
    """
    found: list[Call] = []
    while frame is not None:
        call = _call(frame)
        if call is not None and not call[1].endswith(">"):
            found.insert(0, call)
        frame = frame.f_back
    return found


if __name__ == "__main__":
    main()
