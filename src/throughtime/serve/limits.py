"""Bounds of the server."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from throughtime._core.errors import InputError


def _option(default: Any, text: str) -> Any:
    """Return a field that is an option of the command lines too."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Limits:
    """What a server accepts; those with a help are options of the command lines.

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

    streams: int = _option(10_000, "Streams that may exist at once.")
    steps: int = _option(10_000, "Steps of a request at most.")
    body_bytes: int = _option(2**20, "Bytes of a request at most.")
    queue: int = _option(1_000, "Requests that may wait at once.")
    seconds: float = _option(30.0, "Seconds until a request is answered.")
    idle_seconds: float | None = _option(None, "Delete streams that are not used for so long.")
    batch: int = 256

    def __post_init__(self) -> None:
        """Refuse bounds that are not positive."""
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"--{name.replace('_', '-')}: expected a finite number above 0, got {value}")


OPTIONS = {bound.name: bound for bound in fields(Limits) if bound.metadata}
"""Bounds that are options of the command lines, by name: each with its default and its help."""
