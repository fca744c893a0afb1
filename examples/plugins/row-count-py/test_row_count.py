"""What the plugin promises. Run with the SDK on the path: `PYTHONPATH=../../../guest-sdk/python python3 -m unittest`."""

import unittest

from plugin import RowCount
from plugwork_guest import Batch


class Counting(unittest.TestCase):
    def test_the_rows_of_all_batches_are_counted_nulls_among_them(self) -> None:
        counter = RowCount({})
        counter.push(Batch.from_columns({"n": [1, None]}))
        counter.push(Batch.from_columns({"n": [3]}))
        (table,) = counter.finish()
        self.assertEqual(table.name, "counts")
        self.assertEqual([row for batch in table.batches() for row in batch.to_rows()], [{"rows": 3}])

    def test_each_analysis_begins_at_none(self) -> None:
        RowCount({}).push(Batch.from_columns({"n": [1]}))
        self.assertEqual(RowCount({}).rows, 0)


if __name__ == "__main__":
    unittest.main()
