"""Each row of the migration tables: what stands right has the rates of what stands left."""

from __future__ import annotations

import math
import pathlib
import re
from typing import NamedTuple

import keras
import numpy as np
import pytest

import kerasdecay
from kerasdecay import schedules, simulate

torch = pytest.importorskip("torch")
optax = pytest.importorskip("optax")
hugging_face = pytest.importorskip("transformers.optimization")

torch_schedulers = torch.optim.lr_scheduler

ROOT = pathlib.Path(__file__).resolve().parents[2]
EPOCHS, STEPS, RATE = 15, 8, 0.1

# The names that the tables use for numbers and functions of the reader's.
READERS = {
    "steps": EPOCHS * STEPS,
    "total_steps": EPOCHS * STEPS,
    "w": 20,
    "T": EPOCHS,
    "p": 2,
    "c": 1,
    "f": lambda epoch: 0.1 / (1 + epoch),
    "g": lambda epoch: 0.9**epoch,
    "h": lambda step: 1 / (1 + step),
    "schedule": keras.optimizers.schedules.CosineDecay(0.0, 90, warmup_target=0.1, warmup_steps=30),
}


def timms_cosine(
    t_initial: int,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
) -> list[float]:
    """Return what timm 1.0's CosineLRScheduler computes, written down from its `_get_lr`."""
    rates = []
    for t in range(EPOCHS):
        if t < warmup_t:
            rates.append(warmup_lr_init + t * (RATE - warmup_lr_init) / warmup_t)
            continue
        t -= warmup_t if warmup_prefix else 0
        cycle = t // t_initial
        wave = (
            0.5 * RATE * cycle_decay**cycle * (1 + math.cos(math.pi * (t % t_initial) / t_initial))
        )
        rates.append(wave if cycle < cycle_limit else 0.0)
    return rates


def timms_step(decay_t: int, decay_rate: float) -> list[float]:
    """Return what timm 1.0's StepLRScheduler computes."""
    return [RATE * decay_rate ** (t // decay_t) for t in range(EPOCHS)]


LIBRARIES = {
    "": {
        **vars(keras.callbacks),
        **vars(keras.optimizers),
        **vars(keras.optimizers.schedules),
    },
    "torch": vars(torch_schedulers),
    "transformers": vars(hugging_face),
    "optax": vars(optax),
    "timm": {"CosineLRScheduler": timms_cosine, "StepLRScheduler": timms_step},
}
OURS = {**vars(schedules), **{name: getattr(kerasdecay, name) for name in kerasdecay.__all__}}

# Two improvements, then none: both plateaus reduce several times, the first after a wait.
LOSSES = [1.0, 0.9, 0.8] + [0.8] * (EPOCHS - 3)


class Row(NamedTuple):
    page: str
    left: str
    right: str


def rows(page: str) -> list[Row]:
    """Return the rows of the table under "you have" and "you write"."""
    text = (ROOT / page).read_text(encoding="utf-8")
    _, _, table = text.partition("| you have | you write |\n| --- | --- |\n")
    lines = re.match(r"(?:\|.*\n)+", table)[0].splitlines()
    return [Row(page, *line.strip("| ").split(" | ")) for line in lines]


ROWS = rows("docs/migrating.md") + rows("README.md")


def code(cell: str) -> str:
    """Return a cell's first code; what "…" leaves out is left to the defaults."""
    return re.search(r"`(.+?)`", cell)[1].replace("…", "")


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)


def of_library(row: Row):
    library, _, _ = row.left.partition("`")
    names = {**LIBRARIES[library.strip()], **READERS, "optimizer": optimizer()}
    return eval(code(row.left), names)


def rates_of_torch(scheduler, batchwise: bool) -> list[float]:
    """Step once an epoch, as torch's own pages do, but where a scheduler is made for batches."""
    batchwise |= isinstance(scheduler, (torch_schedulers.OneCycleLR, torch_schedulers.CyclicLR))
    rates = []
    for _ in range(EPOCHS * STEPS if batchwise else EPOCHS):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def rates_of_keras(schedule) -> np.ndarray:
    rates = np.asarray([float(schedule(step)) for step in range(EPOCHS * STEPS)])
    if isinstance(schedule, keras.optimizers.schedules.PiecewiseConstantDecay):
        rates = np.append(rates[1:], rates[-1])  # keeps the old rate one step beyond a boundary
    return rates


def rates_on_plateaus_of_keras(callback) -> list[float]:
    callback.set_model(keras.Sequential())
    callback.model.optimizer = keras.optimizers.SGD(RATE)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(LOSSES):
        callback.on_epoch_end(epoch, {callback.monitor: loss})
        rates.append(float(callback.model.optimizer.learning_rate))
    return rates


def rates_on_plateaus_of_torch(scheduler) -> list[float]:
    rates = []
    for loss in LOSSES:
        scheduler.step(loss)
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    return rates


def rates_on_plateaus(decay) -> list[float]:
    (rule,) = decay.rules
    return [RATE * state.scale for state in rule.replay(LOSSES, RATE)]


def rates_of(decay) -> np.ndarray:
    """Return the rates that a decay without rules writes, one an epoch or one a step."""
    by_epoch = decay.update.unit == "epoch"
    return simulate(decay, epochs=EPOCHS, steps_per_epoch=None if by_epoch else STEPS)


def both(row: Row, theirs, decay):
    """Return the rates of the library's object and of our decay."""
    if isinstance(theirs, keras.callbacks.ReduceLROnPlateau):
        return rates_on_plateaus_of_keras(theirs), rates_on_plateaus(decay)
    if isinstance(theirs, torch_schedulers.ReduceLROnPlateau):
        return rates_on_plateaus_of_torch(theirs), rates_on_plateaus(decay)
    if isinstance(theirs, keras.callbacks.LearningRateScheduler):
        return [theirs.schedule(epoch) for epoch in range(EPOCHS)], rates_of(decay)
    if isinstance(theirs, keras.optimizers.Optimizer):
        return rates_of_keras(theirs._learning_rate), rates_of(decay)
    if isinstance(theirs, list):
        return theirs, rates_of(decay)
    if row.left.startswith("optax"):
        return rates_of_keras(theirs), rates_of(decay)
    batchwise = row.left.startswith("transformers") or row.left.endswith("stepped once a batch")
    return rates_of_torch(theirs, batchwise), rates_of(decay)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.page}: {row.left}")
def test_the_rates_are_the_same(row: Row) -> None:
    decay = eval(code(row.right), {**OURS, **READERS})
    theirs, found = both(row, of_library(row), decay)
    np.testing.assert_allclose(found, theirs, rtol=2e-6, atol=2e-8)
    assert len(set(theirs)) > 1
    assert decay.epochs in (None, EPOCHS)
