"""The plugin's log, and what `print` and `logging` become.

Here: writing records, and the stream and handler that feed them. Not here: when they are put in place (`inside.entry`).
Easy to get wrong: outside a component, as in unit tests, records go to standard error.
"""

import io
import logging
import sys
from typing import Any

try:
    from wit_world.imports import plugwork_host_log as _host
except ImportError:
    _host = None

_RECORD_CHARACTERS_MAX = 8_192


class _Gate:
    """Closed while the build runs the entry file: there is no host yet, and calling it would abort the build."""

    open = False


def trace(message: str) -> None:
    """Every step; only for finding a fault."""
    _write("trace", message)


def debug(message: str) -> None:
    """For the plugin's author."""
    _write("debug", message)


def info(message: str) -> None:
    """For whoever runs the plugin."""
    _write("info", message)


def warn(message: str) -> None:
    """Something is odd and the work goes on."""
    _write("warn", message)


def error(message: str) -> None:
    """Something failed."""
    _write("error", message)


def open_gate() -> None:
    """Called at the first call from the host."""
    _Gate.open = True


def last_words(message: str, stack: str) -> None:
    """What the host attaches to the fault that follows."""
    if _host is not None and _Gate.open:
        _host.last_words(message, stack)


def _write(level: str, message: str) -> None:
    message = str(message).encode("utf-8", "replace").decode("utf-8")
    if _host is not None and _Gate.open:
        _host.write(_host.Level[level.upper()], message)
    else:
        (sys.__stderr__ or sys.stderr).write(f"{level}: {message}\n")


class Stream(io.TextIOBase):
    """Stands for standard output or error: each line is a record."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._line = ""

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Keeps the last, unfinished line until it ends or the call does."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            _write(self._level, line)
        if len(self._line) >= _RECORD_CHARACTERS_MAX:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Writes the unfinished line, if any."""
        if self._line:
            line, self._line = self._line, ""
            _write(self._level, line)


class Handler(logging.Handler):
    """Sends `logging` records to the log. The logger's name is put before the message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Failures to format are reported as `logging` does, to standard error, which is the log as well."""
        try:
            text = self.format(record)
            _write(_level_name(record.levelno), text if record.name == "root" else f"{record.name}: {text}")
        except Exception:
            self.handleError(record)


def _level_name(number: Any) -> str:
    for least, name in ((40, "error"), (30, "warn"), (20, "info"), (10, "debug")):
        if number >= least:
            return name
    return "trace"
