"""Counts in memory, says in the log what its lifecycle is called for, and hands the count over when it is replaced.

The same configuration makes it fail as the guest in Rust fails. Easy to get wrong: the build runs this module once, and every
instance begins with a copy of what it left, so the count begins at 0 in each.
"""

from typing import Any

from plugwork_guest import Invalid, Plugin, Unavailable

VERSION = "1.0.0"


class State:
    """What one instance remembers."""

    count = 0
    asked: dict[str, Any] = {}


def fail_at(place: str) -> None:
    """Fails where the configuration says so."""
    if State.asked.get("fail") != place or State.asked.get("version", VERSION) != VERSION:
        return
    way = State.asked.get("by")
    if way == "refuse":
        raise Unavailable(f"`{place}` was asked to refuse")
    if way == "throw":
        raise ValueError(f"`{place}` was asked to throw")
    while way == "loop":
        pass
    raise Invalid(f"`{way}` is no way to fail", "/by", "refuse, throw or loop")


class Counts:
    """The point."""

    def next(self) -> int:
        """One more than at the last call."""
        fail_at("next")
        State.count += 1
        return State.count

    def version(self) -> str:
        """The version that answers."""
        return VERSION


def init(config: dict[str, Any]) -> None:
    """Takes in how to fail."""
    print("init")
    State.asked = config
    fail_at("init")


def shutdown() -> None:
    """Says so."""
    print("shutdown")
    fail_at("shutdown")


def health() -> str:
    """How far it has counted."""
    print("health")
    fail_at("health")
    return f"counted to {State.count}"


def migrate(from_version: str) -> None:
    """Says so."""
    print(f"migrate from {from_version}")
    fail_at("migrate")


def snapshot() -> str:
    """The count as text."""
    print(f"snapshot {State.count}")
    fail_at("snapshot")
    return str(State.count)


def restore(state: bytes, from_version: str) -> None:
    """Goes on from the count of the version before."""
    fail_at("restore")
    if not state.isdigit():
        raise Invalid("the state is no count", "", "what `snapshot` answered")
    State.count = int(state)
    print(f"restore {State.count} from {from_version}")


plugin = Plugin(init=init, shutdown=shutdown, health=health, migrate=migrate, snapshot=snapshot, restore=restore)
