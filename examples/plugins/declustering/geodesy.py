"""Another plugin's distances, as this one asks for them.

Here: the import and nothing else. Easy to get wrong: outside a component, as in unit tests, there is no other plugin, and whoever needs distances brings
them. Imported here and not where it is called, because the build has to see it.
"""

from collections.abc import Callable, Sequence

try:
    from wit_world.imports import distances as _other
except ImportError:
    _other = None

Distances = Callable[[float, float, Sequence[float], Sequence[float]], Sequence[float]]


def distances() -> Distances:
    """Kilometres from one place (latitude, longitude) to each of several."""
    if _other is None:
        raise RuntimeError("there is no plugin for geodesy outside a component")
    return _other.from_place
