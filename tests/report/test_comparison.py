"""A comparison as a table (golden text) and as curves (what is drawn, not how)."""

from __future__ import annotations

import builtins
import io
import math

import pytest
from rich.console import Console

from kerasdecay.report.comparison import rate_cell
from kerasdecay.study import Comparison, Run


def run(arm, seed, accuracy, rates, index=0):
    history = {
        "accuracy": accuracy,
        "val_accuracy": [value - 0.1 for value in accuracy],
        "loss": [1 - value for value in accuracy],
        "learning_rate": rates,
    }
    return Run(arm, seed, 3, history, 12.4, 1234.5, arm_index=index)


ONE = Comparison(
    (
        run("fixed [0.1]", 0, [0.3, 0.5, 0.4], [0.1] * 3),
        run("power-step", 0, [0.3, 0.5, 0.6], [0.1, 0.01, 0.001], 1),
    )
)
TWO = Comparison((*ONE.runs, run("power-step", 1, [0.3, 0.6, 0.7], [0.1, 0.01, 0.001], 1)))

GOLDEN = """\
Digits

val
arm              rate             loss  accuracy  steadiness  seconds  images/s
───────────────────────────────────────────────────────────────────────────────
fixed [0.1]      0.1            0.6000    0.3000      0.2121       12     1,234
the [article]                 0.5000
power-step       0.1 → 0.001    0.4000    0.5000      0.0707       12     1,234

last epoch, seed 0
[a note]"""


def lines_of(renderable, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(renderable)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    return "\n".join(lines).strip()


def test_table_is_golden():
    table = ONE.table(
        title="Digits",
        caption="[a note]",
        metrics=["loss", "val_accuracy"],
        steadiness="val_accuracy",
        references={"fixed [0.1]": {"loss": 0.5}},
        reference_name="the [article]",
    )
    assert lines_of(table) == GOLDEN


def test_several_seeds_show_mean_and_spread():
    text = lines_of(TWO)
    assert "0.5500" in text  # the mean of 0.5 and 0.6
    assert "± 0.0707" in text  # 0.1 / √2
    assert "mean ± standard deviation over 2 seeds (0, 1)" in text


def test_what_was_measured_on_unseen_data_is_shown_by_default_and_training_data_else():
    headings = lines_of(ONE).splitlines()[:2]
    assert [line.split() for line in headings] == [
        ["val"],
        ["arm", "rate", "accuracy", "loss", "seconds", "images/s"],
    ]


def test_the_others_are_told_against_an_arm_seed_by_seed_with_an_interval():
    runs = (
        run("base", 0, [0.5], [0.1]),
        run("base", 1, [0.6], [0.1]),
        run("other", 0, [0.6], [0.1], 1),
        run("other", 1, [0.9], [0.1], 1),
    )
    text = lines_of(Comparison(runs).table(metrics=["accuracy"], against="base"))
    # 0.1 and 0.3: mean 0.2, s = 0.1 √2, t = 12.706 with one degree of freedom
    assert text.splitlines()[-1] == "accuracy, other: +0.2000 ± 1.2706"


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_broken_and_no_line_too_long(width):
    for line in lines_of(TWO, width).splitlines():
        assert len(line) <= width
    assert "0.5500" in lines_of(TWO, width)


def test_a_rate_is_shown_by_its_ends():
    assert rate_cell(run("a", 0, [0.1] * 3, [0.1, 0.5, 0.1])) == "0.1 → 0.5 → 0.1"
    assert rate_cell(run("a", 0, [0.1] * 3, [0.1] * 3)) == "0.1"
    assert rate_cell(Run("a", 0, 1, {"loss": [1.0]}, 1.0, 1.0)) == "–"


def test_a_rate_that_is_known_within_epochs_is_shown_as_it_was_trained_with():
    pytest.importorskip("matplotlib")
    course = [(0.0, 0.004), (0.5, 0.1), (1.5, 4e-07)]
    history = {"loss": [3.0, 2.0], "learning_rate": [0.1, 4e-07]}
    one = Run("cycle", 0, 2, history, 1.0, 1.0, courses={"learning_rate": course})
    assert rate_cell(one) == "0.004 → 0.1 → 4e-07"
    (line,) = Comparison((one,)).plot().axes[-1].get_lines()
    assert list(line.get_xdata()) == [0.0, 0.5, 1.5, 2]
    assert list(line.get_ydata()) == [0.004, 0.1, 4e-07, 4e-07]
    assert Run.from_dict(one.to_dict()).course("learning_rate") == one.course("learning_rate")


def two_rates(arm, fast, slow):
    history = {"loss": [3.0, 2.0], "learning_rate_fast": fast, "learning_rate_[slow]": slow}
    return Run(arm, 0, 2, history, 12.4, 1234.5)


def test_several_optimizers_take_a_line_each_and_no_column():
    text = lines_of(Comparison((two_rates("both", [0.1, 0.01], [0.001] * 2),)))
    assert text.splitlines()[0] == "arm   rate                 loss  seconds  images/s"
    assert text.splitlines()[2] == "both  fast 0.1 → 0.01    2.0000       12     1,234"
    assert text.splitlines()[3] == "[slow] 0.001"


def test_several_optimizers_are_drawn_in_one_panel():
    pytest.importorskip("matplotlib")
    runs = (two_rates("both", [0.1, 0.01], [0.001] * 2), run("one", 0, [0.3, 0.4], [0.2] * 2, 1))
    accuracy, loss, rates = Comparison(runs).plot().axes
    drawn = [(list(line.get_ydata()), line.get_linestyle()) for line in rates.get_lines()]
    assert drawn == [([0.1, 0.01, 0.01], "-"), ([0.001] * 3, "--"), ([0.2] * 3, ":")]
    assert rates.get_title(loc="right") == "solid: fast   dashed: [slow]   dotted: learning_rate"
    assert (accuracy.get_title(loc="left"), loss.get_title(loc="left")) == ("accuracy", "loss")


def test_curves_are_the_means_over_the_seeds():
    pytest.importorskip("matplotlib")
    figure = TWO.plot(title="Digits")
    accuracy, loss, rates = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "accuracy", "loss", "learning rate",
    ]  # fmt: skip
    drawn = [[round(y, 6) for y in line.get_ydata()] for line in accuracy.get_lines()]
    assert [0.2, 0.45, 0.55] in drawn  # validation, the mean over two seeds
    assert [0.3, 0.55, 0.65] in drawn  # training
    assert all(list(line.get_xdata()) == [1, 2, 3] for line in accuracy.get_lines())
    assert len(accuracy.collections) == 2  # bands only where there are two seeds
    assert len(loss.get_lines()) == 2
    steps = rates.get_lines()
    assert [list(step.get_ydata()) for step in steps] == [[0.1] * 4, [0.1, 0.01, 0.001, 0.001]]
    assert list(steps[1].get_xdata()) == [0, 1, 2, 3]
    assert {step.get_drawstyle() for step in steps} == {"steps-post"}
    assert figure.get_suptitle() == "Digits"


def test_curves_pass_over_what_is_not_a_number():
    pytest.importorskip("matplotlib")
    figure = Comparison((run("a", 0, [0.5, math.nan, 0.7], [0.1] * 3),)).plot()
    assert list(figure.axes[0].get_lines()[1].get_xdata()) == [1, 3]


@pytest.mark.parametrize(
    ("name", "magic"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml"), ("c.pdf", b"%PDF")]
)
def test_the_picture_is_saved_as_its_name_says(tmp_path, name, magic):
    pytest.importorskip("matplotlib")
    ONE.plot(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(magic)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    real = builtins.__import__

    def absent(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r'pip install "kerasdecay\[plot\]"'):
        ONE.plot(tmp_path / "c.png")
    assert not list(tmp_path.iterdir())
