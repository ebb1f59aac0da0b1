"""The OpenAPI description of the server, made from its table of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from throughtime._core.version import __version__
from throughtime.serve.errors import STATUSES
from throughtime.serve.gate import OPEN_PATHS
from throughtime.serve.schemas import Error

if TYPE_CHECKING:
    from pydantic import BaseModel

    from throughtime.serve.routes import Endpoint

_ID = {"name": "stream", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Id of a stream."}
_BODY = (400, 408, 413, 422)
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}


def describe(endpoints: list[Endpoint], *, has_token: bool) -> dict[str, Any]:
    """Return the description of routes."""
    contents = [model for endpoint in endpoints for model in (endpoint.content, endpoint.answer) if model]
    models = [(model, "validation") for model in dict.fromkeys([*contents, Error])]
    _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")  # pyright: ignore[reportArgumentType]
    components: dict[str, Any] = {"schemas": schemas["$defs"]}
    if has_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, is_secured=has_token and endpoint.path not in OPEN_PATHS)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    description = "A trained recurrent network: whole sequences, and streams that keep their state."
    information = {"title": "throughtime", "version": __version__, "description": description}
    return {"openapi": "3.1.0", "info": information, "paths": paths, "components": components}


def _operation(endpoint: Endpoint, *, is_secured: bool) -> dict[str, Any]:
    text = endpoint.handler.__doc__ or ""
    statuses = {*endpoint.errors, *(_BODY if endpoint.content else ()), *((401,) if is_secured else ()), 500}
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": text,
        "responses": {str(endpoint.status): _success(endpoint)} | {str(s): _refusal(s) for s in sorted(statuses)},
    }
    if "{stream}" in endpoint.path:
        operation["parameters"] = [_ID]
    if endpoint.content:
        operation["requestBody"] = {"required": not endpoint.is_content_optional, "content": _json(endpoint.content)}
    if is_secured:
        operation["security"] = [{"token": []}]
    return operation


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.status == 204:
        return {"description": "Done."}
    content = _json(endpoint.answer) if endpoint.answer else {"text/plain": {"schema": {"type": "string"}}}
    return {"description": "The answer.", "content": content}


def _refusal(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {"description": STATUSES[status], "content": _json(Error)}
    return response | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
