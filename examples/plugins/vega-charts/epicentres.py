"""The map: each event a circle at its longitude and latitude.

Here: one chart from one table. Not here: coastlines; a chart carries its own data and nothing else. Easy to get wrong: one degree
is drawn equally long in both directions (equirectangular), so the height follows from what is shown.
"""

from typing import Any

from plugwork_guest import Chart
from rows import Rows, number, plural

WIDTH = 720


class EventMap:
    """`kind = "map"`."""

    def __init__(self, options: dict[str, Any], name: str, rows_max: int) -> None:
        self.name = name
        self.title = options.get("title", "Epicentres")
        needed = {"longitude": options.get("longitude", "longitude"), "latitude": options.get("latitude", "latitude")}
        optional = {"magnitude": options.get("magnitude", "magnitude"), "place": "place", "time": "time"}
        self.tables = [Rows(options.get("table", "events"), needed, optional, rows_max, keep_largest="magnitude")]

    def draw(self) -> list[Chart]:
        """One chart."""
        (table,) = self.tables
        rows = table.finish()
        magnitudes = [row["magnitude"] for row in rows if row["magnitude"] is not None]
        longitudes = extent([row["longitude"] for row in rows], 180)
        latitudes = extent([row["latitude"] for row in rows], 90)
        shown = plural(len(rows), "event", "events")
        title: Any = self.title
        if table.seen > len(rows):
            title = {"text": self.title, "subtitle": f"the {shown} of largest magnitude out of {table.seen:,}"}
        description = f"Map of {shown} between longitudes {longitudes[0]} and {longitudes[1]} and latitudes {latitudes[0]} and {latitudes[1]}"
        description += f"; the largest magnitude is {number(float(max(magnitudes)), 1)}." if magnitudes else "."
        encoding: dict[str, Any] = {
            "x": {"field": "longitude", "type": "quantitative", "title": "longitude (degrees east)",
                  "scale": {"domain": longitudes, "nice": False}},
            "y": {"field": "latitude", "type": "quantitative", "title": "latitude (degrees north)",
                  "scale": {"domain": latitudes, "nice": False}},
            "tooltip": [{"field": name, "type": kind} for name, kind in
                        (("place", "nominal"), ("time", "temporal"), ("magnitude", "quantitative"))
                        if any(row[name] is not None for row in rows)],
        }
        if magnitudes:
            # Area grows with the square of the magnitude: small events stay visible and large ones do not hide the rest.
            encoding["size"] = {"field": "magnitude", "type": "quantitative", "title": "magnitude",
                                "scale": {"type": "pow", "exponent": 2, "range": [4, 400], "domainMin": 0, "clamp": True}}
            encoding["order"] = {"field": "magnitude", "sort": "descending"}
        height = round(WIDTH * (latitudes[1] - latitudes[0]) / (longitudes[1] - longitudes[0]))
        values = [{name: value for name, value in row.items() if value is not None} for row in rows]
        spec = {
            "title": title,
            "data": {"values": values},
            "width": WIDTH,
            "height": min(max(height, 240), 600),
            "mark": {"type": "circle", "opacity": 0.5, "clip": True},
            "encoding": encoding,
        }
        return [Chart(self.name, self.title, description, spec)]


def extent(degrees: list[float], limit: int) -> list[int]:
    """Whole degrees around the values with a little room; all of the world where they span more than half of it."""
    if not degrees or max(degrees) - min(degrees) > limit:
        return [-limit, limit]
    room = max(1.0, (max(degrees) - min(degrees)) / 20)
    return [max(-limit, int((min(degrees) - room) // 1)), min(limit, int(-(-(max(degrees) + room) // 1)))]
