"""Run records: strict JSON there and back, and files that are whole or absent."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay._files import write_atomically
from kerasdecay._json import encode, to_json
from kerasdecay.records.run import read_run, run_files, run_path, slug
from kerasdecay.study import OutputError, Run
from kerasdecay.study.resuming import differences

RUN = Run(
    arm="Power-step from 0.1",
    seed=3,
    epochs=2,
    history={"loss": [0.5, math.nan], "val_loss": [math.inf, -math.inf]},
    seconds=1.5,
    images_per_second=math.nan,
    test={"loss": math.nan},
    events=("epoch 1: rate × 0.1",),
    environment={"cores": 2},
    configuration={"arm": 0.1, "data": [[1, 2], {"b": None}]},
    arm_index=1,
)


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_round_trip_with_numbers_that_json_lacks(tmp_path):
    path = RUN.write(tmp_path)
    assert path == tmp_path / "runs" / "power-step-from-0.1-seed3.json"
    data = strict(path.read_text("utf-8"))
    assert data["history"] == {"loss": [0.5, "NaN"], "val_loss": ["Infinity", "-Infinity"]}
    again = read_run(path)
    assert math.isnan(again.history["loss"][1]) and math.isnan(again.test["loss"])
    assert to_json(again.to_dict()) == to_json(RUN.to_dict())


@given(st.lists(st.floats(), max_size=8))
def test_any_history_round_trips(values):
    run = dataclasses.replace(RUN, history={"loss": values})
    again = Run.from_dict(strict(to_json(run.to_dict())))
    np.testing.assert_array_equal(again.history["loss"], values)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_text_is_laid_out_without_a_change_of_meaning(value):
    assert strict(to_json(value)) == value


def test_lists_of_plain_values_take_one_line():
    text = to_json({"a": [1, "x\ny", None], "b": [], "c": [[0.5], {"d": (1,)}]})
    assert '  "a": [1, "x\\ny", null],\n  "b": [],\n' in text
    assert "[0.5]" in text


def test_numpy_becomes_plain_and_the_unknown_is_refused():
    assert encode({1: np.float32(0.5), "n": np.int64(3)}) == {"1": 0.5, "n": 3}
    with pytest.raises(TypeError, match="object has no JSON form"):
        encode([object()])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"schema": 1', '"schema": 99'),
        lambda text: text.replace('"seconds"', '"secs"'),
        lambda text: text.replace('"loss": [0.5, "NaN"]', '"loss": [0.5, "many"]'),
        lambda text: text.replace('"loss": [0.5, "NaN"]', '"loss": 7'),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, damage):
    path = RUN.write(tmp_path)
    path.write_text(damage(path.read_text("utf-8")), "utf-8")
    with pytest.raises(
        OutputError, match=r"power-step-from-0\.1-seed3\.json is not a whole run"
    ) as e:
        read_run(path)
    assert "Delete this file" in str(e.value)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "deep" / "file.json", "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_an_unfinished_write_is_not_taken_for_a_run(tmp_path):
    folder = RUN.write(tmp_path).parent
    (folder / ".other-seed0.json.123.tmp").write_text("{")
    assert run_files(tmp_path) == [run_path(tmp_path, RUN.arm, RUN.seed)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("A b/c", "a-b-c"), ("../x", "x"), ("0.1", "0.1"), ("Größe 冷", "grösse-冷"), ("--", "")],
)
def test_slugs_are_safe_file_names(name, expected):
    assert slug(name) == expected


def test_differences_name_what_changed():
    before = {"epochs": 15, "data": [{"shape": [4]}], "same": 1, "old": 2}
    now = {"epochs": 5, "data": [{"shape": [8]}], "same": 1, "new": None}
    assert differences(before, now) == [
        "epochs 15 → 5",
        "data.0.shape.0 4 → 8",
        "old 2 → nothing",
        "new nothing → None",
    ]


def test_final_looks_at_the_last_epoch_and_at_the_test():
    run = dataclasses.replace(RUN, history={"loss": [3.0, 2.0]}, test={"loss": 1.0})
    assert (run.final("loss"), run.final("test_loss")) == (2.0, 1.0)
    assert math.isnan(run.final("accuracy")) and math.isnan(run.final("test_accuracy"))
