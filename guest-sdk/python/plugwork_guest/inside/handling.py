"""The point `event-handler`: from the boundary's records to the author's class.

Here: conversions. Not here: exceptions (`guard`). Easy to get wrong: the author's object is made at the first events, not while the component is
built; and calling an `async` method or a generator runs nothing of it, so events would count as handled that nobody saw.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ..events import Event, EventHandler


def handler(author: type[EventHandler]) -> Callable[..., Any]:
    """The exported function."""
    made: list[EventHandler] = []

    def handle(self: Any, events: list[Any]) -> None:
        if not made:
            made.append(author({}))
        answer: Any = made[0].handle([Event(event.topic, event.payload, event.source, event.chain, event.hops, event.sequence) for event in events])
        if any(hasattr(answer, name) for name in ("__await__", "__next__", "__anext__")):
            if isinstance(answer, Coroutine | Generator):
                answer.close()
            raise TypeError("`handle` is neither `async` nor a generator: nothing of it was run")

    return handle
