"""One callback object steers one training at a time; one state file belongs to one training."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import keras
import pytest
from tiny import (
    Kill,
    Scripted,
    X,
    Y,
    fit,
    fit_until_killed,
    near,
    new_odometer,
    no_warning,
    travelled,
)

from kerasdecay import CosineDecay, LearningRateDecay, LinearDecay, PlateauDecay, StepDecay, steer
from kerasdecay.schedules import Constant, Linear

pytestmark = pytest.mark.any_backend


class Waiting(keras.callbacks.Callback):
    """Holds a training in mid-epoch until another one has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.is_inside, self.may_go_on = threading.Event(), threading.Event()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 1:
            self.is_inside.set()
            assert self.may_go_on.wait(120)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinearDecay(0.4),
        lambda: StepDecay(0.4, every=1, factor=0.5),
        lambda: PlateauDecay("loss", patience=1, mode="max", factor=0.5, min_delta=1e9),
    ],
)
def test_one_object_in_two_threads_is_refused_and_the_first_training_is_not_disturbed(
    make: Any,
) -> None:
    alone = new_odometer(0.4)
    expected = fit(alone, [make()], epochs=2)["learning_rate"]
    decay, waiting = make(), Waiting()
    first, second = new_odometer(0.4), new_odometer(0.4)
    fit(second, epochs=1)  # compiled before, for the other thread holds its training up
    histories: list[Any] = []

    def train() -> None:
        histories.append(fit(first, [decay, waiting], epochs=2))

    thread = threading.Thread(target=train)
    thread.start()
    try:
        assert waiting.is_inside.wait(120)
        with pytest.raises(ValueError, match="cannot steer two trainings at once"):
            fit(second, [decay], epochs=2)
    finally:
        waiting.may_go_on.set()
        thread.join()
    assert histories[0]["learning_rate"] == near(expected)
    assert travelled(first) == near(travelled(alone))


def test_an_object_each_may_train_at_once() -> None:
    models = [new_odometer(), new_odometer(), new_odometer()]
    decays = [LinearDecay(0.4), LinearDecay(0.2), LinearDecay(0.1)]
    threads = [
        threading.Thread(target=fit, args=(model, [decay], 2))
        for model, decay in zip(models, decays, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shares = sum(1 - n / 8 for n in range(8))
    assert [travelled(model) for model in models] == near(
        [0.4 * shares, 0.2 * shares, 0.1 * shares]
    )


class Within(keras.callbacks.Callback):
    """Fits another model in the middle of a training."""

    def __init__(self, model: keras.Model, callbacks: list[Any]) -> None:
        super().__init__()
        self.inner, self.callbacks = model, callbacks

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        fit(self.inner, self.callbacks, epochs=2)


def test_a_fit_within_a_fit_has_an_object_of_its_own() -> None:
    outer, inner = new_odometer(), new_odometer()
    within = Within(inner, [StepDecay(0.2, every=1, factor=0.5)])
    with no_warning():
        fit(outer, [LinearDecay(0.4), within], epochs=2)
    assert travelled(outer) == near(0.4 * sum(1 - n / 8 for n in range(8)))
    assert travelled(inner) == near(2 * 4 * (0.2 + 0.1))


@pytest.mark.parametrize("make", [lambda: LinearDecay(0.4), lambda: CosineDecay(0.4)])
def test_the_same_object_within_its_own_fit_is_refused(make: Any) -> None:
    outer, inner = new_odometer(), new_odometer()
    decay = make()
    with pytest.raises(ValueError, match="cannot steer two trainings at once"):
        fit(outer, [decay, Within(inner, [decay])], epochs=3)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_after_an_interruption_the_same_object_trains_again(batch: int | None, update: str) -> None:
    decay = LinearDecay(0.4, update=update)
    fit_until_killed(new_odometer(), [decay, Kill(0, batch)], epochs=2)
    model = new_odometer()
    with no_warning():
        fit(model, [decay], epochs=2)
    assert travelled(model) == near(0.4 * sum(1 - n / 8 for n in range(8)))


def test_after_an_interruption_the_training_goes_on_with_the_same_object() -> None:
    decay, model = PlateauDecay("m", 0.5, 1, mode="min"), new_odometer(0.5)
    fit_until_killed(model, [Scripted(m=[1.0] * 9), decay, Kill(3)], epochs=9)
    start = travelled(model)
    assert start == near(4 * (0.5 + 0.5 + 0.25 + 0.125))
    with no_warning():
        fit(model, [Scripted(m=[1.0] * 9), decay], epochs=6, initial_epoch=4)
    assert travelled(model) - start == near(4 * (0.0625 + 0.03125))


def test_two_trainings_on_one_state_file_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.json"

    def decay() -> Any:
        return PlateauDecay("m", 0.5, 1, mode="min", state_path=path)

    inner = Within(new_odometer(), [Scripted(m=[1.0] * 2), decay()])
    with pytest.warns(UserWarning, match="two trainings share it"):
        fit(new_odometer(), [Scripted(m=[1.0] * 4), decay(), inner], epochs=4)


@pytest.mark.parametrize("path", ["s3://bucket/state.json", "gs://b/s", "https://host/state"])
def test_a_scheme_is_refused_at_once(path: str) -> None:
    for make in (LinearDecay, StepDecay, PlateauDecay):
        with pytest.raises(ValueError, match="state_path must be"):
            make(state_path=path)


@pytest.mark.parametrize("place", ["~/state.json", "~/deeper/state.json", "~/a b.json"])
def test_a_tilde_is_the_home_folder(place: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fit(new_odometer(), [LinearDecay(state_path=place)], epochs=1)
    assert (tmp_path / place.removeprefix("~/")).is_file()


def test_two_decays_for_one_optimizer_are_refused_before_the_first_step() -> None:
    refusal = "LinearDecay and PlateauDecay, which would both write .* Compose them into one"
    for decays in ([LinearDecay(0.5), PlateauDecay("loss")], [LinearDecay(), PlateauDecay("loss")]):
        model = new_odometer(0.5)
        with pytest.raises(ValueError, match=refusal):
            fit(model, decays, epochs=2)
        assert travelled(model) == 0
        loop = keras.callbacks.CallbackList(decays, model=model, epochs=2, steps=4)
        with pytest.raises(ValueError, match=refusal):
            loop.on_train_begin()


def test_a_second_decay_within_a_training_is_refused_and_the_first_goes_on() -> None:
    def begin(decay: Any, model: Any) -> None:
        with steer(model, decay, epochs=2, steps_per_epoch=4):
            pass

    within = keras.callbacks.LambdaCallback()
    within.on_train_batch_begin = lambda batch, logs=None: refuse()

    def refuse() -> None:
        with pytest.raises(ValueError, match="LinearDecay and StepDecay, which would both write"):
            begin(LinearDecay(0.1), model.optimizer)

    model = new_odometer(0.4)
    fit(model, [StepDecay(0.4, every=1, factor=0.5, update="compiled"), within], epochs=2)
    assert travelled(model) == near(4 * (0.4 + 0.2))

    decay = StepDecay(0.4, every=1, factor=0.5)
    with steer(model, decay, epochs=2, steps_per_epoch=4) as run:
        for epoch in run:
            refuse()
            with pytest.raises(ValueError, match="LinearDecay and StepDecay"):
                fit(model, [LinearDecay(0.1)])
            with pytest.raises(ValueError, match="cannot steer two trainings at once"):
                begin(decay, new_odometer())
            begin(LinearDecay(0.1), new_odometer())
            assert run.begin_step() == near([0.4, 0.2][epoch])
            model.train_on_batch(X[:10], Y[:10])
            run.end_epoch()
    begin(LinearDecay(0.1), model.optimizer)


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_a_loop_in_another_thread_than_the_fit_of_its_optimizer_is_refused(update: str) -> None:
    model, waiting = new_odometer(0.4), Waiting()
    decay = StepDecay(0.4, every=1, factor=0.5, update=update)
    thread = threading.Thread(target=fit, args=(model, [decay, waiting], 2))
    thread.start()
    try:
        assert waiting.is_inside.wait(120)
        run = steer(model.optimizer, LinearDecay(0.1), epochs=2, steps_per_epoch=4)
        with pytest.raises(ValueError, match="LinearDecay and StepDecay, which would both"), run:
            pass
    finally:
        waiting.may_go_on.set()
        thread.join()
    assert travelled(model) == near(4 * (0.4 + 0.2))


def test_two_decays_for_different_optimizers_drive_one_each() -> None:
    model = new_odometer(0.5)
    model.second = keras.optimizers.SGD(0.3)
    first = LearningRateDecay(optimizers={"optimizer": Linear(0.5)}, update="epoch")
    other = LearningRateDecay(optimizers={"second": Constant(0.1)})
    loop = keras.callbacks.CallbackList([first, other], model=model, epochs=2, steps=4)
    loop.on_train_begin()
    loop.on_epoch_begin(1)
    rates = [float(one.learning_rate) for one in (model.optimizer, model.second)]
    assert rates == [near(0.25), near(0.1)]
