"""The analyzer: collects events, and hands out the main shocks among them.

Here: columns, options, tables. Not here: the windows (`windows.py`). Easy to get wrong: the method needs every event at once,
so this plugin keeps them all, up to `events-max`.
"""

from math import isfinite
from typing import Any

from geodesy import distances
from plugwork_guest import Analyzer, Batch, Column, Invalid, Plugin, Table, log
from windows import Event, main_shocks


def column_option(name: str, what: str) -> dict[str, Any]:
    """An option that names a column, which is called like the option unless said otherwise."""
    return {"type": "string", "minLength": 1, "default": name, "description": f"Column with {what}."}


class Declustering(Analyzer):
    """Main shocks by Gardner-Knopoff windows."""

    summary = "Main shocks of an earthquake catalogue, without their foreshocks and aftershocks."
    options = {
        "time": column_option("time", "the moment of each event (timestamp)"),
        "longitude": column_option("longitude", "degrees east"),
        "latitude": column_option("latitude", "degrees north"),
        "magnitude": column_option("magnitude", "the magnitude"),
        "id": column_option("id", "a name for each event; may be absent from the table"),
        "foreshocks": {
            "type": "number", "minimum": 0, "maximum": 1, "default": 1,
            "description": "Share of a main shock's time window that also reaches back to foreshocks.",
        },
        "events-max": {
            "type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 100_000,
            "description": "All events are held in memory; more than this are refused.",
        },
    }

    # How another plugin is asked; a unit test, which has none, asks something of its own.
    distances = staticmethod(distances)

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.events: list[Event] = []
        self.left_out = 0

    def push(self, batch: Batch) -> None:
        """Keeps the events that have a time, a place and a magnitude."""
        time = batch.column(self.options["time"])
        if time.type != "timestamp":
            raise Invalid(f"is {time.type}", f'column "{time.name}"', "a timestamp")
        longitude, latitude, magnitude = (self._numbers(batch, name) for name in ("longitude", "latitude", "magnitude"))
        ids = batch.get(self.options["id"])
        names = [""] * batch.rows if ids is None else ["" if name is None else str(name) for name in ids]
        for event in map(Event, time.to_list(), longitude, latitude, magnitude, names):
            if None in event or not (isfinite(event.longitude) and isfinite(event.latitude) and isfinite(event.magnitude)):
                self.left_out += 1
            else:
                self.events.append(event)
        if len(self.events) > self.options["events-max"]:
            raise Invalid(f"more than {self.options['events-max']} events", "/events-max", "a higher limit, or fewer events")

    def finish(self) -> list[Table]:
        """The tables `main-shocks` and `summary`."""
        if self.left_out:
            log.warn(f"{self.left_out} events have no time, place or magnitude and were left out")
        shocks = main_shocks(self.events, self.options["foreshocks"], self.distances())
        found = Table.from_columns(
            "main-shocks",
            {
                "id": [event.id for event, _ in shocks],
                "time": [event.time_ms for event, _ in shocks],
                "longitude": [event.longitude for event, _ in shocks],
                "latitude": [event.latitude for event, _ in shocks],
                "magnitude": [event.magnitude for event, _ in shocks],
                "cluster": [size for _, size in shocks],
            },
            {"id": "text", "time": "timestamp", "longitude": "float64", "latitude": "float64", "magnitude": "float64",
             "cluster": "int64"},
        )
        total = len(self.events)
        share = len(shocks) / total if total else None
        summary = {"events": [total], "main-shocks": [len(shocks)], "share": [share], "left-out": [self.left_out]}
        return [found, Table.from_columns("summary", summary, {"share": "float64"})]

    def _numbers(self, batch: Batch, option: str) -> list[Any]:
        column: Column = batch.column(self.options[option])
        if not column.is_number():
            raise Invalid(f"is {column.type}", f'column "{column.name}"', "a numeric column")
        return column.to_list()


plugin = Plugin(analyzer=Declustering)
