"""The rows that a chart keeps while batches come in.

Here: which columns are kept, and the limit. Not here: drawing. Easy to get wrong: a column that a chart can do without is
None in every row where the table lacks it.
"""

import heapq
from math import isfinite
from typing import Any

from plugwork_guest import Batch, Invalid


class Rows:
    """Rows of one table as dicts: the wanted columns, under the chart's own names for them."""

    def __init__(self, table: str, needed: dict[str, str], optional: dict[str, str], rows_max: int, keep_largest: str = "",
                 where: dict[str, Any] | None = None) -> None:
        self.table = table
        self.needed = needed
        self.optional = optional
        self.rows_max = rows_max
        self.keep_largest = keep_largest
        self.where = where or {}
        self.kept: list[dict[str, Any]] = []
        self.seen = 0
        self.arrived = False

    def push(self, batch: Batch) -> None:
        """Keeps what the chart needs; a row without a needed value is left out."""
        self.arrived = True
        columns = {name: batch.column(column).to_list() for name, column in self.needed.items()}
        for name, column in self.optional.items():
            found = batch.get(column)
            columns[name] = [None] * batch.rows if found is None else found.to_list()
        tests = [(batch.column(column).to_list(), value) for column, value in self.where.items()]
        names = list(columns)
        needed = list(self.needed)
        for index, values in enumerate(zip(*columns.values())):
            if any(cells[index] != value for cells, value in tests):
                continue
            # JSON has no NaN and no infinity; a chart has no place for them either.
            row = {name: None if isinstance(value, float) and not isfinite(value) else value for name, value in zip(names, values)}
            if all(row[name] is not None for name in needed):
                self.kept.append(row)
                self.seen += 1
        # Only at twice the limit, so that the work of choosing is spread over as many rows.
        if len(self.kept) > (2 * self.rows_max if self.keep_largest else self.rows_max):
            self._shrink()

    def finish(self) -> list[dict[str, Any]]:
        """The rows, at most `rows_max`."""
        if not self.arrived:
            raise Invalid("no such table was pushed", f'table "{self.table}"', "the pipeline's name of a table, in `table`")
        if len(self.kept) > self.rows_max:
            self._shrink()
        return self.kept

    def _shrink(self) -> None:
        if not self.keep_largest or any(row[self.keep_largest] is None for row in self.kept):
            raise Invalid(f"more than {self.rows_max} rows", f'table "{self.table}"', "fewer rows, or a higher `rows-max`")
        self.kept = heapq.nlargest(self.rows_max, self.kept, key=lambda row: row[self.keep_largest])


def number(value: float, digits: int = 2) -> str:
    """For people: `1,707`, `0.82`."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def plural(count: int, one: str, many: str) -> str:
    """`1 event`, `1,707 events`."""
    return f"{count:,} {one if count == 1 else many}"
