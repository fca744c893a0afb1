"""Gardner-Knopoff declustering of events in memory.

Here: the windows and the search. Not here: columns and options (`plugin.py`), distances (another plugin, `geodesy.py`). Easy to get wrong: an event that was taken by a
larger one opens no window of its own, so the order, larger first, decides the result.
"""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from geodesy import Distances

DAY_MS = 86_400_000


class Event(NamedTuple):
    """One earthquake; degrees, milliseconds since 1970."""

    time_ms: int
    longitude: float
    latitude: float
    magnitude: float
    id: str


def window_km(magnitude: float) -> float:
    """Radius of the window in space."""
    return 10 ** (0.1238 * magnitude + 0.983)


def window_days(magnitude: float) -> float:
    """Length of the window in time."""
    return 10 ** (0.032 * magnitude + 2.7389) if magnitude >= 6.5 else 10 ** (0.5409 * magnitude - 0.547)


def main_shocks(events: list[Event], foreshocks: float, distances: Distances) -> list[tuple[Event, int]]:
    """Main shocks in order of time, each with the size of its cluster, itself included.

    `foreshocks` is the share of the time window that also reaches back. Of equal magnitudes the earlier comes first.
    """
    ordered = sorted(events, key=lambda event: event.time_ms)
    times = [event.time_ms for event in ordered]
    taken = [False] * len(ordered)
    clusters: dict[int, int] = {}
    for index in sorted(range(len(ordered)), key=lambda index: -ordered[index].magnitude):
        if taken[index]:
            continue
        taken[index] = True
        clusters[index] = 1 + _take(ordered, times, taken, index, foreshocks, distances)
    return [(ordered[index], clusters[index]) for index in sorted(clusters)]


def _take(
    ordered: list[Event], times: list[int], taken: list[bool], index: int, foreshocks: float, distances: Distances
) -> int:
    shock = ordered[index]
    radius = window_km(shock.magnitude)
    length_ms = window_days(shock.magnitude) * DAY_MS
    first = bisect_left(times, shock.time_ms - length_ms * foreshocks)
    last = bisect_right(times, shock.time_ms + length_ms)
    # A degree of latitude is 111.19 km everywhere: most events are ruled out without trigonometry.
    degrees = radius / 111.0
    near = [
        other for other in range(first, last)
        if not taken[other] and abs(ordered[other].latitude - shock.latitude) <= degrees
    ]
    if not near:
        return 0
    # All at once: the boundary to the other plugin is crossed once for a main shock.
    far = distances(
        shock.latitude, shock.longitude, [ordered[other].latitude for other in near], [ordered[other].longitude for other in near]
    )
    found = 0
    for other, kilometres in zip(near, far, strict=True):
        if kilometres <= radius:
            taken[other] = True
            found += 1
    return found
