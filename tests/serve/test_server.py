"""`throughtime serve`: a stream is that of the runtime next to any others, and no request breaks the server."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import numpy as np
import pytest
import torch
import typer
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import throughtime as tt
from throughtime import InputError, nn, runtime
from throughtime.app.commands import app
from throughtime.io.network import make_stream
from throughtime.serve.__main__ import parser
from throughtime.serve.application import build_application
from throughtime.serve.errors import RequestError
from throughtime.serve.limits import Limits
from throughtime.serve.server import read_token, serve
from throughtime.serve.service import StreamService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from throughtime.serve.gate import Gate

INPUTS = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("serve") / "model"
    tt.save(nn.ManyToMany(nn.LSTM(INPUTS, 8, 2), 1), directory)
    return directory


def new_service(model: Path, **limits: Any) -> StreamService:
    return StreamService(runtime.load(model), b"\1" * 32, Limits(**{"seconds": 5.0, **limits}))


def run(application: Gate, scenario: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def session() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test") as client:
            await scenario(client)

    asyncio.run(session())


async def new_stream(client: httpx.AsyncClient, **body: Any) -> str:
    response = await client.post("/v1/streams", json=body)
    assert response.status_code == 201
    return response.json()["id"]


def code_of(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    return response.status_code, body["error"]["code"]


def test_a_stream_is_that_of_the_runtime(model: Path) -> None:
    alone, x = runtime.load(model), np.random.default_rng(0).normal(size=(50, INPUTS)).astype(np.float32)
    expected = alone.run(x)

    async def scenario(client: httpx.AsyncClient) -> None:
        stream = await new_stream(client)
        url = f"/v1/streams/{stream}/step"
        first = (await client.post(url, json={"x": x[0].tolist()})).json()["y"]
        many = (await client.post(url, json={"x": x[1:].tolist()})).json()["y"]
        assert np.array_equal(np.array([first, *many], np.float32), expected)
        whole = await client.post("/v1/predict", json={"x": [x.tolist(), x[:3].tolist()]})
        assert np.array_equal(np.array(whole.json()["y"][0], np.float32), expected)
        assert np.array_equal(np.array(whole.json()["y"][1], np.float32), expected[:3])
        assert (await client.delete(f"/v1/streams/{stream}")).status_code == 204
        assert code_of(await client.post(url, json={"x": [0, 0]})) == (404, "stream_not_found")

    service = new_service(model)
    run(build_application(service, None), scenario)
    assert len(service.store) == len(service.admission) == 0


@pytest.mark.parametrize("interleavings", [15, pytest.param(1000, marks=pytest.mark.slow)])
def test_streams_do_not_notice_each_other(interleavings: int, model: Path) -> None:
    count, steps, chance = 100, 3, random.Random(0)
    alone = runtime.load(model)
    x = np.random.default_rng(0).normal(size=(count, steps, INPUTS)).astype(np.float32)
    expected = []
    for sequence in x:
        alone.reset()
        expected.append(alone.run(sequence))

    async def feed(service: StreamService, client: httpx.AsyncClient, stream: str, number: int) -> None:
        done = 0
        while done < steps:
            await asyncio.sleep(0)
            if number == 0:
                url, headers = f"/v1/streams/{stream}/step", {"Content-Type": "application/json"}
                response = await client.post(url, content='{"x": [NaN, 0.0]}', headers=headers)
                assert code_of(response) == (422, "invalid")
            size = chance.randint(1, steps - done)
            outputs = await service.batcher.step(stream, x[number, done : done + size])
            assert np.array_equal(outputs, expected[number][done : done + size])
            done += size

    async def interleave() -> None:
        service = new_service(model, batch=chance.choice([1, 7, 64, 256]))
        transport = httpx.ASGITransport(build_application(service, None))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for _ in range(interleavings):
                streams = [service.store.create() for _ in range(count)]
                order = chance.sample(range(count), count)
                await asyncio.gather(*(feed(service, client, streams[number], number) for number in order))
                for stream in streams:
                    service.store.delete(stream)

    asyncio.run(interleave())


def test_requests_of_one_stream_are_answered_in_their_order(model: Path) -> None:
    x = np.ones((4, 1, INPUTS), np.float32)
    expected = runtime.load(model).run(x[:, 0])

    async def scenario() -> None:
        service = new_service(model)
        stream = service.store.create()
        outputs = await asyncio.gather(*(service.batcher.step(stream, step) for step in x))
        assert np.array_equal(np.concatenate(outputs), expected)

    asyncio.run(scenario())


def test_a_snapshot_continues_a_stream(model: Path) -> None:
    x = [[0.5, -1.0]]

    async def scenario(client: httpx.AsyncClient) -> None:
        stream = await new_stream(client)
        await client.post(f"/v1/streams/{stream}/step", json={"x": x * 3})
        snapshot = (await client.get(f"/v1/streams/{stream}/snapshot")).json()["snapshot"]
        expected = (await client.post(f"/v1/streams/{stream}/step", json={"x": x})).json()
        copy = await new_stream(client, snapshot=snapshot)
        assert (await client.post(f"/v1/streams/{copy}/step", json={"x": x})).json() == expected
        assert (await client.put(f"/v1/streams/{copy}/snapshot", json={"snapshot": snapshot})).status_code == 204
        assert (await client.post(f"/v1/streams/{copy}/step", json={"x": x})).json() == expected

    run(build_application(new_service(model), None), scenario)


def test_a_foreign_snapshot_is_refused(model: Path) -> None:
    other = StreamService(runtime.load(model), b"\2" * 32, Limits())
    service = new_service(model)
    stream = service.store.create()
    good = service.store.snapshot(stream)
    for snapshot, message in (
        (other.store.snapshot(other.store.create()), "of this model, got that of another"),
        ("AAAA", "got other content"),
        ("no text of base 64!", "got other text"),
        (good[:-8], "it is damaged"),
        (good[:-4] + "f///", "it is damaged"),
    ):
        with pytest.raises(RequestError, match=message):
            service.store.restore(stream, snapshot)


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


def test_a_deleted_stream_answers_what_waits_for_it(model: Path) -> None:
    async def scenario() -> None:
        service = new_service(model)
        stream = service.store.create()
        waiting = asyncio.create_task(service.batcher.step(stream, np.zeros((1, INPUTS), np.float32)))
        await asyncio.sleep(0)
        service.delete(stream)
        with pytest.raises(RequestError, match="does not exist"):
            await waiting

    asyncio.run(scenario())


def test_idle_streams_are_deleted(model: Path) -> None:
    service = new_service(model)
    old = service.store.create()
    time.sleep(0.02)
    new = service.store.create()
    assert service.store.idle(0.015) == [old]
    service.store.touch(old)
    assert new in service.store.idle(0)
    assert service.store.idle(0.015) == []


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


@pytest.mark.parametrize("seconds", [0.3, 30.0])
def test_a_request_advances_its_stream_by_all_steps_or_by_none(seconds: float, model: Path) -> None:
    async def scenario() -> None:
        service = new_service(model, seconds=seconds, steps=10**6)
        stream, x = service.store.create(), np.ones((1, INPUTS), np.float32)
        await service.batcher.step(stream, x)
        before = service.store.snapshot(stream)
        long = asyncio.create_task(service.batcher.step(stream, np.ones((10**6, INPUTS), np.float32)))
        await asyncio.sleep(0.01)
        assert service.store.snapshot(stream) == before
        if seconds < 1:
            with pytest.raises(RequestError, match="not answered"):
                await long
            assert service.store.snapshot(stream) == before
        long.cancel()
        after = await service.batcher.step(stream, x)
        expected = runtime.load(model).run(np.ones((2, INPUTS), np.float32))
        assert np.array_equal(after[0], expected[1])

    asyncio.run(scenario())


def test_a_snapshot_wins_over_a_step_that_is_computed_meanwhile(model: Path) -> None:
    async def scenario() -> None:
        service = new_service(model)
        stream, x = service.store.create(), np.ones((20_000, INPUTS), np.float32)
        zero = service.store.snapshot(stream)
        step = asyncio.create_task(service.batcher.step(stream, x))
        await asyncio.sleep(0.002)
        assert not step.done()
        service.store.restore(stream, zero)
        await step
        assert service.store.snapshot(stream) == zero

    asyncio.run(scenario())


def test_results_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    layer = nn.RNN(1, 2, nonlinearity="relu")
    with torch.no_grad():
        for weight in layer.parameters():
            weight.fill_(1e30)
    tt.save(layer, tmp_path / "model")

    async def scenario(client: httpx.AsyncClient) -> None:
        stream = await new_stream(client)
        before = (await client.get(f"/v1/streams/{stream}/snapshot")).json()
        for _ in range(2):
            response = await client.post(f"/v1/streams/{stream}/step", json={"x": [[1.0]] * 3})
            assert code_of(response) == (422, "invalid")
            assert "results are not finite" in response.text
        assert (await client.get(f"/v1/streams/{stream}/snapshot")).json() == before

    run(build_application(new_service(tmp_path / "model"), None), scenario)


def test_a_large_network_computes_in_the_thread_of_the_engine(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, step_rows = set(), runtime.StreamingNetwork.step_rows

    def note(*arguments: Any) -> Any:
        threads.add(threading.current_thread().name)
        return step_rows(*arguments)

    monkeypatch.setattr(runtime.StreamingNetwork, "step_rows", note)

    async def scenario() -> None:
        service = new_service(model)
        for steps, thread in ((1, "MainThread"), (10_000, "engine_0")):
            threads.clear()
            await service.batcher.step(service.store.create(), np.ones((steps, INPUTS), np.float32))
            assert threads == {thread}

    asyncio.run(scenario())


def test_a_failure_of_the_engine_is_reported_and_the_next_request_is_answered(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    async def scenario() -> None:
        service = new_service(model)
        stream = service.store.create()
        for steps in (1, 10_000):
            with monkeypatch.context() as patch:
                patch.setattr(runtime.StreamingNetwork, "step_rows", fail)
                with pytest.raises(MemoryError):
                    await service.batcher.step(stream, np.ones((steps, INPUTS), np.float32))
            assert len(await service.batcher.step(stream, np.ones((1, INPUTS), np.float32))) == 1

    asyncio.run(scenario())


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


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_commands_of_the_page_work(model: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
    match = re.search(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert match
    with process(model, signal.SIGTERM) as client:
        script = "set -e\n" + match[1].replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/"))
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r'\{"y":\[.*\]\}\{"status":"ok"\}', done.stdout)


def test_a_websocket_steps_a_stream(model: Path) -> None:
    service, expected = new_service(model), runtime.load(model)
    with TestClient(build_application(service, None)) as client:  # pyright: ignore[reportArgumentType]
        stream = client.post("/v1/streams").json()["id"]
        with client.websocket_connect(f"/v1/streams/{stream}/steps") as socket:
            for x in ([0.5, 1.0], [1.0, -1.0]):
                socket.send_json({"x": x})
                answer = np.array(socket.receive_json()["y"], np.float32)
                assert np.array_equal(answer, expected.step(np.array(x, np.float32)))
            socket.send_text('{"x": [NaN, 1]}')
            assert socket.receive_json()["error"]["code"] == "invalid"
        with client.websocket_connect("/v1/streams/gone/steps") as socket:
            socket.send_json({"x": [0, 0]})
            assert socket.receive_json()["error"]["code"] == "stream_not_found"


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


def test_ten_thousand_idle_streams_are_small() -> None:
    layer = nn.ManyToMany(nn.LSTM(1, 64), 1)
    service = StreamService(make_stream(layer), b"\1" * 32, Limits())
    before = resident_bytes()
    for _ in range(10_000):
        service.store.create()
    assert resident_bytes() - before < 50e6


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


PIECES = [
    b"NaN",
    b"-1",
    b"1e400",
    b"null",
    b"[]",
    b"{}",
    b'"\\ud800"',
    b"[[",
    b"\x00",
    b"\xff",
    b"true",
    b"9" * 400,
    b"",
]


def mutated(body: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice([0, 0, 1, 3, 20]))
        body = body[:start] + chance.choice(PIECES) + body[end:]
    return body


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


@contextmanager
def process(model: Path, end: int) -> Iterator[httpx.Client]:
    """Run a server in a process of its own, and end it by a signal."""
    command = [sys.executable, "-m", "throughtime.serve", str(model), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        with httpx.Client(base_url=server.stdout.readline().split()[-1], timeout=10) as client:
            yield client
        server.send_signal(end)
        assert server.wait(20) == (0 if end == signal.SIGTERM else -end)


def test_streams_of_a_killed_server_resume_and_sigterm_ends_in_peace(model: Path) -> None:
    x = [[0.25, 1.0]]
    with process(model, signal.SIGKILL) as client:
        stream = client.post("/v1/streams").json()["id"]
        client.post(f"/v1/streams/{stream}/step", json={"x": x * 7})
        snapshot = client.get(f"/v1/streams/{stream}/snapshot").json()
        expected = client.post(f"/v1/streams/{stream}/step", json={"x": x}).json()
    with process(model, signal.SIGTERM) as client:
        stream = client.post("/v1/streams", json=snapshot).json()["id"]
        assert client.post(f"/v1/streams/{stream}/step", json={"x": x}).json() == expected


def test_what_cannot_be_served_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.serve.server._Server.run", lambda *_: pytest.fail("it was not refused"))
    monkeypatch.delenv("THROUGHTIME_TOKEN", raising=False)
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "token_file": None, "limits": Limits()}
    with pytest.raises(InputError, match=r"--host: 0.0.0.0 can be reached from other machines; give a token"):
        serve(model, **settings | {"host": "0.0.0.0"})
    (tmp_path / "short").write_text("abc")
    with pytest.raises(InputError, match="expected a token of 16 or more"):
        serve(model, **settings | {"token_file": tmp_path / "short"})
    with pytest.raises(InputError, match="--port: expected a number from 0 to 65535, got 99999"):
        serve(model, **settings | {"port": 99999})
    with pytest.raises(InputError, match=r"--token-file: .*none cannot be read"):
        read_token(tmp_path / "none")
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(InputError, match=r"--host, --port: cannot listen on 127\.0\.0\.1"),
    ):
        serve(model, **settings | {"port": other.getsockname()[1]})


@pytest.mark.parametrize("limits", [{"streams": 0}, {"seconds": math.nan}, {"idle_seconds": -1.0}])
def test_bounds_that_are_not_positive_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"--{next(iter(limits)).replace('_', '-')}: expected a finite number above 0"):
        Limits(**limits)


def test_both_commands_have_the_same_options() -> None:
    command = typer.main.get_command(app).commands["serve"]  # pyright: ignore[reportAttributeAccessIssue]
    defaults = {option.name: option.default for option in command.params if option.name not in ("help", "model")}
    options = {action.dest: action.default for action in parser()._actions if action.dest not in ("help", "model")}
    assert options == defaults


def test_a_server_needs_no_torch(model: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from throughtime.serve.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, str(model), "--host", "0.0.0.0"]
    environment = {name: value for name, value in os.environ.items() if name != "THROUGHTIME_TOKEN"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("throughtime: --host: 0.0.0.0 can be reached")
