"""Bars of any table: one category column against one value column, with a range and marks where wanted.

Here: one chart from one table. Not here: aggregation; each row is one bar. Easy to get wrong: values come under the chart's own
field names, because a column's name may hold dots and brackets, which Vega-Lite reads as paths.
"""

from datetime import date
from typing import Any

from plugwork_guest import Chart, Invalid
from rows import Rows, plural

ROW_HEIGHT = 18


class Bars:
    """`kind = "bars"`."""

    def __init__(self, options: dict[str, Any], name: str, rows_max: int) -> None:
        self.name = name
        self.options = options
        for option in ("category", "value"):
            if option not in options:
                raise Invalid("missing", f"/{option}", "a column's name: `bars` needs `category` and `value`")
        self.category, self.value = options["category"], options["value"]
        self.title = options.get("title", f"{self.value} by {self.category}")
        self.marks: list[str] = options.get("marks", [])
        self.range = "low" in options and "high" in options
        optional = {f"mark{index}": column for index, column in enumerate(self.marks)}
        if self.range:
            optional |= {"low": options["low"], "high": options["high"]}
        self.tables = [Rows(options.get("table", "statistics"), {"category": self.category, "value": self.value}, optional, rows_max,
                            where=options.get("where"))]

    def draw(self) -> list[Chart]:
        """One chart."""
        rows = self.tables[0].finish()
        total = len(rows)
        if self.options.get("sort", "value") == "value":
            rows = sorted(rows, key=lambda row: row["value"], reverse=True)
        rows = rows[: self.options.get("bars-max", 30)]
        for row in rows:
            row["category"] = row["category"].isoformat() if isinstance(row["category"], date) else str(row["category"])
        y = {"field": "category", "type": "nominal", "sort": None, "title": self.category}
        encoding = {"y": y, "x": {"field": "value", "type": "quantitative", "title": self.value},
                    "tooltip": [{"field": "category", "title": self.category}, {"field": "value", "title": self.value}]}
        layers: list[dict[str, Any]] = [{"mark": {"type": "bar", "opacity": 0.7}, "encoding": encoding}]
        if self.range:
            layers.append({"mark": {"type": "rule"},
                           "encoding": {"y": y, "x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}})
        for index, column in enumerate(self.marks):
            layers.append({"mark": {"type": "tick", "thickness": 3, "tooltip": True},
                           "encoding": {"y": y, "x": {"field": f"mark{index}", "type": "quantitative"},
                                        "color": {"datum": column, "type": "nominal", "title": None}}})
        described = f"Bars of {self.value} for {plural(len(rows), self.category, self.category + ' values')}"
        described += f", the largest of {total:,}" if total > len(rows) else ""
        if rows:
            largest = max(rows, key=lambda row: row["value"])
            described += f"; largest: {largest['category']}, {largest['value']:,.6g}"
        described += f"; marked: {', '.join(self.marks)}." if self.marks else "."
        spec = {"data": {"values": rows}, "width": 480, "height": {"step": ROW_HEIGHT}, "layer": layers}
        return [Chart(self.name, self.title[:250], described[:1000], spec)]
