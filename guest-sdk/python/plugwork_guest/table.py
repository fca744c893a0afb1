"""Tables and their batches.

Here: `Batch`, some rows as they cross the boundary, and `Table`, a named result of any length that is split into batches.
Not here: the buffers (`column`, `building`). Easy to get wrong: a table holds its values until it is handed out, so a
source with many rows yields one table, or one batch, after another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import building, formats
from .column import Column
from .refusal import Invalid

ROWS_MAX = 8_192
COLUMNS_MAX = 256
BATCH_BYTES_MAX = 1_048_576


class Batch:
    """At most 8,192 rows, 256 columns and 1 MiB."""

    __slots__ = ("_by_name", "columns", "rows")

    def __init__(self, rows: int, columns: Iterable[Column]) -> None:
        self.rows = rows
        self.columns = list(columns)
        self._by_name = {column.name: column for column in self.columns}
        for column in self.columns:
            if column.rows != rows:
                raise ValueError(f"column `{column.name}` has {column.rows} rows where the batch has {rows}")
        if len(self._by_name) != len(self.columns):
            raise ValueError("two columns have one name: rename one")

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[Any]], types: Mapping[str, str] | None = None) -> "Batch":
        """One batch from lists (None is a null), arrays or other batches' columns. `types` names types where they
        cannot be seen: `{"time": "timestamp", "count": "uint32"}`."""
        return Table.from_columns("", columns, types).batch()

    @property
    def names(self) -> list[str]:
        """The columns' names, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """The column of this name, or `Invalid` naming the columns there are."""
        found = self._by_name.get(name)
        if found is None:
            raise Invalid("no such column", f'column "{name}"', "one of " + ", ".join(f"`{had}`" for had in self.names))
        return found

    def get(self, name: str) -> Column | None:
        """The column of this name, or None."""
        return self._by_name.get(name)

    def with_column(self, name: str, values: Sequence[Any], type: str | None = None) -> "Batch":
        """A batch with one more column, or with that column replaced in its place."""
        arrow = formats.arrow_format(type) if type else building.format_of(name, values)
        made = building.build(name, arrow, values)
        if name in self._by_name:
            return Batch(self.rows, [made if column.name == name else column for column in self.columns])
        return Batch(self.rows, [*self.columns, made])

    def select(self, names: Iterable[str]) -> "Batch":
        """A batch of these columns only, in this order."""
        return Batch(self.rows, [self.column(name) for name in names])

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """Row after row as a dict: easy, and several times slower than going column by column."""
        names = self.names
        for values in zip(*(column.to_list() for column in self.columns)):
            yield dict(zip(names, values))

    def size_bytes(self) -> int:
        """Over all buffers, as the 1 MiB limit counts."""
        return sum(len(column.values) + len(column.offsets or b"") + len(column.validity or b"") for column in self.columns)

    def __repr__(self) -> str:
        return f"<Batch rows={self.rows} columns={self.names}>"


class Table:
    """A named table of any length. The name is 1 to 64 characters of `a` to `z`, `0` to `9` and `-`."""

    __slots__ = ("_formats", "_values", "name", "rows")

    def __init__(self, name: str, rows: int, values: dict[str, Sequence[Any]], arrow_formats: dict[str, str]) -> None:
        self.name = name
        self.rows = rows
        self._values = values
        self._formats = arrow_formats

    @classmethod
    def from_columns(cls, name: str, columns: Mapping[str, Sequence[Any]], types: Mapping[str, str] | None = None) -> "Table":
        """A table from columns of one length: lists with None for nulls, or arrays of numbers."""
        types = types or {}
        lengths = {column: len(values) for column, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        unknown = [column for column in types if column not in columns]
        if unknown:
            raise ValueError(f"`types` names no column of the table: {', '.join(unknown)}")
        if len(columns) > COLUMNS_MAX:
            raise ValueError(f"{len(columns)} columns are more than {COLUMNS_MAX}")
        found = {column: formats.arrow_format(types[column]) if column in types else building.format_of(column, values)
                 for column, values in columns.items()}
        return cls(name, next(iter(lengths.values()), 0), dict(columns), found)

    @classmethod
    def from_rows(cls, name: str, rows: Iterable[Mapping[str, Any]], types: Mapping[str, str] | None = None) -> "Table":
        """A table from dicts. The columns are those of `types`, then any other in order of appearance; a missing key is
        a null."""
        listed = list(rows)
        names = dict.fromkeys(types or {})
        for row in listed:
            names.update(dict.fromkeys(row))
        return cls.from_columns(name, {column: [row.get(column) for row in listed] for column in names}, types)

    def batches(self) -> Iterator[Batch]:
        """The rows, split to fit 8,192 rows and 1 MiB; one batch of 0 rows for an empty table."""
        start = 0
        while start < self.rows or start == 0:
            rows = min(ROWS_MAX, self.rows - start)
            batch = self._part(start, start + rows)
            # Halved, not measured beforehand: nearly every batch fits at once, so building it is the measurement.
            while batch.size_bytes() > BATCH_BYTES_MAX:
                if rows == 1:
                    raise Invalid("a row is larger than a batch may be", f"row {start}", "at most 1 MiB over all columns")
                rows //= 2
                batch = self._part(start, start + rows)
            yield batch
            start += rows
            if rows == 0:
                return

    def batch(self) -> Batch:
        """The whole table as one batch, or `ValueError` where it does not fit one."""
        if self.rows > ROWS_MAX:
            raise ValueError(f"{self.rows} rows do not fit one batch of {ROWS_MAX}: make a Table")
        batch = self._part(0, None)
        if batch.size_bytes() > BATCH_BYTES_MAX:
            raise ValueError(f"{batch.size_bytes()} bytes do not fit one batch of {BATCH_BYTES_MAX}: make a Table")
        return batch

    def _part(self, start: int, end: int | None) -> Batch:
        rows = self.rows - start if end is None else end - start
        if (start, end) == (0, self.rows):
            end = None
        return Batch(rows, [building.build(name, self._formats[name], values, start, end)
                            for name, values in self._values.items()])

    def __repr__(self) -> str:
        return f"<Table {self.name} rows={self.rows} columns={list(self._values)}>"
