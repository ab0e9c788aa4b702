"""The knee whose moment a rule chooses: when the way down begins."""

from __future__ import annotations

import copy
import json
import math
import pickle
import random
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.rules import (
    FAMILY,
    AdaptiveKnee,
    Greedy,
    LossSlope,
    Observation,
    OpenEnded,
    Plateau,
    Rescue,
    Rule,
    Staged,
    WayDown,
    WeightNorm,
)

TRIGGER = Plateau("loss", factor=0.5, patience=1)


def begins(rule: AdaptiveKnee, values: list[Any]) -> int | None:
    """Return after how many epochs the way down begins."""
    *_, state = rule.replay(values, 0.5)
    return state.cooldown_from


def falling_until(epoch: int, epochs: int) -> list[float]:
    """Return a loss that falls before `epoch`, and is level from there on."""
    return [float(-min(one, epoch - 1)) for one in range(epochs)]


def test_it_begins_after_the_epoch_in_which_the_trigger_fires() -> None:
    for epoch in range(5, 8):
        # The first level epoch is number `epoch`, from 0; the way down begins with the next.
        assert begins(AdaptiveKnee(TRIGGER), falling_until(epoch, 10)) == epoch + 1


def test_what_the_trigger_says_before_min_hold_is_not_heard() -> None:
    level_at_first = [1.0, 1.0, 1.0, 1.0, 0.9, 0.8, 0.8, 0.7, 0.6, 0.5]
    rule = AdaptiveKnee(TRIGGER, min_hold=0.5)
    assert begins(rule, level_at_first) == 7
    early = [state.decision.reason for state in rule.replay(level_at_first)][1]
    assert early == (
        "loss 1 has not improved on 1 by 0.0001 for 1 epoch; too early, 2 of 10 epochs are done"
    )
    assert begins(AdaptiveKnee(TRIGGER, min_hold=0.0), level_at_first) == 2


def test_it_begins_at_latest_though_the_trigger_never_fires() -> None:
    falling = falling_until(99, 20)
    for latest, epoch in [(0.8, 16), (0.84, 16), (0.85, 17), (0.5, 10), (0.99, 19)]:
        assert begins(AdaptiveKnee(TRIGGER, latest=latest), falling) == epoch
    *_, state = list(AdaptiveKnee(TRIGGER).replay(falling))[:16]
    assert state.decision.reason == (
        "16 of 20 epochs are done, the latest moment; loss -15 is the best so far: "
        "down to 0 from epoch 17 on (linear)"
    )


def failures(values: list[float]) -> list[int]:
    """Return after which epochs the value so far best is not improved on."""
    return [
        done for done in range(2, len(values) + 1) if values[done - 1] >= min(values[: done - 1])
    ]


def test_by_default_the_noise_of_a_falling_loss_does_not_bring_it_down() -> None:
    noise = random.Random(0)
    losses = [0.5 + 1.5 * math.exp(-epoch / 5) + noise.gauss(0, 0.06) for epoch in range(30)]
    means = [statistics.fmean(losses[max(done - 3, 0) : done]) for done in range(1, 31)]
    assert failures(means)[:3] == [19, 21, 22]  # two in a row, after half of the epochs
    assert begins(AdaptiveKnee(), losses) == 22
    assert failures(losses)[0] == 10
    assert begins(AdaptiveKnee(Plateau(patience=1), min_hold=0.0), losses) == 10


@pytest.mark.parametrize(
    ("epochs", "min_hold", "latest", "expected"),
    [
        (100, 0.07, 0.07, 7),  # 0.07 × 100 is 7.000000000000001
        (100, 0.29, 0.29, 29),  # 0.29 × 100 is 28.999999999999996
        (3, 0.5, 0.6, 2),  # no whole epoch lies between: held for as long as asked
        (10, 0.95, 0.96, 9),  # the last epoch is left for the way down
        (2, 0.5, 0.8, 1),
        (1, 0.5, 0.8, None),  # none is left for it
        (5, 0.0, 0.0, 1),
    ],
)
def test_the_bounds_are_whole_epochs(
    epochs: int, min_hold: float, latest: float, expected: int | None
) -> None:
    falling, level = falling_until(epochs, epochs), [1.0] * epochs
    rule = AdaptiveKnee(Plateau("loss", patience=0), min_hold=min_hold, latest=latest)
    assert begins(rule, falling) == expected
    assert begins(rule, level) == expected


series = st.lists(
    st.one_of(st.floats(width=32), st.sampled_from([1.0, 0.5]), st.none()), min_size=1, max_size=30
)
shares = st.floats(0.0, 0.99)


@given(values=series, first=shares, second=shares)
def test_whatever_is_observed_it_begins_once_between_min_hold_and_latest(
    values: list[float | None], first: float, second: float
) -> None:
    rule = AdaptiveKnee(TRIGGER, min_hold=min(first, second), latest=max(first, second))
    logs = [{} if value is None else {"loss": value} for value in values]
    states, epochs = list(rule.replay(logs)), len(values)
    starts = [
        epoch + 1 for epoch, state in enumerate(states) if state.decision.kind == "cooldown_start"
    ]
    assert len(starts) == (epochs > 1)  # of one epoch, none is left to come down in
    assert states[-1].cooldown_from == (starts[0] if starts else None)
    assert all(state.scale == 1.0 for state in states)
    if not starts:
        return
    assert starts[0] <= max(1, epochs - 1)
    assert starts[0] >= min(rule.min_hold * epochs - 1e-6, epochs - 1)
    assert starts[0] <= max(1, rule.latest * epochs + 1e-6, math.ceil(rule.min_hold * epochs))
    assert all("loss" in state.decision.reason for state in states)


TRIGGERS: dict[str, Rule[Any]] = {
    "plateau": Plateau("loss", patience=2, smoothing=2),
    "greedy": Greedy("loss", patience=1),
    "weight-norm": WeightNorm(),
    "loss-slope": LossSlope(min_losses=20),
    "staged": Staged(Plateau("loss", patience=1)),
}


@pytest.mark.parametrize("name", TRIGGERS)
@given(values=st.lists(st.one_of(st.floats(width=32), st.integers(0, 3).map(float)), max_size=30))
def test_the_state_survives_json_at_every_epoch_with_the_triggers_inside(
    name: str, values: list[float]
) -> None:
    rule: AdaptiveKnee = AdaptiveKnee(TRIGGERS[name], min_hold=0.2, latest=0.9)
    whole, interrupted = rule.initial_state(), rule.initial_state()
    for epoch, value in enumerate(values):
        text = json.dumps(interrupted.to_data(), allow_nan=False)
        interrupted = rule.state_from_data(json.loads(text))
        seen = Observation(epoch, {rule.watched: value}, 0.5, 0.5, epochs=len(values))
        whole, interrupted = rule.advance(whole, seen), rule.advance(interrupted, seen)
        assert interrupted == whole


def test_any_rule_that_reduces_will_do_as_a_trigger() -> None:
    no_triggers = {AdaptiveKnee, OpenEnded, Rescue}
    assert {type(rule) for rule in TRIGGERS.values()} >= {*FAMILY.values()} - no_triggers
    level, zigzag = [1.0] * 40, [1.0, 2.0] * 20
    # Of three stages none is left to enter when the first half is over.
    expected = {"weight-norm": (zigzag, 20), "loss-slope": (level, 20), "staged": (level, 32)}
    for name, trigger in TRIGGERS.items():
        values, epoch = expected.get(name, (level, None))
        found = begins(AdaptiveKnee(trigger, min_hold=0.5), values)
        assert found == epoch if epoch else 20 <= found < 32, name  # type: ignore[operator]


def test_a_triggers_raise_is_no_sign_and_no_raise() -> None:
    rule = AdaptiveKnee(Greedy("loss", factor=0.5, patience=1), min_hold=0.0)
    states = list(rule.replay([4.0, 3.0, 2.0, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0], 0.1))
    assert [state.decision.kind for state in states[:7]] == ["improve", "wait"] * 3 + ["improve"]
    assert states[1].decision.reason == "loss 3 is the best so far, 2 in a row"
    assert states[-1].cooldown_from == 8


def test_what_a_staged_trigger_would_have_done_is_not_told() -> None:
    rule = AdaptiveKnee(Staged(TRIGGER), min_hold=0.0)
    *_, state = list(rule.replay([1.0, 1.0, 1.0], 0.1))[:2]
    assert state.decision.reason == (
        "loss 1 has not improved on 1 by 0.0001 for 1 epoch; time to come down: "
        "down to 0 from epoch 3 on (linear)"
    )


def test_a_trigger_that_never_reduces_is_refused() -> None:
    for rule in (AdaptiveKnee, Staged):
        with pytest.raises(ValueError, match=f"{rule.__name__}: trigger must be a rule that reduc"):
            rule(AdaptiveKnee())
        with pytest.raises(ValueError, match=f"{rule.__name__}: trigger must be a rule that reduc"):
            rule("plateau")  # type: ignore[arg-type]


def test_without_a_horizon_there_is_no_way_down() -> None:
    rule = AdaptiveKnee(TRIGGER)
    with pytest.raises(ValueError, match=r"AdaptiveKnee: epochs must be known.* Pass epochs=…"):
        rule.advance(rule.initial_state(), Observation(0, {"loss": 1.0}))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_an_event_before_and_on_the_way_down(bad: float) -> None:
    rule = AdaptiveKnee(Plateau("loss", patience=9), min_hold=0.0, latest=0.5)
    states = list(rule.replay([1.0, bad, 0.9, 0.8, bad, {}]))
    assert [state.decision.kind for state in states] == [
        "improve",
        "nonfinite",
        "cooldown_start",
        "descent",
        "nonfinite",
        "absent",
    ]
    assert states[4].decision.reason == (
        f"loss is {bad:g}, which counts as no improvement, for 1 epoch of 9; "
        "on the way down since epoch 4"
    )


def test_it_asks_for_whatever_its_trigger_asks_for() -> None:
    assert AdaptiveKnee(WeightNorm()).measurement == "weight_norm"
    assert AdaptiveKnee(WeightNorm()).watched == "weight_norm"
    assert AdaptiveKnee(LossSlope()).needs_batch_losses
    assert not AdaptiveKnee().needs_batch_losses
    strange = AdaptiveKnee(Plateau("strange"))
    assert strange.undirected == "strange"
    directed = strange.directed({"strange": "max"}.get)
    assert directed.undirected is None
    assert directed.trigger == Plateau("strange", mode="max")
    restoring = AdaptiveKnee(Plateau("loss", patience=1, restore_best_weights=True))
    assert restoring.restores_best_weights
    *_, state = list(restoring.replay([1.0, 2.0, 3.0, 0.5]))[:2]
    assert state.decision.restore_best
    assert state.decision.reason == (
        "loss 2 has not improved on 1 by 0.0001 for 1 epoch; time to come down: "
        "down to 0 from epoch 3 on (linear), best weights restored"
    )


def test_how_it_comes_down() -> None:
    assert AdaptiveKnee().way_down == WayDown("linear", 0.0)
    assert AdaptiveKnee(curve="1-sqrt", final_learning_rate=0.01).way_down == WayDown(
        "1-sqrt", 0.01
    )


def test_copies_pickles_and_configurations_are_equal() -> None:
    rule = AdaptiveKnee(Staged(WeightNorm(0.2), stages=4), min_hold=0.25, curve="1-sqrt")
    assert copy.deepcopy(rule) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert AdaptiveKnee.from_config(json.loads(json.dumps(rule.get_config()))) == rule


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("min_hold", -0.1),
        ("min_hold", 1.0),
        ("latest", 0.4),
        ("latest", 1.0),
        ("curve", "cosine"),
        ("final_learning_rate", -1.0),
    ],
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    wanted = f"AdaptiveKnee: {argument} must be .* Received: {argument}="
    with pytest.raises(ValueError, match=wanted):
        AdaptiveKnee(**{argument: value})
