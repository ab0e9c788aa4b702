"""The article's modified AlexNet, and the same network for images that stay at 32×32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

CLASSES = 10


@dataclass(frozen=True)
class Design:
    """Four blocks of Conv2D → BatchNormalization → ReLU → MaxPooling2D, then the dense layers.

    Attributes:
        blocks: Filters, kernel side and padding of each block's convolution.
        pool: Side and stride of the pooling.
        image_size: The side that images are resized to.
        smallest: The smallest side for which every layer has an output.
    """

    blocks: tuple[tuple[int, int, str], ...]
    pool: int
    image_size: int
    smallest: int


DESIGNS = {
    # The article's `alexnet_modify`: 266,410 parameters, 265,514 of them trainable.
    "article": Design(
        blocks=((32, 11, "valid"), (64, 7, "valid"), (96, 3, "valid"), (64, 3, "same")),
        pool=3,
        image_size=227,
        smallest=127,
    ),
    # The same blocks and channels, with kernels and pooling that suit the images as they are.
    "native": Design(
        blocks=((32, 5, "same"), (64, 3, "same"), (96, 3, "same"), (64, 3, "same")),
        pool=2,
        image_size=32,
        smallest=16,
    ),
}


def build_network(
    name: str,
    *,
    image_size: int | None = None,
    image_shape: tuple[int, int, int] = (32, 32, 3),
    resize: bool = True,
) -> keras.Model:
    """Return the network, not compiled: uint8 images in, the logits of ten classes out.

    Pixels × 1/255 and the bilinear resize are its first layers, so that they run on the
    accelerator inside the compiled step, and images cross to it as 3 KB each.

    Args:
        name: `"article"` or `"native"`.
        image_size: The side to resize to; None is the design's own.
        image_shape: The shape of the images that come in.
        resize: False leaves both layers out, for a caller who prepares float images by himself.

    Raises:
        ValueError: If `image_size` is so small that a layer would have no output.
    """
    design = DESIGNS[name]
    size = design.image_size if image_size is None else image_size
    check_image_size(name, size)
    inputs = keras.Input(image_shape, dtype="uint8" if resize else "float32", name="images")
    x = inputs
    if resize:
        x = layers.Rescaling(1 / 255, name="pixels_to_unit")(x)
        x = layers.Resizing(size, size, interpolation="bilinear", name="resize")(x)
    for filters, kernel, padding in design.blocks:
        x = layers.Conv2D(filters, kernel, padding=padding)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(design.pool, strides=design.pool)(x)
    x = layers.Flatten()(x)
    for units in (128, 64):
        x = layers.Dense(units)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x), name=f"{name}_alexnet")


def check_image_size(name: str, size: int) -> None:
    """Raise a `ValueError` if images of this side are too small for the design."""
    smallest = DESIGNS[name].smallest
    if size < smallest:
        raise ValueError(
            f"the {name} model needs an image size of at least {smallest}: below that its last "
            f"pooling has no output. Received: {size}."
        )


def compile_network(model: keras.Model, jit_compile: bool) -> keras.Model:
    """Compile as the article does: plain SGD, cross-entropy of logits, accuracy."""
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=jit_compile,
    )
    return model


def compiled_network(name: str, jit_compile: bool, **options: Any) -> keras.Model:
    """Return the network, compiled; `options` are those of `build_network`."""
    return compile_network(build_network(name, **options), jit_compile)
