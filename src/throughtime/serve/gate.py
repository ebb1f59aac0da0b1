"""What every request passes: the bound on its body, the token, and the metrics."""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING, Any

from throughtime.serve.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from throughtime.serve.metrics import Metrics

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/healthz", "/readyz")
"""Answered without the token."""


class Gate:
    """An ASGI application around another one.

    Args:
        app: that answers what passes.
        metrics: counters.
        body_bytes: of a request at most.
        token: that requests must bear; None for none.
    """

    def __init__(self, app: App, metrics: Metrics, body_bytes: int, token: str | None) -> None:
        self._app, self._metrics, self._body_bytes = app, metrics, body_bytes
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            if self._is_allowed(scope):
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status, body = time.perf_counter(), 500, _BoundedBody(receive, self._body_bytes)

        async def count(message: Message) -> None:
            nonlocal status
            if body.is_too_large:  # whatever the application makes of what it could not read
                return
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, body.receive, count)
            if body.is_too_large:
                raise body.error
        except RequestError as error:
            status = error.status
            self._metrics.refusals.labels(error.code).inc()
            await _respond(send, error)
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.latency.labels(route).observe(time.perf_counter() - started)

    def _is_allowed(self, scope: Scope) -> bool:
        if self._expected is None or scope["path"] in OPEN_PATHS:
            return True
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(values) == 1 and hmac.compare_digest(values[0], self._expected)

    def _check(self, scope: Scope) -> None:
        if not self._is_allowed(scope):
            message = "expected the header Authorization: Bearer with the token of this server"
            raise RequestError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self._body_bytes:
                raise _too_large(self._body_bytes)


class _BoundedBody:
    """The parts of a body, up to a bound on their sum, whatever the header of the request says.

    Attributes:
        is_too_large: whether there were more.
        error: for a body that is too large.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._remaining = receive, limit
        self.is_too_large = False
        self.error = _too_large(limit)

    async def receive(self) -> Message:
        """Return the next part."""
        message = await self._receive()
        self._remaining -= len(message.get("body", b""))
        if self._remaining < 0:
            self.is_too_large = True
            raise self.error
        return message


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "too_large", f"the body has more than {limit} bytes", {"Connection": "close"})


async def _respond(send: Send, error: RequestError) -> None:
    headers = {"Content-Type": "application/json", **error.headers}
    body = json.dumps(error.body).encode()
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
