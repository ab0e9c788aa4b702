"""Which training is this: a new one, or one that goes on?

A training is what one optimizer lives through from its first step. Several `fit` calls whose
`initial_epoch` goes on are one training; another optimizer, or one that was set back, is another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from kerasdecay.control.bookmark import Bookmark, TrackBookmark


@dataclasses.dataclass(frozen=True)
class Found:
    """What an optimizer holds as a training begins.

    It `is_known` if it is the very optimizer that this callback left, and was not set back. Rates
    are the `same` if they are equal as it holds them.
    """

    rate: float
    has_trained: bool
    is_known: bool
    same: Callable[[float, float], bool]

    def holds(self, rates: Iterable[float]) -> bool:
        """Whether its rate is one of these."""
        return any(self.same(self.rate, rate) for rate in rates)


@dataclasses.dataclass(frozen=True)
class Past:
    """What is known of the training before.

    Args:
        remembered: Where this callback object left it; None in a first training.
        filed: What the state file tells of the epoch that now begins, or None.
        last_filed: The file's last entry, which may be of a later epoch.
        planned: Gives the rates that a bookmark's schedule plans for the epoch that now begins: a
            model that was saved in mid-epoch holds one of them.
    """

    remembered: Bookmark | None = None
    filed: Bookmark | None = None
    last_filed: Bookmark | None = None
    planned: Callable[[str, TrackBookmark], Iterable[float]] = lambda key, bookmark: ()


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a training starts from.

    Attributes:
        base_rates: Log name → the initial rate to fill into the schedule; None where it has one.
        goes_on: The bookmark whose rule states are taken over; None starts the rules afresh.
        source: Where the initial rates came from, in words.
        warning: What the user must be told; empty for nothing.
        is_found: Whether the initial rates are just what the optimizers happen to hold.
    """

    base_rates: Mapping[str, float | None]
    goes_on: Bookmark | None
    source: str
    warning: str = ""
    is_found: bool = False


def absolute(
    epoch: int, found: Mapping[str, Found], past: Past, *, has_rules: bool = False
) -> Origin:
    """Return the origin of a schedule that has its initial rate: only the rules may go on."""
    bases: dict[str, float | None] = dict.fromkeys(found)
    if past.filed is not None and past.filed.tracks.keys() >= found.keys():
        return Origin(bases, past.filed, "given")
    if epoch > 0 and past.remembered is not None and _are_known(found, past.remembered):
        return Origin(bases, past.remembered, "given")
    forgets = has_rules and epoch > 0 and any(one.has_trained for one in found.values())
    return Origin(bases, None, "given", _forgotten(epoch).strip() if forgets else "")


def from_optimizer(
    epoch: int,
    found: Mapping[str, Found],
    past: Past,
    *,
    follows: bool,
    has_rules: bool,
    remedy: str,
) -> Origin:
    """Return the origin of a schedule that starts from the optimizer's rate.

    Where a plan `follows`, a further training starts from the rate found, as Keras'
    ReduceLROnPlateau does, and not from the rate that the first one started from, as a shape does.
    """
    if past.filed is not None and past.filed.tracks.keys() >= found.keys():
        return _from_file(epoch, found, past, past.filed)
    remembered = past.remembered
    known = remembered is not None and _are_known(found, remembered)
    if known and epoch > 0:
        assert remembered is not None
        if all(one.holds(remembered.tracks[key].rates) for key, one in found.items()):
            bases = {key: remembered.tracks[key].base_rate for key in found}
            return Origin(bases, remembered, "the training before, which goes on")
    return _afresh(epoch, found, past, follows=follows, has_rules=has_rules, remedy=remedy)


def _from_file(epoch: int, found: Mapping[str, Found], past: Past, filed: Bookmark) -> Origin:
    """Go on from the state file, unless the optimizer holds a rate that the file does not know."""
    for key, one in found.items():
        track = filed.tracks[key]
        known = one.holds(track.rates) or one.holds(past.planned(key, track))
        if not known and one.has_trained:
            # The training that wrote the file, or this callback itself, may have gone further.
            further = [*_rates_of(past.last_filed, key)]
            if one.is_known:
                further += _rates_of(past.remembered, key)
            known = one.holds(further)
        if not known:
            left = track.rates[0] if track.rates else 0.0
            new = "" if one.has_trained else ", which has not trained yet,"
            return Origin(
                {name: other.rate for name, other in found.items()},
                None,
                "the optimizer's, against the state file",
                f"the optimizer{new} holds {key} {one.rate:g}, and the state file left {left:g}. "
                f"The optimizer's rate is taken for the initial one, and the rules start afresh at "
                f"epoch {epoch + 1}.",
                is_found=True,
            )
    bases = {key: filed.tracks[key].base_rate for key in found}
    return Origin(bases, filed, "from the state file")


def _afresh(
    epoch: int,
    found: Mapping[str, Found],
    past: Past,
    *,
    follows: bool,
    has_rules: bool,
    remedy: str,
) -> Origin:
    bases: dict[str, float | None] = {}
    source, warning, is_found = "the optimizer's", "", True
    for key, one in found.items():
        bases[key] = one.rate
        left_here = one.is_known and one.holds(_rates_of(past.remembered, key))
        if left_here and follows:
            source, is_found = "the optimizer's, where the training before left it", False
        elif left_here and one.has_trained:
            assert past.remembered is not None
            bases[key] = past.remembered.tracks[key].base_rate
            source, is_found = "remembered from the training before", False
        elif one.has_trained:
            source = "the optimizer's, which has trained before"
            warning = (
                f"the optimizer has trained before; its present {key}, {one.rate:g}, is taken for "
                f"the initial one. {remedy}"
            )
            if has_rules and epoch > 0:
                warning += _forgotten(epoch)
    return Origin(bases, None, source, warning, is_found)


def _forgotten(epoch: int) -> str:
    return (
        f" The rules start afresh at epoch {epoch + 1}: to let them go on, pass the same callback "
        "object again, or give it a state_path."
    )


def _are_known(found: Mapping[str, Found], bookmark: Bookmark) -> bool:
    return bookmark.tracks.keys() >= found.keys() and all(one.is_known for one in found.values())


def _rates_of(bookmark: Bookmark | None, key: str) -> tuple[float, ...]:
    if bookmark is None or key not in bookmark.tracks:
        return ()
    return bookmark.tracks[key].rates
