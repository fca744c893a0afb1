"""What the plugin promises. Run with the SDK on the path: `PYTHONPATH=../../../guest-sdk/python python3 -m unittest`."""

import json
import unittest
from unittest.mock import patch

import plugin
from plugwork_guest import Invalid
from plugwork_guest.events import Event
from plugwork_guest.guard import Decision, Party, Question


def check(principal: str | None, interface: str) -> Decision:
    return plugin.Doorkeeper({}).check(Question(Party("acme:vault"), interface, principal))


class Guarding(unittest.TestCase):
    def setUp(self) -> None:
        plugin.init({"allowed": {"ada": ["*"], "bob": ["plugwork:points/exporter"]}})

    def test_who_is_on_the_list_may_call_what_is_named_there_and_nobody_else_anything(self) -> None:
        with patch("plugin.emit") as emit:
            self.assertTrue(check("ada", "plugwork:points/analyzer@0.1.0").allowed)
            self.assertTrue(check("bob", "plugwork:points/exporter@0.1.0").allowed)
            emit.assert_not_called()
            self.assertEqual(check("bob", "plugwork:points/analyzer@0.1.0").reason, "`bob` may not call `plugwork:points/analyzer`")
            emit.assert_called_once_with("doors/denied", "bob")
            self.assertEqual(check(None, "a:b/c").reason, "nobody said for whom `a:b/c` is called")

    def test_without_anybody_to_tell_a_no_is_a_no(self) -> None:
        self.assertFalse(check("eve", "a:b/c").allowed)

    def test_a_configuration_that_says_something_else_is_refused(self) -> None:
        for wrong in ({"denied": {}}, {"allowed": {"ada": "*"}}, {"allowed": [["*"]]}, {"allowed": None}):
            with self.assertRaises(Invalid):
                plugin.init(wrong)


class Counting(unittest.TestCase):
    def test_denials_are_counted_by_principal(self) -> None:
        with patch("plugin.emit") as emit:
            plugin.Denials({}).handle([Event("doors/denied", principal) for principal in (b"eve", b"", b"eve")])
        topic, payload = emit.call_args.args
        self.assertEqual((topic, json.loads(payload)), ("doors/summary", {"eve": 2, "": 1}))


if __name__ == "__main__":
    unittest.main()
