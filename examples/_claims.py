"""The article's figures, and its three claims put to the test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasdecay.study import Comparison

SOURCE = "tutorial on learning-rate size and decay, iThome, 2021-09-16"

ARMS = {1: "1 fixed 0.1", 2: "2 fixed 0.001", 3: "3 power-step"}

# The last of 15 epochs, as the article reports it: its own model at 227×227, all of CIFAR-10.
ARTICLE = {
    ARMS[1]: {"loss": 0.3053, "accuracy": 0.8906, "val_loss": 0.8681, "val_accuracy": 0.7557},
    ARMS[2]: {"loss": 0.8821, "accuracy": 0.6962, "val_loss": 0.9843, "val_accuracy": 0.6574},
    ARMS[3]: {"loss": 0.3802, "accuracy": 0.8687, "val_loss": 0.6588, "val_accuracy": 0.7798},
}

# What the article says in words, as numbers. "Swings": that many of the last five epochs lose
# accuracy. "Little progress" after the first stage: less than this share of the whole rise.
SWINGS = 2
LITTLE = 0.1

# The claims speak of the last five changes from epoch to epoch.
ENOUGH_EPOCHS = 6
NOT_CHECKED = f"needs all three experiments and at least {ENOUGH_EPOCHS} epochs"


@dataclass(frozen=True)
class Claim:
    """One claim of the article.

    Attributes:
        holds: None where the experiments it speaks of were not all trained.
        parts: What it consists of: a statement with its numbers, and whether it holds.
    """

    letter: str
    text: str
    parts: tuple[tuple[str, bool], ...]

    @property
    def holds(self) -> bool | None:
        return all(holds for _, holds in self.parts) if self.parts else None


def check_claims(comparison: Comparison) -> list[Claim]:
    """Check claims a, b and c on validation accuracy, means over the seeds.

    "Steadiness" is the standard deviation of the epoch-to-epoch change over the last five epochs:
    smaller is steadier.
    """
    a: tuple[tuple[str, bool], ...] = ()
    b: tuple[tuple[str, bool], ...] = ()
    c: tuple[tuple[str, bool], ...] = ()
    if set(ARMS.values()) <= set(comparison.arms) and comparison.runs[0].epochs >= ENOUGH_EPOCHS:
        means = comparison.mean("val_accuracy")
        swings = comparison.steadiness("val_accuracy")
        final = {number: means[arm] for number, arm in ARMS.items()}
        swing = {number: swings[arm] for number, arm in ARMS.items()}
        steadier = _lower("2 is steadier than 1", swing[2], swing[1])
        a = (_falls(comparison), steadier)
        b = (steadier, _lower("2 ends lowest", final[2], min(final[1], final[3])))
        c = (
            _higher("3 ends highest", final[3], max(final[1], final[2])),
            _lower("3 is steadier than 1", swing[3], swing[1]),
            _late_progress(comparison),
        )
    progress = "3 ends highest and is steadier than 1, with little progress after epoch 6"
    return [
        Claim("a", "experiment 1's accuracy swings from epoch to epoch", a),
        Claim("b", "2 is steady, but ends lowest", b),
        Claim("c", progress, c),
    ]


def _lower(text: str, value: float, other: float) -> tuple[str, bool]:
    return f"{text}: {value:.4f} against {other:.4f}", value < other


def _higher(text: str, value: float, other: float) -> tuple[str, bool]:
    return f"{text}: {value:.4f} against {other:.4f}", value > other


def _falls(comparison: Comparison) -> tuple[str, bool]:
    """Count in how many of its last five epochs experiment 1 lost accuracy, mean of the seeds."""
    curves = [run.history["val_accuracy"] for run in comparison.of(ARMS[1])]
    falls = float(np.mean([np.sum(np.diff(curve)[-5:] < 0) for curve in curves]))
    text = f"1 loses accuracy in {falls:.2g} of its last five epochs (swings: {SWINGS} or more)"
    return text, falls >= SWINGS


def _late_progress(comparison: Comparison) -> tuple[str, bool]:
    """Compare what experiment 3 gained after the first epoch at the second rate with the rest.

    Of 15 epochs that epoch is the sixth, which the article names.
    """
    curve = np.mean([run.history["val_accuracy"] for run in comparison.of(ARMS[3])], axis=0)
    sixth = len(curve) // 3
    late, whole = curve[-1] - curve[sixth], curve[-1] - curve[0]
    text = (
        f"3 gains little after epoch {sixth + 1} (under a tenth of the rise): "
        f"{late:+.4f} of {whole:+.4f}"
    )
    return text, bool(whole > 0 and late < LITTLE * whole)
