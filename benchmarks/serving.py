"""Speed and memory of `throughtime serve` for an LSTM with 64 units.

    python benchmarks/serving.py speed --seconds 20 --connections 8
    python benchmarks/serving.py soak --seconds 60
    python benchmarks/serving.py idle --streams 10000

`speed` compares the server with a stub: Starlette and uvicorn as in the server, and the same route, which reads the
JSON and echoes it. Both are processes of their own. A client with connections that stay open asks them in turn, for
0.2 s each, for one step of a stream of its own on each connection. `ratio` is the median over all turns of requests per
second, that of the server divided by that of the stub; `cpu_ratio` is that of processor times for a request.

`soak` keeps connections busy with creation, steps, snapshots, restoration, refusals and deletion, and shows memory,
streams, tasks and file descriptors of the process after a fifth of the time and at the end. `idle` shows the memory
that streams take.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from starlette.requests import Request

INPUTS, HIDDEN = 4, 64
X = [0.25, -1.5, 0.125, 3.0]
_SLICE = 0.2  # seconds
_WARM_UP = 0.2  # of the time of a soak


class Server(NamedTuple):
    """A process that serves.

    Attributes:
        pid: of the process.
        port: that it listens on.
    """

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """Return the processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Return the memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def file_descriptors(self) -> int:
        """Return how many files and sockets are open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


class Connection:
    """A connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, server: Server) -> Connection:
        """Connect to a server."""
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request. Returns the status and the body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return int(head[9:12]), await self._reader.readexactly(int(length[1]) if length else 0)

    async def call(self, method: str, path: str, content: object = None) -> tuple[int, Any]:
        """Send a request with JSON. Returns the status and the content of the answer."""
        status, body = await self.ask(encode(method, path, content))
        return status, json.loads(body) if body[:1] == b"{" else body.decode()


def encode(method: str, path: str, content: object = None) -> bytes:
    """Return a request as bytes."""
    body = b"" if content is None else json.dumps(content).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run_stub() -> None:
    """Serve the stub on a free port, which is printed."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"y": (await request.json())["x"]})

    app = Starlette(routes=[Route("/v1/streams/{stream}/step", echo, methods=["POST"])])
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])


@contextmanager
def servers(*kinds: str) -> Iterator[list[Server]]:
    """Run a process for each of 'server' and 'stub'."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        started = []
        for kind in kinds:
            arguments = [__file__, "stub"]
            if kind == "server":
                arguments = ["-m", "throughtime.serve", str(write_model(Path(folder) / "model")), "--port", "0"]
            command = [sys.executable, *arguments]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))  # noqa: S603
            stack.callback(process.terminate)
            assert process.stdout is not None
            started.append(Server(process.pid, int(process.stdout.readline().rpartition(":")[2])))
        yield started


def write_model(directory: Path) -> Path:
    """Write an LSTM with 64 units."""
    import torch

    import throughtime as tt
    from throughtime import nn

    torch.manual_seed(0)
    tt.save(nn.ManyToMany(nn.LSTM(INPUTS, HIDDEN), 1), directory)
    return directory


async def measure_speed(server: Server, stub: Server, seconds: float, connections: int) -> dict[str, float]:
    """Compare the server with the stub."""
    clients: list[list[tuple[Connection, bytes]]] = [[], []]
    for client, target in zip(clients, (server, stub), strict=True):
        for _ in range(connections):
            connection = await Connection.open(target)
            stream = (await connection.call("POST", "/v1/streams"))[1]["id"] if target is server else "echo"
            client.append((connection, encode("POST", f"/v1/streams/{stream}/step", {"x": X})))
    turns: list[list[tuple[float, float]]] = [[], []]
    for _ in range(max(1, round(seconds / 2 / _SLICE))):
        for client, target, results in zip(clients, (server, stub), turns, strict=True):
            cpu, started = target.cpu_seconds(), time.perf_counter()
            count = sum(await asyncio.gather(*(keep_asking(*one, started + _SLICE) for one in client)))
            results.append((count / (time.perf_counter() - started), (target.cpu_seconds() - cpu) / count))
    rates = [[rate for rate, _ in results] for results in turns]
    cpu = [statistics.fmean(seconds for _, seconds in results) for results in turns]
    return {
        "server_per_second": round(statistics.median(rates[0])),
        "stub_per_second": round(statistics.median(rates[1])),
        "ratio": round(statistics.median(a / b for a, b in zip(*rates, strict=True)), 3),
        "server_cpu_us": round(cpu[0] * 1e6),
        "stub_cpu_us": round(cpu[1] * 1e6),
        "cpu_ratio": round(cpu[1] / cpu[0], 3),
    }


async def keep_asking(connection: Connection, request: bytes, end: float) -> int:
    """Repeat a request until a time. Returns how often."""
    count = 0
    while time.perf_counter() < end:
        status, _ = await connection.ask(request)
        assert status == 200, status
        count += 1
    return count


async def soak(server: Server, seconds: float, connections: int) -> dict[str, dict[str, int]]:
    """Keep a server busy, and return its size after a fifth of the time and at the end."""
    clients = [await Connection.open(server) for _ in range(connections)]
    started = time.perf_counter()

    async def live(connection: Connection, until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            _, stream = await connection.call("POST", "/v1/streams")
            path = f"/v1/streams/{stream['id']}"
            for x in (X, [X] * 20, [float("nan")] * INPUTS, [X] * 3):
                await connection.call("POST", f"{path}/step", {"x": x})
            _, snapshot = await connection.call("GET", f"{path}/snapshot")
            await connection.call("PUT", f"{path}/snapshot", snapshot)
            await connection.call("POST", "/v1/predict", {"x": [[X] * 5, [X]]})
            await connection.call("DELETE", path)
            await connection.call("GET", f"{path}/snapshot")
            count += 10
        return count

    sizes = {}
    for share in (_WARM_UP, 1.0):
        counts = await asyncio.gather(*(live(client, started + seconds * share) for client in clients))
        _, text = await clients[0].call("GET", "/metrics")
        gauges = re.findall(r"^throughtime_(streams|queue|tasks) (\d+)", text, re.MULTILINE)
        sizes[f"{share:.0%}"] = {
            "requests": sum(counts),
            "resident_kib": server.resident_bytes() // 1024,
            "file_descriptors": server.file_descriptors(),
            **{name: int(value) for name, value in gauges},
        }
    return sizes


async def measure_idle(server: Server, streams: int) -> dict[str, float]:
    """Return the memory that idle streams take."""
    connection = await Connection.open(server)
    for _ in range(20):
        await connection.call("POST", "/v1/streams")
    before = server.resident_bytes()
    for _ in range(streams - 20):
        assert (await connection.call("POST", "/v1/streams"))[0] == 201
    return {"streams": streams, "added_mb": round((server.resident_bytes() - before) / 1e6, 1)}


def main() -> None:
    """Print a measurement as JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("measure", choices=("speed", "soak", "idle", "stub"))
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--streams", type=int, default=10_000)
    arguments = options.parse_args()
    if arguments.measure == "stub":
        run_stub()
        return
    with servers(*(("server", "stub") if arguments.measure == "speed" else ("server",))) as started:
        server, stub = started[0], started[-1]
        measurement: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
            "speed": lambda: measure_speed(server, stub, arguments.seconds, arguments.connections),
            "soak": lambda: soak(server, arguments.seconds, arguments.connections),
            "idle": lambda: measure_idle(server, arguments.streams),
        }
        sys.stdout.write(json.dumps(asyncio.run(measurement[arguments.measure]())) + "\n")


if __name__ == "__main__":
    main()
