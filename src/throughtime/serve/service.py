"""What is served, as the routes use it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from throughtime.serve.admission import Admission
from throughtime.serve.batcher import Batcher
from throughtime.serve.errors import timed_out
from throughtime.serve.metrics import Metrics
from throughtime.serve.streams import StreamStore

if TYPE_CHECKING:
    from throughtime.runtime import StreamingNetwork
    from throughtime.serve.limits import Limits
    from throughtime.serve.predictors import Predictor

_SWEEP_SECONDS = 5.0


class Service:
    """A server without its routes.

    Args:
        limits: bounds.

    Attributes:
        admission: of requests.
        engine: the thread that computes.
        metrics: counters.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.metrics = limits, Metrics()
        self.admission, self.engine = Admission(limits.queue), ThreadPoolExecutor(1, "engine")
        self.metrics.watch("queue", self.admission.__len__)

    async def sweep(self, idle_seconds: float) -> None:
        """Delete what nobody used for some time, as long as the server runs; here nothing."""


class PredictorService(Service):
    """Serves whole predictions of an estimator.

    Args:
        predictor: makes them.
        limits: bounds.
    """

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        super().__init__(limits)
        self.predictor = predictor

    async def predict(self, content: Any) -> dict[str, Any]:
        """Return a prediction.

        Raises:
            RequestError: for a full queue, content that cannot be used, and a prediction that takes too long.
        """
        with self.admission:
            try:
                async with asyncio.timeout(self.limits.seconds):
                    loop = asyncio.get_running_loop()
                    return await loop.run_in_executor(self.engine, self.predictor.predict, content)
            except TimeoutError:
                raise timed_out(self.limits.seconds) from None


class StreamService(Service):
    """Serves a network: whole sequences, and streams.

    Args:
        network: that is served.
        digest: sha256 of the model, which snapshots carry.
        limits: bounds.

    Attributes:
        store: of the streams.
        batcher: advances them.
    """

    def __init__(self, network: StreamingNetwork, digest: bytes, limits: Limits) -> None:
        super().__init__(limits)
        self.network, self.store = network, StreamStore(network, digest, limits.streams)
        self.batcher = Batcher(network, self.store, self)
        self.metrics.watch("streams", self.store.__len__)

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
