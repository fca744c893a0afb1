"""Another plugin's distances, as this one asks for them.

Here: the import and nothing else. Easy to get wrong: outside a component, as in unit tests, there is no other plugin, and whoever needs distances brings
them.
"""

from collections.abc import Callable, Sequence

Distances = Callable[[float, float, Sequence[float], Sequence[float]], Sequence[float]]


def distances() -> Distances:
    """Kilometres from one place (latitude, longitude) to each of several."""
    from wit_world.imports import example_geodesy_distances

    return example_geodesy_distances.from_place
