"""Warmup, sequence and scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kerasdecay.schedules import (
    ByEpoch,
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Linear,
    PowerStep,
    Timeline,
    cooldown,
    scaled,
    sequence,
    simulate,
    warmup,
)

RUN = {"epochs": 15, "steps_per_epoch": 20}


def test_the_first_update_trains_and_the_last_of_the_warmup_has_the_full_rate() -> None:
    rates = simulate(warmup(Constant(0.4), "8 steps"), **RUN)
    np.testing.assert_allclose(rates[:9], 0.4 * np.array([1, 2, 3, 4, 5, 6, 7, 8, 8]) / 8)


@pytest.mark.parametrize("start", [0.0, 0.25, 1.0])
def test_an_explicit_start_is_the_share_of_the_first_update(start: float) -> None:
    rates = simulate(warmup(Constant(0.4), "8 steps", start=start), **RUN)
    np.testing.assert_allclose(rates[:9], 0.4 * (start + (1 - start) * np.arange(9) / 8))


def test_what_is_warmed_up_runs_shifted_over_the_rest() -> None:
    rates = simulate(warmup(Cosine(0.1), 3), **RUN)
    rest = simulate(Cosine(0.1), epochs=12, steps_per_epoch=20)
    np.testing.assert_allclose(rates[60:], rest, rtol=1e-15)


def test_power_step_over_15_epochs_with_3_of_warmup_has_stages_of_4() -> None:
    rates = simulate(warmup(PowerStep(0.1), 3), epochs=15)
    np.testing.assert_allclose(rates[3:], [0.1] * 4 + [0.01] * 4 + [0.001] * 4)


def test_no_warmup_changes_nothing() -> None:
    for nothing in (0, "0%", "0 steps"):
        schedule = warmup(Cosine(0.1), nothing)
        np.testing.assert_array_equal(simulate(schedule, **RUN), simulate(Cosine(0.1), **RUN))
        assert schedule.warmup_updates(Timeline(15, 20)) == 0
    assert not warmup(PowerStep(0.1), 0).changes_within_epochs


def test_a_warmup_that_rounds_to_nothing_changes_nothing() -> None:
    schedule = warmup(Linear(0.4), "1%")
    np.testing.assert_array_equal(simulate(schedule, epochs=15), simulate(Linear(0.4), epochs=15))


def test_a_warmup_as_long_as_the_horizon_ends_on_the_full_rate_which_holds() -> None:
    schedule = warmup(Cosine(0.4), 15)
    rates = schedule.rates(np.arange(400), Timeline(15, 20))
    np.testing.assert_allclose(rates, 0.4 * np.minimum(np.arange(1, 401), 300) / 300)


@pytest.mark.parametrize("duration", [15.1, 16, "301 steps"])
def test_a_warmup_longer_than_the_horizon(duration: object) -> None:
    with pytest.raises(ValueError, match="duration must be at most the horizon, 15 epochs"):
        simulate(warmup(Cosine(0.1), duration), **RUN)


def test_what_has_no_room_left_after_the_warmup_says_so() -> None:
    with pytest.raises(ValueError, match="stages must be at most the 2 epochs"):
        simulate(warmup(PowerStep(0.1), 13), **RUN)
    with pytest.raises(ValueError, match="cycle must be at least one step"):
        simulate(warmup(CosineRestarts(0.1), 15), **RUN)
    with pytest.raises(ValueError, match="every must be at least one step"):
        simulate(warmup(Exponential(0.1), 15), **RUN)


def test_shares_are_of_the_horizon_that_a_part_has() -> None:
    inside = warmup(warmup(Constant(0.4), "50%"), "20%")
    assert inside.warmup_updates(Timeline(100, unit="epoch")) == 20 + 40
    part = sequence([warmup(Constant(0.4), "50%"), Constant(0.1)], ["20%"])
    assert part.warmup_updates(Timeline(100, unit="epoch")) == 10
    np.testing.assert_allclose(
        simulate(part, epochs=100)[[0, 9, 10, 19, 20]], [0.04, 0.4, 0.4, 0.4, 0.1]
    )


def test_warmup_is_seen_through_compositions() -> None:
    timeline = Timeline(15, 20)
    assert Constant(0.1).warmup_updates(timeline) == 0
    assert scaled(warmup(Constant(0.1), 2), 0.5).warmup_updates(timeline) == 40
    assert sequence([Constant(0.1), warmup(Constant(0.2), 2)], [3]).warmup_updates(timeline) == 0


def test_a_part_of_no_length_is_never_seen() -> None:
    schedule = sequence([Constant(0.9), Linear(0.4)], [0])
    np.testing.assert_array_equal(simulate(schedule, **RUN), simulate(Linear(0.4), **RUN))
    schedule = sequence([Linear(0.4), Constant(0.9)], ["100%"])
    np.testing.assert_array_equal(simulate(schedule, **RUN), simulate(Linear(0.4), **RUN))


def test_parts_longer_than_the_horizon() -> None:
    schedule = sequence([Constant(0.1)] * 3, [10, "40%"])
    with pytest.raises(ValueError, match="durations must be at most the horizon, 15 epochs"):
        simulate(schedule, **RUN)


def test_an_open_initial_rate_is_filled_in_everywhere() -> None:
    schedule = warmup(sequence([Constant(), scaled(Linear(), 0.5)], [1]), 1)
    assert not schedule.is_resolved
    filled = schedule.resolve(0.4)
    assert filled.is_resolved
    assert filled == warmup(sequence([Constant(0.4), scaled(Linear(0.4), 0.5)], [1]), 1)
    mixed = sequence([Constant(0.1), Constant()], [1]).resolve(0.4)
    assert mixed == sequence([Constant(0.1), Constant(0.4)], [1])


def test_a_function_can_be_a_part() -> None:
    schedule = warmup(ByEpoch(lambda epoch: 0.4 / (epoch + 1)), 2)
    np.testing.assert_allclose(simulate(schedule, epochs=5), [0.2, 0.4, 0.4, 0.2, 0.4 / 3])
    assert not ByEpoch(abs).changes_within_epochs


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: warmup([0.1], 3), "schedule"),
        (lambda: warmup(Constant(0.1), -1), "duration"),
        (lambda: warmup(Constant(0.1), None), "duration"),
        (lambda: warmup(Constant(0.1), "110%"), "duration"),
        (lambda: warmup(Constant(0.1), 3, start=-0.1), "start"),
        (lambda: warmup(Constant(0.1), 3, start=1.1), "start"),
        (lambda: warmup(Constant(0.1), 3, start=float("nan")), "start"),
        (lambda: sequence([Constant(0.1)], []), "durations"),
        (lambda: sequence([Constant(0.1), Constant(0.1)], [1, 2]), "durations"),
        (lambda: sequence([Constant(0.1), Constant(0.1)], ["x"]), "durations"),
        (lambda: sequence([Constant(0.1), [0.1]], [1]), "schedules"),
        (lambda: scaled(Constant(0.1), 0), "factor"),
        (lambda: scaled(Constant(0.1), float("inf")), "factor"),
        (lambda: scaled(0.1, 0.5), "schedule"),
    ],
)
def test_invalid_arguments_are_named(make: object, named: str) -> None:
    with pytest.raises(ValueError, match=rf": {named} must be .*Received: {named}="):
        make()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: warmup(None, 3), "schedule"),
        (lambda: warmup(Constant(0.1), 10**400), "duration"),
        (lambda: sequence(5, [1]), "schedules"),
        (lambda: sequence(Constant(0.1), [1]), "schedules"),
        (lambda: sequence("ab", [1]), "schedules"),
        (lambda: sequence([Constant(0.1)] * 2, 1), "durations"),
        (lambda: sequence([Constant(0.1)] * 2, "10%"), "durations"),
        (lambda: scaled("cosine", 2), "schedule"),
        (lambda: scaled(Constant(0.1), 10**400), "factor"),
        (lambda: scaled(Constant(1e38), 100), "factor × initial_learning_rate"),
        (lambda: scaled(warmup(Constant(1e-30), 1), 1e-20), "factor × initial_learning_rate"),
        (lambda: scaled(scaled(Constant(1e38), 2), 2), "factor × initial_learning_rate"),
        (lambda: cooldown(3, 2), "schedule"),
        (lambda: cooldown(Constant(0.1), None), "begin"),
        (lambda: cooldown(Constant(0.1), 2, "exp"), "curve"),
        (lambda: cooldown(Constant(0.1), 2, final_learning_rate=1e-40), "final_learning_rate"),
        (lambda: cooldown(Constant(0.1), 2, final_learning_rate=10**400), "final_learning_rate"),
    ],
)
def test_objects_of_the_wrong_kind_are_named(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=rf"^[a-z]+: {named} must be .*Received: {named}="):
        make()


def test_a_scaled_rate_out_of_range_is_found_when_the_initial_one_is_known() -> None:
    with pytest.raises(ValueError, match="factor × initial_learning_rate must be"):
        scaled(Constant(), 1e39).resolve(10.0)
    assert scaled(Constant(), 1e30).resolve(0.1).is_resolved
