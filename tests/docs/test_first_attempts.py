"""Each row of docs/first-attempts.md: what a user writes first, and what happens."""

from __future__ import annotations

import pathlib
import re
import warnings
from typing import Any, NamedTuple

import keras
import pytest
from tiny import Scripted, X, Y, fit, is_ours, new_odometer, odometer

import kerasdecay
from kerasdecay.cli import main
from kerasdecay.training.callback import DecayCallback

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "first-attempts.md"
EPOCHS = 5


class Row(NamedTuple):
    attempt: str
    kind: str
    told: str


def rows() -> list[Row]:
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = re.fullmatch(r"\| `(.*)` \| (\w+):? (.*) \|", line)
        if cells:
            found.append(Row(*cells.groups()))
    return found


ROWS = rows()


def test_there_are_as_many_rows_as_the_page_promises() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `" in line]
    assert len(ROWS) == len(lines) >= 60


def first_words(message: str, told: str) -> None:
    """Expect the message to begin with what is told, with anything at each ellipsis' place."""
    parts = [re.escape(part.strip()) for part in told.split(" … ")]
    assert re.match(r".*?".join(parts), message, re.DOTALL), message


def names() -> dict[str, Any]:
    """Return what the rows may use."""

    def command(line: str) -> int:
        return main(line.split())

    found: dict[str, Any] = {"kerasdecay": kerasdecay, "SGD": keras.optimizers.SGD, "x": X, "y": Y}
    found["ReduceLROnPlateau"] = keras.callbacks.ReduceLROnPlateau
    for module in (kerasdecay.schedules, kerasdecay.rules, kerasdecay):
        found |= {name: getattr(module, name) for name in module.__all__}
    return found | {"command": command, "model": new_odometer(), "build_model": new_odometer}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.attempt)
def test_what_happens(row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    raised: Exception | None = None
    history: dict[str, list[float]] = {}
    result: Any = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = eval(row.attempt, names())
            if isinstance(result, DecayCallback):
                flat = Scripted(val_loss=[1.0] * EPOCHS, val_accuracy=[0.5] * EPOCHS)
                history = fit(odometer(), [flat, result], epochs=EPOCHS)
        except SystemExit:
            pass
        except (AttributeError, ImportError, TypeError, ValueError) as error:
            raised = error
    ours = [str(one.message) for one in caught if is_ours(one)]
    if row.kind == "rates":
        assert raised is None
        assert history["learning_rate"] == pytest.approx(
            [float(one) for one in row.told.split(", ")], rel=5e-3
        )
    elif row.kind == "gives":
        assert raised is None
        assert repr(result) == row.told
    elif row.kind == "warns":
        assert raised is None
        assert len(ours) == 1, ours
        first_words(ours[0], row.told)
    elif row.kind == "prints":
        first_words(capsys.readouterr().err, row.told)
    else:
        assert raised is not None
        assert type(raised).__name__ == row.kind, repr(raised)
        first_words(str(raised), row.told)
