"""Joins an author's module to the exports of its component, while the component is built.

Here: what the generated entry module and the generated resource modules contain. Not here: what they do when called
(`adapters`, `lifecycle`, `guard`). Easy to get wrong: componentize-py looks for a function's class in the entry module and for a
resource's class in a top-level module named after the interface, so the build writes both and they come here.
"""

import importlib
import inspect
import json
import logging
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import wit_world.exports

from .. import log
from ..plugin import Plugin
from . import adapters, answering, deciding, handling, lifecycle, sandbox
from .guard import guarded

LIFECYCLE = "plugwork:plugin/lifecycle"
HANDOVER = "plugwork:plugin/handover"
# Points without a resource: for each what it exports, from the author's class and the boundary's module.
PLAIN: dict[str, Callable[[Any, Any], dict[str, Callable[..., Any]]]] = {
    "plugwork:points/http-function": lambda author, generated: {"handle": answering.handler(author, generated.Response)},
    "plugwork:points/event-handler": lambda author, generated: {"handle": handling.handler(author)},
    "plugwork:points/guard": lambda author, generated: {"check": deciding.checker(author, generated)},
}
_resources: dict[str, dict[str, type]] = {}


def connect(source: str, exports: dict[str, str], stubbed: bool) -> dict[str, type]:
    """The classes of the entry module. `source` is the author's module; `exports` maps each interface without version to
    the module name the build gave it; `stubbed` says that the component has no WASI."""
    before = set(sys.modules)
    if stubbed:
        sandbox.replace()
    module = importlib.import_module(source)
    if str(module.__file__).startswith("/python/"):
        raise ImportError(f"`{source}.py` has the name of a standard module: rename the file")
    authored = [imported for name, imported in list(sys.modules.items()) if name not in before
                and str(getattr(imported, "__file__", None) or "/python/").startswith("/")
                and not str(getattr(imported, "__file__", None) or "/python/").startswith("/python/")]
    plugin = getattr(module, "plugin", None)
    if plugin is not None and not isinstance(plugin, Plugin):
        raise TypeError(f"`plugin` in `{source}.py` is {type(plugin).__name__}: make it plugwork_guest.Plugin(…)")
    plugin = plugin or Plugin()
    served = [*plugin.points, *([HANDOVER] if plugin.snapshot else [])]
    unserved = [interface for interface in served if interface not in exports]
    if unserved:
        raise LookupError(f"`{source}.py` serves `{unserved[0]}`, which plugin.toml does not export: add it to `exports`")

    classes: dict[str, type] = {}
    own: dict[str, type] = {}
    for interface, name in exports.items():
        protocol = _protocol(name)
        if interface in adapters.SHIPPED or interface in PLAIN:
            classes[protocol.__name__] = _shipped(interface, name, protocol, plugin, source)
        elif interface == HANDOVER:
            classes[protocol.__name__] = _handover(protocol, plugin, source)
        elif interface != LIFECYCLE:
            own[interface] = classes[protocol.__name__] = _own(interface, name, protocol, module)
    # An application's own world may do without it.
    if LIFECYCLE in exports:
        protocol = _protocol(exports[LIFECYCLE])
        classes[protocol.__name__] = _lifecycle(protocol, plugin, plugin.descriptor(own))

    for name, found in _resources.items():
        generated = importlib.import_module(name)
        if any(getattr(generated, resource, None) is not kind for resource, kind in found.items()):
            raise ImportError(f"`{generated.__file__}` stands where the resources of `{name}` belong: rename the file")
    sandbox.import_late(authored)
    sandbox.keep_sources([*authored, *(found for name, found in sys.modules.items() if name.startswith("plugwork_guest"))])
    sandbox.seal(stubbed)
    sys.stdout, sys.stderr = log.Stream("info"), log.Stream("warn")
    logging.basicConfig(handlers=[log.Handler()], level=logging.DEBUG, format="%(message)s", force=True)
    return classes


def resources(name: str) -> dict[str, type]:
    """The classes of one generated resource module."""
    return _resources[name]


def _protocol(name: str) -> type:
    wanted = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    found = getattr(wit_world.exports, wanted, None)
    if found is None:
        raise LookupError(f"the bindings have no `{wanted}`: this plugwork_guest and its componentize-py do not match")
    return found


def _declared(protocol: type) -> dict[str, Any]:
    """The functions that the bindings ask for, by name."""
    return {name: value for name, value in vars(protocol).items()
            if getattr(value, "__isabstractmethod__", False) or getattr(getattr(value, "__func__", None), "__isabstractmethod__", False)}


def _shipped(interface: str, name: str, protocol: type, plugin: Plugin, source: str) -> type:
    author = plugin.points.get(interface)
    if author is None:
        keyword = interface.rpartition("/")[2].replace("-", "_")
        raise LookupError(f"plugin.toml exports `{interface}`, which `{source}.py` does not serve: "
                          f"write plugin = Plugin({keyword}=…)")
    generated = importlib.import_module(f"wit_world.exports.{name}")
    if interface in PLAIN:
        return _served(protocol, PLAIN[interface](author, generated))
    function, resource = adapters.SHIPPED[interface]
    for record in ("Finding", "Chart"):
        if hasattr(generated, record):
            setattr(resource, record, getattr(generated, record))
    for method, declared in _declared(getattr(generated, resource.__name__)).items():
        setattr(resource, method, guarded(getattr(resource, method), declared))
    _resources[name] = {resource.__name__: resource}

    def start(self: Any, options: str) -> Any:
        return resource(adapters.begin(author, options))

    return type(protocol.__name__, (), {function: guarded(start, _declared(protocol)[function])})


def _own(interface: str, name: str, protocol: type, module: ModuleType) -> type:
    author = _author_class(interface, protocol.__name__, module)
    _guard_class(author, protocol, f"`{interface}`")
    generated = importlib.import_module(f"wit_world.exports.{name}")
    found = {}
    for resource, declared in inspect.getmembers(generated, lambda value: getattr(value, "_is_protocol", False)):
        if declared.__module__ == generated.__name__:
            found[resource] = _author_class(interface, resource, module)
            _guard_class(found[resource], declared, f"resource `{resource}` of `{interface}`")
    _resources[name] = found
    return author


def _author_class(interface: str, name: str, module: ModuleType) -> type:
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise LookupError(f"`{interface}` needs `class {name}` in `{module.__name__}.py`")
    return found


def _guard_class(author: type, protocol: type, what: str) -> None:
    declared = _declared(protocol)
    missing = [name for name in declared if not hasattr(author, name)]
    if missing:
        raise LookupError(f"`class {author.__name__}` lacks {', '.join(f'`{name}`' for name in missing)} of {what}")
    for name, generated in declared.items():
        given = inspect.getattr_static(author, name)
        function = getattr(given, "__func__", given)
        wrapped: Any = guarded(function, getattr(generated, "__func__", generated), own=name != "__init__")
        setattr(author, name, type(given)(wrapped) if isinstance(given, (staticmethod, classmethod)) else wrapped)


def _lifecycle(protocol: type, plugin: Plugin, descriptor: str) -> type:
    return _served(protocol, {"descriptor": lambda self: descriptor, **lifecycle.functions(plugin)})


def _handover(protocol: type, plugin: Plugin, source: str) -> type:
    if plugin.snapshot is None:
        raise LookupError(f"plugin.toml exports `{HANDOVER}`, which `{source}.py` does not serve: "
                          "write plugin = Plugin(snapshot=…, restore=…)")
    return _served(protocol, lifecycle.handover(plugin))


def _served(protocol: type, functions: dict[str, Any]) -> type:
    declared = _declared(protocol)
    return type(protocol.__name__, (), {name: guarded(function, declared[name]) for name, function in functions.items()})
