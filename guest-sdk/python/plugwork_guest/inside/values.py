"""Whether a value has the type that the boundary expects.

Here: the check of what an author's own interface returns, by the generated type hints. Not here: ranges of integers,
which the hints do not know. Easy to get wrong: without this check a wrong type ends the component in the conversion, after
the guard, where nobody can say why.
"""

import dataclasses
import types
import typing
from typing import Any

_PLAIN = {bool: "a bool", int: "an int", float: "a float", str: "a str", bytes: "bytes"}


def check(value: Any, hint: Any, at: str) -> None:
    """Raises `TypeError` naming the place inside the value."""
    origin = typing.get_origin(hint)
    if hint is None or hint is type(None):
        _expect(value is None, at, value, "None")
    elif hint is float:
        _expect(isinstance(value, (int, float)) and not isinstance(value, bool), at, value, "a float")
    elif hint is int:
        _expect(isinstance(value, int) and not isinstance(value, bool), at, value, "an int")
    elif hint in _PLAIN:
        _expect(isinstance(value, hint), at, value, _PLAIN[hint])
    elif origin in (typing.Union, types.UnionType):
        _union(value, typing.get_args(hint), at)
    elif origin is list:
        _expect(isinstance(value, list), at, value, "a list")
        for index, item in enumerate(value):
            check(item, typing.get_args(hint)[0], f"{at}[{index}]")
    elif origin is tuple:
        inner = typing.get_args(hint)
        _expect(isinstance(value, tuple) and len(value) == len(inner), at, value, f"a tuple of {len(inner)}")
        for index, item in enumerate(value):
            check(item, inner[index], f"{at}[{index}]")
    elif dataclasses.is_dataclass(hint) or (origin is not None and dataclasses.is_dataclass(origin)):
        _record(value, hint, origin, at)
    elif isinstance(hint, type) and not getattr(hint, "_is_protocol", False):
        _expect(isinstance(value, hint), at, value, f"`{hint.__name__}`")


def _union(value: Any, choices: tuple[Any, ...], at: str) -> None:
    first = None
    for choice in choices:
        try:
            return check(value, choice, at)
        except TypeError as cause:
            # The complaint about the case that was meant is the useful one, not the last case's.
            kind = typing.get_origin(choice) or choice
            if first is None or (isinstance(kind, type) and isinstance(value, kind)):
                first = cause
    if first is not None:
        raise first


def _record(value: Any, hint: Any, origin: Any, at: str) -> None:
    kind = origin or hint
    _expect(type(value) is kind, at, value, f"`{kind.__name__}`")
    if origin is not None:
        return check(value.value, typing.get_args(hint)[0], f"{at}.value")
    for name, inner in typing.get_type_hints(kind).items():
        check(getattr(value, name), inner, f"{at}.{name}")


def _expect(holds: bool, at: str, value: Any, expected: str) -> None:
    if not holds:
        raise TypeError(f"{at} is {type(value).__name__} `{value!r:.60}`, expected {expected}")
