"""`Plugin`: which class serves which point, and the lifecycle.

Here: the author's declaration. Not here: the functions that the component exports (`inside.entry`). Easy to get wrong:
the name `plugin` in the entry file is what the build looks for.
"""

import json
from collections.abc import Callable
from typing import Any

from .events import EventHandler
from .guard import Guard
from .http import HttpFunction
from .options import schema_of
from .points import Analyzer, DataSource, Exporter, Point, Transformer, Visualization


class Plugin:
    """`plugin = Plugin(analyzer=Declustering)` in the entry file. `init` is given the configuration, `health` answers one
    line; either raises to refuse. `migrate` is given the version that this one replaces, before the first call. `snapshot`
    answers what is to be kept over a replacement, and `restore` takes it in with the version it is from: they need
    `plugwork:plugin/handover@0.1.0` in `exports` of plugin.toml."""

    def __init__(
        self,
        *,
        data_source: type[DataSource] | None = None,
        transformer: type[Transformer] | None = None,
        analyzer: type[Analyzer] | None = None,
        exporter: type[Exporter] | None = None,
        visualization: type[Visualization] | None = None,
        http_function: type[HttpFunction] | None = None,
        event_handler: type[EventHandler] | None = None,
        guard: type[Guard] | None = None,
        init: Callable[[dict[str, Any]], None] | None = None,
        shutdown: Callable[[], None] | None = None,
        health: Callable[[], str] | None = None,
        migrate: Callable[[str], None] | None = None,
        snapshot: Callable[[], bytes | str] | None = None,
        restore: Callable[[bytes, str], None] | None = None,
    ) -> None:
        given: dict[str, tuple[type[Point] | None, type[Point]]] = {
            "plugwork:points/data-source": (data_source, DataSource),
            "plugwork:points/transformer": (transformer, Transformer),
            "plugwork:points/analyzer": (analyzer, Analyzer),
            "plugwork:points/exporter": (exporter, Exporter),
            "plugwork:points/visualization": (visualization, Visualization),
            "plugwork:points/http-function": (http_function, HttpFunction),
            "plugwork:points/event-handler": (event_handler, EventHandler),
            "plugwork:points/guard": (guard, Guard),
        }
        self.points: dict[str, type[Point]] = {}
        for interface, (point, base) in given.items():
            if point is None:
                continue
            if not (isinstance(point, type) and issubclass(point, base)):
                raise TypeError(f"`{interface}` needs a class derived from `{base.__name__}`, not {point!r}")
            self.points[interface] = point
        self.init = init
        self.shutdown = shutdown
        self.health = health
        self.migrate = migrate
        if (snapshot is None) != (restore is None):
            raise TypeError("`snapshot` and `restore` belong together: give Plugin(…) both or neither")
        self.snapshot = snapshot
        self.restore = restore

    def descriptor(self, others: dict[str, type] | None = None) -> str:
        """The descriptor's JSON text. `others` are classes for an application's own interfaces, which may have
        `summary`, `options` and `required` as the shipped points do."""
        described = {}
        for interface, point in {**self.points, **(others or {})}.items():
            first_line = (point.__doc__ or "").strip().partition("\n")[0]
            schema = schema_of(getattr(point, "options", {}), getattr(point, "required", []))
            described[interface] = {"summary": getattr(point, "summary", "") or first_line, "options": schema}
        return json.dumps({"points": described}, ensure_ascii=False)
