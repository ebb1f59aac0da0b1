"""The routes of the server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from throughtime._core.version import __version__
from throughtime.serve.batcher import Batcher
from throughtime.serve.errors import RequestError, draining, invalid
from throughtime.serve.gate import Gate
from throughtime.serve.metrics import Metrics
from throughtime.serve.schemas import (
    CreateStream,
    InputSchemas,
    Outputs,
    SequenceOutputs,
    Snapshot,
    Status,
    Stream,
    error_responses,
)
from throughtime.serve.streams import StreamStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from throughtime.runtime import StreamingNetwork
    from throughtime.serve.limits import Limits

_SWEEP_SECONDS = 5.0
_COMMON = error_responses(400, 401, 413, 422)
Route = TypeVar("Route", bound="Callable[..., Any]")
StreamId = Annotated[str, Path(description="Id of a stream.", max_length=64)]


@dataclass
class Service:
    """A model and its streams.

    Attributes:
        network: the model.
        store: of the streams.
        batcher: advances them.
        metrics: counters.
        limits: bounds.
    """

    network: StreamingNetwork
    store: StreamStore
    batcher: Batcher
    metrics: Metrics
    limits: Limits

    @classmethod
    def of(cls, network: StreamingNetwork, digest: bytes, limits: Limits) -> Service:
        """Return a service without streams."""
        metrics, store = Metrics(), StreamStore(network, digest, limits.streams)
        batcher = Batcher(network, store, limits, metrics)
        metrics.watch("streams", store.__len__)
        metrics.watch("queue", batcher.__len__)
        return cls(network, store, batcher, metrics, limits)

    def drain(self) -> None:
        """Refuse what is new from now on."""
        self.batcher.is_draining = True

    async def sweep(self) -> None:
        """Delete idle streams, as long as the server runs."""
        assert self.limits.idle_seconds is not None
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.limits.idle_seconds))
            self.store.delete_idle(self.limits.idle_seconds)


def build_application(service: Service, token: str | None) -> Gate:
    """Return the ASGI application of a service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper = None if service.limits.idle_seconds is None else asyncio.create_task(service.sweep())
        yield
        if sweeper is not None:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper

    app = FastAPI(
        title="throughtime",
        version=__version__,
        description="A trained recurrent network: whole sequences, and streams that keep their state.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    _add_error_handlers(app, service)
    _add_health(app, service)
    _add_prediction(app, service)
    _add_streams(app, service)
    _add_websocket(app, service)
    return Gate(app, service.metrics, service.limits.body_bytes, token)


def _add_error_handlers(app: FastAPI, service: Service) -> None:
    def respond(error: RequestError) -> JSONResponse:
        service.metrics.refusals.labels(error.code).inc()
        return JSONResponse(error.body, error.status, error.headers)

    @app.exception_handler(RequestError)
    async def refuse(_: Request, error: RequestError) -> JSONResponse:
        return respond(error)

    @app.exception_handler(RequestValidationError)
    async def refuse_content(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid" or first["loc"] == ("body",):
            message = "expected a JSON object, with the header Content-Type: application/json"
            return respond(RequestError(400, "not_json", message))
        return respond(_content_error(first))

    @app.exception_handler(HTTPException)
    async def refuse_route(_: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed", 400: "not_json"}.get(error.status_code, "refused")
        return respond(RequestError(error.status_code, code, str(error.detail), error.headers))


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["health"])
    async def is_alive() -> Status:
        """Answer as long as the process works."""
        return Status(status="ok")

    @app.get("/readyz", tags=["health"], responses=error_responses(503))
    async def is_ready() -> Status:
        """Answer 200 as long as requests are accepted, and 503 while the server shuts down."""
        if service.batcher.is_draining:
            raise draining()
        return Status(status="ok")

    @app.get(
        "/metrics",
        tags=["health"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **error_responses(401)},
    )
    async def metrics() -> Response:
        """Return the counters in the format of Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_prediction(app: FastAPI, service: Service) -> None:
    schemas = InputSchemas.of(service.network, service.limits)

    @app.post("/v1/predict", tags=["prediction"], responses=_COMMON | error_responses(429, 503, 504))
    @_reads(schemas.sequences)
    async def predict(body: Any) -> SequenceOutputs:
        """Run whole sequences, each from the state zero."""
        sequences = [service.batcher.check(sequence) for sequence in body.x]
        if sum(map(len, sequences)) > service.limits.steps:
            raise invalid(f"x: expected {service.limits.steps} steps at most in all sequences")
        streams: list[str] = []
        try:
            for _ in sequences:
                streams.append(service.store.create())  # noqa: PERF401  those before a failure are deleted
            pairs = zip(streams, sequences, strict=True)
            outputs = await asyncio.gather(*(service.batcher.step(stream, x) for stream, x in pairs))
        finally:
            for stream in streams:
                service.batcher.forget(stream)
                service.store.delete(stream)
        return SequenceOutputs.model_construct(y=[y.tolist() for y in outputs])


def _add_streams(app: FastAPI, service: Service) -> None:
    responses, schemas = _COMMON | error_responses(404), InputSchemas.of(service.network, service.limits)

    @app.post("/v1/streams", status_code=201, tags=["streams"], responses=_COMMON | error_responses(429, 503))
    async def create(body: CreateStream | None = None) -> Stream:
        """Create a stream."""
        if service.batcher.is_draining:
            raise draining()
        return Stream(id=service.store.create(None if body is None else body.snapshot))

    @app.post("/v1/streams/{stream}/step", tags=["streams"], responses=responses | error_responses(429, 503, 504))
    @_reads(schemas.steps)
    async def step(stream: StreamId, body: Any) -> Outputs:
        """Advance a stream by one step or several."""
        return Outputs.model_construct(y=await _step(service, stream, body.x))

    @app.get("/v1/streams/{stream}/snapshot", tags=["streams"], responses=responses)
    async def snapshot(stream: StreamId) -> Snapshot:
        """Return the state of a stream, to restore it later, in another process too."""
        return Snapshot(snapshot=service.store.snapshot(stream))

    @app.put("/v1/streams/{stream}/snapshot", status_code=204, tags=["streams"], responses=responses)
    async def restore(stream: StreamId, body: Snapshot) -> None:
        """Set a stream to the state of a snapshot."""
        service.store.restore(stream, body.snapshot)

    @app.delete("/v1/streams/{stream}", status_code=204, tags=["streams"], responses=responses)
    async def delete(stream: StreamId) -> None:
        """Delete a stream."""
        service.store.delete(stream)
        service.batcher.forget(stream)


def _add_websocket(app: FastAPI, service: Service) -> None:
    schema = InputSchemas.of(service.network, service.limits).steps

    @app.websocket("/v1/streams/{stream}/steps")
    async def steps(socket: WebSocket, stream: str) -> None:
        """Advance a stream by each message {"x": …}, and answer {"y": …} or {"error": …}."""
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                text = await socket.receive_text()
                try:
                    answer: dict[str, Any] = {"y": await _step(service, stream, _parse(schema, text).x)}
                except RequestError as error:
                    service.metrics.refusals.labels(error.code).inc()
                    answer = error.body
                await socket.send_json(answer)
                if answer.get("error", {}).get("code") in ("draining", "stream_not_found"):
                    await socket.close(1001)
                    return


def _reads(schema: type[BaseModel]) -> Callable[[Route], Route]:
    """Decorate a route whose body has a schema that was made for the network."""

    def annotate(route: Route) -> Route:
        route.__annotations__["body"] = schema
        return route

    return annotate


def _parse(schema: type[BaseModel], text: str) -> Any:
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise _content_error(error.errors()[0]) from None


def _content_error(error: Any) -> RequestError:
    where = ".".join(str(part) for part in error["loc"] if part != "body")
    return invalid(f"{where}: {error['msg']}"[:300])


async def _step(service: Service, stream: str, x: list[Any]) -> list[Any]:
    """Advance a stream. Returns outputs in the form of the inputs: of one step, or of several."""
    y = await service.batcher.step(stream, service.batcher.check(x))
    return y.tolist() if isinstance(x[0], list) else y[0].tolist()
