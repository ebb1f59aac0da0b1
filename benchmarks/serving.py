"""Requests per second of `throughtime serve`, next to a stub of the same framework that only echoes.

Both are processes of their own. A client with several connections that stay open asks them in turn, for 0.2 s each, for
one step of a stream of its own on each connection. The ratio of a round is that of its two rates; the result is the
median of all rounds.

    python benchmarks/serving.py --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

INPUTS, HIDDEN = 4, 64
_SLICE = 0.2  # seconds


def stub(framework: str) -> Any:
    """Return an application with the route of a step that answers y = x."""
    if framework == "starlette":
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        async def echo(request: Request) -> JSONResponse:
            return JSONResponse({"y": (await request.json())["x"]})

        return Starlette(routes=[Route("/v1/streams/{stream}/step", echo, methods=["POST"])])
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Steps(BaseModel):
        x: list[float] | list[list[float]]

    class Outputs(BaseModel):
        y: list[float] | list[list[float]]

    app = FastAPI()

    async def step(stream: str, body: Any) -> Any:
        return Outputs.model_construct(y=body.x)

    step.__annotations__ |= {"stream": str, "body": Steps, "return": Outputs}
    app.post("/v1/streams/{stream}/step")(step)
    return app


def run_stub(framework: str) -> None:
    """Serve the stub on a free port, which is printed."""
    import socket

    import uvicorn

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(stub(framework), log_level="warning")).run([listening])


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Send a request on a connection that stays open, and return the body of the answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 20"), head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.partition(b":")[2]))


def post(path: str, content: object = None) -> bytes:
    """Return a request as bytes."""
    body = b"" if content is None else json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def connect(url: str, connections: int, *, creates: bool) -> list[tuple[Any, Any, bytes]]:
    """Open connections, each with a request for a step of its own stream."""
    host, _, port = url.removeprefix("http://").partition(":")
    opened = []
    for _ in range(connections):
        reader, writer = await asyncio.open_connection(host, int(port))
        stream = json.loads(await ask(reader, writer, post("/v1/streams")))["id"] if creates else "echo"
        opened.append((reader, writer, post(f"/v1/streams/{stream}/step", {"x": [0.25, -1.5, 0.125, 3.0]})))
    return opened


async def load(opened: list[tuple[Any, Any, bytes]], seconds: float) -> float:
    """Return the requests per second that are answered on all connections."""
    end, count = time.perf_counter() + seconds, 0

    async def loop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        nonlocal count
        while time.perf_counter() < end:
            await ask(reader, writer, request)
            count += 1

    started = time.perf_counter()
    await asyncio.gather(*(loop(*connection) for connection in opened))
    return count / (time.perf_counter() - started)


async def compare(urls: dict[str, str], seconds: float, connections: int) -> dict[str, list[float]]:
    """Return the requests per second of each server, a value a round."""
    opened = {name: await connect(url, connections, creates=name == "server") for name, url in urls.items()}
    rates: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(max(1, round(seconds / len(urls) / _SLICE))):
        for name, connection in opened.items():
            rates[name].append(await load(connection, _SLICE))
    return rates


def write_model(directory: Path) -> None:
    """Write an LSTM with 64 units."""
    import throughtime as tt
    from throughtime import nn

    tt.save(nn.ManyToMany(nn.LSTM(INPUTS, HIDDEN), 1), directory)


def main() -> None:
    """Print the rates and their ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--stub", choices=("fastapi", "starlette"))
    arguments = options.parse_args()
    if arguments.stub:
        run_stub(arguments.stub)
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model = Path(folder) / "model"
        write_model(model)
        commands = {
            "fastapi": [sys.executable, __file__, "--stub", "fastapi"],
            "starlette": [sys.executable, __file__, "--stub", "starlette"],
            "server": [sys.executable, "-m", "throughtime.serve", str(model), "--port", "0"],
        }
        urls = {}
        for name, command in commands.items():
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.terminate)
            assert process.stdout is not None
            urls[name] = process.stdout.readline().split()[-1]
        rates = asyncio.run(compare(urls, arguments.seconds, arguments.connections))
    result: dict[str, Any] = {name: round(statistics.median(values)) for name, values in rates.items()}
    for name in ("fastapi", "starlette"):
        ratios = [server / other for server, other in zip(rates["server"], rates[name], strict=True)]
        result[f"ratio to {name}"] = round(statistics.median(ratios), 3)
    print(json.dumps({"connections": arguments.connections, **result}))


if __name__ == "__main__":
    main()
