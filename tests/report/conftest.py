import pytest

from kerasdecay.callbacks import Event, Setup, Trace
from kerasdecay.rules import Observation, Plateau
from kerasdecay.schedules import PowerStep, Timeline


@pytest.fixture(autouse=True)
def plain_output(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def setup_of():
    def setup(schedule, *, rules=(), **changed):
        values = {
            "decay": "PowerStepDecay",
            "rules": rules,
            "update": "epoch",
            "epochs": 6,
            "steps_per_epoch": 4,
            "base_rates": {"learning_rate": None},
            "base_source": "given",
            "first_epoch": 0,
            **changed,
        }
        return Setup(schedules=dict.fromkeys(values["base_rates"], schedule), **values)

    return setup


@pytest.fixture
def trace_of(setup_of):
    """Return a trace as the callback would have made it of these validation losses."""

    def record(losses, schedule=None, rule=None, **changed):
        schedule = schedule or PowerStep(0.1)
        rules = () if rule is None else (rule,)
        trace = Trace(setup_of(schedule, rules=rules, epochs=len(losses), **changed))
        timeline = Timeline(len(losses), trace.setup.steps_per_epoch, "epoch")
        state = rule and rule.initial_state()
        scale = 1.0
        for epoch, loss in enumerate(losses):
            planned = float(schedule.rates(epoch, timeline))
            rates = [planned * scale * 2**place for place in range(len(trace.setup.base_rates))]
            trace.record_rates(epoch, 0, rates)
            used = dict(zip(trace.setup.base_rates, rates, strict=True))
            logs = {"loss": 1.0 / (epoch + 1), "accuracy": 0.1 * epoch, **used}
            if loss is not None:
                logs |= {"val_loss": loss, "val_accuracy": 1 - loss}
            trace.record_logs(epoch, logs)
            for key in used if rule else ():
                before = used[key]
                state_after = rule.advance(state, Observation(epoch, logs, before))
                after = before * state_after.scale / scale
                name = type(rule).__name__
                trace.record_decision(Event(epoch, name, state_after.decision, before, after, key))
            if rule:
                state, scale = state_after, state_after.scale
        return trace

    return record


@pytest.fixture
def plateau_trace(trace_of):
    """A reduction, a metric that is missing once, and one that is not a number."""
    losses = [0.9, 0.7, 0.8, 0.75, None, float("nan"), 0.6, 0.5]
    rule = Plateau("val_loss", factor=0.5, patience=2)
    return trace_of(losses, PowerStep(0.1, stages=2), rule, decay="PlateauDecay")
