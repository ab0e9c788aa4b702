"""Factors that fall from layer to layer, for fine-tuning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kerasdecay import _checks
from kerasdecay.training.paths import layers_in, names_of

_OWNER = "layerwise"


def layerwise(model: Any, decay: float = 0.75) -> dict[str, float]:
    """Return `group_factors` that fall from the head down: layer-wise rate decay.

    The last layer has the factor 1, each layer before it γ times that of the next:
    f = γ^(L − l) for layer l of L. A layer is one with trainable variables of its own; those of a
    model within the model are counted one by one, in its place.

    Args:
        model: A built model, its layers frozen or thawed as they shall be trained.
        decay: γ, in (0, 1].

    Returns:
        Pattern → factor, from the first layer to the last.

    Raises:
        ValueError: If the model has no trainable variables yet, if γ is out of its range, or if
            variables of two layers have the same path, and no model around one tells them apart.

    Examples:
        >>> import keras
        >>> hidden = keras.layers.Dense(8, name="hidden")
        >>> layers = [keras.Input((4,)), hidden, keras.layers.Dense(3, name="head")]
        >>> layerwise(keras.Sequential(layers, name="net"), decay=0.5)
        {'^net/hidden/': 0.5, '^net/head/': 1.0}

    Source: Howard and Ruder, 2018, "Universal Language Model Fine-tuning for Text Classification",
    which divides by 2.6 from layer to layer; BEiT and its kin use 0.65 to 0.95.
    """
    decay = _checks.number(_OWNER, "decay", decay, above=0, at_most=1)
    if not hasattr(model, "layers"):
        raise _checks.invalid(_OWNER, "model", "a keras.Model", model)
    names = names_of(model)
    layers = [[names.get(id(one), (one.path,)) for one in each] for each in _by_layer(model)]
    if not layers:
        raise _checks.invalid(
            _OWNER, "model", "a built model with trainable variables", model, "Call model.build(…)."
        )
    known = [variable for layer in layers for variable in layer]
    paths = Counter(path for path, *_ in known)
    # Models inside the model may have layers of one name: their own names then tell them apart.
    chosen = [[one[0] if paths[one[0]] == 1 else one[-1] for one in layer] for layer in layers]
    counts = Counter(name for layer in chosen for name in layer)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ValueError(
            f"{_OWNER}: variables of different layers have the same path: {', '.join(twice)}. "
            "Give the layers, or the models that they are in, names of their own."
        )
    patterns = [_pattern(layer, known) for layer in chosen]
    return {one: decay ** (len(patterns) - 1 - place) for place, one in enumerate(patterns)}


def _by_layer(model: Any) -> Iterator[list[Any]]:
    """Yield the trainable variables of each layer that has some; a shared layer's once."""
    seen: set[int] = set()
    for _, layer in layers_in(model):
        own = [one for one in layer.trainable_variables if id(one) not in seen]
        seen.update(map(id, own))
        if own:
            yield own


def _pattern(chosen: list[str], known: list[tuple[str, ...]]) -> str:
    """Return a pattern that finds the variables of these names and no other.

    Each of `chosen` tells a variable from all others; `known` are all names of each there is.
    """
    parts = [name.split("/")[:-1] for name in chosen]
    common = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    prefix = "/".join(common) + "/"
    found = sum(any(name.startswith(prefix) for name in names) for names in known)
    if common and found == len(chosen):
        return f"^{re.escape(prefix)}"
    return f"^(?:{'|'.join(map(re.escape, chosen))})$"
