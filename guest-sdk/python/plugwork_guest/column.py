"""One column of a batch, read.

Here: buffers to Python values. Not here: building columns from values (`building`), and validation: the host checked
every buffer before it handed the batch over. Easy to get wrong: `view()` is the fast road and shows whatever number
stands where a null is; `to_list()` shows None there.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import compress
from typing import Any

from . import formats

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1)
# Eight booleans for each byte, least significant bit first: a lookup a byte instead of eight shifts.
_BITS = [tuple(byte >> bit & 1 == 1 for bit in range(8)) for byte in range(256)]


class Column:
    """Values of one type, one for each row. Made by the host or by `Table.from_columns`."""

    __slots__ = ("format", "name", "offsets", "rows", "validity", "values")

    def __init__(
        self, name: str, arrow: str, rows: int, values: bytes, offsets: bytes | None = None, validity: bytes | None = None
    ) -> None:
        self.name = name
        self.format = arrow
        self.rows = rows
        self.values = values
        self.offsets = offsets
        self.validity = validity

    @property
    def type(self) -> str:
        """Readable: `float64`, `text`, `timestamp`, …"""
        return formats.readable(self.format)

    def is_number(self) -> bool:
        """Integers and floats, not booleans, dates or decimals."""
        return len(self.format) == 1 and self.format not in "buz"

    def is_text(self) -> bool:
        """UTF-8 text."""
        return self.format == "u"

    def present(self) -> list[bool] | None:
        """For each row whether it has a value; None where every row has."""
        return None if self.validity is None else _unpack(self.validity, self.rows)

    def null_count(self) -> int:
        """How many rows have no value."""
        return 0 if self.validity is None else self.rows - int.from_bytes(self.validity, "little").bit_count()

    def view(self) -> memoryview:
        """The numbers without a copy, nulls included (their value means nothing). Numbers, dates and timestamps only,
        dates and timestamps in the column's own unit."""
        code = formats.item_code(self.format)
        if not code:
            raise TypeError(f"column `{self.name}` is {self.type}: only numbers, dates and timestamps have a view")
        return memoryview(self.values).cast(code)

    def to_list(self) -> list[Any]:
        """Plain Python values, None for nulls. Timestamps are milliseconds since 1970 as int (finer units are rounded
        down), dates are `date`, decimals `Decimal`, text `str`, binary `bytes`."""
        values = self._plain()
        if self.validity is None:
            return values
        return [value if there else None for value, there in zip(values, _unpack(self.validity, self.rows))]

    def to_datetimes(self) -> list[datetime | None]:
        """Timestamps as `datetime` in UTC, None for nulls; nanoseconds are rounded down to microseconds."""
        unit = formats.timestamp_unit(self.format)
        if not unit:
            raise TypeError(f"column `{self.name}` is {self.type}: only timestamps have datetimes")
        many, one = {"s": (1_000_000, 1), "m": (1000, 1), "u": (1, 1), "n": (1, 1000)}[unit]
        moments = [_EPOCH + timedelta(microseconds=value * many // one) if there else None
                   for value, there in zip(self.view(), self.present() or [True] * self.rows)]
        return moments

    def values_present(self) -> list[Any]:
        """`to_list()` without the nulls."""
        values = self._plain()
        return values if self.validity is None else list(compress(values, _unpack(self.validity, self.rows)))

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_list())

    def __repr__(self) -> str:
        return f"<Column {self.name} {self.type} rows={self.rows}>"

    def _plain(self) -> list[Any]:
        arrow = self.format
        if arrow == "b":
            return _unpack(self.values, self.rows)
        if arrow in ("u", "z"):
            return self._pieces()
        if arrow == "tdD" or arrow == "tdm":
            per_day = 1 if arrow == "tdD" else 86_400_000
            # A null's value may be any number, also one that is no date: such a row must not stop the others.
            present = self.present()
            return [_EPOCH_DAY + timedelta(days=value // per_day) if present is None or present[row] else None
                    for row, value in enumerate(self.view())]
        unit = formats.timestamp_unit(arrow)
        if unit == "s":
            return [value * 1000 for value in self.view()]
        if unit in ("u", "n"):
            parts = 1000 if unit == "u" else 1_000_000
            return [value // parts for value in self.view()]
        scale = formats.decimal_scale(arrow)
        if scale is not None:
            raw = self.values
            # Through text, because arithmetic would round 38 digits to the context's 28.
            return [Decimal(f"{int.from_bytes(raw[at : at + 16], 'little', signed=True)}E-{scale}")
                    for at in range(0, 16 * self.rows, 16)]
        return self.view().tolist()

    def _pieces(self) -> list[Any]:
        ends = memoryview(self.offsets or b"").cast("i").tolist()
        whole: Any = self.values
        if self.format == "u":
            if not whole.isascii():
                return [str(whole[start:end], "utf-8") for start, end in zip(ends, ends[1:])]
            # One decoding for the column: byte and character positions are the same in ASCII.
            whole = str(whole, "ascii")
        return [whole[start:end] for start, end in zip(ends, ends[1:])]


def _unpack(bits: bytes, rows: int) -> list[bool]:
    unpacked: list[bool] = []
    for byte in bits:
        unpacked.extend(_BITS[byte])
    del unpacked[rows:]
    return unpacked
