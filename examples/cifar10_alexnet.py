"""Three learning rates, one network: 0.1, 0.001, and power-step decay from 0.1 to 0.001.

The experiments of a tutorial on learning-rate decay (iThome, 2021-09-16): a modified AlexNet on
CIFAR-10 with plain SGD. One call of `kerasdecay.study.compare` trains all three; the rest of this
file chooses what to train on, and shows what came of it.

    python examples/cifar10_alexnet.py                    what suits this machine
    python examples/cifar10_alexnet.py --preset article   as in the article: 227×227, all images
    python examples/cifar10_alexnet.py --preset smoke     seconds
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from _command_line import Parser, count, exit_code, numbers, seeds
from _errors import UsageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before a framework is imported

EXPERIMENTS = (1, 2, 3)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings; None where a flag was not given."""
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = Parser(
        prog="cifar10_alexnet.py",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    presets = ("auto", "article", "cpu", "cpu-full", "smoke")
    add("--preset", choices=presets, default="auto", help="auto: article on a GPU, else cpu")
    add("--model", choices=("article", "native"), help="227×227 as in the article, or 32×32")
    add("--image-size", type=count, metavar="N", help="side to resize the images to")
    add("--train-size", type=count, metavar="N", help="training images to use")
    add("--test-size", type=count, metavar="N", help="test images to use")
    add("--epochs", type=count, metavar="N")
    add("--batch-size", type=count, metavar="N")
    add("--seeds", type=seeds, default=(0,), metavar="0,1,2", help="default: 0")
    add("--experiments", type=_experiments, default=EXPERIMENTS, metavar="1,2,3")
    add(
        "--xla",
        choices=("auto", "on", "off"),
        default="auto",
        help="compile the step with XLA; auto: on with a GPU, off on a CPU (JAX: always on)",
    )
    add(
        "--dataset",
        default="auto",
        metavar="auto|cifar10|digits|FILE.npz",
        help="auto: CIFAR-10, or scikit-learn's digits where it cannot be had",
    )
    add("--data-dir", metavar="DIR", help="TensorFlow Datasets folder (else TFDS_DATA_DIR)")
    add("--data-note", default="", metavar="TEXT", help='about this copy, e.g. "JPEG copy"')
    add("--output", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    add("--resume", action="store_true", help="go on with the finished runs in --output")
    parsed = parser.parse_args(arguments)
    if parsed.dataset not in ("auto", "cifar10", "digits") and not parsed.dataset.endswith(".npz"):
        parser.error(
            "--dataset must be auto, cifar10, digits or the name of an .npz file. "
            f"Received: {parsed.dataset}"
        )
    return parsed


def _experiments(text: str) -> tuple[int, ...]:
    found = numbers(text, allowed := "some of 1,2,3")
    if not set(found) <= set(EXPERIMENTS):
        raise argparse.ArgumentTypeError(f"must be {allowed}. Received: {text}")
    return tuple(sorted(found))


def use_xla(choice: str, backend: str, device: str) -> bool:
    """Return `jit_compile`. On a CPU, TensorFlow's own kernels are about twice as fast as XLA."""
    if choice != "auto":
        return choice == "on"
    return backend == "jax" or (backend == "tensorflow" and device != "CPU")


def run(arguments: argparse.Namespace) -> None:
    """Train the experiments, show the table and the claims, and write the files.

    Raises:
        UsageError: For everything that the user can put right; nothing has been trained then.
    """
    import keras
    from _claims import ARMS
    from _data import load
    from _networks import compiled_network
    from _presets import resolve
    from _showing import Report

    from kerasdecay import PowerStepDecay
    from kerasdecay.study import OutputError, compare
    from kerasdecay.study.environment import device_name

    data = load(arguments.dataset, arguments.data_dir)
    device = device_name()
    jit_compile = use_xla(arguments.xla, keras.backend.backend(), device)
    settings = resolve(arguments, data, device, jit_compile)
    _check_output(arguments.output, arguments.resume)

    build_model = functools.partial(
        compiled_network,
        settings.model,
        settings.jit_compile,
        image_size=settings.image_size,
        image_shape=data.x_train.shape[1:],
    )
    rates = {1: 0.1, 2: 0.001, 3: PowerStepDecay(0.1)}
    report = Report(settings, data, note=arguments.data_note, command=_command(arguments))
    report.header(parameters=build_model().count_params())
    used = data.sample(settings.train_size, settings.test_size)
    try:
        comparison = compare(
            build_model,
            (used.x_train, used.y_train),
            {ARMS[number]: rates[number] for number in settings.experiments},
            epochs=settings.epochs,
            seeds=settings.seeds,
            batch_size=settings.batch_size,
            validation_data=(used.x_test, used.y_test),
            output=arguments.output,
            resume=arguments.resume,
            metadata=report.setup(),
        )
    except OutputError as error:
        raise UsageError(str(error)) from error
    report.result(comparison, files=report.write(comparison, arguments.output))


def _check_output(output: Path, resume: bool) -> None:
    """Make the folder; refuse one that cannot be written to, or whose runs would be in the way."""
    from kerasdecay.records.run import run_files

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output must be a folder ({error})") from error
    if not os.access(output, os.W_OK):
        raise UsageError(f"--output {output} cannot be written to")
    if run_files(output) and not resume:
        raise UsageError(
            f"--output {output} holds finished runs: add --resume to go on with them, or name "
            "another folder"
        )


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that trains this again, without folders of this machine."""
    parts = ["python examples/cifar10_alexnet.py"]
    defaults = vars(parse([]))
    for name, value in vars(arguments).items():
        if name in ("data_dir", "output", "resume") or value == defaults[name]:
            continue
        text = Path(value).name if name == "dataset" else value
        text = ",".join(map(str, value)) if isinstance(value, tuple) else text
        parts.append(f"--{name.replace('_', '-')} {shlex.quote(str(text))}")
    return " ".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return the exit code: 2 for what the user can put right, 130 for Ctrl-C."""
    parsed = parse(arguments)
    return exit_code("cifar10_alexnet.py", lambda: run(parsed))


if __name__ == "__main__":
    sys.exit(main())
