import dataclasses
import io

import keras
import numpy as np
import pytest

from kerasdecay import PlateauDecay
from kerasdecay.callbacks import Event, Trace
from kerasdecay.records import trace as traces
from kerasdecay.report.console import plain, show
from kerasdecay.report.training import announcement, decision_line, summary
from kerasdecay.rules import Decision, Plateau
from kerasdecay.schedules import ByEpoch, Cosine, Linear, OneCycle, PowerStep, Warmup
from kerasdecay.schedules.one_cycle import OneCycleMomentum


def lines_of(text):
    return [line.rstrip() for line in text.splitlines()]


def announce(trace):
    show(announcement(trace))


def announce_decision(event, trace):
    show(decision_line(event, trace), wrap=False)


def summarise(trace):
    show(summary(trace))


def test_the_panel_before_a_training(plateau_trace, capsys):
    announce(plateau_trace)
    assert lines_of(capsys.readouterr().out) == [
        "╭─ PlateauDecay ───────────────────────────────────────────────────╮",
        "│ schedule    PowerStep(0.1, stages=2)                             │",
        "│ curve, log  ████████████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  0.1 → 0.01 │",
        "│ stages      epochs 1-4  0.1                                      │",
        "│             epochs 5-8  0.01                                     │",
        "│ base rate   0.1, given                                           │",
        "│ horizon     8 epochs of 4 steps                                  │",
        "│ written     at each epoch                                        │",
        "│ rules       Plateau on val_loss, factor=0.5, patience=2          │",
        "│             acts after epoch 3 at the earliest                   │",
        "╰──────────────────────────────────────────────────────────────────╯",
    ]


def test_a_reduction_is_one_line_as_keras_prints_it(plateau_trace, capsys):
    announce_decision(plateau_trace.events[0], plateau_trace)
    assert capsys.readouterr().out == (
        "\nEpoch 4: PlateauDecay reducing learning rate to 0.05. "
        "val_loss 0.75 has not improved on 0.7 by 0.0001 for 2 epochs: rate × 0.5\n"
    )


def test_markup_in_a_reason_is_only_text(plateau_trace, capsys):
    event = Event(0, "Rule", Decision("reduce", "[red]metric[/red] :smile:"), 0.1, 0.2)
    announce_decision(event, plateau_trace)
    out = capsys.readouterr().out
    assert out.endswith("raising learning rate to 0.2. [red]metric[/red] :smile:\n")


def test_the_moment_from_which_the_rate_comes_down_is_announced(plateau_trace, capsys):
    event = Event(7, "AdaptiveKnee", Decision("cooldown_start", "it is time"), 0.1, 0.1)
    announce_decision(event, plateau_trace)
    expected = "Epoch 8: PlateauDecay: it is time"
    assert capsys.readouterr().out == f"\n{expected}\n"


def test_the_table_after_a_training(plateau_trace, capsys):
    summarise(plateau_trace)
    assert lines_of(capsys.readouterr().out) == [
        "PlateauDecay: 8 epochs",
        "",
        "                          val_loss            val_accuracy",
        " stage   epochs   rate        best     last           best     last",
        " ──────────────────────────────────────────────────────────────────",
        "     1   1-4      0.1       0.7000   0.7500         0.3000   0.2500",
        "     2   5-8      0.005     0.5000   0.5000         0.5000   0.5000",
        "",
        "epoch 4, Plateau: 0.1 → 0.05, because val_loss 0.75 has not improved on 0.7 by",
        "0.0001 for 2 epochs: rate × 0.5",
        "epoch 6, Plateau: val_loss is nan, which counts as no improvement, for 1 epoch",
        "of 2",
    ]


def test_what_has_no_validation_is_summed_up_by_the_training(trace_of, capsys):
    summarise(trace_of([None] * 3, rule=Plateau("loss")))
    out = capsys.readouterr().out
    assert "loss" in out
    assert "val_" not in out
    assert lines_of(out)[-1] == "Plateau looked at 3 epochs and changed nothing."


def test_a_smooth_decay_is_one_stage_from_its_first_rate_to_its_last(trace_of, capsys):
    summarise(trace_of([0.5] * 100, Cosine(0.1)))
    (row,) = [line for line in lines_of(capsys.readouterr().out) if "→" in line]
    assert row.split()[:5] == ["1", "1-100", "0.1", "→", "2.47e-05"]


def test_changes_that_were_told_as_they_came_are_counted_and_not_said_again(plateau_trace, capsys):
    show(summary(plateau_trace, told=True))
    assert lines_of(capsys.readouterr().out)[-3:] == [
        "Rules changed the course once, as told above; explain(decay) shows each epoch.",
        "epoch 6, Plateau: val_loss is nan, which counts as no improvement, for 1 epoch",
        "of 2",
    ]


def test_optimizers_of_different_schedules_are_announced_each_with_its_own(setup_of, capsys):
    schedules = {"learning_rate_d": Linear(0.4), "learning_rate_g": Linear(0.1)}
    setup = setup_of(Linear(0.4), base_rates=dict.fromkeys(schedules))
    setup = dataclasses.replace(setup, schedules=schedules, update="epoch")
    announce(Trace(setup))
    shown = capsys.readouterr().out
    for name, rate, last in (("d", "0.4", "0.0667"), ("g", "0.1", "0.0167")):
        assert f"Linear({rate}) ({name})" in shown
        assert f"{rate} → {last}" in shown
        assert f"{rate}, given ({name})" in shown


def test_several_optimizers_have_a_column_each(trace_of, capsys):
    bases = {"learning_rate_a": 0.1, "learning_rate_b": 0.2}
    trace = trace_of([0.5, 0.4, 0.3], base_rates=bases, base_source="the optimizer's")
    announce(trace)
    panel = capsys.readouterr().out
    assert "0.1, the optimizer's (a)" in panel
    assert "0.2, the optimizer's (b)" in panel
    summarise(trace)
    assert lines_of(capsys.readouterr().out)[5].split()[:4] == ["1", "1", "0.1", "0.2"]


def test_a_training_that_never_began_is_summed_up_too(setup_of, capsys):
    summarise(Trace(setup_of(PowerStep(0.1))))
    assert capsys.readouterr().out == "PowerStepDecay: no epoch was finished.\n"


@pytest.mark.parametrize(
    "schedule",
    [
        ByEpoch(lambda epoch: 1 / 0),
        Warmup(ByEpoch(lambda epoch: 1 / 0), 2),
        lambda epoch, rate: 1 / 0,
    ],
)
def test_functions_are_not_called_ahead_of_their_time(setup_of, schedule, capsys):
    announce(Trace(setup_of(schedule)))
    assert "none: a function of yours is asked when its epoch comes" in capsys.readouterr().out


def test_a_resumed_run_of_unknown_length_says_so(setup_of, capsys):
    announce(Trace(setup_of(PowerStep(0.1), steps_per_epoch=None, first_epoch=3)))
    assert "horizon     6 epochs, going on with epoch 4" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_that_cannot_spell_is_no_error(plateau_trace, monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    announce(plateau_trace)
    summarise(plateau_trace)
    announce_decision(plateau_trace.events[0], plateau_trace)
    import sys

    sys.stdout.flush()
    assert b"0.1 -> 0.01" in raw.getvalue()


def test_notes_stand_in_the_panel(plateau_trace, capsys):
    plateau_trace.record_note("goes on with the training before, from epoch 5")
    plateau_trace.record_note("initial rate 0.025 found on the optimizer")
    announce(plateau_trace)
    assert lines_of(capsys.readouterr().out)[-5:] == [
        "│ rules       Plateau on val_loss, factor=0.5, patience=2          │",
        "│             acts after epoch 3 at the earliest                   │",
        "│ note        goes on with the training before, from epoch 5       │",
        "│ note        initial rate 0.025 found on the optimizer            │",
        "╰──────────────────────────────────────────────────────────────────╯",
    ]


def test_markup_in_a_note_is_only_text(plateau_trace):
    plateau_trace.record_note("[red]model[/red] :smile:")
    assert "note        [red]model[/red] :smile:" in plain(announcement(plateau_trace))


def test_a_long_note_is_broken_at_80_columns(plateau_trace, capsys):
    plateau_trace.record_note("word " * 40)
    announce(plateau_trace)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("force", [None, "1"])
def test_a_logger_gets_the_same_text_without_colour(plateau_trace, monkeypatch, capsys, force):
    parts = announcement(plateau_trace), summary(plateau_trace)
    show(*parts)
    expected = lines_of(capsys.readouterr().out)
    if force:
        monkeypatch.setenv("FORCE_COLOR", force)
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert plain(*parts).splitlines() == expected


def test_a_logger_may_get_a_decision_as_one_line(plateau_trace):
    line = decision_line(plateau_trace.events[0], plateau_trace)
    assert plain(line, width=1000).strip() == (
        "Epoch 4: PlateauDecay reducing learning rate to 0.05. "
        "val_loss 0.75 has not improved on 0.7 by 0.0001 for 2 epochs: rate × 0.5"
    )
    assert max(map(len, plain(line, width=40).splitlines())) <= 40


@pytest.mark.parametrize("count", [100, 101, 5000])
def test_very_many_decisions_are_listed_by_the_first_and_the_last(
    trace_of, monkeypatch, capsys, count
):
    monkeypatch.setenv("COLUMNS", "200")
    losses = [0.5, *[float("nan")] * count]
    summarise(trace_of(losses, rule=Plateau("val_loss", patience=10**6)))
    listed = [line for line in lines_of(capsys.readouterr().out) if line.startswith(("epoch", "…"))]
    starts = [line.split(",")[0] for line in listed]
    if count == 100:
        assert starts == [f"epoch {epoch}" for epoch in range(2, 102)]
    else:
        assert starts == [
            *(f"epoch {epoch}" for epoch in range(2, 7)),
            f"… {count - 10} more decisions …",
            *(f"epoch {epoch}" for epoch in range(count - 3, count + 2)),
        ]


def test_epochs_whose_decisions_are_no_longer_kept_are_counted(trace_of, monkeypatch, capsys):
    monkeypatch.setattr(traces, "QUIET_DECISIONS", 7)
    summarise(trace_of([0.5] * 30, rule=Plateau("val_loss", patience=99)))
    assert (
        lines_of(capsys.readouterr().out)[-1] == "Plateau looked at 30 epochs and changed nothing."
    )


def fit(verbose):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    decay = PlateauDecay("loss", patience=1, min_delta=10.0, verbose=verbose)
    x = np.ones((8, 2), dtype="float32")
    model.fit(x, x[:, :1], epochs=3, batch_size=4, verbose=0, callbacks=[decay])
    return decay


def test_a_training_shows_panel_reductions_and_table_in_plain_text(capsys):
    decay = fit(verbose=1)
    out = capsys.readouterr().out
    assert out.startswith("╭─ PlateauDecay ─")
    assert out.count("PlateauDecay reducing learning rate to ") == len(decay.events) == 2
    assert "PlateauDecay: 3 epochs" in out
    assert "\x1b" not in out
    assert "\r" not in out


def test_a_silent_training_prints_not_one_byte(capfd):
    fit(verbose=0)
    assert capfd.readouterr().out == ""


def test_setup_is_shown_in_words_for_every_update(setup_of, capsys):
    for update, words in {
        "compiled": "inside the compiled step",
        "20 steps": "every 20 steps",
    }.items():
        announce(Trace(dataclasses.replace(setup_of(Cosine(0.1)), update=update)))
        assert words in capsys.readouterr().out


def test_the_momentum_of_a_cycle_is_shown_in_numbers(setup_of, capsys):
    cycle = OneCycle(0.1)
    driven = {"momentum": OneCycleMomentum(cycle=cycle)}
    announce(Trace(setup_of(cycle, update="batch", epochs=10, driven=driven)))
    assert "momentum   0.95 → 0.85 → 0.95 " in capsys.readouterr().out


def test_stages_are_listed_where_the_rate_stays(setup_of, capsys):
    for schedule, listed in [(PowerStep(0.1), True), (Cosine(0.1), False)]:
        announce(Trace(setup_of(schedule)))
        assert ("stages" in capsys.readouterr().out) == listed
    announce(Trace(setup_of(Warmup(PowerStep(0.1), 1), update="2 steps")))
    assert "epoch 1     0.025 → 0.075" in capsys.readouterr().out
