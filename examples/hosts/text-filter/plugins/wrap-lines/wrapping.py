"""Wraps paragraphs of plain text.

Here: `wrap`. Not here: the plugin (`plugin`). Easy to get wrong: a paragraph with an indented line is a table, a listing or a
poem, and stays as it is.
"""

import re
import textwrap

COLUMNS = 72


def wrap(text: str, columns: int = COLUMNS) -> str:
    """The text with every paragraph filled to `columns`. What lies between paragraphs stays, and so does an overlong word."""
    parts = re.split(r"((?:\n[ \t]*)*\n[ \t]*\n|\n+\Z)", text.replace("\r\n", "\n"))
    return "".join(part if index % 2 else _paragraph(part, columns) for index, part in enumerate(parts))


def _paragraph(text: str, columns: int) -> str:
    if any(line[:1] in (" ", "\t") for line in text.split("\n")):
        return text
    return textwrap.fill(text, columns, break_long_words=False, break_on_hyphens=False)
