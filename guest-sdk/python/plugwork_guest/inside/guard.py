"""The guard around every export: no exception leaves as a bare trap.

Here: exceptions to the error type of the function, or to last words where it has none; stacks; flushing what was
printed. Not here: which functions are exported (`entry`). Easy to get wrong: only the outermost call is guarded, so an
author's methods that call one another see each other's real exceptions.
"""

import functools
import re
import sys
import traceback
import typing
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err

from .. import log
from ..refusal import Denied, Invalid, Unavailable
from .values import check

try:
    from wit_world.imports import plugwork_plugin_refusal as wit
except ImportError:
    # An application's own interfaces may not use plugwork's refusal.
    wit = None

_STACK_CHARACTERS_MAX = 12_000
_MESSAGE_CHARACTERS_MAX = 2_000
_FRAMES_MAX = 60
# The pinned componentize-py writes a function's error type nowhere but into its documentation.
_RAISES = re.compile(r"Raises: `componentize_py_types\.Err\((.+)\)`\s*$")


class _State:
    inside = False


def error_kind(declared: Any) -> str:
    """How a generated function says that it failed: `refusal`, `text`, `typed` for any other error, `none`."""
    found = _RAISES.search(declared.__doc__ or "")
    if found is None:
        return "none"
    # The module that the documentation names is not always the right one, so only the two last words count.
    if found[1].endswith(".plugwork_plugin_refusal.Refusal"):
        return "refusal"
    return "text" if found[1].rpartition(".")[2] == "str" else "typed"


def guarded(function: Callable[..., Any], declared: Any, own: bool = False) -> Callable[..., Any]:
    """`function` so that it ends in a value or in the error type of `declared`, its generated counterpart. `own` also
    checks the type of the value: the SDK's adapters make theirs right, an author might not."""
    kind = error_kind(declared)
    hint = typing.get_type_hints(declared).get("return") if own else None

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _State.inside:
            return function(*args, **kwargs)
        _State.inside = True
        log.open_gate()
        try:
            value = function(*args, **kwargs)
            if own and hint is not None:
                check(value, hint, f"what `{function.__name__}` returned")
            return value
        except BaseException as cause:
            raise _answer(cause, kind) from None
        finally:
            _State.inside = False
            sys.stdout.flush()
            sys.stderr.flush()

    return call


def _answer(cause: BaseException, kind: str) -> BaseException:
    if type(cause) is Err and kind != "none":
        return cause
    if kind == "refusal":
        return Err(refusal(cause))
    message, stack = describe(cause)
    if kind == "text":
        return Err(f"{message}\n{stack}")
    log.last_words(message, stack)
    return cause


def refusal(cause: BaseException) -> Any:
    """The WIT refusal for an exception."""
    if isinstance(cause, Invalid):
        return wit.Refusal_Invalid(wit.Issue(_text(cause.what), _text(cause.at), _text(cause.expected)))
    if isinstance(cause, Denied):
        return wit.Refusal_Denied(wit.Denial(_text(cause.code), _text(cause.permission), _text(cause.rule), _text(cause.hint)))
    if isinstance(cause, Unavailable):
        return wit.Refusal_Unavailable(_text(cause.reason))
    return wit.Refusal_Other(wit.Problem(*describe(cause)))


def describe(cause: BaseException) -> tuple[str, str]:
    """One line, and the stack without the SDK's own frames around the author's."""
    try:
        return _text(_one_line(cause)), _text(_stack(cause))
    except BaseException:
        # Formatting can fail itself: out of memory, or an author's `__str__` that raises.
        return type(cause).__name__, ""


def _one_line(cause: BaseException) -> str:
    kind = type(cause)
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    said = " ".join(str(cause).split())
    return (f"{name}: {said}" if said else name)[:_MESSAGE_CHARACTERS_MAX]


def _stack(cause: BaseException) -> str:
    # Written out here and not by `traceback`, which parses the source again to underline parts of it: in a sealed
    # component the parser of CPython 3.14 opens a file when it meets a syntax error, and that is a trap.
    frames = traceback.extract_tb(cause.__traceback__, limit=-_FRAMES_MAX)
    while frames and "/plugwork_guest/inside/" in frames[0].filename:
        del frames[0]
    while frames and frames[-1].filename.endswith("/plugwork_guest/inside/sandbox.py"):
        del frames[-1]
    lines = []
    for frame in frames:
        # The build mounts the folders as /0, /1, …: a reader knows the file by its name in the project.
        name = re.sub(r"^/\d+/", "", frame.filename)
        lines.append(f"{name}:{frame.lineno} in {frame.name}\n")
        if frame.line:
            lines.append(f"    {frame.line}\n")
    earlier = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    if earlier is not None and earlier is not cause:
        lines.append(f"caused by {_one_line(earlier)}\n")
    return "".join(lines)[-_STACK_CHARACTERS_MAX:]


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode("utf-8")
