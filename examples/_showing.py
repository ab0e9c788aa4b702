"""What the example shows and writes: header, table, claims, files."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from _claims import ARTICLE, NOT_CHECKED, SOURCE, Claim, check_claims
from _data import ImageData
from _networks import DESIGNS
from _presets import BATCH_SIZE, PRESETS, Settings
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from kerasdecay.report import sparkline
from kerasdecay.schedules import PowerStep, simulate
from kerasdecay.study import Comparison
from kerasdecay.study.environment import environment

TABLE_WIDTH = 104  # what the table needs, on a narrower terminal too
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
VERDICTS = {
    True: "[green]confirmed[/]",
    False: "[red]not confirmed[/]",
    None: "[dim]not checked[/]",
}


class Report:
    """Knows what is trained on what, and labels everything with it.

    Args:
        settings: What is trained.
        data: All of the data, before a part of it is taken.
        note: About this copy of the data, from the user.
        command: The command that trains this again.
    """

    def __init__(self, settings: Settings, data: ImageData, note: str, command: str) -> None:
        self.settings = settings
        self.data = data
        self.label = f"{data.name}, {note}" if note else data.name
        self.command = command
        self.machine = environment()
        self.console = Console(highlight=False)
        self.wide = Console(highlight=False, width=max(self.console.width, TABLE_WIDTH))
        if not self.console.is_terminal:
            self.console = self.wide

    def setup(self) -> dict[str, Any]:
        """Return everything that decides what is trained, as data."""
        settings = asdict(self.settings)
        # How it was chosen, how fast it runs, and what else is trained make no run another one.
        for name in ("preset", "picked", "jit_compile", "seeds", "experiments"):
            settings.pop(name)
        return {
            "data": self.label,
            "pixels": "uint8 × 1/255, in the model",
            "resize": "bilinear, in the model",
            "optimizer": "SGD, no momentum, no weight decay",
            "loss": "SparseCategoricalCrossentropy(from_logits=True)",
            "validation": "the test split",
            **settings,
        }

    def header(self, parameters: int) -> None:
        """Say what will be trained, on what, at which cost."""
        settings, machine, versions = self.settings, self.machine, self.machine["versions"]
        if self.data.why_not_cifar10:
            self.console.print(
                Panel(
                    f"Training on {self.data.name} instead of CIFAR-10: "
                    f"{escape(self.data.why_not_cifar10)}.\n"
                    "What follows shows the three learning rates at work; it does not reproduce "
                    "the article's figures.",
                    title="not CIFAR-10",
                    border_style="yellow",
                )
            )
        device = machine["device"]
        if device == "CPU":
            device = f"CPU, {machine['cpu']}, {machine['cores']} cores"
        backend = machine["backend"]
        size = settings.image_size
        kind = "the article's" if settings.model == "article" else "the article's at native size"
        picked = f" (picked by auto for a {'CPU' if machine['device'] == 'CPU' else 'GPU'})"
        rows = {
            "device": f"{device} · {backend} {versions[backend]} · Keras {versions['keras']}",
            "data": f"{self.label}: {self._amount()}",
            "model": f"{kind}: images at {size}×{size}, {parameters:,} parameters",
            "preset": f"{settings.preset}{picked if settings.picked else ''}: {self._cost()}",
            "reduced": self._reduced(),
            "training": (
                f"{settings.epochs} epochs, batches of {settings.batch_size}, plain SGD, "
                f"seeds {', '.join(map(str, settings.seeds))}, "
                f"XLA {'on' if settings.jit_compile else 'off'}"
            ),
            "power-step": self._schedule(),
        }
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold cyan")
        grid.add_column()
        for name, text in rows.items():
            if text:
                grid.add_row(name, escape(text))
        self.console.print(
            Panel(grid, title="Three learning rates, one AlexNet", border_style="cyan")
        )

    def result(self, comparison: Comparison, files: list[Path]) -> None:
        """Show the table, the claims under it, and which files were written."""
        on_cifar10 = self.data.is_cifar10
        caption = (
            f"article: {SOURCE}; 227×227, all images"
            if on_cifar10
            else f"on {self.data.name} the article's figures mean nothing and are left out"
        )
        table = comparison.table(
            title=f"{self.label} · {self._amount()}",
            caption=f"steadiness: of val accuracy, smaller is steadier\n{caption}",
            metrics=METRICS,
            steadiness="val_accuracy",
            references=ARTICLE if on_cifar10 else None,
            reference_name="article",
        )
        self.console.print()
        self.wide.print(table)
        if on_cifar10:
            self.console.print(f"\n[bold]The article's claims, on {escape(self.label)}[/]")
            for claim in check_claims(comparison):
                self._show(claim)
        else:
            told = "\nThe article's claims are about CIFAR-10. Other images cannot judge them."
            self.console.print(told)
        self.console.print(f"\nWritten: {escape(', '.join(map(str, files)))}", soft_wrap=True)

    def _show(self, claim: Claim) -> None:
        self.console.print(f"  {claim.letter}  {VERDICTS[claim.holds]}: {claim.text}")
        if claim.holds is None:
            self.console.print(f"     [dim]{NOT_CHECKED}[/]")
        for text, holds in claim.parts:
            sign = "[green]✓[/]" if holds else "[red]✗[/]"
            self.console.print(f"     {sign} {text}")

    def write(self, comparison: Comparison, output: Path) -> list[Path]:
        """Write `results.json`, `history.csv` and, with matplotlib, `curves.png`."""
        claims = check_claims(comparison) if self.data.is_cifar10 else []
        settings = asdict(self.settings)
        extra = {
            "command": self.command,
            "setup": {**self.setup(), **settings},
            "machine": self.machine,
            "last_epoch": self._last_epoch(comparison),
            "article": {"source": SOURCE, **ARTICLE} if self.data.is_cifar10 else None,
            "claims": [{**asdict(claim), "holds": claim.holds} for claim in claims],
        }
        written = [
            comparison.to_json(output / "results.json", extra),
            comparison.to_csv(output / "history.csv"),
        ]
        size = f"{self.settings.image_size}×{self.settings.image_size}"
        try:
            comparison.plot(
                output / "curves.png",
                title=f"{self.label} · {self._amount()} · AlexNet at {size}",
                metrics=("accuracy", "loss"),
            )
            written.append(output / "curves.png")
        except ImportError as error:
            self.console.print(f"\nNo curves.png: {escape(str(error))}")
        return written

    def _last_epoch(self, comparison: Comparison) -> dict[str, Any]:
        """Return the table's figures: arm → metric → mean and spread over the seeds."""
        steadiness = comparison.steadiness("val_accuracy")
        figures: dict[str, Any] = {arm: {"steadiness": steadiness[arm]} for arm in comparison.arms}
        for metric in METRICS:
            means, spreads = comparison.mean(metric), comparison.spread(metric)
            for arm in comparison.arms:
                spread = None if math.isnan(spreads[arm]) else spreads[arm]
                figures[arm][metric] = {"mean": means[arm], "spread": spread}
        return figures

    def _amount(self) -> str:
        train, test = self.settings.train_size, self.settings.test_size
        return f"{train:,} training and {test:,} test images"

    def _reduced(self) -> str:
        settings, design = self.settings, DESIGNS["article"]
        parts = []
        for split, used, available in (
            ("training", settings.train_size, len(self.data.x_train)),
            ("test", settings.test_size, len(self.data.x_test)),
        ):
            if used < available:
                parts.append(f"{used:,} of {available:,} {split} images, a random sample")
        if settings.image_size != design.image_size:
            parts.append(
                f"images at {settings.image_size}×{settings.image_size} instead of 227×227"
            )
        if settings.epochs < 15:
            parts.append(f"{settings.epochs} epochs instead of 15")
        if settings.batch_size < BATCH_SIZE:
            parts.append(
                f"batches of {settings.batch_size} instead of {BATCH_SIZE}, "
                "for enough steps an epoch"
            )
        return "; ".join(parts)

    def _cost(self) -> str:
        if self.machine["device"] != "CPU":
            return PRESETS[self.settings.preset].cost
        minutes = self.settings.minutes_on_two_cores()
        if minutes < 1:
            return "seconds on two CPU cores"
        if minutes < 1.5:
            return "about a minute on two CPU cores"
        amount = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
        return f"about {amount} on two CPU cores"

    def _schedule(self) -> str:
        if 3 not in self.settings.experiments:
            return ""
        rates = simulate(PowerStep(0.1), epochs=self.settings.epochs)
        stages = " → ".join(f"{rate:g}" for rate in dict.fromkeys(rates.round(12).tolist()))
        return f"{sparkline(rates, width=len(rates))}  {stages}"
