"""A GAN whose two optimizers each have a schedule: points on a noisy ring.

The discriminator begins at four times the generator's rate, and both come down by a cosine.
`LearningRateDecay(optimizers={…})` steers optimizers by the names of the model's attributes; the
history then holds `learning_rate_d_optimizer` and `learning_rate_g_optimizer`.

    pip install -e ".[examples]"
    python examples/gan.py                    half a minute on two CPU cores
    python examples/gan.py --constant         the same rates, never lowered

On this easy task both end alike: the example shows how it is written, not what is gained.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from _command_line import Parser, count

RADIUS, SPREAD, SECTORS = 2.0, 0.1, 36
NOISE = 16
BATCH_SIZE = 128
RATES = {"d_optimizer": 2e-3, "g_optimizer": 5e-4}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = Parser(
        prog="gan.py",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--epochs", type=count, default=30, metavar="N", help="default: 30")
    parser.add_argument("--steps", type=count, default=100, metavar="N", help="of an epoch")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--constant", action="store_true", help="leave the rates where they begin")
    return parser.parse_args(arguments)


def build() -> Any:
    """Return the GAN, compiled with its two optimizers."""
    import keras
    import tensorflow as tf

    def network(inputs: int, outputs: int) -> Any:
        hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
        return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(outputs)])

    class GAN(keras.Model):  # type: ignore[misc]
        """A generator and a discriminator, and an optimizer for each."""

        def __init__(self) -> None:
            super().__init__()
            self.generator, self.discriminator = network(NOISE, 2), network(2, 1)

        def call(self, noise: Any) -> Any:
            return self.generator(noise)

        def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
            super().compile()
            self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

        def train_step(self, points: Any) -> dict[str, Any]:
            """Let the discriminator learn once, then the generator."""
            loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
            noise = tf.random.normal((tf.shape(points)[0], NOISE))
            with tf.GradientTape(persistent=True) as tape:
                real, made = self.discriminator(points), self.discriminator(self.generator(noise))
                d_loss = loss_of(tf.ones_like(real), real) + loss_of(tf.zeros_like(made), made)
                g_loss = loss_of(tf.ones_like(made), made)
            for optimizer, part, loss in (
                (self.d_optimizer, self.discriminator, d_loss),
                (self.g_optimizer, self.generator, g_loss),
            ):
                weights = part.trainable_variables
                optimizer.apply(tape.gradient(loss, weights), weights)
            return {"d_loss": d_loss, "g_loss": g_loss}

    gan = GAN()
    gan.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for rate in RATES.values()))
    return gan


def ring(generator: Any, count: int) -> Any:
    """Return points whose distance from the origin is normal, in all directions alike."""
    import numpy as np

    angles = generator.uniform(0, 2 * np.pi, count)
    radii = generator.normal(RADIUS, SPREAD, count)
    return (radii * np.stack([np.cos(angles), np.sin(angles)])).T.astype("float32")


def quality(points: Any) -> tuple[float, float]:
    """Return the share of points within 3 standard deviations, and of the sectors they meet."""
    import numpy as np

    is_near = np.abs(np.linalg.norm(points, axis=1) - RADIUS) < 3 * SPREAD
    angles = np.arctan2(points[is_near, 1], points[is_near, 0])
    sectors = np.unique(np.floor(angles / (2 * np.pi) * SECTORS))
    return float(is_near.mean()), len(sectors) / SECTORS


def run(arguments: argparse.Namespace) -> Any:
    """Train, and print what was learnt; return the history."""
    # The model's own step is a GradientTape's. Keras takes its backend when it is imported.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np

    from kerasdecay import LearningRateDecay
    from kerasdecay.schedules import Constant, Cosine

    keras.utils.set_random_seed(arguments.seed)
    generator = np.random.default_rng(arguments.seed)

    shape = Constant if arguments.constant else Cosine
    decay = LearningRateDecay(
        optimizers={name: shape(rate) for name, rate in RATES.items()}, verbose=1
    )
    gan = build()
    history = gan.fit(
        ring(generator, arguments.steps * BATCH_SIZE),
        batch_size=BATCH_SIZE,
        epochs=arguments.epochs,
        callbacks=[decay],
        verbose=0,
    ).history
    made = gan.generator.predict(generator.normal(size=(2000, NOISE)), verbose=0)
    near, met = quality(made)
    print(f"{near:.1%} of the points within 3 standard deviations of the ring, {met:.0%} of it met")
    return history


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return the exit code."""
    run(parse(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
