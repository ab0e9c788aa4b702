"""The table that drives the tests of the shapes: a row a variant, values worked out by hand."""

from __future__ import annotations

from typing import NamedTuple

from kerasdecay.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    EpochRates,
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
    Case("constant, frozen", Constant(0.0), [0.0, 0.0], 0.0, False),
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
    Case(
        "exponential, floor",
        Exponential(0.8, every=1, factor=0.5, final_learning_rate=0.15),
        [0.8, 0.4, 0.2, 0.15],
        0.15,
    ),
    Case(
        "exponential, rising",
        Exponential(0.1, every=1, factor=2.0, final_learning_rate=0.7),
        [0.1, 0.2, 0.4, 0.7],
        0.7,
    ),
    Case(
        "exponential, rising staircase",
        Exponential(0.1, every=2, factor=3.0, final_learning_rate=0.5, staircase=True),
        [0.1, 0.1, 0.3, 0.3, 0.5],
        0.5,
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
    # In cycle k, 1 − t/(2k): 1, ½, 0, then ¼, 0, then ⅙.
    Case(
        "polynomial, cycle",
        Polynomial(0.48, power=1, cycle=2),
        [0.48, 0.24, 0.0, 0.12, 0.0, 0.08],
        0.0,
    ),
    Case(
        "polynomial, cycle that leaves a rest",
        Polynomial(0.5, 0.1, power=2, cycle=3),
        [0.5, 0.2777777778, 0.1444444444, 0.1, 0.1],
        0.1,
    ),
    Case("linear", Linear(0.4), [0.4, 0.3, 0.2, 0.1], 0.0),
    Case("cosine", Cosine(0.1), [0.1, 0.0853553391, 0.05, 0.0146446609], 0.0),
    Case("cosine, final", Cosine(0.1, 0.02), [0.1, 0.06], 0.02),
    Case(
        "cosine-restarts",
        CosineRestarts(0.1, cycle=2, growth=2, factor=0.5),
        [0.1, 0.05, 0.05, 0.0426776695, 0.025, 0.0073223305, 0.0],
        0.0,
    ),
    Case("cosine, exponent", Cosine(0.16, exponent=2), [0.16, 0.09, 0.01], 0.0),
    Case("cosine, half of the wave", Cosine(0.4, fraction="50%"), [0.4, 0.3414213562], 0.2),
    Case(
        "cosine, three quarters, final",
        Cosine(0.5, 0.1, fraction=2 / 3, exponent=1),
        [0.5, 0.4],
        0.2,
    ),
    Case(
        "cosine-restarts, growing",
        CosineRestarts(0.1, 0.02, cycle=2, factor=2.0),
        [0.1, 0.06, 0.18, 0.1, 0.34, 0.18, 0.02],
        0.02,
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
        "cyclic, exp_range",
        Cyclic(0.5, cycle=2, factor=0.5, div_factor=5, every=1),
        [0.1, 0.3, 0.1, 0.15, 0.1],
        0.1125,
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
    Case(
        "warmup, cosine",
        warmup(Constant(0.4), 4, start=0.0, curve="cosine"),
        [0.0, 0.0585786438, 0.2, 0.3414213562, 0.4],
        0.4,
    ),
    Case(
        "warmup, cosine, whose first update trains",
        warmup(Constant(0.4), 2, curve="cosine"),
        [0.2, 0.4, 0.4],
        0.4,
    ),
    Case(
        "warmup, 1-sqrt",
        warmup(Constant(0.4), 4, start=0.5, curve="1-sqrt"),
        [0.2, 0.2267949192, 0.2585786438, 0.3, 0.4],
        0.4,
    ),
    Case(
        "warmup, exponential",
        warmup(Linear(0.8), 3, start=0.125, curve="exponential"),
        [0.1, 0.2, 0.4, 0.8, 0.4],
        0.0,
    ),
    Case(
        "warmup without a shift",
        warmup(Linear(0.4), 2, shift=False),
        [0.2, 0.3, 0.2, 0.1],
        0.0,
    ),
    Case(
        "warmup without a shift, of stages",
        warmup(PowerStep(0.1), 2, start=0.5, shift=False),
        [0.05, 0.075, 0.01, 0.01, 0.001, 0.001],
        0.001,
    ),
    Case("product", Linear(0.4) * Step(every=2, factor=0.5), [0.4, 0.3, 0.1, 0.05], 0.0),
    Case(
        "product of three",
        Constant(0.8) * Step(every=1, factor=0.5) * Step(1, every=2, factor=0.5),
        [0.8, 0.4, 0.1, 0.05],
        0.0125,
        False,
    ),
    Case(
        "product with parts that are scaled",
        Constant(0.4) * sequence([0.5 * Constant(), Constant()], [2]),
        [0.2, 0.2, 0.4],
        0.4,
        False,
    ),
    Case("a half of it", 0.5 * Linear(0.4), [0.2, 0.15, 0.1, 0.05], 0.0),
    Case("epoch rates", EpochRates([0.3, 0.0, 0.2]), [0.3, 0.0, 0.2, 0.2], 0.2, False),
    Case("epoch rates, a number too many", EpochRates([0.3, 0.2, 0.1]), [0.3, 0.2], 0.1, False),
    Case("scaled", scaled(Linear(0.4), 0.5), [0.2, 0.15, 0.1, 0.05], 0.0),
    Case("scaled warmup", scaled(warmup(Constant(0.4), 2), 0.5), [0.1, 0.2, 0.2], 0.2),
]

CASES = SHAPES + COMPOSITIONS
