import dataclasses
import importlib.metadata
import re
import subprocess
import sys

import pytest

from kerasdecay.cli import main
from kerasdecay.rules import FAMILY as RULES
from kerasdecay.schedules import FAMILY as SHAPES


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code, capsys.readouterr()


def test_the_list_names_every_shape_and_rule_with_its_options(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name, kind in {**SHAPES, **RULES}.items():
        assert re.search(rf"^  {name} +\S", out, re.MULTILINE)
        for field in dataclasses.fields(kind)[1:]:
            assert f"{field.name.replace('_', '-')}=" in out


def test_the_list_shows_what_is_asked_for_alone(capsys):
    assert main(["list", "PlateauDecay", "staged"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^  (\S+) ", out, re.MULTILINE) == ["plateau", "staged"]
    assert "trigger=plateau" in out


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_keeps_to_the_width_of_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert columns - 10 < max(map(len, lines)) <= columns


@pytest.mark.parametrize("command", ["list", "preview", "replay"])
def test_every_command_explains_itself(capsys, command):
    code, captured = run(capsys, command, "--help")
    assert code == 0
    assert captured.out.startswith(f"usage: kerasdecay {command}")


def test_the_help_of_preview_describes_every_field(capsys):
    _, captured = run(capsys, "preview", "--help")
    for kind in SHAPES.values():
        for field in dataclasses.fields(kind):
            assert f"--{field.name.replace('_', '-')}" in captured.out
    assert "of the horizon" in captured.out
    told = " ".join(captured.out.split())
    assert "VALUE,VALUE" not in told.replace("--milestones VALUE,VALUE", "").replace(
        "--relative-rates VALUE,VALUE", ""
    )
    assert "--cycle DURATION polynomial: epochs" in told
    assert "--fraction SHARE cosine: in (0, 1]" in told
    assert "--stages N power-step: an integer >= 1, at most" in told
    assert "step, multi-step: in (0, 1]. exponential: > 0. Above 1 the rate rises" in told
    assert "exponential: a floor in [0, initial-learning-rate] for factor <= 1" in told


def test_the_version_is_that_of_the_package(capsys, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"1.2.3 of {name}")
    code, captured = run(capsys, "--version")
    assert code == 0
    assert captured.out == "kerasdecay 1.2.3 of kerasdecay\n"


def test_the_module_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "kerasdecay", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"kerasdecay {importlib.metadata.version('kerasdecay')}\n"


def test_no_command_is_an_error_of_one_line(capsys):
    code, captured = run(capsys)
    assert code == 2
    assert captured.err.count("\n") == 1
    assert "required: COMMAND. There are: list, preview, replay" in captured.err
