"""The record of one finished training, and its file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from kerasdecay._files import write_atomically
from kerasdecay._json import decode_number, encode, to_json

SCHEMA = 1
FOLDER = "runs"


class OutputError(ValueError):
    """An output folder does not fit: it holds other runs, or a file that cannot be read."""


@dataclass(frozen=True)
class Run:
    """What one arm did with one seed.

    Attributes:
        arm: The arm's name.
        seed: The seed of weights, order of the batches and dropout.
        epochs: The epochs asked for; an arm that stops early has a shorter history.
        history: Metric → its value after each epoch, NaN where an epoch did not report it.
            `learning_rate` is among them, or `learning_rate_<name>` for each of several
            optimizers, unless an optimizer has none to tell.
        seconds: Wall-clock time of `fit`: compilation, training, validation.
        images_per_second: Training throughput, validation apart: the median over the epochs after
            the first, which compiles.
        test: Metric → its value on the test data, read once after the last epoch; empty without.
        events: What the arm's callbacks decided, in words.
        environment: Machine and versions (see `kerasdecay.study.environment`).
        configuration: Everything that must be the same for two runs to be comparable or for one
            to stand in for the other. Plain JSON data.
        arm_index: The arm's place in its comparison, for the order in tables and plots alone.
    """

    arm: str
    seed: int
    epochs: int
    history: Mapping[str, Sequence[float]]
    seconds: float
    images_per_second: float
    test: Mapping[str, float] = field(default_factory=dict)
    events: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    arm_index: int = 0

    @property
    def learning_rates(self) -> dict[str, Sequence[float]]:
        """The part of `history` that tells learning rates."""
        return {name: values for name, values in self.history.items() if is_rate(name)}

    def final(self, metric: str) -> float:
        """Return a metric of the last epoch; NaN if this run never reported it.

        A metric named `test_…` is looked up in `test`.
        """
        values = self.history.get(metric)
        if values:
            return values[-1]
        if metric.startswith("test_"):
            return self.test.get(metric.removeprefix("test_"), math.nan)
        return math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the run as strict JSON data."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"schema": SCHEMA, **encode(values)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reverse `to_dict`.

        Raises:
            ValueError: If `data` is not a run of this schema.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, Mapping) else data
            raise ValueError(f"expected a run of schema {SCHEMA}. Received: schema={found!r}")
        try:
            values = {item.name: data[item.name] for item in fields(cls)}
        except KeyError as error:
            raise ValueError(f"the run has no {error}") from None
        values["history"] = {
            name: [decode_number(value) for value in column]
            for name, column in values["history"].items()
        }
        values["test"] = {name: decode_number(value) for name, value in values["test"].items()}
        for name in ("seconds", "images_per_second"):
            values[name] = decode_number(values[name])
        values["events"] = tuple(values["events"])
        return cls(**values)

    def write(self, output: Path) -> Path:
        """Write the run to its file in the comparison's folder, whole or not at all."""
        return write_atomically(run_path(output, self.arm, self.seed), to_json(self.to_dict()))


def is_rate(metric: str) -> bool:
    """Tell whether a column of a history is a learning rate, by the names that Keras gives them.

    Examples:
        >>> is_rate("learning_rate"), is_rate("learning_rate_adam"), is_rate("loss")
        (True, True, False)
    """
    return metric == "learning_rate" or metric.startswith("learning_rate_")


def slug(name: str) -> str:
    """Return the part of a file name that stands for an arm.

    Examples:
        >>> slug("Power-step from 0.1")
        'power-step-from-0.1'
    """
    return re.sub(r"[^\w.]+", "-", name.casefold()).strip("-.")[:100]


def run_path(output: Path, arm: str, seed: int) -> Path:
    """Return where a run's file lies in a comparison's folder."""
    return output / FOLDER / f"{slug(arm)}-seed{seed}.json"


def read_run(path: Path) -> Run:
    """Read one run.

    Raises:
        OutputError: If the file is cut short, or not a run.
    """
    try:
        return Run.from_dict(json.loads(path.read_text("utf-8")))
    except (ValueError, AttributeError, TypeError) as error:
        raise OutputError(
            f"{path} is not a whole run ({error}). Delete this file: with resume=True its run is "
            "then trained again, and no other."
        ) from error


def run_files(output: Path) -> list[Path]:
    """Return the files of the finished runs in a comparison's folder, sorted by name."""
    return sorted((output / FOLDER).glob("*.json"))


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Say in words where two configurations differ, one phrase for each value.

    Examples:
        >>> differences({"epochs": 15, "arm": None}, {"epochs": 5, "arm": None})
        ['epochs 15 → 5']
    """
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            text
            for key in keys
            for text in differences(
                before.get(key, "nothing"), now.get(key, "nothing"), f"{name}.{key}".lstrip(".")
            )
        ]
    return [] if before == now else [f"{name} {_short(before)} → {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
