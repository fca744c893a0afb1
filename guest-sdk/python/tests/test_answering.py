"""The point `http-function`: records in, the author's classes, records out.

Here: conversions and what is wrong with an answer. Not here: the guard. Easy to get wrong: the stand-in has to be imported first.
"""

import json
import unittest
from types import SimpleNamespace
from typing import Any

from . import stand_in
from plugwork_guest import Invalid, Plugin
from plugwork_guest.http import Context, HttpFunction, Request, Response
from plugwork_guest.inside import answering

Record = stand_in._record("Response", "status", "headers", "body")


def ask(answer: Any, principal: Any = None) -> Any:
    class Author(HttpFunction):
        def handle(self, request: Request, context: Context) -> Response:
            return answer(request, context) if callable(answer) else answer

    request = SimpleNamespace(method="POST", path="/a", query=None, headers=[("x", b"1"), ("x", b"2")], body=b'{"n":1}')
    context = SimpleNamespace(scheme="https", authority="a.example", client_address="", principal=principal, request_id="7",
                              route_parameters=[("k", "v")])
    return answering.handler(Author, Record)(None, request, context)


class Answering(unittest.TestCase):
    def test_what_is_no_response_says_so(self) -> None:
        for wrong in ("text", None, {"status": 200}):
            with self.assertRaises(TypeError):
                ask(wrong)
        for status in (199, 600, True, "200"):
            with self.assertRaises(ValueError):
                ask(Response(status))  # type: ignore[arg-type]
        with self.assertRaises(TypeError):
            ask(Response(200, {}, 5))  # type: ignore[arg-type]

    def test_a_body_that_is_not_json_is_invalid(self) -> None:
        with self.assertRaises(Invalid):
            Request("POST", "/", body=b"{").json()
        with self.assertRaises(Invalid):
            Request("POST", "/", body=b"[" * 100_000).json()

    def test_the_request_and_what_the_host_says_arrive(self) -> None:
        def answer(request: Request, context: Context) -> Response:
            known = context.principal
            return Response.json([request.header("X"), request.json(), context.route_parameters, known and [known.name, known.claims]])

        principal = SimpleNamespace(name="ada", claims='{"a":2}')
        self.assertEqual(json.loads(ask(answer, principal).body), ["1", {"n": 1}, {"k": "v"}, ["ada", {"a": 2}]])
        self.assertIsNone(json.loads(ask(answer).body)[3])

    def test_headers_are_bytes_and_may_stand_twice(self) -> None:
        answer = ask(Response(204, [("set-cookie", "a"), ("set-cookie", b"b")]))
        self.assertEqual((answer.status, answer.headers, answer.body), (204, [("set-cookie", b"a"), ("set-cookie", b"b")], b""))

    def test_a_plugin_names_it(self) -> None:
        class Greets(HttpFunction):
            """Greets."""

        described = json.loads(Plugin(http_function=Greets).descriptor())
        self.assertEqual(described["points"]["plugwork:points/http-function"]["summary"], "Greets.")


if __name__ == "__main__":
    unittest.main()
