"""The visualization: which charts are wanted, and which table goes to which.

Here: options and dispatch. Not here: the charts (`epicentres.py`, `frequencies.py`, `rates.py`, `bars.py`). Easy to get wrong:
one table may feed several charts, and a table that feeds none is let go at once.
"""

from typing import Any

from bars import Bars
from epicentres import EventMap
from frequencies import MagnitudeFrequency
from plugwork_guest import Batch, Chart, Invalid, Plugin, Visualization
from rates import HourlyRates

KINDS = {"map": EventMap, "magnitude-frequency": MagnitudeFrequency, "rates": HourlyRates, "bars": Bars}
COLUMN = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": {"type": "string"}}


class VegaCharts(Visualization):
    """Charts as Vega-Lite 6."""

    summary = "Maps, magnitude-frequency plots, hourly rates and bar charts as Vega-Lite with inline data."
    options = {
        "charts": {
            "type": "array", "minItems": 1, "maxItems": 16, "description": "What to draw.",
            "items": {
                "type": "object", "required": ["kind"], "additionalProperties": False,
                "properties": {
                    "kind": {"type": "string", "enum": list(KINDS)},
                    "name": {"type": "string", "maxLength": 48, "pattern": "^[a-z0-9-]+$", "description": "For file names; default: the kind."},
                    "title": {"type": "string", "minLength": 1, "maxLength": 80},
                    "table": {**COLUMN, "description": "The pipeline's name of the table."},
                    "longitude": COLUMN, "latitude": COLUMN, "magnitude": COLUMN,
                    "estimates": {**COLUMN, "description": "magnitude-frequency: the table with `b`."},
                    "groups": {**TEXTS, "minItems": 1, "maxItems": 16, "description": "magnitude-frequency: which to draw."},
                    "category": COLUMN, "value": COLUMN, "low": COLUMN, "high": COLUMN,
                    "marks": {**TEXTS, "maxItems": 8, "description": "bars: columns drawn as ticks."},
                    "where": {"type": "object", "description": "bars: only rows with these values, by column."},
                    "sort": {"type": "string", "enum": ["value", "table"]},
                    "bars-max": {"type": "integer", "minimum": 1, "maximum": 200},
                },
            },
        },
        "rows-max": {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 20_000, "description": "Rows kept for one chart."},
    }
    required = ["charts"]

    def __init__(self, options: dict[str, Any]) -> None:
        self.charts: list[Any] = []
        names: set[str] = set()
        for index, wanted in enumerate(options["charts"]):
            kind = wanted["kind"]
            name = wanted.get("name", kind)
            if name in names:
                raise Invalid(f"two charts are named `{name}`", f"/charts/{index}/name", "a name for each")
            names.add(name)
            try:
                self.charts.append(KINDS[kind](wanted, name, options["rows-max"]))
            except Invalid as refused:
                raise Invalid(refused.what, f"/charts/{index}{refused.at}", refused.expected) from None
        self.tables = [table for chart in self.charts for table in chart.tables]

    def push(self, table: str, batch: Batch) -> None:
        """Hands the rows to every chart that draws this table."""
        for wanted in self.tables:
            if wanted.table == table:
                wanted.push(batch)

    def finish(self) -> list[Chart]:
        """The charts in the order of the options."""
        return [drawn for chart in self.charts for drawn in chart.draw()]


plugin = Plugin(visualization=VegaCharts)
