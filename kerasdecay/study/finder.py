"""`find_learning_rate`: a short training with a rising rate, which leaves the model as it was."""

from __future__ import annotations

import contextlib
import inspect
import math
from typing import TYPE_CHECKING, Any

from kerasdecay import _checks
from kerasdecay._names import takes_familiar
from kerasdecay._warnings import warn
from kerasdecay.control.range_test import choose, most_cautious
from kerasdecay.records.range import LearningRateRange
from kerasdecay.report.progress import RangeTestProgress
from kerasdecay.study import arguments
from kerasdecay.study.suggestions import suggest

if TYPE_CHECKING:  # Keras is imported when the first test starts, not with this module
    from collections.abc import Callable, Iterator

    import keras

_OWNER = "find_learning_rate"

# An optimizer that trains a model may still pass over some batches: a GAN's generator is usually
# trained once for five steps of its critic.
_BATCHES_FOR_A_STEP = 10


@takes_familiar
def find_learning_rate(
    model: keras.Model,
    data: Any,
    y: Any = None,
    *,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    batch_size: int | None = None,
    smoothing: float = 0.9,
    divergence: float = 4.0,
    seed: int = 0,
    apply: bool = False,
    verbose: int = 1,
) -> LearningRateRange:
    """Train for a few steps with a rising learning rate, and undo it: a range test (Smith, 2015).

    Step k of n trains one batch with the rate start · (end / start)^(k / (n − 1)) and records the
    loss ℓ of that batch. The smoothed loss is an exponential moving average with the weight β for
    the past: aₖ = β aₖ₋₁ + (1 − β) ℓₖ, divided by 1 − βᵏ to correct for the start at a₀ = 0. The
    test stops when a loss is not finite, or when the smoothed loss is greater than
    b + (divergence − 1) · |b|, where b is the lowest smoothed loss so far (for a positive loss this
    is divergence · b).

    The function first removes a decay that an interrupted training left in the optimizer (see
    `kerasdecay.release`). Afterwards the model, its optimizers and the random generators are as
    before, bit for bit, also after an error or Ctrl-C: a training that follows gives the same
    result as without the test (`kerasdecay.study.snapshot.unchanged` documents what is covered).
    The state of the data is not restored: a generator has been read, and a `tf.data.Dataset` that
    reshuffles in each iteration has begun one. Create such data again for the training.

    Args:
        model: A compiled model that is trained by `model.optimizer`, whose learning rate is a
            number. Its layers must be built; a model with a `train_step` of its own need not have a
            `call`. All optimizers of a MultiOptimizer get the same rate.
        data: Arrays, `(x, y)` or `(x, y, sample_weight)`, each of which may be a nested structure;
            x alone, such as images or a dict of inputs; or an object that yields batches of these:
            a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch DataLoader, a generator. All
            except iterators start again when they end; where an iterator ends early, so does the
            test.
        y: The targets, where `data` is x alone, as for `fit`.
        start: The first learning rate, > 0.
        end: The last learning rate, > start.
        steps: Batches to train, an integer >= 2.
        batch_size: For arrays, an integer >= 1, by default 32; None for data that come in batches.
        smoothing: β, >= 0 and < 1. The 0.98 of fastai delays the curve of a test of 100 steps by
            almost a decade of the rate; use it with more steps.
        divergence: The factor at which the test stops, > 1.
        seed: Seed of the order of arrays and PyDatasets, an integer >= 0.
        apply: True sets the optimizer to the recommended rate; if none is recommended, a warning
            says so and the rate does not change.
        verbose: 1 shows the progress and the suggestions, 0 writes nothing. After
            `keras.utils.disable_interactive_logging()` the suggestions go to the absl log.

    Returns:
        Rates, losses, the recommended rate (`suggestion`) and fastai's three; `plot()` draws them.

    Raises:
        ValueError: If an argument is out of its range, the model is not compiled or not built, its
            optimizer takes no step (a model that trains with optimizers of its own, such as many
            GANs) or has a learning rate that cannot be set, or the data hold no two batches, or no
            targets where the loss takes them.

    Warns:
        UserWarning: If there is no rate to apply.

    Source: Smith, 2015, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186,
    section 3.3), with the exponential rise, the smoothing and the stop of fastai's `LRFinder`. The
    recommended rate is that of `kerasdecay.control.range_test.choose`.

    Examples:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.eye(2, dtype="float32")
        >>> result = find_learning_rate(model, (x, x.sum(1)), steps=50, verbose=0)
        >>> 0.01 < result.suggestion.rate < 1
        True
    """
    import keras

    from kerasdecay.study.batches import batches
    from kerasdecay.study.own_optimizers import counters
    from kerasdecay.study.snapshot import unchanged
    from kerasdecay.training import find

    speaks = arguments.speaks(_OWNER, verbose)
    start = _checks.rate(_OWNER, "start", start)
    rises = "The rate rises from start to end."
    end = _checks.rate(_OWNER, "end", end, above=start, remedy=rises)
    steps = arguments.count(_OWNER, "steps", steps, at_least=2)
    smoothing = _checks.number(_OWNER, "smoothing", smoothing, at_least=0, below=1)
    divergence = _checks.number(_OWNER, "divergence", divergence, above=1)
    seed = _checks.integer(_OWNER, "seed", seed, at_least=0, at_most=arguments.LARGEST_SEED)
    _check_model(model)
    find.rate_targets(model)
    apply = _checks.flag(_OWNER, "apply", apply)
    if y is not None:
        if isinstance(data, tuple):
            allowed = "None where data is a tuple (x, y)"
            remedy = "" if _checks.real(y) is None else f"Did you mean steps={y!r}?"
            raise _checks.invalid(_OWNER, "y", allowed, y, remedy)
        data = (data, y)
    rows = batches(_OWNER, data, batch_size, seed)
    find.release(model)

    kind = most_cautious(map(find.optimizer_kind, find.optimizers_of(model).values()))
    curve = _Curve(smoothing, divergence)
    has_loss = needs_targets(model)
    interactive = keras.utils.is_interactive_logging_enabled()
    progress = RangeTestProgress(speaks, steps, interactive=interactive)
    with progress, _rates(model) as set_rates, unchanged(model), _data_as_in_fit(model):
        before, has_stepped = counters(model), False
        for step in range(steps):
            rate = start * (end / start) ** (step / (steps - 1))
            batch = _next(rows, step, steps)
            if batch is None:
                curve.stopped = f"the data ended after {step} of {steps} batches"
                break
            if has_loss and batch[1] is None:
                raise _without_targets(model)
            set_rates(rate)
            model.reset_metrics()  # Keras 3.12 goes on with the mean of the batches before
            curve.add(rate, _loss(model.train_on_batch(*batch, return_dict=True)))
            progress.advance(rate, curve.smoothed[-1])
            has_stepped = has_stepped or counters(model) != before
            if curve.stopped or (not has_stepped and step + 1 == _BATCHES_FOR_A_STEP):
                break
        if not has_stepped:
            raise _untrained(model, batches=len(curve.losses))
    result = LearningRateRange(
        rates=tuple(curve.rates),
        losses=tuple(curve.losses),
        smoothed=tuple(curve.smoothed),
        suggestions=suggest(curve.rates, curve.smoothed, steps),
        steps=steps,
        stopped=curve.stopped,
        suggestion=choose(curve.rates, curve.losses, kind),
    )
    progress.summarise(result)
    chosen = result.suggestion
    if apply and chosen.rate is None:
        warn(f"{_OWNER}: the learning rate stays as it was: {chosen.reason}.")
    if apply and chosen.rate is not None:
        for target in find.targets_of(model).values():
            target.write(chosen.rate)
    return result


@contextlib.contextmanager
def _rates(model: keras.Model) -> Iterator[Callable[[float], None]]:
    """Give a function that sets the rate of every optimizer; put the first rates back at the end.

    Most rates are variables, which `unchanged` puts back already. A wrapper optimizer may hold its
    rate elsewhere and offer it through `learning_rate` alone.
    """
    from kerasdecay.training import find

    first = {name: target.read() for name, target in find.rate_targets(model).items()}

    def set_rates(rate: float) -> None:
        for target in find.targets_of(model).values():  # known only once it is built, perhaps
            target.write(rate)

    try:
        yield set_rates
    finally:
        for name, target in find.targets_of(model).items():
            if target.read() != first[name]:
                target.write(first[name])


@contextlib.contextmanager
def _data_as_in_fit(model: keras.Model) -> Iterator[None]:
    """Hand x alone to the model's step where there are no targets, as `fit` does.

    `train_on_batch` hands on `(x, None, None)`, which a step of the user's own does not expect.
    """
    import keras

    step, own = model.train_step, vars(model).get("train_step")

    def packed(*args: Any) -> Any:
        *state, data = args
        return step(*state, keras.utils.pack_x_y_sample_weight(*data))

    model.train_step = packed
    try:
        yield
    finally:
        del model.train_step
        if own is not None:
            model.train_step = own


def _untrained(model: keras.Model, batches: int) -> ValueError:
    from kerasdecay.study.own_optimizers import named

    return ValueError(
        f"{_OWNER}: model must be trained by model.optimizer, whose learning rate the test raises. "
        f"Received: {model!r}, whose {type(model.optimizer).__name__} took no step in {batches} "
        f"batches.{named(model)} Compile the model with the optimizer that its "
        "train_step applies, and apply self.optimizer there."
    )


class _Curve:
    """The losses so far, their smoothed course, and the reason to stop if there is one."""

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
        elif smoothed > self._lowest + (self._divergence - 1) * abs(self._lowest):
            self.stopped = (
                f"the smoothed loss of {smoothed:.4g} at a rate of {rate:.3g} was more than "
                f"{self._divergence:g} times the lowest, {self._lowest:.4g}"
            )
        self._lowest = min(self._lowest, smoothed)


def _check_model(model: Any) -> None:
    import keras

    from kerasdecay.study.own_optimizers import named

    if not isinstance(model, keras.Model) or not model.compiled or model.optimizer is None:
        own = named(model) if isinstance(model, keras.Model) else ""
        remedy = "Call model.compile(optimizer=...) first."
        if inspect.isfunction(model):
            remedy = f"Give what {model.__name__}() returns."
        raise ValueError(
            f"{_OWNER}: model must be a compiled keras.Model with an optimizer. "
            f"Received: {_checks.shown(model)}.{own} {remedy}"
        )
    has_call = type(model).call is not keras.Model.call
    if (has_call and not model.built) or not all(layer.built for layer in model.layers):
        raise ValueError(
            f"{_OWNER}: model must be built, because weights that do not exist cannot be put back. "
            f"Received: {model!r}. Give it a keras.Input, or call it on one batch."
        )


def needs_targets(model: keras.Model) -> bool:
    """Whether the model's step is Keras' own and hands the targets to a compiled loss."""
    import keras

    is_own = "train_step" in vars(model) or any(
        getattr(type(model), name) is not getattr(keras.Model, name)
        for name in ("train_step", "compute_loss")
    )
    return model.loss is not None and not is_own


def _without_targets(model: keras.Model) -> ValueError:
    return ValueError(
        f"{_OWNER}: y must be the targets, which the loss {_checks.shown(model.loss)} compares "
        "with. Received: y=None, and data of x alone. Write find_learning_rate(model, (x, y)), or "
        "give data that yield batches (x, y)."
    )


def _next(rows: Iterator[Any], step: int, steps: int) -> Any:
    """Return the next batch; None if there are no more, after two at least."""
    batch = next(rows, None)
    if batch is None and step < 2:
        raise ValueError(
            f"{_OWNER}: data must hold a batch for each of {steps} steps. Received: {step} "
            "batches. Give more data (a generator can loop)."
        )
    return batch


def _loss(logs: Any) -> float:
    if "loss" not in logs:
        raise ValueError(
            f"{_OWNER}: model must report a 'loss' when it trains. Received: "
            f"{', '.join(logs) or 'nothing'}. Return it from train_step."
        )
    return float(logs["loss"])
