"""The same trainings over several devices: a script, for they must be set up before all else.

    python distributed.py mirrored | data-parallel

Prints, as JSON, the weights after the training with Keras' own schedule and with each engine.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import keras
from engines.trainings import PAIRS, built, fit, sgd, weights
from graphs import leave_as_traced

from kerasdecay import LearningRateDecay, OneCycleDecay
from kerasdecay.rules import Rescue
from kerasdecay.schedules import Constant, Linear


def scope_of(kind: str) -> Any:
    """Set the devices up; return the context in which models are to be built."""
    if kind == "data-parallel":
        devices = keras.distribution.list_devices()
        assert len(devices) == 2
        distribution = keras.distribution.DataParallel(devices=devices)
        keras.distribution.set_distribution(distribution)
        return contextlib.nullcontext()
    import tensorflow as tf

    # MultiWorkerMirroredStrategy is no case: in Keras 3.15 a plain `fit` under it fails already.
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    leave_as_traced()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    return strategy.scope()


def decaying() -> Any:
    """Return an optimizer that takes something from the weights themselves."""
    return keras.optimizers.AdamW(0.05, weight_decay=0.5)


def in_groups(schedule: Any) -> LearningRateDecay:
    """Return a decay that drives all that can be driven, by groups."""
    factors = {".*/first/.*": Linear(0.2, 0.1), ".*/second/kernel": 0.5}
    return LearningRateDecay(
        schedule, update="compiled", group_factors=factors, weight_decay="hold"
    )


def one_cycle() -> OneCycleDecay:
    """Return a decay that rescales each velocity with the rate."""
    return OneCycleDecay(0.05, momentum=(0.3, 0.9))


def watched() -> LearningRateDecay:
    """Return a decay that reads the metrics of each batch, and changes nothing."""
    return LearningRateDecay(Constant(0.05), rules=[Rescue()])


def averaged() -> LearningRateDecay:
    """Return a decay that leaves the mean of the weights."""
    return LearningRateDecay(Constant(0.05), average_last="50%")


def main() -> None:
    """Train with each."""
    scope = scope_of(sys.argv[1])
    schedule, reference = PAIRS["cosine"]
    found = {}
    with scope:
        trainings = {
            "keras": (built(sgd(reference())), []),
            "batch": (built(sgd(0.05)), [LearningRateDecay(schedule, update="batch")]),
            "compiled": (built(sgd(0.05)), [LearningRateDecay(schedule, update="compiled")]),
            "constant": (built(sgd(0.05)), []),
            "one-cycle": (built(sgd(0.05)), [one_cycle()]),
            "groups": (built(decaying()), [in_groups(schedule)]),
            "watched": (built(sgd(0.05)), [watched()]),
            "averaged": (built(sgd(0.05)), [averaged()]),
        }
    for name, (model, callbacks) in trainings.items():
        fit(model, callbacks)
        found[name] = weights(model).tolist()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
