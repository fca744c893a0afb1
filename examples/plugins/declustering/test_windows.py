"""What the windows promise. Run with the SDK on the path: `PYTHONPATH=../../../guest-sdk/python python3 -m unittest`."""

import unittest

from plugin import Declustering
from plugwork_guest import Batch, Invalid
from plugwork_guest.options import read, schema_of
from windows import DAY_MS, Event, main_shocks, window_days, window_km

# Gardner and Knopoff (1974), table 1: magnitude, kilometres, days.
TABLE = [
    (2.5, 19.5, 6), (3.0, 22.5, 11.5), (3.5, 26, 22), (4.0, 30, 42), (4.5, 35, 83), (5.0, 40, 155), (5.5, 47, 290),
    (6.0, 54, 510), (6.5, 61, 790), (7.0, 70, 915), (7.5, 81, 960), (8.0, 94, 985),
]


def event(days: float, longitude: float, magnitude: float, name: str) -> Event:
    return Event(round(days * DAY_MS), longitude, 0.0, magnitude, name)


def names(events: list[Event], foreshocks: float = 1.0) -> list[tuple[str, int]]:
    return [(event.id, size) for event, size in main_shocks(events, foreshocks, along_the_equator)]


def along_the_equator(latitude: float, longitude: float, latitudes: list[float], longitudes: list[float]) -> list[float]:
    """What the other plugin answers where all latitudes are 0."""
    return [111.195 * abs(there - longitude) for there in longitudes]


class Windows(unittest.TestCase):
    def test_the_fit_follows_the_table(self) -> None:
        for magnitude, kilometres, days in TABLE:
            self.assertAlmostEqual(window_km(magnitude) / kilometres, 1, delta=0.03)
            self.assertAlmostEqual(window_days(magnitude) / days, 1, delta=0.15 if magnitude < 6.5 else 0.13)

    def test_a_larger_event_takes_its_foreshocks_and_aftershocks(self) -> None:
        events = [event(0, 0, 3, "before"), event(1, 0.1, 5, "main"), event(2, 0, 4, "after")]
        self.assertEqual(names(events), [("main", 3)])
        self.assertEqual(names(events, foreshocks=0), [("before", 1), ("main", 2)])

    def test_what_lies_outside_the_window_stands_alone(self) -> None:
        far = window_km(5) / 111.195 + 0.01
        late = window_days(5) + 0.01
        events = [event(0, 0, 5, "main"), event(1, far, 3, "far"), event(late, 0, 3, "late")]
        self.assertEqual(names(events), [("main", 1), ("far", 1), ("late", 1)])

    def test_a_taken_event_opens_no_window(self) -> None:
        events = [event(0, 0, 5, "main"), event(1, 0.3, 4.9, "taken"), event(2, 0.6, 2, "beyond")]
        self.assertEqual(names(events), [("main", 2), ("beyond", 1)])

    def test_equal_magnitudes_keep_the_earlier(self) -> None:
        self.assertEqual(names([event(1, 0, 4, "second"), event(0, 0, 4, "first")]), [("first", 2)])


class Plugin(unittest.TestCase):
    def plugin(self, **options: object) -> Declustering:
        defaults = read("{}", schema_of(Declustering.options, []))
        plugin = Declustering(defaults | {name.replace("_", "-"): value for name, value in options.items()})
        plugin.distances = lambda: along_the_equator
        return plugin

    def batch(self, rows: int) -> Batch:
        return Batch.from_columns(
            {"time": [row * DAY_MS for row in range(rows)], "longitude": [0.0] * rows, "latitude": [0.0] * rows,
             "magnitude": [None if row == 0 else 3.0 for row in range(rows)]},
            {"time": "timestamp", "magnitude": "float64", "longitude": "float64", "latitude": "float64"},
        )

    def test_rows_without_a_magnitude_are_left_out_and_counted(self) -> None:
        plugin = self.plugin()
        plugin.push(self.batch(3))
        shocks, summary = (next(table.batches()) for table in plugin.finish())
        self.assertEqual(shocks.column("cluster").to_list(), [2])
        self.assertEqual(next(summary.to_rows()), {"events": 2, "main-shocks": 1, "share": 0.5, "left-out": 1})

    def test_an_empty_catalogue_has_tables_without_shocks(self) -> None:
        shocks, summary = (next(table.batches()) for table in self.plugin().finish())
        self.assertEqual((shocks.rows, summary.column("share").to_list()), (0, [None]))

    def test_events_max_holds_at_the_limit_and_refuses_past_it(self) -> None:
        self.plugin(events_max=2).push(self.batch(3))
        with self.assertRaises(Invalid):
            self.plugin(events_max=2).push(self.batch(4))


if __name__ == "__main__":
    unittest.main()
