"""Events: the point `event-handler`, and publishing and choosing through `plugwork:host/events`.

Here: what an author fills in, is given and calls. Not here: permission; `[permissions.events]` in plugin.toml asks for it. Easy to get wrong:
receiving needs no import, and from the first `subscribe` on only what was subscribed to comes, not everything that was granted.
"""

import json as _json
from dataclasses import dataclass
from typing import Any

from .points import Point
from .refusal import Denied, Invalid, from_wit

try:
    from wit_world.imports import plugwork_host_events as _host
except ImportError:
    _host = None


@dataclass
class Event:
    """Something that happened."""

    topic: str
    payload: bytes = b""
    """Whatever both sides agree on, at most 64 KiB."""
    source: str = "application"
    """Who published it, as the host knows: a plugin's `namespace:name`, `plugwork:host`, or `application`."""
    chain: int = 1
    """Everything that is published in answer to an event belongs to its chain."""
    hops: int = 0
    """How many plugins published in its chain until it was this event."""
    sequence: int | None = None
    """Its place among the durable events of its tenant, the same however often it comes. None where its topic is not durable."""

    def text(self) -> str:
        """The payload as UTF-8, with replacement characters where it is not."""
        return self.payload.decode("utf-8", "replace")

    def json(self) -> Any:
        """The payload as JSON; raises `Invalid` where it is not."""
        try:
            return _json.loads(self.payload)
        except (ValueError, RecursionError) as error:
            # Whoever publishes it chooses how deep it is.
            raise Invalid(f"the payload is not JSON: {error}", "", "JSON") from None


class EventHandler(Point):
    """Handles what other plugins and the application publish. Made at the first events of an instance, which may be told several times."""

    def handle(self, events: list[Event]) -> None:
        """Handles 1 to 64 events, in the order in which they were queued. Where it raises, all of them count as not handled: those of
        durable topics come again, and no other does."""
        raise NotImplementedError


def emit(topic: str, payload: bytes | str = b"") -> None:
    """Publishes one event, at most 64 KiB; text is sent as UTF-8. Raises `Denied`, `Invalid`, or `Unavailable` where a subscriber's queue is
    full. One of a durable topic is kept when this returns; `Unavailable` where it could not be."""
    if isinstance(payload, str):
        payload = payload.encode("utf-8", "replace")
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise TypeError(f"the payload is {type(payload).__name__}, expected bytes or str")
    _ask("emit", _text("topic", topic), bytes(payload))


def subscribe(pattern: str) -> int:
    """From the first on the plugin receives only what it subscribed to. The same pattern again is the same subscription, whose number this
    is."""
    return _ask("subscribe", _text("pattern", pattern))


def once(pattern: str) -> int:
    """As `subscribe`, for one event."""
    return _ask("once", _text("pattern", pattern))


def replay(after: int) -> int:
    """Tells the plugin again of the durable events that follow a sequence, as far as it receives them anyhow, after the call that is under
    way. Gives the sequence from which on that is: greater than `after` where what lies between is gone or was not granted yet."""
    return _ask("replay", _count("sequence", after, 64))


def unsubscribe(subscription: int) -> None:
    """Ends a subscription."""
    _ask("unsubscribe", _count("subscription", subscription, 32))


def _ask(function: str, *arguments: Any) -> Any:
    if _host is None:
        raise Denied("E-CAP-NOT-IMPORTED", "plugwork:host/events", "this plugin was built without `plugwork:host/events`",
                     'add "plugwork:host/events@0.1.0" to `imports` under `[build]` in plugin.toml')
    try:
        return getattr(_host, function)(*arguments)
    except Exception as cause:
        # By its name: outside a component there is no such class.
        if type(cause).__name__ != "Err":
            raise
        raise from_wit(cause.value) from None  # type: ignore[attr-defined]


def _text(what: str, value: Any) -> str:
    # What does not fit ends the component in the conversion, without a word.
    if not isinstance(value, str):
        raise TypeError(f"the {what} is {type(value).__name__}, expected a str")
    return value.encode("utf-8", "replace").decode("utf-8")


def _count(what: str, value: Any, bits: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"the {what} is {type(value).__name__}, expected an int")
    if not 0 <= value < 1 << bits:
        raise Invalid(f"there is no {what} {value}", what, f"0 to {(1 << bits) - 1}")
    return value
