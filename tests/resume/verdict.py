"""What must hold for a training that was killed and went on: nothing here needs a framework."""

from __future__ import annotations

import math
from typing import Any

LAST_EPOCH, STEPS = 4, 4


def loses_an_observation(scenario: dict[str, Any]) -> bool:
    """Whether the model of an epoch was saved and the rules' state was not."""
    return (
        scenario["order"] == "saver first"
        and scenario["saver"] in ("backup", "checkpoint")
        and scenario["point"] in ("between", "write")
    )


def first_epochs(scenario: dict[str, Any]) -> tuple[int, ...]:
    """Return the epochs that the second process may start with."""
    if scenario["saver"] == "save":
        return (3,)
    epoch = int(scenario["epoch"])
    if scenario["saver"] == "backup every 3 steps":
        # Keras saves within epochs only; where the last save was depends on how it counts.
        return (epoch - 1, epoch)
    saved = scenario["point"] == "after" or (
        scenario["point"] in ("between", "write") and scenario["order"] == "saver first"
    )
    return (epoch + 1 if saved else epoch,)


def faults(result: dict[str, Any]) -> list[str]:
    """Return what is wrong with a scenario's outcome, in words; nothing if it is as it must be."""
    scenario, whole = result["scenario"], result["whole"]
    first, second = result["first"], result["second"]
    found = []
    if whole["failed"] or first["failed"] or second["failed"] or "weights" not in second:
        return ["a training failed"]
    if first["killed"] is (scenario["saver"] == "save"):
        found.append("the first process was not killed as it should be")
    expected = {(epoch, batch): rate for epoch, batch, rate in whole["rates"]}
    found += _wrong_rates("before the kill", first["rates"], expected, exact=True)
    lost = loses_an_observation(scenario)
    found += _wrong_rates("after it", second["rates"], expected, exact=not lost)
    places = [(epoch, batch) for epoch, batch, _ in second["rates"]]
    begin = places[0][0]
    if begin not in first_epochs(scenario):
        found.append(f"it went on from epoch {begin}, not from {first_epochs(scenario)}")
    if places != [(e, b) for e in range(begin, LAST_EPOCH + 1) for b in range(STEPS)]:
        found.append(f"it left batches out: {places}")
    words = " ".join(second["warnings"])
    if lost:
        if len(second["warnings"]) != 1 or "before the callback that saves" not in words:
            found.append(f"the loss was not told of once: {words!r}")
        return found
    if second["warnings"]:
        found.append(f"unfounded warnings: {words}")
    if second["reductions"] != [epoch for epoch in whole["reductions"] if epoch >= begin]:
        found.append(f"decided at {second['reductions']}, not as in {whole['reductions']}")
    if "steps" not in scenario["saver"] and not all(
        math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
        for one, other in zip(second["weights"], whole["weights"], strict=True)
    ):
        found.append("other weights")
    return found


def _wrong_rates(
    when: str, rates: list[Any], expected: dict[tuple[int, int], float], *, exact: bool
) -> list[str]:
    """Compare rates by their place; where an observation was lost, but for the rule's factor."""
    for epoch, batch, rate in rates:
        ratio = rate / expected[epoch, batch]
        if not exact:
            ratio = ratio / 2.0 ** round(math.log2(ratio))
        if abs(ratio - 1.0) > 1e-6:
            return [f"{when}, epoch {epoch}, batch {batch}: {rate}, not {expected[epoch, batch]}"]
    return []
