"""The table that drives the tests of the shapes: a row a variant, values worked out by hand."""

from __future__ import annotations

from typing import NamedTuple

from kerasdecay.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    InverseSqrt,
    InverseTime,
    Knee,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    PowerStep,
    Refined,
    Rex,
    Schedule,
    Step,
    WarmupStable,
    cooldown,
    scaled,
    sequence,
    warmup,
)


class Case(NamedTuple):
    """A schedule, its rate at each epoch's start, and the rate that holds from the horizon on."""

    label: str
    schedule: Schedule
    rates: list[float]
    held: float
    within_epochs: bool = True


SHAPES = [
    Case("constant", Constant(0.1), [0.1, 0.1, 0.1], 0.1, False),
    Case(
        "power-step, the article's",
        PowerStep(0.1),
        [0.1] * 5 + [0.01] * 5 + [0.001] * 5,
        0.001,
        False,
    ),
    Case(
        "power-step, last stage longer",
        PowerStep(0.1, 2),
        [0.1, 0.1, 0.01, 0.01, 0.01],
        0.01,
        False,
    ),
    Case(
        "power-step, new stage",
        PowerStep(0.1, 2, "new_stage"),
        [0.1, 0.1, 0.01, 0.01, 0.001],
        0.001,
        False,
    ),
    Case(
        "power-step, floor",
        PowerStep(0.1, min_learning_rate=0.004),
        [0.1, 0.01, 0.004],
        0.004,
        False,
    ),
    Case("step", Step(0.1, every=2, factor=0.5), [0.1, 0.1, 0.05, 0.05, 0.025], 0.025, False),
    Case("step, parts of epochs", Step(0.1, every=2.5, factor=0.5), [0.1] * 3 + [0.05] * 2, 0.025),
    Case("step, default", Step(0.1), [0.1] * 3 + [0.01] * 3 + [0.001] * 3 + [0.0001], 0.0001),
    Case(
        "multi-step",
        MultiStep(0.1, milestones=(3, 2), factor=0.5),
        [0.1, 0.1, 0.05, 0.025, 0.025],
        0.025,
        False,
    ),
    Case("multi-step, default", MultiStep(0.1), [0.1, 0.1, 0.01, 0.001], 0.001),
    Case("exponential", Exponential(0.8, every=2, factor=0.25), [0.8, 0.4, 0.2, 0.1], 0.05),
    Case(
        "exponential, staircase",
        Exponential(0.8, every=2, factor=0.25, staircase=True),
        [0.8, 0.8, 0.2, 0.2],
        0.05,
        False,
    ),
    Case("exponential, default", Exponential(1.0), [1.0, 0.1], 0.01),
    Case("inverse-time", InverseTime(0.6, every=1), [0.6, 0.3, 0.2, 0.15], 0.12),
    Case(
        "inverse-time, staircase",
        InverseTime(0.6, every=2, decay_rate=2.0, staircase=True),
        [0.6, 0.6, 0.2, 0.2],
        0.12,
        False,
    ),
    Case("polynomial", Polynomial(0.16), [0.16, 0.09, 0.04, 0.01], 0.0),
    Case("polynomial, final", Polynomial(0.5, 0.1, power=1), [0.5, 0.4, 0.3, 0.2], 0.1),
    Case("linear", Linear(0.4), [0.4, 0.3, 0.2, 0.1], 0.0),
    Case("cosine", Cosine(0.1), [0.1, 0.0853553391, 0.05, 0.0146446609], 0.0),
    Case("cosine, final", Cosine(0.1, 0.02), [0.1, 0.06], 0.02),
    Case(
        "cosine-restarts",
        CosineRestarts(0.1, cycle=2, growth=2, factor=0.5),
        [0.1, 0.05, 0.05, 0.0426776695, 0.025, 0.0073223305, 0.0],
        0.0,
    ),
    Case("cosine-restarts, full", CosineRestarts(0.4, 0.2), [0.4] * 4, 0.2),
    Case("cyclic, triangular", Cyclic(0.4, cycle=4), [0.1, 0.25, 0.4, 0.25, 0.1, 0.25], 0.4),
    Case(
        "cyclic, triangular2",
        Cyclic(0.4, cycle=4, factor=0.5),
        [0.1, 0.25, 0.4, 0.25, 0.1, 0.175, 0.25, 0.175],
        0.1,
    ),
    Case(
        "one-cycle, linear",
        OneCycle(1.0, rise=3, div_factor=4, final_div_factor=10, curve="linear"),
        [0.25, 0.625, 1.0, 0.675, 0.35, 0.025],
        0.025,
    ),
    Case(
        "one-cycle, cosine",
        OneCycle(1.0, rise=3, div_factor=4, final_div_factor=10),
        [0.25, 0.625, 1.0, 0.5125, 0.025],
        0.025,
    ),
    Case(
        "inverse-sqrt",
        InverseSqrt(0.6, timescale=1),
        [0.6, 0.4242640687, 0.3464101615, 0.3],
        0.2683281573,
    ),
    Case(
        "warmup-stable, 1-sqrt",
        WarmupStable(0.4, decay=4),
        [0.4, 0.4, 0.4, 0.2, 0.1171572875, 0.0535898385],
        0.0,
    ),
    Case(
        "warmup-stable, linear",
        WarmupStable(0.4, decay=4, curve="linear"),
        [0.4, 0.4, 0.4, 0.3, 0.2, 0.1],
        0.0,
    ),
    Case(
        "warmup-stable, cosine",
        WarmupStable(0.4, 0.2, decay=2, curve="cosine"),
        [0.4, 0.4, 0.3],
        0.2,
    ),
    Case("knee", Knee(0.4), [0.4] * 4 + [0.2666666667, 0.1333333333], 0.0),
    Case("knee, no hold", Knee(0.4, hold=0), [0.4, 0.3, 0.2, 0.1], 0.0),
    Case("rex", Rex(0.3), [0.3, 0.24, 0.15], 0.0),
    Case(
        "refined",
        Refined(0.4, relative_rates=(1.0, 0.5, 0.5, 0.0)),
        [0.4, 0.3, 0.2, 0.2, 0.2, 0.1],
        0.0,
    ),
]

COMPOSITIONS = [
    Case("warmup", warmup(Linear(0.4), 2), [0.2, 0.4, 0.4, 0.3, 0.2, 0.1], 0.0),
    Case("warmup, from 0", warmup(Linear(0.4), 2, start=0.0), [0, 0.2, 0.4, 0.2], 0.0),
    Case("warmup, from a quarter", warmup(Constant(0.4), 3, 0.25), [0.1, 0.2, 0.3, 0.4], 0.4),
    Case("warmup of the whole", warmup(Cosine(0.4), 4), [0.1, 0.2, 0.3, 0.4], 0.4),
    Case("warmup of nothing", warmup(Step(0.4, every=1), 0), [0.4, 0.04], 0.004, False),
    Case(
        "warmup, stages of 4",
        warmup(PowerStep(0.1), 3),
        [0.1 / 3, 0.2 / 3, 0.1] + [0.1] * 4 + [0.01] * 4 + [0.001] * 4,
        0.001,
    ),
    Case(
        "warmup, milestones of the rest",
        warmup(MultiStep(0.1), 2),
        [0.05, 0.1, 0.1, 0.1, 0.01, 0.001],
        0.001,
    ),
    Case(
        "sequence",
        sequence([Constant(0.1), Linear(0.2), Constant(0.01)], [1, 2]),
        [0.1, 0.2, 0.1, 0.01],
        0.01,
    ),
    Case(
        "sequence of constants",
        sequence([Constant(0.1), Constant(0.03)], [2]),
        [0.1, 0.1, 0.03],
        0.03,
        False,
    ),
    Case("cooldown", cooldown(Constant(0.4), 2, "linear"), [0.4, 0.4, 0.4, 0.3, 0.2, 0.1], 0.0),
    Case(
        "cooldown, from half way down",
        cooldown(Linear(0.4), "50%", "cosine", final_learning_rate=0.1),
        [0.4, 0.3, 0.2, 0.15],
        0.1,
    ),
    Case("warmup of the whole, cooldown", warmup(cooldown(Linear(0.4), 1), 2), [0.2, 0.4], 0.4),
    Case("scaled", scaled(Linear(0.4), 0.5), [0.2, 0.15, 0.1, 0.05], 0.0),
    Case("scaled warmup", scaled(warmup(Constant(0.4), 2), 0.5), [0.1, 0.2, 0.2], 0.2),
]

CASES = SHAPES + COMPOSITIONS
