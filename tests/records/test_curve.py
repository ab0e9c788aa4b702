from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasdecay.records import curve as curves
from kerasdecay.records.curve import INTERIOR_ROWS, Curve

KEYS = ("learning_rate_a", "learning_rate_b")


@st.composite
def trainings(draw):
    """Epoch → batch → rates; few different rates, so that many rows repeat the one before."""
    number = draw(st.integers(1, 6))
    first = draw(st.integers(0, 3))
    rates = st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([1.0, 2.0]))
    return {
        first + epoch: draw(st.dictionaries(st.integers(0, 200), rates, min_size=1, max_size=60))
        for epoch in range(number)
    }


def ordered(training):
    for epoch, batches in training.items():
        for batch in sorted(batches):
            yield epoch, batch, batches[batch]


def one_by_one(training):
    curve = Curve(KEYS)
    for row in ordered(training):
        curve.add(*row)
    return curve


def rows_of(curve):
    rates = zip(*(curve.rates(key).tolist() for key in KEYS), strict=True)
    return list(zip(curve.epochs.tolist(), curve.batches.tolist(), rates, strict=True))


def changes(training):
    """Return the rows that differ from the row before, and those in force as an epoch begins."""
    rows, in_force = [], []
    for epoch in training:
        for batch in sorted(training[epoch]):
            rates = training[epoch][batch]
            is_first = batch == min(training[epoch])
            if rows and is_first and (batch > 0 or rates == rows[-1][2]):
                in_force.append(rows[-1])
            if not rows or rates != rows[-1][2]:
                rows.append((epoch, batch, rates))
                if is_first and (batch == 0 or len(rows) == 1):
                    in_force.append(rows[-1])
    return rows, list(dict.fromkeys(in_force))


@given(trainings())
def test_a_short_training_keeps_every_row(training):
    assert rows_of(one_by_one(training)) == changes(training)[0]


@given(trainings(), st.integers(1, 9))
def test_a_long_training_keeps_its_ends_its_epochs_and_some_rows_between(training, limit):
    with mock.patch.object(curves, "INTERIOR_ROWS", limit):
        kept = rows_of(one_by_one(training))
    written, in_force = changes(training)
    assert kept[0] == written[0]
    assert kept[-1] == written[-1]
    assert set(in_force) <= set(kept)
    assert [row for row in written if row in set(kept)] == kept
    # The last row is kept whether there is room for it or not.
    assert len(kept) <= limit + len(in_force) + 1


@given(trainings(), st.integers(1, 9), st.integers(1, 99))
def test_a_vector_of_rates_is_recorded_as_its_rates_one_by_one_are(training, limit, chunk):
    with mock.patch.multiple(curves, INTERIOR_ROWS=limit, _CHUNK=chunk):
        expected = rows_of(one_by_one(training))
        curve = Curve(KEYS)
        for epoch, batches in training.items():
            order = sorted(batches)
            columns = np.array([batches[batch] for batch in order]).T
            curve.add_epoch(epoch, np.array(order), dict(zip(KEYS, columns, strict=True)))
        mixed = Curve(KEYS)
        for epoch, batches in training.items():
            order = sorted(batches)
            middle = len(order) // 2
            for batch in order[:middle]:
                mixed.add(epoch, batch, batches[batch])
            columns = np.array([batches[batch] for batch in order[middle:]]).T
            mixed.add_epoch(epoch, np.array(order[middle:]), dict(zip(KEYS, columns, strict=True)))
    assert rows_of(curve) == expected
    assert rows_of(mixed) == expected


def test_the_stride_doubles_by_hand():
    with mock.patch.object(curves, "INTERIOR_ROWS", 4):
        curve = Curve(["learning_rate"])
        for batch in range(12):
            curve.add(0, batch, [1.0 / (batch + 1)])
        # Batch 0 starts the epoch. Batches 1 to 11 are interior rows of these numbers: a stride of
        # 2 would keep five of them, so it is 4 and keeps 4 and 8, and the last row.
        assert curve.batches.tolist() == [0, 4, 8, 11]
        curve.add(1, 0, [1.0])
        assert curve.batches.tolist() == [0, 4, 8, 0]
        curve.add(1, 1, [0.5])  # number 12
        assert curve.batches.tolist() == [0, 4, 8, 0, 1]
        curve.add(1, 2, [0.4])  # number 13
        assert curve.batches.tolist() == [0, 4, 8, 0, 1, 2]
        curve.add(2, 0, [0.4])  # no new row, but the last one is in force as epoch 2 begins
        for batch in range(1, 7):
            curve.add(2, batch, [1.0 / batch])
        # Held are the numbers 4, 8, 12 and 16; number 19 is the last row.
        assert curve.epochs.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
        assert curve.batches.tolist() == [0, 4, 8, 0, 1, 2, 3, 6]
        curve.add(2, 7, [0.01])
        # Number 20 would be the fifth: the stride is 8, and 4 and 12 are dropped.
        assert curve.epochs.tolist() == [0, 0, 1, 1, 2, 2]
        assert curve.batches.tolist() == [0, 8, 0, 2, 3, 7]


@pytest.mark.parametrize("steps", [INTERIOR_ROWS + 1, INTERIOR_ROWS + 2, 300_000, 5_000_000])
def test_an_epoch_of_millions_of_steps_is_a_bounded_curve(steps):
    rates = np.linspace(1.0, 0.5, steps)
    curve = Curve(["learning_rate"])
    curve.add_epoch(0, np.arange(steps), {"learning_rate": rates})
    batches = curve.batches
    assert INTERIOR_ROWS // 2 <= len(curve) <= INTERIOR_ROWS + 2
    assert batches[0] == 0 and batches[-1] == steps - 1
    assert curve.rates("learning_rate").tolist() == rates[batches].tolist()
    # Interior rows, all but the first row and the last, stand at one distance from each other.
    assert len(set(np.diff(batches[1:-1]).tolist())) == 1


@pytest.mark.parametrize("epochs", [1, 3, 50])
def test_one_call_for_each_batch_is_bounded_too(epochs):
    steps = 120_000 // epochs
    curve = Curve(["learning_rate"])
    for epoch in range(epochs):
        for batch in range(steps):
            curve.add(epoch, batch, [1.0 / (1 + epoch * steps + batch)])
    positions = curve.epochs * steps + curve.batches
    assert len(curve) <= INTERIOR_ROWS + epochs + 1
    assert set(range(0, epochs * steps, steps)) <= set(positions.tolist())
    assert positions[-1] == epochs * steps - 1
    assert curve.rates("learning_rate").tolist() == (1.0 / (1 + positions)).tolist()


def test_a_rate_that_holds_is_one_row_however_often_it_is_reported():
    curve = Curve(["learning_rate"])
    for epoch in range(3):
        curve.add(epoch, 0, [0.1])
        curve.add_epoch(epoch, np.arange(1, 100), {"learning_rate": np.full(99, 0.1)})
    assert len(curve) == 1
    curve.add_epoch(3, np.arange(0), {"learning_rate": np.empty(0)})
    assert len(curve) == 1


def test_columns_that_somebody_holds_do_not_stop_the_recording():
    curve = Curve(["learning_rate"])
    curve.add(0, 0, [0.1])
    held = curve.epochs, curve.batches, curve.rates("learning_rate")
    curve.add(1, 0, [0.2])
    curve.add_epoch(1, np.arange(1, 5), {"learning_rate": np.linspace(0.3, 0.4, 4)})
    assert [column.tolist() for column in held] == [[0], [0], [0.1]]
    assert len(curve) == 6
