"""The shipped extension points, as base classes for authors.

Here: what an author fills in. Not here: the resources at the boundary that call it (`inside.adapters`). Easy to get
wrong: `options` on the class is the schema of what `__init__` is given, and `__init__` is given defaults filled in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from .table import Batch, Table

VEGA_LITE = "application/vnd.vegalite.v6+json"


class Point:
    """What every point says about itself."""

    summary: ClassVar[str] = ""
    """One line for people."""

    options: ClassVar[dict[str, Any]] = {}
    """The options it takes: `{"window-hours": {"type": "integer", "minimum": 1, "default": 24}}`, each a JSON Schema.
    Any other option is refused."""

    required: ClassVar[list[str]] = []
    """Options that must be given."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Begins; raise `Invalid` where options do not fit each other."""


class DataSource(Point):
    """Hands out a table from wherever it lives."""

    def read(self) -> Iterator[Batch | Table]:
        """Yields the table part by part, every part with the same columns. Tables are split as needed. Where there are
        no rows, yield one empty part, so that the columns are known."""
        raise NotImplementedError


class Transformer(Point):
    """Batch in, batch out."""

    def apply(self, batch: Batch) -> Batch:
        """May change rows and columns, but every answer has the same columns."""
        raise NotImplementedError


class Analyzer(Point):
    """Reads a whole table and hands out what it found, as tables."""

    def push(self, batch: Batch) -> None:
        """Takes some rows in. Memory must not grow with the number of rows where the method allows it."""
        raise NotImplementedError

    def finish(self) -> Iterable[Table]:
        """The result. A generator makes each table when the host asks for it."""
        raise NotImplementedError


class Exporter(Point):
    """Writes a table in some file format."""

    def push(self, batch: Batch) -> bytes | str:
        """What to append to the file for these rows; text is written as UTF-8."""
        raise NotImplementedError

    def finish(self) -> bytes | str:
        """What ends the file."""
        return b""


@dataclass
class Chart:
    """One chart: `spec` is a Vega-Lite 6 specification with its data inline, without `$schema`, `title` and
    `description`, which are filled in from the fields."""

    name: str
    """For file names: 1 to 64 characters of `a` to `z`, `0` to `9` and `-`."""
    title: str
    description: str
    """What the chart shows, in a sentence, for those who cannot see it."""
    spec: dict[str, Any]


class Visualization(Point):
    """Draws charts of tables."""

    def push(self, table: str, batch: Batch) -> None:
        """Takes in rows of the named table."""
        raise NotImplementedError

    def finish(self) -> Iterable[Chart]:
        """The charts, at most 16."""
        raise NotImplementedError
