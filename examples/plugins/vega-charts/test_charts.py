"""What the charts promise. Run with the SDK on the path: `PYTHONPATH=../../../guest-sdk/python python3 -m unittest`."""

import json
import unittest
from typing import Any

from plugin import VegaCharts
from plugwork_guest import Batch, Chart, Invalid
from plugwork_guest.options import read, schema_of


def draw(charts: list[dict[str, Any]], tables: dict[str, dict[str, list[Any]]], **options: Any) -> list[Chart]:
    given = {"charts": charts} | {name.replace("_", "-"): value for name, value in options.items()}
    plugin = VegaCharts(read(json.dumps(given), schema_of(VegaCharts.options, VegaCharts.required)))
    for name, columns in tables.items():
        types = {column: "timestamp" for column in ("time", "hour") if column in columns}
        plugin.push(name, Batch.from_columns(columns, types))
    drawn = list(plugin.finish())
    for chart in drawn:
        assert chart.description and "\"url\"" not in json.dumps(chart.spec, allow_nan=False)
    return drawn


EVENTS = {"longitude": [-118.6, 150.2, None], "latitude": [34.4, -5.0, 1.0], "magnitude": [2.0, None, 3.0]}
FREQUENCIES = {"group": ["ci", "ci", "ci", "us"], "magnitude": [0.9, 1.0, 1.1, 4.5], "count": [5, 0, 2, 1],
               "cumulative": [7, 2, 2, 1], "fitted": [6.9, 3.0, None, None]}
ESTIMATES = {"group": ["ci", "us"], "used": [168, 2], "completeness": [0.9, None], "b": [0.8234, None], "b-uncertainty": [0.061, None],
             "status": ["estimated", "too few events"]}


class EventMaps(unittest.TestCase):
    def test_an_event_without_a_place_is_left_out(self) -> None:
        (chart,) = draw([{"kind": "map"}], {"events": EVENTS})
        self.assertEqual(len(chart.spec["data"]["values"]), 2)
        self.assertEqual(chart.spec["encoding"]["x"]["scale"]["domain"], [-180, 180])

    def test_too_many_events_keep_the_largest_and_say_so(self) -> None:
        events = {"longitude": [1.0] * 5, "latitude": [1.0] * 5, "magnitude": [1.0, 5.0, 2.0, 4.0, 3.0]}
        (chart,) = draw([{"kind": "map"}], {"events": events}, rows_max=2)
        self.assertEqual([row["magnitude"] for row in chart.spec["data"]["values"]], [5.0, 4.0])
        self.assertIn("out of 5", chart.spec["title"]["subtitle"])

    def test_too_many_events_without_magnitudes_are_refused(self) -> None:
        events = {"longitude": [1.0, 2.0], "latitude": [1.0, 2.0]}
        self.assertEqual(len(draw([{"kind": "map"}], {"events": events}, rows_max=2)), 1)
        with self.assertRaises(Invalid):
            draw([{"kind": "map"}], {"events": events}, rows_max=1)


class Frequencies(unittest.TestCase):
    def test_b_and_its_uncertainty_stand_in_the_subtitle(self) -> None:
        (chart,) = draw([{"kind": "magnitude-frequency"}], {"frequencies": FREQUENCIES, "estimates": ESTIMATES})
        self.assertEqual(chart.name, "magnitude-frequency-ci")
        self.assertEqual(chart.spec["title"]["subtitle"], "b = 0.82 ± 0.06, complete from magnitude 0.9, 168 events used")

    def test_bins_without_events_are_not_drawn_on_a_logarithmic_axis(self) -> None:
        (chart,) = draw([{"kind": "magnitude-frequency"}], {"frequencies": FREQUENCIES, "estimates": ESTIMATES})
        drawn = [row["events"] for layer in chart.spec["layer"] for row in layer["data"]["values"] if "events" in row]
        self.assertTrue(all(events > 0 for events in drawn))

    def test_without_estimates_and_optional_columns_the_points_are_drawn(self) -> None:
        bare = {name: FREQUENCIES[name] for name in ("group", "magnitude", "cumulative")}
        ci, us = draw([{"kind": "magnitude-frequency"}], {"frequencies": bare})
        self.assertEqual(len(ci.spec["layer"]), 1)
        self.assertEqual(us.spec["title"], "Magnitudes and their frequency: us")

    def test_a_group_that_is_not_there_is_refused_with_those_that_are(self) -> None:
        with self.assertRaisesRegex(Invalid, "ci, us"):
            draw([{"kind": "magnitude-frequency", "groups": ["nc"]}], {"frequencies": FREQUENCIES})


class Rates(unittest.TestCase):
    def test_hours_that_stand_out_are_points_of_their_own(self) -> None:
        hours = {"hour": [0, 3_600_000], "events": [2, 30], "rolling-mean": [16.0, None], "outlier": [False, True]}
        (chart,) = draw([{"kind": "rates"}], {"hours": hours})
        self.assertEqual([len(layer["data"]["values"]) for layer in chart.spec["layer"]], [2, 1, 1])
        self.assertIn("1 hour stands out", chart.description)


class BarCharts(unittest.TestCase):
    TABLE = {"carrier": ["a", "b", "c"], "column": ["delay", "delay", "time"], "mean": [1.0, 5.0, 9.0], "q50": [0.5, 4.0, 9.0]}

    def test_only_rows_that_fit_where_are_drawn_largest_first(self) -> None:
        wanted = {"kind": "bars", "category": "carrier", "value": "mean", "marks": ["q50"], "where": {"column": "delay"}}
        (chart,) = draw([wanted], {"statistics": self.TABLE})
        self.assertEqual([row["category"] for row in chart.spec["data"]["values"]], ["b", "a"])
        self.assertEqual(len(chart.spec["layer"]), 2)

    def test_a_missing_column_option_is_refused_with_its_path(self) -> None:
        with self.assertRaisesRegex(Invalid, "/charts/0/category"):
            draw([{"kind": "bars", "value": "mean"}], {})


class Options(unittest.TestCase):
    def test_a_table_that_never_came_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(Invalid, 'table "hours"'):
            draw([{"kind": "rates"}], {"events": EVENTS})

    def test_two_charts_of_one_name_are_refused(self) -> None:
        with self.assertRaisesRegex(Invalid, "/charts/1/name"):
            draw([{"kind": "map"}, {"kind": "map"}], {"events": EVENTS})


if __name__ == "__main__":
    unittest.main()
