"""What a host sees when it starts, ends and replaces a plugin."""

import unittest
from typing import Any

from . import stand_in
from .stand_in import Err
from plugwork_guest import Invalid, Plugin
from plugwork_guest.inside import entry, lifecycle
from plugwork_guest.inside.guard import guarded


def refused(function: Any, *args: Any) -> Any:
    try:
        guarded(function, stand_in.Analyzer.start)(None, *args)
    except Err as cause:
        return cause.value.value
    raise AssertionError("nothing was raised")


class Lifecycle(unittest.TestCase):
    def test_what_an_author_leaves_out_has_a_default(self) -> None:
        functions = lifecycle.functions(Plugin())
        self.assertIsNone(functions["init"](None, "{}"))
        self.assertIsNone(functions["shutdown"](None))
        self.assertEqual(functions["health"](None), "ready")
        self.assertIsNone(functions["migrate"](None, "0.9.0"))

    def test_migrate_is_told_the_version_before_and_may_refuse(self) -> None:
        def migrate(from_version: str) -> None:
            if from_version != "1.0.0":
                raise Invalid(f"no way from {from_version}")

        functions = lifecycle.functions(Plugin(migrate=migrate))
        self.assertIsNone(functions["migrate"](None, "1.0.0"))
        self.assertEqual(refused(functions["migrate"], "0.9.0").what, "no way from 0.9.0")


class Handover(unittest.TestCase):
    def handover(self, snapshot: Any, restore: Any = lambda state, from_version: None) -> dict[str, Any]:
        return lifecycle.handover(Plugin(snapshot=snapshot, restore=restore))

    def test_what_was_snapshot_is_restored_with_the_version_it_is_from(self) -> None:
        kept: list[Any] = []
        functions = self.handover(lambda: "é", lambda *given: kept.append(given))
        self.assertEqual(functions["snapshot"](None), b"\xc3\xa9")
        functions["restore"](None, b"\x01", "1.0.0")
        self.assertEqual(kept, [(b"\x01", "1.0.0")])

    def test_a_snapshot_has_at_most_16_mib_and_is_bytes_or_text(self) -> None:
        self.assertEqual(len(self.handover(lambda: bytes(16 << 20))["snapshot"](None)), 16 << 20)
        self.assertIn("16777217 bytes", refused(self.handover(lambda: bytes((16 << 20) + 1))["snapshot"]).message)
        self.assertIn("not NoneType", refused(self.handover(lambda: None)["snapshot"]).message)

    def test_what_it_raises_is_a_refusal(self) -> None:
        def restore(state: bytes, from_version: str) -> None:
            raise Invalid("cut off")

        self.assertEqual(refused(self.handover(lambda: b"", restore)["restore"], b"", "1.0.0").what, "cut off")
        self.assertIn("ZeroDivisionError", refused(self.handover(lambda: 1 / 0)["snapshot"]).message)

    def test_one_half_alone_is_refused_while_the_plugin_is_built(self) -> None:
        with self.assertRaisesRegex(TypeError, "both or neither"):
            Plugin(snapshot=lambda: b"")

    def test_an_exported_handover_that_is_not_served_is_refused_while_the_plugin_is_built(self) -> None:
        with self.assertRaisesRegex(LookupError, r"Plugin\(snapshot=…, restore=…\)"):
            entry._handover(stand_in.Analyzer, Plugin(), "plugin")
