"""The example: the article's network to the last parameter, its data, its claims, its errors."""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
import urllib.error
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasdecay import PowerStepDecay
from kerasdecay.study import Comparison, Run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
claims, data, downloads, networks, presets, showing, example = map(
    importlib.import_module,
    ("_claims", "_data", "_download", "_networks", "_presets", "_showing", "cifar10_alexnet"),
)

TFDS = Path(os.environ.get("TFDS_DATA_DIR", "no such folder"))
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
_random = np.random.default_rng(0)


def random_images(count, side=32):
    return _random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def images():
    """Return CIFAR-10 where TFDS_DATA_DIR has it, else digits."""
    if ON_TENSORFLOW and (TFDS / "cifar10").is_dir():
        return data.load("cifar10")
    return data.digits()


# -------------------------------------------------------------------------------- the network


def test_article_network_has_the_articles_parameters():
    model = networks.build_network("article")
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert (model.count_params(), trainable) == (266_410, 265_514)


def test_article_network_has_the_articles_shapes():
    shapes = [
        (type(layer).__name__, layer.output.shape[1:])
        for layer in networks.build_network("article").layers
    ]
    assert shapes[:3] == [
        ("InputLayer", (32, 32, 3)),
        ("Rescaling", (32, 32, 3)),
        ("Resizing", (227, 227, 3)),
    ]
    sides = {
        kind: [shape[0] for name, shape in shapes if name == kind]
        for kind in ("Conv2D", "MaxPooling2D")
    }
    assert sides == {"Conv2D": [217, 66, 20, 6], "MaxPooling2D": [72, 22, 6, 2]}
    assert [shape[2] for name, shape in shapes if name == "Conv2D"] == [32, 64, 96, 64]
    assert [shape[0] for name, shape in shapes if name in ("Flatten", "Dense")] == [
        256,
        128,
        64,
        10,
    ]


def test_native_network_keeps_blocks_and_channels():
    model = networks.build_network("native")
    kernels = [layer.kernel.shape for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert kernels == [(5, 5, 3, 32), (3, 3, 32, 64), (3, 3, 64, 96), (3, 3, 96, 64)]
    assert model.count_params() == 175_274
    pooled = [layer for layer in model.layers if "Pooling" in type(layer).__name__]
    assert [layer.output.shape[1] for layer in pooled] == [16, 8, 4, 2]


@pytest.mark.parametrize(("name", "smallest"), [("article", 127), ("native", 16)])
def test_the_smallest_image_has_an_output_and_the_next_has_none(name, smallest):
    assert networks.build_network(name, image_size=smallest).output.shape == (None, 10)
    with pytest.raises(ValueError, match=f"at least {smallest}.*Received: {smallest - 1}"):
        networks.build_network(name, image_size=smallest - 1)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="the article resizes with TensorFlow")
def test_the_first_layers_do_what_the_article_does_on_the_host():
    import tensorflow as tf

    images = random_images(2)
    model = networks.build_network("article")
    prepare = keras.Model(model.input, model.get_layer("resize").output)
    expected = tf.image.resize(images.astype("float32") / 255, (227, 227))
    np.testing.assert_allclose(prepare(images), expected, atol=1e-5)
    assert model.input.dtype == "uint8"


def test_it_is_compiled_as_the_article_does():
    model = networks.compiled_network("native", False)
    assert type(model.optimizer) is keras.optimizers.SGD
    config = model.optimizer.get_config()
    assert (config["momentum"], config["weight_decay"], config["nesterov"]) == (0.0, None, False)
    assert model.loss.get_config()["from_logits"] is True
    assert model.jit_compile is False
    # Logits, not probabilities: no softmax at the end.
    assert model.layers[-1].activation is keras.activations.linear


def test_the_articles_network_trains_at_227(images):
    sample = images.sample(8, 4)
    model = networks.compiled_network("article", False)
    before = [np.array(weight) for weight in model.get_weights()]
    history = model.fit(
        sample.x_train,
        sample.y_train,
        batch_size=4,
        epochs=3,
        callbacks=[PowerStepDecay(0.1)],
        verbose=0,
    ).history
    assert all(map(math.isfinite, history["loss"]))
    assert history["learning_rate"] == pytest.approx([0.1, 0.01, 0.001])
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(changed)
    assert model.predict(sample.x_test, verbose=0).shape == (4, 10)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="counts TensorFlow's traces")
@pytest.mark.parametrize("rates", ["fixed", "power-step"])
def test_a_change_of_rate_never_retraces_with_xla(rates):
    inputs = keras.Input((4, 4, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = networks.compile_network(keras.Model(inputs, keras.layers.Dense(10)(x)), True)
    traces = []
    step = model.train_step

    def counted(batch):
        traces.append(batch)
        return step(batch)

    model.train_step = counted
    history = model.fit(
        random_images(16, 4),
        np.arange(16) % 10,
        batch_size=4,
        epochs=6,
        callbacks=[PowerStepDecay(0.1)] if rates == "power-step" else [],
        verbose=0,
    ).history
    assert model.jit_compile is True
    assert len(traces) == 1
    if rates == "power-step":
        assert len(set(history["learning_rate"])) == 3


@pytest.mark.parametrize(
    ("choice", "backend", "device", "expected"),
    [
        ("auto", "tensorflow", "CPU", False),
        ("auto", "tensorflow", "some GPU", True),
        ("auto", "jax", "CPU", True),
        ("auto", "torch", "some GPU", False),
        ("on", "tensorflow", "CPU", True),
        ("off", "tensorflow", "some GPU", False),
    ],
)
def test_xla(choice, backend, device, expected):
    assert example.use_xla(choice, backend, device) is expected


# ----------------------------------------------------------------------------------- the data


def test_digits_are_the_pictures_of_scikit_learn_enlarged():
    from sklearn.datasets import load_digits

    found = data.digits()
    assert (found.x_train.shape, found.x_test.shape) == ((1437, 32, 32, 3), (360, 32, 32, 3))
    assert found.x_train.dtype == np.uint8 and not found.is_cifar10
    small = np.concatenate([found.x_train, found.x_test])[:, ::4, ::4, 0]
    as_sets = [
        sorted(map(bytes, np.rint(block).astype("uint8").reshape(len(block), -1)))
        for block in (small, load_digits().data * (255 / 16))
    ]
    assert as_sets[0] == as_sets[1]
    assert np.bincount(found.y_test).min() >= 34  # a fifth of each class
    assert (found.x_train[:, 0, 0] == found.x_train[:, 3, 3]).all()


def test_a_sample_is_the_same_at_every_call():
    one, other = data.digits().sample(50, 20), data.digits().sample(50, 20)
    assert (one.x_train.shape[0], one.x_test.shape[0]) == (50, 20)
    np.testing.assert_array_equal(one.x_train, other.x_train)
    np.testing.assert_array_equal(one.y_test, other.y_test)
    assert len(set(one.y_train.tolist())) == 10


@pytest.mark.skipif(not (TFDS / "cifar10").is_dir(), reason="no CIFAR-10 in TFDS_DATA_DIR")
def test_cifar10_is_whole(images):
    assert images.is_cifar10 and images.name.startswith("CIFAR-10 (TFDS ")
    assert images.x_train.shape == (50_000, 32, 32, 3)
    assert np.bincount(images.y_test).tolist() == [1000] * 10


def npz(path, **arrays):
    whole = {
        "x_train": random_images(20),
        "y_train": np.arange(20) % 10,
        "x_test": random_images(10),
        "y_test": (np.arange(10) % 10)[:, None],
        **arrays,
    }
    np.savez(path, **{name: array for name, array in whole.items() if array is not None})
    return path


def test_a_file_of_arrays_needs_no_tensorflow(tmp_path):
    path = npz(tmp_path / "images.npz")
    code = (
        "import sys; sys.modules['tensorflow'] = None; import _data; "
        f"found = _data.load({str(path)!r}); print(found.name, found.y_test.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLES, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "images.npz (10,)"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y_test": None}, "must hold the arrays x_train, y_train, x_test, y_test"),
        ({"x_train": random_images(20).astype("float32")}, "must be uint8.*float32"),
        ({"x_test": random_images(10)[..., 0]}, r"must be uint8 of shape.*\(10, 32, 32\)"),
        ({"x_test": random_images(10, 16)}, r"one shape. Received: \(32, 32, 3\) and \(16"),
        ({"y_train": np.arange(20)}, "20 integers from 0 to 9"),
        ({"y_train": np.arange(7)}, r"20 integers from 0 to 9. Received: int64 \(7,\)"),
        ({"y_train": np.zeros(20)}, "20 integers from 0 to 9. Received: float64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, message):
    with pytest.raises(data.DataError, match=message):
        data.load(str(npz(tmp_path / "images.npz", **arrays)))


def test_arrays_with_cifar10s_counts_are_taken_for_it(tmp_path):
    path = npz(
        tmp_path / "c.npz",
        x_train=np.zeros((50_000, 32, 32, 3), np.uint8),
        y_train=np.arange(50_000) % 10,
        x_test=np.zeros((10_000, 32, 32, 3), np.uint8),
        y_test=np.arange(10_000) % 10,
    )
    found = data.load(str(path))
    assert found.is_cifar10 and found.name == "CIFAR-10 (c.npz)"


def unreachable(*_, **__):
    raise urllib.error.URLError("no route")


def test_auto_falls_back_to_digits_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "import_tfds", lambda: None)
    monkeypatch.setattr(downloads.urllib.request, "urlopen", unreachable)
    found = data.load("auto", str(tmp_path))
    assert found.name == "scikit-learn digits"
    assert "its server cannot be reached (<urlopen error no route>)" in found.why_not_cifar10
    with pytest.raises(data.DataError, match=r"CIFAR-10 is not in .*cannot be reached.*--data-dir"):
        data.load("cifar10", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_download_that_would_take_too_long_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "import_tfds", lambda: None)
    monkeypatch.setattr(downloads, "_bytes_per_second", lambda: downloads.CIFAR10_BYTES / 3600)
    monkeypatch.setattr(downloads.subprocess, "run", unreachable)
    found = data.load("auto", str(tmp_path))
    assert "about 60 minutes (limit: 10)" in found.why_not_cifar10


def test_without_tensorflow_datasets_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    found = data.load("auto", str(tmp_path))
    assert 'pip install "kerasdecay[examples]"' in found.why_not_cifar10


@pytest.mark.skipif(not ON_TENSORFLOW, reason="reads TFRecord files")
def test_a_broken_folder_is_an_error_even_for_auto(tmp_path):
    folder = tmp_path / "cifar10" / "3.0.2"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(data.DataError, match=r"cannot read .*3\.0\.2"):
        data.load("auto", str(tmp_path))


# -------------------------------------------------------------------------------- the presets


def settings(*arguments, device="CPU", images=None):
    found = images or Sizes(50_000, 10_000)
    return presets.resolve(example.parse(arguments), found, device, jit_compile=False)


class Sizes:
    def __init__(self, train, test):
        self.x_train, self.x_test = range(train), range(test)


def test_auto_picks_by_device():
    here, there = settings(), settings(device="some GPU")
    assert (here.preset, here.model, here.image_size) == ("cpu", "native", 32)
    assert (there.preset, there.model, there.image_size) == ("article", "article", 227)
    assert (there.train_size, there.test_size) == (50_000, 10_000)
    assert (there.epochs, there.batch_size, there.seeds) == (15, 128, (0,))


def test_the_cpu_preset_ends_within_eight_minutes_on_two_cores():
    preset = settings("--preset", "cpu")
    seconds = 3 * preset.epochs * (preset.train_size / 1000 + preset.test_size / 3000)
    assert 6 * 60 <= seconds <= 8 * 60
    assert preset.minutes_on_two_cores() == pytest.approx(seconds / 60)
    assert (preset.epochs, preset.batch_size) == (15, 128)


def test_every_part_can_be_overridden():
    found = settings(
        *("--preset", "smoke", "--model", "article", "--image-size", "130"),
        *("--train-size", "64", "--test-size", "32", "--epochs", "4", "--batch-size", "8"),
        *("--seeds", "3,1", "--experiments", "3,1"),
    )
    assert (found.model, found.image_size, found.train_size, found.test_size) == (
        "article", 130, 64, 32,
    )  # fmt: skip
    assert (found.epochs, found.batch_size) == (4, 8)
    assert (found.seeds, found.experiments) == ((3, 1), (1, 3))


def test_few_images_get_small_batches_unless_told_otherwise():
    digits = Sizes(1437, 360)
    assert settings(images=digits).batch_size == 16
    assert settings("--batch-size", "128", images=digits).batch_size == 128
    assert [presets.fitting_batch_size(n) for n in (100, 2_000, 8_000, 50_000)] == [
        16,
        32,
        128,
        128,
    ]


# --------------------------------------------------------------------------------- the claims


def curves(one, two, three):
    arms = zip(claims.ARMS.values(), (one, two, three), strict=True)
    return Comparison(tuple(Run(arm, 0, len(c), {"val_accuracy": c}, 1.0, 1.0) for arm, c in arms))


SWINGING = [0.3, 0.4, 0.5, 0.6, 0.7, 0.6, 0.7, 0.6, 0.7]
SLOW = [0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
DECAYED = [0.3, 0.5, 0.6, 0.78, 0.79, 0.8, 0.8, 0.8, 0.8]


def verdicts(*of):
    return [claim.holds for claim in claims.check_claims(curves(*of))]


def test_claims_hold_where_they_should():
    assert verdicts(SWINGING, SLOW, DECAYED) == [True, True, True]
    assert verdicts(SLOW, SLOW, DECAYED)[0] is False  # 1 does not swing
    assert verdicts(SWINGING, [value + 0.3 for value in SLOW], DECAYED)[1] is False  # 2 ends higher
    assert verdicts(SWINGING, SLOW, [value / 2 for value in DECAYED])[2] is False  # 3 ends lower
    late = [0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert verdicts(SWINGING, SLOW, late)[2] is False  # progress until the end


def test_claims_carry_their_numbers():
    c = claims.check_claims(curves(SWINGING, SLOW, DECAYED))[2]
    assert [text for text, _ in c.parts] == [
        "3 ends highest: 0.8000 against 0.7000",
        "3 is steadier than 1: 0.0055 against 0.1095",
        "3 gains little after epoch 4 (under a tenth of the rise): +0.0200 of +0.5000",
    ]


def test_claims_that_cannot_be_checked_are_not():
    assert verdicts(SWINGING[:5], SLOW[:5], DECAYED[:5]) == [None] * 3
    two = Comparison(curves(SWINGING, SLOW, DECAYED).runs[:2])
    assert [claim.holds for claim in claims.check_claims(two)] == [None] * 3


# -------------------------------------------------------------------------- from end to end

TINY = ["--preset", "smoke", "--train-size", "48", "--test-size", "20", "--batch-size", "16"]


def test_from_end_to_end_on_digits(tmp_path, capsys, monkeypatch, titles):
    def no_network(folder):
        raise data.DataError("there is no network")

    monkeypatch.setattr(data, "download", no_network)
    output = tmp_path / "out"
    arguments = [*TINY, "--data-dir", str(tmp_path), "--output", str(output)]
    assert example.main(arguments) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out and err == ""
    assert "instead of CIFAR-10" in out and "there is no network" in out
    assert "scikit-learn digits: 48 training and 20 test images" in out
    assert "48 of 1,437 training images, a random sample" in out
    assert "3 epochs instead of 15" in out
    assert "█▅▁  0.1 → 0.01 → 0.001" in out
    assert "0.3053" not in out and "figures mean nothing and are left out" in out
    assert "claims are about CIFAR-10. Other images cannot judge them." in out
    assert "holds" not in out

    assert sorted(path.name for path in output.iterdir()) == [
        "curves.png", "history.csv", "results.json", "runs",
    ]  # fmt: skip
    assert titles == {
        "curves.png": "scikit-learn digits · 48 training and 20 test images · AlexNet at 32×32"
    }
    text = (output / "results.json").read_text("utf-8")
    found = json.loads(text, parse_constant=pytest.fail)
    assert str(tmp_path) not in text
    assert found["command"] == f"python examples/cifar10_alexnet.py {' '.join(TINY)}"
    assert found["setup"]["batch_size"] == 16 and found["setup"]["data"] == "scikit-learn digits"
    assert found["article"] is None and found["claims"] == []
    assert found["machine"]["backend"] == keras.backend.backend()
    assert [run["history"]["learning_rate"] for run in found["runs"]] == [
        [0.1] * 3, [0.001] * 3, [0.1, 0.01, 0.001],
    ]  # fmt: skip
    assert len((output / "history.csv").read_text("utf-8").splitlines()) == 1 + 9

    assert example.main(arguments) == 2
    assert "add --resume" in capsys.readouterr().err
    assert example.main([*arguments, "--resume"]) == 0
    assert "3 of 3 runs were finished before" in capsys.readouterr().out
    assert example.main([*arguments, "--resume", "--epochs", "4"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "epochs 3 → 4" in error


@pytest.mark.any_backend
def test_from_end_to_end_on_a_file_of_arrays(tmp_path, capsys, titles):
    path = npz(tmp_path / "images.npz")
    arguments = f"--preset smoke --experiments 3 --dataset {path} --output {tmp_path / 'o'}".split()
    assert example.main(arguments) == 0
    assert "images.npz · 20 training and 10 test images" in capsys.readouterr().out
    assert (tmp_path / "o" / "curves.png").exists()
    assert titles["curves.png"].startswith("images.npz · 20 training and 10 test images · ")
    found = json.loads((tmp_path / "o" / "results.json").read_text("utf-8"))
    assert found["command"].endswith("--preset smoke --experiments 3 --dataset images.npz")


def test_on_cifar10_the_articles_figures_stand_beside_ours(capsys, tmp_path, titles):
    labelled = data.ImageData("CIFAR-10", *([np.zeros((4, 32, 32, 3))] * 4), is_cifar10=True)
    report = showing.Report(settings("--preset", "cpu"), labelled, "JPEG copy", "command")
    runs = [
        Run(arm, 0, 6, dict.fromkeys((*showing.METRICS, "learning_rate"), [0.5] * 6), 1.0, 1.0)
        for arm in claims.ARMS.values()
    ]
    report.result(Comparison(tuple(runs)), files=[])
    out = capsys.readouterr().out
    assert out.count("article   ") == 3
    for figures in claims.ARTICLE.values():
        assert all(f"{value:.4f}" in out for value in figures.values())
    assert "CIFAR-10, JPEG copy · 8,000 training" in out
    report.write(Comparison(tuple(runs)), tmp_path)
    labelled_with = "CIFAR-10, JPEG copy · 8,000 training and 2,000 test images · AlexNet at 32×32"
    assert titles == {"curves.png": labelled_with}


def test_ctrl_c_keeps_what_is_finished(tmp_path, capsys, monkeypatch):
    def stop(self, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(PowerStepDecay, "on_train_begin", stop)
    only = ["--experiments", "2,3"]
    arguments = [*TINY, *only, "--dataset", "digits", "--output", str(tmp_path)]
    assert example.main(arguments) == 130
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["2-fixed-0.001-seed0.json"]
    assert "--resume goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--preset tiny", "--preset: invalid choice: 'tiny'"),
        ("--epochs 0", "--epochs: must be an integer >= 1. Received: 0"),
        ("--batch-size many", "--batch-size: must be an integer >= 1. Received: many"),
        ("--seeds 1,1", "--seeds: must be different integers >= 0"),
        ("--experiments 4", "--experiments: must be some of 1,2,3. Received: 4"),
        ("--dataset cifar100", "--dataset must be auto, cifar10, digits or the name of an .npz"),
        ("--dataset absent.npz", "cannot read absent.npz"),
        ("--dataset digits --model article --image-size 126", "at least 127"),
        ("--dataset digits --train-size 5000", "--train-size must be at most 1,437"),
        ("--dataset digits --epochs 2", "needs --epochs of at least 3. Received: 2"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
    ],
)
def test_what_the_user_can_put_right_takes_one_line(tmp_path, capsys, arguments, message):
    output = tmp_path / "out"
    try:
        code = example.main([*arguments.split(), "--output", str(output)])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("cifar10_alexnet.py: error: ") and err.count("\n") == 1
    assert message in err
    assert not output.exists()


def test_an_output_that_cannot_be_made_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = ["--dataset", "digits", "--output", str(tmp_path / "file" / "out")]
    assert example.main(arguments) == 2
    assert "--output must be a folder" in capsys.readouterr().err
