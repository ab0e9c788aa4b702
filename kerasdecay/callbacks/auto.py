"""The decay that needs no argument."""

from __future__ import annotations

from typing import Unpack

from kerasdecay.callbacks.rules import RuleDecay
from kerasdecay.rules import Rescue
from kerasdecay.schedules import Knee
from kerasdecay.training.arguments import Options


class AutoDecay(RuleDecay):
    """Find the initial rate, hold it for 80 % of the run, come down to 0, and undo a collapse.

    The first batches of `fit` are a probe: they try rising rates, after which everything is put
    back. The trace tells which rate was chosen, and why. The rule `Rescue` then watches the
    training: if it collapses, the last good state is put back and the rate lowered.

    Args:
        **options: `warmup`, `rules` (further ones), `epochs`, `update`, `state_path` and
            `verbose`, as for `LearningRateDecay`.

    Raises:
        ValueError: For a value out of its range.

    Warns:
        UserWarning: If the probe finds no rate, in a run of few batches for instance. Then the
            optimizer's own is taken.

    Examples:
        >>> from kerasdecay import AutoDecay
        >>> decay = AutoDecay()

    Source: range test: Smith, 2015 (arXiv:1506.01186); knee: Iyer et al., 2020 (arXiv:2003.03977).
    """

    _unnamed = (
        "It finds the rate itself. With a rate of your own it is KneeDecay(0.1, rules=['rescue'])."
    )

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(Rescue(), Knee("auto", hold="80%"), options)
