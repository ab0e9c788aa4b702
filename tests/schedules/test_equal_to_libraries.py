"""Equal to torch, optax, transformers and Keras at every step; where they differ, pinned."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from kerasdecay.schedules import (
    ByStep,
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    Timeline,
    WarmupStable,
    sequence,
    warmup,
)
from kerasdecay.training.from_keras import FromKeras

torch = pytest.importorskip("torch")
optax = pytest.importorskip("optax")
hugging_face = pytest.importorskip("transformers.optimization")

EPOCHS, STEPS, PAST = 6, 20, 45
END = EPOCHS * STEPS
RATE = 0.25  # a binary fraction, so that it is the same number in single precision

keras_schedules = keras.optimizers.schedules
torch_schedulers = torch.optim.lr_scheduler


def ours(schedule: Schedule, count: int) -> np.ndarray:
    return np.asarray(schedule.rates(np.arange(count), Timeline(EPOCHS, STEPS)))


def of_torch(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[int], np.ndarray]:
    """Drive a torch scheduler, or a transformers one, which is torch's, step by step."""

    def rates(count: int) -> np.ndarray:
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=RATE, momentum=0.9)
        scheduler = make(optimizer, *args, **kwargs)
        found = []
        for step in range(count):
            if step > 0:
                optimizer.step()
                scheduler.step()
            found.append(float(optimizer.param_groups[0]["lr"]))
        return np.asarray(found)

    return rates


def of_function(schedule: Callable[[Any], Any]) -> Callable[[int], np.ndarray]:
    """Evaluate an optax or a Keras schedule."""
    return lambda count: np.asarray([float(schedule(step)) for step in range(count)])


class Row(NamedTuple):
    label: str
    schedule: Schedule
    reference: Callable[[int], np.ndarray]
    past: str = "the same"  # what the library does beyond the horizon, where we hold the last rate


HOLDS, FALLS, RISES = "the same", "goes on falling", "rises again"
OTHERWISE = "goes on, and lies elsewhere"

ROWS = [
    Row("torch StepLR", Step(RATE, "50 steps"), of_torch(torch_schedulers.StepLR, 50), FALLS),
    Row(
        "torch MultiStepLR",
        MultiStep(RATE, ("30 steps", 4), 0.5),
        of_torch(torch_schedulers.MultiStepLR, [30, 80], 0.5),
    ),
    Row(
        "optax piecewise_constant_schedule",
        MultiStep(RATE, ("30 steps", 4), 0.5),
        of_function(optax.piecewise_constant_schedule(RATE, {30: 0.5, 80: 0.5})),
    ),
    Row(
        "torch ExponentialLR",
        Exponential(RATE, every="1 steps", factor=0.97),
        of_torch(torch_schedulers.ExponentialLR, 0.97),
        FALLS,
    ),
    Row(
        "Keras ExponentialDecay",
        Exponential(RATE, every="40 steps", factor=0.5),
        of_function(keras_schedules.ExponentialDecay(RATE, 40, 0.5)),
        FALLS,
    ),
    Row(
        "Keras ExponentialDecay, staircase",
        Exponential(RATE, every="40 steps", factor=0.5, staircase=True),
        of_function(keras_schedules.ExponentialDecay(RATE, 40, 0.5, staircase=True)),
        FALLS,
    ),
    Row(
        "optax exponential_decay",
        Exponential(RATE, every="40 steps", factor=0.5),
        of_function(optax.exponential_decay(RATE, 40, 0.5)),
        FALLS,
    ),
    Row(
        "Keras InverseTimeDecay",
        InverseTime(RATE, every=1, decay_rate=0.5),
        of_function(keras_schedules.InverseTimeDecay(RATE, STEPS, 0.5)),
        FALLS,
    ),
    Row(
        "Keras InverseTimeDecay, staircase",
        InverseTime(RATE, every=1, decay_rate=0.5, staircase=True),
        of_function(keras_schedules.InverseTimeDecay(RATE, STEPS, 0.5, staircase=True)),
        FALLS,
    ),
    Row(
        "Keras PolynomialDecay",
        Polynomial(RATE, 0.0625, power=3),
        of_function(keras_schedules.PolynomialDecay(RATE, END, 0.0625, power=3.0)),
    ),
    Row(
        "optax polynomial_schedule",
        Polynomial(RATE, 0.0625, power=3),
        of_function(optax.polynomial_schedule(RATE, 0.0625, 3, END)),
    ),
    Row(
        "torch PolynomialLR",
        Polynomial(RATE, power=0.9),
        of_torch(torch_schedulers.PolynomialLR, total_iters=END, power=0.9),
    ),
    Row("optax linear_schedule", Linear(RATE), of_function(optax.linear_schedule(RATE, 0.0, END))),
    Row(
        "torch LinearLR",
        Linear(RATE, RATE / 4),
        of_torch(torch_schedulers.LinearLR, 1.0, 0.25, total_iters=END),
    ),
    Row(
        "transformers get_linear_schedule_with_warmup",
        warmup(Linear(RATE), "15 steps", start=0.0),
        of_torch(hugging_face.get_linear_schedule_with_warmup, 15, END),
    ),
    Row(
        "optax cosine_decay_schedule",
        Cosine(RATE, RATE / 8),
        of_function(optax.cosine_decay_schedule(RATE, END, alpha=1 / 8)),
    ),
    Row(
        "Keras CosineDecay",
        Cosine(RATE, RATE / 8),
        of_function(keras_schedules.CosineDecay(RATE, END, alpha=1 / 8)),
    ),
    Row(
        "Keras CosineDecay, its warmup",
        warmup(Cosine(RATE), "15 steps", start=0.0),
        of_function(
            keras_schedules.CosineDecay(0.0, END - 15, warmup_target=RATE, warmup_steps=15)
        ),
    ),
    Row(
        "optax warmup_cosine_decay_schedule",
        warmup(Cosine(RATE), "15 steps", start=0.5),
        of_function(optax.warmup_cosine_decay_schedule(RATE / 2, RATE, 15, END)),
    ),
    Row(
        "optax join_schedules",
        sequence([Linear(RATE, RATE / 2), Cosine(RATE / 2)], ["25%"]),
        of_function(
            optax.join_schedules(
                [
                    optax.linear_schedule(RATE, RATE / 2, 30),
                    optax.cosine_decay_schedule(RATE / 2, END - 30),
                ],
                [30],
            )
        ),
    ),
    Row(
        "torch CosineAnnealingLR",
        Cosine(RATE, 0.01),
        of_torch(torch_schedulers.CosineAnnealingLR, END, 0.01),
        RISES,
    ),
    Row(
        "transformers get_cosine_schedule_with_warmup",
        warmup(Cosine(RATE), "15 steps", start=0.0),
        of_torch(hugging_face.get_cosine_schedule_with_warmup, 15, END),
        RISES,
    ),
    Row(
        "Keras CosineDecayRestarts",
        CosineRestarts(RATE, RATE / 8, cycle="17 steps", growth=2, factor=0.5),
        of_function(keras_schedules.CosineDecayRestarts(RATE, 17, 2.0, 0.5, 1 / 8)),
        RISES,
    ),
    Row(
        "optax sgdr_schedule",
        CosineRestarts(RATE, cycle="17 steps", growth=2),
        of_function(
            optax.sgdr_schedule(
                [
                    {
                        "init_value": RATE,
                        "peak_value": RATE,
                        "warmup_steps": 0,
                        "decay_steps": 17 * length,
                        "end_value": 0.0,
                    }
                    for length in (1, 2, 4)
                ]
            )
        ),
    ),
    Row(
        "torch CyclicLR, triangular",
        Cyclic(RATE, cycle=2, div_factor=5),
        of_torch(torch_schedulers.CyclicLR, RATE / 5, RATE, STEPS),
        RISES,
    ),
    Row(
        "torch CyclicLR, triangular2",
        Cyclic(RATE, cycle=2, div_factor=5, factor=0.5),
        of_torch(torch_schedulers.CyclicLR, RATE / 5, RATE, STEPS, mode="triangular2"),
        RISES,
    ),
    Row(
        "transformers get_inverse_sqrt_schedule",
        warmup(InverseSqrt(RATE, "15 steps"), "15 steps", start=0.0),
        of_torch(hugging_face.get_inverse_sqrt_schedule, 15),
        FALLS,
    ),
    Row(
        "transformers get_inverse_sqrt_schedule, a timescale of its own",
        warmup(InverseSqrt(RATE, "40 steps"), "15 steps", start=0.0),
        of_torch(hugging_face.get_inverse_sqrt_schedule, 15, 40),
        FALLS,
    ),
    *(
        Row(
            f"transformers get_wsd_schedule, {curve}",
            warmup(
                WarmupStable(RATE, RATE / 8, decay="33 steps", curve=curve),
                "15 steps",
                start=0.0,
            ),
            of_torch(
                hugging_face.get_wsd_schedule, 15, 33, END, decay_type=curve, min_lr_ratio=1 / 8
            ),
        )
        for curve in ("linear", "cosine", "1-sqrt")
    ),
    *(
        Row(
            f"transformers get_wsd_schedule, {curve} warmup",
            warmup(WarmupStable(RATE, decay="33 steps"), "15 steps", start=0.0, curve=curve),
            of_torch(
                hugging_face.get_wsd_schedule,
                15,
                33,
                END,
                warmup_type=curve,
                decay_type="1-sqrt",
            ),
        )
        for curve in ("linear", "cosine", "1-sqrt")
    ),
    Row(
        "optax exponential_decay, a floor",
        Exponential(RATE, every="40 steps", factor=0.5, final_learning_rate=RATE / 4),
        of_function(optax.exponential_decay(RATE, 40, 0.5, end_value=RATE / 4)),
    ),
    Row(
        "optax exponential_decay, rising to a ceiling",
        Exponential(RATE, every="40 steps", factor=2.0, final_learning_rate=1.5),
        of_function(optax.exponential_decay(RATE, 40, 2.0, end_value=1.5)),
    ),
    Row(
        "optax exponential_decay, a warmup by the same factor",
        warmup(Constant(16 * RATE), "40 steps", start=1 / 16, curve="exponential"),
        of_function(optax.exponential_decay(RATE, 40, 16.0, end_value=16 * RATE)),
    ),
    Row(
        "optax warmup_exponential_decay_schedule, a floor",
        warmup(
            Exponential(RATE, every="40 steps", factor=0.5, final_learning_rate=RATE / 4),
            "15 steps",
            start=0.5,
        ),
        of_function(
            optax.warmup_exponential_decay_schedule(RATE / 2, RATE, 15, 40, 0.5, end_value=RATE / 4)
        ),
    ),
    Row(
        "optax cosine_decay_schedule, exponent",
        Cosine(RATE, RATE / 8, exponent=2.5),
        of_function(optax.cosine_decay_schedule(RATE, END, alpha=1 / 8, exponent=2.5)),
    ),
    Row(
        "transformers get_cosine_schedule_with_warmup, half of the half wave",
        warmup(Cosine(RATE, fraction=0.5), "15 steps", start=0.0),
        of_torch(hugging_face.get_cosine_schedule_with_warmup, 15, END, num_cycles=0.25),
        FALLS,
    ),
    Row(
        "transformers get_cosine_with_min_lr_schedule_with_warmup, most of the half wave",
        warmup(Cosine(RATE, RATE / 8, fraction="80%"), "15 steps", start=0.0),
        of_torch(
            hugging_face.get_cosine_with_min_lr_schedule_with_warmup,
            15,
            END,
            num_cycles=0.4,
            min_lr_rate=1 / 8,
        ),
        OTHERWISE,
    ),
    Row(
        "Keras CosineDecayRestarts, growing",
        CosineRestarts(RATE, RATE / 8, cycle="17 steps", growth=2, factor=1.5),
        of_function(keras_schedules.CosineDecayRestarts(RATE, 17, 2.0, 1.5, 1 / 8)),
        RISES,
    ),
    Row(
        "Keras PolynomialDecay, cycle",
        Polynomial(RATE, 0.0625, power=2, cycle="40 steps"),
        of_function(keras_schedules.PolynomialDecay(RATE, 40, 0.0625, power=2.0, cycle=True)),
        RISES,
    ),
    Row(
        "torch CyclicLR, exp_range",
        Cyclic(RATE, cycle=2, div_factor=5, factor=0.98, every="1 steps"),
        of_torch(torch_schedulers.CyclicLR, RATE / 5, RATE, STEPS, mode="exp_range", gamma=0.98),
        OTHERWISE,
    ),
    Row(
        "torch ChainedScheduler, two that decay",
        Exponential(RATE, every="1 steps", factor=0.97) * Step(every="50 steps", factor=0.5),
        of_torch(
            lambda optimizer: torch_schedulers.ChainedScheduler(
                [
                    torch_schedulers.ExponentialLR(optimizer, 0.97),
                    torch_schedulers.StepLR(optimizer, 50, 0.5),
                ]
            )
        ),
        FALLS,
    ),
    Row(
        "torch ChainedScheduler, a constant factor at first",
        Exponential(RATE, every="1 steps", factor=0.97)
        * sequence([0.1 * Constant(), Constant()], ["20 steps"]),
        of_torch(
            lambda optimizer: torch_schedulers.ChainedScheduler(
                [
                    torch_schedulers.ConstantLR(optimizer, 0.1, 20),
                    torch_schedulers.ExponentialLR(optimizer, 0.97),
                ]
            )
        ),
        FALLS,
    ),
    Row(
        "torch ChainedScheduler, a warmup that does not shift",
        warmup(Step(RATE, every="50 steps"), "20 steps", start=0.25, shift=False),
        of_torch(
            lambda optimizer: torch_schedulers.ChainedScheduler(
                [
                    torch_schedulers.LinearLR(optimizer, 0.25, 1.0, total_iters=20),
                    torch_schedulers.StepLR(optimizer, 50),
                ]
            )
        ),
        FALLS,
    ),
    Row(
        "torch LambdaLR, a function of the step",
        0.25 * ByStep(lambda step: 1 / (1 + step)),
        of_torch(torch_schedulers.LambdaLR, lambda step: 1 / (1 + step)),
        FALLS,
    ),
    Row(
        "torch MultiplicativeLR, a product over the steps",
        ByStep(lambda step: RATE * 0.97**step),
        of_torch(torch_schedulers.MultiplicativeLR, lambda step: 0.97),
        FALLS,
    ),
    Row(
        "Keras CosineDecay itself",
        FromKeras(keras_schedules.CosineDecay(0.0, 90, warmup_target=RATE, warmup_steps=30)),
        of_function(keras_schedules.CosineDecay(0.0, 90, warmup_target=RATE, warmup_steps=30)),
    ),
    Row(
        "transformers get_constant_schedule_with_warmup",
        warmup(Constant(RATE), "15 steps", start=0.0),
        of_torch(hugging_face.get_constant_schedule_with_warmup, 15),
    ),
]


def differs_in_the_first_steps(label: str) -> bool:
    """Tell that transformers' WSD begins its warmup at the final rate, not at 0."""
    return "get_wsd" in label


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_equal_at_every_step(row: Row) -> None:
    theirs = row.reference(END + PAST)
    found = ours(row.schedule, END + PAST)
    begin = 15 if differs_in_the_first_steps(row.label) else 0
    end = 119 if "Restarts" in row.label or "sgdr" in row.label else END
    np.testing.assert_allclose(found[begin:end], theirs[begin:end], rtol=2e-6, atol=2e-8)
    held, past = found[END], theirs[END:]
    np.testing.assert_array_equal(found[END:], held)
    if row.past == HOLDS:
        np.testing.assert_allclose(past, held, rtol=2e-6, atol=2e-8)
    elif row.past == FALLS:
        assert (np.diff(past) <= 0).all()
        assert past[-1] < held
    elif row.past == RISES:
        assert past.max() > held + 0.01
    else:
        assert np.abs(past - held).max() > 0.01


def test_wsd_warmup_is_a_share_of_the_rate_here_and_starts_at_the_final_rate_there() -> None:
    final = RATE / 8
    theirs = of_torch(hugging_face.get_wsd_schedule, 4, 33, END, min_lr_ratio=1 / 8)(4)
    np.testing.assert_allclose(theirs, final + (RATE - final) * np.arange(4) / 4)
    here = ours(warmup(WarmupStable(RATE, final), "4 steps", start=1 / 8), 4)
    np.testing.assert_allclose(here, theirs)


@pytest.mark.parametrize("curve", ["cosine", "linear"])
@pytest.mark.parametrize("rise", [0.3, 0.127, 0.5])
def test_one_cycle_is_torchs_up_to_its_last_step(curve: str, rise: float) -> None:
    strategy = {"cosine": "cos", "linear": "linear"}[curve]
    theirs = of_torch(
        torch_schedulers.OneCycleLR,
        RATE,
        total_steps=END,
        pct_start=rise,
        anneal_strategy=strategy,
    )(END + 1)
    found = ours(OneCycle(RATE, rise=f"{100 * rise:g}%", curve=curve), END + 3)
    np.testing.assert_allclose(found[:END], theirs[:END], rtol=1e-9)
    # Torch takes one step past the end: the cosine rises again, and the line goes below zero.
    assert theirs[END] < 0 if curve == "linear" else theirs[END] > 1.1 * theirs[END - 1]
    np.testing.assert_array_equal(found[END:], found[END - 1])


def test_one_cycle_of_torch_raises_after_the_step_past_the_end() -> None:
    with pytest.raises(ValueError, match="Tried to step"):
        of_torch(torch_schedulers.OneCycleLR, RATE, total_steps=END)(END + 2)


def test_at_a_boundary_keras_keeps_the_old_rate_and_optax_and_this_take_the_new_one() -> None:
    boundary = 30
    by_keras = keras_schedules.PiecewiseConstantDecay([boundary], [RATE, RATE / 2])
    by_optax = optax.piecewise_constant_schedule(RATE, {boundary: 0.5})
    here = ours(sequence([Constant(RATE), Constant(RATE / 2)], ["30 steps"]), END)
    at = [float(by_keras(boundary)), float(by_optax(boundary)), here[boundary]]
    assert at == [RATE, RATE / 2, RATE / 2]
    after = [float(by_keras(boundary + 1)), float(by_optax(boundary + 1)), here[boundary + 1]]
    assert after == [RATE / 2] * 3


def test_integer_initial_values_make_keras_schedules_zero_and_not_these() -> None:
    assert float(keras_schedules.ExponentialDecay(1, STEPS, 0.5)(STEPS)) == 0.0
    assert ours(Exponential(1, every=1, factor=0.5), END)[STEPS] == 0.5


def test_a_horizon_in_torch_excludes_the_warmup_and_here_includes_it() -> None:
    def warmed_up(optimizer: Any) -> Any:
        rise = torch_schedulers.LinearLR(optimizer, 0.1, 1.0, total_iters=15)
        fall = torch_schedulers.CosineAnnealingLR(optimizer, END)
        return torch_schedulers.SequentialLR(optimizer, [rise, fall], milestones=[15])

    theirs = of_torch(warmed_up)(END)
    assert theirs[-1] > 0.005  # not down yet, for its t_max of END begins after the warmup
    found = ours(warmup(Cosine(RATE), "15 steps", start=0.1), END)
    np.testing.assert_allclose(found[:16], theirs[:16], rtol=1e-12)
    assert found[-1] < 1e-4


def test_t5_holds_its_rate_before_the_inverse_square_root() -> None:
    hold = 15
    found = ours(sequence([Constant(RATE), InverseSqrt(RATE, "15 steps")], ["15 steps"]), END)
    steps = np.arange(END)
    np.testing.assert_allclose(found, RATE * np.sqrt(hold) / np.sqrt(np.maximum(steps, hold)))


def test_every_shape_of_keras_has_its_equal_here() -> None:
    of_keras = {
        name
        for name, value in vars(keras_schedules).items()
        if inspect.isclass(value) and name != "LearningRateSchedule"
    }
    assert of_keras == {
        "CosineDecay",
        "CosineDecayRestarts",
        "ExponentialDecay",
        "InverseTimeDecay",
        "PiecewiseConstantDecay",
        "PolynomialDecay",
    }
