"""What options promise: defaults, and the path of what does not fit."""

import json
import unittest
from typing import Any

from . import stand_in  # noqa: F401  (before the SDK)
from plugwork_guest import Analyzer, Invalid, Plugin
from plugwork_guest.options import read, schema_of

SCHEMA = schema_of(
    {
        "hours": {"type": "integer", "minimum": 1, "maximum": 9, "default": 4},
        "mode": {"enum": ["a", "b"]},
        "names": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 2, "default": []},
        "inner": {"type": "object", "properties": {"x": {"type": "number", "default": 0.5}}},
    },
    ["mode"],
)


class Options(unittest.TestCase):
    def given(self, value: Any) -> dict[str, Any]:
        return read(json.dumps(value), SCHEMA)

    def refused(self, value: Any) -> tuple[str, str]:
        with self.assertRaises(Invalid) as caught:
            self.given(value)
        return caught.exception.at, caught.exception.expected

    def test_defaults_are_filled_in_also_inside(self) -> None:
        self.assertEqual(self.given({"mode": "a", "inner": {}}), {"mode": "a", "hours": 4, "names": [], "inner": {"x": 0.5}})

    def test_a_default_is_nobodys_to_change(self) -> None:
        self.given({"mode": "a"})["names"].append("x")
        self.assertEqual(self.given({"mode": "a"})["names"], [])

    def test_bounds_hold_at_the_limit_and_refuse_past_it(self) -> None:
        self.assertEqual(self.given({"mode": "a", "hours": 9})["hours"], 9)
        self.assertEqual(self.refused({"mode": "a", "hours": 10}), ("/hours", "a number at most 9"))
        self.assertEqual(len(self.given({"mode": "a", "names": ["x", "y"]})["names"]), 2)
        self.assertEqual(self.refused({"mode": "a", "names": ["x", "y", "z"]}), ("/names", "at most 2 items"))

    def test_wrong_types_name_their_path(self) -> None:
        self.assertEqual(self.refused({"mode": "a", "hours": "4"}), ("/hours", "integer"))
        self.assertEqual(self.refused({"mode": "a", "hours": True}), ("/hours", "integer"))
        self.assertEqual(self.refused({"mode": "a", "names": ["x", 3]}), ("/names/1", "string"))
        self.assertEqual(self.refused([]), ("", "object"))

    def test_a_whole_float_is_an_integer(self) -> None:
        self.assertIs(type(self.given({"mode": "a", "hours": 4.0})["hours"]), int)

    def test_missing_and_unknown_options_are_refused(self) -> None:
        self.assertEqual(self.refused({})[0], "/mode")
        self.assertEqual(self.refused({"mode": "a", "hour": 1})[0], "/hour")
        self.assertEqual(self.refused({"mode": "c"}), ("/mode", 'one of "a", "b"'))

    def test_what_is_not_json_is_invalid(self) -> None:
        with self.assertRaisesRegex(Invalid, "not JSON"):
            read("{", SCHEMA)


class Descriptor(unittest.TestCase):
    def test_it_says_summary_and_schema_of_each_point(self) -> None:
        class Count(Analyzer):
            """Counts rows.

            More about it."""

            options = {"n": {"type": "integer"}}

        point = json.loads(Plugin(analyzer=Count).descriptor())["points"]["plugwork:points/analyzer"]
        self.assertEqual(point["summary"], "Counts rows.")
        self.assertEqual(point["options"], {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False})

    def test_a_class_of_another_point_is_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "Transformer"):
            Plugin(transformer=Analyzer)  # type: ignore[arg-type]
