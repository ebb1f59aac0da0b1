"""The WebSocket that advances a stream."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketDisconnect

from throughtime.serve.bodies import parse
from throughtime.serve.errors import RequestError, invalid

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from throughtime.serve.routes import Endpoint
    from throughtime.serve.service import Service

_FINAL = ("draining", "stream_not_found")  # errors after which nothing more is answered


def steps_route(service: Service, endpoint: Endpoint) -> Any:
    """Return the route that answers each message {"x": …} as the endpoint does: by {"y": …} or {"error": …}."""

    async def answer(stream: str, message: Any) -> dict[str, Any]:
        if message.get("text") is None:
            raise invalid("message: expected text, got bytes")
        assert endpoint.content is not None
        content = parse(endpoint.content, message["text"])
        return await endpoint.handler(service, stream, content)

    async def steps(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while (message := await socket.receive())["type"] == "websocket.receive":
                try:
                    body = await answer(socket.path_params["stream"], message)
                except RequestError as error:
                    service.metrics.refusals.labels(error.code).inc()
                    body = error.body
                await socket.send_json(body)
                if body.get("error", {}).get("code") in _FINAL:
                    await socket.close(1001)
                    return

    return steps
