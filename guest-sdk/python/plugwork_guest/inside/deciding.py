"""The point `guard`: from the boundary's records to the author's class and back.

Here: conversions, and the checks that tell an author what is wrong in words. Not here: exceptions (`guard`). Easy to get wrong: whatever is no
decision has to raise, because what raises allows nothing.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..guard import Decision, Guard, Party, Question

_KEEP_MS_MAX = (1 << 32) - 1


def checker(author: type[Guard], generated: ModuleType | Any) -> Callable[..., Any]:
    """The exported function; `generated` has the boundary's classes for a decision."""
    made: list[Guard] = []

    def check(self: Any, question: Any) -> Any:
        if not made:
            made.append(author({}))
        asked = Question(_party(question.plugin), question.interface, question.principal, [_party(caller) for caller in question.callers],
                         question.function)
        return _outgoing(made[0].check(asked), generated)

    return check


def _party(party: Any) -> Party:
    return Party(party.name, party.version, party.digest, party.instance)


def _outgoing(answer: Any, generated: Any) -> Any:
    if isinstance(answer, bool):
        answer = Decision(answer)
    elif isinstance(answer, str):
        answer = Decision.deny(answer)
    if not isinstance(answer, Decision):
        raise TypeError(f"`check` gave {type(answer).__name__}, expected plugwork_guest.guard.Decision, True or a reason why not")
    if type(answer.allowed) is not bool or not isinstance(answer.reason, str):
        raise TypeError(f"`check` gave {answer!r:.200}: `allowed` is a bool and `reason` a str")
    if type(answer.keep_ms) is not int or not 0 <= answer.keep_ms <= _KEEP_MS_MAX:
        raise ValueError(f"`check` gave keep_ms {answer.keep_ms!r:.40}: whole milliseconds from 0 to {_KEEP_MS_MAX}")
    reason = answer.reason.encode("utf-8", "replace").decode("utf-8")
    verdict = generated.Verdict_Allow() if answer.allowed else generated.Verdict_Deny(reason)
    return generated.Decision(verdict, answer.keep_ms)
