"""Fine-tuning with a rate for each layer: a body trained on the digits 0 to 4, then on 5 to 9.

A small network learns scikit-learn's digits 0 to 4. Its body, under a new head, then learns the
digits 5 to 9 from few images: at one rate for all layers, at rates that fall from layer to layer,
and with the body frozen. All start from the same weights and see the same batches.

    pip install -e ".[examples]"
    python examples/fine_tuning.py                   half a minute on two CPU cores
    python examples/fine_tuning.py --images 100      with more images to fine-tune on
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from _command_line import Parser, count, seeds

TEST_IMAGES = 600
GAMMA = 0.5


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = Parser(
        prog="fine_tuning.py",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--images", type=count, default=40, metavar="N", help="default: 40")
    parser.add_argument("--epochs", type=count, default=15, metavar="N", help="default: 15")
    parser.add_argument("--seeds", type=seeds, default=(0, 1, 2, 3, 4), metavar="0,1,2")
    return parser.parse_args(arguments)


def digits(*, low: bool) -> tuple[Any, Any]:
    """Return the images of the digits 0 to 4, or of 5 to 9, and their labels from 0."""
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = (found.target < 5) == low
    images = found.images[chosen, :, :, None].astype("float32") / 16
    return images, found.target[chosen] % 5


def new_body() -> Any:
    """Return three layers that see, not compiled."""
    import keras

    layers = [keras.layers.Conv2D(16, 3, activation="relu", name=f"conv_{n}") for n in range(2)]
    dense = keras.layers.Dense(32, activation="relu", name="dense")
    return keras.Sequential(
        [keras.Input((8, 8, 1)), *layers, keras.layers.Flatten(), dense], name="body"
    )


def with_head(body: Any) -> Any:
    """Return a body under a new head, compiled."""
    import keras

    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Dense(5, name="head")(body(inputs)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    return model


def run(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Train and print; return the test accuracies of each way."""
    import keras
    import numpy as np

    from kerasdecay import CosineDecay, layerwise

    ways = {
        "one rate": lambda model: None,
        f"layer-wise, {GAMMA:g}": lambda model: layerwise(model, GAMMA),
        "frozen body": lambda model: {"body/": 0},
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for seed in arguments.seeds:
        keras.utils.set_random_seed(seed)
        body = new_body()
        first = with_head(body)
        first.fit(*digits(low=True), epochs=5, verbose=0, callbacks=[CosineDecay(0.003)])
        images, labels = digits(low=False)
        order = np.random.default_rng(seed).permutation(len(images))
        few, test = order[: arguments.images], order[-TEST_IMAGES:]
        learned = body.get_weights()
        head = with_head(body).get_layer("head").get_weights()
        for name, factors in ways.items():
            body.set_weights(learned)
            model = with_head(body)
            model.get_layer("head").set_weights(head)
            decay = CosineDecay(0.01, warmup="10%", group_factors=factors(model))
            keras.utils.set_random_seed(seed)
            model.fit(
                images[few],
                labels[few],
                batch_size=10,
                epochs=arguments.epochs,
                verbose=0,
                callbacks=[decay],
            )
            scores = model.evaluate(images[test], labels[test], verbose=0, return_dict=True)
            found[name].append(scores["accuracy"])
            if seed == arguments.seeds[0] and decay.trace.notes:
                print(decay.trace.notes[0])
    for name, accuracies in found.items():
        spread = f" ± {statistics.stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
        print(f"{name:18} {statistics.mean(accuracies):.3f}{spread} (n = {len(accuracies)})")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return the exit code."""
    run(parse(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
