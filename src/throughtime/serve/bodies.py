"""Bodies of requests and responses."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from throughtime.serve.errors import RequestError, invalid, not_json, slow_body, too_large

if TYPE_CHECKING:
    from starlette.requests import Request

    from throughtime.serve.limits import Limits
    from throughtime.serve.metrics import Metrics

Content = TypeVar("Content", bound=BaseModel)


def refuse(error: RequestError, metrics: Metrics) -> Response:
    """Count a refusal, and return its response."""
    metrics.refusals.labels(error.code).inc()
    return Response(json.dumps(error.body), error.status, error.headers, media_type="application/json")


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, within its bounds whatever the headers say.

    Raises:
        RequestError: for a body that is too large, or does not arrive in time.
    """
    parts, remaining = [], limits.body_bytes
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                remaining -= len(parts[-1])
                if remaining < 0:
                    raise too_large(limits.body_bytes)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise slow_body(limits.seconds) from None


def is_json(request: Request) -> bool:
    """Return whether a request says that its body is JSON."""
    kind = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/json"


def parse(schema: type[Content], text: str | bytes) -> Content:
    """Return content.

    Raises:
        RequestError: for what is not JSON, or does not fit the schema.
    """
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid" or not first["loc"]:
            raise not_json() from None
        where = ".".join(str(key) for key in first["loc"] if key not in ("step", "steps"))
        raise invalid(f"{where}: {first['msg']}"[:300]) from None
