"""Lines of the comparison: grouping, paired statistics, tables and pictures' common parts."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from _arms import RULES
from scipy import stats

matplotlib.use("Agg")
from matplotlib import pyplot

Line = dict[str, Any]
SHAPE_COLOUR, RULE_COLOUR = "#1f5a96", "#c8501e"


def read(results: Path, pattern: str) -> list[Line]:
    """Return the lines of all files of a pattern, and say so where there are none."""
    lines = [
        json.loads(text)
        for path in sorted(results.glob(pattern))
        for text in path.read_text(encoding="utf-8").splitlines()
    ]
    if not lines:
        print(f"no {pattern} in {results}")
    return lines


def trained_on(lines: Iterable[Line]) -> str:
    """Return the list of the machines; what could not be trained has none."""
    machines = {
        json.dumps(line["environment"], sort_keys=True) for line in lines if "environment" in line
    }
    return "Trained on:\n\n" + "\n".join(f"- `{one}`" for one in sorted(machines))


def by(lines: Iterable[Line], *keys: str) -> list[tuple[tuple[Any, ...], list[Line]]]:
    groups: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        groups[tuple(line[key] for key in keys)].append(line)
    return list(groups.items())


def is_trained(runs: list[Line]) -> bool:
    return "undefined" not in runs[0]


def accuracies(runs: list[Line]) -> list[float]:
    return [run["test_accuracy"] for run in runs]


def best_first(arms: dict[str, list[Line]]) -> dict[str, list[Line]]:
    return dict(sorted(arms.items(), key=lambda item: -statistics.fmean(accuracies(item[1]))))


def differences(runs: list[Line], others: list[Line]) -> dict[int, float]:
    """Return seed → test accuracy of `runs` minus that of `others`, where both have the seed."""
    pairs = {run["seed"]: run["test_accuracy"] for run in others}
    return {
        run["seed"]: run["test_accuracy"] - pairs[run["seed"]]
        for run in runs
        if run["seed"] in pairs
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean."""
    mean, error = statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean - half, mean + half


def told(found: Iterable[float]) -> str:
    values = list(found)
    if not values:
        return "–"
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.4f}"
    return f"{mean:.4f} ± {interval(values)[1] - mean:.4f}"


def colour_of(arm: str) -> str:
    return RULE_COLOUR if arm in RULES else SHAPE_COLOUR


def table(head: Sequence[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def section(title: str, said: str, shown: str, verdicts: Iterable[str], picture: str) -> str:
    """Return a section of the report: what is said, a table, the verdicts, a picture."""
    return "\n\n".join([f"## {title}", said, shown, *verdicts, picture])


def save(figure: Any, axes: Any, path: Path) -> None:
    axes.legend(fontsize="small", frameon=False, ncols=2 if len(axes.lines) > 30 else 1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
