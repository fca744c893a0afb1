"""Magnitude-frequency plots: how many events there are of each magnitude and above, with the fitted Gutenberg-Richter line.

Here: charts from the two tables of the plugin `magnitude-frequency`. Not here: the estimate. Easy to get wrong: the axis is
logarithmic, so bins without events are left out instead of being drawn at zero.
"""

import re
from typing import Any

from plugwork_guest import Chart, Invalid
from rows import Rows, number, plural

GROUPS_DEFAULT = 4


class MagnitudeFrequency:
    """`kind = "magnitude-frequency"`."""

    def __init__(self, options: dict[str, Any], name: str, rows_max: int) -> None:
        self.name = name
        self.title = options.get("title", "Magnitudes and their frequency")
        self.groups: list[str] | None = options.get("groups")
        self.frequencies = Rows(
            options.get("table", "frequencies"), {"group": "group", "magnitude": "magnitude", "cumulative": "cumulative"},
            {"count": "count", "fitted": "fitted"}, rows_max,
        )
        same = {name: name for name in ("events", "used", "completeness", "b", "b-uncertainty", "status")}
        self.estimates = Rows(options.get("estimates", "estimates"), {"group": "group"}, same, rows_max)
        self.tables = [self.frequencies, self.estimates]

    def draw(self) -> list[Chart]:
        """One chart for each group."""
        rows = self.frequencies.finish()
        # The points alone are worth drawing where a pipeline hands over no estimates.
        estimates = {row["group"]: row for row in (self.estimates.finish() if self.estimates.arrived else [])}
        present = dict.fromkeys(row["group"] for row in rows)
        if self.groups is None:
            fitted = [row for row in estimates.values() if row["b"] is not None and row["group"] in present]
            fitted.sort(key=lambda row: -(row["used"] or row["events"] or 0))
            chosen = [row["group"] for row in fitted[:GROUPS_DEFAULT]] or list(present)[:GROUPS_DEFAULT]
        else:
            chosen = self.groups
            for index, group in enumerate(chosen):
                if group not in present:
                    raise Invalid(f"there is no group `{group}`", f"/groups/{index}", "one of " + ", ".join(map(str, present)))
        return [self._chart(group, [row for row in rows if row["group"] == group], estimates.get(group, {})) for group in chosen]

    def _chart(self, group: str, rows: list[dict[str, Any]], estimate: dict[str, Any]) -> Chart:
        subtitle = estimate_words(estimate)
        observed = [{"magnitude": row["magnitude"], "events": row["cumulative"]} for row in rows if row["cumulative"] > 0]
        single = [{"magnitude": row["magnitude"], "events": row["count"]} for row in rows if row["count"]]
        line = [{"magnitude": row["magnitude"], "events": row["fitted"]} for row in rows if row["fitted"]]
        layers: list[dict[str, Any]] = [
            layer(single, {"type": "point", "shape": "triangle-up", "opacity": 0.6}, "this magnitude"),
            layer(observed, {"type": "point", "filled": True}, "this or larger"),
        ]
        if line:
            layers.append(layer(line, {"type": "line"}, "fitted"))
        if estimate.get("completeness") is not None:
            layers.append({"data": {"values": [{"magnitude": estimate["completeness"]}]},
                           "mark": {"type": "rule", "strokeDash": [4, 4]},
                           "encoding": {"x": {"field": "magnitude", "type": "quantitative"}}})
        title = f"{self.title}: {group}"
        total = max((row["cumulative"] for row in rows), default=0)
        described = f"Number of events against magnitude for group {group}, {plural(int(total), 'event', 'events')}, on a logarithmic axis"
        described += f", with the Gutenberg-Richter line: {subtitle}." if line and subtitle else f"; {subtitle}." if subtitle else "."
        spec = {
            "title": {"text": title, "subtitle": subtitle} if subtitle else title,
            "width": 480,
            "height": 320,
            "layer": [entry for entry in layers if entry["data"]["values"]],
        }
        return Chart(name_with(self.name, group), title, described, spec)


def layer(values: list[dict[str, Any]], mark: dict[str, Any], legend: str) -> dict[str, Any]:
    """One set of marks, told from the others by colour and legend."""
    return {
        "data": {"values": values},
        "mark": {**mark, "tooltip": True},
        "encoding": {
            "x": {"field": "magnitude", "type": "quantitative", "title": "magnitude", "scale": {"zero": False}},
            "y": {"field": "events", "type": "quantitative", "title": "events", "scale": {"type": "log", "domainMin": 0.5}},
            "color": {"datum": legend, "type": "nominal", "title": None},
        },
    }


def estimate_words(estimate: dict[str, Any]) -> str:
    """`b = 0.82 ± 0.06, complete from magnitude 0.9, 168 events used`; or why there is no b; empty without an estimate."""
    if estimate.get("b") is None:
        return f"no line: {estimate['status']}" if estimate.get("status") else ""
    words = f"b = {number(float(estimate['b']))}"
    if estimate.get("b-uncertainty") is not None:
        words += f" ± {number(float(estimate['b-uncertainty']))}"
    if estimate.get("completeness") is not None:
        words += f", complete from magnitude {float(estimate['completeness']):g}"
    if estimate.get("used") is not None:
        words += f", {plural(int(estimate['used']), 'event', 'events')} used"
    return words


def name_with(name: str, group: str) -> str:
    """A chart's name that also names a group, within the letters that names may have."""
    return f"{name}-{re.sub(r'[^a-z0-9]+', '-', str(group).lower()).strip('-') or 'group'}"[:64]
