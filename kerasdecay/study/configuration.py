"""What makes two runs the same experiment, as data that is equal in every process."""

from __future__ import annotations

import json
import re
import warnings
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasdecay._json import encode
from kerasdecay.training.find import own_optimizers

_SAMPLED_ROWS = 1000
_LONGEST_LIST = 50

# The form that Keras gives a lambda: base64 of marshal's "c" (0x63, or 0xe3 with a reference), in
# lines. It contains the file and the line, so equal lambdas differ.
_CODE = re.compile(r"[4Y]w[\w+/=\n]*\n", re.ASCII)


def describe_data(data: Any) -> Any:
    """Describe arrays by shape, type and a checksum of up to 1,000 evenly spaced rows."""
    if isinstance(data, Mapping):
        return {name: describe_data(part) for name, part in data.items()}
    if isinstance(data, tuple):
        return [describe_data(part) for part in data]
    return None if data is None else _describe_array(data)


def _describe_array(array: np.ndarray) -> dict[str, Any]:
    rows = np.linspace(0, len(array) - 1, min(len(array), _SAMPLED_ROWS)).astype(int)
    checksum = zlib.crc32(np.ascontiguousarray(array[rows]).tobytes())
    return {"shape": list(array.shape), "dtype": str(array.dtype), "crc32": checksum}


def describe_model(model: keras.Model) -> dict[str, Any]:
    """Describe a compiled model: every layer with its options, weights, optimizer, loss, metrics.

    Two models that one function builds have equal descriptions if the seeds are set before each:
    some layers draw a seed, which is then one of their options. Names are left out, because Keras
    numbers them within a process, and so is `jit_compile`, which changes the speed of a training
    and not its result. A function is described by its name only, and a layer without `get_config`
    by its class. If one loss or metric has no configuration, all losses and metrics are left out.
    """
    compiled = _config(model.get_compile_config)
    if compiled is None:
        optimizer = model.optimizer
        compiled = {"optimizer": None if optimizer is None else _config(optimizer.get_config)}
    compiled.pop("jit_compile", None)
    own = {name: _config(each.get_config) for name, each in own_optimizers(model).items()}
    return {
        **({"own_optimizers": plain(own)} if own else {}),
        "layers": [{type(layer).__name__: _options(layer)} for layer in model._flatten_layers()],
        "weights": [list(weight.shape) for weight in model.weights],
        "compiled": plain(compiled),
    }


def _config(get_config: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():  # that lambdas cannot be loaded again
        warnings.simplefilter("ignore")
        try:
            return get_config()
        except Exception:  # noqa: BLE001 - a model that cannot be saved can still be trained
            return None


def _options(layer: keras.Layer) -> dict[str, Any]:
    """Describe a layer without its inner layers, which are listed separately."""
    config = dict(_config(layer.get_config) or {})
    if isinstance(layer, keras.Sequential):
        config.pop("layers", None)
    elif "input_layers" in config:  # a graph of layers
        graph = {key: config.pop(key) for key in ("layers", "input_layers", "output_layers")}
        config["connections"] = _checksum_of_graph(graph, {inner.name for inner in layer.layers})
    return plain(config)


def _checksum_of_graph(graph: Mapping[str, Any], layers: set[str]) -> int:
    """Return a checksum of the connections, and of the operations that are not layers."""
    places = {part["name"]: place for place, part in enumerate(graph["layers"])}
    parts = [
        [part["class_name"], part["inbound_nodes"], part["name"] not in layers and part["config"]]
        for part in graph["layers"]
    ]
    ends = [graph["input_layers"], graph["output_layers"]]
    return _checksum_of_text(plain(_placed([parts, ends], places)))


def _placed(value: Any, places: Mapping[str, int]) -> Any:
    """Return a part of a graph with places instead of names in references [name, node, tensor]."""
    if isinstance(value, Mapping):
        return {key: _placed(item, places) for key, item in value.items()}
    if not isinstance(value, (list, tuple)):
        return value
    if len(value) == 3 and isinstance(value[0], str) and value[0] in places:
        return [places[value[0]], *value[1:]]
    return [_placed(item, places) for item in value]


def plain(value: Any) -> Any:
    """Return further arguments of `fit`, say, as JSON data.

    Arrays and long lists are described by a checksum, values without a JSON form by their type.
    """
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, (list, tuple)):
        items = [plain(item) for item in value]
        if len(items) <= _LONGEST_LIST:
            return items
        return {"length": len(items), "crc32": _checksum_of_text(items)}
    if isinstance(value, np.ndarray) and value.ndim:
        return _describe_array(value)
    if isinstance(value, str) and _CODE.fullmatch(value):
        return "code"
    try:
        return encode(value)
    except TypeError:
        return type(value).__name__


def _plain_mapping(value: Mapping[str, Any]) -> Any:
    """Leave out names, the places of classes, and options that are None.

    A new option of a later Keras is None by default, and must not make a difference.
    """
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    left_out = {"name", "module", "registered_name"} if "class_name" in value else {"name"}
    return {
        str(key): plain(item)
        for key, item in value.items()
        if key not in left_out and item is not None
    }


def _checksum_of_text(value: Any) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())
