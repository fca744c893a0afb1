"""Fails in the way that its options name: as an analyzer (`fail`, `when`) and, with batches that lie, as a data source.

Here: everything. The same options do the same in the guests of the other languages. Easy to get wrong: a `Column` is not
checked when it is made, so a source can lie without going around the SDK; the host is what must notice.
"""

import logging
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from plugwork_guest import Analyzer, Batch, Column, DataSource, Denied, Invalid, Plugin, Table, Unavailable, log


class Misbehaving(Analyzer):
    """The analyzer."""

    summary = "Fails."
    options = {"fail": {"type": "string"}, "when": {"enum": ["start", "push", "next"]}}

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.rows = 0
        self.reach("start")

    def push(self, batch: Batch) -> None:
        """Counts rows."""
        self.reach("push")
        self.rows += batch.rows

    def finish(self) -> list[Table]:
        """The table `count`."""
        self.reach("next")
        return [Table.from_columns("count", {"rows": [self.rows]})]

    def reach(self, place: str) -> None:
        """Fails if this is the place to."""
        if self.options.get("when") == place:
            getattr(self, self.options["fail"].replace("-", "_"))()

    def invalid(self) -> None:
        """A typed refusal."""
        raise Invalid("not a number", "row 12", "a number")

    def denied(self) -> None:
        """A typed refusal."""
        raise Denied("E-TEST", "plugwork-tests:none", "the test says no", "there is none")

    def unavailable(self) -> None:
        """A typed refusal."""
        raise Unavailable("the test is closed")

    def throw(self) -> None:
        """An exception that nobody catches."""
        raise ValueError("the test asked for it")

    def recurse(self) -> None:
        """Calls itself without end."""

        def descend(depth: int) -> int:
            return 1 + descend(depth + 1)

        raise RuntimeError(f"came back with {descend(1)}")

    def recurse_frames(self) -> None:
        """The same here."""
        self.recurse()

    def allocate(self) -> None:
        """Takes memory without end."""
        blocks = []
        while True:
            blocks.append(b"\1" * (1 << 20))

    def loop(self) -> None:
        """Never comes back."""
        while True:
            pass

    def print(self) -> None:
        """Speaks on every level."""
        log.trace("a trace")
        logging.debug("a detail")
        print("a line")
        print("a warning", file=sys.stderr)
        logging.error("an error")

    def clock(self) -> None:
        """Reads the clock."""
        raise RuntimeError(f"read the clock: {time.time()}")

    def exit(self) -> None:
        """Ends the interpreter."""
        sys.exit(3)


class Liar(DataSource):
    """The data source."""

    summary = "Lies."
    options = {"lie": {"type": "string"}}

    def __init__(self, options: dict[str, Any]) -> None:
        self.lie = options["lie"]

    def read(self) -> Iterator[Batch]:
        """The batch that lies; a second one where only that can show the lie."""
        yield self.batch(self.lie)
        if self.lie == "columns-change":
            yield self.batch("as-floats")

    def batch(self, lie: str) -> Batch:
        """Two rows: `true` and the column that lies."""
        rows = 8193 if lie == "rows-many" else 2
        name, arrow, values, offsets, validity = LIES.get(lie, ("lied", "l", NUMBERS, None, None))
        batch = Batch(rows, [Column("true", "l", rows, NUMBERS)])
        # Past the check in `Batch` that no two columns have one name.
        batch.columns.append(Column(name, arrow, rows, values, offsets, validity))
        return batch


NUMBERS = struct.pack("<2q", 1, 2)


def text(values: bytes, *ends: int) -> tuple[str, str, bytes, bytes, None]:
    """A column of text."""
    return ("lied", "u", values, struct.pack("<3i", *ends), None)


LIES: dict[str, tuple[str, str, bytes, bytes | None, bytes | None]] = {
    "values-short": ("lied", "l", bytes(15), None, None),
    "values-long": ("lied", "l", bytes(17), None, None),
    "validity-short": ("lied", "l", NUMBERS, None, b""),
    "offsets-missing": ("lied", "u", b"ab", None, None),
    "offsets-short": ("lied", "u", b"", bytes(8), None),
    "offsets-fall": text(b"abc", 0, 3, 1),
    "offsets-past-end": text(b"abc", 0, 1, 1_000_000),
    "offsets-negative": text(b"abc", 0, -1, 3),
    "not-utf8": text(b"\xff\xfe", 0, 1, 2),
    "text-cut": text("é".encode(), 0, 1, 2),
    "format-unknown": ("lied", "+l", b"", None, None),
    "as-floats": ("lied", "g", NUMBERS, None, None),
    "name-twice": ("true", "l", NUMBERS, None, None),
}

plugin = Plugin(analyzer=Misbehaving, data_source=Liar)
