"""The ASGI application of a service."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from throughtime.serve.bodies import is_json, parse, read_body, refuse
from throughtime.serve.errors import RequestError, not_json
from throughtime.serve.gate import Gate
from throughtime.serve.openapi import describe
from throughtime.serve.routes import Endpoint, endpoints
from throughtime.serve.websocket import steps_route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    from throughtime.serve.service import Service


def build_application(service: Service, token: str | None) -> Gate:
    """Return the ASGI application of a service, which answers requests that bear the token if there is one."""
    table = endpoints(service)
    description = json.dumps(describe(table, has_token=token is not None)).encode()

    async def openapi(_: Request) -> Response:
        return Response(description, media_type="application/json")

    routes = [Route(row.path, _route(row, service), methods=[row.method]) for row in table]
    routes.append(Route("/openapi.json", openapi))
    sockets = [WebSocketRoute(f"{row.path}s", steps_route(service, row)) for row in table if row.path.endswith("/step")]
    unknown = _refuse_route(service)
    handlers: dict[Any, Any] = {404: unknown, 405: unknown, Exception: _refuse_fault(service)}
    app = Starlette(routes=[*routes, *sockets], exception_handlers=handlers, lifespan=_lifespan(service))
    app.router.redirect_slashes = False
    return Gate(app, service.metrics, service.limits.body_bytes, token)


def _lifespan(service: Service) -> Any:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        idle_seconds = service.limits.idle_seconds
        sweeper = None if idle_seconds is None else asyncio.create_task(service.sweep(idle_seconds))
        yield
        service.engine.shutdown(wait=False, cancel_futures=True)
        if sweeper is not None:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper

    return lifespan


def _route(endpoint: Endpoint, service: Service) -> Any:
    handler, schema = endpoint.handler, endpoint.content

    async def answer(request: Request) -> Response:
        try:
            content = None
            if schema is not None:
                body = await read_body(request, service.limits)
                if body or not endpoint.is_content_optional:
                    if not is_json(request):
                        raise not_json()
                    content = parse(schema, body)
            answer = await handler(service, request.path_params.get("stream", ""), content)
        except RequestError as error:
            return refuse(error, service.metrics)
        if isinstance(answer, Response):
            return answer
        if answer is None:
            return Response(status_code=endpoint.status)
        return Response(json.dumps(answer, separators=(",", ":")), endpoint.status, media_type="application/json")

    return answer


def _refuse_route(service: Service) -> Any:
    async def answer(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}[error.status_code]
        return refuse(RequestError(error.status_code, code, str(error.detail), error.headers), service.metrics)

    return answer


def _refuse_fault(service: Service) -> Any:
    async def answer(_: Request, _error: Exception) -> Response:
        return refuse(RequestError(500, "fault", "the server failed; its log says why"), service.metrics)

    return answer
