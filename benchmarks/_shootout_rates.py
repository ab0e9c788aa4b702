"""What each arm loses when its initial rate is ten times too low or too high."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from _arms import RATE, RULES
from _shootout_lines import (
    Line,
    accuracies,
    by,
    colour_of,
    differences,
    is_trained,
    save,
    section,
    table,
    told,
)
from matplotlib import pyplot


def wrong_rates(group: tuple[Any, ...], lines: list[Line], results: Path) -> str:
    """Tell what each arm loses when its initial rate is ten times too low or too high."""
    testbed, regime, epochs = group
    arms = {
        arm: {
            rate: found
            for (rate,), found in by(members, "initial_learning_rate")
            if is_trained(found)
        }
        for (arm,), members in by(lines, "arm")
    }
    rates = sorted({rate for by_rate in arms.values() for rate in by_rate})
    wrong = [rate for rate in rates if rate != RATE]
    rows = [
        [
            arm,
            "rule" if arm in RULES else "shape",
            *(told(accuracies(by_rate.get(rate, []))) for rate in rates),
            *(told(_lost(by_rate, rate).values()) for rate in wrong),
        ]
        for arm, by_rate in arms.items()
    ]
    head = ["arm", "", *(f"from {rate:g}" for rate in rates)]
    head += [f"lost from {rate:g}" for rate in wrong]
    title = f"{testbed}, {regime}, {epochs} epochs: wrong initial rates"
    picture = f"shootout-{testbed}-{regime}-{epochs}-rates.png"
    _draw_rates(arms, title, results / picture)
    return section(
        title,
        f"Lost: the test accuracy from {RATE:g} minus that from the other rate, seed by seed.",
        table(head, rows),
        (_least_lost(arms, rate) for rate in wrong),
        f"![test accuracy over the initial rate]({picture})",
    )


def _least_lost(arms: dict[str, dict[float, list[Line]]], rate: float) -> str:
    """Say which rule and which shape lose least from this rate, and the difference between them."""
    lost = {arm: _lost(by_rate, rate) for arm, by_rate in arms.items()}
    means = {arm: statistics.fmean(found.values()) for arm, found in lost.items() if found}
    rule = min((arm for arm in means if arm in RULES), key=means.__getitem__)
    shape = min((arm for arm in means if arm not in RULES), key=means.__getitem__)
    more = [lost[rule][seed] - lost[shape][seed] for seed in lost[rule] if seed in lost[shape]]
    ends = differences(arms[rule][rate], arms[shape][rate])
    return (
        f"From {rate:g} the rule that loses least is {rule} ({means[rule]:.4f}), the shape "
        f"{shape} ({means[shape]:.4f}). The rule loses {told(more)} more than the shape, and "
        f"ends {told(ends.values())} above it."
    )


def _lost(by_rate: dict[float, list[Line]], rate: float) -> dict[int, float]:
    return differences(by_rate.get(RATE, []), by_rate.get(rate, []))


def _draw_rates(arms: dict[str, dict[float, list[Line]]], title: str, path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(8.5, 5.5), layout="constrained")
    styles = ("-", "--", ":", "-.")
    for place, (arm, by_rate) in enumerate(arms.items()):
        means = [statistics.fmean(accuracies(by_rate[rate])) for rate in sorted(by_rate)]
        axes.plot(
            sorted(by_rate), means, marker="o", markersize=4, label=arm, color=colour_of(arm),
            linestyle=styles[place % len(styles)], alpha=0.5 + 0.5 * (place % 5) / 4,
        )  # fmt: skip
    axes.set(xscale="log", xlabel="initial learning rate", ylabel="test accuracy, last epoch")
    axes.set_title(title)
    save(figure, axes, path)
