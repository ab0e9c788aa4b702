import csv
import json
import os
import pty
import subprocess
import sys

import pytest

from kerasdecay._config import from_config
from kerasdecay.cli import main
from kerasdecay.schedules import FAMILY, Cosine, PowerStep, Warmup, simulate


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")


def run(capsys, *arguments):
    code = main(["preview", *arguments])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert captured.err == ""
    return captured.out


def failure(capsys, *arguments):
    try:
        code = main(["preview", *arguments])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_curve_and_stages_are_drawn(capsys):
    out = run(capsys, "power-step", "--initial-learning-rate", "0.1", "--epochs", "15")
    lines = out.splitlines()
    assert len(lines) == 16
    assert lines[0] == "  0.1 ┤⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⡇"
    assert lines[6].startswith(" 0.01 ┤")
    assert lines[12].startswith("0.001 ┤")
    assert lines[15] == "power-step  1-5: 0.1 · 6-10: 0.01 · 11-15: 0.001"
    assert "\x1b" not in out


def test_several_are_drawn_over_each_other(capsys):
    lines = run(capsys, "step", "step:factor=0.5", "linear", "--every", "5").splitlines()
    assert lines[-5] == "a step             1-5: 0.1 · 6-10: 0.01 · 11-15: 0.001"
    assert lines[-4] == "b step:factor=0.5  1-5: 0.1 · 6-10: 0.05 · 11-15: 0.025"
    assert lines[-3] == "c linear           1-15: 0.1 → 0.00667"
    assert lines[-2] == "* where several meet"
    assert lines[-1] == "one rate an epoch; --steps-per-epoch N shows each batch, as trained"


@pytest.mark.parametrize("name", FAMILY)
def test_every_shape_can_be_previewed_as_it_is(capsys, name):
    assert name in run(capsys, name, "--epochs", "20")
    assert name in run(capsys, name, "--epochs", "20", "--steps-per-epoch", "7", "--warmup", "10%")


@pytest.mark.parametrize(
    ("arguments", "schedule"),
    [
        (["power-step", "--stages", "5"], PowerStep(0.1, stages=5)),
        (["power-step:stages=5:remainder=new_stage"], PowerStep(0.1, 5, "new_stage")),
        (["power-step:stages=5", "--stages", "2"], PowerStep(0.1, stages=5)),
        (["PowerStep:stages=5", "--learning-rate", "0.2"], PowerStep(0.2, stages=5)),
        (["power_step"], PowerStep(0.1)),
        (["CosineDecay"], Cosine(0.1)),
        (["WarmupStableDecay"], FAMILY["warmup-stable-decay"](0.1)),
        (["cosine", "--warmup", "20 steps"], Warmup(Cosine(0.1), "20 steps")),
        (["cosine", "--warmup", "2", "--warmup-start", "0"], Warmup(Cosine(0.1), 2, 0.0)),
        (["multi-step", "--milestones", "3,60%"], FAMILY["multi-step"](0.1, (3, "60%"))),
        (["multi-step:milestones=3"], FAMILY["multi-step"](0.1, (3,))),
        (["exponential", "--staircase"], FAMILY["exponential"](0.1, staircase=True)),
        (["exponential:staircase"], FAMILY["exponential"](0.1, staircase=True)),
        (["exponential:staircase=false"], FAMILY["exponential"](0.1)),
        (
            ["one-cycle:curve=linear:initial-learning-rate=2"],
            FAMILY["one-cycle"](2, curve="linear"),
        ),
    ],
)
def test_options_reach_the_shape(capsys, arguments, schedule):
    data = json.loads(run(capsys, *arguments, "--steps-per-epoch", "10", "--json", "-"))
    (entry,) = data["schedules"]
    assert entry["name"] == arguments[0]
    assert from_config(entry["schedule"]) == schedule
    assert entry["learning_rates"] == simulate(schedule, epochs=15, steps_per_epoch=10).tolist()


def test_csv_counts_epochs_and_steps_from_zero(capsys, tmp_path):
    out = run(capsys, "power-step", "linear", "--epochs", "3", "--csv", "-")
    assert out.splitlines()[:2] == ["epoch,power-step,linear", "0,0.1,0.1"]
    path = tmp_path / "new" / "rates.csv"
    run(capsys, "linear", "--epochs", "2", "--steps-per-epoch", "2", "--csv", str(path))
    rows = list(csv.DictReader(path.open()))
    assert [(row["epoch"], row["step"]) for row in rows] == [
        ("0", "0"),
        ("0", "1"),
        ("1", "2"),
        ("1", "3"),
    ]
    assert [float(row["linear"]) for row in rows] == [0.1, 0.07500000000000001, 0.05, 0.025]


def test_pictures_are_written(capsys, tmp_path):
    for name, start in [("a.png", b"\x89PNG"), ("b.svg", b"<?xml"), ("c", b"\x89PNG")]:
        path = tmp_path / name
        assert f"wrote {path}" in run(capsys, "rex", "cosine", "--png", str(path))
        assert path.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["spiral"], "there is no 'spiral'. There are: constant, power-step"),
        (["cosine", "--stages", "3"], "none of these shapes has --stages"),
        (["cosine:stages=3"], "cosine has no option 'stages'. It has: initial-learning-rate"),
        (["power-step:stages"], "stages needs a value, as in power-step:stages=…"),
        (["power-step", "--stages", "many"], "stages must be an integer >= 1"),
        (["power-step", "--epochs", "2"], "stages must be at most the 2 epochs"),
        (["power-step", "--initial-learning-rate", "1"], "initial_learning_rate must be"),
        (["cosine", "--initial-learning-rate", "auto"], "in fit the callback probes for it"),
        (["exponential:staircase=perhaps"], "staircase must be True or False"),
        (["step", "--every", "5 steps"], "Pass steps_per_epoch="),
        (["cosine", "--warmup", "20"], "duration must be at most the horizon"),
        (["cosine", "--warmup-start", "0.1"], "--warmup-start needs --warmup"),
        (["cosine", "--epochs", "x"], "invalid int value: 'x'"),
        (["cosine", "--csv", "-", "--json", "-"], "both want standard output"),
        (["cosine", "--png", "picture.docx"], "docx"),
        (["cosine", "--png", "-"], "--png must be the name of a file"),
        (["cosine", "--unknown", "1"], "unrecognized arguments: --unknown"),
        (["cosine", "--warmup", "500", "steps"], "write a duration in quotes: '500 steps'"),
        ([], "the following arguments are required: SHAPE"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys, arguments, complaint):
    assert complaint in failure(capsys, *arguments)


def test_a_file_that_cannot_be_written_leaves_nothing(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    line = failure(capsys, "cosine", "--json", str(tmp_path / "file" / "rates.json"))
    assert "rates.json cannot be written: " in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_matplotlib_the_command_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    line = failure(capsys, "cosine", "--png", str(tmp_path / "a.png"))
    assert 'pip install "kerasdecay[plot]"' in line


COMMAND = [sys.executable, "-c", "from kerasdecay.cli import main; raise SystemExit(main())"]


def test_a_terminal_gets_colour_and_dots():
    main_end, other_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"}
    environment.pop("NO_COLOR", None)
    subprocess.run(
        [*COMMAND, "preview", "linear", "cosine"], stdout=other_end, env=environment, check=True
    )
    os.close(other_end)
    shown = b""
    while chunk := _read(main_end):
        shown += chunk
    os.close(main_end)
    assert b"\x1b[36m" in shown
    assert "⠉".encode() in shown


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux' way to say that the other end is closed
        return b""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_pipe_of_any_encoding_is_served(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = subprocess.run(
        [*COMMAND, "preview", "power-step"], capture_output=True, env=environment, check=True
    )
    assert result.stdout.decode(encoding).splitlines()[-1].startswith("power-step  1-5: 0.1 ")


def test_a_reader_that_leaves_early_is_no_error():
    script = f"{sys.executable} -c '{COMMAND[2]}' preview linear --epochs 50000 --csv - | head -1"
    result = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert result.stdout == "epoch,linear\n"
    assert result.stderr == ""


def test_a_preview_loads_neither_framework_nor_rich():
    code = (
        "import sys; from kerasdecay.cli import main; main(['preview', 'cosine', 'power-step']);"
        "found = {'keras', 'tensorflow', 'jax', 'torch', 'matplotlib', 'rich'} & set(sys.modules);"
        "raise SystemExit(sorted(found) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
