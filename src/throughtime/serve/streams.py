"""The streams of a server: their states in one array, and snapshots of them."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import TYPE_CHECKING

import numpy as np

from throughtime.serve.errors import invalid, not_found, too_many_streams

if TYPE_CHECKING:
    from throughtime.runtime import StreamingNetwork

_MAGIC = b"throughtime-stream-1\n"
_FIRST = 64  # streams that there is memory for at the start


class StreamStore:
    """The states of all streams of a model.

    Args:
        network: of the streams.
        digest: sha256 of the model, which snapshots carry.
        limit: number of streams.
    """

    def __init__(self, network: StreamingNetwork, digest: bytes, limit: int) -> None:
        self._digest, self._limit = digest, limit
        layers, states, hidden = network.state_shape
        self._states = np.zeros((layers, states, min(_FIRST, limit), hidden), network.dtype)
        self._rows: dict[str, int] = {}
        self._used: dict[str, float] = {}
        self._free = list(range(self._states.shape[2] - 1, -1, -1))

    def __len__(self) -> int:
        return len(self._rows)

    def create(self, snapshot: str | None = None) -> str:
        """Create a stream with the state zero or that of a snapshot. Returns its id."""
        state = None if snapshot is None else self._read(snapshot)
        if len(self._rows) >= self._limit:
            raise too_many_streams(self._limit)
        if not self._free:
            self._grow()
        stream, row = secrets.token_urlsafe(12), self._free.pop()
        self._states[:, :, row] = 0 if state is None else state
        self._rows[stream] = row
        self._used[stream] = time.monotonic()
        return stream

    def row(self, stream: str) -> int:
        """Return where the state of a stream is, which is used now."""
        row = self._rows.get(stream)
        if row is None:
            raise not_found(stream)
        self._used[stream] = time.monotonic()
        return row

    def delete(self, stream: str) -> None:
        """Delete a stream."""
        self._free.append(self.row(stream))
        del self._rows[stream], self._used[stream]

    def delete_idle(self, seconds: float) -> int:
        """Delete the streams that nobody used for some time. Returns how many."""
        before = time.monotonic() - seconds
        idle = [stream for stream, used in self._used.items() if used < before]
        for stream in idle:
            self.delete(stream)
        return len(idle)

    def get(self, rows: list[int]) -> np.ndarray:
        """Return a copy of the states of some rows, (L, S, n, H)."""
        return self._states.take(rows, 2)

    def set(self, rows: list[int], states: np.ndarray) -> None:
        """Store the states of some rows."""
        self._states[:, :, rows] = states

    def snapshot(self, stream: str) -> str:
        """Return the state of a stream as text, for this model alone."""
        state = np.ascontiguousarray(self._states[:, :, self.row(stream)])
        return base64.b64encode(_MAGIC + self._digest + state.tobytes()).decode()

    def restore(self, stream: str, snapshot: str) -> None:
        """Set the state of a stream to that of a snapshot."""
        row, state = self.row(stream), self._read(snapshot)
        self._states[:, :, row] = state

    def _read(self, snapshot: str) -> np.ndarray:
        try:
            content = base64.b64decode(snapshot, validate=True)
        except (binascii.Error, ValueError):
            raise invalid("snapshot: expected what GET /v1/streams/{id}/snapshot returned, got other text") from None
        layers, states, _, hidden = self._states.shape
        head = _MAGIC + self._digest
        if not content.startswith(_MAGIC):
            raise invalid("snapshot: expected the state of a stream of this version, got other content")
        if not content.startswith(head):
            raise invalid("snapshot: expected the state of a stream of this model, got that of another one")
        if len(content) != len(head) + layers * states * hidden * self._states.itemsize:
            raise invalid("snapshot: it is damaged")
        state = np.frombuffer(content, self._states.dtype, offset=len(head)).reshape(layers, states, hidden)
        if not np.isfinite(state).all():
            raise invalid("snapshot: it is damaged")
        return state

    def _grow(self) -> None:
        """Double the memory, up to the limit."""
        size = self._states.shape[2]
        more = min(size, self._limit - size)
        room = np.zeros((*self._states.shape[:2], more, self._states.shape[3]), self._states.dtype)
        self._states = np.concatenate([self._states, room], 2)
        self._free += range(size + more - 1, size - 1, -1)
