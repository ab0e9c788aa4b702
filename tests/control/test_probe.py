"""The probe: what it reads off losses, on losses whose answer is known, and on a real descent."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.control.probe import Probe, probe_steps
from kerasdecay.control.range_test import KINDS, choose, most_cautious
from kerasdecay.records.range import Choice

RATES = [10 ** (k / 10 - 6) for k in range(71)]  # 1e-6 … 10, ten a decade


def valley(
    lowest_at: float, *, level: float = 2.0, noise: float = 0.0, seed: int = 0
) -> list[float]:
    """Losses that fall over a decade to a tenth of their level, stay, and rise tenfold later."""
    draws = np.random.default_rng(seed).normal(size=len(RATES))
    found = []
    for rate, draw in zip(RATES, draws, strict=True):
        fallen = min(1.0, max(0.0, 1 + math.log10(rate / lowest_at)))
        loss = level * (1 - 0.9 * fallen)
        if rate > 11 * lowest_at:
            loss = 3 * level
        found.append(loss + noise * draw)
    return found


def feed(probe: Probe, loss_at) -> list[tuple[float, bool]]:
    """Drive a probe with a function of the rate; return each batch's rate and `restarts`."""
    batches = []
    while not probe.is_done:
        batches.append((probe.rate, probe.restarts))
        probe.add(loss_at(probe.rate))
    return batches


# -------------------------------------------------------------------------------------- choose


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lowest_at", [1e-3, 1e-2, 1e-1])
def test_a_valley_ten_times_further_right_gives_a_rate_ten_times_higher(kind, lowest_at):
    one, other = (choose(RATES, valley(at), kind).rate for at in (lowest_at, lowest_at * 5.0119))
    assert other / one == pytest.approx(10**0.7, rel=1e-3)  # seven places of the ramp


@pytest.mark.parametrize("lowest_at", [1e-3, 1e-2, 1e-1])
def test_plain_sgd_bears_more_than_momentum_and_adam(lowest_at):
    rates = {kind: choose(RATES, valley(lowest_at), kind).rate for kind in KINDS}
    assert 0.3 * lowest_at < rates["sgd"] < 3.3 * lowest_at
    assert 0.05 * lowest_at < rates["momentum"] < rates["sgd"] / 2
    assert 0.05 * lowest_at < rates["adaptive"] < rates["sgd"] / 2


@pytest.mark.parametrize("scale", [1e-3, 1.0, 3e4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_of_the_loss_does_not_matter(scale, kind):
    plain = valley(0.01, noise=0.05)
    assert choose(RATES, [scale * loss for loss in plain], kind) == choose(RATES, plain, kind)


def test_the_rate_by_hand():
    # L = 2, no noise. The loss steps down to 1 at place 40 and up to 5 at place 60; a triangle of
    # 1, 2, 3, 4, 3, 2, 1 sixteenths smooths it: 15, 13, 10, 6, 3, 1 sixteenths of the fall remain
    # at places 37 … 42. 90 % is reached at 42, which the update at 41 led to, and 80 % at 41.
    losses = [2.0] * 40 + [1.0] * 20 + [5.0] * 11
    assert choose(RATES, losses, "sgd").rate == pytest.approx(RATES[41])
    assert choose(RATES, losses, "momentum").rate == pytest.approx(0.25 * RATES[40])
    assert choose(RATES, losses, "adaptive").rate == pytest.approx(0.35 * RATES[40])


def test_a_rise_soon_after_the_fall_limits_it_by_hand():
    # As above, but the loss is up at place 48, and counts as L + |L| = 4. It has risen when it is
    # above 1 + 1/2 + 0.05 L: at 46 it is 1 + 3/16 · 3 = 1.56, at 47 it is 1 + 6/16 · 3 = 2.1.
    losses = [2.0] * 40 + [1.0] * 8 + [5.0] * 23
    assert choose(RATES, losses, "sgd").rate == pytest.approx(0.3 * RATES[45])
    assert choose(RATES, losses, "momentum").rate == pytest.approx(0.07 * RATES[45])
    assert choose(RATES, losses, "adaptive").rate == pytest.approx(0.05 * RATES[45])


@pytest.mark.parametrize(
    ("kind", "fraction"), [("sgd", 0.3), ("momentum", 0.07), ("adaptive", 0.05)]
)
def test_where_the_loss_only_rises_it_is_a_fraction_of_that_rate(kind, fraction):
    losses = [2.0] * 50 + [10.0] * 21
    # Capped at 4 and smoothed, the loss is 2 + 2 · 1/16 at place 47: above 2.1.
    found = choose(RATES, losses, kind)
    assert found.rate == pytest.approx(fraction * RATES[45])
    assert found.reason.endswith("where the loss rose")


@pytest.mark.parametrize("worst", [math.nan, math.inf, 1e30, 1e300])
@pytest.mark.parametrize("kind", KINDS)
def test_however_the_losses_end_the_choice_is_that_of_an_ordinary_rise(worst, kind):
    usual = valley(0.01)
    place = next(k for k, loss in enumerate(usual) if loss > 2)
    ended = [*usual[:place], *[worst] * (len(usual) - place)]
    found, expected = choose(RATES, ended, kind).rate, choose(RATES, usual, kind).rate
    assert 0.5 * expected <= found <= 1.5 * expected


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", KINDS)
def test_noise_of_a_tenth_moves_it_by_less_than_a_factor_of_three(seed, kind):
    found = choose(RATES, valley(0.01, noise=0.2, seed=seed), kind).rate
    assert 1 / 3 < found / choose(RATES, valley(0.01), kind).rate < 3


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([2.0] * 71, "the loss neither falls nor rises by more than its noise"),
        ([math.nan] * 71, "the loss is not finite from 1e-06 on"),
        ([2.0, math.inf, *[2.0] * 69], "the loss is not finite from 1e-06 on"),
        ([2.0] * 11, "11 losses are too few; it takes 12"),
        ([], "0 losses are too few; it takes 12"),
        ([1.0, 1.0, 1.0, *[9.0] * 68], "the loss rises from 1e-06 on"),
    ],
)
def test_no_suggestion_says_why(losses, reason):
    for kind in KINDS:
        found = choose(RATES[: len(losses)], losses, kind)
        assert found == Choice(None, f"no suggestion, because {reason}")


@given(
    losses=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=71),
    kind=st.sampled_from(KINDS),
)
def test_whatever_the_losses_it_is_a_rate_within_the_range_or_a_reason(losses, kind):
    found = choose(RATES[: len(losses)], losses, kind)
    if found.rate is None:
        assert found.reason.startswith("no suggestion, because ")
    else:
        assert 0.05 * RATES[0] <= found.rate <= RATES[-1]
        assert re.fullmatch(r"[0-9.]+ × \S+, where .+", found.reason)


@pytest.mark.parametrize("kind", ["adam", "", "SGD"])
def test_an_unknown_kind_is_refused(kind):
    message = re.escape(f"kind must be one of sgd, momentum, adaptive. Received: kind={kind!r}.")
    with pytest.raises(ValueError, match=message):
        choose(RATES, [2.0] * 71, kind)
    with pytest.raises(ValueError, match=message):
        Probe(60, kind)


# --------------------------------------------------------------------------------------- Probe


def after_a_ramp(steps: int = 100, kind: str = "sgd", loss_at=lambda rate: 2 / (1 + 20 * rate)):
    """Return a probe whose ramp is done, and the rate of its first trial."""
    probe = Probe(steps, kind)
    while not probe.restarts:
        probe.add(loss_at(probe.rate))
    return probe, probe.rate


def bowl(lowest_at: float):
    """Losses that fall to a tenth towards a rate, and are high from ten times that rate on."""

    def loss_at(rate):
        return 9.0 if rate > 10 * lowest_at else 2 * max(0.1, lowest_at / (lowest_at + 9 * rate))

    return loss_at


@pytest.mark.parametrize(
    ("steps", "ramp", "trial"), [(30, 16, 6), (54, 16, 7), (60, 18, 8), (124, 37, 17)]
)
def test_a_ramp_and_then_trials_from_the_start_each_at_two_fifths_of_the_last(steps, ramp, trial):
    # The lower the rate the lower the loss, once the ramp is over: no trial ends the search.
    probe, _ = after_a_ramp(steps)
    batches = feed(Probe(steps, "sgd"), lambda rate: 2 / (1 + 20 * rate))[:ramp]
    np.testing.assert_allclose([rate for rate, _ in batches], np.geomspace(1e-9, 10, ramp))
    trials = feed(probe, lambda rate: rate / 100)
    count = (steps - ramp) // trial
    assert len(trials) == count * trial
    assert [k for k, (_, restarts) in enumerate(trials) if restarts] == list(
        range(0, count * trial, trial)
    )
    rates = [rate for rate, _ in trials[::trial]]
    np.testing.assert_allclose(rates, [10 * 0.4**k for k in range(count)])


@pytest.mark.parametrize("lowest_at", [1e-5, 1e-3, 1e-1])
def test_the_first_trial_has_the_last_rate_at_which_the_loss_was_low(lowest_at):
    _, edge = after_a_ramp(loss_at=bowl(lowest_at))
    assert 3 * lowest_at < edge <= 10 * lowest_at


def test_a_chance_rise_at_a_low_rate_is_not_the_edge():
    def loss_at(rate):
        return 2.6 if 1e-6 < rate < 1e-5 else bowl(0.1)(rate)

    assert after_a_ramp(loss_at=loss_at)[1] == after_a_ramp(loss_at=bowl(0.1))[1]


@pytest.mark.parametrize(("kind", "fraction"), [("sgd", 0.7), ("momentum", 0.3), ("adaptive", 0.4)])
def test_the_choice_by_hand(kind, fraction):
    # The level is 2 (1.9996 with the loss at 1e-6, where adaptive optimizers begin). The trials end
    # with 1.5, 0.5, 0.6 and 1.4: the best fall is 1.5, and the weights are exp(−1 / 0.15), 1,
    # exp(−0.1 / 0.15) and exp(−0.9 / 0.15).
    results = [1.5, 0.5, 0.6, 1.4]
    probe, edge = after_a_ramp(kind=kind)
    rates = [edge * 0.4**k for k in range(4)]
    # The third is worse by less than a tenth of the fall, which does not end the search.
    feed(probe, lambda rate: results[round(math.log(rate / edge, 0.4))])
    weights = np.exp(-(np.array(results) - 0.5) / 0.15)
    mean = math.exp(float(np.dot(weights, np.log(rates)) / weights.sum()))
    found = probe.choice()
    assert found.rate == pytest.approx(fraction * mean, rel=1e-3)
    assert "where the loss fell furthest among 4 rates from 10 down" in found.reason


@pytest.mark.parametrize(("level", "is_large"), [(2.0, False), (14.0, False), (300.0, True)])
@pytest.mark.parametrize(("end", "highest"), [(0.24, 1), (0.26, 0.4)])
def test_where_targets_are_large_the_highest_rate_that_finds_their_mean_counts(
    level, is_large, end, highest
):
    # With the highest rate the loss swings at first, and is a quarter of the level in the end, or
    # not quite; with the next one it is a tenth at once.
    probe, edge = after_a_ramp(loss_at=lambda rate: level / (1 + 20 * rate))
    courses = [[1.0] * 10 + [end] * 4, [0.1] * 14, [0.18] * 14, [0.9] * 14]
    for course in courses:
        for loss in course:
            probe.add(level * loss)
    weights = np.exp(-(np.array([np.mean(course[7:]) for course in courses]) - 0.1) / 0.09)
    logarithms = np.log(edge * 0.4 ** np.arange(4))
    mean = math.exp(float(np.dot(weights, logarithms) / weights.sum()))
    best = math.sqrt(mean * highest * edge) if is_large else mean
    assert probe.choice().rate == pytest.approx(0.7 * best, rel=1e-3)


def test_a_third_trial_that_is_worse_ends_the_search():
    probe, edge = after_a_ramp()
    batches = feed(probe, lambda rate: 0.5 if rate == edge else 0.7)
    assert len(batches) == 3 * 14


@pytest.mark.parametrize("dies", [1e9, math.nan, math.inf])
def test_a_rate_that_dies_gives_way_to_two_fifths_of_it(dies):
    probe, edge = after_a_ramp()
    batches = feed(probe, lambda rate: dies if rate == edge else 1.0 + (rate < 0.3 * edge) / 2)
    # At once if it is not finite, after four if it is only far above the level.
    assert [restarts for _, restarts in batches].index(True, 1) == (4 if math.isfinite(dies) else 1)
    assert probe.choice().rate == pytest.approx(0.7 * 0.4 * edge, rel=0.02)


@pytest.mark.parametrize("loss", [math.nan, 1e9, 2.11])
def test_after_two_at_which_the_loss_rose_one_is_left_out(loss):
    probe, edge = after_a_ramp()
    batches = feed(probe, lambda rate: 1.0 if rate < 0.1 * edge else loss)
    rates = [rate / edge for rate, restarts in batches if restarts]
    # Where 0.4 was not borne at all, the best may lie between it and 0.064: at 0.16.
    between = [0.16] if loss != 2.11 else []
    expected = [1, 0.4, 0.064, *between, 0.0256]
    np.testing.assert_allclose(rates[: len(expected)], expected)


def test_only_the_second_half_of_a_trial_counts():
    probe, edge = after_a_ramp()
    for losses in ([9.0] * 3 + [1.9] * 4 + [0.5] * 7, *[[0.1] * 7 + [1.5] * 7] * 2):
        for loss in losses:
            probe.add(loss)
    assert probe.is_done
    assert probe.choice().rate == pytest.approx(0.7 * edge, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_a_trial_has_killed_does_not_count_however_low_its_loss(kind):
    # As where pixels are not scaled: the loss is far above that of a constant, which is 2.3.
    probe = Probe(100, kind)
    tried = []
    while not probe.is_done:
        is_dead = probe.rate > 0.02
        if probe.restarts:
            tried.append(probe.rate)
        alive = 0.3 if is_dead and not probe.restarts else 0.9
        loss = 2.3 if is_dead else 40 / (1 + 100 * probe.rate)
        probe.add(loss, alive if probe.looks else None)
    np.testing.assert_allclose(tried, [10, 1, 0.1, 0.01, math.sqrt(0.001)])
    assert probe.choice().rate <= 0.01


def test_between_a_rate_that_kills_and_a_tenth_of_it_one_more_is_tried():
    probe = Probe(124, "sgd")
    tried = []
    while not probe.is_done:
        if probe.restarts:
            tried.append(probe.rate)
        kills = probe.rate > 0.5
        alive = 0.3 if kills and not probe.restarts else 0.9
        probe.add(2.3 if kills else 40 / (1 + 100 * probe.rate), alive if probe.looks else None)
    np.testing.assert_allclose(tried, [10, 1, 0.1, math.sqrt(0.1), 0.04])
    # Losses of 40 / 11, 40 / 32.6 and 8 of a level of 40: the middle one counts by far the most.
    weights = np.exp(-(np.array([40 / 11, 40 / 32.6, 8]) - 40 / 32.6) / (0.1 * 38.77))
    mean = math.exp(np.dot(weights, np.log([0.1, math.sqrt(0.1), 0.04])) / weights.sum())
    best = math.sqrt(mean * math.sqrt(0.1))  # so large a loss falls as that of large targets does
    assert probe.choice().rate == pytest.approx(0.7 * best, rel=1e-2)


def test_a_look_is_wanted_of_the_first_batches_and_of_the_last_of_each_trial():
    probe = Probe(100, "sgd", look_batches=3)
    looks = []
    while not probe.is_done:
        if probe.looks:
            looks.append(probe.rate)
        probe.add(2 / (1 + 20 * probe.rate))
    assert looks[:3] == pytest.approx([10, 10, 4])


def test_where_all_trials_are_dead_the_guess_is_a_tenth_of_the_last():
    probe = Probe(100, "sgd")
    rates = []
    while not probe.is_done:
        rates.append(probe.rate)
        alive = 0.9 if probe.restarts else 0.1
        probe.add(2.3 if probe.rate > 1e-6 else 40.0, alive if probe.looks else None)
    assert probe.choice().rate == pytest.approx(0.1 * 0.7 * rates[-1])
    assert "no rate from 10 down to it was borne" in probe.choice().reason


def test_trials_of_which_none_is_finite_suggest_nothing():
    probe, _ = after_a_ramp(60, "adaptive")
    feed(probe, lambda rate: math.nan)
    assert probe.choice().rate is None
    assert "because the loss is not finite at" in probe.choice().reason


@pytest.mark.parametrize(
    ("kind", "fraction"), [("sgd", 0.5), ("momentum", 0.15), ("adaptive", 0.25)]
)
def test_where_no_trial_learns_the_ramps_fall_speaks_for_the_highest_calm_rate(kind, fraction):
    probe, edge = after_a_ramp(kind=kind, loss_at=bowl(0.1))
    feed(probe, lambda rate: 2.3 if rate > 0.2 * edge else 1.99)
    assert probe.choice().rate == pytest.approx(fraction * 0.064 * edge)  # the third trial
    assert "where the loss did not rise" in probe.choice().reason


def test_where_no_trial_learns_a_rise_by_little_counts_half():
    probe, edge = after_a_ramp(loss_at=bowl(0.1))
    # Of a level of 2, 2.05 is within a twentieth: half way, in decades, to the highest such rate.
    feed(probe, lambda rate: 2.05 if rate > 0.2 * edge else 1.99)
    assert probe.choice().rate == pytest.approx(0.5 * math.sqrt(1 * 0.16) * edge)


def test_where_every_trial_is_above_the_level_it_is_lower_still():
    probe, edge = after_a_ramp(60, loss_at=bowl(0.1))
    batches = feed(probe, lambda rate: 2.3 + 0.001 * math.log10(rate))
    last = batches[-1][0]
    assert last == pytest.approx(0.4 * 0.16**3 * edge)
    assert probe.choice().rate == pytest.approx(0.5 * 0.4 * last)


@pytest.mark.parametrize("explodes", [1e-3, 1e-2, 1.0])
@pytest.mark.parametrize("to", [math.nan, math.inf, 1e8])
def test_a_ramp_ends_where_the_loss_has_diverged(explodes, to):
    probe = Probe(100, "sgd")
    tried = []
    while not (probe.is_done or probe.restarts):
        tried.append(probe.rate)
        probe.add(to if probe.rate > explodes else 2 / (1 + 20 * probe.rate))
    beyond = [rate for rate in tried if rate > explodes]
    assert len(beyond) == (3 if math.isfinite(to) else 1)
    assert probe.rate <= explodes


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (2.0, "the loss neither falls nor rises by more than its noise"),
        (math.nan, "the loss is not finite from 1e-09 on"),
    ],
)
def test_no_choice_says_why(loss, reason):
    probe = Probe(60, "sgd")
    feed(probe, lambda rate: loss)
    assert probe.choice() == Choice(None, f"no suggestion, because {reason}")


@pytest.mark.parametrize("curvature", [0.1, 1.0, 30.0, 1000.0])
def test_on_a_quadratic_the_rate_follows_the_curvature(curvature):
    """Gradient descent on λ/2 · |w|² converges for rates below 2/λ, at once for 1/λ."""
    start = np.ones(20)
    weights, probe = start, Probe(100, "sgd")
    while not probe.is_done:
        if probe.restarts:
            weights = start
        loss = curvature / 2 * float(np.mean(weights**2)) + 1.0
        with np.errstate(over="ignore"):
            weights = weights - probe.rate * curvature * weights
        probe.add(loss)
    assert 0.02 / curvature < probe.choice().rate < 2 / curvature


@pytest.mark.parametrize("steps", [29, 0, -1])
def test_too_few_steps_are_refused(steps):
    with pytest.raises(
        ValueError, match=rf"steps must be an integer >= 30\. Received: steps={steps}"
    ):
        Probe(steps, "sgd")


# -------------------------------------------------------------------------------- probe_steps


@pytest.mark.parametrize(
    ("total", "steps"),
    [
        (None, 60),
        (0, 0),
        (119, 0),
        (120, 30),
        (216, 54),
        (324, 54),
        (540, 90),
        (744, 124),
        (10**9, 124),
    ],
)
def test_how_many_batches(total, steps):
    assert probe_steps(total) == steps


@given(st.integers(0, 10**7))
def test_a_probe_takes_at_most_a_quarter_of_a_run_and_is_one_that_can_be_built(total):
    steps = probe_steps(total)
    assert steps <= total / 4
    assert steps == 0 or Probe(steps, "sgd").rate == pytest.approx(1e-9)


@pytest.mark.parametrize(
    ("kinds", "found"),
    [(["sgd"], "sgd"), (["adaptive", "sgd"], "adaptive"), (["sgd", "momentum"], "momentum")],
)
def test_the_most_cautious(kinds, found):
    assert most_cautious(kinds) == found
