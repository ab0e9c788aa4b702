"""Tables and pictures from the lines of `decay_shootout.py`."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from _arms import RULES
from _shootout_lines import (
    RULE_COLOUR,
    SHAPE_COLOUR,
    Line,
    accuracies,
    best_first,
    by,
    colour_of,
    differences,
    interval,
    is_trained,
    read,
    save,
    section,
    table,
    told,
    trained_on,
)
from _shootout_rates import wrong_rates
from matplotlib import pyplot
from scipy import stats

BASELINES = ("power-step", "linear")
CHANGE = re.compile(r"epoch (\d+): .*: (rate × |down to |stage |back to )")
CALENDAR = "epochs are done"
"""What a rule says when its deadline is its reason."""
HEAD = (
    "arm", "n", "test accuracy", "test loss", "− power-step", "− linear", "rank", "top 3",
    "epochs to power-step's end",
)  # fmt: skip


def report(results: Path) -> int:
    """Write `shootout.md` and its pictures into `results`; return the exit code."""
    lines = read(results, "shootout-*.jsonl")
    if not lines:
        return 2
    pages = [_intro(lines)]
    for group, members in by(lines, "testbed", "regime", "epochs", "initial_learning_rate"):
        pages.append(_section(group, members, results))
    for group, members in by(lines, "testbed", "regime", "epochs"):
        if len({line["initial_learning_rate"] for line in members}) > 1:
            pages.append(wrong_rates(group, members, results))
    (results / "shootout.md").write_text("\n\n".join(pages) + "\n", encoding="utf-8")
    print(f"wrote {results / 'shootout.md'}")
    return 0


def _intro(lines: list[Line]) -> str:
    return (
        "# Comparison of decays\n\nWritten by `python benchmarks/decay_shootout.py --report` from "
        "the lines beside this file. Figures are those of the last epoch; ± is half the 95 % "
        "interval of the mean (Student's t over the seeds); differences are taken seed by seed. "
        "Ranks and shares of the top three are over the seeds that all arms have. The last column "
        "tells in which epoch, on average, a run first validates as well as power-step does at "
        f"its end, and how many runs do.\n\n{trained_on(lines)}"
    )


def _section(group: tuple[Any, ...], lines: list[Line], results: Path) -> str:
    testbed, regime, epochs, rate = group
    arms = {arm: members for (arm,), members in by(lines, "arm")}
    trained = best_first({arm: runs for arm, runs in arms.items() if is_trained(runs)})
    ranks, top = _ranks(trained)
    rows = []
    for arm, runs in trained.items():
        paired = [
            told(differences(runs, trained.get(other, [])).values()) if other != arm else "–"
            for other in BASELINES
        ]
        rows.append(
            [
                arm,
                str(len(runs)),
                told(accuracies(runs)),
                told([run["test_loss"] for run in runs]),
                *paired,
                f"{ranks[arm]:.1f}",
                f"{top[arm]:.0%}",
                _epochs_to(runs, trained.get("power-step", [])),
            ]
        )
    rows += [
        [arm, str(len(runs)), "undefined", *["–"] * 6]
        for arm, runs in arms.items()
        if arm not in trained
    ]
    title = f"{testbed}, {regime}, {epochs} epochs from {rate:g}"
    picture = f"shootout-{testbed}-{regime}-{epochs}-from-{rate:g}.png"
    _draw_arms(trained, title, results / picture)
    return section(
        title,
        f"Data: {lines[0]['data']}, batches of {lines[0]['batch_size']}.",
        table(HEAD, rows),
        [
            *(_clear_of(other, trained) for other in BASELINES if other in trained),
            _what_rules_did({arm: runs for arm, runs in trained.items() if arm in RULES}),
        ],
        f"![test accuracy of every run]({picture})",
    )


def _clear_of(other: str, arms: dict[str, list[Line]]) -> str:
    """Say which arms' paired interval to this one lies above 0, and which below."""
    above, below = [], []
    for arm, runs in arms.items():
        found = list(differences(runs, arms[other]).values()) if arm != other else []
        if len(found) > 1:
            low, high = interval(found)
            above += [arm] if low > 0 else []
            below += [arm] if high < 0 else []
    return (
        f"Better than {other}, with the whole paired interval: {', '.join(above) or 'none'}. "
        f"Worse: {', '.join(below) or 'none'}."
    )


def _what_rules_did(rules: dict[str, list[Line]]) -> str:
    """Return a table of how often each rule changed the rate, and for what."""
    rows = []
    for arm, runs in rules.items():
        changes = [
            [
                (int(found[1]), CALENDAR in event)
                for event in run["events"]
                if (found := CHANGE.match(event))
            ]
            for run in runs
        ]
        by_calendar = [epoch for run in changes for epoch, calendar in run if calendar]
        by_sight = [epoch for run in changes for epoch, calendar in run if not calendar]
        rows.append(
            [
                arm,
                f"{sum(map(bool, changes))} of {len(runs)}",
                _count_and_epochs(by_sight),
                _count_and_epochs(by_calendar),
            ]
        )
    head = ("rule", "runs whose rate it changed", "for what it saw", "at its deadline")
    return table(head, rows)


def _count_and_epochs(epochs: list[int]) -> str:
    if not epochs:
        return "–"
    return f"{len(epochs)} (after epoch {', '.join(map(str, sorted(set(epochs))))})"


def _ranks(arms: dict[str, list[Line]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return each arm's average rank, over the seeds that all have, and its share of top threes."""
    by_seed = [{run["seed"]: run["test_accuracy"] for run in runs} for runs in arms.values()]
    common = sorted(set.intersection(*(set(runs) for runs in by_seed)))
    if not common:
        return dict.fromkeys(arms, float("nan")), dict.fromkeys(arms, float("nan"))
    scores = np.array([[runs[seed] for seed in common] for runs in by_seed])
    ranks = stats.rankdata(-scores, axis=0)
    means, shares = ranks.mean(axis=1), (ranks <= 3).mean(axis=1)
    return dict(zip(arms, means, strict=True)), dict(zip(arms, shares, strict=True))


def _epochs_to(runs: list[Line], reference: list[Line]) -> str:
    """Return in which epoch, on average, a run first validates as well as power-step at its end."""
    goals = {run["seed"]: run["val_accuracy"] for run in reference}
    reached = []
    for run in runs:
        epochs = [
            epoch
            for epoch, value in enumerate(run["val_accuracy_by_epoch"], start=1)
            if value >= goals.get(run["seed"], float("inf"))
        ]
        reached += epochs[:1]
    if not reached:
        return "–"
    return f"{statistics.fmean(reached):.1f} ({len(reached)} of {len(runs)})"


def _draw_arms(arms: dict[str, list[Line]], title: str, path: Path) -> None:
    """Draw every run as a point and every mean with its interval, the best arm on top."""
    figure, axes = pyplot.subplots(figsize=(7.5, 0.6 + 0.32 * len(arms)), layout="constrained")
    for place, (arm, runs) in enumerate(reversed(arms.items())):
        values = accuracies(runs)
        colour = colour_of(arm)
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.3, markersize=4)
        error = (interval(values)[1] - statistics.fmean(values)) if len(values) > 1 else 0
        axes.errorbar(statistics.fmean(values), place, xerr=error, fmt="D", color=colour, capsize=3)
    axes.set_yticks(range(len(arms)), list(reversed(arms)))
    axes.set(xlabel="test accuracy, last epoch", title=title)
    axes.plot([], [], "D", color=SHAPE_COLOUR, label="shape")
    axes.plot([], [], "D", color=RULE_COLOUR, label="rule")
    save(figure, axes, path)
