"""The point `event-handler`: from the boundary's records to the author's class.

Here: conversions. Not here: exceptions (`guard`). Easy to get wrong: the author's object is made at the first events, not while the component is
built.
"""

from collections.abc import Callable
from typing import Any

from ..events import Event, EventHandler


def handler(author: type[EventHandler]) -> Callable[..., Any]:
    """The exported function."""
    made: list[EventHandler] = []

    def handle(self: Any, events: list[Any]) -> None:
        if not made:
            made.append(author({}))
        made[0].handle([Event(event.topic, event.payload, event.source, event.chain, event.hops, event.sequence) for event in events])

    return handle
