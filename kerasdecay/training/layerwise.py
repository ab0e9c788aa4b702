"""Factors that fall from the last layer to the first."""

from __future__ import annotations

import re
from typing import Any

from kerasdecay import _checks
from kerasdecay.training.paths import layers_in, matches, names_of

_OWNER = "layerwise"


def layerwise(model: Any, decay: float = 0.75) -> dict[str, float]:
    """Return `group_factors` that fall from layer to layer, from the head down to the input.

    The last layer has the factor 1, the one before it `decay`, the k-th below the head decayᵏ. The
    layers are those of `model.layers`, in their order; a model inside is looked into, and any other
    layer counts as one, whatever it is made of. Layers without trainable variables do not count,
    nor does a layer that occurs a second time. Normalization layers do.

    Args:
        model: A built model.
        decay: The factor from a layer to the one below it, in (0, 1].

    Returns:
        Pattern → factor, the head first: a dict that can be changed before it is given to a decay.

    Raises:
        ValueError: For a factor out of range, a model that is not built or has no trainable
            variables, or two layers whose variables have the same names.

    Examples:
        >>> import keras
        >>> from kerasdecay import CosineDecay, layerwise
        >>> layers = [keras.layers.Dense(2, name=name) for name in ("low", "middle", "head")]
        >>> model = keras.Sequential([keras.Input((2,)), *layers], name="net")
        >>> layerwise(model, decay=0.5)
        {'net/head/.*': 1.0, 'net/middle/.*': 0.5, 'net/low/.*': 0.25}
        >>> decay = CosineDecay(1e-3, group_factors=layerwise(model))

    Source: Howard and Ruder, Universal Language Model Fine-tuning, 2018 (arXiv:1801.06146), which
    takes 1/2.6; Clark et al., ELECTRA, 2020 (arXiv:2003.10555), from 0.8 to 0.9.
    """
    decay = _checks.number(_OWNER, "decay", decay, above=0, at_most=1)
    names = names_of(model)
    if not names:
        allowed = "a built model with trainable variables"
        raise _checks.invalid(_OWNER, "model", allowed, getattr(model, "name", model))
    seen: set[int] = set()
    patterns: list[str] = []
    for _, layer in layers_in(model):
        own = [id(one) for one in layer.trainable_variables if id(one) not in seen]
        if own:
            seen |= set(own)
            patterns.append(_pattern(own, names, layer.name))
    return {pattern: decay**below for below, pattern in enumerate(reversed(patterns))}


def _pattern(own: list[int], names: dict[int, tuple[str, ...]], layer: str) -> str:
    """Return an expression that matches these variables and no other."""
    # The path, which is shorter, and then the path with the models around it.
    for which in (0, -1):
        found = [names[one][which] for one in own]
        first = found[0].rpartition("/")[0]
        for pattern in (f"{re.escape(first)}/.*", "|".join(re.escape(one) for one in found)):
            if {one for one in names if matches(pattern, names[one])} == set(own):
                return pattern
    raise ValueError(
        f"{_OWNER}: the model's layers must have names of their own. Received: two layers whose "
        f"variables are {', '.join(names[one][-1] for one in own)}. Give the layer {layer!r}, or "
        "the model that it is in, another name."
    )
