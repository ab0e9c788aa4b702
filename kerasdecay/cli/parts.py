"""Shapes and rules from the command line: `power-step:stages=5`, and an option for each field."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kerasdecay._checks import did_you_mean
from kerasdecay._names import argument_named, key_named

_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_SYMBOL = re.compile(r"^(η\S*|\w)(?:: |, | (?=in |[<>]))")
"""What begins the description of an argument that the formula has a symbol for."""

PREFIX = "part."
"""Begins the names of the options of shapes and rules, among those of the command."""

_MEMBER = "Rule[Any]"
"""The type of a field that is itself a member of the family: a rule that triggers another."""

SEVERAL = "VALUE,VALUE…"

_METAVARS = {
    "int": "N",
    "float": "X",
    "float | None": "X",
    "float | str": "SHARE",
    "float | str | None": "SHARE",
    "Duration": "DURATION",
    "Duration | None": "DURATION",
    "str | None": "DURATION",
    "str": "WORD",
    _MEMBER: "RULE[:OPTION=VALUE…]",
}


def add_options(
    parser: argparse.ArgumentParser, title: str, family: Mapping[str, Any], *, besides: str = ""
) -> None:
    """Add an option for each field of a family, except for `besides`."""
    group = parser.add_argument_group(title)
    users: dict[str, list[str]] = {}
    for name, kind in family.items():
        for field in dataclasses.fields(kind):
            if field.name != besides:
                users.setdefault(field.name, []).append(name)
    described = {name: _descriptions(kind) for name, kind in family.items()}
    for option, names in users.items():
        (field,) = (f for f in dataclasses.fields(family[names[0]]) if f.name == option)
        texts: dict[str, list[str]] = {}
        for name in names:
            if option in described[name]:
                texts.setdefault(described[name][option], []).append(name)
        help_text = " ".join(
            text if len(who) == len(family) else f"{', '.join(who)}: {text}"
            for text, who in texts.items()
        )
        extra: dict[str, Any] = {"metavar": _METAVARS.get(str(field.type), SEVERAL)}
        if field.type == "bool":
            extra = {"action": argparse.BooleanOptionalAction}
        group.add_argument(
            f"--{dashed(option)}",
            dest=PREFIX + option,
            default=argparse.SUPPRESS,
            help=help_text.replace("%", "%%"),
            **extra,
        )


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of shapes or rules that were given: field → text."""
    found = vars(options).items()
    return {key.removeprefix(PREFIX): value for key, value in found if key.startswith(PREFIX)}


def build(family: Mapping[str, Any], text: str, given: Mapping[str, Any]) -> Any:
    """Return the member that a word stands for.

    Args:
        family: Name → frozen dataclass.
        text: `NAME`, or `NAME:OPTION=VALUE:OPTION=VALUE`. NAME may also be the name of the class or
            of its callback.
        given: Options for all members: field → text, or the value that an option's action made of
            it. A member takes the options that it has; those in `text` win. Options that it does
            not have go to the member inside it, if there is one.

    Raises:
        ValueError: For an unknown name or option, or a value that the member refuses.
    """
    typed, *words = text.split(":")
    name = known_name(family, typed)
    fields = {field.name: field for field in dataclasses.fields(family[name])}
    own: dict[str, Any] = {}
    for word in words:
        option, equals, value = word.partition("=")
        field = option.strip().replace("-", "_")
        if field not in fields:
            known = ", ".join(map(dashed, fields))
            is_rate = "initial_learning_rate" in fields and not equals and number(option) != option
            if is_rate:  # as Cosine(0.1) takes one
                raise ValueError(f"{text!r}: did you mean {name}:initial-learning-rate={option}?")
            hints = [argument_named(field, fields, dashed), f"It has: {known}"]
            raise ValueError(" ".join([f"{name} has no option {option!r}.", *filter(None, hints)]))
        if not equals and fields[field].type != "bool":
            raise ValueError(f"{text!r}: {option} needs a value, as in {name}:{option}=…")
        own[field] = value if equals else True
    values = _values(family[name], {**given, **own})
    others = {option: value for option, value in given.items() if option not in fields}
    for key, described in fields.items():
        if described.type == _MEMBER:
            values[key] = _inner(family, values.get(key, default_of(described)), others)
    return family[name](**values)


def known_name(family: Mapping[str, Any], typed: str) -> str:
    """Return the name for a word: `power-step` for `PowerStep`, `power_step`, `PowerStepDecay`."""
    name = key_named(family, typed)
    if name is None:
        from kerasdecay.rules import FAMILY as RULES
        from kerasdecay.schedules import FAMILY as SHAPES

        hints = [did_you_mean(family, typed), f"There are: {', '.join(family)}"]
        for command, others in (("preview", SHAPES), ("replay --rule", RULES)):
            if other := key_named(others, typed):
                hints = [f"Did you mean kerasdecay {command} {other}?"]
        if number(typed) != typed:
            hints = [f"Did you mean --initial-learning-rate {typed}?"]
        raise ValueError(" ".join([f"there is no {typed!r}.", *filter(None, hints)]))
    return name


def _inner(family: Mapping[str, Any], chosen: Any, given: Mapping[str, Any]) -> Any:
    """Return the member inside another: the one that a word names, or the default with changes."""
    if isinstance(chosen, str):
        return build(family, chosen, given)
    return dataclasses.replace(chosen, **_values(type(chosen), given))


def refuse_unused(members: Iterable[Any], given: Iterable[str], who: str) -> None:
    """Raise a ValueError for an option that no member has, and no member inside one."""
    has = {field for member in members for field in _all_fields(member)}
    for option in given:
        if option not in has:
            raise ValueError(f"{who} --{dashed(option)}")


def _all_fields(member: Any) -> Iterator[str]:
    for field in dataclasses.fields(member):
        yield field.name
        if field.type == _MEMBER:
            yield from _all_fields(getattr(member, field.name))


def spelled(family: Mapping[str, Any], member: Any) -> str:
    """Return the word for a member, the reverse of `build`."""
    (name,) = (name for name, kind in family.items() if kind is type(member))
    changed = [
        f"{dashed(field.name)}={value_text(family, getattr(member, field.name))}"
        for field in dataclasses.fields(member)
        if getattr(member, field.name) != default_of(field)
    ]
    return ":".join([name, *changed])


def value_text(family: Mapping[str, Any], value: Any) -> str:
    """Return an option's value as a user types it."""
    if isinstance(value, tuple):
        return ",".join(value_text(family, item) for item in value)
    if dataclasses.is_dataclass(value):
        return spelled(family, value)
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def dashed(name: str) -> str:
    """Return a field's name as a user types it."""
    return name.replace("_", "-")


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def first_line(kind: Any) -> str:
    """Return the first line of a class's docstring."""
    return (kind.__doc__ or "").partition("\n")[0]


def _descriptions(kind: Any) -> dict[str, str]:
    """Return the `Args:` of a class: name → text, with names in place of the formula's symbols."""
    _, _, arguments = inspect.cleandoc(kind.__doc__ or "").partition("Args:\n")
    arguments = arguments.partition("\n\n")[0].replace("`", "")
    texts = {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(arguments)}
    symbols = {
        found[1]: dashed(name) for name, text in texts.items() if (found := _SYMBOL.match(text))
    }
    return {
        name: re.sub(
            r"(?<![\w'])(?:η\w+|\w)(?!\w)",
            lambda found: symbols.get(found[0], found[0]),
            _SYMBOL.sub("", text),
        )
        for name, text in texts.items()
    }


def _values(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fields that were given."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    return {name: _value(fields[name], text) for name, text in given.items() if name in fields}


def _value(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a field's value from the text for it; the class itself checks it."""
    if not isinstance(value, str) or field.type in ("str", _MEMBER):
        return value
    if value.lower() == "none" and str(field.type).endswith("| None"):
        return None
    if field.type == "bool":
        return {"true": True, "false": False}.get(value.lower(), value)
    if str(field.type).startswith("tuple"):
        return tuple(number(item) for item in value.split(","))
    return number(value)


def number(text: str) -> int | float | str:
    """Return a number, or the text itself: a duration such as `500 steps`."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()
