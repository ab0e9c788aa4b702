"""The decay that needs no argument."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.rules import RuleDecay
from kerasdecay.rules import Rescue
from kerasdecay.schedules import Knee
from kerasdecay.training.arguments import Options


class AutoDecay(RuleDecay):
    """Find the initial rate, hold it for 80 % of the run, come down to 0, and undo a collapse.

    The first batches of `fit` are a probe: they try several rates, and then the model is restored
    to its start. With η₀ the rate found and E the horizon, η(t) = η₀ min(1, (E − t)/(0.2 E)). The
    trace says which rate was chosen, and why. The rule `Rescue` then watches the training: if it
    collapses, the rule restores the last good state and lowers the rate.

    Args:
        **options: Those of `LearningRateDecay`, such as `warmup`, `epochs`, `state_path` and
            `verbose`; `rules` are further ones.

    Raises:
        ValueError: For a value out of its range.

    Warns:
        UserWarning: If the probe finds no rate, in a run of few batches for instance. The
            optimizer's own rate is used then.

    Examples:
        >>> from kerasdecay import AutoDecay, simulate
        >>> decay = AutoDecay(warmup="5%", verbose=1)

        >>> simulate(AutoDecay(), epochs=5, initial_learning_rate=0.1).tolist()
        [0.1, 0.1, 0.1, 0.1, 0.1]

    Source: range test: Smith, 2015 (arXiv:1506.01186); knee: Iyer et al., 2020 (arXiv:2003.03977).
    """

    _unnamed = (
        "It finds the rate itself. With a rate of your own it is KneeDecay(0.1, rules=['rescue'])."
    )

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(Rescue(), Knee("auto", hold="80%"), options)
