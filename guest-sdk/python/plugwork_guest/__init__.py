"""Plugwork plugins in Python: the contents page.

Here: the names that a plugin author uses. Not here: what joins them to the component boundary (`inside`).
Easy to get wrong: everything outside `inside` also runs on an ordinary Python, so plugins are tested with `unittest`.
"""

from . import events, fetch, guard, http, log
from .column import Column
from .plugin import Plugin
from .points import Analyzer, Chart, DataSource, Exporter, Transformer, Visualization
from .refusal import Denied, Invalid, Refusal, Unavailable
from .table import Batch, Table

__all__ = [
    "Analyzer",
    "Batch",
    "Chart",
    "Column",
    "DataSource",
    "Denied",
    "Exporter",
    "Invalid",
    "Plugin",
    "Refusal",
    "Table",
    "Transformer",
    "Unavailable",
    "Visualization",
    "events",
    "fetch",
    "guard",
    "http",
    "log",
]
