"""The peak speed of the processor in multiply-adds, and whether it reaches it now.

On a shared machine two threads have a core each at one moment and share one at the next. Only the speed of the
processor shows it.
"""

from __future__ import annotations

import time

from throughtime import _kernels

WARM_UP_SECONDS = 0.03
"""Seconds of work before a measurement: threads that slept wake on one core, and are moved apart after a while."""

_PEAK_SEARCH_SECONDS = 2.0
_PAUSE_SECONDS = 0.05
_FREE_FRACTION = 0.8  # of the peak speed


class Processor:
    """The speed of this processor with some threads.

    Attributes:
        threads: number of threads.
        peak: highest measured number of operations per second in registers; 0 without compiled kernels.
    """

    def __init__(self, threads: int, search_seconds: float = _PEAK_SEARCH_SECONDS) -> None:
        self.threads = threads
        self.peak = 0.0
        until = time.perf_counter() + search_seconds
        self.is_free()
        while self.peak and time.perf_counter() < until:
            time.sleep(_PAUSE_SECONDS)
            self.is_free()

    def is_free(self) -> bool:
        """Return whether the speed is near the peak; measurements at other times are not reliable."""
        until = time.perf_counter() + WARM_UP_SECONDS
        speed = self._probe()
        while speed < _FREE_FRACTION * self.peak and time.perf_counter() < until:
            speed = max(speed, self._probe())
        self.peak = max(self.peak, speed)
        return speed >= _FREE_FRACTION * self.peak

    def _probe(self) -> float:
        started = time.perf_counter()
        operations = _kernels.run_multiply_adds(self.threads)
        return operations / (time.perf_counter() - started)
