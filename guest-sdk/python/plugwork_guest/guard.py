"""Guards: being asked before calls of other plugins, and deciding. The point `guard`.

Here: what an author fills in, and what is given to it. Not here: what stands around every export (`inside.guard`). Easy to get wrong: a method
that forgets to answer must not allow anything, so only `True` and a `Decision` that says so do.
"""

from dataclasses import dataclass, field

from .points import Point


@dataclass
class Party:
    """A plugin, as the host knows it: nothing of it is what that plugin says of itself but the version."""

    name: str
    """`namespace:name`."""
    version: str = ""
    """Empty without a manifest."""
    digest: str = ""
    """Of the component file: `sha256:` and 64 hexadecimal digits."""
    instance: str = ""


@dataclass
class Question:
    """A call that is about to be made."""

    plugin: Party
    """Who is to be called."""
    interface: str
    """With its version, as the plugin that is called exports it."""
    principal: str | None = None
    """Who the application says that it makes the call for; None where it did not say."""
    callers: list[Party] = field(default_factory=list)
    """The plugins that led to the call, the first caller first. Empty where the host itself calls."""
    function: str | None = None
    """Where one plugin calls another or a function is called by its name; None where it is all that the interface has."""


@dataclass
class Decision:
    """The answer."""

    allowed: bool
    reason: str = ""
    """Why not, in one line for whoever calls. At most 256 bytes of it are passed on."""
    keep_ms: int = 0
    """For how many milliseconds the very same question need not be asked again. The host keeps no answer longer than it likes."""

    @classmethod
    def allow(cls, keep_ms: int = 0) -> "Decision":
        """As far as this guard is concerned, the call may be made."""
        return cls(True, "", keep_ms)

    @classmethod
    def deny(cls, reason: str, keep_ms: int = 0) -> "Decision":
        """The call may not be made."""
        return cls(False, reason, keep_ms)


class Guard(Point):
    """Says whether calls may be made. Made at the first question of an instance, which may be asked several times."""

    def check(self, question: Question) -> Decision | bool | str:
        """Decides: a `Decision`, whether it may be made, or a reason why not. Where it raises, the call is not made."""
        raise NotImplementedError
