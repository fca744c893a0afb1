"""HTTP through `plugwork:host/fetch`: buffered, one call for each request, decided by the plugin's `http` grant.

Here: requests and responses. Not here: permission; `plugin.toml` asks for it. Easy to get wrong: a status of 404 or 500 is
a response, not an exception, and redirects are not followed.
"""

import json as _json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .refusal import Denied, Refusal, from_wit

try:
    from wit_world.imports import plugwork_host_fetch as _host
except ImportError:
    _host = None


@dataclass
class Request:
    """What to send. `timeout_ms` is 1 to 60,000; None is 10,000."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_ms: int | None = None


@dataclass
class Response:
    """What came back, whatever its status."""

    status: int
    headers: list[tuple[str, str]]
    """In the order they arrived, names as the server wrote them."""
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header field of this name, in any case."""
        return next((value for had, value in self.headers if had.lower() == name.lower()), None)

    def text(self) -> str:
        """The body as UTF-8, with replacement characters where it is not."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; `ValueError` where it is not."""
        try:
            return _json.loads(self.body)
        except RecursionError as error:
            raise ValueError(f"not JSON: {error}") from None


def get(url: str, headers: Mapping[str, str] | None = None, timeout_ms: int | None = None) -> Response:
    """Sends a GET and waits for the whole response."""
    return send(Request(url, headers=headers or {}, timeout_ms=timeout_ms))


def send(request: Request) -> Response:
    """Sends one request and waits for the whole response; raises `Denied`, `Invalid` or `Unavailable`."""
    answer = send_all([request])[0]
    if isinstance(answer, Refusal):
        raise answer
    return answer


def send_all(requests: Sequence[Request]) -> list[Response | Refusal]:
    """Sends up to 64 requests at once; answers in their order, each a response or the refusal that it met."""
    if _host is None:
        raise Denied("E-CAP-NOT-IMPORTED", "plugwork:host/fetch", "this plugin was built without `plugwork:host/fetch`",
                     'add "plugwork:host/fetch@0.1.0" to `imports` under `[build]` in plugin.toml')
    sent = [_host.Request(request.method, request.url, [_host.Header(name, value) for name, value in request.headers.items()],
                          request.body, request.timeout_ms) for request in requests]
    return [_answer(result) for result in _host.send_all(sent)]


def _answer(result: Any) -> Response | Refusal:
    value = result.value
    if type(result).__name__ == "Ok":
        return Response(value.status, [(header.name, header.value) for header in value.headers], value.body)
    return from_wit(value)
