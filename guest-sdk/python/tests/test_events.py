"""Events: records in, the author's class, and what the host's functions are given and answer.

Here: conversions, and what is refused before the boundary. Not here: the guard. Easy to get wrong: the stand-in has to be imported first.
"""

import json
import unittest
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from . import stand_in
from .stand_in import Err
from plugwork_guest import Denied, Invalid, Plugin, Unavailable, events
from plugwork_guest.events import Event, EventHandler
from plugwork_guest.inside import handling


def record(topic: str, payload: bytes = b"", sequence: int | None = None) -> Any:
    return SimpleNamespace(topic=topic, payload=payload, source="acme:shop", chain=7, hops=2, sequence=sequence)


class Handling(unittest.TestCase):
    def test_all_that_is_known_of_an_event_arrives_in_order_at_one_object(self) -> None:
        made: list[Any] = []

        class Keeps(EventHandler):
            def __init__(self, options: dict[str, Any]) -> None:
                made.append(self)
                self.heard: list[Event] = []

            def handle(self, events: list[Event]) -> None:
                self.heard += events

        handle = handling.handler(Keeps)
        self.assertIsNone(handle(None, [record("a/b", b"1", 9), record("c", b"[2]")]))
        handle(None, [record("d")])
        (author,) = made
        self.assertEqual(author.heard[0], Event("a/b", b"1", "acme:shop", 7, 2, 9))
        self.assertEqual([event.topic for event in author.heard], ["a/b", "c", "d"])
        self.assertEqual((author.heard[1].json(), author.heard[1].sequence), ([2], None))

    def test_a_handler_of_which_nothing_was_run_has_handled_nothing(self) -> None:
        class Later(EventHandler):
            async def handle(self, events: list[Event]) -> None:  # type: ignore[override]
                pass

        class Yields(EventHandler):
            def handle(self, events: list[Event]) -> Any:
                yield events

        class YieldsLater(EventHandler):
            async def handle(self, events: list[Event]) -> Any:  # type: ignore[override]
                yield events

        for author in (Later, Yields, YieldsLater):
            with self.assertRaisesRegex(TypeError, "nothing of it was run"):
                handling.handler(author)(None, [record("a")])

    def test_a_payload_that_is_not_json_is_invalid_and_one_that_is_not_text_is_replaced(self) -> None:
        for payload in (b"{", b"[" * 100_000, b"\xff"):
            with self.assertRaises(Invalid):
                Event("a", payload).json()
        self.assertEqual(Event("a", b"a\xff").text(), "a\ufffd")

    def test_a_plugin_names_it(self) -> None:
        class Hears(EventHandler):
            """Hears."""

        described = json.loads(Plugin(event_handler=Hears).descriptor())
        self.assertEqual(described["points"]["plugwork:points/event-handler"]["summary"], "Hears.")
        with self.assertRaisesRegex(TypeError, "derived from `EventHandler`"):
            Plugin(event_handler=dict)  # type: ignore[arg-type]


class Publishing(unittest.TestCase):
    def setUp(self) -> None:
        self.asked: list[Any] = []

    def ask(self, function: Any, *arguments: Any, answer: Any = None) -> Any:
        def called(name: str) -> Any:
            def call(*given: Any) -> Any:
                self.asked.append((name, *given))
                if isinstance(answer, Exception):
                    raise answer
                return answer

            return call

        names = ("emit", "subscribe", "once", "replay", "unsubscribe")
        with patch.object(events, "_host", SimpleNamespace(**{name: called(name) for name in names})):
            return function(*arguments)

    def test_each_function_asks_the_host_and_gives_its_answer(self) -> None:
        self.ask(events.emit, "a/b", "é")
        self.ask(events.emit, "a/b", bytearray(b"\x01"))
        self.ask(events.emit, "a/b")
        self.assertEqual(self.ask(events.subscribe, "a/*", answer=1), 1)
        self.assertEqual(self.ask(events.once, "a/*", answer=2), 2)
        self.assertEqual(self.ask(events.replay, 5, answer=6), 6)
        self.assertIsNone(self.ask(events.unsubscribe, 1))
        self.assertEqual(self.asked, [("emit", "a/b", b"\xc3\xa9"), ("emit", "a/b", b"\x01"), ("emit", "a/b", b""), ("subscribe", "a/*"),
                                      ("once", "a/*"), ("replay", 5), ("unsubscribe", 1)])

    def test_what_the_host_refuses_is_raised_as_the_refusal_that_it_is(self) -> None:
        denial = stand_in.refusal.Refusal_Denied(stand_in.refusal.Denial("E", "p", "r", "h"))
        with self.assertRaises(Denied) as denied:
            self.ask(events.emit, "a", answer=Err(denial))
        self.assertEqual((denied.exception.code, denied.exception.__cause__), ("E", None))
        with self.assertRaises(Invalid):
            self.ask(events.subscribe, "a", answer=Err(stand_in.refusal.Refusal_Invalid(stand_in.refusal.Issue("w", "", ""))))
        with self.assertRaises(Unavailable):
            self.ask(events.replay, 0, answer=Err(stand_in.refusal.Refusal_Unavailable("later")))
        with self.assertRaises(KeyError):
            self.ask(events.emit, "a", answer=KeyError())

    def test_what_cannot_cross_never_reaches_the_boundary(self) -> None:
        for function, argument in ((events.emit, 1), (events.subscribe, b"a"), (events.once, None), (events.replay, "1"), (events.unsubscribe, True)):
            with self.assertRaises(TypeError):
                self.ask(function, argument)
        with self.assertRaises(TypeError):
            self.ask(events.emit, "a", {"not": "bytes"})
        for function, count in ((events.unsubscribe, -1), (events.unsubscribe, 1 << 32), (events.replay, 1 << 64)):
            with self.assertRaises(Invalid):
                self.ask(function, count)
        self.assertEqual(self.asked, [])
        self.ask(events.emit, "\ud800", "\ud800")
        self.assertEqual(self.asked, [("emit", "?", b"?")])

    def test_without_the_import_it_says_what_is_missing(self) -> None:
        with patch.object(events, "_host", None), self.assertRaises(Denied) as denied:
            events.emit("a")
        self.assertIn('"plugwork:host/events@0.1.0" to `imports`', denied.exception.hint)


if __name__ == "__main__":
    unittest.main()
