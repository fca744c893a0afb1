"""Answering HTTP requests: the point `http-function`.

Here: what an author fills in, and what is given to it. Not here: requests that a plugin sends (`fetch`), whose classes are others. Easy to get
wrong: what a client says is in `Request`; only `Context` is vouched for by the host.
"""

import json as _json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .points import Point
from .refusal import Invalid


@dataclass
class Request:
    """What the client sent."""

    method: str
    path: str
    """Begins with `/`, percent-encoded."""
    query: str | None = None
    """What follows the `?`."""
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    """Names in lower case."""
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header field of this name, in any case, as text."""
        wanted = name.lower()
        return next((value.decode("utf-8", "replace") for had, value in self.headers if had == wanted), None)

    def text(self) -> str:
        """The body as UTF-8, with replacement characters where it is not."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises `Invalid` where it is not."""
        try:
            return _json.loads(self.body)
        except (ValueError, RecursionError) as error:
            # Whoever sends it chooses how deep it is.
            raise Invalid(f"the body is not JSON: {error}", "", "JSON") from None


@dataclass
class Principal:
    """Who sent a request, as the host has verified it."""

    name: str
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class Context:
    """What the host says about a request."""

    scheme: str = "http"
    authority: str = "localhost"
    client_address: str = ""
    """Empty where the client has none."""
    principal: Principal | None = None
    request_id: str = ""
    route_parameters: dict[str, str] = field(default_factory=dict)


@dataclass
class Response:
    """The answer. A text body is sent as UTF-8."""

    status: int = 200
    headers: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]] = ()
    body: bytes | str = b""

    @classmethod
    def text(cls, body: str, status: int = 200) -> "Response":
        """Plain text."""
        return cls(status, {"content-type": "text/plain; charset=utf-8"}, body)

    @classmethod
    def html(cls, body: str, status: int = 200) -> "Response":
        """A page of HTML."""
        return cls(status, {"content-type": "text/html; charset=utf-8"}, body)

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Response":
        """A value as JSON."""
        text = _json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return cls(status, {"content-type": "application/json"}, text)


class HttpFunction(Point):
    """Answers HTTP requests. Made at the first request of an instance, which may be asked several times."""

    def handle(self, request: Request, context: Context) -> Response:
        """Answers one request; raise `Invalid`, `Denied` or `Unavailable` to refuse it."""
        raise NotImplementedError
