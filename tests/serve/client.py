"""Clients of a server in this process or in another one."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from throughtime import runtime
from throughtime.serve.limits import Limits
from throughtime.serve.service import StreamService

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from throughtime.serve.gate import Gate

INPUTS = 2


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
