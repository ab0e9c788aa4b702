import keras
import numpy as np
import pytest

from kerasdecay import PlateauDecay
from kerasdecay.cli import main
from kerasdecay.rules import Plateau

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


def test_without_a_rate_the_scale_is_shown(capsys, log):
    lines = replayed(capsys, "--rule", "plateau:patience=2:factor=0.5", "--log", log)
    assert lines[0] == "Plateau on val_loss, factor=0.5, patience=2"
    assert lines[-1] == "1 change in 7 epochs: scale 1 → 0.5"
    assert replayed(capsys, "--log", log)[-1] == "0 changes in 7 epochs: scale as it was"


def test_another_separator(capsys, tmp_path):
    path = tmp_path / "history.tsv"
    path.write_text(LOG.replace(",", "\t"))
    assert "7 epochs" in replayed(capsys, "--log", str(path), "--separator", "\t")[-1]


def test_a_replay_decides_as_the_training_did(capsys, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")
    rule = {"factor": 0.5, "patience": 1, "min_delta": 10.0}
    decay = PlateauDecay("loss", **rule)
    logger = keras.callbacks.CSVLogger(tmp_path / "history.csv")
    model.fit(x, x[:, :1], epochs=8, verbose=0, callbacks=[decay, logger])
    lines = replayed(
        capsys,
        "--rule",
        "plateau:monitor=loss:factor=0.5:patience=1:min-delta=10",
        *("--log", str(tmp_path / "history.csv"), "--learning-rate", "0.1"),
    )
    assert lines[0].startswith(f"{type(decay.rules[0]).__name__} on loss")
    assert decay.rules == (Plateau("loss", **rule),)
    assert len(decay.events) == 7
    final = decay.events[-1].after
    assert lines[-1] == f"{len(decay.events)} changes in 8 epochs: rate 0.1 → {final:.3g}"


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
