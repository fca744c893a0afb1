"""The column types: Arrow format strings, their readable names, and how Python holds their buffers.

Here: names only. Not here: reading (`column`) and building (`building`). Easy to get wrong: a timestamp's name in
`types={...}` is `timestamp`, which is milliseconds in UTC; any other Arrow format string is accepted as it is.
"""

import re

TIMESTAMP = "tsm:UTC"

NAMES = {
    "bool": "b",
    "int8": "c",
    "uint8": "C",
    "int16": "s",
    "uint16": "S",
    "int32": "i",
    "uint32": "I",
    "int64": "l",
    "uint64": "L",
    "float32": "f",
    "float64": "g",
    "text": "u",
    "bytes": "z",
    "date": "tdD",
    "timestamp": TIMESTAMP,
}

# What `memoryview.cast` and `array.array` call the same numbers. CPython inside a component is 32 bit: `l` there is
# four bytes wide, so 64 bit integers are `q` on both sides.
_CODES = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "l": "q", "L": "Q", "f": "f", "g": "d"}
_READABLE = {arrow: name for name, arrow in NAMES.items()}
_DECIMAL = re.compile(r"d:([0-9]{1,2}),([0-9]{1,2})\Z")
_UNITS = "smun"


def arrow_format(name: str) -> str:
    """The Arrow format string for a readable name; a format string is returned as it is."""
    found = NAMES.get(name, name)
    if found in _READABLE or item_code(found) or decimal_scale(found) is not None:
        return found
    raise ValueError(f"`{name}` is not a column type: use one of {', '.join(NAMES)}, or an Arrow format string")


def readable(arrow: str) -> str:
    """`float64` for `g`; `timestamp` for every timestamp, `decimal` for every decimal."""
    if arrow.startswith("ts"):
        return "timestamp"
    if arrow.startswith("d:"):
        return "decimal"
    return _READABLE.get(arrow, "date" if arrow == "tdm" else arrow)


def item_code(arrow: str) -> str:
    """The `memoryview` code of one value; empty for types whose values have no fixed machine type."""
    if arrow == "tdD":
        return "i"
    if arrow == "tdm" or timestamp_unit(arrow):
        return "q"
    return _CODES.get(arrow, "")


def timestamp_unit(arrow: str) -> str:
    """`s`, `m`, `u` or `n`; empty for anything but a timestamp."""
    return arrow[2] if len(arrow) >= 4 and arrow[:2] == "ts" and arrow[2] in _UNITS and arrow[3] == ":" else ""


def decimal_scale(arrow: str) -> int | None:
    """Digits after the point of a decimal; None for anything else."""
    found = _DECIMAL.match(arrow)
    if not found or not 1 <= int(found[1]) <= 38 or int(found[2]) > int(found[1]):
        return None
    return int(found[2])
