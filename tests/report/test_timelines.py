import pytest

from kerasdecay import PowerStepDecay
from kerasdecay.report import explain, timeline
from kerasdecay.rules import Plateau


def lines_of(text):
    return [line.rstrip() for line in text.splitlines()]


def test_the_timeline_says_what_was_seen_and_decided(plateau_trace, capsys):
    assert explain(plateau_trace) is None
    assert lines_of(capsys.readouterr().out) == [
        "PlateauDecay: what was decided, and why",
        "",
        " epoch   rate    observed        decided        why",
        " ──────────────────────────────────────────────────────────────────────────────",
        "     1   0.1     val_loss 0.9    improved",
        "     2   0.1     val_loss 0.7    improved",
        "     3   0.1     val_loss 0.8    not yet",
        "     4   0.1     val_loss 0.75   0.1 → 0.05     val_loss 0.75 has not improved",
        "                                                on 0.7 by 0.0001 for 2 epochs:",
        "                                                rate × 0.5",
        "     5   0.005                   not measured",
        "     6   0.005   val_loss nan    not finite     val_loss is nan, which counts",
        "                                                as no improvement, for 1 epoch",
        "                                                of 2",
        "     7   0.005   val_loss 0.6    improved",
        "     8   0.005   val_loss 0.5    improved",
        "",
    ]


def test_without_rules_the_schedule_is_what_decides(trace_of, capsys):
    explain(trace_of([0.5, 0.4, 0.3]))
    rows = [line.split() for line in lines_of(capsys.readouterr().out)[4:7]]
    assert rows == [
        ["1", "0.1", "val_loss", "0.5"],
        ["2", "0.01", "val_loss", "0.4", "by", "the", "schedule"],
        ["3", "0.001", "val_loss", "0.3", "by", "the", "schedule"],
    ]


def test_epochs_of_not_yet_are_counted(trace_of, capsys):
    explain(trace_of([0.5] * 4, rule=Plateau("val_loss", patience=9)))
    decided = [line.split("0.5")[-1].strip() for line in lines_of(capsys.readouterr().out)[4:8]]
    assert decided == ["improved", "not yet", "not yet (2)", "not yet (3)"]


def test_each_optimizer_has_its_own_timeline(trace_of):
    bases = {"learning_rate_a": None, "learning_rate_b": None}
    table = timeline(trace_of([0.5, 0.4, 0.3], rule=Plateau("val_loss"), base_rates=bases))
    assert list(table.columns[1].cells) == ["a", "a", "a", "b", "b", "b"]
    assert list(table.columns[2].cells) == ["0.1", "0.01", "0.001", "0.2", "0.02", "0.002"]


@pytest.mark.parametrize("training", [PowerStepDecay(0.1), "history.csv", None])
def test_what_has_not_trained_cannot_be_explained(training):
    with pytest.raises(ValueError, match="training must be a decay callback after fit"):
        explain(training)
