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


class Slot:
    """Where a stream is: it gets another one when its state is restored.

    Attributes:
        row: of its state.
        used: when it was used last, in seconds of the monotonic clock.
    """

    __slots__ = ("row", "used")

    def __init__(self, row: int) -> None:
        self.row, self.used = row, time.monotonic()


class StreamStore:
    """The states of all streams of a model.

    Args:
        network: of the streams.
        digest: sha256 of the model, which snapshots carry.
        limit: number of streams.
    """

    def __init__(self, network: StreamingNetwork, digest: bytes, limit: int) -> None:
        self._digest, self._limit = digest, limit
        self._states = np.zeros((min(_FIRST, limit), *network.state_shape), network.dtype)
        self._slots: dict[str, Slot] = {}
        self._free = list(range(len(self._states) - 1, -1, -1))

    def __len__(self) -> int:
        return len(self._slots)

    def create(self, snapshot: str | None = None) -> str:
        """Create a stream with the state zero or that of a snapshot. Returns its id."""
        state = None if snapshot is None else self._read(snapshot)
        if len(self._slots) >= self._limit:
            raise too_many_streams(self._limit)
        if not self._free:
            self._grow()
        stream, slot = secrets.token_urlsafe(12), Slot(self._free.pop())
        self._states[slot.row] = 0 if state is None else state
        self._slots[stream] = slot
        return stream

    def touch(self, stream: str) -> Slot:
        """Return where a stream is, which is used now."""
        slot = self._slots.get(stream)
        if slot is None:
            raise not_found(stream)
        slot.used = time.monotonic()
        return slot

    def delete(self, stream: str) -> None:
        """Delete a stream."""
        self._free.append(self.touch(stream).row)
        del self._slots[stream]

    def idle(self, seconds: float) -> list[str]:
        """Return the streams that nobody used for some time."""
        before = time.monotonic() - seconds
        return [stream for stream, slot in self._slots.items() if slot.used < before]

    def get(self, stream: str) -> tuple[Slot, np.ndarray]:
        """Return where a stream is, and a copy of its state (L, S, H)."""
        slot = self.touch(stream)
        return slot, self._states[slot.row].copy()

    def set(self, stream: str, slot: Slot, state: np.ndarray) -> None:
        """Store a state that was computed from that of a slot; not where the stream was deleted or restored since."""
        if self._slots.get(stream) is slot:
            self._states[slot.row] = state
            slot.used = time.monotonic()

    def snapshot(self, stream: str) -> str:
        """Return the state of a stream as text, for this model alone."""
        state = self._states[self.touch(stream).row]
        return base64.b64encode(_MAGIC + self._digest + state.tobytes()).decode()

    def restore(self, stream: str, snapshot: str) -> None:
        """Set the state of a stream to that of a snapshot, whatever is computed from the former one now."""
        slot, state = self.touch(stream), self._read(snapshot)
        self._states[slot.row] = state
        self._slots[stream] = Slot(slot.row)

    def _read(self, snapshot: str) -> np.ndarray:
        try:
            content = base64.b64decode(snapshot, validate=True)
        except (binascii.Error, ValueError):
            raise invalid("snapshot: expected what GET /v1/streams/{id}/snapshot returned, got other text") from None
        head = _MAGIC + self._digest
        if not content.startswith(_MAGIC):
            raise invalid("snapshot: expected the state of a stream of this version, got other content")
        if not content.startswith(head):
            raise invalid("snapshot: expected the state of a stream of this model, got that of another one")
        if len(content) != len(head) + self._states[0].nbytes:
            raise invalid("snapshot: it is damaged")
        state = np.frombuffer(content, self._states.dtype, offset=len(head)).reshape(self._states.shape[1:])
        if not np.isfinite(state).all():
            raise invalid("snapshot: it is damaged")
        return state

    def _grow(self) -> None:
        """Double the memory, up to the limit."""
        size = len(self._states)
        more = min(size, self._limit - size)
        self._states = np.concatenate([self._states, np.zeros((more, *self._states.shape[1:]), self._states.dtype)])
        self._free += range(size + more - 1, size - 1, -1)
