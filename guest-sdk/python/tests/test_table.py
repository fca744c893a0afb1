"""What tables promise: values survive, limits hold, mistakes are named."""

import random
import unittest
from array import array
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from . import stand_in  # noqa: F401  (before the SDK)
from plugwork_guest import Batch, Column, Invalid, Table
from plugwork_guest.table import BATCH_BYTES_MAX, ROWS_MAX


def roundtrip(values: Any, type: str | None = None) -> list[Any]:
    return Batch.from_columns({"x": values}, {"x": type} if type else None).column("x").to_list()


class Values(unittest.TestCase):
    def test_every_type_survives_with_nulls(self) -> None:
        moment = datetime(2018, 2, 7, 1, 2, 3, 4000, timezone.utc)
        for values in ([True, None, False], [1, None, -(2**63)], [1.5, None], ["é", None, "", "a"], [b"\0", None],
                       [date(1969, 12, 31), None], [Decimal("-12345678901234567890.12"), None, Decimal("0.5")]):
            self.assertEqual(roundtrip(values), values)
        self.assertEqual(Batch.from_columns({"x": [moment, None]}).column("x").to_datetimes(), [moment, None])

    def test_random_columns_survive(self) -> None:
        source = random.Random(3)
        makers = [lambda: source.random() < 0.5, lambda: source.randrange(-9, 9), source.random,
                  lambda: "".join(source.choice("aé€😀") for _ in range(source.randrange(4)))]
        for _ in range(300):
            make = source.choice(makers)
            values = [make() if source.random() < 0.8 else None for _ in range(source.randrange(40))] + [make()]
            self.assertEqual(roundtrip(values), values)

    def test_integers_among_floats_become_floats(self) -> None:
        self.assertEqual(Batch.from_columns({"x": [1, 2.5]}).column("x").format, "g")

    def test_timestamps_are_milliseconds_in_every_unit(self) -> None:
        for unit in "smun":
            self.assertEqual(roundtrip([5000, None], f"ts{unit}:UTC"), [5000, None])

    def test_a_moment_before_1970_is_rounded_down(self) -> None:
        before = datetime(1970, 1, 1, tzinfo=timezone.utc) - timedelta(microseconds=1)
        self.assertEqual(roundtrip([before]), [-1])

    def test_buffers_are_those_of_arrow(self) -> None:
        column = Batch.from_columns({"x": [True] * 8 + [None, True]}).column("x")
        self.assertEqual((column.values, column.validity), (b"\xff\x02", b"\xff\x02"))
        text = Batch.from_columns({"x": ["a", None, "bc"]}).column("x")
        self.assertEqual((text.offsets, text.values, text.validity), (array("i", [0, 1, 1, 3]).tobytes(), b"abc", b"\x05"))

    def test_a_view_is_the_buffer_itself(self) -> None:
        column = Column("x", "g", 2, array("d", [1.5, 2.5]).tobytes())
        self.assertEqual(column.view().tolist(), [1.5, 2.5])
        self.assertIs(column.view().obj, column.values)

    def test_a_null_of_a_date_may_hold_any_number(self) -> None:
        column = Column("x", "tdD", 2, array("i", [2**31 - 1, 1]).tobytes(), None, b"\x02")
        self.assertEqual(column.to_list(), [None, date(1970, 1, 2)])

    def test_arrays_keep_their_width(self) -> None:
        self.assertEqual(Batch.from_columns({"x": array("f", [1.5])}).column("x").type, "float32")
        self.assertEqual(roundtrip(array("i", [7]), "int64"), [7])


class Mistakes(unittest.TestCase):
    def test_a_column_without_values_needs_a_type(self) -> None:
        with self.assertRaisesRegex(ValueError, "types="):
            roundtrip([None])
        self.assertEqual(roundtrip([], "text"), [])

    def test_a_number_that_does_not_fit_is_named_with_its_row(self) -> None:
        with self.assertRaisesRegex(OverflowError, "row 1, column `x`: 256"):
            roundtrip([255, 256], "uint8")

    def test_a_mixed_column_is_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "float, str"):
            roundtrip([1.5, "a"])

    def test_columns_of_two_lengths_are_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "differ in length"):
            Table.from_columns("t", {"a": [1], "b": [1, 2]})

    def test_a_column_that_is_not_there_is_invalid_and_names_those_that_are(self) -> None:
        with self.assertRaises(Invalid) as caught:
            Batch.from_columns({"a": [1]}).column("b")
        self.assertEqual((caught.exception.at, caught.exception.expected), ('column "b"', "one of `a`"))

    def test_an_unknown_type_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "float46"):
            roundtrip([1.0], "float46")


class Splitting(unittest.TestCase):
    def test_rows_split_at_the_limit_and_one_past_it(self) -> None:
        for rows, expected in ((ROWS_MAX, [ROWS_MAX]), (ROWS_MAX + 1, [ROWS_MAX, 1]), (0, [0])):
            table = Table.from_columns("t", {"x": list(range(rows))}, {"x": "int64"})
            self.assertEqual([batch.rows for batch in table.batches()], expected)

    def test_bytes_split_before_the_limit_and_nothing_is_lost(self) -> None:
        texts = [str(row) * 100 for row in range(5000)]
        batches = list(Table.from_columns("t", {"x": texts}).batches())
        self.assertTrue(all(batch.size_bytes() <= BATCH_BYTES_MAX for batch in batches))
        self.assertEqual([text for batch in batches for text in batch.column("x")], texts)

    def test_a_row_at_the_limit_passes_and_one_byte_more_is_invalid(self) -> None:
        self.assertEqual(len(list(Table.from_columns("t", {"x": ["a" * (BATCH_BYTES_MAX - 8)]}).batches())), 1)
        with self.assertRaises(Invalid):
            list(Table.from_columns("t", {"x": ["a" * (BATCH_BYTES_MAX - 7)]}).batches())

    def test_rows_from_dicts_fill_missing_keys_with_nulls(self) -> None:
        batch = next(Table.from_rows("t", [{"a": 1}, {"b": "x"}]).batches())
        self.assertEqual([column.to_list() for column in batch.columns], [[1, None], [None, "x"]])

    def test_columns_replace_in_place_and_select_in_order(self) -> None:
        batch = Batch.from_columns({"a": [1], "b": [2]}).with_column("a", ["x"])
        self.assertEqual((batch.names, batch.column("a").to_list()), (["a", "b"], ["x"]))
        self.assertEqual(batch.select(["b", "a"]).names, ["b", "a"])
