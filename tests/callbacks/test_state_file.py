"""The file of the rules' states: written in one step, refused with one clear error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import STEPS, Scripted, fit, near, odometer, travelled, warned_once

from kerasdecay import PlateauDecay, release
from kerasdecay.callbacks.state_file import SCHEMA, StateFile

pytestmark = pytest.mark.any_backend

CONFIGURATION = {"rules": ["a rule"]}


def written(path: Path, epochs: int = 3) -> Path:
    file = StateFile(path, CONFIGURATION)
    file.begin(0)
    for epoch in range(1, epochs + 1):
        file.save(epoch, {"learning_rate": 0.5 / epoch}, {"learning_rate": [{"scale": epoch}]})
    return path


def test_what_was_saved_for_an_epoch_is_found_again(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    for epoch in (1, 2, 3):
        held = StateFile(path, CONFIGURATION).begin(epoch)
        expected = {"learning_rate": 0.5 / epoch}, {"learning_rate": [{"scale": epoch}]}
        assert held == expected


def test_epoch_0_starts_afresh_and_forgets(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    file = StateFile(path, CONFIGURATION)
    assert file.begin(0) is None
    file.save(1, {}, {"learning_rate": []})
    with warned_once("ends 2 epoch(s) before"):
        assert StateFile(path, CONFIGURATION).begin(3) == ({}, {"learning_rate": []})


def test_what_was_written_for_later_epochs_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    file = StateFile(path, CONFIGURATION)
    file.begin(1)
    file.save(2, {}, {})
    assert sorted(json.loads(path.read_text())["entries"]) == ["1", "2"]


def test_reading_alone_changes_no_byte(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    before = path.read_bytes()
    StateFile(path, CONFIGURATION).begin(2)
    assert path.read_bytes() == before


def test_no_file_in_mid_training_is_told(tmp_path: Path) -> None:
    with warned_once("goes on at epoch 3, but there is no state file", "rules start afresh"):
        assert StateFile(tmp_path / "state.json", CONFIGURATION).begin(2) is None


def test_a_file_that_begins_too_late_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    content = json.loads(path.read_text())
    del content["entries"]["1"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="holds no state from before epoch 2"):
        StateFile(path, CONFIGURATION).begin(1)


def test_its_folder_is_made(tmp_path: Path) -> None:
    assert written(tmp_path / "new" / "folder" / "state.json").exists()


def truncated(text: str) -> str:
    return text[: len(text) // 2]


def changed(**fields: Any) -> Callable[[str], str]:
    return lambda text: json.dumps({**json.loads(text), **fields})


SPOILT = {
    "truncated": (truncated, "is truncated or not JSON"),
    "empty": (lambda text: "", "is truncated or not JSON"),
    "binary": (lambda text: "\udcff\udcfe", "is truncated or not JSON"),
    "foreign": (lambda text: '{"epoch": 3}', "is not a state file of kerasdecay"),
    "a list": (lambda text: "[1, 2]", "is not a state file of kerasdecay"),
    "newer": (changed(schema=SCHEMA + 1), f"has schema {SCHEMA + 1}, and this kerasdecay reads"),
    "without entries": (changed(entries=None), "holds no readable entries"),
    "with strange entries": (changed(entries={"one": {}}), "holds no readable entries"),
    "with hollow entries": (changed(entries={"1": {}}), "holds no readable entries"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_file_is_refused_before_the_first_step_and_left_as_it_was(
    kind: str, tmp_path: Path
) -> None:
    spoil, wanted = SPOILT[kind]
    path = tmp_path / "state.json"
    script = Scripted(val_loss=[1.0, 1.0])
    fit(odometer(), [script, PlateauDecay("val_loss", state_path=path)], 2)
    path.write_bytes(spoil(path.read_text()).encode("utf-8", "surrogateescape"))
    before = path.read_bytes()
    model = odometer()
    with pytest.raises(ValueError, match=wanted) as caught:
        fit(model, [script, PlateauDecay("val_loss", state_path=path)], 2, initial_epoch=1)
    assert str(path) in str(caught.value)
    assert "left as it is" in str(caught.value)
    assert path.read_bytes() == before
    assert travelled(model) == 0


@pytest.mark.parametrize(
    "other",
    [
        {"factor": 0.5},
        {"patience": 3},
        {"monitor": "loss"},
        {"warmup": 1},
        {"update": "batch"},
    ],
    ids=str,
)
def test_a_file_of_another_configuration_is_refused_and_left_as_it_was(
    other: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    script = Scripted(val_loss=[1.0, 1.0])
    fit(odometer(), [script, PlateauDecay(state_path=path)], 1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="by a decay with another schedule or other rules"):
        fit(odometer(), [script, PlateauDecay(**other, state_path=path)], 2, initial_epoch=1)
    assert path.read_bytes() == before


def test_more_epochs_than_before_are_the_same_configuration(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    script = Scripted(val_loss=[1.0] * 4)
    fit(odometer(), [script, PlateauDecay(patience=3, factor=0.5, state_path=path)], 2)
    again = PlateauDecay(patience=3, factor=0.5, state_path=path)
    fit(odometer(), [script, again], 4, initial_epoch=2)
    assert [event.epoch for event in again.events] == [3]


def test_a_path_that_cannot_be_written_is_refused_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = odometer()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OSError, match="cannot be read and written: no permission"):
        fit(model, [PlateauDecay(state_path=tmp_path / "state.json")], 1)
    assert travelled(model) == 0


@pytest.mark.parametrize("where", ["a file as its folder", "a folder in its place"])
def test_a_path_that_can_be_no_file_is_refused_before_the_first_step(
    where: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "state.json" if where == "a file as its folder" else tmp_path
    model = odometer()
    with pytest.raises(OSError, match=r"kerasdecay: state_path=.* cannot be read and written"):
        fit(model, [PlateauDecay(state_path=path)], 1)
    assert travelled(model) == 0
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture(params=["fsync", "replace"])
def full_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what fills the disk, so that each write fails half way."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    return lambda: monkeypatch.setattr(os, request.param, full)


def test_a_first_write_that_fails_is_an_error_before_the_first_step(
    tmp_path: Path, full_disk: Any
) -> None:
    path, model = tmp_path / "state.json", odometer()
    full_disk()
    with pytest.raises(OSError, match="cannot be read and written: No space left") as caught:
        fit(model, [PlateauDecay(state_path=path, update="compiled")], 1)
    assert str(path) in str(caught.value)
    assert travelled(model) == 0
    assert not release(model)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_later_is_one_warning_and_the_training_goes_on(
    tmp_path: Path, full_disk: Any
) -> None:
    path, script = tmp_path / "state.json", Scripted(val_loss=[1.0] * 5)
    held: list[bytes] = []

    class Filling(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                held.append(path.read_bytes())
                full_disk()

    def halving(**given: Any) -> PlateauDecay:
        return PlateauDecay("val_loss", 0.5, 2, update="compiled", **given)

    model, decay = odometer(), halving(state_path=path)
    with warned_once(
        f"state_path={str(path)!r} cannot be written any more: No space left on device",
        "The training goes on",
        "the file ends with the start of epoch 2",
    ):
        rates = fit(model, [script, decay, Filling()], 5)["learning_rate"]
    assert rates == near([0.5, 0.5, 0.5, 0.25, 0.25])
    assert travelled(model) == near(STEPS * 2.0)
    assert not release(model)
    assert path.read_bytes() == held[0]
    assert list(tmp_path.iterdir()) == [path]


def test_as_soon_as_it_can_be_written_again_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    file = StateFile(path, CONFIGURATION)
    file.begin(0)
    file.save(1, {}, {"learning_rate": [1]})

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched, warned_once("Permission denied"):
        patched.setattr(os, "replace", refuse)
        file.save(2, {}, {"learning_rate": [2]})
        file.save(3, {}, {"learning_rate": [3]})
    file.save(4, {}, {"learning_rate": [4]})
    for epoch in (1, 2, 3, 4):
        assert StateFile(path, CONFIGURATION).begin(epoch) == ({}, {"learning_rate": [epoch]})
