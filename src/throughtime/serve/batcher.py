"""Requests for steps, advanced together: one call of the engine for all streams that wait.

A batch is made of what waits when the engine is free, so that a lone stream never waits for others. Requests of one
stream are answered in their order. A request advances its stream by all of its steps or by none: it works on a copy of
the state, which becomes that of the stream when the last step is done and all numbers are finite.

A small call of the engine runs in the event loop, where it takes less time than handing it to a thread; a larger one
runs in the thread of the engine.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from throughtime.serve.errors import invalid, not_found, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.runtime import StreamingNetwork
    from throughtime.serve.service import Service
    from throughtime.serve.streams import Slot, StreamStore

# Costs are in multiplications of weights, about 0.1 ns each.
_IN_LOOP = 4_000_000  # of a call that runs in the event loop
_IN_THREAD = 40_000_000  # of any call with more than one step: others wait no longer than for this
_STEP_COST = 40_000  # for calling the engine
_ROW_COST = 10_000  # for the arrays of a request


class _Request:
    """Steps that wait or run.

    Attributes:
        key: requests of the same key run one after the other: the id of a stream, or something of its own.
        x: (T, I).
        y: (T, O), filled up to `done`.
        done: steps so far.
        state: (L, S, H) after them; empty before the first call.
        slot: of the stream, which gets the state in the end; None for a sequence of its own.
        future: is set when all are done.
    """

    __slots__ = ("done", "future", "key", "slot", "state", "x", "y")

    def __init__(self, key: object, x: np.ndarray, y: np.ndarray, future: asyncio.Future[np.ndarray]) -> None:
        self.key, self.x, self.y, self.future, self.done = key, x, y, future, 0
        self.state: np.ndarray = y[:0]
        self.slot: Slot | None = None


class Batcher:
    """Advances streams and sequences.

    Args:
        network: that advances them.
        store: of the streams.
        service: with the bounds, the counters and the thread of the engine.
    """

    def __init__(self, network: StreamingNetwork, store: StreamStore, service: Service) -> None:
        self._network, self._store = network, store
        self._limits, self._metrics = service.limits, service.metrics
        self._admission, self._engine = service.admission, service.engine
        self._waiting: dict[object, deque[_Request]] = {}
        self._is_running = False

    async def step(self, stream: str, x: np.ndarray) -> np.ndarray:
        """Advance a stream by the steps x (T, I). Returns (T, O).

        Raises:
            RequestError: for a stream that does not exist, a full queue, a request that takes too long, and results
                that are not finite; the stream keeps the state from before the request.
        """
        self._store.touch(stream)
        return await self._wait(stream, x)

    async def run(self, x: np.ndarray) -> np.ndarray:
        """Run a whole sequence x (T, I) from the state zero. Returns (T, O).

        Raises:
            RequestError: as `step`.
        """
        return await self._wait(object(), x)

    def forget(self, stream: str) -> None:
        """Refuse what waits for a stream that is deleted."""
        for request in self._waiting.get(stream, ()):
            _fail(request, not_found(stream))

    async def _wait(self, key: object, x: np.ndarray) -> np.ndarray:
        with self._admission:
            return await self._result(key, x)

    async def _result(self, key: object, x: np.ndarray) -> np.ndarray:
        loop = asyncio.get_running_loop()
        request = _Request(key, x, np.empty((len(x), self._network.output_size), x.dtype), loop.create_future())
        self._waiting.setdefault(key, deque()).append(request)
        self._schedule(loop)
        timer = loop.call_later(self._limits.seconds, _fail, request, timed_out(self._limits.seconds))
        try:
            return await request.future
        finally:
            timer.cancel()
            self._remove(request)

    def _remove(self, request: _Request) -> None:
        queue = self._waiting[request.key]
        queue.remove(request)
        if not queue:
            del self._waiting[request.key]

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_running:
            self._is_running = True
            loop.call_soon(self._run)

    def _run(self) -> None:
        """Advance the first request of each key, and continue as long as there is one."""
        active = self._next_requests()
        if not active:
            self._is_running = False
            return
        cost = len(active) * (self._network.multiplications + _ROW_COST) + _STEP_COST
        steps = min(max(1, _IN_THREAD // cost), *(len(request.x) - request.done for request in active))
        loop = asyncio.get_running_loop()
        if cost * steps <= _IN_LOOP:
            self._finish(active, steps, partial(self._advance, active, steps))
            loop.call_soon(self._run)
        else:
            call = loop.run_in_executor(self._engine, self._advance, active, steps)
            call.add_done_callback(partial(self._continue, active, steps))

    def _continue(self, active: list[_Request], steps: int, call: asyncio.Future[np.ndarray]) -> None:
        if not call.cancelled():
            self._finish(active, steps, call.result)
            self._run()

    def _next_requests(self) -> list[_Request]:
        waiting = (next((r for r in queue if not r.future.done()), None) for queue in self._waiting.values())
        active = list(itertools.islice((r for r in waiting if r is not None), self._limits.batch))
        for request in active:
            if not request.state.size:
                self._start(request)
        if len(self._waiting) > self._limits.batch:  # those that run go to the end, so that nobody waits for ever
            for request in active:
                self._waiting[request.key] = self._waiting.pop(request.key)
        return active

    def _start(self, request: _Request) -> None:
        if isinstance(request.key, str):
            request.slot, request.state = self._store.get(request.key)
        else:
            request.state = np.zeros(self._network.state_shape, self._network.dtype)

    def _advance(self, active: list[_Request], steps: int) -> np.ndarray:
        """Compute steps of requests, in the event loop or the thread of the engine. Returns states (L, S, N, H)."""
        states = np.stack([request.state for request in active], 2)
        for t in range(steps):
            y = self._network.step_rows(np.array([request.x[request.done + t] for request in active]), states)
            for request, outputs in zip(active, y, strict=True):
                request.y[request.done + t] = outputs
        return states

    def _finish(self, active: list[_Request], steps: int, compute: Callable[[], np.ndarray]) -> None:
        """Answer the requests that are done; a failure of the engine fails all that it was to advance."""
        try:
            states = compute()
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
            for request in active:
                _fail(request, error)
            return
        self._metrics.batch_size.observe(len(active))
        self._metrics.steps.inc(steps * len(active))
        for row, request in enumerate(active):
            request.state = states[:, :, row]
            request.done += steps
            if request.done == len(request.x) and not request.future.done():
                self._answer(request)

    def _answer(self, request: _Request) -> None:
        if not (np.isfinite(request.state).all() and np.isfinite(request.y).all()):
            _fail(request, invalid("x: the results are not finite; the stream keeps the state from before the request"))
            return
        if request.slot is not None and isinstance(request.key, str):
            self._store.set(request.key, request.slot, request.state)
        request.future.set_result(request.y)


def _fail(request: _Request, error: BaseException) -> None:
    if not request.future.done():
        request.future.set_exception(error)
