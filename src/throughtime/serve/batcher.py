"""Requests for steps of streams, advanced together: one call of the engine for all streams that wait.

A batch is made of what waits when the engine is free, so that a lone stream never waits for others. Requests of one
stream are answered in their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from throughtime.serve.errors import draining, invalid, not_found, overloaded, timed_out

if TYPE_CHECKING:
    from throughtime.runtime import StreamingNetwork
    from throughtime.serve.limits import Limits
    from throughtime.serve.metrics import Metrics
    from throughtime.serve.streams import StreamStore

_LONG = 32  # steps of a lone request from which on they run in one call
_MAX_RUN = 512  # steps of one call, so that others do not wait long


class _Request:
    """Steps of one stream that wait or run.

    Attributes:
        x: (T, I).
        y: (T, O), filled up to `done`.
        done: steps so far.
        future: is set when all are done.
    """

    __slots__ = ("done", "future", "stream", "x", "y")

    def __init__(self, stream: str, x: np.ndarray, y: np.ndarray, future: asyncio.Future[np.ndarray]) -> None:
        self.stream, self.x, self.y, self.future, self.done = stream, x, y, future, 0


class Batcher:
    """Advances the streams of a store.

    Args:
        network: of the streams.
        store: their states.
        limits: bounds.
        metrics: counters.
    """

    def __init__(self, network: StreamingNetwork, store: StreamStore, limits: Limits, metrics: Metrics) -> None:
        self._network, self._store, self._limits, self._metrics = network, store, limits, metrics
        self._waiting: dict[str, deque[_Request]] = {}  # by stream
        self._count = 0
        self._is_scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.is_draining = False

    def __len__(self) -> int:
        return self._count

    def check(self, x: object) -> np.ndarray:
        """Return steps (T, I) as an array of the network's element type.

        Raises:
            RequestError: for other shapes, too many steps, and values that are not finite.
        """
        inputs, steps = self._network.input_size, self._limits.steps
        try:
            with np.errstate(over="ignore"):
                array = np.array(x, self._network.dtype, ndmin=1)
        except (TypeError, ValueError, OverflowError):
            raise invalid(f"x: expected {inputs} numbers, or a list of such steps") from None
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or array.shape[1] != inputs or not len(array):
            raise invalid(f"x: expected {inputs} numbers, or a list of such steps, got the shape {array.shape}")
        if len(array) > steps:
            raise invalid(f"x: expected {steps} steps at most, got {len(array)}")
        finite = np.isfinite(array)
        if not finite.all():
            step, feature = np.argwhere(~finite)[0].tolist()
            raise invalid(
                f"x: expected finite values, got {array[step, feature]} in feature {feature} of step {step} (counted "
                "from 0); the stream keeps the state from before the request"
            )
        return array

    async def step(self, stream: str, x: np.ndarray) -> np.ndarray:
        """Advance a stream by the steps x (T, I). Returns (T, O).

        Raises:
            RequestError: for a stream that does not exist, a full queue, and a request that takes too long; the stream
                has advanced by a part of the steps then.
        """
        if self.is_draining:
            raise draining()
        if self._count >= self._limits.queue:
            raise overloaded(self._limits.queue)
        self._store.row(stream)
        loop = asyncio.get_running_loop()
        request = _Request(stream, x, np.empty((len(x), self._network.output_size), x.dtype), loop.create_future())
        self._waiting.setdefault(stream, deque()).append(request)
        self._count += 1
        self._idle.clear()
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._run)
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await request.future
        except TimeoutError:
            raise timed_out(self._limits.seconds) from None
        finally:
            self._remove(request)

    def forget(self, stream: str) -> None:
        """Refuse what waits for a stream that is deleted."""
        for request in self._waiting.get(stream, ()):
            if not request.future.done():
                request.future.set_exception(not_found(stream))

    def _remove(self, request: _Request) -> None:
        queue = self._waiting.get(request.stream)
        if queue is not None and request in queue:
            queue.remove(request)
            if not queue:
                del self._waiting[request.stream]
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Return when nothing waits."""
        await self._idle.wait()

    def _run(self) -> None:
        """Advance the first request of each stream by one step, and go on as long as there is one."""
        self._is_scheduled = False
        active = []
        for queue in self._waiting.values():
            request = next((r for r in queue if not r.future.done()), None)
            if request is not None:
                active.append(request)
                if len(active) == self._limits.batch:
                    break
        if not active:
            return
        if len(active) == 1 and len(active[0].x) - active[0].done > _LONG:
            self._run_alone(active[0])
        else:
            self._run_together(active)
        if any(not request.future.done() for queue in self._waiting.values() for request in queue):
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run_together(self, active: list[_Request]) -> None:
        rows = [self._store.row(request.stream) for request in active]
        states = self._store.get(rows)
        y = self._network.step_rows(np.stack([request.x[request.done] for request in active]), states)
        self._store.set(rows, states)
        self._metrics.batch_size.observe(len(active))
        for request, outputs in zip(active, y, strict=True):
            request.y[request.done] = outputs
            self._advance(request, 1)
        for request in active:  # those that were served go to the end, so that nobody waits for more than a round
            queue = self._waiting.pop(request.stream, None)
            if queue is not None:
                self._waiting[request.stream] = queue

    def _run_alone(self, request: _Request) -> None:
        row = [self._store.row(request.stream)]
        steps = slice(request.done, request.done + _MAX_RUN)
        self._network.state = self._store.get(row)[:, :, 0]
        request.y[steps] = self._network.run(request.x[steps])
        self._store.set(row, self._network.state[:, :, None])
        self._metrics.batch_size.observe(1)
        self._advance(request, len(request.x[steps]))

    def _advance(self, request: _Request, steps: int) -> None:
        request.done += steps
        self._metrics.steps.inc(steps)
        if request.done == len(request.x) and not request.future.done():
            request.future.set_result(request.y)
