"""The global random generators that a training uses: saved, and put back."""

from __future__ import annotations

import random
import sys

import numpy as np
from keras.src.backend.common import global_state

from kerasdecay.training.snapshot import copied

# The name under which Keras keeps the generator of unseeded random operations. There is no public
# access to it (Keras 3.12 to 3.15, `keras.src.random.seed_generator`).
_KERAS_GENERATOR = "global_seed_generator"


class RandomState:
    """The states of the random generators that all code of a process shares, as they are now.

    These are the generators of Python, NumPy and Keras, and, if they are loaded, of TensorFlow (the
    seeds of its operations, and `tf.random.get_global_generator()`) and of torch (on the CPU and on
    every CUDA device). JAX has none. The state of a TensorFlow operation with a seed of its own,
    inside a `tf.function` or a `tf.data` pipeline, cannot be read.

    Examples:
        >>> state = RandomState()
        >>> drawn = random.random()
        >>> state.restore()
        >>> random.random() == drawn
        True
    """

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy = np.random.get_state()  # noqa: NPY002 - the generator that users seed
        self._keras = global_state.get_global_attribute(_KERAS_GENERATOR)
        self._keras_state = None if self._keras is None else copied(self._keras.state)
        self._tensorflow = _TensorFlowState() if "tensorflow" in sys.modules else None
        self._torch = _TorchState() if "torch" in sys.modules else None

    def restore(self) -> None:
        """Put the generators back; may be called more than once."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        global_state.set_global_attribute(_KERAS_GENERATOR, self._keras)
        if self._keras is not None:
            self._keras.state.assign(self._keras_state)
        for part in (self._tensorflow, self._torch):
            if part is not None:
                part.restore()


class _TensorFlowState:
    """TensorFlow's generator of operation seeds, and its global generator if there is one."""

    def __init__(self) -> None:
        from tensorflow.python.eager import context
        from tensorflow.python.ops import stateful_random_ops

        self._context = context.context()
        self._seeds = getattr(self._context, "_rng", None)  # None until a seed was set
        self._seeds_state = None if self._seeds is None else self._seeds.getstate()
        self._generators = stateful_random_ops
        self._generator = getattr(stateful_random_ops, "global_generator", None)
        self._generator_state = None if self._generator is None else self._generator.state.numpy()

    def restore(self) -> None:
        if self._seeds is not None and self._seeds.getstate() != self._seeds_state:
            self._seeds.setstate(self._seeds_state)
            # Kernels made with seeds drawn since then would go on from where they are.
            self._context.clear_kernel_cache()
        if self._generator is not None:
            self._generator.state.assign(self._generator_state)
        self._generators.global_generator = self._generator


class _TorchState:
    """Torch's generators."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None

    def restore(self) -> None:
        self._torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            self._torch.cuda.set_rng_state_all(self._cuda)
