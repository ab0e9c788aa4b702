"""`find_learning_rate`: a training with a rising rate, of which nothing remains but its losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kerasdecay._checks import integer, number
from kerasdecay.report.finder_progress import Progress
from kerasdecay.study.arguments import is_verbose
from kerasdecay.study.learning_rate_range import LearningRateRange
from kerasdecay.study.suggestions import suggest

if TYPE_CHECKING:  # Keras loads with the first test, not with this module
    from collections.abc import Iterator

    import keras

_OWNER = "find_learning_rate"


def find_learning_rate(
    model: keras.Model,
    data: Any,
    *,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    batch_size: int | None = None,
    smoothing: float = 0.9,
    divergence: float = 4.0,
    seed: int = 0,
    verbose: int = 1,
) -> LearningRateRange:
    """Train for a few steps with a rising learning rate, and undo it: a range test (Smith, 2015).

    Step k of n trains one batch with the rate start · (end / start)^(k / (n − 1)) and records the
    loss ℓ of that batch. The smoothed loss is the average a, with the weight β of what came before:
    aₖ = β aₖ₋₁ + (1 − β) ℓₖ, divided by 1 − βᵏ, as if there had always been losses. The test stops
    when a loss is not finite, or when the smoothed loss is greater than b + (divergence − 1) · |b|,
    b the lowest so far: for a positive loss, divergence · b.

    A decay that an interrupted training left in the optimizer (see `kerasdecay.release`) is taken
    out first. Afterwards the model, its optimizer and the random generators are as before, bit for
    bit, also after an error or Ctrl-C; a training that follows is the one that would have been
    without the test (`kerasdecay.study.snapshot.unchanged` says what that covers). What the data
    remember is theirs: a generator has been read from, and a `tf.data.Dataset` that shuffles anew
    in each iteration has begun one. Make such data again for the training.

    Args:
        model: A compiled, built model, whose optimizer has a number as its learning rate. Where it
            is a MultiOptimizer, all of its optimizers get the same rate.
        data: Arrays, `(x, y)` or `(x, y, sample_weight)`, of which each may be a nested structure;
            or what yields batches of them: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch
            DataLoader, a generator. All but an iterator start again when they end.
        start: The first learning rate, > 0.
        end: The last one, > start.
        steps: Batches to train, an integer >= 2.
        batch_size: Of arrays, an integer >= 1; None is 32, or says that the data come in batches.
        smoothing: β, >= 0 and < 1. fastai takes 0.98, which in a test of 100 steps shows the
            losses of a decade ago; more steps bear more of it.
        divergence: Where the test stops, > 1.
        seed: Of the order of arrays and PyDatasets, an integer >= 0.
        verbose: 1 shows the progress and the suggestions, 0 writes nothing.

    Returns:
        Rates, losses and suggestions; `plot()` draws them.

    Raises:
        ValueError: For an argument out of its range, a model that is not compiled or not built, an
            optimizer whose rate cannot be set, or data that end before the last step.

    Source: Smith, 2015, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186,
    section 3.3), with the exponential rise, the smoothing and the stop of fastai's `LRFinder`.

    Examples:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.eye(2, dtype="float32")
        >>> result = find_learning_rate(model, (x, x.sum(1)), steps=50, verbose=0)
        >>> 0.01 < result.steepest < 1
        True
    """
    from kerasdecay.callbacks import optimizers, release
    from kerasdecay.study.batches import batches
    from kerasdecay.study.snapshot import unchanged

    speaks = is_verbose(_OWNER, verbose)
    start = number(_OWNER, "start", start, above=0)
    end = number(_OWNER, "end", end, above=start, remedy="The rate rises from start to end.")
    steps = integer(_OWNER, "steps", steps, at_least=2)
    smoothing = number(_OWNER, "smoothing", smoothing, at_least=0, below=1)
    divergence = number(_OWNER, "divergence", divergence, above=1)
    _check_model(model)
    release(model)
    optimizers.check_settable(model)
    rows = batches(_OWNER, data, batch_size, integer(_OWNER, "seed", seed, at_least=0))

    curve = _Curve(smoothing, divergence)
    progress = Progress(speaks, steps)
    with progress, unchanged(model):
        for step in range(steps):
            rate = start * (end / start) ** (step / (steps - 1))
            batch = _next(rows, step, steps)
            for optimizer in optimizers.leaves(model).values():
                optimizers.write(optimizer, rate)
            model.reset_metrics()  # Keras 3.12 goes on with the mean of the batches before
            curve.add(rate, _loss(model.train_on_batch(*batch, return_dict=True)))
            progress.advance(rate, curve.smoothed[-1])
            if curve.stopped:
                break
    result = LearningRateRange(
        rates=tuple(curve.rates),
        losses=tuple(curve.losses),
        smoothed=tuple(curve.smoothed),
        suggestions=suggest(curve.rates, curve.smoothed, steps),
        steps=steps,
        stopped=curve.stopped,
    )
    progress.summarise(result)
    return result


class _Curve:
    """Losses as they come, their average, and why to stop if there is a reason."""

    def __init__(self, smoothing: float, divergence: float) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.stopped = ""
        self._smoothing = smoothing
        self._divergence = divergence
        self._average = 0.0
        self._lowest = math.inf

    def add(self, rate: float, loss: float) -> None:
        self.rates.append(rate)
        self.losses.append(loss)
        self._average = self._smoothing * self._average + (1 - self._smoothing) * loss
        smoothed = self._average / (1 - self._smoothing ** len(self.losses))
        self.smoothed.append(smoothed)
        if not math.isfinite(loss):
            self.stopped = f"the loss was {loss} at a rate of {rate:.3g}"
        elif smoothed > self._limit():
            self.stopped = (
                f"the smoothed loss of {smoothed:.4g} at a rate of {rate:.3g} was more than "
                f"{self._divergence:g} times the lowest, {self._lowest:.4g}"
            )
        self._lowest = min(self._lowest, smoothed)

    def _limit(self) -> float:
        if self._lowest == math.inf:
            return math.inf
        return self._lowest + (self._divergence - 1) * abs(self._lowest)


def _check_model(model: Any) -> None:
    import keras

    if not isinstance(model, keras.Model) or not model.compiled or model.optimizer is None:
        raise ValueError(
            f"{_OWNER}: model must be a compiled keras.Model with an optimizer. "
            f"Received: {model!r}. Call model.compile(...) first."
        )
    if not model.built or not all(layer.built for layer in model.layers):
        raise ValueError(
            f"{_OWNER}: model must be built, for its first weights could not be put back. "
            f"Received: {model!r}. Give it a keras.Input, or call it on one batch."
        )


def _next(rows: Iterator[Any], step: int, steps: int) -> Any:
    for batch in rows:
        return batch
    raise ValueError(
        f"{_OWNER}: data must hold a batch for each of {steps} steps. Received: {step} batches. "
        f"Give more data (a generator can loop), or a smaller steps."
    )


def _loss(logs: Any) -> float:
    if "loss" not in logs:
        raise ValueError(
            f"{_OWNER}: model must report a 'loss' when it trains. Received: "
            f"{', '.join(logs) or 'nothing'}. Return it from train_step."
        )
    return float(logs["loss"])
