"""Bounds of the server."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from throughtime._core.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What a server accepts.

    Raises:
        InputError: for a bound that is not positive.

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

    def __post_init__(self) -> None:
        """Refuse bounds that are not positive."""
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"--{name.replace('_', '-')}: expected a finite number above 0, got {value}")
