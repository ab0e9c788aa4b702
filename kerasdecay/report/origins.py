"""Where the rates of a training came from: its schedules, and the rates that they began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kerasdecay.report.stages import rate_text
from kerasdecay.report.wording import brief, initial_rate

if TYPE_CHECKING:
    from kerasdecay.records import Setup


def schedules_of(setup: Setup) -> Iterator[tuple[str, str]]:
    """Yield each schedule once, as code, with the log name of the first rate that follows it."""
    texts: dict[str, str] = {}
    for key, schedule in setup.schedules.items():
        texts.setdefault(brief(schedule), key)
    for text, key in texts.items():
        yield (text if len(texts) == 1 else text + _of(key)), key


def base_rates(setup: Setup) -> Iterator[str]:
    """Yield for each optimizer the rate that its schedule began with, and where it came from."""
    for key, base in setup.base_rates.items():
        given = initial_rate(setup.schedules[key]) if base is None else base
        source = "given" if base is None else setup.base_source
        rate = "from the function" if given is None else f"{rate_text(given)}, {source}"
        yield rate + _of(key)


def _of(key: str) -> str:
    """Return which of several optimizers a rate belongs to."""
    name = key.removeprefix("learning_rate_")
    return "" if name == "learning_rate" else f" ({name})"
