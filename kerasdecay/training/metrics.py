"""What the compiled model knows of a monitored metric, and what its logs lack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kerasdecay._checks import did_you_mean
from kerasdecay._warnings import warn
from kerasdecay.records.numbers import as_number
from kerasdecay.rules import Rule
from kerasdecay.rules import monitor as monitors
from kerasdecay.training.batch_losses import number_of
from kerasdecay.training.under_way import epoch_iterator


class MetricWatch:
    """Resolves the direction of monitored metrics; warns once of each that cannot be observed."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._seen: set[str] = set()
        self._named: set[str] = set()
        self._has_ended_epoch = False
        self._known: list[str] = []
        self._trained: dict[str, float] = {}

    def directed(self, rule: Rule[Any], model: Any, *, is_built: bool = False) -> Rule[Any]:
        """Return the rule with its direction resolved: by the compiled metric, else by the name.

        Once the metric `is_built`, a direction that neither gives is a ValueError.
        """
        rule = rule.directed(lambda name: _compiled_direction(name, model))
        if is_built and rule.undirected is not None:
            raise monitors.undecided(self._owner, rule.undirected)
        return rule

    def note(self, rules: Iterable[Rule[Any]], logs: Mapping[str, Any]) -> None:
        """Warn where the logs certainly lack what the rules watch.

        A validation metric is missing only if there was a validation: with `validation_freq=8` the
        first one comes after eight epochs.
        """
        self._has_ended_epoch = True
        self._known = [key for key in logs if not key.startswith("learning_rate")]
        self._seen |= logs.keys()
        validated = any(key.startswith("val_") for key in logs)
        for rule in rules:
            name = rule.watched
            if name in logs:
                if as_number(logs[name]) is None:
                    self._name_unusable(name, logs[name])
            elif name not in self._seen and (validated or not name.startswith("val_")):
                self._name_missing(name)

    def begin_validation(self, rules: Iterable[Rule[Any]], model: Any) -> None:
        """Note how much watched metrics were given in training: validation begins them anew."""
        self._trained = _counts(model, {rule.watched for rule in rules})

    def unfed(self, rules: Iterable[Rule[Any]], logs: Mapping[str, Any], model: Any) -> set[str]:
        """Return the watched metrics whose 0 in the logs is of no batch; warn of each, once.

        Keras puts the model's metrics in the place of what `train_step` returns under their names,
        also of a metric that was never given anything, as the loss of a model that was compiled
        without one.
        """
        zeros = {rule.watched for rule in rules if as_number(logs.get(rule.watched)) == 0}
        if not zeros or epoch_iterator() is None:  # a loop of the user's own gives its own logs
            return set()
        counts = _counts(model, {name.removeprefix("val_") for name in zeros})
        validated = {f"val_{name}": count for name, count in counts.items()}
        has_validated = any(name.startswith("val_") for name in logs)
        counts = validated | (self._trained if has_validated else counts)
        unfed = {name for name in zeros if counts.get(name) == 0}
        for name in sorted(unfed):
            metric = name.removeprefix("val_")
            step = "train_step" if metric == name else "test_step"
            self._warn(
                name,
                f"the rules watch {name!r}, and Keras logs 0 for it, whatever {step} returns: the "
                f"model has a metric {metric!r} of its own that {step} never updates. Nothing is "
                f"decided by it. Keep a keras.metrics.Mean(name={metric!r}) in {step}, compile "
                f"with a loss, or return it under another name and pass that as monitor=….",
            )
        return unfed

    def close(self, rules: Iterable[Rule[Any]]) -> None:
        """Warn at the end of the metrics that were never in the logs."""
        for rule in rules:
            if self._has_ended_epoch and rule.watched not in self._seen:
                self._name_missing(rule.watched)

    def _name_missing(self, name: str) -> None:
        remedy = did_you_mean(self._known, name) or "Pass another monitor=…."
        if name.startswith("val_") and not any(one.startswith("val_") for one in self._known):
            remedy = (
                "Pass another monitor=…, or validate: with validation_data in fit and at most as "
                "many epochs in validation_freq as there are, or by the logs of "
                "run.end_epoch(logs) in a loop of your own."
            )
        self._warn(
            name,
            f"the rules watch {name!r}, which is not in the logs so far: nothing can be decided by "
            f"it. There are: {', '.join(self._known) or 'none'}. {remedy}",
        )

    def _name_unusable(self, name: str, value: Any) -> None:
        shape = getattr(value, "shape", None)
        what = type(value).__name__ if shape is None else f"an array of shape {tuple(shape)}"
        vector = " Compile the metric so that it gives one number (for F1Score: average='macro')"
        remedy = vector if np.ndim(value) else " Let the metric give a number"
        self._warn(
            name,
            f"the rules watch {name!r}, which is {what} in the logs and no single number: nothing "
            f"can be decided by it.{remedy}, or pass another monitor=….",
        )

    def _warn(self, name: str, what: str) -> None:
        if name not in self._named:
            self._named.add(name)
            warn(f"{self._owner}: {what}")


def _counts(model: Any, names: set[str]) -> dict[str, float]:
    means = [one for one in model.metrics if one.name in names and hasattr(one, "count")]
    return {one.name: number_of(one.count) for one in means}


def _compiled_direction(monitor: str, model: Any) -> str | None:
    name = monitor.removeprefix("val_")
    for container in getattr(model, "metrics", []):
        for metric in (container, *getattr(container, "metrics", [])):
            direction = getattr(metric, "_direction", None)
            if metric.name == name and direction is not None:
                return "max" if direction == "up" else "min"
    return None
