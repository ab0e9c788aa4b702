"""Tables and pictures from the lines of `decay_shootout.py`."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from _arms import RATE, RULES
from scipy import stats

matplotlib.use("Agg")
from matplotlib import pyplot

Line = dict[str, Any]
BASELINES = ("power-step", "linear")
SHAPE_COLOUR, RULE_COLOUR = "#1f5a96", "#c8501e"
HEAD = (
    "arm", "n", "test accuracy", "test loss", "− power-step", "− linear", "rank", "top 3",
    "epochs to power-step's end",
)  # fmt: skip


def report(results: Path) -> int:
    """Write `shootout.md` and its pictures into `results`; return the exit code."""
    lines = [
        json.loads(text)
        for path in sorted(results.glob("shootout-*.jsonl"))
        for text in path.read_text(encoding="utf-8").splitlines()
    ]
    if not lines:
        print(f"no shootout-*.jsonl in {results}")
        return 2
    pages = [_intro(lines)]
    for group, members in _by(lines, "testbed", "regime", "epochs", "initial_learning_rate"):
        pages.append(_section(group, members, results))
    for group, members in _by(lines, "testbed", "regime", "epochs"):
        if len({line["initial_learning_rate"] for line in members}) > 1:
            pages.append(_wrong_rates(group, members, results))
    (results / "shootout.md").write_text("\n\n".join(pages) + "\n", encoding="utf-8")
    print(f"wrote {results / 'shootout.md'}")
    return 0


def _intro(lines: list[Line]) -> str:
    machines = {
        json.dumps(line["environment"], sort_keys=True) for line in lines if "environment" in line
    }
    shown = "\n".join(f"- `{machine}`" for machine in sorted(machines))
    return (
        "# Comparison of decays\n\nWritten by `python benchmarks/decay_shootout.py --report` from "
        "the lines beside this file. Figures are those of the last epoch; ± is half the 95 % "
        "interval of the mean (Student's t over the seeds); differences are taken seed by seed. "
        "Ranks and shares of the top three are over the seeds that all arms have. The last column "
        "tells in which epoch, on average, a run first validates as well as power-step does at "
        f"its end, and how many runs do.\n\nTrained on:\n\n{shown}"
    )


# ---------------------------------------------------------------------------- one budget and rate


def _section(group: tuple[Any, ...], lines: list[Line], results: Path) -> str:
    testbed, regime, epochs, rate = group
    arms = {arm: members for (arm,), members in _by(lines, "arm")}
    trained = _best_first({arm: runs for arm, runs in arms.items() if _is_trained(runs)})
    ranks, top = _ranks(trained)
    rows = []
    for arm, runs in trained.items():
        differences = [
            _told(_differences(runs, trained.get(other, [])).values()) if other != arm else "–"
            for other in BASELINES
        ]
        rows.append(
            [
                arm,
                str(len(runs)),
                _told([run["test_accuracy"] for run in runs]),
                _told([run["test_loss"] for run in runs]),
                *differences,
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
    parts = [
        f"## {title}",
        f"Data: {lines[0]['data']}, batches of {lines[0]['batch_size']}.",
        _table(HEAD, rows),
        *(_clear_of(other, trained) for other in BASELINES if other in trained),
        f"![test accuracy of every run]({picture})",
    ]
    return "\n\n".join(parts)


def _clear_of(other: str, arms: dict[str, list[Line]]) -> str:
    """Say which arms' paired interval to this one lies above 0, and which below."""
    above, below = [], []
    for arm, runs in arms.items():
        found = list(_differences(runs, arms[other]).values()) if arm != other else []
        if len(found) > 1:
            low, high = _interval(found)
            above += [arm] if low > 0 else []
            below += [arm] if high < 0 else []
    return (
        f"Better than {other}, with the whole paired interval: {', '.join(above) or 'none'}. "
        f"Worse: {', '.join(below) or 'none'}."
    )


def _ranks(arms: dict[str, list[Line]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return each arm's average rank, over the seeds that all have, and its share of top threes."""
    by_seed = [{run["seed"]: run["test_accuracy"] for run in runs} for runs in arms.values()]
    common = sorted(set.intersection(*(set(runs) for runs in by_seed)))
    if not common:
        return dict.fromkeys(arms, float("nan")), dict.fromkeys(arms, float("nan"))
    table = np.array([[runs[seed] for seed in common] for runs in by_seed])
    ranks = stats.rankdata(-table, axis=0)
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
        values = [run["test_accuracy"] for run in runs]
        colour = _colour(arm)
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.3, markersize=4)
        error = (_interval(values)[1] - statistics.fmean(values)) if len(values) > 1 else 0
        axes.errorbar(statistics.fmean(values), place, xerr=error, fmt="D", color=colour, capsize=3)
    axes.set_yticks(range(len(arms)), list(reversed(arms)))
    axes.set(xlabel="test accuracy, last epoch", title=title)
    axes.plot([], [], "D", color=SHAPE_COLOUR, label="shape")
    axes.plot([], [], "D", color=RULE_COLOUR, label="rule")
    _save(figure, axes, path)


# ----------------------------------------------------------------------------- wrong initial rates


def _wrong_rates(group: tuple[Any, ...], lines: list[Line], results: Path) -> str:
    """Tell what each arm loses when its initial rate is ten times too low or too high."""
    testbed, regime, epochs = group
    arms = {
        arm: {
            rate: found
            for (rate,), found in _by(members, "initial_learning_rate")
            if _is_trained(found)
        }
        for (arm,), members in _by(lines, "arm")
    }
    rates = sorted({rate for by_rate in arms.values() for rate in by_rate})
    wrong = [rate for rate in rates if rate != RATE]
    rows = [
        [
            arm,
            "rule" if arm in RULES else "shape",
            *(_told(_accuracies(by_rate.get(rate, []))) for rate in rates),
            *(_told(_lost(by_rate, rate).values()) for rate in wrong),
        ]
        for arm, by_rate in arms.items()
    ]
    head = ["arm", "", *(f"from {rate:g}" for rate in rates)]
    head += [f"lost from {rate:g}" for rate in wrong]
    title = f"{testbed}, {regime}, {epochs} epochs: wrong initial rates"
    picture = f"shootout-{testbed}-{regime}-{epochs}-rates.png"
    _draw_rates(arms, title, results / picture)
    parts = [
        f"## {title}",
        f"Lost: the test accuracy from {RATE:g} minus that from the other rate, seed by seed.",
        _table(head, rows),
        *(_least_lost(arms, rate) for rate in wrong),
        f"![test accuracy over the initial rate]({picture})",
    ]
    return "\n\n".join(parts)


def _least_lost(arms: dict[str, dict[float, list[Line]]], rate: float) -> str:
    """Say which rule and which shape lose least from this rate, and the difference between them."""
    lost = {arm: _lost(by_rate, rate) for arm, by_rate in arms.items()}
    means = {arm: statistics.fmean(found.values()) for arm, found in lost.items() if found}
    rule = min((arm for arm in means if arm in RULES), key=means.__getitem__)
    shape = min((arm for arm in means if arm not in RULES), key=means.__getitem__)
    more = [lost[rule][seed] - lost[shape][seed] for seed in lost[rule] if seed in lost[shape]]
    ends = _differences(arms[rule][rate], arms[shape][rate])
    return (
        f"From {rate:g} the rule that loses least is {rule} ({means[rule]:.4f}), the shape "
        f"{shape} ({means[shape]:.4f}). The rule loses {_told(more)} more than the shape, and "
        f"ends {_told(ends.values())} above it."
    )


def _lost(by_rate: dict[float, list[Line]], rate: float) -> dict[int, float]:
    return _differences(by_rate.get(RATE, []), by_rate.get(rate, []))


def _draw_rates(arms: dict[str, dict[float, list[Line]]], title: str, path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(8.5, 5.5), layout="constrained")
    styles = ("-", "--", ":", "-.")
    for place, (arm, by_rate) in enumerate(arms.items()):
        means = [statistics.fmean(_accuracies(by_rate[rate])) for rate in sorted(by_rate)]
        axes.plot(
            sorted(by_rate), means, marker="o", markersize=4, label=arm, color=_colour(arm),
            linestyle=styles[place % len(styles)], alpha=0.5 + 0.5 * (place % 5) / 4,
        )  # fmt: skip
    axes.set(xscale="log", xlabel="initial learning rate", ylabel="test accuracy, last epoch")
    axes.set_title(title)
    _save(figure, axes, path)


# ------------------------------------------------------------------------------------------- parts


def _by(lines: Iterable[Line], *keys: str) -> list[tuple[tuple[Any, ...], list[Line]]]:
    groups: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        groups[tuple(line[key] for key in keys)].append(line)
    return list(groups.items())


def _is_trained(runs: list[Line]) -> bool:
    return "undefined" not in runs[0]


def _accuracies(runs: list[Line]) -> list[float]:
    return [run["test_accuracy"] for run in runs]


def _best_first(arms: dict[str, list[Line]]) -> dict[str, list[Line]]:
    return dict(sorted(arms.items(), key=lambda item: -statistics.fmean(_accuracies(item[1]))))


def _differences(runs: list[Line], others: list[Line]) -> dict[int, float]:
    """Return seed → test accuracy of `runs` minus that of `others`, where both have the seed."""
    pairs = {run["seed"]: run["test_accuracy"] for run in others}
    return {
        run["seed"]: run["test_accuracy"] - pairs[run["seed"]]
        for run in runs
        if run["seed"] in pairs
    }


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean."""
    mean, error = statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean - half, mean + half


def _told(found: Iterable[float]) -> str:
    values = list(found)
    if not values:
        return "–"
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.4f}"
    return f"{mean:.4f} ± {_interval(values)[1] - mean:.4f}"


def _colour(arm: str) -> str:
    return RULE_COLOUR if arm in RULES else SHAPE_COLOUR


def _table(head: Sequence[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.legend(fontsize="small", frameon=False, ncols=2 if len(axes.lines) > 30 else 1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
