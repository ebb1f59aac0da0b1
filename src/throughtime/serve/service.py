"""A model and its streams, as the routes use them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime.serve.batcher import Batcher
from throughtime.serve.metrics import Metrics
from throughtime.serve.streams import StreamStore

if TYPE_CHECKING:
    from throughtime.runtime import StreamingNetwork
    from throughtime.serve.limits import Limits

_SWEEP_SECONDS = 5.0


@dataclass
class Service:
    """A model and its streams.

    Attributes:
        network: the model.
        store: of the streams.
        batcher: advances them.
        metrics: counters.
        limits: bounds.
    """

    network: StreamingNetwork
    store: StreamStore
    batcher: Batcher
    metrics: Metrics
    limits: Limits

    @classmethod
    def of(cls, network: StreamingNetwork, digest: bytes, limits: Limits) -> Service:
        """Return a service without streams."""
        metrics, store = Metrics(), StreamStore(network, digest, limits.streams)
        batcher = Batcher(network, store, limits, metrics)
        metrics.watch("streams", store.__len__)
        metrics.watch("queue", batcher.__len__)
        return cls(network, store, batcher, metrics, limits)

    def drain(self) -> None:
        """Refuse what is new from now on."""
        self.batcher.is_draining = True

    def delete(self, stream: str) -> None:
        """Delete a stream, and refuse what waits for it."""
        self.store.delete(stream)
        self.batcher.forget(stream)

    async def sweep(self, idle_seconds: float) -> None:
        """Delete idle streams, as long as the server runs."""
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, idle_seconds))
            for stream in self.store.idle(idle_seconds):
                self.delete(stream)
