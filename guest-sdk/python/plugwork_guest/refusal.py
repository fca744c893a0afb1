"""The ways a plugin or a host says no, as exceptions.

Here: one exception for each case of `plugwork:plugin/refusal` that an author raises or catches. Not here: the case
`other`, which is what every other exception becomes. Easy to get wrong: the host's refusals (from `fetch` and `events`) arrive as
these same classes, so catching `Unavailable` around a fetch and trying again is enough.
"""

from typing import Any


class Refusal(Exception):
    """Base of the three; raise one of them, not this."""


class Denied(Refusal):
    """Something was not permitted; asking again changes nothing."""

    def __init__(self, code: str, permission: str, rule: str, hint: str = "") -> None:
        super().__init__(f"{rule} (`{permission}`, {code})" + (f"; {hint}" if hint else ""))
        self.code = code
        self.permission = permission
        self.rule = rule
        self.hint = hint


class Invalid(Refusal):
    """The input or an option is wrong: what, where (`/window-hours`, `column "mag"`), and what would have been right."""

    def __init__(self, what: str, at: str = "", expected: str = "") -> None:
        super().__init__((f"{at}: " if at else "") + what + (f"; expected {expected}" if expected else ""))
        self.what = what
        self.at = at
        self.expected = expected


class Unavailable(Refusal):
    """Not now: something outside did not answer. Asking again may help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def from_wit(refusal: Any) -> Refusal:
    """A refusal of the host as the boundary has it. One of the case `other` is `Unavailable`."""
    payload = refusal.value
    kind = type(refusal).__name__
    if kind.endswith("_Denied"):
        return Denied(payload.code, payload.permission, payload.rule, payload.hint)
    if kind.endswith("_Invalid"):
        return Invalid(payload.what, payload.at, payload.expected)
    return Unavailable(payload if isinstance(payload, str) else payload.message)
