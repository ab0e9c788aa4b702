import numpy as np
import pytest

from kerasdecay.report.charts import chart, mark
from kerasdecay.report.sparklines import needs_log, sparkline
from kerasdecay.schedules import Constant, Cosine, PowerStep, simulate


def text_of(lines):
    return ["".join(piece.text for piece in line).rstrip() for line in lines]


@pytest.mark.parametrize(
    ("rates", "line"),
    [
        ([0.1] * 3, "████████"),
        ([0.0] * 3, "████████"),
        ([1.0, 0.5, 0.25, 0.0], "██▅▅▃▃▁▁"),
        ([0.1, 0.01, 0.001, 0.0001], "██▆▆▃▃▁▁"),
    ],
)
def test_sparklines_start_at_zero_or_are_logarithmic(rates, line):
    assert sparkline(rates, width=8) == line


def test_a_long_run_fits_into_the_width():
    assert len(sparkline(simulate(Cosine(0.1), epochs=90, steps_per_epoch=100), width=30)) == 30


def test_log_is_for_what_a_linear_scale_would_hide():
    assert needs_log(simulate(PowerStep(0.1), epochs=15))
    assert not needs_log(simulate(Cosine(0.1), epochs=1000))
    assert not needs_log(simulate(Constant(0.1), epochs=5))
    assert not needs_log(np.zeros(4))


def test_a_single_curve_is_drawn_in_dots():
    rates = simulate(PowerStep(0.1), epochs=6)
    assert text_of(chart([rates], 6, width=40, height=5)) == [
        "  0.1 ┤⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⡇",
        "      │           ⡇",
        " 0.01 ┤           ⠧⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⡄",
        "      │                      ⡇",
        "0.001 ┤                      ⣇⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀",
        "      └─────────────────────────────────",
        "       0 epochs, rates on a log scale  6",
    ]


def test_several_curves_without_colour_are_letters():
    lines = text_of(chart([np.ones(4), np.array([1.0, 1.0, 0.0, 0.0])], 4, width=17, height=3))
    assert lines == [
        "  1 ┤*******aaaaa",
        "0.5 ┤      b",
        "  0 ┤      bbbbbb",
        "    └────────────",
        "     0  epochs  4",
    ]


def test_in_colour_each_curve_has_its_own():
    rows = chart([np.ones(8), np.zeros(8)], 8, width=30, height=3, colour=True)
    assert rows[0][1].colour == mark(0, colour=True).colour
    assert rows[2][1].colour == mark(1, colour=True).colour
    assert rows[0][1].colour != rows[2][1].colour


def test_plain_ascii_has_no_dots():
    rows = chart([np.ones(8)], 8, width=30, height=3, dots=False)
    assert "a" * 20 in text_of(rows)[0]


def test_a_line_has_no_gaps_however_steep():
    rates = simulate(PowerStep(0.1), epochs=15)
    for line in text_of(chart([rates], 15, width=60))[:13]:
        assert line[6:].strip(" │┤")
