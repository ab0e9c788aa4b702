import dataclasses

import pytest
from tiny import Scripted, fit, odometer

from kerasdecay import LearningRateDecay, PowerStepDecay
from kerasdecay.records import trace as traces
from kerasdecay.records.trace import Trace
from kerasdecay.report import explain, timeline
from kerasdecay.rules import AdaptiveKnee, Greedy, Plateau
from kerasdecay.schedules import Constant, PowerStep


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
        "base rate 0.1, given",
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


def test_every_rule_of_a_training_has_its_say(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "88")
    losses = [9.0, 8.0, 7.0, 6.0, 5.0, 5.0, 5.0, 4.0]
    aucs = [0.1, 0.2, 0.5, 0.6, 0.6, 0.5, 0.7, 0.8]
    rules = [Greedy(factor=0.5, patience=1), AdaptiveKnee(Plateau("auc", patience=1))]
    decay = LearningRateDecay(Constant(0.1), warmup=2, rules=rules)
    fit(odometer(), [Scripted(val_loss=losses, auc=aucs), decay], epochs=8)
    explain(decay)
    # Four batches an epoch: up by eighths of 0.1; from epoch 6 on down by twelfths of 0.2, and of
    # 0.1 in epoch 8.
    assert lines_of(capsys.readouterr().out) == [
        "LearningRateDecay: what was decided, and why",
        "",
        " epoch   rate               observed     decided                 why",
        f" {'─' * 86}",
        "     1   0.0125 → 0.05      val_loss 9   the rules rest",
        "     2   0.0625 → 0.1       val_loss 8   the rules rest",
        "     3   0.1                val_loss 7   Greedy: improved",
        "                            auc 0.5      AdaptiveKnee:",
        "                                         improved",
        "     4   0.1                val_loss 6   Greedy: 0.1 → 0.2       val_loss 6 is the best",
        "                                                                 so far, 2 in a row:",
        "                                                                 rate × 2",
        "                            auc 0.6      AdaptiveKnee:",
        "                                         improved",
        "     5   0.2                val_loss 5   Greedy: improved",
        "                            auc 0.6      AdaptiveKnee: the way   auc 0.6 has not",
        "                                         down begins             improved on 0.6 by",
        "                                                                 0.0001 for 1 epoch;",
        "                                                                 time to come down:",
        "                                                                 down to 0 from epoch 6",
        "                                                                 on (linear)",
        "     6   0.2 → 0.15         val_loss 5   Greedy: not yet",
        "                            auc 0.5      AdaptiveKnee: coming",
        "                                         down",
        "     7   0.133 → 0.0833     val_loss 5   Greedy: 0.0833 →        val_loss 5 is no",
        "                                         0.0417                  improvement, 2 in a",
        "                                                                 row: rate × 0.5",
        "                            auc 0.7      AdaptiveKnee: coming",
        "                                         down",
        "     8   0.0333 → 0.00833   val_loss 4   Greedy: improved",
        "                            auc 0.8      AdaptiveKnee: coming",
        "                                         down",
        "",
        "base rate 0.1, given",
    ]


def test_a_training_that_ended_in_its_first_epoch_has_nothing_to_explain(setup_of, capsys):
    trace = Trace(setup_of(PowerStep(0.1)))
    trace.record_rates(0, 0, [0.1])
    explain(trace)
    assert capsys.readouterr().out == "PowerStepDecay: no epoch was finished.\n"


def test_each_optimizer_has_its_own_timeline(trace_of):
    bases = {"learning_rate_a": None, "learning_rate_b": None}
    table = timeline(trace_of([0.5, 0.4, 0.3], rule=Plateau("val_loss"), base_rates=bases))
    assert list(table.columns[1].cells) == ["a", "a", "a", "b", "b", "b"]
    assert list(table.columns[2].cells) == ["0.1", "0.01", "0.001", "0.2", "0.02", "0.002"]


def test_the_rate_that_a_probe_found_stands_below_with_its_reason(trace_of, capsys):
    trace = trace_of([0.5, 0.4, 0.3])
    found = {"base_rates": {"learning_rate": 0.1}, "base_source": "found by the probe: 0.7 × 0.14"}
    trace.setup = dataclasses.replace(trace.setup, **found)
    explain(trace)
    assert lines_of(capsys.readouterr().out)[-1] == "base rate 0.1, found by the probe: 0.7 × 0.14"


@pytest.mark.parametrize("training", [PowerStepDecay(0.1), "history.csv", None])
def test_what_has_not_trained_cannot_be_explained(training):
    with pytest.raises(ValueError, match="training must be a decay callback after fit"):
        explain(training)


def rows_of(output):
    return [line.split() for line in lines_of(output)]


@pytest.mark.parametrize(("epochs", "reductions"), [(501, 3), (2000, 20), (30_000, 12)])
def test_a_long_training_is_summed_up(trace_of, capsys, epochs, reductions):
    # A loss that never improves: its first epoch does, and each `patience` epochs the rate falls.
    patience = epochs // reductions
    losses = [0.5] * epochs
    rule = Plateau("val_loss", factor=0.9, patience=patience)
    trace = trace_of(losses, Constant(0.1), rule)
    explain(trace)
    out = lines_of(capsys.readouterr().out)
    numbers = [line.split()[0] for line in out[4:-3] if line[:8].strip()]
    events = [1 + patience * (k + 1) for k in range(reductions) if patience * (k + 1) < epochs]
    shown = {*range(1, 6), *events[:5], *events[-5:], *range(epochs - 4, epochs + 1)}
    assert [int(number) for number in numbers if number.isdigit()] == sorted(shown)
    assert (
        out[-1] == f"{len(shown)} of {epochs} epochs are shown; every_epoch=True shows every one."
    )
    waits = epochs - 1 - len(events)
    assert out[-2] == f"decisions: not yet {waits}, reduced {len(events)}, improved 1"


def test_a_gap_stands_where_epochs_are_left_out(trace_of, capsys):
    losses = [0.5] * 600
    losses[300] = float("nan")
    explain(trace_of(losses, Constant(0.1), Plateau("val_loss", patience=10**6)))
    first = [row[0] for row in rows_of(capsys.readouterr().out)[4:-3] if row]
    assert [number for number in first if number == "…" or number.isdigit()] == [
        *"12345",
        "…",
        "301",
        "…",
        *map(str, range(596, 601)),
    ]


def test_every_epoch_is_shown_on_demand(trace_of, capsys):
    trace = trace_of([0.5] * 600, Constant(0.1), Plateau("val_loss", patience=10**6))
    explain(trace, every_epoch=True)
    numbers = [row[0] for row in rows_of(capsys.readouterr().out)[4:-1] if row]
    assert numbers == [str(epoch) for epoch in range(1, 601)]
    explain(trace_of([0.5] * 500))
    assert "shown" not in capsys.readouterr().out


@pytest.mark.parametrize("kept", [3, 5, 8])
def test_decisions_that_are_no_longer_kept_are_not_made_up(monkeypatch, trace_of, capsys, kept):
    monkeypatch.setattr(traces, "QUIET_DECISIONS", kept)
    losses = [0.5] * 12
    losses[2] = float("nan")
    explain(trace_of(losses, Constant(0.1), Plateau("val_loss", patience=99)))
    rows = lines_of(capsys.readouterr().out)[4:-1]
    decided = [
        " ".join(row[row.index("0.1") + 3 :].split()[2:4]) for row in rows if row[:7].strip()
    ]
    lost = ["not kept", "not kept", "not finite", *["not kept"] * 9]
    # For how long it had been "not yet" before the first decision that is kept, nobody knows.
    assert decided == [*lost[: 12 - kept], *["not yet"] * kept]
    assert not any("(" in row for row in rows[:-1] if "not yet" in row)
