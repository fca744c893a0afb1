"""What the statistics promise. Run with the SDK on the path: `PYTHONPATH=../../../guest-sdk/python python3 -m unittest`."""

import math
import random
import statistics
import unittest
from typing import Any

from plugin import GroupStats
from plugwork_guest import Batch, Invalid
from plugwork_guest.options import read, schema_of


def analyze(batches: list[Batch], **options: Any) -> list[dict[str, Any]]:
    defaults = read("{}", schema_of(GroupStats.options, []))
    analyzer = GroupStats(defaults | {name.replace("_", "-"): value for name, value in options.items()})
    for batch in batches:
        analyzer.push(batch)
    (table,) = analyzer.finish()
    return [row for batch in table.batches() for row in batch.to_rows()]


class Statistics(unittest.TestCase):
    def test_agrees_with_the_slow_obvious_answer(self) -> None:
        source = random.Random(7)
        rows = [(source.choice("abc"), source.choice([None, source.uniform(-9, 9)])) for _ in range(3000)]
        batches = [Batch.from_columns({"key": [key for key, _ in part], "value": [value for _, value in part]})
                   for part in (rows[:1000], rows[1000:])]
        for found in analyze(batches, by=["key"]):
            values = [value for key, value in rows if key == found["key"] and value is not None]
            self.assertEqual(found["count"], len(values))
            self.assertEqual(found["rows"], sum(key == found["key"] for key, _ in rows))
            self.assertEqual((found["minimum"], found["maximum"]), (min(values), max(values)))
            self.assertAlmostEqual(found["mean"], statistics.fmean(values), places=12)
            self.assertAlmostEqual(found["sum"], math.fsum(values), places=9)

    def test_without_keys_the_table_is_one_group(self) -> None:
        (found,) = analyze([Batch.from_columns({"a": [1, 2, None]})])
        self.assertEqual((found["rows"], found["count"], found["nulls"], found["sum"]), (3, 2, 1, 3.0))

    def test_values_that_are_not_finite_count_as_nulls(self) -> None:
        (found,) = analyze([Batch.from_columns({"a": [1.0, math.nan, math.inf]})])
        self.assertEqual((found["count"], found["nulls"], found["maximum"]), (1, 2, 1.0))

    def test_two_keys_and_a_null_key_make_their_own_groups(self) -> None:
        batch = Batch.from_columns({"k": ["a", "a", None], "n": [1, 2, 1], "v": [1.0, 2.0, 3.0]})
        found = analyze([batch], by=["k", "n"])
        self.assertEqual([(row["k"], row["n"], row["mean"]) for row in found], [("a", 1, 1.0), ("a", 2, 2.0), (None, 1, 3.0)])

    def test_groups_max_holds_at_the_limit_and_refuses_past_it(self) -> None:
        batch = Batch.from_columns({"k": [1, 2], "v": [1, 2]})
        self.assertEqual(len(analyze([batch], by=["k"], groups_max=2)), 2)
        with self.assertRaises(Invalid):
            analyze([batch], by=["k"], groups_max=1)

    def test_a_key_named_like_a_result_is_refused(self) -> None:
        with self.assertRaises(Invalid):
            analyze([], by=["mean"])

    def test_nothing_pushed_is_an_empty_table(self) -> None:
        self.assertEqual(analyze([], by=["k"]), [])


if __name__ == "__main__":
    unittest.main()
