"""kerasdecay: learning-rate decay for Keras 3.

The callbacks stand here; `kerasdecay.schedules`, `kerasdecay.rules`, `kerasdecay.report`,
`kerasdecay.study` and `kerasdecay.tuner` hold the rest. Importing this loads no framework: a name
is looked up when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasdecay._names import no_such_name

if TYPE_CHECKING:
    from kerasdecay.callbacks import (
        AdaptiveKneeDecay,
        AutoDecay,
        CosineDecay,
        GreedyDecay,
        KneeDecay,
        LearningRateDecay,
        LinearDecay,
        LossSlopeDecay,
        OneCycleDecay,
        OpenEndedDecay,
        PlateauDecay,
        PowerStepDecay,
        StepDecay,
        WarmupDecay,
        WarmupStableDecay,
        WeightNormDecay,
        as_keras,
        layerwise,
        release,
        steer,
    )
    from kerasdecay.report import explain, plot
    from kerasdecay.schedules import simulate
    from kerasdecay.study.compare import compare
    from kerasdecay.study.finder import find_learning_rate

__version__ = "0.1.0"

_HOMES = {
    "explain": "kerasdecay.report",
    "plot": "kerasdecay.report",
    "simulate": "kerasdecay.schedules",
    "compare": "kerasdecay.study",
    "find_learning_rate": "kerasdecay.study",
}
"""Where a name comes from, if not from `kerasdecay.callbacks`."""

_ELSEWHERE = {
    **dict.fromkeys(("summary", "timeline"), "kerasdecay.report.{}"),
    "ReduceLROnPlateau": "PlateauDecay",
    **dict.fromkeys(
        ("LearningRateScheduler", "LRScheduler", "LambdaLR", "Decay"), "LearningRateDecay"
    ),
    **dict.fromkeys(("CosineAnnealingLR", "CosineAnnealing"), "CosineDecay"),
    **{
        name + end: f"LearningRateDecay({name}(…))"
        for name in ("Constant", "Cyclic", "Exponential", "InverseTime", "MultiStep", "Polynomial")
        for end in ("Decay", "LR")
    },
    "PiecewiseConstantDecay": "LearningRateDecay(MultiStep(…))",
    **dict.fromkeys(
        ("WarmupCosineDecay", "WarmupCosine", "WarmUpCosine", "CosineWarmup"),
        "CosineDecay(warmup=…)",
    ),
    **dict.fromkeys(("LinearWarmup", "WarmupLinear"), "LinearDecay(warmup=…)"),
    **dict.fromkeys(
        ("CosineDecayRestarts", "CosineAnnealingWarmRestarts"),
        "LearningRateDecay(CosineRestarts(…))",
    ),
    "StepLR": "StepDecay",
    **dict.fromkeys(("OneCycleLR", "fit_one_cycle"), "OneCycleDecay"),
    **dict.fromkeys(
        ("LearningRateFinder", "LRFinder", "lr_find", "lr_finder"), "find_learning_rate"
    ),
}
"""Names of other libraries, and of parts below, → what a user finds under them here."""

_SUBPACKAGES = ("kerasdecay.schedules", "kerasdecay.rules")
"""Their names are found here too: `kerasdecay.Cosine`, `kerasdecay.Plateau`."""

_PARTS = ("callbacks", "records", "report", "rules", "schedules", "study", "tuner")
"""What `kerasdecay.study` and the like import when they are first used."""

__all__ = [
    "AdaptiveKneeDecay",
    "AutoDecay",
    "CosineDecay",
    "GreedyDecay",
    "KneeDecay",
    "LearningRateDecay",
    "LinearDecay",
    "LossSlopeDecay",
    "OneCycleDecay",
    "OpenEndedDecay",
    "PlateauDecay",
    "PowerStepDecay",
    "StepDecay",
    "WarmupDecay",
    "WarmupStableDecay",
    "WeightNormDecay",
    "as_keras",
    "compare",
    "explain",
    "find_learning_rate",
    "layerwise",
    "plot",
    "release",
    "simulate",
    "steer",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(_HOMES.get(name, "kerasdecay.callbacks")), name)
    if name.startswith("_"):
        raise no_such_name(__name__, name)
    if name in _PARTS:
        return importlib.import_module(f"kerasdecay.{name}")
    found = [*map(importlib.import_module, _SUBPACKAGES)]
    for module in found:
        if name != "FAMILY" and name in module.__all__:
            return getattr(module, name)
    if name in _ELSEWHERE:
        remedy = f"Did you mean {_ELSEWHERE[name].format(name)!r}?"
        raise no_such_name(__name__, name, remedy=remedy)
    raise no_such_name(__name__, name, sum((module.__all__ for module in found), __all__))


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
