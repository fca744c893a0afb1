"""The resources behind the shipped points: from the boundary's calls to the author's class.

Here: one resource class for each point, named as the WIT names it, with what the contract says about order and ends. Not
here: exceptions (`guard`). Easy to get wrong: one analysis ends with its first refusal, and every later call is `invalid`,
whatever state the author's object was left in.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from .. import options as option_reading
from ..column import Column
from ..points import VEGA_LITE, Analyzer, Chart, DataSource, Exporter, Point, Transformer, Visualization
from ..refusal import Invalid
from ..table import BATCH_BYTES_MAX, ROWS_MAX, Batch, Table

try:
    from wit_world.imports import plugwork_table_types as wit
except ImportError:
    wit = None

_NAME = re.compile(r"[a-z0-9-]{1,64}\Z")
_CHARTS_MAX = 16
_TABLES_MAX = 64
_BODY_BYTES_MAX = 4 << 20
_FILE_BYTES_MAX = 8 << 20


def incoming(batch: Any) -> Batch:
    """The author's view of a batch; buffers are not copied."""
    rows = batch.rows
    return Batch(rows, [Column(column.name, column.format, rows, column.values, column.offsets, column.validity)
                        for column in batch.columns])


def outgoing(batch: Any) -> Any:
    """The boundary's view of a batch."""
    if not isinstance(batch, Batch):
        raise TypeError(f"expected a Batch, got {type(batch).__name__}")
    if batch.rows > ROWS_MAX or batch.size_bytes() > BATCH_BYTES_MAX:
        raise Invalid("a batch is larger than a batch may be", "", "at most 8,192 rows and 1 MiB over all columns")
    return wit.Batch(batch.rows, [wit.Column(column.name, column.format, column.validity, column.offsets, column.values)
                                  for column in batch.columns])


def begin(point: type[Point], text: str) -> Point:
    """The author's object, with options read and defaults filled in."""
    return point(option_reading.read(text, option_reading.schema_of(point.options, point.required)))


def _until_refusal(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *args: Any) -> Any:
        if self.ended:
            raise Invalid(f"the {type(self).__name__.lower()} is finished", "", "no call after the end or a refusal")
        try:
            return method(self, *args)
        except BaseException:
            self.ended = True
            raise

    return call


class _Resource:
    def __init__(self, author: Any) -> None:
        self.author = author
        self.ended = False


class Cursor(_Resource):
    """A reading under way."""

    author: DataSource

    def __init__(self, author: DataSource) -> None:
        super().__init__(author)
        self._batches = self._read()
        self._drained = False

    @_until_refusal
    def next(self) -> Any:
        """The next batch, or None."""
        if self._drained:
            return None
        batch = next(self._batches, None)
        self._drained = batch is None
        return batch

    def _read(self) -> Iterator[Any]:
        shape = None
        for part in self.author.read():
            for batch in part.batches() if isinstance(part, Table) else (part,):
                made = outgoing(batch)
                found = [(column.name, column.format) for column in batch.columns]
                shape = shape or found
                if found != shape:
                    raise TypeError(f"`read` yielded columns {found} after {shape}: every part has the same; name `types`")
                yield made
        if shape is None:
            raise TypeError("`read` yielded nothing: yield one part without rows, so that the columns are known")


class Transformation(_Resource):
    """One chain link."""

    author: Transformer

    @_until_refusal
    def apply(self, input: Any) -> Any:
        """Batch in, batch out."""
        return outgoing(self.author.apply(incoming(input)))


class Analysis(_Resource):
    """An analysis under way."""

    author: Analyzer
    Finding: Any = None

    def __init__(self, author: Analyzer) -> None:
        super().__init__(author)
        self._findings: Iterator[Any] | None = None

    @_until_refusal
    def push(self, input: Any) -> None:
        """Takes some rows in."""
        if self._findings is not None:
            raise Invalid("`push` after `next`", "", "all input before the first `next`")
        self.author.push(incoming(input))

    @_until_refusal
    def next(self) -> Any:
        """Part after part of the result, then None."""
        if self._findings is None:
            self._findings = self._finish()
        return next(self._findings, None)

    def _finish(self) -> Iterator[Any]:
        seen: set[str] = set()
        for table in self.author.finish():
            if not isinstance(table, Table):
                raise TypeError(f"`finish` gave {type(table).__name__}, expected tables")
            _unique_name(table.name, seen, _TABLES_MAX, "table")
            for batch in table.batches():
                yield self.Finding(table.name, outgoing(batch))


class Writer(_Resource):
    """One file being written."""

    author: Exporter

    @_until_refusal
    def push(self, input: Any) -> bytes:
        """The bytes to append."""
        return _file_bytes("push", self.author.push(incoming(input)))

    @_until_refusal
    def finish(self) -> bytes:
        """The bytes that end the file."""
        ending = _file_bytes("finish", self.author.finish())
        self.ended = True
        return ending


class Drawing(_Resource):
    """A drawing under way."""

    author: Visualization
    Chart: Any = None

    @_until_refusal
    def push(self, table: str, input: Any) -> None:
        """Takes in rows of the named table."""
        self.author.push(table, incoming(input))

    @_until_refusal
    def finish(self) -> list[Any]:
        """The charts."""
        seen: set[str] = set()
        charts = [self._chart(chart, seen) for chart in self.author.finish()]
        self.ended = True
        return charts

    def _chart(self, chart: Any, seen: set[str]) -> Any:
        if not isinstance(chart, Chart):
            raise TypeError(f"`finish` gave {type(chart).__name__}, expected charts")
        _unique_name(chart.name, seen, _CHARTS_MAX, "chart")
        if not chart.description or len(chart.description.encode()) > 1024 or len(chart.title.encode()) > 256:
            raise ValueError(f"chart `{chart.name}`: a description of 1 to 1,024 bytes and a title of at most 256 are needed")
        spec = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "title": chart.title,
                "description": chart.description, **chart.spec}
        body = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if len(body.encode()) > _BODY_BYTES_MAX:
            raise Invalid(f"chart `{chart.name}` holds too much data", "", "at most 4 MiB of specification: draw fewer rows")
        return self.Chart(chart.name, chart.title, chart.description, VEGA_LITE, body)


SHIPPED: dict[str, tuple[str, type]] = {
    "plugwork:points/data-source": ("open", Cursor),
    "plugwork:points/transformer": ("start", Transformation),
    "plugwork:points/analyzer": ("start", Analysis),
    "plugwork:points/exporter": ("start", Writer),
    "plugwork:points/visualization": ("start", Drawing),
}


def _unique_name(name: str, seen: set[str], most: int, kind: str) -> None:
    if not _NAME.match(name):
        raise ValueError(f"`{name}` cannot be the name of a {kind}: use 1 to 64 of a to z, 0 to 9 and -")
    if name in seen:
        raise ValueError(f"two {kind}s are named `{name}`: a name is unique in one answer")
    seen.add(name)
    if len(seen) > most:
        raise ValueError(f"more than {most} {kind}s in one answer")


def _file_bytes(function: str, value: Any) -> bytes:
    if isinstance(value, str):
        value = value.encode("utf-8")
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(f"`{function}` gave {type(value).__name__}, expected bytes or str")
    if len(value) > _FILE_BYTES_MAX:
        raise Invalid(f"`{function}` gave {len(value)} bytes", "", "at most 8 MiB at once: write less per batch")
    return bytes(value)
