"""Does as it is told: by events as an event handler, and says on `puppet/said` what came of it; by the principal as a guard.

Here: everything. The same words do the same in the guests of the other languages. Easy to get wrong: `trap` is one of the few ends that
nothing in Python catches.
"""

import os
from typing import Any

from plugwork_guest import Denied, Invalid, Plugin, Unavailable, events
from plugwork_guest.events import Event, EventHandler
from plugwork_guest.guard import Decision, Guard, Question


class Handler(EventHandler):
    """Does as it is told."""

    def handle(self, events_: list[Event]) -> None:
        """One after the other."""
        for event in events_:
            number = "none" if event.sequence is None else event.sequence
            said = f"heard {event.topic} {event.text()} from {event.source} after {event.hops} hops, number {number}"
            events.emit("puppet/said", obeyed(event.text()) if event.topic == "puppet/do" else said)


WRONG: list[Any] = [
    (events.emit, 7), (events.emit, "news/a", {}), (events.subscribe, None), (events.once, b"a"), (events.replay, "1"), (events.replay, 0.5),
    (events.unsubscribe, True), (events.replay, -1), (events.replay, 1 << 64), (events.unsubscribe, 1 << 32), (events.unsubscribe, -1),
    (events.emit, "news/\ud800", "\ud800"),
]


def outcome(function: Any, *arguments: Any) -> str:
    """The name of what was raised."""
    try:
        function(*arguments)
    except Exception as cause:
        return type(cause).__name__
    return "done"


def obeyed(order: str) -> str:
    """What came of it: a refusal of the host in words, and the puppet's own as it is."""
    verb, _, rest = order.partition(" ")
    try:
        if verb == "emit":
            topic, _, text = rest.partition(" ")
            events.emit(topic, text)
            return "emitted"
        if verb == "emit-bytes":
            events.emit("news/bytes", b"x" * int(rest))
            return "emitted"
        if verb == "subscribe":
            return f"subscription {events.subscribe(rest)}"
        if verb == "once":
            return f"subscription {events.once(rest)}"
        if verb == "unsubscribe":
            events.unsubscribe(int(rest))
            return "ended"
        if verb == "replay":
            return f"from {events.replay(int(rest))}"
        if verb == "wrong":
            return " ".join(outcome(*attempt) for attempt in WRONG)
    except Denied as denied:
        return f"denied {denied.code}"
    except Invalid:
        return "invalid"
    except Unavailable:
        return "unavailable"
    if verb == "throw":
        raise ValueError("the test asked for it")
    raise Invalid(f"`{verb}` is no order")


class Puppet(Guard):
    """Decides as it is told."""

    def check(self, question: Question) -> Any:
        """By the principal."""
        match question.principal:
            case "allow":
                return True
            case "keep":
                return Decision.deny("no for long", keep_ms=60_000)
            case "tell":
                return told(question)
            case "refuse":
                raise Unavailable("the test is closed")
            case "throw":
                raise ValueError("the test asked for it")
            case "trap":
                os.abort()
            case "forget":
                return None
        return "no\nin two lines"


def told(question: Question) -> str:
    """All that it is told, in one line."""
    plugin = question.plugin
    is_digest = "true" if plugin.digest.startswith("sha256:") and len(plugin.digest) == 71 else "false"
    callers = "".join(f" by {caller.name}" for caller in question.callers)
    return f"{plugin.name} {plugin.version} `{plugin.instance}` {is_digest} {question.interface} {question.function or 'none'}{callers}"


plugin = Plugin(event_handler=Handler, guard=Puppet)
