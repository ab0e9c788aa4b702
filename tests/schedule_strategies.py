"""Hypothesis strategies for schedules: any valid arguments, any run they fit."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from kerasdecay.schedules import (
    FAMILY,
    EpochRates,
    Moment,
    Refined,
    Schedule,
    Shape,
    Timeline,
    cooldown,
    scaled,
    sequence,
    warmup,
)

rates = st.floats(1e-6, 10.0)
shares = st.one_of(st.just(0.0), st.floats(1e-30, 1.0))
durations = st.one_of(
    st.integers(1, 12),
    st.floats(1.0, 12.0),
    st.floats(0.1, 1.0).map("{} epochs".format),
    st.integers(1, 300).map("{} steps".format),
    st.integers(1, 100).map("{}%".format),
)
divisors = st.floats(1.0, 1e4)
norms = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=60)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "stages": st.integers(1, 6),
    "remainder": st.sampled_from(["last", "new_stage"]),
    "every": durations,
    "cycle": durations,
    "rise": durations,
    "timescale": durations,
    "decay": durations,
    "hold": st.one_of(st.just(0), durations),
    "milestones": st.lists(durations, min_size=1, max_size=4).map(tuple),
    "factor": st.floats(1e-3, 1.0),
    "exponent": st.floats(0.1, 8.0),
    "fraction": st.floats(0.01, 1.0),
    "decay_rate": st.floats(1e-3, 100.0),
    "power": st.floats(0.1, 8.0),
    "growth": st.one_of(st.just(1.0), st.floats(1.0, 4.0)),
    "div_factor": divisors,
    "final_div_factor": divisors,
    "staircase": st.booleans(),
}


@st.composite
def shapes(draw: st.DrawFn, name: str | None = None, *, falls: bool = False) -> Shape:
    """Any shape of the family, or of one name; if asked, one that never rises."""
    name = draw(st.sampled_from(sorted(FAMILY))) if name is None else name
    shape = FAMILY[name]
    initial = draw(st.floats(0.01, 0.99) if name == "power-step" else rates)
    arguments = {"initial_learning_rate": initial}
    if name == "refined":
        traced = Refined.from_gradient_norms(draw(norms), initial)
        arguments["relative_rates"] = traced.relative_rates
    for field in shape.__dataclass_fields__:
        if field in ("final_learning_rate", "min_learning_rate"):
            arguments[field] = initial * draw(shares)
        elif field == "curve":
            curves = ["cosine", "linear"] + ["1-sqrt"] * (name != "one-cycle")
            arguments[field] = draw(st.sampled_from(curves))
        elif (name, field) in OPTIONAL:
            arguments[field] = None if falls else draw(st.one_of(st.none(), FIELDS[field]))
        elif (name, field) == ("cosine-restarts", "factor"):
            arguments[field] = draw(st.floats(1e-3, 1.2))
        elif field in FIELDS:
            arguments[field] = draw(FIELDS[field])
    if name == "exponential" and not falls and draw(st.booleans()):
        arguments["factor"] = 1 / arguments["factor"]
        arguments["final_learning_rate"] = initial * draw(st.floats(1.0, 1e3))
        assume(arguments["factor"] > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return shape(**arguments)


OPTIONAL = {("polynomial", "cycle"), ("cyclic", "every")}
RELATIVE = sorted(set(FAMILY) - {"power-step"})
KINDS = ["warmup", "sequence", "scaled", "cooldown", "product", "own function"]


@st.composite
def rises(draw: st.DrawFn) -> dict[str, Any]:
    """The start and the curve of a warmup."""
    curve = draw(st.sampled_from(["linear", "cosine", "1-sqrt", "exponential"]))
    if curve == "exponential":
        return {"curve": curve, "start": draw(st.floats(1e-6, 1.0))}
    return {"curve": curve, "start": draw(st.one_of(st.none(), shares))}


@st.composite
def compositions(draw: st.DrawFn) -> Schedule:
    """A shape, warmed up, scaled, cooled down or followed by another, or several of these."""
    schedule: Schedule = draw(shapes())
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=3)):
        if kind == "warmup":
            how, shift = draw(rises()), draw(st.booleans())
            duration = draw(st.one_of(st.just(0), durations))
            schedule = warmup(schedule, duration, **how, shift=shift)
        elif kind == "sequence":
            schedule = sequence([schedule, draw(shapes())], [draw(durations)])
        elif kind == "cooldown":
            curve = draw(st.sampled_from(["linear", "cosine", "1-sqrt"]))
            schedule = cooldown(schedule, draw(durations), curve, draw(shares) / 10)
        elif kind == "product":
            relative = draw(shapes(draw(st.sampled_from(RELATIVE))))
            final = {"final_learning_rate": 0.5} if hasattr(relative, "final_learning_rate") else {}
            if getattr(relative, "rises", False):
                final = {"final_learning_rate": 2.0}
            schedule *= dataclasses.replace(relative, initial_learning_rate=None, **final)
        elif kind == "own function":
            schedule = sequence([schedule, EpochRates((0.5, 0.0, 0.25))], [draw(durations)])
        else:
            schedule = scaled(schedule, draw(st.floats(0.01, 2.0)))
    return schedule


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Any small run."""
    return Timeline(
        draw(st.integers(1, 40)),
        draw(st.integers(1, 30)),
        draw(st.sampled_from(["step", "epoch"])),
    )


def assume_it_fits(schedule: Schedule, timeline: Timeline) -> None:
    """Pass over a schedule that the run has no room for: it says so with a ValueError."""
    try:
        schedule.check(Moment.of(0, timeline))
    except ValueError:
        assume(False)
