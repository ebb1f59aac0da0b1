"""Counters of the server, for Prometheus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_GAUGES = {"streams": "Streams that exist.", "queue": "Requests that wait.", "tasks": "Tasks of the event loop."}


class Metrics:
    """What is counted, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self.requests = Counter("throughtime_requests", "Requests answered.", labels, registry=registry)
        self.latency = Histogram(
            "throughtime_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.refusals = Counter("throughtime_refusals", "Requests refused, by code.", ["code"], registry=registry)
        self.steps = Counter("throughtime_steps", "Steps of streams.", registry=registry)
        self.batch_size = Histogram(
            "throughtime_batch_size", "Streams advanced by one call.", buckets=_SIZES, registry=registry
        )
        self._gauges = {name: Gauge(f"throughtime_{name}", text, registry=registry) for name, text in _GAUGES.items()}
        self.watch("tasks", lambda: len(asyncio.all_tasks()))

        self._by_answer: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        key = method, route, status
        if key not in self._by_answer:  # looking a label up takes longer than counting
            self._by_answer[key] = self.requests.labels(*key), self.latency.labels(route)
        requests, latency = self._by_answer[key]
        requests.inc()
        latency.observe(seconds)

    def watch(self, name: str, value: Callable[[], int]) -> None:
        """Read 'streams' or 'queue' whenever the metrics are asked for."""
        self._gauges[name].set_function(value)

    def text(self) -> bytes:
        """Return all metrics in the format of Prometheus."""
        return generate_latest(self._registry)
