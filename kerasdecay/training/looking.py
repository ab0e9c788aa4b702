"""What a user reads from a decay callback: its rate, its picture, and hints at wrong uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from kerasdecay import _checks
from kerasdecay._names import Guessed

if TYPE_CHECKING:
    from kerasdecay.records import Trace
    from kerasdecay.training.session import Session

_COMPUTED = ("schedule", "learning_rate")
_SETTLED = ("schedules", "rules", "update", "epochs")
"""The attributes that nobody may set, and those that nobody may set while it trains."""


class Looking(Guessed):
    """Mixin of the decay callbacks."""

    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("lr", "get_lr", "get_last_lr", "current_lr", "rate"), "learning_rate"),
        **dict.fromkeys(("lrs", "rates", "learning_rates", "lr_history"), "trace.learning_rates"),
        **dict.fromkeys(("history", "logs"), "trace.logs"),
        **dict.fromkeys(
            ("initial_learning_rate", "base_rate", "found", "found_lr", "suggestion"),
            "trace.setup.schedule",
        ),
        **dict.fromkeys(("summary", "report", "decisions"), "explain()"),
        **dict.fromkeys(("simulate", "preview"), "kerasdecay.simulate(decay, epochs=…)"),
        **dict.fromkeys(("save", "load", "state_dict", "load_state_dict"), "state_path=…"),
        "step": "kerasdecay.steer(model, decay, epochs=…, steps_per_epoch=…)",
    }

    schedules: Mapping[str | None, Any]
    trace: Trace | None
    _model: Any
    _session: Session | None

    @property
    def schedule(self) -> Any:
        """The schedule with its warmup, or the function; of several optimizers the first one's."""
        return next(iter(self.schedules.values()))

    @property
    def optimizer_names(self) -> list[str] | None:
        """The optimizers that the user has named, None if it is the model's own."""
        names = [name for name in self.schedules if name is not None]
        return names or None

    @property
    def learning_rate(self) -> float | None:
        """The rate in force, or, after a training, the last one; None before the first.

        Of several optimizers it is the first one's. In a compiled step it is the last one recorded.
        """
        if self.trace is None or not len(self.trace):
            return None
        return float(self.trace.learning_rates[-1])

    def plot(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Any:
        """Draw what happened in the last training, or what is planned; see `kerasdecay.plot`.

        Args:
            path: Where to save the picture, if anywhere: a name that ends in .png, .svg or .pdf.
            **options: Those of `kerasdecay.plot`.
        """
        from kerasdecay.report import plot

        return plot(self, path=path, **options)

    def explain(self, *, every_epoch: bool = False) -> None:
        """Print what was decided in each epoch, and why; see `kerasdecay.report.explain`."""
        from kerasdecay.report import explain

        explain(self, every_epoch=every_epoch)

    def _show(self, part: str, *data: Any, wrap: bool = True, **options: Any) -> None:
        """Show a part of `kerasdecay.report.training`: printed, or logged where Keras logs."""
        from kerasdecay.report import console, training

        renderable = getattr(training, part)(*data, **options)
        if keras.config.is_interactive_logging_enabled():
            console.show(renderable, wrap=wrap)
        else:
            console.log(renderable)

    def _repr_html_(self) -> str:
        """Return the picture of the last training, or of the schedule, that a notebook shows."""
        from kerasdecay.report.notebook import html_of

        return html_of(self.schedule if self.trace is None else self.trace)

    def __call__(self, *_: Any) -> Any:
        """Say of what an optimizer asks of a rate that this is none."""
        owner = type(self).__name__
        raise TypeError(
            f"{owner}: this is a callback, and no learning rate of an optimizer. Compile the "
            f"optimizer with a number, and pass callbacks=[{owner}(…)] to fit."
        )

    def __setattr__(self, name: str, value: Any) -> None:
        is_fixed = name in _SETTLED and getattr(self, "_session", None) is not None
        if is_fixed or name in _COMPUTED:
            owner = type(self).__name__
            remedy = "Make another callback; a rate decided as you go is a function f(epoch)."
            raise _checks.invalid(owner, name, "given as it is made", value, remedy)
        super().__setattr__(name, value)
