"""Images a second: resizing on the host, as the article does, against resizing in the model.

The same network, weights, batches and process; the two ways take turns. The host way resizes each
image to 227×227 with tf.data and hands float32 images over, 618,348 bytes each; the model's way
hands over uint8 images as they are, 3,072 bytes each, and its first layers do the rest inside the
compiled step.

    python benchmarks/input_pipeline.py                  under five minutes on two CPU cores
    python benchmarks/input_pipeline.py --images 20000   with a GPU

The images are random: what they show has no influence on the speed.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"  # the article's way is tf.data
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import keras
import numpy as np
import tensorflow as tf
from _networks import build_network, compile_network
from cifar10_alexnet import use_xla
from rich.console import Console
from rich.table import Table

from kerasdecay._files import write_atomically
from kerasdecay._json import to_json
from kerasdecay.study.environment import device_name, environment

SIDE = 227
HOST, MODEL = "on the host (tf.data)", "in the model"


def host_dataset(images: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Return the article's input: each image resized on the host, in parallel, prefetched."""

    def prepare(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.image.resize(tf.cast(image, tf.float32) / 255, (SIDE, SIDE)), label

    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def bare_dataset(images: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Return the images as they are."""
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def seconds_of(action: Callable[[], object]) -> float:
    """Return the wall-clock seconds that an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(
    count: int, batch_size: int, rounds: int, jit_compile: bool
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return images a second of each way, one figure a round, the order changing each round.

    Returns:
        Those of the training, and those of the input alone, which no training can exceed.
    """
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = random.integers(0, 10, count)
    in_model = compile_network(build_network("article"), jit_compile)
    plain = build_network("article", image_shape=(SIDE, SIDE, 3), resize=False)
    plain.set_weights(in_model.get_weights())
    on_host = compile_network(plain, jit_compile)

    def train(way: str, n: int) -> None:
        if way == HOST:
            dataset = host_dataset(images[:n], labels[:n], batch_size)
            on_host.fit(dataset, shuffle=False, verbose=0)
        else:
            in_model.fit(images[:n], labels[:n], batch_size=batch_size, shuffle=False, verbose=0)

    def deliver(way: str) -> None:
        dataset = host_dataset if way == HOST else bare_dataset
        for _ in dataset(images, labels, batch_size):
            pass

    speeds: dict[str, list[float]] = {HOST: [], MODEL: []}
    inputs: dict[str, list[float]] = {HOST: [], MODEL: []}
    for way in speeds:
        train(way, batch_size)  # traces and compiles
    for number in range(rounds):
        ways = list(speeds) if number % 2 == 0 else list(reversed(speeds))
        for way in ways:
            speeds[way].append(count / seconds_of(functools.partial(train, way, count)))
            inputs[way].append(count / seconds_of(functools.partial(deliver, way)))
    return speeds, inputs


def summary(values: list[float]) -> dict[str, float]:
    """Return the median and the range."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--images", type=int, default=256, help="images a round (default: 256)")
    parser.add_argument("--batch-size", type=int, default=64, help="default: 64")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--xla", choices=("auto", "on", "off"), default="auto")
    default = Path(__file__).parent / "results" / "input_pipeline.json"
    parser.add_argument("--output", type=Path, default=default, help="the JSON file")
    options = parser.parse_args()
    if options.images % options.batch_size or min(options.batch_size, options.rounds) < 1:
        parser.error("--images must be a multiple of --batch-size, and both, and --rounds, >= 1")

    keras.utils.set_random_seed(0)
    jit_compile = use_xla(options.xla, "tensorflow", device_name())
    speeds, inputs = measure(options.images, options.batch_size, options.rounds, jit_compile)
    ratios = [ours / host for host, ours in zip(speeds[HOST], speeds[MODEL], strict=True)]
    machine = environment()

    table = Table(
        title=f"AlexNet at {SIDE}×{SIDE}, {options.rounds} rounds of {options.images} images, "
        f"batches of {options.batch_size}, XLA {'on' if jit_compile else 'off'}"
    )
    headings = ("resize", "images/s", "lowest to highest", "input alone", "bytes an image")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "resize" else "right")
    for way, size in ((HOST, 4 * SIDE * SIDE * 3), (MODEL, 32 * 32 * 3)):
        figures = summary(speeds[way])
        between = f"{figures['lowest']:,.1f} to {figures['highest']:,.1f}"
        alone = f"{statistics.median(inputs[way]):,.0f}"
        table.add_row(way, f"{figures['median']:,.1f}", between, alone, f"{size:,}")
    console = Console(highlight=False, width=100)
    console.print(table)
    ratio = summary(ratios)
    console.print(
        f"in the model / on the host: {ratio['median']:.2f} "
        f"(rounds from {ratio['lowest']:.2f} to {ratio['highest']:.2f}) on {machine['device']}, "
        f"{machine['cpu']}, {machine['cores']} cores"
    )
    result = {
        "command": f"python benchmarks/input_pipeline.py --images {options.images} "
        f"--batch-size {options.batch_size} --rounds {options.rounds} --xla {options.xla}",
        "machine": machine,
        "jit_compile": jit_compile,
        "n": options.rounds,
        "images_per_second": {
            way: {"rounds": speeds[way], **summary(speeds[way])} for way in speeds
        },
        "input_alone_images_per_second": {
            way: {"rounds": inputs[way], **summary(inputs[way])} for way in inputs
        },
        "ratio": {"rounds": ratios, **ratio},
    }
    console.print(f"Written: {write_atomically(options.output, to_json(result))}")


if __name__ == "__main__":
    main()
