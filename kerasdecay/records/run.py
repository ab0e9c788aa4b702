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

# The JSON type of each field of a run; the fields that are not named are numbers or NaN.
_JSON_TYPES: dict[str, type[Any]] = {
    "arm": str,
    "seed": int,
    "epochs": int,
    "history": dict,
    "test": dict,
    "events": list,
    "environment": dict,
    "configuration": dict,
    "arm_index": int,
    "courses": dict,
}


_LATER = ("courses",)
"""Fields that files of earlier versions lack."""


class OutputError(ValueError):
    """An output folder cannot be used: it holds other runs, or a file that is no whole run."""


@dataclass(frozen=True)
class Run:
    """What one arm did with one seed.

    Attributes:
        arm: The arm's name.
        seed: The seed of the weights, of the order of the batches and of dropout.
        epochs: The epochs asked for; an arm that stops early has a shorter history.
        history: Metric → its value after each epoch, NaN where an epoch did not report it.
            `learning_rate` is one of them, or `learning_rate_<name>` for each of several
            optimizers; an optimizer that has no learning rate has no column.
        seconds: Wall-clock time of `fit`: compilation, training, validation.
        images_per_second: Training throughput without validation: the median over the epochs after
            the first one, which compiles.
        test: Metric → its value on the test data, measured once after the last epoch; empty if
            there are no test data.
        events: What the arm's callbacks decided, in words.
        environment: Machine and versions (see `kerasdecay.study.environment`).
        configuration: Everything that must be equal for two runs to be comparable, or for one to
            replace the other. Plain JSON data.
        arm_index: The arm's place in its comparison. It orders tables and plots and means nothing
            else.
        courses: Name of a rate → (epochs done, rate from there on) within the epochs, for the rates
            that a decay has recorded; about 240 points at most.
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
    courses: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)

    @property
    def learning_rates(self) -> dict[str, Sequence[float]]:
        """The columns of `history` that are learning rates."""
        return {name: values for name, values in self.history.items() if is_rate(name)}

    def course(self, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return a rate as it was trained with: positions in epochs done, rates from there on.

        Where nothing is known of it within epochs, each epoch has its last rate.
        """
        ends = self.history[name]
        points = self.courses.get(name) or tuple(enumerate(ends))
        positions, rates = zip(*points, strict=True)
        return positions, rates

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
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name not in data and item.name in _LATER:
                continue
            if item.name not in data:
                raise ValueError(f"the run has no {item.name!r}")
            values[item.name] = _decoded(item.name, data[item.name])
        return cls(**values)

    def write(self, output: Path) -> Path:
        """Write the run to its file in the comparison's folder, whole or not at all."""
        return write_atomically(run_path(output, self.arm, self.seed), to_json(self.to_dict()))


def _decoded(name: str, value: Any) -> Any:
    """Return a field as it was before `encode`, or raise a `ValueError`."""
    kind = _JSON_TYPES.get(name)
    if kind is None:
        return decode_number(value)
    if type(value) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}. Received: {value!r}")
    if name == "history":
        return {metric: _decoded_column(metric, column) for metric, column in value.items()}
    if name == "courses":
        return {
            key: [tuple(_decoded_column(key, point)) for point in points]
            for key, points in value.items()
        }
    if name == "test":
        return {metric: decode_number(item) for metric, item in value.items()}
    return tuple(value) if name == "events" else value


def _decoded_column(metric: str, column: Any) -> list[float]:
    if not isinstance(column, list):
        raise ValueError(f"history[{metric!r}] must be a list. Received: {column!r}")
    return [decode_number(value) for value in column]


def is_rate(metric: str) -> bool:
    """Return whether a column of a history is a learning rate, by the name that Keras gives it.

    Examples:
        >>> is_rate("learning_rate"), is_rate("learning_rate_adam"), is_rate("loss")
        (True, True, False)
    """
    return metric == "learning_rate" or metric.startswith("learning_rate_")


def slug(name: str) -> str:
    """Return an arm's name in the form that its file names have.

    Examples:
        >>> slug("Power-step from 0.1")
        'power-step-from-0.1'
    """
    return re.sub(r"[^\w.]+", "-", name.casefold()).strip("-.")[:100]


def run_path(output: Path, arm: str, seed: int) -> Path:
    """Return the path of a run's file in a comparison's folder."""
    return output / FOLDER / f"{slug(arm)}-seed{seed}.json"


def read_run(path: Path) -> Run:
    """Read one run; OutputError if the file is cut short, or not a run."""
    try:
        return Run.from_dict(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise OutputError(
            f"{path} is not a whole run ({error}). Delete this file: with resume=True this run "
            "alone is then trained again."
        ) from error


def run_files(output: Path) -> list[Path]:
    """Return the files of the finished runs in a comparison's folder, sorted by name."""
    return sorted((output / FOLDER).glob("*.json"))
