"""The analyzer: which columns are keys and which are measured, and the table at the end.

Here: options and columns. Not here: the arithmetic (`statistics_by_group.py`). Easy to get wrong: a group is a tuple of key
values, and a null is a value of its own, as in `group-stats`.
"""

from collections.abc import Hashable
from typing import Any

from plugwork_guest import Analyzer, Batch, Invalid, Plugin, Table
from statistics_by_group import Summary, pick, rows_by_key

RESERVED = ["column", "rows", "count", "nulls", "mean", "minimum", "maximum", "sum"]


class GroupStats(Analyzer):
    """Statistics of numeric columns by group."""

    summary = "Count, nulls, mean, minimum, maximum and sum of numeric columns, for each group of rows."
    options = {
        "by": {
            "type": "array", "items": {"type": "string"}, "maxItems": 8, "uniqueItems": True, "default": [],
            "description": "Columns whose values make the groups; none: the whole table is one group.",
        },
        "values": {
            "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 256, "uniqueItems": True,
            "description": "Columns to measure; default: every numeric column that is not in `by`.",
        },
        "groups-max": {
            "type": "integer", "minimum": 1, "maximum": 65_536, "default": 4096, "description": "More groups than this are refused.",
        },
    }

    def __init__(self, options: dict[str, Any]) -> None:
        self.by: list[str] = options["by"]
        self.measured: list[str] | None = options.get("values")
        self.groups_max: int = options["groups-max"]
        self.key_formats: list[str] = []
        self.rows: dict[Hashable, int] = {}
        self.summaries: dict[tuple[Hashable, str], Summary] = {}
        for index, name in enumerate(self.by):
            if name in RESERVED:
                raise Invalid(f"`{name}` is also a column of the result", f"/by/{index}", "another name")

    def push(self, batch: Batch) -> None:
        """Splits the rows into groups once, then adds each measured column to each group."""
        measured = self._measured(batch)
        rows = self._rows(batch)
        for key, group in rows.items():
            self.rows[key] = self.rows.get(key, 0) + len(group)
        if len(self.rows) > self.groups_max:
            raise Invalid(f"more than {self.groups_max} groups", "/groups-max", "a higher limit, or fewer columns in `/by`")
        for name in measured:
            column = batch.column(name)
            if not column.is_number():
                raise Invalid(f"is {column.type}", f'column "{name}"', "a numeric column")
            values, present = column.view().tolist(), column.present()
            for key, group in rows.items():
                summary = self.summaries.get((key, name))
                if summary is None:
                    summary = self.summaries[(key, name)] = Summary()
                summary.add(pick(values, group, present))

    def finish(self) -> list[Table]:
        """One row for each group and measured column."""
        cells = [(key, name) for key in self.rows for name in self.measured or []]
        summaries = [self.summaries[cell] for cell in cells]
        some = [summary.count > 0 for summary in summaries]
        columns: dict[str, list[Any]] = {
            name: [key[index] if isinstance(key, tuple) else key for key, _ in cells] for index, name in enumerate(self.by)
        }
        columns |= {
            "column": [name for _, name in cells],
            "rows": [self.rows[key] for key, _ in cells],
            "count": [summary.count for summary in summaries],
            "nulls": [self.rows[key] - summary.count for (key, _), summary in zip(cells, summaries)],
            "mean": [summary.mean for summary in summaries],
            "minimum": [float(summary.minimum) if any_value else None for summary, any_value in zip(summaries, some)],
            "maximum": [float(summary.maximum) if any_value else None for summary, any_value in zip(summaries, some)],
            "sum": [summary.sum for summary in summaries],
        }
        types = dict(zip(self.by, self.key_formats or ["text"] * len(self.by)))
        types |= {"column": "text", "rows": "int64", "count": "int64", "nulls": "int64"}
        types |= dict.fromkeys(["mean", "minimum", "maximum", "sum"], "float64")
        return [Table.from_columns("statistics", columns, types)]

    def _measured(self, batch: Batch) -> list[str]:
        if self.measured is None:
            self.measured = [column.name for column in batch.columns if column.is_number() and column.name not in self.by]
            if not self.measured:
                raise Invalid("no column is numeric", "/values", "a table with a numeric column")
        return self.measured

    def _rows(self, batch: Batch) -> dict[Hashable, list[int]]:
        columns = [batch.column(name) for name in self.by]
        self.key_formats = [column.format for column in columns]
        if not columns:
            return {(): list(range(batch.rows))} if batch.rows else {}
        # One key column stays as it is: making a tuple for each row would cost as much as the split itself.
        lists = [column.to_list() for column in columns]
        return rows_by_key(lists[0] if len(lists) == 1 else zip(*lists))


plugin = Plugin(analyzer=GroupStats)
