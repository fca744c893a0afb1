"""A guard with a list of who may call what, and an event handler that makes one summary of many denials.

Here: all of it but plugin.toml. Easy to get wrong: an instance remembers only its configuration. What is to be counted comes back as events, so a
count never depends on which instance is asked.
"""

import json
from collections import Counter
from typing import Any

from plugwork_guest import Invalid, Plugin, Refusal, log
from plugwork_guest.events import Event, EventHandler, emit
from plugwork_guest.guard import Decision, Guard, Question

ALLOWED: dict[str, list[str]] = {}
"""By principal, interfaces without a version; `*` is every one. Who is not named may call nothing."""


def init(config: dict[str, Any]) -> None:
    """Reads the list: `{"allowed": {"ada": ["*"]}}`."""
    unknown = config.keys() - {"allowed"}
    if unknown:
        raise Invalid(f"there is no `{min(unknown)}`", f"/{min(unknown)}", "`allowed`")
    allowed = config.get("allowed", {})
    if not isinstance(allowed, dict):
        raise Invalid("no table", "/allowed", "principals, each with a list of interfaces")
    for principal, interfaces in allowed.items():
        if not isinstance(interfaces, list) or not all(isinstance(name, str) for name in interfaces):
            raise Invalid("no list", f"/allowed/{principal}", "interfaces without a version, or `*`")
    ALLOWED.clear()
    ALLOWED.update(allowed)


class Doorkeeper(Guard):
    """Lets call who is on the list."""

    def check(self, question: Question) -> Decision:
        """Not kept: an answer that is kept is one that is not counted."""
        principal, interface = question.principal, question.interface.partition("@")[0]
        allowed = ALLOWED.get(principal, []) if principal is not None else []
        if "*" in allowed or interface in allowed:
            return Decision.allow()
        try:
            emit("doors/denied", principal or "")
        except Refusal as refusal:
            # What is decided does not depend on whether anybody can be told.
            log.warn(f"nobody is told of a denial: {refusal}")
        if principal is None:
            return Decision.deny(f"nobody said for whom `{interface}` is called")
        return Decision.deny(f"`{principal}` may not call `{interface}`")


class Denials(EventHandler):
    """Counts denials and tells of many at once."""

    def handle(self, events: list[Event]) -> None:
        """How often each principal was denied; empty is nobody in particular."""
        emit("doors/summary", json.dumps(Counter(event.text() for event in events)))


plugin = Plugin(guard=Doorkeeper, event_handler=Denials, init=init)
