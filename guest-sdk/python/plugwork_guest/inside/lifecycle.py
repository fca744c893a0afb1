"""The functions behind the lifecycle and the handover: from the boundary's calls to what the author gave `Plugin`.

Here: their defaults and what may cross. Not here: exceptions (`guard`), and which of them are exported (`entry`). Easy to get
wrong: `self` is an object that the tool makes; a plugin's state is in its modules.
"""

import json
from collections.abc import Callable
from typing import Any

from ..plugin import Plugin

SNAPSHOT_BYTES_MAX = 16 << 20


def functions(plugin: Plugin) -> dict[str, Callable[..., Any]]:
    """The lifecycle without the descriptor."""

    def init(self: Any, config: str) -> None:
        if plugin.init is not None:
            plugin.init(json.loads(config or "{}"))

    def shutdown(self: Any) -> None:
        if plugin.shutdown is not None:
            plugin.shutdown()

    def health(self: Any) -> str:
        return str(plugin.health()) if plugin.health is not None else "ready"

    def migrate(self: Any, from_version: str) -> None:
        if plugin.migrate is not None:
            plugin.migrate(from_version)

    return {"init": init, "shutdown": shutdown, "health": health, "migrate": migrate}


def handover(plugin: Plugin) -> dict[str, Callable[..., Any]]:
    """The handover of a plugin that has both halves of it."""
    assert plugin.snapshot is not None and plugin.restore is not None
    keep, take = plugin.snapshot, plugin.restore

    def snapshot(self: Any) -> bytes:
        answer = keep()
        if isinstance(answer, str):
            answer = answer.encode("utf-8")
        if not isinstance(answer, (bytes, bytearray)):
            raise TypeError(f"`snapshot` must answer bytes or str, not {type(answer).__name__}")
        if len(answer) > SNAPSHOT_BYTES_MAX:
            raise ValueError(f"`snapshot` answered {len(answer)} bytes; at most {SNAPSHOT_BYTES_MAX}")
        return bytes(answer)

    def restore(self: Any, state: bytes, from_version: str) -> None:
        take(bytes(state), from_version)

    return {"snapshot": snapshot, "restore": restore}
