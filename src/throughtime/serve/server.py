"""The server process: its socket, its token, and how it ends."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
import socket
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvicorn

from throughtime import runtime
from throughtime._core.errors import InputError
from throughtime._core.escaping import escape_line
from throughtime.io import directory as directories
from throughtime.serve.application import build_application
from throughtime.serve.service import PredictorService, Service, StreamService

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from throughtime.serve.limits import Limits

TOKEN_VARIABLE = "THROUGHTIME_TOKEN"  # noqa: S105  the name of the variable
_MIN_TOKEN = 16  # characters
_MAX_PORT = 65535
_BACKLOG = 2048  # connections that wait to be accepted


def serve(model: Path, *, host: str, port: int, token_file: Path | None, limits: Limits) -> None:
    """Serve a model until SIGTERM or Ctrl-C; requests that wait then are answered.

    Args:
        model: directory of the model.
        host: address to listen on; one that others can reach needs a token.
        port: to listen on; 0 for any that is free.
        token_file: holds the token that requests must bear; the environment variable THROUGHTIME_TOKEN if None.
        limits: bounds.

    Raises:
        InputError: for a model that cannot be served, a token that cannot be read, an address without a token that
            others can reach, and a port in use.
    """
    token = read_token(token_file)
    if token is None and not _is_loopback(host):
        raise InputError(
            f"--host: {host} can be reached from other machines; give a token by --token-file or {TOKEN_VARIABLE}"
        )
    service = load_service(model, limits)
    config = uvicorn.Config(
        build_application(service, token),
        log_level="warning",
        lifespan="on",
        ws_max_size=limits.body_bytes,
        timeout_graceful_shutdown=max(1, round(limits.seconds)),
    )
    with _listen(host, port) as listening:
        address, actual = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        sys.stdout.write(f"Serving {escape_line(str(model))} on http://{shown}:{actual}\n")
        sys.stdout.flush()
        _Server(config, service).run([listening])


def load_service(directory: Path, limits: Limits) -> Service:
    """Return the service of a model.

    Raises:
        InputError: for a model that cannot be served.
    """
    model = runtime.load(directory)
    if isinstance(model, runtime.StreamingNetwork):
        return StreamService(model, _digest(directory), limits)
    from throughtime.serve.predictors import predictor

    return PredictorService(predictor(model, limits), limits)


def read_token(file: Path | None) -> str | None:
    """Return the token of a file, or of the environment.

    Raises:
        InputError: for a file that cannot be read, and a token that is short or not plain text.
    """
    if file is None:
        token, name = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
    else:
        name = str(file)
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--token-file: {file} cannot be read: {error}") from error
    if token is None:
        return None
    if len(token) < _MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{name}: expected a token of {_MIN_TOKEN} or more printable characters without spaces")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _digest(model: Path) -> bytes:
    """Return the sha256 of a model, which snapshots of its streams carry."""
    contents = directories.read(model)
    return hashlib.sha256(repr(sorted(contents.config.items())).encode() + contents.weights).digest()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. It names its protocol: only then asyncio sends small answers at once (TCP_NODELAY)."""
    if not 0 <= port <= _MAX_PORT:  # the resolver would take it modulo 65536
        raise InputError(f"--port: expected a number from 0 to {_MAX_PORT}, got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as stack:
            listening = stack.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
            stack.pop_all()
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"--host, --port: cannot listen on {host}, port {port}: {error}") from error
    return listening


class _Server(uvicorn.Server):
    """Drains before it ends: readiness and new work are refused, and what waits is answered."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._ending: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        admission = self._service.admission
        if admission.is_draining:  # a second signal ends at once
            super().handle_exit(sig, frame)
            return
        admission.is_draining = True
        loop = asyncio.get_running_loop()
        self._ending = loop.create_task(self._end_when_idle())

    async def _end_when_idle(self) -> None:
        await self._service.admission.wait_until_idle()
        self.should_exit = True
