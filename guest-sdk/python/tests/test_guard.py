"""The point `guard`: questions in, the author's class, decisions out.

Here: conversions, and that what is no answer allows nothing. Not here: the guard around every export. Easy to get wrong: the stand-in has to be
imported first.
"""

import json
import unittest
from types import SimpleNamespace
from typing import Any

from . import stand_in
from plugwork_guest import Plugin
from plugwork_guest.guard import Decision, Guard, Party, Question
from plugwork_guest.inside import deciding

generated = SimpleNamespace(Verdict_Allow=stand_in._record("Verdict_Allow"), Verdict_Deny=stand_in._record("Verdict_Deny", "value"),
                            Decision=stand_in._record("Decision", "verdict", "keep_ms"))
DIGEST = "sha256:" + "0" * 64


def party(name: str) -> Any:
    return SimpleNamespace(name=name, version="1.0.0", digest=DIGEST, instance="")


def ask(answer: Any, principal: str | None = None) -> Any:
    class Author(Guard):
        def check(self, question: Question) -> Any:
            return answer(question) if callable(answer) else answer

    question = SimpleNamespace(principal=principal, callers=[party("acme:shop"), party("acme:till")], plugin=party("acme:vault"),
                               interface="acme:vault/keys@1.0.0", function="open")
    return deciding.checker(Author, generated)(None, question)


class Deciding(unittest.TestCase):
    def test_a_decision_is_short_or_says_everything(self) -> None:
        allowed, denied = generated.Verdict_Allow(), generated.Verdict_Deny
        for answer, verdict, keep_ms in ((True, allowed, 0), (Decision.allow(5), allowed, 5), ("not on Sundays", denied("not on Sundays"), 0),
                                         (False, denied(""), 0), (Decision.deny("no", keep_ms=7), denied("no"), 7),
                                         (Decision.deny("\ud800"), denied("?"), 0), (Decision.allow((1 << 32) - 1), allowed, (1 << 32) - 1)):
            self.assertEqual(ask(answer), generated.Decision(verdict, keep_ms))

    def test_the_question_says_who_whom_and_what(self) -> None:
        def answer(question: Question) -> bool:
            self.assertEqual(question.plugin, Party("acme:vault", "1.0.0", DIGEST))
            self.assertEqual([caller.name for caller in question.callers], ["acme:shop", "acme:till"])
            self.assertEqual((question.principal, question.interface, question.function), ("ada", "acme:vault/keys@1.0.0", "open"))
            return True

        ask(answer, "ada")

    def test_what_is_no_answer_allows_nothing(self) -> None:
        for wrong in (None, 1, b"", {"allowed": True}, Decision(1), Decision(True, b"")):  # type: ignore[arg-type]
            with self.assertRaises(TypeError):
                ask(wrong)
        for keep_ms in (-1, 1 << 32, 0.5, True, "1"):
            with self.assertRaises(ValueError):
                ask(Decision(True, "", keep_ms))  # type: ignore[arg-type]

    def test_a_plugin_names_it(self) -> None:
        class Office(Guard):
            """Lets ada in."""

        described = json.loads(Plugin(guard=Office).descriptor())
        self.assertEqual(described["points"]["plugwork:points/guard"]["summary"], "Lets ada in.")


if __name__ == "__main__":
    unittest.main()
