"""What the compiled model knows of a monitored metric, and what its logs lack."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from kerasdecay.rules import Rule
from kerasdecay.rules import monitor as monitors

_PATIENCE = 5
"""Epochs without any validation metric before its absence is no longer put down to
`validation_freq`."""


class Watch:
    """Settles directions and names missing metrics, once.

    Args:
        owner: The callback's class name, for messages.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._seen: set[str] = set()
        self._named: set[str] = set()
        self._epochs = 0
        self._known: list[str] = []

    def directed(self, rule: Rule[Any], model: Any, *, built: bool = False) -> Rule[Any]:
        """Return the rule with its direction settled: by the compiled metric, else by the name.

        Args:
            rule: The rule.
            model: The model.
            built: Whether the metric has been seen, so that the model's metrics are built.

        Raises:
            ValueError: If neither tells and the metrics are built, so that none ever will.
        """
        rule = rule.directed(lambda name: _compiled_direction(name, model))
        if built and rule.undirected is not None:
            raise monitors.undecided(self._owner, rule.undirected)
        return rule

    def note(self, rules: Iterable[Rule[Any]], epoch: int, logs: Mapping[str, Any]) -> None:
        """Look whether the logs hold what the rules watch; warn where they never will."""
        self._epochs += 1
        self._known = [key for key in logs if not key.startswith("learning_rate")]
        self._seen |= logs.keys()
        validated = any(key.startswith("val_") for key in logs)
        for rule in rules:
            name = rule.watched
            is_certain = validated or not name.startswith("val_") or self._epochs >= _PATIENCE
            if name not in self._seen and is_certain:
                self._name_missing(name)

    def close(self, rules: Iterable[Rule[Any]]) -> None:
        """At the end, name what was never seen."""
        for rule in rules:
            if self._epochs and rule.watched not in self._seen:
                self._name_missing(rule.watched)

    def _name_missing(self, name: str) -> None:
        if name in self._named:
            return
        self._named.add(name)
        warnings.warn(
            f"{self._owner}: the rules watch {name!r}, which is not in the logs so far: "
            f"nothing can be decided by it. There are: {', '.join(self._known)}. Pass another "
            "monitor=…, or validation_data to fit.",
            stacklevel=2,
        )


def _compiled_direction(monitor: str, model: Any) -> str | None:
    name = monitor.removeprefix("val_")
    for container in getattr(model, "metrics", []):
        for metric in (container, *getattr(container, "metrics", [])):
            direction = getattr(metric, "_direction", None)
            if metric.name == name and direction is not None:
                return "max" if direction == "up" else "min"
    return None
