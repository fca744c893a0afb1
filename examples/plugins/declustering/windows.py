"""Gardner-Knopoff declustering of events in memory.

Here: the windows and the search. Not here: columns and options (`plugin.py`). Easy to get wrong: an event that was taken by a
larger one opens no window of its own, so the order, larger first, decides the result.
"""

from bisect import bisect_left, bisect_right
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

DAY_MS = 86_400_000
EARTH_RADIUS_KM = 6371.0


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


def distance_km(a: Event, b: Event) -> float:
    """Along the great circle, by the haversine formula, which stays exact for small distances."""
    half_latitude = sin(radians(b.latitude - a.latitude) / 2)
    half_longitude = sin(radians(b.longitude - a.longitude) / 2)
    square = half_latitude**2 + cos(radians(a.latitude)) * cos(radians(b.latitude)) * half_longitude**2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(square)))


def main_shocks(events: list[Event], foreshocks: float) -> list[tuple[Event, int]]:
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
        clusters[index] = 1 + _take(ordered, times, taken, index, foreshocks)
    return [(ordered[index], clusters[index]) for index in sorted(clusters)]


def _take(ordered: list[Event], times: list[int], taken: list[bool], index: int, foreshocks: float) -> int:
    shock = ordered[index]
    radius = window_km(shock.magnitude)
    length_ms = window_days(shock.magnitude) * DAY_MS
    first = bisect_left(times, shock.time_ms - length_ms * foreshocks)
    last = bisect_right(times, shock.time_ms + length_ms)
    # A degree of latitude is 111.19 km everywhere: most events are ruled out without trigonometry.
    degrees = radius / 111.0
    found = 0
    for other in range(first, last):
        if taken[other] or abs(ordered[other].latitude - shock.latitude) > degrees:
            continue
        if distance_km(shock, ordered[other]) <= radius:
            taken[other] = True
            found += 1
    return found
