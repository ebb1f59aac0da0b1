"""The routes of the server, in one table: the application and the OpenAPI description are made from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.responses import Response

from throughtime.serve.errors import invalid
from throughtime.serve.schemas import (
    CreateStream,
    Outputs,
    SequenceOutputs,
    Snapshot,
    Status,
    Stream,
    sequences_content,
    step_content,
)
from throughtime.serve.service import PredictorService, Service, StreamService

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from throughtime.serve.schemas import Content

    Handler = Callable[[Any, str, Any], Awaitable[Any]]
    """From the service, the id in the path and the content to the answer: an object of JSON, None or a response."""


@dataclass(frozen=True)
class Endpoint:
    """A route.

    Attributes:
        method: of HTTP.
        path: with {stream} for the id of a stream.
        handler: answers it; its docstring describes the route.
        errors: statuses of refusals, without those of all routes.
        content: of the request; None for none.
        answer: of the response; None for none, and for one that is not JSON.
        status: of an answer.
        is_content_optional: whether a request may have no body.
    """

    method: str
    path: str
    handler: Handler
    errors: tuple[int, ...] = ()
    content: type[Content] | None = None
    answer: type[Content] | None = None
    status: int = 200
    is_content_optional: bool = False


def endpoints(service: Service) -> list[Endpoint]:
    """Return the routes of a service, whose contents are those of its model."""
    health = [
        Endpoint("GET", "/healthz", is_alive, answer=Status),
        Endpoint("GET", "/readyz", is_ready, (503,), answer=Status),
        Endpoint("GET", "/metrics", metrics),
    ]
    match service:
        case StreamService():
            return [*_of_network(service), *health]
        case PredictorService(predictor=predictor):
            refusals = (429, 503, 504)
            return [Endpoint("POST", "/v1/predict", predict, refusals, predictor.content, predictor.answer), *health]
        case _:
            raise AssertionError(service)


def _of_network(service: StreamService) -> list[Endpoint]:
    inputs, dtype, limits = service.network.input_size, service.network.dtype, service.limits
    steps, sequences = (
        step_content(inputs, dtype, limits.steps),
        sequences_content(inputs, dtype, limits.steps, limits.queue),
    )
    stream = "/v1/streams/{stream}"
    return [
        Endpoint("POST", f"{stream}/step", step, (404, 429, 503, 504), steps, Outputs),
        Endpoint("POST", "/v1/predict", run, (429, 503, 504), sequences, SequenceOutputs),
        Endpoint("POST", "/v1/streams", create, (429, 503), CreateStream, Stream, 201, is_content_optional=True),
        Endpoint("GET", f"{stream}/snapshot", snapshot, (404,), answer=Snapshot),
        Endpoint("PUT", f"{stream}/snapshot", restore, (404,), Snapshot, status=204),
        Endpoint("DELETE", stream, delete, (404,), status=204),
    ]


async def step(service: StreamService, stream: str, content: Any) -> dict[str, Any]:
    """Advance a stream by one step or several: by all of them, or by none where the request is refused."""
    x = np.array(content.x, service.network.dtype)
    y = await service.batcher.step(stream, x if x.ndim > 1 else x[None])
    return {"y": (y if x.ndim > 1 else y[0]).tolist()}


async def predict(service: PredictorService, _: str, content: Any) -> dict[str, Any]:
    """Predict by the model."""
    return await service.predict(content)


async def run(service: StreamService, _: str, content: Any) -> dict[str, Any]:
    """Run whole sequences, each from the state zero."""
    sequences = [np.array(sequence, service.network.dtype) for sequence in content.x]
    if sum(map(len, sequences)) > service.limits.steps:
        raise invalid(f"x: expected {service.limits.steps} steps at most in all sequences")
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(service.batcher.run(x)) for x in sequences]
    return {"y": [run.result().tolist() for run in runs]}


async def create(service: StreamService, _: str, content: CreateStream | None) -> dict[str, Any]:
    """Create a stream, with the state zero or that of a snapshot."""
    service.admission.check_open()
    return {"id": service.store.create(None if content is None else content.snapshot)}


async def snapshot(service: StreamService, stream: str, _: None) -> dict[str, Any]:
    """Return the state of a stream, to restore it later, in another process too."""
    return {"snapshot": service.store.snapshot(stream)}


async def restore(service: StreamService, stream: str, content: Snapshot) -> None:
    """Set a stream to the state of a snapshot."""
    service.store.restore(stream, content.snapshot)


async def delete(service: StreamService, stream: str, _: None) -> None:
    """Delete a stream."""
    service.delete(stream)


async def is_alive(_service: Service, _stream: str, _: None) -> dict[str, Any]:
    """Answer as long as the process works."""
    return {"status": "ok"}


async def is_ready(service: Service, _: str, _content: None) -> dict[str, Any]:
    """Answer 200 as long as requests are accepted, and 503 while the server shuts down."""
    service.admission.check_open()
    return {"status": "ok"}


async def metrics(service: Service, _: str, _content: None) -> Response:
    """Return the counters in the format of Prometheus."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")
