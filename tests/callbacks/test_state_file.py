"""The file of the rules' states: written in one step, refused with one clear error."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny import STEPS, Scripted, fit, near, odometer, travelled, warned_once

from kerasdecay import PlateauDecay, release
from kerasdecay.control import Bookmark, StateFile, TrackBookmark
from kerasdecay.control.store import SCHEMA

pytestmark = pytest.mark.any_backend

CONFIGURATION = {"rules": ["a rule"]}


def mark(epoch: int) -> Bookmark:
    """Return a bookmark that differs from those of all other epochs."""
    return Bookmark(epoch, {"learning_rate": TrackBookmark(0.5, (0.5 / epoch,), ({"n": epoch},))})


def written(path: Path, epochs: int = 3) -> Path:
    file = StateFile(path, CONFIGURATION)
    file.begin(0)
    for epoch in range(1, epochs + 1):
        file.save(mark(epoch))
    return path


def entries(path: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in path.read_text().splitlines()[1:]]


def test_what_was_saved_for_an_epoch_is_found_again(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    for epoch in (1, 2, 3):
        assert StateFile(path, CONFIGURATION).begin(epoch) == mark(epoch)


def test_epoch_0_starts_afresh_and_forgets(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    file = StateFile(path, CONFIGURATION)
    assert file.begin(0) is None
    file.save(mark(1))
    with warned_once("ends 2 epoch(s) before"):
        assert StateFile(path, CONFIGURATION).begin(3) == mark(1)


def test_what_was_written_for_later_epochs_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    file = StateFile(path, CONFIGURATION)
    file.begin(1)
    file.save(mark(1))
    file.save(mark(2))
    assert entries(path) == [1, 2]


def test_reading_alone_changes_no_byte(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    before = path.read_bytes()
    StateFile(path, CONFIGURATION).begin(2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("epochs", [1, 10, 1000])
def test_an_epoch_costs_the_same_however_many_came_before(epochs: int, tmp_path: Path) -> None:
    written_bytes = []
    path = tmp_path / "state.json"
    file = StateFile(path, CONFIGURATION)
    file.begin(0)
    for _ in range(epochs):
        file.save(mark(7))
    before = os.stat(path)
    for _ in range(3):
        file.save(mark(7))
        written_bytes.append(os.stat(path).st_size)
    line = len(path.read_text().splitlines(keepends=True)[-1])
    assert np.diff([before.st_size, *written_bytes]).tolist() == [line] * 3
    assert os.stat(path).st_ino == before.st_ino  # appended to, and not written anew


@pytest.mark.parametrize("left", [1, 20, 60])
def test_a_line_that_a_kill_has_torn_is_passed_over(left: int, tmp_path: Path) -> None:
    path = written(tmp_path / "state.json", 2)
    whole = path.read_text()
    path.write_text(whole + json.dumps(mark(3).to_data())[:left])
    file = StateFile(path, CONFIGURATION)
    assert file.begin(2) == mark(2)
    file.save(mark(2))
    assert path.read_text() == whole


def test_two_trainings_on_one_file_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    first, second = StateFile(path, CONFIGURATION), StateFile(path, CONFIGURATION)
    for file in (first, second):
        file.begin(0)
        file.save(mark(1))
    with warned_once("has been changed by something else: two trainings share it"):
        for epoch in (2, 3):
            first.save(mark(epoch))
            second.save(mark(epoch + 10))
    assert entries(path) == [1, 12, 13]


def test_a_link_and_the_mode_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("")
    real.chmod(0o640)
    link.symlink_to(real)
    real.unlink()
    written(link, 1)
    real.chmod(0o640)
    written(link, 2)
    assert link.is_symlink()
    assert entries(real) == [1, 2]
    assert real.stat().st_mode & 0o777 == 0o640


def test_the_path_is_that_of_the_beginning(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    file = StateFile("state.json", CONFIGURATION)
    file.begin(0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file.save(mark(1))
    file.save(mark(2))
    assert entries(tmp_path / "state.json") == [1, 2]


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert StateFile("~/state.json", CONFIGURATION).path == tmp_path / "state.json"


@pytest.mark.parametrize("path", ["gs://bucket/state.json", "s3://b/s", "hdfs://h/s", 3, "", b"s"])
def test_what_is_no_path_of_a_local_file_is_refused_at_once(path: Any) -> None:
    with pytest.raises(ValueError, match="PlateauDecay: state_path must be the path of a"):
        PlateauDecay(state_path=path)


def test_no_file_in_mid_training_is_told(tmp_path: Path) -> None:
    with warned_once("goes on at epoch 3, but there is no state file", "rules start afresh"):
        assert StateFile(tmp_path / "state.json", CONFIGURATION).begin(2) is None


def test_a_file_that_begins_too_late_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "state.json")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    with pytest.raises(ValueError, match="holds no state from before epoch 2"):
        StateFile(path, CONFIGURATION).begin(1)


def test_its_folder_is_made(tmp_path: Path) -> None:
    assert written(tmp_path / "new" / "folder" / "state.json").exists()


def truncated(text: str) -> str:
    return text[: len(text.splitlines()[0]) // 2]


def with_header(**fields: Any) -> Callable[[str], str]:
    def changed(text: str) -> str:
        header, *lines = text.splitlines(keepends=True)
        return "".join([json.dumps({**json.loads(header), **fields}) + "\n", *lines])

    return changed


def with_state(**fields: Any) -> Callable[[str], str]:
    """Change fields of the plateau's state in every entry."""

    def changed(text: str) -> str:
        header, *lines = text.splitlines(keepends=True)
        for place, line in enumerate(lines):
            entry = json.loads(line)
            (state,) = entry["tracks"]["learning_rate"]["states"]
            state.update(fields)
            lines[place] = json.dumps(entry) + "\n"
        return "".join([header, *lines])

    return changed


def with_entry(entry: Any) -> Callable[[str], str]:
    return lambda text: text.splitlines(keepends=True)[0] + json.dumps(entry) + "\n"


def track(**fields: Any) -> Any:
    present = dataclasses.asdict(mark(1).tracks["learning_rate"])
    return {"epoch": 1, "tracks": {"learning_rate": {**present, **fields}}}


SPOILT = {
    "truncated": (truncated, "is truncated or not JSON"),
    "empty": (lambda text: "", "is empty. It is left as it is"),
    "empty but for a line's end": (lambda text: "\n", "is empty. It is left as it is"),
    "binary": (lambda text: "\udcff\udcfe", "is truncated or not JSON"),
    "foreign": (lambda text: '{"epoch": 3}', "is not a state file of kerasdecay"),
    "a list": (lambda text: "[1, 2]", "is not a state file of kerasdecay"),
    "nested too deep": (lambda text: "[" * 100_000, "is truncated or not JSON"),
    "newer": (
        with_header(schema=SCHEMA + 1),
        f"has schema {SCHEMA + 1}, and this kerasdecay reads",
    ),
    "without tracks": (with_entry({"epoch": 1}), "an entry must hold epoch and tracks"),
    "with a strange epoch": (with_entry({"epoch": "1", "tracks": {}}), "epoch must be an integer"),
    "with strange tracks": (with_entry({"epoch": 1, "tracks": []}), "tracks must be an object"),
    "with a hollow track": (
        with_entry({"epoch": 1, "tracks": {"learning_rate": {}}}),
        "must hold base_rate, rates and states",
    ),
    "with a strange base rate": (with_entry(track(base_rate="0.1")), "base_rate must be a number"),
    "without a base rate": (with_entry(track(base_rate=None)), "base_rate must be a number"),
    "with a rate that no float holds": (with_entry(track(rates=[10**400])), "must be numbers >= 0"),
    "with a negative rate": (with_entry(track(rates=[-1.0])), "rates must be numbers >= 0"),
    "without states": (with_entry(track(states=[])), "cannot be gone on with: states must be"),
    "with strange states": (with_entry(track(states=[1])), "states must be a list of objects"),
    "with a negative wait": (with_state(wait=-1), "cannot be gone on with: Plateau: .*wait"),
    "with a strange best": (with_state(best="low"), "cannot be gone on with: Plateau: .*best"),
    "with a scale of 0": (with_state(scale=0), "cannot be gone on with: Plateau: .*scale"),
}


@pytest.mark.parametrize(
    ("kind", "rate"),
    # The rate that the file left, and another.
    [*((kind, 0.5) for kind in SPOILT), ("with a negative wait", 0.3)],
)
def test_a_spoilt_file_is_refused_before_the_first_step_and_left_as_it_was(
    kind: str, rate: float, tmp_path: Path
) -> None:
    spoil, wanted = SPOILT[kind]
    path = tmp_path / "state.json"
    script = Scripted(val_loss=[1.0, 1.0])
    fit(odometer(), [script, PlateauDecay("val_loss", state_path=path)], 2)
    path.write_bytes(spoil(path.read_text()).encode("utf-8", "surrogateescape"))
    before = path.read_bytes()
    model = odometer(rate)
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
    with pytest.raises(
        ValueError, match="another schedule or other rules, update, groups or driven numbers"
    ):
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


@pytest.mark.parametrize("where", ["a file as its folder", "a folder in its place", "a pipe"])
def test_a_path_that_can_be_no_file_is_refused_before_the_first_step(
    where: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "state.json" if where == "a file as its folder" else tmp_path
    if where == "a pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    model = odometer()
    with pytest.raises(OSError, match=r"kerasdecay: state_path=.* cannot be read and written"):
        fit(model, [PlateauDecay(state_path=path)], 1)
    assert travelled(model) == 0
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what fills the disk, so that each write fails half way."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    return lambda: monkeypatch.setattr(os, "fsync", full)


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
    file.save(mark(1))

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched, warned_once("Permission denied"):
        patched.setattr(os, "fsync", refuse)
        file.save(mark(2))
        file.save(mark(3))
    assert entries(path) == [1]
    file.save(mark(4))
    for epoch in (1, 2, 3, 4):
        assert StateFile(path, CONFIGURATION).begin(epoch) == mark(epoch)
