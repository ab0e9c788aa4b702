"""Names that users write: of the members of a family, and of arguments that other libraries have.

One table, `FAMILIAR`, serves every constructor, function and command of the package.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, ParamSpec, TypeVar

from kerasdecay import _checks

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Kind = TypeVar("Kind")

_RATE = ("initial_learning_rate", "learning_rate", "schedule", "then")
_FINAL = ("final_learning_rate", "min_learning_rate", "min_lr", "final_div_factor")
_PERIOD = ("every", "cycle", "timescale", "epochs")

_RUN = "the length of the run, which fit, simulate(epochs=…) and as_keras(epochs=…) tell"
_IN_EPOCHS = "in epochs, '500 steps' or '10%'"
_SHARE = "a share of the run such as '30%'"

_WARMUP = ("warmup", "duration")


def _all(names: str, here: tuple[str, ...], differs: str = "") -> dict[str, Any]:
    return dict.fromkeys(names.split(), (here, differs))


FAMILIAR: dict[str, tuple[tuple[str, ...], str]] = {
    **_all("initial_learning_rate lr_scheduler scheduler", ("schedule",)),
    **_all("lr learning_rate init_lr initial_lr init_value", _RATE),
    **_all("max_lr lr_max peak_value maximal_learning_rate", (*_RATE, "end"), "the highest rate"),
    **_all("base_lr", _RATE, "the highest rate; div_factor tells the lowest"),
    **_all("warmup_target", _RATE, "the warmup rises to it"),
    **_all("alpha", _FINAL, "a rate, not a share of the initial one"),
    **_all("eta_min final_lr end_learning_rate end_value min_lr min_learning_rate lr_min", _FINAL),
    **_all("decay_steps step_size", _PERIOD, _IN_EPOCHS),
    **_all("decay_epochs", _PERIOD),
    **_all("T_0 first_decay_steps", ("cycle", "epochs"), _IN_EPOCHS),
    **_all("T_max total_steps num_training_steps max_epochs num_epochs n_epochs", ("epochs",)),
    **_all("steps", ("steps_per_epoch", "stages", "every", "epochs")),
    **_all("div", ("div_factor",)),
    **_all("div_final", ("final_div_factor",)),
    **_all("moms cycle_momentum", ("momentum",), "a pair such as (0.85, 0.95) in OneCycleDecay"),
    **_all("wd", ("weight_decay",)),
    **_all("gamma factor", ("factor", "decay_rate")),
    **_all("decay_rate drop_rate m_mul", ("factor",)),
    **_all("t_mul T_mult", ("growth",)),
    **_all("boundaries", ("milestones",), _IN_EPOCHS),
    **_all("pct_start", ("rise",), _SHARE),
    **_all("anneal_strategy", ("curve",)),
    **_all("warmup_steps num_warmup_steps", _WARMUP, "in epochs, '500 steps' or '5%'"),
    **_all("warmup_ratio", _WARMUP, "a share of the run such as '5%'"),
    **_all("warmup_epochs warmup", _WARMUP),
    **_all("by_epoch interval update_freq", ("update",), "such as 'epoch', 'batch' or '20 steps'"),
    **_all("cooldown", ("decay",), "the last part, in epochs, '500 steps' or '10%'"),
    **_all("metric metrics monitor", ("monitor", "metrics")),
    **_all(
        "patience min_delta",
        ("trigger", "advance_on"),
        "a rule such as Plateau('val_loss', patience=3)",
    ),
    **_all("drop", ("factor",)),
    **_all("epochs_drop", ("every",)),
    **_all("epochs", ("steps",), "a number of batches"),
    **_all("epsilon threshold", ("min_delta",)),
    **_all("threshold_mode", ("min_delta_mode",)),
    **_all("start_lr", ("start",)),
    **_all("end_lr", ("end",)),
    **_all("num_iter num_steps num_training", ("steps",)),
    **_all("x train_data training_data", ("data",)),
    **_all("callbacks decays", ("arms", "rules")),
    **_all("arms", ("decays",)),
    **_all("learning_rates", ("min_learning_rate",), "and max_learning_rate=…"),
    **_all("models", ("build_model",)),
    **_all("model", ("build_model",), "a function that returns a new, compiled model"),
    **_all("plot out output save save_path filename picture", ("path", "png")),
}
"""An argument of Keras, torch, optax, transformers or timm → what may stand for it here, the best
first, and how its values differ."""

_ABOUT = {
    "epochs": "the horizon in epochs, warmup included",
    "schedule": "such as Cosine(0.1), 'cosine' or 0.1",
}

_NOWHERE = {
    **dict.fromkeys(
        ("decay_steps", "T_max", "total_steps", "num_training_steps", "epochs", "max_epochs"), _RUN
    ),
    "steps_per_epoch": "known to fit",
    **dict.fromkeys(
        ("initial_learning_rate", "learning_rate"),
        "an argument of what has a rate, such as KneeDecay(0.1); AutoDecay finds it",
    ),
    **dict.fromkeys(
        ("monitor", "patience", "min_delta", "mode"),
        "an argument of a rule: rules=[Plateau('val_loss', patience=3)], or of PlateauDecay",
    ),
    **dict.fromkeys(
        ("milestones", "boundaries"),
        "an argument of MultiStep: LearningRateDecay(MultiStep(0.1, milestones=(5, 10)))",
    ),
    "optimizer": "that of the model, which fit knows",
    "model": "known to fit",
    "last_epoch": "initial_epoch=… of fit",
    **dict.fromkeys(
        ("warmup", "warmup_steps", "warmup_epochs", "num_warmup_steps"),
        "kerasdecay.schedules.warmup(schedule, '500 steps'), or warmup= of a callback",
    ),
}
"""What to say of a familiar argument where nothing here stands for it."""


def argument_named(
    name: str, known: Iterable[str], spelled: Callable[[str], str] = "{}=…".format
) -> str:
    """Return which of the known arguments a user may have meant, in a sentence, or nothing.

    Examples:
        >>> argument_named("pct_start", ["initial_learning_rate", "rise"])
        "Did you mean rise=…, a share of the run such as '30%'?"
        >>> argument_named("patiense", ["monitor", "patience"])
        'Did you mean patience=…?'
        >>> argument_named("T_max", ["initial_learning_rate"])
        'T_max is the length of the run, which fit, simulate(epochs=…) and as_keras(epochs=…) tell.'
    """
    known = list(known)
    candidates, differs = FAMILIAR.get(name, ((), ""))
    here = [one for one in candidates if one in known]
    near = here or difflib.get_close_matches(name, known, n=1, cutoff=_checks.NEAR)
    if near:
        differs = _ABOUT.get(near[0], differs) if here else ""
        return f"Did you mean {spelled(near[0])}{f', {differs}' if differs else ''}?"
    answers = (f"{name} is {_NOWHERE[one]}." for one in (name, *candidates[:1]) if one in _NOWHERE)
    return next(answers, "")


class Guessed:
    """Mixin that answers an attribute that users guess with the one that there is."""

    _guesses: ClassVar[Mapping[str, str]] = {}
    """What is not there → what to write instead."""

    if not TYPE_CHECKING:  # a type checker would take any name for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            if name not in self._guesses:
                return object.__getattribute__(self, name)  # raises what it has raised
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(f"{message}. Did you mean {self._guesses[name]!r}?")


def check_arguments(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise a TypeError for the first argument that is not known; it names the right one."""
    known = list(known)
    for name in given:
        if name not in known:
            parts = [
                f"{owner}() got an unexpected keyword argument {name!r}.",
                argument_named(name, known),
                f"It takes {', '.join(known)}." if known else "It takes no arguments.",
            ]
            raise TypeError(" ".join(filter(None, parts)))


def check_call(
    owner: str,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    remedy: str = "",
) -> None:
    """Raise a TypeError that says how to write a call which does not fit a signature.

    `remedy` says where an argument belongs that came without a name.
    """
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        kinds = signature.parameters.values()
        if not any(one.kind is one.VAR_KEYWORD for one in kinds):
            check_arguments(owner, kwargs, signature.parameters)
        ordered = [one.name for one in kinds if one.kind is one.POSITIONAL_OR_KEYWORD]
        named = [f"{one.name}=…" for one in kinds if one.kind is one.KEYWORD_ONLY]
        if len(args) > len(ordered) and named:
            remedy = remedy or f"Write the others by name: {', '.join(named)}."
            pair = " Inputs and targets are one: data=(x, y)." if "data" in ordered else ""
            raise TypeError(
                f"{owner}(): {len(args)} argument{'s' * (len(args) > 1)} without a name, where "
                f"{', '.join(ordered) or 'none'} can do without. {remedy}{pair}"
            ) from None
        given = {*ordered[: len(args)], *kwargs}
        starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        needed = (one.name for one in kinds if one.default is one.empty and one.kind not in starred)
        missing = ", ".join(f"{one}=…" for one in needed if one not in given)
        message = f"{owner}() needs {missing}." if missing else f"{owner}(): {error}."
        if "multiple" in str(error) and remedy:
            message = f"{owner}(): {error}. {remedy}"
        raise TypeError(f"{message} It takes {', '.join(signature.parameters)}.") from None


def takes_familiar(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a function say of a call that does not fit how to write it; see `check_call`."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        check_call(function.__name__, signature, args, kwargs)
        return function(*args, **kwargs)

    return checked


def no_such_name(
    module: str, name: str, known: Iterable[str] = (), remedy: str = ""
) -> AttributeError | ImportError:
    """Return the error of a module's `__getattr__`, which raises it, for a name that is not there.

    Without a remedy it asks for the nearest of the known names.

    Of an AttributeError `from kerasdecay import …` shows nothing: Python replaces it by an
    ImportError of its own. There the error is an ImportError, unless the name is that of a file.
    """
    remedy = remedy or _checks.did_you_mean(known, name)
    imports = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    if imports and importlib.util.find_spec(f"{module}.{name}") is None:
        return ImportError(f"cannot import name {name!r} from {module!r}. {remedy}".rstrip())
    return AttributeError(f"module {module!r} has no attribute {name!r}. {remedy}".rstrip())


def key_named(family: Mapping[str, Any], name: str) -> str | None:
    """Return the key of a member: `power-step` for `PowerStep`, `power_step`, `PowerStepDecay`.

    Examples:
        >>> key_named({"power-step": 1}, "PowerStepDecay")
        'power-step'
    """
    dashed = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name.strip())
    dashed = re.sub(r"[\s_-]+", "-", dashed).lower()
    return next((one for one in (dashed, dashed.removesuffix("-decay")) if one in family), None)


def member_named(family: Mapping[str, Kind], owner: str, argument: str, name: str) -> Kind:
    """Return the member of a family that a name stands for, or raise a ValueError that lists them.

    Examples:
        >>> member_named({"cosine": 1, "linear": 2}, "demo", "schedule", "cosin")
        Traceback (most recent call last):
            ...
        ValueError: demo: schedule must be one of cosine, linear. Received: schedule='cosin'. Did...
    """
    key = key_named(family, name)
    if key is not None:
        return family[key]
    remedy = _checks.did_you_mean(family, name)
    raise _checks.invalid(owner, argument, f"one of {', '.join(family)}", name, remedy)
