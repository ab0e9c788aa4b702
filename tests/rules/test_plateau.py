"""Reduction on a plateau, by hand-computed values, and as torch's own class does it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasdecay.rules import Plateau


def scales(rule: Plateau, values: list[Any], learning_rate: float = 1.0) -> list[float]:
    return [state.scale for state in rule.replay(values, learning_rate)]


def kinds(rule: Plateau, values: list[Any], learning_rate: float = 1.0) -> list[str]:
    return [state.decision.kind for state in rule.replay(values, learning_rate)]


# A constant metric, factor 0.5; the scale after the end of each epoch, as Keras has it.
GOLDEN = {
    (2, 0): [1, 1, 0.5, 0.5, 0.25],
    (2, 1): [1, 1, 0.5, 0.5, 0.25],
    (2, 2): [1, 1, 0.5, 0.5, 0.5, 0.25],
}


@pytest.mark.parametrize(("patience", "cooldown"), GOLDEN)
def test_golden_table_of_patience_and_cooldown(patience: int, cooldown: int) -> None:
    expected = GOLDEN[patience, cooldown]
    rule = Plateau("loss", factor=0.5, patience=patience, cooldown=cooldown)
    assert scales(rule, [0.7] * len(expected)) == expected


def torchs(values: list[float], **arguments: Any) -> list[float]:
    """Return the rates that torch's ReduceLROnPlateau leaves after each of these values, from 1."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, **arguments)
    rates = []
    for value in values:
        theirs.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


# The same table for torch, which waits for one epoch more, after a cooldown too.
TORCHS_GOLDEN = {
    (2, 0): [1, 1, 1, 0.5, 0.5, 0.5, 0.25],
    (2, 1): [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25],
    (2, 2): [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25],
}


@pytest.mark.parametrize(("patience", "cooldown"), TORCHS_GOLDEN)
def test_golden_table_of_torch(patience: int, cooldown: int) -> None:
    expected = TORCHS_GOLDEN[patience, cooldown]
    values = [0.7] * len(expected)
    assert torchs(values, patience=patience, cooldown=cooldown) == expected
    rule = Plateau("loss", factor=0.5, patience=patience + 1, cooldown=cooldown + 1)
    assert scales(rule, values) == expected


def test_patience_alone_does_not_make_it_torchs() -> None:
    rule = Plateau("loss", factor=0.5, patience=3, cooldown=1)
    assert scales(rule, [0.7] * 8) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25] != TORCHS_GOLDEN[2, 1]


# Positive, for below 0 torch's relative threshold takes what is a little worse for better.
sixty_fourths = st.integers(1, 64).map(lambda value: value / 64)


@settings(max_examples=200)
@given(
    values=st.lists(st.one_of(sixty_fourths, st.just(math.nan)), min_size=1, max_size=25),
    patience=st.integers(0, 4),
    cooldown=st.integers(0, 3),
    threshold=st.sampled_from([1e-4, 1 / 64, 0.25]),
    mode=st.sampled_from(["min", "max"]),
)
def test_with_one_more_of_patience_and_cooldown_it_is_torchs(
    values: list[float], patience: int, cooldown: int, threshold: float, mode: str
) -> None:
    rule = Plateau(
        "m",
        factor=0.5,
        patience=patience + 1,
        mode=mode,
        min_delta=threshold,
        cooldown=cooldown + 1,
        min_delta_mode="rel",
    )
    theirs = torchs(values, patience=patience, cooldown=cooldown, threshold=threshold, mode=mode)
    assert scales(rule, values) == theirs


def test_patience_0_reduces_at_every_epoch_without_improvement() -> None:
    rule = Plateau("loss", factor=0.5, patience=0)
    assert scales(rule, [1.0, 1.0, 0.5, 0.6]) == [1, 0.5, 0.5, 0.25]


def test_an_improvement_must_exceed_min_delta() -> None:
    rule = Plateau("loss", patience=10, min_delta=0.25)
    assert kinds(rule, [1.0, 0.75, 0.5, 0.25]) == ["improve", "wait", "improve", "wait"]


def test_what_improves_by_exactly_min_delta_is_judged_in_single_precision_as_in_keras() -> None:
    one_in_ten_thousand = [0.8999999761581421, 0.9000999927520752]  # 9000 and 9001 right, float32
    assert kinds(Plateau("accuracy"), one_in_ten_thousand) == ["improve", "wait"]


def test_min_delta_mode_rel_counts_in_shares_of_the_best() -> None:
    values = [200.0, 199.0, 197.9, 196.0]
    rule = Plateau("loss", min_delta=0.01, min_delta_mode="rel")
    assert kinds(rule, values) == ["improve", "wait", "improve", "wait"]
    assert kinds(Plateau("loss", min_delta=0.01), values) == ["improve"] * 4
    negative = Plateau("score", mode="max", min_delta=0.01, min_delta_mode="rel")
    assert kinds(negative, [-100.0, -99.5, -98.9]) == ["improve", "wait", "improve"]


def test_mode_max_improves_upwards() -> None:
    rule = Plateau("anything", mode="max", factor=0.5, patience=1)
    assert scales(rule, [0.1, 0.2, 0.15, 0.3]) == [1, 1, 0.5, 0.5]


def test_a_nan_in_the_first_epoch_does_not_become_the_best_value() -> None:
    rule = Plateau("loss", factor=0.5, patience=2)
    assert scales(rule, [math.nan, 1.0, 0.9, 0.8, 0.7]) == [1] * 5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_and_infinity_count_as_epochs_without_improvement(bad: float, mode: str) -> None:
    rule = Plateau("m", factor=0.5, patience=2, mode=mode)
    assert scales(rule, [1.0, bad, bad, 1.0]) == [1, 1, 0.5, 0.5]
    assert kinds(rule, [1.0, bad]) == ["improve", "nonfinite"]
    assert [state.best for state in rule.replay([bad, 1.0, bad])] == [None, 1.0, 1.0]


@given(st.lists(st.floats(width=32), max_size=20), st.sampled_from(["min", "max"]))
def test_best_is_never_nan_or_infinite(values: list[float], mode: str) -> None:
    rule = Plateau("m", patience=2, cooldown=1, mode=mode)
    finite = [value for value in values if math.isfinite(value)]
    for state in rule.replay(values):
        assert state.best is None or state.best in finite


def test_min_lr_bounds_the_product_and_not_the_scale() -> None:
    rule = Plateau("loss", factor=0.1, patience=1, min_lr=0.02)
    assert scales(rule, [1.0] * 4, learning_rate=0.5) == pytest.approx([1, 0.1, 0.04, 0.04])
    assert kinds(rule, [1.0] * 4, 0.5) == ["improve", "reduce", "reduce", "floor"]


def test_min_lr_never_raises_an_open_loop_rate_below_it() -> None:
    rule = Plateau("loss", factor=0.1, patience=1, min_lr=0.5)
    assert scales(rule, [1.0] * 4, learning_rate=0.01) == [1, 1, 1, 1]


def test_min_lr_is_reached_once_although_single_precision_holds_it_inexactly() -> None:
    rule = Plateau("loss", factor=0.1, patience=1, min_lr=1e-3)
    assert kinds(rule, [1.0] * 5, 0.1)[1:] == ["reduce", "reduce", "floor", "floor"]


def test_smoothing_judges_the_mean_of_the_last_so_many_values() -> None:
    rule = Plateau("loss", factor=0.5, patience=2, min_delta=0.0, smoothing=3)
    values = [6.0, 3.0, 6.0, 6.0, 0.0, 3.0]
    # The means are 6, 9/2, 15/3, 15/3, 12/3 and 9/3.
    assert kinds(rule, values) == ["improve", "improve", "wait", "reduce", "improve", "improve"]
    assert [state.best for state in rule.replay(values)] == [6.0, 4.5, 4.5, 4.5, 4.0, 3.0]
    raw = Plateau("loss", factor=0.5, patience=2, min_delta=0.0)
    assert kinds(raw, values) == ["improve", "improve", "wait", "reduce", "improve", "wait"]


def test_what_is_no_number_and_what_is_absent_does_not_enter_the_mean() -> None:
    rule = Plateau("loss", factor=0.5, patience=4, min_delta=0.0, smoothing=3)
    states = list(rule.replay([3.0, 6.0, 3.0, math.nan, {}, 0.0, math.inf, 0.0]))
    assert [state.decision.kind for state in states] == [
        "improve",  # 3
        "wait",  # 9/2
        "wait",  # 12/3
        "nonfinite",
        "absent",
        "reduce",  # (6 + 3 + 0)/3 = 3, which is no better
        "nonfinite",
        "improve",  # (3 + 0 + 0)/3
    ]
    window = (3.0, 6.0, 3.0)
    later = [(6.0, 3.0, 0.0), (6.0, 3.0, 0.0), (3.0, 0.0, 0.0)]
    assert [state.recent for state in states] == [(3.0,), (3.0, 6.0), *[window] * 3, *later]
    assert [state.wait for state in states] == [0, 1, 2, 3, 3, 0, 1, 0]
    assert states[5].decision.reason == (
        "loss (mean of 3) 3 has not improved on 3 for 4 epochs: rate × 0.5"
    )
    assert states[-1].best == 1.0


def test_there_is_no_event_at_the_floor() -> None:
    rule = Plateau("loss", patience=1, min_lr=1.0)
    *_, state = rule.replay([1.0, 1.0])
    assert not state.decision.is_event
    assert "at min_lr 1" in state.decision.reason


def test_stop_at_min_lr_stops_when_a_reduction_is_due_there() -> None:
    rule = Plateau("loss", factor=0.5, patience=2, min_lr=0.5, stop_at_min_lr=True)
    stops = [state.decision.stop for state in rule.replay([1.0] * 5)]
    assert stops == [False, False, False, False, True]


def test_restore_best_weights_is_asked_for_at_each_reduction_only() -> None:
    rule = Plateau("loss", patience=1, restore_best_weights=True)
    asked = [state.decision.restore_best for state in rule.replay([1.0, 2.0, 0.5, 0.6])]
    assert asked == [False, True, False, True]


def test_reasons_are_sentences_with_the_numbers() -> None:
    rule = Plateau("val_loss", factor=0.1, patience=2, cooldown=2)
    values: list[Any] = [0.6588, 0.7, 0.7, 0.7, math.nan, {}]
    assert [state.decision.reason for state in rule.replay(values)] == [
        "val_loss 0.6588 is the best so far",
        "val_loss 0.7 has not improved on 0.6588 by 0.0001 for 1 epoch of 2",
        "val_loss 0.7 has not improved on 0.6588 by 0.0001 for 2 epochs: rate × 0.1",
        "val_loss 0.7 has not improved on 0.6588 by 0.0001; cooling down",
        "val_loss is nan, which counts as no improvement, for 1 epoch of 2",
        "val_loss was not measured: does not count",
    ]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("monitor", ""),
        ("factor", 0.0),
        ("factor", 1.0),
        ("factor", math.nan),
        ("patience", -1),
        ("patience", 1.5),
        ("mode", "sideways"),
        ("min_delta", -1e-4),
        ("cooldown", -1),
        ("min_lr", -1.0),
        ("min_lr", math.inf),
        ("min_delta_mode", "percent"),
        ("smoothing", 0),
        ("smoothing", 1.5),
    ],
)
def test_a_value_out_of_range_is_named(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Plateau: {argument} must be .* Received: {argument}="):
        Plateau(**{argument: value})


BAD = [math.nan, math.inf, -math.inf]


def asked(rule: Plateau, values: list[Any]) -> list[bool]:
    """Return in which epochs the best weights are asked for; the reasons must say the same."""
    states = list(rule.replay(values))
    found = [state.decision.restore_best for state in states]
    assert ["best weights restored" in state.decision.reason for state in states] == found
    return found


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("patience", [2, 3, 10])
def test_the_best_weights_are_asked_for_as_soon_as_the_metric_is_lost(
    bad: float, patience: int
) -> None:
    rule = Plateau("loss", patience=patience, restore_best_weights=True)
    values = [1.0, bad, 0.9]
    assert asked(rule, values) == [False, True, False]
    assert kinds(rule, values) == ["improve", "nonfinite", "improve"]
    assert scales(rule, values) == [1.0, 1.0, 1.0]
    _, lost, _ = rule.replay(values)
    assert lost.decision.reason == (
        f"loss is {bad:g}, which counts as no improvement, for 1 epoch of {patience}: "
        "best weights restored"
    )


@pytest.mark.parametrize("bad", BAD)
def test_a_restoration_that_does_not_help_is_repeated_with_a_lower_rate_once(bad: float) -> None:
    rule = Plateau("loss", factor=0.5, patience=3, restore_best_weights=True)
    values = [1.0] + [bad] * 9
    # At once; with the reduction after three epochs; and then no more.
    assert asked(rule, values) == [False, True, False, True, *[False] * 6]
    assert scales(rule, values) == [1.0] * 3 + [0.5] * 3 + [0.25] * 3 + [0.125]
    assert [state.restored for state in rule.replay(values)] == [0, 1, 1, *[2] * 7]


@pytest.mark.parametrize("patience", [0, 1])
def test_where_the_reduction_comes_at_once_so_does_the_only_restoration(patience: int) -> None:
    rule = Plateau("loss", factor=0.5, patience=patience, restore_best_weights=True)
    assert asked(rule, [1.0, math.nan, math.nan, math.nan]) == [False, True, False, False]
    assert scales(rule, [1.0, math.nan, math.nan, math.nan]) == [1.0, 0.5, 0.25, 0.125]


@pytest.mark.parametrize("finite", [0.5, 1.0, 7.0])
def test_after_a_finite_value_it_is_asked_for_again(finite: float) -> None:
    rule = Plateau("loss", patience=99, restore_best_weights=True)
    values = [1.0, math.nan, math.nan, finite, math.nan, math.nan]
    assert asked(rule, values) == [False, True, False, False, True, False]


def test_an_epoch_without_the_metric_does_not_make_it_asked_for_again() -> None:
    rule = Plateau("loss", patience=99, restore_best_weights=True)
    assert asked(rule, [1.0, math.nan, {}, math.nan]) == [False, True, False, False]


def test_while_cooling_down_and_at_the_floor_it_is_asked_for_at_once_too() -> None:
    cooling = Plateau("loss", patience=1, cooldown=3, restore_best_weights=True)
    assert asked(cooling, [1.0, 1.0, math.nan, 1.0]) == [False, True, True, False]
    floor = Plateau("loss", patience=1, min_lr=1.0, restore_best_weights=True)
    assert asked(floor, [1.0, math.nan, math.nan]) == [False, True, False]
    stopping = Plateau(
        "loss", patience=1, min_lr=1.0, restore_best_weights=True, stop_at_min_lr=True
    )
    *_, last = stopping.replay([1.0, math.nan])
    assert (last.decision.stop, last.decision.restore_best) == (True, True)
    assert last.decision.reason.endswith("at min_lr 1: best weights restored, stop")


@pytest.mark.parametrize("bad", BAD)
def test_there_is_nothing_to_restore_before_the_first_best_value(bad: float) -> None:
    rule = Plateau("loss", patience=2, restore_best_weights=True)
    assert asked(rule, [bad] * 5) == [False] * 5
    assert asked(rule, [bad, bad, bad, 1.0, bad]) == [False] * 4 + [True]


@given(
    st.lists(st.one_of(st.sampled_from([1.0, 0.5, math.nan, math.inf]), st.just({})), max_size=25),
    st.integers(0, 3),
    st.integers(0, 2),
)
def test_restoring_changes_nothing_but_the_restorations(
    values: list[Any], patience: int, cooldown: int
) -> None:
    plain = Plateau("loss", factor=0.5, patience=patience, cooldown=cooldown)
    restoring = Plateau(
        "loss", factor=0.5, patience=patience, cooldown=cooldown, restore_best_weights=True
    )
    assert scales(restoring, values) == scales(plain, values)
    assert kinds(restoring, values) == kinds(plain, values)
    assert not any(state.decision.restore_best for state in plain.replay(values))


def test_whether_the_optimizer_is_restored_is_told() -> None:
    assert Plateau().restores_optimizer
    assert not Plateau(restore_optimizer=False).restores_optimizer


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("restore_best_weights", 1),
        ("restore_optimizer", "no"),
        ("restore_optimizer", None),
        ("stop_at_min_lr", 0),
        ("min_lr", 1e-40),
        ("min_lr", 10**400),
        ("patience", 10**400),
        ("min_delta", 10**400),
        ("monitor", None),
        ("monitor", 3),
    ],
)
def test_flags_rates_and_huge_numbers_are_checked(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"Plateau: {argument} must be .* Received: {argument}="):
        Plateau(**{argument: value})
