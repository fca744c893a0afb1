"""The text filter: plain text wrapped to 72 columns.

Here: the class that the application calls. Not here: the wrapping (`wrapping`). Easy to get wrong: `TextFilter` is the name of
the exported interface, by which the build finds the class.
"""

from dataclasses import replace
from typing import Any

from plugwork_guest import log
from wrapping import COLUMNS, wrap


class TextFilter:
    """Wraps the paragraphs of plain text to 72 columns."""

    def apply(self, input: Any) -> Any:
        if input.media_type != "text/plain":
            log.debug(f"`{input.media_type}` is not plain text and stays as it is")
            return input
        body = wrap(input.body)
        log.debug(f"wrapped {len(input.body)} characters to {COLUMNS} columns")
        return replace(input, body=body)
