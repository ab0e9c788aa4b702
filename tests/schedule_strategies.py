"""Hypothesis strategies for schedules: any valid arguments, any run they fit."""

from __future__ import annotations

import warnings
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from kerasdecay.schedules import (
    FAMILY,
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
    st.floats(0.1, 12.0),
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
    "decay_rate": st.floats(1e-3, 100.0),
    "power": st.floats(0.1, 8.0),
    "growth": st.one_of(st.just(1.0), st.floats(1.0, 4.0)),
    "div_factor": divisors,
    "final_div_factor": divisors,
    "staircase": st.booleans(),
}


@st.composite
def shapes(draw: st.DrawFn, name: str | None = None) -> Shape:
    """Any shape of the family, or of one name."""
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
        elif field in FIELDS:
            arguments[field] = draw(FIELDS[field])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return shape(**arguments)


KINDS = ["warmup", "sequence", "scaled", "cooldown"]


@st.composite
def compositions(draw: st.DrawFn) -> Schedule:
    """A shape, warmed up, scaled, cooled down or followed by another, or several of these."""
    schedule: Schedule = draw(shapes())
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=3)):
        if kind == "warmup":
            start = draw(st.one_of(st.none(), shares))
            schedule = warmup(schedule, draw(st.one_of(st.just(0), durations)), start)
        elif kind == "sequence":
            schedule = sequence([schedule, draw(shapes())], [draw(durations)])
        elif kind == "cooldown":
            curve = draw(st.sampled_from(["linear", "cosine", "1-sqrt"]))
            schedule = cooldown(schedule, draw(durations), curve, draw(shares) / 10)
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
