"""Columns built from plain Python values.

Here: which type a list of values has, and its buffers. Not here: splitting into batches (`table`). Easy to get wrong:
the type is taken from all values, so a table's batches agree; a column without any value needs its type named.
"""

from array import array
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import accumulate
from typing import Any

from . import formats
from .column import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def format_of(name: str, values: Sequence[Any]) -> str:
    """The Arrow format string that fits every value. Whole numbers with floats among them are floats."""
    if isinstance(values, Column):
        return values.format
    if isinstance(values, (array, memoryview)):
        code = values.typecode if isinstance(values, array) else values.format
        return _array_format(name, code, values.itemsize)
    kinds = {type(value) for value in values}
    kinds.discard(type(None))
    if not kinds:
        raise ValueError(f"column `{name}` has no value to take its type from: name it in `types`, such as "
                         f"types={{{name!r}: 'float64'}}")
    if kinds <= {int, float}:
        return "g" if float in kinds else "l"
    if len(kinds) == 1:
        kind = next(iter(kinds))
        for base, arrow in ((bool, "b"), (str, "u"), (bytes, "z"), (datetime, formats.TIMESTAMP), (date, "tdD"),
                            (int, "l"), (float, "g")):
            if issubclass(kind, base):
                return arrow
        if issubclass(kind, Decimal):
            return f"d:38,{_scale(values)}"
    listed = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"column `{name}` mixes or holds {listed}: a column is one of bool, int, float, str, bytes, "
                    "datetime, date, Decimal")


def build(name: str, arrow: str, values: Sequence[Any], start: int = 0, end: int | None = None) -> Column:
    """Rows `start` to `end` of `values` as a column of type `arrow`; None is a null."""
    if isinstance(values, Column) and (start, end) == (0, None) and values.format == arrow:
        return Column(name, arrow, values.rows, values.values, values.offsets, values.validity)
    if isinstance(values, Column):
        raise TypeError(f"column `{name}` is one batch's column: pass its `to_list()` to build a part of it or change its type")
    part = values[start:end]
    if isinstance(part, (array, memoryview)):
        return Column(name, arrow, len(part), bytes(part) if _fits(part, arrow) else _numbers(name, arrow, part.tolist()))
    validity = None
    if None in part:
        validity = _pack([value is not None for value in part])
    if arrow in ("u", "z"):
        pieces = [_piece(name, arrow, value) for value in part]
        offsets = array("i", accumulate(map(len, pieces), initial=0)).tobytes()
        return Column(name, arrow, len(part), b"".join(pieces), offsets, validity)
    if arrow == "b":
        return Column(name, arrow, len(part), _pack([_boolean(name, value) for value in part]), None, validity)
    scale = formats.decimal_scale(arrow)
    if scale is not None:
        buffer = b"".join(_decimal(name, arrow, scale, value) for value in part)
    else:
        if arrow.startswith("t"):
            part = [None if value is None else _moment(name, arrow, value) for value in part]
        if validity is not None:
            part = [0 if value is None else value for value in part]
        buffer = _numbers(name, arrow, part)
    return Column(name, arrow, len(part), buffer, None, validity)


def _numbers(name: str, arrow: str, values: Sequence[Any]) -> bytes:
    try:
        return array(formats.item_code(arrow), values).tobytes()
    except (TypeError, OverflowError) as cause:
        readable = formats.readable(arrow)
        for row, value in enumerate(values):
            try:
                array(formats.item_code(arrow), [value])
            except (TypeError, OverflowError):
                raise type(cause)(f"row {row}, column `{name}`: {value!r} does not fit {readable}") from None
        raise


def _array_format(name: str, code: str, width: int) -> str:
    if code in "fd":
        return "f" if width == 4 else "g"
    letter = {1: "c", 2: "s", 4: "i", 8: "l"}.get(width)
    if letter is None or len(code) != 1 or code.lower() not in "bhilq":
        raise TypeError(f"column `{name}`: an array of `{code}` is not a column: use numbers")
    return letter.upper() if code.isupper() else letter


def _fits(part: Any, arrow: str) -> bool:
    code = part.typecode if isinstance(part, array) else part.format
    stored = formats.item_code(arrow)
    return code == stored or (part.itemsize == array(stored or "b").itemsize and code.lower() in "ilq"
                              and stored.lower() in "ilq" and code.isupper() == stored.isupper())


def _pack(flags: list[bool]) -> bytes:
    # As the digits of one binary number, because a loop over bits takes eight times as long in CPython.
    if not flags:
        return b""
    digits = "".join(["1" if flag else "0" for flag in reversed(flags)])
    return int(digits, 2).to_bytes((len(flags) + 7) // 8, "little")


def _piece(name: str, arrow: str, value: Any) -> bytes:
    if value is None:
        return b""
    if arrow == "u" and isinstance(value, str):
        return value.encode("utf-8")
    if arrow == "z" and isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"column `{name}`: {value!r:.80} is not {formats.readable(arrow)}")


def _boolean(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise TypeError(f"column `{name}`: {value!r:.80} is not a bool")


def _decimal(name: str, arrow: str, scale: int, value: Any) -> bytes:
    if value is None:
        return bytes(16)
    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"column `{name}`: {value} is not a decimal number")
    whole = int("".join(map(str, digits)))
    shift = exponent + scale
    scaled, rest = (whole * 10**shift, 0) if shift >= 0 else divmod(whole, 10**-shift)
    if rest or len(str(scaled)) > int(arrow[2 : arrow.index(",")]):
        raise OverflowError(f"column `{name}`: {value} does not fit `{arrow}` exactly")
    return (-scaled if sign else scaled).to_bytes(16, "little", signed=True)


def _scale(values: Sequence[Any]) -> int:
    exponents = [value.as_tuple().exponent for value in values if value is not None]
    return max((-exponent for exponent in exponents if isinstance(exponent, int) and exponent < 0), default=0)


def _moment(name: str, arrow: str, value: Any) -> int:
    """Datetimes and dates in the column's unit. An int is milliseconds for a timestamp, as `to_list()` gives it."""
    unit = formats.timestamp_unit(arrow)
    if unit and isinstance(value, datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=timezone.utc)
        microseconds = (value - _EPOCH) // timedelta(microseconds=1)
        return microseconds * 1000 if unit == "n" else microseconds // {"s": 1_000_000, "m": 1000, "u": 1}[unit]
    if unit and isinstance(value, int):
        return value // 1000 if unit == "s" else value * {"m": 1, "u": 1000, "n": 1_000_000}[unit]
    if not unit and isinstance(value, date) and not isinstance(value, datetime):
        return (value.toordinal() - _EPOCH_ORDINAL) * (1 if arrow == "tdD" else 86_400_000)
    raise TypeError(f"column `{name}`: {value!r:.80} is not a {formats.readable(arrow)}")
