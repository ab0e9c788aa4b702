"""Which decay, which rate? A search, and its winner against the article's power-step decay.

KerasTuner tries decays on a part of CIFAR-10, or on scikit-learn's digits, with the article's
network for images as they are (32×32). The best of them and the article's are then trained from
three seeds each. Trials are judged on validation images that are taken from the training split;
the test split is read once, at the end.

    pip install -e ".[examples,tuner]"
    python examples/tune_decay.py                      minutes on two CPU cores
    python examples/tune_decay.py --tuner hyperband    many short trials, few long ones
    python examples/tune_decay.py --data-dir DIR       CIFAR-10 from a TensorFlow Datasets folder
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _command_line import Parser, count, exit_code, seeds
from _errors import UsageError
from cifar10_alexnet import use_xla

if TYPE_CHECKING:
    from rich.console import Console

    from kerasdecay.study import Comparison
    from kerasdecay.tuner import SearchResult

SEED = 42  # not 0, which KerasTuner takes for "none"; seeds near each other overlap in it
VALIDATION_SHARE = 0.2
ARTICLE = "article: power-step from 0.1"
BATCH_SIZE = 32
METRICS = ("loss", "val_accuracy", "test_accuracy")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = Parser(
        prog="tune_decay.py",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--tuner", choices=("random", "bayesian", "hyperband"), default="random")
    add("--trials", type=count, default=12, metavar="N", help="default: 12; hyperband has its own")
    add("--epochs", type=count, default=8, metavar="N", help="of a whole training; default: 8")
    add(
        "--decays",
        metavar="NAME,NAME",
        type=_names,
        default="power_step,cosine,warmup_stable,plateau",
        help="default: %(default)s",
    )
    add(
        "--dataset", metavar="auto|cifar10|digits|FILE.npz", help="default: digits without a folder"
    )
    add("--data-dir", metavar="DIR", help="TensorFlow Datasets folder (else TFDS_DATA_DIR)")
    add("--train-size", type=count, default=2_500, metavar="N", help="a fifth of it validates")
    add("--test-size", type=count, default=1_000, metavar="N")
    add("--seeds", type=seeds, default=(0, 1, 2), metavar="0,1,2", help="of the comparison")
    add("--output", type=Path, default=Path("results-tuning"), metavar="DIR")
    add("--resume", action="store_true", help="go on with what --output holds")
    return parser.parse_args(arguments)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def run(arguments: argparse.Namespace) -> None:
    """Search, compare, show and write.

    Raises:
        UsageError: For everything that the user can put right.
    """
    import keras
    import numpy as np
    from _data import load
    from _networks import compiled_network
    from _tuning import DecaySearch, search
    from rich.console import Console

    from kerasdecay import PowerStepDecay
    from kerasdecay.study import OutputError, compare
    from kerasdecay.study.environment import device_name

    if arguments.epochs < 3:
        raise UsageError(
            "--epochs must be at least 3, one for each stage of the article's decay. Received: "
            f"{arguments.epochs}"
        )
    if (arguments.output / "search").exists() and not arguments.resume:
        raise UsageError(
            f"--output {arguments.output} holds a search: add --resume to go on with it, or name "
            "another folder"
        )
    folder = arguments.data_dir or os.environ.get("TFDS_DATA_DIR")
    data = load(arguments.dataset or ("auto" if folder else "digits"), folder)
    used = data.sample(arguments.train_size, arguments.test_size)
    validating = round(len(used.x_train) * VALIDATION_SHARE)
    order = np.random.default_rng(SEED).permutation(len(used.x_train))
    x, y = used.x_train[order], used.y_train[order]
    training = (x[validating:], y[validating:])
    validation = (x[:validating], y[:validating])
    jit_compile = use_xla("auto", keras.backend.backend(), device_name())

    def build_model(hp: Any = None) -> keras.Model:
        if hp is not None:
            keras.utils.set_random_seed(SEED)  # every trial starts from the same weights
        return compiled_network("native", jit_compile, image_shape=x.shape[1:])

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    console.print(
        f"[bold]{arguments.tuner} search[/] on {data.name}: {len(training[0]):,} images to train, "
        f"{len(validation[0]):,} to validate, {len(used.x_test):,} to test at the end"
    )
    tuner, best = search(
        DecaySearch(
            kind=arguments.tuner,
            trials=arguments.trials,
            epochs=arguments.epochs,
            batch_size=BATCH_SIZE,
            decays=arguments.decays,
            folder=arguments.output,
            seed=SEED,
        ),
        build_model,
        training,
        validation,
        tell=lambda line: console.print(f"  {line}"),
    )
    result = show_search(tuner, arguments.output, data.name, console)

    console.print(f"\n[bold]The best against the article's[/], seeds {list(arguments.seeds)} …")
    name = f"best: {result.best.decay} from {result.best.learning_rate:.3g}"
    try:
        comparison = compare(
            build_model,
            training,
            {ARTICLE: PowerStepDecay(0.1), name: best},
            epochs=arguments.epochs,
            seeds=arguments.seeds,
            batch_size=BATCH_SIZE,
            validation_data=validation,
            test_data=(used.x_test, used.y_test),
            output=arguments.output,
            resume=arguments.resume,
            verbose=0,
            metadata={"data": data.name},
        )
    except OutputError as error:
        raise UsageError(str(error)) from error
    console.print(comparison.table(metrics=METRICS))
    console.print(verdict(comparison, name))
    comparison.to_json(arguments.output / "results.json", {"search": result.to_dict()})
    with without_matplotlib(console):
        title = f"{data.name} · the best of {len(result.trials)} trials against the article's"
        comparison.plot(arguments.output / "curves.png", title=title, metrics=("accuracy", "loss"))
    console.print(f"\nWritten to {arguments.output}: search.json, results.json, pictures")


def show_search(tuner: Any, output: Path, data: str, console: Console) -> SearchResult:
    """Show the search on the data of this name and write it; return it."""
    from kerasdecay.tuner import search_result

    result = search_result(tuner)
    console.print()
    console.print(result.table())
    result.to_json(output / "search.json")
    with without_matplotlib(console):
        result.plot(output / "search.png", title=f"{data} · {len(result.trials)} trials")
    return result


@contextlib.contextmanager
def without_matplotlib(console: Console) -> Iterator[None]:
    """Go on without a picture where matplotlib is missing."""
    try:
        yield
    except ImportError as error:
        console.print(str(error), markup=False)


def verdict(comparison: Comparison, best: str) -> str:
    """Return the difference on the test images in a sentence."""
    scores = comparison.final("test_accuracy")
    gains = [ours - theirs for ours, theirs in zip(scores[best], scores[ARTICLE], strict=True)]
    text = f"test accuracy, {best} − article: {statistics.fmean(gains):+.4f}"
    if len(gains) > 1:
        text += f", by seed {', '.join(f'{gain:+.4f}' for gain in gains)}"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return the exit code: 2 for what the user can put right, 130 for Ctrl-C."""
    parsed = parse(arguments)
    return exit_code("tune_decay.py", lambda: run(parsed))


if __name__ == "__main__":
    sys.exit(main())
