"""What TensorFlow does with a graph before it runs it, left out on request."""

from __future__ import annotations

import os


def leave_as_traced() -> None:
    """With GRAPPLER=off, have TensorFlow rewrite no graph.

    It rewrites each new one, which takes longer than the few steps that a test trains.
    """
    if os.environ["KERAS_BACKEND"] == "tensorflow" and os.environ.get("GRAPPLER") == "off":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
