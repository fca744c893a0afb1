"""A stand-in for the modules that componentize-py generates, so that `inside` can be tested without a component.

Here: the shapes of the pinned version's bindings, cut down. Not here: an engine. Easy to get wrong: the SDK looks for the bindings
when it is imported, so each test module imports this first, and an SDK that test discovery imported earlier is forgotten.
"""

import sys
from abc import abstractmethod
from dataclasses import dataclass, make_dataclass
from enum import Enum
from types import ModuleType
from typing import Any, Generic, Optional, Protocol, TypeVar

T = TypeVar("T")
records: list[tuple[str, str]] = []
words: list[tuple[str, str]] = []


@dataclass(frozen=True)
class Err(Generic[T], Exception):
    value: T


@dataclass
class Ok(Generic[T]):
    value: T


class Analyzer(Protocol):
    """As generated for a function with a refusal, one with a text for an error, and one with no error."""

    @abstractmethod
    def start(self, options: str) -> Any:
        """Raises: `componentize_py_types.Err(wit_world.imports.plugwork_plugin_refusal.Refusal)`"""

    @abstractmethod
    def worded(self, options: str) -> Optional[str]:
        """Raises: `componentize_py_types.Err(wit_world.imports.str)`"""

    @abstractmethod
    def plain(self) -> int:
        """No error."""


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    return module


def _record(name: str, *fields: str) -> type:
    return make_dataclass(name, fields)


Finding = _record("Finding", "table", "batch")
ChartRecord = _record("Chart", "name", "title", "description", "media_type", "body")
refusal = _module(
    "wit_world.imports.plugwork_plugin_refusal",
    Denial=_record("Denial", "code", "permission", "rule", "hint"),
    Issue=_record("Issue", "what", "at", "expected"),
    Problem=_record("Problem", "message", "stack"),
    **{f"Refusal_{case}": _record(f"Refusal_{case}", "value") for case in ("Denied", "Invalid", "Unavailable", "Other")},
)
log = _module(
    "wit_world.imports.plugwork_host_log",
    Level=Enum("Level", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"], start=0),
    write=lambda level, message: records.append((level.name.lower(), message)),
    last_words=lambda message, stack: words.append((message, stack)),
)
table = _module(
    "wit_world.imports.plugwork_table_types",
    Column=_record("Column", "name", "format", "validity", "offsets", "values"),
    Batch=_record("Batch", "rows", "columns"),
)
fetch = _module(
    "wit_world.imports.plugwork_host_fetch",
    Header=_record("Header", "name", "value"),
    Request=_record("Request", "method", "url", "headers", "body", "timeout_ms"),
    Response=_record("Response", "status", "headers", "body"),
)
_module(
    "wit_world.imports", plugwork_plugin_refusal=refusal, plugwork_host_log=log, plugwork_table_types=table,
    plugwork_host_fetch=fetch,
)
_module("wit_world.exports")
_module("wit_world", exports=sys.modules["wit_world.exports"])
_module("componentize_py_types", Err=Err, Ok=Ok)
for imported in [name for name in sys.modules if name.partition(".")[0] == "plugwork_guest"]:
    del sys.modules[imported]
