"""Presets of the example: what is trained on how much data, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from _data import ImageData
from _errors import UsageError
from _networks import DESIGNS, check_image_size

# Images a second in training, measured with TensorFlow 2.21 on two CPU cores, at the design's own
# image size. Evaluation is about three times as fast.
CPU_IMAGES_PER_SECOND = {"article": 18, "native": 1000}

# Batch normalisation keeps 0.99 of its running averages at each step: with a few steps an epoch it
# would validate with averages of the untrained network until the end. Where the images are few,
# batches are halved until an epoch has this many steps.
BATCH_SIZE = 128
MIN_STEPS = 60
MIN_BATCH_SIZE = 16


@dataclass(frozen=True)
class Preset:
    """What a preset sets; None takes all images."""

    model: str
    cost: str
    train_size: int | None = None
    test_size: int | None = None
    epochs: int = 15


PRESETS = {
    "article": Preset("article", "minutes on a data-centre GPU, a day and a half on two CPU cores"),
    # 3 experiments × 15 epochs × (8,000 / 1,000 + 2,000 / 3,000) seconds = 390 s: that leaves a
    # fifth of eight minutes for compilation and for cores that are a little slower.
    "cpu": Preset("native", "under eight minutes on two CPU cores", 8_000, 2_000),
    "cpu-full": Preset("native", "about 15 minutes an experiment on two CPU cores"),
    "smoke": Preset("native", "seconds", 512, 256, epochs=3),
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides what is trained."""

    preset: str
    picked: bool
    model: str
    image_size: int
    train_size: int
    test_size: int
    epochs: int
    batch_size: int
    seeds: tuple[int, ...]
    experiments: tuple[int, ...]
    jit_compile: bool

    def minutes_on_two_cores(self) -> float:
        """Return about how long all experiments take on two CPU cores."""
        scale = (DESIGNS[self.model].image_size / self.image_size) ** 2
        speed = CPU_IMAGES_PER_SECOND[self.model] * scale
        epoch = self.train_size / speed + self.test_size / (3 * speed)
        return len(self.experiments) * len(self.seeds) * self.epochs * epoch / 60


def resolve(arguments: Any, data: ImageData, device: str, jit_compile: bool) -> Settings:
    """Fill in what the command line left open.

    Args:
        arguments: The parsed command line; None where a flag was not given.
        data: What there is to train on.
        device: `"CPU"`, or the accelerator's name: what `--preset auto` picks by.
        jit_compile: Whether XLA compiles the step.

    Raises:
        UsageError: For values that no training can be made of.
    """
    picked = arguments.preset == "auto"
    name = ("cpu" if device == "CPU" else "article") if picked else arguments.preset
    preset = PRESETS[name]
    model = arguments.model or preset.model
    image_size = arguments.image_size or DESIGNS[model].image_size
    try:
        check_image_size(model, image_size)
    except ValueError as error:
        raise UsageError(f"--image-size: {error}") from error
    epochs = arguments.epochs or preset.epochs
    if 3 in arguments.experiments and epochs < 3:
        raise UsageError(
            f"experiment 3 has three stages and needs --epochs of at least 3. Received: {epochs}. "
            "Leave it out with --experiments 1,2."
        )
    train_size = _size("train", arguments.train_size, preset.train_size, len(data.x_train))
    return Settings(
        preset=name,
        picked=picked,
        model=model,
        image_size=image_size,
        train_size=train_size,
        test_size=_size("test", arguments.test_size, preset.test_size, len(data.x_test)),
        epochs=epochs,
        batch_size=arguments.batch_size or fitting_batch_size(train_size),
        seeds=arguments.seeds,
        experiments=arguments.experiments,
        jit_compile=jit_compile,
    )


def _size(split: str, asked: int | None, preset: int | None, available: int) -> int:
    """Return how many images to take: as asked, else as the preset says, if there are so many."""
    if asked is not None and asked > available:
        raise UsageError(
            f"--{split}-size must be at most {available:,}, the images there are. Received: {asked}"
        )
    return asked or min(preset or available, available)


def fitting_batch_size(train_size: int) -> int:
    """Return 128, or less where the images are too few for `MIN_STEPS` steps of 128."""
    batch_size = BATCH_SIZE
    while batch_size > MIN_BATCH_SIZE and train_size // batch_size < MIN_STEPS:
        batch_size //= 2
    return batch_size
