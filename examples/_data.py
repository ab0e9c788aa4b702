"""Images for the examples: CIFAR-10 where it can be had, else scikit-learn's digits."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _download import DataError, download, first_line, import_tfds

NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class ImageData:
    """uint8 images and integer labels 0 to 9, in two splits.

    Attributes:
        name: What the data is.
        is_cifar10: Whether figures on it may stand beside the article's.
        why_not_cifar10: Why a fallback was taken, if it was.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    is_cifar10: bool = False
    why_not_cifar10: str = ""

    def sample(self, train_size: int, test_size: int) -> ImageData:
        """Return a random sample of both splits, the same one at every call."""
        train = _sample(len(self.x_train), train_size)
        test = _sample(len(self.x_test), test_size)
        return replace(
            self,
            x_train=self.x_train[train],
            y_train=self.y_train[train],
            x_test=self.x_test[test],
            y_test=self.y_test[test],
        )


def _sample(available: int, wanted: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(available)[:wanted])


def load(dataset: str = "auto", data_dir: str | None = None) -> ImageData:
    """Return a data set.

    Args:
        dataset: `"cifar10"`, `"digits"`, the path of an `.npz` file, or `"auto"`: CIFAR-10 if it
            is on disk or can be downloaded within ten minutes, else digits.
        data_dir: The TensorFlow Datasets folder; None takes TFDS_DATA_DIR, else its own default.

    Raises:
        DataError: If the data cannot be had. `"auto"` raises it only for CIFAR-10 that is on disk
            and cannot be read.
    """
    if dataset == "digits":
        return digits()
    if dataset not in ("auto", "cifar10"):
        return from_npz(Path(dataset))
    folder = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    folder = folder.expanduser()
    prepared = _prepared(folder)
    if prepared is None:
        try:
            download(folder)
        except DataError as error:
            if dataset == "auto":
                reason = f"it is not in {folder}, and {error}"
                return replace(digits(), why_not_cifar10=reason)
            raise DataError(
                f"CIFAR-10 is not in {folder}, and {error}. Give --data-dir a folder that holds a "
                "prepared cifar10, or --dataset a file of arrays (.npz), or --dataset digits."
            ) from error
        prepared = _prepared(folder)
        if prepared is None:
            raise DataError(f"TensorFlow Datasets left no cifar10 in {folder}")
    return _read_tfds(prepared)


def _prepared(folder: Path) -> Path | None:
    """Return the newest version of CIFAR-10 in a TensorFlow Datasets folder."""
    versions = [info.parent for info in (folder / "cifar10").glob("*/dataset_info.json")]
    return max(versions, key=_version, default=None)


def _version(folder: Path) -> list[int]:
    return [int(part) for part in folder.name.split(".") if part.isdigit()]


def _read_tfds(folder: Path) -> ImageData:
    tfds = import_tfds()
    import tensorflow as tf

    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # here it only reads files
    arrays: list[np.ndarray] = []
    try:
        json.loads((folder / "dataset_info.json").read_text("utf-8"))
        builder = tfds.builder_from_directory(str(folder))
        for split in ("train", "test"):
            rows = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
            arrays += [rows["image"], rows["label"]]
    except (tf.errors.OpError, OSError, ValueError, KeyError, AssertionError) as error:
        raise DataError(f"cannot read {folder}: {first_line(error)}") from error
    return _checked(f"CIFAR-10 (TFDS {folder.name})", arrays, origin=str(folder))


def digits() -> ImageData:
    """Return scikit-learn's 1,797 handwritten digits, 8×8 grey, enlarged to 32×32×3 uint8.

    Every pixel becomes 4×4. A fifth of each class, chosen once and for all, is the test split.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise DataError(
            'the digits need scikit-learn: pip install "kerasdecay[examples]"'
        ) from error

    small, labels = load_digits(return_X_y=True)
    pixels = np.rint(small.reshape(-1, 8, 8, 1) * (255 / 16)).astype("uint8")
    images = pixels.repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, random_state=0, stratify=labels
    )
    return ImageData("scikit-learn digits", x_train, y_train, x_test, y_test)


def from_npz(path: Path) -> ImageData:
    """Read x_train, y_train, x_test and y_test from an `.npz` file; needs no TensorFlow."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[key] for key in NPZ_KEYS]
    except KeyError as error:
        raise DataError(f"{path} must hold the arrays {', '.join(NPZ_KEYS)}: {error}") from error
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path} as .npz: {first_line(error)}") from error
    return _checked(path.name, arrays, origin=str(path))


def _checked(name: str, arrays: list[np.ndarray], origin: str) -> ImageData:
    """Return the arrays as data, if they are images and labels of ten classes."""
    x_train, y_train, x_test, y_test = arrays
    y_train, y_test = y_train.reshape(-1), y_test.reshape(-1)
    for split, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] != 3 or not len(x):
            raise DataError(
                f"{origin}: the {split} images must be uint8 of shape (n, height, width, 3). "
                f"Received: {x.dtype} {x.shape}"
            )
        if y.dtype.kind not in "iu" or len(y) != len(x) or y.min() < 0 or y.max() > 9:
            raise DataError(
                f"{origin}: the {split} labels must be {len(x)} integers from 0 to 9. "
                f"Received: {y.dtype} {y.shape}"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{origin}: the images of both splits must have one shape. "
            f"Received: {x_train.shape[1:]} and {x_test.shape[1:]}"
        )
    is_cifar10 = (
        x_train.shape[1:] == (32, 32, 3)
        and np.bincount(y_train, minlength=10).tolist() == [5000] * 10
        and np.bincount(y_test, minlength=10).tolist() == [1000] * 10
    )
    if is_cifar10 and "CIFAR-10" not in name:
        name = f"CIFAR-10 ({name})"
    return ImageData(name, x_train, y_train, x_test, y_test, is_cifar10)
