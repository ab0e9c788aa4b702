"""Decay by the slope of the loss: the test against scipy, and how often it errs."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.rules import LossSlope, LossSlopeState, Observation
from kerasdecay.rules.loss_slope import least_squares_slope, student_cdf

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 10, 13, 17, 18, 30, 100, 1000])
def test_student_cdf_is_scipys(degrees: int) -> None:
    places = np.concatenate([np.linspace(-12, 12, 97), [-1e9, -1e300, 1e9, 1e300]])
    found = [student_cdf(float(t), degrees) for t in places]
    np.testing.assert_allclose(found, stats.t.cdf(places, degrees), atol=1e-9)


def test_student_cdf_is_a_probability_however_far_out() -> None:
    for t in (math.inf, 1e308, 50.0):
        for degrees in range(1, 40):
            assert 0.0 <= student_cdf(-t, degrees) <= 1e-0 - student_cdf(t, degrees) + 1e-12
            assert student_cdf(t, degrees) <= 1.0
    assert student_cdf(0.0, 7) == 0.5


values = st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=40)


@given(values)
def test_the_slope_and_its_error_are_scipys(values: list[float]) -> None:
    places = np.arange(len(values))
    reference = stats.linregress(places, values)
    slope, error = least_squares_slope(values)
    scale = max(map(abs, values)) + 1e-300
    assert slope == pytest.approx(reference.slope, rel=1e-9, abs=1e-12 * scale)
    assert slope == pytest.approx(np.polyfit(places, values, 1)[0], rel=1e-6, abs=1e-9 * scale)
    # scipy's error comes from 1 − r², which loses half of the digits where the fit is close, and is
    # NaN for a constant.
    wanted = 0.0 if len(set(values)) == 1 else reference.stderr
    assert error == pytest.approx(wanted, rel=1e-5, abs=1e-7 * scale)


# ---------------------------------------------------------------------------- block means


@given(st.lists(st.floats(-1e3, 1e3, width=32), max_size=400))
def test_the_block_means_are_those_taken_directly(losses: list[float]) -> None:
    state = LossSlopeState()
    for loss in losses:
        state = state.taking(loss)
    count = len(losses)
    assert state.count == count
    assert len(state.means) < 40
    assert len(state.means) >= 20 or state.block == 1
    whole = count // state.block * state.block
    direct = np.asarray(losses[:whole]).reshape(-1, state.block).mean(axis=1)
    np.testing.assert_allclose(state.means, direct, rtol=1e-9, atol=1e-9)
    assert state.partial == pytest.approx(math.fsum(losses[whole:]), abs=1e-9)


def test_the_state_does_not_grow_with_the_training() -> None:
    state, sizes = LossSlopeState(), []
    for step in range(20_000):
        state = state.taking(1 / 3)
        if step % 101 == 0:
            sizes.append(len(json.dumps(state.to_data())))
    assert state.count == 20_000
    assert max(sizes) < 1200
    assert max(sizes[100:]) <= max(sizes[:100]) + 20
    assert state.means == pytest.approx((1 / 3,) * len(state.means))


def test_an_epoch_may_end_within_a_block() -> None:
    losses = np.random.default_rng(3).normal(size=300).tolist()
    rule = LossSlope(min_losses=5000)
    whole = rule.advance(rule.initial_state(), Observation(0, {}, losses=tuple(losses)))
    state = rule.initial_state()
    for epoch, begin in enumerate(range(0, 300, 7)):
        seen = Observation(epoch, {}, losses=tuple(losses[begin : begin + 7]))
        state = rule.advance(state, seen)
    assert state.to_data() == whole.to_data()


# ------------------------------------------------------------------------ how often it errs


def noise(seed: int, count: int, correlation: float) -> np.ndarray:
    """Return an AR(1) process of standard deviation 1: what the loss of neighbours shares."""
    random = np.random.default_rng(seed)
    shocks = random.normal(size=count) * math.sqrt(1 - correlation**2)
    process = np.empty(count)
    last = random.normal()
    for index, shock in enumerate(shocks):
        last = process[index] = correlation * last + shock
    return process


def first_reduction(
    rule: LossSlope, losses: np.ndarray, per_epoch: int = 100
) -> tuple[int | None, int]:
    """Return the epoch after which the rule first reduces, and how many there are."""
    state, epochs = rule.initial_state(), len(losses) // per_epoch
    for epoch in range(epochs):
        part = losses[epoch * per_epoch : (epoch + 1) * per_epoch]
        state = rule.advance(state, Observation(epoch, {}, losses=tuple(part.tolist())))
        if state.scale < 1:
            return epoch, epochs
    return None, epochs


RUNS = range(30)
BATCHES = np.arange(1000)
TRENDS = {
    "falls as training losses do": 0.3 + 2.0 * np.exp(-BATCHES / 300),
    "falls evenly": 1.0 - BATCHES / 1000,
    "level": np.ones(1000),
    "rises": 1.0 + BATCHES / 1000,
}


def share_reduced(trend: str, deviation: float, correlation: float) -> float:
    """Return the share of runs, of seven looks each, in which the rule reduces by its defaults."""
    losses = [TRENDS[trend] + deviation * noise(seed, 1000, correlation) for seed in RUNS]
    reduced = [first_reduction(LossSlope(), one)[0] is not None for one in losses]
    return sum(reduced) / len(RUNS)


@pytest.mark.parametrize(
    ("trend", "deviation"), [("falls as training losses do", 0.2), ("falls evenly", 0.1)]
)
@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.0), (0.5, 0.0), (0.8, 0.2)])
def test_a_falling_loss_is_not_reduced(
    trend: str, deviation: float, correlation: float, most: float
) -> None:
    # At a correlation of 0.8 the noise itself wanders for tens of batches.
    assert share_reduced(trend, deviation, correlation) <= most


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_a_level_loss_is_reduced(correlation: float) -> None:
    assert share_reduced("level", 0.2, correlation) >= 0.95


def test_a_rising_loss_is_always_reduced() -> None:
    assert share_reduced("rises", 0.2, 0.5) == 1.0


def test_a_fall_that_drowns_in_noise_is_taken_for_none() -> None:
    # What is not shown to fall is reduced: the price of the rule, to be told in its documentation.
    assert share_reduced("falls evenly", 0.5, 0.5) >= 0.5


def test_block_means_keep_the_test_honest_where_losses_are_correlated() -> None:
    # A level loss is taken for a falling one about as often as p_value says at a first look; by a
    # regression that takes the losses as independent, many times as often.
    fooled = plain = 0
    for seed in range(100):
        losses = noise(seed, 400, 0.8)
        fooled += first_reduction(LossSlope(), losses, 400)[0] is None
        slope, error = least_squares_slope(losses[200:].tolist())
        plain += student_cdf(slope / error, 198) < 0.05
    assert fooled / 100 <= 0.12
    assert plain / 100 >= 0.2


# -------------------------------------------------------------------------------- decisions


def advance(rule: LossSlope, state: LossSlopeState, *losses: float, rate: float = 1.0) -> Any:
    return rule.advance(state, Observation(0, {}, rate * state.scale, rate, losses=losses))


def test_the_decision_is_the_one_sided_test_on_the_later_half_of_the_means() -> None:
    random = np.random.default_rng(5)
    for _ in range(30):
        losses = random.normal(size=500) - 0.002 * np.arange(500)
        means = losses[: 500 // 16 * 16].reshape(-1, 16).mean(axis=1)
        later = means[len(means) // 2 :]
        test = stats.linregress(np.arange(len(later)), later, alternative="less")
        state = advance(LossSlope(), LossSlopeState(), *losses.tolist())
        assert (state.scale < 1) == (test.pvalue >= 0.05)
        assert f"(p = {test.pvalue:.2g})" in state.decision.reason


def test_a_replay_may_know_the_losses_of_each_epochs_batches() -> None:
    rule, level = LossSlope(min_losses=20), [[1.0] * 12] * 2
    states = list(rule.replay([{}, {"loss": 1.0}], losses=level))
    assert [state.count for state in states] == [12, 0]
    assert [state.decision.kind for state in states] == ["wait", "reduce"]


def test_without_noise_the_slope_decides() -> None:
    falling = [1.0 - step / 64 for step in range(20)]
    rule = LossSlope(min_losses=20)
    assert advance(rule, LossSlopeState(), *falling).decision.kind == "wait"
    assert advance(rule, LossSlopeState(), *[1.0] * 20).decision.kind == "reduce"
    assert advance(rule, LossSlopeState(), *reversed(falling)).decision.kind == "reduce"


def test_after_a_reduction_the_losses_are_collected_anew() -> None:
    rule = LossSlope(factor=0.5, min_losses=20)
    state = advance(rule, LossSlopeState(), *[1.0] * 30)
    assert state == LossSlopeState(scale=0.5, decision=state.decision)
    state = advance(rule, state, *[1.0] * 19)
    assert state.decision.reason == "19 of 20 losses for a test"
    assert advance(rule, state, 1.0).scale == 0.25


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
def test_losses_that_are_no_numbers_do_not_count(bad: float) -> None:
    rule = LossSlope(min_losses=20)
    state = advance(rule, LossSlopeState(), 1.0, bad, 2.0, bad)
    assert (state.count, state.means) == (2, (1.0, 2.0))
    assert state.decision.kind == "nonfinite"
    assert state.decision.reason == (
        f"loss is {bad:g}: 2 of 4 losses are not finite and do not count"
    )
    # An epoch with such a loss is no occasion for a reduction, the next one is.
    state = advance(rule, LossSlopeState(), *[1.0] * 30, bad)
    assert state.scale == 1.0
    assert advance(rule, state, 1.0).scale == 0.1


def test_each_epoch_counts_as_one_loss_where_no_more_is_known() -> None:
    level = [state.decision.kind for state in LossSlope(min_losses=20).replay([1.0, 0.9] * 11)]
    assert level == ["wait"] * 19 + ["reduce"] + ["wait"] * 2
    *_, state = LossSlope().replay([{"val_loss": 1.0}])
    assert state.decision.kind == "absent"


def test_min_lr_bounds_the_rate() -> None:
    rule, state = LossSlope(factor=0.1, min_losses=20, min_lr=0.02), LossSlopeState()
    scales = []
    for _ in range(3):
        state = advance(rule, state, *[1.0] * 20, rate=0.5)
        scales.append(state.scale)
    assert scales == pytest.approx([0.1, 0.04, 0.04])
    assert state.decision.kind == "floor"
    assert state.decision.reason.endswith("and the rate is at min_lr 0.02")


def test_reasons_are_sentences_with_the_numbers() -> None:
    rule = LossSlope(min_losses=20)
    falling = advance(rule, LossSlopeState(), *[1.0 - step / 64 for step in range(40)])
    assert falling.decision.reason == "loss falls by 0.016 a batch (p = 0)"
    level = advance(rule, LossSlopeState(), *[1.0] * 40)
    assert level.decision.reason == "loss has not fallen over 20 batches (p = 1): rate × 0.1"


@pytest.mark.parametrize(
    ("argument", "value"),
    [("factor", 1.0), ("p_value", 0.0), ("p_value", 1.0), ("min_losses", 19), ("min_lr", -1.0)],
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"LossSlope: {argument} must be .* Received: {argument}="):
        LossSlope(**{argument: value})
