"""Bounds of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a server accepts.

    Attributes:
        streams: that exist at once.
        steps: of a request.
        body_bytes: of a request, and of a message of a WebSocket.
        queue: requests that wait at once.
        seconds: until a request is answered.
        idle_seconds: after which a stream that nobody used is deleted; None for never.
        batch: streams that advance by one call of the engine.
    """

    streams: int = 10_000
    steps: int = 10_000
    body_bytes: int = 2**20
    queue: int = 1_000
    seconds: float = 30.0
    idle_seconds: float | None = None
    batch: int = 256
