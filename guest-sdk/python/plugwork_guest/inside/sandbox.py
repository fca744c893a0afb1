"""Turns what would end as a bare trap in a component without WASI into Python exceptions.

Here: clocks, files, randomness and late imports, each answered with an exception that says what to do. Not here: print
and logging, which have a place to go (`log`). Easy to get wrong: the replacements must be in place before the author's
module is imported, because `from time import time` would keep the original; until `seal` they pass everything on.
"""

import ast
import builtins
import datetime
import importlib
import io
import linecache
import logging
import os
import random
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

_DEV = "or build with `plugwork build --dev` to have it while developing"
_FILE_FUNCTIONS = (
    "access chdir chmod fstat link listdir lstat mkdir open readlink remove rename replace rmdir scandir stat symlink "
    "truncate unlink utime"
).split()
_CLOCK_FUNCTIONS = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time "
    "thread_time_ns clock_gettime clock_gettime_ns sleep"
).split()
# The position of the argument without which these read the clock.
_CLOCK_READERS = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
# Imported by the standard library only when used, from C or from inside functions.
_LATE = (
    "_strptime _colorize bisect calendar copyreg encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1 "
    "encodings.utf_16 encodings.utf_8_sig fractions locale statistics string textwrap tracemalloc unicodedata"
).split()


class _State:
    sealed = False


class SealedFinder:
    """Stands before the finders that would look for files."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Refuses; modules that are already there never come here."""
        raise ModuleNotFoundError(
            f"cannot import `{name}`: it was not imported when the plugin was built; import it at the top of the file",
            name=name,
        )


def replace() -> None:
    """Puts the replacements in place; they take effect with `seal`."""
    for name in _CLOCK_FUNCTIONS:
        if hasattr(time, name):
            setattr(time, name, _unless_sealed(getattr(time, name), f"time.{name}", _no_clock))
    for name, position in _CLOCK_READERS.items():
        setattr(time, name, _unless_sealed(getattr(time, name), f"time.{name}", _no_clock, position))
    for name in _FILE_FUNCTIONS:
        if hasattr(os, name):
            setattr(os, name, _unless_sealed(getattr(os, name), f"os.{name}", _no_files))
    for module in (builtins, io):
        setattr(module, "open", _unless_sealed(module.open, "open", _no_files))
    builtins.input = _unless_sealed(builtins.input, "input", _no_input)
    os._exit = _unless_sealed(os._exit, "os._exit", _no_exit)
    os.urandom = _unless_sealed(os.urandom, "os.urandom", _no_randomness)
    setattr(random, "_urandom", os.urandom)
    _guard_random()
    _replace_datetime()
    # Log records carry a time; the host stamps its own, so logging is given a clock that stands still.
    setattr(logging, "time", types.SimpleNamespace(time=lambda: 0.0, time_ns=lambda: 0, localtime=time.localtime,
                                                   gmtime=time.gmtime, strftime=time.strftime))


def seal(stubbed: bool) -> None:
    """From here on imports raise, because the files of Python's library stay behind when the component is made; and where
    WASI is stubbed also clocks, files and randomness."""
    sys.meta_path[:] = [SealedFinder()]
    _State.sealed = stubbed


def keep_sources(modules: list[types.ModuleType]) -> None:
    """Reads the modules' source now, so that stack traces show lines later, when there is no file to open."""
    for module in modules:
        if getattr(module, "__file__", None):
            linecache.getlines(str(module.__file__))
    # It parses source again to underline parts of a line, and the parser opens a file at a syntax error: see `guard`.
    setattr(traceback, "_extract_caret_anchors_from_line_segment", lambda segment: None)
    linecache.checkcache = lambda filename=None: None
    linecache.updatecache = lambda filename, module_globals=None: []


def import_late(modules: list[types.ModuleType]) -> None:
    """Imports what the modules import inside functions, and what Python's library does. What is not found now raises when
    it is used, as always."""
    for name in _LATE:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    for module in modules:
        try:
            with open(str(module.__file__), encoding="utf-8") as file:
                tree = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                names = [base] + [f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names]
            for name in names:
                try:
                    importlib.import_module(name, module.__package__ or None)
                except (ImportError, TypeError, ValueError):
                    continue


def _unless_sealed(original: Any, name: str, refuse: Callable[[str], Exception], needed: int = -1) -> Any:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        if _State.sealed and not (0 <= needed < len(args)):
            raise refuse(name)
        return original(*args, **kwargs)

    replacement.__name__ = replacement.__qualname__ = name.rpartition(".")[2]
    replacement.__doc__ = original.__doc__
    return replacement


def _no_clock(name: str) -> Exception:
    return OSError(f"`{name}` needs a clock, and this plugin has none: take times from its input, {_DEV}")


def _no_files(name: str) -> Exception:
    return PermissionError(f"`{name}` needs files, and this plugin has none: read data from its input")


def _no_input(name: str) -> Exception:
    return EOFError(f"`{name}` reads standard input, and a plugin has none: take an option instead")


def _no_exit(name: str) -> Exception:
    return RuntimeError(f"`{name}` would end the plugin without an answer: raise an exception instead")


def _no_randomness(name: str) -> Exception:
    return NotImplementedError(f"`{name}` needs randomness, and this plugin has none: seed `random.Random` with an option, {_DEV}")


def _guard_random() -> None:
    create, seed = random.Random.__new__, random.Random.seed

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if _State.sealed and (not args or args[0] is None) and kwargs.get("x") is None and cls is random.Random:
            raise _no_randomness("random.Random()")
        # A seed for the C constructor, which otherwise draws one; `__init__` sets the real one straight after.
        return create(cls, 0)

    def reseed(self: Any, a: Any = None, version: int = 2) -> None:
        if _State.sealed and a is None:
            raise _no_randomness("random.seed()")
        seed(self, a, version)

    setattr(random.Random, "__new__", new)
    setattr(random.Random, "seed", reseed)
    setattr(random, "seed", random._inst.seed)  # type: ignore[attr-defined]


def _replace_datetime() -> None:
    """`datetime` is a C type whose methods cannot be replaced, so the names get subclasses whose clock methods raise.
    The originals count as instances of them, so that `isinstance` answers as before."""
    plain_date, plain_datetime = datetime.date, datetime.datetime

    class DateType(type):
        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, plain_date)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, plain_date)

    class DatetimeType(DateType):
        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, plain_datetime)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, plain_datetime)

    class date(plain_date, metaclass=DateType):
        today = classmethod(_clockless(plain_date.today, "date.today"))

    class datetime_(plain_datetime, metaclass=DatetimeType):
        now = classmethod(_clockless(plain_datetime.now, "datetime.now"))
        utcnow = classmethod(_clockless(plain_datetime.utcnow, "datetime.utcnow"))
        today = classmethod(_clockless(plain_datetime.today, "datetime.today"))

        def date(self) -> Any:
            """The day, as the replaced type."""
            return date(self.year, self.month, self.day)

    for made, name in ((date, "date"), (datetime_, "datetime")):
        made.__name__ = made.__qualname__ = name
        made.__module__ = "datetime"
        setattr(datetime, name, made)


def _clockless(original: Any, name: str) -> Any:
    def method(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if _State.sealed:
            raise _no_clock(name)
        return original(*args, **kwargs)

    return method
