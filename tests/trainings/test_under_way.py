"""What is read off a running `fit` leaves it as it was: it keeps nothing that the `fit` deletes."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import keras
import pytest
from tiny import X, Y, new_odometer

from kerasdecay import CosineDecay
from kerasdecay.training import under_way

pytestmark = pytest.mark.any_backend


class Data:
    """Stands for the data of an epoch."""


def test_a_fit_whose_iterator_was_read_lets_go_of_what_it_deletes() -> None:
    def fit() -> Any:
        epoch_iterator, data = object(), Data()
        held = weakref.ref(data)
        assert under_way.epoch_iterator() is epoch_iterator
        del data
        return held()

    assert fit() is None


def test_a_fit_whose_callbacks_were_read_lets_go_of_what_it_deletes() -> None:
    decay = CosineDecay(0.1)

    def fit(callbacks: Any) -> Any:
        data = Data()
        held = weakref.ref(data)
        assert under_way.fits_under_way(decay) == 1
        del data
        return held()

    assert fit(keras.callbacks.CallbackList([decay])) is None


def test_names_that_are_no_local_variables_of_a_function_stay() -> None:
    names: dict[str, Any] = {"under_way": under_way, "epoch_iterator": "the data"}
    code = compile("found = under_way.epoch_iterator()", "program", "exec")
    exec(code.replace(co_name="fit"), names)
    assert names["found"] == names["epoch_iterator"] == "the data"


def test_the_data_of_an_epoch_do_not_outlive_it() -> None:
    def alive(*decays: CosineDecay) -> list[int]:
        counts: list[int] = []

        def count(batch: int, logs: Any) -> None:
            if batch == 1:
                gc.collect()
                kinds = ("OwnedIterator", "generator")  # TensorFlow's and those of the others
                counts.append(sum(type(one).__name__ in kinds for one in gc.get_objects()))

        last = keras.callbacks.LambdaCallback(on_train_batch_begin=count)
        new_odometer().fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[*decays, last])
        return [now - counts[0] for now in counts]

    assert alive(CosineDecay(0.1)) == alive()
