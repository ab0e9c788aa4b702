"""Tables and pictures from the lines of `decay_shootout.py`."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

Line = dict[str, Any]
BASELINES = ("power-step", "linear")


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
        pages.append(_section(group, members))
    pages += _wrong_rates(lines, results)
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
        "the lines beside this file. Figures are those of the last epoch; ± is a 95 % interval "
        "of the mean (Student's t over the seeds); differences are taken seed by seed.\n\n"
        f"Trained on:\n\n{shown}"
    )


def _section(group: tuple[Any, ...], lines: list[Line]) -> str:
    testbed, regime, epochs, rate = group
    arms = {arm: members for (arm,), members in _by(lines, "arm")}
    trained = {arm: runs for arm, runs in arms.items() if "undefined" not in runs[0]}
    ranks, top = _ranks(trained)
    rows = []
    for arm in sorted(trained, key=lambda arm: -_mean(trained[arm], "test_accuracy")):
        runs = trained[arm]
        differences = [
            _difference(runs, trained[other], "test_accuracy") if other in trained else "–"
            for other in BASELINES
        ]
        rows.append(
            [
                arm,
                str(len(runs)),
                interval([run["test_accuracy"] for run in runs]),
                interval([run["test_loss"] for run in runs]),
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
    head = [
        "arm", "n", "test accuracy", "test loss", "− power-step", "− linear", "rank", "top 3",
        "epochs to power-step's end",
    ]  # fmt: skip
    source = lines[0]["data"]
    title = f"## {testbed}, {regime}, {epochs} epochs from {rate:g}\n\nData: {source}."
    return f"{title}\n\n{_table(head, rows)}"


def interval(values: Sequence[float]) -> str:
    """Return mean ± half the 95 % interval of the mean."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.4f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.4f} ± {stats.t.ppf(0.975, len(values) - 1) * error:.4f}"


def _difference(runs: list[Line], others: list[Line], metric: str) -> str:
    pairs = {run["seed"]: run[metric] for run in others}
    found = [run[metric] - pairs[run["seed"]] for run in runs if run["seed"] in pairs]
    return interval(found) if found and runs is not others else "–"


def _ranks(arms: dict[str, list[Line]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return each arm's average rank, over the seeds that all have, and its share of top threes."""
    common = set.intersection(*({run["seed"] for run in runs} for runs in arms.values()))
    table = np.array(
        [
            [run["test_accuracy"] for run in sorted(runs, key=_seed) if run["seed"] in common]
            for runs in arms.values()
        ]
    )
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


def _wrong_rates(lines: list[Line], results: Path) -> list[str]:
    """Return the section on initial rates that are too low or too high, and draw its picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pages = []
    for (testbed, regime, epochs), members in _by(lines, "testbed", "regime", "epochs"):
        rates = sorted({line["initial_learning_rate"] for line in members})
        if len(rates) < 2:
            continue
        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        rows = []
        for (arm,), runs in _by(members, "arm"):
            means = {
                rate: _mean(found, "test_accuracy")
                for (rate,), found in _by(runs, "initial_learning_rate")
                if "undefined" not in found[0]
            }
            axes.plot(list(means), list(means.values()), marker="o", label=arm)
            rows.append([arm, *(f"{means[rate]:.4f}" if rate in means else "–" for rate in rates)])
        axes.set(xscale="log", xlabel="initial learning rate", ylabel="test accuracy, last epoch")
        axes.set_title(f"{testbed}, {regime}, {epochs} epochs: how much the initial rate matters")
        axes.legend(fontsize="small", ncols=2, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        picture = f"shootout-{testbed}-{regime}-rates.png"
        figure.savefig(results / picture, dpi=110)
        pyplot.close(figure)
        head = ["arm", *(f"from {rate:g}" for rate in rates)]
        title = f"## {testbed}, {regime}, {epochs} epochs: wrong initial rates"
        pages.append(f"{title}\n\n{_table(head, rows)}\n\n![accuracy over rates]({picture})")
    return pages


def _by(lines: Iterable[Line], *keys: str) -> list[tuple[tuple[Any, ...], list[Line]]]:
    groups: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        groups[tuple(line[key] for key in keys)].append(line)
    return list(groups.items())


def _mean(runs: list[Line], metric: str) -> float:
    return statistics.fmean(run[metric] for run in runs)


def _seed(run: Line) -> int:
    return int(run["seed"])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
