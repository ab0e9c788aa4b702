import dataclasses
import math

import keras
import numpy as np
import pytest
from tiny import fit, odometer

from kerasdecay import LearningRateDecay
from kerasdecay.cli import main, parts
from kerasdecay.rules import (
    FAMILY,
    AdaptiveKnee,
    Greedy,
    LossSlope,
    OpenEnded,
    Plateau,
    Staged,
    WeightNorm,
)
from kerasdecay.schedules import Constant

LOG = """\
epoch,loss,val_loss
0,1.5,0.9
1,1.3,0.8
2,1.2,0.85
3,1.1,nan
4,1.0,NA
5,0.9,
6,0.8,0.7
"""


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(LOG)
    return str(path)


def replayed(capsys, *arguments):
    code = main(["replay", *arguments])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return [line.rstrip() for line in captured.out.splitlines()]


def test_a_log_is_replayed_with_reasons(capsys, log):
    arguments = ["--monitor", "val_loss", "--patience", "2", "--learning-rate", "0.1"]
    assert replayed(capsys, "--rule", "plateau", "--log", log, *arguments) == [
        "Plateau on val_loss, patience=2",
        "",
        " epoch   rate   observed        decided        why",
        f" {'─' * 88}",
        "     1   0.1    val_loss 0.9    improved",
        "     2   0.1    val_loss 0.8    improved",
        "     3   0.1    val_loss 0.85   not yet",
        "     4   0.1    val_loss nan    0.1 → 0.01     val_loss is nan, which counts as no",
        "                                               improvement, for 2 epochs: rate × 0.1",
        "     5   0.01                   not measured",
        "     6   0.01                   not measured",
        "     7   0.01   val_loss 0.7    improved",
        "",
        "1 change in 7 epochs: rate 0.1 → 0.01",
    ]


@pytest.mark.parametrize("name", ["Plateau", "PlateauDecay", "PLATEAU"])
def test_a_rule_may_be_named_as_its_class_or_its_callback(capsys, log, name):
    arguments = ["--log", log, "--patience", "2"]
    expected = replayed(capsys, "--rule", "plateau", *arguments, "--learning-rate", "0.1")
    found = replayed(capsys, "--rule", name, *arguments, "--initial-learning-rate", "0.1")
    assert found == expected


def test_without_a_rate_the_scale_is_shown(capsys, log):
    lines = replayed(capsys, "--rule", "plateau:patience=2:factor=0.5", "--log", log)
    assert lines[0] == "Plateau on val_loss, factor=0.5, patience=2"
    assert lines[-1] == "1 change in 7 epochs: scale 1 → 0.5"
    assert replayed(capsys, "--log", log)[-1] == "0 changes in 7 epochs: scale as it was"


def test_the_rates_of_a_knee_follow_its_way_down(capsys, tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("loss\n" + "\n".join(["4", "3", "2", "1", "1", "1", "1", "1"]))
    arguments = ["--rule", "adaptive-knee:min-hold=0", "--trigger", "plateau:monitor=loss"]
    arguments += ["--patience", "1", "--log", str(path)]
    assert replayed(capsys, *arguments, "--learning-rate", "0.6") == [
        "AdaptiveKnee on loss, trigger=Plateau('loss', patience=1), min_hold=0.0",
        "",
        " epoch   rate        observed   decided               why",
        f" {'─' * 88}",
        "     1   0.6         loss 4     improved",
        "     2   0.6         loss 3     improved",
        "     3   0.6         loss 2     improved",
        "     4   0.6         loss 1     improved",
        "     5   0.6         loss 1     the way down begins   loss 1 has not improved on 1 by",
        "                                                      0.0001 for 1 epoch; time to come",
        "                                                      down: down to 0 from epoch 6 on",
        "                                                      (linear)",
        "     6   0.6 → 0.4   loss 1     coming down",
        "     7   0.4 → 0.2   loss 1     coming down",
        "     8   0.2 → 0     loss 1     coming down",
        "",
        "1 change in 8 epochs: rate 0.6 → 0",
    ]
    assert replayed(capsys, *arguments)[-1] == "1 change in 8 epochs: scale 1 → 0"
    held = replayed(capsys, *arguments, "--final-learning-rate", "0.3", "--learning-rate", "0.6")
    assert [line.split("loss")[0].split()[1:] for line in held[-5:-2]] == [
        ["0.6", "→", "0.5"],
        ["0.5", "→", "0.4"],
        ["0.4", "→", "0.3"],
    ]
    assert held[-1] == "1 change in 8 epochs: rate 0.6 → 0.3"


def test_a_log_that_begins_later_keeps_its_epochs_and_its_horizon(capsys, tmp_path):
    path = tmp_path / "history.csv"
    rows = [f"{epoch},{loss}" for epoch, loss in enumerate([2, 1, 1, 1, 1], 3)]
    path.write_text("\n".join(["epoch,loss", *rows]))
    arguments = ["--rule", "adaptive-knee", "--trigger", "plateau:monitor=loss:patience=1"]
    lines = replayed(capsys, *arguments, "--log", str(path), "--learning-rate", "0.6")
    assert any("down to 0 from epoch 7 on" in line for line in lines)
    # Eight epochs in all, the last two of which come down.
    assert [line.split("loss")[0].split() for line in lines if "coming down" in line] == [
        ["7", "0.6", "→", "0.3"],
        ["8", "0.3", "→", "0"],
    ]


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["adaptive-knee"], "trigger=Plateau(patience=2, min_delta=0.0, smoothing=3)"),
        (
            ["adaptive-knee", "--patience", "5"],
            "trigger=Plateau(patience=5, min_delta=0.0, smoothing=3)",
        ),
        (["adaptive-knee", "--trigger", "plateau"], "trigger=Plateau()"),
        (["adaptive-knee:trigger=plateau", "--patience", "5"], "trigger=Plateau(patience=5)"),
        (
            ["staged", "--trigger", "greedy:patience=2:min-lr=0", "--patience", "5"],
            "trigger=Greedy(patience=2, min_lr=0.0)",
        ),
        (
            ["adaptive-knee", "--trigger", "staged", "--stages", "5", "--patience", "1"],
            "trigger=Staged(Plateau(patience=1), stages=5)",
        ),
    ],
)
def test_what_a_rule_does_not_have_goes_to_its_trigger(capsys, monkeypatch, log, arguments, title):
    monkeypatch.setenv("COLUMNS", "200")
    lines = replayed(capsys, "--log", log, "--learning-rate", "0.1", "--rule", *arguments)
    assert lines[0].endswith(f"on val_loss, {title}")


@pytest.mark.parametrize("name", FAMILY)
def test_what_the_list_says_of_a_trigger_can_be_typed(name):
    if "trigger" in {field.name for field in dataclasses.fields(FAMILY[name])}:
        rule = FAMILY[name]()
        assert parts.build(FAMILY, parts.spelled(FAMILY, rule.trigger), {}) == rule.trigger


def test_a_log_of_batches_is_gathered_into_epochs(capsys, tmp_path):
    path = tmp_path / "batches.csv"
    rows = [f"{epoch},{loss}" for epoch in range(3) for loss in [1.0, 3.0] * 6]
    rows[:2] = ["0,NA", "0,"]
    rows[14] = "1,nan"
    path.write_text("\n".join(["epoch,loss", *rows]))
    lines = replayed(capsys, "--rule", "loss-slope:min-losses=30", "--log", str(path))
    # 10, 11 and 12 losses: the last 17 of 33, which end as they begin, have no slope at all.
    assert lines[4:] == [
        "     1   1       loss 2     not yet",
        "     2   1       loss nan   not finite   loss is nan: 1 of 12 losses are not finite and",
        "                                         do not count",
        "     3   1       loss 2     1 → 0.1      loss has not fallen over 17 batches (p = 0.5):",
        "                                         rate × 0.1",
        "",
        "1 change in 3 epochs: scale 1 → 0.1",
    ]


def test_another_separator(capsys, tmp_path):
    path = tmp_path / "history.tsv"
    path.write_text(LOG.replace(",", "\t"))
    assert "7 epochs" in replayed(capsys, "--log", str(path), "--separator", "\t")[-1]


def long_log(tmp_path, epochs):
    """Write a log whose loss falls for ever, but for three epochs from each thousandth on."""
    losses = [1e6 - epoch + 50 * (epoch % 1000 > 996) for epoch in range(epochs)]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["val_loss", *(f"{loss:.1f}" for loss in losses)]))
    return str(path)


@pytest.mark.parametrize(
    ("epochs", "reductions"),
    [(501, []), (3000, [1000, 2000, 3000]), (100_000, range(1000, 100_001, 1000))],
)
def test_a_long_log_is_summed_up(capsys, tmp_path, epochs, reductions):
    arguments = ["--log", long_log(tmp_path, epochs), "--patience", "3", "--factor", "0.99"]
    *table, _, decisions, rest, end = replayed(capsys, *arguments)
    first = [line.split()[0] for line in table[4:] if line[:8].strip()]
    shown = {*range(1, 6), *reductions[:5], *reductions[-5:], *range(epochs - 4, epochs + 1)}
    assert [int(number) for number in first if number != "…"] == sorted(shown)
    reduced = len(reductions)
    counts = [("improved", epochs - 3 * reduced), ("not yet", 2 * reduced), ("reduced", reduced)]
    assert decisions == "decisions: " + ", ".join(f"{word} {n}" for word, n in counts if n)
    assert rest == f"{len(shown)} of {epochs} epochs are shown; --all shows every one."
    assert end.startswith(f"{reduced} changes in {epochs} epochs: scale ")
    assert len(table) < 80


@pytest.mark.parametrize(("epochs", "arguments"), [(500, []), (501, ["--all"]), (1200, ["--all"])])
def test_every_epoch_of_a_log_is_shown_if_there_are_few_or_on_demand(
    capsys, tmp_path, epochs, arguments
):
    lines = replayed(capsys, "--log", long_log(tmp_path, epochs), *arguments)
    numbers = [line.split()[0] for line in lines[4:-2] if line[:8].strip()]
    assert numbers == [str(epoch) for epoch in range(1, epochs + 1)]
    assert not any("shown" in line or "…" in line for line in lines)


# A new rule is one row: its options on the command line, and the rule that they stand for.
RULES = {
    "plateau": (
        "--monitor val_loss --patience 2 --factor 0.5 --min-lr 0.03",
        Plateau("val_loss", factor=0.5, patience=2, min_lr=0.03),
    ),
    "greedy": ("--patience 1 --factor 0.5", Greedy(patience=1, factor=0.5)),
    "weight-norm": ("--factor 0.5 --last-decay none", WeightNorm(0.5, last_decay=None)),
    "loss-slope": ("--min-losses 20 --factor 0.2", LossSlope(0.2, min_losses=20)),
    "adaptive-knee": (
        "--patience 1 --curve 1-sqrt",
        AdaptiveKnee(Plateau("val_loss", patience=1, min_delta=0.0, smoothing=3), curve="1-sqrt"),
    ),
    "open-ended": (
        "--patience 1 --cooldown 50%",
        OpenEnded(Plateau("val_loss", patience=1, min_delta=0.0, smoothing=3), "50%"),
    ),
    "staged": ("--trigger plateau:patience=2 --stages 4", Staged(Plateau(patience=2), stages=4)),
}
VAL_LOSSES = [1.0, 0.8, 0.6, 0.5, 0.6, 0.6, None, 0.6, 0.7, 0.4, 0.4, 0.4]
WEIGHTS = [3.0, 2.0, 3.0, 4.0, 3.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 2.0]


class Script(keras.callbacks.Callback):
    """Dictate the epochs' validation losses and weights."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([np.full((1, 1), WEIGHTS[epoch])])
        if VAL_LOSSES[epoch] is not None:
            logs["val_loss"] = VAL_LOSSES[epoch]


class Watcher(keras.callbacks.Callback):
    """Note the rate of each epoch's first batch, and the loss of every batch."""

    def __init__(self):
        super().__init__()
        self.rates, self.losses = [], []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.rates.append(float(self.model.optimizer.learning_rate))
            self.losses.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.losses[-1].append((batch + 1) * logs["loss"] - sum(self.losses[-1]))


def test_a_replay_ends_where_the_rule_ends_the_training(capsys, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["epoch,val_loss", *(f"{epoch},1.0" for epoch in range(8))]))
    arguments = ["--rule", "open-ended", "--trigger", "plateau:patience=1", "--cooldown", "50%"]
    lines = replayed(capsys, "--log", str(path), *arguments, "--learning-rate", "0.1")
    shown = [line.split()[0] for line in lines if line.strip() and line.split()[0].isdigit()]
    assert shown == ["1", "2", "3", "1"]  # the last is the closing line's count of changes
    assert lines[-1].endswith("the rule ends the training after epoch 3")


def test_every_rule_has_a_row():
    # The rescue decides at batches, which the odometer below never lets fall: see the next test.
    family = {name: kind for name, kind in FAMILY.items() if name != "rescue"}
    assert [type(rule) for _, rule in RULES.values()] == list(family.values())
    assert list(RULES) == list(family)


@pytest.mark.parametrize(("fallen", "factor"), [(5.0, 0.1), (1000.0, 0.1), (math.nan, 0.1)])
def test_a_replay_tells_of_a_rescue(capsys, monkeypatch, tmp_path, fallen, factor):
    monkeypatch.setenv("COLUMNS", "200")
    losses = [[1.0] * 10, [fallen] * (1 if math.isnan(fallen) else 8), [1.0] * 10]
    rows = [f"{epoch},{loss}" for epoch, one in enumerate(losses) for loss in one]
    path = tmp_path / "batches.csv"
    path.write_text("\n".join(["epoch,loss", *rows]))
    arguments = ["--rule", "rescue", "--max-rescues", "1", "--learning-rate", "0.1"]
    lines = replayed(capsys, "--log", str(path), *arguments)
    assert any(f"back to the first state, rate × {factor:g}" in line for line in lines)
    assert "rate 0.1 → " in lines[-1]


@pytest.mark.parametrize("name", [name for name in RULES if name != "open-ended"])
def test_a_replay_says_what_the_training_did(capsys, monkeypatch, tmp_path, name):
    monkeypatch.setenv("COLUMNS", "200")
    options, rule = RULES[name]
    decay, watcher = LearningRateDecay(Constant(0.1), rules=[rule]), Watcher()
    path = tmp_path / "history.csv"
    logger = keras.callbacks.CSVLogger(path)
    fit(odometer(), [Script(), decay, watcher, logger], epochs=len(VAL_LOSSES))
    if rule.needs_batch_losses:
        rows = [f"{epoch},{loss}" for epoch, one in enumerate(watcher.losses) for loss in one]
        path.write_text("\n".join(["epoch,loss", *rows]))

    arguments = ["--rule", name, *options.split(), "--learning-rate", "0.1"]
    title, _, header, _, *rows, _, end = replayed(capsys, "--log", str(path), *arguments)
    assert title.startswith(f"{type(rule).__name__} on {rule.watched}")
    starts = [header.index(word) for word in ("rate", "observed", "decided", "why")]
    begins = [row[starts[0] : starts[1]].split("→")[0].strip() for row in rows]
    assert begins == [f"{rate:.3g}" for rate in watcher.rates]
    told = [
        (int(row[: starts[0]]), row[starts[2] : starts[3]].strip(), row[starts[3] :])
        for row in rows
        if "→" in row[starts[2] : starts[3]] or "begins" in row[starts[2] : starts[3]]
    ]
    assert told == [
        (
            event.epoch + 1,
            "the way down begins"
            if event.kind == "cooldown_start"
            else f"{event.before:.3g} → {event.after:.3g}",
            event.reason,
        )
        for event in decay.events
    ]
    assert told
    last = 0.0 if rule.way_down else decay.events[-1].after
    count = "1 change" if len(told) == 1 else f"{len(told)} changes"
    assert end == f"{count} in {len(VAL_LOSSES)} epochs: rate 0.1 → {last:.3g}"


@pytest.mark.parametrize(
    ("content", "arguments", "complaint"),
    [
        (None, [], "cannot be read: No such file or directory"),
        ("", [], "holds no epoch"),
        ("epoch,loss\n", [], "holds no epoch"),
        (LOG, ["--monitor", "f1"], "has no column 'f1'. There are: epoch, loss, val_loss"),
        ("epoch,val_loss\n0,0.5\n1,high\n", [], "line 3: val_loss is 'high', which is no number"),
        ("epoch,score_x\n0,0.5\n", ["--monitor", "score_x"], "mode must be 'min' or 'max'"),
        (LOG, ["--rule", "intuition"], "there is no 'intuition'. There are: plateau"),
        (LOG, ["--rule", "plateau:mood=1"], "plateau has no option 'mood'"),
        (LOG, ["--factor", "2"], "factor must be a finite number > 0 and < 1"),
        (LOG, ["--learning-rate", "-1"], "--learning-rate must be a finite number > 0"),
        (LOG, ["--rule", "greedy"], "greedy decides by the rate itself: give --learning-rate"),
        (LOG, ["--rule", "staged"], "staged decides by the rate itself"),
        (LOG, ["--min-lr", "0.1"], "plateau decides by the rate itself"),
        (LOG, ["--rule", "adaptive-knee", "--trigger", "greedy"], "decides by the rate itself"),
        (LOG, ["--rule", "adaptive-knee:final-learning-rate=0.1"], "decides by the rate itself"),
        (LOG, ["--rule", "staged", "--learning-rate", "1"], "learning_rate must be below 1"),
        (LOG, ["--rule", "weight-norm"], "has no column 'weight_norm'"),
        (LOG, ["--rule", "loss-slope"], "needs a log with a row for each"),
        ("loss\n0.5\n0.4\n", ["--rule", "loss-slope"], "a column epoch that says which"),
        (LOG, ["--rule", "adaptive-knee:trigger=loss-slope"], "needs a log with a row for each"),
        (LOG, ["--trigger", "greedy"], "plateau has no --trigger"),
        (LOG, ["--rule", "adaptive-knee", "--stages", "2"], "adaptive-knee has no --stages"),
        (LOG, ["--rule", "staged:trigger=intuition"], "there is no 'intuition'"),
        (LOG, ["--rule", "staged:trigger=adaptive-knee"], "trigger must be a rule that reduces"),
        (
            "epoch,val_loss\n0,0.5\n1,0.4\n0,0.6\n",
            [],
            "line 4: the epochs begin anew, so the file holds several trainings",
        ),
        (LOG, ["--separator", "ab"], "--separator must be one character"),
        ("\x00\xff", [], "is no CSV file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys, tmp_path, content, arguments, complaint):
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert main(["replay", "--log", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("kerasdecay replay: error: ")
    assert complaint in captured.err


def test_a_rule_that_decides_within_epochs_is_replayed_batch_by_batch(capsys, tmp_path):
    path = tmp_path / "batches.csv"
    losses = [3, 3, 3, 3, 3, 3, 3, 1, 1, 1]
    rows = [f"{number // 5},{loss}" for number, loss in enumerate(losses)]
    path.write_text("\n".join(["epoch,loss", *rows]))
    words = "plateau:monitor=loss:patience=1:factor=0.5:every=2 steps"
    lines = replayed(capsys, "--rule", words, "--log", str(path), "--learning-rate", "0.1")
    assert [" ".join(line.split()) for line in lines[4:-2] if "batch" in line] == [
        "1 0.1 batch 2 improved",
        "1 0.1 batch 4 0.1 → 0.05 loss 3 has not improved on 3 by 0.0001 for 1 ×",
        "2 0.05 batch 1 0.05 → 0.025 loss 3 has not improved on 3 by 0.0001 for 1 ×",
        "2 0.025 batch 3 improved",
        "2 0.025 batch 5 improved",
    ]
    assert lines[-1] == "2 changes in 2 epochs: rate 0.1 → 0.025"


def test_a_log_that_is_too_short_for_an_observation_shows_none(capsys, tmp_path):
    path = tmp_path / "batches.csv"
    path.write_text("epoch,loss\n0,1\n0,2\n")
    words = "plateau:monitor=loss:every=9 steps"
    lines = replayed(capsys, "--rule", words, "--log", str(path))
    assert lines[-1] == "0 changes in 1 epoch: scale as it was"
