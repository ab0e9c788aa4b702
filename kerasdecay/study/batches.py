"""Training data as an endless iterator of batches, without using a global random generator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasdecay._checks import invalid
from kerasdecay.study.arguments import count

Batch = tuple[Any, Any, Any]  # x, y and sample_weight; None for absent parts

_ALLOWED = (
    "a tuple of arrays (x, y) or (x, y, sample_weight), one array, or what yields batches: a "
    "tf.data.Dataset, a keras.utils.PyDataset, a torch DataLoader, a generator"
)


def batches(owner: str, data: Any, batch_size: int | None, seed: int) -> Iterator[Batch]:
    """Return batches of `data`, epoch after epoch; a generator ends where its data do.

    Arrays and the batches of a PyDataset are shuffled in each epoch, by a separate generator with
    the seed `seed`. An incomplete batch at the end of an epoch is left out, so that the losses of
    all batches have the same weight and all batches use one compiled step.

    Raises:
        ValueError: If the data are of another kind, or empty, or of different lengths.

    Examples:
        >>> rows = batches("demo", (np.arange(4.0), np.arange(4)), batch_size=2, seed=0)
        >>> sorted(y.item() for _ in range(2) for y in next(rows)[1])  # one epoch
        [0, 1, 2, 3]
    """
    shuffler = np.random.default_rng(seed)
    if isinstance(data, Mapping) or hasattr(data, "__array__"):
        data = (data,)  # what a step takes without targets: images, or named inputs
    if isinstance(data, tuple):
        size = 32 if batch_size is None else count(owner, "batch_size", batch_size, at_least=1)
        return _from_arrays(_arrays(owner, data), size, shuffler)
    if batch_size is not None:
        raise invalid(
            owner, "batch_size", "None for data that come in batches", batch_size, "Leave it out."
        )
    if isinstance(data, keras.utils.PyDataset):
        return _from_py_dataset(owner, data, shuffler)
    if isinstance(data, list) and any(hasattr(part, "__array__") for part in data):
        raise ValueError(
            f"{owner}: data must yield tuples (x, y) or (x, y, sample_weight). "
            "Received: a list of arrays. Arrays go in as one tuple, data=(x, y)."
        )
    if not isinstance(data, Iterable):
        raise ValueError(f"{owner}: data must be {_ALLOWED}. Received: {type(data).__name__}.")
    return _from_iterable(owner, data)


def _arrays(owner: str, data: tuple[Any, ...]) -> Batch:
    """Return x, y and sample_weight with a NumPy array at each leaf."""
    parts = keras.tree.map_structure(_to_host, _triple(owner, data), none_is_leaf=False)
    leaves = [leaf for leaf in keras.tree.flatten(parts) if leaf is not None]
    lengths = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves}
    if len(lengths) != 1 or 0 in lengths:
        shapes = ", ".join(str(leaf.shape) for leaf in leaves)
        raise ValueError(
            f"{owner}: data must hold arrays of one length >= 1. Received: shapes {shapes}."
        )
    return parts


def _from_arrays(data: Batch, batch_size: int, shuffler: np.random.Generator) -> Iterator[Batch]:
    length = next(leaf.shape[0] for leaf in keras.tree.flatten(data) if leaf is not None)
    size = min(batch_size, length)
    while True:
        order = shuffler.permutation(length)
        for start in range(0, length - size + 1, size):
            chosen = order[start : start + size]
            yield keras.tree.map_structure(
                lambda leaf, rows=chosen: _single_precision(leaf[rows]), data, none_is_leaf=False
            )


def _from_py_dataset(owner: str, data: Any, shuffler: np.random.Generator) -> Iterator[Batch]:
    count = data.num_batches
    if count is None:
        yield from _from_iterable(owner, data)
        return
    while count:
        for index in shuffler.permutation(count):
            yield _batch(owner, data[int(index)])


def _from_iterable(owner: str, data: Iterable[Any]) -> Iterator[Batch]:
    while True:
        rows = iter(data)
        found = False
        for batch in rows:
            found = True
            yield _batch(owner, batch)
        if not found or rows is data:
            return


def _batch(owner: str, batch: Any) -> Batch:
    if not isinstance(batch, (tuple, list)):
        batch = (batch,)
    return keras.tree.map_structure(_for_backend, _triple(owner, batch), none_is_leaf=False)


def _triple(owner: str, parts: Any) -> Batch:
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"{owner}: data must be {_ALLOWED}. Received: {len(parts)} parts.")
    x, y, sample_weight = [*parts, None, None][:3]
    return x, y, sample_weight


def _to_host(value: Any) -> np.ndarray:
    """Return a NumPy array of any framework's tensor."""
    if type(value).__module__.partition(".")[0] == "torch":
        value = value.detach().cpu()
    return np.asarray(value)


def _for_backend(value: Any) -> Any:
    """Return NumPy arrays; TensorFlow's own tensors (ragged, sparse …) stay on TensorFlow."""
    library = type(value).__module__.partition(".")[0]
    if library == "tensorflow" and keras.backend.backend() == "tensorflow":
        return value
    return _single_precision(_to_host(value))


def _single_precision(value: np.ndarray) -> np.ndarray:
    """Return floats in Keras' precision, as `fit` does; everything else as it is."""
    if np.issubdtype(value.dtype, np.floating):
        return value.astype(keras.config.floatx(), copy=False)
    return value
