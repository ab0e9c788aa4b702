"""The greedy rule: transformers' GreedyLR on the same losses, and where it differs on purpose."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdecay.rules import Greedy, Observation

# Theirs → ours, where the names differ.
RENAMED = {"threshold": "min_delta", "threshold_mode": "min_delta_mode"}


def theirs(values: list[float], learning_rate: float, **arguments: Any) -> list[float]:
    """Return the rates that GreedyLR leaves in a torch optimizer after each value."""
    torch = pytest.importorskip("torch")
    optimization = pytest.importorskip("transformers.optimization")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)
    scheduler = optimization.GreedyLR(optimizer, **arguments)
    rates = []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def ours(values: list[float], learning_rate: float, **arguments: Any) -> list[float]:
    renamed = {RENAMED.get(name, name): value for name, value in arguments.items()}
    window = renamed.pop("window_size", 50)
    if renamed.pop("smooth", False):
        renamed["smoothing"] = window
    rule = Greedy("m", **{"mode": "min", **renamed})
    return [learning_rate * state.scale for state in rule.replay(values, learning_rate)]


def test_the_arguments_have_their_defaults() -> None:
    optimization = pytest.importorskip("transformers.optimization")
    parameters = inspect.signature(optimization.GreedyLR).parameters
    wanted = {
        RENAMED.get(name, name): one.default
        for name, one in parameters.items()
        if name not in ("optimizer", "verbose", "smooth", "window_size", "mode")
    }
    rule = Greedy()
    assert {name: getattr(rule, name) for name in wanted} == wanted
    assert parameters["smooth"].default is False and rule.smoothing == 1


# Steps of a 64th: sums, differences and threshold ties are exact, so that both decide alike.
grid = st.integers(0, 64).map(lambda value: value / 64)
any_loss = st.one_of(grid, st.floats(0, 1e6, width=32, allow_subnormal=False))
# Runs of a falling, a rising and a level loss, so that long patience is exhausted too.
runs = st.lists(
    st.tuples(st.sampled_from([-1 / 64, 0.0, 1 / 64]), st.integers(1, 12)), max_size=6
).map(
    lambda parts: [
        sum(step * count for step, count in parts[:index]) + 8.0 + step * (one + 1)
        for index, (step, count) in enumerate(parts)
        for one in range(count)
    ]
)
arguments = {
    "mode": st.sampled_from(["min", "max"]),
    "factor": st.sampled_from([0.95, 0.5, 0.7, 0.1]),
    "patience": st.integers(0, 4),
    "threshold": st.sampled_from([0.0, 1e-6, 1 / 64, 0.25]),
    "threshold_mode": st.sampled_from(["abs", "rel"]),
    "cooldown": st.integers(0, 3),
    "warmup": st.integers(0, 3),
    # None that products of the others come near to but for rounding: see the test on that.
    "min_lr": st.sampled_from([0.0, 1.7e-3, 0.05, 0.3]),
    "max_lr": st.sampled_from([0.3, 0.5, 1.0]),
    "eps": st.sampled_from([0.0, 1e-8, 0.011]),
    "reset_start": st.integers(1, 4),
    "smooth": st.booleans(),
    "window_size": st.integers(1, 5),
}
# Some lie below the floor, at it, and above the ceiling.
rates = st.sampled_from([0.1, 0.3, 0.5, 0.7, 1e-3, 1e-4, 2.0])


@settings(max_examples=200)
@given(values=st.one_of(st.lists(any_loss, max_size=40), runs), learning_rate=rates, **arguments)
def test_the_rates_are_transformers_own_on_any_losses(
    values: list[float], learning_rate: float, **given_arguments: Any
) -> None:
    expected = theirs(values, learning_rate, **given_arguments)
    assert ours(values, learning_rate, **given_arguments) == pytest.approx(expected, rel=1e-9)


def test_the_rates_are_transformers_own_with_the_defaults_in_a_long_training() -> None:
    falling = [1.0 / (1 + step / 8) for step in range(200)]
    level = [0.5] * 800
    for values in (falling + level, level + falling):
        expected = theirs(values, 0.01)
        assert len(set(expected)) > 10
        assert ours(values, 0.01) == pytest.approx(expected, rel=1e-9)


def test_the_rates_are_transformers_own_over_many_resets() -> None:
    values = [0.5] * 400
    options = {"patience": 1, "factor": 0.5, "min_lr": 0.02, "reset_start": 3, "cooldown": 2}
    expected = theirs(values, 0.1, **options)
    fell = [one for one, other in zip(expected[1:], expected, strict=False) if one > other]
    assert len(fell) > 5, "it should reset often"
    assert ours(values, 0.1, **options) == pytest.approx(expected, rel=1e-9)


def test_a_rate_that_misses_the_floor_by_rounding_is_at_it() -> None:
    # In double precision 0.1 × 0.1 × 0.1 lies above 0.001; an optimizer holds the same for both.
    values, options = [0.0] * 5, {"factor": 0.1, "patience": 1, "min_lr": 1e-3, "reset_start": 1}
    assert 0.1 * 0.1 * 0.1 > 1e-3
    assert ours(values, 0.1, **options) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.1])
    assert theirs(values, 0.1, **options) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


def kinds(rule: Greedy, values: list[Any], learning_rate: float = 0.1) -> list[str]:
    return [state.decision.kind for state in rule.replay(values, learning_rate)]


def test_a_reset_is_a_raise_a_reduction_or_nothing() -> None:
    options: dict[str, Any] = {"patience": 0, "factor": 0.5, "reset_start": 1, "mode": "min"}
    level = [1.0] * 5
    # Raised to 0.2; reduced to the floor, 0.1, and with that back to the planned 0.1, afresh.
    assert kinds(Greedy("m", min_lr=0.1, **options), level[:3]) == ["raise", "reduce", "raise"]
    # It was at the planned rate, which is the floor and the ceiling.
    fixed = Greedy("m", min_lr=0.1, max_lr=0.1, **options)
    assert kinds(fixed, level[:3]) == ["floor", "floor", "floor"]
    # With two times at the floor: 0.2, 0.1, 0.05, and there a second time: back to 0.1.
    lower = Greedy("m", min_lr=0.05, **{**options, "reset_start": 2})
    assert kinds(lower, level) == ["raise", "reduce", "reduce", "raise", "raise"]
    # Below the floor it may only have risen: the planned rate is lower.
    risen = Greedy("m", min_lr=0.5, **options)
    assert kinds(risen, [2.0, 1.0, 1.0]) == ["raise", "raise", "reduce"]
    *_, state = risen.replay([2.0, 1.0, 1.0], 0.1)
    assert state.scale == 1.0
    assert state.decision.reason == (
        "m 1 is no improvement, 1 in a row, and at min_lr reset_start 1 is reached: "
        "back to the planned rate"
    )


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_counts_as_no_improvement_and_is_never_the_best(
    bad: float, mode: str
) -> None:
    rule = Greedy("m", factor=0.5, patience=1, mode=mode, smoothing=3)
    states = list(rule.replay([bad, 1.0, bad, bad, 1.0], 0.1))
    assert [state.best for state in states] == [None, 1.0, 1.0, 1.0, 1.0]
    assert [state.recent for state in states][-1] == (1.0, 1.0)
    assert [state.decision.kind for state in states] == [
        "nonfinite",
        "improve",
        "nonfinite",
        "reduce",
        "wait",
    ]
    assert states[3].decision.reason == f"m {bad:g} is no improvement, 2 in a row: rate × 0.5"


def test_what_is_no_number_is_an_event_at_rest_too() -> None:
    rule = Greedy("loss", factor=0.5, patience=0, cooldown=2)
    *_, resting = rule.replay([2.0, 3.0, math.nan], 0.1)
    assert resting.decision.is_event
    assert resting.decision.reason == "loss nan does not count: at rest for 1 more"


def test_a_relative_threshold_is_a_share_of_the_magnitude() -> None:
    rule = Greedy("score", patience=9, min_delta=0.01, min_delta_mode="rel", mode="max")
    assert kinds(rule, [-100.0, -99.5, -98.9]) == ["improve", "wait", "improve"]
    falling = Greedy("loss", patience=9, min_delta=0.01, min_delta_mode="rel")
    assert kinds(falling, [-100.0, -100.5, -101.1]) == ["improve", "wait", "improve"]


def test_the_floor_bounds_the_product_with_whatever_else_scales_the_rate() -> None:
    from kerasdecay.rules import Observation

    rule = Greedy("loss", factor=0.5, patience=0, min_lr=0.04)
    state = rule.advance(rule.initial_state(), Observation(0, {"loss": 1.0}, 0.05, 0.5))
    # Planned 0.5, another rule's 0.1, and ours: raised to 0.1; then back to 0.05, then to 0.04.
    scales = [state.scale]
    for epoch in (1, 2, 3):
        seen = Observation(epoch, {"loss": 1.0}, 0.05 * state.scale, 0.5)
        state = rule.advance(state, seen)
        scales.append(state.scale)
    assert scales == pytest.approx([2.0, 1.0, 0.8, 0.8])
    assert state.decision.reason.endswith("and the rate is at min_lr 0.04")


def test_a_raise_that_a_rising_schedule_makes_too_much_is_taken_back() -> None:
    rule, state, used = Greedy("loss", factor=0.5, patience=0, max_lr=1.0), None, []
    for epoch, planned in enumerate([0.25, 0.05, 0.05, 0.05, 0.5, 0.5, 2.0, 2.0]):
        state = state or rule.initial_state()
        used.append(planned * state.scale)
        state = rule.advance(state, Observation(epoch, {"loss": 1.0 / (epoch + 1)}, used[-1]))
    # Raised by 2, 4, 8, 16; 0.5 × 16 is taken back to 1; the schedule's own 2 is left alone.
    assert used == pytest.approx([0.25, 0.1, 0.2, 0.4, 8.0, 1.0, 4.0, 2.0])
    assert state is not None and state.scale == 1.0


def test_reasons_are_sentences_with_the_numbers() -> None:
    rule = Greedy("loss", factor=0.5, patience=1, warmup=1, max_lr=0.15, eps=0.01)
    values: list[Any] = [4.0, 3.0, 2.0, 2.0, 1.0, {}, 0.5, 9.0, 0.4, 0.3]
    assert [state.decision.reason for state in rule.replay(values, 0.1)] == [
        "loss 4 is the best so far, 1 in a row",
        "loss 3 is the best so far, 2 in a row: rate × 1.5, as max_lr is 0.15",
        "loss 2 does not count: at rest for 0 more",
        "loss 2 is the best so far, 1 in a row",
        "loss 1 is the best so far, 2 in a row, and the rate is at max_lr 0.15",
        "loss was not measured: does not count",
        "loss 0.5 does not count: at rest for 0 more",
        "loss 9 is no improvement, 1 in a row",
        "loss 0.4 is the best so far, 1 in a row",
        "loss 0.3 is the best so far, 2 in a row, and the rate is at max_lr 0.15",
    ]
    small = Greedy("loss", factor=0.5, patience=0, eps=0.3)
    assert [state.decision.reason for state in small.replay([1.0, 2.0], 0.1)] == [
        "loss 1 is the best so far, 1 in a row, and the change is within eps 0.3",
        "loss 2 is no improvement, 1 in a row, and the change is within eps 0.3",
    ]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("monitor", ""),
        ("factor", 0.0),
        ("factor", 1.0),
        ("patience", -1),
        ("mode", "sideways"),
        ("min_delta", -1e-4),
        ("min_delta_mode", "percent"),
        ("cooldown", -1),
        ("warmup", 0.5),
        ("min_lr", -1.0),
        ("min_lr", "low"),
        ("max_lr", 1e-4),
        ("eps", math.nan),
        ("smoothing", 0),
        ("reset_start", 0),
    ],
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Greedy: {argument} must be .* Received: {argument}="):
        Greedy(**{argument: value})
