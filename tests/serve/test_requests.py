"""What a server refuses, and what it counts: no request breaks it."""

from __future__ import annotations

import asyncio
import json
import math
import random
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.serve.client import INPUTS, code_of, mutated, new_service, new_stream, run

from throughtime.serve.application import build_application
from throughtime.serve.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx


@pytest.mark.parametrize(
    ("limits", "content", "expected"),
    [
        ({}, {"x": [[math.inf, 0]]}, (422, "invalid")),
        ({}, {"x": [1]}, (422, "invalid")),
        ({}, {"x": []}, (422, "invalid")),
        ({}, {"x": "a"}, (422, "invalid")),
        ({}, {"y": [1, 2]}, (422, "invalid")),
        ({}, {"x": [[1, 2], [3]]}, (422, "invalid")),
        ({}, {"x": [1e39, 0]}, (422, "invalid")),
        ({}, [], (400, "not_json")),
        ({"steps": 2}, {"x": [[1, 2]] * 3}, (422, "invalid")),
        ({"body_bytes": 30}, {"x": [[1, 2]] * 30}, (413, "too_large")),
    ],
)
def test_content_that_does_not_fit_is_refused(
    limits: dict[str, int], content: Any, expected: tuple[int, str], model: Path
) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        stream = await new_stream(client)
        before = (await client.get(f"/v1/streams/{stream}/snapshot")).json()
        headers = {"Content-Type": "application/json"}
        response = await client.post(f"/v1/streams/{stream}/step", content=json.dumps(content), headers=headers)
        assert code_of(response) == expected
        assert (await client.get(f"/v1/streams/{stream}/snapshot")).json() == before

    run(build_application(new_service(model, **limits), None), scenario)


def test_a_body_without_a_length_is_bounded_too(model: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async def scenario(client: httpx.AsyncClient) -> None:
        response = await client.post("/v1/predict", content=parts(), headers={"Content-Type": "application/json"})
        assert code_of(response) == (413, "too_large")

    run(build_application(new_service(model, body_bytes=1000), None), scenario)


def test_limits_are_kept(model: Path) -> None:
    async def scenario() -> None:
        service = new_service(model, streams=1, queue=2, seconds=0.05)
        stream = service.store.create()
        with pytest.raises(RequestError) as many:
            service.store.create()
        assert (many.value.status, many.value.headers) == (429, {"Retry-After": "10"})
        x = np.zeros((1, INPUTS), np.float32)
        waiting = [asyncio.create_task(service.batcher.step(stream, x)) for _ in range(3)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(result, "status", 200) for result in results] == [200, 200, 429]
        service.batcher._schedule = lambda _: None  # an engine that does not answer
        with pytest.raises(RequestError, match=r"not answered within 0\.05 seconds") as late:
            await service.batcher.step(stream, x)
        assert late.value.status == 504
        assert len(service.admission) == 0
        service.admission.is_draining = True
        with pytest.raises(RequestError, match="shutting down") as ended:
            await service.batcher.step(stream, x)
        assert ended.value.status == 503

    asyncio.run(scenario())


def test_the_token_opens_everything_but_health(model: Path) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz")).status_code == (await client.get("/readyz")).status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret-of-the-server"}):
            response = await client.post("/v1/streams", headers=headers)
            assert code_of(response) == (401, "unauthorized")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await client.get("/metrics", headers=headers)).status_code == 401
        headers = {"Authorization": "Bearer secret-of-the-server"}
        assert (await client.post("/v1/streams", headers=headers)).status_code == 201

    run(build_application(new_service(model), "secret-of-the-server"), scenario)


def test_the_server_says_that_it_ends(model: Path) -> None:
    service = new_service(model)
    service.admission.is_draining = True

    async def scenario(client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz")).status_code == 200
        assert code_of(await client.get("/readyz")) == (503, "draining")
        assert code_of(await client.post("/v1/streams")) == (503, "draining")

    run(build_application(service, None), scenario)


def test_a_body_that_does_not_arrive_is_given_up(model: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)

    async def scenario() -> None:
        sent: list[Any] = []
        app = build_application(new_service(model, seconds=0.05), None)
        scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": [], "query_string": b""}
        body = parts()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": await anext(body), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        assert sent[0]["status"] == 408
        assert json.loads(sent[1]["body"])["error"]["code"] == "slow_body"

    asyncio.run(scenario())


def test_a_page_of_another_site_cannot_open_a_websocket(model: Path) -> None:
    service = new_service(model)
    with TestClient(build_application(service, None)) as client:  # pyright: ignore[reportArgumentType]
        path = f"/v1/streams/{service.store.create()}/steps"
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(path, headers={"Origin": "http://elsewhere.test"}),
        ):
            pass
        with client.websocket_connect(path, headers={"Origin": "http://testserver"}) as socket:
            socket.send_bytes(b"{}")
            assert socket.receive_json()["error"]["message"] == "message: expected text, got bytes"


def test_metrics_count_what_happened(model: Path) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        stream = await new_stream(client)
        await client.post(f"/v1/streams/{stream}/step", json={"x": [[1, 2]] * 5})
        await client.post(f"/v1/streams/{stream}/step", json={"x": [1]})
        text = (await client.get("/metrics")).text
        assert "throughtime_steps_total 5.0" in text
        assert "throughtime_streams 1.0" in text
        assert 'throughtime_refusals_total{code="invalid"} 1.0' in text
        route = 'method="POST",route="/v1/streams/{stream}/step"'
        assert f'throughtime_requests_total{{{route},status="200"}} 1.0' in text
        assert stream not in text

    run(build_application(new_service(model), None), scenario)


@pytest.mark.parametrize("requests", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_request_breaks_it(requests: int, model: Path) -> None:
    chance, statuses = random.Random(0), set()

    async def scenario(client: httpx.AsyncClient) -> None:
        stream = await new_stream(client)
        snapshot = (await client.get(f"/v1/streams/{stream}/snapshot")).json()
        routes: list[tuple[str, str, Any]] = [
            ("POST", f"/v1/streams/{stream}/step", {"x": [[0.5, 0.5], [1, 2]]}),
            ("POST", "/v1/predict", {"x": [[[0.5, 0.5]], [[1, 2], [3, 4]]]}),
            ("POST", "/v1/streams", snapshot),
            ("PUT", f"/v1/streams/{stream}/snapshot", snapshot),
            ("GET", f"/v1/streams/{stream}/snapshot", None),
            ("DELETE", "/v1/streams/none", None),
        ]
        for _ in range(requests):
            method, path, body = chance.choice(routes)
            if chance.random() < 0.1:
                path = path.replace(chance.choice("/vs"), chance.choice(["%00", "..", "é", "//"]), 1)
            content = b"" if body is None else mutated(json.dumps(body).encode(), chance)
            kind = chance.choice(["application/json"] * 5 + ["text/plain", "application/json; charset=utf-16"])
            response = await client.request(method, path, content=content, headers={"Content-Type": kind})
            statuses.add(response.status_code)
            if response.status_code >= 400:
                code_of(response)

    run(build_application(new_service(model), None), scenario)
    assert max(statuses) < 500
    assert {200, 201, 400, 404, 422} <= statuses


@pytest.mark.slow
def test_the_interface_is_as_it_is_described(model: Path) -> None:
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    app = build_application(new_service(model), None)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    for operation in schema.get_all_operations():

        @hypothesis.settings(
            max_examples=60,
            deadline=None,
            suppress_health_check=[*hypothesis.HealthCheck],
            derandomize=True,
            database=None,
        )
        @hypothesis.given(case=operation.ok().as_strategy())
        def check(case: Any) -> None:
            # A snapshot of the right form may be of another model, and is refused then.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
