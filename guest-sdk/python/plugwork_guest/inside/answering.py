"""The point `http-function`: from the boundary's records to the author's class and back.

Here: conversions, and the checks that tell an author what is wrong in words. Not here: exceptions (`guard`). Easy to get wrong: the author's
object is made at the first request, not while the component is built.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..http import Context, HttpFunction, Principal, Request, Response


def handler(author: type[HttpFunction], record: type) -> Callable[..., Any]:
    """The exported function; `record` is the boundary's class for a response."""
    made: list[HttpFunction] = []

    def handle(self: Any, request: Any, context: Any) -> Any:
        if not made:
            made.append(author({}))
        given = Request(request.method, request.path, request.query, request.headers, request.body)
        return _outgoing(made[0].handle(given, _context(context)), record)

    return handle


def _context(context: Any) -> Context:
    known = context.principal
    principal = None if known is None else Principal(known.name, json.loads(known.claims))
    return Context(context.scheme, context.authority, context.client_address, principal, context.request_id,
                   dict(context.route_parameters))


def _outgoing(response: Any, record: type) -> Any:
    if not isinstance(response, Response):
        raise TypeError(f"`handle` gave {type(response).__name__}, expected plugwork_guest.http.Response")
    if type(response.status) is not int or not 200 <= response.status <= 599:
        raise ValueError(f"`handle` gave status {response.status!r}: 200 to 599 are there")
    given = response.headers
    pairs = given.items() if isinstance(given, Mapping) else given
    headers = [(str(name), _bytes(f"header `{name}`", value)) for name, value in pairs]
    return record(response.status, headers, _bytes("body", response.body))


def _bytes(what: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise TypeError(f"the {what} is {type(value).__name__}, expected bytes or str")
