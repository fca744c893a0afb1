"""Events per hour as bars, their rolling mean as a line, and the hours that stand out as points.

Here: one chart from the table `hours` of the plugin `hourly-rate`. Not here: which hours stand out; the table says so. Easy to
get wrong: the axis is in UTC, as the hours are.
"""

from typing import Any

from plugwork_guest import Chart
from rows import Rows, plural

HOUR_MS = 3_600_000


class HourlyRates:
    """`kind = "rates"`."""

    def __init__(self, options: dict[str, Any], name: str, rows_max: int) -> None:
        self.name = name
        self.title = options.get("title", "Events per hour")
        optional = {"mean": "rolling-mean", "outlier": "outlier"}
        self.tables = [Rows(options.get("table", "hours"), {"hour": "hour", "events": "events"}, optional, rows_max)]

    def draw(self) -> list[Chart]:
        """One chart."""
        rows = self.tables[0].finish()
        bars = [{"hour": row["hour"], "end": row["hour"] + HOUR_MS, "events": row["events"]} for row in rows]
        middle = HOUR_MS // 2
        mean = [{"hour": row["hour"] + middle, "events": row["mean"]} for row in rows if row["mean"] is not None]
        outliers = [{"hour": row["hour"] + middle, "events": row["events"]} for row in rows if row["outlier"]]
        layers = [part(bars, {"type": "bar", "binSpacing": 0, "opacity": 0.6}, "events"),
                  part(mean, {"type": "line"}, "rolling mean"),
                  part(outliers, {"type": "point", "filled": True, "size": 60}, "stands out")]
        # A bar between two moments has no base of its own.
        layers[0]["encoding"] |= {"x2": {"field": "end"}, "y2": {"datum": 0}}
        described = f"Bars of events in each of {plural(len(rows), 'hour', 'hours')}"
        if rows:
            described += f", at most {max(row['events'] for row in rows)} in one hour"
        described += ", with their rolling mean" if mean else ""
        described += f"; {plural(len(outliers), 'hour stands', 'hours stand')} out."
        spec = {"width": 720, "height": 260, "layer": [entry for entry in layers if entry["data"]["values"]] or layers[:1]}
        return [Chart(self.name, self.title, described, spec)]


def part(values: list[dict[str, Any]], mark: dict[str, Any], legend: str) -> dict[str, Any]:
    """One set of marks, told from the others by colour and legend."""
    return {
        "data": {"values": values},
        "mark": {**mark, "tooltip": True},
        "encoding": {
            "x": {"field": "hour", "type": "temporal", "title": "time (UTC)", "scale": {"type": "utc"},
                  "axis": {"format": "%d %b", "tickCount": "day"}},
            "y": {"field": "events", "type": "quantitative", "title": "events per hour"},
            "color": {"datum": legend, "type": "nominal", "title": None},
        },
    }
