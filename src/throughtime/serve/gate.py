"""What every request passes: the token, the bound on its body, and the metrics."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any

from throughtime.serve.bodies import refuse
from throughtime.serve.errors import RequestError, too_large, unauthorized

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
        body_bytes: of a request at most, by its headers.
        token: that requests must bear; None for none.
    """

    def __init__(self, app: App, metrics: Metrics, body_bytes: int, token: str | None) -> None:
        self._app, self._metrics, self._body_bytes = app, metrics, body_bytes
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan" or (self._is_allowed(scope) and _is_same_origin(scope)):
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500

        async def count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, count)
        except RequestError as error:
            status = error.status
            await refuse(error, self._metrics)(scope, receive, send)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.observe(scope["method"], route, status, time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        if not self._is_allowed(scope):
            raise unauthorized()
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self._body_bytes:
                raise too_large(self._body_bytes)

    def _is_allowed(self, scope: Scope) -> bool:
        if self._expected is None or scope["path"] in OPEN_PATHS:
            return True
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(values) == 1 and hmac.compare_digest(values[0], self._expected)


def _is_same_origin(scope: Scope) -> bool:
    """Return whether no page of another site asks: browsers name it, and connect to any host."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host")
