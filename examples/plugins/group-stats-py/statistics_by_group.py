"""What is kept for each group and measured column, and how a batch is added to it.

Here: the arithmetic. Not here: options and tables (`plugin.py`). Easy to get wrong: only the split into groups is a Python
loop, once a row however many columns are measured; everything else runs inside `sum`, `min` and `max`.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import compress
from math import isfinite
from operator import itemgetter


def rows_by_key(keys: Iterable[Hashable]) -> dict[Hashable, list[int]]:
    """The row numbers of each key."""
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        found[key].append(row)
    return found


class Summary:
    """Count, sum, least and greatest value of one column in one group."""

    __slots__ = ("_lost", "_sum", "count", "maximum", "minimum")

    def __init__(self) -> None:
        self.count = 0
        self.minimum = float("inf")
        self.maximum = float("-inf")
        self._sum = 0.0
        # What the sum has lost by rounding so far (two-sum, one step for each batch).
        self._lost = 0.0

    def add(self, values: Sequence[float]) -> None:
        """Takes in values without nulls."""
        if not values:
            return
        total = float(sum(values))
        if total - total != 0.0:
            # Something was infinite or no number: such values count as nulls. Sums of finite values that overflow
            # come here too, lose nothing, and are infinite for a reason.
            finite = [value for value in values if isfinite(value)]
            if len(finite) < len(values):
                return self.add(finite)
        before = self._sum
        self._sum = before + total
        part = self._sum - before
        self._lost += before - (self._sum - part) + (total - part)
        self.count += len(values)
        self.minimum = min(self.minimum, min(values))
        self.maximum = max(self.maximum, max(values))

    @property
    def sum(self) -> float | None:
        """None where there was no value."""
        return self._sum + self._lost if self.count else None

    @property
    def mean(self) -> float | None:
        """None where there was no value."""
        return (self._sum + self._lost) / self.count if self.count else None


def pick(values: Sequence[float], rows: list[int], present: list[bool] | None) -> Sequence[float]:
    """The values of these rows that are present."""
    if present is not None:
        rows = list(compress(rows, pick(present, rows, None)))
    if len(rows) == len(values):
        return values
    if len(rows) > 1:
        return itemgetter(*rows)(values)
    return [values[row] for row in rows]
