"""The initial rate `"auto"`: tried on `fit`'s own batches, put back, and then the decay."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
import tiny
from tiny import Kill, Odometer, Scripted, near, new_odometer, no_warning, odometer, warned_once
from trainings import adversaries
from trainings.adversaries import FedAdversaries, Travels
from trainings.networks import adam, blobs, classifier, momentum, state_of

from kerasdecay import (
    AutoDecay,
    CosineDecay,
    LearningRateDecay,
    PlateauDecay,
    PowerStepDecay,
    WarmupDecay,
    simulate,
    steer,
)
from kerasdecay.callbacks import as_keras
from kerasdecay.records.range import Choice
from kerasdecay.report import wording
from kerasdecay.rules import LossSlope, Observation, Rescue
from kerasdecay.schedules import (
    FAMILY,
    Constant,
    Cosine,
    Knee,
    Linear,
    PowerStep,
    Schedule,
    scaled,
    sequence,
    warmup,
)
from kerasdecay.training import probing

pytestmark = pytest.mark.any_backend

STEPS, EPOCHS = 4, 6
FOUND, REASON = 0.25, "0.25: what this test has chosen"


class Chosen:
    """A probe that tries 0.01, 0.02 and so on, and finds what a test wants."""

    steps: ClassVar[int] = 3
    rate_found: ClassVar[float | None] = FOUND
    made: ClassVar[list[tuple[int, str]]] = []

    looks = False

    def __init__(self, steps: int, kind: str, look_batches: int) -> None:
        self.made.append((steps, kind))
        self.losses: list[float] = []
        self.restarts = False

    @property
    def rate(self) -> float:
        return 0.01 * (len(self.losses) + 1)

    def add(self, loss: float, alive: float | None) -> None:
        self.losses.append(loss)

    @property
    def is_done(self) -> bool:
        return len(self.losses) >= self.steps

    def choice(self) -> Choice:
        return Choice(self.rate_found, REASON)


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> type[Chosen]:
    """Take the place of the real probe in `fit`."""

    class Here(Chosen):
        made: ClassVar[list[tuple[int, str]]] = []

    monkeypatch.setattr(probing, "Probe", Here)
    monkeypatch.setattr(probing, "probe_steps", lambda total: 3)
    return Here


def drive(decay: Any, model: Any = None, epochs: int = EPOCHS, **fitting: Any) -> Any:
    """Train an odometer of four batches an epoch; return the history and its weight's moves."""
    real = Odometer()
    scripted = Scripted(val_loss=[5.0, 4.0, 4.0, 4.0, 3.0, 3.0])
    history = tiny.fit(model or odometer(), [scripted, decay, real], epochs, **fitting)
    return history["learning_rate"], real.moves


def after_probe(planned: Any) -> Any:
    """Return the moves of a weight that is tried with three rates, put back, and then trained."""
    return near([0.01, 0.02, -0.03, *planned[3:].tolist()])


# ------------------------------------------------------------------------------- every shape


@pytest.mark.parametrize("name", FAMILY)
def test_every_shape_starts_from_the_rate_found_at_the_batch_after_the_probe(
    name: str, chosen: type[Chosen]
) -> None:
    schedule = FAMILY[name]("auto")
    decay = LearningRateDecay(schedule)
    with no_warning():
        rates, moves = drive(decay)
    within = "step" if decay.update.unit == "step" else "epoch"
    planned = simulate(
        schedule.resolve(FOUND), epochs=EPOCHS, steps_per_epoch=STEPS if within == "step" else None
    )
    planned = planned if within == "step" else np.repeat(planned, STEPS)
    assert moves == after_probe(planned)
    assert rates == near(planned[STEPS - 1 :: STEPS].tolist())
    assert chosen.made == [(3, "sgd")]


COMPOSED: dict[str, Schedule] = {
    "after a warmup": warmup(Cosine("auto"), 2),
    "after a warmup of steps": warmup(Linear("auto"), "7 steps"),
    "second in a sequence": sequence([Constant(0.1), Cosine("auto")], [2]),
    "both in a sequence": sequence([Constant("auto"), Linear("auto")], [2]),
    "scaled": scaled(Cosine("auto"), 0.5),
}


@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize("update", ["batch", "compiled"])
def test_compositions_are_filled_in(name: str, update: str, chosen: type[Chosen]) -> None:
    schedule = COMPOSED[name]
    _, moves = drive(LearningRateDecay(schedule, update=update), new_odometer())
    planned = simulate(schedule.resolve(FOUND), epochs=EPOCHS, steps_per_epoch=STEPS)
    assert moves == after_probe(planned)


@pytest.mark.parametrize("update", ["epoch", "batch", "5 steps", "compiled"])
def test_the_position_after_the_probe_is_the_batchs(update: str, chosen: type[Chosen]) -> None:
    decay = CosineDecay("auto", update=update)
    with no_warning():
        rates, moves = drive(decay, new_odometer())
    planned = simulate(Cosine(FOUND), epochs=EPOCHS, steps_per_epoch=STEPS)
    if update == "epoch":
        planned = np.repeat(simulate(Cosine(FOUND), epochs=EPOCHS), STEPS)
    if update == "5 steps":
        planned = planned[np.arange(STEPS * EPOCHS) // 5 * 5]
    assert moves == after_probe(planned)
    assert rates == near(planned[STEPS - 1 :: STEPS].tolist())
    trace = decay.trace
    assert trace is not None
    places = list(zip(trace.epochs.tolist(), trace.batches.tolist(), strict=True))
    assert places[:4] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert places == sorted(set(places))
    assert trace.learning_rates[:4].tolist() == near([0.01, 0.02, 0.03, planned[3]])
    assert trace.setup.base_rates == {"learning_rate": FOUND}
    assert trace.setup.base_source == f"found by the probe: {REASON}"


@pytest.mark.parametrize(("found", "taken"), [(4.0, 0.5), (1.0, 0.5), (0.9, 0.9)])
def test_power_step_takes_a_rate_below_1(found: float, taken: float, chosen: type[Chosen]) -> None:
    chosen.rate_found = found
    rates, _ = drive(PowerStepDecay("auto", stages=2))
    assert rates == near([taken] * 3 + [taken**2] * 3)


def test_a_plateau_scales_the_rate_that_was_found(chosen: type[Chosen]) -> None:
    decay = PlateauDecay("val_loss", 0.5, 2, schedule=Constant("auto"))
    rates, _ = drive(decay)
    assert rates == near([0.25, 0.25, 0.25, 0.25, 0.125, 0.125])


def test_a_warmup_callback_leads_to_the_rate_that_was_found(chosen: type[Chosen]) -> None:
    rates, moves = drive(WarmupDecay(2, Constant("auto")))
    assert rates == near([0.25 * 4 / 8, *[0.25] * 5])
    assert moves[3:8] == near([0.25 * place / 8 for place in range(4, 9)])


def test_auto_decay_is_a_late_way_down_from_the_rate_found(chosen: type[Chosen]) -> None:
    _, moves = drive(AutoDecay())
    planned = simulate(Knee(FOUND, hold="80%"), epochs=EPOCHS, steps_per_epoch=STEPS)
    assert moves == after_probe(planned)
    assert [type(rule) for rule in AutoDecay().rules] == [Rescue]


# -------------------------------------------------------------------- everything is put back


class States(keras.callbacks.Callback):
    """Copy everything before the first batch and after each of the first ones."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[list[np.ndarray]] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if not self.states:
            self.states.append(state_of(self.model))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if len(self.states) < 5:
            self.states.append(state_of(self.model))


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "momentum": momentum,
    "adam": adam,
    "accumulating": lambda: momentum(gradient_accumulation_steps=2),
    "scaling the loss": lambda: keras.optimizers.LossScaleOptimizer(adam(), initial_scale=2.0**15),
    "averaging": lambda: adam(use_ema=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_after_the_probe_everything_is_as_it_was_before(name: str, chosen: type[Chosen]) -> None:
    model, states = classifier(OPTIMIZERS[name]()), States()
    model.optimizer.build(model.trainable_variables)
    named = [one.path for one in [*model.variables, *model.optimizer.variables]]
    metrics = {one.path for one in model.metrics_variables}
    x, y = blobs()
    decay = CosineDecay("auto")
    with no_warning():
        model.fit(x, y, batch_size=32, epochs=2, verbose=0, callbacks=[decay, states])
    before, tried, _, after, _ = states.states
    changed = {
        path
        for path, one, other in zip(named, before, after, strict=True)
        if not np.array_equal(one, other)
    }
    # The rate is that of the training now; metrics begin anew with the next batch.
    assert {path for path in changed if "learning_rate" not in path} <= metrics
    moved = [not np.array_equal(one, other) for one, other in zip(before, tried, strict=True)]
    assert sum(moved) > 3  # so that there was something to put back


@pytest.mark.parametrize("name", ["adam", "scaling the loss"])
def test_the_training_after_the_probe_is_that_of_the_batches_left(
    name: str, chosen: type[Chosen]
) -> None:
    # No dropout, whose generator begins where it began. Four batches an epoch.
    x, y = (one[:64] for one in blobs())
    model = classifier(OPTIMIZERS[name](), dropout=0.0)
    fitting: dict[str, Any] = {"batch_size": 16, "shuffle": False, "verbose": 0}
    model.fit(x, y, epochs=1, callbacks=[LearningRateDecay(Constant("auto"))], **fitting)
    twin = classifier(OPTIMIZERS[name](), dropout=0.0)
    twin.optimizer.learning_rate = FOUND
    twin.fit(x[48:], y[48:], epochs=1, **fitting)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_the_logs_of_the_epoch_are_those_of_the_training_alone(chosen: type[Chosen]) -> None:
    x, y = (one[:64] for one in blobs())
    model = classifier(momentum(), dropout=0.0)
    fitting: dict[str, Any] = {"batch_size": 16, "shuffle": False, "verbose": 0}
    decay = LearningRateDecay(Constant("auto"))
    told = model.fit(x, y, epochs=1, callbacks=[decay], **fitting).history
    twin = classifier(momentum(FOUND), dropout=0.0)
    expected = twin.fit(x[48:], y[48:], epochs=1, **fitting).history
    assert told["loss"] == near(expected["loss"])
    assert told["accuracy"] == near(expected["accuracy"])


@dataclasses.dataclass(frozen=True)
class Seen(LossSlope):
    """Notes how many losses an epoch has shown."""

    counts: ClassVar[list[int]] = []

    def advance(self, state: Any, observation: Observation) -> Any:
        self.counts.append(len(observation.losses))
        return super().advance(state, observation)


def test_rules_see_the_losses_of_the_training_alone(chosen: type[Chosen]) -> None:
    Seen.counts.clear()
    drive(LearningRateDecay(Constant("auto"), rules=[Seen(min_losses=20)]))
    assert Seen.counts == [1, 4, 4, 4, 4, 4]


# --------------------------------------------------------------- short and unknown trainings


@pytest.mark.parametrize(
    ("steps", "logged"),
    [
        # Two batches an epoch; the probe ends within an epoch, with an epoch, in the third one.
        (1, [0.25, 0.25, 0.25, 0.25]),
        (2, [0.02, 0.25, 0.25, 0.25]),
        (3, [0.02, 0.25, 0.25, 0.25]),
        (4, [0.02, 0.04, 0.25, 0.25]),
        (5, [0.02, 0.04, 0.25, 0.25]),
    ],
)
def test_a_probe_may_span_several_epochs_and_each_logs_its_last_rate(
    steps: int, logged: list[float], chosen: type[Chosen]
) -> None:
    chosen.steps = steps
    decay = LearningRateDecay(Constant("auto"))
    with no_warning():
        rates, moves = drive(decay, epochs=4, batch_size=20, x=tiny.X, y=tiny.Y, shuffle=False)
    assert rates == near(logged)
    assert moves[steps:] == near([FOUND] * (8 - steps))
    assert sum(moves) == near(FOUND * (8 - steps))
    assert decay.trace is not None
    places = zip(decay.trace.epochs.tolist(), decay.trace.batches.tolist(), strict=True)
    assert max(place for _, place in places) < 2


@pytest.mark.parametrize("steps", [8, 20])
def test_a_training_that_ends_within_the_probe_says_that_nothing_was_trained(
    steps: int, chosen: type[Chosen]
) -> None:
    chosen.steps, model = steps + 1, new_odometer(0.5)
    decay = LearningRateDecay(Constant("auto"))
    with warned_once("LearningRateDecay: ", "the model is not trained", "initial rate"):
        drive(decay, model, epochs=steps // 4)
    assert tiny.travelled(model) == 0.0
    assert decay.trace is not None
    assert decay.trace.setup.base_rates == {"learning_rate": FOUND}


def test_a_horizon_beyond_the_end_of_fit_leaves_batches_to_train() -> None:
    decay = LearningRateDecay(Constant("auto"), epochs=1000)
    tiny.fit(odometer(), [decay], 30)
    assert decay.trace is not None
    assert decay.trace.tried_until is not None
    assert decay.trace.tried_until[0] < 10
    model = new_odometer(0.125)
    with warned_once("a run of 12 batches is too short", "learning_rate 0.125"):
        tiny.fit(model, [AutoDecay(epochs=1000)], 3)
    assert tiny.travelled(model) == near(0.125 * 12)


@pytest.mark.parametrize("epochs", [1, 6, 14])
def test_too_few_batches_leave_the_optimizers_rate_with_a_warning(epochs: int) -> None:
    decay, model = LearningRateDecay(Constant("auto")), new_odometer(0.125)
    batches = f"a run of {4 * epochs} batches is too short"
    with warned_once('"auto": ', batches, "learning_rate 0.125"):
        rates = tiny.fit(model, [decay], epochs)["learning_rate"]
    assert rates == near([0.125] * epochs)
    assert tiny.travelled(model) == near(0.125 * 4 * epochs)


def test_a_probe_that_finds_nothing_leaves_the_optimizers_rate(chosen: type[Chosen]) -> None:
    chosen.rate_found = None
    with warned_once('"auto": ', REASON, "learning_rate 0.5"):
        rates, moves = drive(CosineDecay("auto", update="epoch"))
    assert rates == near(simulate(Cosine(0.5), epochs=EPOCHS).tolist())
    assert moves[3] == near(0.5)


def generated(epochs: int) -> Iterator[Any]:
    for _ in range(epochs * STEPS):
        yield tiny.X[:4], tiny.Y[:4]


@pytest.mark.parametrize("schedule", [PowerStep("auto"), Cosine("auto"), warmup(Knee("auto"), 1)])
def test_an_unknown_number_of_steps_will_do_for_updates_by_epochs(
    schedule: Schedule, chosen: type[Chosen]
) -> None:
    decay = LearningRateDecay(schedule, update="epoch", epochs=6)
    model, real = new_odometer(), Odometer()
    rates = model.fit(generated(1), verbose=0, callbacks=[decay, real]).history["learning_rate"]
    planned = simulate(schedule.resolve(FOUND), epochs=6)
    assert rates == near([planned[0]])
    assert real.moves == near([0.01, 0.02, -0.03, planned[0]])


# ------------------------------------------------------------------------ which rate is whose


def test_a_schedule_with_a_rate_trains_beside_the_probe_at_that_rate(
    chosen: type[Chosen],
) -> None:
    model = FedAdversaries(adversaries.sgd(0.1), adversaries.sgd(0.1))
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Linear("auto"), "g_optimizer": Constant(0.75)}
    )
    real = Travels("critic", "generator")
    told = adversaries.fit(model, [decay, real], epochs=2)
    planned = simulate(Linear(FOUND), epochs=2, steps_per_epoch=4)
    assert real.moves("critic") == after_probe(planned)
    assert real.moves("generator") == near([0.75, 0.75, -1.5, *[0.75] * 5])
    assert told["learning_rate_d_optimizer"] == near([planned[3], planned[7]])
    assert told["learning_rate_g_optimizer"] == near([0.75, 0.75])
    assert decay.trace is not None
    bases = decay.trace.setup.base_rates
    assert bases["learning_rate_d_optimizer"] == FOUND


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        (Constant(0.75), "0.75, given (g_optimizer)"),
        (Cosine(0.25), "0.25, given (g_optimizer)"),
        (Linear(0.5), "0.5, given (g_optimizer)"),
    ],
)
def test_a_rate_that_was_given_is_not_told_to_be_found(
    beside: Schedule, told: str, chosen: type[Chosen]
) -> None:
    model = FedAdversaries(adversaries.sgd(0.125), adversaries.sgd(0.125))
    decay = LearningRateDecay(optimizers={"d_optimizer": Linear("auto"), "g_optimizer": beside})
    adversaries.fit(model, [decay], epochs=2)
    assert decay.trace is not None
    assert decay.trace.setup.base_rates["learning_rate_g_optimizer"] is None
    assert list(wording.base_rates(decay.trace.setup))[1] == told


@pytest.mark.parametrize("at", [1, 2, 3])
def test_every_trial_of_the_probe_trains_beside_the_given_rate(
    at: int, chosen: type[Chosen]
) -> None:
    class Restarting(chosen):  # type: ignore[valid-type, misc]
        steps: ClassVar[int] = 5
        restarts = property(lambda self: len(self.losses) == at, lambda self, value: None)

    model = FedAdversaries(adversaries.sgd(0.1), adversaries.sgd(0.1))
    decay = LearningRateDecay(
        optimizers={"d_optimizer": Linear("auto"), "g_optimizer": Constant(0.75)}
    )
    real = Travels("critic", "generator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probing, "Probe", Restarting)
        adversaries.fit(model, [decay, real], epochs=2)
    # The weight is put back as the new trial begins, and once more after the fifth batch.
    moves = [0.75] * 8
    moves[at - 1] = -0.75 * (at - 1)
    moves[4] = -0.75 * (4 - at)
    assert real.moves("generator") == near(moves)


@pytest.mark.parametrize("told", ["d_loss", "losses", "reward"])
def test_a_training_that_tells_no_loss_is_refused_at_once(
    told: str, chosen: type[Chosen], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            logs[told] = logs.pop("loss")

    model = new_odometer(0.5)
    decay = LearningRateDecay(Constant("auto"))
    with pytest.raises(ValueError, match=rf'"auto" finds a rate by the loss.*are: {told}\. Let'):
        tiny.fit(model, [Silent(), decay], epochs=2)
    assert tiny.travelled(model) == 0.0
    assert model.optimizer.learning_rate == 0.5
    model.set_weights([np.full((1, 1), 7.0)])
    model.optimizer.learning_rate = 0.01  # as if the trial were under way
    with no_warning():
        drive(decay, model)
    assert tiny.travelled(model) == near(7.0 + FOUND * (STEPS * EPOCHS - 3))


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [(momentum, "momentum"), (adam, "adaptive"), (keras.optimizers.RMSprop, "adaptive")],
)
def test_the_probe_is_told_the_kind_of_the_optimizer(
    optimizer: Callable[[], Any], kind: str, chosen: type[Chosen]
) -> None:
    x, y = blobs()
    model = classifier(optimizer(), run_eagerly=True)
    decay = LearningRateDecay(Constant("auto"))
    model.fit(x[:64], y[:64], batch_size=16, verbose=0, callbacks=[decay])
    assert chosen.made == [(3, kind)]


@pytest.mark.parametrize("make", [lambda: CosineDecay("auto", update="epoch"), AutoDecay])
def test_a_second_fit_starts_from_the_rate_found_without_a_probe(
    make: Callable[[], Any], chosen: type[Chosen]
) -> None:
    decay, model = make(), new_odometer()
    first, _ = drive(decay, model)
    second, moves = drive(decay, model)
    assert len(chosen.made) == 1
    assert second == first
    assert moves[1] == near(FOUND)
    going_on, _ = drive(decay, model, initial_epoch=EPOCHS - 1)
    assert going_on == first[-1:]
    assert len(chosen.made) == 1


def test_a_new_optimizer_in_mid_training_is_probed_and_the_trace_tells_what_trained(
    chosen: type[Chosen],
) -> None:
    model, decay = new_odometer(0.5), LearningRateDecay(Linear("auto"), rules=[Rescue()])
    x, y = tiny.X[: tiny.BATCH], tiny.Y[: tiny.BATCH]
    logs, real = [], {}
    with (
        warned_once("new optimizer from epoch 4 on. Rates were tried for it: 0.25", "afresh"),
        steer(model, decay, epochs=EPOCHS, steps_per_epoch=STEPS) as run,
    ):
        for epoch in run:
            for batch in range(STEPS):
                run.begin_step()
                before = tiny.travelled(model)
                loss = model.train_on_batch(x, y)
                real[epoch, batch] = tiny.travelled(model) - before
                run.end_step(loss)
            logs.append(run.end_epoch({"loss": 1.0})["learning_rate"])
            if epoch == 2:
                model.compile(keras.optimizers.SGD(0.5), tiny.distance)
    planned = simulate(Linear(FOUND), epochs=EPOCHS, steps_per_epoch=STEPS).tolist()
    tried = [0.01, 0.02, 0.03]
    trains = [*tried, *planned[3:12], *tried, *planned[15:]]
    assert list(real.values()) == near(trains)
    assert logs == near(trains[3::4])
    trace = decay.trace
    assert trace is not None
    told = dict(zip(zip(trace.epochs.tolist(), trace.batches.tolist(), strict=True),
                    trace.learning_rates.tolist(), strict=True))  # fmt: skip
    assert told == near({place: rate for place, rate in real.items()
                         if place[0] != 3 or place[1] == 3})  # fmt: skip
    assert trace.tried == 3


def test_another_model_is_probed_again(chosen: type[Chosen]) -> None:
    decay = LearningRateDecay(Constant("auto"))
    drive(decay, new_odometer())
    drive(decay, new_odometer())
    assert len(chosen.made) == 2


@pytest.mark.parametrize("update", ["epoch", "batch", "compiled"])
def test_a_resumed_training_takes_the_rate_from_the_state_file(
    update: str, tmp_path: Path, chosen: type[Chosen]
) -> None:
    def make() -> Any:
        return CosineDecay("auto", update=update, state_path=tmp_path / "state.json")

    def backup() -> Any:
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    expected, _ = drive(make(), new_odometer())
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(new_odometer(), [make(), backup(), Kill(3)], EPOCHS)
    assert len(chosen.made) == 2
    decay = make()
    rates = tiny.fit(new_odometer(), [decay, backup()], EPOCHS)["learning_rate"]
    assert rates == near(expected[4:])
    assert len(chosen.made) == 2
    assert decay.trace is not None
    assert decay.trace.setup.base_source == "from the state file"


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_training_killed_within_the_probe_is_told_that_rates_are_tried_anew(
    killed: int, tmp_path: Path, chosen: type[Chosen]
) -> None:
    def make() -> list[Any]:
        decay = CosineDecay("auto", state_path=tmp_path / "state.json")
        return [decay, keras.callbacks.BackupAndRestore(tmp_path / "backup")]

    chosen.steps = STEPS * killed + 6
    tiny.fit_until_killed(new_odometer(), [*make(), Kill(killed)], EPOCHS)
    chosen.steps = 3
    told = (f"goes on at epoch {killed + 2}", "ended while rates were tried", "tried anew")
    with warned_once(*told):
        tiny.fit(new_odometer(), [*reversed(make())], EPOCHS)
    assert len(chosen.made) == 2


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_after_an_interruption_within_the_probe_the_next_fit_starts_clean(
    batch: int, chosen: type[Chosen]
) -> None:
    chosen.steps = 4
    decay, model = CosineDecay("auto", update="epoch"), new_odometer(0.5)
    tiny.fit_until_killed(model, [decay, Kill(0, batch)], EPOCHS)
    assert tiny.travelled(model) > 0
    chosen.steps, chosen.rate_found = 3, None
    with (
        pytest.warns(UserWarning, match="interrupted while rates were tried .* put back"),
        pytest.warns(UserWarning, match='"auto": '),
    ):
        rates, moves = drive(decay, model)
    assert rates == near(simulate(Cosine(0.5), epochs=EPOCHS).tolist())
    assert sum(moves) == near(0.5 + 4 * sum(rates[1:]))
    assert int(model.optimizer.iterations) == STEPS * EPOCHS - 3


@pytest.mark.parametrize("rate", [0.5, 0.125, 2.0])
def test_what_the_user_has_set_after_an_interruption_is_not_put_back(
    rate: float, chosen: type[Chosen]
) -> None:
    decay, model = LearningRateDecay(Constant("auto")), new_odometer(0.5)
    tiny.fit_until_killed(model, [decay, Kill(0, 1)], EPOCHS)
    model.set_weights([np.full((1, 1), 7.0)])
    model.optimizer.learning_rate = rate
    with no_warning():
        drive(decay, model)
    assert tiny.travelled(model) == near(7.0 + FOUND * (STEPS * EPOCHS - 3))


@pytest.mark.parametrize("schedule", [Cosine("auto"), warmup(Linear("auto"), 2), Knee("auto")])
def test_copies_and_configurations_probe_alike_and_hold_no_model(
    schedule: Schedule, chosen: type[Chosen]
) -> None:
    decay, model = LearningRateDecay(schedule, update="epoch"), new_odometer()
    expected, _ = drive(decay, model)
    twins = [
        copy.deepcopy(decay),
        pickle.loads(pickle.dumps(decay)),
        LearningRateDecay.from_config(decay.get_config()),
    ]
    for twin in twins:
        assert drive(twin)[0] == expected
    dies = weakref.ref(model)
    del model
    gc.collect()
    assert dies() is None


def test_a_copy_within_the_probe_is_a_callback_before_training(chosen: type[Chosen]) -> None:
    class Copying(keras.callbacks.Callback):
        twin: Any = None

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                self.twin = pickle.loads(pickle.dumps(copy.deepcopy(decay)))

    decay, copying = CosineDecay("auto", update="epoch"), Copying()
    expected = tiny.fit(odometer(), [decay, copying], EPOCHS)["learning_rate"]
    assert drive(copying.twin)[0] == expected


# --------------------------------------------------------------- without a training there is none


@pytest.mark.parametrize("schedule", [Cosine("auto"), warmup(Knee("auto"), 1), PowerStep("auto")])
def test_what_needs_rates_before_a_training_says_what_to_pass(schedule: Schedule) -> None:
    wanted = r"initial_learning_rate must be a number > 0 .*Received: .*'auto'.*Pass initial_"
    with pytest.raises(ValueError, match=wanted):
        simulate(schedule, epochs=5)
    with pytest.raises(ValueError, match=wanted):
        as_keras(schedule, epochs=5, steps_per_epoch=4)
    given = simulate(schedule, epochs=5, initial_learning_rate=0.5)
    assert given.tolist() == simulate(schedule.resolve(0.5), epochs=5).tolist()
    assert "'auto'" in repr(schedule)


@pytest.mark.parametrize("decay", [AutoDecay(), CosineDecay("auto"), PowerStepDecay("auto")])
def test_a_callback_is_simulated_from_a_rate_that_is_given(decay: Any) -> None:
    with pytest.raises(ValueError, match="initial_learning_rate must be a number > 0"):
        simulate(decay, epochs=5, steps_per_epoch=4)
    rates = simulate(decay, epochs=5, steps_per_epoch=4, initial_learning_rate=0.5)
    assert rates[0] == 0.5


@pytest.mark.parametrize("value", ["Auto", "automatic", "", "0.1"])
def test_any_other_word_is_refused(value: str) -> None:
    with pytest.raises(
        ValueError, match='initial_learning_rate must be a finite number > 0, None or "auto"'
    ):
        Cosine(value)


# ------------------------------------------------------------------------- with the real probe


@pytest.mark.parametrize("optimizer", [momentum, adam])
def test_a_rate_is_found_and_the_training_is_finite(optimizer: Callable[[], Any]) -> None:
    x, y = blobs()
    model, decay = classifier(optimizer()), AutoDecay()
    history = model.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=[decay]).history
    assert decay.trace is not None
    (rate,) = decay.trace.setup.base_rates.values()
    assert rate is not None
    assert 1e-6 < rate <= 10
    # On so small a problem the losses may be too noisy for a choice; then the optimizer's is taken.
    assert decay.trace.setup.base_source.startswith(("found by the probe: ", "the optimizer's"))
    assert np.isfinite(history["loss"]).all()
