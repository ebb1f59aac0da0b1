"""Streams of a server: each is that of the runtime, next to any others."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from starlette.testclient import TestClient
from tests.serve.client import INPUTS, code_of, new_service, new_stream, run

import throughtime as tt
from throughtime import nn, runtime
from throughtime.io.network import make_stream
from throughtime.serve.application import build_application
from throughtime.serve.errors import RequestError
from throughtime.serve.limits import Limits
from throughtime.serve.service import StreamService


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


def test_ten_thousand_idle_streams_are_small() -> None:
    layer = nn.ManyToMany(nn.LSTM(1, 64), 1)
    service = StreamService(make_stream(layer), b"\1" * 32, Limits())
    before = resident_bytes()
    for _ in range(10_000):
        service.store.create()
    assert resident_bytes() - before < 50e6


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
